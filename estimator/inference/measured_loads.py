"""Measured server runs in the store, and their effect on an answer."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from estimator.catalog import Catalog
from estimator.core.messages import message, reason, refuse
from estimator.core.notice import Notice
from estimator.core.uncertainty import Uncertain
from estimator.inference.calibration import (
    DELIVERED,
    ENERGY,
    POWER,
    RATE,
    Floats,
    LoadComponents,
    LoadEvidence,
    Loads,
    components_of,
)
from estimator.inference.devices import find_serving_device
from estimator.inference.quantities import MODEL, expected_quantities, own_log_sd
from estimator.inference.question import ServingQuestion
from estimator.inference.resolver import resolve, resolve_valid
from estimator.inference.setups import ServingTable
from estimator.question.table import Table
from estimator.runs import read_served
from estimator.runs.record import MeasuredRun, ServedLoad
from estimator.runs.store_state import FILES, State, store_state
from estimator.system.data_folder import data_directory

MOST_LOADS = 200
"""Most runs used per device, the newest ones."""

FAR_OFF = 5.0
"""Standard deviations beyond which a run counts as erroneous and is left out [1]."""

OF_MEASURED_LOADS = ("serving_calibrated", "serving_runs_far_off", "serving_runs_unusable")
"""Codes of the notices about measured server runs."""


@dataclass(frozen=True, kw_only=True)
class MeasuredLoad:
    """Measured server load."""

    run: MeasuredRun
    load: ServedLoad


@dataclass(frozen=True)
class KnownLoads:
    """Measured server loads, resolved and compared with the model on first use.

    Parameters
    ----------
    catalog : Catalog
    runs : sequence of MeasuredRun
        Runs that are built in, imported or measured here.
    host : str
        Id of this host.
    """

    catalog: Catalog
    runs: Sequence[MeasuredRun]
    host: str = ""

    @cached_property
    def far_off(self) -> dict[str, list[str]]:
        """Device -> ids of runs with implausible loads."""
        return {}

    @cached_property
    def unusable(self) -> dict[str, dict[str, str]]:
        """Device -> id of each unusable run, and the reason.

        Loads without a known device are left out.
        """
        return {}

    @cached_property
    def _by_device(self) -> dict[str, tuple[list[MeasuredLoad], ServingTable]]:
        """Device -> its newest loads, at most `MOST_LOADS`, with their setups."""
        loads: list[MeasuredLoad] = []
        asked: list[ServingQuestion] = []
        for run in sorted(self.runs, key=lambda one: one.started, reverse=True):
            for load in () if run.simulated else run.served:
                try:
                    asked.append(_question(run, load))
                except ValueError as error:
                    self._leave_out(run, load, reason(error))
                    continue
                loads.append(MeasuredLoad(run=run, load=load))
        found = resolve(Table.of(ServingQuestion, asked), self.catalog)
        for row, why in found.errors.items():
            self._leave_out(loads[row].run, loads[row].load, why)
        groups: dict[str, list[int]] = {}
        for row, device in enumerate(devices_of(found.table).tolist()):
            groups.setdefault(device, []).append(row)
        kept = {device: np.array(rows[:MOST_LOADS]) for device, rows in groups.items()}
        return {
            device: ([loads[at] for at in found.rows[rows].tolist()], found.table.part(rows))
            for device, rows in kept.items()
        }

    @cached_property
    def _evidence(self) -> dict[str, tuple[list[MeasuredLoad], LoadEvidence]]:
        """Device -> its loads and their evidence."""
        parts = components_of(self.catalog)
        return {
            device: self._against_model(device, loads, table, parts)
            for device, (loads, table) in self._by_device.items()
        }

    def _against_model(
        self, device: str, found: list[MeasuredLoad], table: ServingTable, parts: LoadComponents
    ) -> tuple[list[MeasuredLoad], LoadEvidence]:
        """Keep the runs that are plausible given the model's expectation."""
        answered = expected_quantities(table)
        expected, variance = (
            np.array([answered[name][part] for name in DELIVERED]).T for part in (0, 1)
        )
        measured = np.array(
            [[_positive(one.load.measured, name) for name in DELIVERED] for one in found]
        )
        ratio = np.log(measured / expected)
        own = own_log_sd(table)
        own_sd = np.array([own[name] for name in DELIVERED]).T
        open_sd = np.sqrt(variance)
        usable = np.isfinite(own_sd) & np.isfinite(ratio)
        far = np.where(usable, np.abs(ratio) / np.hypot(own_sd, open_sd), 0.0).max(axis=1) > FAR_OFF
        if far.any():
            ids = dict.fromkeys(one.run.id for one, off in zip(found, far, strict=True) if off)
            self.far_off[device] = list(ids)
        kept = ~far & usable.any(axis=1)
        hosts = [self._host(one.run.host.id) for one in found]
        evidence = LoadEvidence(
            loads=loads_of(table, np.array(hosts)).part(kept),
            log_ratio=np.where(usable, ratio, np.nan)[kept],
            own_sd=own_sd[kept],
            open_sd=open_sd[kept],
            components=parts,
        )
        return [one for one, keep in zip(found, kept, strict=True) if keep], evidence

    def _leave_out(self, run: MeasuredRun, load: ServedLoad, why: Notice) -> None:
        """Record why a load is not used, under its device."""
        hardware = _hardware_of(run, load)
        if hardware is None:
            return
        with suppress(ValueError):
            device = find_serving_device(self.catalog, hardware).device.id
            self.unusable.setdefault(device, {}).setdefault(run.id, message(why))

    def runs_on(self, device: str) -> int:
        """Return the number of runs with plausible loads on a device [1]."""
        found = self._evidence.get(device)
        return len({one.run.id for one in found[0]}) if found else 0

    def _warned(self, device: str) -> tuple[Notice, ...]:
        """Return notices on the device's unused runs and the reasons."""
        warned: list[Notice] = []
        far_off, unusable = self.far_off.get(device, []), self.unusable.get(device, {})
        if far_off:
            values = {"count": float(len(far_off)), "run": far_off[0], "sds": FAR_OFF}
            warned.append(Notice("serving_runs_far_off", "", values))
        if unusable:
            run, why = next(iter(unusable.items()))
            values = {"count": float(len(unusable)), "run": run, "why": why}
            warned.append(Notice("serving_runs_unusable", "", values))
        return tuple(warned)

    def _host(self, name: str) -> int:
        """Return a host's numeric id, 0 for this one."""
        return 0 if name == self.host else 1 + int.from_bytes(name.encode()[:6], "big")

    def corrected(
        self, table: ServingTable, ranges: Mapping[str, Uncertain]
    ) -> tuple[dict[str, Uncertain], Sequence[tuple[Notice, ...]]]:
        """Return the quantities of setups after calibration, with notices."""
        devices = devices_of(table)
        evidence = self._evidence
        known = [name for name in evidence if (devices == name).any()]
        if not known and not np.isin(devices, list(self.unusable)).any():
            return dict(ranges), ()
        mids = np.array([ranges[name].mid for name in DELIVERED]).T
        total = np.array([ranges[name].log_sd for name in DELIVERED]).T
        own = own_log_sd(table)
        own_sd = np.array([own[name] for name in DELIVERED]).T
        where = loads_of(table, np.zeros(table.count, dtype=np.int64))
        shift, left = np.zeros(mids.shape), np.ones(mids.shape)
        for name in known:
            rows = devices == name
            mean, share = evidence[name][1].posterior(where.part(rows))
            shift[rows], left[rows] = mean * own_sd[rows], share
        shift[:, ENERGY] = shift[:, POWER] - shift[:, RATE]
        variance = np.square(total) - np.square(own_sd) * (1.0 - np.square(left))
        after = np.sqrt(np.maximum(variance, 0.0))

        def notices_of(place: int) -> tuple[Notice, ...]:
            name = str(devices[place])
            if name not in known:
                return self._warned(name)
            changed = (shift[place], after[place] / total[place])
            full_name = self.catalog.device(name).name
            said = _evidence_notices(*evidence[name], where, place, changed, full_name)
            return (*said, *self._warned(name))

        return {
            **ranges,
            **{
                name: Uncertain(mids[:, at] * np.exp(shift[:, at]), {MODEL: after[:, at]})
                for at, name in enumerate(DELIVERED)
            },
        }, [notices_of(place) for place in range(table.count)]


def check_loads(run: MeasuredRun, catalog: Catalog) -> None:
    """Refuse a run whose loads cannot be used for calibration.

    Raises
    ------
    ValueError
        For an unknown model, a format that the device does not support, or a number outside its
        limits.
    """
    resolve_valid([_question(run, load) for load in run.served], catalog)


def _question(run: MeasuredRun, load: ServedLoad) -> ServingQuestion:
    """Return the question that would predict a load.

    Raises
    ------
    ValueError
        If a device is unknown or a number is invalid.
    """
    hardware = _hardware_of(run, load)
    if hardware is None:
        raise refuse("serving_run_without_device", "hardware")
    return ServingQuestion(
        preset=load.model,
        params=load.params_total,
        active_params=load.params_active,
        hardware=hardware,
        devices=float(load.devices),
        precision=load.precision,
        kv_precision=load.kv_precision,
        software=load.program,
        concurrency=load.concurrency,
        input_tokens=load.input_tokens,
        output_tokens=load.output_tokens,
        tensor_parallel=load.tensor_parallel,
        expert_parallel=load.expert_parallel,
        data_parallel=load.data_parallel,
    )


def _hardware_of(run: MeasuredRun, load: ServedLoad) -> str | None:
    """Return the id of the whole device that served a load, or None if unknown."""
    device = next((one for one in run.devices if one.key == load.component), None)
    return None if device is None or device.shares_board is not None else device.hardware


def _positive(measured: Mapping[str, float], name: str) -> float:
    value = measured.get(name, np.nan)
    return value if value > 0 else np.nan


def devices_of(table: ServingTable) -> npt.NDArray[np.str_]:
    """Return the device id of each row."""
    return table.of_named(lambda one: one.device.device.id, np.str_)


def loads_of(table: ServingTable, hosts: np.ndarray) -> Loads:
    """Return the features that determine the error correlations of some setups."""
    traffic, at = table.traffic, table.named_at
    size = table.count

    def logs(values: object) -> Floats:
        return np.array(np.broadcast_to(np.log(np.asarray(values, dtype=np.float64)), size))

    return Loads(
        place=np.array([hash((one.device.device.id, one.engine)) for one in table.named])[at],
        local=table.local,
        setup=_setups(table),
        host=np.asarray(hosts, dtype=np.int64),
        params=logs(np.array([one.model.params for one in table.named])[at]),
        visited=logs(table.model.visited_params),
        sequences=logs(traffic.sequences),
        input_tokens=logs(traffic.input_tokens),
        output_tokens=logs(traffic.output_tokens),
    )


def _setups(table: ServingTable) -> npt.NDArray[np.int64]:
    """Code the weight format and layout of each row; equal setups get equal codes."""
    layout = table.layout
    kept = (table.expert_bits, layout.dense_bytes, layout.cache_bytes)
    columns = (*kept, layout.devices, layout.data_parallel, layout.expert_shard, layout.stages)
    cells = np.array([np.broadcast_to(one, table.count) for one in columns]).T
    return np.array([hash(tuple(row)) for row in cells.tolist()], dtype=np.int64)


def _evidence_notices(
    found: Sequence[MeasuredLoad],
    evidence: LoadEvidence,
    where: Loads,
    place: int,
    changed: tuple[Floats, Floats],
    device: str,
) -> tuple[Notice, ...]:
    """Return the number, age and effect of the runs behind an answer."""
    target = where.part(np.array([place]))
    same = evidence.loads.place == target.place[0]
    runs = {one.run.id: one.run for one, on in zip(found, same, strict=True) if on}
    if not runs:
        return ()
    at = DELIVERED.index("inter_token_s")
    values = {
        "count": float(len(runs)),
        "device": device,
        "date": max(one.started for one in runs.values())[:10],
        "times": float(np.exp(changed[0][at])),
        "left": float(changed[1][at]),
    }
    return (Notice("serving_calibrated", "", values),)


def known_loads(catalog: Catalog) -> KnownLoads:
    """Return the measured runs from the profiles and the user's store."""
    folder = data_directory()
    return _read_loads(catalog, str(folder), store_state(folder))


def _elsewhere(run: MeasuredRun) -> MeasuredRun:
    """Mark a shipped run as made on another machine, whatever its host name."""
    return replace(run, host=replace(run.host, id=f"shipped {run.host.id}"))


@lru_cache(maxsize=8)
def _read_loads(catalog: Catalog, folder: str, state: State) -> KnownLoads:
    shipped = [_elsewhere(one.run) for one in catalog.calibrations() if one.run.served]
    if not state:
        return KnownLoads(catalog, shipped)
    from estimator.measure.host_id import host_id

    own = read_served(Path(folder) / FILES[0])
    runs = {run.id: run for run in (*shipped, *own)}
    return KnownLoads(catalog, tuple(runs.values()), host_id())
