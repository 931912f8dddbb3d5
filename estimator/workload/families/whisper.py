"""Which Whisper a config describes: an encoder of sound and a decoder of text.

Whisper always hears thirty seconds; `seq_len` is the tokens that it writes, and the items of a
pass are frames of the encoder and tokens written.
"""

from collections.abc import Iterator

from estimator.workload.blocks import Costs, held, linear, product, table, vocabulary_head
from estimator.workload.families.encoder_decoder import EncoderDecoder, Side, side
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs, Quantity
from estimator.workload.model_class import label_head, task
from estimator.workload.network import Line, Network, Pass, length_warning, lines, sequence
from estimator.workload.registry import family


def mel_filters(bins: int, hidden: int, prefix: str, frames: Quantity) -> Iterator[Line]:
    """Two convolutions over mel frames, the second of stride two, that leave `frames`."""
    first = {"first_filter": product(hidden * (3 * bins + 1), 6 * bins * hidden)}
    second = {"second_filter": product(hidden * (3 * hidden + 1), 6 * hidden * hidden)}
    yield from lines(first, 2.0 * frames, first=True, prefix=prefix)
    yield from lines(second, frames, prefix=prefix)


def whisper_side(fields: Fields, hidden: int, name: str, positions: int) -> Side:
    """One side, without biases on the keys."""
    before = {"embedding/position": table(positions, hidden), "norm/outer": held(2 * hidden)}
    made = side(fields, hidden, name, before)
    own = {"attention/key": linear(hidden, hidden)}
    if name == "decoder":  # the keys of attention to the encoder have none either
        own["norm/layers"] = held(6 * hidden - hidden)
    return made.with_layers(own, None)


@family("whisper")
def whisper(fields: Fields) -> Network:
    """Whisper: an encoder-decoder without biases on its keys (arXiv:2212.04356)."""
    hidden = fields.size("hidden_size", "d_model")
    vocab = fields.size("vocab_size")
    bins = fields.size("num_mel_bins")
    positions = fields.size("max_source_positions")
    longest = fields.size("max_target_positions")
    classifies, writes = (task(fields) == kind for kind in ("AudioClassification", "CausalLM"))
    source = whisper_side(fields, hidden, "encoder", positions)
    target = whisper_side(fields, hidden, "decoder", longest)
    model = EncoderDecoder(
        table=0 if classifies else vocab * hidden,
        source=None if writes else source,
        target=None if classifies else target,
        heads=_heads(fields, hidden, vocab, source.layers),
        longest=longest,
    )

    def run(inputs: Inputs) -> Pass:
        batch, seq_len = sequence(inputs, longest)
        frames = float(positions)
        done = [*mel_filters(bins, hidden, "encoder/", batch * frames)]
        done += model.lines(batch, (frames, seq_len), inputs)
        items = batch * (frames + (0.0 if classifies else seq_len))
        return Pass(lines=done, items=items, warnings=length_warning(seq_len, longest))

    return model.network(fields, None if writes else run)


def _heads(fields: Fields, hidden: int, vocab: int, depth: int) -> tuple[Costs, Costs]:
    """Heads over written tokens, or over frames and recordings."""
    if task(fields) in ("ConditionalGeneration", "CausalLM"):
        own = not fields.flag("tie_word_embeddings", default=True)
        return {"head/logits": vocabulary_head(hidden, vocab, own=own)}, {}
    if task(fields) == "AudioClassification":
        return audio_classifier(fields, hidden, depth, 256)
    return {}, {}


def audio_classifier(
    fields: Fields, hidden: int, layers: int, usual_width: int
) -> tuple[Costs, Costs]:
    """A projection of every frame, and labels of a recording; perhaps a sum over all layers."""
    width = fields.size("classifier_proj_size", default=usual_width)
    mix = held((layers + 1) * fields.flag("use_weighted_layer_sum"))
    once = {"head/layer_weights": mix, "head/classifier": label_head(fields, width)}
    return {"head/project": linear(hidden, width, bias=True)}, once
