"""How right are we on what comes next: parts of the rows predicted from the others alone.

`python -m tests.validation.splits` prints it. Half of the families, stacks or sources, drawn at
random, predict the other half, again and again; and the runs of earlier years predict the later
ones. Parameters, growth and spreads are all fitted to the one part, which knows nothing of the
other; with half the rows the errors are a little larger than those of the shipped fit.
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from estimator.catalog import Catalog
from estimator.core.rows import rows_of
from estimator.core.uncertainty import Uncertain, z_score
from estimator.core.units import CENTRAL, in_percent, in_times
from estimator.validation.cross_validation import Blind
from estimator.validation.energy import held_out_ratio, power_ratio, power_spread, work_group
from estimator.validation.held_out import groups_of_runs, validation_report
from estimator.validation.memory import (
    TOO_LOW,
    Peaks,
    fitted_factors,
    held_out_gib,
    peaks_of,
    widths_elsewhere,
)
from estimator.validation.power_readings import Reading, own_readings, power_prior, readings
from estimator.validation.published_runs import PublishedRuns, usable_runs
from estimator.validation.splits import later_blind, split_runs

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Names = npt.NDArray[np.str_]

SPLITS = 10
SEED = 11
"""Random halves drawn, and where they start [1]."""

LAST_YEARS = (2020, 2021, 2022, 2023)
"""Last years of the runs that predict the later ones."""

OWN = "memory-h100"
"""Source of the peaks that were not published but measured for the table."""

FEWEST = 3
"""Groups of fewer rows in a split say nothing of it [1]."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """Rows that were predicted from the others, and how.

    Parameters
    ----------
    scored : array of bool
        Which rows.
    blind : Blind
        Their predictions, in order.
    """

    scored: Mask
    blind: Blind

    def of(self, group: Mask) -> Blind:
        """Predictions of a group of all rows; what could not be predicted is left out."""
        known = ~np.isnan(self.blind.log_ratio + self.blind.log_sd)
        return rows_of(self.blind, group[self.scored] & known)


@dataclass(frozen=True, kw_only=True)
class SplitScore:
    """How right the predictions of several splits are.

    Parameters
    ----------
    rows : float
        Rows of a split in the mean [1].
    median_error, bias, coverage, too_low, crps : float
        Median over the splits of their median error, of their median ratio, of the share inside
        the 80% interval, of the share more than 15% too low, and of their mean `crps` [1].
    least_coverage, most_coverage : float
        Central 80% of the coverage over the splits [1].
    """

    rows: float
    median_error: float
    bias: float
    coverage: float
    least_coverage: float
    most_coverage: float
    too_low: float
    crps: float


def crps(blind: Blind) -> Floats:
    """Continuous ranked probability score of each prediction, of the logarithm [1]_ [1].

    A proper score: in the mean nothing lowers it but a truer middle or a truer spread.

    References
    ----------
    .. [1] T. Gneiting, A. E. Raftery, "Strictly proper scoring rules, prediction, and estimation",
       2007, J. Am. Stat. Assoc. 102, sec. 4.2.
    """
    off = blind.log_ratio / blind.log_sd
    inside = np.array([math.erf(one / math.sqrt(2.0)) for one in off.tolist()])
    density = np.exp(-(off**2) / 2.0) / math.sqrt(2.0 * math.pi)
    scores: Floats = blind.log_sd * (off * inside + 2.0 * density - 1.0 / math.sqrt(math.pi))
    return scores


def halves(names: Names, count: int) -> Iterator[Mask]:
    """Rows of half of the names, drawn at random, `count` times."""
    every, draws = np.unique(names), np.random.default_rng(SEED)
    for _ in range(count):
        yield np.isin(names, draws.permutation(every)[: len(every) // 2])


def split_of(catalog: Catalog, published: PublishedRuns, fitted_on: Mask, by: str) -> Split:
    """Predict runs from others and from tables of neither's families or stacks."""
    held = np.unique(getattr(published.runs, by)[~fitted_on])
    tables = rows_of(published.tables, ~np.isin(getattr(published.tables, by), held))
    return Split(scored=~fitted_on, blind=split_runs(catalog, published, fitted_on, tables, by=by))


def predicted_apart(fitted_on: Peaks, scored: Peaks) -> Blind:
    """Predictions of peaks by factors, and uncertainty by errors, of others alone."""
    off = np.log(held_out_gib(fitted_on)) - fitted_on.log_peak
    ratio = np.log(scored.predicted_gib(fitted_factors(fitted_on))) - scored.log_peak
    widths = widths_elsewhere(np.abs(off) / fitted_on.log_sd, fitted_on, scored.tasks)
    return Blind(log_ratio=ratio, log_sd=scored.log_sd * widths)


def split_peaks(peaks: Peaks, fitted_on: Mask) -> Split:
    """Predict peaks of memory from others."""
    blind = predicted_apart(rows_of(peaks, fitted_on), rows_of(peaks, ~fitted_on))
    return Split(scored=~fitted_on, blind=blind)


def power_apart(
    fitted_on: Sequence[Reading],
    scored: Sequence[Reading],
    prior: Mapping[str, Uncertain],
    tpu_load: float,
    own: Sequence[Reading] = (),
) -> Blind:
    """Predictions of readings by a model, and uncertainty by errors, of others alone.

    A TPU of which the others hold no system power is NaN.
    """
    found = held_out_ratio(fitted_on, prior, tpu_load, own)
    known = ~np.isnan(found)
    group = np.array([work_group(one) for one in fitted_on])[known]
    family = np.array([one.family for one in fitted_on])[known]
    spreads = {
        of: power_spread(found[known][group == of], family[group == of])
        for of in np.unique(group).tolist()
    }
    sd = np.array([spreads.get(work_group(one), np.nan) for one in scored])
    ratio = power_ratio([*fitted_on, *own], scored, prior, tpu_load)
    return Blind(log_ratio=ratio, log_sd=sd)


def split_power(catalog: Catalog, found: Sequence[Reading], fitted_on: Mask) -> Split:
    """Predict readings of power from others, the hours given."""
    which = (np.flatnonzero(part).tolist() for part in (fitted_on, ~fitted_on))
    known, scored = ([found[place] for place in places] for places in which)
    load = catalog.prior("power.load.tpu").value
    blind = power_apart(known, scored, power_prior(catalog), load, own_readings(catalog))
    return Split(scored=~fitted_on, blind=blind)


def split_scores(splits: Sequence[Split], groups: Mapping[str, Mask]) -> dict[str, SplitScore]:
    """Score of every group that some split has rows enough of."""
    scores = {}
    for name, group in groups.items():
        parts = [part for part in (one.of(group) for one in splits) if len(part.log_sd) >= FEWEST]
        if parts:
            scores[name] = _score(parts)
    return scores


def _score(parts: Sequence[Blind]) -> SplitScore:
    off = [part.log_ratio for part in parts]
    inside = [np.mean(np.abs(part.log_ratio) <= z_score(CENTRAL) * part.log_sd) for part in parts]
    least, middle, most = np.quantile(inside, ((1 - CENTRAL) / 2, 0.5, (1 + CENTRAL) / 2))
    return SplitScore(
        rows=float(np.mean([len(one) for one in off])),
        median_error=float(np.median([np.median(np.abs(np.expm1(one))) for one in off])),
        bias=float(np.exp(np.median([np.median(one) for one in off]))),
        coverage=float(middle),
        least_coverage=float(least),
        most_coverage=float(most),
        too_low=float(np.median([np.mean(one < np.log(TOO_LOW)) for one in off])),
        crps=float(np.median([np.mean(crps(part)) for part in parts])),
    )


def run_scores(catalog: Catalog, count: int, by: str) -> dict[str, SplitScore]:
    """Device-hours: half of the families or stacks predict the others."""
    published = usable_runs(catalog)
    names = getattr(published.runs, by)
    splits = [split_of(catalog, published, half, by) for half in halves(names, count)]
    return split_scores(splits, groups_of_runs(published))


def held_out_scores(catalog: Catalog, by: str) -> dict[str, SplitScore]:
    """Device-hours: each family or stack predicted from the others, as `validate` does."""
    report = validation_report(catalog)
    blind = report.blind if by == "family" else report.by_stack
    whole = Split(scored=np.ones(len(blind.log_sd), dtype=bool), blind=blind)
    return split_scores([whole], groups_of_runs(report.published))


def later_scores(catalog: Catalog, last: int) -> dict[str, SplitScore]:
    """Device-hours: runs up to a year predict the later ones."""
    published = usable_runs(catalog)
    later, blind = later_blind(catalog, published, last)
    return split_scores([Split(scored=later, blind=blind)], groups_of_runs(published))


def memory_scores(catalog: Catalog, count: int) -> dict[str, SplitScore]:
    """Peaks of memory: half of the sources predict the others."""
    peaks = peaks_of(catalog)
    splits = [split_peaks(peaks, half) for half in halves(peaks.sources, count)]
    tasks = {f"task: {task}": peaks.tasks == task for task in np.unique(peaks.tasks).tolist()}
    groups = {"all": np.ones(len(peaks.fixed), dtype=bool), "published": peaks.sources != OWN}
    return split_scores(splits, groups | tasks)


def power_scores(catalog: Catalog, count: int) -> dict[str, SplitScore]:
    """Power of runs with a meter: half of the families predict the others."""
    found = readings(catalog)
    families = np.array([one.family for one in found])
    splits = [split_power(catalog, found, half) for half in halves(families, count)]
    scopes = np.array([one.scope for one in found])
    groups = {f"meter: {scope}": scopes == scope for scope in np.unique(scopes).tolist()}
    return split_scores(splits, {"all": np.ones(len(found), dtype=bool), **groups})


def _print(title: str, scores: Mapping[str, SplitScore]) -> None:
    heads = f"{'rows':>6}{'error':>7}{'ratio':>8}{'in 80%':>9}{'of splits':>15}"
    heads += f"{'too low':>9}{'CRPS':>8}"
    sys.stdout.write(f"\n{title}\n{'':31}{heads}\n")
    for name, one in scores.items():
        spread = f"{in_percent(one.least_coverage)} to {in_percent(one.most_coverage)}"
        sys.stdout.write(
            f"{name:31}{one.rows:6.0f}{in_percent(one.median_error):>7}{in_times(one.bias):>8}"
            f"{in_percent(one.coverage):>9}{spread:>15}{in_percent(one.too_low):>9}{one.crps:8.3f}\n"
        )


def main() -> None:
    """Print the scores of all splits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--splits", type=int, default=SPLITS, help="random halves (default: 10)")
    count: int = parser.parse_args().splits
    catalog = Catalog.open()
    tables: dict[str, Callable[[], dict[str, SplitScore]]] = {
        "Device-hours, each family by the others": lambda: held_out_scores(catalog, "family"),
        "Device-hours, each stack by the others": lambda: held_out_scores(catalog, "stack"),
        "Device-hours, half of the families": lambda: run_scores(catalog, count, "family"),
        "Device-hours, half of the stacks": lambda: run_scores(catalog, count, "stack"),
        "Peaks of memory, half of the sources": lambda: memory_scores(catalog, count),
        "Power, hours given, half of the families": lambda: power_scores(catalog, count),
    }
    for title, scores in tables.items():
        _print(title, scores())
    for last in LAST_YEARS:
        _print(f"Device-hours after {last}, by those until then", later_scores(catalog, last))


if __name__ == "__main__":
    main()
