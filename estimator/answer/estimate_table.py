"""Estimates of many scenarios: resolve each distinct name once, call the core once per group.

Rows share a call if the same results are available for them: known device power, timed runs, owned
devices. Every question takes this path: one scenario is a table with one row, a file is read in
chunks, and a sweep may have ten million designs.
"""

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial

import numpy as np

from estimator.answer.notices import (
    note_absent,
    say_what_does_not_fit,
    say_what_has_no_effect,
    say_what_is_too_few,
    say_what_no_meter_reads,
)
from estimator.answer.power_limit import EXPONENT, under_limit
from estimator.answer.questions import Questions, resolve
from estimator.answer.utilization import (
    Devices,
    Expected,
    devices_of,
    expected_of,
    utilization_of,
)
from estimator.calibration.correction import Known, calibrated_power
from estimator.catalog import Catalog
from estimator.core.carbon_schedule import Schedule, schedule
from estimator.core.estimate import Estimate, Run, estimate
from estimator.core.hardware import REFERENCE_UTILIZATION, Hardware, stack
from estimator.core.notice import Notice
from estimator.core.notice_table import NoticeTable
from estimator.core.power import busy_share, limit_power, odds_by_network, odds_by_run
from estimator.core.rows import (
    Floats,
    Places,
    by_row,
    few,
    filled,
    first_known,
    first_rows,
    in_order,
    of_each,
    rows_of,
    squeezed,
)
from estimator.core.site import Site
from estimator.core.uncertainty import EXACTLY_ONE, EXACTLY_ZERO, Uncertain, z_score
from estimator.core.units import CENTRAL, W_PER_KW
from estimator.core.work import METERED, Workload
from estimator.question.hardware import BUSY_SHARE, HOST_LED_ODDS, WAITING_PARAMS
from estimator.question.ownership import used_up_price
from estimator.question.provenance import uncertain_record
from estimator.question.scenario import Scenario
from estimator.question.table import Table

METER_ERROR = 0.05
"""Default half-width of the 80% interval of a metered energy, assumed [1]. Single boards have
similar errors: Yang, Adamek, Armour 2024, arXiv:2312.02741.
"""

SEVERAL = "several devices"
"""Device name of a group with several devices; each notice names the device of its row."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Rows answered by one call of the core.

    Parameters
    ----------
    rows : array of int
        Rows of the table; a single row has numbers instead of arrays.
    workload, hardware, site, run
        Inputs of the core model.
    estimate : Estimate
        Result of the core model.
    expected : Expected, optional
        Expected utilization.
    left : array, optional
        Share of the power uncertainty that remains after measured runs [1].
    uncorrected : (Hardware, Hardware), optional
        Devices before and after the measured runs corrected their power, if they did.
    plans : mapping of int to Schedule
        Row of the table -> when it starts and should, where a carbon profile is given.
    """

    rows: Places
    workload: Workload
    hardware: Hardware
    site: Site
    run: Run
    estimate: Estimate
    expected: "Expected | None"
    left: Floats | None
    uncorrected: tuple[Hardware, Hardware] | None
    plans: Mapping[int, Schedule]


@dataclass(frozen=True, kw_only=True)
class TableResult:
    """Answers to a table of scenarios.

    Parameters
    ----------
    questions : Questions
        Resolved table, for the provenance of single rows.
    groups : tuple of Group
        The answered rows.

    Examples
    --------
    >>> from estimator.catalog import Catalog
    >>> table = Table.of_columns(
    ...     Scenario, hardware=["v100", "h100"], flop=1e21, devices=8.0, site="fr"
    ... )
    >>> result = estimate_table(table, Catalog.open())
    >>> energy = result["energy_kwh"]
    >>> bool(energy.mid[0] > energy.mid[1]), result.errors
    (True, {})
    """

    questions: "Questions"
    groups: tuple[Group, ...]

    @property
    def errors(self) -> Mapping[int, Notice]:
        """Refused rows, and why."""
        return self.questions.errors

    @property
    def plans(self) -> Mapping[int, Schedule]:
        """Start and best start of rows with a carbon profile."""
        return {row: plan for group in self.groups for row, plan in group.plans.items()}

    @cached_property
    def notices(self) -> NoticeTable:
        """Assumptions of each row, some computed on first access."""
        for group in self.groups:
            note_absent(self.questions, group.rows, group.estimate)
            if group.workload.metered_kwh is not None:
                self._check_meter(group)
        say_what_is_too_few(self.questions)
        say_what_has_no_effect(self.questions)
        say_what_does_not_fit(self.questions)
        return self.questions.notices

    def _check_meter(self, group: Group) -> None:
        """Warn if the metered power of a device is above its limit or below idle."""
        hardware, run, metered_kwh = group.hardware, group.run, group.workload.metered_kwh
        if metered_kwh is None or hardware.tdp_w is None or hardware.idle_w is None:
            return
        boundary = group.workload.metered
        limit_w = limit_power(hardware, run.devices, run.network_share, group.site.pue, boundary)
        drawn_w = metered_kwh / group.estimate["device_hours"] * W_PER_KW
        say_what_no_meter_reads(self.questions, group.rows, drawn_w, limit_w, hardware.idle_w)

    @property
    def count(self) -> int:
        """Number of rows."""
        return self.questions.table.count

    def group_of(self, row: int) -> tuple[Group, int]:
        """Group of an answered row, and the row's position in it."""
        for group in self.groups:
            place = int(np.searchsorted(group.rows, row))
            if place < group.rows.size and group.rows[place] == row:
                return group, place
        raise ValueError(f"row {row} has no answer")

    def __getitem__(self, name: str) -> Uncertain:
        """Return one quantity with its loadings for all rows, NaN where it is unavailable."""
        having = [group for group in self.groups if name in group.estimate]
        mid = np.full(self.count, np.nan)
        sources = dict.fromkeys(
            source for group in having for source in group.estimate[name].loadings
        )
        loadings = {source: np.zeros(self.count) for source in sources}
        for group in having:
            quantity = group.estimate[name]
            mid[group.rows] = quantity.mid
            for source, load in quantity.loadings.items():
                loadings[source][group.rows] = load
        most = np.full(self.count, math.inf)
        for group in having:
            most[group.rows] = group.estimate[name].most
        return Uncertain(mid, dict(loadings), most)

    def bounds(self, name: str, z: float) -> Floats:
        """Return low, median and high of one quantity for all rows, shape (count, 3).

        Parameters
        ----------
        name : str
        z : float
            Half-width of the interval, in standard deviations [1].
        """
        ends = np.full((self.count, 3), np.nan)
        for group in self.groups:
            if name in group.estimate:
                quantity = group.estimate[name]
                spread = np.exp(z * quantity.log_sd)
                for column, end in enumerate(
                    (
                        quantity.mid / spread,
                        quantity.mid,
                        np.minimum(quantity.mid * spread, quantity.most),
                    )
                ):
                    ends[group.rows, column] = end
        return ends


def estimate_table(
    table: Table[Scenario], catalog: Catalog, *, known: Known | None = None
) -> TableResult:
    """Estimate time, energy, cost, CO2e and water of every row of a table.

    Parameters
    ----------
    table : Table[Scenario]
        Table of any length; chunks of about 5,000 rows use the CPU cache best.
    catalog : Catalog
        Profiles.
    known : Known, optional
        Measured runs, by default the ones on record.

    Returns
    -------
    TableResult
        Quantities with uncertainty, notices and errors by row. Rows do not affect each other.
    """
    asked = resolve(table, catalog, known)
    every = list(_groups(asked))
    devices = [devices_of(asked, rows) for rows in every]
    expected = _expectations(asked, every, devices)
    groups = tuple(map(partial(_answered, asked), every, devices, expected))
    return TableResult(questions=asked, groups=groups)


def _cut(rows: Places) -> Places | int:
    """Return the index of a single row, or an index array for several."""
    return int(rows[0]) if rows.size == 1 else rows


@lru_cache(maxsize=64)
def _stacked(devices: tuple[Hardware, ...]) -> Hardware:
    """Return the devices used by many tables, stacked into arrays of shape (n,)."""
    stacked: Hardware = rows_of(stack(devices), (slice(None), 0))
    return stacked


def _groups(asked: Questions) -> Iterator[Places]:
    """Group rows so that one call of the core model can answer each group."""
    rows = asked.answerable()
    if rows.size < 2:
        yield from [rows] * rows.size
        return
    likes: dict[Hashable, int] = {}
    like = [likes.setdefault(named.like, len(likes)) for named in asked.named]
    bought = [named.hardware.price_usd is not None for named in asked.named]
    key = np.array(like)[asked.named_at[rows]]
    for specified in (
        asked.timed,
        ~np.isnan(asked.flop),
        ~np.isnan(asked.given_utilization),
        asked.rent_known,
        asked.owned,
        asked.owned & np.array(bought)[asked.named_at],
        asked.table.states("device_price"),
        asked.table.states("power_cap"),
        asked.profiled,
        asked.wue_known,
        asked.boards_only,
        asked.ignore,
    ):
        key = 2 * key + specified[rows]
    key = (len(METERED) + 1) * key + asked.metered[rows] + 1
    for one in in_order(key):
        yield rows[key == one]


def _expectations(
    asked: Questions, groups: Sequence[Places], devices: Sequence[Devices]
) -> list[Expected | None]:
    """Return each group's expected utilization, or None for groups without known work."""
    together: dict[Hashable, list[int]] = {}
    for number, rows in enumerate(groups):
        first = int(rows[0])
        if not np.isnan(asked.flop[first]):
            by_model = asked.device(first).fixed is None
            like = (-1 if by_model else number, bool(asked.ignore[first]))
            together.setdefault(like, []).append(number)
    found: list[Expected | None] = [None] * len(groups)
    for numbers in together.values():
        if len(numbers) == 1:
            found[numbers[0]] = _expected(asked, groups[numbers[0]], devices[numbers[0]])
            continue
        rows = np.sort(np.concatenate([groups[number] for number in numbers]))
        expected = _expected(asked, rows, devices_of(asked, rows))
        for number in numbers:
            found[number] = rows_of(expected, np.searchsorted(rows, groups[number]))
    return found


def _expected(asked: Questions, rows: Places, devices: Devices) -> Expected:
    """Return the expected utilization of rows, computed once per distinct setup."""
    setups = asked.table.setups
    if setups is not None and rows.size > 1:
        first, at = first_rows(setups[rows])
        if 1 < first.size < rows.size:
            since, some = asked.notices.layers, rows[first]
            found = expected_of(asked, some, devices_of(asked, some))
            asked.notices.shared(since, rows, some[at])
            expected: Expected = rows_of(found, at)
            return expected
    return expected_of(asked, rows, devices)


def _answered(asked: Questions, rows: Places, devices: Devices, expected: Expected | None) -> Group:
    """Answer rows that share the results that can be had."""
    first, workload = int(rows[0]), _workload(asked, rows)
    utilization = utilization_of(asked, rows, expected)
    hardware = _hardware(asked, rows, devices, expected, utilization)
    uncorrected, left = None, None
    if not asked.ignore[first]:
        before = hardware
        hardware, left = calibrated_power(before, utilization, devices.rows, asked.known)
        hardware = hardware if rows.size > 1 or left is None else rows_of(hardware, 0)
        uncorrected = None if left is None else (before, hardware)
    hardware = _owned(asked, hardware, rows, devices)
    hardware, utilization = _limited(asked, workload, hardware, utilization, rows)
    site = _site(asked, rows)
    alone = bool(asked.boards_only[first])
    if alone:
        hardware = replace(hardware, host_factor=EXACTLY_ONE)
    within = alone or devices.named[0].with_network
    network = uncertain_record(asked.catalog.prior("power.network_share"), "network")
    run = Run(
        devices=asked.devices[_cut(rows)],
        utilization=utilization,
        network_share=EXACTLY_ZERO if within else network,
        price_usd_per_h=_price(asked, rows),
        own=bool(asked.owned[first]),
    )
    result, plans = estimate(workload, hardware, site, run), dict[int, Schedule]()
    if asked.profiled[first]:
        plans = _schedules(asked, rows, result)
        covered = np.array([plan.co2e_kg_per_kwh for plan in plans.values()])
        site = replace(site, co2e_kg_per_kwh=Uncertain(squeezed(covered)))
        result = estimate(workload, hardware, site, run)
    return Group(
        rows=rows,
        workload=workload,
        hardware=hardware,
        site=site,
        run=run,
        estimate=result,
        expected=expected,
        left=left,
        uncorrected=uncorrected,
        plans=plans,
    )


def _workload(asked: Questions, rows: Places) -> Workload:
    """Return a group's work or device time, with development overhead."""
    work, first, cut = asked.work, rows[0], _cut(rows)
    known = not np.isnan(asked.flop[first])
    attempts = asked.table.numbers.get("attempts")
    once = 1.0 if attempts is None else np.where(np.isnan(attempts), 1.0, attempts)[cut]
    return Workload(
        training_flop=rows_of(work.flop, cut) if known else None,
        device_hours=rows_of(work.device_hours, cut) if asked.timed[first] else None,
        attempts=Uncertain(once),
        metered_kwh=_metered_kwh(asked, rows),
        metered=METERED[asked.metered[first]],
    )


def _metered_kwh(asked: Questions, rows: Places) -> Uncertain | None:
    """Return a group's metered energy, with the meter's uncertainty."""
    if asked.metered[rows[0]] < 0:
        return None
    error = asked.table.number("energy_uncertainty")[rows]
    spread = np.log1p(np.where(np.isnan(error), METER_ERROR, error)) / z_score(CENTRAL)
    metered_kwh = asked.table.number("energy_kwh")[rows]
    return Uncertain(squeezed(metered_kwh), {"meter": squeezed(spread)})


def _hardware(
    asked: Questions,
    rows: Places,
    devices: Devices,
    expected: Expected | None,
    utilization: Uncertain | None,
) -> Hardware:
    """Return the device of each row, with the run's utilization uncertainty."""
    several = tuple(one.hardware for one in devices.named)
    hardware = several[0]
    if len(several) > 1:
        by_device: Hardware = rows_of(_stacked(several), devices.at)
        hardware = replace(by_device, name=SEVERAL)
    if np.isnan(asked.flop[rows[0]]) and hardware.unknown_busy.loadings:
        hardware = replace(hardware, unknown_busy=_busy(asked, rows, hardware))
    full = REFERENCE_UTILIZATION
    if expected is not None:
        mid = of_each(expected.full, rows.shape)
        predicted = utilization is not None and np.isnan(asked.given_utilization[rows[0]])
        loadings = utilization.loadings if predicted and utilization is not None else {}
        full = Uncertain(squeezed(mid), loadings)
    return replace(hardware, full_utilization=full)


def _busy(asked: Questions, rows: Places, hardware: Hardware) -> Uncertain:
    """Return the busy share of runs with only device-hours, from model size or device."""
    catalog = asked.catalog
    numbers, kinds = asked.work.numbers, asked.work.kinds
    params = first_known(numbers["active_params"][rows], numbers["params"][rows])
    alone = uncertain_record(catalog.prior(BUSY_SHARE), "busy share")
    waiting = uncertain_record(catalog.prior(WAITING_PARAMS), "busy share")
    led = uncertain_record(catalog.prior(HOST_LED_ODDS), "busy share")
    found = (kinds[row] for row in rows)  # hosts lead recommenders and games
    of_host = np.array([kind.group == "other" and not kind.perceptron for kind in found])
    by_size = odds_by_network(params, hardware.peak_flop_per_s.mid, waiting)
    hours = np.asarray(asked.work.device_hours.mid)[rows]
    by_run = odds_by_run(asked.devices[rows], hours) * alone.mid / (1.0 - alone.mid)
    run_sd = alone.log_sd / (1.0 - alone.mid)
    sized = ~np.isnan(params)
    odds = np.where(sized, by_size.mid, by_run * np.where(of_host, led.mid, 1.0))
    led_sd = np.where(of_host, led.log_sd, 0.0)
    log_sd = np.where(sized, waiting.log_sd, np.hypot(run_sd, led_sd))
    busy = busy_share(Uncertain(odds, {"busy share": log_sd}))
    known = np.broadcast_to(np.asarray(hardware.unknown_busy.log_sd) == 0.0, rows.shape)
    mid = squeezed(np.where(known, hardware.unknown_busy.mid, busy.mid))
    return Uncertain(mid, {"busy share": squeezed(np.where(known, 0.0, busy.log_sd))})


def _owned(asked: Questions, hardware: Hardware, rows: Places, devices: Devices) -> Hardware:
    """Return owned devices at their purchase price minus resale value."""
    if not asked.owned[rows[0]]:
        return hardware
    paid = asked.table.number("device_price")[rows]
    size = np.array([named.hardware.node_devices for named in devices.named])[devices.at]
    many = asked.devices[rows] > size
    unit = None if np.isnan(paid[0]) else 1.0
    prices = [
        used_up_price(one.device, asked.catalog, paid=unit, many=more)
        for one in devices.named
        for more in (False, True)
    ]
    known = [price.value for price in prices if price is not None]
    if len(known) < len(prices):
        return replace(hardware, price_usd=None)
    price = by_row(known, 2 * devices.at + many)
    return replace(hardware, price_usd=price if unit is None else price * squeezed(paid))


def _limited(
    asked: Questions,
    workload: Workload,
    hardware: Hardware,
    utilization: Uncertain | None,
    rows: Places,
) -> tuple[Hardware, Uncertain | None]:
    """Apply the power limit, if any, to device and utilization."""
    limit = asked.table.number("power_cap")[rows]
    if np.isnan(limit[0]):
        return hardware, utilization
    exponent = uncertain_record(asked.catalog.prior(EXPONENT), "power cap")
    hardware, utilization, specified = under_limit(
        squeezed(limit), workload, hardware, utilization, exponent
    )
    asked.notices.each(rows, specified)
    return hardware, utilization


def _site(asked: Questions, rows: Places) -> Site:
    """Return each row's site at its time, with values set by the row."""
    which, at = few(asked.site_at[rows])
    sites = [asked.sites[one].value for one in which.tolist()]

    def of_sites(name: str) -> Uncertain:
        return by_row([getattr(site, name) or EXACTLY_ZERO for site in sites], at)

    electricity = asked.table.number("electricity_price")
    wue = None
    if asked.wue_known[rows[0]]:
        wue = filled(asked.given_wue[rows], of_sites("wue_l_per_kwh"))
    return Site(
        name=sites[0].name,
        pue=filled(asked.pue[rows], of_sites("pue")),
        co2e_kg_per_kwh=filled(asked.intensity[rows], of_sites("co2e_kg_per_kwh")),
        wue_l_per_kwh=wue,
        offsite_l_per_kwh=of_sites("offsite_l_per_kwh"),
        electricity_usd_per_kwh=filled(electricity[rows], of_sites("electricity_usd_per_kwh"))
        if asked.owned[rows[0]]
        else None,
    )


def _price(asked: Questions, rows: Places) -> Uncertain | None:
    """Return the rental price, given or on record; None if unknown or owned."""
    if asked.owned[rows[0]] or not asked.rent_known[rows[0]]:
        return None
    which, at = few(asked.rent_at[rows])
    rents = [asked.rents[one] for one in which.tolist()]
    offered = [EXACTLY_ZERO if rent is None else rent.value for rent in rents]
    return filled(asked.given_rent[rows], by_row(offered, at))


def _schedules(asked: Questions, rows: Places, result: Estimate) -> dict[int, Schedule]:
    """Return each row's start and best start in its carbon profile."""
    start = np.nan_to_num(asked.table.number("start"))
    hours = np.broadcast_to(result["wall_hours"].mid, rows.shape)
    return {
        row: schedule(asked.profiles[asked.profile_at[row]], float(start[row]), wall_hours)
        for row, wall_hours in zip(rows.tolist(), hours.tolist(), strict=True)
    }
