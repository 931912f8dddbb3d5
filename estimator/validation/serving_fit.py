"""Maximum a posteriori fit of inference parameters to measured rows.

Each parameter has a physical prior (`serving.prior` in the profiles). Log errors are heavy-tailed
(Student's t), as machines were shared and tables omit settings; rows of one configuration and
source share their weight.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from estimator.catalog import Catalog
from estimator.core.messages import message
from estimator.core.rows import Floats, Mask, Texts
from estimator.inference.engines import (
    ENGINES,
    NAMES,
    OF_ENGINE,
    SERVERS,
    SHARED,
    Parameters,
    from_line,
    holder,
    prior,
    to_line,
)
from estimator.inference.pool_layouts import POOLED
from estimator.inference.question import ServingQuestion
from estimator.inference.resolver import resolve
from estimator.inference.setups import ServingTable
from estimator.question.table import Table
from estimator.validation.serving_rows import (
    ServingCase,
    engine_cases,
    pool_cases,
    serving_cases,
)

Residuals = Callable[[Floats], Floats]

QUANTITIES = {
    "inter_token_s": 0.10,
    "median_gap_s": 0.10,
    "time_to_first_token_s": 0.15,
    "output_tokens_per_s": 0.12,
    "device_power_w": 0.10,
    "decode_tokens_per_s": 0.15,
    "prefill_tokens_per_s": 0.30,
}
"""Quantity -> log error beyond which a row is an outlier [1]."""

DERIVED = ("closed_loop_tokens_per_s", "device_energy_per_output_token_j")
"""Quantities derived from others of the same row, scored but not fitted twice."""

FREEDOM = 3.0
"""Degrees of freedom of the errors [1]."""

STEPS, SLOPE_STEP, LONGEST_STEP = 80, 1e-3, 0.7
"""Most iterations; finite-difference step; longest step [1]."""

ENOUGH, ENOUGH_NEAR = 1e-2, 0.3
"""Log-likelihood gain below which a fit ends, and the same for a warm start [1]."""


@dataclass(frozen=True, kw_only=True)
class MeasuredSetups:
    """Measured configurations with their resolved setups.

    Parameters
    ----------
    cases : sequence of ServingCase
    table : ServingTable
        One row per case.
    values : mapping of str to array
        Quantity -> measured value, NaN if not measured.
    left_out : mapping of str to int
        Reason -> number of configurations that cannot be asked.
    """

    cases: Sequence[ServingCase]
    table: ServingTable
    values: dict[str, Floats]
    left_out: dict[str, int]

    def labels(self, field: str) -> Texts:
        """Collect a field from every case."""
        return np.array([str(getattr(case, field)) for case in self.cases])


def measured_cases(catalog: Catalog, parameters: Parameters) -> MeasuredSetups:
    """Return all configurations with a known model and device."""
    cases = serving_cases(catalog.table("runs/serving_measured.csv"))
    cases += engine_cases(catalog.table("runs/serving_engines.csv"))
    return _measured(cases, catalog, parameters)


def measured_pools(catalog: Catalog, parameters: Parameters) -> MeasuredSetups:
    """Return all configurations with separate pools, which are never fitted."""
    return _measured(pool_cases(catalog.table("runs/serving_engines.csv")), catalog, parameters)


def _measured(
    cases: Sequence[ServingCase], catalog: Catalog, parameters: Parameters
) -> MeasuredSetups:
    """Return the configurations that resolve, and why others do not."""
    readable: list[ServingCase] = []
    questions: list[ServingQuestion] = []
    reasons: list[str] = []
    for case in cases:
        try:
            questions.append(question_of_case(case))
            readable.append(case)
        except ValueError as error:
            reasons.append(str(error))
    found = resolve(Table.of(ServingQuestion, questions), catalog, parameters)
    kept = [readable[place] for place in found.rows.tolist()]
    reasons += [message(found.errors[place]) for place in sorted(found.errors)]
    left_out = dict(Counter(reason.partition(":")[0] for reason in reasons))
    names = (*QUANTITIES, *DERIVED)
    values = {name: np.array([case.measured.get(name, np.nan) for case in kept]) for name in names}
    return MeasuredSetups(cases=kept, table=found.table, values=values, left_out=left_out)


def question_of_case(case: ServingCase) -> ServingQuestion:
    """Return a configuration as the question a `batch` user would ask.

    Benchmark prompts are random or sampled, without shared prefixes.
    """
    return ServingQuestion(
        preset=case.model,
        params=case.params_total,
        active_params=case.params_active,
        hardware=case.hardware,
        devices=case.devices,
        precision=case.precision,
        software=case.framework,
        concurrency=case.concurrency,
        input_tokens=case.input_tokens,
        output_tokens=case.output_tokens,
        tensor_parallel=case.tensor_parallel,
        expert_parallel=case.expert_parallel,
        data_parallel=case.data_parallel,
        cached_share=0.0,
        **{name: getattr(case, name) for name in POOL_SIZES},
    )


POOL_SIZES = tuple(name for name in ServingQuestion.inputs if name.startswith(POOLED))
"""Pool inputs of a question, also fields of a case."""


def predicted(table: ServingTable, parameters: Parameters) -> dict[str, Floats]:
    """Predict every row, by quantity."""
    table = replace(table, parameters=parameters)
    found, traffic = table.performance, table.traffic
    return {
        "inter_token_s": np.asarray(found.pace.inter_token_s),
        "median_gap_s": np.asarray(found.pace.median_gap_s),
        "time_to_first_token_s": np.asarray(found.pace.time_to_first_token_s),
        "output_tokens_per_s": np.asarray(found.output_tokens_per_s),
        "closed_loop_tokens_per_s": np.asarray(found.output_tokens_per_s),
        "device_power_w": np.asarray(found.device_power_w),
        "decode_tokens_per_s": 1.0 / np.asarray(found.step.total_s),
        "prefill_tokens_per_s": np.asarray(traffic.input_tokens / found.prefill_s),
        "device_energy_per_output_token_j": np.asarray(found.device_energy_per_output_token_j),
    }


def fit(
    catalog: Catalog,
    measured: MeasuredSetups,
    chosen: Mask | None = None,
    start: Parameters | None = None,
    fixed: Mapping[str, float] | None = None,
) -> Parameters:
    """Fit the maximum a posteriori parameters to some configurations.

    `start` is a starting point from a similar fit, to save time. `fixed` sets parameters to fixed
    values.
    """
    centre, spread = prior(catalog)
    everything = np.ones(len(measured.cases), dtype=bool)
    kept = everything if chosen is None else chosen
    parts = {name: kept & ~np.isnan(measured.values[name]) for name in QUANTITIES}

    def residuals(line: Floats) -> Floats:
        found = predicted(measured.table, from_line(line).with_values(fixed or {}))
        return np.concatenate(
            [
                np.log(measured.values[name][rows] / found[name][rows]) / QUANTITIES[name]
                for name, rows in parts.items()
            ]
        )

    engines = np.concatenate([measured.table.engines[rows] for rows in parts.values()])
    line, damping = centre.copy() if start is None else to_line(start.values), DAMPING
    errors = residuals(line)
    loss = _loss(errors, line, centre, spread)
    for _ in range(STEPS):
        slopes = _slopes(residuals, line, errors, engines)
        weight = (FREEDOM + 1.0) / (FREEDOM + errors * errors)
        curvature = slopes.T @ (weight[:, None] * slopes) + np.diag(spread**-2.0)
        gradient = slopes.T @ (weight * errors) + (line - centre) / spread**2
        before = loss
        while damping < MOST_DAMPING:
            damped = curvature + damping * np.diag(np.diag(curvature))
            step = np.clip(-np.linalg.solve(damped, gradient), -LONGEST_STEP, LONGEST_STEP)
            tried = residuals(line + step)
            loss = _loss(tried, line + step, centre, spread)
            if loss < before:
                line, errors, damping = line + step, tried, max(damping / 5.0, 1e-6)
                break
            damping *= 5.0
        if before - loss < (ENOUGH if start is None else ENOUGH_NEAR):
            break
    return from_line(line).with_values(fixed or {})


DAMPING, MOST_DAMPING = 1e-2, 1e6
"""Initial and maximum damping of the curvature [1]."""


def _loss(errors: Floats, line: Floats, centre: Floats, spread: Floats) -> float:
    data = 0.5 * (FREEDOM + 1.0) * np.log1p(errors * errors / FREEDOM).sum()
    return float(data + 0.5 * np.square((line - centre) / spread).sum())


def _slopes(
    residuals: Residuals, line: Floats, errors: Floats, engines: npt.NDArray[np.int64]
) -> Floats:
    """Return the derivatives of the errors with respect to every parameter.

    An error depends only on its own engine's parameters, so all engines are varied at once.
    """
    slopes = np.zeros((errors.size, line.size))
    rows = np.arange(errors.size)
    codes = range(len(ENGINES))
    of_engine = {name: [holder(code, name) for code in codes] for name in OF_ENGINE}
    of_engine["request_s"] = [f"{ENGINES[code]}.request_s" for code in SERVERS]
    for names in of_engine.values():
        places = np.array([NAMES.index(name) for name in names])
        has = np.isin(engines, SERVERS) if len(names) < len(ENGINES) else rows >= 0
        by_code = np.zeros(len(ENGINES), dtype=np.intp)
        by_code[list(SERVERS) if len(names) < len(ENGINES) else list(codes)] = places
        moved = line.copy()
        moved[places] += SLOPE_STEP
        slopes[rows[has], by_code[engines[has]]] = ((residuals(moved) - errors) / SLOPE_STEP)[has]
    for name in SHARED:
        place = NAMES.index(name)
        moved = line.copy()
        moved[place] += SLOPE_STEP
        slopes[:, place] = (residuals(moved) - errors) / SLOPE_STEP
    return slopes
