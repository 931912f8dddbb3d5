"""Which text encoder with a cheaper layer than BERT's a config describes.

SqueezeBERT, ConvBERT, YOSO, MRA, Nystromformer, FNet, MobileBERT, ALBERT, CANINE. Attention is
counted as what is computed: every pair, blocks, or landmarks.
"""

from dataclasses import replace

import numpy as np

from estimator.networks.blocks import (
    Cost,
    Costs,
    Mlp,
    affine,
    equal_heads,
    held,
    layer_costs,
    linear,
    product,
    scaled,
    table,
)
from estimator.networks.families.mixers import depthwise
from estimator.networks.families.text_encoder import (
    BERT_POOLED,
    CLASSIFIERS,
    EVERY_TASK,
    LANGUAGE_TASKS,
    LAYER_NORM,
    HeadCosts,
    Sizes,
    TextFacts,
    bert_sizes,
    block,
    heads,
    text_encoder,
)
from estimator.networks.fields import Fields
from estimator.networks.layers import Layers
from estimator.networks.ledger import Inputs, Quantity
from estimator.networks.model_class import label_head, task
from estimator.networks.network import Network, Pass, length_warning, lines, network, sequence
from estimator.networks.registry import families, family

GROUPS = {
    "attention/query": ("q_groups", 4),
    "attention/key": ("k_groups", 4),
    "attention/value": ("v_groups", 4),
    "attention/output": ("post_attention_groups", 1),
    "mlp/up": ("intermediate_groups", 4),
    "mlp/down": ("output_groups", 4),
}
"""SqueezeBERT: matrix -> key and default of its groups."""


def _squeezebert_layer(fields: Fields, sizes: Sizes) -> Costs:
    """SqueezeBERT: dense layers in groups (arXiv:2006.11316, sec. 3)."""
    costs = dict(block(fields, sizes))
    for part, (key, usual) in GROUPS.items():
        groups, cost = fields.size(key, default=usual), costs[part]
        outputs = sizes.width if part == "mlp/up" else sizes.hidden
        fields.share("hidden_size", sizes.hidden, key, groups)
        weights = (cost.params - outputs) // groups
        costs[part] = product(weights + outputs, cost.flop_per_token // groups)
    return costs


def _convbert_layer(fields: Fields, sizes: Sizes) -> Costs:
    """ConvBERT: half of the heads are convolutions (arXiv:2008.02496, sec. 3)."""
    hidden, kernel = sizes.hidden, fields.size("conv_kernel_size", default=9)
    count = max(sizes.heads // fields.size("head_ratio", default=2), 1)
    width = hidden // count // 2 * count
    attention = replace(equal_heads(fields, width, count), hidden=hidden)
    mlp = Mlp(hidden, sizes.width, bias=True)
    return {
        **layer_costs(attention, mlp, 2 * LAYER_NORM * hidden),
        "attention/output": affine(hidden, hidden),
        "convolution/depth": depthwise(hidden, kernel, bias=False),
        "convolution/point": linear(hidden, width),
        "convolution/bias": held(width),
        "convolution/kernel": affine(width, count * kernel),
        "convolution/out": affine(hidden, width),
        "convolution/apply": Cost(flop_per_token=2 * width * kernel),
    }


BLOCK = 32
"""Side of a block of MRA's attention. [token]"""

INVERSE_PRODUCTS = 24
"""Products of landmarks with landmarks that approach an inverse: six rounds of four."""


def _kernel(sizes: Sizes, kernel: int) -> Cost:
    """A convolution of the values along the sequence, one kernel per head."""
    return product(sizes.heads * kernel, 2 * kernel * sizes.hidden)


def _yoso_layer(fields: Fields, sizes: Sizes) -> Costs:
    """YOSO: attention by hash codes, whose expectation sees every pair (arXiv:2111.09714)."""
    kernel = fields.size_or_none("conv_window") or 0
    return {**block(fields, sizes), "attention/convolution": _kernel(sizes, kernel)}


def _mra_layer(fields: Fields, sizes: Sizes) -> Costs:
    """MRA: the best blocks of 32 x 32 and a coarse map of the rest (arXiv:2207.10284, sec. 4)."""
    near = Cost(flop_per_token=2 * BLOCK * fields.size("block_per_row", default=4) * sizes.hidden)
    return {**block(fields, sizes), "attention/scores": near, "attention/reduce": near}


def _landmarks(fields: Fields) -> int:
    """Landmarks of a sequence, 0 where they are as many as its segments: full attention."""
    marks = fields.size("num_landmarks", default=64)
    return marks if marks != fields.size("segment_means_seq_len", default=64) else 0


def _nystromformer_layer(fields: Fields, sizes: Sizes) -> Costs:
    """Nystromformer: landmarks between queries and keys (arXiv:2102.03902, sec. 3.2)."""
    kernel = fields.size_or_none("conv_kernel_size", default=65) or 0
    costs = {**block(fields, sizes), "attention/convolution": _kernel(sizes, kernel)}
    if marks := _landmarks(fields):
        flop = 4 * marks * sizes.hidden
        costs["attention/scores"] = Cost(flop_per_token=flop)
        costs["attention/reduce"] = Cost(flop_per_token=flop + 2 * sizes.heads * marks**2)
    return costs


def _inverted(fields: Fields, sizes: Sizes, costs: Costs) -> tuple[Layers, ...]:
    """Nystromformer: once per sequence, each layer inverts what landmarks are to each other."""
    marks = _landmarks(fields)
    inverse = INVERSE_PRODUCTS * 2 * sizes.heads * marks**3 + 2 * marks**2 * sizes.hidden
    once = {"attention/inverse": Cost(flop_per_token=inverse)}

    def near(part: str, length: Quantity) -> tuple[Quantity, Quantity] | None:
        return (1.0, 0.0) if part in once else None

    return (Layers(costs={**costs, **once}, times=sizes.layers, near=near),)


APPROXIMATE = TextFacts(more_rows=2, pooled=(), dense_before=CLASSIFIERS)

families(
    text_encoder,
    {
        "squeezebert": TextFacts(layer=_squeezebert_layer, pooled=EVERY_TASK),
        "convbert": TextFacts(
            width_key="embedding_size",
            layer=_convbert_layer,
            pooled=(),
            dense_before=("SequenceClassification",),
            twin_bias=False,
        ),
        "mra": replace(APPROXIMATE, layer=_mra_layer),
        "nystromformer": replace(APPROXIMATE, layer=_nystromformer_layer, stack=_inverted),
    },
)


@family("yoso")
def yoso(fields: Fields) -> Network:
    """YOSO, whose hashes are an expectation where the config does not ask for drawn ones."""
    hashed = not fields.flag("use_expectation", default=True)
    note = ("hashed attention is counted as full attention: an upper bound",) * hashed
    return text_encoder(replace(APPROXIMATE, layer=_yoso_layer), fields.noted(*note))


def _fnet_layer(fields: Fields, sizes: Sizes) -> Costs:
    """FNet: Fourier transforms instead of attention (arXiv:2105.03824, sec. 3.2)."""
    mlp = Mlp(sizes.hidden, sizes.width, bias=True).costs()
    return {**mlp, "norm/layers": held(2 * LAYER_NORM * sizes.hidden)}


def _projection(fields: Fields, sizes: Sizes) -> Costs:
    return {"embedding/project": affine(sizes.hidden, sizes.hidden)}


families(text_encoder, {"fnet": TextFacts(layer=_fnet_layer, extra=_projection, pooled=EVERY_TASK)})


def _mobilebert_layer(fields: Fields, sizes: Sizes) -> Costs:
    """MobileBERT: narrow layers between wide states (arXiv:2004.02984, sec. 3)."""
    hidden, inner = sizes.hidden, fields.size("intra_bottleneck_size", default=128)
    stacks = fields.size("num_feedforward_networks", default=4)
    keys = ("intra_bottleneck_size", "num_attention_heads")
    mlp = Mlp(inner, sizes.width, bias=True).costs()
    return {
        **equal_heads(fields, inner, sizes.heads, keys).costs(),
        "attention/value": affine(hidden, inner),
        **scaled(mlp, stacks),
        "bottleneck/in": affine(hidden, 2 * inner),
        "bottleneck/out": affine(inner, hidden),
        "norm/layers": held(2 * (inner * (stacks + 3) + hidden)),
    }


def _trigrams(fields: Fields, sizes: Sizes) -> Costs:
    """A narrow token table, of which three neighbours are projected at once; a head widens it."""
    narrow = fields.size("embedding_size")
    neighbours = 3 if fields.flag("trigram_input", default=True) else 1
    writes = task(fields) in LANGUAGE_TASKS
    return {
        "embedding/token": table(sizes.vocab, narrow),
        "embedding/project_in": affine(neighbours * narrow, sizes.hidden),
        "head/logits": held((sizes.hidden - narrow) * sizes.vocab * writes),
    }


@family("mobilebert")
def mobilebert(fields: Fields) -> Network:
    """MobileBERT, pooled through a dense layer where it is active."""
    active = fields.flag("classifier_activation", default=True)
    pooled = ("SequenceClassification", *BERT_POOLED) if active else ()
    facts = TextFacts(layer=_mobilebert_layer, extra=_trigrams, pooled=pooled)
    published = (
        fields.flag("use_bottleneck", default=True)
        and fields.flag("key_query_shared_bottleneck", default=True)
        and not fields.flag("use_bottleneck_attention")
        and fields.flag("tie_word_embeddings", default=True)
    )
    note = () if published else ("bottlenecks and heads are counted as in the published model",)
    return text_encoder(facts, fields.with_values({"tie_word_embeddings": True}).noted(*note))


def sentence_order_heads(fields: Fields, sizes: Sizes, facts: TextFacts) -> HeadCosts:
    """ALBERT: the order of two sentences is as many labels as the config says."""
    after, once = heads(fields, sizes, facts)
    if task(fields) == "PreTraining":
        once = {**once, "head/sentence_order": label_head(fields, sizes.hidden)}
    return after, once


def shared_layers(fields: Fields, sizes: Sizes, costs: Costs) -> tuple[Layers, ...]:
    """ALBERT: groups of layers, each run in its share of the depth."""
    groups = fields.layers("num_hidden_groups", default=1)
    inner = fields.layers("inner_group_num", default=1)
    runs = [0] * groups
    for layer in range(sizes.layers):
        runs[int(layer / (sizes.layers / groups))] += 1
    return tuple(Layers(costs=costs, times=inner, reuse=run) for run in runs)


families(
    text_encoder,
    {
        "albert": TextFacts(
            width_key="embedding_size",
            bridged=True,
            stack=shared_layers,
            heads=sentence_order_heads,
        )
    },
)


def _heads(fields: Fields, hidden: int) -> tuple[dict[str, Cost], dict[str, Cost]]:
    """Heads per character and per sequence."""
    kind = task(fields)
    if kind in ("TokenClassification", "QuestionAnswering"):
        return {"head/classifier": label_head(fields, hidden)}, {}
    return {}, {"head/classifier": label_head(fields, hidden)} if kind else {}


@family("canine")
def canine(fields: Fields) -> Network:
    """CANINE: a stack over positions of four characters, between two layers over characters.

    A character's row is put together from narrow slices of several hashed tables. The first layer
    and the last attend inside chunks of 128 characters (arXiv:2103.06874).
    """
    sizes = bert_sizes(fields)
    hidden, layer = sizes.hidden, block(fields, sizes)
    rate = fields.size("downsampling_rate", default=4)
    chunk = fields.size("local_transformer_stride", default=128)
    kernel = fields.size("upsampling_kernel_size", default=4)
    buckets = fields.size("num_hash_buckets", default=16384)
    before = {
        "embedding/token": table(buckets, hidden),
        "embedding/position": table(buckets, hidden),
        "embedding/type": table(sizes.types, hidden),
        "norm/embedding": held(2 * hidden),
    }
    folds = {"fold": affine(rate * hidden, hidden), "norm/fold": held(2 * hidden)}
    unfolds = {"unfold": affine(2 * kernel * hidden, hidden), "norm/unfold": held(2 * hidden)}
    after, once = _heads(fields, hidden)
    pooled = {"pooler": affine(hidden, hidden), **once}

    def run(inputs: Inputs) -> Pass:
        batch, length = sequence(inputs, sizes.positions)
        characters, few = batch * length, np.floor(length / rate)
        seen = characters * np.minimum(length, float(chunk))
        done = [*lines(before, characters)]
        done += lines(layer, characters, pairs=seen, prefix="first/")
        done += lines(folds, batch * few)
        done += lines(layer, batch * few, pairs=batch * few * few, times=sizes.layers)
        done += lines(unfolds, characters)
        done += lines(layer, characters, pairs=characters * length, prefix="last/")
        done += [*lines(after, characters), *lines(pooled, batch)]
        warned = length_warning(length, sizes.positions)
        return Pass(lines=done, items=characters, warnings=warned)

    return network(fields, run)
