"""How is the blind score told: by group of runs, beside the baselines, with the worst misses."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from estimator.catalog import Catalog
from estimator.network_kind import kind_of_domain
from estimator.published import PublishedRuns, usable_runs
from estimator.run_traits import prior_model
from estimator.uncertainty import z_score
from estimator.units import CENTRAL, digits
from estimator.validation import (
    Blind,
    Score,
    blind_predictions,
    constant_utilization,
    part_of,
    score,
)

BASELINES = {"constant_0.30": 0.30, "constant_0.375": 0.375}
"""Utilizations that calculators take for every run [1]: a rule of thumb, and Epoch AI's."""

BASELINE_LOG_SD = 0.5
"""Doubt ascribed to a constant utilization, which tells none [1]."""

LARGE_RUN_FLOP = 1e20
"""From here on a language run counts as large [FLOP]."""

FEWEST = 5
"""Groups of fewer runs are not told apart [1]."""

WORST = 10


@dataclass(frozen=True, kw_only=True)
class Report:
    """The blind score of the device-hours.

    Parameters
    ----------
    published : PublishedRuns
        The runs scored.
    blind : Blind
        Predictions of models that have not seen the family.
    scores : mapping of str to (Score, mapping of str to float)
        Group -> our score, and the median error of each baseline on the same runs.
    """

    published: PublishedRuns
    blind: Blind
    scores: Mapping[str, tuple[Score, Mapping[str, float]]]

    @property
    def left_out(self) -> Mapping[str, int]:
        """Reason -> rows of the table that could not be scored [1]."""
        return self.published.left_out

    def part(self, chosen: npt.NDArray[np.bool_]) -> "Report":
        """Return the same predictions, scored on the runs where `chosen` holds.

        Raises
        ------
        ValueError
            If no run is chosen.
        """
        whole = self.published
        published = replace(
            whole,
            runs=whole.runs.part(chosen),
            rows=[row for row, kept in zip(whole.rows, chosen, strict=True) if kept],
            groups=whole.groups[chosen],
            devices=whole.devices[chosen],
            untold=whole.untold[chosen],
        )
        return _report(published, part_of(self.blind, chosen))

    def headline(self) -> str:
        """The score in one sentence."""
        ours, baselines = self.scores["all"]
        return (
            f"Device-hours of {ours.count} published runs, each predicted without its family: "
            f"median error {ours.median_error:.0%}, against {baselines['constant_0.30']:.0%} for a "
            f"constant utilization of 0.30; the 80 % interval holds {ours.coverage:.0%}."
        )

    def as_json(self, *, with_runs: bool) -> dict[str, Any]:
        """One object: scores by group, baselines, rows left out, and the runs if asked."""
        told: dict[str, Any] = {
            "groups": {
                name: asdict(ours) | {"baselines": dict(baselines)}
                for name, (ours, baselines) in self.scores.items()
            },
            "left_out": dict(self.left_out),
        }
        return told | ({"runs": self.run_rows()} if with_runs else {})

    def group_rows(self) -> list[dict[str, Any]]:
        """One flat row per group."""
        return [
            {"group": name, **asdict(ours), **baselines}
            for name, (ours, baselines) in self.scores.items()
        ]

    def group_table(self) -> Iterator[Sequence[str]]:
        """One row per group for people."""
        for name, (ours, baselines) in self.scores.items():
            yield (
                name,
                str(ours.count),
                str(ours.families),
                f"{ours.median_error:.0%}",
                f"{ours.family_median_error:.0%}",
                f"{ours.within_2:.0%}",
                f"{ours.coverage:.0%}",
                *(f"{baselines[name]:.0%}" for name in BASELINES),
            )

    def run_rows(self) -> list[dict[str, Any]]:
        """One flat row per run, the worst first."""
        runs = self.published.runs
        predicted = runs.device_hours * np.exp(self.blind.log_ratio)
        spread = np.exp(z_score(CENTRAL) * self.blind.log_sd)
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
            for place in np.argsort(-np.abs(self.blind.log_ratio))
        ]

    def run_table(self) -> Iterator[Sequence[str]]:
        """One row per run for people, the worst first."""
        for row in self.run_rows():
            ratio = row["device_hours_mid"] / row["device_hours_reported"]
            yield (
                row["name"],
                row["hardware"],
                digits(row["device_hours_mid"]),
                digits(row["device_hours_reported"]),
                f"x {ratio:.2g}",
            )

    def worst_table(self) -> Iterator[Sequence[str]]:
        """Return the runs that were missed by most."""
        for _, row in zip(range(WORST), self.run_table(), strict=False):
            yield row


def validation_report(catalog: Catalog) -> Report:
    """Predict every usable published run without its family, and score the predictions."""
    published = usable_runs(catalog)
    blind = blind_predictions(
        prior_model(catalog), published.runs, published.tables, published.groups, published.untold
    )
    return _report(published, blind)


def _report(published: PublishedRuns, blind: Blind) -> Report:
    """Score predictions by group; all of them together however few they are."""
    baselines = {
        name: constant_utilization(published.runs, value, BASELINE_LOG_SD)
        for name, value in BASELINES.items()
    }
    scores = {}
    for name, chosen in _groups(published).items():
        family = published.runs.family[chosen]
        if chosen.sum() >= FEWEST or name == "all":
            scores[name] = (
                score(part_of(blind, chosen), family),
                {
                    key: score(part_of(other, chosen), family).median_error
                    for key, other in baselines.items()
                },
            )
    return Report(published=published, blind=blind, scores=scores)


def large_language(published: PublishedRuns) -> npt.NDArray[np.bool_]:
    """Tell which runs are language runs of `LARGE_RUN_FLOP` or more."""
    kinds = np.array([kind_of_domain(row["domain"]) for row in published.rows])
    return np.asarray((kinds == "language") & (published.runs.flop >= LARGE_RUN_FLOP), dtype=bool)


def _groups(published: PublishedRuns) -> dict[str, npt.NDArray[np.bool_]]:
    """Groups of runs by kind of work, size, device generation and year."""
    kinds = np.array([kind_of_domain(row["domain"]) for row in published.rows])
    years = np.array([float(row["year"]) for row in published.rows])
    tiers = np.array([row["validation_tier"] for row in published.rows])
    large = large_language(published)
    groups = {"all": np.ones(len(kinds), dtype=bool), "language, 1e20 FLOP or more": large}
    groups["language, less"] = (kinds == "language") & ~large
    groups |= {kind: kinds == kind for kind in np.unique(kinds) if kind != "language"}
    groups |= {f"on {device}": _on(published, device) for device in _GENERATIONS}
    groups |= {
        f"{first:.0f} to {last:.0f}": (years >= first) & (years <= last)
        for first, last in ((2012, 2018), (2019, 2021), (2022, 2023), (2024, 2026))
    }
    return groups | {f"tier {tier}": tiers == tier for tier in ("A", "B")}


_GENERATIONS = ("p100", "v100", "a100", "h100", "tpu")
"""Beginnings of device ids that are scored together."""


def _on(published: PublishedRuns, beginning: str) -> npt.NDArray[np.bool_]:
    return np.char.startswith(published.devices, beginning)
