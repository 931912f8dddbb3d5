"""Table of measured runs on the page Calibrate."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from estimator.core.units import human, significant
from estimator.runs.observations import disturbance_of
from estimator.runs.record import HOW_METERED, Energy, MeasuredRun, Timing
from estimator.web.shared import widgets
from estimator.web.shared.amounts import localised
from estimator.web.shared.language import N_, _

HERE, ELSEWHERE, SHIPPED = N_("here"), N_("elsewhere"), N_("shipped example")
ORIGINS = {"bench": N_("benchmark"), "run": N_("command"), "script": N_("script")}
STATES = (N_("finished"), N_("running"), N_("failed"), N_("interrupted"))
"""States of a run, for the catalogues."""


def runs_table(runs: Sequence[MeasuredRun], own: Iterable[str], host: str) -> pd.DataFrame:
    """One row per run, the newest first; unknown energies are missing.

    Parameters
    ----------
    runs : sequence of MeasuredRun
    own : iterable of str
        Ids of those in the store.
    host : str
        Id of this host.
    """
    stored = set(own)
    rows = [
        {
            "started": pd.Timestamp(run.started),
            "state": f"{_(run.state)}, {_('simulated')}" if run.simulated else _(run.state),
            "device": ", ".join(dict.fromkeys(one.hardware or one.name for one in run.devices)),
            "work": work_text(run),
            "wall_min": None if run.state == "running" else significant(run.wall_s / 60.0),
            "energy_wh": _energy_wh(run.energy),
            "meters": meters_text(run.energy),
            "disturbed": "; ".join(disturbances(run)),
            "where": _where(run, stored, host),
            "label": run.label or "",
            "run": run.id,
        }
        for run in sorted(runs, key=lambda run: run.started, reverse=True)
    ]
    return pd.DataFrame(rows)


def columns() -> dict[str, Any]:
    """Return the column settings of the table."""
    text = {
        "state": _("state"),
        "device": _("device"),
        "work": _("workload type"),
        "meters": _("meters and their reliability"),
        "disturbed": _("disturbed by"),
        "where": _("where"),
        "label": _("label"),
        "run": _("run"),
    }
    return {
        "started": st.column_config.DatetimeColumn(
            widgets.heading(_("started")), format="YYYY-MM-DD HH:mm"
        ),
        "wall_min": widgets.number_column(_("time [min]")),
        "energy_wh": st.column_config.NumberColumn(
            widgets.heading(_("energy [Wh]")), format="%.3g"
        ),
    } | {name: st.column_config.TextColumn(widgets.heading(head)) for name, head in text.items()}


def work_text(run: MeasuredRun) -> str:
    """Workload types of a run with their number formats.

    A run of unknown work shows its origin only.
    """
    found: dict[str, list[str]] = {}
    for one in run.timings:
        if one.what == "training":
            found.setdefault(_(one.kind or "training"), []).append(one.precision or "")
    parts = [f"{kind} ({', '.join(filter(None, dict.fromkeys(f)))})" for kind, f in found.items()]
    origin = _(ORIGINS[run.origin]) if run.origin in ORIGINS else run.origin
    return f"{origin}: {', '.join(parts)}" if parts else origin


def meters_text(energy: Iterable[Energy]) -> str:
    """Return the meter of each component, and its trust."""
    return "; ".join(
        f"{one.component} {localised(human(one.energy_kwh * 1e3, 'Wh'))}: "
        f"{_(HOW_METERED[one.trust])} ({one.meter})"
        for one in energy
    )


def disturbances(run: MeasuredRun) -> list[str]:
    """Return the distinct reasons why a run counts less."""
    timings = run.timings or tuple(
        Timing(what="training", component=one.key, time_s=run.wall_s, repetitions=1)
        for one in run.devices
    )
    return list(dict.fromkeys(reason for one in timings for reason in disturbance_of(run, one)[1]))


def _energy_wh(energy: Sequence[Energy]) -> float | None:
    """Sum over metered components [Wh], or None."""
    measured = [one for one in energy if one.trust != "modelled"]
    whole = [one for one in measured if one.component == "host"] or measured
    return sum(one.energy_kwh for one in whole) * 1e3 if whole else None


def _where(run: MeasuredRun, stored: set[str], host: str) -> str:
    if run.id not in stored:
        return _(SHIPPED)
    return _(HERE if run.host.id == host else ELSEWHERE)
