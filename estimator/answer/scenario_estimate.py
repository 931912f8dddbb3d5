"""Estimate of one scenario: a table of one row.

Provenance and notices are computed on first access.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from estimator.answer.estimate_table import Group, TableResult, estimate_table
from estimator.answer.power_limit import EXPONENT
from estimator.answer.questions import Questions
from estimator.calibration.measured_utilization import (
    Target,
    assumed_step_flop,
    large_step_flop,
)
from estimator.calibration.notices import power_input, utilization_input
from estimator.catalog import Catalog, Device
from estimator.core.carbon_schedule import Schedule
from estimator.core.estimate import Estimate, Run, estimate
from estimator.core.hardware import Hardware
from estimator.core.messages import message, refusal
from estimator.core.notice import Notice
from estimator.core.power_correction import device_power_w
from estimator.core.rows import one_of, rows_of
from estimator.core.site import Site
from estimator.core.units import CENTRAL
from estimator.core.work import Workload
from estimator.networks.config_file import compact_json
from estimator.question.hardware import BUSY_SHARE, WAITING_PARAMS, node_devices
from estimator.question.ownership import used_up_price
from estimator.question.provenance import (
    GIVEN,
    SourcedNumber,
    given_value,
    input_of,
    prior,
    recorded,
)
from estimator.question.scenario import BESIDE_PRODUCTS, INPUTS, SHARING, Scenario, link
from estimator.question.table import RECOMPUTED_SHARE, Table
from estimator.question.workload import Work, compact_config
from estimator.training.predict import predicted_input

ECHOED = ("batch_tokens", "batch", "step_flop", *BESIDE_PRODUCTS, *SHARING, "power_cap", "year")
"""Numbers that an answer repeats as given."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Estimate with its question, resolved inputs and notices.

    Parameters
    ----------
    scenario : Scenario
        Scenario as asked.
    device : Device
        Profile of the hardware.
    precision : str
        Number format of the run.
    work : Work
        Resolved work.
    hardware, site, run
        Inputs of the core model.
    estimate : Estimate
        Result of the core model.
    result : TableResult
        Result of the table that contains this row.
    row : int
        Index of the row.
    plan : Schedule, optional
        Actual and best start, with a carbon profile.
    replaced : mapping of str to SourcedNumber
        Inputs that differ from the row's.
    """

    scenario: Scenario
    device: Device
    precision: str
    work: Work
    hardware: Hardware
    site: Site
    run: Run
    estimate: Estimate
    result: TableResult = field(repr=False, compare=False)
    row: int
    plan: Schedule | None = None
    replaced: Mapping[str, SourcedNumber] = field(default_factory=dict)

    @cached_property
    def inputs(self) -> Mapping[str, SourcedNumber]:
        """Each input used, with its unit, basis, source and date."""
        where = self.result.group_of(self.row)
        return {**_inputs(self.result, self.row, self.scenario, where), **self.replaced}

    @cached_property
    def notices(self) -> tuple[Notice, ...]:
        """Assumptions, and reasons for missing results."""
        return self.result.notices.of(self.row)

    @cached_property
    def target(self) -> Target:
        """Features of the run that its calibration depends on."""
        return _target(self.result.questions, self.row, self.work, self.scenario.program)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Notices as sentences, with inputs named as in Python."""
        return tuple(dict.fromkeys(map(message, self.notices)))

    @property
    def level(self) -> float:
        """Probability covered by the intervals [1]."""
        return CENTRAL if self.scenario.interval is None else self.scenario.interval

    @property
    def workload(self) -> Workload:
        """Workload passed to the core."""
        return self.work.workload

    @property
    def link(self) -> str:
        """Query string that opens this scenario in the app; a config becomes its key numbers.

        A carbon profile becomes its mean over the run.
        """
        scenario = self.scenario
        if self.plan is not None:
            scenario = replace(scenario, carbon_intensity=self.plan.co2e_kg_per_kwh)
        if scenario.config is not None and self.work.config is not None:
            config = compact_config(compact_json(self.work.config))
            scenario = replace(scenario, config=config)
        return link(scenario)


def answer_scenario(scenario: Scenario, catalog: Catalog) -> Answer:
    """Answer one scenario.

    Raises
    ------
    ValueError
        With what is missing or invalid, why, and the remedy, in one line; a `Refusal` also carries
        a notice.
    """
    return answer_of(estimate_table(Table.of(Scenario, [scenario]), catalog), 0, scenario)


def answer_scenarios(scenarios: Sequence[Scenario], catalog: Catalog) -> list[Answer | ValueError]:
    """Answer several scenarios in one call, with an error in place of each that fails."""
    result = estimate_table(Table.of(Scenario, scenarios), catalog)
    answers: list[Answer | ValueError] = []
    for row, scenario in enumerate(scenarios):
        try:
            answers.append(answer_of(result, row, scenario))
        except ValueError as error:
            answers.append(error)
    return answers


def answer_of(result: TableResult, row: int, scenario: Scenario | None = None) -> Answer:
    """Answer of one row of a table.

    Parameters
    ----------
    result : TableResult
    row : int
    scenario : Scenario, optional
        Scenario of the row, if available.

    Raises
    ------
    ValueError
        With the reason why the row is refused.
    """
    if row in result.errors:
        raise refusal(result.errors[row])
    asked = result.questions
    resolved = asked.table.row(row)
    scenario = resolved if scenario is None else replace(scenario, power_cap=resolved.power_cap)
    group, place = result.group_of(row)
    named = asked.device(row)
    hardware, site, run = group.hardware, group.site, group.run
    workload, estimated = group.workload, group.estimate
    if group.rows.size > 1:
        hardware, site, run, workload = (
            rows_of(part, place) for part in (hardware, site, run, workload)
        )
        place_name = asked.sites[asked.site_at[row]].value.name
        hardware, site = replace(hardware, name=named.device.name), replace(site, name=place_name)
        estimated = estimate(workload, hardware, site, run)
    return Answer(
        scenario=scenario,
        device=named.device,
        precision=named.precision,
        work=asked.work.work(row, workload),
        hardware=hardware,
        site=site,
        run=run,
        estimate=estimated,
        result=result,
        row=row,
        plan=result.plans.get(row),
    )


def _target(asked: Questions, row: int, work: Work, program: str | None) -> Target:
    named = asked.device(row)
    step = float(
        assumed_step_flop(
            asked.step_flop[row],
            asked.flop[row],
            asked.devices[row],
            large_step_flop(named.device, named.precision),
        )
    )
    params = float(asked.work.numbers["params"][row])
    whole = float(asked.flop[row] / asked.devices[row])
    return Target(
        precision=named.precision,
        kind=work.kind,
        arch=work.arch,
        name=work.name,
        step_flop=step if step == step else None,
        flop=whole if whole == whole else None,
        params=params if params == params else None,
        program=program,
    )


def _inputs(
    result: TableResult, row: int, scenario: Scenario, where: tuple[Group, int]
) -> dict[str, SourcedNumber]:
    asked = result.questions
    catalog, named = asked.catalog, asked.device(row)
    found = {**asked.work.inputs(row), **named.found.inputs}
    found |= _inputs_of_site(result, row, scenario)
    for name in ECHOED:
        value = getattr(scenario, name)
        if value is not None:
            unit = INPUTS[name].unit or ("year" if name == "year" else "1")
            found |= given_value(INPUTS[name].resolved or name, value, unit).inputs
    metered_kwh = where[0].workload.metered_kwh
    if metered_kwh is not None:
        metered_kwh = rows_of(metered_kwh, where[1])
        low, high = (float(bound) for bound in metered_kwh.interval())
        number = SourcedNumber(
            value=float(metered_kwh.mid), unit="kWh", basis=GIVEN, low=low, high=high
        )
        found["energy_kwh"] = number
    if scenario.recomputation is not None:
        found |= given_value("recomputation", RECOMPUTED_SHARE[scenario.recomputation], "1").inputs
    found |= _inputs_of_devices(result, row, scenario)
    found |= _inputs_of_utilization(result, row, scenario, where)
    found |= _inputs_of_power(result, row, where)
    found |= _inputs_of_money(result, row, scenario, where[0])
    if not asked.named[asked.named_at[row]].with_network:
        found |= prior(catalog, "power.network_share", "network").inputs
    if scenario.power_cap is not None and _binds(result, row):
        found |= prior(catalog, EXPONENT, "power cap").inputs
    return found


def _inputs_of_money(
    result: TableResult, row: int, scenario: Scenario, group: Group
) -> dict[str, SourcedNumber]:
    """Return the rental or purchase price of the devices."""
    asked = result.questions
    if group.run.own:
        device = asked.device(row).device
        many = bool(asked.devices[row] > node_devices(device))
        price = used_up_price(device, asked.catalog, paid=scenario.device_price, many=many)
        return {} if price is None else price.inputs
    if scenario.price is not None:
        return given_value("price_usd_per_h", scenario.price, "USD/h").inputs
    rent = asked.rents[asked.rent_at[row]]
    return {} if rent is None else rent.inputs


def _inputs_of_site(result: TableResult, row: int, scenario: Scenario) -> dict[str, SourcedNumber]:
    asked = result.questions
    found = dict(asked.sites[asked.site_at[row]].inputs)
    if not asked.device(row).hardware.on_grid:
        return {"pue": found["pue"]}
    intensity = float(asked.intensity[row])
    if row in result.plans:
        intensity = result.plans[row].co2e_kg_per_kwh
    for name, value, unit in (
        ("pue", float(asked.pue[row]), "1"),
        ("co2e_kg_per_kwh", intensity, "kgCO2e/kWh"),
        ("wue_l_per_kwh", scenario.wue, "L/kWh"),
        ("electricity_usd_per_kwh", scenario.electricity_price, "USD/kWh"),
    ):
        if value is not None and value == value:
            found |= given_value(name, value, unit).inputs
    return found


def _inputs_of_devices(
    result: TableResult, row: int, scenario: Scenario
) -> Mapping[str, SourcedNumber]:
    """Return the device count, unless it is assumed."""
    asked = result.questions
    if scenario.devices is not None:
        return given_value("devices", scenario.devices, "1").inputs
    preset = asked.work.preset(row)
    if preset is not None and asked.devices_known[row]:
        return recorded("devices", preset.as_run["devices"], "devices").inputs
    return {}


def _inputs_of_utilization(
    result: TableResult, row: int, scenario: Scenario, where: tuple[Group, int]
) -> dict[str, SourcedNumber]:
    """Return the utilization, or the device time given instead."""
    asked, (group, place) = result.questions, where
    if scenario.utilization is not None:
        return dict(given_value("utilization", scenario.utilization, "1").inputs)
    if group.expected is None or asked.timed[row]:
        timed = group.workload.training_flop is None and group.hardware.unknown_busy.loadings
        sizes = (asked.work.numbers[name][row] for name in ("active_params", "params"))
        sized = not all(math.isnan(size) for size in sizes)
        name = WAITING_PARAMS if sized else BUSY_SHARE
        return {name: input_of(asked.catalog.prior(name))} if timed else {}
    named, corrected = asked.device(row), group.expected.corrected
    predicted = one_of(group.expected.prior, place)
    if named.fixed is not None:
        before = dict(named.fixed.inputs)
    else:
        kind = asked.work.kinds[row].group
        before = {"utilization": predicted_input(predicted, kind, asked.catalog)}
    if not corrected.measured[place]:
        return before
    known = asked.known.of_program(named.device, scenario.program or "")
    was = before["utilization"]
    return {
        "utilization": utilization_input(known, predicted, one_of(corrected.utilization, place)),
        "utilization.prior": replace(was, note=f"before the runs: {was.note}"),
    }


def _inputs_of_power(
    result: TableResult, row: int, where: tuple[Group, int]
) -> dict[str, SourcedNumber]:
    """Return the device power after calibration."""
    asked, (group, place) = result.questions, where
    named = asked.device(row)
    found = asked.known.power_of(named.device)[0]
    if not found or group.left is None or group.uncorrected is None:
        return {}
    before, now = (
        rows_of(hardware, place) if group.rows.size > 1 else hardware
        for hardware in group.uncorrected
    )
    at = group.run.utilization
    reached = (
        None if at is None else float(rows_of(at.mid, place) if group.rows.size > 1 else at.mid)
    )
    power = power_input(
        found,
        device_power_w(before, reached),
        device_power_w(now, reached),
        left=float(group.left[place]),
    )
    return {"device_power_w": power}


def _binds(result: TableResult, row: int) -> bool:
    return all(notice.code != "power_limit_idle" for notice in result.notices.of(row))


def utilization_basis(answer: Answer) -> str:
    """Return the basis of the utilization: given, prior, calibrated or derived."""
    if "utilization" not in answer.inputs or EXPONENT in answer.inputs:
        return "derived"
    basis = answer.inputs["utilization"].basis
    return basis if basis in (GIVEN, "calibrated") else "prior"
