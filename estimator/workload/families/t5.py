"""Which model of T5's line a config describes: T5, mT5, umT5, Switch Transformers.

One exception to the defaults of transformers 5.23: a config that says `tie_word_embeddings = false`
(version 1.1, Flan) has a head of its own, as its weights do; transformers 5 ties it all the same.
"""

from dataclasses import dataclass

from estimator.workload.blocks import Attention, Costs, Experts, Mlp, held
from estimator.workload.families.encoder_decoder import EncoderDecoder, Side, head
from estimator.workload.fields import Fields
from estimator.workload.layers import Layers
from estimator.workload.model_class import class_name, task
from estimator.workload.network import Network
from estimator.workload.registry import families

DEFAULT_POSITIONS = 512
"""Tokens of either side in pre-training (arXiv:1910.10683, sec. 3.1.2); positions are relative."""


@dataclass(frozen=True, kw_only=True)
class T5Facts:
    """Whether each layer has distance biases of its own, and whether some layers have experts."""

    bias_everywhere: bool = False
    sparse: bool = False


def t5(facts: T5Facts, fields: Fields) -> Network:
    """T5: biases by distance in the first layer, norms without bias, no other biases."""
    attention = t5_attention(fields)
    hidden, vocab = attention.hidden, fields.size("vocab_size")
    layers = fields.layers("num_hidden_layers", "num_layers")
    decoded = fields.size_or_none("num_decoder_layers") or layers
    encodes = class_name(fields).endswith("EncoderModel") or task(fields) == "TokenClassification"
    model = EncoderDecoder(
        table=_tables(fields, facts, vocab * hidden, encodes),
        source=_side(fields, facts, attention, layers),
        target=None if encodes else _side(fields, facts, attention, decoded, decodes=True),
        heads=head(fields, hidden, vocab, fields.flag("tie_word_embeddings", default=True)),
        longest=fields.size("n_positions", default=DEFAULT_POSITIONS),
    )
    return model.network(fields)


def t5_attention(fields: Fields) -> Attention:
    """Attention whose heads have a width of their own."""
    heads = fields.size("num_attention_heads", "num_heads")
    return Attention(
        hidden=fields.size("hidden_size", "d_model"),
        heads=heads,
        kv_heads=heads,
        head_dim=fields.size("head_dim", "d_kv"),
    )


def _tables(fields: Fields, facts: T5Facts, params: int, encoder_only: bool) -> int:
    """One token table; Switch Transformers untied have one more on each side."""
    if not facts.sparse or fields.flag("tie_word_embeddings", default=True):
        return params
    return (2 if encoder_only else 3) * params


def distance_biases(fields: Fields, attention: Attention, tables: int = 1) -> Costs:
    """Tables of biases by distance, and the norm behind the layers."""
    buckets = fields.size("relative_attention_num_buckets", default=32)
    biases = held(tables * buckets * attention.heads)
    return {"attention/relative_bias": biases, "norm/outer": held(attention.hidden)}


def _side(
    fields: Fields, facts: T5Facts, attention: Attention, layers: int, decodes: bool = False
) -> Side:
    """One side: tables of distances, final norm, layers."""
    norms = {"norm/layers": held((3 if decodes else 2) * attention.hidden)}
    blocks = _feed_forwards(fields, facts, attention.hidden, layers, decodes)
    return Side(
        before=distance_biases(
            fields, attention, layers if facts.bias_everywhere else min(layers, 1)
        ),
        stack=tuple(
            Layers(costs={**attention.costs(), **block, **norms}, times=times)
            for block, times in blocks
        ),
        attention=attention,
    )


def t5_mlp(fields: Fields, hidden: int) -> Mlp:
    """The MLP, gated where the config asks for it."""
    width = fields.size("intermediate_size", "d_ff")
    kind = fields.text("feed_forward_proj")
    gated = fields.flag("is_gated_act", default=kind.startswith("gated-"))
    return Mlp(hidden=hidden, width=width, gated=gated)


def _feed_forwards(
    fields: Fields, facts: T5Facts, hidden: int, layers: int, decodes: bool
) -> list[tuple[Costs, int]]:
    """Blocks and in how many layers each sits."""
    mlp = t5_mlp(fields, hidden)
    if not facts.sparse:
        return [(mlp.costs(), layers)]
    key = f"num_sparse_{'decoder' if decodes else 'encoder'}_layers"
    count = fields.size(key, least=0)
    step = layers // count if count else layers
    sparse = sum(step == 1 or layer % step == 1 for layer in range(layers)) if step else 0
    experts = Experts(
        expert=mlp,
        experts=fields.size("num_experts"),
        active=1,
        router_bias=fields.flag("router_bias"),
    )
    return [(mlp.costs(), layers - sparse), (experts.costs(), sparse)]


families(
    t5,
    {
        "t5": T5Facts(),
        "mt5": T5Facts(),
        "umt5": T5Facts(bias_everywhere=True),
        "switch_transformers": T5Facts(sparse=True),
    },
)
