"""Device and number format selected on the page Calibrate, in the URL and widgets."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import streamlit as st

from estimator.calibration.correction import Known
from estimator.calibration.posterior import has_precisions, measured_precisions
from estimator.web.estimate.inputs import DEFAULT
from estimator.web.shared.frame import shortened
from estimator.web.shared.language import _
from estimator.web.shared.url_state import Query, State

KEYS = {"device": "calibrate_device", "precision": "calibrate_precision"}
"""URL name -> widget key."""


@dataclass(frozen=True, kw_only=True)
class DeviceChoice:
    """Selected device and number format.

    Parameters
    ----------
    device : str
        Id of its profile.
    precision : str
        Number format.
    """

    device: str
    precision: str


def measured_devices(known: Known) -> list[str]:
    """Ids of measured devices with a profile, local ones first, shipped ones last."""
    shipped = {one.run.id for one in known.catalog.calibrations()}
    runs = sorted(known.measured.runs, key=lambda run: run.started, reverse=True)
    own = sorted(runs, key=lambda run: (run.id in shipped, run.host.id != known.measured.host))
    names = [one.hardware for run in own if not run.simulated for one in run.devices]
    every = known.catalog.device_names()
    return [name for name in dict.fromkeys(names) if name is not None and name in every]


def usual_precision(known: Known, device: str) -> str:
    """Return the most measured number format, or the default for training."""
    return measured_precisions(known, known.catalog.device(device))[0]


def usual(known: Known, state: State) -> DeviceChoice:
    """Device last measured here, or that of the Estimate page."""
    open_one = state["_scenario"].hardware if "_scenario" in state else DEFAULT.hardware
    found = known.catalog.find_device(open_one or "")
    measured = measured_devices(known)
    device = next(iter(measured), found or "h100-sxm")
    return DeviceChoice(device=device, precision=usual_precision(known, device))


def read(query: Mapping[str, str], known: Known, state: State) -> tuple[DeviceChoice, list[str]]:
    """Selection in a URL, with notices on unusable parts."""
    notices: list[str] = []
    default = usual(known, state)
    device = default.device
    if "device" in query:
        found = known.catalog.find_device(query["device"])
        if found is None or not has_precisions(known, known.catalog.device(found)):
            text = _("“device” is {given}, which is no known device for training: {usual} is shown")
            notices.append(text.format(given=shortened(query["device"]), usual=device))
        else:
            device = found
    formats = measured_precisions(known, known.catalog.device(device))
    precision = query.get("precision", formats[0])
    if precision not in formats:
        text = _("“precision” is {given}, and {device} has {known}: {usual} is shown")
        given, known_formats = shortened(precision), ", ".join(formats)
        precision = formats[0]
        notices.append(
            text.format(given=given, device=device, known=known_formats, usual=precision)
        )
    return DeviceChoice(device=device, precision=precision), notices


@dataclass(frozen=True)
class ChoiceCodec:
    """Codec of the selection for links and widgets."""

    known: Callable[[], Known]

    def names(self) -> Collection[str]:
        """Names in a link."""
        return KEYS

    def widget_keys(self) -> Collection[str]:
        """Keys of the widgets."""
        return KEYS.values()

    def read(self, query: Query) -> tuple[DeviceChoice, list[str]]:
        """Selection in a link, with notices on unusable parts."""
        return read(query, self.known(), st.session_state)

    def shown(self, value: DeviceChoice) -> Mapping[str, str]:
        """Widget values for a selection."""
        return {key: getattr(value, name) for name, key in KEYS.items()}

    def gather(self, state: State, last: DeviceChoice) -> DeviceChoice:
        """Return the selection of the widgets; an unsupported format becomes the default."""
        known, device = self.known(), state.get(KEYS["device"], last.device)
        formats = measured_precisions(known, known.catalog.device(device))
        precision = state.get(KEYS["precision"], last.precision)
        if precision not in formats:
            precision = formats[0]
            if KEYS["precision"] in state:
                state[KEYS["precision"]] = precision
        return DeviceChoice(device=device, precision=precision)
