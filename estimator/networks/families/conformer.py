"""Audio models with conformer layers: wav2vec 2.0 Conformer, w2v-BERT 2.0, Parakeet.

`seq_len` is audio samples at 16 kHz, ten seconds by default, and the items of a pass are frames.
"""

from dataclasses import replace
from math import log2

from estimator.networks.blocks import (
    Attention,
    Cost,
    Costs,
    Mlp,
    affine,
    equal_heads,
    held,
    linear,
    merged,
    product,
    scaled,
    table,
)
from estimator.networks.convolution import Flow, windows
from estimator.networks.families.mixers import depthwise, lstm
from estimator.networks.families.wav2vec2 import (
    AudioFacts,
    Body,
    adapted_width,
    adapter,
    audio_heads,
    masks_frames,
    sound_network,
    wav2vec2,
)
from estimator.networks.fields import Fields
from estimator.networks.model_class import head_note, task
from estimator.networks.network import Network, without_input_gradient
from estimator.networks.registry import family, with_defaults_of

MEL_WINDOW, MEL_STEP = 400, 160
"""Samples per mel frame and between frames: 25 ms and 10 ms at 16 kHz. [sample]"""


def conformer_layer(attention: Attention, mlp: Mlp, kernel: int, bias: bool = False) -> Costs:
    """Half MLPs around attention and a convolution, without norms (arXiv:2005.08100, sec. 2.1)."""
    hidden = attention.hidden
    convolution = {
        "convolution/in": linear(hidden, 2 * hidden, bias),
        "convolution/depth": depthwise(hidden, kernel, bias),
        "convolution/out": linear(hidden, hidden, bias),
    }
    return merged(attention.costs(), mlp.costs(), mlp.costs(), convolution)


def relative_positions(hidden: int, layers: int) -> tuple[Costs, Costs]:
    """Relative-position scores per layer, and a correction per recording.

    Distances, two per frame less one, pass through a matrix; as sines they need no gradient.
    """
    matrix = linear(hidden, hidden)
    relative = {
        "attention/positions": replace(matrix, flop_per_token=2 * matrix.flop_per_token),
        "attention/position_bias": held(2 * hidden),
        "attention/relative": Cost(flop_per_token=-2 * hidden, flop_per_pair=4 * hidden),
    }
    return relative, {"attention/positions": Cost(flop_per_token=-layers * matrix.flop_per_token)}


def conformer_block(fields: Fields, hidden: int, usual: int) -> Costs:
    """A layer of wav2vec's conformers, with its norms and an MLP of `usual` width."""
    heads = fields.size("num_attention_heads", default=hidden // 64)
    attention = equal_heads(fields, hidden, heads)
    mlp = Mlp(hidden, fields.size("intermediate_size", default=usual), bias=True)
    kernel = fields.size("conv_depthwise_kernel_size", default=31)
    return {**conformer_layer(attention, mlp, kernel), "norm/layers": held(12 * hidden)}


def relative_layer(fields: Fields, hidden: int) -> tuple[Costs, Costs]:
    """wav2vec 2.0 Conformer: positions relative, rotary or none."""
    layer = conformer_block(fields, hidden, 3072)
    layers = fields.layers("num_hidden_layers", default=12)
    if fields.text("position_embeddings_type", default="relative") != "relative":
        return layer, {}
    relative, less = relative_positions(hidden, layers)
    return {**layer, **relative}, less


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
    kind = fields.counted("position_embeddings_type", "relative_key", "rotary")
    relative = key_distances(fields, hidden) if kind == "relative_key" else {}
    after, once, notes = audio_heads(fields, hidden, layers, classifier_width=768)
    layer = {**conformer_block(fields, hidden, 4096), **relative}
    padding = fields.size("adapter_kernel_size", default=3) // 2
    adapted = attending_adapter(fields, hidden, padding)
    before = {"norm/features": held(2 * width), "features/project": affine(width, hidden)}
    around: Costs = {"embedding/mask": held(hidden * masks_frames(fields)), **once}

    def body(flow: Flow) -> Flow:
        flow = flow.pool(MEL_WINDOW, MEL_STEP).pool(2, 2).layers(before)
        return adapted(flow.attending(layer, times=layers)).layers(after).dense(around)

    return sound_network(fields, body, notes)


def key_distances(fields: Fields, hidden: int) -> Costs:
    """Learned keys for the distances before and after a query."""
    left = fields.size("left_max_position_embeddings", default=64)
    rows = left + fields.size("right_max_position_embeddings", default=8) + 1
    heads = fields.size("num_attention_heads", default=16)
    return {
        "attention/distances": held(rows * (hidden // heads)),
        "attention/relative": Cost(flop_per_pair=2 * hidden),
    }


def attending_adapter(fields: Fields, hidden: int, padding: int) -> Body:
    """w2v-BERT's adapter: strided convolutions on the input and attention, and an MLP."""
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
        "norm": held(6 * width),
    }
    step = scaled(step, 1, "adapter/")
    return adapter(fields, {**before, **bridge}, step, steps=1, padding=padding)


def _parakeet(fields: Fields, after: Costs, known: bool, whole: Fields) -> Network:
    """Encoder of a config with further parts."""
    made = sound_network(whole, _fast_conformer(fields, after), head_note(whole, known))
    return replace(made, run=without_input_gradient(made.run, "attention/positions"))


def _fast_conformer(fields: Fields, after: Costs) -> Body:
    """Encoder body of a config with further parts (FastConformer, arXiv:2305.05084)."""
    hidden, layers = fields.size("hidden_size"), fields.layers("num_hidden_layers")
    heads, bias = fields.size("num_attention_heads"), fields.flag("attention_bias", default=True)
    kv_heads = fields.size_or_none("num_key_value_heads") or heads
    fields.equal("num_key_value_heads", kv_heads, "num_attention_heads", heads)
    attention = equal_heads(fields, hidden, heads, bias=bias)
    mlp = Mlp(hidden, fields.size("intermediate_size"), bias=bias)
    biased = fields.flag("convolution_bias", default=True)
    own = conformer_layer(attention, mlp, fields.size("conv_kernel_size"), biased)
    relative, less = relative_positions(hidden, layers)
    layer = {**own, **relative, "norm/layers": held(12 * hidden)}
    kernel = fields.size("subsampling_conv_kernel_size")
    stride = fields.size("subsampling_conv_stride")
    channels, bins = fields.size("subsampling_conv_channels"), fields.size("num_mel_bins")
    steps, padding = max(1, int(log2(fields.size("subsampling_factor")))), (kernel - 1) // 2
    joined = affine(channels * (bins // stride**steps), hidden)

    def body(flow: Flow) -> Flow:
        flow, high = flow.pool(MEL_WINDOW, MEL_STEP), float(bins)
        for step in range(steps):
            high = float(windows(high, kernel, stride, padding))
            own, dense = kernel**2 * channels, channels**2 * (step > 0)
            params = own + channels + (dense + channels) * (step > 0)
            cost = product(params, round(2 * (own + dense) * high))
            flow = flow.pool(kernel, stride, padding)
            flow = flow.layers({f"subsampling/{step + 1}": cost}, first=step == 0)
        flow = flow.layers({"subsampling/project": joined}).attending(layer, times=layers)
        return flow.layers(after).dense(less)

    return body


@family("parakeet_encoder")
def parakeet_encoder(fields: Fields) -> Network:
    """Parakeet's encoder."""
    return _parakeet(fields, {}, not task(fields), fields)


@family("parakeet_ctc")
def parakeet_ctc(fields: Fields) -> Network:
    """Encoder with a CTC head on every frame."""
    part = with_defaults_of(fields.part("encoder_config"), "parakeet_encoder")
    vocab = fields.size("vocab_size", default=1025)
    head = {"head/logits": affine(part.size("hidden_size"), vocab)}
    return _parakeet(part, head, task(fields) in ("", "CTC"), fields)


@family("parakeet_rnnt", "parakeet_tdt")
def parakeet_transducer(fields: Fields) -> Network:
    """Encoder with an LSTM over the output so far (arXiv:1211.3711, arXiv:2304.06795).

    The LSTM and the head run once per frame, as without skips. No attention looks back, so nothing
    is cached.
    """
    part = with_defaults_of(fields.part("encoder_config"), "parakeet_encoder")
    hidden, width = part.size("hidden_size"), fields.size("decoder_hidden_size")
    vocab, durations = fields.size("vocab_size"), 0
    if fields.text("model_type") == "parakeet_tdt":
        durations = len(fields.listed("durations", (0, 1, 2, 3, 4)))
    written: Costs = {
        "encoder/project": affine(hidden, width),
        "decoder/token": table(vocab, width),
        "decoder/lstm": lstm(width).times(fields.layers("num_decoder_layers")),
        "decoder/project": affine(width, width),
        "head/logits": affine(width, vocab + durations),
    }
    return _parakeet(part, written, task(fields) in ("", "RNNT", "TDT"), fields)
