"""Page Report: documents for a rule, journal or registry, to download."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from estimator.answer.disclosure import Disclosed, Fact, training_facts
from estimator.answer.measured_scenario import scenario_of_run
from estimator.answer.scenario_estimate import answer_scenario
from estimator.core.units import CENTRAL
from estimator.core.work import METERED
from estimator.inference.disclosure import inference_facts
from estimator.inference.measured_loads import known_loads
from estimator.inference.quantities import answer_serving
from estimator.inference.question import ServingQuestion
from estimator.question.disclosure import Disclosure
from estimator.question.inputs import REGISTRY
from estimator.question.scenario import INPUTS, Scenario
from estimator.runs.store import read_runs
from estimator.show.documents import (
    FORMATS,
    IMPLAUSIBLE,
    SUFFIXES,
    Document,
    document,
    field_cells,
    paragraph,
    sheet_of,
    text_of,
    usual_markup,
)
from estimator.web.calibrate import live
from estimator.web.serve import inputs as serve
from estimator.web.shared import scenario, share, style, widgets
from estimator.web.shared.amounts import amount, format_range
from estimator.web.shared.frame import Frame
from estimator.web.shared.html_table import anchor, draw_table
from estimator.web.shared.kit import PageQuestion, Values, title
from estimator.web.shared.language import N_, _
from estimator.web.shared.navigation import TRAIN
from estimator.web.shared.notices import label_of_control, sentence_of, shown_all
from estimator.web.shared.profiles import devices_with, open_catalog, place_names
from estimator.web.shared.url_state import Choice, LineOfText, LinkParameters, Typed

ANY = "any"
"""Option of an unspecified control."""

MOST_RUNS = 20
"""Most stored runs listed [1]."""

CALLED = {
    "annex-xi": N_("AI Act, Annex XI"),
    "paper": N_("Paper"),
    "model-card": N_("Model card"),
    "scope2": N_("Scope 2"),
    "sci": N_("SCI for AI"),
    "boamps": N_("BoAmps"),
    "cyclonedx": N_("CycloneDX"),
    "spdx": N_("SPDX"),
}
"""Format -> name of its option."""

METERS = {
    ANY: N_("unspecified"),
    "devices": N_("the devices only"),
    "nodes": N_("whole nodes"),
    "facility": N_("the facility, with cooling"),
}
"""Scope of a meter -> label of its option."""

MEASURED, ELECTRICITY, MORE = (
    *(N_("Measurements"), N_("Contracts for the electricity")),
    N_("More about the run"),
)

MARKUPS = {
    "markdown": N_("Download Markdown"),
    "html": N_("Download HTML (prints, opens in Word)"),
    "latex": N_("Download LaTeX"),
}
"""Markup -> text of its button."""

MIMES = {"markdown": "text/markdown", "html": "text/html", "latex": "application/x-tex"}


TASKS = {"training": N_("training a model"), "serving": N_("serving a model")}
"""Subject of the report -> label of its option."""


def _trains(values: Mapping[str, Any]) -> bool:
    return bool(values["task"] == "training")


def _serves(values: Mapping[str, Any]) -> bool:
    return not _trains(values)


def _typed(name: str, help_text: str, section: str = "", usual: float | None = None) -> Typed:
    """Optional numeric control about training."""
    declared = REGISTRY[name]
    return Typed(
        name,
        usual,
        *declared.limit.range,
        label=declared.label,
        help=help_text,
        section=section,
        when=_trains,
    )


def _served(name: str, own: str = "") -> Any:
    """Control of the page Inference, for reports on inference."""
    return replace(serve.PARAMETERS.declared(name), name=own or name, when=_serves)


PARAMETERS = LinkParameters(
    "report",
    Choice(
        "format",
        tuple(CALLED),
        called=lambda: CALLED,
        help=N_("Document required by a law, journal or registry."),
    ),
    Choice(
        "task",
        tuple(TASKS),
        label=N_("Subject of the report"),
        help=N_("A training run, or a million output tokens of a served model."),
        called=lambda: TASKS,
    ),
    LineOfText(
        "name",
        "My model",
        label=N_("Name of the model"),
        help=N_("Appears in the document; some formats require it."),
        when=_trains,
    ),
    _served("model"),
    _typed("params", N_("Trainable weights of the model. Type 7e9 or 7B."), usual=7e9),
    _typed("tokens", N_("Tokens that the model sees in training, repetitions included."), "", 2e12),
    scenario.hardware(devices_with("tdp_w"), "h100-sxm"),
    _typed("devices", N_("Number of these devices in use together."), usual=64.0),
    _served("devices", "servers"),
    _served("precision", "weights"),
    _served("concurrency"),
    _served("input"),
    _served("output"),
    scenario.site((ANY, *place_names()), "us", rest=N_("unspecified")),
    _typed(
        "device_hours",
        N_("Devices times hours of a finished run. Empty: predicted."),
        MEASURED,
    ),
    _typed("energy_kwh", N_("Metered energy. Empty: predicted."), MEASURED),
    Choice(
        "metered",
        (ANY, *METERED),
        label=N_("Coverage of the meter"),
        help=N_("Hosts, network and cooling are added if the meter missed them."),
        section=MEASURED,
        when=_trains,
        called=lambda: METERS,
    ),
    _typed("energy_uncertainty", N_("Error of the meter as a share: 0.05 is 5%."), MEASURED),
    _typed(
        "contract",
        N_("Carbon intensity of electricity bought by contract; 0 for certified renewables."),
        ELECTRICITY,
    ),
    _typed(
        "contract_share",
        N_("Share of the electricity covered by the contract; 1 is all."),
        ELECTRICITY,
    ),
    _typed(
        "residual_mix",
        N_("Carbon intensity of the rest, from the residual mix of the country. Empty: on record."),
        ELECTRICITY,
    ),
    _typed(
        "attempts",
        N_("Compute of all runs, failed ones included, per compute of the final run."),
        MORE,
    ),
    replace(
        _typed("pue", N_("Energy of the data center per energy of its machines, from 1."), MORE),
        when=None,
    ),
    _typed("year", N_("Year of the run, for its grid and PUE."), MORE),
)

LABELS = {one.name: one.label for one in PARAMETERS.known if one.label}
LABELS["precision"] = LABELS["weights"]
label_of = partial(label_of_control, LABELS)


def in_document(field: str) -> str:
    """Return the label of an input in a document, which is English."""
    label = LABELS.get(field) or (REGISTRY[field].label if field in REGISTRY else field)
    return f"“{label.partition(' [')[0]}”"


def question_of(values: Values) -> tuple[Scenario, Disclosure]:
    """Return the run and contracts from the controls."""
    said = {name: value for name, value in values.items() if value not in (None, "", ANY)}
    return (
        Scenario(**{name: value for name, value in said.items() if name in INPUTS}),
        Disclosure(**{name: said[name] for name in Disclosure.inputs if name in said}),
    )


@lru_cache(maxsize=256)
def _facts(run: Scenario, held: Disclosure) -> Disclosed:
    held.check()
    catalog = open_catalog()
    return training_facts(answer_scenario(run, catalog), held, catalog)


def served_question(values: Values) -> ServingQuestion:
    """Return the inference setup from the controls."""
    own = {"devices": "servers", "precision": "weights"}
    names = ("model", "hardware", "devices", "precision", "concurrency", "input", "output")
    return serve.question_of(
        {name: values[own.get(name, name)] for name in (*names, "site", "pue")}
    )


def _served_facts(asked: ServingQuestion) -> Disclosed:
    catalog = open_catalog()
    answer = answer_serving([asked], catalog, calibration=known_loads(catalog).corrected)
    return inference_facts(answer, catalog, CENTRAL)


def answered(values: Values) -> Document:
    """Return the document from the controls."""
    if _serves(values):
        facts = _served_facts(served_question(values))
    else:
        facts = _facts(*question_of(values))
    return document(values["format"], facts, open_catalog())


def draw_document(values: Values, made: Document, frame: Frame) -> None:
    """Draw checks, the answer in a sentence, the fields, and their basis."""
    facts = made.facts
    if not frame.slide:
        widgets.switch(PARAMETERS, "format", _("Document"), CALLED)
    _draw_checks(facts)
    with style.block():
        style.sentence(_sentence(facts, served=_serves(values)))
        if not frame.slide:
            style.caption(
                _(
                    "{rule}. The document is in English, like its form, and is not legal advice."
                ).format(rule=FORMATS[made.format].rule)
            )
    if frame.slide:
        numbers = [row[:2] for row in _rows(made, only_numbers=True)]
        draw_table((_("field"), _("value")), numbers)
        return
    sheet = sheet_of(made, in_document)
    for heading, text in sheet.code.items():
        if made.format == "paper":
            st.code(paragraph(made), language=None, wrap_lines=True)
        with style.folded(heading, key=f"fold_{heading.lower()}") as fold:
            if fold.open:
                st.code(text, language=None)
    draw_table((_("field"), _("value"), _("basis"), _("how it follows")), _rows(made))
    others = [notice for notice in facts.notices if notice.code not in IMPLAUSIBLE]
    style.first_assumptions(shown_all(others, label_of))
    with style.folded(_("Boundary: what is counted"), key="fold_boundary") as fold:
        if fold.open:
            draw_table((_("part"), _("counted")), list(facts.boundary.items()))
    if _trains(values):
        with style.folded(_("Runs measured here"), key="fold_runs") as fold:
            if fold.open:
                _draw_runs(values)


def _draw_checks(facts: Disclosed) -> None:
    """Draw warnings on impossible values."""
    for notice in facts.notices:
        if notice.code in IMPLAUSIBLE:
            sentence = sentence_of(notice, label_of)
            style.problem(f"{sentence[:1].upper()}{sentence[1:]}")


def _draw_runs(values: Values) -> None:
    """Draw the newest stored runs, each linked to fill in device, hours and energy."""
    rows = run_rows(values)
    if rows:
        draw_table((_("run"), _("date")), rows)
    else:
        style.caption(_("No run is stored on this machine."))


def run_rows(values: Values) -> list[tuple[str, str]]:
    """Return a link and date of each of the newest stored runs.

    Names are shown only to local visitors.
    """
    runs, _unreadable = read_runs()
    usual = PARAMETERS.from_link({})[0]
    kept = {name: values[name] for name in ("format", "site")}
    rows: list[tuple[str, str]] = []
    for run in sorted(runs, key=lambda run: run.started, reverse=True)[:MOST_RUNS]:
        with suppress(ValueError):
            measured, metered = scenario_of_run(run)
            filled = {**usual, **dict.fromkeys(("params", "tokens")), **kept}
            filled |= {
                name: one for name, one in measured.specified_inputs().items() if name in filled
            }
            name = (run.label or "") if live.at_the_machine() else ""
            filled["name"] = name or usual["name"]
            filled["hardware"] = open_catalog().find_device(measured.hardware or "") or ""
            if not metered:
                filled |= {"energy_kwh": None, "metered": ANY}
            address = f"report?{urlencode(PARAMETERS.query(filled))}"
            rows.append((anchor(address, name or run.id), run.started[:10]))
    return rows


def _sentence(facts: Disclosed, *, served: bool = False) -> str:
    """Answer in a sentence."""
    energy, carbon = (_amount(facts.facts[name]) for name in ("energy_kwh", "co2e_kg"))
    if not energy:
        return style.plain(_("The energy of this run is not known."))
    if served:
        return _("A million output tokens take {energy} and emit {carbon} of CO2e.").format(
            energy=energy, carbon=carbon
        )
    words = {
        "measured": _("measured"),
        "calibrated": _("partly measured"),
        "predicted": _("predicted"),
    }
    basis = words[facts.facts["energy_kwh"].basis]
    if not carbon:
        return _("This run takes {energy}, {basis}.").format(energy=energy, basis=basis)
    return _("This run takes {energy}, {basis}, and emits {carbon} of CO2e.").format(
        energy=energy, basis=basis, carbon=carbon
    )


def _amount(fact: Fact) -> str:
    """Value and interval of a fact, empty if not available."""
    if not isinstance(fact.value, float):
        return ""
    text = style.bold(amount(fact.value, fact.unit))
    if fact.low is None or fact.high is None:
        return text
    return f"{text} ({format_range(amount(fact.low, fact.unit), amount(fact.high, fact.unit))})"


def _rows(made: Document, *, only_numbers: bool = False) -> list[tuple[str, ...]]:
    """Table cells of the fields: value with interval, and formula with sources."""
    rows: list[tuple[str, ...]] = []
    for field in made.fields:
        if only_numbers and not isinstance(field.fact.value, float):
            continue
        label, value, span, basis, formula, sources = field_cells(field, in_document)
        whole = f"{value} ({span})" if span else value
        rows.append((label, whole, basis, "; ".join(filter(None, (formula, sources)))))
    return rows


def _files(values: Values, made: Document) -> Sequence[share.File]:
    """Document in each markup, and as data."""
    ends = {markup: suffix for suffix, markup in reversed(SUFFIXES.items())}
    files = [
        share.File(
            label=_(label),
            name=f"{made.format}{ends[markup]}",
            mime=MIMES[markup],
            content=partial(text_of, made, markup, in_document),
        )
        for markup, label in MARKUPS.items()
    ]
    data = share.File(
        label=_("Download JSON"),
        name=f"{made.format}.json",
        mime="application/json",
        content=partial(text_of, made, "json", in_document),
    )
    return [data, *files] if usual_markup(made) == "json" else [*files, data]


def _heading(values: Values, frame: Frame) -> str:
    return _(CALLED[values["format"]])


SLIDES = {"document": N_("The document")}
QUESTION = PageQuestion(
    inputs=PARAMETERS,
    answer=answered,
    view=draw_document,
    title=title(N_("Report my run")),
    heading=_heading,
    slides=SLIDES,
    files=_files,
    worded=lambda notice: sentence_of(notice, label_of),
)
PAGE = QUESTION.page(N_("Report"), TRAIN)
