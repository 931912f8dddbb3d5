"""Reader of decoder configs, from GPT-2 to Llama.

One attention and one feed-forward block per layer. A family is a row of defaults for the keys that
its configs omit.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from estimator.networks.blocks import Attention, Experts, LatentAttention, Mlp
from estimator.networks.families.sliding_window import Windows, full_attention
from estimator.networks.fields import Fields
from estimator.networks.model_class import class_name, label_count, task
from estimator.networks.transformer import Decoder, Head, Layer

Fact = bool | str | tuple[str, ...]
"""Flag, or the key that states it; of several stated keys the last counts."""

QkNorm = Callable[[Fields, Attention], int]
FeedForwards = tuple[Mlp | Experts, ...]

WIDTH = ("hidden_size", "n_embd", "n_embed", "d_model")
HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads", "attention_heads")
LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
POSITIONS = ("max_position_embeddings", "n_positions", "seq_length", "max_seq_len")
"""Alternative keys of a size; if several are set, the last one counts."""

GENERATIVE = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")


def has_fact(fact: Fact, fields: Fields) -> bool:
    """Evaluate a family's fact, a constant or function, for a config."""
    if isinstance(fact, bool):
        return fact
    return fields.flag(fact) if isinstance(fact, str) else fields.flag(*fact)


Count = int | Callable[[Fields], int]
"""Number, or a function that reads it."""


def count_of(count: Count, fields: Fields) -> int:
    """Evaluate a count for a config."""
    return count if isinstance(count, int) else count(fields)


def head_norm(fields: Fields, attention: Attention) -> int:
    """Return the parameters of query and key norms over one head, one weight per channel."""
    return 2 * attention.head_dim


def width_norm(fields: Fields, attention: Attention) -> int:
    """Return the parameters of query and key norms over all heads, one weight per channel."""
    return (attention.heads + attention.kv_heads) * attention.head_dim


def per_channel(attention: Attention) -> int:
    """Return the cost of a gate on every output channel of the heads."""
    return attention.heads * attention.head_dim


def per_head(attention: Attention) -> int:
    """Return the cost of one gate per head."""
    return attention.heads


def where(key: str, norm: QkNorm) -> QkNorm:
    """Return the parameters of a norm that a config key enables."""
    return lambda fields, attention: norm(fields, attention) if fields.flag(key) else 0


def sinks(fields: Fields, attention: Attention) -> int:
    """Return the parameters of one learned sink per head in place of a norm, as in gpt-oss."""
    return attention.heads


@dataclass(frozen=True, kw_only=True)
class Family:
    """Decoder family; omitted sizes are in `defaults.json`.

    Parameters
    ----------
    intermediate_key, kv_heads_key, head_dim_key : str
        Keys of MLP width, key-value heads and head width; empty if a config has none. By default
        the MLP is four times the model width, all heads are key-value heads, and head width is
        model width over heads.
    kv_heads : function or None
        Function that reads the key-value heads of a config without a key for them, 0 for all heads.
    spare_positions : int or None
        Rows of a learned position table beyond the positions, None without a table. [1]
    embedding_width_key : str
        Key of the token table's width, empty if it is the model width.
    attention_bias, qkv_bias, output_bias, mlp_bias, head_bias, bias : Fact
        Whether these matrices have biases: all of attention, its first three, its last, the MLP,
        the output layer, and all but the output layer.
    gated : bool
        Whether the MLP has three matrices instead of two.
    gate : function or None
        Outputs of a gate matrix on the attention output [1].
    norms, outer_norms : int or function
        Norms per layer, and outside the layers. [1]
    norm_params : int or function
        Parameters per channel of a norm: 1 RMSNorm, 2 LayerNorm with bias, 0 without weights.
    qk_norm : function or None
        Parameters of the query and key norms.
    windows : function
        Window of each layer.
    attention, feed_forwards : function or None
        Functions that read another attention than `Attention`, or other MLPs than one `Mlp` per
        layer.
    """

    intermediate_key: str = "intermediate_size"
    kv_heads: Callable[[Fields], int] | None = None
    kv_heads_key: str = "num_key_value_heads"
    head_dim_key: str = "head_dim"
    spare_positions: int | None = None
    embedding_width_key: str = ""
    attention_bias: Fact = False
    qkv_bias: Fact = False
    output_bias: Fact = False
    mlp_bias: Fact = False
    head_bias: Fact = False
    bias: Fact = False
    gated: bool = True
    gate: Callable[[Attention], int] | None = None
    norms: Count = 2
    outer_norms: Count = 1
    norm_params: Count = 1
    qk_norm: QkNorm | None = None
    windows: Windows = full_attention
    attention: Callable[[Fields], Attention | LatentAttention] | None = None
    feed_forwards: Callable[["Family", Fields, int], FeedForwards] | None = None


def decoder(family: Family, fields: Fields) -> Decoder:
    """Build the decoder of a config, with the family's defaults."""
    hidden, layers = fields.size(*WIDTH), fields.layers(*LAYERS)
    norm_params = count_of(family.norm_params, fields) * hidden
    norms = count_of(family.norms, fields) * norm_params
    positions = fields.size(*POSITIONS)
    spare, width_key = family.spare_positions, family.embedding_width_key
    attention = attention_of(family, fields)
    windows = family.windows(fields, layers)
    blocks = (family.feed_forwards or dense)(family, fields, layers)
    head, notes = output_head(fields, has_fact(family.head_bias, fields))
    return Decoder(
        hidden=hidden,
        vocab=fields.size("vocab_size"),
        layers=tuple(
            Layer(attention=replace(attention, window=window), feed_forward=one, norm_params=norms)
            for window, one in zip(windows, blocks, strict=True)
        ),
        head=head,
        max_positions=positions,
        position_rows=0 if spare is None else positions + spare,
        embedding_width=fields.size_or_none(width_key) if width_key else None,
        outer_norm_params=count_of(family.outer_norms, fields) * norm_params,
        model_type=fields.text("model_type"),
        name=fields.text("_name_or_path"),
        warnings=fields.notes + notes,
    )


def attention_of(family: Family, fields: Fields) -> Attention | LatentAttention:
    """Build the attention of a config: grouped, unless the family has another."""
    return family.attention(fields) if family.attention else grouped_attention(family, fields)


def grouped_attention(family: Family, fields: Fields) -> Attention:
    """Build grouped attention: heads, key-value heads, head width, biases, norms."""
    hidden, heads = fields.size(*WIDTH), fields.size(*HEADS)
    kv_heads, head_dim = family.kv_heads(fields) if family.kv_heads else None, None
    if family.kv_heads_key:
        kv_heads = fields.size_or_none(family.kv_heads_key)
    if family.head_dim_key:
        head_dim = fields.size_or_none(family.head_dim_key)
    kv_heads = kv_heads or heads
    heads_key = fields.key(*HEADS)
    fields.share(heads_key, heads, family.kv_heads_key or "num_kv_heads", kv_heads)
    biased = has_fact(family.attention_bias, fields) or has_fact(family.bias, fields)
    attention = Attention(
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim or fields.share(fields.key(*WIDTH), hidden, heads_key, heads),
        qkv_bias=biased or has_fact(family.qkv_bias, fields),
        output_bias=biased or has_fact(family.output_bias, fields),
    )
    return replace(
        attention,
        norm_params=family.qk_norm(fields, attention) if family.qk_norm else 0,
        gate=family.gate(attention) if family.gate else 0,
    )


def latent_attention(fields: Fields) -> LatentAttention:
    """Build latent attention; a null `q_lora_rank` projects queries directly.

    By default, values have the model's width divided by the heads. Indexer heads are read in
    families that have them.
    """
    hidden, heads = fields.size("hidden_size"), fields.size("num_attention_heads")
    indexed = "index_n_heads" in fields.usual
    value_dim = fields.size_or_none("v_head_dim")
    return LatentAttention(
        hidden=hidden,
        heads=heads,
        query_rank=fields.size_or_none("q_lora_rank"),
        kv_rank=fields.size("kv_lora_rank"),
        nope_dim=fields.size("qk_nope_head_dim"),
        rope_dim=fields.size("qk_rope_head_dim"),
        value_dim=value_dim or fields.share("hidden_size", hidden, "num_attention_heads", heads),
        bias=fields.flag("attention_bias"),
        index_heads=fields.size("index_n_heads") if indexed else 0,
        index_dim=fields.size("index_head_dim") if indexed else 0,
    )


def dense(family: Family, fields: Fields, layers: int) -> FeedForwards:
    """Return the same MLP for every layer."""
    hidden = fields.size(*WIDTH)
    width = fields.size_or(family.intermediate_key, 4 * hidden)
    bias = has_fact(family.mlp_bias, fields) or has_fact(family.bias, fields)
    return (Mlp(hidden, width, gated=family.gated, bias=bias),) * layers


def output_head(fields: Fields, bias: bool = False) -> tuple[Head | None, tuple[str, ...]]:
    """Return the head of the class in `architectures`, by default causal, with warnings."""
    name, kind = class_name(fields), task(fields)
    if kind in ("SequenceClassification", "TokenClassification"):
        return Head(outputs=label_count(fields), bias=kind == "TokenClassification"), ()
    if kind == "QuestionAnswering":
        return Head(outputs=2, bias=True), ()
    if name.endswith("Model") and kind != "CausalLM":
        return None, ()
    tied = fields.flag("tie_word_embeddings")
    head = Head(outputs=fields.size("vocab_size"), bias=bias, tied=tied)
    known = name == "" or name.endswith(GENERATIVE)
    return head, () if known else (f"{name} is counted as a causal language model",)
