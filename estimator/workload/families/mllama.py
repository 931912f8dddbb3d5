"""How much work Llama 3.2 Vision is, some of whose layers attend to an image.

One image per sequence, filled up to all tiles, as the
model reads it.
"""

from dataclasses import dataclass, replace

from estimator.workload.blocks import Attention, Costs, Mlp, equal_heads, held, linear, table
from estimator.workload.families.decoder import decoder
from estimator.workload.families.dense_decoders import LLAMA
from estimator.workload.fields import Fields
from estimator.workload.ledger import CacheLayers, Inputs, Quantity, quantity
from estimator.workload.model_class import task
from estimator.workload.network import Line, Network, Pass, lines, network, prefixed
from estimator.workload.registry import family
from estimator.workload.transformer import Decoder

PAD = 8
"""Llama 3.2 fills the patches of a tile up to a multiple of eight. [token]"""

EXTRA_ROWS = 8
"""Rows of Llama 3.2's token table for special tokens, beyond `vocab_size`. [1]"""


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """A decoder some of whose layers attend to an image.

    Parameters
    ----------
    text : Decoder
        The layers that attend to the text, with tables and head.
    sight : Sight or None
        The tower, None for the text model alone, whose crossing layers then rest.
    cross_query, cross_key : mapping
        Costs of a crossing layer per token of the text, and per token of the image.
    layers : int
        Crossing layers. [1]
    bridge : mapping
        Costs per token of the image.
    """

    text: Decoder
    sight: "Tiles | None"
    cross_query: Costs
    cross_key: Costs
    layers: int
    bridge: Costs

    def run(self, inputs: Inputs) -> Pass:
        """Pass over `batch` sequences, with an image each if the model has a tower."""
        spoken = self.text.ledger(inputs)
        batch = quantity("batch", inputs.batch)
        seen: Quantity = 0.0
        done: list[Line] = []
        if self.sight is not None:
            seen = self.sight.tokens(inputs)
            done += prefixed(self.sight.lines(batch, seen), "vision/")
            done += lines(self.bridge, batch * seen)
        done += spoken.terms.items()
        asked = spoken.items if self.sight is not None else 0.0

        done += lines(
            self.cross_query, asked, pairs=asked * seen, times=self.layers, prefix="cross/"
        )
        done += lines(self.cross_key, batch * seen, times=self.layers, prefix="cross/")
        return Pass(lines=done, items=spoken.items, warnings=spoken.warnings)


@dataclass(frozen=True, kw_only=True)
class Tiles:
    """Llama 3.2's tower: local layers, then gated global ones over all tiles.

    Parameters
    ----------
    side, patch : int
        Sides of a tile and of a patch. [pixel]
    tiles : int
        Tiles that every image is filled up to. [1]
    conv, tables, layer : mapping
        Costs of the patches, of what multiplies nothing, of a layer.
    layers : int
        Layers, global ones included. [1]
    """

    side: int
    patch: int
    tiles: int
    conv: Costs
    tables: Costs
    layer: Costs
    layers: int

    def tokens(self, inputs: Inputs) -> Quantity:
        """Patches of all tiles and a class token each."""
        side = self.side if inputs.image_size is None else inputs.image_size
        grid = quantity("image_size", side) // self.patch
        return self.tiles * (grid * grid + 1.0)

    def lines(self, batch: Quantity, tokens: Quantity) -> list[Line]:
        """Lines of one pass."""
        padded = self.tiles * PAD * -(-tokens / self.tiles // PAD)
        patches = tokens - self.tiles
        done = [*lines(self.conv, batch * patches, first=True)]
        done += lines(self.tables, batch)

        return [
            *done,
            *lines(self.layer, batch * padded, pairs=batch * padded * padded, times=self.layers),
        ]


def _tiles(fields: Fields) -> Tiles:
    """The tower of a config, its gates with the tables."""
    hidden = fields.size("hidden_size", default=1280)
    heads = fields.size("attention_heads", default=16)
    local = fields.layers("num_hidden_layers", default=32)
    wide = fields.layers("num_global_layers", default=8)
    side, patch = fields.size("image_size", default=448), fields.size("patch_size", default=14)
    tiles = fields.size("max_num_tiles", default=4)
    ratios = fields.items("supported_aspect_ratios")
    shapes = (len(ratios) if ratios else 8) + 1
    rows = (side // patch) ** 2 + 1
    attention = equal_heads(fields, hidden, heads, ("hidden_size", "attention_heads"), bias=False)
    mlp = Mlp(hidden=hidden, width=fields.size("intermediate_size", default=5120), bias=True)
    positions = rows * hidden + shapes * tiles * (rows + 2) * hidden
    return Tiles(
        side=side,
        patch=patch,
        tiles=tiles,
        conv={
            "embedding/patch": linear(
                patch * patch * fields.size("num_channels", default=3), hidden
            )
        },
        tables={
            "embedding/class": held(hidden),
            "embedding/position": table(positions, 1),
            "norm/outer": held(4 * hidden),
            "gates": held(3 + 2 * wide),
        },
        layer={**attention.costs(), **mlp.costs(), "norm/layers": held(4 * hidden)},
        layers=local + wide,
    )


CROSSING = (3, 8, 13, 18, 23, 28, 33, 38)
"""Default layers that attend to the image."""


def _crossing(fields: Fields, text: Fields, sight: Fields | None) -> Network:
    """The model of its text and, perhaps, image part."""
    usual = {"vocab_size": 128256, "hidden_size": 4096, "num_hidden_layers": 40}
    usual |= {"num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336}
    usual |= {"max_position_embeddings": 131072}
    values = {**usual, **text.values}
    if fields.states("tie_word_embeddings"):
        values["tie_word_embeddings"] = fields.flag("tie_word_embeddings")
    values["architectures"] = fields.values.get("architectures")
    text = replace(text, values=values)
    chosen = text.items("cross_attention_layers")
    crossing = len(CROSSING if chosen is None else chosen)
    whole = decoder(replace(LLAMA, mlp_bias=lambda fields: False), text)
    layer = whole.layers[0]
    attention = layer.attention
    if not isinstance(attention, Attention):
        raise ValueError(f"{text.path}layers of another attention are not read")
    costs = {**layer.feed_forward.costs(), **attention.costs()}
    costs["norm/layers"] = held(layer.norm_params + 2)
    costs["attention/norm"] = held(2 * attention.head_dim)
    keys = {part: costs.pop(part) for part in ("attention/key", "attention/value")}
    output = sight.size("vision_output_dim", default=7680) if sight is not None else 0
    spoken = replace(whole, layers=whole.layers[crossing:], model_type=fields.text("model_type"))
    special_rows = {"special/embedding/token": table(EXTRA_ROWS, whole.hidden)}
    model = Crossing(
        text=spoken,
        sight=None if sight is None else _tiles(sight),
        cross_query=costs,
        cross_key=keys,
        layers=crossing,
        bridge={} if sight is None else {"bridge/project": linear(output, whole.hidden, bias=True)},
    )

    def run(inputs: Inputs) -> Pass:
        done = model.run(inputs)
        special = lines(special_rows, done.items)
        return replace(done, lines=[*done.lines, *special])

    return network(fields, run, cache=_cache(spoken, attention, model))


def _cache(text: Decoder, attention: Attention, model: Crossing) -> tuple[CacheLayers, ...]:
    """The text's cache; crossing layers keep the keys and values of the image."""
    kept = text.cache
    if model.sight is None:
        return kept
    image = float(model.sight.tokens(Inputs()))
    state = round(image) * attention.cache_values_per_token
    return (*kept, CacheLayers(layers=model.layers, values_per_token=0, state_values=state))


@family("mllama", "mllama_text_model")
def mllama(fields: Fields) -> Network:
    """Llama 3.2 Vision (arXiv:2407.21783, sec. 7); the language model alone by its class."""
    if fields.text("model_type") == "mllama_text_model":
        return _crossing(fields, fields, None)
    if task(fields) == "CausalLM":
        return _crossing(fields, fields.part("text_config"), None)
    return _crossing(fields, fields.part("text_config"), fields.part("vision_config"))
