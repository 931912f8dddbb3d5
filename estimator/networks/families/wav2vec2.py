"""Encoders of raw audio: wav2vec 2.0, HuBERT, WavLM.

Also UniSpeech, SEW and data2vec-audio. `seq_len` is audio samples at 16 kHz, ten seconds by
default, and the items of a pass are frames.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from estimator.networks.blocks import (
    Costs,
    Mlp,
    affine,
    equal_heads,
    layer_costs,
    params_only,
    product,
)
from estimator.networks.convolution import Flow, positive, stages
from estimator.networks.families.speech_recognition import audio_classifier
from estimator.networks.fields import MAX_LAYERS, Fields
from estimator.networks.ledger import Inputs, quantity
from estimator.networks.model_class import head_note, label_count, label_head, task
from estimator.networks.network import Network, Pass, length, network
from estimator.networks.registry import families

DEFAULT_SAMPLES = 160_000
"""Ten seconds at 16 kHz. [sample]"""


Filter = tuple[Costs, int, int]
"""Convolution over audio: costs per output, kernel and stride in inputs."""

Body = Callable[[Flow], Flow]


def sound_network(fields: Fields, body: Body, notes: tuple[str, ...]) -> Network:
    """Build the network of a config that passes recordings of `seq_len` samples through `body`."""

    def run(inputs: Inputs) -> Pass:
        batch = quantity("batch", inputs.batch)
        flow = body(Flow(batch=batch, side=length(inputs, DEFAULT_SAMPLES), dims=1))
        return Pass(lines=flow.lines, items=batch * flow.positions)

    return network(fields, run, notes, item_unit="frame")


@dataclass(frozen=True, kw_only=True)
class AudioFacts:
    """Differences between families like wav2vec.

    Parameters
    ----------
    gated_bias : bool
        WavLM: biases by distance, gated by the query (arXiv:2110.13900, sec. 3.1).
    stacked_positions : bool
        data2vec: several position convolutions, and norms after all filters.
    optional_norm : bool
        HuBERT: the norm before the projection may be left out.
    squeezed : bool
        SEW: layers at a fraction of the frames (arXiv:2109.06870, sec. 4).
    """

    gated_bias: bool = False
    stacked_positions: bool = False
    optional_norm: bool = False
    squeezed: bool = False


WITHOUT_ADAPTER = ("hubert", "sew", "unispeech", "unispeech-sat")
"""Types that ignore `add_adapter`."""


def wav2vec2(facts: AudioFacts, fields: Fields) -> Network:
    """Build wav2vec 2.0: filters over samples, then a transformer (arXiv:2006.11477)."""
    hidden = fields.size("hidden_size", default=768)
    filters, width = audio_filters(fields, facts)
    layers = fields.layers("num_hidden_layers", default=12)
    positions, spare = positions_filter(facts, fields, hidden)
    layer = _layer(facts, fields, hidden)
    normed = not facts.optional_norm or fields.flag("feat_proj_layer_norm", default=True)
    masks = masks_frames(fields)
    heads = fields.size("num_attention_heads", default=12)
    tables = fields.size("num_buckets", default=320) * heads if facts.gated_bias else 0
    after, once, notes = audio_heads(fields, hidden, layers)
    adapted = audio_adapter(fields, hidden)
    fold = fields.size("squeeze_factor", default=2) if facts.squeezed else 1
    bridged = not facts.squeezed or width != hidden
    project = {"features/project": affine(width, hidden)} if bridged else {}
    if facts.squeezed:
        after = {part: cost.repeated(fold) for part, cost in after.items()}
        after["features/upsample"] = affine(hidden, fold * hidden)
    around: Costs = {
        "norm/outer": params_only(2 * hidden),
        "embedding/mask": params_only(hidden * masks),
        "attention/relative_bias": params_only(tables),
        **once,
    }

    def body(flow: Flow) -> Flow:
        for place, (costs, kernel, stride) in enumerate(filters):
            flow = flow.pool(kernel, stride).layers(costs, first=not place)
        flow = flow.layers({"norm/features": params_only(2 * width * normed), **project})
        flow = flow.pool(fold, fold)  # SEW makes one of every few frames
        flow = flow.layers(positions, flow.positions + spare)
        return adapted(flow.attending(layer, times=layers)).layers(after).dense(around)

    return sound_network(fields, body, notes)


def audio_adapter(fields: Fields, hidden: int) -> Body:
    """Return the gated convolutions that halve the frames, if the config has them."""
    if not adapts(fields):
        return lambda flow: flow
    width, bridge = adapted_width(fields, hidden)
    kernel = fields.size("adapter_kernel_size", default=3)
    step = {"adapter/convolution": affine(kernel * width, 2 * width)}
    return adapter(fields, bridge, step, steps=3, padding=1)


def adapter(fields: Fields, bridge: Costs, step: Costs, *, steps: int, padding: int) -> Body:
    """Return the adapter that shortens frames: a bridge, then convolutions of stride `step`."""
    kernel = fields.size("adapter_kernel_size", default=3)
    stride = fields.size("adapter_stride", default=2)
    count = fields.size("num_adapter_layers", default=steps, least=0, most=MAX_LAYERS)

    def shorten(flow: Flow) -> Flow:
        flow = flow.layers(bridge)
        for _ in range(count):
            flow = flow.pool(kernel, stride, padding).attending(step)
        return flow

    return shorten


def adapts(fields: Fields) -> bool:
    """Return whether there is an adapter after the layers."""
    return fields.text("model_type") not in WITHOUT_ADAPTER and fields.flag("add_adapter")


def adapted_width(fields: Fields, hidden: int) -> tuple[int, Costs]:
    """Return the width after the adapter, by default the layers', and the projection to it."""
    width = (fields.size_or_none("output_hidden_size") if adapts(fields) else None) or hidden
    if width == hidden:
        return width, {}
    return width, {"adapter/project": affine(hidden, width), "norm/adapter": params_only(2 * width)}


def audio_filters(fields: Fields, facts: AudioFacts) -> tuple[tuple[Filter, ...], int]:
    """Return the convolutions over samples, and the channels of the last."""
    inputs, bias = 1, fields.flag("conv_bias")
    filters: list[Filter] = []
    all_normed = facts.stacked_positions or fields.text("feat_extract_norm") == "layer"
    for width, kernel, stride in stages(fields, ("conv_dim", "conv_kernel", "conv_stride")):
        name = "features/convolution" if filters else "features/first"
        norm = 2 * (all_normed or not filters)
        weights = inputs * width * kernel
        cost = product(weights + width * (bias + norm), 2 * weights)
        filters.append(({name: cost}, kernel, stride))
        inputs = width
    return tuple(filters), inputs


def positions_filter(facts: AudioFacts, fields: Fields, hidden: int) -> tuple[Costs, int]:
    """Return the grouped convolutions in place of positions; an even kernel adds a frame."""
    groups = fields.size("num_conv_pos_embedding_groups", default=16)
    if facts.stacked_positions:
        depth = fields.size("num_conv_pos_embeddings", default=5)
        kernel, norm = fields.size("conv_pos_kernel_size", default=19), 0
    else:
        depth, kernel = 1, fields.size("num_conv_pos_embeddings", default=128)
        norm = 2 * hidden if fields.flag("conv_pos_batch_norm") else kernel
    weights = depth * hidden * (hidden // groups) * kernel
    cost = product(weights + depth * hidden + norm, 2 * weights)
    return {"embedding/position_filter": cost}, 1 - kernel % 2


def _layer(facts: AudioFacts, fields: Fields, hidden: int) -> Costs:
    """Return the costs of a layer."""
    heads = fields.size("num_attention_heads", default=12)
    attention = equal_heads(fields, hidden, heads)
    mlp = Mlp(hidden, fields.size("intermediate_size", default=3072), bias=True)
    costs = dict(layer_costs(attention, mlp, 4 * hidden))
    if facts.gated_bias:
        gate = affine(attention.head_dim, 8)
        costs["attention/gate"] = replace(gate, flop_per_token=heads * gate.flop_per_token)
        costs["attention/gate_scale"] = params_only(heads)
    adapter = fields.size_or_none("adapter_attn_dim")
    if adapter and fields.flag("do_stable_layer_norm"):
        costs["adapter/down"] = affine(hidden, adapter)
        costs["adapter/up"] = affine(adapter, hidden)
        costs["norm/adapter"] = params_only(2 * hidden)
    return costs


def masks_frames(fields: Fields) -> bool:
    """Return whether masked frames are replaced by a learned vector."""
    return positive(fields, "mask_time_prob", 0.05) or positive(fields, "mask_feature_prob", 0.0)


def audio_heads(
    fields: Fields, hidden: int, layers: int, classifier_width: int = 256
) -> tuple[Costs, Costs, tuple[str, ...]]:
    """Return the heads per frame and per recording, with a warning for uncounted ones."""
    kind = task(fields)
    if kind == "CTC":
        vocab, (width, _) = fields.size("vocab_size", default=32), adapted_width(fields, hidden)
        return {"head/logits": affine(width, vocab)}, {}, ()
    if kind == "PreTraining":
        return _quantizer(fields, hidden), {}, ()
    if kind == "SequenceClassification":
        return *audio_classifier(fields, hidden, layers, classifier_width), ()
    if kind == "AudioFrameClassification":
        mix = {
            "head/layer_weights": params_only((layers + 1) * fields.flag("use_weighted_layer_sum"))
        }
        return {"head/classifier": label_head(fields, hidden)}, mix, ()
    if kind == "XVector":
        return *_speaker(fields, hidden, layers), ()
    return {}, {}, head_note(fields, not kind)


def _speaker(fields: Fields, hidden: int, layers: int) -> tuple[Costs, Costs]:
    """Build x-vectors: dilated convolutions over frames, mean and spread, one state per recording.

    D. Snyder et al., "X-vectors", ICASSP 2018. The convolutions are counted on every frame, which
    includes the edges.
    """
    widths = fields.sizes("tdnn_dim", (512, 512, 512, 512, 1500))
    kernels = fields.sizes("tdnn_kernel", (5, 3, 3, 1, 1), len(widths))
    out = fields.size("xvector_output_dim", default=512)
    frames, inputs = {"head/project": affine(hidden, widths[0])}, widths[0]
    for place, (width, kernel) in enumerate(zip(widths, kernels, strict=True), start=1):
        frames[f"head/convolution_{place}"] = affine(inputs * kernel, width)
        inputs = width
    once = {
        "head/layer_weights": params_only((layers + 1) * fields.flag("use_weighted_layer_sum")),
        "head/state": affine(2 * widths[-1], out),
        "head/classifier": affine(out, out),
        "head/labels": params_only(out * label_count(fields)),
    }
    return frames, once


def _quantizer(fields: Fields, hidden: int) -> Costs:
    """Return the quantizer from features to code-book entries, and the two compared sides (sec. 2).

    UniSpeech derives states from codes, and phonemes; with speakers it has their classes.
    """
    groups = fields.size("num_codevector_groups", default=2)
    entries = fields.size("num_codevectors_per_group", default=320)
    width = fields.size("codevector_dim", default=256)
    compared = fields.size("proj_codevector_dim", default=256)
    kind = fields.text("model_type")
    features = hidden if kind == "unispeech-sat" else fields.sizes("conv_dim")[-1]
    costs = {
        "quantizer/choice": affine(features, groups * entries),
        "quantizer/codes": params_only(entries * width),
        "head/states": affine(hidden, compared),
        "head/codes": affine(width, compared),
    }
    if kind == "unispeech":
        costs["head/states"] = affine(compared, hidden)
        phonemes = fields.size("num_ctc_classes", default=80)
        costs["head/phonemes"] = affine(hidden, phonemes)
    if kind == "unispeech-sat":
        costs["head/speakers"] = affine(hidden, width)
        costs["head/clusters"] = params_only(fields.size("num_clusters", default=504) * width)
        costs["norm/head"] = params_only(2 * hidden)
    return costs


families(
    wav2vec2,
    {
        "wav2vec2": AudioFacts(),
        "unispeech": AudioFacts(),
        "unispeech-sat": AudioFacts(),
        "sew": AudioFacts(squeezed=True),
        "hubert": AudioFacts(optional_norm=True),
        "wavlm": AudioFacts(gated_bias=True),
        "data2vec-audio": AudioFacts(stacked_positions=True),
    },
)
