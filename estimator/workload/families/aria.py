"""How much work Aria is: a tower, queries that ask it, experts (arXiv:2410.05993)."""

from estimator.workload.blocks import equal_heads, held, linear
from estimator.workload.convolution import image
from estimator.workload.families.clip import siglip_sight
from estimator.workload.families.vision_language import before_text, text_part
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs
from estimator.workload.network import Line, Network, crossing, lines, prefixed
from estimator.workload.registry import family, with_defaults_of

QUERIES = {"1225": 128, "4900": 256}
"""Queries for so many patches where the config is silent."""


@family("aria")
def aria(fields: Fields) -> Network:
    """Aria: queries are projected twice before they ask; more of them for more patches."""
    vision = with_defaults_of(fields.part("vision_config"), "idefics3_vision")
    sight = siglip_sight(vision.with_values({"vision_use_head": False}))
    text = text_part(fields, "aria_text", fields.flag("tie_word_embeddings"))
    hidden, heads = sight.hidden, vision.size("num_attention_heads")
    stated = fields.part("projector_patch_to_query_dict")
    counts = Fields(stated.values or QUERIES, path=stated.path)
    most = max(counts.size(key) for key in counts.values)
    patches = str((sight.side // sight.patch) ** 2)
    count = counts.size(patches) if patches in counts.values else most
    twice = linear(hidden, hidden) + linear(hidden, hidden, bias=True)
    asks = {
        **equal_heads(vision, hidden, heads).costs(),
        **{f"attention/{part}": twice for part in ("query", "key", "value")},
        "attention/output": linear(hidden, hidden, bias=True).times(2),
        "norm": held(6 * hidden),
    }
    project = {"in": linear(hidden, text.hidden), "out": linear(text.hidden, text.hidden)}

    def seen(inputs: Inputs) -> list[Line]:
        batch, pixels = image(inputs, sight.side)
        asking = batch * count
        done = [*lines({"queries": held(most * hidden)}, batch)]
        done += crossing(asks, batch, asking, batch * sight.positions(pixels)[0])
        done += lines(project, asking)
        tower = prefixed(sight.lines(batch, pixels), "vision/")
        return [*tower, *prefixed(done, "bridge/")]

    return before_text(fields, text, seen)
