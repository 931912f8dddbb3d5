"""What kind of network is it: read from a domain, an architecture and a name in free words."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

KINDS = ("language", "vision", "diffusion", "speech", "multimodal", "other")
"""Kinds of work that a user can name."""

GROUPS = ("decoder", "transformer", "convolution", "depthwise", "unet", "recurrent", "other")
"""Kinds of network that share their doubt."""

DOMAINS = (
    (("language", "code"), "language"),
    (("vision: generative", "image", "video"), "diffusion"),
    (("vision-language", "vision: vision-language", "multimodal"), "multimodal"),
    (("vision",), "vision"),
    (("speech", "audio"), "speech"),
)
"""Beginnings of a domain -> kind of work; an empty domain is language, anything else is other."""

DEPTHWISE = ("efficientnet", "efficientdet", "mobilenet", "mnasnet", "mixnet", "depthwise")
"""Names of networks that spend their time in depthwise convolutions."""

NOT_DEPTHWISE = ("efficientnetv2", "efficientnet-v2", "efficientnet v2")
"""Networks that replaced most of them by dense ones."""

RECURRENT = ("ssm", "hyena", "mamba", "rwkv", "rnn", "lstm", "gru", "recurrent", "linear attention")
TRANSFORMERS = ("transformer", "decoder", "encoder", "vit", "bert", "attention", "swin", "moe")
CONVOLUTIONS = ("cnn", "conv", "resnet", "resnext", "vgg", "unet 3d", "u-net 3d")
UNETS = ("u-net", "unet")


@dataclass(frozen=True, kw_only=True)
class NetworkKind:
    """Kind of a network as flags, and how sure published runs let us be of such networks.

    Parameters
    ----------
    group : str
        One of `GROUPS`: runs of one group share their doubt.
    transformer, convolution, depthwise, unet : bool
        What its elementwise work is like; `other` counts as a transformer.
    encoder, contrastive, sparse, recurrent : bool
        What slows it down.
    lora : bool
        Only adapters are trained.
    """

    group: str
    convolution: bool = False
    depthwise: bool = False
    unet: bool = False
    encoder: bool = False
    contrastive: bool = False
    sparse: bool = False
    recurrent: bool = False
    lora: bool = False

    @cached_property
    def transformer(self) -> bool:
        """Whether attention terms make sense for it."""
        return self.group in ("decoder", "transformer")


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


CONFIGURED = (
    (("mamba", "rwkv"), "language", "SSM"),
    (("efficientnet", "mobilenet"), "vision", "CNN, depthwise"),
    (("resnet", "convnext", "regnet", "alexnet", "vgg", "densenet"), "vision", "CNN"),
    (("unet", "autoencoder"), "diffusion", "U-Net"),
    (("dit", "sd3", "flux"), "diffusion", "diffusion transformer"),
    (("clip", "siglip"), "multimodal", "contrastive ViT"),
    (("llava", "gemma3_mm"), "multimodal", "vision encoder and decoder"),
    (("vit", "deit", "beit", "swin", "dino", "segformer", "sam"), "vision", "ViT encoder"),
    (("whisper",), "speech", "encoder-decoder transformer"),
    (("wav2vec2", "hubert", "wavlm", "data2vec"), "speech", "encoder"),
    (("t5", "bart", "pegasus", "marian", "switch"), "language", "encoder-decoder transformer"),
    (("bert", "electra", "deberta", "mpnet", "longformer", "big_bird"), "language", "encoder"),
)
"""Beginnings or parts of a config's `model_type` -> kind of work and architecture in words."""


def configured_kind(model_type: str, *, sparse: bool) -> tuple[str, str]:
    """Kind of work and architecture in words of a Hugging Face `model_type`.

    >>> configured_kind("modernbert", sparse=False), configured_kind("mixtral", sparse=True)
    (('language', 'encoder'), ('language', 'MoE decoder'))
    """
    words = model_type.lower()
    for parts, work, arch in CONFIGURED:
        if _has(words, parts):
            return work, arch
    return "language", "MoE decoder" if sparse else "dense decoder"


@lru_cache(maxsize=4096)
def network_kind(work: str, arch: str = "", name: str = "") -> NetworkKind:
    """Kind of a network from the kind of work, an architecture and a name in free words.

    Parameters
    ----------
    work : str
        One of `KINDS`.
    arch, name : str
        As in a table of runs; may be empty, and then the usual network of the kind is meant.

    Examples
    --------
    >>> network_kind("vision", "CNN", "EfficientNet-B0").group
    'depthwise'
    >>> network_kind("language", "MoE", "Mixtral").sparse
    True
    """
    told = f"{name} {arch}".lower()
    if _has(told, DEPTHWISE) and not _has(told, NOT_DEPTHWISE):
        return NetworkKind(group="depthwise", depthwise=True, lora="lora" in told)
    return _other_kind(work, arch.lower(), lora="lora" in told)


@lru_cache(maxsize=4096)
def _other_kind(work: str, words: str, *, lora: bool) -> NetworkKind:
    """Kind of a network that is not depthwise, by the words of its architecture."""
    if _has(words, UNETS) or (work == "diffusion" and not words):
        return NetworkKind(group="unet", unet=True, lora=lora)
    if _has(words, RECURRENT):
        return NetworkKind(group="recurrent", recurrent=True, lora=lora)
    contrastive = "contrastive" in words or "+ text" in words
    if _has(words, CONVOLUTIONS) and "transformer" not in words:
        return NetworkKind(
            group="convolution", convolution=True, contrastive=contrastive, lora=lora
        )
    if not words and work == "vision":
        return NetworkKind(group="convolution", convolution=True, lora=lora)
    if (not words and work in ("other", "multimodal")) or (words and not _has(words, TRANSFORMERS)):
        return NetworkKind(group="other", lora=lora)
    encoder = "encoder" in words or work in ("vision", "speech") or "vit" in words
    return NetworkKind(
        group="transformer" if encoder or contrastive or work != "language" else "decoder",
        encoder=encoder,
        contrastive=contrastive,
        sparse="moe" in words or "mixture of experts" in words or "switch" in words,
        lora=lora,
    )


def _has(text: str, words: tuple[str, ...]) -> bool:
    return any(map(text.__contains__, words))
