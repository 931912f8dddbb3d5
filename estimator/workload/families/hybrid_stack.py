"""What language models of unlike layers are built of: attention beside recurrent layers."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from estimator.workload.blocks import Costs, Mlp, held, table
from estimator.workload.families.decoder import Family, flag, grouped_attention, output_head
from estimator.workload.fields import Fields
from estimator.workload.layers import Layers
from estimator.workload.ledger import Inputs
from estimator.workload.network import (
    Network,
    Pass,
    length_warning,
    lines,
    network,
    sequence,
)

ATTENTION_KINDS = ("attention", "full_attention", "hybrid")
"""What the configs call a layer that attends."""

PLAIN = Family(attention_bias=flag("attention_bias"))


@dataclass(frozen=True, kw_only=True)
class Hybrid:
    """A stack of unlike layers between a token table and a head.

    Parameters
    ----------
    hidden, positions : int
        Model width; longest sequence. [1]
    stack : tuple of Layers
        The layers by kind.
    outer_norm_params : int or None
        Parameters of the norms outside the layers; None takes one RMS norm. [1]
    """

    hidden: int
    positions: int
    stack: tuple[Layers, ...]
    outer_norm_params: int | None = None

    def network(self, fields: Fields) -> Network:
        """The model under its name, with the head of its class."""
        head, notes = output_head(fields)
        rows = table(fields.size("vocab_size"), self.hidden)
        norm = held(self.hidden if self.outer_norm_params is None else self.outer_norm_params)
        after: Costs = {} if head is None else {"head/logits": head.cost(self.hidden)}

        def run(inputs: Inputs) -> Pass:
            batch, seq_len = sequence(inputs, self.positions)
            tokens = batch * seq_len
            done = [*lines({"embedding/token": rows}, tokens)]
            for part in self.stack:
                done += part.lines(batch, seq_len, inputs)
            done += lines({"norm/outer": norm, **after}, tokens)
            warned = length_warning(seq_len, self.positions)
            return Pass(lines=done, items=tokens, warnings=warned)

        kept = tuple(part.cache for part in self.stack if part.cache_values or part.state_values)
        return network(fields, run, notes, cache=kept)


def stacked(fields: Fields, layers: Iterable[Layers]) -> Network:
    """The model of layers from input to output; equal ones are the same object."""
    found = list(layers)
    counts = Counter(id(layer) for layer in found)
    kinds = {id(layer): layer for layer in found}
    return Hybrid(
        hidden=fields.size("hidden_size"),
        positions=fields.size("max_position_embeddings"),
        stack=tuple(replace(kinds[key], times=times) for key, times in counts.items()),
    ).network(fields)


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
