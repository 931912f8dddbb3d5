"""Which keys the older decoders use, each its own: GPT-2 and its generation.

Defaults are those of transformers 5.23. These families differ in a handful of facts, so each is
a short function that states its facts and leaves the assembly to one helper.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from estimator.workload.blocks import Attention, Mlp
from estimator.workload.families.rotary import class_name, output_head
from estimator.workload.fields import MAX_LAYERS, Fields
from estimator.workload.transformer import Decoder, Layer

WIDTH = ("hidden_size", "n_embd")
HEADS = ("num_attention_heads", "n_head")
LAYERS = ("num_hidden_layers", "n_layer")
POSITIONS = ("max_position_embeddings", "n_positions")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What sets one config apart.

    Parameters
    ----------
    vocab, positions : int
        Rows of the token table; longest sequence. [1]
    position_rows : int
        Rows of a learned position table, 0 without one. [1]
    norms, outer_norms : int
        Norms per layer, and outside the layers. [1]
    norm_params : int
        Parameters per channel of a norm: 2 with bias, 1 without, 0 without weights.
    embedding_width : int or None
        Width of the token table where it differs from the model's.
    tied, head_bias : bool
        Default of `tie_word_embeddings`; bias of the output layer.
    """

    vocab: int
    positions: int
    position_rows: int = 0
    norms: int = 2
    outer_norms: int = 1
    norm_params: int = 2
    embedding_width: int | None = None
    tied: bool = True
    head_bias: bool = False


def assemble(
    fields: Fields, attentions: tuple[Attention, ...], feed_forward: Mlp, facts: Facts
) -> Decoder:
    """Decoder with one `Layer` per attention, the same MLP in all."""
    hidden = feed_forward.hidden
    norm_params = facts.norms * facts.norm_params * hidden
    head, warnings = output_head(fields, facts.vocab, facts.tied, facts.head_bias)
    return Decoder(
        hidden=hidden,
        vocab=facts.vocab,
        layers=tuple(
            Layer(attention=attention, feed_forward=feed_forward, norm_params=norm_params)
            for attention in attentions
        ),
        head=head,
        max_positions=facts.positions,
        position_rows=facts.position_rows,
        embedding_width=facts.embedding_width,
        outer_norm_params=facts.outer_norms * facts.norm_params * hidden,
        model_type=fields.text("model_type"),
        name=fields.text("_name_or_path"),
        warnings=warnings,
    )


def attention(
    fields: Fields,
    width: tuple[str, ...] = WIDTH,
    heads: tuple[str, ...] = HEADS,
    kv_heads: int | None = None,
    qkv_bias: bool = True,
    output_bias: bool = True,
) -> Attention:
    """Attention whose heads share the model's width."""
    hidden, head_count = fields.size(*width), fields.size(*heads)
    fields.share(fields.key(*heads), head_count, "num_kv_heads", kv_heads or head_count)
    return Attention(
        hidden=hidden,
        heads=head_count,
        kv_heads=kv_heads or head_count,
        head_dim=fields.share(fields.key(*width), hidden, fields.key(*heads), head_count),
        qkv_bias=qkv_bias,
        output_bias=output_bias,
    )


def gpt2(fields: Fields) -> Decoder:
    """GPT-2: learned positions, biases everywhere, tied head."""
    block = attention(fields)
    return _gpt(fields, block, default_vocab=50257, outer_norms=1)


def openai_gpt(fields: Fields) -> Decoder:
    """The first GPT: as GPT-2, norms after the blocks and none at the end."""
    block = attention(fields)
    positions = fields.size(*POSITIONS, default=512)
    facts = Facts(
        vocab=fields.size("vocab_size", default=40478),
        positions=positions,
        position_rows=positions,
        outer_norms=0,
    )
    mlp = Mlp(hidden=block.hidden, width=4 * block.hidden, bias=True)
    return assemble(fields, (block,) * fields.layers(*LAYERS), mlp, facts)


def ctrl(fields: Fields) -> Decoder:
    """CTRL: fixed positions, a tied head with a bias (arXiv:1909.05858, sec. 3)."""
    names = {"n_embd": 1280, "n_layer": 48, "n_head": 16, "n_positions": 256, "n_inner": 8192}
    values = {**names, **fields.values}
    values["n_inner"] = values.get("dff", values["n_inner"])
    fields = replace(fields, values=values)
    made = _gpt(fields, attention(fields), default_vocab=246534, outer_norms=1)
    writes = not class_name(fields).endswith("ForSequenceClassification")
    head = None if made.head is None else replace(made.head, bias=writes)
    return replace(made, head=head, position_rows=0)


def gpt_bigcode(fields: Fields) -> Decoder:
    """StarCoder: GPT-2 with one key-value head."""
    kv_heads = 1 if fields.flag("multi_query", default=True) else None
    return _gpt(fields, attention(fields, kv_heads=kv_heads), default_vocab=50257, outer_norms=1)


def _gpt(fields: Fields, block: Attention, default_vocab: int, outer_norms: int) -> Decoder:
    positions = fields.size(*POSITIONS, default=1024)
    facts = Facts(
        vocab=fields.size("vocab_size", default=default_vocab),
        positions=positions,
        position_rows=positions,
        outer_norms=outer_norms,
    )
    return assemble(fields, (block,) * fields.layers(*LAYERS), plain_mlp(fields, block), facts)


def plain_mlp(fields: Fields, block: Attention, *names: str, bias: bool = True) -> Mlp:
    """Two matrices, four times the model's width where the config has none or null."""
    width = fields.size_or_none(*(names or ("n_inner",))) or 4 * block.hidden
    return Mlp(hidden=block.hidden, width=width, bias=bias)


def gpt_neo(fields: Fields) -> Decoder:
    """GPT-Neo: layers with a local window in turn, no bias on queries, keys and values."""
    block = attention(fields, heads=("num_attention_heads", "num_heads"), qkv_bias=False)
    layers = fields.layers("num_hidden_layers", "num_layers")
    window = fields.size("window_size", default=256)
    positions = fields.size("max_position_embeddings", default=2048)
    facts = Facts(
        vocab=fields.size("vocab_size", default=50257),
        positions=positions,
        position_rows=positions,
    )
    attentions = tuple(
        replace(block, window=window if kind == "local" else None)
        for kind in _attention_kinds(fields, layers)
    )
    return assemble(fields, attentions, plain_mlp(fields, block, "intermediate_size"), facts)


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


def gptj(fields: Fields) -> Decoder:
    """GPT-J and CodeGen: parallel residual, rotary, biases on the MLP and the head only."""
    block = attention(fields, qkv_bias=False, output_bias=False)
    facts = Facts(
        vocab=fields.size("vocab_size", default=50400),
        positions=fields.size(*POSITIONS, default=2048),
        norms=1,
        tied=False,
        head_bias=True,
    )
    return assemble(fields, (block,) * fields.layers(*LAYERS), plain_mlp(fields, block), facts)


def gpt_neox(fields: Fields) -> Decoder:
    """GPT-NeoX and Pythia: two norms per layer even with a parallel residual."""
    bias = fields.flag("attention_bias", default=True)
    block = attention(fields, qkv_bias=bias, output_bias=bias)
    facts = Facts(
        vocab=fields.size("vocab_size", default=50432),
        positions=fields.size("max_position_embeddings", default=2048),
        tied=False,
    )
    width = fields.size("intermediate_size", default=24576)
    mlp = Mlp(hidden=block.hidden, width=width, bias=True)
    return assemble(fields, (block,) * fields.layers(*LAYERS), mlp, facts)


def opt(fields: Fields) -> Decoder:
    """OPT: learned positions with two spare rows; the 350m has a narrow token table."""
    bias = fields.flag("enable_bias", default=True)
    block = attention(fields, qkv_bias=bias, output_bias=bias)
    positions = fields.size("max_position_embeddings", default=2048)
    final_norm = fields.flag("do_layer_norm_before", default=True) and not fields.flag(
        "_remove_final_layer_norm"
    )
    facts = Facts(
        vocab=fields.size("vocab_size", default=50272),
        positions=positions,
        position_rows=positions + 2,
        outer_norms=int(final_norm),
        norm_params=2 * fields.flag("layer_norm_elementwise_affine", default=True),
        embedding_width=fields.size_or_none("word_embed_proj_dim"),
    )
    mlp = Mlp(hidden=block.hidden, width=fields.size("ffn_dim", default=3072), bias=bias)
    return assemble(fields, (block,) * fields.layers(*LAYERS), mlp, facts)


FAMILIES: Mapping[str, Callable[[Fields], Decoder]] = {
    "gpt2": gpt2,
    "ctrl": ctrl,
    "openai-gpt": openai_gpt,
    "gpt_bigcode": gpt_bigcode,
    "gpt_neo": gpt_neo,
    "gptj": gptj,
    "codegen": gptj,
    "gpt_neox": gpt_neox,
    "opt": opt,
}
