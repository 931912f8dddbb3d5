"""Work of a network: the lines of its forward pass, summed up in a ledger.

A line is a name and a term; lines with the same name are added, so a repeated layer is one line of
the ledger. All networks are read this way: decoders, encoders, speech and vision models, conv nets,
state spaces, diffusion models.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from estimator.core.messages import refuse
from estimator.networks.blocks import Costs
from estimator.networks.fields import Fields
from estimator.networks.ledger import (
    Architecture,
    CacheLayers,
    Inputs,
    Ledger,
    Quantity,
    Term,
    quantity,
)

Line = tuple[str, Term]

DEFAULT_TOKENS = 2048
"""Default sequence length [token], or the model's maximum if shorter."""


@dataclass(frozen=True, kw_only=True)
class Pass:
    """Forward pass: its lines, items, and warnings."""

    lines: Iterable[Line]
    items: Quantity
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Network:
    """Network, as the pass it makes over inputs.

    Parameters
    ----------
    run : function
        Function from inputs to the pass.
    model_type, name, warnings : str, str, tuple of str
        Passed on to the ledger.
    cache : tuple of CacheLayers
        Key-value cache, empty if the network does not generate tokens.
    item_unit : str
        Unit of the pass's items.
    text : Architecture or None
        Inner language model of a multimodal one; only it runs for output tokens.

    >>> net = Network(run=lambda inputs: Pass(lines=[("a", Term(params=2)), ("a", Term(params=3))],
    ...                                       items=inputs.batch))
    >>> net.ledger(Inputs()).params_total
    5
    """

    run: Callable[[Inputs], Pass]
    model_type: str = ""
    name: str = ""
    warnings: tuple[str, ...] = ()
    cache: tuple[CacheLayers, ...] = ()
    item_unit: str = "token"
    text: Architecture | None = None

    def ledger(self, inputs: Inputs) -> Ledger:
        """Count the ledger of one forward pass; refuse inputs that are too small."""
        done = self.run(inputs)
        if not np.all(np.asarray(done.items) > 0):
            raise refuse("no_items_left")
        return Ledger(
            terms=added(done.lines),
            items=done.items,
            item_unit=self.item_unit,
            model_type=self.model_type,
            name=self.name or self.model_type,
            cache=self.cache,
            warnings=self.warnings + done.warnings,
        )


def network(
    fields: Fields,
    run: Callable[[Inputs], Pass],
    notes: tuple[str, ...] = (),
    *,
    cache: tuple[CacheLayers, ...] = (),
    item_unit: str = "token",
) -> Network:
    """Return the network of a config, with its name and notes."""
    return Network(
        run=run,
        model_type=fields.text("model_type") or fields.text("_class_name"),
        name=fields.text("_name_or_path"),
        warnings=fields.notes + notes,
        cache=cache,
        item_unit=item_unit,
    )


def lines(
    costs: Costs,
    tokens: Quantity,
    *,
    pairs: Quantity = 0.0,
    times: int = 1,
    first: bool = False,
    prefix: str = "",
) -> Iterator[Line]:
    """Return the lines of `costs`, with their multiplicity in a pass.

    Parameters
    ----------
    tokens : float or array
        Positions that each matrix or kernel is applied to. [1]
    pairs : float or array
        (query, key) pairs of attention. [1]
    times : int
        Equal layers, each with its own parameters. [1]
    first : bool
        Whether it is the first layer, which needs no input gradient.
    prefix : str
        Prefix of every name.

    >>> from estimator.networks.blocks import linear
    >>> dict(lines({"head": linear(2, 3)}, 4.0, prefix="text/"))["text/head"].flop
    48.0
    """
    for part, cost in costs.items():
        flop = cost.flop_per_token * tokens + cost.flop_per_pair * pairs
        yield (
            prefix + part,
            Term(
                params=times * cost.params,
                active_params=times * cost.active_params,
                flop=times * flop,
                backward_ratio=1.0 if first else 2.0,
                is_embedding=cost.is_embedding,
            ),
        )


def crossing(
    costs: Costs,
    batch: Quantity,
    asking: Quantity,
    seen: Quantity,
    *,
    times: int = 1,
    prefix: str = "",
) -> Iterator[Line]:
    """Return the cross-attention lines: keys and values of `seen` positions, the rest of `asking`.

    Both are per sequence of `batch`; all `asking` positions attend to all `seen`.

    >>> from estimator.networks.blocks import linear
    >>> costs = {"attention/query": linear(2, 2), "attention/key": linear(2, 2)}
    >>> [term.flop for _, term in crossing(costs, 1.0, 1.0, 5.0)]
    [8.0, 40.0]
    """
    pairs = asking * seen / batch
    for part, cost in costs.items():
        positions = seen if part.endswith(("/key", "/value")) else asking
        yield from lines({part: cost}, positions, pairs=pairs, times=times, prefix=prefix)


def prefixed(inner: Iterable[Line], prefix: str) -> Iterator[Line]:
    """Return the lines of a part of a network, with prefixed names."""
    return ((prefix + name, term) for name, term in inner)


def added(all_lines: Iterable[Line]) -> dict[str, Term]:
    """Add lines with the same name and drop empty ones; a name has one backward ratio."""
    terms: dict[str, Term] = {}
    for name, line in all_lines:
        terms[name] = terms[name] + line if name in terms else line
    return {name: term for name, term in terms.items() if _counts(term)}


def sequence(inputs: Inputs, longest: int) -> tuple[Quantity, Quantity]:
    """Return the batch and length of sequences, by default 2048 or the model's maximum."""
    return quantity("batch", inputs.batch), length(inputs, min(longest, DEFAULT_TOKENS))


def length(inputs: Inputs, usual: float) -> Quantity:
    """Return the length of sequences, with a default."""
    return quantity("seq_len", usual if inputs.seq_len is None else inputs.seq_len)


def length_warning(seq_len: Quantity, longest: int) -> tuple[str, ...]:
    """Return a warning for sequences beyond a model's `longest` positions."""
    if np.all(np.asarray(seq_len) <= longest):
        return ()
    return (f"seq_len {float(np.max(seq_len)):.0f} is beyond the model's {longest} positions",)


def _counts(term: Term) -> bool:
    """Return whether the term has parameters or FLOPs."""
    return term.params > 0 or bool(np.any(np.asarray(term.flop) > 0))


def attended_pairs(seq_len: Quantity, window: int | None, inputs: Inputs) -> Quantity:
    """Return the number of (query, key) pairs of one sequence in one layer.

    Full attention counts S x S; a window W counts the band S W - W^2 / 2, doubled unless causal, so
    that W = S gives S x S.

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
