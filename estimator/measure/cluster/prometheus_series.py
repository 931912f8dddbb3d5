"""Series of a run on a server, converted to its devices and nodes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from estimator.catalog import Catalog
from estimator.measure.cluster import dcgm, node_power
from estimator.measure.cluster import nodes as fleet
from estimator.measure.cluster.prometheus import Labels, MetricSeries, Prometheus, Window, one_of
from estimator.measure.cluster.series import inside
from estimator.runs.meter import MeterError
from estimator.runs.record import Condition, Energy, MeasuredDevice

MARGIN_S = 120.0
"""Margin before and after the window to determine its edges [s]."""

SHOWN_NAMES = 8

Progress = Callable[[float, str], None]
Place = tuple[str, str]
"""Node and id of a board."""

Sources = dict[tuple[str, node_power.Part], tuple[node_power.PowerSource, list[Labels]]]
"""(Node, component) -> energy source."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Run to import.

    Parameters
    ----------
    hosts : tuple of str
        Its nodes; empty: all that the selector leaves.
    selector : str
        Matchers on the series of its boards, as PromQL writes them; empty: all boards.
    work : mapping
        What it did: fields of `Timing`; empty if not known.
    """

    start_s: float
    end_s: float
    hosts: tuple[str, ...] = ()
    selector: str = ""
    label: str | None = None
    work: Mapping[str, Any] = field(default_factory=dict)

    @property
    def window(self) -> Window:
        """Window from start to end."""
        return Window(start_s=self.start_s, end_s=self.end_s)

    @property
    def nodes(self) -> set[str]:
        """Short names of the nodes."""
        return {fleet.short_name(one) for one in self.hosts}


@dataclass(kw_only=True)
class StepTotals:
    """Progress over several metrics."""

    tell: Progress
    count: int
    done: int = 0

    def step(self, what: str) -> Callable[[float], None]:
        """Begin the next metric."""
        before, self.done = self.done, self.done + 1
        return lambda share: self.tell(min(1.0, (before + share) / max(1, self.count)), what)


@dataclass(kw_only=True)
class Reader:
    """Import of one run: server, request, and notes."""

    server: Prometheus
    wanted: Wanted
    catalog: Catalog
    notes: list[str] = field(default_factory=list)

    def metrics(self, boards: Sequence[Labels], hosts: Sources) -> int:
        """Return the number of metrics to read."""
        names = {dict(one)["__name__"] for one in boards}
        return len(names | {source.metric for source, _ in hosts.values()})

    def boards(self) -> list[Labels]:
        """All series of the requested boards."""
        found = self.server.series(list(dcgm.SCALE), self.wanted.selector, self.wanted.window)
        there = {dcgm.board_of(one).node for one in found}
        missing = self.wanted.nodes - there
        if found and missing:
            some = fleet.in_order(there)
            more = " and more" if len(some) > SHOWN_NAMES else ""
            raise MeterError(
                f"no boards of {', '.join(fleet.in_order(missing))} there; there are those of "
                f"{', '.join(some[:SHOWN_NAMES])}{more}"
            )
        return [
            one
            for one in found
            if not self.wanted.nodes or dcgm.board_of(one).node in self.wanted.nodes
        ]

    def nothing(self) -> MeterError:
        """Error on series that were not found, and where they are instead."""
        window = self.wanted.window
        names = [dcgm.POWER, dcgm.COUNTER]
        if self.wanted.selector and (others := self.server.series(names, "", window)):
            boards = {dcgm.board_of(one) for one in others}
            return MeterError(
                f"no series from {window} are of boards with {self.wanted.selector}; without it "
                f"there are {len(boards)} boards"
            )
        if self.server.series(names, self.wanted.selector, None):
            return MeterError(
                f"{self.server.address} has such series, but none from {window}: is the window "
                f"right (times are UTC unless they say otherwise), and kept for so long?"
            )
        return MeterError(
            f"{self.server.address} has no series of {', '.join(names)}, nor with --hosts of "
            f"{', '.join(node_power.METRICS)}: is dcgm-exporter scraped?"
        )

    def sources_of_nodes(
        self, nodes: Sequence[str], devices: Mapping[Place, MeasuredDevice]
    ) -> Sources:
        """Return the energy sources of exclusively used nodes."""
        found = self.server.series(node_power.METRICS, "", self.wanted.window)
        best = node_power.chosen(found, nodes)
        if devices and not best:
            self.notes.append("no energy of the nodes themselves, beside their boards, is known")
        if not devices or not best:
            return best
        shared = self._shared(nodes, devices)
        if shared:
            self.notes.append(
                f"others had boards of {len(shared)} of {len(nodes)} nodes: the energy of these "
                f"nodes is left out"
            )
        return {key: one for key, one in best.items() if key[0] not in shared}

    def _shared(self, nodes: Sequence[str], devices: Mapping[Place, MeasuredDevice]) -> set[str]:
        """Nodes with boards, or parts of boards, outside the selection."""
        if not self.wanted.selector:
            return set()
        every = self.server.series([dcgm.POWER, dcgm.COUNTER], "", self.wanted.window)
        boards = {dcgm.board_of(one) for one in every}
        divided = {place[0] for place, one in devices.items() if one.shares_board}
        left_out = {one.node for one in boards if (one.node, one.id) not in devices}
        return set(nodes) & (left_out | divided)

    def of_boards(
        self, found: Sequence[Labels], devices: Mapping[Place, MeasuredDevice], steps: StepTotals
    ) -> tuple[list[Energy], list[Condition]]:
        """Energy and state of the boards."""
        present = [name for name in dcgm.SCALE if any(_has_name(one, name) for one in found)]
        self._say_what_is_missing(present, devices)
        readings: dict[Place, dict[str, MetricSeries]] = {place: {} for place in devices}
        states: dict[Place, dict[str, tuple[float, float]]] = {place: {} for place in devices}
        for name in present:
            chosen = [one for one in found if _has_name(one, name)]
            nodes = _of_nodes(chosen) if self.wanted.hosts else ""
            read = self._read(name, [self.wanted.selector, nodes], steps)
            for place, series in _by_board(read, devices).items():
                one = dcgm.scaled(name, series)
                if name in (dcgm.POWER, dcgm.COUNTER):
                    readings[place][name] = one
                elif state := dcgm.mean_and_peak(inside(one, self.wanted.window)):
                    states[place][name] = state
        energy: list[Energy] = []
        conditions: list[Condition] = []
        for place, device in devices.items():
            limit_w = dcgm.limit_w(device, self.catalog)
            summary = dcgm.board_summary(device, readings[place], self.wanted.window, limit_w)
            energy += [] if summary.energy is None else [summary.energy]
            conditions.append(dcgm.condition_of(device, states[place]))
            self.notes += summary.notes
        return energy, [one for one in conditions if one != Condition(component=one.component)]

    def _say_what_is_missing(
        self, present: Sequence[str], devices: Mapping[Place, MeasuredDevice]
    ) -> None:
        missing = [name for name in dcgm.PROFILING if name not in present]
        if devices and missing:
            self.notes.append(
                f"no series of {', '.join(missing)}: the exporter's list of counters leaves "
                f"profiling out by default on some boards"
            )
        for one in sorted({one.name for one in devices.values() if one.hardware is None}):
            self.notes.append(f"{one!r} has no profile, so it calibrates no other run")
        if any(one.shares_board for one in devices.values()):
            self.notes.append(
                "boards are divided by MIG: power and energy are of the whole board, others' parts "
                "with it"
            )

    def _read(
        self, name: str, matchers: Sequence[str], steps: StepTotals
    ) -> dict[Labels, MetricSeries]:
        """Samples of a metric in the window and its margins."""
        window = self.wanted.window
        wider = Window(start_s=window.start_s - MARGIN_S, end_s=window.end_s + MARGIN_S)
        selector = ",".join(one for one in matchers if one)
        return self.server.raw(name, selector, wider, steps.step(name))

    def of_nodes(self, hosts: Sources, nodes: Sequence[str], steps: StepTotals) -> list[Energy]:
        """Energy of the nodes themselves."""
        energy: list[Energy] = []
        for metric in dict.fromkeys(source.metric for source, _ in hosts.values()):
            mine = {key: one for key, one in hosts.items() if one[0].metric == metric}
            series = [labels for _, some in mine.values() for labels in some]
            read = self._read(metric, [_of_nodes(series)], steps)
            for (node, part), (source, some) in mine.items():
                readings = {labels: read[labels] for labels in some if labels in read}
                if not readings:
                    continue
                summary = node_power.node_summary(
                    f"node{nodes.index(node)}/{part}",
                    source,
                    readings,
                    self.wanted.window,
                )
                energy += [] if summary.energy is None else [summary.energy]
                self.notes += summary.notes
        return energy


def _has_name(labels: Labels, name: str) -> bool:
    return ("__name__", name) in labels


def _of_nodes(series: Sequence[Labels]) -> str:
    """Matcher on the nodes of some series, if all use the same label."""
    places = [dcgm.node_of(one) for one in series]
    if len({label for label, _ in places}) != 1:
        return ""
    return one_of(places[0][0], sorted({value for _, value in places}))


def _by_board(
    read: Mapping[Labels, MetricSeries], devices: Mapping[Place, MeasuredDevice]
) -> dict[Place, list[MetricSeries]]:
    """Group series by board, including those of its parts."""
    groups: dict[Place, list[MetricSeries]] = {}
    for labels, series in read.items():
        board = dcgm.board_of(labels)
        if (board.node, board.id) in devices:
            groups.setdefault((board.node, board.id), []).append(series)
    return groups
