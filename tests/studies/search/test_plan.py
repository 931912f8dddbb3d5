"""Plans against brute force: every design answered on its own, one after the other."""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimator.answer.scenario_estimate import answer_scenario
from estimator.catalog import Catalog
from estimator.core.notice import Notice
from estimator.studies.search.limits import RELAXED, Limits, probability_within
from estimator.studies.search.plan import OBJECTIVES, PlanAnswer, Request, best_plans, most_common
from estimator.studies.search.space import space_of

SPACE = space_of(
    {
        "params": 7e9,
        "tokens": 140e9,
        "hardware": ["h100", "a100", "v100", "rtx-4090"],
        "devices": [1, 8, 64, 256],
        "precision": ["bf16", "fp16"],
        "site": ["us", "fr"],
    }
)


CATALOG = Catalog.open()


def planned(space=SPACE, most=None, confidence=0.8, **asked):
    limits = Limits(most=most or {}, confidence=confidence)
    return best_plans(Request(space=space, limits=limits, **asked), CATALOG)


@cache
def answered_one_by_one():
    """Design -> its estimate, of all that can be answered and fit."""
    found = {}
    for number in range(SPACE.size):
        try:
            answer = answer_scenario(SPACE.scenario(number), CATALOG)
        except ValueError:
            continue
        if not any(notice.code.startswith("does_not_fit") for notice in answer.notices):
            found[number] = answer.estimate
    return found


def brute_force(limits, minimize):
    """Numbers of the designs that keep a single limit, the best first."""
    quantity = OBJECTIVES[minimize]
    ((name, most),) = limits.most.items()
    kept = [
        number
        for number, estimate in answered_one_by_one().items()
        if quantity in estimate
        and name in estimate
        and float(probability_within(estimate[name], most)) >= limits.confidence
    ]
    return sorted(kept, key=lambda number: float(answered_one_by_one()[number][quantity].mid))


def one_site_each(numbers):
    """Of designs that differ in their site alone the first."""
    first = {}
    for number in numbers:
        first.setdefault(replace(SPACE.scenario(number), site=None), number)
    return list(first.values())


def number_of(scenario):
    return next(n for n in range(SPACE.size) if SPACE.scenario(n) == scenario)


@settings(max_examples=20)
@given(
    st.sampled_from(["cost", "time", "co2e", "energy"]),
    st.sampled_from(["cost_usd", "wall_hours", "co2e_kg", "energy_kwh"]),
    st.floats(0.05, 20.0),
    st.sampled_from([0.5, 0.8, 0.95]),
)
def test_plans_are_those_of_brute_force(minimize, limited, scale, confidence):
    known = [float(one[limited].mid) for one in answered_one_by_one().values() if limited in one]
    limits = Limits(most={limited: scale * float(np.median(known))}, confidence=confidence)
    expected = brute_force(limits, minimize)
    answer = planned(most=limits.most, confidence=confidence, minimize=minimize, count=3)
    mids = [float(plan.quantities[OBJECTIVES[minimize]].mid) for plan in answer.plans]
    best = [
        float(answered_one_by_one()[number][OBJECTIVES[minimize]].mid)
        for number in one_site_each(expected)[:3]
    ]
    assert mids == pytest.approx(best)
    assert all(plan.probability >= confidence for plan in answer.plans)
    apart = [replace(plan.scenario, site=None) for plan in answer.plans]
    assert len(set(apart)) == len(apart)
    for plan in answer.plans:
        sites = {replace(plan.scenario, site=site) for site in (plan.scenario.site, *plan.also_in)}
        kept = {SPACE.scenario(number) for number in expected}
        assert sites == {
            one for one in kept if replace(one, site=plan.scenario.site) == plan.scenario
        }
    relaxed = Limits(most={limited: RELAXED * limits.most[limited]}, confidence=confidence)
    better = brute_force(relaxed, minimize)
    if expected and better:
        gain = 1 - float(answered_one_by_one()[better[0]][OBJECTIVES[minimize]].mid) / best[0]
        assert answer.gains.get(limited, 0.0) == pytest.approx(gain, abs=1e-9)
    elif better:
        assert answer.gains[limited] == math.inf
    else:
        assert answer.gains == {}
        assert answer.nearest is not None


def test_the_designs_are_counted():
    answer = planned()
    assert answer.designs == SPACE.size
    assert answer.designs - answer.too_large - answer.refused == len(answered_one_by_one())
    assert len(answer.plans) == 5
    assert answer.plans[0].probability == 1.0


def test_all_limits_hold_together_at_most_as_often_as_each():
    most = {"cost_usd": 2e5, "wall_hours": 24 * 30, "co2e_kg": 2e4}
    answer = planned(most=most, confidence=0.6)
    assert answer.plans
    for plan in answer.plans:
        assert set(plan.holds) == set(most)
        assert 0.6 <= plan.probability <= min(plan.holds.values()) + 0.02


def test_the_nearest_to_a_limit_beyond_hope_exceeds_it_least():
    work = {"params": 7e9, "tokens": 140e9, "devices": 8}
    space = space_of({**work, "hardware": ["h100", "mi355x", "a100"]})
    answer = planned(space, {"cost_usd": 100.0}, minimize="cost")
    assert answer.plans == () and answer.nearest is not None
    paid = [answer_scenario(space.scenario(number), CATALOG) for number in range(3)]
    cheapest = min(paid, key=lambda one: float(one.estimate["cost_usd"].mid))
    assert answer.nearest.scenario == cheapest.scenario


def test_where_nothing_keeps_the_limits_the_nearest_is_named():
    answer = planned(most={"wall_hours": 1e-3})
    assert answer.plans == ()
    assert answer.nearest is not None
    assert answer.nearest.holds["wall_hours"] < 0.8


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ({"params": 7e9, "hardware": ["h100", "a100"]}, ".*tokens"),
        ({"flop": 1e20, "hardware": ["inferentia", "h100", "a100"], "start": 25}, "start"),
    ],
)
def test_a_space_without_an_answer_gives_the_most_common_reason(table, reason):
    with pytest.raises(ValueError, match=f"no design can be estimated: {reason}"):
        planned(space_of(table))


def test_designs_that_cannot_be_estimated_are_counted_by_reason():
    space = space_of({"flop": 1e20, "hardware": ["h100", "a100"], "site": ["fr", "atlantis"]})
    answer = planned(space)
    ((reason, count),) = answer.reasons().items()
    assert "atlantis" in reason
    assert count == answer.refused == 2


@pytest.mark.parametrize(
    ("minimize", "most", "reason"),
    [("fun", {}, "minimize must be"), ("cost", {"fun": 1.0}, "no limit on")],
)
def test_what_cannot_be_planned_is_refused(minimize, most, reason):
    with pytest.raises(ValueError, match=reason):
        planned(most=most, minimize=minimize, count=1)


def test_where_the_site_alone_is_chosen_each_site_is_a_plan():
    work = {"params": 7e9, "tokens": 140e9, "hardware": "h100", "devices": 8}
    space = space_of({**work, "site": ["us", "fr", "se"]})
    answer = planned(space)
    assert {plan.scenario.site for plan in answer.plans} == {"us", "fr", "se"}
    assert not any(plan.also_in for plan in answer.plans)


def test_refusals_that_differ_by_their_numbers_are_one_reason_everywhere():
    """Three counts of devices, each once, are more common than one year given twice."""
    years = [Notice("text", "", {"text": "no such year"})] * 2
    counts = [Notice("not_whole", "devices", {"value": value}) for value in (1.5, 2.5, 3.5)]
    reasons = PlanAnswer(plans=(), nearest=None, refusals=(*years, *counts)).reasons()
    assert list(reasons.values()) == [3, 2]
    assert next(iter(reasons)) == "devices must be a whole number, got 1.5, for example"
    assert most_common((*years, *counts)) == counts[0]
