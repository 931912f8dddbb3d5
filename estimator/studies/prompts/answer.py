"""Energy, CO2e, water and electricity of one use of a model, with their uncertainty."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlencode

import numpy as np
import numpy.typing as npt

from estimator.answer.report import Report, bounds
from estimator.catalog import Catalog, Preset, Record
from estimator.core.brain import BRAIN_POWER_W
from estimator.core.messages import refusal, refuse
from estimator.core.notice import Notice
from estimator.core.rows import rows_of
from estimator.core.site import Site
from estimator.core.uncertainty import Uncertain, total
from estimator.core.units import CENTRAL, J_PER_WH, MILLION, S_PER_H, WH_PER_KWH
from estimator.inference.devices import find_serving_device
from estimator.inference.items import answer_item
from estimator.inference.model_names import find_preset, stated_size
from estimator.inference.quantities import MODEL, answer_questions
from estimator.inference.question import Item, ServingQuestion
from estimator.question.table import Table, check_question
from estimator.studies.prompts.designs import DESIGNS, Unknown, sample
from estimator.studies.prompts.question import (
    CLASS_OF_TASK,
    CLASSES,
    ITEM_TASKS,
    TASKS,
    PromptQuestion,
    class_of,
    classes_of,
)

Values = Mapping[str, Any]
"""Input -> one value per design, or one for all."""

DAYS_PER_YEAR = 365.0
TIMES_PER_DAY = 20.0
"""Default uses per day [1]."""

ITEM_DESIGNS = 128
"""Sampled designs of an item [1], each computed separately."""

LEAST_KEPT = 0.25
"""Least share of designs that must fit their devices [1]; assumed."""

USUAL = "usual"
"""Default number format of the inference model."""

FACTOR_OF_MODEL = "prediction"
"""Uncertainty factor for the inference model's error."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Model of a question: a class of closed models, or an open model by name."""

    label: str
    closed: str = ""
    preset: str = ""
    params: float | None = None


@dataclass(frozen=True, kw_only=True)
class PromptAnswer:
    """Cost of one use.

    Parameters
    ----------
    asked : PromptQuestion
    subject : Subject
    site : Site
    device_wh, it_wh : Uncertain
        Energy of the devices alone, and of all computers [Wh].
    assumptions : mapping of str to Record
        Assumed number -> its record.
    notices : tuple of Notice
    """

    asked: PromptQuestion
    subject: Subject
    site: Site
    device_wh: Uncertain
    it_wh: Uncertain
    assumptions: Mapping[str, Record]
    notices: tuple[Notice, ...]

    @property
    def task(self) -> str:
        """Task of the question."""
        return self.asked.task or "question"

    @property
    def times(self) -> float:
        """Uses per day [1]."""
        return TIMES_PER_DAY if self.asked.times is None else self.asked.times

    @property
    def uses(self) -> float:
        """Uses that the amounts refer to [1]."""
        per_day = {"day": 1.0, "year": DAYS_PER_YEAR}.get(self.asked.per)
        return 1.0 if per_day is None else per_day * self.times

    @property
    def energy_wh(self) -> Uncertain:
        """Energy of one use, of the whole site [Wh]."""
        return self.it_wh * self.site.pue

    def amounts(self, uses: float) -> dict[str, Uncertain]:
        """Estimate the known energy, CO2e, water and electricity of some uses."""
        energy_wh, water = self.energy_wh, self.site.water_l_per_it_kwh()
        found = {"energy_wh": uses * energy_wh}
        if self.site.co2e_kg_per_kwh is not None:
            found["co2e_g"] = uses * energy_wh * self.site.co2e_kg_per_kwh
        if water:
            found["water_ml"] = uses * self.it_wh * total(water.values())
        if self.site.electricity_usd_per_kwh is not None:
            price_per_wh = self.site.electricity_usd_per_kwh / WH_PER_KWH
            found["electricity_usd"] = uses * energy_wh * price_per_wh
        return found


def answer_prompt(asked: PromptQuestion, catalog: Catalog) -> PromptAnswer:
    """Answer one question about the use of a model.

    Raises
    ------
    ValueError
        If the model is unknown or cannot do the task, or an input is invalid.
    """
    check_question(asked)
    task = asked.task or "question"
    subject = find_subject(asked.model, task, catalog)
    known = _gather(asked, task, subject, catalog)
    items = task in ITEM_TASKS
    designs = sample(known.found, ITEM_DESIGNS if items else DESIGNS)
    values = {**designs.values, **known.fixed}
    found = (_items if items else _text_energy)(asked, subject, values, designs.count, catalog)
    device_wh, it_wh = (
        designs.pooled(_renamed(one), found.kept) for one in (found.device_wh, found.it_wh)
    )
    return PromptAnswer(
        asked=asked,
        subject=subject,
        site=found.site,
        device_wh=device_wh,
        it_wh=it_wh,
        assumptions={
            unknown.name: unknown.record for unknown in known.found if unknown.record is not None
        },
        notices=_notices(subject, found.site, found.notes),
    )


def find_subject(name: str, task: str, catalog: Catalog) -> Subject:
    """Find the model that a name means, for a task.

    Raises
    ------
    ValueError
        If it is unknown, or cannot do the task.
    """
    only = CLASS_OF_TASK.get(task, "")
    name = name.strip() or only or "gpt"
    preset = None if name.casefold() in CLASSES else find_preset(catalog, name)
    if preset is not None and does(preset, task):
        params = preset.records["params"].value if "params" in preset.records else None
        return Subject(label=preset.name, preset=preset.id, params=params)
    closed = class_of(name)
    if preset is not None or (closed and closed not in classes_of(task)):
        raise refuse("prompt_other_task", "task", name=name)
    if closed:
        return Subject(label=CLASSES[closed], closed=closed)
    if stated_size(name) is None or only:
        raise refuse("prompt_model_unknown", "model", name=name)
    return Subject(label=name, preset=name)


def does(preset: Preset, task: str) -> bool:
    """Return whether a model on record supports a task."""
    if task == "image":
        return preset.kind == "diffusion"
    if task == "transcription":
        return preset.kind == "speech" and "encoder-decoder" in preset.arch
    return task != "video" and preset.kind in ("language", "multimodal")


@dataclass(frozen=True)
class _Gathered:
    """Uncertain factors of a question, and its known numbers."""

    asked: PromptQuestion
    records: Mapping[str, Record]
    found: list[Unknown] = field(default_factory=list)
    fixed: dict[str, Any] = field(default_factory=dict)

    def number(self, name: str, factor: str, key: str, most: float = math.inf) -> None:
        """Use a number as given or on record."""
        given = getattr(self.asked, name, None)
        if given is not None:
            self.fixed[name] = given
        else:
            record = self.records[key]
            self.found.append(Unknown(name=name, factor=factor, record=record, most=most))

    def choice(self, name: str, factor: str, prefix: str) -> None:
        """Use a word as given, or the probabilities on record."""
        given = getattr(self.asked, name)
        if given:
            self.fixed[name] = given
            return
        chances = {
            key.removeprefix(prefix): record.value
            for key, record in self.records.items()
            if key.startswith(prefix)
        }
        self.found.append(Unknown(name=name, factor=factor, chances=chances))


def _gather(asked: PromptQuestion, task: str, subject: Subject, catalog: Catalog) -> _Gathered:
    """Collect what is known and unknown of model, service and work."""
    known = _Gathered(asked, catalog.prompts())
    closed = subject.closed
    if closed:
        known.number("params", "size", f"class.{closed}.params")
        known.number("active_share", "size", f"class.{closed}.active_share", 1.0)
    elif subject.params is not None and task == "transcription":
        known.fixed["params"] = subject.params
    owner = f"class.{closed}" if closed else "open"
    known.choice("hardware", "hardware", f"{owner}.hardware.")
    hosted = not asked.hardware or find_serving_device(catalog, asked.hardware).is_server
    if hosted or asked.precision:
        formats = "closed" if closed else "open"
        known.choice("precision", "number format", f"{formats}.format.")
    if task in ITEM_TASKS:
        _gather_item(known, task)
    else:
        _gather_calls(known, task, hosted=hosted)
    return known


def _gather_item(known: _Gathered, task: str) -> None:
    """Collect the work of an image or video."""
    for name in TOKENS:
        if getattr(known.asked, name) is not None:
            raise refuse("prompt_no_tokens", name, task=TASKS[task])
    for name in ("positions", "steps", "guidance"):
        known.number(name, "work", f"task.{task}.{name}")
    known.number("concurrency", "batch", "serving.item_batch")


def _gather_calls(known: _Gathered, task: str, *, hosted: bool) -> None:
    """Collect the load of the service, and the tokens of a task."""
    if not hosted or known.asked.concurrency is not None:
        known.fixed["concurrency"] = known.asked.concurrency or 1.0
    else:
        known.number("concurrency_per_device", "batch", "serving.concurrency_per_device")
    if hosted:
        known.number("duty_cycle", "idle capacity", "serving.duty_cycle", 1.0)
    for name in ("calls", "input_tokens", "output_tokens"):
        known.number(name, "length", f"task.{task}.{name}")
    known.number("cached_share", "length", f"task.{task}.cached_share", 1.0)


class _DesignEnergy(NamedTuple):
    """Energy of the devices and of all computers, of the designs that can be answered [Wh]."""

    device_wh: Uncertain
    it_wh: Uncertain
    kept: npt.NDArray[np.bool_]
    site: Site
    notes: tuple[Notice, ...]


def _text_energy(
    asked: PromptQuestion, subject: Subject, values: Values, count: int, catalog: Catalog
) -> _DesignEnergy:
    """Return the energy of a token-based task."""
    table = Table.of_columns(ServingQuestion, **_columns(values, subject, asked))
    if "concurrency_per_device" in values:
        alone = answer_questions(table.changed(concurrency=np.ones(count)), catalog)
        devices = np.ones(count)
        devices[alone.places] = np.asarray(alone.table.layout.devices)
        flying = devices * values["concurrency_per_device"]
        table = table.changed(concurrency=np.maximum(1.0, np.round(flying)))
    answer = answer_questions(table, catalog)
    kept = np.zeros(count, dtype=np.bool_)
    kept[answer.places] = True
    if kept.mean() < LEAST_KEPT:
        raise refusal(next(iter(answer.errors.values())))
    energy = answer.ranges["energy_per_request_wh"]
    known = np.isfinite(np.asarray(energy.mid))
    if not known.any():
        said = answer.notices.of(0)
        raise refusal(next(notice for notice in said if notice.code == "serving_power_unknown"))
    kept[answer.places[~known]] = False
    rows = np.flatnonzero(known)
    calls = np.broadcast_to(np.asarray(values["calls"]), (count,))[kept]
    site = answer.table.sites[0][0]
    written = np.asarray(answer.table.output_tokens)[rows] / J_PER_WH
    joule = rows_of(answer.ranges["device_energy_per_output_token_j"], rows)
    return _DesignEnergy(
        device_wh=joule * (written * calls),
        it_wh=rows_of(energy / site.pue, rows) * calls,
        kept=kept,
        site=site,
        notes=answer.notices.of(0),
    )


def _columns(values: Values, subject: Subject, asked: PromptQuestion) -> dict[str, Any]:
    """Return inputs of the inference model, one value per design or one for all."""
    columns = {name: values[name] for name in ServingQuestion.inputs if name in values}
    columns |= {name: np.maximum(1.0, np.round(values[name])) for name in TOKENS}
    columns["hardware"] = _listed(values["hardware"])
    if "precision" in values:
        formats = np.asarray(values["precision"])
        columns["precision"] = _listed(np.where(formats == USUAL, "", formats))
    if "active_share" in values:
        columns["active_params"] = values["params"] * values["active_share"]
    if "params" not in values:
        columns["preset"] = subject.preset
    return {**columns, "site": asked.site, **({} if asked.pue is None else {"pue": asked.pue})}


TOKENS = ("input_tokens", "output_tokens")


def _listed(words: Any) -> Any:
    """Return the texts as a list for a table, or one text for all."""
    return np.asarray(words).tolist()


def _items(
    asked: PromptQuestion, subject: Subject, values: Values, count: int, catalog: Catalog
) -> _DesignEnergy:
    """Return the energy of an image or video."""
    columns = {name: np.broadcast_to(one, (count,)).tolist() for name, one in values.items()}
    found, kept, error = [], np.zeros(count, dtype=np.bool_), None
    for place in range(count):
        row = {name: column[place] for name, column in columns.items()}
        question = ServingQuestion(
            preset=subject.preset,
            params=None if subject.preset else row["params"],
            hardware=row["hardware"],
            precision=row.get("precision", USUAL).replace(USUAL, ""),
            concurrency=max(1.0, round(row["concurrency"])),
            site=asked.site,
            pue=asked.pue,
        )
        size = {"positions": row["positions"]}
        if subject.preset:
            size = {"image_size": round(16.0 * row["positions"] ** 0.5 / 64.0) * 64.0}
        item = Item(steps=max(1.0, round(row["steps"])), guidance=row["guidance"], **size)
        try:
            found.append(answer_item(question, item, catalog))
            kept[place] = True
        except ValueError as why:
            error = why
    if error is not None and kept.mean() < LEAST_KEPT:
        raise error
    site = found[0].row.site
    return _DesignEnergy(
        device_wh=_stacked(
            [answer.ranges["device_energy_per_item_j"] / J_PER_WH for answer in found]
        ),
        it_wh=_stacked(
            [answer.ranges["energy_per_item_j"] / site.pue / J_PER_WH for answer in found]
        ),
        kept=kept,
        site=site,
        notes=found[0].notes,
    )


def _stacked(quantities: Sequence[Uncertain]) -> Uncertain:
    """Stack quantities of one row with equal loadings."""
    loadings = {
        name: np.concatenate([np.ravel(quantity.loadings[name]) for quantity in quantities])
        for name in quantities[0].loadings
    }
    return Uncertain(np.concatenate([np.ravel(quantity.mid) for quantity in quantities]), loadings)


def _renamed(quantity: Uncertain) -> Uncertain:
    """Return a quantity with the inference model's error under its own name."""
    loadings = {
        FACTOR_OF_MODEL if name == MODEL else name: load for name, load in quantity.loadings.items()
    }
    return Uncertain(quantity.mid, {name: load for name, load in loadings.items() if np.any(load)})


def _notices(subject: Subject, site: Site, notes: Sequence[Notice]) -> tuple[Notice, ...]:
    """Return the assumptions about the model and the site."""
    own = (Notice("prompt_of_class", "model", {"name": subject.label}),) if subject.closed else ()
    water = site.wue_l_per_kwh is None and site.offsite_l_per_kwh is not None
    partly = (Notice("prompt_water_partly", "site"),) if water else ()
    of_site = tuple(notice for notice in notes if notice.field in ("site", "pue"))
    return (*own, *of_site, *partly)


def equivalents(energy: Uncertain, catalog: Catalog) -> dict[str, float]:
    """Convert an energy to everyday equivalents: lamp, brain, kettle, phone [s, 1]."""
    records, wh = catalog.equivalents(), float(energy.mid)
    return {
        "led_bulb_s": wh * S_PER_H / records["led_bulb.power_w"].value,
        "brain_s": wh * S_PER_H / BRAIN_POWER_W,
        "kettles": wh / records["kettle.energy_wh"].value,
        "phone_charges": wh / records["phone.charge_wh"].value,
    }


def facts_of(energy: Uncertain, answer: PromptAnswer, catalog: Catalog) -> dict[str, Any]:
    """Spread and equivalents of an energy, and the numbers assumed for an answer."""
    shares = energy.shares()
    return {
        "spread": {name: float(shares[name]) for name in sorted(shares, key=lambda k: -shares[k])},
        "equivalents": equivalents(energy, catalog),
        "assumptions": [
            {"name": name}
            | {key: one for key in RECORDED if (one := getattr(record, key)) not in (None, "")}
            for name, record in answer.assumptions.items()
        ],
    }


RECORDED = ("value", "low", "high", "unit", "basis", "source", "note")
"""Fields of an assumed number that are reported."""


def _link(answer: PromptAnswer) -> str:
    """Return the page and query that open the same question in the app."""
    asked, subject = answer.asked, answer.subject
    words = {
        "task": answer.task,
        "model": subject.closed or subject.preset,
        "times": f"{answer.times:g}",
        "site": asked.site,
        "hardware": asked.hardware,
    }
    numbers = {
        "input": asked.input_tokens,
        "output": asked.output_tokens,
        "concurrency": asked.concurrency,
        "pue": asked.pue,
    }
    given = {name: f"{number:g}" for name, number in numbers.items() if number is not None}
    return f"question?{urlencode({name: one for name, one in words.items() if one} | given)}"


def prompt_report(answer: PromptAnswer, catalog: Catalog, level: float = CENTRAL) -> Report:
    """Report of one use, a day or a year, and of a year of a million users."""
    found = answer.amounts(answer.uses)
    asked = answer.asked

    def of(uses: float) -> dict[str, dict[str, float]]:
        return {name: bounds(one, level) for name, one in answer.amounts(uses).items()}

    yearly = DAYS_PER_YEAR * answer.times
    return Report(
        question="prompt",
        quantities=found,
        level=level,
        inputs={
            "model": answer.subject.label,
            "task": answer.task,
            "per": asked.per or "use",
            "times": answer.times,
            "site": answer.site.name,
            **{
                name: value
                for name, value in asked.specified_inputs().items()
                if name not in ("model", "task", "per", "times", "site")
            },
        },
        notices=answer.notices,
        facts={
            **facts_of(found["energy_wh"], answer, catalog),
            "link": _link(answer),
            "year": of(yearly),
            "million_users_year": of(MILLION * yearly),
        },
        columns=("model", "task", "per", "times", "site"),
        details={"task": TASKS[answer.task]},
    )
