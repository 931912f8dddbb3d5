"""Measured loads of servers correct the answer: for their like, and no more than they may."""

from dataclasses import replace

import numpy as np
import pytest

from estimator.core.notice import Refusal
from estimator.core.uncertainty import z_score
from estimator.core.units import CENTRAL
from estimator.inference.calibration import DELIVERED, LoadEvidence, components_of
from estimator.inference.engines import LOCAL, fitted
from estimator.inference.figures import (
    curve,
    most_within,
    request_times,
    results,
    roofline,
    roofline_of,
)
from estimator.inference.measured_loads import KnownLoads, check_loads, loads_of
from estimator.inference.quantities import answer_serving, open_variance, own_log_sd, values_of
from estimator.inference.question import ServingQuestion
from estimator.runs.record import Host, MeasuredDevice, MeasuredRun, ServedLoad
from estimator.validation.serving_fit import fit, measured_cases

HERE = "this-host"
MODEL = "Qwen/Qwen3-14B"
ASKED = ServingQuestion(
    preset=MODEL,
    hardware="h100",
    devices=1.0,
    precision="bf16",
    concurrency=62.0,
    input_tokens=512.0,
    output_tokens=256.0,
)


def run_of(measured, host=HERE, hardware="h100-sxm", simulated=False, **changed):
    load = ServedLoad(
        component="gpu:0",
        model=MODEL,
        precision="bf16",
        program="vllm",
        concurrency=62.0,
        input_tokens=512.0,
        output_tokens=256.0,
        measured=measured,
    )
    return MeasuredRun(
        id=f"log-{len(measured)}",
        origin="log",
        started="2026-05-01T12:00:00Z",
        wall_s=160.0,
        state="finished",
        host=Host(id=host, cpu="c", system="s", software={}),
        devices=(MeasuredDevice(key="gpu:0", kind="gpu", name="H100", hardware=hardware),),
        served=(replace(load, **changed),),
        simulated=simulated,
    )


def answered(catalog, *runs, asked=ASKED):
    known = KnownLoads(catalog, runs, HERE)
    return answer_serving([asked], catalog, calibration=known.corrected)


def quantity(answer, name="inter_token_s"):
    return answer.ranges[name].mid[0], answer.ranges[name].log_sd[0]


def slower(catalog, times=1.2):
    """A load that took so many times as long as expected."""
    mid, _ = quantity(answer_serving([ASKED], catalog))
    return {"inter_token_s": mid * times}


def test_a_measured_load_moves_its_like_and_narrows_it(catalog):
    before = answer_serving([ASKED], catalog)
    after = answered(catalog, run_of(slower(catalog)))
    (mid, sd), (now, left) = quantity(before), quantity(after)
    assert 1.1 * mid < now < 1.2 * mid
    assert left < 0.7 * sd
    rate, rate_now = quantity(before, "output_tokens_per_s"), quantity(after, "output_tokens_per_s")
    assert rate_now[0] < rate[0] and rate_now[1] < rate[1]
    cost = "cost_per_million_output_tokens_usd"
    assert quantity(after, cost)[0] > quantity(before, cost)[0]
    notice = after.notices.of(0)[0]
    assert (notice.code, notice.values["count"]) == ("serving_calibrated", 1.0)
    assert notice.values["times"] == pytest.approx(now / mid)


def test_a_load_of_unknown_prompts_that_runs_as_expected_moves_nothing(catalog):
    model = {"preset": "Qwen/Qwen3-VL-8B-Instruct", "software": "vllm", "input_tokens": None}
    asked = replace(ASKED, **model)
    before = quantity(answer_serving([asked], catalog))
    same = run_of({"inter_token_s": before[0]}, model=asked.preset, input_tokens=None)
    after = quantity(answered(catalog, same, asked=asked))
    assert after[0] == pytest.approx(before[0])
    assert after[1] > 0.95 * before[1]  # images make such a load tell little


def test_the_curve_goes_through_the_corrected_point(catalog):
    plain, after = answer_serving([ASKED], catalog), answered(catalog, run_of(slower(catalog)))
    factor = quantity(after)[0] / quantity(plain)[0]
    before, now = curve(plain), curve(after)
    assert now.inter_token_s == pytest.approx([factor * one for one in before.inter_token_s])
    goal_s = 0.03
    assert most_within(after, goal_s) < most_within(plain, goal_s)
    request_s = request_times(after)["request_s"]
    assert request_s > 1.08 * request_times(plain)["request_s"]


def test_the_roofline_follows_the_measured_time_of_a_step(catalog):
    plain, after = answer_serving([ASKED], catalog), answered(catalog, run_of(slower(catalog)))
    factor = quantity(after)[0] / quantity(plain)[0]
    before, now = roofline_of(plain), roofline_of(after)
    assert factor > 1.1
    assert now.decode.flop_per_s == pytest.approx(before.decode.flop_per_s / factor)
    assert now.decode.intensity == before.decode.intensity
    steps, slower_steps = roofline(plain), roofline(after)
    assert slower_steps["decode_step_s"] == pytest.approx(factor * steps["decode_step_s"])
    first = [results(one, 0.8)["time_to_first_token_s"]["mid"] for one in (plain, after)]
    factor_of_first = first[1] / first[0]
    assert slower_steps["prefill_s"] == pytest.approx(factor_of_first * steps["prefill_s"])
    assert 0 < slower_steps["prefill_share"] < 1


def test_energy_stays_power_over_throughput(catalog):
    mid, _ = quantity(answer_serving([ASKED], catalog), "device_power_w")
    after = answered(catalog, run_of({**slower(catalog), "device_power_w": 0.8 * mid}))
    power, rate = quantity(after, "device_power_w")[0], quantity(after, "output_tokens_per_s")[0]
    assert quantity(after, "device_energy_per_output_token_j")[0] == pytest.approx(power / rate)


@pytest.mark.parametrize(
    ("nearer", "farther"),
    [
        ({}, {"concurrency": 8.0}),
        ({"concurrency": 48.0}, {"concurrency": 8.0}),
        ({"concurrency": 8.0}, {"preset": "llama-3-8b"}),
        ({}, {"precision": "fp8"}),
    ],
)
def test_the_more_a_load_differs_the_less_it_tells(catalog, nearer, farther):
    measured = slower(catalog)
    spreads = []
    for changed in (nearer, farther):
        asked = replace(ASKED, **changed)
        plain = quantity(answer_serving([asked], catalog))[1]
        spreads.append(quantity(answered(catalog, run_of(measured), asked=asked))[1] / plain)
    assert spreads[0] < spreads[1] <= 1.0


def test_a_load_on_another_host_tells_less(catalog):
    here = quantity(answered(catalog, run_of(slower(catalog))))[1]
    there = quantity(answered(catalog, run_of(slower(catalog), host="other")))[1]
    assert here < there < quantity(answer_serving([ASKED], catalog))[1]


def test_what_tells_nothing_changes_nothing(catalog):
    plain = answer_serving([ASKED], catalog)
    measured = slower(catalog)
    for run in (
        run_of(measured, hardware="a100-sxm-80"),
        run_of(measured, hardware=None),
        run_of(measured, simulated=True),
        run_of({"inter_token_s": -1.0}),
        run_of({"other": 3.0}),
        run_of(measured, model="no such model"),
    ):
        after = answered(catalog, run)
        assert quantity(after) == quantity(plain)
        assert not [one for one in after.notices.of(0) if one.code == "serving_calibrated"]


def test_a_load_that_cannot_be_right_is_left_out_and_named(catalog):
    after = answered(catalog, run_of(slower(catalog, times=20.0)))
    assert quantity(after) == quantity(answer_serving([ASKED], catalog))
    assert [one.code for one in after.notices.of(0)][:1] == ["serving_runs_far_off"]
    assert after.notices.of(0)[0].values["run"] == "log-1"


@pytest.mark.parametrize("beside", [(), ({},)])
def test_a_load_that_cannot_be_used_is_named_with_its_reason(catalog, beside):
    runs = [run_of(slower(catalog)) for _ in beside]
    unusable = (
        ({"model": "no such model"}, "no such model"),
        ({"precision": "int17"}, "int17"),
        ({"concurrency": -1.0}, "concurrency"),
    )
    for number, (changed, word) in enumerate(unusable):
        run = replace(run_of(slower(catalog), **changed), id=f"own-{number}")
        after = answered(catalog, *runs, run)
        (notice,) = [one for one in after.notices.of(0) if one.code == "serving_runs_unusable"]
        assert notice.values["run"] == run.id and word in notice.values["why"]
        assert quantity(after) == quantity(answered(catalog, *runs))
    other = answered(catalog, run, asked=replace(ASKED, hardware="a100-sxm-80"))
    assert not [one for one in other.notices.of(0) if one.code == "serving_runs_unusable"]


def test_a_load_that_no_answer_can_rest_on_is_refused(catalog):
    with pytest.raises(Refusal, match="set hardware") as found:
        check_loads(run_of({}, hardware=None), catalog)
    assert found.value.notice.code == "serving_run_without_device"
    with pytest.raises(ValueError, match="no such model"):
        check_loads(run_of({}, model="no such model"), catalog)
    check_loads(run_of({}), catalog)


@pytest.fixture(scope="module")
def systems(catalog):
    """Loads of two large systems and their errors, each by a fit without that system."""
    measured = measured_cases(catalog, fitted(catalog))
    return [predicted_without(catalog, measured, name) for name in ("h100-sxm", "b200")]


def predicted_without(catalog, measured, name):
    """Which rows are of a system, all loads, log ratios, and two kinds of spread."""
    table = measured.table
    chosen = np.array([row.device.device.id for row in map(table.row, range(table.count))]) == name
    parameters = fit(catalog, measured, ~chosen, fitted(catalog))
    table = replace(table, parameters=parameters)
    expected = np.array([values_of(table.performance)[name] for name in DELIVERED]).T
    blank = np.full(len(chosen), np.nan)
    known = {**measured.values, "inter_token_s": measured.values["median_gap_s"]}
    values = np.array([known.get(name, blank) for name in DELIVERED]).T
    own = own_log_sd(table)
    own_sd = np.array([own[name] for name in DELIVERED]).T
    variance = open_variance(table)
    open_sd = np.sqrt(np.array([variance[name] for name in DELIVERED]).T)
    ratio = np.log(values / expected)
    loads = loads_of(table, np.zeros(len(chosen), dtype=np.int64))
    return chosen & ~np.isin(table.engines, LOCAL), loads, ratio, own_sd, open_sd


def errors_of_halves(catalog, split, chosen, loads, ratio, own_sd, open_sd):
    """Errors before and after half of a system's rows calibrate the other half, and spreads.

    In parts of one device and engine.
    """
    found = []
    for place in np.unique(loads.place[chosen]):
        rows = np.flatnonzero((loads.place == place) & ~np.isnan(ratio[:, 1:]).any(axis=1))
        rows = np.random.default_rng(7).permutation(rows)
        if len(rows) < 20:
            continue
        models = np.round(loads.params[rows], 2)
        known = np.unique(models)[::2]
        half = np.isin(models, known) if split == "models" else np.arange(len(rows)) % 2 == 0
        taught, test = rows[half], rows[~half]
        evidence = LoadEvidence(
            loads=loads.part(taught),
            log_ratio=ratio[taught],
            own_sd=own_sd[taught],
            open_sd=open_sd[taught],
            components=components_of(catalog),
        )
        mean, left = evidence.posterior(loads.part(test))
        before = np.hypot(own_sd[test], open_sd[test])
        after = np.hypot(own_sd[test] * left, open_sd[test])
        found.append((ratio[test], ratio[test] - mean * own_sd[test], before, after))
    return found


@pytest.mark.parametrize("split", ["rows", "models"])
def test_half_of_a_systems_rows_predict_the_other_half_honestly(catalog, systems, split):
    parts = [part for system in systems for part in errors_of_halves(catalog, split, *system)]
    plain, corrected, before, after = map(np.concatenate, zip(*parts, strict=True))
    width = z_score(CENTRAL)
    for at, name in list(enumerate(DELIVERED))[1:]:
        error, now = (np.median(np.abs(np.expm1(one[:, at]))) for one in (plain, corrected))
        inside = np.mean(np.abs(plain[:, at]) <= width * before[:, at])
        covered = np.mean(np.abs(corrected[:, at]) <= width * after[:, at])
        narrower = np.median(after[:, at] / before[:, at])
        assert covered > inside - 0.08, name
        assert now < error + 0.05
        if split == "rows":
            assert 0.74 <= round(covered, 2) <= 0.88
            assert now < 0.6 * error
            assert narrower < 0.5
        else:
            assert covered > 0.7
