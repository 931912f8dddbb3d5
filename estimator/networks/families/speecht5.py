"""How much work SpeechT5 is: one encoder-decoder for text and speech on either side.

arXiv:2110.07205. The class says which side is which. Ten seconds are encoded; `seq_len` is the text
tokens, and the steps of speech that are written, each of `reduction_factor` mel frames.
"""

from dataclasses import replace
from itertools import pairwise

from estimator.networks.blocks import Cost, Costs, affine, held, linear
from estimator.networks.convolution import windows
from estimator.networks.families.encoder_decoder import EncoderDecoder, Filters, Side, side
from estimator.networks.families.speech_recognition import SAMPLES
from estimator.networks.families.wav2vec2 import (
    AudioFacts,
    audio_filters,
    masks_frames,
    positions_filter,
)
from estimator.networks.fields import Fields
from estimator.networks.model_class import head_note, task, word_head
from estimator.networks.network import Network
from estimator.networks.registry import family

SIDES = {
    "": ("", ""),
    "TextToSpeech": ("text", "speech"),
    "SpeechToText": ("speech", "text"),
    "SpeechToSpeech": ("speech", "speech"),
}
"""What a class reads and writes; the bare model gets states."""


@family("speecht5")
def speecht5(fields: Fields) -> Network:
    """SpeechT5 of a config."""
    reads, writes = SIDES.get(task(fields), ("", ""))
    hidden, vocab = fields.size("hidden_size"), fields.size("vocab_size")
    source, target = side(fields, "encoder"), side(fields, "decoder", norms=0)
    reach = fields.size("encoder_max_relative_position")
    places = held(2 * reach * source.attention.head_dim)
    before = {
        **source.before,
        "embedding/relative": places,
        "embedding/scale": held(reads == "text"),
    }
    if reads == "speech":
        before["embedding/mask"] = held(hidden * masks_frames(fields))
    source = replace(source, before=before)
    model = EncoderDecoder(
        table=vocab * hidden * ("text" in (reads, writes)),
        source=source.with_layers({"attention/relative": Cost(flop_per_pair=2 * hidden)}),
        target=_written(fields, target) if writes == "speech" else target,
        heads=(_heads(fields, writes), {}),
        longest=fields.size("max_text_positions"),
        filters=_encoder_filters(fields, hidden) if reads == "speech" else (),
    )
    made = model.network(fields)
    return replace(made, warnings=made.warnings + head_note(fields, task(fields) in SIDES))


def _encoder_filters(fields: Fields, hidden: int) -> Filters:
    """Convolutions over samples, a projection, and a convolution that stands for positions."""
    facts = AudioFacts()
    filters, width = audio_filters(fields, facts)
    frames, done = SAMPLES, []
    for costs, kernel, stride in filters:
        frames = float(windows(frames, kernel, stride))
        done += [(name, cost, frames) for name, cost in costs.items()]
    near, spare = positions_filter(facts, fields, hidden)
    done += [(name, cost, frames + spare) for name, cost in near.items()]
    project = affine(width, hidden) + held(2 * width)
    return (*done, ("features/project", project, frames))


def _written(fields: Fields, target: Side) -> Side:
    """The decoder behind dense layers over the last mel frame, and the speaker's vector."""
    hidden, width = fields.size("hidden_size"), fields.size("speech_decoder_prenet_units")
    bins, layers = fields.size("num_mel_bins"), fields.layers("speech_decoder_prenet_layers")
    prenet = affine(bins, *[width] * layers)
    speaker = fields.size("speaker_embedding_dim") + hidden
    before = {
        **target.before,
        "prenet/dense": prenet + affine(width, hidden),
        "prenet/speaker": affine(speaker, hidden) + held(1),
    }
    return replace(target, before=before)


def _heads(fields: Fields, writes: str) -> Costs:
    """Words, or mel frames and where they end, with convolutions over the frames."""
    hidden = fields.size("hidden_size")
    if writes != "speech":
        vocab = fields.size("vocab_size")
        return {"head/logits": word_head(fields, hidden, vocab)} if writes else {}
    bins, step = fields.size("num_mel_bins"), fields.size("reduction_factor")
    width, kernel = (fields.size(f"speech_decoder_postnet_{key}") for key in ("units", "kernel"))
    layers = fields.layers("speech_decoder_postnet_layers")
    widths = [bins, *[width] * (layers - 1), bins]
    shapes = pairwise(widths)
    smooth = sum((linear(kernel * a, b) + held(2 * b) for a, b in shapes), start=Cost())
    frames = affine(hidden, bins * step) + affine(hidden, step)
    return {"head/frames": frames, "head/convolution": smooth.repeated(step)}
