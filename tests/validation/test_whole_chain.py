"""End to end: the error of the hours comes on top of that with the hours given."""

import numpy as np
import pytest

from estimator.validation.energy import energy_score, measured_power
from estimator.validation.held_out import validation_report
from estimator.validation.whole_chain import whole_chain_scores


@pytest.fixture(scope="module")
def report(catalog):
    return validation_report(catalog)


def test_energy_from_the_work_alone_is_less_sure_than_with_the_hours_given(catalog, report):
    reported = whole_chain_scores(catalog, report)
    given = energy_score(measured_power(catalog))
    assert reported["energy"].count >= 10
    assert reported["energy"].families >= 3
    assert given.median_error < reported["energy"].median_error < 0.5
    assert reported["energy"].within_2 > 0.7


def test_one_run_end_to_end_is_the_product_of_its_links(catalog, report):
    names = [row["name"] for row in report.published.rows]
    power = next(run for run in measured_power(catalog) if run.reading.name in names)
    place = names.index(power.reading.name)
    only = report.part(np.arange(len(names)) == place)
    reported = whole_chain_scores(catalog, only)["energy"]
    watts = float(power.predicted_w.mid) / power.reading.measured_w
    by_hand = np.exp(report.by_stack.log_ratio[place]) * watts
    assert reported.count == 1
    assert reported.bias == pytest.approx(by_hand)


def test_the_score_shows_both_ways_to_hold_out_and_the_mean_over_kinds(report):
    family, stack = report.mean_over_kinds
    ours, strict = report.scores["all"][0], report.stack_scores["all"]
    assert strict.median_error_low < strict.median_error < strict.median_error_high
    assert strict.families < ours.families
    assert family < stack
    assert 0.74 <= strict.coverage <= 0.86
