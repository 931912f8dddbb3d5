"""Held-out runs by group: rows of the charts and the table of the worst."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from estimator.catalog import Catalog
from estimator.core.units import digits, human_count, in_percent
from estimator.networks.kinds import kind_of_domain
from estimator.validation.held_out import (
    GENERATIONS,
    LARGE_RUN_FLOP,
    OTHER,
    HeldOut,
    generations_of,
)
from estimator.web.calibrate.before_after import GROUP_NAMES
from estimator.web.shared.amounts import localised
from estimator.web.shared.charts import Row
from estimator.web.shared.language import N_, _, ngettext

Chosen = npt.NDArray[np.bool_]

LARGE, SMALL = N_("language, large"), N_("language, small")
CLASSES = (LARGE, SMALL, N_("vision"), N_("multimodal"), N_("other"))
"""Workload types with separate colours in the scatter."""

ALL = "all"
DEVICES = {
    ALL: N_("all devices"),
    "p100": "P100",
    "v100": "V100",
    "a100": "A100, A800",
    "h100": "H100, H200, H800",
    "blackwell": "Blackwell",
    "tpu": "TPU",
    OTHER: N_("other devices"),
}
"""Device generation -> its name."""

GROUPS: Mapping[str, Mapping[str, str]] = {
    "work": {
        "language, 1e20 FLOP or more": LARGE,
        "language, less": SMALL,
        "vision": N_("vision"),
        "diffusion": N_("diffusion"),
        "multimodal": N_("multimodal"),
        "speech": N_("speech"),
        "other": N_("other"),
    },
    "device": {f"on {name}": DEVICES[name] for name in GENERATIONS},
    "year": {
        name: name for name in ("2012 to 2018", "2019 to 2021", "2022 to 2023", "2024 to 2026")
    },
    "tier": {"tier A": N_("tier A, time stated"), "tier B": N_("tier B, time derived")},
}
"""Dimension -> group as scored -> its name."""

DIMENSIONS = {
    "work": N_("Workload type"),
    "device": N_("Device"),
    "year": N_("Year"),
    "tier": N_("Quality of source"),
}
"""Dimension -> its label."""

OURS, CONSTANT = N_("our prediction"), N_("constant utilization of 0.30")

FEW = 8
"""Runs from which a kind of network counts as well known [1]."""

SHORT_S = 60.0
"""Wall time below which a run is short [s]."""

SMALL_PARAMS = 2e7
"""Parameters below which a network may leave a data-center device idle [1]."""

WORK_FIELDS: Mapping[str, str] = {
    "train_flops_reported": N_("training FLOPs"),
    "flops_per_sample_forward": N_("FLOPs per sample"),
    "samples_processed": N_("samples seen"),
    "tokens_processed": N_("tokens seen"),
}
"""Columns of the work that a row may mark as missing from its source."""

FLAGS: Mapping[str, str] = {
    "pruning+distillation": N_(
        "pruned and distilled from larger models, which its token count does not show"
    ),
    "MFU_VERY_LOW": N_("its utilization is unusually low"),
    "implied MFU": N_("its utilization is unusual"),
}
"""Prefix of a row's flag that affects the time -> explanation."""


def chosen(report: HeldOut, filters: Mapping[str, Any]) -> Chosen:
    """Runs that pass the filters: workload type and device, or `ALL`, and years, inclusive."""
    first, last = sorted((int(filters["from"]), int(filters["to"])))
    rows = report.published.rows
    years = np.array([int(float(row["year"])) for row in rows])
    kept: Chosen = (years >= first) & (years <= last)
    if filters["work"] != ALL:
        kept = kept & (works_of(report) == filters["work"])
    if filters["device"] != ALL:
        kept = kept & (generations_of(report.published) == filters["device"])
    return kept


def works_of(report: HeldOut) -> npt.NDArray[np.str_]:
    """Workload type of each run."""
    return np.array([kind_of_domain(row["domain"]) for row in report.published.rows])


def errors_rows(report: HeldOut, dimension: str) -> list[Row]:
    """Median errors of one dimension's groups, a row each for ours and a constant's.

    Columns: group, who, error, other (the constant's), label (in our rows).
    """
    groups = {"all": N_("all runs"), **GROUPS[dimension]}
    rows: list[Row] = []
    for name, title in groups.items():
        ours = report.stack_scores.get(name)
        if ours is None or (name != "all" and ours.count == report.overall.count):
            continue
        constant = report.scores[name][1]["constant_0.30"]
        label = ngettext(
            "{group}: {ours} against {constant}; {n} run",
            "{group}: {ours} against {constant}; {n} runs",
            ours.count,
        ).format(
            group=group_name(title),
            ours=percent(ours.median_error),
            constant=percent(constant),
            n=ours.count,
        )
        common = {"group": name, "other": constant}
        rows.append(common | {"who": _(OURS), "error": ours.median_error, "label": label})
        rows.append(common | {"who": _(CONSTANT), "error": constant, "label": ""})
    return rows


def group_name(name: str) -> str:
    """Translated name of a group.

    >>> group_name("2012 to 2018"), group_name("vision")
    ('2012 to 2018', 'vision')
    """
    first, to, last = name.partition(" to ")
    return _("{first} to {last}").format(first=first, last=last) if to else _(name)


def better(report: HeldOut) -> str:
    """Sentence on groups that a constant utilization predicts better."""
    found = [
        group_name(title)
        for groups in GROUPS.values()
        for name, title in groups.items()
        if name in report.scores
        and report.scores[name][1]["constant_0.30"] < report.stack_scores[name].median_error
    ]
    if not found:
        return _("In no group does a constant utilization of 0.30 do better.")
    text = _("A constant utilization of 0.30 does better for {names}.")
    return text.format(names="; ".join(dict.fromkeys(found)))


def runs_rows(report: HeldOut, catalog: Catalog) -> list[Row]:
    """One row per run for the scatter, the worst first: reported and predicted device-hours.

    Columns: class, reported_h, predicted_h, half_h and double_h (reported over and times 2), ratio,
    and for the tooltip run, device, text, interval, source.
    """
    works = works_of(report)
    rows: list[Row] = []
    for run, place in zip(report.run_rows(), report.worst_first(), strict=True):
        row, work = report.published.rows[place], str(works[place])
        if work == "language":
            work = LARGE if run["training_flop"] >= LARGE_RUN_FLOP else SMALL
        reported, predicted = run["device_hours_reported"], run["device_hours_mid"]
        ends = digits(run["device_hours_low"]), digits(run["device_hours_high"])
        rows.append(
            {
                "class": _(work if work in CLASSES else "other"),
                "reported_h": reported,
                "predicted_h": predicted,
                "half_h": reported / 2,
                "double_h": reported * 2,
                "ratio": predicted / reported,
                "run": f"{run['name']} ({row['year']})",
                "device": devices_text(row, catalog.device(run["hardware"]).name),
                "text": _("{predicted} h predicted, {reported} h reported").format(
                    predicted=localised(digits(predicted)), reported=localised(digits(reported))
                ),
                "interval": localised(f"{ends[0]} – {ends[1]} h"),
                "source": run["source"],
            }
        )
    return rows


def devices_text(row: Mapping[str, str], name: str) -> str:
    """Return count and name of a row's devices, if stated.

    >>> devices_text({"accelerator_count": "8.0"}, "TPU v3"), devices_text(
    ...     {"accelerator_count": ""}, "TPU v3"
    ... )
    ('8 × TPU v3', 'TPU v3')
    """
    count = row["accelerator_count"]
    return f"{localised(f'{float(count):,.0f}')} × {name}" if count else name


def reasons(report: HeldOut, place: int) -> Iterator[str]:
    """Yield possible reasons for a run's error; the report covers all runs."""
    published = report.published
    row, runs = published.rows[place], published.runs
    others = published.stacks != published.stacks[place]
    wall_s = 3600.0 * runs.device_hours / runs.devices
    if wall_s[place] < SHORT_S:
        yield _("over in {time} s").format(time=localised(digits(float(wall_s[place]))))
    params = float(row["params_total"] or "nan")
    group = str(published.groups[place])
    if report.by_stack.log_ratio[place] < 0 and params < SMALL_PARAMS and group != "recurrent":
        yield _("with only {params} parameters, it may not keep a device busy").format(
            params=localised(human_count(params))
        )
    alike = int(np.sum(others & (published.groups == group)))
    if alike < FEW:
        yield ngettext(
            "{n} other run of this kind of network ({kind})",
            "{n} other runs of this kind of network ({kind})",
            alike,
        ).format(n=alike, kind=_(GROUP_NAMES.get(group, group)))
    if not np.any(others & (published.devices == published.devices[place])):
        yield _("no other software stack ran on this device")
    flags = [flag.strip() for flag in row["flags"].split(";")]
    for begin, explained in FLAGS.items():
        if any(flag.startswith(begin) for flag in flags):
            yield _(explained)
    unseen = set(row["recalled_fields"].split(","))
    missing = [_(name) for field, name in WORK_FIELDS.items() if field in unseen]
    if missing:
        yield _("not stated in its source: {fields}").format(fields=", ".join(missing))


def percent(share: float) -> str:
    """Format a share.

    >>> percent(0.254)
    '25%'
    """
    return localised(in_percent(share))
