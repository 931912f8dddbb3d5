"""How right is serving: predictions of models and systems that the fit has not seen, by group.

Every configuration is predicted twice: by a fit without its line of models, and by one without its
system. Both errors count. Beside them stands a roofline of the weights alone: bytes of the weights
over the bandwidth of the devices, for latency and, times the sequences, throughput.
"""

import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np

from estimator.catalog import Catalog
from estimator.core.rows import Floats, Mask, Texts
from estimator.core.uncertainty import z_score
from estimator.core.units import CENTRAL
from estimator.inference.capacity import weight_bytes
from estimator.inference.engines import ENGINES, fitted
from estimator.inference.measured_loads import devices_of
from estimator.inference.quantities import spread_scale, stated_variance
from estimator.validation.serving_fit import MeasuredSetups, fit, measured_cases, predicted
from estimator.validation.serving_spread import FEWEST, Errors

MOST_SYSTEMS = 12
"""Systems of few rows are held out in so many groups [1]."""

LARGE_SYSTEM = 100
"""From so many configurations on, a system is held out alone [1]."""

SIZES = ((1e10, "below 10 B"), (5e10, "10 to 50 B"), (1.5e11, "50 to 150 B"), (1e30, "above 150 B"))
LOADS = ((1.5, "one"), (32.0, "2 to 32"), (256.0, "33 to 256"), (1e9, "above 256"))

AS_ANSWERED = {
    "decode_tokens_per_s": "inter_token_s",
    "prefill_tokens_per_s": "time_to_first_token_s",
}
"""Quantity of a row -> the quantity of an answer whose spread it has."""


@dataclass(frozen=True, kw_only=True)
class ServingScore:
    """Score of one group of rows.

    Parameters
    ----------
    quantity, by, group : str
        What is scored, by which property the rows are grouped, and the group.
    rows : int
        Predictions: two a configuration, without its models and without its system.
    median_error, bias, within_1_5, coverage : float
        Median of |predicted / measured - 1|; median of predicted / measured; share within a factor
        of 1.5; share inside the 80 % interval. [1]
    roofline_error : float or None
        Median error of the weights-only roofline, where it says anything [1].
    """

    quantity: str
    by: str
    group: str
    rows: int
    median_error: float
    bias: float
    within_1_5: float
    coverage: float
    roofline_error: float | None


@dataclass(frozen=True, kw_only=True)
class ServingReport:
    """Scores of all groups, and what could not be asked."""

    scores: list[ServingScore]
    configurations: int
    left_out: dict[str, int]

    def as_json(self) -> dict[str, object]:
        """The report as JSON."""
        return {
            "configurations": self.configurations,
            "left_out": self.left_out,
            "scores": [asdict(score) for score in self.scores],
        }


def serving_report(catalog: Catalog) -> ServingReport:
    """Score serving on everything measured, held out by model line and by system."""
    measured = measured_cases(catalog, fitted(catalog))
    return report_of(catalog, measured, held_out(catalog, measured))


def report_of(
    catalog: Catalog, measured: MeasuredSetups, blind: list[dict[str, Floats]]
) -> ServingReport:
    """Score predictions of everything measured that `held_out` made."""
    return ServingReport(
        scores=list(_scores(catalog, measured, blind)),
        configurations=len(measured.cases),
        left_out=measured.left_out,
    )


def held_out(catalog: Catalog, measured: MeasuredSetups) -> list[dict[str, Floats]]:
    """Predictions without the line of models, and without the system."""
    return [_blind(catalog, measured, groups) for groups in _held_out_groups(measured)]


def _held_out_groups(measured: MeasuredSetups) -> list[Texts]:
    """Line of models and system of every case: what is held out as a whole."""
    return [measured.labels("line"), _systems(measured)]


def held_out_errors(
    catalog: Catalog, measured: MeasuredSetups, blind: list[dict[str, Floats]]
) -> Iterator[tuple[str, Mask, Errors]]:
    """Quantity, the rows that measured it, and their held-out errors."""
    groups = _held_out_groups(measured)
    beside = stated_variance(measured.table, fitted(catalog))
    for quantity, values in measured.values.items():
        seen = ~np.isnan(values)
        name = AS_ANSWERED.get(quantity, quantity)
        yield (
            quantity,
            seen,
            Errors(
                logs=np.stack([np.log(one[quantity][seen] / values[seen]) for one in blind]),
                beside=beside[name][seen],
                scale=spread_scale(measured.table, name, catalog)[seen],
                engines=measured.table.engines[seen],
                held_out=[labels[seen] for labels in groups],
            ),
        )


def _systems(measured: MeasuredSetups) -> Texts:
    """System of every case; those of few rows are put together by their names."""
    names = devices_of(measured.table)
    large = {name for name in names if (names == name).sum() >= LARGE_SYSTEM}
    return np.array([name if name in large else _group_of(name) for name in names])


def _group_of(name: str) -> str:
    """Group of a small system: by its name alone, so that further systems leave it where it is."""
    return f"group {zlib.crc32(name.encode()) % MOST_SYSTEMS}"


def _blind(catalog: Catalog, measured: MeasuredSetups, groups: Texts) -> dict[str, Floats]:
    found = {name: np.full(len(measured.cases), np.nan) for name in measured.values}
    near = fitted(catalog)
    for group in np.unique(groups):
        test = groups == group
        without = predicted(measured.table, fit(catalog, measured, ~test, near))
        for name, values in found.items():
            values[test] = without[name][test]
    return found


def _scores(
    catalog: Catalog, measured: MeasuredSetups, blind: list[dict[str, Floats]]
) -> Iterator[ServingScore]:
    roofline = _roofline(measured)
    for quantity, seen, held in held_out_errors(catalog, measured, blind):
        errors = np.full((len(held.held_out), len(seen)), np.nan)
        errors[:, seen] = held.logs
        inside = np.zeros(errors.shape, dtype=bool)
        inside[:, seen] = np.abs(held.logs) <= z_score(CENTRAL) * held.stated()
        values = measured.values[quantity]
        bare = np.abs(roofline[quantity] / values - 1.0) if quantity in roofline else None
        for by, labels in _groupings(measured).items():
            for group in sorted(set(labels[seen])):
                rows = seen & (labels == group)
                if rows.sum() < FEWEST:
                    continue
                part = errors[:, rows]
                yield ServingScore(
                    quantity=quantity,
                    by=by,
                    group=str(group),
                    rows=part.size,
                    median_error=float(np.median(np.abs(np.expm1(part)))),
                    bias=float(np.exp(np.median(part))),
                    within_1_5=float(np.mean(np.abs(part) <= np.log(1.5))),
                    coverage=float(inside[:, rows].mean()),
                    roofline_error=_median_or_none(bare, rows),
                )


def _median_or_none(errors: Floats | None, rows: Mask) -> float | None:
    known = np.array([]) if errors is None else errors[rows & ~np.isnan(errors)]
    return float(np.median(known)) if known.size else None


def _groupings(measured: MeasuredSetups) -> dict[str, Texts]:
    table = measured.table
    devices = [one.device for one in table.named]
    params = np.array([case.params_total for case in measured.cases])
    load = np.array([case.concurrency or np.inf for case in measured.cases])
    words = [
        next(name for most, name in LOADS if one < most) if np.isfinite(one) else "unspecified"
        for one in load
    ]
    kinds = np.array(["server GPUs" if one.is_server else "elsewhere" for one in devices])
    return {
        "all": kinds[table.named_at],
        "hardware": np.array([one.device.name for one in devices])[table.named_at],
        "framework": np.array([ENGINES[code] for code in table.engines]),
        "models": measured.labels("line"),
        "size": np.array([next(name for most, name in SIZES if one < most) for one in params]),
        "concurrency": np.array(words),
    }


def _roofline(measured: MeasuredSetups) -> dict[str, Floats]:
    """Weights over the bandwidth: all that several calculators count."""
    table = measured.table
    shared = np.asarray(table.layout.devices) / np.asarray(table.layout.stages)
    active = np.asarray(table.model.visited_params) / (
        np.asarray(table.model.dense_params) + np.asarray(table.model.routed_params)
    )
    step_s = active * weight_bytes(table.model, table.layout) / table.machine.bytes_per_s / shared
    return {
        "inter_token_s": step_s,
        "decode_tokens_per_s": 1.0 / step_s,
        "output_tokens_per_s": np.asarray(table.given["concurrency"]) / step_s,
    }
