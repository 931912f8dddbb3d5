"""Device and number format selected on the page Calibrate, in the URL and widgets."""

from typing import Any

import streamlit as st

from estimator.calibration.correction import Known, known_runs
from estimator.calibration.posterior import has_precisions, measured_precisions
from estimator.web.estimate.inputs import DEFAULT
from estimator.web.shared.frame import shortened
from estimator.web.shared.language import N_, _
from estimator.web.shared.profiles import open_catalog
from estimator.web.shared.url_state import LineOfText, LinkParameters, Query, State, widget_key


def measured_devices(known: Known) -> list[str]:
    """Ids of measured devices with a profile, local ones first, shipped ones last."""
    shipped = {one.run.id for one in known.catalog.calibrations()}
    runs = sorted(known.measured.runs, key=lambda run: run.started, reverse=True)
    own = sorted(runs, key=lambda run: (run.id in shipped, run.host.id != known.measured.host))
    names = [one.hardware for run in own if not run.simulated for one in run.devices]
    every = known.catalog.device_names()
    return [name for name in dict.fromkeys(names) if name is not None and name in every]


def usual_device(known: Known) -> str:
    """Device last measured here, or that of the Estimate page."""
    state = st.session_state
    open_one = state["_scenario"].hardware if "_scenario" in state else DEFAULT.hardware
    found = known.catalog.find_device(open_one or "")
    return next(iter(measured_devices(known)), found or "h100-sxm")


class DeviceParameters(LinkParameters):
    """Device, and a number format that it was measured in or trains in."""

    def from_link(self, query: Query) -> tuple[dict[str, Any], list[str]]:
        """Selection in a URL, with notices on unusable parts."""
        known, notices = known_runs(open_catalog()), []
        device = usual_device(known)
        if "device" in query:
            found = known.catalog.find_device(query["device"])
            if found is None or not has_precisions(known, known.catalog.device(found)):
                text = _(
                    "“device” is {given}, which is not a known training device: {usual} is shown"
                )
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
        return {"device": device, "precision": precision}, notices

    def gather(self, state: State, last: dict[str, Any]) -> dict[str, Any]:
        """Return the selection; an unsupported format is replaced by the usual one."""
        found, known = super().gather(state, last), known_runs(open_catalog())
        formats = measured_precisions(known, known.catalog.device(found["device"]))
        if found["precision"] not in formats:
            found["precision"] = formats[0]
            if (key := widget_key(self.page, "precision")) in state:
                state[key] = formats[0]
        return found


PARAMETERS = DeviceParameters(
    "calibrate",
    LineOfText("device", help=N_("Device whose measured runs are shown. Type to search.")),
    LineOfText("precision", help=N_("Number format of the measured arithmetic.")),
)
