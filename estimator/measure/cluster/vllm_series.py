"""Load served by a vLLM server in a window, from its series.

Names follow vLLM's page "Metrics" (docs.vllm.ai, 2025). Counters are summed over engines; the
median of a latency comes from its histogram if the buckets are narrow enough. Power is that of the
boards, from DCGM, as for training.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from estimator.catalog import Catalog
from estimator.core.units import in_percent
from estimator.measure.attribution import at_work, with_power
from estimator.measure.cluster import nodes as fleet
from estimator.measure.cluster.prometheus import Labels, MetricSeries, Prometheus
from estimator.measure.cluster.prometheus_import import Imported, import_run
from estimator.measure.cluster.prometheus_series import MARGIN_S, Progress, Wanted
from estimator.measure.cluster.series import inside
from estimator.runs.energy import COVERED_ENOUGH
from estimator.runs.meter import MeterError
from estimator.runs.record import ServedLoad

WRITTEN, READ = "vllm:generation_tokens_total", "vllm:prompt_tokens_total"
DONE = "vllm:request_success_total"
RUNNING, WAITING = "vllm:num_requests_running", "vllm:num_requests_waiting"
FIRST = ("vllm:time_to_first_token_seconds_bucket",)
BETWEEN = (
    "vllm:inter_token_latency_seconds_bucket",
    "vllm:time_per_output_token_seconds_bucket",
)
"""Latency histograms, the newer name first."""

MOST_IDLE = 0.1
"""Largest idle share of a steady-state window [1]."""

MOST_WAITING = 0.05
"""Waiting over running requests above which time to first token includes queueing [1]."""

WIDEST_BUCKET = 1.6
"""Largest ratio of the bounds of a median's bucket [1]."""


def import_server(
    server: Prometheus,
    wanted: Wanted,
    catalog: Catalog,
    *,
    selector: str = "",
    stated: Mapping[str, Any],
    progress: Progress = lambda _share, _what: None,
) -> Imported:
    """Read the load of a vLLM server, and its board power."""
    found = _Server(server=server, wanted=wanted, selector=selector)
    load = found.load()
    imported = import_run(server, wanted, catalog, progress)
    run = imported.run
    used = at_work(run.devices, run.conditions)
    if not used or any(one.shares_board for one in used):
        raise MeterError("no board was used as a whole: choose the boards with --selector")
    whole = replace(load, component=used[0].key, devices=len(used), **stated)
    if not whole.precision:
        raise MeterError("the server does not report the format of its weights: set --precision")
    power = fleet.mean_power_w(run.energy, [one.key for one in used])
    if power is not None:
        whole = with_power(whole, power[0] * len(used), power[1])
    served = replace(
        run,
        id=f"{run.id}-{fleet.digest(whole.model, selector)[:4]}",
        served=(whole,),
        notes=(*run.notes, *found.notes),
    )
    return replace(imported, run=served)


@dataclass(kw_only=True)
class _Server:
    """Series of one vLLM server in a window."""

    server: Prometheus
    wanted: Wanted
    selector: str
    notes: list[str] = field(default_factory=list)

    def load(self) -> ServedLoad:
        """Load without its devices."""
        window_s = self.wanted.window.length_s
        written = self._read(WRITTEN)
        tokens = sum(map(gained, written.values()))
        if not tokens > 0:
            raise MeterError(
                f"{self.server.address} has no {WRITTEN} that grows in the window: is the vLLM "
                "server scraped, and --server-selector right?"
            )
        self._refuse_gaps(written)
        names = sorted({dict(one).get("model_name", "") for one in written})
        if len(names) > 1:
            some = ", ".join(names)[:200]
            raise MeterError(f"several models were served: {some}; choose with --server-selector")
        running = self._mean(RUNNING)
        self._refuse_idle(running)
        done = sum(map(gained, self._read(DONE).values()))
        read = sum(map(gained, self._read(READ).values()))
        measured = {"output_tokens_per_s": tokens / window_s}
        latency = self._median(BETWEEN)
        first = self._median(FIRST)
        waiting = self._mean(WAITING)
        if first is not None and running and (waiting or 0.0) > MOST_WAITING * running:
            self.notes.append("requests waited: the time to the first token is left out")
            first = None
        measured |= {} if latency is None else {"inter_token_s": latency}
        measured |= {} if first is None else {"time_to_first_token_s": first}
        return ServedLoad(
            component="",
            model=" ".join(names[0].split())[:200],
            program="vllm",
            concurrency=running,
            input_tokens=read / done if done and read else None,
            output_tokens=tokens / done if done else None,
            requests=done or None,
            measured=measured,
        )

    def _read(self, name: str) -> dict[Labels, MetricSeries]:
        """Samples of a metric in the window, and values at its edges."""
        window = self.wanted.window
        wider = replace(window, start_s=window.start_s - MARGIN_S, end_s=window.end_s + MARGIN_S)
        found = self.server.raw(name, self.selector, wider)
        return {labels: inside(one, window) for labels, one in found.items()}

    def _mean(self, name: str) -> float | None:
        """Time mean of a gauge, summed over the engines, or None without samples."""
        means = [float(np.mean(one.value)) for one in self._read(name).values() if len(one.value)]
        return sum(means) if means else None

    def _refuse_gaps(self, read: Mapping[Labels, MetricSeries]) -> None:
        """Refuse series that cover too little of the window."""
        spans = [one.time_s[-1] - one.time_s[0] for one in read.values() if len(one.time_s) > 1]
        covered = max(spans, default=0.0) / self.wanted.window.length_s
        if covered < COVERED_ENOUGH:
            raise MeterError(
                f"the server's series cover {in_percent(covered)} of the window: choose one in "
                "which it ran"
            )

    def _refuse_idle(self, running: float | None) -> None:
        """Refuse a window in which the server was sometimes idle."""
        samples = [one.value for one in self._read(RUNNING).values() if len(one.value)]
        if running is None or not samples:
            self.notes.append(f"no series of {RUNNING}: the concurrency is unknown")
            return
        idle = float(np.mean([np.mean(one == 0) for one in samples]))
        if idle > MOST_IDLE:
            raise MeterError(
                f"the server was idle in {in_percent(idle)} of the samples: choose a window in "
                "which it served all the time"
            )

    def _median(self, names: Sequence[str]) -> float | None:
        """Median of the first available histogram [s]."""
        for name in names:
            read = self._read(name)
            if not read:
                continue
            counts: dict[float, float] = {}
            for labels, series in read.items():
                bound = float(dict(labels).get("le", "nan"))
                counts[bound] = counts.get(bound, 0.0) + gained(series)
            found = median_of(counts)
            if found is None:
                what = name.removeprefix("vllm:").removesuffix("_seconds_bucket")
                self.notes.append(f"the histogram {what} is too coarse for its median")
            return found
        return None


def gained(series: MetricSeries) -> float:
    """Return the increase of a counter across restarts.

    >>> gained(MetricSeries(time_s=np.arange(4.0), value=np.array([5.0, 9.0, 1.0, 3.0])))
    7.0
    """
    steps = pairwise(series.value.tolist())
    return float(sum(after - before if after >= before else after for before, after in steps))


def median_of(counts: Mapping[float, float]) -> float | None:
    """Median from cumulative bucket counts, or None if its bucket is wide.

    >>> median_of({0.05: 20.0, 0.075: 80.0, float("inf"): 100.0})
    0.0625
    >>> median_of({0.01: 20.0, 0.025: 80.0, float("inf"): 100.0}) is None
    True
    """
    bounds = sorted(bound for bound in counts if not np.isnan(bound))
    if not bounds or not counts[bounds[-1]] > 0:
        return None
    half = 0.5 * counts[bounds[-1]]
    at = next(place for place, bound in enumerate(bounds) if counts[bound] >= half)
    upper, lower = bounds[at], bounds[at - 1] if at else 0.0
    if not (np.isfinite(upper) and lower > 0 and upper / lower <= WIDEST_BUCKET):
        return None
    below, through = counts[bounds[at - 1]], counts[upper]
    return float(lower + (upper - lower) * (half - below) / (through - below))
