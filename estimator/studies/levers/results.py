"""Measured effects of compression on accuracy, time and energy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from estimator.catalog import Catalog

THIN = 3
"""Number of sources below which evidence is thin."""

ACCURACIES = ("accuracy", "accuracy %", "top-1 %", "top-1", "test accuracy", "acc_norm", "F1")
"""Metrics with comparable relative losses."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """Published result.

    Parameters
    ----------
    lever, variant, model, task, metric, source : str
        As published.
    quality : bool
        Whether the metric is a quality rather than a speed or energy.
    before, after : float
        The metric without and with the lever.
    higher_is_better : bool
        Direction of the metric.
    bits, kept_share, speedup, energy_ratio : float, optional
        Bits per weight, share of parameters kept, and speed and energy relative to before [1].
    failed : bool
        Whether its authors call it a failure.
    """

    lever: str
    variant: str
    model: str
    task: str
    metric: str
    source: str
    quality: bool
    before: float
    after: float
    higher_is_better: bool
    bits: float | None
    kept_share: float | None
    speedup: float | None
    energy_ratio: float | None
    failed: bool

    def lost_share(self) -> float:
        """Share of quality lost, negative for a gain [1]."""
        change = self.after / self.before - 1
        return -change if self.higher_is_better else change

    @property
    def is_accuracy(self) -> bool:
        """Return whether the metric is an accuracy."""
        return self.quality and self.metric in ACCURACIES


@dataclass(frozen=True, kw_only=True)
class ResultSpread:
    """Summary of several results.

    Parameters
    ----------
    low, mid, high : float
        10th, 50th and 90th percentile.
    results, sources : int
        Number of results and of sources.
    """

    low: float
    mid: float
    high: float
    results: int
    sources: int

    @property
    def thin(self) -> bool:
        """Return whether it is based on too few sources."""
        return self.sources < THIN


def results(catalog: Catalog, *levers: str) -> list[Result]:
    """Return the published results of some or all levers."""
    every = catalog.once(
        "results of compression", lambda: tuple(map(_result, catalog.table("compression.csv")))
    )
    return [result for result in every if not levers or result.lever in levers]


def spread(values: Sequence[float], sources: Sequence[str]) -> ResultSpread:
    """Summarize results; raise ValueError if there are none.

    >>> spread([0.0, 0.1, 0.2], ["a", "a", "b"]).mid
    0.1
    """
    if not values:
        raise ValueError("no published result of this kind")
    low, mid, high = np.quantile(np.asarray(values, dtype=np.float64), [0.1, 0.5, 0.9])
    return ResultSpread(
        low=float(low),
        mid=float(mid),
        high=float(high),
        results=len(values),
        sources=len(set(sources)),
    )


def lost_accuracy(found: Sequence[Result]) -> ResultSpread:
    """Summarize the share of accuracy lost in some results [1]."""
    chosen = [result for result in found if result.is_accuracy]
    return spread([result.lost_share() for result in chosen], [one.source for one in chosen])


def measured(found: Sequence[Result], name: str) -> ResultSpread:
    """Summarize a measured ratio, "speedup" or "energy_ratio" [1]."""
    chosen = [result for result in found if getattr(result, name) is not None]
    return spread([getattr(result, name) for result in chosen], [one.source for one in chosen])


def _result(row: Mapping[str, str]) -> Result:
    words = ("lever", "variant", "model", "task", "metric", "source")
    numbers = ("bits", "kept_share", "speedup", "energy_ratio")
    cells: dict[str, Any] = {name: row[name] for name in words}
    cells |= {name: float(row[name]) if row[name] else None for name in numbers}
    return Result(
        **cells,
        quality=row["kind"] == "quality",
        before=float(row["before"]),
        after=float(row["after"]),
        higher_is_better=row["better"] == "higher",
        failed=row["failed"] == "yes",
    )
