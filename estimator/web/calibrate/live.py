"""Live power of the machine, for authorised visitors."""

import ipaddress
import os
import secrets
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

import streamlit as st

from estimator.measure.live import Course, LiveMeters, courses
from estimator.measure.meters.open import open_meters
from estimator.runs import open_store
from estimator.runs.record import MeasuredRun
from estimator.web.shared import visitors
from estimator.web.shared.profiles import cached_per_server

TOKEN = "TWENTY_WATTS_LIVE"
"""Environment variable with the token for live readings; if unset, they are off."""

EVERY_S = 2.0
"""Time between updates of the page [s]."""

LONG_RUN_S, SELDOM_S = 1800.0, 20.0
"""Run time above which samples are read less often, and that interval [s]."""

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
