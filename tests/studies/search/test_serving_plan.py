"""Plans of a service against brute force: every design answered on its own, one after the other."""

import itertools
import math
import re
from dataclasses import replace
from functools import cache
from statistics import NormalDist

import pytest

from estimator.catalog import Catalog
from estimator.inference.figures import memory, single
from estimator.inference.measured_loads import KnownLoads
from estimator.inference.quantities import answer_serving
from estimator.inference.question import ServingQuestion
from estimator.runs.record import Host, MeasuredDevice, MeasuredRun, ServedLoad
from estimator.studies.search.limits import RELAXED, Limits
from estimator.studies.search.serving_plan import (
    OBJECTIVES,
    ServingRequest,
    best_serving_plans,
    latency_of,
    serving_plans_by_aim,
)

RATE, DAYS = 4.0, 30.0
QUESTION = ServingQuestion(
    preset="llama-3.1-70b", request_rate=RATE, input_tokens=500.0, output_tokens=300.0
)
CHOICES = {
    "hardware": ("h100-sxm", "l40s", "mi300x"),
    "devices": (1.0, 2.0, 4.0, 8.0),
    "precision": ("bf16", "fp8"),
    "site": ("us", "se"),
}
QUANTITIES = ("cost_usd", "inter_token_s", "co2e_kg", "energy_kwh", "time_to_first_token_s")


CATALOG = Catalog.open()


def requested(question=QUESTION, most=None, confidence=0.8, **asked):
    limits = Limits(most=most or {}, confidence=confidence)
    return ServingRequest(**{"question": question, "choices": CHOICES, "limits": limits} | asked)


def planned(**asked):
    return best_serving_plans(requested(**asked), CATALOG)


@cache
def one_by_one():
    """Design -> median and log-standard-deviation of what it takes, of all that can serve."""
    found = {}
    for values in itertools.product(*CHOICES.values()):
        cells = dict(zip(CHOICES, values, strict=True))
        asked = ServingQuestion(**{**vars(QUESTION), **cells})
        answer = answer_serving([asked], CATALOG)
        try:
            row, _table = single(answer)
        except ValueError:
            continue
        found[values] = taken(row, answer, asked)
    return found


def taken(row, answer, asked):
    """What one design takes in the days, worked out from its answer alone."""
    hours, requests = 24.0 * DAYS, RATE * 86400.0 * DAYS
    price, ranges = row.price.value, answer.ranges
    energy = ranges["energy_per_request_wh"]
    carbon = ranges["co2e_per_million_output_tokens_kg"]
    full = math.floor(most_in_flight(answer))
    saturated = ServingQuestion(
        **{**vars(asked), "request_rate": None, "concurrency": float(min(full, 4096))},
    )
    capacity = answer_serving([saturated], CATALOG).ranges["output_tokens_per_s"]
    pairs = {
        name: (float(ranges[name].mid[0]), float(ranges[name].log_sd[0]))
        for name in ("inter_token_s", "time_to_first_token_s")
    }
    return {
        **pairs,
        "cost_usd": (row.devices * price.mid * hours, price.log_sd),
        "energy_kwh": (float(energy.mid[0]) * requests / 1e3, float(energy.log_sd[0])),
        "co2e_kg": (float(carbon.mid[0]) * requests * 300.0 / 1e6, float(carbon.log_sd[0])),
        "load": (RATE * 300.0 / float(capacity.mid[0]), float(capacity.log_sd[0])),
    }


def most_in_flight(answer):
    """Sequences that the memory holds at half of their final length."""
    _row, table = single(answer)
    held = memory(answer)
    assert held["most_sequences"] >= 1
    return float(table.most_sequences(500.0 + 0.5 * 300.0)[0])


def holds(one, name, most):
    mid, log_sd = one[name]
    return NormalDist().cdf(math.log(most / mid) / log_sd) if log_sd else float(mid <= most)


def brute_force(limited, most, minimize, confidence=0.8):
    """Designs that keep one limit and their load, the best first; speed moves both at once."""
    kept = {}
    for design, one in one_by_one().items():
        together = min(holds(one, limited, most), holds(one, "load", 1.0))
        if limited not in ("inter_token_s", "time_to_first_token_s"):
            together = holds(one, limited, most) * holds(one, "load", 1.0)
        if together >= confidence:
            kept[design] = one[OBJECTIVES[minimize]][0]
    return sorted(kept.values())


@pytest.mark.parametrize("minimize", sorted(OBJECTIVES))
@pytest.mark.parametrize(
    ("limited", "most"),
    [
        ("inter_token_s", 0.012),
        ("inter_token_s", 0.05),
        ("time_to_first_token_s", 0.1),
        ("cost_usd", 9e3),
        ("co2e_kg", 120.0),
        ("energy_kwh", 3e3),
    ],
)
def test_plans_are_those_of_brute_force(minimize, limited, most):
    expected = brute_force(limited, most, minimize)
    answer = planned(most={limited: most}, days=DAYS, minimize=minimize, count=3)
    mids = [float(plan.quantities[OBJECTIVES[minimize]].mid) for plan in answer.plans]
    assert mids == pytest.approx(expected[:3])
    assert answer.designs == 48 and answer.designs - answer.refused == len(one_by_one())
    better = brute_force(limited, RELAXED * most, minimize)
    if expected and better:
        gain = 1 - better[0] / expected[0]
        assert answer.gains.get(limited, 0.0) == pytest.approx(gain, abs=1e-9)
    elif better:
        assert answer.gains[limited] == math.inf


def test_plans_that_cost_the_same_are_ordered_by_what_else_they_take():
    plans = planned(days=DAYS, count=8).plans
    keys = [
        tuple(float(f"{plan.quantities[name].mid:.9e}") for name in QUANTITIES[:4])
        for plan in plans
    ]
    assert keys == sorted(keys)
    assert plans[0].question.site == "se"
    turned = {**CHOICES, "site": ("se", "us"), "precision": ("fp8", "bf16")}
    again = planned(choices=turned, days=DAYS, count=8).plans
    assert [plan.question for plan in again] == [plan.question for plan in plans]


def test_what_nothing_keeps_names_the_nearest():
    answer = planned(most={"inter_token_s": 1e-4})
    assert answer.plans == () and answer.nearest is not None
    assert answer.nearest.holds["inter_token_s"] < 0.01


def slow_load(times):
    """A load of one design of the plan that took so many times as long as expected."""
    design = {"hardware": "h100-sxm", "devices": 4.0, "precision": "fp8", "concurrency": 40.0}
    asked = ServingQuestion(**{**vars(QUESTION), **design, "request_rate": None})
    expected = float(answer_serving([asked], CATALOG).ranges["inter_token_s"].mid[0])
    return MeasuredRun(
        id="log-1",
        origin="log",
        started="2026-05-01T12:00:00Z",
        wall_s=160.0,
        state="finished",
        host=Host(id="here", cpu="c", system="s", software={}),
        devices=(MeasuredDevice(key="gpu:0", kind="gpu", name="H100", hardware="h100-sxm"),),
        served=(
            ServedLoad(
                component="gpu:0",
                model="llama-3.1-70b",
                precision="fp8",
                program="vllm",
                devices=4,
                concurrency=40.0,
                input_tokens=500.0,
                output_tokens=300.0,
                measured={"inter_token_s": times * expected},
            ),
        ),
    )


def test_measured_loads_correct_a_plan_and_are_named():
    known = KnownLoads(CATALOG, [slow_load(1.3)], "here")
    choices = {"hardware": ("h100-sxm",), "devices": (4.0,), "precision": ("fp8",)}
    request = requested(most={"cost_usd": 1e9}, confidence=0.1, choices=choices)
    (plain,) = best_serving_plans(request, CATALOG).plans
    (slow,) = best_serving_plans(request, CATALOG, calibration=known.corrected).plans
    assert not [one for one in plain.notes if one.code == "serving_calibrated"]
    (notice,) = [one for one in slow.notes if one.code == "serving_calibrated"]
    assert (notice.values["count"], notice.values["date"]) == (1.0, "2026-05-01")
    served = answer_serving([slow.question], CATALOG, calibration=known.corrected)
    mid = float(slow.quantities["inter_token_s"].mid)
    assert mid == pytest.approx(float(served.ranges["inter_token_s"].mid[0]))
    times = notice.values["times"]
    assert 1.02 < times < 1.3
    assert mid == pytest.approx(times * float(plain.quantities["inter_token_s"].mid))
    assert slow.quantities["load"].mid > 1.02 * plain.quantities["load"].mid
    assert slow.quantities["load"].log_sd < plain.quantities["load"].log_sd


T4 = {"hardware": ("t4",), "devices": (1.0,)}
MANY = {"hardware": ("h100",), "devices": tuple(map(float, range(1, 6000)))}


@pytest.mark.parametrize(
    ("choices", "most", "reason"),
    [
        (T4, {}, "do not fit in 1 ×"),
        (MANY, {}, "5,999 designs exceed the maximum of"),
        (T4, {"wall_hours": 1.0}, "no limit on 'wall_hours'"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(choices, most, reason):
    with pytest.raises(ValueError, match=reason):
        planned(choices=choices, most=most)


def test_too_many_users_are_refused_with_the_most_that_any_design_serves():
    asked = replace(QUESTION, request_rate=None, users=1e7)
    with pytest.raises(ValueError, match="1e\\+07 users exceed the") as seen:
        planned(question=asked)
    served = float(re.search(r"exceed the ([\d.e+]+) that", str(seen.value))[1])
    assert planned(question=replace(asked, users=0.99 * served)).nearest is not None
    with pytest.raises(ValueError, match="exceed"):
        planned(question=replace(asked, users=1.02 * served))


def test_users_who_pause_ask_as_often_as_they_are_answered():
    asked = replace(QUESTION, request_rate=None, users=200.0, think_s=10.0)
    plans = planned(question=asked, count=40).plans
    assert len({plan.requests_per_s for plan in plans}) > 3
    for plan in plans:
        service_s = float(plan.quantities["request_s"].mid)
        assert plan.requests_per_s == pytest.approx(200.0 / (10.0 + service_s), rel=1e-3)
        assert plan.concurrency == pytest.approx(plan.requests_per_s * service_s, rel=1e-3)


def test_a_goal_of_a_percentile_counts_the_wait_for_a_place():
    choices = {**CHOICES, "devices": (4.0,), "hardware": ("h100-sxm",), "precision": ("bf16",)}
    most = {latency_of("request", "90"): 60.0, latency_of("time_to_first_token", "99"): 60.0}
    found = {}
    for rate in (1.0, 2.7):
        asked = replace(QUESTION, request_rate=rate, input_tokens=4000.0)
        found_plans = planned(question=asked, choices=choices, most=most, confidence=0.01)
        (plan, *_others) = found_plans.plans
        answer = answer_serving([plan.question], CATALOG)
        for name in most:
            alone = float(answer.ranges[name].mid[0])
            found[rate, name] = float(plan.quantities[name].mid) - alone
    assert all(found[1.0, name] == pytest.approx(0.0, abs=1e-6) for name in most), found
    assert all(found[2.7, name] > 0.1 for name in most), found


def test_each_aim_has_the_plans_that_it_has_alone():
    request = requested()
    together = serving_plans_by_aim(request, CATALOG, tuple(OBJECTIVES))
    for aim, found in together.items():
        alone = best_serving_plans(replace(request, minimize=aim), CATALOG)
        assert [plan.question for plan in found.plans] == [plan.question for plan in alone.plans]
        assert found.gains == alone.gains
    assert len({found.plans[0].question for found in together.values()}) > 1


def test_plans_for_other_aims_cost_no_more_than_asked_over_the_cheapest():
    request = ServingRequest(
        question=QUESTION, choices=CHOICES, limits=Limits(most={}, confidence=0.8)
    )
    free = serving_plans_by_aim(request, CATALOG, ("cost", "time"))
    held = serving_plans_by_aim(request, CATALOG, ("cost", "time"), dearest=2.0)
    lowest = float(held["cost"].plans[0].quantities["cost_usd"].mid)
    assert float(free["time"].plans[0].quantities["cost_usd"].mid) > 2.0 * lowest
    assert lowest < float(held["time"].plans[0].quantities["cost_usd"].mid) <= 2.0 * lowest
    assert held["cost"].plans[0].question == free["cost"].plans[0].question


def test_a_plan_counts_the_devices_that_hold_the_weights():
    choices = {**CHOICES, "hardware": ("h100-sxm",), "devices": (2.0, 8.0), "site": ("us",)}
    asked = replace(QUESTION, request_rate=1.0)
    plans = planned(question=asked, choices=choices).plans
    fewest = {(plan.weights, plan.question.devices, plan.fewest_devices) for plan in plans}
    assert {("bf16", 8.0, 2.0), ("fp8", 2.0, 1.0), ("fp8", 8.0, 1.0)} <= fewest
    busy = planned(question=replace(asked, request_rate=30.0), choices=choices).plans
    assert any(plan.replicas > 1.0 and plan.fewest_devices == 1.0 for plan in busy)
