"""Page Accuracy: predictions scored on held-out published runs."""

import math
from collections.abc import Iterator
from functools import lru_cache
from html import escape

import streamlit as st

from estimator.core.units import digits, human_count
from estimator.networks.kinds import kind_of_domain
from estimator.validation.energy import energy_scores, measured_power
from estimator.validation.held_out import WORST, HeldOut, stored_scores, validation_report
from estimator.validation.whole_chain import whole_chain_scores
from estimator.web.accuracy import charts, groups
from estimator.web.accuracy.groups import percent
from estimator.web.shared import share, style, widgets
from estimator.web.shared.amounts import localised, sentence
from estimator.web.shared.frame import Frame
from estimator.web.shared.html_table import Html, draw_table
from estimator.web.shared.inline import unbroken
from estimator.web.shared.kit import PageQuestion, Values, title
from estimator.web.shared.language import N_, _, current, ngettext
from estimator.web.shared.navigation import ACCURACY
from estimator.web.shared.profiles import cached_per_server, open_catalog
from estimator.web.shared.url_state import Choice, LinkParameters, Number

WAITING = (
    "Predicting every published run with a model that has not seen its software stack: about half "
    "a minute, once per server …"
)

SLIDE_RUNS, SLIDE_GROUPS, SLIDE_SCORES = 4, 6, 8
"""Worst runs, groups, and scores that fit on a slide."""

ENERGY = {
    "measured": N_("energy, hours known, all meters"),
    "devices": N_("energy, hours known, meters on the GPUs"),
    "node": N_("energy, hours known, meters on the node"),
}
MEMORY = {
    "all": N_("peak memory"),
    "task: full": N_("peak memory, full fine-tuning"),
    "task: lora": N_("peak memory, LoRA"),
    "task: qlora": N_("peak memory, QLoRA"),
    "task: inference": N_("peak memory, inference"),
}
SERVING = {
    "time_to_first_token_s": N_("time to first token, {hardware}"),
    "inter_token_s": N_("time per output token, {hardware}"),
    "output_tokens_per_s": N_("throughput, {hardware}"),
    "decode_tokens_per_s": N_("decode speed of one request, {hardware}"),
    "prefill_tokens_per_s": N_("prefill speed, {hardware}"),
    "device_power_w": N_("power of the devices, {hardware}"),
    "device_energy_per_output_token_j": N_("energy per output token, {hardware}"),
}
SERVING_HARDWARE = {
    "server GPUs": N_("server GPUs"),
    "elsewhere": N_("consumer GPUs, Apple, CPUs"),
}
"""Group, quantity or hardware as scored -> its name in the table."""

FEATURES = N_(
    "The model uses a run’s FLOPs, the number and type of devices with their peak and memory "
    "bandwidth, the number format, the year, the network’s kind, width and sequence length, and "
    "where stated the batch size and how well the software is tuned. It does not know the kernels, "
    "the network between devices, data loading, or failures and repeated work. FLOPs are taken as "
    "exact, so an error in them counts as ours. The parameters are fitted without the scored runs; "
    "the form of the model was chosen with published runs in view."
)
REASONS = (
    N_("tier C, D or X: time or hardware not trusted"),
    N_("circular: its FLOPs were derived from its time"),
    N_("unknown whether its FLOPs were derived from its time"),
    N_("no device time"),
    N_("device or precision not on record"),
    N_("no FLOPs, and no data to derive them from"),
    N_("more than 0.8 of the peak: a wrong label"),
)
"""Reasons for rows that are not scored, for the catalogues."""


@st.cache_resource(show_spinner=WAITING)
def open_report() -> HeldOut:
    """Return the held-out score, computed once per server."""
    return validation_report(open_catalog())


@lru_cache(maxsize=64)
def _part(work: str, device: str, first: int, last: int) -> HeldOut:
    """Return the score of the runs that pass the filters."""
    report = open_report()
    filters = {"work": work, "device": device, "from": first, "to": last}
    chosen = groups.chosen(report, filters)
    if not chosen.any():
        raise ValueError(_("No published run matches: widen the filters."))
    return report.part(chosen)


def _answer(values: Values) -> HeldOut:
    return _part(values["work"], values["device"], int(values["from"]), int(values["to"]))


def _draw(values: Values, report: HeldOut, frame: Frame) -> None:
    """Draw the headline and the sections, or the section of a slide."""
    style.sentence(escape(sentence(report.headline(_runs_text(values, report)))))
    if not frame.slide:
        style.figures(_cards(report))
    for show, (heading, section) in SECTIONS.items():
        if not frame.shows(show):
            continue
        if show == "others" and not frame.slide:  # takes a few seconds
            with style.folded(_(heading), "accuracy_others") as fold:
                if fold.open:
                    section(values, report, frame)
            continue
        st.subheader(_(heading), anchor=False)
        section(values, report, frame)
    if not frame.slide:
        with style.folded(_("How this is scored"), "accuracy_method") as fold:
            if fold.open:
                _draw_method()
        tooltip = _("Show all runs again.")
        usual = PARAMETERS.from_link({})[0]
        widgets.button(_("Reset"), "accuracy_reset", PARAMETERS.choose, usual, tooltip=tooltip)


def _runs_text(values: Values, report: HeldOut) -> str:
    """Name the runs that pass the filters, with a place for their number."""
    count = report.overall.count
    text = ngettext("{count} published run", "{count} published runs", count)
    if values["work"] != groups.ALL:
        text += _(" of {work}").format(work=_(values["work"]))
    if values["device"] != groups.ALL:
        text += _(" on {device}").format(device=_(groups.DEVICES[values["device"]]))
    first, last = sorted((int(values["from"]), int(values["to"])))
    if (first, last) != years():
        text += _(" from {first} to {last}").format(first=first, last=last)
    return text


def _cards(report: HeldOut) -> Iterator[str]:
    """Headline figures."""
    ours, constant = report.stack_scores["all"], report.scores["all"][1]["constant_0.30"]
    ends = percent(ours.median_error_low), percent(ours.median_error_high)
    span = _("{low} to {high} by bootstrap").format(low=ends[0], high=ends[1])
    other = _("constant utilization of 0.30: {error}").format(error=percent(constant))
    error = percent(ours.median_error)
    yield style.figure("median_error", _("Median error"), error, span, [other])
    covered = percent(ours.coverage)
    yield style.figure("coverage", _("Inside the 80% interval"), covered, _("ideally 80%"), ())
    close = _("{share} within a factor of 1.25").format(share=percent(ours.within_125))
    yield style.figure("within_2", _("Within a factor of 2"), percent(ours.within_2), close, ())
    bias = localised(f"×{ours.bias:.2f}")
    yield style.figure("bias", _("Median ratio"), bias, _("predicted over reported"), ())


def _runs(values: Values, report: HeldOut, frame: Frame) -> None:
    """Draw predicted against reported device-hours."""
    rows = groups.runs_rows(report, open_catalog())
    hours = report.published.runs.device_hours
    alt = _(
        "Predicted against reported device-hours of {count} runs, both from {low} to {high} hours: "
        "{share} lie within a factor of 2 of the diagonal"
    ).format(
        count=report.overall.count,
        low=localised(digits(float(hours.min()))),
        high=localised(human_count(float(hours.max()))),
        share=percent(report.overall.within_2),
    )
    charts.draw_runs(rows, frame.look, alt)
    style.caption(
        _(
            "On the line, the prediction is exact; in the band, it is within a factor of 2. "
            "Point at a run for its name, device, ratio and source."
        )
    )


def _errors(values: Values, report: HeldOut, frame: Frame) -> None:
    """Draw the median error of groups next to a constant's."""
    widgets.switch(PARAMETERS, "by", _("Group by"), groups.DIMENSIONS)
    rows = groups.errors_rows(report, values["by"])
    if frame.slide:
        rows = rows[: 2 * SLIDE_GROUPS]
    labels = "; ".join(row["label"] for row in rows if row["label"])
    alt = _("Median error by {by}: {parts}")
    by = _(groups.DIMENSIONS[values["by"]])
    charts.draw_errors(rows, frame.look, alt.format(by=by, parts=labels))
    style.caption(groups.better(report))


def _worst(values: Values, report: HeldOut, frame: Frame) -> None:
    """Draw the runs with the largest errors, and possible reasons."""
    whole, catalog = open_report(), open_catalog()
    chosen = groups.chosen(whole, values)
    places = [place for place in whole.worst_first() if chosen[place]]
    rows = []
    for place in places[: SLIDE_RUNS if frame.slide else WORST]:
        row = whole.published.rows[place]
        device = groups.devices_text(row, catalog.device(str(whole.published.devices[place])).name)
        reported = float(whole.published.runs.device_hours[place])
        ratio = math.exp(whole.by_stack.log_ratio[place])
        name = f'<span data-run="{escape(row["name"], quote=True)}">{escape(row["name"])}</span>'
        why = "; ".join(groups.reasons(whole, place)) or _("no known reason")
        rows.append(
            (
                Html(f"{name}<small>{escape(row['year'])}, {escape(device)}</small>"),
                Html(f"<b>{unbroken(escape(_times(ratio)))}</b>"),
                localised(digits(reported * ratio)),
                localised(digits(reported)),
                Html(f"{escape(widgets.heading(why))}."),
            )
        )
    heads = _("Run"), _("Error"), _("Predicted hours"), _("Reported hours"), _("Possible reasons")
    draw_table(heads, rows)


def _times(ratio: float) -> str:
    """Format the error of a prediction as a factor.

    >>> _times(4.9), _times(0.25)
    ('4.9 × too long', '4 × too short')
    """
    text = _("{factor} × too long") if ratio > 1 else _("{factor} × too short")
    return text.format(factor=localised(f"{max(ratio, 1 / ratio):.2g}"))


def _others(values: Values, report: HeldOut, frame: Frame) -> None:
    """Draw the scores of energy, memory and inference, on all measurements."""
    rows = [
        (widgets.heading(name), localised(f"{count:,}"), percent(error), percent(covered))
        for name, count, error, covered in other_scores(current())
    ]
    heads = (
        *(_("Prediction"), _("Measured cases")),
        *(_("Median error"), _("Inside the 80% interval")),
    )
    draw_table(heads, rows[: SLIDE_SCORES if frame.slide else None])
    style.caption(
        _(
            "Every case is predicted without its own source, system or model line. The filters do "
            "not apply here. Inference counts the devices only: host, network and PUE were not "
            "measured."
        )
    )


@cached_per_server
def other_scores(spoken: str) -> list[tuple[str, int, float, float]]:
    """Name, cases, median error and coverage of each prediction but device-hours."""
    catalog = open_catalog()
    metered = energy_scores(measured_power(catalog))
    found = [
        (_(name), score.count, score.median_error, score.coverage)
        for group, name in ENERGY.items()
        for score in [metered[group]]
    ]
    chain = whole_chain_scores(catalog, open_report())["energy"]
    name = _("energy, hours predicted as well")
    found.append((name, chain.count, chain.median_error, chain.coverage))
    peaks = {row["group"]: row for row in stored_scores(catalog, "memory")}
    for group, name in MEMORY.items():
        row = peaks[group]
        error, covered = float(row["held_out_error"]), float(row["coverage"])
        found.append((_(name), int(row["cases"]), error, covered))
    for row in stored_scores(catalog, "serving"):
        if row["by"] == "all" and row["quantity"] in SERVING:
            hardware = _(SERVING_HARDWARE[row["group"]])
            name = _(SERVING[row["quantity"]]).format(hardware=hardware)
            error, covered = float(row["median_error"]), float(row["coverage"])
            found.append((name, int(row["rows"]), error, covered))
    return found


def _draw_method() -> None:
    """Draw how runs are held out, what the model uses, and the rows left out."""
    report = open_report()
    family, (by_family, by_stack) = report.scores["all"][0], report.mean_over_kinds
    style.assumptions(
        [
            _(
                "A software stack is a benchmark, a software collection or a model line; all its "
                "runs are held out together. If only a run’s family (a model line or submitter) "
                "is held out, its software has been seen: the median error is then {error}, and "
                "the interval covers {coverage}. The mean over network kinds is {by_stack} by "
                "stack and {by_family} by family."
            ).format(
                error=percent(family.median_error),
                coverage=percent(family.coverage),
                by_stack=percent(by_stack),
                by_family=percent(by_family),
            ),
            _(FEATURES),
        ]
    )
    count = sum(report.left_out.values())
    text = _("Of {rows} rows in the table of published runs, {count} cannot be scored:")
    style.caption(text.format(rows=count + len(report.published.rows), count=count))
    counts = sorted(report.left_out.items(), key=lambda item: -item[1])
    rows = [(widgets.heading(_(reason)), str(count)) for reason, count in counts]
    draw_table((_("Reason"), _("Rows")), rows)


SECTIONS = {
    "runs": (N_("Predicted against reported"), _runs),
    "errors": (N_("Error by group"), _errors),
    "worst": (N_("Worst predictions"), _worst),
    "others": (N_("Energy, memory and inference"), _others),
}


def _files(values: Values, report: HeldOut) -> tuple[share.File, ...]:
    """Return the downloads."""
    name = "twenty-watts"
    return (
        share.csv(f"{name}-groups", report.group_rows, N_("Groups as CSV")),
        share.csv(f"{name}-runs", report.run_rows, N_("Runs as CSV")),
        share.json(f"{name}-accuracy", lambda: report.as_json(with_runs=True)),
    )


@cached_per_server
def kinds() -> dict[str, str]:
    """Workload types of the published runs."""
    found = {kind_of_domain(row["domain"]) for row in open_catalog().published_runs()}
    return {groups.ALL: N_("all types")} | {name: name for name in sorted(found)}


@cached_per_server
def years() -> tuple[int, int]:
    """First and last year of the published runs."""
    found = [int(float(row["year"])) for row in open_catalog().published_runs()]
    return min(found), max(found)


def _year(name: str, usual: int, label: str) -> Number:
    first, last = years()
    tooltip = N_("Only runs published in these years.")
    return Number(name, usual, first, last, True, slides=True, label=label, help=tooltip)


PARAMETERS = LinkParameters(
    "accuracy",
    Choice(
        "work",
        tuple(kinds()),
        label=N_("Workload type"),
        help=N_("Only runs of this workload type."),
        called=kinds,
    ),
    Choice(
        "device",
        tuple(groups.DEVICES),
        label=N_("Device"),
        help=N_("Only runs on this device generation."),
        called=lambda: groups.DEVICES,
    ),
    _year("from", years()[0], N_("From year")),
    _year("to", years()[1], N_("To year")),
    Choice("by", tuple(groups.DIMENSIONS), help=N_("How the chart below groups the runs.")),
)

QUESTION = PageQuestion(
    inputs=PARAMETERS,
    answer=_answer,
    view=_draw,
    title=title(N_("Accuracy")),
    heading=lambda values, frame: "",
    slides={name: heading for name, (heading, _section) in SECTIONS.items()},
    files=_files,
)
PAGE = QUESTION.page(N_("Accuracy"), ACCURACY)
