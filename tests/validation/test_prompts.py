"""Measured energies of open models against answers that know the name and the length alone."""

from estimator.catalog import Catalog
from estimator.validation.prompt_rows import prompt_score


def test_measured_rows_lie_in_intervals_narrower_than_a_factor_of_thirty():
    score = prompt_score(Catalog.open(), rows=60, seed=31)
    assert score.inside >= 48
    assert score.widest < 30
    assert 1 / 3 < score.bias < 3
