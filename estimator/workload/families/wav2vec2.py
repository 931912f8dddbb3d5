"""Which encoder of raw audio a config describes: wav2vec 2.0, HuBERT, WavLM, conformers.

UniSpeech, SEW and data2vec-audio, too. `seq_len` is audio samples at 16 kHz, ten seconds by
default, and the items of a pass are frames.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from estimator.workload.blocks import (
    Cost,
    Costs,
    Mlp,
    equal_heads,
    held,
    layer_costs,
    linear,
    merged,
    product,
    scaled,
)
from estimator.workload.convolution import positive, stages, windows
from estimator.workload.families.mixers import depthwise
from estimator.workload.families.speech_recognition import audio_classifier
from estimator.workload.fields import MAX_LAYERS, Fields
from estimator.workload.ledger import Inputs, Quantity, quantity
from estimator.workload.model_class import head_note, label_count, label_head, task
from estimator.workload.network import Line, Network, Pass, lines, network, without_input_gradient
from estimator.workload.registry import families, family

DEFAULT_SAMPLES = 160_000
"""Ten seconds at 16 kHz. [sample]"""


class Filter(NamedTuple):
    """A convolution over audio: costs per output, kernel and stride in inputs."""

    costs: Costs
    kernel: int
    stride: int


@dataclass(frozen=True, kw_only=True)
class Sound:
    """Recordings on their way through an encoder: frames of each, and the lines so far."""

    batch: Quantity
    frames: Quantity
    lines: tuple[Line, ...] = ()

    def filtered(self, filters: Iterable[Filter], first: bool = False) -> "Sound":
        """After convolutions one behind the other, perhaps the first of the network."""
        sound = self
        for place, part in enumerate(filters):
            sound = replace(sound, frames=windows(sound.frames, part.kernel, part.stride))
            sound = sound.layers(part.costs, first=first and place == 0)
        return sound

    def layers(
        self, costs: Costs, times: int = 1, *, spare: int = 0, first: bool = False
    ) -> "Sound":
        """With `times` equal layers on all frames and `spare` more, which attend to each other."""
        every = self.batch * (self.frames + spare)
        pairs = every * self.frames
        done = lines(costs, every, pairs=pairs, times=times, first=first)
        return replace(self, lines=(*self.lines, *done))

    def once(self, costs: Costs) -> "Sound":
        """With costs per recording."""
        return replace(self, lines=(*self.lines, *lines(costs, self.batch)))


Body = Callable[[Sound], Sound]


def sound_network(
    fields: Fields, body: Body, notes: tuple[str, ...], usual: int = DEFAULT_SAMPLES
) -> Network:
    """The network of a config that takes `batch` recordings of `seq_len` samples through `body`."""

    def run(inputs: Inputs) -> Pass:
        batch = quantity("batch", inputs.batch)
        samples = usual if inputs.seq_len is None else inputs.seq_len
        sound = body(Sound(batch=batch, frames=quantity("seq_len", samples)))
        return Pass(lines=sound.lines, items=batch * sound.frames)

    return network(fields, run, notes, item_unit="frame")


@dataclass(frozen=True, kw_only=True)
class AudioFacts:
    """What sets one family of the wav2vec line apart.

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
    layer : function or None
        Costs of a layer, and per recording; of a transformer with position convolutions if None.
        Without them the convolutions rest.
    """

    gated_bias: bool = False
    stacked_positions: bool = False
    optional_norm: bool = False
    squeezed: bool = False
    layer: Callable[[Fields, int], tuple[Costs, Costs]] | None = None


NOTHING: Costs = {}

WITHOUT_ADAPTER = ("hubert", "sew", "unispeech", "unispeech-sat")
"""Types that ignore `add_adapter`."""


def wav2vec2(facts: AudioFacts, fields: Fields) -> Network:
    """wav2vec 2.0: filters over samples, then a transformer (arXiv:2006.11477)."""
    hidden = fields.size("hidden_size", default=768)
    filters, width = audio_filters(fields, facts)
    layers = fields.layers("num_hidden_layers", default=12)
    positions, spare = _positions(facts, fields, hidden)
    layer, whole = _layer(facts, fields, hidden), NOTHING
    if facts.layer is not None:
        layer, whole = facts.layer(fields, hidden)
        resting = sum(cost.params for cost in positions.values())
        whole, positions = {**whole, "embedding/position_filter": held(resting)}, NOTHING
    normed = not facts.optional_norm or fields.flag("feat_proj_layer_norm", default=True)
    masks = masks_frames(fields)
    heads = fields.size("num_attention_heads", default=12)
    tables = fields.size("num_buckets", default=320) * heads if facts.gated_bias else 0
    after, once, notes = audio_heads(fields, hidden, layers)
    adapted = audio_adapter(fields, hidden)
    fold = fields.size("squeeze_factor", default=2) if facts.squeezed else 1
    project: Costs = {"features/project": linear(width, hidden, bias=True)}
    if facts.squeezed:
        project = {} if width == hidden else project
        after = {part: cost.repeated(fold) for part, cost in after.items()}
        after["features/upsample"] = linear(hidden, fold * hidden, bias=True)
    around: Costs = {
        "norm/outer": held(2 * hidden),
        "embedding/mask": held(hidden * masks),
        "attention/relative_bias": held(tables),
        **whole,
        **once,
    }

    def body(sound: Sound) -> Sound:
        sound = sound.filtered(filters, first=True)
        sound = sound.layers({"norm/features": held(2 * width * normed), **project})
        if facts.squeezed:  # every few frames are pooled to one
            sound = sound.filtered([Filter({}, fold, fold)])
        sound = sound.layers(positions, spare=spare).layers(layer, layers)
        return adapted(sound).layers(after).once(around)

    return sound_network(fields, body, notes)


def audio_adapter(fields: Fields, hidden: int) -> Body:
    """Gated convolutions that halve the frames, where the config asks for them."""
    if fields.text("model_type") in WITHOUT_ADAPTER or not fields.flag("add_adapter"):
        return lambda sound: sound
    width = output_width(fields, hidden)
    kernel = fields.size("adapter_kernel_size", default=3)
    bridge: Costs = {}
    if width != hidden:
        project = linear(hidden, width, bias=True)
        bridge = {"adapter/project": project, "norm/adapter": held(2 * width)}
    step = {"adapter/convolution": linear(kernel * width, 2 * width, bias=True)}
    return adapter(fields, bridge, step, steps=3, padding=1)


def adapter(fields: Fields, bridge: Costs, step: Costs, *, steps: int, padding: int) -> Body:
    """What shortens the frames behind the layers: a bridge, then convolutions of `step` each."""
    kernel = fields.size("adapter_kernel_size", default=3)
    stride = fields.size("adapter_stride", default=2)
    count = fields.size("num_adapter_layers", default=steps, least=0, most=MAX_LAYERS)

    def shorten(sound: Sound) -> Sound:
        sound = sound.layers(bridge)
        for _ in range(count):
            left = windows(sound.frames, kernel, stride, padding)
            sound = replace(sound, frames=left).layers(step)
        return sound

    return shorten


def output_width(fields: Fields, hidden: int) -> int:
    """Width behind the adapter, that of the layers without one."""
    if fields.text("model_type") in WITHOUT_ADAPTER or not fields.flag("add_adapter"):
        return hidden
    return fields.size_or_none("output_hidden_size") or hidden


def audio_filters(fields: Fields, facts: AudioFacts) -> tuple[tuple[Filter, ...], int]:
    """Convolutions over samples, and the channels of the last."""
    inputs, bias = 1, fields.flag("conv_bias")
    filters: list[Filter] = []
    all_normed = facts.stacked_positions or fields.text("feat_extract_norm") == "layer"
    for width, kernel, stride in stages(fields, ("conv_dim", "conv_kernel", "conv_stride")):
        name = "features/convolution" if filters else "features/first"
        norm = 2 * (all_normed or not filters)
        weights = inputs * width * kernel
        cost = product(weights + width * (bias + norm), 2 * weights)
        filters.append(Filter({name: cost}, kernel, stride))
        inputs = width
    return tuple(filters), inputs


def _positions(facts: AudioFacts, fields: Fields, hidden: int) -> tuple[Costs, int]:
    """Grouped convolutions that stand in for positions, and the frame too many of an even one."""
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
    """Costs of a layer."""
    heads = fields.size("num_attention_heads", default=12)
    attention = equal_heads(fields, hidden, heads)
    mlp = Mlp(hidden=hidden, width=fields.size("intermediate_size", default=3072), bias=True)
    costs = dict(layer_costs(attention, mlp, 4 * hidden))
    if facts.gated_bias:
        gate = linear(attention.head_dim, 8, bias=True)
        costs["attention/gate"] = replace(gate, flop_per_token=heads * gate.flop_per_token)
        costs["attention/gate_scale"] = held(heads)
    adapter = fields.size_or_none("adapter_attn_dim")
    if adapter and fields.flag("do_stable_layer_norm"):
        costs["adapter/down"] = linear(hidden, adapter, bias=True)
        costs["adapter/up"] = linear(adapter, hidden, bias=True)
        costs["norm/adapter"] = held(2 * hidden)
    return costs


def masks_frames(fields: Fields) -> bool:
    """Whether a learned vector stands for masked frames."""
    return positive(fields, "mask_time_prob", 0.05) or positive(fields, "mask_feature_prob", 0.0)


def audio_heads(
    fields: Fields, hidden: int, layers: int, classifier_width: int = 256
) -> tuple[Costs, Costs, tuple[str, ...]]:
    """Heads over frames, over recordings, and a warning for those that are not counted."""
    kind = task(fields)
    if kind == "CTC":
        vocab, width = fields.size("vocab_size", default=32), output_width(fields, hidden)
        return {"head/logits": linear(width, vocab, bias=True)}, {}, ()
    if kind == "PreTraining":
        return _quantizer(fields, hidden), {}, ()
    if kind == "SequenceClassification":
        return *audio_classifier(fields, hidden, layers, classifier_width), ()
    if kind == "AudioFrameClassification":
        mix = {"head/layer_weights": held((layers + 1) * fields.flag("use_weighted_layer_sum"))}
        return {"head/classifier": label_head(fields, hidden)}, mix, ()
    if kind == "XVector":
        return *_speaker(fields, hidden, layers), ()
    return {}, {}, head_note(fields, not kind)


def _speaker(fields: Fields, hidden: int, layers: int) -> tuple[Costs, Costs]:
    """X-vectors: dilated convolutions over frames, their mean and spread, one state per recording.

    D. Snyder et al., "X-vectors", ICASSP 2018. The convolutions are counted on every frame, which
    adds those at the edges.
    """
    widths = fields.sizes("tdnn_dim", (512, 512, 512, 512, 1500))
    kernels = fields.sizes("tdnn_kernel", (5, 3, 3, 1, 1), len(widths))
    out = fields.size("xvector_output_dim", default=512)
    frames, inputs = {"head/project": linear(hidden, widths[0], bias=True)}, widths[0]
    for place, (width, kernel) in enumerate(zip(widths, kernels, strict=True), start=1):
        frames[f"head/convolution_{place}"] = linear(inputs * kernel, width, bias=True)
        inputs = width
    once = {
        "head/layer_weights": held((layers + 1) * fields.flag("use_weighted_layer_sum")),
        "head/state": linear(2 * widths[-1], out, bias=True),
        "head/classifier": linear(out, out, bias=True),
        "head/labels": held(out * label_count(fields)),
    }
    return frames, once


def _quantizer(fields: Fields, hidden: int) -> Costs:
    """Features to entries of a code book, and the two sides that are compared (sec. 2).

    UniSpeech makes states from codes, and phonemes; with speakers it has their classes.
    """
    groups = fields.size("num_codevector_groups", default=2)
    entries = fields.size("num_codevectors_per_group", default=320)
    width = fields.size("codevector_dim", default=256)
    compared = fields.size("proj_codevector_dim", default=256)
    kind = fields.text("model_type")
    features = hidden if kind == "unispeech-sat" else fields.sizes("conv_dim")[-1]
    costs = {
        "quantizer/choice": linear(features, groups * entries, bias=True),
        "quantizer/codes": held(entries * width),
        "head/states": linear(hidden, compared, bias=True),
        "head/codes": linear(width, compared, bias=True),
    }
    if kind == "unispeech":
        costs["head/states"] = linear(compared, hidden, bias=True)
        phonemes = fields.size("num_ctc_classes", default=80)
        costs["head/phonemes"] = linear(hidden, phonemes, bias=True)
    if kind == "unispeech-sat":
        costs["head/speakers"] = linear(hidden, width, bias=True)
        costs["head/clusters"] = held(fields.size("num_clusters", default=504) * width)
        costs["norm/head"] = held(2 * hidden)
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


MEL_WINDOW, MEL_STEP = 400, 160
"""Samples of a mel frame and between two: 25 ms and 10 ms at 16 kHz. [sample]"""


def _conformer_layer(fields: Fields, hidden: int, usual: int, relative: Costs) -> Costs:
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
        return _conformer_layer(fields, hidden, 3072, {}), {}
    # a matrix for the distances, of which a recording has two for each frame, less one
    layers, matrix = fields.layers("num_hidden_layers", default=12), linear(hidden, hidden)
    relative = {
        "attention/positions": replace(matrix, flop_per_token=2 * matrix.flop_per_token),
        "attention/position_bias": held(2 * hidden),
        "attention/relative": Cost(flop_per_token=-2 * hidden, flop_per_pair=4 * hidden),
    }
    less = Cost(flop_per_token=-layers * matrix.flop_per_token)
    return _conformer_layer(fields, hidden, 3072, relative), {"attention/positions": less}


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
    layer, adapted = (
        _conformer_layer(fields, hidden, 4096, relative),
        _attending_adapter(fields, hidden),
    )
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
