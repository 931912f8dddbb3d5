"""What to measure next: laws of the choice, and what is known of a device before and after."""

import shlex

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.calibration.cells import has_precisions, main_cell, measured_precisions
from estimator.calibration.conditions import Conditions
from estimator.calibration.correction import Known, known_runs
from estimator.calibration.gaussian_process import Evidence
from estimator.calibration.measured_utilization import Measured, Target
from estimator.calibration.next_run import (
    CandidateRuns,
    best_of_each_way,
    formats,
    next_runs,
    uncertainty_left,
    uncertainty_of,
)
from estimator.calibration.variance_components import Components
from estimator.catalog import Catalog
from estimator.cli import build_parser
from estimator.measure.host_id import host_id
from tests.measured_runs import H100_PEAK, several

CATALOG = Catalog.open()
H100 = CATALOG.device("h100-sxm")
PARTS = Components(
    family=0.15,
    style=0.1,
    run=0.15,
    elsewhere=0.5,
    portable=0.5,
    slope=0.02,
    step_sd=0.05,
    usual_step_s=0.1,
    usual_step_sd=1.5,
)
PLACES = st.tuples(
    st.sampled_from(["bf16", "fp32"]),
    st.sampled_from(["decoder", "convolution"]),
    st.floats(-3.0, 3.0),
)


def runs(*places, host="here"):
    """Runs on one device, by format, kind and size."""
    return CandidateRuns(
        where=Conditions(
            device=np.array(["h100"] * len(places)),
            host=np.array([host] * len(places)),
            precision=np.array([place[0] for place in places], dtype=np.str_),
            kind=np.array([place[1] for place in places], dtype=np.str_),
            size=np.array([place[2] for place in places], dtype=np.float64),
        ),
        prior_sd=np.full(len(places), 0.4),
    )


def evidence(*places):
    alike = runs(*places)
    return Evidence(
        where=alike.where,
        log_ratio=np.linspace(-0.1, 0.1, len(places)),
        prior_sd=alike.prior_sd,
        noise_sd=np.full(len(places), PARTS.step_sd),
        components=PARTS,
    )


def known(*measured_runs):
    return Known(CATALOG, Measured(given=measured_runs, host=host_id()))


@given(st.lists(PLACES, max_size=4), st.lists(PLACES, min_size=1, max_size=3), PLACES)
def test_a_further_run_never_adds_doubt_and_a_plan_of_two_teaches_no_less(before, plan, wanted):
    held, aim = evidence(*before), runs(wanted)
    one, more = uncertainty_left(held, [runs(plan[0]), runs(*plan)], aim)
    assert one <= uncertainty_of(held, aim) + 1e-9
    assert more <= one + 1e-9


@given(PLACES, st.lists(PLACES, max_size=3))
def test_nothing_teaches_a_run_more_than_itself_on_the_same_host(wanted, before):
    held, aim = evidence(*before), runs(wanted)
    other = (("fp32", "bf16")[wanted[0] == "fp32"], wanted[1], wanted[2])
    same, else_format, elsewhere = uncertainty_left(
        held, [aim, runs(other), runs(wanted, host="there")], aim
    )
    assert same <= else_format + 1e-9
    assert same <= elsewhere + 1e-9


def test_what_is_expected_to_be_left_is_what_a_run_that_meets_the_expectation_leaves():
    held, aim = evidence(("bf16", "decoder", 0.0)), runs(("bf16", "decoder", 1.0))
    plan = runs(("bf16", "decoder", 1.0))
    met = held.posterior(plan.where, plan.prior_sd).log_shift
    after = Evidence(
        where=held.with_run(plan.where, plan.prior_sd).where,
        log_ratio=np.append(held.log_ratio, met),
        prior_sd=np.append(held.prior_sd, 0.4),
        noise_sd=np.full(2, PARTS.step_sd),
        components=PARTS,
    )
    assert uncertainty_left(held, [plan], aim)[0] == pytest.approx(uncertainty_of(after, aim))


@pytest.mark.parametrize("step_flop", [None, 0.1 * H100_PEAK])
@pytest.mark.parametrize("runs_before", [(), tuple(several())])
def test_a_part_of_the_very_run_teaches_most_but_for_many_steps_of_a_benchmark(
    step_flop, runs_before
):
    target = Target(precision="bf16", kind="vision", arch="CNN", step_flop=step_flop)
    found = next_runs(known(*runs_before), H100, target)
    own = next(one for one in found if one.plan.way == "own")
    assert own.plan.command == (
        'twenty-watts forecast --kind vision --arch "CNN" --precision bf16 -- python train.py'
    )
    single = [one.narrower for one in found if one.plan.way != "bench"]
    assert own.narrower == pytest.approx(max(single), abs=1e-9)
    assert own.narrower > (0.0 if runs_before else 0.3)
    commands = [one.plan.command for one in found]
    assert len(commands) == len(set(commands))


def test_plans_are_sorted_and_tell_by_how_much_the_interval_narrows():
    found = next_runs(known(*several()), H100, "bf16")
    narrower = [one.narrower for one in found]
    assert narrower == sorted(narrower, reverse=True)
    for one in found:
        share = np.log(one.factor_left) / np.log(one.factor_now)
        assert one.narrower == pytest.approx(1 - share)
    every = {precision for one in found for precision in one.plan.runs.where.precision}
    assert every == set(formats(H100))


def test_after_the_benchmark_it_is_no_longer_worth_as_much():
    target = Target(
        precision="bf16", kind="language", arch="dense decoder", step_flop=0.1 * H100_PEAK
    )

    def worth(*measured_runs):
        found = next_runs(known(*measured_runs), H100, target)
        return {one.plan.command: one.narrower for one in found}

    command = "twenty-watts calibrate bench --precision bf16"
    assert worth(*several())[command] < worth()[command]


def test_the_best_of_each_way_is_kept():
    found = next_runs(known(*several()), H100, "bf16")
    few = best_of_each_way(found, 4)
    assert len(few) == 4
    assert {one.plan.way for one in few} == {"bench", "forecast"}
    assert few[0] is found[0] or few[0].narrower == found[0].narrower


@pytest.mark.parametrize(("name", "precision"), [("tpu-v4", "bf16"), ("human-brain", "equivalent")])
def test_what_cannot_be_measured_is_not_proposed(name, precision):
    device = CATALOG.device(name)
    found = next_runs(known(), device, precision)
    assert not any(one.plan.way == "bench" for one in found)
    assert bool(found) is (name != "human-brain")


def test_each_command_is_one_that_the_command_line_knows():
    parser = build_parser()
    lines = {one.plan.command for one in next_runs(known(), H100, "bf16")}
    assert len(lines) > 5
    for line in lines:
        parser.parse_args(shlex.split(line)[1:])


def test_the_measured_formats_come_first_and_the_most_measured_cell_is_the_main_one():
    here = known(*several())
    assert measured_precisions(here, H100)[:2] == ["bf16", "tf32"]
    assert set(measured_precisions(here, H100)) == set(formats(H100))
    for device in CATALOG.devices():
        assert has_precisions(here, device) is bool(measured_precisions(here, device)), device.id
    assert (main_cell(here, H100).group, main_cell(here, H100).precision) == ("decoder", "bf16")
    assert main_cell(known(), H100) is None


def test_what_came_with_the_program_is_heard_where_no_store_is(monkeypatch, tmp_path):
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path / "none"))
    shipped = {one.run.id for one in CATALOG.calibrations()}
    assert {run.id for run in known_runs(CATALOG).measured.runs} == shipped
