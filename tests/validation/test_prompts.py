"""Measured energies of open models against answers from only the model name and length."""

import numpy as np

from estimator.catalog import Catalog
from estimator.core.units import J_PER_WH
from estimator.studies.prompts.answer import answer_prompt
from estimator.studies.prompts.question import PromptQuestion
from estimator.validation.serving_rows import serving_cases

CATALOG = Catalog.open()
MEASURED = "device_energy_per_output_token_j"


def against(case):
    """Interval, median and measurement of the energy of one request [J]; no host was metered."""
    asked = PromptQuestion(
        model=case.model,
        output_tokens=float(case.output_tokens),
        input_tokens=case.input_tokens or None,
    )
    joule = answer_prompt(asked, CATALOG).device_wh * J_PER_WH
    low, high = joule.interval()
    return float(low), float(joule.mid), float(high), case.measured[MEASURED] * case.output_tokens


def test_measured_rows_lie_in_intervals_narrower_than_a_factor_of_thirty():
    """Size, hardware, format, engine and load of each row are withheld."""
    rows = serving_cases(CATALOG.table("runs/serving_measured.csv"))
    cases = [case for case in rows if MEASURED in case.measured and case.output_tokens]
    drawn = np.random.default_rng(31).choice(len(cases), 60, replace=False)
    low, mid, high, measured = np.array([against(cases[row]) for row in drawn.tolist()]).T
    assert np.sum((low <= measured) & (measured <= high)) >= 48
    assert np.max(high / low) < 30
    assert 1 / 3 < np.median(mid / measured) < 3
