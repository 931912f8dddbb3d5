"""Which text encoder of a less common build a config describes: RemBERT, EuroBERT, ConvBERT, ...

Defaults are those of transformers 5.23.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from estimator.workload.blocks import Attention, Cost, Costs, Mlp, held, linear
from estimator.workload.families.bert import BERT_POOLED
from estimator.workload.families.dense import LLAMA
from estimator.workload.families.encoder import (
    Encoder,
    Group,
    Heads,
    Sizes,
    bert_sizes,
    block,
    heads,
    network,
    tables,
    task,
)
from estimator.workload.families.mixers import depthwise
from estimator.workload.families.rotary import decoder, label_count
from estimator.workload.fields import Fields
from estimator.workload.network import Network, merged
from estimator.workload.transformer import Decoder

LOGITS = ("MaskedLM", "CausalLM", "PreTraining")


def rembert(fields: Fields) -> Network:
    """RemBERT: a narrow table to read, a wide one to write (arXiv:2010.12821, sec. 4)."""
    usual = Sizes(hidden=1152, layers=32, heads=18, width=4608, vocab=250300)
    sizes = bert_sizes(fields, usual)
    narrow = fields.size("input_embedding_size", default=256)
    wide = fields.size("output_embedding_size", default=1664)
    facts = Heads(
        hidden=sizes.hidden,
        vocab=sizes.vocab,
        table_width=wide,
        pooler=("", "SequenceClassification", "MultipleChoice"),
    )
    after, once, notes = heads(fields, facts)
    if task(fields) in LOGITS:
        after = {**after, "head/logits": linear(wide, sizes.vocab, bias=True)}
    encoder = Encoder(
        before={
            **tables(sizes, narrow),
            "embedding/project_in": linear(narrow, sizes.hidden, bias=True),
        },
        stack=(Group(costs=block(fields, sizes), times=sizes.layers),),
        after=after,
        once=once,
        longest=sizes.positions,
    )
    return network(fields, encoder, notes)


def eurobert(fields: Fields) -> Network:
    """EuroBERT: a Llama that sees both ways, with its own head (arXiv:2503.05500, sec. 2)."""
    usual = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12}
    usual |= {"num_attention_heads": 12}
    fields = replace(fields, values={**usual, **fields.values})
    kind = task(fields)
    bare = replace(fields, values={**fields.values, "architectures": ["EuroBertModel"]})
    family = replace(LLAMA, vocab=128256, positions=8192)
    trunk: Decoder = decoder(family, bare)
    own: dict[str, Cost] = {}
    if kind == "MaskedLM":
        tied = fields.flag("tie_word_embeddings")
        logits = linear(trunk.hidden, trunk.vocab, bias=fields.flag("mlp_bias"))
        own["head/logits"] = replace(
            logits,
            params=logits.params - tied * trunk.hidden * trunk.vocab,
            active_params=logits.active_params - tied * trunk.hidden * trunk.vocab,
        )
    once: dict[str, Cost] = {}
    if kind == "SequenceClassification":
        once["head/dense"] = linear(trunk.hidden, trunk.hidden, bias=True)
        once["head/classifier"] = linear(trunk.hidden, label_count(fields), bias=True)
    if kind == "TokenClassification":
        own["head/classifier"] = linear(trunk.hidden, label_count(fields), bias=True)
    layer = trunk.layers[0]
    encoder = Encoder(
        before={
            "embedding/token": held(trunk.vocab * trunk.hidden),
            "norm/outer": held(trunk.outer_norm_params),
        },
        stack=(Group(costs=layer.costs(), times=len(trunk.layers)),),
        after=own,
        once=once,
        longest=trunk.max_positions,
    )
    return network(fields, encoder)


def roformer(fields: Fields) -> Network:
    """RoFormer: rotary positions, held as a table (arXiv:2104.09864, sec. 3.2)."""
    sizes = bert_sizes(fields, Sizes(vocab=50000, positions=1536))
    narrow = fields.size_or_none("embedding_size") or sizes.hidden
    facts = Heads(
        hidden=sizes.hidden,
        vocab=sizes.vocab,
        table_width=narrow,
        pooler=(),
        classifier_dense=task(fields) != "MultipleChoice",
    )
    after, once, notes = heads(fields, facts)
    bridge = {"embedding/project_in": linear(narrow, sizes.hidden, bias=True)}
    positions = held(sizes.positions * (sizes.hidden // sizes.heads))
    before = {
        **tables(replace(sizes, positions=0), narrow),
        "attention/positions": positions,
        **(bridge if narrow != sizes.hidden else {}),
    }
    encoder = Encoder(
        before=before,
        stack=(Group(costs=block(fields, sizes), times=sizes.layers),),
        after=after,
        once=once,
        longest=sizes.positions,
    )
    return network(fields, encoder, notes)


def convbert(fields: Fields) -> Network:
    """ConvBERT: half of the heads are convolutions made per token (arXiv:2008.02496, sec. 3)."""
    sizes = bert_sizes(fields, Sizes())
    hidden = sizes.hidden
    ratio = fields.size("head_ratio", default=2)
    kernel = fields.size("conv_kernel_size", default=9)
    count = max(sizes.heads // ratio, 1)
    width = hidden // sizes.heads * count
    narrow = fields.size("embedding_size", default=768)
    attention = Attention(
        hidden=hidden,
        heads=count,
        kv_heads=count,
        head_dim=width // count,
        qkv_bias=True,
        output_bias=True,
    )
    own: Costs = {
        "attention/output": linear(hidden, hidden, bias=True),
        "convolution/depth": depthwise(hidden, kernel, bias=False),
        "convolution/point": linear(hidden, width),
        "convolution/bias": held(width),
        "convolution/kernel": linear(width, count * kernel, bias=True),
        "convolution/out": linear(hidden, width, bias=True),
        "convolution/apply": Cost(flop_per_token=2 * width * kernel),
    }
    mlp = Mlp(hidden=hidden, width=sizes.width, bias=True)
    layer = {**attention.costs(), **mlp.costs(), **own, "norm/layers": held(4 * hidden)}
    facts = Heads(
        hidden=hidden,
        vocab=sizes.vocab,
        table_width=narrow,
        pooler=(),
        classifier_dense=task(fields) != "MultipleChoice",
        twin_bias=False,
    )
    after, once, notes = heads(fields, facts)
    bridge = {"embedding/project_in": linear(narrow, hidden, bias=True)}
    encoder = Encoder(
        before={**tables(sizes, narrow), **(bridge if narrow != hidden else {})},
        stack=(Group(costs=layer, times=sizes.layers),),
        after=after,
        once=once,
        longest=sizes.positions,
    )
    return network(fields, encoder, notes)


def squeezebert(fields: Fields) -> Network:
    """SqueezeBERT: dense layers in groups (arXiv:2006.11316, sec. 3)."""
    sizes = bert_sizes(fields, Sizes())
    costs = dict(block(fields, sizes))
    for part, key in (
        ("attention/query", "q_groups"),
        ("attention/key", "k_groups"),
        ("attention/value", "v_groups"),
        ("attention/output", "post_attention_groups"),
        ("mlp/up", "intermediate_groups"),
        ("mlp/down", "output_groups"),
    ):
        groups = fields.size(key, default=1 if part == "attention/output" else 4)
        width = sizes.width if part == "mlp/up" else sizes.hidden
        costs[part] = _grouped(costs[part], groups, width)
    facts = Heads(
        hidden=sizes.hidden,
        vocab=sizes.vocab,
        table_width=sizes.hidden,
        pooler=(
            *("", "MaskedLM", "SequenceClassification", "MultipleChoice"),
            *("TokenClassification", "QuestionAnswering"),
        ),
    )
    after, once, notes = heads(fields, facts)
    encoder = Encoder(
        before=tables(sizes, sizes.hidden),
        stack=(Group(costs=costs, times=sizes.layers),),
        after=after,
        once=once,
        longest=sizes.positions,
    )
    return network(fields, encoder, notes)


def _grouped(cost: Cost, groups: int, outputs: int) -> Cost:
    """A dense layer with bias whose channels are multiplied in groups."""
    params = (cost.params - outputs) // groups + outputs
    return Cost(params=params, active_params=params, flop_per_token=cost.flop_per_token // groups)


def mobilebert(fields: Fields) -> Network:
    """MobileBERT: narrow layers between wide states, four MLPs each (arXiv:2004.02984, sec. 3)."""
    usual = Sizes(hidden=512, layers=24, heads=4, width=512)
    sizes = bert_sizes(fields, usual)
    hidden, table = sizes.hidden, fields.size("embedding_size", default=128)
    inner = fields.size("intra_bottleneck_size", default=128)
    stacks = fields.size("num_feedforward_networks", default=4)
    three = 3 if fields.flag("trigram_input", default=True) else 1
    attention = Attention(
        hidden=inner,
        heads=sizes.heads,
        kv_heads=sizes.heads,
        head_dim=inner // sizes.heads,
        qkv_bias=True,
        output_bias=True,
    )
    mlp = Mlp(hidden=inner, width=sizes.width, bias=True).costs()
    layer = merged(
        {**attention.costs(), "attention/value": linear(hidden, inner, bias=True)},
        *[mlp] * stacks,
        {
            "bottleneck/in": linear(hidden, 2 * inner, bias=True),
            "bottleneck/out": linear(inner, hidden, bias=True),
            "norm/layers": held(2 * (inner * (stacks + 3) + hidden)),
        },
    )
    usual_build = (
        fields.flag("use_bottleneck", default=True)
        and fields.flag("key_query_shared_bottleneck", default=True)
        and not fields.flag("use_bottleneck_attention")
        and fields.flag("tie_word_embeddings", default=True)
    )
    built = ("bottlenecks and heads are counted as in the published model",) * (not usual_build)
    active = fields.flag("classifier_activation", default=True)
    facts = Heads(
        hidden=hidden,
        vocab=sizes.vocab,
        table_width=hidden,
        pooler=("SequenceClassification", *BERT_POOLED) if active else (),
        twin_bias=False,
    )
    after, once, notes = heads(fields, facts)
    if task(fields) in LOGITS:
        rest = (hidden - table) * sizes.vocab
        full = linear(hidden, sizes.vocab)
        own = rest + sizes.vocab
        after = {**after, "head/logits": replace(full, params=own, active_params=own)}
    before = {
        "embedding/token": held(sizes.vocab * table),
        "embedding/position": held(sizes.positions * hidden),
        "embedding/type": held(sizes.types * hidden),
        "embedding/project_in": linear(three * table, hidden, bias=True),
        "norm/embedding": held(2 * hidden),
    }
    encoder = Encoder(
        before=before,
        stack=(Group(costs=layer, times=sizes.layers),),
        after=after,
        once=once,
        longest=sizes.positions,
    )
    return network(fields, encoder, (*notes, *built))


FAMILIES: Mapping[str, Callable[[Fields], Network]] = {
    "rembert": rembert,
    "eurobert": eurobert,
    "roformer": roformer,
    "convbert": convbert,
    "squeezebert": squeezebert,
    "mobilebert": mobilebert,
}
