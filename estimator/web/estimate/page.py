"""Page Estimate: one scenario and its results."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from html import escape
from urllib.parse import parse_qsl, urlencode

import streamlit as st

from estimator.answer.notices import LAUNCH_BOUND
from estimator.answer.published_run import published_run, words_of_run
from estimator.answer.scenario_estimate import Answer, answer_scenario
from estimator.answer.training_report import equivalents, training_report
from estimator.catalog import Catalog
from estimator.core.units import significant
from estimator.question.hardware import TRAINING_PRECISIONS
from estimator.question.scenario import INPUTS, link
from estimator.show.phrases import as_much, measured_line
from estimator.show.values import as_json
from estimator.web.estimate import calibrated as measured
from estimator.web.estimate import controls, pins
from estimator.web.estimate import text as words
from estimator.web.estimate.calibrated import AppliedRuns
from estimator.web.estimate.carbon_schedule import draw_schedule
from estimator.web.estimate.fit import badge, batch_rows, batches
from estimator.web.estimate.formula import compared_by, draw_formula, draw_sources
from estimator.web.estimate.inputs import (
    DEFAULT,
    OF_ALL,
    OF_PAGE,
    PICTURES,
    Values,
    scenario_of,
)
from estimator.web.estimate.link import ANSWERED, PARAMETERS
from estimator.web.shared import charts, figures, share, style, widgets
from estimator.web.shared.amounts import localised, result, sentence
from estimator.web.shared.frame import Frame
from estimator.web.shared.html_table import Html, anchor, draw_table
from estimator.web.shared.kit import PageQuestion
from estimator.web.shared.language import N_, _
from estimator.web.shared.navigation import TRAIN
from estimator.web.shared.notices import quoted
from estimator.web.shared.profiles import open_catalog, place_names
from estimator.web.shared.tables import (
    between,
    comparison_rows,
    credit,
    parts_rows,
    results_rows,
    uncertain_quantity,
    uncertainty_rows,
)
from estimator.web.shared.url_state import short_number

LONGEST_H = 100 * 8766.0
"""Wall time above which a run is implausible [h]."""

FEW = 2
"""Assumptions shown without a click."""

LABELS = {
    "wall_hours": N_("Wall time"),
    "energy_kwh": N_("Energy"),
    "cost_usd": N_("Cost"),
    "co2e_kg": N_("CO2e"),
}
SHORT = {**LABELS, "wall_hours": N_("Time")}

DETAILS = {
    "assumed": N_("Every assumption"),
    "formula": N_("The formula, with your numbers"),
    "sources": N_("Every number and its source"),
    "memory": N_("The batch that fits"),
    "start": N_("Start time by the hours of your grid"),
    "examples": N_("Ten examples to start from"),
    "share": N_("Share and export"),
}
"""Collapsed sections."""

NOTHING = N_("None: every number was given and counts as exact.")
"""Text for no assumptions or no uncertainty."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Answer on the page.

    Parameters
    ----------
    answer : Answer
    applied_runs : AppliedRuns, optional
        Effect of measured runs on the answer.
    """

    answer: Answer
    applied_runs: AppliedRuns | None


def draw(frame: Frame) -> None:
    """Draw the answer for the URL or widgets, then the controls."""
    replace(QUESTION, controls=partial(_controls, frame)).draw(frame)


def _answered(values: Values) -> Drawn:
    """Answer what is asked."""
    catalog, scenario = open_catalog(), scenario_of(values)
    answer = answer_scenario(scenario, catalog)
    st.session_state[ANSWERED] = scenario
    runs = measured.applied_runs(answer, catalog)
    return Drawn(answer=answer, applied_runs=runs)


def _draw(values: Values, drawn: Drawn, frame: Frame) -> None:
    """Draw the answer: all of it, or the slide."""
    catalog, answer = open_catalog(), drawn.answer
    with style.block():
        _headline(answer, frame, catalog)
        if not frame.slide:
            _figures(answer, drawn.applied_runs)
    if frame.slide:
        _slide(values, drawn, frame)
        return
    with style.block():
        _notes(drawn, frame)
    widgets.switch(PARAMETERS, "picture", _("Picture"), PICTURES)
    if values["picture"] == "devices":
        _view()
    with style.block():
        SECTIONS[values["picture"]](values, drawn, frame, catalog)
    _details(values, answer, catalog)


def _controls(
    frame: Frame, values: Values, problems: Mapping[str, str], drawn: Drawn | None
) -> None:
    """Draw the controls that are not on the slide."""
    assert drawn is not None, "what the page opens with can be answered"
    has_runs = drawn.applied_runs is not None
    on_slide = frame.controls if frame.slide else ()
    controls.draw(drawn.answer, values, problems, measured=has_runs, without=on_slide)


def _implied(drawn: Drawn) -> dict[str, str]:
    """Scenario for Compare, and size and tokens of the work, whatever it is given by."""
    known = drawn.answer.inputs
    names = [name for name in ("params", "tokens") if name in known]
    sizes = {name: short_number(known[name].value) for name in names}
    return {"scenario": link(drawn.answer.scenario)[1:], **sizes}


def _headline(answer: Answer, frame: Frame, catalog: Catalog) -> None:
    """Draw the answer in one sentence, or the title of another slide."""
    if not frame.slide or frame.show == "figures":
        style.sentence(words.sentence(answer, catalog))
    else:
        style.slide_title(words.title(answer, catalog))


def _slide(values: Values, drawn: Drawn, frame: Frame) -> None:
    """Draw a slide's controls, then its section."""
    if frame.controls:
        for name, column in zip(frame.controls, st.columns(len(frame.controls)), strict=True):
            with column:
                controls.draw_one(name, drawn.answer, values, {})
    if frame.show == "figures":
        with style.block():
            _figures(drawn.answer, drawn.applied_runs)
            _notes(drawn, frame)
    else:
        if frame.show == "devices":
            _view()
        SECTIONS[frame.show](values, drawn, frame, open_catalog())


def _view() -> None:
    """Draw the choice of the compared quantity."""
    widgets.switch(PARAMETERS, "view", _("Compare by"), SHORT)


def _details(values: Values, answer: Answer, catalog: Catalog) -> None:
    """Draw the collapsed sections, computed when opened."""
    query = PARAMETERS.query(values)
    pins.draw(words.title(answer, catalog), query, lambda link: _open_link(link, values))
    drawings: Mapping[str, Callable[[], None]] = {
        "assumed": lambda: style.assumptions(_assumed(answer) or [_(NOTHING)]),
        "formula": lambda: draw_formula(answer, linked=True),
        "sources": lambda: draw_sources(answer, catalog),
        "memory": lambda: _batches(answer, catalog),
        "start": lambda: draw_schedule(answer),
        "examples": lambda: _examples(values),
        "share": lambda: _share(answer, query),
    }
    for name in style.opened(_("More details"), DETAILS, "open_details"):
        if name not in ("start", "share"):  # they have a heading of their own
            style.section(_(DETAILS[name]))
        drawings[name]()


def _batches(answer: Answer, catalog: Catalog) -> None:
    """Draw memory use by batch size."""
    found = batches(answer, catalog)
    if not found:
        style.caption(_("The memory of this run is not modelled: name its model and its device."))
        return
    fitting = [batch for batch, memory in found if memory.fits]
    text = _("Up to {count} sequences at a time on each device fit.")
    if not fitting:
        text = _("Not even one sequence at a time fits: see the remedies above.")
    style.caption(text.format(count=max(fitting, default=0)))
    heads = (_("Sequences at a time"), _("memory used"), _("fits on the device"))
    draw_table(heads, batch_rows(found))


def _share(answer: Answer, query: Mapping[str, str]) -> None:
    """Draw the link, the downloads and the snippets."""
    files = (
        share.json("twenty-watts", lambda: as_json(training_report(answer, open_catalog()))),
        share.csv("twenty-watts", lambda: results_rows(answer)),
    )
    offline = share.File(
        label=_("Download the figure with sliders"),
        name="twenty-watts-figure.html",
        mime="text/html",
        content=lambda: _written(answer, ".html"),
    )
    title = words.title(answer, open_catalog())
    cite = {name: _written(answer, suffix).decode() for name, suffix in CITED.items()}
    controls = "hardware,devices"
    share.draw(SLIDES, query, title=title, files=files, offline=offline, controls=controls)
    share.cite(cite)


EXAMPLES = (
    (
        N_("Fine-tune Llama 3 8B on my RTX 4090"),
        "preset=llama-3-8b&finetune=qlora&tokens=5e7&hardware=rtx-4090&devices=1"
        "&pay=own&pue=1&site=us&recomputation=full",
    ),
    (N_("GPT-3 on one V100"), "preset=gpt-3&hardware=v100&devices=1&site=us"),
    (
        N_("A 7B model on a laboratory's eight A100"),
        "params=7e9&tokens=1.4e11&hardware=a100-sxm-80&devices=8&site=de&pay=own",
    ),
    (
        N_("Llama 3.1 405B on 16,384 H100"),
        "preset=llama-3.1-405b&hardware=h100-sxm&devices=16384&site=us",
    ),
    (
        N_("DeepSeek-V3, a mixture of experts, in China"),
        "preset=deepseek-v3&hardware=h800-sxm&devices=2048&site=cn",
    ),
    (N_("ResNet-50 on ImageNet, one A100"), "preset=resnet-50&hardware=a100-sxm-80&devices=1"),
    (N_("BERT in France on 16 TPU v4"), "preset=bert-large&hardware=tpu-v4&devices=16&site=fr"),
    (
        N_("1,000 device-hours on A100, already spent"),
        "device_hours=1000&hardware=a100-sxm-80&devices=8&site=se",
    ),
    (N_("A brain's 20 W for GPT-3's work"), "preset=gpt-3&hardware=human-brain&devices=1"),
    (
        N_("1 trillion parameters on 20 trillion tokens, B200"),
        "params=1e12&tokens=2e13&hardware=b200&devices=16384&site=us",
    ),
)
"""Title of an example -> query of its link."""


CITED = {"LaTeX": ".tex", "BibTeX": ".bib"}
"""Citation markup -> file suffix."""


def _written(answer: Answer, suffix: str) -> bytes:
    """Return a file of this scenario, as the command line writes it."""
    from estimator.web.offline.export import Wish, content_of

    return content_of(suffix, Wish(name="scenario"), answer, open_catalog())


def _examples(values: Values) -> None:
    """Draw ten example scenarios."""
    for number, (text, example) in enumerate(EXAMPLES):
        tooltip = _("Opens this scenario instead of yours; the back button undoes this.")
        widgets.button(_(text), f"example_{number}", _open_link, example, values, tooltip=tooltip)


def _open_link(link: str, values: Values) -> None:
    """Load the scenario of a link, keeping the chart."""
    found = PARAMETERS.from_link(dict(parse_qsl(link)))[0]
    PARAMETERS.choose(found | {name: values[name] for name in OF_PAGE})


def _figures(answer: Answer, applied_runs: AppliedRuns | None) -> None:
    """Draw the four figures."""
    style.figures(_card(answer, name, applied_runs) for name in LABELS)


def _notes(drawn: Drawn, frame: Frame) -> None:
    """Draw memory fit, effect of measured runs, and assumptions under the figures."""
    answer = drawn.answer
    style.badges(_badges(answer))
    alike = "; ".join(map(sentence, as_much(equivalents(answer, open_catalog()))))
    interval = _("{level}% intervals.").format(level=_level(answer))
    compared = _("As much as {alike} ({sources}).").format(
        alike=alike, sources=compared_by(open_catalog())
    )
    said = [escape(interval), escape(compared)] if alike else [escape(interval)]
    said[:0] = _reported(answer)
    if not (frame.embedded or frame.slide):
        said.insert(1, f"{anchor('accuracy', _('How right are we?'))}")
    style.caption_html(" ".join(said))
    if drawn.applied_runs is not None:
        measured.draw(drawn.applied_runs, linked=not frame.embedded)
    lines = _assumed(answer)
    style.assumptions(lines[:FEW] if frame.slide else _in_sight(lines))
    further = [] if frame.embedded or frame.slide else _further_links(answer)
    if further:
        style.write(f'<p class="tw tw-links">{" · ".join(further)}</p>')


LIMITED = {
    "budget": ("cost_usd", 1.0),
    "days": ("wall_hours", 1 / 24.0),
    "carbon": ("co2e_kg", 1.0),
}
"""Limit of the page Plan -> quantity, and unit conversion."""


def _further_links(answer: Answer) -> list[Html]:
    """Links to Explore and Plan for runs they support: a dense model by size."""
    scenario = answer.scenario
    if scenario.params is None or scenario.tokens is None:
        return []
    if scenario.active_params is not None or scenario.finetune is not None:
        return []
    work = {"params": scenario.params, "tokens": scenario.tokens}
    plan = work | {
        limit: significant(float(answer.estimate[name].mid) * factor)
        for limit, (name, factor) in LIMITED.items()
        if name in answer.estimate
    }
    query = {name: short_number(value) for name, value in plan.items()}
    explored = {name: query[name] for name in work}
    explored |= {"hardware": answer.device.id, "devices": f"{answer.run.devices:.0f}"}
    if "cost_usd" not in answer.estimate:
        explored["quantity"] = "wall_hours"
    if scenario.site in place_names():
        explored["site"] = scenario.site
    links = [anchor(f"plan?{urlencode(query)}", _("Plan it within the same money, time and CO2e"))]
    if answer.precision in TRAINING_PRECISIONS:
        links.insert(0, anchor(f"explore?{urlencode(explored)}", _("Explore its sensitivities")))
    return links


def _reported(answer: Answer) -> Iterator[str]:
    """Yield sentences on the reported run with its source, as HTML."""
    catalog = open_catalog()
    found = published_run(answer, catalog)
    if not found:
        return
    if "note" in found:
        found["note"] = _(str(found["note"]))
    line = escape(sentence(measured_line(found, words_of_run(found, catalog))))
    source = catalog.source(str(found["source"]))
    yield (
        f"<b>{line}</b>".replace(escape(source.title), anchor(source.url or "", source.title)) + "."
    )
    if "claim" in found:
        link = anchor(f"claims?claim={found['claim']}", _("here is why"))
        yield _("The well-known 355 years assume 22% utilization: {link}.").format(link=link)


def _in_sight(lines: list[str]) -> list[str]:
    """First assumptions, and where to find the others."""
    rest = len(lines) - FEW
    if rest < 2:
        return lines
    more = _("and {n} more, under {title}")
    return [*lines[:FEW], more.format(n=rest, title=quoted(_(DETAILS["assumed"])))]


def _assumed(answer: Answer) -> list[str]:
    """Return the assumptions, except those on the figure cards."""
    on_cards = {text for name in LABELS for text in words.absent(answer, name)}
    lines = words.assumed(answer, open_catalog(), DEFAULT)
    return [text for text in lines if text not in on_cards]


def _badges(answer: Answer) -> Iterator[str]:
    """Yield the badges: fit and plausibility."""
    if verdict := badge(answer, open_catalog()):
        yield verdict
    if float(answer.estimate["wall_hours"].mid) > LONGEST_H:
        yield _("over 100 years: use more devices or less work")
    if any(notice.code == LAUNCH_BOUND for notice in answer.notices):
        yield _("steps this small wait for the host: use a larger batch")


def _card(answer: Answer, name: str, applied_runs: AppliedRuns | None) -> str:
    """Headline figure with its interval, a dash if unknown."""
    notes = list(words.notes(answer, name))
    notes += measured.note(applied_runs, name)
    if name not in answer.estimate:
        return style.figure(name, _(LABELS[name]), f"– {_('unknown')}", "", notes)
    quantity = answer.estimate[name]
    low, high = (float(bound) for bound in quantity.interval(answer.level))
    value = result(name, float(quantity.mid))
    span = _("given") if low == high else between(name, low, high)
    return style.figure(name, _(LABELS[name]), value, span, notes)


def _parts(values: Values, drawn: Drawn, frame: Frame, catalog: Catalog) -> None:
    """Draw the energy by part."""
    answer = drawn.answer
    rows = parts_rows(answer)
    if not rows:
        style.caption(" ".join(words.absent(answer, "energy_kwh")))
        return
    names = credit(answer, catalog, ("tdp_w", "idle_w", "power.", "pue"))
    figures.draw(
        charts.energy_by_part,
        rows,
        frame.look,
        caption=_("Sources: {names}").format(names=names),
        key="chart_parts",
        alt=words.alt_of_parts(rows, answer),
    )


def _uncertainty(values: Values, drawn: Drawn, frame: Frame, catalog: Catalog) -> None:
    """Draw the sources of uncertainty."""
    answer = drawn.answer
    rows = uncertainty_rows(answer)
    if not rows:
        style.caption(_(NOTHING))
        return
    quantity = _("energy") if uncertain_quantity(answer) == "energy_kwh" else _("device time")
    text = _(
        "Effect of each input's uncertainty on the {quantity}, and its share of the total "
        "log-variance."
    )
    figures.draw(
        charts.quantity_by_source,
        rows,
        frame.look,
        caption=text.format(quantity=quantity),
        height=len(rows) * frame.look.row_px,
        of=(uncertain_quantity(answer),),
        key="chart_uncertainty",
        alt=words.alt_of_uncertainty(rows),
    )


def _devices(values: Values, drawn: Drawn, frame: Frame, catalog: Catalog) -> None:
    """Draw the same work on other devices."""
    answer, quantity = drawn.answer, values["view"]
    rows = comparison_rows(answer, quantity, catalog, yours=True)
    if len(rows) < 2:
        style.caption(
            _(
                "A run known only by its device-hours has no prediction on other devices: "
                "specify its workload, too."
            )
        )
        return
    text = _(
        "{count} of each, at the utilization predicted for each; bars are {level}% intervals. "
        "Sources: {names}"
    )
    if answer.scenario.utilization is not None:
        text = _(
            "{count} of each. Yours at the utilization given, the others at the one predicted for "
            "each; bars cover {level}%. Sources: {names}"
        )
    figures.draw(
        charts.quantity_by_device,
        rows,
        frame.look,
        caption=text.format(
            count=localised(f"{answer.run.devices:,.0f}"),
            level=_level(answer),
            names=credit(answer, catalog, ("peak_flop_per_s", "utilization", "tdp_w")),
        ),
        height=len(rows) * frame.look.row_px,
        of=(quantity,),
        key="chart_devices",
        alt=words.alt_of_devices(rows),
    )


def _level(answer: Answer) -> str:
    """Probability covered by the intervals [%]."""
    return localised(f"{answer.level * 100:.3g}")


SECTIONS: Mapping[str, Callable[[Values, Drawn, Frame, Catalog], None]] = {
    "parts": _parts,
    "doubts": _uncertainty,
    "devices": _devices,
    "formula": lambda values, drawn, frame, catalog: draw_formula(drawn.answer, linked=False),
}
"""Values of `show` in a link, in addition to the figures."""

SLIDES = {
    "figures": N_("time, energy, cost and CO2e"),
    "parts": N_("energy by part"),
    "doubts": N_("sources of uncertainty"),
    "devices": N_("the same work on other devices"),
    "formula": N_("the formula with the numbers of this run"),
}

QUESTION = PageQuestion(
    inputs=PARAMETERS,
    answer=_answered,
    view=_draw,
    title=lambda values: words.title(_answered(values).answer, open_catalog()),
    heading=lambda values, frame: "",
    slides=SLIDES,
    implied=_implied,
    shares=False,
)
PAGE = replace(
    QUESTION.page(N_("Estimate"), TRAIN),
    draw=draw,
    controls=[name for name in OF_ALL if INPUTS[name].label],
)
