"""How much work MiniMax M3 is: experts, and an indexer that picks blocks of keys.

The primary figure counts every pair of tokens, as that of the other families with an indexer.
"""

from dataclasses import dataclass, replace
from dataclasses import fields as dataclass_fields

from estimator.networks.blocks import Attention, Cost, Costs, held, linear
from estimator.networks.families.decoder import Family, decoder, head_norm
from estimator.networks.families.moe_decoders import Mixture, listed_sparse, mix, shared_width
from estimator.networks.families.vision_language import (
    SIDE_OF_ANY,
    any_tied,
    dense_bridge,
    seeing_network,
    text_part,
    tower_of_frames,
)
from estimator.networks.fields import Fields
from estimator.networks.network import Network
from estimator.networks.registry import family, with_defaults_of
from estimator.networks.transformer import Decoder, Layer

SPARSE = "minimax_m3_sparse"
"""What the configs call a layer with an indexer."""

M3 = mix(
    Family(intermediate_key="dense_intermediate_size", qk_norm=head_norm),
    Mixture(
        width_key="intermediate_size",
        shared=shared_width("shared_intermediate_size"),
        sparse=listed_sparse,
    ),
)


@dataclass(frozen=True, kw_only=True)
class IndexedAttention(Attention):
    """Attention beside light heads that score all keys, whose one key is kept too."""

    index_heads: int
    index_dim: int

    @property
    def cache_values_per_token(self) -> int:
        """Keys, values and the indexer's key kept per token [1]."""
        return super().cache_values_per_token + self.index_dim

    def costs(self) -> Costs:
        """Costs by part."""
        width = self.index_heads * self.index_dim
        return {
            **super().costs(),
            "indexer/query": linear(self.hidden, width),
            "indexer/key": linear(self.hidden, self.index_dim),
            "indexer/norm": held(2 * self.index_dim),
            "indexer/scores": Cost(flop_per_pair=2 * width),
        }


@family("minimax_m3_vl_text")
def minimax_m3(fields: Fields) -> Decoder:
    """MiniMax M3 of a config, which lists the layers with experts and with an indexer."""
    fields = _spelled(fields)
    model = decoder(M3, fields)
    heads, width = fields.size("index_n_heads"), fields.size("index_head_dim")

    def indexed(layer: Layer) -> Layer:
        stated = {
            one.name: getattr(layer.attention, one.name) for one in dataclass_fields(Attention)
        }
        attention = IndexedAttention(**stated, index_heads=heads, index_dim=width)
        return replace(layer, attention=attention)

    kinds = fields.items("layer_types", len(model.layers)) or [""] * len(model.layers)
    layers = zip(model.layers, kinds, strict=True)
    return replace(
        model, layers=tuple(indexed(layer) if kind == SPARSE else layer for layer, kind in layers)
    )


def _spelled(fields: Fields) -> Fields:
    """The keys of its authors under those of transformers."""
    part = fields.part("sparse_attention_config")
    spelled = fields.renamed(
        {
            "index_n_heads": (part, "sparse_num_index_heads"),
            "index_head_dim": (part, "sparse_index_dim"),
        }
    )
    lists = {
        "layer_types": (part.items("sparse_attention_freq"), (SPARSE, "full_attention")),
        "mlp_layer_types": (fields.items("moe_layer_freq"), ("sparse", "dense")),
    }
    made = {
        key: [names[not item] for item in stated]
        for key, (stated, names) in lists.items()
        if stated is not None and not fields.states(key)
    }
    return spelled.with_values(made)


@family("minimax_m3_vl")
def minimax_m3_vl(fields: Fields) -> Network:
    """MiniMax M3 behind a tower of images, each of whose patches is projected before four merge."""
    part = with_defaults_of(fields.part("vision_config"), "minimax_m3_vl_vision")
    compressed = part.part("img_token_compression_config")
    names = {"temporal_patch_size": (compressed, "temporal_patch_size")}
    part = part.with_values({"image_size": SIDE_OF_ANY}).renamed(names)
    sight = tower_of_frames(part, bias=True, gated=False, norm=2)
    sight = replace(sight, tables={"norm/outer": held(2 * sight.hidden)}, patch_bias=False)
    text = text_part(fields, "minimax_m3_vl_text", any_tied(fields))
    between = fields.size("projector_hidden_size", default=6144)
    fold = compressed.size("spatial_merge_size", default=part.size("spatial_merge_size")) ** 2
    each = dense_bridge(sight.hidden, between, text.hidden)
    merge = dense_bridge(fold * text.hidden, between, text.hidden)
    bridge = {
        **{
            name: replace(cost, flop_per_token=fold * cost.flop_per_token)
            for name, cost in each.items()
        },
        **{name.replace("/", "/merge_"): cost for name, cost in merge.items()},
    }
    return seeing_network(fields, text, sight, bridge, merged=fold)
