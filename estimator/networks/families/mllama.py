"""How much work Llama 3.2 Vision is, some of whose layers attend to an image.

One image per sequence, filled up to all tiles, as the model reads it.
"""

from dataclasses import dataclass, replace

from estimator.core.messages import refuse
from estimator.networks.blocks import Attention, Costs, affine, held, linear, table
from estimator.networks.families.decoder import Family, decoder
from estimator.networks.families.vit import Vision, trunk
from estimator.networks.fields import Fields
from estimator.networks.ledger import CacheLayers, Inputs, Quantity, quantity
from estimator.networks.model_class import task
from estimator.networks.network import Line, Network, Pass, crossing, lines, network, prefixed
from estimator.networks.registry import family, with_defaults_of

PAD = 8
"""Llama 3.2 fills the patches of a tile up to a multiple of eight. [token]"""

EXTRA_ROWS = 8
"""Rows of Llama 3.2's token table for special tokens, beyond `vocab_size`. [1]"""

CROSSING = (3, 8, 13, 18, 23, 28, 33, 38)
"""Default layers that attend to the image."""


@dataclass(frozen=True, kw_only=True)
class Tiles:
    """Llama 3.2's tower over the tiles that every image is filled up to, and what the text gets."""

    sight: Vision
    tiles: int
    bridge: Costs

    def tokens(self, inputs: Inputs) -> Quantity:
        """Patches of all tiles and a class token each."""
        side = self.sight.side if inputs.image_size is None else inputs.image_size
        return self.tiles * (self.sight.positions(quantity("image_size", side))[0] + 1.0)

    def lines(self, batch: Quantity, tokens: Quantity) -> list[Line]:
        """Lines of one pass."""
        padded = self.tiles * PAD * -(-tokens / self.tiles // PAD)
        done = self.sight.over(batch, tokens - self.tiles, seen=padded)
        return [*prefixed(done, "vision/"), *lines(self.bridge, batch * tokens)]


def _tiles(fields: Fields, text_width: int) -> Tiles:
    """The tower of a config: local layers, then global ones, whose gates are tables."""
    fields = with_defaults_of(fields, "mllama_vision").with_values({"qkv_bias": False})
    sight = trunk(fields.renamed({"num_attention_heads": (fields, "attention_heads")}))
    hidden, wide = sight.hidden, fields.layers("num_global_layers", default=8)
    tiles = fields.size("max_num_tiles", default=4)
    shapes = len(fields.items("supported_aspect_ratios") or range(8)) + 1
    rows = (sight.side // sight.patch) ** 2 + 1
    positions = rows * hidden + shapes * tiles * (rows + 2) * hidden
    sight = replace(
        sight,
        tables={
            "embedding/class": held(hidden),
            "embedding/position": table(positions, 1),
            "norm/outer": held(4 * hidden),
            "gates": held(3 + 2 * wide),
        },
        layer={**sight.layer, "attention/output": linear(hidden, hidden)},
        layers=sight.layers + wide,
        patch_bias=False,
    )
    output = fields.size("vision_output_dim", default=7680)
    bridge = {"bridge/project": affine(output, text_width)}
    return Tiles(sight=sight, tiles=tiles, bridge=bridge)


def _crossing(fields: Fields, text: Fields, sight: Fields | None) -> Network:
    """The model of its text and, perhaps, image part, without which the crossing layers rest."""
    if fields.states("tie_word_embeddings"):
        text = text.with_values({"tie_word_embeddings": fields.flag("tie_word_embeddings")})
    text = text.with_values({"architectures": fields.values.get("architectures")})
    chosen = text.items("cross_attention_layers")
    layers = len(CROSSING if chosen is None else chosen)
    whole = decoder(Family(attention_bias="attention_bias"), text)
    layer, attention = whole.layers[0], whole.layers[0].attention
    if not isinstance(attention, Attention):
        key, kind = text.full_name("model_type"), text.text("model_type")
        raise refuse("config_part_unknown", key=key, value=repr(kind))
    costs = {
        **layer.feed_forward.costs(),
        **attention.costs(),
        "norm/layers": held(layer.norm_params + 2),
        "attention/norm": held(2 * attention.head_dim),
    }
    tower = None if sight is None else _tiles(sight, whole.hidden)
    spoken = replace(whole, layers=whole.layers[layers:], model_type=fields.text("model_type"))
    special_rows = {"special/embedding/token": table(EXTRA_ROWS, whole.hidden)}

    def run(inputs: Inputs) -> Pass:
        said = spoken.ledger(inputs)
        batch = quantity("batch", inputs.batch)
        seen = tower.tokens(inputs) if tower else 0.0
        asked = said.items if tower else 0.0
        done = [*(tower.lines(batch, seen) if tower else []), *said.terms.items()]
        done += crossing(costs, batch, asked, batch * seen, times=layers, prefix="cross/")
        done += lines(special_rows, said.items)
        return Pass(lines=done, items=said.items, warnings=said.warnings)

    kept = spoken.cache
    if tower:  # the crossing layers keep the keys and values of the image
        state = round(float(tower.tokens(Inputs()))) * attention.cache_values_per_token
        kept = (*kept, CacheLayers(layers=layers, values_per_token=0, state_values=state))
    return network(fields, run, cache=kept)


@family("mllama", "mllama_text_model")
def mllama(fields: Fields) -> Network:
    """Llama 3.2 Vision (arXiv:2407.21783, sec. 7); the language model alone by its class."""
    if fields.text("model_type") == "mllama_text_model":
        return _crossing(fields, fields, None)
    text = with_defaults_of(fields.part("text_config"), "mllama_text_model")
    alone = task(fields) == "CausalLM"
    return _crossing(fields, text, None if alone else fields.part("vision_config"))
