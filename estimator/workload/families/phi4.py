"""How much work Phi-4 multimodal is: SigLIP's tower, a conformer, Phi-3 (arXiv:2503.01743).

The tower for sound rests: a pass takes in an image of one tile and text.
"""

from math import log2

from estimator.workload.blocks import held, linear
from estimator.workload.families.clip import siglip_sight
from estimator.workload.families.vision_language import dense_bridge, seeing_network, text_part
from estimator.workload.fields import Fields
from estimator.workload.network import Network
from estimator.workload.registry import family, with_defaults_of


def _sound_params(fields: Fields, text: int) -> int:
    """Parameters of the conformer for sound and of the two paths from it into the text."""
    hidden, wide = fields.size("hidden_size"), fields.size("intermediate_size")
    between, out = fields.size("ext_pw_out_channel"), fields.size("depthwise_separable_out_channel")
    deep, kernel = hidden * fields.size("depthwise_multiplier"), fields.size("kernel_size")
    mlp = 2 * hidden + linear(hidden, 2 * wide, True).params + linear(wide, hidden, True).params
    glu = linear(hidden, 2 * between, True).params + 2 * between
    convolution = glu + deep * (kernel + 1) + (deep + 1) * out + (hidden + 1) * between
    layer = 2 * mlp + 4 * hidden * (hidden + 1) + 6 * hidden + convolution
    channels, halvings = fields.size("nemo_conv_channels"), int(log2(fields.size("time_reduction")))
    bins = fields.size("input_size")
    for _ in range(halvings):
        bins = (bins + 1) // 2
    thinned = 10 * channels + (halvings - 1) * channels * (channels + 11)
    buckets = fields.size("bias_max_distance") * (2 - fields.flag("bias_symmetric"))
    biases = buckets * fields.size("num_attention_heads")
    project = (hidden * fields.size("downsample_rate", default=1) + 1) * text + (text + 1) * text
    layers = fields.layers("num_blocks") * layer
    return thinned + (channels * bins + 1) * hidden + biases + layers + 2 * project


@family("phi4_multimodal")
def phi4(fields: Fields) -> Network:
    """Phi-4 multimodal: the keys of the text stand at the top."""
    inner = {**fields.usual, **fields.values, "model_type": "phi3"}
    tied = fields.flag("tie_word_embeddings")
    text = text_part(fields.with_values({"text_config": inner}), "phi3", tied)
    vision, audio = (
        with_defaults_of(fields.part(f"{part}_config"), f"phi4_multimodal_{part}")
        for part in ("vision", "audio")
    )
    sight = siglip_sight(vision)
    bridge = {
        **dense_bridge(sight.hidden, text.hidden, text.hidden, norm=2 * sight.hidden),
        "audio": held(_sound_params(audio, text.hidden)),
    }
    return seeing_network(fields, text, sight, bridge, merged=4)
