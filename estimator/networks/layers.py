"""Work of stacks of layers, and the state they keep during generation."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from estimator.networks.blocks import Costs
from estimator.networks.ledger import CacheLayers, Inputs, Quantity
from estimator.networks.network import Line, Pass, attended_pairs, length_warning, lines, sequence

Near = Callable[[str, Quantity], tuple[Quantity, Quantity] | None]
"""Callable for positions and pairs of a layer part at a length; None means all."""


@dataclass(frozen=True, kw_only=True)
class Layers:
    """Identical layers of a stack.

    Parameters
    ----------
    costs : mapping
        Costs of one layer, per token and per attended pair.
    times : int
        Number of layers with their own parameters [1].
    reuse : float
        Number of runs of each layer, more than one if layers share weights [1].
    window : int or None
        Keys that each query may attend to on one side, None for the whole sequence [token].
    near : function or None
        Function to positions and pairs where tokens do not all attend to each other by
        construction.
    cache_values, state_values : int
        Values stored per token, and per sequence of any length [1].

    >>> from estimator.networks.blocks import linear
    >>> stack = Layers(costs={"mlp/up": linear(2, 3)}, times=4)
    >>> [(name, term.params, term.flop) for name, term in stack.lines(1.0, 5.0, Inputs())]
    [('mlp/up', 24, 240.0)]
    """

    costs: Costs = field(default_factory=dict)
    times: int = 1
    reuse: float = 1
    window: int | None = None
    near: Near | None = None
    cache_values: int = 0
    state_values: int = 0

    def lines(
        self, batch: Quantity, seq_len: Quantity, inputs: Inputs, prefix: str = ""
    ) -> Iterator[Line]:
        """Return the ledger lines of one pass over `batch` sequences of `seq_len` tokens."""
        runs, times = batch * self.reuse, self.times
        every = seq_len, attended_pairs(seq_len, self.window, inputs)
        if self.near is None:
            pairs = runs * every[1]
            yield from lines(self.costs, runs * seq_len, pairs=pairs, times=times, prefix=prefix)
            return
        for part, cost in self.costs.items():
            tokens, pairs = self.near(part, seq_len) or every
            seen = runs * pairs
            yield from lines({part: cost}, runs * tokens, pairs=seen, times=times, prefix=prefix)

    @property
    def cache(self) -> CacheLayers:
        """Cached state of the layers during generation, per pass of a shared layer."""
        return CacheLayers(
            layers=round(self.times * self.reuse),
            values_per_token=self.cache_values,
            window=self.window,
            state_values=self.state_values,
        )

    @property
    def keeps(self) -> bool:
        """Return whether the layers keep any state."""
        return self.cache_values > 0 or self.state_values > 0


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Layers between tables and heads.

    Parameters
    ----------
    before, after, once : mapping
        Costs per token before and after the layers (tables, norms, heads over every position), and
        per sequence (poolers and heads on one token).
    stack : tuple of Layers
        The layers.
    rows : mapping
        Costs per row of a table of relative positions, and per (query, row) pair.
    row_count : function
        Number of rows of that table used by a sequence.
    longest : int
        Longest sequence the model was made for. [token]
    causal : bool
        Whether attention is masked, so that a kernel may skip half of the scores.
    """

    before: Costs
    stack: tuple[Layers, ...]
    after: Costs
    longest: int
    once: Costs = field(default_factory=dict)
    causal: bool = False
    rows: Costs = field(default_factory=dict)
    row_count: Callable[[Quantity], Quantity] = lambda seq_len: 0.0

    def lines(self, batch: Quantity, seq_len: Quantity, inputs: Inputs) -> list[Line]:
        """Return the ledger lines of one pass."""
        tokens = batch * seq_len
        inputs = inputs if self.causal else replace(inputs, causal=False)
        done = [*lines(self.before, tokens)]
        for part in self.stack:
            done += part.lines(batch, seq_len, inputs)
        rows, times = self.row_count(seq_len), sum(part.times for part in self.stack)
        done += lines(self.rows, rows, pairs=tokens * rows, times=times)
        return [*done, *lines(self.after, tokens), *lines(self.once, batch)]

    def run(self, inputs: Inputs) -> Pass:
        """Pass over `batch` sequences of `seq_len` tokens."""
        batch, seq_len = sequence(inputs, self.longest)
        warned = length_warning(seq_len, self.longest)
        done = self.lines(batch, seq_len, inputs)
        return Pass(lines=done, items=batch * seq_len, warnings=warned)

    @property
    def cache(self) -> tuple[CacheLayers, ...]:
        """Cached state of the layers during generation."""
        return tuple(part.cache for part in self.stack if part.keeps)
