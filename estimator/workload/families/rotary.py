"""Which dense decoders of the Llama line there are, and what their configs leave out.

Rotary positions, one attention and one MLP per layer. A family is a row of defaults, those of
transformers 5.23: what a config of that family means by the keys it does not state.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from estimator.workload.blocks import Attention, Experts, LatentAttention, Mlp
from estimator.workload.fields import Fields
from estimator.workload.transformer import Decoder, Head, Layer

Rule = Callable[[Fields], bool]
Windows = tuple[int | None, ...]
FeedForwards = tuple[Mlp | Experts, ...]

LAYERS = ("num_hidden_layers",)
GENERATIVE = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")


def always(fields: Fields) -> bool:
    """Part of the family, no key asked."""
    return True


def never(fields: Fields) -> bool:
    """Not part of the family, no key asked."""
    return False


def flag(key: str, default: bool = False) -> Rule:
    """Rule that reads `key`."""
    return lambda fields: fields.flag(key, default=default)


def no_norm(fields: Fields, attention: Attention) -> int:
    """No norm of queries and keys."""
    return 0


def head_norm(fields: Fields, attention: Attention) -> int:
    """Query and key norms over one head, a weight per channel."""
    return 2 * attention.head_dim


def width_norm(fields: Fields, attention: Attention) -> int:
    """Query and key norms over all heads, a weight per channel."""
    return (attention.heads + attention.kv_heads) * attention.head_dim


def full_attention(fields: Fields, layers: int) -> Windows:
    """Every layer sees the whole sequence."""
    return (None,) * layers


def windows(
    fields: Fields, layers: int, window: int | None, slides: Callable[[int], bool]
) -> Windows:
    """`window` for the sliding layers: those of `layer_types`, else those `slides` names."""
    kinds = fields.items("layer_types", layers)
    if kinds is None:
        return tuple(window if slides(layer) else None for layer in range(layers))
    return tuple(None if kind == "full_attention" else window for kind in kinds)


def window_everywhere(default: int | None) -> Callable[[Fields, int], Windows]:
    """Every layer slides, unless `sliding_window` is null."""

    def rule(fields: Fields, layers: int) -> Windows:
        return (fields.size_or_none("sliding_window", default=default),) * layers

    return rule


def window_unless_full(fields: Fields, layers: int) -> Windows:
    """Ministral: every layer slides, except those that `layer_types` calls full."""
    window = fields.size_or_none("sliding_window", default=4096)
    return windows(fields, layers, window, lambda layer: True)


def window_but_every(period: int, default: int, key: str = "") -> Callable[[Fields, int], Windows]:
    """Every `period`-th layer sees the whole sequence, the others slide."""

    def rule(fields: Fields, layers: int) -> Windows:
        window = fields.size_or_none("sliding_window", default=default)
        cycle = fields.size(key, default=period) if key else period
        return windows(fields, layers, window, lambda layer: (layer + 1) % cycle != 0)

    return rule


def window_if_used(fields: Fields, layers: int) -> Windows:
    """Qwen: a window only where `use_sliding_window` asks, from `max_window_layers` on."""
    if not fields.flag("use_sliding_window"):
        return full_attention(fields, layers)
    first = fields.size("max_window_layers", default=28, least=0)
    window = fields.size_or_none("sliding_window", default=4096)
    return windows(fields, layers, window, lambda layer: layer >= first)


def window_without_rotary(fields: Fields, layers: int) -> Windows:
    """SmolLM3: a window in the layers without rotary positions, where one is asked for."""
    if not fields.flag("use_sliding_window"):
        return full_attention(fields, layers)
    rotary = fields.items("no_rope_layers", layers)
    period = fields.size("no_rope_layer_interval", default=4)
    window = fields.size_or_none("sliding_window")
    if rotary is None:
        return windows(fields, layers, window, lambda layer: (layer + 1) % period == 0)
    return windows(fields, layers, window, lambda layer: not rotary[layer])


@dataclass(frozen=True, kw_only=True)
class Family:
    """What a family is, and what its configs may leave out.

    Parameters
    ----------
    vocab, intermediate, positions : int
        Defaults of `vocab_size`, `intermediate_size`, `max_position_embeddings`. [1]
    intermediate_key, head_dim_key : str
        Keys of the MLP's and the head's width.
    kv_heads, head_dim : int or None
        Defaults; None takes the number of heads, and the width over the heads.
    tied : bool
        Default of `tie_word_embeddings`.
    qkv_bias, output_bias, mlp_bias, head_bias : Rule
        Which matrices have a bias.
    gated : bool
        Three MLP matrices instead of two.
    norms : int
        Norms per layer. [1]
    norm_params : int
        Parameters per channel of a norm: 1 RMSNorm, 2 LayerNorm with bias, 0 without weights.
    qk_norm : function
        Parameters of the query and key norms.
    windows : function
        Window of each layer.
    attention, feed_forwards : function or None
        How to read another attention than `Attention`, other MLPs than one `Mlp` per layer.
    """

    vocab: int
    intermediate: int
    positions: int
    intermediate_key: str = "intermediate_size"
    kv_heads: int | None = None
    head_dim: int | None = None
    head_dim_key: str = "head_dim"
    tied: bool = False
    qkv_bias: Rule = never
    output_bias: Rule = never
    mlp_bias: Rule = never
    head_bias: Rule = never
    gated: bool = True
    norms: int | Callable[[Fields], int] = 2
    norm_params: int = 1
    qk_norm: Callable[[Fields, Attention], int] = no_norm
    windows: Callable[[Fields, int], Windows] = full_attention
    attention: Callable[[Fields], LatentAttention] | None = None
    feed_forwards: Callable[["Family", Fields, int], FeedForwards] | None = None


def decoder(family: Family, fields: Fields) -> Decoder:
    """Decoder of a config, with the family's defaults for what it leaves out."""
    hidden = fields.size("hidden_size")
    layers = fields.layers(*LAYERS)
    norms = family.norms if isinstance(family.norms, int) else family.norms(fields)
    norm_params = family.norm_params * hidden
    blocks = family.feed_forwards or dense
    attention = family.attention(fields) if family.attention else grouped_attention(family, fields)
    stack = tuple(
        Layer(
            attention=replace(attention, window=window),
            feed_forward=feed_forward,
            norm_params=norms * norm_params,
        )
        for window, feed_forward in zip(
            family.windows(fields, layers), blocks(family, fields, layers), strict=True
        )
    )
    head, warnings = output_head(fields, family.vocab, family.tied, family.head_bias(fields))
    return Decoder(
        hidden=hidden,
        vocab=fields.size("vocab_size", default=family.vocab),
        layers=stack,
        head=head,
        max_positions=fields.size("max_position_embeddings", default=family.positions),
        outer_norm_params=norm_params,
        model_type=fields.text("model_type"),
        name=fields.text("_name_or_path"),
        warnings=warnings,
    )


def grouped_attention(family: Family, fields: Fields) -> Attention:
    """Attention of a config: heads, key-value heads, head width, biases, norms."""
    hidden = fields.size("hidden_size")
    heads = fields.size("num_attention_heads")
    kv_heads = fields.size_or_none("num_key_value_heads", default=family.kv_heads) or heads
    fields.share("num_attention_heads", heads, "num_key_value_heads", kv_heads)
    head_dim = fields.size_or_none(family.head_dim_key, default=family.head_dim)
    attention = Attention(
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim or fields.share("hidden_size", hidden, "num_attention_heads", heads),
        qkv_bias=family.qkv_bias(fields),
        output_bias=family.output_bias(fields),
    )
    return replace(attention, norm_params=family.qk_norm(fields, attention))


def dense(family: Family, fields: Fields, layers: int) -> FeedForwards:
    """The same MLP in every layer."""
    mlp = Mlp(
        hidden=fields.size("hidden_size"),
        width=fields.size(family.intermediate_key, default=family.intermediate),
        gated=family.gated,
        bias=family.mlp_bias(fields),
    )
    return (mlp,) * layers


def output_head(
    fields: Fields, vocab: int, tied: bool, bias: bool = False
) -> tuple[Head | None, tuple[str, ...]]:
    """Head of the class in `architectures`, a causal language model if absent; warnings."""
    name = class_name(fields)
    if name.endswith("ForSequenceClassification"):
        return Head(outputs=label_count(fields)), fields.notes
    if name.endswith("ForTokenClassification"):
        return Head(outputs=label_count(fields), bias=True), fields.notes
    if name.endswith("ForQuestionAnswering"):
        return Head(outputs=2, bias=True), fields.notes
    if name.endswith("Model") and not name.endswith("LMHeadModel"):
        return None, fields.notes
    head = Head(
        outputs=fields.size("vocab_size", default=vocab),
        bias=bias,
        tied=fields.flag("tie_word_embeddings", default=tied),
    )
    known = name == "" or name.endswith(GENERATIVE)
    note = () if known else (f"{name} is counted as a causal language model",)
    return head, fields.notes + note


def class_name(fields: Fields) -> str:
    """The class the weights belong to, empty where the config does not say."""
    names = fields.items("architectures") or [""]
    return str(names[0])


def label_count(fields: Fields) -> int:
    """Classes of a classifier: `num_labels`, the length of `id2label`, or 2."""
    labels = fields.part("id2label").values
    return fields.size("num_labels", default=len(labels) or 2)


LLAMA = Family(
    vocab=32000,
    intermediate=11008,
    positions=2048,
    qkv_bias=flag("attention_bias"),
    output_bias=flag("attention_bias"),
    mlp_bias=flag("mlp_bias"),
)
MISTRAL = Family(
    vocab=32000,
    intermediate=14336,
    positions=131072,
    kv_heads=8,
    windows=window_everywhere(4096),
)
QWEN2 = Family(
    vocab=151936,
    intermediate=22016,
    positions=32768,
    kv_heads=32,
    qkv_bias=always,
    windows=window_if_used,
)
GEMMA = Family(
    vocab=256000,
    intermediate=24576,
    positions=8192,
    kv_heads=16,
    head_dim=256,
    tied=True,
    qkv_bias=flag("attention_bias"),
    output_bias=flag("attention_bias"),
)
GEMMA2 = replace(GEMMA, intermediate=9216, kv_heads=4, norms=4, windows=window_but_every(2, 4096))
OLMO = Family(
    vocab=50304,
    intermediate=11008,
    positions=2048,
    qkv_bias=flag("attention_bias"),
    output_bias=flag("attention_bias"),
    norm_params=0,
)
COHERE = Family(
    vocab=256000,
    intermediate=22528,
    positions=8192,
    tied=True,
    qkv_bias=flag("attention_bias"),
    output_bias=flag("attention_bias"),
    norms=1,
)
GLM = Family(
    vocab=151552,
    intermediate=13696,
    positions=131072,
    kv_heads=2,
    head_dim=128,
    qkv_bias=flag("attention_bias", True),
)

ROWS: Mapping[str, Family] = {
    "llama": LLAMA,
    "mistral": MISTRAL,
    "qwen2": QWEN2,
    "qwen3": replace(
        QWEN2,
        head_dim=128,
        qkv_bias=flag("attention_bias"),
        output_bias=flag("attention_bias"),
        qk_norm=head_norm,
    ),
    "gemma": GEMMA,
    "gemma2": GEMMA2,
    "gemma3_text": replace(
        GEMMA2,
        vocab=262208,
        positions=131072,
        qk_norm=head_norm,
        windows=window_but_every(6, 4096, "sliding_window_pattern"),
    ),
    "olmo": OLMO,
    "olmo2": replace(OLMO, norm_params=1, qk_norm=width_norm),
    "olmo3": replace(OLMO, norm_params=1, qk_norm=width_norm, windows=window_but_every(4, 4096)),
    "phi": Family(
        vocab=51200,
        intermediate=8192,
        positions=2048,
        qkv_bias=always,
        output_bias=always,
        mlp_bias=always,
        head_bias=always,
        gated=False,
        norms=1,
        norm_params=2,
        qk_norm=lambda fields, attention: (
            4 * attention.head_dim if fields.flag("qk_layernorm") else 0
        ),
    ),
    "phi3": Family(vocab=32064, intermediate=8192, positions=4096, windows=window_everywhere(None)),
    "starcoder2": Family(
        vocab=49152,
        intermediate=12288,
        positions=4096,
        kv_heads=2,
        tied=True,
        qkv_bias=flag("use_bias", True),
        output_bias=flag("use_bias", True),
        mlp_bias=flag("use_bias", True),
        gated=False,
        norm_params=2,
        windows=window_everywhere(None),
    ),
    "granite": LLAMA,
    "cohere": replace(
        COHERE,
        qk_norm=lambda fields, attention: (
            width_norm(fields, attention) if fields.flag("use_qk_norm") else 0
        ),
    ),
    "cohere2": replace(COHERE, windows=window_but_every(4, 4096, "sliding_window_pattern")),
    "stablelm": Family(
        vocab=50304,
        intermediate=6912,
        positions=4096,
        kv_heads=32,
        head_dim_key="attention_head_dim",
        qkv_bias=flag("use_qkv_bias"),
        norms=lambda fields: 1 if fields.flag("use_parallel_residual") else 2,
        norm_params=2,
        qk_norm=lambda fields, attention: (
            width_norm(fields, attention) if fields.flag("qk_layernorm") else 0
        ),
    ),
    "smollm3": replace(
        LLAMA,
        vocab=128256,
        positions=32768,
        kv_heads=4,
        tied=True,
        windows=window_without_rotary,
    ),
    "nemotron": replace(
        LLAMA, vocab=256000, intermediate=24576, positions=4096, gated=False, norm_params=2
    ),
    "exaone4": Family(
        vocab=102400,
        intermediate=16384,
        positions=2048,
        kv_heads=32,
        qk_norm=head_norm,
        windows=window_but_every(4, 4096, "sliding_window_pattern"),
    ),
    "ministral": replace(MISTRAL, windows=window_unless_full),
    "ministral3": replace(
        MISTRAL, vocab=131072, positions=262144, head_dim=128, windows=window_everywhere(None)
    ),
    "ernie4_5": Family(
        vocab=103424,
        intermediate=3072,
        positions=131072,
        kv_heads=2,
        head_dim=128,
        tied=True,
        qkv_bias=flag("use_bias"),
        output_bias=flag("use_bias"),
        mlp_bias=flag("use_bias"),
    ),
    "seed_oss": replace(
        LLAMA,
        vocab=155136,
        intermediate=27648,
        positions=524288,
        kv_heads=8,
        head_dim=128,
        qkv_bias=flag("attention_bias", True),
        output_bias=flag("attention_out_bias"),
    ),
    "arcee": replace(LLAMA, intermediate=18432, positions=4096, gated=False),
    "helium": Family(
        vocab=48000,
        intermediate=7040,
        positions=4096,
        kv_heads=20,
        head_dim=128,
        qkv_bias=flag("attention_bias"),
        mlp_bias=flag("mlp_bias"),
    ),
    "hunyuan_v1_dense": replace(LLAMA, vocab=290943, mlp_bias=never, qk_norm=head_norm),
    "vaultgemma": replace(GEMMA2, norms=2),
    "glm": GLM,
    "glm4": replace(GLM, norms=4),
}

FAMILIES: Mapping[str, Callable[[Fields], Decoder]] = {
    model_type: partial(decoder, family) for model_type, family in ROWS.items()
}
