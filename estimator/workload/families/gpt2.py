"""Which decoder from GPT-2 to Falcon a config describes: GPT-J, GPT-NeoX, OPT, BLOOM, MPT, XGLM.

These families differ in a handful of facts, and in what
they call their sizes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from estimator.workload.blocks import Attention, Mlp
from estimator.workload.families.decoder import Rule, always, flag, never, output_head
from estimator.workload.fields import MAX_LAYERS, Fields
from estimator.workload.model_class import class_name
from estimator.workload.registry import families, family
from estimator.workload.transformer import Decoder, Layer

WIDTH = ("hidden_size", "n_embd", "n_embed", "d_model")
HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads", "attention_heads")
LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
POSITIONS = ("max_position_embeddings", "n_positions", "seq_length", "max_seq_len")
"""Names of a size; of those that a config states the last counts."""


def all_heads(fields: Fields) -> int | None:
    """As many key-value heads as heads."""
    return None


def one_width(fields: Fields) -> int | None:
    """A token table as wide as the model."""
    return None


def every_layer(block: Attention, fields: Fields, layers: int) -> tuple[Attention, ...]:
    """The same attention in every layer."""
    return (block,) * layers


@dataclass(frozen=True, kw_only=True)
class Classic:
    """What sets one family apart.

    Parameters
    ----------
    vocab, positions : int
        Defaults of the rows of the token table and of the longest sequence. [1]
    spare_positions : int or None
        Rows of a learned position table beyond the positions, None without a table. [1]
    norms, outer_norms : function
        Norms per layer, and outside the layers. [1]
    norm_params : function
        Parameters per channel of a norm: 2 with bias, 1 without, 0 without weights.
    qkv_bias, output_bias, mlp_bias : Rule
        Biases of attention's first three matrices, of its last, of the MLP.
    kv_heads, embedding_width : function
        Key-value heads, and width of the token table, where they differ.
    mlp_keys, mlp_width : tuple of str, int or None
        Names of the MLP's width, none where it is four times the model's; its default, None for
        four times the model's.
    tied, head_bias : bool
        Default of `tie_word_embeddings`; bias of the output layer.
    attentions : function
        Attention of each layer.
    """

    vocab: int
    positions: int
    spare_positions: int | None = None
    norms: Callable[[Fields], int] = lambda fields: 2
    outer_norms: Callable[[Fields], int] = lambda fields: 1
    norm_params: Callable[[Fields], int] = lambda fields: 2
    qkv_bias: Rule = always
    output_bias: Rule = always
    mlp_bias: Rule = always
    kv_heads: Callable[[Fields], int | None] = all_heads
    embedding_width: Callable[[Fields], int | None] = one_width
    mlp_keys: tuple[str, ...] = ()
    mlp_width: int | None = None
    tied: bool = True
    head_bias: bool = False
    attentions: Callable[[Attention, Fields, int], tuple[Attention, ...]] = every_layer


def classic(facts: Classic, fields: Fields) -> Decoder:
    """Decoder of a config, with the family's facts."""
    block = _attention(facts, fields)
    hidden, norm_params = block.hidden, facts.norm_params(fields) * block.hidden
    mlp = Mlp(hidden=hidden, width=_mlp_width(facts, fields, hidden), bias=facts.mlp_bias(fields))
    positions = fields.size(*POSITIONS, default=facts.positions)
    vocab = fields.size("vocab_size", default=facts.vocab)
    head, notes = output_head(fields, vocab, facts.tied, facts.head_bias)
    return Decoder(
        hidden=hidden,
        vocab=vocab,
        layers=tuple(
            Layer(attention=part, feed_forward=mlp, norm_params=facts.norms(fields) * norm_params)
            for part in facts.attentions(block, fields, fields.layers(*LAYERS))
        ),
        head=head,
        max_positions=positions,
        position_rows=0 if facts.spare_positions is None else positions + facts.spare_positions,
        embedding_width=facts.embedding_width(fields),
        outer_norm_params=facts.outer_norms(fields) * norm_params,
        model_type=fields.text("model_type"),
        name=fields.text("_name_or_path"),
        warnings=fields.notes + notes,
    )


def _attention(facts: Classic, fields: Fields) -> Attention:
    """Attention whose heads share the model's width."""
    hidden, heads = fields.size(*WIDTH), fields.size(*HEADS)
    kv_heads = facts.kv_heads(fields) or heads
    fields.share(fields.key(*HEADS), heads, "num_kv_heads", kv_heads)
    return Attention(
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=fields.share(fields.key(*WIDTH), hidden, fields.key(*HEADS), heads),
        qkv_bias=facts.qkv_bias(fields),
        output_bias=facts.output_bias(fields),
    )


def _mlp_width(facts: Classic, fields: Fields, hidden: int) -> int:
    """Width of the MLP as stated, else the family's."""
    if not facts.mlp_keys:
        return 4 * hidden
    if facts.mlp_width is None:
        return fields.size_or_none(*facts.mlp_keys) or 4 * hidden
    return fields.size(*facts.mlp_keys, default=facts.mlp_width)


def _falcon_heads(fields: Fields) -> int | None:
    """One key-value head (7B), or groups of them in the new architecture (40B, 180B)."""
    if fields.flag("new_decoder_architecture"):
        return fields.size_or_none("num_kv_heads")
    return 1 if fields.flag("multi_query", default=True) else None


def _falcon_norms(fields: Fields) -> int:
    """One norm or two in front of a parallel layer, two in a sequential one."""
    usual = 2 if fields.flag("new_decoder_architecture") else 1
    stated = fields.size_or_none("num_ln_in_parallel_attn") or usual
    return min(stated, 2) if fields.flag("parallel_attn", default=True) else 2


def _opt_norms(fields: Fields) -> int:
    """OPT: a final norm where the layers are normed before their blocks."""
    before = fields.flag("do_layer_norm_before", default=True)
    return int(before and not fields.flag("_remove_final_layer_norm"))


def _normed_heads(block: Attention, fields: Fields, layers: int) -> tuple[Attention, ...]:
    """Persimmon: LayerNorm on queries and keys."""
    normed = fields.flag("qk_layernorm", default=True)
    return (replace(block, norm_params=4 * block.head_dim * normed),) * layers


def _local_in_turn(block: Attention, fields: Fields, layers: int) -> tuple[Attention, ...]:
    """GPT-Neo: layers with a local window in turn."""
    window = fields.size("window_size", default=256)
    return tuple(
        replace(block, window=window if kind == "local" else None)
        for kind in _attention_kinds(fields, layers)
    )


def _attention_kinds(fields: Fields, layers: int) -> list[str]:
    """``[[["global", "local"], 12]]`` written out, one kind per layer."""
    stated = fields.items("attention_types")
    if stated is None:
        return [("global", "local")[layer % 2] for layer in range(layers)]
    kinds: list[str] = []
    for item in stated:
        if not (isinstance(item, list) and len(item) == 2 and isinstance(item[0], list)):
            raise ValueError(f"attention_types must hold [[kinds], repeats] pairs, got {item!r}")
        repeats = Fields({"attention_types": item[1]}).size(
            "attention_types", least=0, most=MAX_LAYERS
        )
        kinds.extend([str(kind) for kind in item[0]] * repeats)
    if len(kinds) != layers:
        raise ValueError(f"attention_types must name {layers} layers, got {len(kinds)}")
    return kinds


GPT2 = Classic(vocab=50257, positions=1024, spare_positions=0, mlp_keys=("n_inner",))
GPTJ = Classic(
    vocab=50400,
    positions=2048,
    norms=lambda fields: 1,
    qkv_bias=never,
    output_bias=never,
    mlp_keys=("n_inner",),
    tied=False,
    head_bias=True,
)

ROWS: Mapping[str, Classic] = {
    "gpt2": GPT2,
    "openai-gpt": Classic(
        vocab=40478, positions=512, spare_positions=0, outer_norms=lambda fields: 0
    ),
    "gpt_bigcode": replace(
        GPT2, kv_heads=lambda fields: 1 if fields.flag("multi_query", default=True) else None
    ),
    "gpt_neo": Classic(
        vocab=50257,
        positions=2048,
        spare_positions=0,
        qkv_bias=never,
        mlp_keys=("intermediate_size",),
        attentions=_local_in_turn,
    ),
    "gptj": GPTJ,
    "codegen": GPTJ,
    "gpt_neox": Classic(
        vocab=50432,
        positions=2048,
        qkv_bias=flag("attention_bias", True),
        output_bias=flag("attention_bias", True),
        mlp_keys=("intermediate_size",),
        mlp_width=24576,
        tied=False,
    ),
    "opt": Classic(
        vocab=50272,
        positions=2048,
        spare_positions=2,
        outer_norms=_opt_norms,
        norm_params=lambda fields: 2 * fields.flag("layer_norm_elementwise_affine", default=True),
        qkv_bias=flag("enable_bias", True),
        output_bias=flag("enable_bias", True),
        mlp_bias=flag("enable_bias", True),
        embedding_width=lambda fields: fields.size_or_none("word_embed_proj_dim"),
        mlp_keys=("ffn_dim",),
        mlp_width=3072,
    ),
    "bloom": Classic(vocab=250880, positions=2048, outer_norms=lambda fields: 2),
    "mpt": Classic(
        vocab=50368,
        positions=2048,
        norm_params=lambda fields: 1,
        qkv_bias=never,
        output_bias=never,
        mlp_bias=never,
    ),
    "falcon": Classic(
        vocab=65024,
        positions=2048,
        norms=_falcon_norms,
        qkv_bias=flag("bias"),
        output_bias=flag("bias"),
        mlp_bias=flag("bias"),
        kv_heads=_falcon_heads,
        mlp_keys=("ffn_hidden_size",),
    ),
    "persimmon": Classic(
        vocab=262144,
        positions=16384,
        mlp_keys=("intermediate_size",),
        mlp_width=16384,
        tied=False,
        attentions=_normed_heads,
    ),
    "xglm": Classic(vocab=256008, positions=2048, mlp_keys=("ffn_dim",), mlp_width=4096),
    "biogpt": Classic(
        vocab=42384,
        positions=1024,
        spare_positions=2,
        mlp_keys=("intermediate_size",),
        mlp_width=4096,
    ),
}

families(classic, ROWS)


@family("ctrl")
def ctrl(fields: Fields) -> Decoder:
    """CTRL: fixed positions, a tied head with a bias (arXiv:1909.05858, sec. 3)."""
    names = {"n_embd": 1280, "n_layer": 48, "n_head": 16, "n_positions": 256, "n_inner": 8192}
    values = {**names, **fields.values}
    values["n_inner"] = values.get("dff", values["n_inner"])
    facts = replace(GPT2, vocab=246534, spare_positions=None)
    made = classic(facts, replace(fields, values=values))
    writes = not class_name(fields).endswith("ForSequenceClassification")
    return replace(made, head=None if made.head is None else replace(made.head, bias=writes))


@family("gpt_neox_japanese")
def gpt_neox_japanese(fields: Fields) -> Decoder:
    """GPT-NeoX Japanese: no biases but one behind the attention of the last layer."""
    width = fields.size("intermediate_multiple_size", default=4) * fields.size(*WIDTH)
    facts = Classic(
        vocab=32000,
        positions=2048,
        qkv_bias=never,
        output_bias=never,
        mlp_bias=never,
        mlp_keys=("intermediate_size",),
        mlp_width=width,
    )
    made = classic(facts, fields)
    return replace(made, outer_norm_params=made.outer_norm_params + made.hidden)
