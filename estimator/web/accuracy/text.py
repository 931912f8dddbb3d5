"""Held-out score in words: sentence, reasons for the worst misses, alt texts."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from estimator.core.units import digits, human_count
from estimator.validation.held_out import FEWEST, LARGE_RUN_FLOP, HeldOut
from estimator.web.accuracy.groups import (
    ALL,
    DEVICES,
    DIMENSIONS,
    group_name,
    percent,
    years_chosen,
)
from estimator.web.calibrate.tables import GROUP_NAMES
from estimator.web.shared.amounts import localised
from estimator.web.shared.language import N_, _, ngettext

FEW = 8
"""Runs or families below which a group is called small [1]."""

SEES = N_(
    "The model sees a run’s FLOPs, the number and kind of devices with their peak and memory "
    "bandwidth, the number format, the year, the kind of network, its width and its sequence "
    "length, and where they are stated the batch size and how tuned the software is. It does "
    "not see the kernels, the network between the devices, the loading of data, or what failed "
    "and was run again. The FLOPs of each run are taken as exact, so an error in them counts as"
    " ours; and blind are the parameters of the model, not its form, which was chosen with "
    "published runs in view."
)
"""Note on the features that the fit sees."""

CHANGE = N_(
    "Before: the model of 2026-11-21 on the same runs, a third of which it was fitted to. By "
    "family: the runs of a model line or submitter are held out together. By stack: a whole "
    "benchmark, software collection or model line is. What the parameters leave open for a kind"
    " that is little known widens its interval."
)
ENERGY = N_(
    "Power of GPUs, with processors and memory, or of whole nodes, as each meter saw it; each "
    "family of runs is predicted by a model fitted to the others. Hours times a power limit test "
    "nothing and are left out. The last row adds the error of the predicted hours."
)
MEMORY = N_(
    "Measured peaks of device memory. Held out: the factors of the terms are fitted to the "
    "other sources, and the interval is as wide as their errors ask. With the priors: as "
    "the command answers, its factors chosen with the peaks in view."
)
SERVING = N_(
    "Every configuration is predicted without its line of models, and again without its system;"
    " the interval rests on the errors of the others. Weights only: bytes of the weights over "
    "the bandwidth. Boards only: host, network and PUE were not measured."
)
"""Legend of the score tables."""

SHORT_S = 60.0
"""Wall time below which a run is short [s]."""

SMALL_PARAMS = 2e7
"""Parameters below which a network may leave a data-center device idle [1]."""

WORK_FIELDS: Mapping[str, str] = {
    "train_flops_reported": N_("training FLOPs"),
    "flops_per_sample_forward": N_("FLOPs of a sample"),
    "samples_processed": N_("samples seen"),
    "tokens_processed": N_("tokens seen"),
}
"""Work columns that the table may mark as not seen in a source."""

FLAGS: Mapping[str, str] = {
    "pruning+distillation": N_(
        "pruned and distilled from larger models, which its tokens do not show"
    ),
    "MFU_VERY_LOW": N_("flagged in the table: so low a utilization is rare"),
    "implied MFU": N_("flagged in the table: an unusual utilization"),
}
"""Prefix of a flag that affects the time -> explanation."""

REMARKS = ("CHECK:", "FLAG:")
"""Prefixes of collectors' remarks in the notes."""


def sentence(report: HeldOut, filters: Mapping[str, Any], all_years: tuple[int, int]) -> str:
    """Score in one sentence, as HTML; `all_years` are the unfiltered ones."""
    ours, baselines = report.overall
    runs = ngettext("{count} published run", "{count} published runs", ours.count)
    return _(
        "Device-hours of {runs}{which}, each predicted by a model fitted without its family, are "
        "off by {error} in the median, against {constant} for a constant utilization of 0.30; the "
        "80% interval covers {coverage} of them."
    ).format(
        runs=f"<b>{runs.format(count=ours.count)}</b>",
        which=escape(_selected(filters, all_years)),
        error=f"<b>{percent(ours.median_error)}</b>",
        constant=percent(baselines["constant_0.30"]),
        coverage=f"<b>{percent(ours.coverage)}</b>",
    )


def strict(report: HeldOut) -> str:
    """Score by stack with its range, and the score independent of the mix."""
    ours = report.stack_scores["all"]
    by_family, by_stack = report.mean_over_kinds
    return _(
        "By stack the median error is {error} ({low} to {high} when stacks are drawn again, "
        "central 80% of a bootstrap). The mean over kinds of network, which does not depend on "
        "how many runs of each were published, is {family} by family and {stack} by stack."
    ).format(
        error=percent(ours.median_error),
        low=percent(ours.median_error_low),
        high=percent(ours.median_error_high),
        family=percent(by_family),
        stack=percent(by_stack),
    )


def _selected(filters: Mapping[str, Any], all_years: tuple[int, int]) -> str:
    work, device, years = "", "", ""
    if filters["work"] != ALL:
        work = _(" of {work}").format(work=_(filters["work"]))
    if filters["device"] != ALL:
        device = _(" on {device}").format(device=_(DEVICES[filters["device"]]))
    first, last = years_chosen(filters)
    if (first, last) != all_years:
        years = _(" from {first} to {last}").format(first=first, last=last)
    return work + device + years


def cards(groups: pd.DataFrame) -> Iterator[tuple[str, str, str, str, tuple[str, ...]]]:
    """Headline figures: name, label, value, range, notes."""
    row = groups.iloc[0]
    by_family = _("by family: {error}, constant {constant}").format(
        error=percent(row["family_median_error"]), constant=percent(row["constant_0.30_family"])
    )
    constant = _("constant 0.30: {error}").format(error=percent(row["constant_0.30"]))
    yield "median_error", _("Median error"), percent(row["median_error"]), constant, (by_family,)
    close = _("{share} within a factor of 1.25").format(share=percent(row["within_125"]))
    yield "within_2", _("Within a factor of 2"), percent(row["within_2"]), close, ()
    covered = percent(row["coverage"])
    yield "coverage", _("Inside the 80% interval"), covered, _("ideally 80%"), ()
    votes = _("{runs} runs of {families} families").format(
        runs=row["count"], families=row["families"]
    )
    bias = localised(f"×{row['bias']:.2f}")
    yield "bias", _("Median ratio"), bias, _("predicted over reported"), (votes,)


def better(groups: pd.DataFrame) -> str:
    """Sentence on groups that a constant predicts better."""
    by_run = groups[groups["constant_0.30"] < groups["median_error"]]["group"]
    by_family = groups[groups["constant_0.30_family"] < groups["family_median_error"]]["group"]
    votes = (
        (_("for {names} (by run)"), by_run),
        (_("for {names} (by family)"), by_family),
    )
    shown = [
        text.format(names="; ".join(map(group_name, names))) for text, names in votes if len(names)
    ]
    if not shown:
        return _("In no group does a constant utilization of 0.30 do better.")
    text = _("A constant utilization of 0.30 does better {where}.")
    return text.format(where=_(", and ").join(shown))


def reasons(report: HeldOut, place: int) -> Iterator[str]:
    """Yield the reasons for a run's error; the report covers all runs."""
    row, runs = report.published.rows[place], report.published.runs
    longer = report.blind.log_ratio[place] > 0
    others = runs.family != runs.family[place]
    wall_s = 3600.0 * runs.device_hours / runs.devices
    quick = int(np.sum(others & (wall_s < SHORT_S)))
    if wall_s[place] < SHORT_S and quick < FEW:
        yield _("over in {time} s, and {runs} of other families so short to learn from").format(
            time=localised(digits(float(wall_s[place]))), runs=_count(quick)
        )
    params = float(row["params_total"] or "nan")
    group = str(report.published.groups[place])
    if not longer and params < SMALL_PARAMS and group != "recurrent":
        yield _("{params} parameters: so small a network may not keep a device busy").format(
            params=localised(human_count(params))
        )
    alike = int(np.sum(others & (report.published.groups == group)))
    if alike < FEW:
        yield _("{runs} of other families of its kind ({kind}) to learn from").format(
            runs=_count(alike), kind=_(GROUP_NAMES.get(group, group))
        )
    if not np.any(others & (report.published.devices == report.published.devices[place])):
        yield _("no other family ran on this device")
    flags = [flag.strip() for flag in row["flags"].split(";")]
    for begin, shown in FLAGS.items():
        if any(flag.startswith(begin) for flag in flags):
            yield _(shown)
    unseen = set(row["recalled_fields"].split(","))
    missing = [_(shown) for field, shown in WORK_FIELDS.items() if field in unseen]
    if missing:
        yield _("not seen in its source: {fields}").format(fields=", ".join(missing))


def note(row: Mapping[str, str]) -> str:
    """Return the note on a run, without collectors' remarks."""
    text = row["notes"]
    for remark in REMARKS:
        text = text.partition(remark)[0]
    return text.strip()


def alt_of_runs(report: HeldOut) -> str:
    """Alt text of the scatter."""
    ours, _baselines = report.overall
    hours = report.published.runs.device_hours
    text = _(
        "Predicted against reported device-hours of {count} runs, both from {low} to {high} hours: "
        "{share} lie within a factor of 2 of the diagonal"
    )
    return text.format(
        count=ours.count,
        low=localised(digits(float(hours.min()))),
        high=localised(human_count(float(hours.max()))),
        share=percent(ours.within_2),
    )


def alt_of_errors(table: pd.DataFrame, by: str) -> str:
    """Alt text of the error chart."""
    shown = "; ".join(label for label in table["label"] if label)
    return _("Median error: {by}: {parts}").format(by=_(DIMENSIONS[by]), parts=shown)


def few() -> str:
    """Explanation of group names, and why one may be missing."""
    text = _(
        "A large language run takes {flop} FLOP or more. Groups of fewer than {fewest} runs are "
        "not split further."
    )
    return text.format(flop=f"10{_power(LARGE_RUN_FLOP)}", fewest=FEWEST)


def _power(value: float) -> str:
    """Exponent of a power of ten, as superscript."""
    return f"{np.log10(value):.0f}".translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _count(number: int) -> str:
    if not number:
        return _("no run")
    return ngettext("only {n} run", "only {n} runs", number).format(n=number)
