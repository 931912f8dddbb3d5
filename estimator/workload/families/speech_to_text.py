"""How much work Speech2Text is: convolutions over mel frames, then an encoder-decoder.

Ten seconds of sound are counted; `seq_len` is the tokens that are written, and the items of a pass
are frames of the encoder and tokens.
"""

import numpy as np

from estimator.workload.blocks import Cost, held, linear, vocabulary_head
from estimator.workload.families.encoder_decoder import EncoderDecoder, side
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs
from estimator.workload.model_class import task
from estimator.workload.network import Line, Network, Pass, length_warning, lines, sequence
from estimator.workload.registry import family

MEL_FRAMES = 1000.0
"""Ten seconds at 100 frames a second."""


@family("speech_to_text")
def speech_to_text(fields: Fields) -> Network:
    """Speech2Text: gated convolutions of stride two, sine positions (arXiv:2010.05171, sec. 3)."""
    hidden = fields.size("hidden_size", "d_model")
    vocab = fields.size("vocab_size")
    longest = fields.size("max_target_positions")
    norm = {"norm/outer": held(2 * hidden)}
    own = not fields.flag("tie_word_embeddings", default=True)
    writes = task(fields) == "ConditionalGeneration"
    head = {"head/logits": vocabulary_head(hidden, vocab, own=own)} if writes else {}
    model = EncoderDecoder(
        table=vocab * hidden,
        source=side(fields, hidden, "encoder", norm),
        target=side(fields, hidden, "decoder", norm),
        heads=(head, {}),
        longest=longest,
    )
    filters = _filters(fields, hidden)

    def run(inputs: Inputs) -> Pass:
        batch, seq_len = sequence(inputs, longest)
        frames = MEL_FRAMES
        done: list[Line] = []
        for place, cost in enumerate(filters):
            frames = float(np.floor((frames - 1.0) / 2.0)) + 1.0
            name = {f"features/{place + 1}": cost}
            done += lines(name, batch * frames, first=place == 0)
        done += model.lines(batch, (frames, seq_len), inputs)
        warned = length_warning(seq_len, longest)
        return Pass(lines=done, items=batch * (frames + seq_len), warnings=warned)

    return model.network(fields, run)


def _filters(fields: Fields, hidden: int) -> list[Cost]:
    """Convolutions of which each gates one half of its channels by the other."""
    kernels = fields.items("conv_kernel_sizes") or [5, 5]
    between = fields.size("conv_channels")
    inputs = fields.size("input_feat_per_channel")
    inputs *= fields.size("input_channels")
    filters = []
    for place in range(len(kernels)):
        kernel = Fields({"conv_kernel_sizes": kernels[place]}).size("conv_kernel_sizes")
        outputs = 2 * hidden if place + 1 == len(kernels) else between
        filters.append(linear(inputs * kernel, outputs, bias=True))
        inputs = between // 2
    return filters
