"""Estimates with measured runs in the store: what they move, by how much, and what they say."""

import csv
import dataclasses
import io
import json
from datetime import UTC, datetime, timedelta

import pytest

from estimator.answer.scenario_estimate import answer_scenario
from estimator.answer.training_report import estimate_report
from estimator.calibration.correction import Known, known_runs
from estimator.calibration.measured_utilization import Measured
from estimator.calibration.notices import CALIBRATED
from estimator.catalog import Catalog
from estimator.core.uncertainty import z_score
from estimator.measure.host_id import host_id
from estimator.question.scenario import Scenario
from estimator.runs import open_store
from estimator.runs.record import (
    Condition,
    Energy,
    Host,
    MeasuredDevice,
    MeasuredRun,
    Timing,
)
from estimator.show import values
from estimator.show.csv_table import estimate_csv
from tests.in_process import run as command
from tests.measured_runs import measured, steps, store


def as_json(answer):
    """JSON of an estimate."""
    return values.as_json(estimate_report(answer))


PEAK = 312e12
"""Dense peak of an A100 at 16 bit [FLOP/s]; NVIDIA A100 data sheet, 2020."""

QUESTION = Scenario(
    params=7e9, tokens=1e12, hardware="a100-sxm-80", devices=8.0, precision="bf16", site="fr"
)


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path / "data"))


def run(number=1, utilization=0.55, power_w=330.0, **changed):
    """Training of a decoder on one A100 of this host."""
    timing = Timing(
        what="training",
        component="gpu:0",
        precision="bf16",
        kind="language",
        arch="dense decoder",
        flop=PEAK * utilization,
        time_s=1.0,
        log_sd=0.01,
        repetitions=100,
        params=1e9,
        hidden=2048.0,
        seq_len=2048.0,
        tokens=16384.0,
    )
    whole = MeasuredRun(
        id=f"r{number}",
        origin="script",
        started=f"2026-11-{number:02d}T10:00:00Z",
        wall_s=100.0,
        state="finished",
        host=Host(id=host_id(), cpu="x", cores=8, system="Linux", software={}),
        devices=(
            MeasuredDevice(
                key="gpu:0",
                kind="gpu",
                name="NVIDIA A100-SXM4-80GB",
                hardware="a100-sxm-80",
                power_limit_w=400.0,
                default_limit_w=400.0,
            ),
        ),
        energy=(
            Energy(
                component="gpu:0",
                meter="nvml counter",
                trust="counter",
                energy_j=100.0 * power_w,
                duration_s=100.0,
            ),
        ),
        conditions=(Condition(component="gpu:0", busy=0.99, throttled=0.0),),
        timings=(timing,),
    )
    return dataclasses.replace(whole, **changed)


def timing_of(whole, **changed):
    return (dataclasses.replace(whole.timings[0], **changed),)


def answer(**changed):
    return answer_scenario(dataclasses.replace(QUESTION, **changed), Catalog.open())


def factor(specified, name):
    """High over low of a quantity: how wide its interval is."""
    span = as_json(specified)["results"][name]
    return span["high"] / span["low"]


def middle(specified, name):
    return as_json(specified)["results"][name]["mid"]


def test_without_a_store_nothing_changes():
    assert as_json(answer())["results"] == as_json(answer(calibration="ignore"))["results"]


def test_one_run_moves_and_narrows_ten_narrow_more():
    plain = answer()
    store(run(1))
    one = answer()
    store(*(run(number) for number in range(2, 11)))
    ten = answer()
    expected = middle(plain, "utilization")
    assert expected < middle(one, "utilization") < middle(ten, "utilization") < 0.55
    widths = [factor(specified, "device_hours") for specified in (plain, one, ten)]
    assert widths[0] > 1.05 * widths[1] > 1.05 * widths[2]
    specified = ten.inputs["utilization"]
    assert (specified.basis, specified.source, specified.date) == (
        CALIBRATED,
        "10 measured runs",
        "2026-11-10",
    )
    assert as_json(ten)["results"]["utilization"]["basis"] == "calibrated"


def test_an_answer_says_on_which_runs_it_rests():
    assert not any("calibrated:" in line for line in answer().warnings)
    day = datetime.now(UTC).date() - timedelta(days=2)
    both = [dataclasses.replace(run(at), started=f"{day}T10:00:0{at}Z") for at in (1, 2)]
    strange = dataclasses.replace(both[0].host, id="another")
    store(*both, dataclasses.replace(run(3), host=strange))
    specified = [line for line in answer().warnings if line.startswith("calibrated:")]
    starts = (
        "calibrated: 2 runs on this machine, newest 2 days old",
        "calibrated: 1 run on another",
    )
    assert all(any(line.startswith(start) for line in specified) for start in starts), specified
    assert all("the rate expected from published runs" in line for line in specified)
    assert not any("calibrated:" in line for line in answer(calibration="ignore").warnings)


@pytest.mark.parametrize(("step_sd", "usual"), [(0.02, True), (2.0, True), (3.6, False)])
def test_steps_whose_time_is_off_by_two_thirds_tell_nothing_of_usual_programs(step_sd, usual):
    """The mean of 36 steps is known to 0.3, 33 and 60%."""
    timing = steps(0.4, 0.1, log_sd=step_sd, repetitions=36)
    known = Known(Catalog.open(), Measured(given=(measured("r", timing, origin="script"),)))
    observations, evidence = known.of(Catalog.open().device("h100-sxm"))
    assert len(observations) == 1
    assert len(evidence.user_steps.program) == usual


def test_a_run_far_off_all_the_others_is_named():
    several = [run(at, timings=timing_of(run(), params=at * 1e9)) for at in range(1, 9)]
    slow = run(9, timings=timing_of(run(), params=9e9, time_s=300.0))
    store(*several, slow)
    (specified,) = [line for line in answer().warnings if "has less weight" in line]
    assert run(9).id in specified
    assert "far off all the others, weight" in specified


def test_many_timings_of_a_disturbed_run_are_in_as_much_doubt_as_one():
    """Heat held the clock down in all of them alike: repetition in one run proves nothing."""
    hot = {"conditions": (Condition(component="gpu:0", busy=0.99, throttled=1.0),)}
    moved = []
    for count, conditions in ((1, {}), (1, hot), (16, hot)):
        one = run(1, **conditions)
        store(dataclasses.replace(one, timings=one.timings * count))
        moved.append((middle(answer(), "utilization"), factor(answer(), "device_hours")))
        with open_store() as kept:
            kept.forget([one.id])
    (clean, narrow), (once, wide), (often, as_wide) = moved
    assert once < clean
    assert often == pytest.approx(once, rel=0.02)
    assert narrow < wide
    assert as_wide == pytest.approx(wide, rel=0.03)


def test_a_whole_run_tells_less_than_steps_and_ten_of_them_more_than_one():
    """It holds what befell it alone: start, evaluations, what was broken that day."""
    plain = factor(answer(), "device_hours")

    def whole(number):
        steps, many = run(number), 1e5
        flop, time_s = many * steps.timings[0].flop, many * steps.timings[0].time_s
        timings = timing_of(steps, repetitions=1, flop=flop, time_s=time_s)
        return dataclasses.replace(steps, wall_s=time_s, timings=timings)

    store(run(1))
    steps = factor(answer(), "device_hours")
    with open_store() as kept:
        kept.forget(["r1"])
    store(whole(1))
    one = factor(answer(), "device_hours")
    store(*(whole(number) for number in range(2, 11)))
    ten = factor(answer(), "device_hours")
    assert steps < one < plain
    assert ten < one


def test_a_run_that_reaches_what_is_expected_narrows_and_moves_nothing():
    plain = answer()
    assert known_runs(Catalog.open()).of(Catalog.open().device("a100-sxm-80"))[0] == []
    store(run(1, utilization=0.3))
    (observation,) = known_runs(Catalog.open()).of(Catalog.open().device("a100-sxm-80"))[0]
    store(run(2, utilization=float(observation.expected.mid)))
    with open_store() as kept:
        kept.forget(["r1"])
    calibrated = answer()
    moved = middle(calibrated, "utilization") / middle(plain, "utilization")
    assert moved == pytest.approx(1.0, abs=0.015), "but for the little that lies above the peak"
    assert factor(calibrated, "device_hours") < factor(plain, "device_hours")


def test_another_kind_or_host_teaches_less():
    plain = factor(answer(), "device_hours")
    alike = run(1)
    far = dataclasses.replace(alike.host, id="another-host")
    widths = []
    for other in (
        alike,
        run(1, timings=timing_of(alike, kind="vision", arch="CNN")),
        run(1, host=far),
    ):
        store(other)
        widths.append(factor(answer(), "device_hours"))
        with open_store() as kept:
            kept.forget(["r1"])
    assert all(widths[0] < width < plain for width in widths[1:])


def test_a_run_on_another_device_teaches_nothing():
    store(run(1))
    assert answer(hardware="h100-sxm").inputs["utilization"].basis != CALIBRATED
    assert as_json(answer(hardware="h100-sxm"))["results"]["utilization"]["basis"] == "prior"


@pytest.mark.parametrize(
    ("changed", "specified"),
    [
        (
            {"conditions": (Condition(component="gpu:0", busy=1.0, throttled=0.6),)},
            "throttled 60% of the time",
        ),
        (
            {"conditions": (Condition(component="gpu:0", busy=1.0, others=0.3),)},
            "other programs used 30%",
        ),
    ],
)
def test_a_disturbed_run_is_weighed_down_and_said(changed, specified):
    store(run(1))
    clean = factor(answer(), "device_hours")
    with open_store() as kept:
        kept.forget(["r1"])
    store(run(1, **changed))
    disturbed = answer()
    assert factor(disturbed, "device_hours") > clean
    assert any(f"run r1 has less weight: {specified}" in warning for warning in disturbed.warnings)


def test_all_runs_that_count_less_are_said_in_one_line():
    for number, others in enumerate((0.2, 0.3, 0.4), start=1):
        whole = run(number, conditions=(Condition(component="gpu:0", busy=1.0, others=others),))
        store(dataclasses.replace(whole, timings=timing_of(whole, params=number * 1e9)))
    (line,) = (one for one in answer().warnings if "less weight" in one)
    assert line == "3 runs have less weight: other programs used 20 to 40% of the device (3 runs)"


def test_a_lowered_power_limit_is_weighed_down_and_said():
    whole = run(1)
    device = dataclasses.replace(whole.devices[0], power_limit_w=200.0)
    store(run(1, devices=(device,)))
    assert any("power limit 200 of 400 W" in warning for warning in answer().warnings)


def test_measured_power_moves_the_energy_towards_it():
    plain = answer()
    store(*(run(number, power_w=390.0) for number in range(1, 5)))
    calibrated = answer()
    specified = calibrated.inputs["device_power_w"]
    assert specified.basis == CALIBRATED
    assert specified.value < 390.0
    before = float(specified.note.partition("before: ")[2].partition(" W")[0])
    assert before < specified.value
    power = "energy_kwh"
    per_hour = [middle(one, power) / middle(one, "device_hours") for one in (plain, calibrated)]
    assert per_hour[1] > per_hour[0]
    assert factor(calibrated, power) < factor(plain, power)


def test_modelled_power_teaches_no_power():
    whole = run(1)
    modelled = dataclasses.replace(whole.energy[0], trust="modelled", meter="codecarbon")
    store(run(1, energy=(modelled,)))
    calibrated = answer()
    assert "device_power_w" not in calibrated.inputs
    assert calibrated.inputs["utilization"].basis == CALIBRATED


def test_a_run_of_unknown_work_changes_no_answer():
    """However busy others kept the device: nobody knows what its power was for."""
    before = answer()
    store(run(1, timings=(), conditions=(Condition(component="gpu:0", busy=0.9),)))
    assert answer().inputs == before.inputs
    for name, quantity in answer().estimate.quantities.items():
        assert quantity.interval() == before.estimate.quantities[name].interval(), name


def test_a_timed_run_takes_the_measured_power():
    store(*(run(number) for number in range(1, 4)))
    timed = Scenario(device_hours=1e4, hardware="a100-sxm-80", devices=8.0, site="fr")
    calibrated = answer_scenario(timed, Catalog.open())
    plain = answer_scenario(dataclasses.replace(timed, calibration="ignore"), Catalog.open())
    assert factor(calibrated, "energy_kwh") < factor(plain, "energy_kwh")


def test_a_step_below_ten_million_flops_is_overhead_and_teaches_nothing():
    whole = run(1)
    store(run(1, timings=timing_of(whole, flop=5e6, time_s=1e-3)))
    assert answer().inputs["utilization"].basis != CALIBRATED


def test_the_size_of_the_steps_may_be_told_and_narrows():
    store(run(1))
    unknown, specified = answer(), answer(batch_tokens=4e6)
    assert (
        unknown.inputs["utilization"].basis == specified.inputs["utilization"].basis == CALIBRATED
    )


def test_measured_runs_of_the_same_program_narrow_most():
    """A network of the same kind and parameters is the same program: how it is written counts."""
    store(*(run(number) for number in range(1, 4)))
    same, other = answer(params=1e9, tokens=1e12), answer(params=1.1e9, tokens=1e12)
    assert factor(same, "utilization") < 0.97 * factor(other, "utilization")
    assert abs(middle(same, "utilization") - 0.55) < abs(middle(other, "utilization") - 0.55)


def named_run(number, name, **changed):
    """A run whose program was named."""
    plain = run(number, **changed)
    timings = tuple(dataclasses.replace(one, style=name, params=None) for one in plain.timings)
    return dataclasses.replace(plain, timings=timings)


def test_measured_runs_of_the_program_that_is_named_count_most():
    store(*(named_run(number, "mine") for number in range(1, 4)))
    mine, other = answer(program="mine"), answer()
    assert factor(mine, "utilization") < 0.97 * factor(other, "utilization")
    assert abs(middle(mine, "utilization") - 0.55) < abs(middle(other, "utilization") - 0.55)
    assert not any("no run of the program" in warning for warning in mine.warnings)


def test_a_program_that_was_never_measured_is_said():
    store(named_run(1, "mine"))
    yours = answer(program="yours")
    assert any("no run of the program 'yours' was measured" in one for one in yours.warnings)
    assert middle(yours, "utilization") == middle(answer(), "utilization")


def moved(whole, hardware):
    """The same run on another device."""
    (device,) = whole.devices
    return dataclasses.replace(whole, devices=(dataclasses.replace(device, hardware=hardware),))


def test_a_program_measured_on_another_accelerator_goes_with_its_runs():
    plain = answer()
    store(moved(named_run(1, "mine"), "h100-sxm"))
    mine, other = answer(program="mine"), answer()
    assert as_json(other)["results"] == as_json(plain)["results"]
    assert 0.17 < middle(mine, "utilization") < 0.8 * middle(plain, "utilization")
    assert factor(mine, "utilization") < 0.98 * factor(plain, "utilization")
    assert mine.inputs["utilization"].basis == CALIBRATED
    assert any("what it reached on NVIDIA H100" in line for line in mine.warnings)
    assert not any("is treated like any other" in line for line in mine.warnings)


def test_runs_of_a_program_on_the_device_itself_count_alone():
    store(named_run(1, "mine"))
    here = as_json(answer(program="mine"))["results"]
    store(moved(named_run(2, "mine"), "h100-sxm"))
    both = answer(program="mine")
    assert as_json(both)["results"] == here
    assert not any("what it reached on" in line for line in both.warnings)


def test_a_program_measured_on_a_processor_says_nothing_of_an_accelerator():
    store(moved(named_run(1, "mine"), "xeon-8280"))
    assert as_json(answer(program="mine"))["results"] == as_json(answer())["results"]


def test_many_devices_keep_the_communication_of_the_model():
    """What is learned is a factor: its effect on one device and on a thousand is alike."""
    plain = [middle(answer(devices=count), "utilization") for count in (8.0, 1024.0)]
    store(*(run(number) for number in range(1, 6)))
    calibrated = [middle(answer(devices=count), "utilization") for count in (8.0, 1024.0)]
    assert calibrated[1] / calibrated[0] == pytest.approx(plain[1] / plain[0], rel=0.1)
    assert plain[1] < plain[0]


def test_a_true_utilization_in_the_interval_of_the_prior_stays_in_that_of_the_posterior():
    store(*(run(number, utilization=0.5) for number in range(1, 6)))
    specified = answer().inputs["utilization"]
    assert specified.low < 0.5 < specified.high
    assert z_score(0.8) > 0


def test_the_command_line_says_that_it_is_calibrated_and_can_be_told_not_to():
    store(run(1))
    words = ["estimate", "--json"]
    words += ["--params", "7e9", "--tokens", "1e12", "--hardware", "a100-sxm-80"]
    for extra, basis in (((), "calibrated"), (("--calibration", "ignore"), "prior")):
        done = command(*words, *extra)
        assert json.loads(done.stdout)["results"]["utilization"]["basis"] == basis


def test_a_damaged_store_is_said_and_the_estimate_is_made_all_the_same(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "runs.sqlite").write_bytes(b"no database at all" * 100)
    specified = answer()
    assert "wall_hours" in specified.estimate.quantities
    assert any("measured runs are left out" in warning for warning in specified.warnings)


def test_new_runs_are_seen_by_a_program_that_goes_on():
    catalog = Catalog.open()
    assert answer_scenario(QUESTION, catalog).inputs["utilization"].basis != CALIBRATED
    store(run(1))
    assert answer_scenario(QUESTION, catalog).inputs["utilization"].basis == CALIBRATED


def table(*rows):
    """Rows of a table, answered by `batch`."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [",".join(names) + "\n"]
    lines += [",".join(str(row.get(name, "")) for name in names) + "\n" for row in rows]
    out = io.StringIO()
    estimate_csv(iter(lines), out, Catalog.open(), level=0.8)
    return list(csv.DictReader(io.StringIO(out.getvalue())))


def test_batch_says_that_it_is_calibrated_and_can_be_told_not_to(tmp_path):
    store(run(1))
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text(
        "params_total,tokens_processed,accelerator\n7e9,1e12,a100-sxm-80\n7e9,1e12,v100\n",
        encoding="utf-8",
    )
    words = ["batch", source, "-o", target]
    middles = []
    for extra in ((), ("--calibration", "ignore")):
        done = command(*words, *extra)
        assert ("measured runs of a100-sxm-80 are used" in done.stderr) is (not extra)
        rows = list(csv.DictReader(io.StringIO(target.read_text(encoding="utf-8"))))
        middles.append([float(row["utilization_mid"]) for row in rows])
    (calibrated, same), (plain, also) = middles
    assert calibrated != plain
    assert same == also
    (tmp_path / "data" / "runs.sqlite").write_bytes(b"rubbish" * 1000)
    done = command(*words)
    assert "measured runs are left out" in done.stderr


@pytest.mark.parametrize("batch_tokens", [None, 4e6])
def test_batch_hears_the_measured_runs_as_estimate_does(batch_tokens):
    store(*(run(number, power_w=380.0) for number in range(1, 4)))
    row = {
        "params_total": 7e9,
        "tokens_processed": 1e12,
        "accelerator": "a100-sxm-80",
        "accelerator_count": 8,
        "precision": "bf16",
        "region": "fr",
        "batch_tokens": batch_tokens or "",
    }
    other = {**row, "accelerator": "h100-sxm"}
    timed = {**row, "accelerator_hours": 1e5}
    found = table(row, other, timed)
    scenario = dataclasses.replace(QUESTION, batch_tokens=batch_tokens)
    asked = (
        scenario,
        dataclasses.replace(scenario, hardware="h100-sxm"),
        dataclasses.replace(scenario, device_hours=1e5),
    )
    for line, one in zip(found, asked, strict=True):
        specified = as_json(answer_scenario(one, Catalog.open()))["results"]
        for name in ("device_hours", "energy_kwh"):
            for end in ("low", "mid", "high"):
                assert float(line[f"{name}_{end}"]) == pytest.approx(specified[name][end], rel=2e-3)
    assert float(found[0]["utilization_mid"]) > middle(answer(calibration="ignore"), "utilization")


CPU, CPU_PEAK, BANDWIDTH = "core-i9-13900k", 1.33e12, 89.6e9
"""Core i9-13900K, fp32 [FLOP/s] [B/s]: cores x clock x 16 FLOP x 2; two channels of DDR5-5600."""


def of_traffic(number, traffic_bytes, utilization):
    """A second of a program of its own on that processor, which moves so much beside products."""
    whole = run(number)
    return dataclasses.replace(
        whole,
        devices=(MeasuredDevice(key="cpu", kind="cpu", name="i9-13900K", hardware=CPU),),
        energy=(),
        conditions=(),
        timings=timing_of(
            whole,
            component="cpu",
            precision="fp32",
            flop=CPU_PEAK * utilization,
            traffic_bytes=traffic_bytes,
            operations=1.0,
            params=1e9 + 1e8 * number,
        ),
    )


def traffic_world():
    """24 programs of half of the peak but for what they move at the bandwidth."""
    for number in range(1, 25):
        over_products = 0.1 * 1.15**number
        utilization = 0.5 / (1.0 + over_products)
        moved = over_products * utilization * 2 * BANDWIDTH
        yield of_traffic(number, moved, utilization)


SIZED = {"hardware": CPU, "precision": "fp32", "devices": 1.0, "step_flop": 0.4 * CPU_PEAK}
LITTLE, MUCH = (share * 0.4 * 2 * BANDWIDTH for share in (0.1, 2.0))


def test_what_steps_do_moves_an_answer_as_it_moved_what_was_measured():
    store(*traffic_world())
    plain = answer(**SIZED)
    given = [
        answer(**SIZED, step_operations=1.0, step_traffic=traffic) for traffic in (LITTLE, MUCH)
    ]
    little, much = (middle(one, "wall_hours") for one in given)
    assert much / little == pytest.approx(3.0 / 1.1, rel=0.1)
    assert middle(plain, "wall_hours") < much
    assert "step_uncounted" in {one.code for one in plain.notices}
    codes = {one.code for found in given for one in found.notices}
    assert not any(code.startswith(("step_uncounted", "count_")) for code in codes)


def test_runs_on_a_processor_are_not_compared_with_published_ones():
    store(*traffic_world())
    found = [one for one in answer(**SIZED).notices if one.field == "calibration"]
    assert [one.code for one in found] == ["calibrated_processor"]
    assert found[0].values["count"] == 24.0 and "times" not in found[0].values


def test_counts_that_take_far_longer_than_the_products_are_questioned():
    store(*traffic_world())

    def said(operations):
        found = answer(**SIZED, step_operations=operations, step_traffic=LITTLE)
        return [one.values["times"] for one in found.notices if one.code == "heavy_counts"]

    assert said(1.0) == []
    (times,) = said(1e9)
    assert times > 1000


def test_counts_that_the_measured_time_cannot_hold_are_not_believed():
    store(*traffic_world())
    known = middle(answer(**SIZED, step_operations=1.0, step_traffic=MUCH), "wall_hours")
    odd = next(traffic_world())
    odd = dataclasses.replace(odd, id="odd", timings=timing_of(odd, operations=1e12))
    store(odd)
    found = middle(answer(**SIZED, step_operations=1.0, step_traffic=MUCH), "wall_hours")
    assert found == pytest.approx(known, rel=0.1)


def test_counts_that_nothing_can_be_compared_with_change_nothing_and_say_so():
    def said(counts=(1.0, MUCH), **changed):
        given = dict(zip(("step_operations", "step_traffic"), counts, strict=True))
        found = answer(**changed, **given)
        assert as_json(found)["results"] == as_json(answer(**changed))["results"]
        return [one.code for one in found.notices if one.field in given]

    assert said(**SIZED) == ["counts_unused"]
    store(*(dataclasses.replace(one, id=f"x{one.id}") for one in traffic_world()))
    board = SIZED | {"hardware": "a100-sxm-80", "precision": "bf16"}
    assert said(**board) == ["counts_of_accelerator"]
    assert said((1.0, None), **SIZED) == said((None, MUCH), **SIZED) == ["count_alone"]
    unsized = {name: SIZED[name] for name in ("hardware", "precision", "devices")}
    work = {"flop": 1e18, "params": None, "tokens": None}
    assert said(**unsized, **work) == ["count_without_size"] * 2
    assert said(**SIZED, calibration="ignore") == ["no_effect"] * 2
    assert said(**SIZED, utilization=0.4) == ["no_effect"] * 2
