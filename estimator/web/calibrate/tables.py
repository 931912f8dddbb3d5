"""Tables behind the charts and lists of the page "Calibrate"."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from estimator.calibration.measured_utilization import network_group
from estimator.calibration.posterior import Cell, PowerCell, Residual
from estimator.core.uncertainty import Uncertain
from estimator.core.units import human, significant
from estimator.measure.live import Course
from estimator.runs.observations import disturbance_of
from estimator.runs.record import HOW_METERED, Energy, MeasuredRun, Timing
from estimator.web.shared.amounts import format_range, localised
from estimator.web.shared.language import N_, _, ngettext

BEFORE, NOW, MEASURED = N_("expected before"), N_("expected now"), N_("measured")
"""Series of the chart."""

GROUP_NAMES = {
    "decoder": N_("decoders"),
    "experts": N_("mixtures of experts"),
    "transformer": N_("other transformers"),
    "convolution": N_("convolutions"),
    "depthwise": N_("depthwise convolutions"),
    "unet": N_("U-Nets"),
    "recurrent": N_("recurrent networks"),
    "other": N_("other networks"),
}

POWER_NAMES = {**GROUP_NAMES, "other": N_("other or not given")}
"""Group names for power, which runs of unknown work also measure."""

HERE, ELSEWHERE, SHIPPED = N_("here"), N_("elsewhere"), N_("shipped example")
CellRow = tuple[str, str, str, float, float, float, str, str]
CELL_COLUMNS = ["row", "what", "slot", "low", "mid", "high", "label", "text"]
ORIGINS = {"bench": N_("benchmark"), "run": N_("command"), "script": N_("script")}
STATES = (N_("finished"), N_("running"), N_("failed"), N_("interrupted"))
"""States of a run, for the catalogues."""

POINTS = 150
"""Points of a line, enough for its width."""


def cells_table(cells: Sequence[Cell] | Sequence[PowerCell], of: str = "share") -> pd.DataFrame:
    """Expectations before and after, and every observation, by network kind.

    Columns: row, what (one of `BEFORE`, `NOW`, `MEASURED`), slot (position in the row), low, mid,
    high (utilization [1] or power [W]), label (at the first entry of a row), text.
    """
    names, written, reached = SHOWN[of]
    rows: list[CellRow] = []
    for cell in cells:
        name, label = _(names[cell.group]), cell_label(cell, of)
        for what, quantity in ((BEFORE, cell.before), (NOW, cell.now)):
            low, high = (float(bound) for bound in quantity.interval())
            mid = float(quantity.mid)
            text = f"{_(what)}: {written(mid)} ({span(quantity, written)})"
            rows.append(
                (name, _(what), what, low, mid, high, label if what == BEFORE else "", text)
            )
        for one in cell.observations:
            at = getattr(one, reached)
            text = f"{one.timing.label or one.run}: {written(at)}"
            rows.append((name, _(MEASURED), NOW, at, at, at, "", text))
    return pd.DataFrame(rows, columns=CELL_COLUMNS)


def cell_label(cell: Cell | PowerCell, of: str = "share") -> str:
    """Label of a chart row."""
    names, written, _reached = SHOWN[of]
    count = len(cell.observations)
    counted = ngettext("{n} timing", "{n} timings", count)
    if of == "power":
        counted = ngettext("{n} reading", "{n} readings", count)
    name, now = _(names[cell.group]), written(float(cell.now.mid))
    measured = counted.format(n=count) if count else _("unmeasured")
    return f"{name}: {now} ({span(cell.now, written)}), {measured}"


def watts(power_w: float) -> str:
    """Format a power."""
    return localised(human(power_w, "W"))


def residuals_table(residuals: Iterable[Residual]) -> pd.DataFrame:
    """Each timing with its leave-one-out prediction and description.

    Columns: predicted, low, high, reached (utilization [1]), group, timing, run, text, disturbed.
    """
    return pd.DataFrame(
        [
            {
                "predicted": one.mid,
                "low": one.low,
                "high": one.high,
                "reached": one.observation.reached,
                "group": _(GROUP_NAMES[group_of(one)]),
                "timing": one.observation.timing.label or _("steps of a run"),
                "run": f"{one.observation.run}, {one.observation.timing.precision}",
                "text": _("{reached} measured, {mid} predicted ({low} to {high})").format(
                    reached=percent(one.observation.reached),
                    mid=percent(one.mid),
                    low=percent(one.low),
                    high=percent(one.high),
                ),
                "disturbed": ", ".join(one.observation.reasons) or _("nothing"),
            }
            for one in residuals
        ]
    )


def program_rows(residuals: Iterable[Residual]) -> list[list[str]]:
    """Each program in one format, the worst predicted first.

    Columns: program, range of its timings, median errors predicted from other timings and from
    published runs only, and how many timings the interval covers.
    """
    programs: dict[tuple[str, str], list[Residual]] = {}
    for one in residuals:
        key = one.observation.program or one.observation.run, one.observation.timing.precision or ""
        programs.setdefault(key, []).append(one)
    found = []
    for (program, precision), those in programs.items():
        reached = [one.observation.reached for one in those]
        of_others, of_published = median_errors(those)
        label = those[0].observation.timing.label if len(those) == 1 else program
        ends = dict.fromkeys(percent(end) for end in (min(reached), max(reached)))
        row = [
            f"{label or program}, {precision}",
            format_range(*ends) if len(ends) > 1 else next(iter(ends)),
            percent(of_others),
            percent(of_published),
            f"{sum(one.inside for one in those)} / {len(those)}",
        ]
        found.append((-of_others, row))
    return [row for _error, row in sorted(found)]


def median_errors(residuals: Sequence[Residual]) -> tuple[float, float]:
    """Median error predicted from other timings, and from published runs only [1]."""
    reached = np.array([one.observation.reached for one in residuals])
    others = np.array([one.mid for one in residuals])
    published = np.array([float(one.observation.expected.mid) for one in residuals])
    of_others, of_published = np.median(np.abs([others, published] / reached - 1.0), axis=1)
    return float(of_others), float(of_published)


def group_of(residual: Residual) -> str:
    """Network group of a timing."""
    return network_group(residual.observation.timing.kind, residual.observation.timing.arch)


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


def courses_table(courses: Iterable[Course]) -> pd.DataFrame:
    """Power of each component over the last minutes: component, ago_min (<= 0), power_w."""
    rows = []
    for one in courses:
        points = list(zip(one.ago_s, one.power_w, strict=True))
        stride = max(1, len(points) // POINTS)
        rows += [
            {"component": one.component, "ago_min": -ago_s / 60.0, "power_w": power_w}
            for ago_s, power_w in points[::-1][::stride]
        ]
    return pd.DataFrame(rows, columns=["component", "ago_min", "power_w"])


def percent(share: float) -> str:
    """Format a share.

    >>> percent(0.254), percent(0.0123)
    ('25%', '1.2%')
    """
    return localised(f"{share * 100:.1f}%" if share < 0.095 else f"{share * 100:.0f}%")


def span(quantity: Uncertain, written: Callable[[float], str] = percent) -> str:
    """Format the interval of a share or power.

    >>> span(Uncertain(0.5, {"load": 0.2})), span(Uncertain(500.0, {"load": 0.1}), watts)
    ('39 – 65%', '440 – 568 W')
    """
    return format_range(*(written(float(bound)) for bound in quantity.interval()))


SHOWN: Mapping[str, tuple[Mapping[str, str], Callable[[float], str], str]] = {
    "share": (GROUP_NAMES, percent, "reached"),
    "power": (POWER_NAMES, watts, "power_w"),
}
"""Chart type -> row names, number format, and field of an observation."""


def _energy_wh(energy: Sequence[Energy]) -> float | None:
    """Sum over metered components [Wh], or None."""
    measured = [one for one in energy if one.trust != "modelled"]
    whole = [one for one in measured if one.component == "host"] or measured
    return sum(one.energy_kwh for one in whole) * 1e3 if whole else None


def _where(run: MeasuredRun, stored: set[str], host: str) -> str:
    if run.id not in stored:
        return _(SHIPPED)
    return _(HERE if run.host.id == host else ELSEWHERE)
