"""Measured energies of open models against answers from only the model name and length."""

from typing import NamedTuple

import numpy as np

from estimator.catalog import Catalog
from estimator.core.units import J_PER_WH
from estimator.studies.prompts.answer import answer_prompt
from estimator.studies.prompts.question import PromptQuestion
from estimator.validation.serving_rows import ServingCase, serving_cases

MEASURED = "device_energy_per_output_token_j"


class PromptScore(NamedTuple):
    """Rows inside their 80% interval, the widest interval as a factor, and the median bias [1]."""

    rows: int
    inside: int
    widest: float
    bias: float


def prompt_score(catalog: Catalog, rows: int, seed: int) -> PromptScore:
    """Score a seeded sample of rows with measured energy per output token.

    Compares device energy only, as no host was metered. Size, hardware, format, engine and load of
    each row are withheld.
    """
    cases = [
        case
        for case in serving_cases(catalog.table("runs/serving_measured.csv"))
        if MEASURED in case.measured and case.output_tokens
    ]
    drawn = np.random.default_rng(seed).choice(len(cases), rows, replace=False)
    found = np.array([_against(cases[row], catalog) for row in drawn.tolist()])
    low, mid, high, measured = found.T
    return PromptScore(
        rows=rows,
        inside=int(np.sum((low <= measured) & (measured <= high))),
        widest=float(np.max(high / low)),
        bias=float(np.median(mid / measured)),
    )


def _against(case: ServingCase, catalog: Catalog) -> tuple[float, float, float, float]:
    """Interval, median and measurement of the energy of one request [J]."""
    written = float(case.output_tokens or 1.0)
    asked = PromptQuestion(
        model=case.model, output_tokens=written, input_tokens=case.input_tokens or None
    )
    joule = answer_prompt(asked, catalog).device_wh * J_PER_WH
    low, high = joule.interval()
    return float(low), float(joule.mid), float(high), case.measured[MEASURED] * written
