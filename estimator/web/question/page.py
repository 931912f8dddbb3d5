"""Page Question: energy of one use of a model, with equivalents, per year and for many users."""

from dataclasses import dataclass, replace
from functools import lru_cache, partial
from html import escape
from typing import Any

import streamlit as st

from estimator.core.messages import reason
from estimator.core.uncertainty import Uncertain
from estimator.core.units import H_PER_YEAR, MILLION, S_PER_H
from estimator.show import quantities
from estimator.studies.prompts.answer import (
    DAYS_PER_YEAR,
    PromptAnswer,
    answer_prompt,
    does,
    equivalents,
    prompt_report,
)
from estimator.studies.prompts.question import (
    CLASSES,
    FACTORS,
    ITEM_TASKS,
    NUMBERS,
    TASKS,
    PromptQuestion,
    classes_of,
)
from estimator.studies.prompts.usage import FORMATS, usage_of
from estimator.studies.prompts.used import usage_report
from estimator.web.shared import plots, share, style, widgets
from estimator.web.shared.amounts import amount, format_range, localised
from estimator.web.shared.charts import Picture, Row
from estimator.web.shared.figures import draw_picture
from estimator.web.shared.frame import Frame
from estimator.web.shared.html_table import anchor, draw_table
from estimator.web.shared.kit import PageQuestion, Values, title
from estimator.web.shared.language import N_, _
from estimator.web.shared.navigation import INFERENCE
from estimator.web.shared.notices import label_of_control, sentence_of, shown_all
from estimator.web.shared.profiles import (
    cached_per_server,
    devices_with,
    hardware_names,
    open_catalog,
    place_names,
)
from estimator.web.shared.url_state import (
    Choice,
    LinkParameters,
    Number,
    State,
    Typed,
    widget_key,
)

ANY = "any"
"""Option of an unspecified control; the default model of the task."""

MOST_FACTORS = 3
"""Most sources of uncertainty named [1]."""

MOST_USAGE_MB = 50
"""Largest usage file [MB]."""

HERE, COMPANY, ESTIMATE, MEASURED = (
    *(N_("this page"), N_("stated by the company")),
    *(N_("an estimate"), N_("measured")),
)
STATED = {
    "gemini-prompt-energy": COMPANY,
    "chatgpt-query-energy": COMPANY,
    "chatgpt-ten-searches": ESTIMATE,
    "bloom-query-energy": MEASURED,
}
"""Claim on the energy of a question -> type of statement."""

OURS, OTHERS = N_("this task"), N_("other tasks")


@cached_per_server
def open_models() -> dict[str, str]:
    """Id -> name of each open model that supports a task, sorted by name."""
    presets = [
        preset
        for preset in open_catalog().presets()
        if preset.config and any(does(preset, task) for task in TASKS)
    ]
    ordered = sorted(presets, key=lambda preset: preset.name.casefold())
    return {preset.id: preset.name for preset in ordered}


def models_for(task: str) -> list[str]:
    """Models for a task: closed ones by class, then open ones."""
    catalog = open_catalog()
    known = [name for name in open_models() if does(catalog.preset(name), task)]
    return [ANY, *classes_of(task), *known]


def _typed(name: str, field: str, tooltip: str) -> Typed:
    """Optional typed input of a question."""
    declared = PromptQuestion.inputs[field]
    return Typed(name, None, *declared.limit.range, label=declared.label, help=tooltip)


LABELS = {name: one.label for name, one in PromptQuestion.inputs.items() if one.label}
"""Input -> label of its control."""


@dataclass(frozen=True, init=False)
class PromptInputs(LinkParameters):
    """Inputs of the page; a model without the new task becomes the default."""

    def gather(self, state: State, last: dict[str, Any]) -> dict[str, Any]:
        """Widget values."""
        found, key = super().gather(state, last), widget_key(self.page, "model")
        if found["task"] == last["task"] or found["model"] in models_for(found["task"]):
            return found
        if key in state:
            state[key] = ANY
        return found | {"model": ANY}


PARAMETERS = PromptInputs(
    "question",
    Choice("task", tuple(TASKS), help=N_("Task for the model.")),
    Choice(
        "model",
        (ANY, *CLASSES, *open_models()),
        help=N_(
            "Model for the task. Vendors of closed models disclose little, so their range is wide."
        ),
    ),
    Number(
        "times",
        20.0,
        low=1.0,
        high=500.0,
        whole=True,
        help=N_("Uses a day, for a year of daily use."),
    ),
    Choice(
        "site",
        (ANY, *place_names()),
        label=LABELS["site"],
        help=N_("Sets the carbon intensity, the water and the price of electricity."),
        called=place_names,
        rest=N_("unspecified"),
    ),
    Choice(
        "hardware",
        (ANY, *devices_with("tdp_w", "memory_bytes_per_s")),
        label=LABELS["hardware"],
        help=N_("Device that the model runs on. Unspecified: common devices."),
        called=hardware_names,
        rest=N_("unspecified"),
    ),
    _typed("input", "input_tokens", N_("Length of the question. Empty: as usual for the task.")),
    _typed("output", "output_tokens", N_("Length of the answer. Empty: as usual for the task.")),
    _typed(
        "concurrency",
        "concurrency",
        N_("Concurrent answers per device; they share its power."),
    ),
    _typed(
        "pue", "pue", N_("Energy of the data center per energy of its machines. Empty: default.")
    ),
)
CARRIES = {"model": "", "site": "site", "hardware": "", "pue": "", "times": ""}
"""Inputs shared with other pages: only the site, as trained models do not answer."""

label_of = partial(label_of_control, LABELS, "prompt")


def question_of(values: Values) -> PromptQuestion:
    """Return the question from the controls."""
    return PromptQuestion(
        model="" if values["model"] == ANY else values["model"],
        site="" if values["site"] == ANY else values["site"],
        task=values["task"],
        hardware="" if values["hardware"] == ANY else values["hardware"],
        times=float(values["times"]),
        input_tokens=values["input"],
        output_tokens=values["output"],
        concurrency=values["concurrency"],
        pue=values["pue"],
    )


def answered(asked: PromptQuestion) -> PromptAnswer:
    """Answer a question, cached by use regardless of times per day."""
    return replace(_answered(replace(asked, times=None)), asked=asked)


@lru_cache(maxsize=256)
def _answered(asked: PromptQuestion) -> PromptAnswer:
    return answer_prompt(asked, open_catalog())


def _as_json(answer: PromptAnswer) -> dict[str, Any]:
    """Return the answer as JSON."""
    report = prompt_report(answer, open_catalog())
    return {**{name: report.bounds(name) for name in report.quantities}, **report.facts}


def _draw_choice(values: Values, frame: Frame) -> None:
    """Draw the two main controls above the answer."""
    if frame.slide:
        return
    task, model = st.columns(2)
    with task:
        names = {name: _capital(_(text)) for name, text in TASKS.items()}
        widgets.choose(PARAMETERS, "task", _(LABELS["task"]), names)
    options = models_for(values["task"])
    if values["model"] not in options:
        options.append(values["model"])
    called = {name: _model_name(values["task"], name) for name in options}
    with model:
        widgets.choose(PARAMETERS, "model", _(LABELS["model"]), called, None)


def _model_name(task: str, name: str) -> str:
    """Name of a model in the control of a task."""
    if name == ANY:
        usual = classes_of(task)[0]
        return _("usual: {name}").format(name=_model_name(task, usual))
    if name not in CLASSES:
        return open_models()[name]
    return f"{_(CLASSES[name])}{SERVICES.get(name, '')}"


SERVICES = {"gpt": " · ChatGPT, Copilot", "mistral": " · Le Chat"}
"""Class of models -> services that people search for."""


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def _draw_answer(values: Values, answer: PromptAnswer, frame: Frame) -> None:
    """Draw all parts of the answer, or the slide's."""
    if frame.shows("answer"):
        with style.block():
            style.sentence(escape(_sentence(answer)))
            style.figures(_cards(answer))
            style.caption(_uncertain(answer))
    with_stated = frame.slide or answer.task == "question"
    parts = {name: draw for name, draw in PARTS.items() if with_stated or name != "stated"}
    style.sections(parts, SLIDES, frame, answer)
    if not frame.slide:
        style.assumptions(shown_all(answer.notices, label_of))
        with style.folded(_("Assumptions and sources"), key="fold_assumed") as fold:
            if fold.open:
                _draw_assumed(answer)
        with style.folded(_("Your own usage"), key="fold_usage") as fold:
            if fold.open:
                _draw_usage(question_of(values))


def _draw_usage(asked: PromptQuestion) -> None:
    """Draw the upload of a usage file, and its cost."""
    names = ", ".join(form.name for form in FORMATS)
    upload = st.file_uploader(
        _("Usage file"),
        type=["json", "jsonl", "csv", "txt", "log"],
        max_upload_size=MOST_USAGE_MB,
        key="question_usage",
        help=_(
            "Only counts and names of models are read, and nothing is kept. Known: {names}."
        ).format(names=names),
    )
    if upload is None:
        return
    known = PromptQuestion(site=asked.site, pue=asked.pue)
    try:
        report = usage_report(usage_of(upload.getvalue()), known, open_catalog())
    except ValueError as error:
        style.problem(sentence_of(reason(error), label_of))
        return
    sums = report.quantities
    style.sentence_of(
        _("This usage took {energy} ({interval})."),
        energy=style.bold(_median("energy_wh", sums["energy_wh"])),
        interval=_interval("energy_wh", sums["energy_wh"]),
    )
    header = (_("Model"), _("requests"), _("tokens read"), _("tokens written"), _("energy"))
    rows = [
        (
            one["model"],
            *(amount(one[name], "1") for name in ("requests", "input_tokens", "output_tokens")),
            _amount("energy_wh", one["energy_wh"]["mid"]),
        )
        for one in report.facts["models"]
    ]
    draw_table(header, rows)
    assert isinstance(report.notices, tuple)
    style.assumptions(shown_all(report.notices, label_of))


def _draw_stated(answer: PromptAnswer, frame: Frame) -> None:
    """Draw the published figures next to the answer."""
    draw_picture(stated_picture(answer), frame.look, key="question_stated")
    style.caption_html(_checked())


def _draw_tasks(answer: PromptAnswer, frame: Frame) -> None:
    """Draw every task on one scale."""
    draw_picture(tasks_picture(answer), frame.look, key="question_tasks")


def _draw_year(answer: PromptAnswer, frame: Frame) -> None:
    """Draw a year of daily use, and of a million users."""
    if not frame.slide:
        widgets.slider(PARAMETERS, "times", _(LABELS["times"]))
    with style.block():
        style.sentence(escape(_year(answer)))
        style.caption(_million(answer))


PARTS = {"stated": _draw_stated, "tasks": _draw_tasks, "year": _draw_year}
"""Slide -> its drawing function."""


def _sentence(answer: PromptAnswer) -> str:
    """Answer in a sentence."""
    energy = answer.energy_wh
    return _("{task} takes {energy} ({interval}): {model}.").format(
        task=_capital(_(TASKS[answer.task])),
        energy=style.bold(_median("energy_wh", energy)),
        interval=_interval("energy_wh", energy),
        model=_(answer.subject.label),
    )


def _cards(answer: PromptAnswer) -> list[str]:
    """Everyday equivalents, and the other costs."""
    alike = equivalents(answer.energy_wh, open_catalog())
    things = {
        "led_bulb_s": (_("a 10 W LED lamp"), "s"),
        "brain_s": (_("a brain at 20 W"), "s"),
        "kettles": (_("boiling a litre of water"), "share"),
        "phone_charges": (_("charging a phone"), "share"),
    }
    cards = [
        style.figure(name, label, amount(alike[name], unit), "", ())
        for name, (label, unit) in things.items()
    ]
    known = answer.amounts(1.0)
    names = {"co2e_g": _("CO2e"), "water_ml": _("water"), "electricity_usd": _("electricity")}
    return cards + [
        style.figure(name, label, _median(name, known[name]), _interval(name, known[name]), ())
        for name, label in names.items()
        if name in known
    ]


def _amount(name: str, value: float) -> str:
    return localised(quantities.amount(name, value))


def _median(name: str, value: Uncertain) -> str:
    return _amount(name, float(value.mid))


def _interval(name: str, value: Uncertain) -> str:
    low, high = (_amount(name, float(bound)) for bound in value.interval())
    return format_range(low, high)


def _uncertain(answer: PromptAnswer) -> str:
    """Sentence on the main sources of uncertainty."""
    shares = sorted(answer.energy_wh.shares().items(), key=lambda one: -float(one[1]))
    named = ", ".join(
        f"{_(FACTORS[name])} {amount(round(float(part), 2), 'share')}"
        for name, part in shares[:MOST_FACTORS]
    )
    hint = _(" Choose an open model to narrow it.") if answer.subject.closed else ""
    return _("Most of the 80% interval: {named}.").format(named=named) + hint


def stated_picture(answer: PromptAnswer) -> Picture:
    """Energy of the answer, and published or measured figures."""
    rows = [_row(_(answer.subject.label), answer.energy_wh, _(HERE))]
    for name, kind in STATED.items():
        record = open_catalog().claims()[name]
        value, title = record.claimed.value, _(record.title)
        text = title if kind == MEASURED else f"{title} ({_(kind)})"
        rows.append(plots.interval(title, (value, value, value), text, _(kind)))
    kinds = (_(HERE), *dict.fromkeys(_(kind) for kind in STATED.values()))
    return plots.ranges_picture(rows, _("energy of a question [Wh]"), kinds, "Wh")


def _checked() -> str:
    """Link to the fact checks of these figures."""
    name = next(iter(STATED))
    text = _("The figures and their sources are checked under {page}.")
    link = anchor(f"claims?claim={name}", _("Fact checks"))
    return escape(text).format(page=link)


def tasks_picture(answer: PromptAnswer) -> Picture:
    """Energy of every task, including the selected one."""
    rows: list[Row] = []
    same = answer.subject.closed or answer.subject.preset
    for task, name in TASKS.items():
        here = task == answer.task
        model = same if task in classes_like(answer) else ""
        energy = (answer if here else answered(PromptQuestion(task=task, model=model))).energy_wh
        kind = OURS if here else OTHERS
        rows.append(_row(_(name), energy, _(kind)))
    return plots.ranges_picture(rows, _("energy [Wh]"), (_(OURS), _(OTHERS)), "Wh")


def classes_like(answer: PromptAnswer) -> tuple[str, ...]:
    """Tasks that the answer's model also supports."""
    if answer.subject.closed:
        return tuple(task for task in TASKS if answer.subject.closed in classes_of(task))
    written = answer.task not in (*ITEM_TASKS, "transcription")
    return tuple(
        task
        for task in TASKS
        if task == answer.task or (written and task not in (*ITEM_TASKS, "transcription"))
    )


def _row(label: str, energy: Uncertain, kind: str) -> Row:
    low, high = (float(bound) for bound in energy.interval())
    text = f"{label}: {_median('energy_wh', energy)} ({_interval('energy_wh', energy)})"
    return plots.interval(label, (low, float(energy.mid), high), text, kind)


def _year(answer: PromptAnswer) -> str:
    """Sentence on a year of daily use."""
    year = answer.amounts(DAYS_PER_YEAR * answer.times)
    energy = year["energy_wh"]
    household = open_catalog().equivalents()["household.kwh_per_year"].value
    days = float(energy.mid) / 1e3 / household * H_PER_YEAR * S_PER_H
    return _(
        "{times} a day are {energy} a year ({interval}), as much as a US household uses in {time}."
    ).format(
        times=localised(f"{answer.times:g}"),
        energy=style.bold(_median("energy_wh", energy)),
        interval=_interval("energy_wh", energy),
        time=amount(days, "s"),
    )


def _million(answer: PromptAnswer) -> str:
    """Sentence on a year of a million users."""
    many = answer.amounts(MILLION * DAYS_PER_YEAR * answer.times)
    parts = [_amount("energy_wh", float(many["energy_wh"].mid))]
    if "co2e_g" in many:
        parts.append(
            _("{amount} of CO2e").format(amount=_amount("co2e_g", float(many["co2e_g"].mid)))
        )
    return _("A million such users: {amounts} a year.").format(amounts=", ".join(parts))


def _draw_assumed(answer: PromptAnswer) -> None:
    """Draw every assumed number with its range and source."""
    catalog, rows = open_catalog(), []
    for one in answer.assumptions:
        source, known = catalog.source(one.source), one.low is not None and one.high is not None
        span = format_range(_number(one.low), _number(one.high)) if known else ""
        named = anchor(source.url, source.title) if source.url else _("assumed")
        rows.append((_(NUMBERS[one.name]), _number(one.value), span, named))
    draw_table((_("assumed"), _("median"), _("80% interval"), _("source")), rows)


def _number(value: float | None) -> str:
    return "" if value is None else amount(value, "1")


SLIDES = {
    "answer": N_("Cost of one use"),
    "stated": N_("Published figures"),
    "tasks": N_("From a question to ten seconds of video"),
    "year": N_("A year of daily use"),
}
QUESTION = PageQuestion(
    inputs=PARAMETERS,
    answer=lambda values: answered(question_of(values)),
    above=_draw_choice,
    view=_draw_answer,
    title=title(N_("One question")),
    heading=lambda values, frame: _(SLIDES[frame.show]),
    slides=SLIDES,
    files=lambda values, found: (share.json("question", lambda: _as_json(found)),),
    query=lambda values: {name: text for name, text in PARAMETERS.query(values).items() if text},
    worded=lambda notice: sentence_of(notice, label_of),
    named={"input_tokens": "input", "output_tokens": "output"},
)
PAGE = QUESTION.page(N_("One question"), INFERENCE, carries=CARRIES)
