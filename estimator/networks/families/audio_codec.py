"""How much work EnCodec, Mimi and DAC are: recordings made codes, and codes recordings.

`seq_len` is samples at the rate of the config, ten seconds by default; items are frames of codes.
A pass encodes and decodes each recording once.
"""

from collections.abc import Callable
from math import ceil, log2, prod

import numpy as np

from estimator.networks.blocks import (
    Cost,
    Costs,
    Mlp,
    affine,
    held,
    layer_costs,
    linear,
    table,
)
from estimator.networks.convolution import Flow, ratio
from estimator.networks.families.decoder import Family, grouped_attention
from estimator.networks.families.mixers import lstm
from estimator.networks.families.wav2vec2 import Body, sound_network
from estimator.networks.fields import Fields
from estimator.networks.ledger import Inputs
from estimator.networks.network import Network
from estimator.networks.registry import family, known_families

SECONDS = 10
"""Length of a recording. [s]"""

DILATIONS = (1, 3, 9)
"""Of the residual units of DAC, which do not change their cost. [1]"""


Convolution = Callable[[int, int, int, bool], Cost]
"""From channels in and out, the kernel, and whether it grows the sequence, to its cost."""


def held_codec(part: Fields, kind: str) -> Costs:
    """The codec inside a model that writes its codes, which rests."""
    part.counted("model_type", kind)
    codec = known_families()[kind](part.with_values({"model_type": kind}))
    return {"codec": held(codec.ledger(Inputs()).params_total)}


@family("encodec")
def encodec(fields: Fields) -> Network:
    """EnCodec: convolutions round an LSTM; codes of the first bandwidth (arXiv:2210.13438)."""
    grouped = fields.text("norm_type", default="weight_norm") == "time_group_norm"
    ratios = fields.sizes("upsampling_ratios", fewest=0)
    hidden, rate = fields.size("hidden_size"), fields.size("sampling_rate")
    entries = fields.size("codebook_size", default=1024, least=2)
    first_of = {"target_bandwidths": (fields.items("target_bandwidths") or [1.5])[0]}
    bandwidth = ratio(fields.with_values(first_of), "target_bandwidths", 1.5)
    frame_rate = ceil(rate / prod(ratios))
    used = max(1, int(1000 * bandwidth // (frame_rate * int(log2(entries)))))
    wide = fields.size("num_filters") * 2 ** len(ratios)

    def conv(inputs: int, outputs: int, size: int, back: bool) -> Cost:
        norm = 2 * outputs if grouped else (inputs if back else outputs)
        return linear(inputs * size, outputs) + held(outputs + norm)

    recurrent = lstm(wide).times(fields.layers("num_lstm_layers"))
    search = Cost(flop_per_token=2 * used * entries * hidden)
    notes = ("chunks are counted without their overlap",) * fields.states("chunk_length_s")
    middle = {"encoder/lstm": recurrent, "codes": search, "decoder/lstm": recurrent}
    body = _shrunk_and_grown(fields, ratios, conv, lambda flow: flow.layers(middle))
    return sound_network(fields, body, notes, SECONDS * rate)


def _shrunk_and_grown(
    fields: Fields, ratios: list[int], conv: Convolution, middle: Body, fold: int = 1
) -> Body:
    """Convolutions that shorten a recording by `ratios`, the `middle`, and their way back.

    The middle makes one code of `fold` of their positions.
    """
    first, hidden = fields.size("num_filters"), fields.size("hidden_size")
    kernel, last = fields.size("kernel_size"), fields.size("last_kernel_size")
    inner, squeeze = fields.size("residual_kernel_size"), fields.size("compress")
    blocks = fields.layers("num_residual_layers")
    shortcut, channels = fields.flag("use_conv_shortcut"), fields.size("audio_channels")
    wide = first * 2 ** len(ratios)

    def block(width: int) -> Cost:
        narrow = width // squeeze
        path = conv(width, narrow, inner, False) + conv(narrow, width, 1, False)
        return (path + conv(width, width, 1, False).times(shortcut)).times(blocks)

    def body(flow: Flow) -> Flow:
        flow = flow.layers({"encoder/first": conv(channels, first, kernel, False)}, first=True)
        for place, step in enumerate(reversed(ratios)):
            width = first * 2**place
            flow = flow.layers({"encoder/block": block(width)})
            flow = flow.at(np.ceil(flow.side / step))
            flow = flow.layers({"encoder/shrink": conv(width, 2 * width, 2 * step, False)})
        flow = middle(flow.layers({"encoder/last": conv(wide, hidden, last, False)}))
        codes = flow.side / fold
        flow = flow.layers({"decoder/first": conv(hidden, wide, kernel, False)})
        for place, step in enumerate(ratios):
            width = wide // 2**place
            flow = flow.layers({"decoder/grow": conv(width, width // 2, 2 * step, True)})
            flow = flow.scaled(step).layers({"decoder/block": block(width // 2)})
        flow = flow.layers({"decoder/last": conv(first, channels, last, False)})
        return flow.at(codes)

    return body


@family("mimi")
def mimi(fields: Fields) -> Network:
    """Mimi: EnCodec with transformers for LSTMs, codes of half the rate (arXiv:2410.00037, 3.3)."""
    ratios = fields.sizes("upsampling_ratios")
    hidden, rate = fields.size("hidden_size"), fields.size("sampling_rate")
    frame_rate = ratio(fields, "frame_rate", rate / prod(ratios) / 2)
    step = int(ceil(rate / prod(ratios)) / frame_rate)
    halved = frame_rate != ceil(rate / prod(ratios))
    attention = grouped_attention(Family(attention_bias="attention_bias"), fields)
    mlp = Mlp(hidden, fields.size("intermediate_size"))
    layer, layers = layer_costs(attention, mlp, 6 * hidden), fields.layers("num_hidden_layers")
    books = fields.layers("num_quantizers")
    inner = fields.size("vector_quantization_hidden_dimension")
    width = fields.size("codebook_dim")
    search = Cost(flop_per_token=2 * books * fields.size("codebook_size") * width)
    bridges = linear(hidden, inner).times(4 * (inner != hidden))
    fold = linear(2 * step * hidden, hidden)
    groups = fields.size("upsample_groups")
    unfold = linear(2 * step * hidden, hidden // groups)

    def middle(flow: Flow) -> Flow:
        long = flow.side
        flow = flow.attending(layer, times=layers, prefix="encoder/")
        if halved:
            flow = flow.at(np.ceil(long / step)).layers({"encoder/fold": fold})
        flow = flow.layers({"codes/project": bridges, "codes/search": search})
        if halved:
            flow = flow.layers({"decoder/unfold": unfold}).scaled(step)
        return flow.attending(layer, times=layers, prefix="decoder/")

    def conv(inputs: int, outputs: int, size: int, back: bool) -> Cost:
        return affine(inputs * size, outputs)

    body = _shrunk_and_grown(fields, ratios, conv, middle, step if halved else 1)
    return sound_network(fields, body, (), SECONDS * rate)


@family("dac")
def dac(fields: Fields) -> Network:
    """DAC: residual units with learned sines, codes over codes (arXiv:2306.06546)."""
    down = fields.sizes("downsampling_ratios", (2, 4, 8, 8))
    up = fields.sizes("upsampling_ratios", tuple(reversed(down)), len(down))
    first = fields.size("encoder_hidden_size", default=64)
    last = fields.size("decoder_hidden_size", default=1536)
    wide = first * 2 ** len(down)
    hidden = fields.size_or_none("hidden_size") or wide
    books = fields.layers("n_codebooks", default=9)
    entries = fields.size("codebook_size", default=1024)
    narrow = fields.size("codebook_dim", default=8)
    rate = fields.size("sampling_rate", default=16_000)

    def units(width: int) -> Cost:
        unit = affine(7 * width, width, width) + held(2 * width)
        return unit.times(len(DILATIONS))

    book = affine(hidden, narrow, hidden) + table(entries, narrow)
    book += Cost(flop_per_token=2 * entries * narrow)

    def body(flow: Flow) -> Flow:
        flow = flow.layers({"encoder/first": affine(7, first)}, first=True)
        for place, step in enumerate(down):
            width = first * 2**place
            flow = flow.layers({"encoder/units": units(width) + held(width)})
            flow = flow.pool(2 * step, step, ceil(step / 2))
            flow = flow.layers({"encoder/shrink": affine(2 * step * width, 2 * width)})
        ends = {
            "encoder/last": affine(3 * wide, hidden) + held(wide),
            "decoder/first": affine(7 * hidden, last),
        }
        flow = flow.layers({**ends, "codes": book.times(books)})
        codes = flow.side
        for place, step in enumerate(up):
            width = last // 2**place
            grown = linear(width, 2 * step * (width // 2)) + held(width // 2 + width)
            flow = flow.layers({"decoder/grow": grown})
            flow = flow.at((flow.side + 1) * step - 2 * ceil(step / 2))
            flow = flow.layers({"decoder/units": units(width // 2)})
        width = last // 2 ** len(up)
        flow = flow.layers({"decoder/last": affine(7 * width, 1) + held(width)})
        return flow.at(codes)

    return sound_network(fields, body, (), SECONDS * rate)
