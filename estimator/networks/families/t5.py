"""Models like T5: mT5, umT5, Switch.

One exception to the defaults of transformers 5.23: a config with `tie_word_embeddings = false`
(version 1.1, Flan) has a separate head, as its weights do, although transformers 5 ties it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from estimator.networks.blocks import (
    Attention,
    Costs,
    Experts,
    Mlp,
    layer_costs,
    multi_head,
    params_only,
)
from estimator.networks.families.encoder_decoder import WIDTH, EncoderDecoder, Side, head
from estimator.networks.fields import Fields
from estimator.networks.layers import Layers
from estimator.networks.model_class import class_name, task, tied_as_stated
from estimator.networks.network import Network
from estimator.networks.registry import families

DEFAULT_POSITIONS = 512
"""Tokens per side in pre-training (arXiv:1910.10683, sec. 3.1.2); positions are relative."""


@dataclass(frozen=True, kw_only=True)
class T5Facts:
    """Differences between families like T5.

    Parameters
    ----------
    bias_everywhere, sparse : bool
        Whether each layer has its own distance biases, and whether some layers have experts.
    encoder : function
        Function from T5's encoder to the encoder of a config.
    """

    bias_everywhere: bool = False
    sparse: bool = False
    encoder: Callable[[Fields, Side], Side] = lambda fields, source: source


def t5(facts: T5Facts, fields: Fields) -> Network:
    """Build T5: distance biases in the first layer, norms without bias, no other biases."""
    heads, hidden = fields.size("num_attention_heads", "num_heads"), fields.size(*WIDTH)
    head_dim = fields.size("head_dim", "d_kv")
    attention = multi_head(hidden, heads, head_dim)
    vocab, layers = fields.size("vocab_size"), fields.layers("num_hidden_layers", "num_layers")
    decoded = fields.size_or_none("num_decoder_layers") or layers
    encodes = class_name(fields).endswith("EncoderModel") or task(fields) == "TokenClassification"
    own = not tied_as_stated(fields) and facts.sparse
    tables = 1 + own * (1 if encodes else 2)
    model = EncoderDecoder(
        table=tables * vocab * hidden,
        source=facts.encoder(fields, _side(fields, facts, attention, layers)),
        target=None if encodes else _side(fields, facts, attention, decoded, decodes=True),
        heads=head(fields, hidden, vocab),
        longest=fields.size("n_positions", default=DEFAULT_POSITIONS),
    )
    return model.network(fields)


def distance_biases(fields: Fields, attention: Attention, tables: int = 1) -> Costs:
    """Return the distance-bias tables and the final norm."""
    buckets = fields.size("relative_attention_num_buckets", default=32)
    biases = params_only(tables * buckets * attention.heads)
    return {"attention/relative_bias": biases, "norm/outer": params_only(attention.hidden)}


def _side(
    fields: Fields, facts: T5Facts, attention: Attention, layers: int, decodes: bool = False
) -> Side:
    """Build the encoder or decoder: distance tables, final norm, layers."""
    norms = (3 if decodes else 2) * attention.hidden
    parts = _feed_forwards(fields, facts, attention.hidden, layers, decodes)
    return Side(
        before=distance_biases(fields, attention, layers if facts.bias_everywhere else 1),
        stack=tuple(
            Layers(costs=layer_costs(attention, part, norms), times=times) for part, times in parts
        ),
        attention=attention,
    )


def _feed_forwards(
    fields: Fields, facts: T5Facts, hidden: int, layers: int, decodes: bool
) -> list[tuple[Mlp | Experts, int]]:
    """Return the MLP (gated if set) and the experts, with the number of layers of each."""
    kind = fields.text("feed_forward_proj")
    gated = fields.flag("is_gated_act", default=kind.startswith("gated-"))
    mlp = Mlp(hidden, fields.size("intermediate_size", "d_ff"), gated=gated)
    if not facts.sparse:
        return [(mlp, layers)]
    key = f"num_sparse_{'decoder' if decodes else 'encoder'}_layers"
    count = fields.size(key, least=0)
    step = layers // count if count else layers
    sparse = sum(step == 1 or layer % step == 1 for layer in range(layers)) if step else 0
    bias = fields.flag("router_bias")
    experts = Experts(expert=mlp, experts=fields.size("num_experts"), active=1, router_bias=bias)
    return [(mlp, layers - sparse), (experts, sparse)]


families(
    t5,
    {
        "t5": T5Facts(),
        "mt5": T5Facts(),
        "umt5": T5Facts(bias_everywhere=True),
        "switch_transformers": T5Facts(sparse=True),
    },
)
