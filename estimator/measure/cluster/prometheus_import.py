"""Run on a cluster, from the telemetry in Prometheus."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from estimator.catalog import Catalog
from estimator.measure.attribution import at_work
from estimator.measure.cluster import nodes as fleet
from estimator.measure.cluster.dcgm import devices_of
from estimator.measure.cluster.prometheus import Prometheus, Window, moment
from estimator.measure.cluster.prometheus_series import Place, Progress, Reader, StepTotals, Wanted
from estimator.runs.meter import MeterError
from estimator.runs.record import MeasuredDevice, MeasuredRun

SHORTEST_S = 30.0
"""Shortest accepted window, which has a sample or two of a typical server [s]."""


@dataclass(frozen=True, kw_only=True)
class Imported:
    """Run, and its node names, which the record does not contain.

    Parameters
    ----------
    nodes : tuple of str
        The first is node0, and so on.
    """

    run: MeasuredRun
    nodes: tuple[str, ...]


def import_run(
    server: Prometheus,
    wanted: Wanted,
    catalog: Catalog,
    progress: Progress = lambda _share, _what: None,
) -> Imported:
    """Read one run from a server."""
    _refuse_odd_windows(wanted.window, server)
    job = Reader(server=server, wanted=wanted, catalog=catalog)
    boards = job.boards()
    devices = devices_of(boards, catalog)
    nodes = fleet.in_order({node for node, _ in devices} | (wanted.nodes if not devices else set()))
    hosts = job.sources_of_nodes(nodes, devices)
    if not devices and (wanted.selector or not hosts):
        raise job.nothing()
    steps = StepTotals(tell=progress, count=job.metrics(boards, hosts))
    energy, conditions = job.of_boards(boards, devices, steps)
    energy += job.of_nodes(hosts, nodes, steps)
    if not energy:
        raise MeterError(f"no energy is known for {wanted.window}: {'; '.join(job.notes)}")
    drivers = {dict(one).get("DCGM_FI_DRIVER_VERSION") for one in boards} - {None}
    used = at_work(list(devices.values()), conditions)
    timings, why_not = fleet.training(
        wanted.work, used, energy, wall_s=wanted.window.length_s, label=wanted.label
    )
    run = MeasuredRun(
        id=_id(wanted, nodes, devices),
        origin="prometheus",
        started=moment(wanted.start_s),
        wall_s=wanted.window.length_s,
        state="finished",
        label=wanted.label,
        host=fleet.host_of(nodes, driver=drivers.pop() if len(drivers) == 1 else None),
        devices=tuple(devices.values()),
        energy=tuple(energy),
        conditions=tuple(conditions),
        timings=timings,
        notes=tuple(fleet.gathered((*job.notes, *why_not, *server.warnings))),
    )
    return Imported(run=run, nodes=tuple(nodes))


def _refuse_odd_windows(window: Window, server: Prometheus) -> None:
    """Refuse windows that are empty, too short, or in the future by server time."""
    if not window.length_s > 0:
        raise MeterError(f"the window ends before it begins: {window}")
    if window.length_s < SHORTEST_S:
        raise MeterError(
            f"a window of {window.length_s:.3g} s is too short for telemetry that is read every "
            f"15 s or so: {SHORTEST_S:.0f} s at least"
        )
    now_s = server.now_s()
    if window.end_s > now_s:
        raise MeterError(
            f"the window ends at {moment(window.end_s)}, and it is {moment(now_s)} by the clock of "
            f"the server: choose an end that has passed (times are UTC unless they say otherwise)"
        )


def _id(wanted: Wanted, nodes: Sequence[str], devices: Mapping[Place, MeasuredDevice]) -> str:
    """Deterministic run id, so that repeated imports do not duplicate."""
    what = fleet.digest(
        moment(wanted.start_s), moment(wanted.end_s), *nodes, *(id for _, id in devices)
    )
    began = moment(wanted.start_s).replace("-", "").replace(":", "")
    return f"{began}-{what[:8]}"
