"""The fit of measured runs: closed form against another route, and its laws."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.calibration.conditions import REFERENCE_STEP_S, Conditions, step_size
from estimator.calibration.covariance import NODES, WEIGHTS
from estimator.calibration.gaussian_process import (
    Evidence,
    merge_evidence,
)
from estimator.calibration.step_sizes import (
    SIMILAR,
    SINGLE,
    USER,
)
from estimator.calibration.variance_components import Components
from estimator.training.launches import log_slowdown

PARTS = Components(
    family=0.18,
    style=0.1,
    run=0.15,
    elsewhere=0.5,
    portable=0.5,
    slope=0.05,
    step_sd=0.04,
    usual_step_s=0.1,
    usual_step_sd=1.5,
)
PRIOR_SD = 0.4


def runs(*rows):
    """Conditions of rows of device and host, precision, kind and size."""
    where, precision, kind, size = zip(*rows, strict=True)
    return Conditions(
        device=np.array([name.split("@")[0] for name in where]),
        host=np.array(["".join(name.split("@")[1:]) for name in where]),
        precision=np.array(precision),
        kind=np.array(kind),
        size=np.array(size, dtype=float),
    )


def evidence(where, log_ratio, noise_sd=0.0):
    count = len(where.size)
    return Evidence(
        where=where,
        log_ratio=np.broadcast_to(np.asarray(log_ratio, dtype=float), count).copy(),
        prior_sd=np.full(count, PRIOR_SD),
        noise_sd=np.full(count, np.hypot(noise_sd, PARTS.step_sd)),
        components=PARTS,
    )


def expected(known, *rows):
    """Shift and spread of one run or several after what is known."""
    found = known.posterior(runs(*rows), np.full(len(rows), PRIOR_SD))
    return found.log_shift, found.log_sd


def nothing():
    empty = np.array([], dtype=str)
    where = Conditions(device=empty, host=empty, precision=empty, kind=empty, size=np.array([]))
    return evidence(where, 0.0)


GPT = ("gpu", "bf16", "decoder", 0.0)
words = st.sampled_from(["a", "b"])
places = st.sampled_from(["a", "b", "a@far", "b@far"])
row = st.tuples(places, words, words, st.floats(-3, 3) | st.just(float("nan")))
measured = st.lists(st.tuples(row, st.floats(-1.5, 1.5), st.floats(0, 0.5)), min_size=1, max_size=6)


def made(rows):
    where, ratio, noise = zip(*rows, strict=True)
    return Evidence(
        where=runs(*where),
        log_ratio=np.array(ratio),
        prior_sd=np.full(len(rows), PRIOR_SD),
        noise_sd=np.hypot(noise, PARTS.step_sd),
        components=PARTS,
    )


def test_without_measured_runs_the_prior_stays():
    shift, sd = expected(nothing(), GPT)
    assert shift == [0.0]
    assert sd == [PRIOR_SD]


def small_step(size, launch):
    """A run of steps as large, of which the prior holds the time of the launches."""
    late = np.array([float(log_slowdown(np.exp(launch - size)))])
    where = runs(("gpu", "bf16", "decoder", size))
    return replace(where, launch=np.array([launch]), ahead=late), float(late[0])


@given(st.floats(-8, 3), st.floats(-8, 3), st.floats(-1, 1))
def test_launches_that_the_prior_holds_are_counted_once(size, launch, ratio):
    """What was measured moves a run by as much, whether or not its steps are small."""
    known = evidence(runs(GPT), ratio)
    where, _ = small_step(size, launch)
    hidden = replace(where, launch=np.array([-np.inf]), ahead=np.zeros(1))
    small, plain = (known.posterior(one, np.array([PRIOR_SD])).log_shift for one in (where, hidden))
    assert small == pytest.approx(plain, abs=1e-9)


@pytest.mark.parametrize("launch", [-3.0, 0.0])
def test_steps_of_a_size_that_only_the_program_tells_take_its_launches(launch):
    """The prior was that of usual steps; the measured ones are as small as their launches."""
    measured = replace(runs(("gpu", "bf16", "decoder", launch)), program=np.array(["mine"]))
    known = evidence(measured, 0.0)
    unknown, _ = small_step(0.5, launch)
    asked = replace(unknown, size=np.array([np.nan]), program=np.array(["mine"]))
    found = known.posterior(asked, np.array([PRIOR_SD])).log_shift
    of_usual, of_measured = (small_step(size, launch)[1] for size in (0.5, launch))
    assert found == pytest.approx(of_usual - of_measured, abs=1e-9)


def test_arrays_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="arrays of one length"):
        Evidence(
            where=runs(GPT),
            log_ratio=np.zeros(2),
            prior_sd=np.ones(1),
            noise_sd=np.zeros(1),
            components=PARTS,
        )


def test_one_run_of_the_same_kind_moves_the_expectation_by_what_it_shares():
    """All but how it is written, the trend of its program and what befalls a run, is common."""
    known = evidence(runs(GPT), 0.3)
    shift, sd = expected(known, GPT)
    variance = PRIOR_SD**2
    common = variance - PARTS.style**2 - PARTS.run**2
    learned = common / (variance - PARTS.run**2 + PARTS.step_sd**2)
    assert shift[0] == pytest.approx(0.3 * learned)
    assert sd[0] ** 2 == pytest.approx(variance - common * learned)


def test_a_run_of_the_same_program_tells_more_than_one_of_another():
    known = evidence(replace(runs(GPT), program=np.array(["mine"])), 0.3)
    same, other = (replace(runs(GPT), program=np.array([name])) for name in ("mine", "yours"))
    found = [known.posterior(one, np.full(1, PRIOR_SD)) for one in (same, other)]
    assert found[0].log_shift > found[1].log_shift
    assert found[0].log_sd < found[1].log_sd


def test_what_is_learnt_of_a_program_goes_with_it_to_another_device():
    """Half of the variance is portable; another program has less of it in common."""
    known = evidence(replace(runs(GPT), program=np.array(["mine"])), 0.3)
    moved = runs(("another", *GPT[1:]))
    same, other = (replace(moved, program=np.array([name])) for name in ("mine", "yours"))
    found = [known.posterior(one, np.full(1, PRIOR_SD)) for one in (same, other)]
    steady = PRIOR_SD**2 - PARTS.run**2
    for one, common in zip(found, (steady, steady - PARTS.style**2), strict=True):
        carried, seen = PARTS.portable * common, steady + PARTS.step_sd**2
        assert one.log_shift[0] == pytest.approx(0.3 * carried / seen)
        assert one.log_sd[0] ** 2 == pytest.approx(PRIOR_SD**2 - carried**2 / seen)
    assert found[0].log_sd[0] < found[1].log_sd[0]


def test_runs_on_another_device_tell_less_than_on_this_one():
    here, there = (evidence(runs((name, *GPT[1:])), 0.3) for name in (GPT[0], "another"))
    near, far = (one.posterior(runs(GPT), np.full(1, PRIOR_SD)) for one in (here, there))
    assert near.log_shift > far.log_shift > 0
    assert near.log_sd < far.log_sd
    both = merge_evidence([here, there]).posterior(runs(GPT), np.full(1, PRIOR_SD))
    assert both.log_sd < near.log_sd


def test_an_observation_far_off_all_others_counts_less():
    rows = [("gpu", "bf16", "decoder", 0.1 * at) for at in range(8)]
    off = np.array([0.0, 0.02, -0.02, 0.0, 2.0, 0.01, -0.01, 0.0])
    known = evidence(runs(*rows), off)
    assert known.weights[4] < 0.5
    assert np.all(known.weights[np.arange(8) != 4] == 1.0)


def test_a_program_far_off_all_others_is_predicted_like_its_own_run():
    """Its run says nothing of other programs, but most of itself."""
    programs = np.array([f"program {at}" for at in range(8)])
    where = replace(runs(*[GPT] * 8), program=programs)
    off = np.array([0.0, 0.02, -0.02, 0.0, -2.0, 0.01, -0.01, 0.0])
    asked = replace(runs(GPT, GPT), program=np.array(["program 4", "new"]))
    found = evidence(where, off).posterior(asked, np.full(2, PRIOR_SD))
    assert found.log_shift == pytest.approx([-2.0, 0.0], abs=0.15)
    assert found.log_sd[0] < found.log_sd[1]


def test_the_less_in_common_the_less_is_learned():
    known = evidence(runs(GPT), 0.3)
    order = (
        GPT,
        ("gpu", "bf16", "convolution", 0.0),
        ("another", "bf16", "convolution", 0.0),
    )
    shift, sd = expected(known, *order)
    assert all(np.diff(sd) > 0)
    assert all(np.diff(shift) < 0)
    assert shift[-1] > 0.0
    assert sd[-1] < PRIOR_SD


def test_a_run_of_unknown_step_size_is_less_sure():
    known = evidence(runs(GPT, ("gpu", "bf16", "decoder", -3.0)), [0.0, -0.5])
    _, sd = expected(known, GPT, ("gpu", "bf16", "decoder", float("nan")))
    assert sd[0] < sd[1] < PRIOR_SD


def test_what_was_measured_at_an_unknown_size_tells_less_of_a_known_one_and_is_not_counted_twice():
    """Its own part of the size is wholly its own: the variance of what was seen stays whole."""
    unknown = ("gpu", "bf16", "decoder", float("nan"))
    known = evidence(runs(unknown), 0.3)
    variance = np.linalg.inv(known._inverse)[0, 0]
    trend = variance - (PRIOR_SD**2 - PARTS.run**2) - PARTS.step_sd**2
    assert trend > 0
    assert expected(known, GPT)[0] < expected(evidence(runs(GPT), 0.3), GPT)[0]


def test_a_run_on_another_host_tells_half():
    here, far = evidence(runs(GPT), 0.3), evidence(runs(("gpu@far", *GPT[1:])), 0.3)
    assert expected(far, GPT)[0] == pytest.approx(expected(here, GPT)[0] / 2)
    assert expected(far, GPT)[1] > expected(here, GPT)[1]


def test_a_disturbed_run_counts_less():
    clean, disturbed = evidence(runs(GPT), 0.3), evidence(runs(GPT), 0.3, noise_sd=0.5)
    assert expected(disturbed, GPT)[0] < expected(clean, GPT)[0]
    assert expected(disturbed, GPT)[1] > expected(clean, GPT)[1]


def test_the_trend_with_the_size_of_steps_is_learned():
    """Steps whose time grows with the work to the power of 0.9: utilization rises by 0.1."""
    sizes = np.array([-3.0, -2.0, -1.0, 0.0])
    plain = evidence(runs(*(("gpu", "fp32", "decoder", size) for size in sizes)), 0.1 * sizes)
    known = replace(plain, components=replace(PARTS, slope=0.25))
    shift, sd = expected(known, ("gpu", "fp32", "decoder", -1.5), ("gpu", "fp32", "decoder", 1.0))
    assert shift[0] == pytest.approx(-0.15, abs=0.03)
    assert shift[1] == pytest.approx(0.1, abs=0.1)
    assert sd[0] < sd[1]


@pytest.mark.parametrize("fixed_s", [0.004, 0.04, 0.4])
def test_a_fixed_cost_of_each_step_is_outgrown(fixed_s):
    """Steps that take a share 0.5 of the peak and a fixed time: large ones reach the share."""
    ideal_s = np.array([0.01, 0.02, 0.04, 0.08, 0.16, 0.32])
    sizes = step_size(ideal_s)
    rows = [("cpu", "fp32", "decoder", float(size)) for size in sizes]
    steep = replace(PARTS, slope=0.7)
    known = Evidence(
        where=runs(*rows),
        log_ratio=-np.log1p(fixed_s / ideal_s),
        prior_sd=np.full(len(rows), 0.73),
        noise_sd=np.full(len(rows), PARTS.step_sd),
        components=steep,
    )
    large_s = 30.0
    large = runs(("cpu", "fp32", "decoder", float(step_size(large_s))))
    found = known.posterior(large, np.array([0.73]))
    off = float(found.log_shift[0]) + np.log1p(fixed_s / large_s)
    trend = np.polyfit(sizes, known.log_ratio, 1)
    straight = np.polyval(trend, step_size(large_s)) + np.log1p(fixed_s / large_s)
    assert abs(off) < 1.2816 * float(found.log_sd[0])
    assert abs(off) < 0.5 * abs(straight)


def test_the_trend_of_small_steps_does_not_run_on_for_ever():
    sizes = np.array([-5.0, -4.0, -3.0])
    known = evidence(runs(*(("gpu", "fp32", "decoder", size) for size in sizes)), 0.3 * sizes)
    far = [("gpu", "fp32", "decoder", size) for size in (4.0, 8.0)]
    shift, _ = expected(known, *far)
    assert shift[1] == pytest.approx(shift[0], abs=0.02)


@given(measured, row)
def test_measured_runs_never_widen(rows, target):
    _, sd = expected(made(rows), target)
    assert 0 < sd[0] <= PRIOR_SD


@given(measured, row, row)
def test_one_more_run_never_widens_what_is_of_known_size(rows, more, target):
    target = (*target[:3], 0.7)
    before = made(rows)
    after = before.with_run(runs(more), np.full(1, PRIOR_SD))
    assert expected(after, target)[1][0] <= expected(before, target)[1][0] + 1e-9


@given(measured, row)
def test_the_order_of_runs_does_not_matter(rows, target):
    forward, back = expected(made(rows), target), expected(made(rows[::-1]), target)
    assert np.allclose(forward, back, atol=1e-9)


def test_conditioning_agrees_with_a_million_drawn_worlds():
    """The other route: draw each part from its normal, keep the worlds that fit what was seen."""
    random = np.random.default_rng(7)
    count = 1_000_000
    part = {
        name: getattr(PARTS, name) * random.standard_normal(count) for name in ("family", "style")
    }
    part["device"] = np.sqrt(PRIOR_SD**2 - PARTS.within) * random.standard_normal(count)
    seen = sum(part.values()) + 0.04 * random.standard_normal(count)
    other = part["device"] + part["family"]
    rest = PRIOR_SD**2 - PARTS.within + PARTS.family**2
    other = other + np.sqrt(PRIOR_SD**2 - rest) * random.standard_normal(count)
    kept = np.abs(seen - 0.3) < 0.01
    shift, sd = expected(evidence(runs(GPT), 0.3), ("gpu", "bf16", "decoder", 0.0))
    assert shift[0] == pytest.approx(other[kept].mean(), abs=0.01)
    assert sd[0] == pytest.approx(other[kept].std(), rel=0.02)


@given(st.floats(-1.0, 1.0), st.integers(0, 1000))
def test_the_device_that_made_the_runs_is_recovered(true_shift, seed):
    random = np.random.default_rng(seed)
    rows = [("gpu", "bf16", kind, 0.0) for kind in ("decoder", "convolution", "unet") * 8]
    known = evidence(runs(*rows), true_shift + 0.04 * random.standard_normal(len(rows)))
    shift, sd = expected(replace(known, components=replace(PARTS, run=0.0)), *rows[:3])
    assert np.all(np.abs(shift - true_shift) < 4 * sd)
    assert np.all(sd < 0.11)


def test_the_size_of_a_step_is_measured_from_the_usual_one():
    assert step_size(REFERENCE_STEP_S) == 0.0
    assert step_size(REFERENCE_STEP_S * np.e) == pytest.approx(1.0)


UNKNOWN = float("nan")


def test_the_usual_time_of_steps_follows_the_programs_of_the_user():
    """Those of its kind and format most; one program moves it little, many by nearly all."""
    step = ("cpu", "fp32", "decoder", -6.0)
    target = runs(("cpu", "fp32", "decoder", UNKNOWN))
    other = runs(("cpu", "bf16", "unet", UNKNOWN))
    sizes = []
    for own in ([step], [step] * 12):
        known = replace(evidence(runs(GPT), 0.0), user_steps=runs(*own))
        middle, spread = known.sizes.usual_times(target)
        sizes.append((middle[0], spread[0], known.sizes.usual_times(other)[0][0]))
    usual = float(step_size(PARTS.usual_step_s))
    (few, few_sd, _), (many, many_sd, elsewhere) = sizes
    assert -6.0 < many < elsewhere < usual
    assert many < few < usual
    assert many_sd < few_sd < PARTS.usual_step_sd
    assert evidence(runs(GPT), 0.0).sizes.usual_times(target)[0][0] == usual


def test_the_usual_time_is_the_conditioned_normal():
    """Against the plain formula, drawn from the joint normal of six programs."""
    own = runs(*(("cpu", one, two, 0.0) for one in "ab" for two in "xyz"))
    sizes = np.array([-5.0, -4.0, -3.0, -2.0, -4.5, -1.0])
    known = replace(evidence(runs(GPT), 0.0), user_steps=replace(own, size=sizes))
    rows = [("a", "x"), *((one, two) for one in "ab" for two in "xyz")]
    joint = np.array(
        [
            [USER + SIMILAR * (one[0] == two[0]) + SIMILAR * (one[1] == two[1]) for two in rows]
            for one in rows
        ]
    )
    joint = PARTS.usual_step_sd**2 * (joint + SINGLE * np.eye(len(rows)))
    solved = np.linalg.solve(joint[1:, 1:], joint[1:, 0])
    middle, spread = known.sizes.usual_times(runs(("cpu", "a", "x", UNKNOWN)))
    usual = float(step_size(PARTS.usual_step_s))
    assert middle[0] == pytest.approx(usual + solved @ (sizes - usual))
    assert spread[0] == pytest.approx(np.sqrt(joint[0, 0] - solved @ joint[1:, 0]))


def test_a_program_that_was_measured_has_the_size_that_was_measured():
    where = replace(runs(GPT, ("gpu", "bf16", "decoder", -5.0)), program=np.array(["", "mine"]))
    known = evidence(where, [0.0, -0.6])
    row = runs(("gpu", "bf16", "decoder", UNKNOWN), ("gpu", "bf16", "decoder", -5.0))
    asked = replace(row, program=np.array(["mine", "mine"]))
    found = known.posterior(asked, np.full(2, PRIOR_SD))
    assert found.log_shift[0] == found.log_shift[1]
    assert found.log_sd[0] == found.log_sd[1]


def test_runs_of_one_family_say_more_of_each_other_than_of_another():
    parts = replace(PARTS, family=0.15)
    where = replace(runs(GPT), family=np.array(["lstm"]))
    known = replace(evidence(where, -0.4), components=parts)
    rows = replace(runs(GPT, GPT, GPT), family=np.array(["lstm", "gru", ""]))
    found = known.posterior(rows, np.full(3, PRIOR_SD))
    same, other, unknown = found.log_shift
    assert same < other == unknown < 0.0
    assert found.log_sd[0] < found.log_sd[1]


def test_a_family_is_the_same_in_another_group_and_one_of_no_name_is_its_kind():
    parts = replace(PARTS, family=0.3)
    where = replace(runs(GPT, GPT), family=np.array(["depthwise", ""]))
    known = replace(evidence(where, [-0.4, 0.2]), components=parts)
    other = ("gpu", "bf16", "convolution", 0.0)
    rows = replace(runs(other, other, GPT), family=np.array(["depthwise", "vgg", ""]))
    same, unlike, decoder = known.posterior(rows, np.full(3, PRIOR_SD)).log_shift
    assert same < unlike < decoder


def test_the_work_of_the_whole_bounds_the_size_of_a_step():
    """A run of little work has small steps, which reach less; of unknown work it is between."""
    parts = replace(PARTS, slope=0.2, usual_steps=300.0, usual_steps_sd=2.0)
    rows = [("gpu", "bf16", "decoder", size) for size in (-7.0, -5.0, -3.0, -1.0, 1.0)]
    known = replace(evidence(runs(*rows), [-1.0, -0.6, -0.3, -0.1, 0.0]), components=parts)
    asked = replace(
        runs(*[("gpu", "bf16", "decoder", UNKNOWN)] * 3), whole=np.array([-1.0, UNKNOWN, 12.0])
    )
    small, usual, large = known.posterior(asked, np.full(3, PRIOR_SD)).log_shift
    assert small < usual < large


def test_an_unspecified_size_gives_the_median_of_drawn_worlds():
    """The other route: draw times of steps and numbers of them, and weigh the sizes they leave."""
    parts = replace(PARTS, slope=0.2, usual_steps=300.0, usual_steps_sd=2.0)
    rows = [("gpu", "bf16", "decoder", size) for size in (-7.0, -5.0, -3.0, -1.0, 1.0)]
    known = replace(evidence(runs(*rows), [-1.0, -0.6, -0.3, -0.1, 0.0]), components=parts)
    sizes = np.linspace(-14.0, 8.0, 1200)
    given = [("gpu", "bf16", "decoder", float(size)) for size in sizes]
    each = known.posterior(runs(*given), np.full(len(sizes), PRIOR_SD))
    times, whole = sizes - each.log_shift, 2.0
    log_weight = -0.5 * ((times - float(step_size(0.1))) / 1.5) ** 2
    log_weight -= 0.5 * ((whole - sizes - np.log(300.0)) / 2.0) ** 2
    weight = np.exp(log_weight) * np.gradient(times, sizes)
    random = np.random.default_rng(3)
    drawn = random.choice(len(sizes), 400_000, p=weight / weight.sum())
    worlds = each.log_shift[drawn] + each.log_sd[drawn] * random.standard_normal(len(drawn))
    low, middle, high = np.quantile(worlds, (0.1, 0.5, 0.9))
    asked = replace(runs(("gpu", "bf16", "decoder", UNKNOWN)), whole=np.array([whole]))
    found = known.posterior(asked, np.full(1, PRIOR_SD))
    assert found.log_shift[0] == pytest.approx(middle, abs=0.02)
    assert found.log_sd[0] == pytest.approx((high - low) / 2.563, rel=0.05)


def test_the_stated_quadrature_is_that_of_gauss_and_hermite():
    nodes, weights = np.polynomial.hermite_e.hermegauss(7)
    assert pytest.approx(nodes, abs=1e-15) == NODES
    assert pytest.approx(weights, rel=1e-14) == WEIGHTS


@pytest.mark.parametrize("seed", range(3))
def test_three_hundred_made_up_runs_are_conditioned_on(seed):
    """However wild: their covariance stays positive definite."""
    random = np.random.default_rng(seed)
    rows = [
        ("gpu", "bf16", random.choice(["decoder", "unet", "convolution"]), float(size))
        for size in random.uniform(-12.0, 4.0, 300)
    ]
    where = replace(
        runs(*rows), program=np.array([f"p{at}" for at in random.integers(90, size=300)])
    )
    known = evidence(
        where, random.normal(0.0, 3.0, 300), noise_sd=10 ** random.uniform(-6.0, 0.0, 300)
    )
    shift, sd = expected(known, GPT, ("gpu", "bf16", "unet", float("nan")))
    assert np.all(np.isfinite(shift))
    assert np.all((sd > 0.0) & (sd <= PRIOR_SD))
