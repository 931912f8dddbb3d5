"""Runs measured on H100 boards: their meters agree, and each program is predicted by the others."""

from pathlib import Path

import numpy as np
import pytest

from estimator.catalog.shared_runs import read_overlay
from tests.benchmarks.gpu.table import keep, prediction

RUNS = read_overlay(Path(__file__).parents[2] / "profiles/runs/measured_h100.toml").runs
BENCH = [one for one in RUNS if one.origin == "bench"]
PROGRAMS = [one for one in RUNS if one.origin != "bench" and one.timings]
BOARD = "gpu:0"


def board_energy(run):
    return next(one for one in run.energy if one.component == BOARD)


def test_counter_and_integrated_power_agree():
    ratios = {one.id: board_energy(one).check_j / board_energy(one).energy_j for one in RUNS}
    long = [one.id for one in RUNS if one.wall_s > 60]
    assert len(long) >= 2
    assert all(ratios[run] == pytest.approx(1.0, abs=0.01) for run in long)
    assert all(ratio == pytest.approx(1.0, abs=0.3) for ratio in ratios.values())
    assert np.median(list(ratios.values())) == pytest.approx(1.0, abs=0.02)


def test_power_rises_with_the_load_from_idle_to_the_limit():
    timings = BENCH[0].timings
    idle = next(one.power_w for one in timings if one.what == "idle")
    loads = [one.power_w for one in timings if one.what == "load"]
    largest = max(one.power_w for one in timings if one.what == "matrix")
    levels = [idle, *loads, largest]
    assert len(levels) == 5
    assert levels == sorted(levels)
    assert 60 < idle < 90
    assert 690 < largest < 1.1 * 700


def test_a_format_of_fewer_bits_multiplies_faster():
    products = [one for one in BENCH[0].timings if one.what == "matrix"]
    best = {
        name: max(one.flop / one.time_s for one in products if one.precision == name)
        for name in ("fp8", "bf16", "tf32", "fp32")
    }
    assert list(best) == sorted(best, key=best.__getitem__, reverse=True)
    assert best["bf16"] == pytest.approx(724e12, rel=0.01)


def test_programs_are_predicted_by_the_benchmark_and_the_others(tmp_path, monkeypatch):
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path))
    asked, before = [], []
    for program in PROGRAMS:
        others = [*BENCH, *(one for one in PROGRAMS if one.id != program.id)]
        keep(others, program.host.id)
        asked.append(prediction(program, size=True, use=True))
        before.append(prediction(program, size=True, use=False))
    assert len(asked) >= 27

    def error(found):
        return np.median([abs(one.mid / one.true - 1) for one in found])

    def inside(found):
        return np.mean([one.low <= one.true <= one.high for one in found])

    assert error(asked) < 0.4 < error(before)
    assert inside(asked) > 0.74 > inside(before)
