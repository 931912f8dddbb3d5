"""Held-out score by group of runs, with baselines and the worst misses."""

import csv
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from estimator.catalog import Catalog, once
from estimator.core.phrase import Phrase, say
from estimator.core.rows import Mask, Texts, rows_of
from estimator.core.uncertainty import z_score
from estimator.core.units import CENTRAL, in_percent
from estimator.networks.kinds import kind_of_domain
from estimator.training.features import prior_model
from estimator.validation.cross_validation import (
    Blind,
    Points,
    Score,
    as_answered,
    blind_predictions,
    constant_utilization,
    errors_of,
    points,
    score,
)
from estimator.validation.published_runs import PublishedRuns, usable_runs

BASELINES = {"constant_0.30": 0.30, "constant_0.375": 0.375}
"""Constant utilizations of calculators [1]: a rule of thumb, and Epoch AI's."""

BASELINE_LOG_SD = 0.5
"""Log standard deviation assigned to a constant utilization, which has none [1]."""

LARGE_RUN_FLOP = 1e20
"""Work from which a language run counts as large [FLOP]."""

KIND = "network: "
"""Prefix of groups by network kind."""

FEWEST_OF_A_KIND = 8
"""Least runs of a kind in the mean over kinds [1]."""

FEWEST = 5
"""Least runs of a group with its own score [1]."""

WORSE = "worse than a constant"
"""Remark on a group that a constant predicts better."""

WORST = 10

EARLIER = "earlier_scores.csv"
"""Table of the previous model's scores, in `runs`."""


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Held-out score of device-hours.

    Parameters
    ----------
    published : PublishedRuns
        Scored runs.
    blind : Blind
        Predictions without the run's family.
    by_stack : Blind
        Predictions without the run's benchmark, software collection or model line; used for the
        headline.
    """

    published: PublishedRuns
    blind: Blind
    by_stack: Blind

    @cached_property
    def overall(self) -> Points:
        """Score of all runs without its range, whole stacks held out."""
        return points(self.by_stack, self.published.stacks)

    def headline(self, runs: str = "{count} published runs") -> Phrase:
        """Score in one sentence, the same in README, `validate` and the app.

        `runs` names the runs that are scored, if they are only some.
        """
        ours = self.overall
        return say(
            "Predicted without their own software stack, the device-hours of {runs} have a "
            "median error of {error}; the 80% interval covers {coverage} of them.",
            runs=runs.format(count=ours.count),
            error=in_percent(ours.median_error),
            coverage=in_percent(ours.coverage),
        )

    @cached_property
    def scores(self) -> Mapping[str, tuple[Score, Mapping[str, float]]]:
        """Group -> score, and the baselines' median errors on the same runs."""
        family = self.published.runs.family
        return {
            name: (score(rows_of(self.blind, chosen), family[chosen]), self._baselines(chosen))
            for name, chosen in self._groups.items()
        }

    @cached_property
    def stack_scores(self) -> Mapping[str, Score]:
        """Group -> score with whole stacks held out."""
        stacks = self.published.stacks
        return {
            name: score(rows_of(self.by_stack, chosen), stacks[chosen])
            for name, chosen in self._groups.items()
        }

    @cached_property
    def _groups(self) -> Mapping[str, Mask]:
        """Scored groups; all runs together are always scored."""
        groups = groups_of_runs(self.published)
        return {one: runs for one, runs in groups.items() if one == "all" or runs.sum() >= FEWEST}

    def _baselines(self, chosen: Mask) -> dict[str, float]:
        """Return the median error of each baseline on some runs [1]."""
        runs = self.published.runs
        errors = {
            name: errors_of(constant_utilization(runs, value, BASELINE_LOG_SD))
            for name, value in BASELINES.items()
        }
        return {name: float(np.median(error[chosen])) for name, error in errors.items()}

    @property
    def left_out(self) -> Mapping[str, int]:
        """Reason -> rows of the table that could not be scored [1]."""
        return self.published.left_out

    def part(self, chosen: Mask) -> "HeldOut":
        """Return the same predictions, scored on a subset of runs.

        Raises
        ------
        ValueError
            If no run is selected.
        """
        if not chosen.any():
            raise ValueError("no runs to score")
        whole = self.published
        published = replace(
            whole,
            runs=rows_of(whole.runs, chosen),
            rows=[row for row, kept in zip(whole.rows, chosen, strict=True) if kept],
            groups=whole.groups[chosen],
            devices=whole.devices[chosen],
            like=whole.like[chosen],
            own_variance=whole.own_variance[chosen],
            stacks=whole.stacks[chosen],
        )
        return HeldOut(
            published=published,
            blind=rows_of(self.blind, chosen),
            by_stack=rows_of(self.by_stack, chosen),
        )

    @property
    def mean_over_kinds(self) -> tuple[float, float]:
        """Mean over network kinds of the median error, held out by family and by stack [1].

        Independent of the number of published runs per kind.
        """
        kinds = [
            name
            for name, (ours, _) in self.scores.items()
            if name.startswith(KIND) and ours.count >= FEWEST_OF_A_KIND
        ] or ["all"]
        return (
            float(np.mean([self.scores[name][0].median_error for name in kinds])),
            float(np.mean([self.stack_scores[name].median_error for name in kinds])),
        )

    def as_json(self, *, with_runs: bool) -> dict[str, Any]:
        """Return scores by group, baselines, rows left out, and optionally the runs."""
        whole: dict[str, Any] = {
            "groups": {
                name: asdict(ours)
                | {"baselines": dict(baselines), "by_stack": asdict(self.stack_scores[name])}
                for name, (ours, baselines) in self.scores.items()
            },
            "mean_over_kinds": dict(
                zip(("by_family", "by_stack"), self.mean_over_kinds, strict=True)
            ),
            "left_out": dict(self.left_out),
        }
        return whole | ({"runs": self.run_rows()} if with_runs else {})

    def group_rows(self) -> list[dict[str, Any]]:
        """Return the group's scores as one flat row."""
        return [
            {
                "group": name,
                **asdict(ours),
                **{f"by_stack_{key}": of for key, of in asdict(self.stack_scores[name]).items()},
                **baselines,
                "remark": self._remark(name),
            }
            for name, (ours, baselines) in self.scores.items()
        ]

    def _remark(self, group: str) -> str:
        """Return the remark on a group that a constant predicts better."""
        _, baselines = self.scores[group]
        worse = self.stack_scores[group].median_error > min(baselines.values())
        return WORSE if worse else ""

    def worst_first(self) -> list[int]:
        """Indices of the runs, the largest error first."""
        places: list[int] = np.argsort(-np.abs(self.by_stack.log_ratio)).tolist()
        return places

    def run_rows(self) -> list[dict[str, Any]]:
        """Return one flat row per run, worst first."""
        runs = self.published.runs
        predicted = runs.device_hours * np.exp(self.by_stack.log_ratio)
        spread = np.exp(z_score(CENTRAL) * self.by_stack.log_sd)
        return [
            {
                "name": self.published.rows[place]["name"],
                "family": str(runs.family[place]),
                "hardware": str(self.published.devices[place]),
                "group": str(self.published.groups[place]),
                "training_flop": float(runs.flop[place]),
                "device_hours_reported": float(runs.device_hours[place]),
                "device_hours_low": float(predicted[place] / spread[place]),
                "device_hours_mid": float(predicted[place]),
                "device_hours_high": float(predicted[place] * spread[place]),
                "source": self.published.rows[place]["source"],
            }
            for place in self.worst_first()
        ]


@once
def blind_runs(catalog: Catalog, by: str) -> Blind:
    """Predict every usable published run without its `family` or its `stack`."""
    found = usable_runs(catalog)
    return blind_predictions(
        prior_model(catalog), found.runs, found.tables, found.like, found.own_variance, by=by
    )


@once
def validation_report(catalog: Catalog) -> HeldOut:
    """Predict every usable published run without its family, and score the predictions."""
    published = usable_runs(catalog)
    blind, by_stack = (
        as_answered(blind_runs(catalog, by), published.runs) for by in ("family", "stack")
    )
    return HeldOut(published=published, blind=blind, by_stack=by_stack)


@once
def earlier_scores(catalog: Catalog) -> dict[str, dict[str, float]]:
    """Group -> count, median error, bias and coverage of the previous model [1].

    The model of 2026-11-21 as shipped, on the runs it could answer. It was fitted to a third of
    them, so its errors are optimistic.
    """
    return {
        row["group"]: {name: float(value) for name, value in row.items() if name != "group"}
        for row in _rows(catalog, EARLIER)
    }


def stored_scores(catalog: Catalog, task: str) -> list[dict[str, str]]:
    """Return the stored score rows of `memory` or `serving`, as printed by `validate --task`.

    `python -m tests.validation.refit` renews them.
    """
    return _rows(catalog, f"{task}_scores.csv")


@once
def _rows(catalog: Catalog, name: str) -> list[dict[str, str]]:
    """Return the rows of a table in `runs`."""
    with (catalog.layers[0] / "runs" / name).open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def large_language(published: PublishedRuns) -> Mask:
    """Return the language runs of `LARGE_RUN_FLOP` or more."""
    kinds = np.array([kind_of_domain(row["domain"]) for row in published.rows])
    return np.asarray((kinds == "language") & (published.runs.flop >= LARGE_RUN_FLOP), dtype=bool)


def groups_of_runs(published: PublishedRuns) -> dict[str, Mask]:
    """Group runs by workload type, size, device generation and year."""
    kinds = np.array([kind_of_domain(row["domain"]) for row in published.rows])
    years = np.array([float(row["year"]) for row in published.rows])
    tiers = np.array([row["validation_tier"] for row in published.rows])
    large = large_language(published)
    groups = {"all": np.ones(len(kinds), dtype=bool), "language, 1e20 FLOP or more": large}
    groups["language, less"] = (kinds == "language") & ~large
    groups |= {kind: kinds == kind for kind in np.unique(kinds) if kind != "language"}
    groups |= {
        f"{KIND}{kind}": published.groups == kind for kind in np.unique(published.groups).tolist()
    }
    groups |= {"benchmark submissions": np.char.startswith(published.stacks, "mlperf ")}
    generations = generations_of(published)
    groups |= {f"on {name}": generations == name for name in GENERATIONS}
    groups |= {
        f"{first:.0f} to {last:.0f}": (years >= first) & (years <= last)
        for first, last in ((2012, 2018), (2019, 2021), (2022, 2023), (2024, 2026))
    }
    return groups | {f"tier {tier}": tiers == tier for tier in ("A", "B")}


GENERATIONS: Mapping[str, tuple[str, ...]] = {
    "p100": ("p100",),
    "v100": ("v100",),
    "a100": ("a100", "a800"),
    "h100": ("h100", "h200", "h800", "gh200"),
    "blackwell": ("b200", "b300", "gb200", "gb300"),
    "tpu": ("tpu",),
}
"""Device generation -> prefixes of the device ids that are scored together."""

OTHER = "other"


def generations_of(published: PublishedRuns) -> Texts:
    """Device generation of each run, `OTHER` outside `GENERATIONS`."""
    names = {prefix: name for name, prefixes in GENERATIONS.items() for prefix in prefixes}
    begun = [str(device).partition("-")[0] for device in published.devices]
    return np.array([names.get(word, OTHER) for word in begun])
