"""Parts of language models that mix attention and recurrent layers."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from estimator.networks.blocks import Costs, Mlp, params_only, table
from estimator.networks.families.decoder import Family, attention_of, output_head
from estimator.networks.fields import Fields
from estimator.networks.layers import Layers, Stack
from estimator.networks.network import Network, network

Kind = TypeVar("Kind", bound=Hashable)

ATTENTION_KINDS = ("attention", "full_attention", "hybrid")
"""Names of attention layers in configs."""

PLAIN = Family(attention_bias="attention_bias")


def language_model(
    fields: Fields, layers: Iterable[Layers], longest: int, outer_norm_params: int | None = None
) -> Network:
    """Build the language model of a config; by default one RMS norm outside the layers."""
    hidden = fields.size("hidden_size")
    head, notes = output_head(fields)
    norm = params_only(hidden if outer_norm_params is None else outer_norm_params)
    model = Stack(
        before={"embedding/token": table(fields.size("vocab_size"), hidden)},
        stack=tuple(layers),
        after={"norm/outer": norm, **({} if head is None else {"head/logits": head.cost(hidden)})},
        longest=longest,
        causal=True,
    )
    return network(fields, model.run, notes, cache=model.cache)


def stacked(fields: Fields, kinds: Iterable[Kind], layers: Mapping[Kind, Layers]) -> Network:
    """Build a model with layers of these kinds in order."""
    stack = [replace(layers[kind], times=times) for kind, times in Counter(kinds).items()]
    return language_model(fields, stack, fields.size("max_position_embeddings"))


def equal_layers(fields: Fields, layer: Layers) -> Network:
    """Build a model with equal layers."""
    return stacked(fields, [0] * fields.layers("num_hidden_layers"), {0: layer})


def hybrid(
    fields: Fields,
    kinds: Iterable[tuple[bool, bool]],
    mixers: tuple[Layers, Layers],
    blocks: tuple[Costs, Costs],
) -> Network:
    """Build a model with two norms per layer.

    A kind states whether a layer has the second mixer (attention) and the second block (experts).
    """
    layers = {
        (attends, sparse): with_costs(fields, mixers[attends], blocks[sparse])
        for attends in (False, True)
        for sparse in (False, True)
    }
    return stacked(fields, kinds, layers)


def attending(
    fields: Fields, attends: Iterable[bool], mixers: tuple[Layers, Layers], costs: Costs
) -> Network:
    """Build a model with attention in some layers, and `costs` in every layer."""
    return hybrid(fields, ((kind, False) for kind in attends), mixers, (costs, costs))


def with_costs(fields: Fields, mixer: Layers, costs: Costs, norms: int = 2) -> Layers:
    """Return a mixer with further costs per token and RMS norms."""
    norm = params_only(norms * fields.size("hidden_size"))
    return replace(mixer, costs={**mixer.costs, **costs, "norm/layers": norm})


def attention_mixer(family: Family, fields: Fields, window: int | None = None) -> Layers:
    """Return the attention of a config as a mixer."""
    part = attention_of(family, fields)
    return Layers(costs=part.costs(), window=window, cache_values=part.cache_values_per_token)


def gated_mlp(fields: Fields, bias: bool = False) -> Costs:
    """Return the costs of a gated MLP."""
    width = fields.size("intermediate_size")
    hidden = fields.size("hidden_size")
    return Mlp(hidden, width, gated=True, bias=bias).costs()


def attention_layers(fields: Fields, usual: Callable[[int], bool], *keys: str) -> list[bool]:
    """Return whether each layer attends, from the list under one of `keys`, or by default."""
    stated = fields.states("num_hidden_layers")
    layers = fields.layers("num_hidden_layers") if stated else None
    for key in keys:
        if kinds := fields.items(key, layers):
            return [str(kind) in ATTENTION_KINDS for kind in kinds]
    return [usual(at) for at in range(fields.layers("num_hidden_layers"))]
