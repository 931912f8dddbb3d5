"""Which model of T5's line a config describes: T5, mT5, umT5, Switch Transformers.

Defaults are those of transformers 5.23, with one exception: a config that says
`tie_word_embeddings = false` (version 1.1, Flan) has a head of its own, as its weights do;
transformers 5 ties it all the same.
"""

from dataclasses import dataclass

from estimator.workload.blocks import Attention, Costs, Experts, Mlp, held
from estimator.workload.families.encoder_decoder import EncoderDecoder, Side, cached_network, head
from estimator.workload.families.text_encoder import Group
from estimator.workload.fields import Fields
from estimator.workload.model_class import class_name, task
from estimator.workload.network import Network
from estimator.workload.registry import families

DEFAULT_POSITIONS = 512
"""Tokens of either side in pre-training (arXiv:1910.10683, sec. 3.1.2); positions are relative."""


@dataclass(frozen=True, kw_only=True)
class T5Facts:
    """Defaults of a family, and whether each layer has distance biases of its own."""

    vocab: int = 32128
    hidden: int = 512
    ffn: int = 2048
    layers: int = 6
    heads: int = 8
    feed_forward: str = "relu"
    bias_everywhere: bool = False
    expert_layers: int | None = None
    decoder_layers: int | None = None


MT5 = T5Facts(vocab=250112, ffn=1024, layers=8, heads=6, feed_forward="gated-gelu")
SWITCH = T5Facts(hidden=768, layers=12, heads=12, expert_layers=3, decoder_layers=12)


def t5(facts: T5Facts, fields: Fields) -> Network:
    """T5: biases by distance in the first layer, norms without bias, no other biases."""
    hidden = fields.size("hidden_size", "d_model", default=facts.hidden)
    vocab = fields.size("vocab_size", default=facts.vocab)
    heads = fields.size("num_attention_heads", "num_heads", default=facts.heads)
    attention = Attention(
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_dim=fields.size("head_dim", "d_kv", default=64),
    )
    layers = fields.layers("num_hidden_layers", "num_layers", default=facts.layers)
    after_count = facts.decoder_layers or layers
    decoded = fields.size_or_none("num_decoder_layers", default=after_count) or layers
    encoder_only = class_name(fields).endswith("EncoderModel") or (
        task(fields) == "TokenClassification"
    )
    tied = fields.flag("tie_word_embeddings", default=True)
    after, once = head(fields, hidden, vocab, tied)
    model = EncoderDecoder(
        table=_tables(fields, facts, vocab * hidden, encoder_only),
        source=_side(fields, facts, attention, layers),
        target=None if encoder_only else _side(fields, facts, attention, decoded, decodes=True),
        cross=attention,
        after=after,
        once=once,
        longest=fields.size("n_positions", default=DEFAULT_POSITIONS),
    )
    return cached_network(fields, model.run, attention, 0 if encoder_only else decoded)


def _tables(fields: Fields, facts: T5Facts, params: int, encoder_only: bool) -> int:
    """One token table; Switch Transformers untied have one more on each side."""
    if facts.expert_layers is None or fields.flag("tie_word_embeddings", default=True):
        return params
    return (2 if encoder_only else 3) * params


def _side(
    fields: Fields, facts: T5Facts, attention: Attention, layers: int, decodes: bool = False
) -> Side:
    """One side: tables of distances, final norm, layers."""
    buckets = fields.size("relative_attention_num_buckets", default=32)
    tables = layers if facts.bias_everywhere else min(layers, 1)
    norms = held((3 if decodes else 2) * attention.hidden)
    blocks = _feed_forwards(fields, facts, attention.hidden, layers, decodes)
    return Side(
        before={
            "attention/relative_bias": held(tables * buckets * attention.heads),
            "norm/outer": held(attention.hidden),
        },
        stack=tuple(
            Group(costs={**attention.costs(), **block, "norm/layers": norms}, times=times)
            for block, times in blocks
        ),
    )


def _feed_forwards(
    fields: Fields, facts: T5Facts, hidden: int, layers: int, decodes: bool
) -> list[tuple[Costs, int]]:
    """Blocks and in how many layers each sits."""
    width = fields.size("intermediate_size", "d_ff", default=facts.ffn)
    proj = fields.text("feed_forward_proj", default=facts.feed_forward)
    mlp = Mlp(hidden=hidden, width=width, gated=proj.startswith("gated-"))
    if facts.expert_layers is None:
        return [(mlp.costs(), layers)]
    step = _sparse_step(fields, facts, layers, decodes)
    sparse = sum(step == 1 or layer % step == 1 for layer in range(layers)) if step else 0
    experts = Experts(
        expert=mlp,
        experts=fields.size("num_experts", default=8),
        active=1,
        router_bias=fields.flag("router_bias"),
    )
    return [(mlp.costs(), layers - sparse), (experts.costs(), sparse)]


def _sparse_step(fields: Fields, facts: T5Facts, layers: int, decodes: bool) -> int:
    """Every how many layers the experts come."""
    side = "decoder" if decodes else "encoder"
    count = fields.size(f"num_sparse_{side}_layers", default=facts.expert_layers or 0, least=0)
    return layers // count if count else layers


families(
    t5,
    {
        "t5": T5Facts(),
        "mt5": MT5,
        "umt5": T5Facts(
            vocab=250112,
            ffn=1024,
            layers=8,
            heads=6,
            feed_forward="gated-gelu",
            bias_everywhere=True,
        ),
        "switch_transformers": SWITCH,
    },
)
