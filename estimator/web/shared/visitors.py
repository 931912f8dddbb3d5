"""Visitors of a server: session limit, and metrics for Prometheus.

`twenty-watts app --max-sessions N` admits N browser sessions; further ones get a short, cheap page.
`--metrics-port PORT` serves the metrics on loopback, separate from the app, so that a proxy for the
app never exposes them.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import streamlit as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from estimator.web.shared import style
from estimator.web.shared.language import _

MAX_SESSIONS = "TWENTY_WATTS_MAX_SESSIONS"
"""Environment variable with the session limit; if unset, there is none [1]."""

METRICS_PORT = "TWENTY_WATTS_METRICS_PORT"
"""Environment variable with the port of the metrics; if unset, they are off."""

LIVE = "live"
"""Link parameter with the token for live readings."""

BUCKETS_S = (0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)
"""Bucket limits of page times [s]; assumed."""


@dataclass
class Visitors:
    """Sessions of a server and their metrics.

    Parameters
    ----------
    most : int, optional
        Most sessions at the same time; without it there is no limit [1].
    """

    most: int | None = None
    present: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.registry = CollectorRegistry()
        known = {"registry": self.registry}
        self.sessions = Gauge("twenty_watts_sessions", "Browser sessions that are open", **known)
        self.refused = Counter("twenty_watts_refusals", "Visits refused because full", **known)
        self.page_s = Histogram(
            "twenty_watts_page_seconds",
            "Time to work out and draw a page",
            ["page"],
            buckets=BUCKETS_S,
            **known,
        )

    def enter(self) -> bool:
        """Take a place, or return False if there is none."""
        with self.lock:
            if self.most is not None and self.present >= self.most:
                self.refused.inc()
                return False
            self.present += 1
            self.sessions.set(self.present)
            return True

    def leave(self, entered: bool) -> None:
        """Release a taken place."""
        with self.lock:
            self.present -= entered
            self.sessions.set(self.present)


@st.cache_resource(show_spinner=False)
def visitors() -> Visitors:
    """Visitors of this server; metrics are served from the first visit on."""
    most, port = os.environ.get(MAX_SESSIONS), os.environ.get(METRICS_PORT)
    here = Visitors(most=int(most) if most else None)
    if port:
        start_http_server(int(port), addr="127.0.0.1", registry=here.registry)
    return here


@st.cache_resource(
    show_spinner=False, scope="session", on_release=lambda entered: visitors().leave(entered)
)
def _entered() -> bool:
    return visitors().enter()


def admit() -> bool:
    """Return whether this session has a place; otherwise draw the page for the rest."""
    if _entered():
        return True
    style.sentence_of(
        _("This server is full: all {count} places are taken."), count=visitors().most
    )
    style.caption(_("Try again in a minute, or run the app on your own machine: twenty-watts app."))
    if st.button(_("Try again"), key="admit_again"):
        _entered.clear()
        st.rerun()
    return False


def remember_live_token() -> None:
    """Move the token for live readings from the link to the session, so that no page shares it."""
    if LIVE in st.query_params:
        st.session_state[LIVE] = st.query_params.pop(LIVE)


def live_token() -> str:
    """Token of the visitor's link, or empty."""
    return str(st.session_state.get(LIVE, ""))


@contextmanager
def timed(page: str) -> Iterator[None]:
    """Count a page visit and its time."""
    begun = time.perf_counter()
    try:
        yield
    finally:
        visitors().page_s.labels(page=page).observe(time.perf_counter() - begun)
