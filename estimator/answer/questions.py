"""What the rows of a table name: device, count, year, place, rent, steps; each looked up once."""

import numpy as np

from estimator.answer.resolver import Named, Resolver
from estimator.catalog import Device
from estimator.core.estimate import ROUNDING
from estimator.core.messages import reason
from estimator.core.notice import Notice
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
from estimator.memory.training_state import FROZEN
from estimator.networks.formulas import (
    FLOP_PER_PARAM_AND_TOKEN,
    TOKENS_PER_PARAM,
    TRAINING_OVER_FORWARD,
)
from estimator.networks.kind_columns import of_each_kind
from estimator.question.carbon_profile import check_start, read_profile
from estimator.question.hardware import SELF_CONTAINED
from estimator.question.provenance import Found
from estimator.question.scenario import SHARING, Scenario
from estimator.question.site import PROVIDERS, find_site
from estimator.question.table import Table
from estimator.question.workload import WorkTable
from estimator.training.features import software_of_rows

REPORTED_PLACE = {"pue": "pue", "co2e_kg_per_kwh": "carbon_intensity"}
"""What a published run tells of the place it ran at -> field."""


class Questions:
    """Rows of a table with what they name: work, device, count, place, rent."""

    def __init__(self, table: Table[Scenario], resolver: Resolver) -> None:
        self.table, self.resolver, self.catalog = table, resolver, resolver.catalog
        self.work = WorkTable(table, self.catalog)
        self.errors: dict[int, Notice] = dict(self.work.errors)
        self.notices = self.work.notices
        self.flop: Floats = np.asarray(self.work.flop.mid)
        self.timed: Mask = ~np.isnan(np.asarray(self.work.device_hours.mid))
        self._name_devices()
        self._count_devices()
        self._date()
        self._place()
        self._rent()
        self._describe_steps()
        self._check_parallelism()
        self._check_power_limit()
        self._check_hours()
        self._describe_software()

    def refuse(self, rows: Places, notice: Notice) -> None:
        """Give rows up; the first reason stands."""
        for row in rows.tolist():
            self.errors.setdefault(row, notice)

    def answerable(self) -> Places:
        """Rows that no reason speaks against."""
        fine = np.ones(self.table.count, dtype=np.bool_)
        fine[list(self.errors)] = False
        return rows_where(fine)

    def device(self, row: int) -> Named:
        """Device and precision of a row."""
        return self.named[int(self.named_at[row])]

    def _name_devices(self) -> None:
        """What the rows name as device and precision; a preset brings what it ran on."""
        hardware, precision = self.table.word("hardware"), self.table.word("precision")
        presets = self.work.presets
        keys = (hardware.codes, precision.codes, self.work.preset_at)
        triples, at = distinct(*keys)
        self.named: list[Named] = []
        bundles: list[tuple[Notice, ...]] = []
        own: list[bool] = []
        number = nowhere(len(triples))
        for place, (device, form, preset_at) in enumerate(triples):
            preset = presets[preset_at] if preset_at >= 0 else None
            words = hardware.distinct[device] if device >= 0 else ""
            form_words = precision.distinct[form] if form >= 0 else ""
            notices: tuple[Notice, ...] = ()
            if not words and preset is not None and preset.hardware is not None:
                values = {"device": preset.hardware, "preset": preset.name}
                words, notices = preset.hardware, (Notice("device_of_preset", "hardware", values),)
            try:
                if not words:
                    raise ValueError
                known = self.catalog.find_device(words)
                ran_here = preset is not None and known == preset.hardware
                if ran_here and not form_words and preset is not None and preset.precision:
                    peaks = self.catalog.device(words).peaks
                    form_words = preset.precision if preset.precision in peaks else ""
                named = self.resolver.named(words, form_words)
            except ValueError as error:
                why = reason(error) if words else Notice("no_device", "hardware")
                self.refuse(rows_where(at == place), why)
                continue
            number[place] = len(self.named)
            self.named.append(named)
            own.append(ran_here)
            bundles.append((*notices, *named.notices))
        self.named_at: Places = number[at]
        self.own: Mask = np.array([*own, False], dtype=np.bool_)[self.named_at]
        self.notices.coded(bundles, self.named_at)
        self._keep_hours_at_home()
        bare = [named.device.kind in SELF_CONTAINED for named in self.named]
        self.bare: Mask = np.array([*bare, False], dtype=np.bool_)[self.named_at]

    def _keep_hours_at_home(self) -> None:
        """Refuse hours of a preset on another device: they are no work to be moved.

        Where the device was not published, one that was sold in the year of the run may be it.
        """
        for code, preset in enumerate(self.work.presets):
            rows = (self.work.preset_at == code) & self.timed & ~self.table.states("device_hours")
            if not rows.any():
                continue
            device = preset.hardware or ""
            name = self.catalog.device(device).name if device else "hardware that is unpublished"
            values = {"preset": preset.name, "device": name, "id": device}
            if device:
                unlike = Notice("hours_of_other_device", "hardware", values)
                self.refuse(rows_where(rows & ~self.own), unlike)
            else:
                homes = [_may_be_home(named.device, preset.year) for named in self.named]
                away = rows & ~np.array([*homes, True], dtype=np.bool_)[self.named_at]
                values["year"] = str(preset.year)
                unlike = Notice("hours_of_unknown_device", "hardware", values)
                self.refuse(rows_where(away), unlike)
            self.notices.where(rows, Notice("hours_of_preset", "device_hours", values))

    def _count_devices(self) -> None:
        """Count as given; a preset on its own hardware brings the count it ran on; else one."""
        count = self.table.number("devices")
        for code, preset in enumerate(self.work.presets):
            if "devices" in preset.as_run:
                rows = (self.work.preset_at == code) & self.own & np.isnan(count)
                count = np.where(rows, preset.as_run["devices"].value, count)
        self.devices_known: Mask = ~np.isnan(count)
        chips = np.array([*(float(named.chips) for named in self.named), 1.0])[self.named_at]
        self.devices: Floats = np.where(self.devices_known, count, chips)
        alone = ~self.devices_known & (chips == 1.0)
        self.notices.where(alone, Notice("devices_assumed", "devices"))
        for size in np.unique(chips[chips > 1.0]).tolist():
            assumed = ~self.devices_known & (chips == size)
            part = self.devices_known & (chips == size) & (count % size != 0)
            self.notices.where(assumed, Notice("slice_assumed", "devices", {"count": size}))
            self.notices.where(part, Notice("slice_in_part", "devices", {"count": size}))

    def _date(self) -> None:
        """Year of each run: as given, or of a preset on the hardware it ran on."""
        self.year = self.table.number("year")
        for code, preset in enumerate(self.work.presets):
            rows = (self.work.preset_at == code) & self.own & np.isnan(self.year)
            if rows.any():
                self.year = np.where(rows, float(preset.year), self.year)

    def _place(self) -> None:
        """Place of each run at its time, and what the run itself gives of it."""
        site = self.table.word("site")
        years, year_at = few(np.floor(self.year))
        keys = (site.codes, year_at, self.bare.astype(np.intp))
        triples, at = distinct(*keys)
        self.sites: list[Found[Site]] = []
        number = nowhere(len(triples))
        for place, (code, when, bare) in enumerate(triples):
            name = site.distinct[code] if code >= 0 else ""
            year = None if np.isnan(years[when]) else float(years[when])
            try:
                found = find_site(name, self.catalog, bare=bool(bare), year=year)
            except ValueError as error:
                self.refuse(rows_where(at == place), reason(error))
                continue
            number[place] = len(self.sites)
            self.sites.append(found)
        self.site_at: Places = number[at]
        self._read_profiles()
        self._report_places()
        self.given_wue = self.table.number("wue")
        has = [found.value.wue_l_per_kwh is not None for found in self.sites]
        self.wue_known: Mask = ~np.isnan(self.given_wue) | np.array([*has, False])[self.site_at]
        self._say_of_sites()

    def _read_profiles(self) -> None:
        """Carbon profiles by row: the mean for a start, the hours of the run afterwards."""
        self.intensity = self.table.number("carbon_intensity")
        column, start = self.table.word("carbon_profile"), self.table.number("start")
        self.profiled: Mask = column.codes >= 0
        self.profile_at, self.profiles = column.codes, list[Floats]()
        if not column.distinct and "start" not in self.table.numbers:
            return
        lost = ~np.isnan(start) & ~self.profiled
        self.refuse(rows_where(lost), Notice("start_without_profile", "start"))
        both = self.profiled & ~np.isnan(self.intensity)
        self.refuse(rows_where(both), Notice("two_intensities", "carbon_intensity"))
        for code, path in enumerate(column.distinct):
            rows = rows_where(column.codes == code)
            hourly = np.zeros(24)
            try:
                hourly = read_profile(path)
                for row in rows.tolist():
                    check_start(float(np.nan_to_num(start[row])), hourly)
            except ValueError as error:
                self.refuse(rows, reason(error))
            self.profiles.append(hourly)
            self.intensity = np.where(column.codes == code, float(hourly.mean()), self.intensity)

    def _report_places(self) -> None:
        """A preset on its own hardware, at no other place, ran where its record says."""
        self.boards_only: Mask = self.table.number("boards_only") == 1.0
        self.notices.where(self.boards_only, Notice("boards_only", "boards_only"))
        self.pue = np.where(self.boards_only, 1.0, self.table.number("pue"))
        unstated = (
            np.isnan(self.pue) & np.isnan(self.intensity) & (self.table.word("site").codes < 0)
        )
        for code, preset in enumerate(self.work.presets):
            ran = {key: preset.as_run[key].value for key in REPORTED_PLACE if key in preset.as_run}
            rows = (self.work.preset_at == code) & self.own & unstated
            if not ran or not rows.any():
                continue
            self.notices.where(rows, Notice("as_reported", "site"))
            self.pue = np.where(rows, ran.get("pue", np.nan), self.pue)
            self.intensity = np.where(rows, ran.get("co2e_kg_per_kwh", np.nan), self.intensity)

    def _say_of_sites(self) -> None:
        """Say what was assumed of the places, where the row does not give it itself."""
        of_pue, of_grid = np.isnan(self.pue), np.isnan(self.intensity)
        for field, rows in (("pue", of_pue), ("carbon_intensity", of_grid)):
            bundles = [
                tuple(notice for notice in found.notices if notice.field == field)
                for found in self.sites
            ]
            self.notices.coded(bundles, np.where(rows, self.site_at, -1))

    def _rent(self) -> None:
        """Rent of each row: as given, or by the offers on record where and when it runs."""
        self.rents: list[Found[Uncertain] | None] = []
        kind, site = self.table.word("price_kind"), self.table.word("site")
        years, year_at = few(self.table.number("year"))
        sellers = ("", *PROVIDERS.values())
        sold = [sellers.index(self.resolver.provider(name)) for name in site.distinct]
        seller_at = np.array([*sold, 0], dtype=np.intp)[site.codes]
        combinations, at = distinct(self.named_at, kind.codes, year_at, seller_at)
        for named, code, when, seller in combinations:
            year = None if np.isnan(years[when]) else float(years[when])
            offers = kind.distinct[code] if code >= 0 else ""
            device = self.named[named].device if named >= 0 else None
            self.rents.append(
                None
                if device is None
                else self.resolver.rent(device, offers, year, sellers[seller])
            )
        self.rent_at: Places = at
        self.given_rent = self.table.number("price")
        known = np.array([rent is not None for rent in self.rents], dtype=np.bool_)
        self.rent_known: Mask = ~np.isnan(self.given_rent) | known[at]
        self.owned: Mask = self.table.states_word("pay", "own")
        asked = np.where(np.isnan(self.given_rent) & ~self.owned, at, -1)
        self.notices.coded([() if rent is None else rent.notices for rent in self.rents], asked)
        self.notices.where(self.owned, Notice("owning_left_out", "pay"))
        paid = self.table.states("device_price") & ~self.owned
        self.notices.where(paid, Notice("device_price_unused", "device_price"))

    def _describe_steps(self) -> None:
        """Tokens and FLOPs per step of the optimizer, from whatever a row gives of them."""
        table, numbers = self.table, self.work.numbers
        active = np.where(
            np.isnan(numbers["active_params"]), numbers["params"], numbers["active_params"]
        )
        tokens, batch, flop = (
            table.number(name) for name in ("batch_tokens", "batch", "step_flop")
        )
        if not {"batch_tokens", "batch", "step_flop"} & set(table.numbers):
            self.batch_tokens = self.step_flop = tokens
            return
        balanced = np.sqrt(self.flop / (FLOP_PER_PARAM_AND_TOKEN * TOKENS_PER_PARAM))
        size = np.where(np.isnan(active), balanced, active)
        by_step = flop / (FLOP_PER_PARAM_AND_TOKEN * size)
        self.batch_tokens = first_known(tokens, batch * numbers["seq_len"], by_step)
        sample_flop = TRAINING_OVER_FORWARD * numbers["sample_flop"]
        self.step_flop = first_known(
            flop,
            batch * sample_flop,
            batch * self.flop / table.number("samples"),
            tokens * self.flop / table.number("tokens"),
            FLOP_PER_PARAM_AND_TOKEN * size * self.batch_tokens,
        )

    def _check_parallelism(self) -> None:
        """Refuse a parallelism that needs more devices than there are."""
        if not set(SHARING) & set(self.table.numbers):
            return
        tensor, stages, experts = (
            np.nan_to_num(self.table.number(name), nan=1.0)
            for name in ("tensor_parallel", "pipeline_parallel", "expert_parallel")
        )
        needed = np.maximum(tensor * stages, experts)
        for row in rows_where(needed > self.devices).tolist():
            values = {"needed": float(needed[row]), "devices": float(self.devices[row])}
            self.refuse(np.array([row]), Notice("parallelism_exceeds_devices", "devices", values))

    def _check_hours(self) -> None:
        """Refuse work that a device cannot do in the given hours."""
        rows = rows_where(self.timed & ~np.isnan(self.flop) & (self.named_at >= 0))
        hours = np.asarray(self.work.device_hours.mid)
        if not rows.size:
            return
        peaks = np.array([float(named.hardware.peak_flop_per_s.mid) for named in self.named])
        shares = self.flop[rows] / (hours[rows] * S_PER_H * peaks[self.named_at[rows]])
        above = shares > 1 + ROUNDING
        for row, share in zip(rows[above].tolist(), shares[above].tolist(), strict=True):
            values = {"times": digits(share), "device": self.device(row).device.name}
            self.refuse(np.array([row]), Notice("work_exceeds_hours", "device_hours", values))

    def _check_power_limit(self) -> None:
        """Refuse a power limit that a device cannot keep."""
        limit = self.table.number("power_cap")
        for row in rows_where(~np.isnan(limit) & (self.named_at >= 0)).tolist():
            try:
                check_cap(self.device(row).hardware, float(limit[row]))
            except ValueError as error:
                self.refuse(np.array([row]), reason(error))

    def _describe_software(self) -> None:
        """Utilization as given, and what the rows say of the code and its measured runs."""
        said, framework, name = (
            self.table.word(field).rows() for field in ("software", "framework", "name")
        )
        self.software = software_of_rows(said, framework, name)
        self.given_utilization = self.table.number("utilization")
        self.ignore: Mask = self.table.states_word("calibration", "ignore")
        self.steady: Mask = self.table.states_word("rate", "steady")

    def frozen_bytes(self) -> Floats:
        """Bytes of a weight that adapters leave frozen; NaN where all weights are trained."""
        lora = of_each_kind(self.work.kinds, lambda kind: kind.lora)
        found = np.where(lora, FROZEN["lora"], np.nan)
        for word, held in FROZEN.items():
            found[self.table.states_word("finetune", word)] = held
        return found


def _may_be_home(device: Device, year: int) -> bool:
    """Whether a run of a year may have been on a device: an accelerator that was sold by then."""
    released = (device.released or "")[:4]
    return device.kind not in SELF_CONTAINED and bool(released) and int(released) <= year
