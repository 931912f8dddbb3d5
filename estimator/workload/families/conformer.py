"""Which conformer over sound a config describes: wav2vec 2.0 Conformer, wav2vec 2.0 BERT.

`seq_len` is audio samples at 16 kHz, ten seconds by default, and the items of a pass are frames.
"""

from dataclasses import replace

from estimator.workload.blocks import Cost, Costs, Mlp, equal_heads, held, linear, merged, scaled
from estimator.workload.families.mixers import depthwise
from estimator.workload.families.wav2vec2 import (
    AudioFacts,
    Body,
    Filter,
    Sound,
    adapter,
    audio_heads,
    masks_frames,
    output_width,
    sound_network,
    wav2vec2,
)
from estimator.workload.fields import Fields
from estimator.workload.network import Network, without_input_gradient
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


def relative_layer(fields: Fields, hidden: int) -> tuple[Costs, Costs]:
    """wav2vec 2.0 Conformer: positions relative, rotary or none."""
    if fields.text("position_embeddings_type", default="relative") != "relative":
        return _layer(fields, hidden, 3072, {}), {}
    # a matrix for the distances, of which a recording has two for each frame, less one
    layers, matrix = fields.layers("num_hidden_layers", default=12), linear(hidden, hidden)
    relative = {
        "attention/positions": replace(matrix, flop_per_token=2 * matrix.flop_per_token),
        "attention/position_bias": held(2 * hidden),
        "attention/relative": Cost(flop_per_token=-2 * hidden, flop_per_pair=4 * hidden),
    }
    less = Cost(flop_per_token=-layers * matrix.flop_per_token)
    return _layer(fields, hidden, 3072, relative), {"attention/positions": less}


@family("wav2vec2-conformer")
def wav2vec2_conformer(fields: Fields) -> Network:
    """wav2vec 2.0 with conformer layers."""
    made = wav2vec2(AudioFacts(layer=relative_layer), fields)
    return replace(made, run=without_input_gradient(made.run, "attention/positions"))


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
    layer, adapted = _layer(fields, hidden, 4096, relative), _attending_adapter(fields, hidden)
    before: Costs = {
        "norm/features": held(2 * width),
        "features/project": linear(width, hidden, bias=True),
    }
    around: Costs = {"embedding/mask": held(hidden * masks_frames(fields)), **once}

    def body(sound: Sound) -> Sound:
        sound = sound.filtered([Filter({}, MEL_WINDOW, MEL_STEP), Filter({}, 2, 2)])
        sound = sound.layers(before).layers(layer, layers)
        return adapted(sound).layers(after).once(around)

    return sound_network(fields, body, notes)


def _attending_adapter(fields: Fields, hidden: int) -> Body:
    """w2v-BERT: convolutions in and beside attention, and an MLP, at each step."""
    wide = fields.size("intermediate_size", default=4096)
    extra = fields.flag("use_intermediate_ffn_before_adapter")
    before: Costs = {}
    if extra:
        mlp = Mlp(hidden=hidden, width=wide, bias=True).costs()
        before = scaled(mlp, 1, "adapter/")
    if not fields.flag("add_adapter"):
        return lambda sound: sound.layers(before)
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
    return adapter(fields, before, scaled(step, 1, "adapter/"), steps=1, padding=kernel // 2)
