"""Held-out accuracy of inference, by group.

Every configuration is predicted four times, each by a fit without its model line, its system, its
engine release, or a half of all engine x device x model combinations drawn with `SEED`. All errors
count. `in-sample` scores come from the shipped fit. The baseline is a roofline of the weights:
weight bytes over device bandwidth, for latency and, times the sequences, throughput.
"""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

import numpy as np

from estimator.catalog import Catalog
from estimator.core.rows import Floats, Mask, Texts
from estimator.core.uncertainty import z_score
from estimator.core.units import CENTRAL
from estimator.inference.capacity import weight_bytes
from estimator.inference.engines import ENGINES, fitted
from estimator.inference.measured_loads import devices_of
from estimator.inference.quantities import (
    of_usual_make,
    own_log_sd,
    spread_scale,
    stated_variance,
)
from estimator.validation.serving_fit import (
    MeasuredSetups,
    fit,
    measured_cases,
    measured_pools,
    predicted,
)
from estimator.validation.serving_spread import FEWEST, Errors

SEED = 20261124
"""Seed of the halves, fixed before the first fit [1]."""

WAYS = ("line of models", "system", "engine release", "half of engine x device x model")
"""Ways of holding out rows."""

MOST_GROUPS = 5
"""Number of folds for lines, systems and releases with few rows [1]."""

LARGE = 100
"""Configurations from which a line, system or release is its own fold [1]."""

SIZES = ((1e10, "below 10 B"), (5e10, "10 to 50 B"), (1.5e11, "50 to 150 B"), (1e30, "above 150 B"))
LOADS = ((1.5, "one"), (32.0, "2 to 32"), (256.0, "33 to 256"), (1e9, "above 256"))

AS_ANSWERED = {
    "median_gap_s": "inter_token_s",
    "closed_loop_tokens_per_s": "output_tokens_per_s",
    "decode_tokens_per_s": "inter_token_s",
    "prefill_tokens_per_s": "time_to_first_token_s",
}
"""Quantity of a row -> quantity of an answer with the same spread."""


@dataclass(frozen=True, kw_only=True)
class ServingScore:
    """Score of one group of rows.

    Parameters
    ----------
    quantity, by, group : str
        Scored quantity, property used for grouping, and group.
    rows : int
        Number of predictions: one per configuration and way of `WAYS`; one per configuration for a
        single way, in-sample scores and pools.
    median_error, bias, within_1_5, coverage : float
        Median of |predicted / measured - 1|; median of predicted / measured; share within a factor
        of 1.5; share inside the 80% interval. [1]
    roofline_error : float or None
        Median error of the weights-only roofline, if it applies [1].
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
    """Scores of all groups, and cases that could not be asked."""

    scores: list[ServingScore]
    configurations: int
    left_out: dict[str, int]

    def as_json(self) -> dict[str, object]:
        """Return the report as JSON."""
        return {
            "configurations": self.configurations,
            "left_out": self.left_out,
            "scores": [asdict(score) for score in self.scores],
        }


def serving_report(catalog: Catalog) -> ServingReport:
    """Score inference on all measurements, held out in every way."""
    measured = measured_cases(catalog, fitted(catalog))
    return report_of(catalog, measured, held_out(catalog, measured))


def report_of(
    catalog: Catalog, measured: MeasuredSetups, blind: list[dict[str, Floats]]
) -> ServingReport:
    """Score the predictions of `held_out`."""
    return ServingReport(
        scores=[*_scores(catalog, measured, blind), *pool_scores(catalog)],
        configurations=len(measured.cases),
        left_out=measured.left_out,
    )


SEPARATE = "prefill and decode apart"
"""Group of rows with separate pools."""


def pool_scores(catalog: Catalog) -> Iterator[ServingScore]:
    """Score setups with separate pools, which no fit sees.

    Where a table omits the number of workers, one of each is assumed; those rows show the cost of a
    wrong device count and do not inform the spread.
    """
    measured = measured_pools(catalog, fitted(catalog))
    counted = np.array([case.counted for case in measured.cases])
    groups = np.where(counted, "devices stated", "devices assumed, 1 worker each")
    spreads = own_log_sd(measured.table)
    found = predicted(measured.table, fitted(catalog))
    for quantity, values in measured.values.items():
        seen = ~np.isnan(values)
        logs = np.log(found[quantity] / values)
        inside = np.abs(logs) <= z_score(CENTRAL) * spreads[AS_ANSWERED.get(quantity, quantity)]
        for group in np.unique(groups[seen]):
            rows = seen & (groups == group)
            yield _score(quantity, SEPARATE, str(group), logs[rows], inside[rows])


def pool_spreads(catalog: Catalog) -> dict[str, float]:
    """Return the error spread by quantity of pool setups with stated devices [1]."""
    measured = measured_pools(catalog, fitted(catalog))
    counted = np.array([case.counted for case in measured.cases])
    found = predicted(measured.table, fitted(catalog))
    spreads = {}
    for quantity, values in measured.values.items():
        rows = ~np.isnan(values) & counted
        if rows.sum() >= FEWEST:
            name, size = AS_ANSWERED.get(quantity, quantity), int(rows.sum())
            spreads[name] = Errors(
                logs=np.log(found[quantity][rows] / values[rows])[None, :],
                beside=np.zeros(size),
                scale=np.ones(size),
                engines=measured.table.engines[rows],
                tests=np.full(size, quantity),
                devices=devices_of(measured.table)[rows],
                usual_make=of_usual_make(measured.table)[rows],
                held_out=[measured.labels("line")[rows]],
            ).spread(np.ones(size, dtype=bool))
    return spreads


def held_out(catalog: Catalog, measured: MeasuredSetups) -> list[dict[str, Floats]]:
    """Predict each of `WAYS` with its cases held out."""
    return [_blind(catalog, measured, groups) for groups in held_out_groups(measured)]


def held_out_groups(measured: MeasuredSetups) -> list[Texts]:
    """Return each case's fold, by `WAYS`."""
    lines, systems = measured.labels("line"), devices_of(measured.table)
    half = _halves(measured)
    programs = np.char.add(measured.labels("framework"), measured.labels("version"))
    versions = np.where(measured.labels("version") == "", half, programs)
    return [_grouped(lines), _grouped(systems), _grouped(versions), half]


def _halves(measured: MeasuredSetups) -> Texts:
    """Return each case's half; a combination of engine, device and model is in one half."""
    parts = np.array(
        [f"{case.framework}, {case.hardware}, {case.model}" for case in measured.cases]
    )
    names = np.unique(parts)
    drawn = np.random.default_rng(SEED).permutation(names)[: names.size // 2]
    return np.where(np.isin(parts, drawn), "one half", "the other half")


@dataclass(frozen=True, kw_only=True)
class HeldOutErrors:
    """Held-out errors of one quantity, the rows that measured it, and their spread.

    Parameters
    ----------
    quantity : str
    seen : array of bool
        Rows that measured the quantity.
    errors : Errors
    stated : array of shape (h, n)
        Standard deviation of each error, from rows that share no group with it [1].
    """

    quantity: str
    seen: Mask
    errors: Errors
    stated: Floats


def held_out_errors(
    catalog: Catalog, measured: MeasuredSetups, blind: list[dict[str, Floats]]
) -> list[HeldOutErrors]:
    """Return each measured quantity's errors; ones that test the same answer share a spread."""
    found = list(_errors_of_rows(catalog, measured, blind))
    stated = {name: errors.stated() for name, errors in errors_of_answers(found).items()}
    together = []
    for quantity, seen, errors in found:
        name, count = AS_ANSWERED.get(quantity, quantity), int(seen.sum())
        own, stated[name] = stated[name][:, :count], stated[name][:, count:]
        together.append(HeldOutErrors(quantity=quantity, seen=seen, errors=errors, stated=own))
    return together


def errors_of_answers(found: Iterable[tuple[str, Mask, Errors]]) -> dict[str, Errors]:
    """Group the errors of measured quantities by the answer quantity that they test."""
    answers: dict[str, Errors] = {}
    for quantity, _, errors in found:
        name = AS_ANSWERED.get(quantity, quantity)
        answers[name] = answers[name].combine(errors) if name in answers else errors
    return answers


def _errors_of_rows(
    catalog: Catalog, measured: MeasuredSetups, blind: list[dict[str, Floats]]
) -> Iterator[tuple[str, Mask, Errors]]:
    groups = held_out_groups(measured)
    devices, usual_make = devices_of(measured.table), of_usual_make(measured.table)
    beside = stated_variance(measured.table)
    for quantity, values in measured.values.items():
        seen = ~np.isnan(values)
        name = AS_ANSWERED.get(quantity, quantity)
        yield (
            quantity,
            seen,
            Errors(
                logs=np.stack([np.log(one[quantity][seen] / values[seen]) for one in blind]),
                beside=beside[name][seen],
                scale=spread_scale(measured.table, name)[seen],
                engines=measured.table.engines[seen],
                tests=np.full(int(seen.sum()), quantity),
                devices=devices[seen],
                usual_make=usual_make[seen],
                held_out=[labels[seen] for labels in groups],
            ),
        )


def _grouped(names: Texts) -> Texts:
    """Merge the names of small groups; large groups keep theirs."""
    large = {name for name in np.unique(names) if (names == name).sum() >= LARGE}
    return np.array([name if name in large else _group_of(name) for name in names.tolist()])


def _group_of(name: str) -> str:
    """Return a small group's fold from its name only, so that new names do not move it."""
    return f"group {zlib.crc32(name.encode()) % MOST_GROUPS}"


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
    shipped = predicted(measured.table, fitted(catalog))
    own_sd = own_log_sd(measured.table)
    for found in held_out_errors(catalog, measured, blind):
        quantity, seen, held = found.quantity, found.seen, found.errors
        errors = np.full((len(held.held_out), len(seen)), np.nan)
        errors[:, seen] = held.logs
        inside = np.zeros(errors.shape, dtype=bool)
        inside[:, seen] = np.abs(held.logs) <= z_score(CENTRAL) * found.stated
        values = measured.values[quantity]
        bare = np.abs(roofline[quantity] / values - 1.0) if quantity in roofline else None
        for by, labels in _groupings(measured).items():
            for group in sorted(set(labels[seen])):
                rows = seen & (labels == group)
                if rows.sum() >= FEWEST:
                    part = errors[:, rows], inside[:, rows]
                    yield _score(quantity, by, str(group), *part, _median_or_none(bare, rows))
        known = np.log(shipped[quantity] / values)
        log_sd = np.hypot(own_sd[AS_ANSWERED.get(quantity, quantity)][seen], np.sqrt(held.beside))
        covered = np.abs(known[seen]) <= z_score(CENTRAL) * log_sd
        programs = np.array([ENGINES[code] for code in measured.table.engines])
        for program in sorted(set(programs[seen])):
            rows = seen & (programs == program)
            if rows.sum() >= FEWEST:
                for way, name in enumerate(WAYS):
                    part = errors[way, rows], inside[way, rows]
                    yield _score(quantity, f"held out: {name}", program, *part)
                part = known[rows], covered[programs[seen] == program]
                yield _score(quantity, "in-sample", program, *part)


def _score(
    quantity: str, by: str, group: str, errors: Floats, inside: Mask, roofline: float | None = None
) -> ServingScore:
    return ServingScore(
        quantity=quantity,
        by=by,
        group=group,
        rows=errors.size,
        median_error=float(np.median(np.abs(np.expm1(errors)))),
        bias=float(np.exp(np.median(errors))),
        within_1_5=float(np.mean(np.abs(errors) <= np.log(1.5))),
        coverage=float(inside.mean()),
        roofline_error=roofline,
    )


def _median_or_none(errors: Floats | None, rows: Mask) -> float | None:
    known = np.array([]) if errors is None else errors[rows & ~np.isnan(errors)]
    return float(np.median(known)) if known.size else None


def _groupings(measured: MeasuredSetups) -> dict[str, Texts]:
    table = measured.table
    devices = [one.device for one in table.named]
    model = table.model
    params = np.asarray(model.dense_params) + np.asarray(model.routed_params)
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
    """Return weights over bandwidth, which is all that several calculators count."""
    table = measured.table
    shared = np.asarray(table.layout.devices) / np.asarray(table.layout.stages)
    active = np.asarray(table.model.visited_params) / (
        np.asarray(table.model.dense_params) + np.asarray(table.model.routed_params)
    )
    step_s = active * weight_bytes(table.model, table.layout) / table.machine.bytes_per_s / shared
    return {
        "inter_token_s": step_s,
        "median_gap_s": step_s,
        "decode_tokens_per_s": 1.0 / step_s,
        "output_tokens_per_s": np.asarray(table.asked_numbers["concurrency"]) / step_s,
    }
