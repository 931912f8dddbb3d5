"""w2v-BERT 2.0 (wav2vec2-bert): conformer layers over mel frames.

`seq_len` is audio samples at 16 kHz, ten seconds by default, and the items of a pass are frames.
"""

from estimator.networks.blocks import (
    Cost,
    Costs,
    Mlp,
    affine,
    equal_heads,
    linear,
    merged,
    params_only,
    scaled,
)
from estimator.networks.convolution import Flow
from estimator.networks.families.mixers import depthwise
from estimator.networks.families.wav2vec2 import (
    Body,
    adapted_width,
    adapter,
    audio_heads,
    masks_frames,
    sound_network,
)
from estimator.networks.fields import Fields
from estimator.networks.network import Network
from estimator.networks.registry import family

MEL_WINDOW, MEL_STEP = 400, 160
"""Samples per mel frame and between frames: 25 ms and 10 ms at 16 kHz. [sample]"""


def conformer_layer(fields: Fields, hidden: int) -> Costs:
    """Return a Conformer layer: half MLPs around attention and a convolution (arXiv:2005.08100)."""
    heads = fields.size("num_attention_heads", default=hidden // 64)
    attention = equal_heads(fields, hidden, heads).costs()
    mlp = Mlp(hidden, fields.size("intermediate_size", default=4096), bias=True).costs()
    kernel = fields.size("conv_depthwise_kernel_size", default=31)
    convolution = {
        "convolution/in": linear(hidden, 2 * hidden),
        "convolution/depth": depthwise(hidden, kernel, False),
        "convolution/out": linear(hidden, hidden),
    }
    return {**merged(attention, mlp, mlp, convolution), "norm/layers": params_only(12 * hidden)}


@family("wav2vec2-bert")
def wav2vec2_bert(fields: Fields) -> Network:
    """Build w2v-BERT 2.0: Conformer layers over pairs of mel frames (arXiv:2312.05187)."""
    hidden = fields.size("hidden_size", default=1024)
    layers = fields.layers("num_hidden_layers", default=24)
    width = fields.size("feature_projection_input_dim", default=160)
    kind = fields.supported("position_embeddings_type", "relative_key", "rotary")
    relative = key_distances(fields, hidden) if kind == "relative_key" else {}
    after, once, notes = audio_heads(fields, hidden, layers, classifier_width=768)
    layer = {**conformer_layer(fields, hidden), **relative}
    padding = fields.size("adapter_kernel_size", default=3) // 2
    adapted = attending_adapter(fields, hidden, padding)
    before = {"norm/features": params_only(2 * width), "features/project": affine(width, hidden)}
    around: Costs = {"embedding/mask": params_only(hidden * masks_frames(fields)), **once}

    def body(flow: Flow) -> Flow:
        flow = flow.pool(MEL_WINDOW, MEL_STEP).pool(2, 2).layers(before)
        return adapted(flow.attending(layer, times=layers)).layers(after).dense(around)

    return sound_network(fields, body, notes)


def key_distances(fields: Fields, hidden: int) -> Costs:
    """Return the cost of learned keys for the distances before and after a query."""
    left = fields.size("left_max_position_embeddings", default=64)
    rows = left + fields.size("right_max_position_embeddings", default=8) + 1
    heads = fields.size("num_attention_heads", default=16)
    return {
        "attention/distances": params_only(rows * (hidden // heads)),
        "attention/relative": Cost(flop_per_pair=2 * hidden),
    }


def attending_adapter(fields: Fields, hidden: int, padding: int) -> Body:
    """Return w2v-BERT's adapter: strided convolutions on input and attention, and an MLP."""
    wide = fields.size("intermediate_size", default=4096)
    before: Costs = {}
    if fields.flag("use_intermediate_ffn_before_adapter"):
        before = scaled(Mlp(hidden, wide, bias=True).costs(), 1, "adapter/")
    if not fields.flag("add_adapter"):
        return lambda flow: flow.layers(before)
    width, bridge = adapted_width(fields, hidden)
    kernel = fields.size("adapter_kernel_size", default=3)
    heads = fields.size("num_attention_heads", default=16)
    attention = equal_heads(fields, width, heads, ("output_hidden_size", "num_attention_heads"))
    step: Costs = {
        "convolution": affine(kernel * width, 2 * width).times(2),
        **attention.costs(),
        **Mlp(width, wide, bias=True).costs(),
        "norm": params_only(6 * width),
    }
    step = scaled(step, 1, "adapter/")
    return adapter(fields, {**before, **bridge}, step, steps=1, padding=padding)
