"""What language models of unlike layers are built of: attention beside recurrent layers."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from estimator.workload.blocks import Costs, Mlp, held, table
from estimator.workload.families.decoder import Family, grouped_attention, output_head
from estimator.workload.fields import Fields
from estimator.workload.layers import Layers, Stack
from estimator.workload.network import (
    Network,
    network,
)

ATTENTION_KINDS = ("attention", "full_attention", "hybrid")
"""What the configs call a layer that attends."""

PLAIN = Family(attention_bias="attention_bias")


def language_model(
    fields: Fields, layers: Iterable[Layers], longest: int, outer_norm_params: int | None = None
) -> Network:
    """The model of a config between its token table and its head; one RMS norm outside if None."""
    hidden = fields.size("hidden_size")
    head, notes = output_head(fields)
    norm = held(hidden if outer_norm_params is None else outer_norm_params)
    model = Stack(
        before={"embedding/token": table(fields.size("vocab_size"), hidden)},
        stack=tuple(layers),
        after={"norm/outer": norm, **({} if head is None else {"head/logits": head.cost(hidden)})},
        longest=longest,
        causal=True,
    )
    return network(fields, model.run, notes, cache=model.cache)


def stacked(fields: Fields, layers: Iterable[Layers]) -> Network:
    """The model of layers from input to output; equal ones are the same object."""
    found = list(layers)
    counts = Counter(id(layer) for layer in found)
    kinds = {id(layer): layer for layer in found}
    stack = (replace(kinds[key], times=times) for key, times in counts.items())
    return language_model(fields, stack, fields.size("max_position_embeddings"))


def attending(
    fields: Fields, family: Family, kinds: Iterable[object], other: Layers, costs: Costs
) -> Network:
    """Attention in the layers of a kind that attends, `other` elsewhere, `costs` in every layer."""
    attends = attention_mixer(family, fields)
    layers = ((attends if kind in ATTENTION_KINDS else other, costs) for kind in kinds)
    return paired(fields, layers)


def paired(fields: Fields, layers: Iterable[tuple[Layers, Costs]]) -> Network:
    """The model of layers that are a mixer and what comes behind it, with two norms in each."""
    found = list(layers)
    made = {(id(mixer), id(costs)): with_costs(fields, mixer, costs) for mixer, costs in found}
    return stacked(fields, (made[id(mixer), id(costs)] for mixer, costs in found))


def with_costs(fields: Fields, mixer: Layers, costs: Costs, norms: int = 2) -> Layers:
    """A mixer with further costs per token and with RMS norms."""
    norm = held(norms * fields.size("hidden_size"))
    return replace(mixer, costs={**mixer.costs, **costs, "norm/layers": norm})


def attention_mixer(family: Family, fields: Fields, window: int | None = None) -> Layers:
    """Attention of a config as a mixer."""
    part = grouped_attention(family, fields)
    return Layers(costs=part.costs(), window=window, cache_values=part.cache_values_per_token)


def gated_mlp(fields: Fields, bias: bool = False) -> Costs:
    """Costs of a gated MLP."""
    width = fields.size("intermediate_size")
    hidden = fields.size("hidden_size")
    return Mlp(hidden=hidden, width=width, gated=True, bias=bias).costs()


def layer_kinds(fields: Fields, *keys: str) -> list[str] | None:
    """The kind of each layer where one of `keys` lists them."""
    for key in keys:
        listed = fields.items(key)
        if listed is not None:
            return [str(kind) for kind in listed]
    return None
