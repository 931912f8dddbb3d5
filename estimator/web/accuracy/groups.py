"""Groups of runs and their held-out errors, as tables."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from estimator.catalog import Catalog
from estimator.core.rows import rows_of
from estimator.core.units import digits
from estimator.networks.kinds import kind_of_domain
from estimator.validation.cross_validation import (
    Points,
    Score,
    constant_utilization,
    errors_of,
    median_errors,
    points,
    score,
    votes_of,
)
from estimator.validation.held_out import (
    BASELINE_LOG_SD,
    BASELINES,
    FEWEST,
    LARGE_RUN_FLOP,
    HeldOut,
)
from estimator.web.shared.amounts import localised
from estimator.web.shared.language import N_, _, ngettext

Chosen = npt.NDArray[np.bool_]

LARGE, SMALL = N_("language, large"), N_("language, small")
CLASSES = (LARGE, SMALL, N_("vision"), N_("multimodal"), N_("other"))
"""Workload types with separate colours in the scatter."""

GENERATIONS: Mapping[str, tuple[str, ...]] = {
    "P100": ("p100",),
    "V100": ("v100",),
    "A100, A800": ("a100", "a800"),
    "H100, H200, H800": ("h100", "h200", "h800", "gh200"),
    "Blackwell": ("b200", "b300", "gb200", "gb300"),
    "TPU": ("tpu",),
}
"""Generation -> prefixes of its device ids."""

OTHER_DEVICES = N_("other devices")
ALL = "all"
DEVICES = {ALL: N_("all devices")} | {
    name.partition(",")[0].partition(" ")[0].lower(): name for name in (*GENERATIONS, OTHER_DEVICES)
}
"""Slug of a device generation -> its name."""

PERIODS = ((2012, 2018), (2019, 2021), (2022, 2023), (2024, 2026))
TIERS = {"A": N_("tier A, time stated"), "B": N_("tier B, time derived")}

DIMENSIONS = {
    "work": N_("Workload type"),
    "device": N_("Device"),
    "year": N_("Year"),
    "tier": N_("Quality of row"),
}
"""Grouping of runs -> its label."""


def chosen(report: HeldOut, filters: Mapping[str, Any]) -> Chosen:
    """Runs that pass the filters: work and device, or `ALL`, and years, both included."""
    first, last = years_chosen(filters)
    years = years_of(report)
    kept: Chosen = (years >= first) & (years <= last)
    if filters["work"] != ALL:
        kept = kept & (works_of(report) == filters["work"])
    if filters["device"] != ALL:
        kept = kept & (generations_of(report) == DEVICES[filters["device"]])
    return kept


def years_chosen(filters: Mapping[str, Any]) -> tuple[int, int]:
    """First and last year of the filters, whichever came first."""
    first, last = sorted((int(filters["from"]), int(filters["to"])))
    return first, last


def works_of(report: HeldOut) -> npt.NDArray[np.str_]:
    """Workload type of each run."""
    domains = [row["domain"] for row in report.published.rows]
    kinds = {domain: kind_of_domain(domain) for domain in dict.fromkeys(domains)}
    return np.array([kinds[domain] for domain in domains])


def generations_of(report: HeldOut) -> npt.NDArray[np.str_]:
    """Device generation of each run."""
    return np.array([generation(str(device)) for device in report.published.devices])


def years_of(report: HeldOut) -> npt.NDArray[np.int_]:
    """Year of each run."""
    return np.array([int(float(row["year"])) for row in report.published.rows])


def generation(device: str) -> str:
    """Generation of a device, from its id.

    >>> generation("gb200"), generation("a800-sxm-80"), generation("gtx-580")
    ('Blackwell', 'A100, A800', 'other devices')
    """
    found = (name for name, begin in GENERATIONS.items() if device.startswith(begin))
    return next(found, OTHER_DEVICES)


def classes_of(report: HeldOut) -> npt.NDArray[np.str_]:
    """Workload type of each run, as in the scatter."""
    return _classes_of(report, works_of(report))


def _classes_of(report: HeldOut, works: npt.NDArray[np.str_]) -> npt.NDArray[np.str_]:
    kept = np.where(np.isin(works, CLASSES), works, "other")
    size = np.where(report.published.runs.flop >= LARGE_RUN_FLOP, LARGE, SMALL)
    return np.where(works == "language", size, kept)


def groups_of(report: HeldOut) -> dict[str, dict[str, Chosen]]:
    """Dimension -> group -> its runs, in display order."""
    works, years = works_of(report), years_of(report)
    classes = _classes_of(report, works)
    generations = generations_of(report)
    tiers = np.array([row["validation_tier"] for row in report.published.rows])
    rest = [name for name in np.unique(works) if name != "language"]
    return {
        "work": {name: classes == name for name in (LARGE, SMALL)}
        | {str(name): works == name for name in rest},
        "device": {name: generations == name for name in (*GENERATIONS, OTHER_DEVICES)},
        "year": {
            f"{first} to {last}": (years >= first) & (years <= last) for first, last in PERIODS
        },
        "tier": {shown: tiers == name for name, shown in TIERS.items()},
    }


def groups_table(report: HeldOut, *, ranges: bool = False) -> pd.DataFrame:
    """One row per group, all runs first; shares and errors in [1].

    Groups of fewer than `FEWEST` runs, and repetitions of all runs, are left out.

    Columns: dimension, group, those of `Points`, or with `ranges` of `Score`, and for each baseline
    its median error with a vote per run and, with suffix `_family`, per family.
    """
    runs = report.published.runs
    constant = {
        name: errors_of(constant_utilization(runs, value, BASELINE_LOG_SD))
        for name, value in BASELINES.items()
    }
    family = np.unique(runs.family, return_inverse=True)[1]
    scored = score if ranges else points
    every = {"": {"all runs": np.ones(len(runs.flop), dtype=bool)}}
    rows = []
    for dimension, groups in (every | groups_of(report)).items():
        for name, chosen in groups.items():
            if not dimension or (chosen.sum() >= FEWEST and not chosen.all()):
                ours = scored(rows_of(report.blind, chosen), family[chosen])
                _, votes = votes_of(family[chosen])
                others = {
                    one: median_errors(errors[chosen], votes) for one, errors in constant.items()
                }
                rows.append({"dimension": dimension, "group": name, **_row(ours, others)})
    return pd.DataFrame(rows)


def errors_table(groups: pd.DataFrame, dimension: str) -> pd.DataFrame:
    """Median errors of one dimension's groups, a row each for ours and a constant's.

    Columns: group, who, error, other (the constant's, in our rows), label (in our rows).
    """
    chosen = groups[groups["dimension"].isin(["", dimension])]
    rows = []
    for row in chosen.to_dict("records"):
        ours, constant = row["median_error"], row["constant_0.30"]
        label = ngettext(
            "{group}: {ours} against {constant}; {n} run",
            "{group}: {ours} against {constant}; {n} runs",
            row["count"],
        ).format(
            group=group_name(row["group"]),
            ours=percent(ours),
            constant=percent(constant),
            n=row["count"],
        )
        named = {"group": row["group"]}
        rows.append(named | {"who": _(OURS), "error": ours, "other": constant, "label": label})
        rows.append(named | {"who": _(CONSTANT), "error": constant, "other": constant, "label": ""})
    return pd.DataFrame(rows, columns=["group", "who", "error", "other", "label"])


OURS, CONSTANT = N_("ours, family held out"), N_("constant utilization 0.30")


def group_name(name: str) -> str:
    """Translated name of a group.

    >>> group_name("2012 to 2018"), group_name("vision")
    ('2012 to 2018', 'vision')
    """
    first, to, last = name.partition(" to ")
    return _("{first} to {last}").format(first=first, last=last) if to else _(name)


def runs_table(report: HeldOut, catalog: Catalog) -> pd.DataFrame:
    """One row per run for the scatter: reported and predicted device-hours.

    Columns: class, reported_h, predicted_h, half_h and double_h (reported over and times 2), ratio,
    and for the tooltip run, device, text, interval, source.
    """
    shown, places = report.run_rows(), worst_first(report)
    classes, rows = classes_of(report)[places], report.published.rows
    return pd.DataFrame(
        {
            "class": _(str(kind)),
            "reported_h": run["device_hours_reported"],
            "predicted_h": run["device_hours_mid"],
            "half_h": run["device_hours_reported"] / 2,
            "double_h": run["device_hours_reported"] * 2,
            "ratio": run["device_hours_mid"] / run["device_hours_reported"],
            "run": f"{run['name']} ({rows[place]['year']})",
            "device": devices_text(rows[place], catalog.device(run["hardware"]).name),
            "text": _("{predicted} h predicted, {reported} h reported").format(
                predicted=localised(digits(run["device_hours_mid"])),
                reported=localised(digits(run["device_hours_reported"])),
            ),
            "interval": localised(
                f"{digits(run['device_hours_low'])} – {digits(run['device_hours_high'])} h"
            ),
            "source": run["source"],
        }
        for run, place, kind in zip(shown, places, classes, strict=True)
    )


def worst_first(report: HeldOut) -> npt.NDArray[np.intp]:
    """Run indices in the order of `runs_table`."""
    return np.argsort(-np.abs(report.blind.log_ratio))


def devices_text(row: Mapping[str, str], name: str) -> str:
    """Return count and name of a row's devices, if stated.

    >>> devices_text({"accelerator_count": "8.0"}, "TPU v3"), devices_text(
    ...     {"accelerator_count": ""}, "TPU v3"
    ... )
    ('8 × TPU v3', 'TPU v3')
    """
    count = row["accelerator_count"]
    return f"{localised(f'{float(count):,.0f}')} × {name}" if count else name


def percent(share: float) -> str:
    """Format a share.

    >>> percent(0.254)
    '25%'
    """
    return localised(f"{share * 100:.0f}%")


def _row(ours: Points | Score, others: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    row: dict[str, float] = vars(ours).copy()
    for baseline, (median_error, family_median_error) in others.items():
        row[baseline] = median_error
        row[f"{baseline}_family"] = family_median_error
    return row
