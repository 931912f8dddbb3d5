"""Runs measured on H100 and H200 boards: meters agree, and runs are predicted by the others."""

import csv
from collections import defaultdict
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from estimator.catalog import Catalog
from estimator.catalog.shared_runs import read_overlay
from estimator.inference.measured_loads import KnownLoads
from estimator.inference.quantities import answer_serving
from estimator.inference.question import ServingQuestion
from tests.benchmarks.gpu.table import both_measured, keep, left_out, of_program, prediction
from tests.benchmarks.prediction import SIZE
from tests.every import over

FOLDER = Path(__file__).parents[2] / "profiles/runs"
BOARD = "gpu:0"


@cache
def runs_on(board):
    """Runs measured on a board, read once a worker that asks for them."""
    return read_overlay(FOLDER / f"measured_{board}.toml").runs


def benchmarks():
    return [one for one in runs_on("h100") if one.origin == "bench"]


def programs_of(runs):
    return [one for one in runs if one.origin != "bench" and one.timings]


def without_power(runs):
    """The same runs as far as times go: what nobody asks for need not be fitted."""
    return [
        replace(
            run,
            energy=(),
            timings=tuple(replace(one, power_w=None, trust=None) for one in run.timings),
        )
        for run in runs
    ]


def board_energy(run):
    return next(one for one in run.energy if one.component == BOARD)


@pytest.mark.parametrize("board", ["h100", "h200"])
def test_counter_and_integrated_power_agree(board):
    runs = runs_on(board)
    ratios = {one.id: board_energy(one).check_j / board_energy(one).energy_j for one in runs}
    long = [one.id for one in runs if one.wall_s > 60]
    assert long
    assert all(ratios[run] == pytest.approx(1.0, abs=0.01) for run in long)
    assert all(ratio == pytest.approx(1.0, abs=0.3) for ratio in ratios.values())
    assert np.median(list(ratios.values())) == pytest.approx(1.0, abs=0.02)


def test_power_rises_with_the_load_from_idle_to_the_limit():
    timings = benchmarks()[0].timings
    idle = next(one.power_w for one in timings if one.what == "idle")
    loads = [one.power_w for one in timings if one.what == "load"]
    largest = max(one.power_w for one in timings if one.what == "matrix")
    levels = [idle, *loads, largest]
    assert len(levels) == 5
    assert levels == sorted(levels)
    assert 60 < idle < 90
    assert 690 < largest < 1.1 * 700


def test_a_format_of_fewer_bits_multiplies_faster():
    products = [one for one in benchmarks()[0].timings if one.what == "matrix"]
    best = {
        name: max(one.flop / one.time_s for one in products if one.precision == name)
        for name in ("fp8", "bf16", "tf32", "fp32")
    }
    assert list(best) == sorted(best, key=best.__getitem__, reverse=True)
    assert best["bf16"] == pytest.approx(724e12, rel=0.01)


def read_before(board):
    """Predictions written down before the programs ran: version, what was known then -> rows."""
    states = defaultdict(dict)
    with (FOLDER / f"predicted_{board}.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            state = row["version"], row["known"], row["step_size_given"]
            states[state][row["program"], row["precision"]] = row
    return states


def scores_of(board, version):
    """Median error [%] and how many lie inside the interval, of each state of one version."""
    runs = runs_on(board)
    trained = {(one.label, one.timings[0].precision): one for one in programs_of(runs)}
    scores = {}
    for (of, *state), rows in read_before(board).items():
        if of != version:
            continue
        errors, inside = [], 0
        for key, row in rows.items():
            true = trained[key].timings[0]
            assert float(row["flop_per_step"]) == pytest.approx(true.flop)
            assert row["predicted"] < min(one.started for one in runs if one.label == key[0])
            errors.append(abs(float(row["mid_s"]) / true.time_s - 1))
            inside += float(row["low_s"]) <= true.time_s <= float(row["high_s"])
        scores[tuple(state)] = len(rows), round(100 * float(np.median(errors))), inside
    return scores


@pytest.mark.parametrize(
    ("board", "version", "expected"),
    [
        (
            "h100",
            "d6860971481a",
            [(21, 53, 15), (21, 53, 15), (21, 53, 17), (21, 36, 18), (21, 50, 16), (21, 44, 20)],
        ),
        (
            "h100",
            "ceed8a9040c9",
            [(16, 47, 13), (16, 47, 13), (16, 35, 15), (16, 10, 14), (16, 37, 14), (16, 17, 16)],
        ),
        (
            "h200",
            "ceed8a9040c9",
            [(16, 52, 12), (16, 52, 12), (16, 35, 14), (16, 20, 14), (16, 34, 14), (16, 15, 16)],
        ),
    ],
    ids=["H100", "H100, later", "H200"],
)
def test_predictions_written_down_before_the_programs_ran_were_so_far_off(board, version, expected):
    states = product(("before", "bench", "bench and programs"), ("no", "yes"))
    assert scores_of(board, version) == dict(zip(states, expected, strict=True))


def test_programs_are_predicted_by_the_benchmark_and_the_others(tmp_path, monkeypatch):
    """The middle is as far off as before, and surer of it: as many as promised lie inside."""
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path))
    bench = without_power(benchmarks())
    measured = without_power(programs_of(runs_on("h100")))
    programs = [one for one in measured if one.started < "2026-11-24"]
    asked = []
    for home in dict.fromkeys(one.host.id for one in programs):
        keep([*bench, *programs], home)
        for program in (one for one in programs if one.host.id == home):
            with left_out(program):
                asked.append(prediction(program, known=SIZE, use=True))
    before = [prediction(program, known=SIZE, use=False) for program in programs]
    assert len(asked) == 64

    def error(found):
        return np.median([abs(one.mid / one.true - 1) for one in found])

    def inside(found):
        return np.mean([one.low <= one.true <= one.high for one in found])

    def width(found):
        return np.median([np.log(one.high / one.low) for one in found])

    assert error(asked) < 0.31
    assert 0.74 < inside(asked) < 0.9
    assert inside(before) > 0.84
    assert width(asked) < 0.75 * width(before)


def test_a_program_measured_on_one_board_is_predicted_on_the_other(tmp_path, monkeypatch):
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path))
    bench, there = without_power(benchmarks()), without_power(runs_on("h100"))
    programs = both_measured([one for one in runs_on("h200") if not one.served], there)
    assert len(programs) == 63
    before, after = [], []
    for program in programs[::3]:
        keep([*bench, *of_program(there, program)], program.host.id)
        before.append(prediction(program, known="", use=False, name=True))
        after.append(prediction(program, known="", use=True, name=True))

    def errors(found):
        return [abs(np.log(one.mid / one.true)) for one in found]

    assert np.median(errors(after)) < 0.35 < 0.5 < np.median(errors(before))
    assert np.mean([one.low <= one.true <= one.high for one in after]) > 0.74


def test_steps_in_eight_bits_gain_less_than_their_products():
    """Scaling and casting each tensor costs what the faster products save, at these sizes."""
    (bench,) = (one for one in benchmarks() if one.started >= "2026-11-23")

    def rate(what, precision, label):
        found = (
            one.flop / one.time_s
            for one in bench.timings
            if (one.what, one.precision) == (what, precision) and label in (one.label or "")
        )
        return max(found)

    products = [rate("matrix", name, "16384") for name in ("fp8", "bf16")]
    perceptrons = [rate("training", name, "width 8192") for name in ("fp8", "bf16")]
    decoders = [rate("training", name, "decoder of 12") for name in ("fp8", "bf16")]
    assert products[0] > 1.7 * products[1]
    assert perceptrons[0] < 1.1 * perceptrons[1]
    assert decoders[0] < decoders[1]


def test_programs_in_eight_bits_are_predicted_by_a_benchmark_that_has_such_steps(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path))
    programs = [one for one in programs_of(runs_on("h100")) if one.timings[0].precision == "fp8"]
    assert len(programs) == 3
    keep(without_power(benchmarks()), programs[0].host.id)
    for program in programs:
        found = prediction(program, known=SIZE, use=True)
        assert found.low < found.true < found.high
        assert found.mid == pytest.approx(found.true, rel=0.4)


def predicted_load(run, load, others):
    """Quantities of a load while the others of its run are known."""
    device = next(one for one in run.devices if one.key == load.component)
    asked = ServingQuestion(
        preset=load.model,
        hardware=device.hardware,
        devices=1.0,
        precision=load.precision,
        kv_precision=load.kv_precision,
        software=load.program,
        concurrency=load.concurrency,
        input_tokens=load.input_tokens,
        output_tokens=load.output_tokens,
    )
    known = KnownLoads(Catalog.open(), [replace(run, served=tuple(others))], run.host.id)
    ranges = answer_serving([asked], Catalog.open(), calibration=known.corrected).ranges
    return {name: ranges[name].mid[0] / value for name, value in load.measured.items()}


@over(
    (run for board in ("h100", "h200") for run in runs_on(board) if run.served), lambda run: run.id
)
def test_served_loads_are_predicted_by_the_others_of_the_run(run):
    assert len(run.served) == 8
    errors = {
        state: [
            predicted_load(run, load, [one for one in run.served if known and one is not load])
            for load in run.served
        ]
        for state, known in (("before", False), ("after", True))
    }

    def error(state, name):
        return np.median([abs(one[name] - 1) for one in errors[state]])

    for name in ("inter_token_s", "output_tokens_per_s"):
        assert error("after", name) < min(0.3, error("before", name))
    assert error("after", "device_energy_per_output_token_j") < 0.35
    assert error("after", "device_power_w") < 0.5 * error("before", "device_power_w") < 0.35
