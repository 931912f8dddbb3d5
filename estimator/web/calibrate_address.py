"""What the page "Calibrate" is about: a device and a number format, in the URL and the widgets."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import streamlit as st

from estimator.calibration_answer import Known
from estimator.posterior_report import precisions_told
from estimator.web.inputs import DEFAULT, State

KEYS = {"device": "calibrate_device", "precision": "calibrate_precision"}
"""Widgets, by the name in the URL."""

KEPT = ("show", "fs")
"""What else a link may say, and no widget changes."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which device and number format are looked at.

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
    """Ids of the devices that have a profile and were measured: here first, shipped ones last."""
    shipped = {one.run.id for one in known.catalog.calibrations()}
    runs = sorted(known.measured.runs, key=lambda run: run.started, reverse=True)
    own = sorted(runs, key=lambda run: (run.id in shipped, run.host.id != known.measured.host))
    names = [one.hardware for run in own if not run.simulated for one in run.devices]
    every = known.catalog.device_names()
    return [name for name in dict.fromkeys(names) if name is not None and name in every]


def usual_precision(known: Known, device: str) -> str:
    """Return the number format that was measured most, else the one to train in."""
    return precisions_told(known, known.catalog.device(device))[0]


def usual(known: Known, state: State) -> Choice:
    """Device measured last here; else the one of the Estimate page."""
    open_one = state["_scenario"].hardware if "_scenario" in state else DEFAULT.hardware
    found = known.catalog.find_device(open_one or "")
    measured = measured_devices(known)
    device = next(iter(measured), found or "h100-sxm")
    return Choice(device=device, precision=usual_precision(known, device))


def as_query(choice: Choice) -> dict[str, str]:
    """Choice as query parameters, none left to a default."""
    return asdict(choice)


def read(query: Mapping[str, str], known: Known, state: State) -> tuple[Choice, list[str]]:
    """Choice that a URL asks for, and what of it could not be used."""
    notices: list[str] = []
    default = usual(known, state)
    device = default.device
    if "device" in query:
        found = known.catalog.find_device(query["device"])
        if found is None or not precisions_told(known, known.catalog.device(found)):
            notices.append(f"device is {query['device']}, which is not known to train")
        else:
            device = found
    formats = precisions_told(known, known.catalog.device(device))
    precision = query.get("precision", formats[0])
    if precision not in formats:
        notices.append(f"precision is {precision}, and {device} has {', '.join(formats)}")
        precision = formats[0]
    names = {*KEYS, *KEPT}
    notices += [f"{name} is nothing that this page knows" for name in query if name not in names]
    return Choice(device=device, precision=precision), notices


def arrive(state: State, known: Known) -> Choice:
    """What is asked: by the widgets, or by a URL that was opened, reloaded or gone back to."""
    query = dict(st.query_params)
    if "_calibrate" not in state or (KEYS["device"] not in state and query):
        _open(query, state, known)
    elif KEYS["device"] not in state:
        choose(state["_calibrate"], state)
        state["_calibrate_seen"] = state["_calibrate_written"] = query
    asked = _gather(state, known)
    if query != state["_calibrate_seen"] and asked == state["_calibrate"]:
        _open(query, state, known)
        asked = _gather(state, known)
    if asked != state["_calibrate"]:
        state["_calibrate"], state["_calibrate_notices"] = asked, []
    return asked


def leave(choice: Choice, state: State, *, embedded: bool) -> None:
    """Write the URL if the choice changed; each change is a step of the history."""
    kept = {name: st.query_params[name] for name in KEPT if name in st.query_params}
    address = {**as_query(choice), **kept}
    if not embedded and address != state.get("_calibrate_written", address):
        st.query_params.from_dict(address)
        state["_calibrate_seen"] = address
    state["_calibrate_written"] = address


def choose(choice: Choice, state: State) -> None:
    """Make the widgets say a choice."""
    for name, key in KEYS.items():
        state[key] = getattr(choice, name)


def _open(query: Mapping[str, str], state: State, known: Known) -> None:
    """Make the widgets say what a URL says."""
    state["_calibrate"], state["_calibrate_notices"] = read(query, known, state)
    state["_calibrate_seen"] = dict(query)
    choose(state["_calibrate"], state)
    state.pop("_calibrate_written", None)


def _gather(state: State, known: Known) -> Choice:
    """What the widgets say; a format that the device has not gives way to its usual one."""
    device = state[KEYS["device"]]
    formats = precisions_told(known, known.catalog.device(device))
    precision = state.get(KEYS["precision"])
    if precision not in formats:
        precision = state[KEYS["precision"]] = formats[0]
    return Choice(device=device, precision=precision)
