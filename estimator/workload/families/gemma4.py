"""Which Gemma 4 that sees, and may hear, a config describes.

Nine patches are pooled to a token. The tower for sound rests: a pass takes in an image and text.
"""

from estimator.workload.blocks import Attention, Costs, Mlp, held, layer_costs, linear, table
from estimator.workload.families.vision_language import before_text, seeing_network, text_part
from estimator.workload.families.vit import Vision
from estimator.workload.fields import Fields
from estimator.workload.network import Network, lines
from estimator.workload.registry import family, with_defaults_of


@family("gemma4")
def gemma4(fields: Fields) -> Network:
    """Gemma 4; a tower that the config leaves out is not there."""
    text = text_part(fields, "gemma4_text", fields.flag("tie_word_embeddings", default=True))
    sound = _sound_params(
        with_defaults_of(fields.part("audio_config"), "gemma4_audio_encoder"), text.hidden
    )
    resting: Costs = {"audio": held(sound * fields.states("audio_config"))}
    if not fields.states("vision_config"):
        return before_text(fields, text, lambda inputs: lines(resting, inputs.batch))
    part = with_defaults_of(fields.part("vision_config"), "gemma4_vision")
    sight = _gemma4_sight(part)
    bridge = {**resting, "bridge/project": linear(sight.hidden, text.hidden)}
    fold = part.size("pooling_kernel_size", default=3) ** 2
    return seeing_network(fields, text, sight, bridge, merged=fold)


PATCHES_ACROSS = 48
"""Patches along the image that is counted where none is asked for: 256 tokens of nine. [1]"""


def _gemma4_sight(fields: Fields) -> Vision:
    """Gemma 4's tower: two tables of positions, four RMS norms per layer, no biases."""
    hidden, heads = fields.size("hidden_size"), fields.size("num_attention_heads")
    head_dim = fields.size("head_dim")
    attention = Attention(
        hidden=hidden,
        heads=heads,
        kv_heads=fields.size("num_key_value_heads"),
        head_dim=head_dim,
        norm_params=2 * head_dim,
    )
    width, patch = fields.size("intermediate_size"), fields.size("patch_size")
    rows = 2 * fields.size("position_embedding_size")
    return Vision(
        side=PATCHES_ACROSS * patch,
        wide=PATCHES_ACROSS * patch,
        patch=patch,
        channels=3,
        hidden=hidden,
        prefix=0,
        tables={"embedding/position": table(rows, hidden)},
        layer=layer_costs(attention, Mlp(hidden=hidden, width=width, gated=True), 4 * hidden),
        layers=fields.layers("num_hidden_layers"),
        patch_bias=False,
    )


def _sound_params(fields: Fields, text: int) -> int:
    """Parameters of the conformer for sound and of what leads from it into the text."""
    hidden = fields.size("hidden_size")
    first, second = fields.sizes("subsampling_conv_channels", (128, 32), 2)
    heads = fields.size("num_attention_heads")
    head_dim = fields.share("hidden_size", hidden, "num_attention_heads", heads)
    kernel, out = fields.size("conv_kernel_size"), fields.size("output_proj_dims")
    thinned = 9 * (first + first * second) + first + second + second * (first // 4) * hidden
    layers = fields.layers("num_hidden_layers") * conformer_layer(hidden, head_dim, kernel)
    return thinned + layers + (hidden + 1) * out + out * text


def conformer_layer(hidden: int, head_dim: int, kernel: int) -> int:
    """Parameters of a layer of the conformer [1]."""
    feed_forwards = 2 * (8 * hidden * hidden + 2 * hidden)
    attention = 5 * hidden * hidden + head_dim + 2 * hidden
    convolution = 3 * hidden * hidden + (kernel + 2) * hidden
    return feed_forwards + attention + convolution + hidden
