"""How much work Parakeet is: conformer layers over an eighth of the mel frames, and a CTC head.

`seq_len` is audio samples at 16 kHz, ten seconds by default, and the items of a pass are frames
(FastConformer, arXiv:2305.05084).
"""

from dataclasses import replace
from math import log2

from estimator.workload.blocks import (
    Cost,
    Costs,
    Mlp,
    equal_heads,
    held,
    linear,
    merged,
    product,
)
from estimator.workload.convolution import windows
from estimator.workload.families.mixers import depthwise
from estimator.workload.families.wav2vec2 import (
    MEL_STEP,
    MEL_WINDOW,
    Filter,
    Sound,
    sound_network,
)
from estimator.workload.fields import Fields
from estimator.workload.model_class import head_note, task
from estimator.workload.network import Network, without_input_gradient
from estimator.workload.registry import family, with_defaults_of


def _layer(fields: Fields, hidden: int) -> Costs:
    """Two MLPs round attention with relative positions and a convolution."""
    heads, bias = fields.size("num_attention_heads"), fields.flag("attention_bias", default=True)
    if (fields.size_or_none("num_key_value_heads") or heads) != heads:
        raise ValueError(f"{fields.path}num_key_value_heads must be {heads}, as many as heads")
    keys = ("hidden_size", "num_attention_heads")
    attention = equal_heads(fields, hidden, heads, keys, bias).costs()
    mlp = Mlp(hidden=hidden, width=fields.size("intermediate_size"), bias=bias).costs()
    kernel, whole = fields.size("conv_kernel_size"), fields.flag("convolution_bias", default=True)
    matrix = linear(hidden, hidden)
    rest: Costs = {
        "convolution/in": linear(hidden, 2 * hidden, whole),
        "convolution/depth": depthwise(hidden, kernel, whole),
        "convolution/out": linear(hidden, hidden, whole),
        "attention/positions": replace(matrix, flop_per_token=2 * matrix.flop_per_token),
        "attention/position_bias": held(2 * hidden),
        "attention/relative": Cost(flop_per_token=-2 * hidden, flop_per_pair=4 * hidden),
        "norm/layers": held(12 * hidden),
    }
    return merged(attention, mlp, mlp, rest)


def _encoder(fields: Fields, after: Costs, known: bool, whole: Fields) -> Network:
    """The encoder of a config under what stands behind it."""
    hidden, layers = fields.size("hidden_size"), fields.layers("num_hidden_layers")
    kernel = fields.size("subsampling_conv_kernel_size")
    stride = fields.size("subsampling_conv_stride")
    channels, bins = fields.size("subsampling_conv_channels"), fields.size("num_mel_bins")
    steps = max(1, int(log2(fields.size("subsampling_factor"))))
    padding, layer = (kernel - 1) // 2, _layer(fields, hidden)
    less = Cost(flop_per_token=-layers * linear(hidden, hidden).flop_per_token)
    joined = linear(channels * (bins // stride**steps), hidden, bias=True)

    def body(sound: Sound) -> Sound:
        sound, high = sound.filtered([Filter({}, MEL_WINDOW, MEL_STEP)]), float(bins)
        for step in range(steps):
            high = float(windows(high, kernel, stride, padding))
            left = windows(sound.frames, kernel, stride, padding)
            own, dense = kernel**2 * channels, channels**2 * (step > 0)
            params = own + channels + (dense + channels) * (step > 0)
            cost = product(params, round(2 * (own + dense) * high))
            sound = replace(sound, frames=left)
            sound = sound.layers({f"subsampling/{step + 1}": cost}, first=step == 0)
        sound = sound.layers({"subsampling/project": joined}).layers(layer, layers).layers(after)
        return sound.once({"attention/positions": less})

    notes = head_note(whole, known)
    made = sound_network(whole, body, notes)
    return replace(made, run=without_input_gradient(made.run, "attention/positions"))


@family("parakeet_encoder")
def parakeet_encoder(fields: Fields) -> Network:
    """The encoder alone."""
    return _encoder(fields, {}, not task(fields), fields)


@family("parakeet_ctc")
def parakeet_ctc(fields: Fields) -> Network:
    """The encoder under a head that writes a letter for each frame."""
    part = with_defaults_of(fields.part("encoder_config"), "parakeet_encoder")
    vocab = fields.size("vocab_size", default=1025)
    head = {"head/logits": linear(part.size("hidden_size"), vocab, bias=True)}
    known = task(fields) in ("", "CTC")
    return _encoder(part, head, known, fields)
