"""Network kinds, recognized by words in free text.

AnyOf match in lower case without adjoining letters, so `gru` does not match "congruent"; `*`
matches further letters (`*bert` matches RoBERTa).
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from itertools import accumulate
from operator import add

KINDS = ("language", "vision", "diffusion", "speech", "multimodal", "other")
"""Workload types that a user can name."""

ADAPTERS = ("lora", "qlora")
"""Fine-tuning methods that train adapters on frozen weights."""

GROUPS = ("decoder", "transformer", "convolution", "depthwise", "unet", "recurrent", "other")
"""Groups of networks whose measured runs inform each other."""

EXPERTS, SPEECH = "experts", "speech"
SPREAD_GROUPS = (*GROUPS, EXPERTS, SPEECH)
"""Groups of networks that share their uncertainty; experts and speech are separate."""

DOMAINS = (
    (("language", "code"), "language"),
    (("vision: generative", "image", "video"), "diffusion"),
    (("vision-language", "vision: vision-language", "multimodal"), "multimodal"),
    (("vision",), "vision"),
    (("speech", "audio", "vocoder"), "speech"),
)
"""Prefix of a domain -> workload type; an empty domain is language, any other is other."""

PERCEPTRON = "perceptron"
"""Family of networks of plain matrix products."""

STEPWISE = "step by step"
WAYS = (("numpy", "in numpy"), (STEPWISE, STEPWISE))
"""AnyOf for rare implementations -> suffix of the family."""

RARE_WORK = ("speech", "diffusion", "other")
RARE_GROUPS = ("transformer", "decoder", "recurrent")
"""Groups of networks that are rare in some workload types."""

PICTURES = ("vision",)
"""Workload types with photographs that a host decodes."""

SMALL_PICTURES = ("cifar", "mnist", "svhn")
"""Data sets with images too small to limit a run."""

NAME_STEMS = (
    *("efficientnet", "efficientdet", "mobilenet", "mnasnet", "mixnet", "depthwise", "lora"),
    *("xception", "shufflenet", "ghostnet", "nasnet", "mobilevit"),
    *SMALL_PICTURES,
)
"""Word stems required in a model name to determine its kind, to skip others quickly."""


class AnyOf:
    """Pattern for a text that contains one of some words, compiled for the first such text.

    >>> bool(AnyOf("gru").search("congruent")), bool(AnyOf("*bert").search("roberta bert2"))
    (False, True)
    """

    def __init__(self, patterns: str) -> None:
        self._patterns = patterns.split(", ")

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        either = "|".join(re.escape(one).replace(r"\*", "[a-z]*") for one in self._patterns)
        return re.compile(f"(?<![a-z])(?:{either})(?![a-z])")

    def search(self, text: str) -> bool:
        """Return whether a text in small letters contains one of the words."""
        return not text.isspace() and bool(text and self._compiled.search(text))


DEPTHWISE = AnyOf(
    "*efficientnet*, efficientdet*, *mobilenet*, mnasnet*, mixnet*, depthwise, "
    "*xception*, *shufflenet*, ghostnet*, *nasnet*, mobilevit*, separable conv*"
)
DENSE_AGAIN = AnyOf("*efficientnetv*, *efficientnet-v*, *efficientnet v*")
"""Networks that match the depthwise pattern but have dense convolutions."""

UNETS = AnyOf("*unet, u-net")
RECURRENT = AnyOf(
    "*rnn, *rnns, *lstm, *lstms, *gru, *grus, recurrent*, recurrence, linear attention, "
    "ssm, ssms, *hyena, *mamba, rwkv"
)
SCANNED = AnyOf(
    "rwkv*, linear attention, ssm, ssms, *mamba, *hyena, retnet, *deltanet, "
    "linear recurren*, linear rnn*, hybrid"
)
"""Recurrences linear in their state, trained on all steps at once."""

GRAPHS_AND_TABLES = AnyOf(
    "dlrm, *gnn, *gnns, dcn, dcnv2, graphs, graph net*, graph neural, graph conv*, "
    "graph attention, graph transformer"
)
"""Recommenders and graph networks, without layers of tokens or pixels."""

CONTRASTIVE = AnyOf("contrastive, *clip, + text")
CONVOLUTIONS = AnyOf(
    "*cnn, *cnns, conv, *convnet*, *convnext*, *convolution*, *resnet, *resnets, "
    "*resnext, vgg, *densenet, *regnet*, *dcgan, *wavenet, tcn, conv1d, conv2d"
)
BIDIRECTIONAL = AnyOf(
    "encoder, encoders, *vit, *vits, *bert, *berta, *electra, *t5, *bart, enc-dec, "
    "*detr, wav2vec*, data2vec*, *clip, *conformer, *swin, swinv2, mae"
)
TRANSFORMERS = AnyOf(
    "*transformer, *transformers, decoder, decoders, encoder, encoders, *vit, *vits, "
    "*bert, *berta, attention, *swin, swinv2, *moe, *electra, *t5, *bart, *detr, "
    "wav2vec*, data2vec*, *clip, *former, mixture of experts"
)
"""Transformers, and similar networks over whole sequences."""

SPARSE = AnyOf("*moe, mixture of experts, switch")
DECODERS = AnyOf("decoder, decoders")
LORA = AnyOf("*lora")

FAMILIES = (
    ("lstm", AnyOf("*lstm, *lstms")),
    ("gru", AnyOf("*gru, *grus")),
    ("state space", AnyOf("ssm, ssms, *mamba, *hyena, rwkv, linear attention")),
    ("plain recurrence", AnyOf("*rnn, *rnns, recurrent*, recurrence")),
    (
        "inverted residuals",
        AnyOf("*mobilenet*, *efficientnet*, mnasnet*, mixnet*, inverted"),
    ),
    ("depthwise", AnyOf("depthwise, *convnext*")),
    (
        "residual",
        AnyOf("*resnet, *resnets, *resnext, residual, bottleneck, *densenet, *regnet*"),
    ),
    ("patches", AnyOf("*vit, *vits, *swin, swinv2, deit, patch, patches")),
    ("experts", AnyOf("*moe, mixture of experts")),
    ("encoder", BIDIRECTIONAL),
    (
        "convolutions in time",
        AnyOf("*wavenet, tcn, 1-d, 1d, in time, temporal conv*"),
    ),
    (
        "plain convolutions",
        AnyOf("vgg, alexnet, lenet, *cnn, *cnns, conv, *convnet, *convolution*"),
    ),
    ("mixer", AnyOf("*mixer")),
    (
        PERCEPTRON,
        AnyOf(
            "perceptron, perceptrons, *mlp, *mlps, kan, tabular, fully connected, feedforward, "
            "feed-forward"
        ),
    ),
)
"""Family within a group with its own speed -> words of its architecture."""

ENCODER_DECODER, SEEING = "encoder-decoder transformer", "vision encoder and decoder"

TYPES = (
    ("language", "SSM", "*mamba* *rwkv*"),
    ("vision", "CNN, depthwise", "*efficientnet* *mobilenet*"),
    (
        "vision",
        "ViT encoder",
        "pixtral table-transformer rt_detr rt_detr_v2 safety_checker eomt lightglue *poolformer* "
        "*pvt* *focalnet* *detr* *yolos* *dpt* *depth_anything* *hiera* *cvt* *glpn* *vjepa* "
        "*maskformer* *mask2former* *upernet* *depth_pro* *d_fine* *ijepa* *timesformer* "
        "*videomae* *data2vec-vision*",
    ),
    (
        "vision",
        "CNN",
        "hgnet_v2 *resnet* *resnext* *convnext* *regnet* *alexnet* *vgg* *densenet* *superpoint*",
    ),
    ("diffusion", "diffusion transformer", "*fluxcontrolnet*"),
    ("diffusion", "U-Net", "*unet* *autoencoder* *controlnet*"),
    (
        "diffusion",
        "diffusion transformer",
        "*dit2d* *ditmodel* *transformer2d* *transformer3d*",
    ),
    ("multimodal", "contrastive ViT", "*clip* *siglip* *aimv2* bridgetower flava"),
    (
        "multimodal",
        SEEING,
        "gemma3 llama4 mistral3 mllama paligemma internvl internvl_chat idefics3 smolvlm qwen2_vl "
        "qwen2_5_vl qwen3_vl qwen3_vl_moe qwen3_5 qwen3_5_moe glm4v glm46v glm4v_moe qwen2_audio "
        "voxtral aya_vision cohere2_vision lfm2_vl lighton_ocr idefics2 fuyu colpali blip blip-2 "
        "instructblip instructblipvideo git vision-encoder-decoder gemma4 colqwen2 qwen2_5_omni "
        "qwen2_5_omni_thinker glm_ocr paddleocr_vl deepseek_vl video_llama_3 kimi_k25 florence2 "
        "gemma3n phi4_multimodal qwen3_omni_moe qwen3_omni_moe_thinker pix2struct t5gemma2 "
        "kosmos-2 aria audioflamingo3 minimax_m3_vl step3p7 granite_speech chameleon janus "
        "idefics musicflamingo glmasr qwen3_asr mistral_large4 muse_glimmer exaone4_5 "
        "voxtral_realtime got_ocr2 hunyuan_vl molmo2 shieldgemma2 modernvbert colmodernvbert "
        "*llava* *gemma3_mm*",
    ),
    ("vision", "ViT encoder", "*vit* *deit* *beit* *swin* *dino* *segformer* *sam* *owl*"),
    (
        "speech",
        ENCODER_DECODER,
        "speech_to_text cohere_asr moonshine musicgen speecht5 bark dia seamless_m4t "
        "seamless_m4t_v2 speech-encoder-decoder *whisper*",
    ),
    (
        "speech",
        "encoder",
        "*wav2vec2* *hubert* *wavlm* *data2vec-audio* *unispeech* *sew* *audio-spectrogram* "
        "*parakeet*",
    ),
    ("speech", "dense decoder", "csm moshi higgs_audio_v2 kyutai_speech_to_text"),
    ("speech", "CNN", "encodec mimi dac vits"),
    ("multimodal", "contrastive encoder", "clap"),
    ("multimodal", "ViT encoder", "vilt"),
    ("multimodal", "encoder", "visual_bert lxmert"),
    ("other", "encoder", "patchtst patchtsmixer timesfm timesfm2_5"),
    ("vision", "dense decoder", "imagegpt"),
    (
        "language",
        ENCODER_DECODER,
        "nllb-moe fsmt mvp blenderbot blenderbot-small m2m_100 led encoder-decoder *t5* *bart* "
        "*pegasus* *marian* *switch*",
    ),
    ("language", "dense decoder", "modernbert-decoder"),
    (
        "language",
        "encoder",
        "ernie splinter dpr esm fnet layoutlm layoutlmv3 lilt markuplm tapas bros luke gte yoso "
        "mra nystromformer roformer xlm xlnet funnel openai_privacy_filter xmod "
        "jina_embeddings_v3 canine *bert* *electra* *data2vec-text* *deberta* *mpnet* "
        "*longformer* *big_bird*",
    ),
)
"""Workload type, architecture -> its `model_type`s; those with `*` apply last, in order."""


@lru_cache(maxsize=4096)
def configured_kind(model_type: str, *, sparse: bool) -> tuple[str, str]:
    """Return workload type and architecture, as words, of a Hugging Face `model_type`.

    >>> configured_kind("modernbert", sparse=False), configured_kind("mixtral", sparse=True)
    (('language', 'encoder'), ('language', 'MoE decoder'))
    """
    name = model_type.lower()
    rows = [(known, work, arch) for work, arch, names in TYPES for known in names.split()]
    for known, work, arch in sorted(rows, key=lambda row: "*" in row[0]):
        if fnmatchcase(name, known):
            return work, arch
    return "language", "MoE decoder" if sparse else "dense decoder"


@dataclass(frozen=True, kw_only=True)
class NetworkKind:
    """Kind of a network as flags, and the group of runs that informs it.

    Parameters
    ----------
    group : str
        One of `GROUPS`; runs in a group share their measurements.
    transformer, convolution, depthwise, unet, other : bool
        Type of elementwise work; other: recommenders and graph networks. An unknown network counts
        as a transformer.
    encoder, contrastive, sparse, recurrent : bool
        Properties that slow it down.
    lora : bool
        Whether only adapters are trained.
    family : str
        One of `FAMILIES`, and of `WAYS`; empty if none.
    rare : bool
        Whether it is a transformer or recurrence outside language and vision, with few published
        runs.
    speech : bool
        Whether it processes speech or audio.
    linear : bool
        Whether attention grows linearly with the sequence: a recurrence over all steps at once,
        possibly mixed with attention.
    pictures : bool
        Whether its samples are photographs that a host decodes.
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
    linear: bool = False
    pictures: bool = False

    @cached_property
    def transformer(self) -> bool:
        """Return whether attention terms apply."""
        return self.group in ("decoder", "transformer") and not self.linear

    @cached_property
    def perceptron(self) -> bool:
        """Return whether the network consists of plain matrix products."""
        return self.family.startswith(PERCEPTRON)

    @cached_property
    def stepwise(self) -> bool:
        """Return whether its steps are launched one by one, without a fused library."""
        return self.recurrent and self.family.endswith(STEPWISE)

    @cached_property
    def spread_group(self) -> str:
        """Group of runs that share its uncertainty."""
        if self.sparse:
            return EXPERTS
        if self.linear:
            return "recurrent"
        return SPEECH if self.speech else self.group


@lru_cache(maxsize=4096)
def kind_of_domain(domain: str) -> str:
    """Classify the workload type of a free-text domain.

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


@lru_cache(maxsize=4096)
def network_kind(work: str, arch: str = "", name: str = "") -> NetworkKind:
    """Classify the network kind by workload type, and architecture and name in free text.

    Parameters
    ----------
    work : str
        One of `KINDS`.
    arch, name : str
        Texts as in a table of runs; without an architecture, the typical network of the workload
        type.

    Examples
    --------
    >>> network_kind("vision", "CNN", "EfficientNet-B0").group
    'depthwise'
    >>> network_kind("language", "MoE", "Mixtral").sparse, network_kind("other", "GRU").family
    (True, 'gru')
    """
    arch = _by_layers(arch.lower())
    both = f"{name.lower()} {arch}"
    lora = LORA.search(both)
    if DEPTHWISE.search(both) and not DENSE_AGAIN.search(both):
        kind, described = NetworkKind(group="depthwise", depthwise=True, lora=lora), both
    else:
        kind, described = replace(_kind(work, arch), lora=lora), arch
    rare = work in RARE_WORK and kind.group in RARE_GROUPS
    return replace(
        kind,
        rare=rare,
        family=_family(described),
        speech=work == SPEECH,
        pictures=work in PICTURES and not any(word in both for word in SMALL_PICTURES),
    )


def _by_layers(arch: str) -> str:
    """Lowercase the architecture and rename autoencoders by their layers, masked ones to encoders.

    >>> _by_layers("mlp autoencoder"), _by_layers("masked autoencoder")
    ('mlp', 'mae encoder')
    """
    return arch.replace("masked autoencoder", "mae encoder").replace("autoencoder", "").strip()


@lru_cache(maxsize=4096)
def _family(arch: str) -> str:
    family = next((family for family, pattern in FAMILIES if pattern.search(arch)), "")
    way = next((way for word, way in WAYS if word in arch), "")
    return f"{family} {way}".strip()


@lru_cache(maxsize=4096)
def _kind(work: str, arch: str) -> NetworkKind:
    """Classify a network that is not depthwise by the words of its architecture."""
    if UNETS.search(arch) or (work == "diffusion" and not arch):
        return NetworkKind(group="unet", unet=True)
    linear = SCANNED.search(arch)
    if RECURRENT.search(arch) and not (
        linear and (work == "language" or TRANSFORMERS.search(arch) or "hybrid" in arch)
    ):
        return NetworkKind(group="recurrent", recurrent=True)
    if GRAPHS_AND_TABLES.search(arch):
        return NetworkKind(group="other", other=True)
    contrastive = CONTRASTIVE.search(arch)
    transformer = TRANSFORMERS.search(arch)
    if CONVOLUTIONS.search(arch) and not transformer:
        return NetworkKind(group="convolution", convolution=True, contrastive=contrastive)
    if not arch and work == "vision":
        return NetworkKind(group="convolution", convolution=True)
    if not (transformer or linear) and (arch or work in ("other", "multimodal")):
        return NetworkKind(group="other")
    encoder = BIDIRECTIONAL.search(arch) or work in ("vision", "speech")
    causal = work == "language" or DECODERS.search(arch)
    return NetworkKind(
        group="transformer" if encoder or contrastive or not causal else "decoder",
        encoder=encoder,
        contrastive=contrastive,
        sparse=SPARSE.search(arch),
        linear=linear,
    )


def alike(things: Sequence[object]) -> bool:
    """Return whether all items equal the first, as in most tables."""
    return not things or things.count(things[0]) == len(things)


def texts_with(parts: Sequence[str], texts: Iterable[str]) -> list[str]:
    """Return the distinct texts that contain one of some lowercase parts.

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
    for part in parts:
        at = together.find(part)
        while at >= 0:
            place = bisect_right(ends, at)
            found.add(place)
            at = together.find(part, ends[place])
    return [distinct[place] for place in sorted(found)]
