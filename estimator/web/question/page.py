"""Page One question: energy of one use of a model, in everyday terms, a year, many users."""

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
    CLASS_OF_TASK,
    CLASSES,
    FACTORS,
    NUMBERS,
    TASKS,
    PromptQuestion,
    classes_of,
)
from estimator.studies.prompts.usage import FORMATS, usage_of
from estimator.studies.prompts.used import usage_report
from estimator.web.shared import plots, share, style, widgets
from estimator.web.shared.amounts import amount, format_range, localised
from estimator.web.shared.charts import Row
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


INPUT = {"input": "input_tokens", "output": "output_tokens"}
"""Link parameter -> input of a question, where they differ."""


def _typed(name: str, tooltip: str) -> Typed:
    """Optional typed input of a question."""
    declared = PromptQuestion.inputs[INPUT.get(name, name)]
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
        slides=True,
        label=LABELS["times"],
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
    _typed("input", N_("Length of the question. Empty: as usual for the task.")),
    _typed("output", N_("Length of the answer. Empty: as usual for the task.")),
    _typed("concurrency", N_("Concurrent answers per device; they share its power.")),
    _typed("pue", N_("Data-center energy ÷ IT energy (PUE). Empty: default.")),
    Choice("view", ("stated", "tasks"), help=N_("Chart to show.")),
)
VIEWS = {"stated": N_("Published figures"), "tasks": N_("Other tasks")}
"""View of the page -> its name."""

CARRIES = {"model": "", "site": "site", "hardware": "", "pue": "", "times": ""}
"""Inputs shared with other pages: only the site, as trained models do not answer."""

label_of = partial(label_of_control, LABELS)


def question_of(values: Values) -> PromptQuestion:
    """Return the question from the controls."""
    named = {INPUT.get(name, name): one for name, one in values.items() if one != ANY}
    return PromptQuestion(**{name: named[name] for name in PromptQuestion.inputs if name in named})


def answered(asked: PromptQuestion) -> PromptAnswer:
    """Answer a question, cached by use regardless of times per day."""
    return replace(_answered(replace(asked, times=None)), asked=asked)


@lru_cache(maxsize=256)
def _answered(asked: PromptQuestion) -> PromptAnswer:
    return answer_prompt(asked, open_catalog())


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


def _draw(values: Values, answer: PromptAnswer, frame: Frame) -> None:
    """Draw the answer and the chosen chart, or a slide."""
    if frame.shows("answer"):
        with style.block():
            style.sentence(escape(_sentence(answer)))
            style.figures(_cards(answer))
            style.caption(_uncertain(answer))
    if frame.shows("year"):
        with style.block():
            style.sentence(escape(_year(answer)))
            style.caption(_million(answer))
    if frame.slide:
        if frame.show in DRAWN:
            DRAWN[frame.show](answer, frame)
        return
    view = "tasks"
    if answer.task == "question":
        widgets.switch(PARAMETERS, "view", _("View"), VIEWS)
        view = values["view"]
    DRAWN[view](answer, frame)
    style.assumptions(shown_all(answer.notices, label_of))
    for label, key, draw in (
        (_("Assumptions and sources"), "fold_assumed", _draw_assumed),
        (_("Your own usage"), "fold_usage", _draw_usage),
    ):
        with style.folded(label, key=key) as fold:
            if fold.open:
                draw(answer)


def _sentence(answer: PromptAnswer) -> str:
    """Answer in a sentence."""
    return _("{task} takes {energy} ({interval}): {model}.").format(
        task=_capital(_(TASKS[answer.task])),
        energy=style.bold(_median("energy_wh", answer.energy_wh)),
        interval=_interval("energy_wh", answer.energy_wh),
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
    known = answer.amounts(1.0)
    names = {"co2e_g": _("CO2e"), "water_ml": _("water"), "electricity_usd": _("electricity")}
    cards = [(name, label, amount(alike[name], unit), "") for name, (label, unit) in things.items()]
    cards += [
        (name, label, _median(name, known[name]), _interval(name, known[name]))
        for name, label in names.items()
        if name in known
    ]
    return [style.figure(*card, ()) for card in cards]


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


def _year(answer: PromptAnswer) -> str:
    """Sentence on a year of daily use."""
    energy = answer.amounts(DAYS_PER_YEAR * answer.times)["energy_wh"]
    household = open_catalog().equivalents()["household.kwh_per_year"].value
    return _(
        "{times} a day are {energy} a year ({interval}), as much as a US household uses in {time}."
    ).format(
        times=localised(f"{answer.times:g}"),
        energy=style.bold(_median("energy_wh", energy)),
        interval=_interval("energy_wh", energy),
        time=amount(float(energy.mid) / 1e3 / household * H_PER_YEAR * S_PER_H, "s"),
    )


def _million(answer: PromptAnswer) -> str:
    """Sentence on a year of a million users."""
    many = answer.amounts(MILLION * DAYS_PER_YEAR * answer.times)
    parts = [_median("energy_wh", many["energy_wh"])]
    if "co2e_g" in many:
        parts.append(_("{amount} of CO2e").format(amount=_median("co2e_g", many["co2e_g"])))
    return _("A million such users: {amounts} a year.").format(amounts=", ".join(parts))


def _draw_stated(answer: PromptAnswer, frame: Frame) -> None:
    """Draw the published or measured figures next to the answer."""
    rows = [_row(_(answer.subject.label), answer.energy_wh, _(HERE))]
    for name, kind in STATED.items():
        record = open_catalog().claims()[name]
        value, title = record.claimed.value, _(record.title)
        text = title if kind == MEASURED else f"{title} ({_(kind)})"
        rows.append(plots.interval(title, (value, value, value), text, _(kind)))
    kinds = (_(HERE), *dict.fromkeys(_(kind) for kind in STATED.values()))
    picture = plots.ranges_picture(rows, _("energy of a question [Wh]"), kinds, "Wh")
    draw_picture(picture, frame.look, key="question_stated")
    text = _("The figures and their sources are checked under {page}.")
    link = anchor(f"claims?claim={next(iter(STATED))}", _("Fact checks"))
    style.caption_html(escape(text).format(page=link))


def _draw_tasks(answer: PromptAnswer, frame: Frame) -> None:
    """Draw every task on one scale, by the same model where it does the task."""
    rows: list[Row] = []
    subject = answer.subject
    for task, name in TASKS.items():
        here = task == answer.task
        model = subject.closed if subject.closed in classes_of(task) else ""
        if subject.preset and answer.task in WRITTEN and task in WRITTEN:
            model = subject.preset
        energy = (answer if here else answered(PromptQuestion(task=task, model=model))).energy_wh
        rows.append(_row(_(name), energy, _(OURS if here else OTHERS)))
    picture = plots.ranges_picture(rows, _("energy [Wh]"), (_(OURS), _(OTHERS)), "Wh")
    draw_picture(picture, frame.look, key="question_tasks")


WRITTEN = tuple(task for task in TASKS if task not in CLASS_OF_TASK)
"""Tasks of language models."""

DRAWN = {"stated": _draw_stated, "tasks": _draw_tasks}
"""View -> what draws it."""


def _row(label: str, energy: Uncertain, kind: str) -> Row:
    low, high = (float(bound) for bound in energy.interval())
    text = f"{label}: {_median('energy_wh', energy)} ({_interval('energy_wh', energy)})"
    return plots.interval(label, (low, float(energy.mid), high), text, kind)


def _draw_assumed(answer: PromptAnswer) -> None:
    """Draw every assumed number with its range and source."""
    rows = []
    for name, record in answer.assumptions.items():
        ends = [amount(end, "1") for end in (record.low, record.high) if end is not None]
        source = open_catalog().source(record.source)
        named = anchor(source.url, source.title) if source.url else _("assumed")
        span = format_range(*ends) if len(ends) == 2 else ""
        rows.append((_(NUMBERS[name]), amount(record.value, "1"), span, named))
    draw_table((_("assumed"), _("median"), _("80% interval"), _("source")), rows)


def _draw_usage(answer: PromptAnswer) -> None:
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
    known = PromptQuestion(site=answer.asked.site, pue=answer.asked.pue)
    try:
        report = usage_report(usage_of(upload.getvalue()), known, open_catalog())
    except ValueError as error:
        style.problem(sentence_of(reason(error), label_of))
        return
    energy = report.quantities["energy_wh"]
    style.sentence_of(
        _("Your usage: {energy} ({interval})."),
        energy=style.bold(_median("energy_wh", energy)),
        interval=_interval("energy_wh", energy),
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


def _as_json(answer: PromptAnswer) -> dict[str, Any]:
    """Return the answer as JSON."""
    report = prompt_report(answer, open_catalog())
    return {**{name: report.bounds(name) for name in report.quantities}, **report.facts}


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
    view=_draw,
    title=title(N_("One question")),
    heading=lambda values, frame: _(SLIDES[frame.show]),
    slides=SLIDES,
    files=lambda values, found: (share.json("question", lambda: _as_json(found)),),
    query=lambda values: {name: text for name, text in PARAMETERS.query(values).items() if text},
    worded=lambda notice: sentence_of(notice, label_of),
    named={of: name for name, of in INPUT.items()},
)
PAGE = QUESTION.page(N_("One question"), INFERENCE, carries=CARRIES)
