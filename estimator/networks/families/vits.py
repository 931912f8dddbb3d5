"""How much work VITS is, of which the voices of MMS are: sound from text in one pass.

`seq_len` is the samples that are made, ten seconds by default, and items are frames. A text of the
usual length for that sound is read. What only training runs is held and rests.
"""

from itertools import pairwise
from math import prod

from estimator.networks.blocks import Cost, Costs, affine, equal_heads, held, linear, table
from estimator.networks.convolution import Flow
from estimator.networks.families.audio_codec import SECONDS
from estimator.networks.families.mixers import depthwise
from estimator.networks.families.wav2vec2 import Body, sound_network
from estimator.networks.fields import Fields
from estimator.networks.ledger import Quantity
from estimator.networks.network import Network
from estimator.networks.registry import family

TOKENS_PER_SECOND = 2 * 1_308_678 / 86_117
"""Characters read in a second, with a blank beside each: K. Ito, "The LJ Speech Dataset", 2017."""

EDGE = 7
"""Kernel of the first and the last convolution of HiFi-GAN. [1]"""


def hifi_gan(fields: Fields, inputs: int, *, bias: bool, speaker: int = 0) -> Body:
    """Frames of so many channels to samples: HiFi-GAN (arXiv:2010.05646, sec. 2.2)."""
    first, rates = fields.size("upsample_initial_channel"), fields.sizes("upsample_rates")
    steps = fields.sizes("upsample_kernel_sizes", length=len(rates))
    kernels = fields.sizes("resblock_kernel_sizes")
    dilations = fields.listed("resblock_dilation_sizes", length=len(kernels))
    widths = [first // 2**place for place in range(len(rates) + 1)]

    def blocks(width: int) -> Cost:
        return sum(
            (
                affine(kernel * width, width).times(2 * len(each))
                for kernel, each in zip(kernels, dilations, strict=True)
            ),
            start=Cost(),
        )

    def body(flow: Flow) -> Flow:
        flow = flow.layers({"wave/first": affine(EDGE * inputs, first)})
        flow = flow.dense({"wave/speaker": affine(speaker, first).times(speaker > 0)})
        for rate, step, (wide, narrow) in zip(rates, steps, pairwise(widths), strict=True):
            grown = linear(wide, step * narrow) + held(narrow)
            flow = flow.layers({"wave/grow": grown}).scaled(rate)
            flow = flow.layers({"wave/block": blocks(narrow)})
        return flow.layers({"wave/last": linear(EDGE * widths[-1], 1, bias)})

    return body


@family("vits")
def vits(fields: Fields) -> Network:
    """VITS of a config (arXiv:2106.06103)."""
    hidden, wide = fields.size("hidden_size"), fields.size("flow_size")
    rate, speaker = fields.size("sampling_rate"), fields.size("speaker_embedding_size", least=0)
    hop, speakers = prod(fields.sizes("upsample_rates")), fields.size("num_speakers")
    text, layers = _text_layer(fields), fields.layers("num_hidden_layers")
    durations, resting = _durations(fields, hidden, speaker)
    around: Costs = {
        "embedding/token": table(fields.size("vocab_size"), hidden),
        "embedding/speaker": table(speakers * (speakers > 1), speaker),
        "training": held(resting + _posterior(fields, hidden, wide, speaker).params),
    }
    flows = fields.layers("prior_encoder_num_flows")
    waves, once = _wavenet(fields, "prior_encoder_num_wavenet_layers", speaker)
    half = wide // 2
    prior = affine(half, hidden) + waves + affine(hidden, half)
    wave = hifi_gan(fields, wide, bias=False, speaker=speaker)

    def body(flow: Flow, tokens: Quantity) -> Flow:
        flow = flow.dense(around).attending(text, tokens, times=layers, prefix="text/")
        flow = flow.layers({"text/project": affine(hidden, 2 * wide), **durations}, tokens)
        spread = {"align": Cost(flop_per_pair=4 * wide)}
        flow = flow.layers(spread, 0.0, pairs=tokens * flow.positions)
        flow = flow.layers({"flow": prior}, times=flows).layers({"flow": once}, 1.0, times=flows)
        return wave(flow).at(flow.side)

    def spoken(flow: Flow) -> Flow:
        return body(flow.at(flow.side / hop), TOKENS_PER_SECOND / rate * flow.side)

    return sound_network(fields, spoken, (), SECONDS * rate)


def _text_layer(fields: Fields) -> Costs:
    """Attention with keys and values of distances, and an MLP of convolutions."""
    hidden, width = fields.size("hidden_size"), fields.size("ffn_dim")
    attention = equal_heads(
        fields, hidden, fields.size("num_attention_heads"), bias=fields.flag("use_bias")
    )
    window, kernel = fields.size_or_none("window_size"), fields.size("ffn_kernel_size")
    costs = dict(attention.costs())
    if window is not None:
        costs["attention/distances"] = held(2 * (2 * window + 1) * attention.head_dim)
        costs["attention/relative"] = Cost(flop_per_token=-4 * hidden, flop_per_pair=8 * hidden)
    mlp = {"mlp/up": affine(kernel * hidden, width), "mlp/down": affine(kernel * width, hidden)}
    return {**costs, **mlp, "norm/layers": held(4 * hidden)}


def _wavenet(fields: Fields, key: str, speaker: int) -> tuple[Cost, Cost]:
    """Gated convolutions under weight norms, per position, and for a speaker once."""
    hidden, layers = fields.size("hidden_size"), fields.layers(key)
    kernel = fields.size("wavenet_kernel_size")

    def conv(inputs: int, outputs: int) -> Cost:
        return affine(inputs, outputs) + held(outputs)

    gated = conv(kernel * hidden, 2 * hidden).times(layers)
    kept = conv(hidden, 2 * hidden).times(layers - 1) + conv(hidden, hidden)
    return gated + kept, conv(speaker, 2 * hidden * layers).times(speaker > 0)


def _posterior(fields: Fields, hidden: int, wide: int, speaker: int) -> Cost:
    """The encoder of the spectrogram, which only training runs."""
    waves = sum(_wavenet(fields, "posterior_encoder_num_wavenet_layers", speaker), start=Cost())
    return affine(fields.size("spectrogram_bins"), hidden) + waves + affine(hidden, 2 * wide)


def lengths(inputs: int, width: int, kernel: int) -> Cost:
    """What says by two convolutions how long each token is."""
    return affine(kernel * inputs, width) + affine(kernel * width, width, 1) + held(4 * width)


def _durations(fields: Fields, hidden: int, speaker: int) -> tuple[Costs, int]:
    """How long each token is spoken: costs per token, and parameters that only training uses."""
    kernel = fields.size("duration_predictor_kernel_size")
    cond = held(affine(speaker, hidden).params * (speaker > 0))
    if not fields.flag("use_stochastic_duration_prediction", default=True):
        width = fields.size("duration_predictor_filter_channels")
        return {"duration": lengths(hidden, width, kernel) + cond}, 0
    step = depthwise(hidden, kernel, True) + affine(hidden, hidden) + held(4 * hidden)
    deep = step.times(fields.layers("depth_separable_num_layers"))
    channels = fields.size("depth_separable_channels")
    flows = fields.layers("duration_predictor_num_flows")
    half, scale = channels // 2, held(2 * channels)
    bends = half * (3 * fields.size("duration_predictor_flow_bins") - 1)
    flow = affine(half, hidden) + deep + affine(hidden, bends)
    ends = affine(hidden, hidden).times(2) + deep
    post = affine(1, hidden) + affine(hidden, hidden) + deep + flow.times(flows) + scale
    return (
        {"duration": ends + scale + flow.times(flows - 1) + cond},
        post.params + flow.params,
    )
