"""How much work EnCodec and DAC are: recordings made codes, and codes recordings.

`seq_len` is samples at the rate of the config, ten seconds by default; items are frames of codes.
A pass encodes and decodes each recording once.
"""

from math import ceil, log2, prod

import numpy as np

from estimator.workload.blocks import Cost, held, linear, product, table
from estimator.workload.convolution import Flow, ratio
from estimator.workload.families.wav2vec2 import sound_network
from estimator.workload.fields import Fields
from estimator.workload.network import Network
from estimator.workload.registry import family

SECONDS = 10
"""Length of a recording. [s]"""

DILATIONS = (1, 3, 9)
"""Of the residual units of DAC, which do not change their cost. [1]"""


@family("encodec")
def encodec(fields: Fields) -> Network:
    """EnCodec: convolutions round an LSTM; codes of the first bandwidth (arXiv:2210.13438)."""
    grouped = fields.text("norm_type", default="weight_norm") == "time_group_norm"
    ratios = fields.sizes("upsampling_ratios", (8, 5, 4, 2), fewest=0)
    first, hidden = fields.size("num_filters", default=32), fields.size("hidden_size", default=128)
    kernel, last = (fields.size(key, default=7) for key in ("kernel_size", "last_kernel_size"))
    inner = fields.size("residual_kernel_size", default=3)
    squeeze = fields.size("compress", default=2)
    blocks = fields.layers("num_residual_layers", default=1)
    shortcut = fields.flag("use_conv_shortcut", default=True)
    channels = fields.size("audio_channels", default=1)
    rate = fields.size("sampling_rate", default=24_000)
    entries = fields.size("codebook_size", default=1024, least=2)
    first_of = {"target_bandwidths": (fields.items("target_bandwidths") or [1.5])[0]}
    bandwidth = ratio(fields.with_values(first_of), "target_bandwidths", 1.5)
    frame_rate = ceil(rate / prod(ratios))
    used = max(1, int(1000 * bandwidth // (frame_rate * int(log2(entries)))))
    wide = first * 2 ** len(ratios)

    def conv(inputs: int, outputs: int, size: int, back: bool = False) -> Cost:
        weights = inputs * outputs * size
        norm = 2 * outputs if grouped else (inputs if back else outputs)
        return product(weights + outputs + norm, 2 * weights)

    def block(width: int) -> Cost:
        narrow = width // squeeze
        path = conv(width, narrow, inner) + conv(narrow, width, 1)
        return (path + conv(width, width, 1).times(shortcut)).times(blocks)

    lstm = product(8 * wide * wide + 8 * wide, 16 * wide * wide)
    lstm = lstm.times(fields.layers("num_lstm_layers", default=2))
    search = Cost(flop_per_token=2 * used * entries * hidden)

    def body(flow: Flow) -> Flow:
        flow = flow.layers({"encoder/first": conv(channels, first, kernel)}, first=True)
        for place, step in enumerate(reversed(ratios)):
            width = first * 2**place
            flow = flow.layers({"encoder/block": block(width)})
            flow = flow.at(np.ceil(flow.side / step))
            flow = flow.layers({"encoder/shrink": conv(width, 2 * width, 2 * step)})
        ends = {
            "encoder/last": conv(wide, hidden, last),
            "decoder/first": conv(hidden, wide, kernel),
        }
        flow = flow.layers({"encoder/lstm": lstm, "codes": search, "decoder/lstm": lstm, **ends})
        codes = flow.side
        for place, step in enumerate(ratios):
            width = wide // 2**place
            flow = flow.layers({"decoder/grow": conv(width, width // 2, 2 * step, back=True)})
            flow = flow.scaled(step).layers({"decoder/block": block(width // 2)})
        flow = flow.layers({"decoder/last": conv(first, channels, last)})
        return flow.at(codes)

    notes = ("chunks are counted without their overlap",) * fields.states("chunk_length_s")
    return sound_network(fields, body, notes, SECONDS * rate)


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

    def conv(inputs: int, outputs: int, size: int) -> Cost:
        return linear(inputs * size, outputs) + held(outputs)

    def units(width: int) -> Cost:
        unit = conv(width, width, 7) + conv(width, width, 1) + held(2 * width)
        return unit.times(len(DILATIONS))

    book = conv(hidden, narrow, 1) + conv(narrow, hidden, 1) + table(entries, narrow)
    book += Cost(flop_per_token=2 * entries * narrow)

    def body(flow: Flow) -> Flow:
        flow = flow.layers({"encoder/first": conv(1, first, 7)}, first=True)
        for place, step in enumerate(down):
            width = first * 2**place
            flow = flow.layers({"encoder/units": units(width) + held(width)})
            flow = flow.pool(2 * step, step, ceil(step / 2))
            flow = flow.layers({"encoder/shrink": conv(width, 2 * width, 2 * step)})
        ends = {
            "encoder/last": conv(wide, hidden, 3) + held(wide),
            "decoder/first": conv(hidden, last, 7),
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
        flow = flow.layers({"decoder/last": conv(width, 1, 7) + held(width)})
        return flow.at(codes)

    return sound_network(fields, body, (), SECONDS * rate)
