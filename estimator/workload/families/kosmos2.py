"""How much work KOSMOS-2 is: CLIP's tower, queries that ask it, a decoder (arXiv:2306.14824)."""

from dataclasses import replace

from estimator.workload.blocks import Attention, equal_heads, held, linear
from estimator.workload.convolution import image
from estimator.workload.families.clip import clip_sight
from estimator.workload.families.decoder import decoder
from estimator.workload.families.gpt2 import CLASSIC, STANDARD
from estimator.workload.families.vision_language import any_tied, before_text, text_part
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs
from estimator.workload.network import Line, Network, crossing, lines, prefixed
from estimator.workload.registry import family, with_defaults_of
from estimator.workload.transformer import Decoder

NAMES = {"hidden_size": "embed_dim", "num_hidden_layers": "layers", "intermediate_size": "ffn_dim"}
"""Usual name of a size -> what the config calls it."""


def _inner_norms(fields: Fields, attention: Attention) -> int:
    """Norms inside attention and inside the MLP."""
    return 2 * attention.hidden + 2 * fields.size("intermediate_size")


@family("kosmos_2_text_model")
def kosmos2_text(fields: Fields) -> Decoder:
    """The decoder: norms within its blocks, sines for positions (arXiv:2210.06423)."""
    fields = fields.renamed({new: (fields, old) for new, old in NAMES.items()})
    return decoder(replace(CLASSIC, intermediate_key=STANDARD, qk_norm=_inner_norms), fields)


@family("kosmos-2")
def kosmos2(fields: Fields) -> Network:
    """KOSMOS-2: a matrix, then queries that attend to the image and to themselves."""
    part = with_defaults_of(fields.part("text_config"), "kosmos_2_text_model")
    hidden, heads = (part.size(key) for key in ("embed_dim", "attention_heads"))
    values = {**part.usual, **part.values, "hidden_size": hidden}
    tied = any_tied(fields, default=True)
    text = text_part(fields.with_values({"text_config": values}), "kosmos_2_text_model", tied)
    sight = clip_sight(fields.part("vision_config"), kind="kosmos_2_vision_model")
    count = fields.size("latent_query_num", default=64)
    asks = equal_heads(part, hidden, heads, ("embed_dim", "attention_heads")).costs()
    project = {"project": linear(sight.hidden, hidden, bias=True)}

    def seen(inputs: Inputs) -> list[Line]:
        batch, pixels = image(inputs, sight.side)
        positions = sight.positions(pixels)[1]
        done = [*lines({"queries": held(count * hidden)}, batch)]
        done += lines(project, batch * positions)
        done += crossing(asks, batch, batch * count, batch * (positions + count))
        tower = prefixed(sight.lines(batch, pixels), "vision/")
        return [*tower, *prefixed(done, "bridge/")]

    return before_text(fields, text, seen)
