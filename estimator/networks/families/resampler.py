"""Which language model whose queries ask an image it is: Idefics, KOSMOS-2, Aria, Molmo 2."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from estimator.networks.blocks import (
    Attention,
    Costs,
    Mlp,
    affine,
    equal_heads,
    held,
    layer_costs,
    linear,
    multi_head,
    reading,
    table,
    vocabulary_head,
)
from estimator.networks.convolution import image
from estimator.networks.families.clip import clip_sight, siglip_sight
from estimator.networks.families.decoder import Family, decoder, head_norm, width_norm
from estimator.networks.families.dense_decoders import LLAMA
from estimator.networks.families.gpt2 import CLASSIC, STANDARD
from estimator.networks.families.vision_language import (
    Text,
    any_tied,
    before_text,
    behind_tower,
    text_part,
)
from estimator.networks.families.vit import trunk
from estimator.networks.fields import Fields
from estimator.networks.ledger import Inputs, Quantity
from estimator.networks.network import Line, Network, crossing, lines, network, prefixed, sequence
from estimator.networks.registry import family, with_defaults_of
from estimator.networks.transformer import Decoder

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
    twice = linear(hidden, hidden) + affine(hidden, hidden)
    asks = {
        **equal_heads(vision, hidden, heads).costs(),
        **{f"attention/{part}": twice for part in ("query", "key", "value")},
        "attention/output": affine(hidden, hidden).times(2),
        "norm": held(6 * hidden),
    }
    project = {"in": linear(hidden, text.hidden), "out": linear(text.hidden, text.hidden)}

    def bridged(batch: Quantity, patches: Quantity) -> Iterator[Line]:
        asking = batch * count
        yield from lines({"queries": held(most * hidden)}, batch, prefix="bridge/")
        yield from crossing(asks, batch, asking, batch * patches, prefix="bridge/")
        yield from lines(project, asking, prefix="bridge/")

    return behind_tower(fields, text, sight, bridged)


@family("idefics2")
def idefics2(fields: Fields) -> Network:
    """Idefics 2: a gated MLP, then latents that ask the patches (arXiv:2405.02246, sec. 3)."""
    vision = with_defaults_of(fields.part("vision_config"), "idefics2_vision")
    sight = siglip_sight(vision.with_values({"vision_use_head": False}))
    text = text_part(fields, "mistral", fields.flag("tie_word_embeddings"))
    part, hidden = fields.part("perceiver_config"), text.hidden
    width = fields.part("text_config").size("intermediate_size", default=14336)
    heads = part.size("resampler_n_heads", default=16)
    head_dim = part.size("resampler_head_dim", default=96)
    kv_heads = part.size("num_key_value_heads", default=4)
    attention = multi_head(hidden, heads, head_dim, kv_heads=kv_heads)
    count = part.size("resampler_n_latents", default=64)
    layers = part.layers("resampler_depth", default=3)
    mlp = Mlp(hidden, 4 * hidden, gated=True)
    asks = {**attention.costs(), **mlp.costs(), "norm": held(3 * hidden)}
    project = {
        "gate": linear(sight.hidden, width),
        "up": linear(sight.hidden, width),
        "down": linear(width, hidden),
    }
    around = {"latents": held(count * hidden), "norm": held(hidden)}

    def bridged(batch: Quantity, patches: Quantity) -> Iterator[Line]:
        asking, found, prefix = batch * count, batch * (patches + count), "bridge/"
        yield from lines(project, batch * patches, prefix=prefix)
        yield from lines(around, batch, prefix=prefix)
        yield from crossing(asks, batch, asking, found, times=layers, prefix=prefix)

    return behind_tower(fields, text, sight, bridged)


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
    project = {"project": affine(sight.hidden, hidden)}

    def bridged(batch: Quantity, positions: Quantity) -> Iterator[Line]:
        asking, found = batch * count, batch * (positions + count)
        yield from lines({"queries": held(count * hidden)}, batch, prefix="bridge/")
        yield from lines(project, batch * positions, prefix="bridge/")
        yield from crossing(asks, batch, asking, found, prefix="bridge/")

    return behind_tower(fields, text, sight, bridged)


@family("idefics")
def idefics(fields: Fields) -> Network:
    """Idefics, after Flamingo: gated layers between Llama's attend to the image (2306.16527)."""
    vision = with_defaults_of(fields.part("vision_config"), "idefics_vision")
    width = vision.size("embed_dim")
    vision = vision.renamed({"hidden_size": (vision, "embed_dim")})
    sight = clip_sight(vision, kind="idefics_vision")
    model = decoder(LLAMA, fields.with_values({"architectures": None}))
    hidden, more = model.hidden, fields.size("additional_vocab_size", least=0)
    head = vocabulary_head(hidden, more, own=not fields.flag("tie_word_embeddings"))
    words = {"embedding/more": table(more, hidden), "head/more": head}
    period = fields.size("cross_layer_interval")
    layers = len(model.layers) // period
    crosses = _gated_layer(fields, model, width)
    perceiver = with_defaults_of(fields.part("perceiver_config"), "idefics_perciever")
    latents = perceiver.size("resampler_n_latents") if fields.flag("use_resampler") else 0

    def seen(inputs: Inputs) -> Iterator[Line]:
        batch, pixels = image(inputs, sight.side)
        yield from prefixed(sight.lines(batch, pixels), "vision/")
        found = sight.positions(pixels)[1]
        if latents:
            yield from _resampled(perceiver, width, batch, found)
        _, tokens = sequence(inputs, model.max_positions)
        yield from lines(words, batch * tokens)
        asked = batch * (latents or found)
        yield from crossing(crosses, batch, batch * tokens, asked, times=layers, prefix="cross/")

    return before_text(fields, Text(model=model, hidden=hidden), seen)


def _gated_layer(fields: Fields, model: Decoder, width: int) -> Costs:
    """Attention to states of `width`, and an MLP, each behind a learned gate."""
    hidden, heads = model.hidden, fields.size("num_attention_heads")
    attention = equal_heads(fields, hidden, heads, bias=False)
    norms = 2 * attention.head_dim * fields.flag("qk_layer_norms")
    alpha = fields.counted("alpha_type", "float", "vector")
    gates = 2 * (hidden if alpha == "vector" else 1)
    mlp = Mlp(hidden, fields.size("intermediate_size"), gated=True)
    return {
        **reading(attention, width),
        **mlp.costs(),
        "norm/layers": held(2 * hidden + norms + gates),
    }


def _resampled(fields: Fields, width: int, batch: Quantity, found: Quantity) -> Iterator[Line]:
    """Latents that ask the positions of an image and themselves, layer by layer."""
    heads, head_dim = (fields.size(f"resampler_{key}") for key in ("n_heads", "head_dim"))
    count, layers = fields.size("resampler_n_latents"), fields.layers("resampler_depth")
    norms = 4 * head_dim * fields.flag("qk_layer_norms_perceiver")
    attention = multi_head(width, heads, head_dim, norm_params=norms)
    asks = layer_costs(attention, Mlp(width, 4 * width), 6 * width)
    around = {"latents": held(count * width), "norm": held(2 * width)}
    yield from lines(around, batch, prefix="bridge/")
    every = batch * (found + count)
    yield from crossing(asks, batch, batch * count, every, times=layers, prefix="bridge/")


def _molmo_norms(fields: Fields, attention: Attention) -> int:
    """Query and key norms over one head or over all."""
    whole = fields.counted("qk_norm_type", "qwen3", "olmo") == "olmo"
    return (width_norm if whole else head_norm)(fields, attention)


@family("molmo2_text")
def molmo2_text(fields: Fields) -> Network:
    """The decoder: rows of the token table for images, which the head does not write."""
    model = decoder(Family(qkv_bias="attention_bias", qk_norm=_molmo_norms), fields)
    more = table(fields.size("additional_vocab_size", least=0), model.hidden)
    stack = replace(model.stack, before={**model.stack.before, "embedding/more": more})
    made = network(fields, stack.run, cache=stack.cache)
    return replace(made, warnings=model.warnings)


POOLED = 2
"""Side of the patches that make a token of an image, which the config does not state. [patch]"""


def _molmo_attention(fields: Fields, inputs: int) -> Costs:
    """Attention to states of a width of their own, whose output is as wide as the part."""
    heads, hidden = fields.size("num_attention_heads"), fields.size("hidden_size")
    kv_heads, bias = fields.size("num_key_value_heads"), fields.flag("attention_bias", default=True)
    fields.share("num_attention_heads", heads, "num_key_value_heads", kv_heads)
    attention = Attention(
        hidden=inputs,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=fields.size("head_dim"),
        qkv_bias=bias,
    )
    width = heads * attention.head_dim
    return {**attention.costs(), "attention/output": linear(width, hidden, bias)}


@family("molmo2")
def molmo2(fields: Fields) -> Network:
    """Molmo 2: the mean of four patches asks them, states of two layers each (arXiv:2601.10611)."""
    part = fields.part("vision_config" if fields.states("vision_config") else "vit_config")
    adapter = with_defaults_of(fields.part("adapter_config"), "molmo2_adapter")
    names = {
        "image_size": "image_default_input_size",
        "patch_size": "image_patch_size",
        "num_position_embeddings": "image_num_pos",
    }
    part = with_defaults_of(part, "molmo2_vision")
    part = part.renamed({new: (part, old) for new, old in names.items()})
    tower = trunk(part, prefix=0)
    rows = part.size_or_none("num_position_embeddings") or tower.grid[0] * tower.grid[1]
    layer = {**tower.layer, **_molmo_attention(part, tower.hidden)}
    tables = {"embedding/position": table(rows, tower.hidden)}
    tower = replace(tower, tables=tables, layer=layer)
    text = text_part(fields, "molmo2_text", fields.flag("tie_word_embeddings"))
    stated = "vision_feature_layer" if adapter.states("vision_feature_layer") else "vit_layers"
    hidden, width = adapter.size("hidden_size"), adapter.size("intermediate_size")
    asks = _molmo_attention(adapter, hidden * len(adapter.listed(stated, (24, 18))))
    mlp = Mlp(hidden, width, gated=True, bias=adapter.flag("mlp_bias")).costs()
    project = {**mlp, "mlp/down": linear(width, adapter.size("text_hidden_size"))}

    def bridged(batch: Quantity, patches: Quantity) -> Iterator[Line]:
        asking = batch * np.ceil(patches**0.5 / POOLED) ** 2
        seen = asking * POOLED**2
        for name, cost in asks.items():
            positions = seen if name.endswith(("/key", "/value")) else asking
            yield from lines({name: cost}, positions, pairs=seen, prefix="bridge/")
        yield from lines(project, asking, prefix="bridge/")

    return behind_tower(fields, text, tower, bridged)
