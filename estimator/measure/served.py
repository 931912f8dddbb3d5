"""Result file and power of a command that benchmarks a server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from estimator.catalog import Catalog
from estimator.measure.attribution import total_power_w, used_devices, with_power
from estimator.measure.logs.formats import format_of, logged_runs
from estimator.measure.logs.log_file import LogFile, read_log
from estimator.measure.logs.logged_run import LoggedRun, placed_load
from estimator.runs.meter import Meter, MeterError, Sample
from estimator.runs.record import MeasuredRun, ServedLoad


@dataclass(kw_only=True)
class ResultFile:
    """File that a benchmark writes or appends its result to."""

    path: Path
    catalog: Catalog
    stated: Mapping[str, Any]
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._before = {one.identity for one in self._runs()[1]}

    def loads(
        self,
        run: MeasuredRun,
        meters: Sequence[Meter],
        samples: Mapping[str, Sequence[Sample]],
        ended_s: float,
    ) -> tuple[ServedLoad, ...]:
        """Loads written since the start, on the busy devices, with power.

        Parameters
        ----------
        ended_s : float
            End of the command on the clock of the samples [s].
        """
        log, found = self._runs(loud=True)
        fresh = [one for one in found if one.served and one.identity not in self._before]
        if log is None or not fresh:
            self.notes.append(f"no new benchmark of a server in {self.path.name}")
            return ()
        keys = used_devices(run)
        used = [one for one in run.devices if one.key in keys]
        if not used or any(one.shares_board for one in used):
            self.notes.append("which devices served is unknown: no load is kept")
            return ()
        try:
            loads = [
                placed_load(log, one, self.stated, used) for run in fresh for one in run.served
            ]
        except MeterError as error:
            self.notes.append(str(error))
            return ()
        self.notes += [note for one in fresh for note in one.notes]
        if len(loads) > 1 or fresh[0].wall_s is None:
            self.notes.append("several loads in one command: the power of each is unknown")
            return tuple(loads)
        window = (ended_s - min(fresh[0].wall_s, run.wall_s), ended_s)
        power = total_power_w([one.key for one in used], meters, samples, window)
        return (loads[0] if power is None else with_power(loads[0], *power),)

    def _runs(self, *, loud: bool = False) -> tuple[LogFile | None, list[LoggedRun]]:
        """The file and its runs, as far as readable."""
        try:
            log = read_log(self.path)
            name = format_of(log)
            return log, [] if name is None else logged_runs(log, name, self.catalog)
        except (MeterError, OSError) as error:
            if loud:
                self.notes.append(" ".join(str(error).split()))
            return None, []
