"""Inputs of a table resolved: device, count, year, site, rental price, steps.

Each step is a function of the table and of earlier steps; every distinct name is looked up once.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from estimator.answer.named_device import NamedDevice, find_device
from estimator.calibration.correction import Known, known_runs
from estimator.catalog import Catalog, Device, Preset
from estimator.catalog.device_names import split_power_limit
from estimator.core.estimate import ROUNDING
from estimator.core.messages import reason
from estimator.core.notice import Notice
from estimator.core.notice_table import NoticeTable, Remarks
from estimator.core.power import check_cap
from estimator.core.rows import (
    Floats,
    Mask,
    Places,
    distinct,
    few,
    first_known,
    nowhere,
    rows_where,
)
from estimator.core.site import Site
from estimator.core.uncertainty import Uncertain
from estimator.core.units import S_PER_H, digits
from estimator.core.work import DEVICES, FACILITY, METERED
from estimator.memory.training_state import FROZEN
from estimator.networks.formulas import (
    FLOP_PER_PARAM_AND_TOKEN,
    TOKENS_PER_PARAM,
    TRAINING_OVER_FORWARD,
)
from estimator.networks.kind_columns import of_each_kind
from estimator.question.carbon_profile import check_start, read_profile
from estimator.question.hardware import SELF_CONTAINED, find_price
from estimator.question.provenance import Found
from estimator.question.scenario import SHARING, Scenario
from estimator.question.site import PROVIDERS, find_site, provider_at
from estimator.question.table import Table
from estimator.question.workload import WorkTable, resolve_work
from estimator.training.features import software_of_rows

REPORTED_PLACE = {"pue": "pue", "co2e_kg_per_kwh": "carbon_intensity"}
"""Site field of a published run -> input."""

MOST_SUGGESTIONS = 30
"""Most unknown devices per table that get spelling suggestions, which take longer than an estimate
[1].
"""


@dataclass(frozen=True, kw_only=True)
class DevicesOfRows:
    """Devices and precisions of rows.

    Parameters
    ----------
    named : sequence of NamedDevice
    named_at : array of int
        Index of each row's device, -1 for none.
    own : array of bool
        Whether a row runs a preset on the hardware it was published for.
    bare : array of bool
        Whether the device needs neither cooling nor a network.
    """

    named: Sequence[NamedDevice]
    named_at: Places
    own: Mask
    bare: Mask


@dataclass(frozen=True, kw_only=True)
class CountsOfRows:
    """Device count of each row, whether it is known, and year of its run [1].

    `software_year` also uses the preset's year if its run fits the device.
    """

    devices: Floats
    devices_known: Mask
    year: Floats
    software_year: Floats


@dataclass(frozen=True, kw_only=True)
class SitesOfRows:
    """Sites of rows at their time, and site values given by the rows.

    Parameters
    ----------
    sites, site_at
        Sites, and each row's index.
    pue, intensity, given_wue : array
        Given or reported values, NaN where unknown [1], [kgCO2e/kWh], [L/kWh].
    boards_only : array of bool
        Whether only the devices' energy counts.
    wue_known : array of bool
        Whether on-site water is known.
    profiles, profile_at, profiled
        Hourly carbon intensities [kgCO2e/kWh], each row's index, and whether a row has a profile.
    """

    sites: Sequence[Found[Site]]
    site_at: Places
    pue: Floats
    boards_only: Mask
    intensity: Floats
    given_wue: Floats
    wue_known: Mask
    profiles: Sequence[Floats]
    profile_at: Places
    profiled: Mask


@dataclass(frozen=True, kw_only=True)
class RentsOfRows:
    """Rental prices of rows: on record, given [USD/h], and which rows own their devices."""

    rents: Sequence[Found[Uncertain] | None]
    rent_at: Places
    given_rent: Floats
    rent_known: Mask
    owned: Mask


@dataclass(frozen=True, kw_only=True)
class StepsOfRows:
    """Tokens [token] and FLOPs [FLOP] per optimizer step, NaN where unknown."""

    batch_tokens: Floats
    step_flop: Floats


@dataclass(frozen=True, kw_only=True)
class Questions(DevicesOfRows, CountsOfRows, SitesOfRows, RentsOfRows, StepsOfRows):
    """Rows of a table with everything that their names resolve to.

    Parameters
    ----------
    table : Table of Scenario
    catalog : Catalog
    known : Known
        Measured runs used for calibration.
    work : WorkTable
    errors : mapping of int to Notice
        Row -> reason why it is refused.
    notices : NoticeTable
        Assumptions, to which answering adds more.
    flop : array
        FLOPs of the final run, NaN where unknown [FLOP].
    timed, ignore, steady : array of bool
        Whether the run is timed, measured runs are ignored, and the rate is a steady-state rate.
    metered : array of int
        Index into `METERED` of the energy's boundary, -1 if not metered.
    causal : array
        1 if attention kernels skip the masked half, 0 if not, NaN if not given [1].
    software, given_utilization : array
        Software tuning [1], and given utilization, NaN if not given [1].
    """

    table: Table[Scenario]
    catalog: Catalog
    known: Known
    work: WorkTable
    errors: Mapping[int, Notice]
    notices: NoticeTable
    flop: Floats
    timed: Mask
    ignore: Mask
    steady: Mask
    metered: Places
    causal: Floats
    software: Floats
    given_utilization: Floats

    def answerable(self) -> Places:
        """Return the rows without an error."""
        fine = np.ones(self.table.count, dtype=np.bool_)
        fine[list(self.errors)] = False
        return rows_where(fine)

    def device(self, row: int) -> NamedDevice:
        """Return the device and precision of a row."""
        return self.named[int(self.named_at[row])]

    def frozen_bytes(self) -> Floats:
        """Return the bytes per frozen weight under adapters, NaN if all weights are trained."""
        lora = of_each_kind(self.work.kinds, lambda kind: kind.lora)
        found = np.where(lora, FROZEN["lora"], np.nan)
        for word, held in FROZEN.items():
            found[self.table.states_word("finetune", word)] = held
        return found


def resolve(table: Table[Scenario], catalog: Catalog, known: Known | None = None) -> Questions:
    """Return the rows of a table with everything that their names resolve to.

    Parameters
    ----------
    table : Table of Scenario
    catalog : Catalog
    known : Known, optional
        Measured runs, by default the ones on record.
    """
    table = _with_named_limits(table, catalog)
    work = resolve_work(table, catalog)
    flop, timed = np.asarray(work.flop.mid), ~np.isnan(np.asarray(work.device_hours.mid))
    devices, of_devices = name_devices(table, work, catalog)
    counts, of_counts = count_devices(table, work, devices)
    sites, of_sites = find_sites(table, work, devices, counts.year, catalog)
    rents, of_rents = find_rents(table, devices, catalog)
    impossible = check_rows(table, work, devices, counts)
    said, framework, name = (table.word(one).rows() for one in ("software", "framework", "name"))
    remarks = (work.remarks, of_devices, of_counts, of_sites, of_rents, impossible)
    merged = Remarks(table.count, *remarks)
    return Questions(
        **vars(devices),
        **vars(counts),
        **vars(sites),
        **vars(rents),
        **vars(steps_of(table, work)),
        table=table,
        catalog=catalog,
        known=known_runs(catalog) if known is None else known,
        work=work,
        errors=merged.errors,
        notices=merged.notices,
        flop=flop,
        timed=timed,
        ignore=table.states_word("calibration", "ignore"),
        steady=table.states_word("rate", "steady"),
        metered=_metered(table, merged.notices),
        causal=_causal(table),
        software=software_of_rows(said, framework, name),
        given_utilization=table.number("utilization"),
    )


def _with_named_limits(table: Table[Scenario], catalog: Catalog) -> Table[Scenario]:
    """Read power limits from device names such as ``H100 96GB 500W``, unless one is given."""
    hardware = table.word("hardware")
    pairs = [
        (name, math.nan) if catalog.find_device(name) else split_power_limit(name)
        for name in hardware.distinct
    ]
    named_w = np.array([*(limit_w for _, limit_w in pairs), math.nan])[hardware.codes]
    if np.isnan(named_w).all():
        return table
    devices = hardware.replaced([device for device, _ in pairs])
    limited = table.changed(power_cap=first_known(table.number("power_cap"), named_w))
    return replace(limited, words={**table.words, "hardware": devices})


def _metered(table: Table[Scenario], said: NoticeTable) -> Places:
    """Return the boundary of each row's metered energy, -1 if not metered."""
    metered = table.states("energy_kwh")
    if not metered.any():
        return nowhere(table.count)
    boards, stated = table.number("boards_only") == 1.0, table.states("metered")
    said.where(metered & ~boards & ~stated, Notice("meter_boundary_assumed", "metered"))
    sure = table.states("energy_uncertainty")
    said.where(metered & ~sure, Notice("meter_error_assumed", "energy_uncertainty"))
    code = np.where(boards, METERED.index(DEVICES), METERED.index(FACILITY))
    for place, word in enumerate(METERED):
        code[table.states_word("metered", word)] = place
    return np.where(metered, code, -1)


def _causal(table: Table[Scenario]) -> Floats:
    """Return each row's attention mask: 1 if causal, 0 if full, NaN if not given [1]."""
    full, causal = (table.states_word("attention_mask", word) for word in ("full", "causal"))
    return np.where(full, 0.0, np.where(causal, 1.0, np.nan))


def name_devices(
    table: Table[Scenario], work: WorkTable, catalog: Catalog
) -> tuple[DevicesOfRows, Remarks]:
    """Return the devices and precisions of rows, by default those of the preset."""
    said = Remarks(table.count)
    hardware, precision = table.word("hardware"), table.word("precision")
    triples, at = distinct(hardware.codes, precision.codes, work.preset_at)
    named: list[NamedDevice] = []
    bundles: list[tuple[Notice, ...]] = []
    own: list[bool] = []
    number, unknown = nowhere(len(triples)), 0
    for place, (device, form, preset_at) in enumerate(triples):
        preset = work.presets[preset_at] if preset_at >= 0 else None
        words = hardware.distinct[device] if device >= 0 else ""
        form_words = precision.distinct[form] if form >= 0 else ""
        notices: tuple[Notice, ...] = ()
        if not words and preset is not None and preset.hardware is not None:
            values = {"device": preset.hardware, "preset": preset.name}
            words, notices = preset.hardware, (Notice("device_of_preset", "hardware", values),)
        if not words:
            said.refuse(rows_where(at == place), Notice("no_device", "hardware"))
            continue
        known = catalog.find_device(words)
        ran_here = preset is not None and known is not None and preset.ran_on(catalog.device(known))
        try:
            if ran_here and not form_words:
                form_words = _published_precision(preset, words, catalog)
            found = find_device(words, form_words, catalog, suggest=unknown <= MOST_SUGGESTIONS)
        except ValueError as error:
            unknown += known is None
            said.refuse(rows_where(at == place), reason(error))
            continue
        number[place] = len(named)
        named.append(found)
        own.append(ran_here)
        bundles.append((*notices, *found.notices))
    named_at: Places = number[at]
    said.notices.coded(bundles, named_at)
    bare = [one.device.kind in SELF_CONTAINED for one in named]
    devices = DevicesOfRows(
        named=named,
        named_at=named_at,
        own=np.array([*own, False], dtype=np.bool_)[named_at],
        bare=np.array([*bare, False], dtype=np.bool_)[named_at],
    )
    _keep_hours_at_home(table, work, devices, catalog, said)
    return devices, said


def _published_precision(preset: Preset | None, device: str, catalog: Catalog) -> str:
    """Return the precision of a preset's run on its own device, if the device supports it."""
    precision = "" if preset is None else preset.precision or ""
    return precision if precision in catalog.device(device).peaks else ""


def _keep_hours_at_home(
    table: Table[Scenario],
    work: WorkTable,
    devices: DevicesOfRows,
    catalog: Catalog,
    said: Remarks,
) -> None:
    """Refuse a preset's published device-hours on a different device.

    If the published device is unknown, any accelerator already sold in the year of the run is
    accepted.
    """
    timed = ~np.isnan(np.asarray(work.device_hours.mid))
    for code, preset in enumerate(work.presets):
        rows = (work.preset_at == code) & timed & ~table.states("device_hours")
        if not rows.any():
            continue
        device = preset.hardware or ""
        name = catalog.device(device).name if device else "hardware that is unpublished"
        values = {"preset": preset.name, "device": name, "id": device}
        if device:
            unlike = Notice("hours_of_other_device", "hardware", values)
            said.refuse(rows_where(rows & ~devices.own), unlike)
        else:
            homes = [_may_be_home(named.device, preset.year) for named in devices.named]
            away = rows & ~np.array([*homes, True], dtype=np.bool_)[devices.named_at]
            values["year"] = str(preset.year)
            said.refuse(rows_where(away), Notice("hours_of_unknown_device", "hardware", values))
        said.notices.where(rows, Notice("hours_of_preset", "device_hours", values))


def _may_be_home(device: Device, year: int) -> bool:
    """Return whether a run of that year may have used an accelerator."""
    released = (device.released or "")[:4]
    return device.kind not in SELF_CONTAINED and bool(released) and int(released) <= year


def count_devices(
    table: Table[Scenario], work: WorkTable, devices: DevicesOfRows
) -> tuple[CountsOfRows, Remarks]:
    """Return counts and years: as given, as published for the preset, or one device."""
    said = Remarks(table.count)
    count, year = table.number("devices"), table.number("year")
    for code, preset in enumerate(work.presets):
        rows = (work.preset_at == code) & devices.own
        if "devices" in preset.as_run:
            count = np.where(rows & np.isnan(count), preset.as_run["devices"].value, count)
        if (rows & np.isnan(year)).any():
            year = np.where(rows & np.isnan(year), float(preset.year), year)
    known: Mask = ~np.isnan(count)
    sizes = [*(float(named.chips) for named in devices.named), 1.0]
    chips = np.array(sizes)[devices.named_at]
    said.notices.where(~known & (chips == 1.0), Notice("devices_assumed", "devices"))
    slices = chips > 1.0
    said.notices.of_values(~known & slices, "slice_assumed", "devices", count=chips)
    part = known & slices & (count % chips != 0)
    said.notices.of_values(part, "slice_in_part", "devices", count=chips)
    counts = CountsOfRows(
        devices=np.where(known, count, chips),
        devices_known=known,
        year=year,
        software_year=_software_year(table, work, devices, year, said),
    )
    return counts, said


def _software_year(
    table: Table[Scenario], work: WorkTable, devices: DevicesOfRows, year: Floats, said: Remarks
) -> Floats:
    """Return the software year of each run: its own, or its preset's on a device of that time."""
    predicted = np.isnan(np.asarray(work.device_hours.mid)) & ~table.states("utilization")
    for code, preset in enumerate(work.presets):
        rows = (work.preset_at == code) & np.isnan(year)
        if rows.any():
            of_its_time = [_may_be_home(named.device, preset.year) for named in devices.named]
            rows &= np.array([*of_its_time, False], dtype=np.bool_)[devices.named_at]
            year = np.where(rows, float(preset.year), year)
            values = {"preset": preset.name, "year": float(preset.year)}
            said.notices.where(rows & predicted, Notice("software_of_preset", "year", values))
    return year


def find_sites(
    table: Table[Scenario],
    work: WorkTable,
    devices: DevicesOfRows,
    year: Floats,
    catalog: Catalog,
) -> tuple[SitesOfRows, Remarks]:
    """Return the site of each run at its time, with the row's own values."""
    said = Remarks(table.count)
    site = table.word("site")
    years, year_at = few(np.floor(year))
    triples, at = distinct(site.codes, year_at, devices.bare.astype(np.intp))
    sites: list[Found[Site]] = []
    number = nowhere(len(triples))
    for place, (code, when, bare) in enumerate(triples):
        name = site.distinct[code] if code >= 0 else ""
        time = None if np.isnan(years[when]) else float(years[when])
        try:
            found = find_site(name, catalog, bare=bool(bare), year=time)
        except ValueError as error:
            said.refuse(rows_where(at == place), reason(error))
            continue
        number[place] = len(sites)
        sites.append(found)
    site_at: Places = number[at]
    profiles, intensity = _read_profiles(table, said)
    pue, intensity = _reported(table, work, devices.own, intensity, said)
    boards_only: Mask = table.number("boards_only") == 1.0
    said.notices.where(boards_only, Notice("boards_only", "boards_only"))
    pue = np.where(boards_only, 1.0, pue)
    for field, values in (("pue", pue), ("carbon_intensity", intensity)):
        bundles = [tuple(one for one in found.notices if one.field == field) for found in sites]
        assumed = np.isnan(values) & ~devices.bare
        said.notices.coded(bundles, np.where(assumed, site_at, -1))
    given_wue = table.number("wue")
    has = [found.value.wue_l_per_kwh is not None for found in sites]
    column = table.word("carbon_profile")
    of_rows = SitesOfRows(
        sites=sites,
        site_at=site_at,
        pue=pue,
        boards_only=boards_only,
        intensity=intensity,
        given_wue=given_wue,
        wue_known=~np.isnan(given_wue) | np.array([*has, False])[site_at],
        profiles=profiles,
        profile_at=column.codes,
        profiled=column.codes >= 0,
    )
    return of_rows, said


def _read_profiles(table: Table[Scenario], said: Remarks) -> tuple[list[Floats], Floats]:
    """Return the carbon profiles, and each row's carbon intensity, initially the profile's mean."""
    intensity = table.number("carbon_intensity")
    column, start = table.word("carbon_profile"), table.number("start")
    profiles: list[Floats] = []
    if not column.distinct and "start" not in table.numbers:
        return profiles, intensity
    profiled = column.codes >= 0
    lost = ~np.isnan(start) & ~profiled
    said.refuse(rows_where(lost), Notice("start_without_profile", "start"))
    both = profiled & ~np.isnan(intensity)
    said.refuse(rows_where(both), Notice("two_intensities", "carbon_intensity"))
    for code, path in enumerate(column.distinct):
        rows = rows_where(column.codes == code)
        hourly = np.zeros(24)
        try:
            hourly = read_profile(path)
            for row in rows.tolist():
                check_start(float(np.nan_to_num(start[row])), hourly)
        except ValueError as error:
            said.refuse(rows, reason(error))
        profiles.append(hourly)
        intensity = np.where(column.codes == code, float(hourly.mean()), intensity)
    return profiles, intensity


def _reported(
    table: Table[Scenario], work: WorkTable, own: Mask, intensity: Floats, said: Remarks
) -> tuple[Floats, Floats]:
    """Return the published PUE and carbon intensity of a preset on its own hardware and site."""
    pue = table.number("pue")
    unstated = np.isnan(pue) & np.isnan(intensity) & (table.word("site").codes < 0)
    for code, preset in enumerate(work.presets):
        ran = {key: preset.as_run[key].value for key in REPORTED_PLACE if key in preset.as_run}
        rows = (work.preset_at == code) & own & unstated
        if not ran or not rows.any():
            continue
        said.notices.where(rows, Notice("as_reported", "site"))
        pue = np.where(rows, ran.get("pue", np.nan), pue)
        intensity = np.where(rows, ran.get("co2e_kg_per_kwh", np.nan), intensity)
    return pue, intensity


def find_rents(
    table: Table[Scenario], devices: DevicesOfRows, catalog: Catalog
) -> tuple[RentsOfRows, Remarks]:
    """Return the rental price of each row, as given or from the offers on record."""
    said = Remarks(table.count)
    kind, site = table.word("price_kind"), table.word("site")
    years, year_at = few(table.number("year"))
    sellers = ("", *PROVIDERS.values())
    sold = [sellers.index(provider_at(name, catalog)) for name in site.distinct]
    seller_at = np.array([*sold, 0], dtype=np.intp)[site.codes]
    combinations, at = distinct(devices.named_at, kind.codes, year_at, seller_at)
    rents: list[Found[Uncertain] | None] = []
    for named, code, when, seller in combinations:
        if named < 0:
            rents.append(None)
            continue
        device = devices.named[named].device
        offers: dict[str, Any] = {
            "kind": kind.distinct[code] if code >= 0 else "",
            "year": None if np.isnan(years[when]) else float(years[when]),
            "provider": sellers[seller],
        }
        find = partial(find_price, device, catalog, **offers)
        rents.append(catalog.look_up(("rent", device.id, *offers.values()), find))
    given, owned = table.number("price"), table.states_word("pay", "own")
    known = np.array([rent is not None for rent in rents], dtype=np.bool_)
    asked = np.where(np.isnan(given) & ~owned, at, -1)
    said.notices.coded([() if rent is None else rent.notices for rent in rents], asked)
    said.notices.where(owned, Notice("owning_left_out", "pay"))
    paid = table.states("device_price") & ~owned
    said.notices.where(paid, Notice("device_price_unused", "device_price"))
    of_rows = RentsOfRows(
        rents=rents,
        rent_at=at,
        given_rent=given,
        rent_known=~np.isnan(given) | known[at],
        owned=owned,
    )
    return of_rows, said


def steps_of(table: Table[Scenario], work: WorkTable) -> StepsOfRows:
    """Return tokens and FLOPs per optimizer step from whichever inputs a row gives."""
    tokens, batch, flop = (table.number(name) for name in ("batch_tokens", "batch", "step_flop"))
    if not {"batch_tokens", "batch", "step_flop"} & set(table.numbers):
        return StepsOfRows(batch_tokens=tokens, step_flop=tokens)
    numbers, whole = work.numbers, np.asarray(work.flop.mid)
    active = first_known(numbers["active_params"], numbers["params"])
    balanced = np.sqrt(whole / (FLOP_PER_PARAM_AND_TOKEN * TOKENS_PER_PARAM))
    size = first_known(active, balanced)
    by_step = flop / (FLOP_PER_PARAM_AND_TOKEN * size)
    batch_tokens = first_known(tokens, batch * numbers["seq_len"], by_step)
    step_flop = first_known(
        flop,
        batch * TRAINING_OVER_FORWARD * numbers["sample_flop"],
        batch * whole / table.number("samples"),
        tokens * whole / table.number("tokens"),
        FLOP_PER_PARAM_AND_TOKEN * size * batch_tokens,
    )
    return StepsOfRows(batch_tokens=batch_tokens, step_flop=step_flop)


def check_rows(
    table: Table[Scenario], work: WorkTable, devices: DevicesOfRows, counts: CountsOfRows
) -> Remarks:
    """Refuse layouts, power limits and hours that a row's devices cannot have."""
    said = Remarks(table.count)
    _check_parallelism(table, counts.devices, said)
    limit = table.number("power_cap")
    for row in rows_where(~np.isnan(limit) & (devices.named_at >= 0)).tolist():
        try:
            check_cap(devices.named[devices.named_at[row]].hardware, float(limit[row]))
        except ValueError as error:
            said.refuse(np.array([row]), reason(error))
    _check_hours(work, devices, said)
    return said


def _check_parallelism(table: Table[Scenario], devices: Floats, said: Remarks) -> None:
    """Refuse layouts that need more devices than there are."""
    if not set(SHARING) & set(table.numbers):
        return
    tensor, stages, experts = (
        np.nan_to_num(table.number(name), nan=1.0)
        for name in ("tensor_parallel", "pipeline_parallel", "expert_parallel")
    )
    needed = np.maximum(tensor * stages, experts)
    for row in rows_where(needed > devices).tolist():
        values = {"needed": float(needed[row]), "devices": float(devices[row])}
        said.refuse(np.array([row]), Notice("parallelism_exceeds_devices", "devices", values))


def _check_hours(work: WorkTable, devices: DevicesOfRows, said: Remarks) -> None:
    """Refuse work that exceeds the device's peak in the given hours."""
    flop, hours = np.asarray(work.flop.mid), np.asarray(work.device_hours.mid)
    rows = rows_where(~np.isnan(hours) & ~np.isnan(flop) & (devices.named_at >= 0))
    if not rows.size:
        return
    peaks = np.array([float(named.hardware.peak_flop_per_s.mid) for named in devices.named])
    shares = flop[rows] / (hours[rows] * S_PER_H * peaks[devices.named_at[rows]])
    above = shares > 1 + ROUNDING
    for row, share in zip(rows[above].tolist(), shares[above].tolist(), strict=True):
        device = devices.named[devices.named_at[row]].device
        values = {"times": digits(share), "device": device.name}
        said.refuse(np.array([row]), Notice("work_exceeds_hours", "device_hours", values))
