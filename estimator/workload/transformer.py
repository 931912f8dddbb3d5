"""How much work a decoder language model is.

Checked against PyTorch's own counter: per token, forward FLOPs are two for each parameter that
multiplies (all but the input tables) plus four for each layer, head width and token of context.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from estimator.workload.blocks import (
    Attention,
    Cost,
    Costs,
    Experts,
    LatentAttention,
    Mlp,
    held,
    linear,
)
from estimator.workload.ledger import CacheLayers, Inputs, Ledger, Quantity, Term, quantity

DEFAULT_SEQ_LEN = 2048
"""Tokens of a sequence when the caller gives none, or fewer if the model holds fewer."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One decoder layer; parallel and sequential residuals differ only in their norms."""

    attention: Attention | LatentAttention
    feed_forward: Mlp | Experts
    norm_params: int = 0

    def costs(self) -> Costs:
        """Costs by part."""
        norm = {"norm/layers": held(self.norm_params)}
        return {**self.attention.costs(), **self.feed_forward.costs(), **norm}


@dataclass(frozen=True, kw_only=True)
class Head:
    """Output layer over every position; `tied` shares its matrix with the token table."""

    outputs: int
    bias: bool = False
    tied: bool = False

    def cost(self, width: int) -> Cost:
        """Cost of the head on states of `width`."""
        full = linear(width, self.outputs, self.bias)
        own_params = full.params - self.outputs * width * self.tied
        return Cost(params=own_params, active_params=own_params, flop_per_token=full.flop_per_token)


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """A decoder language model.

    Parameters
    ----------
    hidden, vocab : int
        Model width; rows of the token table. [1]
    layers : tuple of Layer
        From input to output; equal neighbours may be the same object.
    head : Head or None
        Output layer, None for a bare trunk.
    max_positions : int
        Longest sequence the model was made for. [token]
    position_rows : int
        Rows of a learned position table, 0 for rotary or linear biases. [1]
    embedding_width : int or None
        Width of the token table where it differs from `hidden`; two projections bridge it.
    outer_norm_params : int
        Parameters of the norms outside the layers, final norm included. [1]
    model_type, name, warnings : str, str, tuple of str
        Passed on to the ledger.
    """

    hidden: int
    vocab: int
    layers: tuple[Layer, ...]
    head: Head | None
    max_positions: int
    position_rows: int = 0
    embedding_width: int | None = None
    outer_norm_params: int = 0
    model_type: str = ""
    name: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def params_embedding(self) -> int:
        """Parameters of the token and position tables [1]."""
        return self.vocab * (self.embedding_width or self.hidden) + self.position_rows * self.hidden

    def ledger(self, inputs: Inputs) -> Ledger:
        """Ledger of one forward pass; `seq_len` defaults to 2048, or to the model's length."""
        batch = quantity("batch", inputs.batch)
        default = min(self.max_positions, DEFAULT_SEQ_LEN)
        seq_len = quantity("seq_len", default if inputs.seq_len is None else inputs.seq_len)
        tokens = batch * seq_len
        terms = dict(_outer_terms(self._before(), tokens))
        for window, count, costs in self._groups():
            pairs = batch * attended_pairs(seq_len, window, inputs)
            for part, cost in costs.items():
                terms[part] = _add(terms.get(part, Term()), count, cost, tokens, pairs)
        terms.update(_outer_terms(self._after(), tokens))
        return Ledger(
            terms={part: term for part, term in terms.items() if _counts(term)},
            tokens=tokens,
            model_type=self.model_type,
            name=self.name or self.model_type,
            params_embedding=self.params_embedding,
            cache=self._cache(),
            warnings=self.warnings + self._length_warning(seq_len),
        )

    def _before(self) -> Costs:
        width = self.embedding_width or self.hidden
        bridge = (
            {} if width == self.hidden else {"embedding/project_in": linear(width, self.hidden)}
        )
        return {
            "embedding/token": held(self.vocab * width),
            "embedding/position": held(self.position_rows * self.hidden),
            **bridge,
        }

    def _after(self) -> Costs:
        width = self.embedding_width or self.hidden
        costs = {"norm/outer": held(self.outer_norm_params)}
        if width != self.hidden:
            costs["head/project_out"] = linear(self.hidden, width)
        if self.head is not None:
            costs["head/logits"] = self.head.cost(width)
        return costs

    def _groups(self) -> Iterable[tuple[int | None, int, Costs]]:
        """Window, number and costs of each kind of layer."""
        counts: dict[Layer, int] = {}
        for layer in self.layers:
            counts[layer] = counts.get(layer, 0) + 1
        return [(layer.attention.window, n, layer.costs()) for layer, n in counts.items()]

    def _cache(self) -> tuple[CacheLayers, ...]:
        counts: dict[tuple[int, int | None], int] = {}
        for layer in self.layers:
            key = (layer.attention.cache_values_per_token, layer.attention.window)
            counts[key] = counts.get(key, 0) + 1
        return tuple(
            CacheLayers(layers=n, values_per_token=values, window=window)
            for (values, window), n in counts.items()
        )

    def _length_warning(self, seq_len: Quantity) -> tuple[str, ...]:
        if np.all(np.asarray(seq_len) <= self.max_positions):
            return ()
        longest = float(np.max(seq_len))
        return (f"seq_len {longest:.0f} is beyond the model's {self.max_positions} positions",)


def attended_pairs(seq_len: Quantity, window: int | None, inputs: Inputs) -> Quantity:
    """(query, key) pairs of one sequence in one layer.

    Full attention counts S x S, a window of W in the band below the diagonal S W - W^2 / 2,
    doubled where the causal half is not asked for, so that W = S gives S x S again.

    >>> attended_pairs(8.0, None, Inputs()), attended_pairs(8.0, 2, Inputs())
    (64.0, 64.0)
    >>> float(attended_pairs(8.0, 2, Inputs(windowed=True, causal=True)))
    14.0
    """
    pairs = seq_len * seq_len
    if inputs.windowed and window is not None:
        width = np.minimum(seq_len, float(window))
        pairs = 2.0 * seq_len * width - width * width
    return 0.5 * pairs if inputs.causal else pairs


def _outer_terms(costs: Costs, tokens: Quantity) -> Iterable[tuple[str, Term]]:
    return [(part, _add(Term(), 1, cost, tokens, 0.0)) for part, cost in costs.items()]


def _add(term: Term, count: int, cost: Cost, tokens: Quantity, pairs: Quantity) -> Term:
    """`term` with `count` times `cost` added."""
    flop = cost.flop_per_token * tokens + cost.flop_per_pair * pairs
    return Term(
        params=term.params + count * cost.params,
        active_params=term.active_params + count * cost.active_params,
        flop=term.flop + count * flop,
    )


def _counts(term: Term) -> bool:
    """Whether the term holds or costs anything."""
    return term.params > 0 or bool(np.any(np.asarray(term.flop) > 0))
