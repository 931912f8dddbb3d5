"""How much work Speech2Text is: convolutions over mel frames, then an encoder-decoder.

Ten seconds of sound are counted; `seq_len` is the tokens that are written, and the items of a pass
are frames of the encoder and tokens.
"""

import numpy as np

from estimator.workload.blocks import linear
from estimator.workload.families.encoder_decoder import WIDTH, EncoderDecoder, Filters, logits, side
from estimator.workload.fields import Fields
from estimator.workload.network import Network
from estimator.workload.registry import family

MEL_FRAMES = 1000.0
"""Ten seconds at 100 frames a second."""


@family("speech_to_text")
def speech_to_text(fields: Fields) -> Network:
    """Speech2Text: gated convolutions of stride two, sine positions (arXiv:2010.05171, sec. 3)."""
    hidden, vocab = fields.size(*WIDTH), fields.size("vocab_size")
    model = EncoderDecoder(
        table=vocab * hidden,
        source=side(fields, "encoder"),
        target=side(fields, "decoder"),
        heads=(logits(fields, hidden, vocab, "ConditionalGeneration"), {}),
        longest=fields.size("max_target_positions"),
    )
    return model.hearing(fields, _filters(fields, hidden))


def _filters(fields: Fields, hidden: int) -> Filters:
    """Convolutions of which each gates one half of its channels by the other."""
    kernels = fields.sizes("conv_kernel_sizes", (5, 5))
    between = fields.size("conv_channels")
    inputs = fields.size("input_feat_per_channel") * fields.size("input_channels")
    filters, frames = [], MEL_FRAMES
    for place, kernel in enumerate(kernels, start=1):
        outputs = 2 * hidden if place == len(kernels) else between
        frames = float(np.floor((frames - 1.0) / 2.0)) + 1.0
        filters.append((f"features/{place}", linear(inputs * kernel, outputs, bias=True), frames))
        inputs = between // 2
    return filters
