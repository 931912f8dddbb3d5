"""Run of a job, from Slurm's accounting.

The energy is that of whole nodes (slurm.conf(5), AcctGatherEnergyType: "in case of node sharing
between jobs the reported consumed energy per job will not reflect the real energy"), so it is valid
only for exclusive nodes. Steps are not simply added: simultaneous steps on a node count the same
energy. With ``PrologFlags=Contain`` the job's value is that of step "extern"; without, Slurm adds
up all steps, the batch script's and those it started (src/stepmgr/stepmgr.c,
_internal_step_complete).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal

from estimator.catalog import Catalog
from estimator.measure.cluster import nodes as fleet
from estimator.measure.cluster.dcgm import UNKNOWN_BOARD_LIMIT_W
from estimator.measure.cluster.node_power import LIMIT_W
from estimator.measure.cluster.prometheus import moment
from estimator.measure.cluster.sacct import STATES, Row, choose, count
from estimator.runs.energy import SANE_TIMES_LIMIT
from estimator.runs.meter import MeterError
from estimator.runs.record import Energy, MeasuredDevice, MeasuredRun, State, Timing

Gathers = Literal["node", "cpu", "gpu"]
"""Scope of the cluster's plugin: nodes (ipmi, pm_counters, xcc), CPUs (rapl) or GPUs (gpu)."""

FEW_CORES = 16
"""Fewer cores than any accelerator node has [1]; such a job shares its node."""

MOST_BOARDS = 1_000_000
"""Largest plausible number of boards [1]."""

TYPED = "gres/gpu:"
OUTCOME: Mapping[State, str] = {"failed": "failed", "interrupted": "was cut off"}

PART_OF_BOARD = re.compile(r"(^|[_.-])\d+g\.\d+gb", re.IGNORECASE)
"""Pattern of a MIG partition, as in 1g.10gb."""


@dataclass(frozen=True, kw_only=True)
class SlurmRequest:
    """Job to import, and facts missing in its accounting."""

    job: str | None = None
    hardware: str | None = None
    exclusive: bool = False
    gathers: Gathers = "node"
    label: str | None = None
    work: Mapping[str, Any] = field(default_factory=dict)


def job_run(rows: Sequence[Row], asked: SlurmRequest, catalog: Catalog) -> MeasuredRun:
    """Build a record of a finished job."""
    job = _Job(rows=choose(rows, asked.job), asked=asked, catalog=catalog)
    devices = job.devices()
    energy = job.energy()
    timings = job.timings(devices, energy)
    began = moment(job.start_s)
    return MeasuredRun(
        id=f"{re.sub('[-:]', '', began)}-{fleet.digest(began, job.node_list, job.name)[:8]}",
        origin="slurm",
        started=began,
        wall_s=job.wall_s,
        state=job.state,
        exit_code=job.exit_code,
        label=asked.label,
        host=fleet.host_of(job.node_names, cores=int(job.cores) or None),
        devices=tuple(devices),
        energy=() if energy is None else (energy,),
        timings=timings,
        notes=tuple(job.notes),
    )


EXIT_DIGITS = 3
"""Most digits of an exit code, which is 0 to 255."""


@dataclass(kw_only=True)
class _Job:
    """Job with its rows and notes."""

    rows: Sequence[Row]
    asked: SlurmRequest
    catalog: Catalog
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        whole = self.rows[0]
        self.name, self.wall_s, self.start_s = whole.job, whole.elapsed_s, whole.start_s or 0.0
        self.state: State = STATES[whole.reported["State"].partition(" ")[0].rstrip("+")]
        code = whole.reported.get("ExitCode", "").partition(":")[0]
        self.exit_code = int(code) if code.isdecimal() and len(code) <= EXIT_DIGITS else None
        self.node_list = whole.reported.get("NodeList", "")
        self.nodes = _nodes(whole)
        self.cores = whole.tres.get("cpu", 0.0)
        self.boards = _boards(whole.tres)

    @property
    def node_names(self) -> list[str]:
        """Names of the nodes without bracketed ranges: node[01-04] is node."""
        return re.sub(r"\[[^\]]*\]", "", self.node_list).split(",")

    def devices(self) -> list[MeasuredDevice]:
        """Allocated boards, with type where reported."""
        if any(name.startswith(("gres/shard", "gres/mps")) for name in self.rows[0].tres):
            self.notes.append("parts of boards were allocated (shard, mps): no board is named")
            return []
        total = round(sum(self.boards.values()))
        if total > MOST_BOARDS:
            raise MeterError(f"job {self.name} had {total} boards, which no machine has")
        each, over = divmod(total, self.nodes)
        found: list[MeasuredDevice] = []
        for kind, number in self.boards.items():
            board = self._board(kind)
            for _ in range(round(number)):
                at = len(found)
                key = f"gpu:{at}" if over else f"node{at // each}/gpu:{at % each}"
                found.append(replace(board, key=key))
        return found

    def _board(self, kind: str) -> MeasuredDevice:
        """Board of one type, without a key."""
        divided = "MIG" if PART_OF_BOARD.search(kind) else None
        asked = self.asked.hardware
        profile = (
            self.catalog.device(asked).id if asked else self.catalog.find_device(kind or "gpu")
        )
        if profile is None:
            what = f"boards of type {kind!r}" if kind else "boards of no type"
            self.notes.append(f"{what} were allocated: say what they are with --hardware")
        elif asked is None:
            name = self.catalog.device(profile).name
            self.notes.append(f"boards of type {kind!r} are taken as {name}; else say --hardware")
        return MeasuredDevice(
            key="",
            kind="gpu",
            name=kind or asked or "gpu",
            hardware=profile,
            shares_board=divided,
        )

    def energy(self) -> Energy | None:
        """Energy of the job, if accounted and attributable to it."""
        found = self._counted_energy()
        if found is None or self._is_shared():
            return None
        energy_j, time_s, what = found
        if time_s <= 0:
            self.notes.append(f"the energy {what} covers no time, and is left out")
            return None
        most_w = SANE_TIMES_LIMIT * self._limit_w()
        if energy_j > most_w * time_s:
            self.notes.append(f"implausible energy ignored: {energy_j / time_s:.3g} W on average")
            return None
        return Energy(
            component={"node": "host"}.get(self.asked.gathers, self.asked.gathers),
            meter="slurm",
            trust="counter",
            energy_j=energy_j,
            duration_s=time_s,
            coverage=min(1.0, time_s / self.wall_s),
            note=f"of {self.nodes} nodes together, {what}",
        )

    def _counted_energy(self) -> tuple[float, float, str] | None:
        """Energy [J], its covered time [s], and the rows used, or None."""
        whole, steps = self.rows[0], [row for row in self.rows[1:] if row.energy_j]
        named = {row.step: row for row in steps}
        if "extern" in named:
            return named["extern"].energy_j or 0.0, self.wall_s, "by the step extern"
        if not steps:
            if whole.energy_j is None:
                self.notes.append(
                    "the accounting has no energy of this job (0 means none): is the plugin "
                    "AcctGatherEnergyType set?"
                )
                return None
            if len(self.rows) == 1:
                self.notes.append(
                    "without the steps it cannot be seen whether some count the same energy"
                )
            return whole.energy_j, self.wall_s, "by the job"
        if "batch" in named and self.nodes == 1:
            batch = named["batch"]
            return batch.energy_j or 0.0, min(batch.elapsed_s, self.wall_s), "by the batch step"
        return self._by_steps([row for row in steps if row.step.isdecimal()])

    def _by_steps(self, steps: Sequence[Row]) -> tuple[float, float, str] | None:
        """Sum over consecutive steps on all nodes."""
        ordered = sorted(steps, key=lambda row: row.start_s or 0.0)
        apart = all(
            (before.start_s or 0.0) + before.elapsed_s <= (after.start_s or 0.0) + 1.0
            for before, after in pairwise(ordered)
        )
        if not steps or not apart or any(_nodes(row) != self.nodes for row in steps):
            self.notes.append(
                "the steps overlap, or leave out nodes: what they count cannot be added up, and "
                "the energy is left out"
            )
            return None
        time_s = min(self.wall_s, sum(row.elapsed_s for row in steps))
        return sum(row.energy_j or 0.0 for row in steps), time_s, f"by {len(steps)} steps"

    def _is_shared(self) -> bool:
        """Return whether nodes were shared, as far as reported; unknowns are noted."""
        if self.asked.exclusive:
            return False
        if self.cores / self.nodes < FEW_CORES:
            self.notes.append(
                f"the job had {self.cores / self.nodes:.3g} processors of a node: the energy is of "
                f"the whole node, and left out; say --exclusive if it had the node for itself"
            )
            return True
        self.notes.append(
            "the energy is of whole nodes, and the job's only if it had them for itself: say "
            "--exclusive"
        )
        return False

    def _limit_w(self) -> float:
        """Return the highest plausible power of all counted components [W]."""
        if self.asked.gathers == "gpu":
            return UNKNOWN_BOARD_LIMIT_W * max(1.0, sum(self.boards.values()))
        return LIMIT_W["host" if self.asked.gathers == "node" else "cpu"] * self.nodes

    def timings(
        self, devices: Sequence[MeasuredDevice], energy: Energy | None
    ) -> tuple[Timing, ...]:
        """Whole job as one repetition of its work, if known."""
        work = self.asked.work
        if work.get("flop") is not None and self.state != "finished":
            self.notes.append(f"the job {OUTCOME[self.state]}: how much it did is not known")
            return ()
        timings, why_not = fleet.training(
            work, devices, (), wall_s=self.wall_s, label=self.asked.label
        )
        self.notes += why_not
        alone = devices and self.asked.exclusive
        if energy is None or self.asked.gathers != "gpu" or not alone:
            return timings
        power_w = energy.mean_w / len(devices)
        return tuple(replace(one, power_w=power_w, trust="counter") for one in timings)


def _nodes(row: Row) -> int:
    """Number of nodes of a job or step."""
    return max(1, round(row.tres.get("node") or count(row.reported.get("NNodes", "")) or 1))


def _boards(tres: Mapping[str, float]) -> dict[str, float]:
    """Number of boards by type, untyped if only their number is reported."""
    typed = {
        name.removeprefix(TYPED): number for name, number in tres.items() if name.startswith(TYPED)
    }
    untyped = tres.get("gres/gpu", 0.0)
    return typed or ({"": untyped} if untyped else {})
