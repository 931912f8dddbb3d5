"""Live power of the machine on the page Calibrate, for authorised visitors."""

import ipaddress
import os
import secrets
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

import streamlit as st

from estimator.core.units import human, human_duration
from estimator.measure.live import Course, LiveMeters, courses
from estimator.measure.meters.open import open_meters
from estimator.runs import look_up, open_store
from estimator.runs.record import HOW_METERED, MeasuredRun
from estimator.web.calibrate.before_after import COLUMNS, percent
from estimator.web.shared import charts, figures, language, style, visitors
from estimator.web.shared.amounts import localised
from estimator.web.shared.charts import Look, Row, Spec, distinguished
from estimator.web.shared.language import N_, _
from estimator.web.shared.profiles import cached_per_server

TOKEN = "TWENTY_WATTS_LIVE"
"""Environment variable with the token for live readings; if unset, they are off."""

EVERY_S = 2.0
"""Time between updates of the page [s]."""

LONG_RUN_S, SELDOM_S = 1800.0, 20.0
"""Run time above which samples are read less often, and that interval [s]."""

HEIGHT_PX = 190
POINTS = 150
"""Points of a line, enough for its width."""

DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4])
RUNNING = {"bench": N_("A benchmark"), "run": N_("A command")}
A_SCRIPT = N_("A script")

FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
"""Headers of a proxied request."""


def allowed() -> bool:
    """Return whether the visitor has the server's token and no proxy."""
    token, given = os.environ.get(TOKEN, ""), visitors.live_token()
    same = secrets.compare_digest(token.encode(), given.encode())
    return bool(token) and same and not any(name in _headers() for name in FORWARDED)


def at_the_machine() -> bool:
    """Return whether the visitor is on the server's machine."""
    return is_here(st.context.ip_address, _headers())


def _headers() -> dict[str, str]:
    return {name.lower(): value for name, value in st.context.headers.items()}


def is_here(visitor: str | None, headers: Mapping[str, str]) -> bool:
    """Return whether a visitor is local, by socket and requested host.

    The address stated by the page is not used, as a visitor can forge it.

    Parameters
    ----------
    visitor : str or None
        Address at the other end of the socket; None where it is a loopback one.
    headers : mapping of str to str
        Of the request, names in lower case.

    Examples
    --------
    >>> is_here(None, {"host": "localhost:8501"})
    True
    >>> is_here(None, {"host": "watts.example.org"}), is_here("192.0.2.7", {"host": "localhost"})
    (False, False)
    """
    if any(name in headers for name in FORWARDED):
        return False
    named = [f"//{headers.get('host', '')}", *filter(None, [headers.get("origin")])]
    hosts = [urlsplit(name).hostname or "" for name in named]
    return (visitor is None or is_loopback(visitor)) and all(map(is_loopback, hosts))


def is_loopback(host: str) -> bool:
    """Return whether a name or address refers to this machine.

    >>> is_loopback("localhost"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@cached_per_server
def watch() -> LiveMeters:
    """Meters of this machine, shared by all visitors, without modelled ones."""
    return LiveMeters(*open_meters(modelled=False))


def running(runs: list[MeasuredRun]) -> list[MeasuredRun]:
    """Runs in progress, the newest first."""
    return [run for run in reversed(runs) if run.state == "running"]


def so_far(run: MeasuredRun, elapsed_s: float) -> tuple[Course, ...]:
    """Return the readings of a run in progress, cached for a few seconds."""
    period_s = SELDOM_S if elapsed_s > LONG_RUN_S else EVERY_S
    return _read_samples(run, int(time.time() / period_s))


@st.cache_resource(show_spinner=False, max_entries=4, hash_funcs={MeasuredRun: lambda run: run.id})
def _read_samples(run: MeasuredRun, turn: int) -> tuple[Course, ...]:
    """Read the samples of a run, once per turn for all visitors."""
    with open_store() as store:
        return courses(run, store.samples(run.id), store.meters(run.id))


def draw_now(look: Look) -> None:
    """Draw live readings repeatedly, or a line if not authorised."""
    if not allowed():
        style.caption(
            _(
                "Live readings are off. Start the app with twenty-watts app --live on the machine "
                "itself, and open the link that it prints."
            )
        )
        return
    st.fragment(_now, run_every=EVERY_S)(look, language.current())


def _now(look: Look, spoken: str) -> None:
    """Draw the runs in progress, or the meters if there are none."""
    language.use(spoken)
    runs = running(look_up()[0])
    for run in runs:
        elapsed_s = _elapsed_s(run)
        name = run.label or _(RUNNING.get(run.origin, A_SCRIPT))
        style.caption(
            _("{name} has been running for {time}, run {run}.").format(
                name=name, time=localised(human_duration(max(elapsed_s, 1.0))), run=run.id
            )
        )
        _courses(so_far(run, elapsed_s), run.id, look)
    if runs:
        return
    meters = watch()
    found = meters.look()
    if found:
        style.caption(_("No run is in progress; these are the readings of the machine's meters."))
        _courses(found, "meters", look)
        return
    style.caption(_("No run is in progress, and no meter of this machine can be read:"))
    style.assumptions(_note(line) for line in meters.notes)


def _note(line: str) -> str:
    """Translated reason why a meter cannot be read."""
    component, _colon, reason = line.partition(": ")
    return f"{component}: {_(reason)}"


def _courses(found: tuple[Course, ...], key: str, look: Look) -> None:
    """Draw figures and lines of some components."""
    if not found:
        style.caption(_("No sample has been received yet."))
        return
    style.figures(map(_card, found))
    rows = course_rows(found)
    if len(rows) > 1:
        now = [f"{one.component} {_watts(one.power_w[-1])}" for one in found if one.power_w]
        alt = _("Power of the last minutes, now {parts}").format(parts="; ".join(now))
        names = tuple(dict.fromkeys(row["component"] for row in rows))
        figures.draw(
            chart, rows, look, key=f"chart_live_{key}", alt=alt, height=HEIGHT_PX, of=(names,)
        )


def _card(one: Course) -> str:
    """Live figure of a component."""
    value = _watts(one.power_w[-1]) if one.power_w else "– W"
    energy = _("energy not known yet")
    if one.energy_kwh is not None:
        energy = _("{energy} in {time}").format(
            energy=localised(human(one.energy_kwh * 1e3, "Wh")),
            time=localised(human_duration(one.span_s)),
        )
    state = [] if one.busy is None else [_("{share} busy").format(share=percent(one.busy))]
    state += [] if one.temperature_c is None else [f"{one.temperature_c:.0f} °C"]
    notes = [", ".join(state)] if state else []
    if one.throttled_by:
        notes.append(_("throttled by {causes}").format(causes=", ".join(one.throttled_by)))
    notes += [_(HOW_METERED[one.trust])] if one.trust else []
    notes += [_("simulated: no real device")] if one.simulated else []
    label = f"{one.component}, {one.name}" if one.name else one.component
    return style.figure(one.component, label, value, energy, notes)


def course_rows(courses: Iterable[Course]) -> list[Row]:
    """Power of each component over the last minutes: component, ago_min (<= 0), power_w."""
    rows: list[Row] = []
    for one in courses:
        points = list(zip(one.ago_s, one.power_w, strict=True))
        stride = max(1, len(points) // POINTS)
        rows += [
            {"component": one.component, "ago_min": -ago_s / 60.0, "power_w": power_w}
            for ago_s, power_w in points[::-1][::stride]
        ]
    return rows


def _elapsed_s(run: MeasuredRun) -> float:
    started = datetime.fromisoformat(run.started)
    started = started if started.tzinfo else started.replace(tzinfo=UTC)
    return (datetime.now(UTC) - started).total_seconds()


def _watts(power_w: float) -> str:
    return localised(human(power_w, "W"))


def chart(look: Look, names: tuple[str, ...]) -> Spec:
    """Specification of the power lines."""
    series = look.colours["series"]
    dashes = [DASHES[place // len(series) % len(DASHES)] for place in range(len(names))]
    columns = COLUMNS if len(names) > 1 else 0
    encoding: Spec = {
        "x": {
            "field": "ago_min",
            "type": "quantitative",
            "title": _("minutes before now"),
            "scale": {"nice": False, "zero": True},
            "axis": {"labelExpr": "format(-datum.value, '~f')", "tickCount": 5, "grid": False},
        },
        "y": {
            "field": "power_w",
            "type": "quantitative",
            "title": _("power [W]"),
            "scale": {"zero": True},
            "axis": {"tickCount": 4, "grid": True},
        },
        "color": distinguished("component", names, series, columns),
        "strokeDash": distinguished("component", names, dashes, columns),
    }
    line = charts.layer("line", encoding, strokeWidth=2.5 * look.scale)
    return charts.layered(look, HEIGHT_PX, line)
