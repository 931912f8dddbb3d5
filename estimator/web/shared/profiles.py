"""Choices from the profiles, read once per server, in a useful order."""

from collections.abc import Callable, Iterable
from typing import TypeVar, cast
from unicodedata import combining, normalize

import streamlit as st

from estimator.catalog import Catalog, Device, Preset
from estimator.core.units import human
from estimator.question.hardware import TRAINING_PRECISIONS, choose_precision
from estimator.web.shared.language import N_, current, translations

KIND_ORDER = (
    "gpu-datacenter",
    "superchip",
    "tpu",
    "asic",
    "wafer",
    "gpu-workstation",
    "gpu-consumer",
    "soc",
    "cpu",
    "npu-phone",
    "edge",
    "server",
    "supercomputer",
    "brain",
)
PLACE_ORDER = ("country", "cloud-region", "operator", "place")

Function = TypeVar("Function", bound=Callable[..., object])


def cached_per_server(function: Function) -> Function:
    """Cache a function per server, as profiles do not change while it runs."""
    return cast(Function, st.cache_resource(show_spinner=False)(function))


@cached_per_server
def open_catalog() -> Catalog:
    """Profiles of the server."""
    return Catalog.open()


def data_version() -> str:
    """Data version of this server."""
    return open_catalog().data_version


DESCRIBED = (N_("Human brain"),)
"""Device names that are words, for the catalogues."""


@cached_per_server
def hardware_names() -> dict[str, str]:
    """Id -> name of each device with a peak, data-center devices first, newest first."""
    devices = [device for device in open_catalog().devices() if device.peaks]
    newest = sorted(devices, key=lambda device: device.released or "", reverse=True)
    ordered = sorted(newest, key=lambda device: _rank(KIND_ORDER, device.kind))
    return {device.id: device.name for device in ordered}


def devices_with(*records: str) -> list[str]:
    """Ids of the devices with these records, in the same order."""
    catalog, needed = open_catalog(), set(records)
    return [name for name in hardware_names() if needed <= catalog.device(name).records.keys()]


def led_by(first: str, names: Iterable[str]) -> tuple[str, ...]:
    """Move a name to the front.

    >>> led_by("b", "abc")
    ('b', 'a', 'c')
    """
    return (first, *(name for name in names if name != first))


@cached_per_server
def preset_names() -> dict[str, str]:
    """Id -> name and year of each preset with known training, the newest first."""
    trained = [preset for preset in open_catalog().presets() if preset.has_work]
    ordered = sorted(trained, key=lambda preset: -preset.year)
    return {preset.id: f"{preset.name}, {preset.year}" for preset in ordered}


def place_names() -> dict[str, str]:
    """Id -> translated name of each site, countries first."""
    return _place_names(current())


@cached_per_server
def _place_names(spoken: str) -> dict[str, str]:
    """Names of the sites in a language, in its order."""
    translated = translations(spoken).gettext
    named = [
        (_rank(PLACE_ORDER, place.kind), translated(place.name), place.id)
        for place in open_catalog().places()
    ]
    ordered = sorted(named, key=lambda one: (one[0], _without_marks(one[1])))
    return {identity: name for _kind, name, identity in ordered}


def _without_marks(name: str) -> str:
    """Name without diacritics, for sorting."""
    return "".join(one for one in normalize("NFKD", name) if not combining(one))


def precisions(device: Device) -> dict[str, str]:
    """Number formats of a device with their peaks, training formats first, fastest first."""
    trains = {name: name in TRAINING_PRECISIONS for name in device.peaks}
    ordered = sorted(
        device.peaks,
        key=lambda name: (
            not trains[name],
            -device.peaks[name].value,
            _rank(TRAINING_PRECISIONS, name),
        ),
    )
    return {name: f"{name}, {human(device.peaks[name].value, 'FLOP/s')}" for name in ordered}


def usual_precision(device: Device, preset: Preset | None = None) -> str:
    """Format of a preset on its device, or the fastest training format, or any."""
    if preset is not None and preset.ran_on(device) and preset.precision in device.peaks:
        return str(preset.precision)
    trains = any(name in device.peaks for name in TRAINING_PRECISIONS)
    return choose_precision(device, None) if trains else next(iter(precisions(device)))


def _rank(order: tuple[str, ...], word: str) -> int:
    return order.index(word) if word in order else len(order)
