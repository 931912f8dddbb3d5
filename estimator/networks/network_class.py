"""What kind of network is it: read from a domain, an architecture and a name in free words."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import accumulate
from operator import add

GROUPS = ("decoder", "transformer", "convolution", "depthwise", "unet", "recurrent", "other")
"""Kinds of network whose measured runs speak for each other."""

EXPERTS, SPEECH = "experts", "speech"
SPREAD_GROUPS = (*GROUPS, EXPERTS, SPEECH)
"""Kinds of network that share their uncertainty; those of experts and of speech have their own."""

DOMAINS = (
    (("language", "code"), "language"),
    (("vision: generative", "image", "video"), "diffusion"),
    (("vision-language", "vision: vision-language", "multimodal"), "multimodal"),
    (("vision",), "vision"),
    (("speech", "audio", "vocoder"), "speech"),
)
"""Beginnings of a domain -> kind of work; an empty domain is language, anything else is other."""

DEPTHWISE = ("efficientnet", "efficientdet", "mobilenet", "mnasnet", "mixnet", "depthwise")
"""Names of networks that spend their time in depthwise convolutions."""

NOT_DEPTHWISE = ("efficientnetv2", "efficientnet-v2", "efficientnet v2")
"""Networks that replaced most of them by dense ones."""

OF_NAMES = (*DEPTHWISE, "lora")
"""Words of a name that tell its kind."""

RECURRENT = ("rnn", "lstm", "gru", "recurrent", "ssm", "hyena", "mamba", "rwkv", "linear attention")
TRANSFORMERS = (
    *("transformer", "decoder", "encoder", "vit", "bert", "attention", "swin", "moe"),
    *("electra", "t5", "bart", "detr", "wav2vec", "data2vec", "clip", "former"),
    "mixture of experts",
)
BIDIRECTIONAL = (
    *("encoder", "vit", "bert", "electra", "t5", "bart", "enc-dec", "detr", "wav2vec"),
    *("data2vec", "clip", "conformer", "swin", "mae"),
)
"""Words of transformers, and of those that see whole sequences at once, in part or in all."""

GRAPHS_AND_TABLES = ("dlrm", "gnn", "graph", "dcn")
"""Words of recommenders and graph networks: neither layers of tokens nor of pixels."""

PERCEPTRON = "perceptron"
"""Family of networks of plain matrix products."""

FAMILIES = (
    ("lstm", ("lstm",)),
    ("gru", ("gru",)),
    ("state space", ("ssm", "mamba", "hyena", "rwkv", "linear attention")),
    ("plain recurrence", ("rnn", "recurrent")),
    ("inverted residuals", ("mobilenet", "efficientnet", "mnasnet", "mixnet", "inverted")),
    ("depthwise", ("depthwise", "convnext")),
    ("residual", ("resnet", "resnext", "residual", "bottleneck", "densenet", "regnet")),
    ("patches", ("vit", "swin", "deit", "patch")),
    ("experts", ("moe", "mixture of experts")),
    ("encoder", BIDIRECTIONAL),
    ("convolutions in time", ("wavenet", "tcn", "1-d", "1d", "in time", "temporal conv")),
    ("plain convolutions", ("vgg", "alexnet", "lenet", "cnn", "conv")),
    ("mixer", ("mixer",)),
    (PERCEPTRON, ("perceptron", "mlp", "kan", "tabular", "fully connected", "feedforward")),
)
"""Families of one group whose speed differs on one device, and words of their architecture."""

STEPWISE = "step by step"
WAYS = (("numpy", "in numpy"), (STEPWISE, STEPWISE))
"""Words of an architecture that few programs are written in, and what its family is named then."""

CONVOLUTIONS = (
    *("cnn", "conv", "resnet", "resnext", "vgg", "unet 3d", "u-net 3d", "densenet", "regnet"),
    *("dcgan", "wavenet", "tcn"),
)
UNETS = ("u-net", "unet")

RARE_WORK = ("speech", "diffusion", "other")
RARE_GROUPS = ("transformer", "decoder", "recurrent")
"""Kinds of work for which few networks of these groups are published."""


@dataclass(frozen=True, kw_only=True)
class NetworkKind:
    """Kind of a network as flags, and the group of runs that it learns from.

    Parameters
    ----------
    group : str
        One of `GROUPS`: runs of one group share what is measured of them.
    transformer, convolution, depthwise, unet, other : bool
        What its elementwise work is like; other: recommenders and graphs. An unknown network counts
        as a transformer.
    encoder, contrastive, sparse, recurrent : bool
        What slows it down.
    lora : bool
        Only adapters are trained.
    family : str
        Which of `FAMILIES`, and in which of `WAYS`; empty if none.
    rare : bool
        A transformer or recurrence of another field than language and vision: few are published.
    speech : bool
        It hears or makes sound.
    """

    group: str
    convolution: bool = False
    depthwise: bool = False
    unet: bool = False
    encoder: bool = False
    contrastive: bool = False
    sparse: bool = False
    recurrent: bool = False
    other: bool = False
    lora: bool = False
    family: str = ""
    rare: bool = False
    speech: bool = False

    @cached_property
    def transformer(self) -> bool:
        """Whether attention terms make sense for it."""
        return self.group in ("decoder", "transformer")

    @cached_property
    def perceptron(self) -> bool:
        """Whether it is made of plain matrix products."""
        return self.family.startswith(PERCEPTRON)

    @cached_property
    def stepwise(self) -> bool:
        """Whether its steps are launched one after another, as no library fuses them."""
        return self.recurrent and self.family.endswith(STEPWISE)

    @cached_property
    def spread_group(self) -> str:
        """Runs whose uncertainty it shares: of experts, of speech, else those of its group."""
        if self.sparse:
            return EXPERTS
        return SPEECH if self.speech else self.group


@lru_cache(maxsize=4096)
def kind_of_domain(domain: str) -> str:
    """Kind of work of a free-text domain.

    >>> kind_of_domain("vision: ImageNet classification"), kind_of_domain("games (RL)")
    ('vision', 'other')
    """
    text = domain.strip().lower()
    if not text:
        return "language"
    for beginnings, kind in DOMAINS:
        if text.startswith(beginnings):
            return kind
    return "other"


ENCODERS = (
    *("ernie", "splinter", "dpr", "esm", "fnet", "layoutlm", "layoutlmv3", "lilt", "markuplm"),
    *("tapas", "bros", "luke", "gte", "yoso", "mra", "nystromformer", "roformer", "xlm", "xlnet"),
    *("funnel", "openai_privacy_filter"),
)
TRANSLATORS = ("nllb-moe", "fsmt", "mvp", "blenderbot", "blenderbot-small", "m2m_100", "led")
SEEING = (
    *("gemma3", "llama4", "mistral3", "mllama", "paligemma", "internvl", "internvl_chat"),
    *("idefics3", "smolvlm", "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe", "qwen3_5"),
    *("qwen3_5_moe", "glm4v", "glm46v", "glm4v_moe", "qwen2_audio", "voxtral", "aya_vision"),
    *("cohere2_vision", "lfm2_vl", "lighton_ocr", "idefics2", "fuyu", "colpali", "blip", "blip-2"),
    *("instructblip", "instructblipvideo", "git", "vision-encoder-decoder", "gemma4", "colqwen2"),
    *("qwen2_5_omni", "qwen2_5_omni_thinker", "glm_ocr", "paddleocr_vl", "deepseek_vl"),
    *("video_llama_3", "kimi_k25", "florence2", "gemma3n", "phi4_multimodal", "qwen3_omni_moe"),
    *("qwen3_omni_moe_thinker", "pix2struct", "t5gemma2", "kosmos-2"),
    *("aria", "audioflamingo3", "minimax_m3_vl", "step3p7", "granite_speech", "chameleon"),
    *("janus", "idefics", "musicflamingo", "glmasr", "qwen3_asr"),
    *("mistral_large4", "muse_glimmer", "exaone4_5", "voxtral_realtime"),
    *("got_ocr2", "hunyuan_vl", "molmo2", "shieldgemma2", "modernvbert", "colmodernvbert"),
)
"""Types whose kind no part of their name tells."""

NAMED = {
    **dict.fromkeys(ENCODERS, ("language", "encoder")),
    **dict.fromkeys(TRANSLATORS, ("language", "encoder-decoder transformer")),
    **dict.fromkeys(SEEING, ("multimodal", "vision encoder and decoder")),
    "modernbert-decoder": ("language", "dense decoder"),
    **dict.fromkeys(
        ("pixtral", "table-transformer", "rt_detr", "rt_detr_v2"), ("vision", "ViT encoder")
    ),
    **dict.fromkeys(("xmod", "jina_embeddings_v3", "canine"), ("language", "encoder")),
    "safety_checker": ("vision", "ViT encoder"),
    "clap": ("multimodal", "contrastive encoder"),
    "vilt": ("multimodal", "ViT encoder"),
    **dict.fromkeys(("visual_bert", "lxmert"), ("multimodal", "encoder")),
    **dict.fromkeys(
        (
            "speech_to_text",
            "cohere_asr",
            "moonshine",
            "musicgen",
            "speecht5",
            "bark",
            "dia",
            "seamless_m4t",
            "seamless_m4t_v2",
        ),
        ("speech", "encoder-decoder transformer"),
    ),
    **dict.fromkeys(
        ("csm", "moshi", "higgs_audio_v2", "kyutai_speech_to_text"), ("speech", "dense decoder")
    ),
    **dict.fromkeys(("encodec", "mimi", "dac", "vits"), ("speech", "CNN")),
    **dict.fromkeys(("patchtst", "patchtsmixer", "timesfm", "timesfm2_5"), ("other", "encoder")),
    "imagegpt": ("vision", "dense decoder"),
    "encoder-decoder": ("language", "encoder-decoder transformer"),
    "speech-encoder-decoder": ("speech", "encoder-decoder transformer"),
}
"""Config's `model_type` -> kind of work and architecture in words."""

CONFIGURED = (
    (("mamba", "rwkv"), "language", "SSM"),
    (("efficientnet", "mobilenet"), "vision", "CNN, depthwise"),
    (
        ("poolformer", "pvt", "focalnet", "detr", "yolos", "dpt", "depth_anything"),
        "vision",
        "ViT encoder",
    ),
    (("hiera", "cvt", "glpn", "vjepa"), "vision", "ViT encoder"),
    (("maskformer", "mask2former", "upernet", "depth_pro", "d_fine"), "vision", "ViT encoder"),
    (("ijepa", "timesformer", "videomae", "data2vec-vision"), "vision", "ViT encoder"),
    (("resnet", "convnext", "regnet", "alexnet", "vgg", "densenet", "superpoint"), "vision", "CNN"),
    (("fluxcontrolnet",), "diffusion", "diffusion transformer"),
    (("unet", "autoencoder", "controlnet"), "diffusion", "U-Net"),
    (("dit2d", "ditmodel", "transformer2d", "transformer3d"), "diffusion", "diffusion transformer"),
    (("clip", "siglip", "aimv2"), "multimodal", "contrastive ViT"),
    (("llava", "gemma3_mm"), "multimodal", "vision encoder and decoder"),
    (("vit", "deit", "beit", "swin", "dino", "segformer", "sam", "owl"), "vision", "ViT encoder"),
    (("whisper",), "speech", "encoder-decoder transformer"),
    (("wav2vec2", "hubert", "wavlm", "data2vec-audio", "unispeech"), "speech", "encoder"),
    (("sew", "audio-spectrogram", "parakeet"), "speech", "encoder"),
    (("t5", "bart", "pegasus", "marian", "switch"), "language", "encoder-decoder transformer"),
    (("bert", "electra", "data2vec-text"), "language", "encoder"),
    (("deberta", "mpnet", "longformer", "big_bird"), "language", "encoder"),
)
"""Parts of a config's `model_type` -> kind of work and architecture in words."""


def configured_kind(model_type: str, *, sparse: bool) -> tuple[str, str]:
    """Kind of work and architecture in words of a Hugging Face `model_type`.

    >>> configured_kind("modernbert", sparse=False), configured_kind("mixtral", sparse=True)
    (('language', 'encoder'), ('language', 'MoE decoder'))
    """
    words = model_type.lower()
    if words in NAMED:
        return NAMED[words]
    for parts, work, arch in CONFIGURED:
        if _has(words, parts):
            return work, arch
    return "language", "MoE decoder" if sparse else "dense decoder"


def alike(things: Sequence[object]) -> bool:
    """Whether all of some things are the first one, as in most tables."""
    return not things or things.count(things[0]) == len(things)


def texts_with(words: Sequence[str], texts: Iterable[str]) -> list[str]:
    """Distinct texts that hold one of some words in small letters.

    >>> texts_with(("ngc", "nemo"), ["NGC 23.04", "PyTorch", "NGC 23.04"])
    ['NGC 23.04']
    """
    distinct = [text for text in dict.fromkeys(texts) if text]
    if not distinct:
        return []
    together = "\n".join(distinct).lower()
    small = together.split("\n")
    if len(small) != len(distinct):
        small = [text.lower() for text in distinct]
    ends = list(map(add, accumulate(map(len, small)), range(1, len(small) + 1)))
    found = set()
    for word in words:
        at = together.find(word)
        while at >= 0:
            place = bisect_right(ends, at)
            found.add(place)
            at = together.find(word, ends[place])
    return [distinct[place] for place in sorted(found)]


@lru_cache(maxsize=4096)
def network_kind(work: str, arch: str = "", name: str = "") -> NetworkKind:
    """Kind of a network from the kind of work, an architecture and a name in free words.

    Parameters
    ----------
    work : str
        One of `workload.kinds.KINDS`.
    arch, name : str
        As in a table of runs; may be empty, and then the usual network of the kind is meant.

    Examples
    --------
    >>> network_kind("vision", "CNN", "EfficientNet-B0").group
    'depthwise'
    >>> network_kind("language", "MoE", "Mixtral").sparse
    True
    """
    arch = _without_layout(arch.lower())
    words = f"{name.lower()} {arch}"
    if _has(words, DEPTHWISE) and not _has(words, NOT_DEPTHWISE):
        kind = NetworkKind(group="depthwise", depthwise=True, lora="lora" in words)
        return replace(kind, family=_family(words), speech=work == SPEECH)
    kind = _other_kind(work, arch, lora="lora" in words)
    rare = work in RARE_WORK and kind.group in RARE_GROUPS
    return replace(kind, rare=rare, family=_family(arch), speech=work == SPEECH)


def _without_layout(arch: str) -> str:
    """Architecture in small letters, an autoencoder by its layers: that of pixels is masked.

    >>> _without_layout("mlp autoencoder"), _without_layout("masked autoencoder")
    ('mlp', 'mae encoder')
    """
    return arch.replace("masked autoencoder", "mae encoder").replace("autoencoder", "").strip()


def _family(words: str) -> str:
    family = next((family for family, some in FAMILIES if _has(words, some)), "")
    way = next((way for word, way in WAYS if word in words), "")
    return f"{family} {way}".strip()


@lru_cache(maxsize=4096)
def _other_kind(work: str, words: str, *, lora: bool) -> NetworkKind:
    """Kind of a network that is not depthwise, by the words of its architecture."""
    if _has(words, UNETS) or (work == "diffusion" and not words):
        return NetworkKind(group="unet", unet=True, lora=lora)
    if _has(words, RECURRENT):
        return NetworkKind(group="recurrent", recurrent=True, lora=lora)
    if _has(words, GRAPHS_AND_TABLES):
        return NetworkKind(group="other", other=True, lora=lora)
    contrastive = _has(words, ("contrastive", "+ text", "clip"))
    if _has(words, CONVOLUTIONS) and not _has(words, TRANSFORMERS):
        return NetworkKind(
            group="convolution", convolution=True, contrastive=contrastive, lora=lora
        )
    if not words and work == "vision":
        return NetworkKind(group="convolution", convolution=True, lora=lora)
    if (not words and work in ("other", "multimodal")) or (words and not _has(words, TRANSFORMERS)):
        return NetworkKind(group="other", lora=lora)
    encoder = _has(words, BIDIRECTIONAL) or work in ("vision", "speech")
    causal = work == "language" or "decoder" in words
    return NetworkKind(
        group="transformer" if encoder or contrastive or not causal else "decoder",
        encoder=encoder,
        contrastive=contrastive,
        sparse="moe" in words or "mixture of experts" in words or "switch" in words,
        lora=lora,
    )


def _has(text: str, words: tuple[str, ...]) -> bool:
    return any(map(text.__contains__, words))
