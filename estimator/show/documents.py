"""Documents for rules, journals and registries: fields per format, and their renderers.

Each field of a format names the fact that fills it. All facts come from one answer
(`answer.disclosure`), so every format has the same numbers. Machine-readable formats place their
fields by JSON path.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from html import escape
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from estimator import __version__
from estimator.answer.disclosure import NOT_AVAILABLE, Disclosed, Fact, scaled
from estimator.catalog import Catalog, Source
from estimator.core.messages import Names, in_python, refusal, refuse, rendered
from estimator.core.notice import Notice
from estimator.core.units import H_PER_DAY, format_range, in_percent, significant

EXACT_FIGURES = 12
"""Significant figures of numbers in data, enough for a lossless round trip."""

FACTORS: Mapping[tuple[str, str], float] = {
    ("kWh", "MWh"): 1e-3,
    ("h", "day"): 1 / H_PER_DAY,
    ("kgCO2e", "tCO2e"): 1e-3,
    ("kgCO2e/kWh", "gCO2e/kWh"): 1e3,
    ("parameters", "billion"): 1e-9,
}
"""Unit of a fact, unit of a field -> factor."""

SMALLER: Mapping[str, tuple[str, float]] = {
    "day": ("hour", H_PER_DAY),
    "hour": ("minute", 60.0),
    "minute": ("second", 60.0),
    "MWh": ("kWh", 1e3),
    "kWh": ("Wh", 1e3),
    "tCO2e": ("kgCO2e", 1e3),
    "kgCO2e": ("gCO2e", 1e3),
}
"""Unit -> next smaller unit for people, and how many of them it is."""

DURATIONS = ("day", "hour", "minute", "second")
"""Units that have a plural, and are used from 1 on; all others from 0.1 on."""


@dataclass(frozen=True)
class Slot:
    """Field of a format.

    Parameters
    ----------
    key : str
        Name in the format; a path in JSON formats. `{stage}` is replaced by the format's word for
        the stage of the run.
    label : str
        Name for people.
    fact : str
        Name of the fact; with `:formula` or `:basis`, the fact's formula or basis.
    unit : str
        Unit of the value, by default the fact's.
    needed : bool
        Whether the format requires it.
    training : bool
        Whether it applies to training only.
    """

    key: str
    label: str
    fact: str
    unit: str = ""
    needed: bool = False
    training: bool = False


@dataclass(frozen=True, kw_only=True)
class Format:
    """Format: title, underlying rule, and fields.

    Parameters
    ----------
    title, rule : str
        Texts for people; the rule names the article or section.
    entries : tuple of Slot
    data : mapping, optional
        Fixed part of the JSON, for machine-readable formats.
    stages : mapping of str to str
        Stage of a run -> word in the format.
    training : bool
        Whether it applies to training only.
    """

    title: str
    rule: str
    entries: tuple[Slot, ...]
    data: Mapping[str, Any] | None = None
    stages: Mapping[str, str] | None = None
    training: bool = False


FORMATS: Mapping[str, Format] = {
    "annex-xi": Format(
        title="Compute, training time and energy of a general-purpose AI model",
        rule="Regulation (EU) 2024/1689 (AI Act), Annex XI, section 1, point 2(d) and (e), in the "
        "fields of the Model Documentation Form (General-Purpose AI Code of Practice)",
        entries=(
            Slot("model", "Model name", "model"),
            Slot("2d.hardware", "Hardware used for training", "fleet", training=True),
            Slot("2d.range", "Duration of training, range", "training_time_range"),
            Slot("2d.wall", "Duration of training, wall clock", "wall_hours", "day", training=True),
            Slot("2d.device", "Duration of training, hardware time", "device_hours", "day"),
            Slot(
                "2d.magnitude",
                "Amount of computation used for training, order of magnitude",
                "training_flop_magnitude",
            ),
            Slot("2d.flop", "Amount of computation used for training", "training_flop"),
            Slot("2d.method", "Measurement methodology (computation)", "training_flop:formula"),
            Slot(
                "2e.energy",
                "Amount of energy used for training",
                "energy_kwh",
                "MWh",
                training=True,
            ),
            Slot("2e.method", "Measurement methodology (energy)", "energy_method", training=True),
            Slot(
                "2e.inference",
                "Benchmarked amount of computation used for inference",
                "inference_flop",
            ),
            Slot(
                "2e.inference.method",
                "Measurement methodology (inference)",
                "inference_flop:formula",
            ),
        ),
    ),
    "sci": Format(
        title="Software Carbon Intensity",
        rule="SCI for AI (Green Software Foundation) on ISO/IEC 21031:2024: SCI = (O + I) / R, "
        "functional units of sections 8.1 (consumer) and 8.2 (provider)",
        entries=(
            Slot("energy", "E, energy", "energy_kwh"),
            Slot("pue", "Power usage effectiveness within E", "pue"),
            Slot("intensity", "Region-specific carbon intensity", "co2e_kg_per_kwh", "gCO2e/kWh"),
            Slot("O", "O, operational emissions", "operational_co2e_kg"),
            Slot("I", "I (M), embodied emissions", "embodied_co2e_kg"),
            Slot("provider.flop", "Provider SCI, per FLOP", "sci_g_per_exaflop"),
            Slot("provider.token", "Provider SCI, per training token", "sci_g_per_million_tokens"),
            Slot("provider.parameter", "Provider SCI, per parameter", "sci_kg_per_billion_params"),
            Slot("consumer.token", "Consumer SCI, per token", "sci_g_per_million_output_tokens"),
        ),
    ),
    "scope2": Format(
        title="Scope 2 emissions of the run, location-based and market-based",
        rule="GHG Protocol Scope 2 Guidance (dual reporting, chapters 6 and 7); ESRS E1-6, gross "
        "Scope 2 emissions",
        entries=(
            Slot("energy", "Electricity", "energy_kwh", "MWh"),
            Slot("matching", "Matching in time", "time_matching"),
            Slot("location.factor", "Grid factor (location)", "co2e_kg_per_kwh"),
            Slot("location", "Location-based Scope 2", "scope2_location_kg", "tCO2e"),
            Slot("market.contract", "Contract or certificates", "contract_kg_per_kwh"),
            Slot("market.share", "Share of the electricity they cover", "contract_share"),
            Slot("market.residual", "Residual mix", "residual_kg_per_kwh"),
            Slot("market", "Market-based Scope 2", "scope2_market_kg", "tCO2e"),
        ),
    ),
    "model-card": Format(
        title="Environmental impact",
        rule="Model card metadata of the Hugging Face Hub (co2_eq_emissions, in grams), and the "
        "section Environmental Impact of its model card template",
        training=True,
        entries=(
            Slot("hardware", "Hardware Type", "fleet"),
            Slot("hours", "Hours used", "device_hours"),
            Slot("region", "Compute Region", "site"),
            Slot("carbon", "Carbon Emitted", "co2e_kg"),
            Slot("energy", "Energy", "energy_kwh"),
            Slot("water", "Water", "water_l"),
        ),
    ),
    "paper": Format(
        title="Compute and energy",
        rule="Compute resources in the checklists of NeurIPS (question 8), ARR/ACL (C1) and "
        "Nature Portfolio's reporting of computation",
        entries=(
            Slot("hardware", "Hardware", "fleet"),
            Slot("precision", "Number format", "precision"),
            Slot("flop", "Training compute", "training_flop"),
            Slot("utilization", "Utilization (MFU)", "utilization"),
            Slot("wall", "Wall time", "wall_hours", "day"),
            Slot("device", "Device time", "device_hours"),
            Slot("energy", "Energy", "energy_kwh", "MWh"),
            Slot("carbon", "CO2e", "co2e_kg", "tCO2e"),
            Slot("water", "Water", "water_l"),
            Slot("primary", "Primary energy", "primary_energy_mj"),
            Slot("adpe", "Abiotic depletion (ADPe)", "adpe_kgsbeq"),
        ),
    ),
    "boamps": Format(
        title="BoAmps energy report",
        rule="BoAmps report schema 0.1 (Boavizta), model/report_schema.json",
        data={
            "header": {
                "formatVersion": "0.1",
                "formatVersionSpecificationUri": "https://github.com/Boavizta/BoAmps/tree/main/"
                "model",
                "reportStatus": "draft",
            },
            "measures": [{"manufacturer": "Twenty Watts", "version": __version__}],
            "infrastructure": {"infraType": "other"},
        },
        stages={"fine-tuning": "finetuning"},
        entries=(
            Slot("header.reportId", "Report", "report_id"),
            Slot("header.reportDatetime", "Date of the report", "date_time", needed=True),
            Slot("task.taskStage", "Stage", "stage", needed=True),
            Slot("task.taskFamily", "Family", "kind", needed=True),
            Slot("task.taskDescription", "Description", "description"),
            Slot("task.algorithms.0.algorithmType", "Algorithm", "kind"),
            Slot("task.algorithms.0.foundationModelName", "Model", "model"),
            Slot("task.algorithms.0.parametersNumber", "Parameters", "params", "billion"),
            Slot("task.algorithms.0.quantization", "Number format", "precision"),
            Slot("task.dataset.0.dataUsage", "Use of the data", "data_usage", needed=True),
            Slot("task.dataset.0.dataType", "Data", "data_type", needed=True),
            Slot("task.dataset.0.dataQuantity", "Amount of data", "tokens"),
            Slot("measures.0.measurementMethod", "Method", "method", needed=True),
            Slot("measures.0.powerConsumption", "Energy", "task_energy_kwh", needed=True),
            Slot("measures.0.measurementDuration", "Duration", "wall_s"),
            Slot("measures.0.measurementDateTime", "Date", "date_time"),
            Slot("infrastructure.components.0.componentName", "Device", "hardware"),
            Slot("infrastructure.components.0.componentType", "Kind", "device_type", needed=True),
            Slot("infrastructure.components.0.nbComponent", "Devices", "devices", needed=True),
            Slot("infrastructure.components.0.manufacturer", "Vendor", "vendor"),
            Slot("environment.country", "Country", "site"),
            Slot(
                "environment.powerSourceCarbonIntensity",
                "Carbon intensity",
                "co2e_kg_per_kwh",
                "gCO2e/kWh",
            ),
            Slot("quality", "Quality", "quality"),
        ),
    ),
    "cyclonedx": Format(
        title="CycloneDX bill of materials of a model",
        rule="CycloneDX 1.6 (ECMA-424), modelCard.considerations.environmentalConsiderations."
        "energyConsumptions",
        data={
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "metadata": {
                "tools": {
                    "components": [
                        {"type": "application", "name": "Twenty Watts", "version": __version__}
                    ]
                }
            },
            "components": [
                {
                    "type": "machine-learning-model",
                    "modelCard": {
                        "considerations": {
                            "environmentalConsiderations": {
                                "energyConsumptions": [{"energyProviders": []}]
                            }
                        }
                    },
                }
            ],
        },
        entries=(
            Slot("serialNumber", "Serial number", "report_urn"),
            Slot("metadata.timestamp", "Date of the document", "report_time"),
            Slot("components.0.name", "Model", "model", needed=True),
            *(
                Slot(f"{{consumption}}.{key}", label, fact, unit, needed=needed)
                for key, label, fact, unit, needed in (
                    ("activity", "Activity", "stage", "", True),
                    ("activityEnergyCost.value", "Energy", "energy_kwh", "", True),
                    ("activityEnergyCost.unit", "Unit", "energy_unit", "", True),
                    ("co2CostEquivalent.value", "CO2e", "co2e_kg", "tCO2e", False),
                    ("co2CostEquivalent.unit", "Unit of CO2e", "co2e_unit", "", False),
                )
            ),
            *(
                Slot(f"{{consumption}}.properties.+{name}", name, fact)
                for name, fact in (
                    ("basis", "energy_kwh:basis"),
                    ("low_kwh", "energy_kwh:low"),
                    ("high_kwh", "energy_kwh:high"),
                    ("boundary", "boundary"),
                    ("method", "energy_method"),
                    ("hardware", "hardware"),
                    ("devices", "devices"),
                    ("duration_s", "wall_s"),
                )
            ),
        ),
    ),
    "spdx": Format(
        title="SPDX AI package",
        rule="SPDX 3.0.1, AI profile: AIPackage.energyConsumption",
        data={
            "@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld",
            "@graph": [
                {"type": "CreationInfo", "@id": "_:creation", "specVersion": "3.0.1"},
                {"type": "SoftwareAgent", "name": "Twenty Watts", "creationInfo": "_:creation"},
                {
                    "type": "SpdxDocument",
                    "creationInfo": "_:creation",
                    "profileConformance": ["core", "software", "ai"],
                },
                {
                    "type": "ai_AIPackage",
                    "creationInfo": "_:creation",
                    "software_primaryPurpose": "model",
                },
            ],
        },
        stages={"fine-tuning": "finetuning"},
        entries=(
            Slot("@graph.0.created", "Created", "report_time", needed=True),
            Slot("@graph.0.createdBy.0", "Created by", "agent_id", needed=True),
            Slot("@graph.1.spdxId", "Agent", "agent_id", needed=True),
            Slot("@graph.2.spdxId", "Document", "document_id", needed=True),
            Slot("@graph.2.rootElement.0", "Root", "package_id", needed=True),
            Slot("@graph.3.spdxId", "Package", "package_id", needed=True),
            Slot("@graph.3.name", "Model", "model", needed=True),
            Slot(
                "@graph.3.ai_informationAboutTraining", "Training", "energy_method", training=True
            ),
            Slot("@graph.3.comment", "Description", "description"),
            Slot("{energy}.type", "Class", "energy_class", needed=True),
            Slot("{energy}.{description}.type", "Class", "description_class", needed=True),
            Slot("{energy}.{description}.ai_energyQuantity", "Energy", "energy_kwh", needed=True),
            Slot("{energy}.{description}.ai_energyUnit", "Unit", "spdx_unit", needed=True),
        ),
    ),
}
"""Command-line name -> format."""

PATHS = {
    "consumption": "components.0.modelCard.considerations.environmentalConsiderations."
    "energyConsumptions.0",
    "energy": "@graph.3.ai_energyConsumption",
    "description": "ai_{stage}EnergyConsumption.0",
}
"""Abbreviations in field paths."""

PROPERTY = "twenty-watts:"
"""Prefix of our properties in another format's document."""

QUALITIES = ((0.10, "high"), (0.25, "medium"), (0.50, "low"))
"""Relative half-width of the interval -> quality in BoAmps [1]."""

DATA_TYPES = {"language": "token", "vision": "image", "speech": "audio", "diffusion": "image"}
"""Workload type -> data type in BoAmps."""

DEVICE_TYPES = {"tpu": "tpu", "cpu": "cpu", "asic": "asic", "wafer": "asic"}
"""Device type -> component type in BoAmps, if not a GPU."""


NOT_OF_TASK = Fact(value=None, basis=NOT_AVAILABLE, why=Notice("not_of_this_task"))
"""Fact that a task does not have, such as the duration of training when a model is served."""

INFERENCE = "inference"
"""Stage of a model that is served."""


@dataclass(frozen=True, kw_only=True)
class FilledField:
    """Filled field: name, label and fact, in the unit of the format."""

    key: str
    label: str
    fact: Fact


@dataclass(frozen=True, kw_only=True)
class Document:
    """Document in one format.

    Parameters
    ----------
    format : str
        Key of `FORMATS`.
    fields : tuple of FilledField
    facts : Disclosed
        Facts that the document is based on.
    sources : tuple of Source
        Sources of its numbers.
    data_version : str
        Version of the profiles.
    created : datetime
        Time of creation.
    """

    format: str
    fields: tuple[FilledField, ...]
    facts: Disclosed
    sources: tuple[Source, ...]
    data_version: str
    created: datetime


def document(
    name: str, facts: Disclosed, catalog: Catalog, created: datetime | None = None
) -> Document:
    """Fill the fields of a format.

    Parameters
    ----------
    name : str
        Key of `FORMATS`.
    facts : Disclosed
    catalog : Catalog
    created : datetime, optional
        Time of creation, by default now.

    Raises
    ------
    Refusal
        If a fact that the format requires is missing; names it and the input that provides it.
    """
    form = FORMATS[name]
    now = (created or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
    known = {**facts.facts, **_of_data(facts, now)}
    stage = known["stage"].value
    if form.training and stage == INFERENCE:
        raise refuse("format_of_training", "format", format=name)
    if form.stages is not None:
        known["stage"] = Fact(value=form.stages.get(str(stage), str(stage)))
    paths = {key: path.format(stage=known["stage"].value) for key, path in PATHS.items()}
    fields = []
    for entry in form.entries:
        absent = entry.training and stage == INFERENCE
        fact = NOT_OF_TASK if absent else _fact_of(entry, known)
        if entry.needed and fact.value is None:
            raise refusal(fact.why or Notice("not_of_this_task"))
        key = entry.key.format(**paths)
        fields.append(FilledField(key=key, label=entry.label, fact=fact))
    ids = dict.fromkeys(source for field in fields for source in field.fact.sources)
    known_sources = {source.id: source for source in catalog.sources()}
    return Document(
        format=name,
        fields=tuple(fields),
        facts=facts,
        sources=tuple(known_sources[source] for source in ids if source in known_sources),
        data_version=catalog.data_version,
        created=now,
    )


def _fact_of(entry: Slot, known: Mapping[str, Fact]) -> Fact:
    """Return the fact of an entry in its unit, or a named part of a fact."""
    name, _, part = entry.fact.partition(":")
    fact = known.get(name) or NOT_OF_TASK
    if part:
        value = getattr(fact, part)
        return replace(fact, value=value or None, low=None, high=None, formula="", unit=fact.unit)
    if entry.unit and entry.unit != fact.unit and isinstance(fact.value, float):
        return scaled(fact, entry.unit, FACTORS[fact.unit, entry.unit])
    return fact


def _of_data(facts: Disclosed, now: datetime) -> dict[str, Fact]:
    """Return additional facts for machine-readable formats."""
    known = facts.facts
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    unique = uuid5(NAMESPACE_URL, f"{facts.link} {stamp}")
    energy = known["energy_kwh"]
    task = known.get("task_energy_kwh", energy)
    metered = known.get("metered", Fact(value=None)).value
    kind = str(known["kind"].value).partition(":")[0]
    boundary = f"metered: {metered}" if metered else "predicted: facility"
    texts = {
        "report_id": str(unique),
        "report_urn": f"urn:uuid:{unique}",
        "report_time": stamp,
        "date_time": now.strftime("%Y-%m-%d %H:%M:%S"),
        "agent_id": f"urn:uuid:{uuid5(NAMESPACE_URL, 'twenty-watts')}",
        "document_id": f"urn:uuid:{unique}#document",
        "package_id": f"urn:uuid:{unique}#model",
        "data_usage": "input",
        "data_type": DATA_TYPES.get(kind, "other"),
        "device_type": DEVICE_TYPES.get(str(known["device_kind"].value), "gpu"),
        "energy_unit": "kWh",
        "co2e_unit": "tCO2eq" if known["co2e_kg"].value is not None else None,
        "spdx_unit": "kilowattHour",
        "energy_class": "ai_EnergyConsumption",
        "description_class": "ai_EnergyConsumptionDescription",
        "method": f"Twenty Watts, {boundary}",
        "boundary": f"facility, {energy.basis}",
        "quality": _quality(task),
        "description": _description(facts),
    }
    return {name: Fact(value=value) for name, value in texts.items()}


def _quality(energy: Fact) -> str | None:
    """Return the BoAmps quality of an energy, or None if below the lowest."""
    if not isinstance(energy.value, float) or energy.low is None or energy.high is None:
        return "high" if isinstance(energy.value, float) else None
    error = max(energy.high / energy.value, energy.value / energy.low) - 1.0
    return next((word for most, word in QUALITIES if error <= most), None)


def _description(facts: Disclosed) -> str:
    """Describe boundary, interval and link in one text."""
    energy = facts.facts["energy_kwh"]
    parts = [f"{part}: {how}" for part, how in facts.boundary.items()]
    if energy.low is not None and energy.high is not None:
        span = format_range(
            *(format_value(bound, energy.unit) for bound in (energy.low, energy.high))
        )
        parts.append(f"{in_percent(facts.level)} interval of the energy: {span} ({energy.basis})")
    return "; ".join(parts)


def as_data(made: Document, names: Names = in_python) -> dict[str, Any]:
    """Return a document as JSON, with fields placed by path.

    Missing fields are left out of other bodies' formats and have a reason in ours.
    """
    data = FORMATS[made.format].data
    if data is None:
        return _own_data(made, names)
    found: dict[str, Any] = json.loads(json.dumps(data))
    for field in made.fields:
        if field.fact.value is not None:
            _place(found, field.key.split("."), _exact(field.fact.value))
    return found


def _exact(value: float | str) -> float | int | str:
    """Round a number so that it survives a round trip."""
    if isinstance(value, str):
        return value
    rounded = float(f"{value:.{EXACT_FIGURES}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 2**53 else rounded


def _place(into: Any, path: Sequence[str], value: float | int | str) -> None:
    """Set a value at a path of keys and indices, creating containers as needed."""
    first, *rest = path
    if first.startswith("+"):
        into.append({"name": PROPERTY + first[1:], "value": str(value)})
        return
    key: Any = int(first) if isinstance(into, list) else first
    if isinstance(into, list):
        into.extend({} for _ in range(key + 1 - len(into)))
    if not rest:
        into[key] = value
        return
    if isinstance(into, dict) and key not in into:
        into[key] = [] if rest[0].isdecimal() or rest[0].startswith("+") else {}
    _place(into[key], rest, value)


def _own_data(made: Document, names: Names) -> dict[str, Any]:
    return {
        "format": made.format,
        "title": FORMATS[made.format].title,
        "rule": FORMATS[made.format].rule,
        "created": made.created.isoformat(),
        "data_version": made.data_version,
        "interval": made.facts.level,
        "fields": [_field_data(field, names) for field in made.fields],
        "boundary": dict(made.facts.boundary),
        "tighten": dict(made.facts.tighten),
        "assumptions": list(rendered(made.facts.notices, names)),
        "sources": [_without_none(asdict(source)) for source in made.sources],
        "link": made.facts.link,
    }


def _field_data(field: FilledField, names: Names) -> dict[str, Any]:
    fact = field.fact
    row = {"key": field.key, "label": field.label, **_without_none(asdict(replace(fact, why=None)))}
    if isinstance(fact.value, float):
        row["value"] = _exact(fact.value)
    return row | ({} if fact.why is None else {"reason": rendered((fact.why,), names)[0]})


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "", ())}


def as_rows(made: Document, names: Names) -> list[dict[str, Any]]:
    """Return the fields as table rows."""
    return [
        {name: _cell(value) for name, value in _field_data(field, names).items()}
        for field in made.fields
    ]


def _cell(value: Any) -> Any:
    return "; ".join(value) if isinstance(value, list | tuple) else value


IMPLAUSIBLE = ("meter_above_limit", "meter_below_idle")
"""Codes of notices placed first in a document."""

HEADER = ("field", "value", "interval", "basis", "how it follows", "sources")
"""Header of the table of fields."""


def format_value(value: float | str, unit: str = "") -> str:
    """Format a value with three significant figures.

    >>> [format_value(*one) for one in ((8.4e23, "FLOP"), (1100.0, "MWh"), (21.0, "day"))]
    ['8.40 × 10^23 FLOP', '1,100 MWh', '21.0 days']
    >>> format_value(0.25654, "kgCO2e/kWh"), format_value(16384.0), format_value("as metered")
    ('0.257 kgCO2e/kWh', '16,384', 'as metered')
    """
    if isinstance(value, str):
        return _visible(value)
    if not unit and value.is_integer() and abs(value) < 1e9:
        return f"{value:,.0f}"
    mantissa, _, exponent = f"{value:.2e}".partition("e")
    power = int(exponent)
    if -4 <= power < 9:
        number = f"{significant(value):,.{max(0, 2 - power)}f}"
    else:
        number = f"{mantissa} × 10^{power}"
    plural = "s" if unit in DURATIONS and number != "1" else ""
    return f"{number} {unit}{plural}".rstrip() if unit != "1" else number


def readable(fact: Fact) -> Fact:
    """Convert a fact to the unit in which people read its value.

    >>> found = readable(Fact(value=0.00103, low=0.0006, high=0.00176, unit="day"))
    >>> format_value(found.value, found.unit), format_value(found.low, found.unit)
    ('1.48 minutes', '0.864 minutes')
    """
    while isinstance(fact.value, float) and fact.unit in SMALLER:
        if not 0.0 < fact.value < (1.0 if fact.unit in DURATIONS else 0.1):
            break
        fact = scaled(fact, *SMALLER[fact.unit])
    return fact


def field_cells(field: FilledField, names: Names) -> tuple[str, ...]:
    """Format the value, interval, basis, formula and sources of a field as text."""
    fact = readable(field.fact)
    if fact.value is None:
        why = "" if fact.why is None else rendered((fact.why,), names)[0]
        return (field.label, "N/A", "", NOT_AVAILABLE, why, "")
    span = ""
    if fact.low is not None and fact.high is not None:
        ends = (format_value(bound, fact.unit) for bound in (fact.low, fact.high))
        span = format_range(*ends)
    sources = ", ".join(fact.sources) + (f" ({fact.date})" if fact.sources and fact.date else "")
    return (
        field.label,
        format_value(fact.value, fact.unit),
        span,
        fact.basis,
        fact.formula,
        sources,
    )


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Document as blocks for the renderers.

    Parameters
    ----------
    title : str
    lead : tuple of str
        Paragraphs before the table.
    rows : tuple of tuple of str
        Cells under `HEADER`.
    lists : mapping of str to tuple of str
        Heading -> points.
    code : mapping of str to str
        Heading -> text to copy unchanged.
    """

    title: str
    lead: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lists: Mapping[str, tuple[str, ...]]
    code: Mapping[str, str]


def sheet_of(made: Document, names: Names) -> Sheet:
    """Arrange a document for people.

    Parameters
    ----------
    made : Document
    names : function
        Returns the interface's name of an input.
    """
    form, facts = FORMATS[made.format], made.facts
    shouts = [notice for notice in facts.notices if notice.code in IMPLAUSIBLE]
    warnings = rendered(tuple(shouts), names)
    lead = [*(f"CHECK BEFORE YOU PUBLISH: {warning}" for warning in warnings), f"{form.rule}."]
    code = {}
    if made.format == "paper":
        lead.insert(len(warnings), paragraph(made))
        code["BibTeX"] = bibtex(made)
    if made.format == "model-card":
        code["Metadata"] = metadata(made)
    if form.data is not None:
        code["JSON"] = json.dumps(as_data(made), indent=2, ensure_ascii=False)
    tighten = tuple(
        f"{name}: {in_percent(share)} of the variance of the energy"
        for name, share in facts.tighten[:3]
    )
    lists = {
        "Boundary": tuple(f"{part}: {how}" for part, how in facts.boundary.items()),
        "Assumptions": tuple(rendered(facts.notices, names)),
        "What would tighten it": tighten,
        "Sources": tuple(_cited(source) for source in made.sources),
        "Made with": (
            f"Twenty Watts {__version__}, data {made.data_version}, {made.created:%Y-%m-%d}; "
            f"intervals cover {in_percent(facts.level)} of the probability",
            "An estimate for filling in a form, not legal advice.",
        ),
    }
    rows = tuple(field_cells(field, names) for field in made.fields)
    return Sheet(
        title=form.title,
        lead=tuple(lead),
        rows=rows,
        lists={heading: points for heading, points in lists.items() if points},
        code=code,
    )


def _cited(source: Source) -> str:
    return f"{source.id}: {source.title}. {source.publisher}, {source.date}" + (
        f", {source.url}" if source.url else ""
    )


def paragraph(made: Document) -> str:
    """Write the paragraph on compute and energy for a paper."""
    cells = {field.key: field for field in made.fields}

    def with_interval(fact: Fact) -> str:
        fact = readable(fact)
        if fact.value is None:
            return "N/A"
        text = format_value(fact.value, fact.unit)
        if fact.low is None or fact.high is None:
            return text
        ends = (format_value(bound, fact.unit) for bound in (fact.low, fact.high))
        return f"{text} ({in_percent(made.facts.level)} interval {format_range(*ends)})"

    def stated(key: str) -> str:
        return with_interval(cells[key].fact)

    basis, known = cells["energy"].fact.basis, made.facts.facts
    if known["stage"].value == INFERENCE:
        return (
            f"Serving {known['model'].value} on {stated('hardware')} takes "
            f"{with_interval(known['energy_kwh'])} of electricity per million output tokens "
            f"({basis}), cooling and supply included, which amounts to "
            f"{with_interval(known['co2e_kg'])}."
        )
    whole = made.facts.boundary["development runs (failed runs, searches)"]
    site, intensity = (known[name].value for name in ("site", "co2e_kg_per_kwh"))
    device_hours = stated("device").replace(" h", " device-hours", 1)
    grid = f" at {format_value(intensity, 'kgCO2e/kWh')}" if intensity is not None else ""
    return (
        f"Training ran for {stated('wall')} on {stated('hardware')}, {device_hours}, "
        f"and used {stated('energy')} of electricity ({basis}), cooling and "
        f"supply included, which amounts to {stated('carbon')}"
        + (f" on the {site} grid" if site else grid)
        + f". Development runs are {whole}."
    )


def bibtex(made: Document) -> str:
    """Return the BibTeX entries of the program and of every source."""
    entries = [program_bibtex(made.data_version, made.created.year)]
    for one in made.sources:
        year = one.date[:4]
        lines = {
            "title": f"{{{tex(one.title)}}}",
            "author": f"{{{tex(one.publisher)}}}",
            "url": one.url or "",
            "year" if year.isdecimal() else "note": year,
        }
        body = ",\n".join(f"  {key} = {{{value}}}" for key, value in lines.items() if value)
        entries.append(f"@misc{{{one.id},\n{body}\n}}")
    return "\n".join(entries)


def program_bibtex(data_version: str, year: int) -> str:
    """Return the BibTeX entry of the program, with its data version.

    >>> program_bibtex("b4e6dcd", 2026).splitlines()[0]
    '@software{twenty-watts,'
    """
    return (
        "@software{twenty-watts,\n"
        "  title = {{Twenty Watts: time, energy, cost and CO2e of training and running "
        "networks}},\n"
        "  author = {{The Twenty Watts maintainers}},\n"
        f"  version = {{{__version__}, data {data_version}}},\n"
        f"  year = {{{year}}}\n}}"
    )


def metadata(made: Document) -> str:
    """Return the front matter of a model card, with emissions in grams as hubs expect."""
    facts = made.facts.facts
    grams = facts["co2e_g"]
    if not isinstance(grams.value, float):
        raise refusal(grams.why or Notice("not_of_this_task"))
    stage = "fine-tuning" if facts["stage"].value == "fine-tuning" else "pre-training"
    lines = {
        "emissions": f"{significant(grams.value, 4):.15g}",
        "source": json.dumps(
            f"Twenty Watts {__version__}, data {made.data_version} ({grams.basis})"
        ),
        "training_type": json.dumps(stage),
        "geographical_location": _yaml(facts["site"].value),
        "hardware_used": _yaml(facts["fleet"].value),
    }
    text = "".join(f"  {key}: {value}\n" for key, value in lines.items() if value)
    return f"---\nco2_eq_emissions:\n{text}---"


def _yaml(text: float | str | None) -> str:
    r"""Quote YAML text with double quotes and JSON escapes.

    >>> print(_yaml(r'Rack "A" \ Berlin'))
    "Rack \"A\" \\ Berlin"
    """
    if text is None:
        return ""
    return json.dumps(_visible(str(text)), ensure_ascii=False)


def _visible(text: str) -> str:
    """Put text on one line, without control and invisible characters."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def as_markdown(shown: Sheet) -> str:
    """Format a document as Markdown."""
    lines = [f"# {shown.title}", ""]
    for text in shown.lead:
        lines += [_plain(text), ""]
    lines += [f"| {' | '.join(HEADER)} |", "|" + "---|" * len(HEADER)]
    lines += ["| " + " | ".join(map(_plain, row)) + " |" for row in shown.rows]
    for heading, points in shown.lists.items():
        lines += ["", f"## {heading}", "", *(f"- {point}" for point in points)]
    for heading, text in shown.code.items():
        lines += ["", f"## {heading}", "", "```", text, "```"]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    r"""Escape text for Markdown.

    >>> print(_plain("a|b <i> [c](d)"))
    a\|b \<i> \[c](d)
    """
    return re.sub(r"([\\`*<\[|])", r"\\\1", text)


def as_latex(shown: Sheet) -> str:
    """Format a document as LaTeX for inclusion in a paper."""
    lines = [rf"\paragraph{{{tex(shown.title)}.}}"]
    lines += [tex(text) for text in shown.lead]
    lines += ["", r"\begin{tabular}{lll}", r"field & value & basis \\ \hline"]
    for label, value, span, basis, *_ in shown.rows:
        whole = f"{value} ({span})" if span else value
        lines.append(rf"{tex(label)} & {tex(whole)} & {tex(basis)} \\")
    lines += [r"\end{tabular}", ""]
    for heading, points in shown.lists.items():
        lines += [rf"\paragraph{{{tex(heading)}.}} " + "; ".join(map(tex, points))]
    for heading, text in shown.code.items():
        lines += ["", f"% {heading}:", *(f"% {line}" for line in text.splitlines())]
    return "\n".join(lines) + "\n"


def tex(text: str) -> str:
    r"""Escape text for LaTeX.

    >>> print(tex("8.4 × 10^23 & 5%"))
    8.4 $\times$ $10^{23}$ \& 5\%
    """
    for letter in "\\&%$#_{}":
        text = text.replace(letter, {"\\": r"\textbackslash "}.get(letter, f"\\{letter}"))
    text = re.sub(r"10\^(-?\d+)", r"$10^{\1}$", text.replace("~", r"\textasciitilde{}"))
    text = re.sub(r"\^(?!\{)", r"\\textasciicircum{}", text)
    return text.replace("–", "--").replace("µ", r"$\mu$").replace("×", r"$\times$")


STYLE = (
    "body{font:11pt/1.4 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse}td,th{border:1px solid #888;padding:.3em .5em;"
    "text-align:left;vertical-align:top}pre{white-space:pre-wrap;overflow-wrap:anywhere}"
)
"""Style sheet for printing and word processors."""


def as_html(shown: Sheet) -> str:
    """Format a document as one HTML page for printing and word processors."""

    def row(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    parts = [
        f"<h1>{escape(shown.title)}</h1>",
        *(f"<p>{escape(paragraph)}</p>" for paragraph in shown.lead),
    ]
    body = "".join(row(cells, "td") for cells in shown.rows)
    parts.append(f"<table><thead>{row(HEADER, 'th')}</thead><tbody>{body}</tbody></table>")
    for heading, points in shown.lists.items():
        items = "".join(f"<li>{escape(point)}</li>" for point in points)
        parts.append(f"<h2>{escape(heading)}</h2><ul>{items}</ul>")
    for heading, text in shown.code.items():
        parts.append(f"<h2>{escape(heading)}</h2><pre>{escape(text)}</pre>")
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(shown.title)}</title><style>{STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


WRITERS = {"markdown": as_markdown, "latex": as_latex, "html": as_html}
"""Markup -> renderer."""

SUFFIXES = {".md": "markdown", ".tex": "latex", ".html": "html", ".htm": "html", ".json": "json"}
"""File suffix -> markup."""


def usual_markup(made: Document) -> str:
    """Return the default output format: Markdown, or JSON for machine-readable report formats."""
    return "markdown" if FORMATS[made.format].data is None else "json"


def text_of(made: Document, markup: str, names: Names) -> str:
    """Format a document in one markup, or as JSON.

    Parameters
    ----------
    made : Document
    markup : str
        markdown, latex, html or json.
    names : function
        Returns the interface's name of an input.
    """
    if markup == "json":
        return json.dumps(as_data(made, names), indent=2, ensure_ascii=False) + "\n"
    return WRITERS[markup](sheet_of(made, names))
