"""Speech recognition with a decoder: Whisper, which always hears thirty seconds.

`seq_len` is the tokens that are written, and the items of a pass are frames of the encoder and
tokens.
"""

from estimator.networks.blocks import (
    Costs,
    affine,
    linear,
    params_only,
)
from estimator.networks.families.encoder_decoder import (
    WIDTH,
    EncoderDecoder,
    Filters,
    Side,
    logits,
    side,
)
from estimator.networks.fields import Fields
from estimator.networks.model_class import label_head, task
from estimator.networks.network import Network
from estimator.networks.registry import family


def mel_filters(fields: Fields, prefix: str) -> Filters:
    """Build two convolutions over mel frames, the second with stride two."""
    hidden, bins = fields.size(*WIDTH), fields.size("num_mel_bins")
    frames = float(fields.size("max_source_positions"))
    return (
        (f"{prefix}first_filter", affine(3 * bins, hidden), 2.0 * frames),
        (f"{prefix}second_filter", affine(3 * hidden, hidden), frames),
    )


def whisper_side(fields: Fields, name: str, positions: int) -> Side:
    """Build the encoder or decoder without key biases."""
    hidden = fields.size(*WIDTH)
    own = {"attention/key": linear(hidden, hidden)}
    if name == "decoder":  # the keys of attention to the encoder have none either
        own["norm/layers"] = params_only(6 * hidden - hidden)
    return side(fields, name, positions).with_layers(own)


@family("whisper")
def whisper(fields: Fields) -> Network:
    """Build Whisper: an encoder-decoder without biases on its keys (arXiv:2212.04356)."""
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
    """Return the projection of frames and the labels of a recording, optionally over all layers."""
    width = fields.size("classifier_proj_size", default=usual_width)
    mix = params_only((layers + 1) * fields.flag("use_weighted_layer_sum"))
    once = {"head/layer_weights": mix, "head/classifier": label_head(fields, width)}
    return {"head/project": affine(hidden, width)}, once
