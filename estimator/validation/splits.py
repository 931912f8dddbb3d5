"""Splits of published runs: later ones predicted from earlier ones, set-aside ones from the rest.

Parameters, growth and spreads are all fitted to the one part, which knows nothing of the other.
"""

from collections.abc import Mapping

import numpy as np

from estimator.catalog import Catalog, once
from estimator.core.rows import Mask, rows_of
from estimator.training.features import SMALLEST_SD, prior_model
from estimator.validation.cross_validation import (
    Blind,
    Score,
    as_answered,
    blind_predictions,
    log_hours_ratio,
    score,
    spread_of,
)
from estimator.validation.held_out import FEWEST, groups_of_runs
from estimator.validation.published_runs import PublishedRuns, usable_runs
from estimator.validation.set_aside import set_aside_rates, set_aside_runs
from estimator.validation.utilization_fit import PublishedArrays, concatenate_runs

LAST_YEAR = 2022.0
"""Last year of the runs that predict later ones."""

LONG = "steady rate of long sequences"
"""Name of the throughput rows that were set aside."""


def split_runs(
    catalog: Catalog, published: PublishedRuns, fitted_on: Mask, tables: PublishedArrays, *, by: str
) -> Blind:
    """Predict the remaining runs from some runs and tables, as an answer would.

    Parameters
    ----------
    catalog : Catalog
        Catalog with the prior of the parameters.
    published : PublishedRuns
        All runs.
    fitted_on : array of bool
        Runs used for the fit.
    tables : PublishedArrays
        Throughput table rows used for the fit.
    by : str
        Unit held out to find the spread: `family` or `stack`.
    """
    prior, runs, own = prior_model(catalog), published.runs, published.own_variance
    known, scored = rows_of(runs, fitted_on), rows_of(runs, ~fitted_on)
    like, of_known = published.like[~fitted_on], published.like[fitted_on]
    blind = blind_predictions(prior, known, tables, of_known, own[fitted_on], by=by)
    spread = spread_of(blind.log_ratio, known, of_known).of(scored, like)
    log_sd = np.sqrt(np.maximum(spread**2 + own[~fitted_on], SMALLEST_SD**2))
    ratio = log_hours_ratio(prior, concatenate_runs(known, tables), scored)
    return as_answered(Blind(log_ratio=ratio, log_sd=log_sd), scored)


def later_blind(catalog: Catalog, published: PublishedRuns, last: float) -> tuple[Mask, Blind]:
    """Predict runs after a year from earlier ones."""
    earlier = np.array([float(row["year"]) <= last for row in published.rows])
    tables = rows_of(published.tables, np.asarray(published.tables.features.year) <= last)
    return ~earlier, split_runs(catalog, published, earlier, tables, by="stack")


@once
def later_scores(catalog: Catalog) -> dict[str, Score]:
    """Score runs after `LAST_YEAR` by group, with a fit to earlier runs."""
    published = usable_runs(catalog)
    later, blind = later_blind(catalog, published, LAST_YEAR)
    return _scores(published, later, blind)


@once
def set_aside_scores(catalog: Catalog) -> dict[str, Score]:
    """Score of the set-aside runs by stack, fitted to all others."""
    published = usable_runs(catalog)
    aside = set_aside_runs(published.stacks)
    tables = published.tables
    short = ~set_aside_rates(np.asarray(tables.features.seq_len))
    blind = split_runs(catalog, published, ~aside, rows_of(tables, short), by="stack")
    scores = _scores(published, aside, blind)
    stacks = published.stacks[aside]
    for stack in np.unique(stacks).tolist():
        of = stacks == stack
        scores[stack] = score(rows_of(blind, of), published.runs.family[aside][of])
    known = concatenate_runs(rows_of(published.runs, ~aside), rows_of(tables, short))
    long = rows_of(tables, ~short)
    ratio = log_hours_ratio(prior_model(catalog), known, long)
    blind = Blind(log_ratio=ratio, log_sd=np.asarray(long.features.log_sd))
    scores[LONG] = score(blind, long.family)
    return scores


def _scores(published: PublishedRuns, scored: Mask, blind: Blind) -> dict[str, Score]:
    """Score of each group with enough scored runs."""
    families = published.runs.family[scored]
    groups: Mapping[str, Mask] = {
        name: of[scored] for name, of in groups_of_runs(published).items()
    }
    return {
        name: score(rows_of(blind, of), families[of])
        for name, of in groups.items()
        if of.sum() >= FEWEST
    }
