"""How long steps take to launch, and what that does to small and to large runs."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.answer.scenario_estimate import answer_scenario
from estimator.catalog.shared_runs import read_overlay
from estimator.core.uncertainty import Uncertain
from estimator.question.scenario import Scenario
from estimator.training.launches import LAUNCH_S, LAYER_S, UsualSteps, exposed_share, log_slowdown
from estimator.training.mechanism import Launching, launched

MEASURED = Path(__file__).parents[2] / "profiles/runs/measured_h100.toml"
LAYERS = re.compile(r"decoder of (\d+) layers|(\d+) x \d+ x \d+, batch")
PEAK_SHARE = 0.3
STEP = 1e12


def small_steps(most):
    """Steps of the benchmark on an H100 whose work is but a share of their time."""
    peaks = {"bf16": 989e12, "tf32": 494e12, "fp32": 67e12}
    runs = [one for one in read_overlay(MEASURED).runs if one.origin == "bench"]
    return [
        one
        for run in runs
        for one in run.timings
        if one.what == "training"
        and one.precision in peaks
        and one.flop / (PEAK_SHARE * peaks[one.precision]) < most * one.time_s
    ]


def test_a_layer_takes_as_long_to_launch_as_on_the_board_that_was_measured():
    found = [
        one.time_s / float(match[1] or match[2])
        for one in small_steps(0.2)
        if one.kind == "language" and "LSTM" not in one.label and "GRU" not in one.label
        for match in [LAYERS.search(one.label)]
        if match
    ]
    assert len(found) >= 10
    assert min(found) < LAYER_S < max(found)
    assert np.median(found) == pytest.approx(LAYER_S, rel=0.35)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("convolution", ("plain convolutions", "bottlenecks", "residual network")),
        ("depthwise", ("inverted residuals", "wide depthwise kernels")),
        ("unet", ("U-Net",)),
    ],
)
def test_other_networks_take_as_long_as_the_slower_ones_measured(kind, words):
    found = [one.time_s for one in small_steps(0.4) if one.label.startswith(words)]
    assert len(found) >= 2
    assert min(found) < LAUNCH_S[kind] < 1.5 * max(found)


@given(st.floats(1e-6, 1e6))
def test_the_longer_of_work_and_launches_hides_the_shorter(share):
    slower = float(np.exp(log_slowdown(share)))
    assert max(1.0, share) <= slower * (1 + 1e-12)
    assert slower <= 1.0 + share
    twice, half = log_slowdown(share * np.exp(1e-4)), log_slowdown(share * np.exp(-1e-4))
    assert exposed_share(share) == pytest.approx((twice - half) / 2e-4, rel=1e-3, abs=1e-9)


@given(st.floats(1e-3, 1e9), st.floats(0.01, 3.0), st.floats(0.01, 3.0))
def test_both_what_steps_take_and_how_many_there_are_tell_their_time(run_s, step_sd, steps_sd):
    usual = UsualSteps(step_s=0.1, step_sd=step_sd, steps=1e4, steps_sd=steps_sd)
    log_s, sd = usual.log_time(run_s)
    ends = sorted((np.log(0.1), np.log(run_s / 1e4)))
    assert ends[0] - 1e-9 <= log_s <= ends[1] + 1e-9
    assert sd < min(step_sd, steps_sd)


@given(st.floats(0.0, 100.0), st.floats(0.0, 3.0))
def test_launches_only_slow_down_and_only_widen(share, unsure):
    ahead = Uncertain(0.4, {"utilization": 0.3})
    found = launched(ahead, Launching(share=share, step_s=0.02, log_sd=unsure))
    assert found.mid <= ahead.mid
    assert found.log_sd >= ahead.log_sd


def reached(catalog, **asked):
    scenario = Scenario(
        **{"flop": 1e5 * STEP, "hardware": "h100", "precision": "bf16", "kind": "language"}
        | {"devices": 1.0, "calibration": "ignore"}
        | asked
    )
    return answer_scenario(scenario, catalog).estimate["utilization"]


def test_small_steps_take_the_time_of_their_launches(catalog):
    """Ten times less work in a step leaves its time nearly as it was: the host is the limit."""
    small, smaller = (reached(catalog, step_flop=flop) for flop in (1e10, 1e9))
    assert small.mid / smaller.mid == pytest.approx(10.0, rel=0.05)
    large = reached(catalog, step_flop=1e15)
    assert large.mid > 0.3 > 30 * small.mid


def test_a_faster_device_launches_no_faster(catalog):
    boards = (("v100", "fp16"), ("h100", "bf16"))
    slow, fast = (
        reached(catalog, step_flop=1e10, hardware=name, precision=precision).mid
        * catalog.device(name).peaks[precision].value
        for name, precision in boards
    )
    assert slow == pytest.approx(fast, rel=0.1)


def test_deep_networks_launch_more(catalog):
    steps = {"step_flop": 1e10, "width": 768.0, "seq_len": 512.0}
    shallow, deep = (reached(catalog, layers=layers, **steps) for layers in (4.0, 24.0))
    assert shallow.mid == pytest.approx(6.0 * deep.mid, rel=0.1)


@pytest.mark.parametrize(
    ("asked", "precision"),
    [
        ({"hardware": "h100", "software": "vendor"}, "bf16"),
        ({"hardware": "tpu-v4"}, "bf16"),
        ({"hardware": "amd-epyc-2-cores"}, "fp32"),
    ],
)
def test_what_is_compiled_or_runs_on_the_host_itself_launches_nothing(asked, precision, catalog):
    """What is left to lose on a small step is the update of its parameters."""
    small = reached(catalog, step_flop=1e10, **asked, precision=precision)
    large = reached(catalog, step_flop=1e14, **asked, precision=precision)
    assert small.mid > 0.4 * large.mid
    assert small.mid > 40 * reached(catalog, step_flop=1e10).mid


def test_unspecified_steps_matter_to_small_runs_alone(catalog):
    """A run of a day on one board may be of any steps; one of months has large ones."""
    unknown, known = (reached(catalog, flop=1e17, **step) for step in ({}, {"step_flop": 1e14}))
    assert unknown.log_sd > 1.1 * known.log_sd
    assert unknown.mid < known.mid
    unknown, known = (
        reached(catalog, flop=1e23, devices=64.0, **step) for step in ({}, {"step_flop": 1e17})
    )
    assert unknown.mid == pytest.approx(known.mid, rel=0.03)
    assert unknown.log_sd == pytest.approx(known.log_sd, rel=0.03)
