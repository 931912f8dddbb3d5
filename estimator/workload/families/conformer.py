"""Which conformer over sound a config describes: wav2vec 2.0 Conformer, wav2vec 2.0 BERT.

`seq_len` is audio samples at 16 kHz, ten seconds by default, and the items of a pass are frames.
"""

from estimator.workload.blocks import (
    Cost,
    Costs,
    Mlp,
    equal_heads,
    held,
    linear,
    merged,
    scaled,
)
from estimator.workload.families.mixers import depthwise
from estimator.workload.families.wav2vec2 import (
    Adapter,
    Filter,
    Listener,
    audio_adapter,
    audio_filters,
    audio_heads,
    masks_frames,
    output_width,
    position_filter,
)
from estimator.workload.fields import Fields
from estimator.workload.network import Network, network, without_input_gradient
from estimator.workload.registry import family

MEL_WINDOW, MEL_STEP = 400, 160
"""Samples of a mel frame and between two: 25 ms and 10 ms at 16 kHz. [sample]"""


def _layer(fields: Fields, hidden: int, usual: int, relative: Costs) -> Costs:
    """Two half MLPs round attention and a convolution (arXiv:2005.08100, sec. 2.1)."""
    heads = fields.size("num_attention_heads", default=hidden // 64)
    attention = equal_heads(fields, hidden, heads).costs()
    mlp = Mlp(
        hidden=hidden, width=fields.size("intermediate_size", default=usual), bias=True
    ).costs()
    kernel = fields.size("conv_depthwise_kernel_size", default=31)
    convolution: Costs = {
        "convolution/in": linear(hidden, 2 * hidden),
        "convolution/depth": depthwise(hidden, kernel, bias=False),
        "convolution/out": linear(hidden, hidden),
        "norm/layers": held(12 * hidden),
    }
    return merged(attention, mlp, mlp, convolution, relative)


@family("wav2vec2-conformer")
def wav2vec2_conformer(fields: Fields) -> Network:
    """wav2vec 2.0 with conformer layers, positions relative, rotary or none."""
    hidden = fields.size("hidden_size", default=768)
    layers = fields.layers("num_hidden_layers", default=12)
    filters, width = audio_filters(fields)
    kind = fields.text("position_embeddings_type", default="relative")
    relative: dict[str, Cost] = {}
    once: dict[str, Cost] = {}
    if kind == "relative":
        relative["attention/positions"] = linear(hidden, hidden)
        relative["attention/position_bias"] = held(2 * hidden)
        relative["attention/relative"] = Cost(flop_per_token=-2 * hidden, flop_per_pair=4 * hidden)
        twice = Cost(flop_per_token=2 * hidden * hidden)
        relative = dict(merged(relative, {"attention/positions": twice}))
        once["attention/positions"] = Cost(flop_per_token=-2 * layers * hidden * hidden)
    after, heads_once, notes = audio_heads(fields, hidden, layers)
    unused = sum(cost.params for cost in position_filter(fields, hidden).values())
    model = Listener(
        filters=filters,
        before={
            "norm/features": held(2 * width),
            "features/project": linear(width, hidden, bias=True),
            "norm/outer": held(2 * hidden),
        },
        layer=_layer(fields, hidden, 3072, relative),
        layers=layers,
        adapter=audio_adapter(fields, hidden),
        after=after,
        once={
            "embedding/mask": held(hidden * masks_frames(fields)),
            "embedding/position_filter": held(unused),
            **once,
            **heads_once,
        },
    )

    run = without_input_gradient(model.run, "attention/positions")
    return network(fields, run, notes, item_unit="frame")


@family("wav2vec2-bert")
def wav2vec2_bert(fields: Fields) -> Network:
    """w2v-BERT 2.0: conformer layers over pairs of mel frames (arXiv:2312.05187, sec. 3.2)."""
    hidden = fields.size("hidden_size", default=1024)
    layers = fields.layers("num_hidden_layers", default=24)
    width = fields.size("feature_projection_input_dim", default=160)
    kind = fields.text("position_embeddings_type", default="relative_key")
    if kind not in ("relative_key", "rotary"):
        raise ValueError(f"position_embeddings_type {kind!r} is not known")
    relative: Costs = {}
    if kind == "relative_key":
        left = fields.size("left_max_position_embeddings", default=64)
        rows = left + fields.size("right_max_position_embeddings", default=8) + 1
        heads = fields.size("num_attention_heads", default=16)
        relative = {
            "attention/distances": held(rows * (hidden // heads)),
            "attention/relative": Cost(flop_per_pair=2 * hidden),
        }
    after, once, notes = audio_heads(fields, hidden, layers, classifier_width=768)
    frames = (
        Filter(costs={}, kernel=MEL_WINDOW, stride=MEL_STEP),
        Filter(costs={}, kernel=2, stride=2),
    )
    model = Listener(
        filters=frames,
        before={
            "norm/features": held(2 * width),
            "features/project": linear(width, hidden, bias=True),
        },
        layer=_layer(fields, hidden, 4096, relative),
        layers=layers,
        adapter=_attending_adapter(fields, hidden),
        after=after,
        once={"embedding/mask": held(hidden * masks_frames(fields)), **once},
    )
    return network(fields, model.run, notes, item_unit="frame")


def _attending_adapter(fields: Fields, hidden: int) -> Adapter | None:
    """w2v-BERT: convolutions in and beside attention, and an MLP, at each step."""
    wide = fields.size("intermediate_size", default=4096)
    extra = fields.flag("use_intermediate_ffn_before_adapter")
    before: Costs = {}
    if extra:
        mlp = Mlp(hidden=hidden, width=wide, bias=True).costs()
        before = scaled(mlp, 1, "adapter/")
    if not fields.flag("add_adapter"):
        no_step = Adapter(before=before, step={}, layers=0, kernel=1, stride=1, padding=0)
        return no_step if extra else None
    width = output_width(fields, hidden)
    if width != hidden:
        before = {**before, "adapter/project": linear(hidden, width, bias=True)}
        before["norm/adapter"] = held(2 * width)
    kernel = fields.size("adapter_kernel_size", default=3)
    heads = fields.size("num_attention_heads", default=16)
    attention = equal_heads(fields, width, heads, ("output_hidden_size", "num_attention_heads"))
    convolution = linear(kernel * width, 2 * width, bias=True)
    step = {
        "convolution": convolution.times(2),
        **attention.costs(),
        **Mlp(hidden=width, width=wide, bias=True).costs(),
        "norm": held(6 * width),
    }
    return Adapter(
        before=before,
        step=scaled(step, 1, "adapter/"),
        layers=fields.size("num_adapter_layers", default=1, least=0),
        kernel=kernel,
        stride=fields.size("adapter_stride", default=2),
        padding=kernel // 2,
    )
