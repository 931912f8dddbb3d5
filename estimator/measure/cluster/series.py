"""Samples of one component from scraped series: merged, resets undone, cut to a window."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import reduce

import numpy as np

from estimator.measure.cluster.prometheus import MetricSeries, Numbers, Window
from estimator.runs.energy import GAP_PERIODS, SANE_TIMES_LIMIT, EnergySummary
from estimator.runs.meter import Sample

RANGES_J = (65_532.610987, 65_712.999613, 262_143.328850)
"""Wrap-around points of RAPL counters [J]: 32 bits of 15.259, 15.3 and 61.035 uJ, from powercap."""

MIRRORED_J = 10.0
"""Largest difference between counters that duplicate each other [J]."""


def merged(series: Sequence[MetricSeries]) -> MetricSeries:
    """Merge series of the same quantity, with the largest value per time.

    A partitioned board repeats its power for each part, and labels change as jobs come and go.

    >>> first = MetricSeries(time_s=np.array([0.0, 15.0]), value=np.array([50.0, 52.0]))
    >>> later = MetricSeries(time_s=np.array([15.0, 30.0]), value=np.array([52.0, 54.0]))
    >>> merged([first, later]).value
    array([50., 52., 54.])
    """
    if len(series) == 1:
        return series[0]
    time_s = np.concatenate([one.time_s for one in series])
    value = np.concatenate([one.value for one in series])
    order = np.lexsort((-value, time_s))
    time_s, first = np.unique(time_s[order], return_index=True)
    return MetricSeries(time_s=time_s, value=value[order][first])


def summed(series: Sequence[MetricSeries]) -> MetricSeries:
    """Sum of several series at their common times."""
    common_s = reduce(np.intersect1d, [one.time_s for one in series])
    parts = [one.value[np.isin(one.time_s, common_s)] for one in series]
    return MetricSeries(time_s=common_s, value=np.sum(parts, axis=0))


def without_mirrors(series: Sequence[MetricSeries]) -> list[MetricSeries]:
    """Remove counters that duplicate another, as some dies of one package do."""
    kept: list[MetricSeries] = []
    for one in series:
        if not any(_is_mirror(one, other) for other in kept):
            kept.append(one)
    return kept


def _is_mirror(one: MetricSeries, other: MetricSeries) -> bool:
    common_s = np.intersect1d(one.time_s, other.time_s)
    if len(common_s) < 2:
        return False
    ours = one.value[np.isin(one.time_s, common_s)]
    others = other.value[np.isin(other.time_s, common_s)]
    return bool(np.ptp(ours) > MIRRORED_J and np.abs(ours - others).max() <= MIRRORED_J)


def without_resets(
    counter: MetricSeries, limit_w: float, ranges_j: Sequence[float] = ()
) -> tuple[MetricSeries, int]:
    """Return a counter with its resets undone, and their number.

    The value after a reset counts as gained, and the gain since the last reading before it is lost.
    A drop in a gap, or to an impossibly high value, is kept, as no energy can be derived across it.
    Wraps at `ranges_j` [J] are not resets.

    At `ranges_j` it may wrap [J], which is no reset.

    >>> series = MetricSeries(time_s=np.arange(4) * 15.0, value=np.array([9e2, 1e3, 20.0, 120.0]))
    >>> on, resets = without_resets(series, limit_w=10)
    >>> on.value, resets
    (array([ 900., 1000., 1020., 1120.]), 1)
    """
    if len(counter.time_s) < 2:
        return counter, 0
    length_s = np.diff(counter.time_s)
    most_j = SANE_TIMES_LIMIT * limit_w * length_s
    before_j, after_j = counter.value[:-1], counter.value[1:]
    back = after_j < before_j
    lifted_j = _wraps_j(before_j, after_j, length_s, most_j, ranges_j)
    wrapped = lifted_j > 0
    near = length_s <= GAP_PERIODS * np.median(length_s)
    reset = back & ~wrapped & near & (after_j <= most_j)
    lifted_j[reset] = before_j[reset]
    value = counter.value + np.concatenate([[0.0], np.cumsum(lifted_j)])
    return MetricSeries(time_s=counter.time_s, value=value), int(reset.sum())


def with_resets(summary: EnergySummary, component: str, resets: int) -> EnergySummary:
    """Energy of a component with a note on its resets."""
    if not resets:
        return summary
    note = f"{component}: the energy counter began anew {resets} times; what it had is kept"
    return replace(summary, notes=(*summary.notes, note))


def _wraps_j(
    before_j: Numbers,
    after_j: Numbers,
    length_s: Numbers,
    most_j: Numbers,
    ranges_j: Sequence[float],
) -> Numbers:
    """Return the energy lost at each wrap [J], from the range closest to the typical gain."""
    back = after_j < before_j
    taken_j, strange_j = np.zeros(len(length_s)), np.full(len(length_s), np.inf)
    usual_w = np.median((after_j - before_j)[~back] / length_s[~back]) if (~back).any() else 0.0
    for range_j in ranges_j:
        gained_j = after_j + range_j - before_j
        off_j = np.abs(gained_j - usual_w * length_s)
        fits = back & (gained_j >= 0) & (gained_j <= most_j) & (before_j <= range_j)
        nearest = fits & (off_j < strange_j)
        taken_j[nearest], strange_j[nearest] = range_j, off_j[nearest]
    return taken_j


def inside(series: MetricSeries, window: Window) -> MetricSeries:
    """Part of a series in a window, interpolated at edges with samples on both sides."""
    time_s, value = series.time_s, series.value
    edges = list(_edges(time_s, window))
    kept = (time_s >= window.start_s) & (time_s <= window.end_s)
    all_s = np.concatenate([time_s[kept], edges])
    all_values = np.concatenate([value[kept], np.interp(edges, time_s, value) if edges else []])
    order = np.argsort(all_s, kind="stable")
    return MetricSeries(time_s=all_s[order], value=all_values[order])


def _edges(time_s: Numbers, window: Window) -> Iterator[float]:
    """Edges of the window between two samples without a gap."""
    if len(time_s) < 2:
        return
    length_s = np.diff(time_s)
    usual_s = GAP_PERIODS * np.median(length_s)
    for edge_s in (window.start_s, window.end_s):
        after = int(np.searchsorted(time_s, edge_s))
        between = 0 < after < len(time_s) and time_s[after] != edge_s
        if between and length_s[after - 1] <= usual_s:
            yield edge_s


def samples_of(power: MetricSeries | None, energy: MetricSeries | None) -> list[Sample]:
    """Samples of power [W] and of an energy counter [J], in time order."""
    found = [*_samples(power, "power_w"), *_samples(energy, "energy_j")]
    return sorted(found, key=lambda one: one.time_s)


def _samples(series: MetricSeries | None, name: str) -> Iterable[Sample]:
    if series is None:
        return []
    pairs = zip(series.time_s.tolist(), series.value.tolist(), strict=True)
    return [Sample(**{"time_s": time_s, name: value}) for time_s, value in pairs]
