"""How much work SeamlessM4T is, version 1 and 2: text or speech translated to text.

Ten seconds of speech are encoded; `seq_len` is the tokens that are written, and read where text is;
items are those of both sides. What makes speech of the text, units of sound and their vocoder, is
held and rests (arXiv:2308.11596, 2312.05187).
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from estimator.networks.blocks import Costs, affine, held
from estimator.networks.convolution import Flow
from estimator.networks.families.conformer import (
    MEL_STEP,
    MEL_WINDOW,
    attending_adapter,
    conformer_block,
    key_distances,
    relative_positions,
)
from estimator.networks.families.encoder_decoder import EncoderDecoder, Side, side
from estimator.networks.families.speech_recognition import SAMPLES
from estimator.networks.families.vits import hifi_gan, lengths
from estimator.networks.fields import Fields
from estimator.networks.ledger import Inputs, Quantity
from estimator.networks.model_class import head_note, task, tied_as_stated, word_head
from estimator.networks.network import Line, Network, without_input_gradient
from estimator.networks.registry import families

TASKS = ("", "TextToText", "SpeechToText", "TextToSpeech", "SpeechToSpeech")
"""What its classes are for; the bare model holds all, and takes speech where it gets both."""

NOTHING: Costs = {}

UNIT_KERNEL = 7
"""Of the convolutions in the second version's layers of units. [1]"""

RENAMED = {
    "num_attention_heads": "speech_encoder_attention_heads",
    "intermediate_size": "speech_encoder_intermediate_size",
    "adapter_kernel_size": "adaptor_kernel_size",
    "adapter_stride": "adaptor_stride",
}


def seamless(units: Callable[[Fields], int], fields: Fields) -> Network:
    """SeamlessM4T of a config, whose decoder of units holds so many parameters."""
    kind, vocab = task(fields), fields.size("vocab_size")
    source, target = side(fields, "encoder"), side(fields, "decoder")
    hidden, speaks = target.attention.hidden, not kind.endswith("ToText")
    text = 0 if kind else _params(_of(source))
    spoken = _units(fields) + units(fields) + _vocoder(fields) if speaks else 0
    tables = 1 if tied_as_stated(fields) else 2 + (not kind.startswith("Speech"))
    resting = {"text": held(text), "speech": held(spoken)}
    reads = kind.startswith("Text")
    model = EncoderDecoder(
        table=tables * vocab * hidden,
        source=source if reads else None,
        target=target,
        heads=({"head/logits": word_head(fields, hidden, vocab)}, resting),
        longest=fields.size("max_position_embeddings"),
        encoded=None if reads else _speech_encoder(fields, hidden),
    )
    made = model.network(fields)
    run = without_input_gradient(made.run, "encoder/attention/positions")
    return replace(made, run=run, warnings=made.warnings + head_note(fields, kind in TASKS))


def _speech_encoder(fields: Fields, hidden: int) -> Callable[[Quantity], Flow]:
    """Conformer layers over pairs of mel frames, and what shortens them."""
    part = fields.renamed({new: (fields, old) for new, old in RENAMED.items()})
    part = part.with_defaults({new: fields.size(old) for new, old in RENAMED.items()})
    part = part.with_values({"use_intermediate_ffn_before_adapter": True})
    layers = fields.layers("speech_encoder_layers")
    width = fields.size("feature_projection_input_dim")
    layer, whole = conformer_block(part, hidden, 0), NOTHING
    kind = fields.text("position_embeddings_type")
    if kind == "relative":
        relative, whole = relative_positions(hidden, layers)
        layer = {**layer, **relative}
    elif kind == "relative_key":
        layer = {**layer, **key_distances(part, hidden)}
    adapted = attending_adapter(part, hidden, fields.size("adaptor_stride") // 2)
    before = {"norm/features": held(2 * width), "features/project": affine(width, hidden)}
    around = {**whole, "norm/outer": held(4 * hidden)}

    def encoded(batch: Quantity) -> Flow:
        flow = Flow(batch=batch, side=SAMPLES, dims=1).pool(MEL_WINDOW, MEL_STEP).pool(2, 2)
        flow = flow.layers(before).attending(layer, times=layers)
        return adapted(flow).dense(around)

    return encoded


def _of(one: Side) -> Iterable[Line]:
    """The lines of a side over one token."""
    return one.lines(1.0, 1.0, Inputs(), "")


def _params(done: Iterable[Line]) -> int:
    """Parameters of what is held and rests."""
    return sum(term.params for _, term in done)


def _unit_fields(fields: Fields) -> Fields:
    """The keys of the model that makes units of text, as if it were all."""
    parts = ("layers", "ffn_dim", "attention_heads")
    keys = [f"{name}_{key}" for name in ("encoder", "decoder") for key in parts]
    return fields.with_values({key: fields.size(f"t2u_{key}") for key in keys})


def _units(fields: Fields) -> int:
    """Parameters of the encoder of units, and of their table and head."""
    hidden, vocab = fields.size("hidden_size"), fields.size("t2u_vocab_size")
    tables = 1 if tied_as_stated(fields) else 2
    return _params(_of(side(_unit_fields(fields), "encoder"))) + tables * vocab * hidden


def _written_units(fields: Fields) -> int:
    """Parameters of a decoder that writes units one behind the other."""
    target = side(_unit_fields(fields), "decoder")
    cross = target.layers * _params_of(target.attention.costs())
    return _params(_of(target)) + cross


def _params_of(costs: Costs) -> int:
    return sum(cost.params for cost in costs.values())


def _filled_units(fields: Fields) -> int:
    """Parameters of a decoder that writes all units at once, from characters and their lengths."""
    hidden = fields.size("hidden_size")
    target = side(_unit_fields(fields), "decoder")
    layer = _params_of(target.attention.costs()) + 4 * hidden
    layer += 2 * affine(UNIT_KERNEL * hidden, hidden).params
    inputs, width, kernel = (
        fields.size(f"t2u_variance_predictor_{key}")
        for key in ("embed_dim", "hidden_dim", "kernel_size")
    )
    rows = fields.size("char_vocab_size") * hidden + 2
    return target.layers * layer + 2 * hidden + rows + lengths(inputs, width, kernel).params


def _vocoder(fields: Fields) -> int:
    """Parameters of HiFi-GAN over units, languages and speakers, and of their lengths."""
    wide, language, speaker = (fields.size(f"{key}_embed_dim") for key in ("unit", "lang", "spkr"))
    wave = hifi_gan(fields, wide + language + speaker, bias=True)
    tables = (
        fields.size("unit_hifi_gan_vocab_size") * wide
        + fields.size("vocoder_num_langs") * language
        + fields.size("vocoder_num_spkrs") * speaker
    )
    kernel = fields.size("variance_predictor_kernel_size")
    return (
        _params(wave(Flow(batch=1.0, side=1.0, dims=1)).lines)
        + tables
        + lengths(wide, wide, kernel).params
    )


families(seamless, {"seamless_m4t": _written_units, "seamless_m4t_v2": _filled_units})
