"""Raw samples of chosen series from a Prometheus server, as scraped.

Uses instant queries on range selectors, ``metric{...}[W]``, in pieces. A range query
(``query_range``) would fill gaps with the last value for up to five minutes.
"""

import base64
import http.client
import json
import os
import re
import ssl
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from sys import intern
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from estimator.core.units import YEAR_3000_S
from estimator.runs.meter import MeterError
from estimator.runs.record import stamp

TOKEN = "TWENTY_WATTS_PROMETHEUS_TOKEN"
"""Environment variable with a bearer token, or user:password."""

PATIENCE_S = 60.0
"""Timeout of each request [s]."""

LARGEST_BYTES = 256 * 2**20
"""Largest accepted response [B]."""

SAMPLES_A_PIECE = 100_000
MOST_SAMPLES = 50_000_000
"""Most samples of one metric kept in memory."""

FIRST_PIECE_S, LONGEST_PIECE_S = 300.0, 86_400.0

SHOWN = 200

Labels = frozenset[tuple[str, str]]
Numbers = npt.NDArray[np.float64]
Progress = Callable[[float], None]
Found = TypeVar("Found")


@dataclass(frozen=True, kw_only=True)
class MetricSeries:
    """Samples of one series."""

    time_s: Numbers
    value: Numbers


@dataclass(frozen=True, kw_only=True)
class Window:
    """Time window, both ends included [s since 1970]."""

    start_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        """Length of the window [s]."""
        return self.end_s - self.start_s

    def __str__(self) -> str:
        return f"{moment(self.start_s)} to {moment(self.end_s)}"


def moment(time_s: float) -> str:
    """Format a time as ISO 8601, UTC, to the second.

    >>> moment(1793527200)
    '2026-11-01T10:00:00Z'
    """
    return stamp(datetime.fromtimestamp(time_s, UTC))


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Handler that refuses redirects: they mostly lead to login pages, which must get no token."""

    def redirect_request(self, *_args: Any, **_more: Any) -> None:
        """Refuse a redirect."""


def _within(seconds: float, action: Callable[[], Found]) -> Found:
    """Do something in so much time at most: a socket's timeout begins anew with each byte.

    Raises
    ------
    TimeoutError
        If the time is up; a thread that nobody waits for is left behind.
    """
    done: SimpleQueue[Found | BaseException] = SimpleQueue()

    def run() -> None:
        try:
            done.put(action())
        except BaseException as error:  # noqa: BLE001 - raised again below
            done.put(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        found = done.get(timeout=seconds)
    except Empty:
        raise TimeoutError from None
    if isinstance(found, BaseException):
        raise found
    return found


@dataclass(kw_only=True)
class Prometheus:
    """Prometheus-compatible server.

    Parameters
    ----------
    address : str
        As a browser would open it, with the path before ``/api/v1`` if there is one.
    token : str, optional
        Bearer token, or user:password. It is never shown.
    """

    address: str
    token: str | None = field(default=None, repr=False)
    patience_s: float = PATIENCE_S
    warnings: list[str] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.address = self.address.rstrip("/")
        try:
            parts = urllib.parse.urlsplit(self.address)
            port_is_sound = parts.port is None or parts.port > 0
        except ValueError as error:
            raise MeterError(f"{_short(self.address)} is no address: {error}") from error
        if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_sound:
            raise MeterError(
                f"{_short(self.address)} is not a server address such as http://prometheus:9090"
            )
        if parts.username is not None:
            raise MeterError(
                f"the address holds a user or password, which others may see: put user:password "
                f"into the environment variable {TOKEN}"
            )
        if self.token is not None and not re.fullmatch(r"[\x21-\x7e]+", self.token):
            raise MeterError(f"{TOKEN} is empty or holds a character that no token has")

    @classmethod
    def at(cls, address: str, environment: Mapping[str, str] = os.environ) -> "Prometheus":
        """Create a server with the environment's token, if any."""
        token = environment.get(TOKEN, "").strip()
        return cls(address=address, token=token or None)

    def now_s(self) -> float:
        """Server time [s since 1970]."""
        try:
            now_s = float(self._query("query", {"query": "time()"})["result"][0])
        except (LookupError, TypeError, ValueError, OverflowError) as error:
            raise self._strange() from error
        if not 0.0 <= now_s < YEAR_3000_S:
            raise self._strange()
        return now_s

    def series(self, names: Sequence[str], selector: str, window: Window | None) -> list[Labels]:
        """Labels of the series with these names, the name as ``__name__``.

        Parameters
        ----------
        selector : str
            More matchers, as PromQL writes them between braces; may be empty.
        window : Window, optional
            Only those with samples there; None: of all times.
        """
        pattern = "|".join(map(re.escape, names))
        matchers = ",".join(one for one in (f"__name__=~{quoted(pattern)}", selector) if one)
        asked = {"match[]": f"{{{matchers}}}"}
        if window is not None:
            asked |= {"start": f"{window.start_s:.3f}", "end": f"{window.end_s:.3f}"}
        found = self._query("series", asked)
        if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
            raise self._strange()
        return [labels_of(one) for one in found]

    def raw(
        self, name: str, selector: str, window: Window, progress: Progress = lambda _share: None
    ) -> dict[Labels, MetricSeries]:
        """Raw samples of all series of a metric."""
        pieces: dict[Labels, list[Numbers]] = {}
        count = 0
        piece_s, at_s = min(FIRST_PIECE_S, window.length_s), window.start_s
        while at_s < window.end_s:
            end_s = min(at_s + piece_s, window.end_s)
            found = self._piece(name, selector, Window(start_s=at_s, end_s=end_s))
            for labels, samples in found:
                pieces.setdefault(labels, []).append(samples)
            fresh = sum(len(samples) for _, samples in found)
            count += fresh
            done = (end_s - window.start_s) / window.length_s
            _refuse_if_too_many(name, count / done)
            progress(done)
            at_s = end_s
            growth = SAMPLES_A_PIECE / fresh if fresh else 4.0
            piece_s = float(np.clip(piece_s * min(growth, 4.0), 1.0, LONGEST_PIECE_S))
        return {labels: _join(some) for labels, some in pieces.items()}

    def _piece(self, name: str, selector: str, window: Window) -> list[tuple[Labels, Numbers]]:
        asked = {
            "query": f"{name}{{{selector}}}[{max(1, round(window.length_s * 1e3))}ms]",
            "time": f"{window.end_s:.3f}",
            "timeout": f"{self.patience_s:.0f}s",
        }
        found = self._query("query", asked)
        try:
            return [(labels, samples) for labels, samples in found["result"]]
        except (KeyError, TypeError, ValueError) as error:
            raise self._strange() from error

    def _query(self, what: str, form: Mapping[str, str]) -> Any:
        """Parsed response to one query."""
        text, code = self._answer(f"{self.address}/api/v1/{what}", form)
        try:
            answer = json.loads(text, object_hook=_compact)
            success = answer["status"] == "success"
        except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise (self._refused(code) if code >= 400 else self._strange()) from error
        warnings = answer.get("warnings")
        for warning in warnings if isinstance(warnings, list) else ():
            line = f"the server warns: {_short(str(warning))}"
            if line not in self.warnings:
                self.warnings.append(line)
        if success and "data" in answer:
            return answer["data"]
        raise MeterError(
            f"{self.address} rejects the query ({answer.get('errorType', code)}): "
            f"{_short(str(answer.get('error', 'no reason given')))}"
        )

    def _answer(self, url: str, form: Mapping[str, str]) -> tuple[str, int]:
        """Text and status code of one response."""
        request = urllib.request.Request(
            url, data=urllib.parse.urlencode(form).encode(), headers=self._headers()
        )
        try:
            code, elsewhere, body = _within(self.patience_s, lambda: self._fetched(request))
        except (OSError, http.client.HTTPException) as error:
            raise self._silent(error) from error
        if code in (401, 403) or 300 <= code < 400:
            raise self._refused(code, elsewhere)
        if len(body) > LARGEST_BYTES:
            raise MeterError(f"{self.address} sends too much data at once: select fewer hosts")
        return body.decode(errors="replace"), code

    def _fetched(self, request: urllib.request.Request) -> tuple[int, str | None, bytes]:
        """Status code of the answer, where it sends us on to, and its body."""
        opener = urllib.request.build_opener(_NoRedirect())
        try:
            answer = opener.open(request, timeout=self.patience_s)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return answer.status, answer.headers.get("Location"), answer.read(LARGEST_BYTES + 1)

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json"}
        if self.token is not None:
            if ":" in self.token:
                basic = base64.b64encode(self.token.encode()).decode()
                headers["Authorization"] = f"Basic {basic}"
            else:
                headers["Authorization"] = f"Bearer {self.token}"
        return headers

    def _silent(self, error: Exception) -> MeterError:
        """Error for a server that does not respond."""
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            return MeterError(f"{self.address} did not answer within {self.patience_s:.3g} s")
        if isinstance(reason, ssl.SSLError):
            return MeterError(f"{self.address}: no secure connection: {_short(str(reason))}")
        why = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        return MeterError(f"no answer from {self.address}: {_short(why)}; is the server up?")

    def _refused(self, code: int, elsewhere: str | None = None) -> MeterError:
        """Error for a status code."""
        if code in (401, 403):
            remedy = "another token or user:password" if self.token else "a token or user:password"
            return MeterError(
                f"{self.address} requires a login ({code}): put {remedy} into the "
                f"environment variable {TOKEN}"
            )
        if 300 <= code < 400:
            place = (elsewhere or "nowhere").partition("?")[0]
            return MeterError(
                f"{self.address} redirects to {_short(place)}; unless that is a login page, use "
                f"that address"
            )
        return MeterError(f"{self.address} responds with status {code}: is it a Prometheus server?")

    def _strange(self) -> MeterError:
        return MeterError(f"{self.address} does not respond like a Prometheus server")


def labels_of(plain: Mapping[str, Any]) -> Labels:
    """Hashable labels of a series, with shared texts interned."""
    return frozenset((intern(str(name)), intern(str(value))) for name, value in plain.items())


def quoted(text: str) -> str:
    r"""Quote a text for PromQL.

    >>> print(quoted('a "b" \\ c'))
    "a \"b\" \\ c"
    """
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def one_of(label: str, values: Sequence[str]) -> str:
    r"""Format a PromQL matcher for one of several values.

    >>> print(one_of("Hostname", ["n1.hpc", "n2"]))
    Hostname=~"n1\\.hpc|n2"
    """
    return f"{label}=~{quoted('|'.join(map(re.escape, values)))}"


def _compact(plain: dict[str, Any]) -> Any:
    """Replace a parsed series by its labels and samples; leave other values.

    So only one series is in memory as text.
    """
    if not isinstance(plain.get("metric"), dict):
        return plain
    return labels_of(plain["metric"]), _samples(plain)


def _samples(plain: Mapping[str, Any]) -> Numbers:
    """Time and value pairs of one series, without invalid ones."""
    pairs = [(float(time_s), float(value)) for time_s, value in plain.get("values", ())]
    table = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    known = np.isfinite(table)
    return table if known.all() else table[known.all(axis=1)]


def _join(pieces: Sequence[Numbers]) -> MetricSeries:
    """Join pieces, without duplicates at their borders."""
    table = np.concatenate(pieces) if len(pieces) > 1 else pieces[0]
    time_s, value = table[:, 0], table[:, 1]
    if (np.diff(time_s) > 0).all():
        return MetricSeries(time_s=time_s, value=value)
    time_s, first = np.unique(time_s, return_index=True)
    return MetricSeries(time_s=time_s, value=value[first])


def _refuse_if_too_many(name: str, samples: float) -> None:
    if samples > MOST_SAMPLES:
        raise MeterError(
            f"{name} has about {samples:.1e} samples there: choose some of the hosts, or a "
            f"shorter window"
        )


def _short(text: str) -> str:
    """Truncate a foreign text."""
    plain = " ".join(text.split())
    return plain if len(plain) <= SHOWN else plain[:SHOWN] + "..."
