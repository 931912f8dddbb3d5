"""What do the cells of a table name: device, precision, place; each looked up once."""

import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar, cast

from estimator.calibration_answer import Known, known_runs
from estimator.calibration_lookup import NOTHING_MEASURED
from estimator.catalog import Catalog, Device
from estimator.hardware import Hardware
from estimator.layout import Machine
from estimator.lookup import (
    choose_precision,
    find_hardware,
    find_price,
    fixed_utilization,
)
from estimator.machine_lookup import find_machine
from estimator.run_traits import Doubts, fitted_model, shipped_doubts
from estimator.scenario import Scenario
from estimator.site import Site
from estimator.site_lookup import find_site
from estimator.trail import Trail, uncertain_record
from estimator.uncertainty import Uncertain
from estimator.utilization import UtilizationModel

Found = TypeVar("Found")

MOST_SUGGESTIONS = 30
"""Unknown devices for which near names are looked for, which takes longer than an estimate [1]."""

MOST_REMEMBERED = 5_000
"""Look-ups remembered at a time, so that a table of any length runs in bounded memory [1]."""

FORMATS = "nvfp4|mxfp8|fp64|fp32|tf32|fp16|bf16|fp8|fp4|int8|mixed|amp"
"""What a free text may name as a precision."""


def named_precision(text: str, device: Device) -> str | None:
    """Precision that a free text names; None where it says nothing or only "mixed".

    Mixed precision is the fastest 16-bit or TF32 format of the device; of several formats named,
    the fastest that the device has. The text is not read for more than the formats in it.
    """
    words: list[str] = re.findall(FORMATS, text.lower())
    formats = [{"nvfp4": "fp4", "mxfp8": "fp8"}.get(word, word) for word in words]
    plain = [word for word in formats if word not in ("mixed", "amp")]
    has = [word for word in plain if word in device.peaks]
    mixed = len(plain) < len(formats)
    if mixed and not has:
        has = [word for word in ("bf16", "fp16", "tf32") if word in device.peaks]
    if has:
        return max(has, key=lambda word: device.peaks[word].value)
    return plain[0] if plain else None


@dataclass(frozen=True, kw_only=True)
class Named:
    """What a device and a precision in free words stand for.

    Parameters
    ----------
    device : Device
        The profile.
    precision : str
        Number format of the run.
    hardware : Hardware
        Numbers of the device at it.
    machine : Machine
        What the utilization depends on.
    fixed_utilization : Uncertain, optional
        Utilization of a device that the model does not cover [1].
    is_priced : bool
        Whether any rent is on record.
    notes : tuple of str
        What was assumed.
    """

    device: Device
    precision: str
    hardware: Hardware
    machine: Machine
    fixed_utilization: Uncertain | None
    is_priced: bool
    notes: tuple[str, ...]

    @property
    def like(self) -> Hashable:
        """What devices share that one call can answer: what is known of them."""
        hardware = self.hardware
        optional = (hardware.tdp_w, hardware.idle_w, hardware.embodied_co2e_kg)
        kind = "" if self.fixed_utilization is None else self.device.kind
        return kind, self.is_priced, *(number is not None for number in optional)


@dataclass(frozen=True, kw_only=True)
class _Refusal:
    """Why something was not found; an error kept and raised again would grow its traceback."""

    reason: str


class Finder:
    """Look-ups of a table, remembered by the text that named them.

    Parameters
    ----------
    catalog : Catalog
    calibrated : bool
        Whether the measured runs are heard.
    """

    def __init__(self, catalog: Catalog, *, calibrated: bool = True) -> None:
        self.catalog = catalog
        self._calibrated = calibrated
        self._known: dict[Hashable, object] = {}
        self._unknown = 0

    def named(self, accelerator: str, precision: str) -> Named:
        """What two cells name."""
        return self._once(
            ("named", accelerator, precision), lambda: self._named(accelerator, precision)
        )

    @cached_property
    def model(self) -> UtilizationModel:
        """Fitted parameters of the utilization."""
        return fitted_model(self.catalog)

    @cached_property
    def measured(self) -> Known:
        """The measured runs, which correct what is expected."""
        if not self._calibrated:
            return Known(self.catalog, NOTHING_MEASURED)
        return known_runs(self.catalog)

    @cached_property
    def spreads(self) -> Doubts:
        """Doubt of the utilization: by group of networks, and of what a row leaves out."""
        return shipped_doubts(self.catalog)

    def site(
        self, region: str, *, bare: bool = False, year: int | None = None
    ) -> tuple[Site, list[str]]:
        """Site of a region at a time, with notes; an unknown region is the world, and said."""
        return self._once(
            ("site", region, bare, year), lambda: self._site(region.strip(), bare=bare, year=year)
        )

    def price(self, device: Device, year: float | None = None) -> Uncertain | None:
        """Rent of a device-hour at the time of the run, where any offer is on record."""
        return self._once(
            ("price", device.id, year),
            lambda: find_price(Scenario(), device, self.catalog, Trail(), year=year),
        )

    def prior(self, key: str, doubt: str) -> Uncertain:
        """One of the product's assumptions."""
        return self._once(("prior", key), lambda: uncertain_record(self.catalog.prior(key), doubt))

    def _named(self, accelerator: str, precision: str) -> Named:
        if not accelerator.strip():
            raise ValueError("accelerator is empty: name the device")
        if self._unknown > MOST_SUGGESTIONS and self.catalog.find_device(accelerator) is None:
            raise ValueError(f"unknown hardware {accelerator[:40]!r}: `profiles list` shows all")
        try:
            device = self.catalog.device(accelerator.strip())
        except ValueError:
            self._unknown += 1
            raise
        chosen = choose_precision(device, named_precision(precision, device))
        words = precision.strip().lower()
        if words and not re.search(FORMATS, words):
            raise ValueError(f"precision {precision[:40]!r} is none: write fp32, bf16, mixed ...")
        named = re.search(FORMATS.replace("|mixed|amp", ""), words)
        assumed = f"precision {chosen} assumed, the fastest of the device"
        return Named(
            device=device,
            precision=chosen,
            hardware=find_hardware(device, chosen, self.catalog, Trail()),
            machine=find_machine(device, chosen),
            fixed_utilization=fixed_utilization(device, self.catalog, Trail()),
            is_priced=self.price(device) is not None,
            notes=() if named else (assumed,),
        )

    def _site(self, region: str, *, bare: bool, year: int | None) -> tuple[Site, list[str]]:
        for name in (
            region,
            *re.findall(r"\(([^()]+)\)", region),
            region.partition("(")[0].strip(),
        ):
            if name and not self.catalog.knows_place(name):
                continue
            trail = Trail()
            named = Scenario(site=name or None)
            site = find_site(named, self.catalog, trail, bare=bare, year=year)
            return site, _for_a_table(trail)
        world, _ = self.site("", bare=bare, year=year)
        return world, [f"region {region[:40]!r} is not known: world averages assumed"]

    def _once(self, key: Hashable, find: Callable[[], Found]) -> Found:
        """Look something up the first time it is named; a refusal is remembered, too."""
        if len(self._known) > MOST_REMEMBERED:
            self._known.clear()
        if key not in self._known:
            try:
                self._known[key] = find()
            except ValueError as error:
                self._known[key] = _Refusal(reason=str(error))
        found = self._known[key]
        if isinstance(found, _Refusal):
            raise ValueError(found.reason)
        return cast(Found, found)


def _for_a_table(trail: Trail) -> list[str]:
    """Notes of a look-up with the columns of a table in place of the options of a command."""
    options = (
        ("--pue or a cloud region", "the column pue or a cloud region"),
        ("--site fr or --carbon-intensity sets", "region or grid_kg_per_kwh set"),
        ("give --wue", "no column gives it"),
    )
    notes = list(trail.warnings)
    for option, column in options:
        notes = [note.replace(option, column) for note in notes]
    return notes
