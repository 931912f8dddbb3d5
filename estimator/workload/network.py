"""How much work any network is that is not one stack of decoder layers.

A network answers with the lines of its forward pass: names and terms, in order. Lines of one
name are added up, so a layer that repeats is one line of the ledger. Encoders, speech and vision
models, conv nets, state spaces and diffusion models are all read this way.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from estimator.workload.blocks import Cost, Costs
from estimator.workload.ledger import CacheLayers, Inputs, Ledger, Quantity, Term, quantity

Line = tuple[str, Term]

DEFAULT_TOKENS = 2048
"""Tokens of a sequence when the caller gives none, or fewer if the model holds fewer."""

TABLES = ("embedding/token", "embedding/position", "embedding/type")
"""Terms of the input tables, which multiply nothing."""


@dataclass(frozen=True, kw_only=True)
class Pass:
    """One forward pass: its lines, its tokens, and what it warns about."""

    lines: Iterable[Line]
    tokens: Quantity
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network, as the pass it makes over inputs.

    Parameters
    ----------
    run : function
        From inputs to the pass.
    model_type, name, warnings : str, str, tuple of str
        Passed on to the ledger.
    cache : tuple of CacheLayers
        Key-value cache, empty where the network does not generate token by token.

    >>> net = Network(run=lambda inputs: Pass(lines=[("a", Term(params=2)), ("a", Term(params=3))],
    ...                                       tokens=inputs.batch))
    >>> net.ledger(Inputs()).params_total
    5
    """

    run: Callable[[Inputs], Pass]
    model_type: str = ""
    name: str = ""
    warnings: tuple[str, ...] = ()
    cache: tuple[CacheLayers, ...] = ()

    def ledger(self, inputs: Inputs) -> Ledger:
        """Ledger of one forward pass, refused for inputs too small to pass."""
        done = self.run(inputs)
        if not np.all(np.asarray(done.tokens) > 0):
            raise ValueError("the input is too small for the network: not one token of it is left")
        terms = added(done.lines)
        tables = (term for name, term in terms.items() if name.endswith(TABLES))
        return Ledger(
            terms=terms,
            tokens=done.tokens,
            model_type=self.model_type,
            name=self.name or self.model_type,
            params_embedding=sum(table.params for table in tables),
            cache=self.cache,
            warnings=self.warnings + done.warnings,
        )


@dataclass(frozen=True, kw_only=True)
class Reach:
    """How often costs are paid in a pass.

    Parameters
    ----------
    tokens : float or array
        Positions that each matrix or kernel is applied to. [1]
    pairs : float or array
        (query, key) pairs of attention. [1]
    times : int
        Equal layers, each with its own parameters. [1]
    first : bool
        The first layer of the network, which needs no gradient of its input.
    """

    tokens: Quantity
    pairs: Quantity = 0.0
    times: int = 1
    first: bool = False


def lines(costs: Costs, reach: Reach, prefix: str = "") -> Iterator[Line]:
    """Lines of `costs` paid as far as `reach` says, names behind `prefix`.

    >>> from estimator.workload.blocks import linear
    >>> dict(lines({"head": linear(2, 3)}, Reach(tokens=4.0), prefix="text/"))
    {'text/head': Term(params=6, active_params=6, flop=48.0, backward_ratio=2.0)}
    """
    for part, cost in costs.items():
        flop = cost.flop_per_token * reach.tokens + cost.flop_per_pair * reach.pairs
        yield (
            prefix + part,
            Term(
                params=reach.times * cost.params,
                active_params=reach.times * cost.active_params,
                flop=reach.times * flop,
                backward_ratio=1.0 if reach.first else 2.0,
            ),
        )


def prefixed(inner: Iterable[Line], prefix: str) -> Iterator[Line]:
    """The lines of a part of a network, names behind `prefix`."""
    return ((prefix + name, term) for name, term in inner)


def added(all_lines: Iterable[Line]) -> dict[str, Term]:
    """Lines of one name added up, empty ones dropped; a name keeps one backward ratio."""
    terms: dict[str, Term] = {}
    for name, line in all_lines:
        held = terms.get(name, Term(backward_ratio=line.backward_ratio))
        terms[name] = Term(
            params=held.params + line.params,
            active_params=held.active_params + line.active_params,
            flop=held.flop + line.flop,
            backward_ratio=line.backward_ratio,
        )
    return {name: term for name, term in terms.items() if _counts(term)}


def sequence(inputs: Inputs, longest: int, name: str = "seq_len") -> tuple[Quantity, Quantity]:
    """Batch and length of the sequences, and the default length: 2048, or all the model holds."""
    batch = quantity("batch", inputs.batch)
    default = min(longest, DEFAULT_TOKENS)
    return batch, quantity(name, default if inputs.seq_len is None else inputs.seq_len)


def length_warning(seq_len: Quantity, longest: int) -> tuple[str, ...]:
    """What to say about sequences beyond a model with `longest` positions."""
    if np.all(np.asarray(seq_len) <= longest):
        return ()
    return (f"seq_len {float(np.max(seq_len)):.0f} is beyond the model's {longest} positions",)


def merged(*parts: Costs) -> Costs:
    """Costs of one name in several parts added up: the layers of a short block.

    >>> from estimator.workload.blocks import held
    >>> merged({"norm": held(2)}, {"norm": held(3)})["norm"].params
    5
    """
    total: dict[str, Cost] = {}
    for part in parts:
        for name, cost in part.items():
            held = total.get(name, Cost())
            total[name] = Cost(
                params=held.params + cost.params,
                active_params=held.active_params + cost.active_params,
                flop_per_token=held.flop_per_token + cost.flop_per_token,
                flop_per_pair=held.flop_per_pair + cost.flop_per_pair,
            )
    return total


def _counts(term: Term) -> bool:
    """Whether the term holds or costs anything."""
    return term.params > 0 or bool(np.any(np.asarray(term.flop) > 0))
