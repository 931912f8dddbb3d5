"""Accuracy of the steady rate: published throughput tables, each family held out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from estimator.catalog import Catalog, once
from estimator.core.rows import Mask, rows_of
from estimator.training.features import prior_model, shipped_spreads
from estimator.validation.cross_validation import Blind, Score, log_hours_ratio, score
from estimator.validation.published_runs import usable_runs
from estimator.validation.set_aside import LONG_SEQUENCE
from estimator.validation.throughput import kind_of_row, rows_with, runs_of_rows
from estimator.validation.utilization_fit import PublishedArrays, concatenate_runs, fitted_logs

LAYOUT = ("tensor_parallel", "pipeline_parallel", "expert_parallel")
LAYOUT_NUMBERS = (*LAYOUT, "micro_batches", "virtual_stages")
"""Columns that describe the layout of a run."""

FEWEST = 5
"""Least rows of a group with its own score [1]."""

GIVEN, NOT_GIVEN = "layout given", "the same without their layout"


@dataclass(frozen=True, kw_only=True)
class SteadyRates:
    """Rows of throughput tables with held-out predictions.

    Parameters
    ----------
    runs : PublishedArrays
        Rows as runs of one hour.
    rows : list of dict
        The rows as in the table.
    blind, without_layout : Blind
        Predictions with, and without, the layout.
    """

    runs: PublishedArrays
    rows: list[dict[str, str]]
    blind: Blind
    without_layout: Blind

    def groups(self) -> dict[str, Mask]:
        """Return the rows of each group."""
        kinds = np.array([kind_of_row(row).group for row in self.rows])
        devices = np.array([row["accelerator"] for row in self.rows])
        return {
            "all": np.ones(len(self.rows), dtype=np.bool_),
            f"{LONG_SEQUENCE:,.0f} tokens or more": np.asarray(
                self.runs.features.seq_len >= LONG_SEQUENCE
            ),
            **{f"network: {kind}": kinds == kind for kind in np.unique(kinds).tolist()},
            **{f"on {device}": devices == device for device in np.unique(devices).tolist()},
        }

    def scores(self) -> dict[str, Score]:
        """Score by group, without small groups."""
        scores = {
            name: score(rows_of(self.blind, of), self.runs.family[of])
            for name, of in self.groups().items()
            if of.sum() >= FEWEST
        }
        laid_out = layout_given(self.runs)
        for name, blind in ((GIVEN, self.blind), (NOT_GIVEN, self.without_layout)):
            scores[name] = score(rows_of(blind, laid_out), self.runs.family[laid_out])
        return scores


@once
def steady_rates(catalog: Catalog) -> SteadyRates:
    """Predict every throughput row from a fit to the other families and the runs."""
    published = usable_runs(catalog)
    rows = rows_with(catalog, "yes")
    runs = runs_of_rows(rows, catalog, shipped_spreads(catalog))
    ratios = {name: np.empty(len(rows)) for name in (GIVEN, NOT_GIVEN)}
    prior = prior_model(catalog)
    near = fitted_logs(prior, concatenate_runs(published.runs, published.tables))
    for family in np.unique(runs.family):
        out = runs.family == family
        scored = rows_of(runs, out)
        others = _without(published.runs, published.tables, family)
        ratios[GIVEN][out] = log_hours_ratio(prior, others, scored, near)
        ratios[NOT_GIVEN][out] = log_hours_ratio(prior, others, without_layout(scored), near)
    blinds: Mapping[str, Blind] = {
        name: Blind(log_ratio=ratio, log_sd=np.asarray(runs.features.log_sd))
        for name, ratio in ratios.items()
    }
    return SteadyRates(runs=runs, rows=rows, blind=blinds[GIVEN], without_layout=blinds[NOT_GIVEN])


def layout_given(runs: PublishedArrays) -> Mask:
    """Return the rows with a stated layout."""
    given = [~np.isnan(getattr(runs.features.layout, name)) for name in LAYOUT]
    return np.asarray(np.any(given, axis=0))


def without_layout(runs: PublishedArrays) -> PublishedArrays:
    """Return the same runs without their layout."""
    unknown = np.full(len(runs.flop), np.nan)
    silent = replace(runs.features.layout, **dict.fromkeys(LAYOUT_NUMBERS, unknown))
    return replace(runs, features=replace(runs.features, layout=silent))


def _without(runs: PublishedArrays, tables: PublishedArrays, family: str) -> PublishedArrays:
    """Return the runs and tables outside a family and its software collection."""
    others = rows_of(runs, (runs.family != family) & (runs.stack != family))
    return concatenate_runs(others, rows_of(tables, tables.family != family))
