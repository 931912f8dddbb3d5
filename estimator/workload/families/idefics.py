"""Which Idefics a config describes: Idefics 2, Idefics 3, SmolVLM."""

from estimator.workload.blocks import Attention, Mlp, held, linear
from estimator.workload.convolution import image
from estimator.workload.families.clip import siglip_sight
from estimator.workload.families.vision_language import (
    before_text,
    dense_bridge,
    seeing_network,
    text_part,
)
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs
from estimator.workload.network import Line, Network, crossing, lines, prefixed
from estimator.workload.registry import family, with_defaults_of


@family("idefics3", "smolvlm")
def idefics3(fields: Fields) -> Network:
    """Idefics 3 and SmolVLM: pixels shuffled into fewer, wider tokens (arXiv:2408.12637)."""
    vision = with_defaults_of(fields.part("vision_config"), "idefics3_vision")
    sight = siglip_sight(vision.with_values({"vision_use_head": False}))
    text = text_part(fields, "llama", fields.flag("tie_word_embeddings"))
    merge = fields.size("scale_factor", default=2) ** 2
    bridge = dense_bridge(merge * sight.hidden, text.hidden, bias=False)
    return seeing_network(fields, text, sight, bridge, merged=merge)


@family("idefics2")
def idefics2(fields: Fields) -> Network:
    """Idefics 2: a gated MLP, then latents that ask the patches (arXiv:2405.02246, sec. 3)."""
    vision = with_defaults_of(fields.part("vision_config"), "idefics2_vision")
    sight = siglip_sight(vision.with_values({"vision_use_head": False}))
    text = text_part(fields, "mistral", fields.flag("tie_word_embeddings"))
    part, hidden = fields.part("perceiver_config"), text.hidden
    width = fields.part("text_config").size("intermediate_size", default=14336)
    attention = Attention(
        hidden=hidden,
        heads=part.size("resampler_n_heads", default=16),
        kv_heads=part.size("num_key_value_heads", default=4),
        head_dim=part.size("resampler_head_dim", default=96),
    )
    count = part.size("resampler_n_latents", default=64)
    layers = part.layers("resampler_depth", default=3)
    mlp = Mlp(hidden=hidden, width=4 * hidden, gated=True)
    asks = {**attention.costs(), **mlp.costs(), "norm": held(3 * hidden)}
    project = {
        "gate": linear(sight.hidden, width),
        "up": linear(sight.hidden, width),
        "down": linear(width, hidden),
    }
    around = {"latents": held(count * hidden), "norm": held(hidden)}

    def seen(inputs: Inputs) -> list[Line]:
        batch, pixels = image(inputs, sight.side)
        patches = sight.positions(pixels)[0]
        done = [*lines(project, batch * patches), *lines(around, batch)]
        done += crossing(asks, batch, batch * count, batch * (patches + count), times=layers)
        tower = prefixed(sight.lines(batch, pixels), "vision/")
        return [*tower, *prefixed(done, "bridge/")]

    return before_text(fields, text, seen)
