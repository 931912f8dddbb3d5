"""Speech recognition with a decoder: Whisper, Speech2Text, Moonshine.

Whisper always takes thirty seconds, the others ten by default. `seq_len` is the output tokens, and
the items of a pass are encoder frames plus tokens.
"""

from collections.abc import Iterable

from estimator.networks.blocks import (
    Cost,
    Costs,
    Mlp,
    affine,
    equal_heads,
    held,
    layer_costs,
    linear,
)
from estimator.networks.convolution import windows
from estimator.networks.families.encoder_decoder import (
    WIDTH,
    EncoderDecoder,
    Filters,
    Side,
    logits,
    side,
)
from estimator.networks.fields import Fields
from estimator.networks.layers import Layers
from estimator.networks.model_class import label_head, task
from estimator.networks.network import Network
from estimator.networks.registry import family

MEL_FRAMES = 1000.0
"""Ten seconds at 100 frames a second."""

SAMPLES = 160_000.0
"""Ten seconds at 16 kHz."""


def mel_filters(fields: Fields, prefix: str) -> Filters:
    """Two convolutions over mel frames, the second with stride two."""
    hidden, bins = fields.size(*WIDTH), fields.size("num_mel_bins")
    frames = float(fields.size("max_source_positions"))
    return (
        (f"{prefix}first_filter", affine(3 * bins, hidden), 2.0 * frames),
        (f"{prefix}second_filter", affine(3 * hidden, hidden), frames),
    )


def whisper_side(fields: Fields, name: str, positions: int) -> Side:
    """Encoder or decoder without key biases."""
    hidden = fields.size(*WIDTH)
    own = {"attention/key": linear(hidden, hidden)}
    if name == "decoder":  # the keys of attention to the encoder have none either
        own["norm/layers"] = held(6 * hidden - hidden)
    return side(fields, name, positions).with_layers(own)


@family("whisper")
def whisper(fields: Fields) -> Network:
    """Whisper: an encoder-decoder without biases on its keys (arXiv:2212.04356)."""
    hidden, vocab = fields.size(*WIDTH), fields.size("vocab_size")
    longest, filters = fields.size("max_target_positions"), mel_filters(fields, "encoder/")
    classifies, writes = (task(fields) == kind for kind in ("AudioClassification", "CausalLM"))
    source = whisper_side(fields, "encoder", fields.size("max_source_positions"))
    target = whisper_side(fields, "decoder", longest)
    words = logits(fields, hidden, vocab, "ConditionalGeneration", "CausalLM")
    classes = audio_classifier(fields, hidden, source.layers, 256) if classifies else None
    model = EncoderDecoder(
        table=0 if classifies else vocab * hidden,
        source=None if writes else source,
        target=None if classifies else target,
        heads=classes or (words, {}),
        longest=longest,
        filters=() if writes else filters,
    )
    return model.network(fields)


def audio_classifier(
    fields: Fields, hidden: int, layers: int, usual_width: int
) -> tuple[Costs, Costs]:
    """Projection of every frame, and labels of a recording; optionally a sum over layers."""
    width = fields.size("classifier_proj_size", default=usual_width)
    mix = held((layers + 1) * fields.flag("use_weighted_layer_sum"))
    once = {"head/layer_weights": mix, "head/classifier": label_head(fields, width)}
    return {"head/project": affine(hidden, width)}, once


def _hearing(fields: Fields, sides: tuple[Side, Side], filters: Filters, longest: int) -> Network:
    """Audio encoder with a decoder, without a shared table."""
    hidden, vocab = fields.size(*WIDTH), fields.size("vocab_size")
    model = EncoderDecoder(
        table=vocab * hidden,
        source=sides[0],
        target=sides[1],
        heads=(logits(fields, hidden, vocab, "ConditionalGeneration"), {}),
        longest=longest,
        filters=filters,
    )
    return model.network(fields)


def _filters(frames: float, convolutions: Iterable[tuple[Cost, int, int]]) -> Filters:
    """Convolutions over frames, by cost, kernel minus padding, and stride."""
    filters = []
    for place, (cost, kernel, stride) in enumerate(convolutions, start=1):
        frames = float(windows(frames, kernel, stride))
        filters.append((f"features/{place}", cost, frames))
    return filters


@family("speech_to_text")
def speech_to_text(fields: Fields) -> Network:
    """Speech2Text: gated convolutions of stride two, sine positions (arXiv:2010.05171, sec. 3)."""
    hidden = fields.size(*WIDTH)
    sides = side(fields, "encoder"), side(fields, "decoder")
    longest = fields.size("max_target_positions")
    kernels = fields.sizes("conv_kernel_sizes", (5, 5))
    between = fields.size("conv_channels")
    mel = fields.size("input_feat_per_channel") * fields.size("input_channels")
    inputs = [mel] + [between // 2] * (len(kernels) - 1)  # half of the channels gates the other
    outputs = [between] * (len(kernels) - 1) + [2 * hidden]
    costs = [
        affine(before * kernel, after)
        for before, kernel, after in zip(inputs, kernels, outputs, strict=True)
    ]
    filters = _filters(MEL_FRAMES, ((cost, 1, 2) for cost in costs))
    return _hearing(fields, sides, filters, longest)


@family("moonshine")
def moonshine(fields: Fields) -> Network:
    """Moonshine: rotary positions, gated MLPs in the decoder (arXiv:2410.15608, sec. 3.1)."""
    hidden = fields.size("hidden_size")
    sides = _moonshine_side(fields, hidden, "encoder"), _moonshine_side(fields, hidden, "decoder")
    convolutions = (
        (linear(127, hidden), 127, 64),
        (affine(7 * hidden, 2 * hidden), 7, 3),
        (affine(6 * hidden, hidden), 3, 2),
    )
    first, *rest = _filters(SAMPLES, convolutions)
    filters = (first, ("norm/features", held(2 * hidden), 1.0), *rest)
    return _hearing(fields, sides, filters, fields.size("max_position_embeddings"))


def _moonshine_side(fields: Fields, hidden: int, name: str) -> Side:
    """Encoder or decoder: norms without bias; by default biases in the MLPs only."""
    decodes, bias = name == "decoder", fields.flag("attention_bias")
    heads = fields.size(f"{name}_num_attention_heads")
    kv_heads = fields.size_or_none(f"{name}_num_key_value_heads") or heads
    keys = ("hidden_size", f"{name}_num_attention_heads")
    fields.equal(f"{name}_num_key_value_heads", kv_heads, keys[1], heads)
    attention = equal_heads(fields, hidden, heads, keys, bias, output_bias=False)
    mlp = Mlp(hidden, fields.size("intermediate_size"), gated=decodes, bias=True)
    costs = layer_costs(attention, mlp, (3 if decodes else 2) * hidden)
    layers = Layers(costs=costs, times=fields.layers(f"{name}_num_hidden_layers"))
    return Side(before={"norm/outer": held(hidden)}, stack=(layers,), attention=attention)
