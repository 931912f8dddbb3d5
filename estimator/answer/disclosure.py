"""Facts that rules, journals and registries ask for: value, basis, formula, source.

A missing fact has a reason. Every assumption is among the notices of the answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import floor, log10
from math import nan as NAN
from typing import Any

from estimator.answer.design_facts import with_memory
from estimator.answer.published_run import published_run
from estimator.answer.scenario_estimate import Answer
from estimator.answer.training_report import fleet, spread
from estimator.catalog import Catalog, Record
from estimator.core.notice import Notice
from estimator.core.uncertainty import Uncertain
from estimator.core.units import (
    H_PER_DAY,
    MILLION,
    S_PER_H,
    W_PER_KW,
    digits,
    human_count,
    in_percent,
)
from estimator.core.work import DEVICES, FACILITY, NODES
from estimator.question.disclosure import Disclosure
from estimator.question.provenance import GIVEN, SourcedNumber, input_of, uncertain_record

MEASURED, CALIBRATED, PREDICTED, NOT_AVAILABLE = (
    *("measured", "calibrated", "predicted"),
    "not available",
)
"""Further bases of a fact besides `GIVEN`."""

METER, MODEL, STEPS = "metered", "modelled from the load", "extrapolated from measured steps"
GIVEN_ENERGY: Mapping[str, str] = {METER: MEASURED, MODEL: PREDICTED, STEPS: CALIBRATED}
"""Origin of a given energy -> basis of the energy within the meter's boundary."""

PUBLISHED = "published"
"""Basis of a record; of a preset, it counts as given."""

TASK_TOKENS = 1e5
"""Tokens of the inference task in the Model Documentation Form's example."""

WRITES_TOKENS = ("language", "multimodal")
"""Prefixes of workload types whose networks generate tokens."""

COUNTED = {"params": "parameters", "active_params": "parameters", "tokens": "tokens"}
"""Quantities of work -> units."""

MONTH_DAYS = 30.4375
"""Length of a mean month [day]."""

RANGES = ((1.0, "less than 1 month"), (3.0, "1 to 3 months"), (6.0, "3 to 6 months"))
"""Upper ends [month] and labels of the training-time ranges in the Model Documentation Form."""

RESTS_ON: Mapping[str, tuple[str, ...]] = {
    "training_flop": ("training_flop", "params", "tokens", "work.formula", "sample_flop"),
    "device_hours": ("device_hours", "utilization", "peak_flop_per_s"),
    "energy_kwh": ("energy_kwh", "tdp_w", "idle_w", "system_power_w", "power.", "pue"),
    "operational_co2e_kg": ("co2e_kg_per_kwh",),
    "embodied_co2e_kg": ("embodied_co2e_kg", "embodied.", "ownership.lifetime_years"),
    "co2e_kg": ("co2e_kg_per_kwh", "embodied_co2e_kg", "embodied.", "ownership.lifetime_years"),
    "water_l": ("wue_l_per_kwh", "offsite_l_per_kwh"),
}
"""Fact -> prefixes of the inputs that it depends on."""


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One number or text of a disclosure.

    Parameters
    ----------
    value : float or str, optional
        Value, None if unavailable.
    low, high : float, optional
        Interval, None if the value is exact.
    unit : str
        Unit of a number, empty for a text.
    basis : str
        One of measured, calibrated, predicted, given, not available.
    formula : str
        Formula with its numbers filled in.
    sources : tuple of str
        Source ids.
    date : str
        Date of the newest number used.
    why : Notice, optional
        Reason why it is unavailable.
    """

    value: float | str | None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    basis: str = GIVEN
    formula: str = ""
    sources: tuple[str, ...] = ()
    date: str = ""
    why: Notice | None = None


@dataclass(frozen=True, kw_only=True)
class Disclosed:
    """Everything a document can state about a run or an inference setup.

    Parameters
    ----------
    facts : mapping of str to Fact
        Name, ending in the unit -> fact.
    boundary : mapping of str to str
        Part -> whether and how it is counted.
    tighten : tuple of (str, float)
        Sources of uncertainty with their share of the energy's variance, largest first [1].
    notices : tuple of Notice
        Assumptions.
    level : float
        Probability inside the intervals [1].
    link : str
        Query string that opens the scenario in the app; may be empty.
    """

    facts: Mapping[str, Fact]
    boundary: Mapping[str, str]
    tighten: tuple[tuple[str, float], ...]
    notices: tuple[Notice, ...]
    level: float
    link: str = ""


def missing(code: str, field: str = "", **values: Any) -> Fact:
    """Return an unavailable fact with its reason."""
    return Fact(value=None, basis=NOT_AVAILABLE, why=Notice(code, field, values))


def _text(value: str | None, code: str, field: str) -> Fact:
    return Fact(value=value) if value else missing(code, field)


def training_facts(
    answer: Answer, held: Disclosure, catalog: Catalog, *, energy_from: str = METER
) -> Disclosed:
    """Collect the facts of a training run.

    Parameters
    ----------
    answer : Answer
    held : Disclosure
        Contracts for the electricity.
    catalog : Catalog
    energy_from : str
        Origin of a given energy, one of `GIVEN_ENERGY`.

    Returns
    -------
    Disclosed
    """
    facts = _Training(answer, held, catalog, energy_from).facts()
    shares = tuple((name, share) for name, share in spread(answer).items() if share >= 0.01)
    return Disclosed(
        facts=facts,
        boundary=_boundary(answer),
        tighten=shares,
        notices=with_memory(answer, catalog),
        level=answer.level,
        link=answer.link,
    )


def _boundary(answer: Answer) -> dict[str, str]:
    workload, run = answer.estimate, answer.result.group_of(answer.row)[0].workload
    metered = run.metered if run.metered_kwh is not None else ""
    boards = bool(answer.scenario.boards_only)
    many = float(answer.run.devices) > float(answer.hardware.node_devices)
    seen = {
        "devices": metered in (DEVICES, NODES, FACILITY),
        "host": metered in (NODES, FACILITY),
        "network": metered == FACILITY,
        "pue": metered == FACILITY,
    }
    left_out = "not counted"
    how = {part: "metered" if one else "predicted" for part, one in seen.items()}
    attempts = answer.scenario.attempts or 1.0
    return {
        "devices": how["devices"],
        "hosts (CPU, memory, fans)": left_out if boards else how["host"],
        "network beyond a node": (
            left_out if boards else how["network"] if many else "none: a single node"
        ),
        "cooling and supply (PUE)": (
            left_out if boards else f"{how['pue']}, PUE {digits(float(answer.site.pue.mid))}"
        ),
        "making of the hardware (embodied)": (
            "in the CO2e, not in the energy" if "embodied_co2e_kg" in workload else left_out
        ),
        "development runs (failed runs, searches)": (
            f"counted: all runs are {digits(attempts)} times the final run"
            if attempts != 1.0
            else "not counted: the final run only"
        ),
        "storage, data preparation, staff": left_out,
    }


class _Training:
    def __init__(
        self, answer: Answer, held: Disclosure, catalog: Catalog, energy_from: str
    ) -> None:
        self.energy_from = energy_from
        self.answer, self.held, self.catalog = answer, held, catalog
        self.known, self.inputs = answer.estimate.quantities, answer.inputs
        group = answer.result.group_of(answer.row)[0]
        self.metered = group.workload.metered if group.workload.metered_kwh is not None else ""
        measured = {self.inputs[name].basis for name in ("utilization",) if name in self.inputs}
        self.corrected = "calibrated" in measured or "device_power_w" in self.inputs
        self.attempts = answer.scenario.attempts or 1.0

    def facts(self) -> dict[str, Fact]:
        return {
            **self._words(),
            **self._work(),
            **self._time(),
            **self._energy(),
            **self._carbon(),
            **self._electricity(),
            **self._intensity(),
        }

    def _words(self) -> dict[str, Fact]:
        answer, scenario = self.answer, self.answer.scenario
        preset = answer.work.preset
        name = scenario.name or (preset.name if preset is not None else "")
        place = answer.site.name if scenario.site else ""
        tuned = scenario.finetune or answer.work.kind.startswith("finetune")
        return {
            "model": _text(name, "name_not_given", "name"),
            "stage": Fact(value="fine-tuning" if tuned else "training"),
            "kind": Fact(value=answer.work.kind),
            "hardware": Fact(value=answer.device.name),
            "device_kind": Fact(value=answer.device.kind),
            "vendor": Fact(value=answer.device.vendor),
            "fleet": Fact(value=fleet(answer)),
            "precision": Fact(value=answer.precision)
            if scenario.precision
            else Fact(value=answer.precision, basis=PREDICTED, formula="assumed"),
            "site": _text(place, "site_not_given", "site"),
            "year": self._year(),
        }

    def _year(self) -> Fact:
        year = self.answer.scenario.year
        if year is None:
            return missing("year_not_given", "year")
        return Fact(value=f"{year:.0f}")

    def _work(self) -> dict[str, Fact]:
        asked, row = self.answer.result.questions, self.answer.row
        found = {"devices": self._number("devices", float(self.answer.run.devices))}
        for name, unit in COUNTED.items():
            value = float(asked.work.numbers.get(name, {row: NAN})[row])
            known = self.inputs.get(name)
            value = value if known is None else known.value
            found[name] = missing(f"{name}_not_given", name)
            if value == value:
                found[name] = self._size_fact(name, value, unit)
        active = found.pop("active_params")
        size = found["params"] if active.value is None else active
        flop = self._flop(size.value, found["tokens"].value)
        magnitude = _text("", "work_unknown", "flop")
        if isinstance(flop.value, float):
            power = f"10^{floor(log10(flop.value))} FLOP"
            magnitude = Fact(value=power, basis=flop.basis)
        inference = missing("params_not_given", "params")
        if not self.answer.work.kind.startswith(WRITES_TOKENS):
            inference = missing("not_of_this_task")
        elif isinstance(size.value, float):
            inference = Fact(
                value=2.0 * size.value * TASK_TOKENS,
                unit="FLOP",
                basis=PREDICTED,
                formula=f"2 × {human_count(size.value)} active parameters × "
                f"{TASK_TOKENS:,.0f} tokens, attention left out",
                sources=("kaplan-2020",),
            )
        return {
            **found,
            "training_flop": flop,
            "training_flop_magnitude": magnitude,
            "inference_flop": inference,
        }

    def _flop(self, size: float | str | None, tokens: float | str | None) -> Fact:
        """Return the training compute: given, on record, or counted from network and data."""
        known = self.inputs.get("training_flop")
        if known is not None:
            basis, formula = _origin(known)
            flop = self._quantity("training_flop", "FLOP", formula, basis)
            return replace(flop, basis=GIVEN) if known.basis == PUBLISHED else flop
        formula = "counted from the architecture and the data seen"
        counted = self.known.get("training_flop")
        if counted is not None and isinstance(size, float) and isinstance(tokens, float):
            formula = f"{digits(float(counted.mid) / size / tokens)} × {human_count(size)} active "
            formula += f"parameters × {human_count(tokens)} tokens"
        return self._quantity("training_flop", "FLOP", formula)

    def _size_fact(self, name: str, value: float, unit: str) -> Fact:
        """Return parameters or tokens: given, from the preset, or counted."""
        preset = self.answer.work.preset
        record = None if preset is None else preset.records.get(name)
        if name in self.inputs:
            return self._number(name, value, unit)
        if name in self.answer.scenario.specified_inputs():
            return Fact(value=value, unit=unit)
        if record is not None and record.value == value:
            basis = GIVEN if record.basis == PUBLISHED else PREDICTED
            return replace(number_fact(input_of(record)), unit=unit, basis=basis)
        return self._number(name, value, unit)

    def _number(self, name: str, value: float, unit: str = "") -> Fact:
        """Return an input of the run or its site: given, on record, or assumed."""
        known = self.inputs.get(name)
        if known is None:
            return Fact(value=value, unit=unit, basis=PREDICTED, formula="assumed")
        found = replace(number_fact(known, unit), value=value)
        counted = name in COUNTED and known.basis == PUBLISHED
        return replace(found, basis=GIVEN) if counted else found

    def _time(self) -> dict[str, Fact]:
        devices = float(self.answer.run.devices)
        timed = bool(self.answer.result.questions.timed[self.answer.row])
        hours = self.known["device_hours"]
        formula = "as given"
        if not timed and "utilization" in self.known:
            formula = (
                f"{digits(float(self.known['training_flop'].mid))} FLOP / "
                f"({digits(float(self.answer.hardware.peak_flop_per_s.mid))} FLOP/s × "
                f"{digits(float(self.known['utilization'].mid))} of the peak)"
            )
        basis = GIVEN if timed else CALIBRATED if self.corrected else PREDICTED
        device = self._quantity("device_hours", "h", formula, basis)
        wall = self._quantity(
            "wall_hours", "h", f"{digits(float(hours.mid))} device-hours / {devices:,.0f}", basis
        )
        months = float(self.known["wall_hours"].mid) / H_PER_DAY / MONTH_DAYS
        words = next((text for most, text in RANGES if months < most), "more than 6 months")
        return {
            "device_hours": device,
            "wall_hours": wall,
            "wall_s": scaled(wall, "s", S_PER_H),
            "training_time_range": Fact(value=words, basis=basis, formula=wall.formula),
            "utilization": self._quantity(
                "utilization", "1", "", GIVEN if self.answer.scenario.utilization else ""
            ),
        }

    def _energy(self) -> dict[str, Fact]:
        site = self.answer.site
        pue = digits(float(site.pue.mid))
        energy = self._quantity("energy_kwh", "kWh", "", self._energy_basis())
        found = {
            "energy_kwh": energy,
            "pue": self._number("pue", float(site.pue.mid), ""),
            "metered": Fact(value=self.metered) if self.metered else missing("not_metered"),
        }
        if energy.value is None:
            return {**found, "task_energy_kwh": energy, "energy_method": energy, "power_w": energy}
        spent = float((self.known["device_hours"] * self.attempts).mid)
        if self.metered == FACILITY:
            formula = "energy of the whole facility"
        elif self.metered:
            own = self.inputs["energy_kwh"].value
            more = float(self.known["it_energy_kwh"].mid) / own / self.attempts
            formula = f"{digits(own)} kWh metered at the {self.metered} × {digits(more)} for "
            formula += "host and network" if self.metered == DEVICES else "the network"
            formula += f" × PUE {pue}"
        else:
            each = float(self.known["it_energy_kwh"].mid) / spent * W_PER_KW
            formula = f"{digits(spent)} device-hours × {digits(each)} W per device with host and "
            formula += f"network × PUE {pue}"
        if self.attempts != 1.0 and self.metered:
            formula += f" × {digits(self.attempts)} for development runs"
        energy = replace(energy, formula=formula)
        power = self._quantity("power_w", "W", "", energy.basis)
        method = "Estimated from the computational resources used"
        if self.metered:
            method = self.energy_from.capitalize()
        elif self.corrected:
            method += ", corrected by measured runs"
        reported = published_run(self.answer, self.catalog)
        said = ""
        if "energy_kwh" in reported and not self.metered:
            own_mwh = float(reported["energy_kwh"]) / 1e3
            said = f" Published for this run: {own_mwh:,.4g} MWh ({reported['source']})."
        task = energy
        if self.metered:
            number = self.inputs["energy_kwh"]
            task = Fact(
                value=number.value,
                low=number.low,
                high=number.high,
                unit="kWh",
                basis=GIVEN_ENERGY[self.energy_from],
                formula=f"energy of the {self.metered}, {self.energy_from}",
            )
        return {
            **found,
            "energy_kwh": energy,
            "task_energy_kwh": task,
            "power_w": power,
            "energy_method": Fact(value=f"{method}: {formula}.{said}", basis=energy.basis),
        }

    def _energy_basis(self) -> str:
        if self.metered and self.energy_from == METER:
            return MEASURED if self.metered == FACILITY else CALIBRATED
        if self.metered:
            return GIVEN_ENERGY[self.energy_from]
        return CALIBRATED if self.corrected else PREDICTED

    def _derived_basis(self) -> str:
        """Return the basis of a result derived from the energy by unmeasured factors."""
        return PREDICTED if self._energy_basis() == PREDICTED else CALIBRATED

    def _carbon(self) -> dict[str, Fact]:
        factor = self.answer.site.co2e_kg_per_kwh
        grid = missing("grid_unknown", "carbon_intensity", place=self.answer.site.name)
        if factor is not None:
            grid = self._number("co2e_kg_per_kwh", float(factor.mid), "kgCO2e/kWh")
        basis, times = self._derived_basis(), self._times(factor)
        operational = self._quantity("operational_co2e_kg", "kgCO2e", times, basis)
        embodied = self._quantity("embodied_co2e_kg", "kgCO2e", self._share_of_life(), PREDICTED)
        both = "operational + embodied" if embodied.value is not None else "operational only"
        total = self._quantity("co2e_kg", "kgCO2e", both, basis)
        hourly = self.answer.plan is not None
        water = self._quantity("water_l", "L", "on-site water + water of generation", basis)
        return {
            "co2e_kg_per_kwh": grid,
            "operational_co2e_kg": operational,
            "embodied_co2e_kg": embodied,
            "co2e_kg": total,
            "co2e_g": scaled(total, "gCO2e", 1e3),
            "water_l": water,
            "time_matching": Fact(
                value="hourly: the intensity of the hours that the run covers"
                if hourly
                else "annual: the mean intensity of the year"
            ),
        }

    def _share_of_life(self) -> str:
        hardware = self.answer.hardware
        if hardware.embodied_co2e_kg is None:
            return ""
        return (
            f"{digits(float(hardware.embodied_co2e_kg.mid))} kgCO2e per device with its share of "
            f"the server × {digits(self._life_share())} device lifetimes"
        )

    def _life_share(self) -> float:
        """Return device time over the lifetime of all devices together [1]."""
        spent = self.known["device_hours"] * self.attempts
        return float((spent / self.answer.hardware.lifetime_h).mid)

    def _times(self, factor: Uncertain | None, unit: str = "kgCO2e/kWh") -> str:
        if factor is None or "energy_kwh" not in self.known:
            return ""
        energy = digits(float(self.known["energy_kwh"].mid))
        return f"{energy} kWh × {digits(float(factor.mid))} {unit}"

    def _electricity(self) -> dict[str, Fact]:
        found = {"scope2_location_kg": self._location()}
        residual = self._residual()
        found["residual_kg_per_kwh"] = residual
        found |= self._market(residual)
        for fact, factor, unit, embodied in (
            ("primary_energy_mj", "primary_mj_per_kwh", "MJ", "embodied.primary_mj"),
            ("adpe_kgsbeq", "adpe_kg_per_kwh", "kgSbeq", "embodied.adpe_kg"),
        ):
            found[fact] = self._depletion(factor, unit, embodied)
        return found

    def _location(self) -> Fact:
        return self._quantity(
            "operational_co2e_kg",
            "kgCO2e",
            self._times(self.answer.site.co2e_kg_per_kwh),
            self._derived_basis(),
        )

    def _record(self, factor: str) -> Record | None:
        history = (
            self.catalog.history(self.answer.scenario.site) if self.answer.scenario.site else []
        )
        country = history[-1].iso2 if history else None
        key = ((country or "").casefold(), factor)
        return self.catalog.electricity_factors().get(key)

    def _residual(self) -> Fact:
        if self.held.residual_mix is not None:
            return Fact(value=self.held.residual_mix, unit="kgCO2e/kWh")
        record = self._record("residual_co2e_kg_per_kwh")
        if record is None:
            return missing("residual_unknown", "residual_mix", place=self.answer.site.name)
        return number_fact(input_of(record))

    def _market(self, residual: Fact) -> dict[str, Fact]:
        """Return market-based emissions: the contract for its share, otherwise the residual mix."""
        held = self.held
        share = 0.0 if held.contract is None else 1.0
        share = share if held.contract_share is None else held.contract_share
        contract = Fact(value=held.contract, unit="kgCO2e/kWh")
        if held.contract is None:
            contract = missing("no_contract", "contract")
        found = {
            "contract_kg_per_kwh": contract,
            "contract_share": Fact(value=in_percent(share, 0)),
        }
        energy = self.known.get("energy_kwh")
        if energy is None:
            why = self.answer.estimate.absent["energy_kwh"]
            return {**found, "scope2_market_kg": Fact(value=None, basis=NOT_AVAILABLE, why=why)}
        if share < 1.0 and residual.value is None:
            return {**found, "scope2_market_kg": residual}
        parts = []
        if share > 0:
            parts.append((share, held.contract or 0.0, "contract"))
        if share < 1.0:
            parts.append((1.0 - share, float(residual.value or 0.0), "residual mix"))
        mean = sum(part * factor for part, factor, _ in parts)
        words = " + ".join(f"{digits(p)} × {digits(f)} ({what})" for p, f, what in parts)
        formula = f"{digits(float(energy.mid))} kWh × ({words}) kgCO2e/kWh"
        sources = residual.sources if share < 1.0 else ()
        found["scope2_market_kg"] = self._fact(
            energy * mean,
            "kgCO2e",
            formula=formula,
            basis=self._derived_basis(),
            sources=sources,
            date=residual.date,
        )
        return found

    def _depletion(self, factor: str, unit: str, embodied: str) -> Fact:
        """Return primary energy or abiotic depletion of electricity and of making the devices."""
        record = self._record(factor)
        energy = self.known.get("energy_kwh")
        if record is None or energy is None:
            return missing("factor_unknown", "site", place=self.answer.site.name)
        per_kwh = uncertain_record(record, "electricity factor")
        whole = energy * per_kwh
        sources, formula = [record.source], self._times(per_kwh, f"{unit}/kWh")
        making = self.catalog.priors().get(f"{embodied}.{self.answer.device.kind}")
        if making is not None:
            whole = whole + uncertain_record(making, "embodied") * self._life_share()
            sources.append(making.source)
            formula += f" + {digits(making.value)} {unit} per device × "
            formula += f"{digits(self._life_share())} device lifetimes"
        else:
            formula += ", without the making of the devices"
        return self._fact(
            whole,
            unit,
            formula=formula,
            basis=self._derived_basis(),
            sources=tuple(sources),
            date=record.date or "",
        )

    def _intensity(self) -> dict[str, Fact]:
        """Return the provider's SCI: emissions per FLOP, training token and parameter."""
        whole = self.known.get("co2e_kg")
        per = {
            "sci_g_per_exaflop": ("training_flop", 1e18, "gCO2e per 10^18 FLOP"),
            "sci_g_per_million_tokens": ("tokens", MILLION, "gCO2e per million training tokens"),
            "sci_kg_per_billion_params": ("params", 1e9, "kgCO2e per billion parameters"),
        }
        work = self._work()
        found: dict[str, Fact] = {}
        for name, (unit_fact, size, unit) in per.items():
            amount = self.known.get(unit_fact) if unit_fact == "training_flop" else None
            if amount is None and isinstance(work[unit_fact].value, float):
                amount = Uncertain(float(work[unit_fact].value or 0.0))
            if whole is None or amount is None:
                found[name] = work[unit_fact] if whole is not None else self._quantity("co2e_kg")
                continue
            scale = size * (1.0 if unit.startswith("kg") else 1e3)
            formula = f"(O + I) / R = {digits(float(whole.mid))} kgCO2e / "
            formula += f"{float(amount.mid):.3g}"
            found[name] = self._fact(
                whole / amount * scale, unit, formula=formula, basis=self._derived_basis()
            )
        return found

    def _quantity(self, name: str, unit: str = "", formula: str = "", basis: str = "") -> Fact:
        """Return a quantity of the estimate, or the reason why it is missing."""
        if name not in self.known:
            return Fact(value=None, basis=NOT_AVAILABLE, why=self._why(name))
        found = [
            number
            for key, number in self.inputs.items()
            if key.startswith(RESTS_ON.get(name, ())) and number.source
        ]
        sources = tuple(dict.fromkeys(number.source for number in found))
        date = max((number.date for number in found), default="")
        value = self.known[name]
        if not basis:
            basis = PREDICTED if float(value.log_sd) > 0 else GIVEN
        if basis in (MEASURED, GIVEN):
            sources, date = (), ""
        return self._fact(value, unit, formula=formula, basis=basis, sources=sources, date=date)

    def _why(self, name: str) -> Notice:
        absent = self.answer.estimate.absent
        return absent.get(name) or next(iter(absent.values()))

    def _fact(self, value: Uncertain, unit: str, **more: Any) -> Fact:
        low, high = (float(bound) for bound in value.interval(self.answer.level))
        ends = (None, None) if low == high else (low, high)
        return Fact(value=float(value.mid), low=ends[0], high=ends[1], unit=unit, **more)


def _origin(known: SourcedNumber) -> tuple[str, str]:
    if known.basis == GIVEN:
        return GIVEN, "as given"
    return PREDICTED, f"on record ({known.basis})"


def scaled(fact: Fact, unit: str, factor: float) -> Fact:
    """Convert a fact to another unit."""
    if not isinstance(fact.value, float):
        return fact
    low, high = (None if end is None else end * factor for end in (fact.low, fact.high))
    return replace(fact, value=fact.value * factor, low=low, high=high, unit=unit)


def number_fact(known: SourcedNumber, unit: str = "") -> Fact:
    """Return the fact of an input: given, or on record with its range and source."""
    basis, formula = _origin(known)
    unit = unit or ("" if known.unit in ("1", "devices") else known.unit)
    if basis == GIVEN:
        return Fact(value=known.value, unit=unit)
    return Fact(
        value=known.value,
        low=known.low,
        high=known.high,
        unit=unit,
        basis=basis,
        formula=formula,
        sources=(known.source,),
        date=known.date,
    )
