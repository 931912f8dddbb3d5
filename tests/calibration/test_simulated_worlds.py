"""Worlds drawn from the model itself: are their programs inside the interval as often as it says?

Each world has a device, and styles of programs measured at several sizes. A program that was
not measured is drawn with it, and predicted from what was measured alone: with its size given, and
with no more than the work of its whole run, beside what the user's own runs show of how long steps
take and how many there are.
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from estimator.calibration.conditions import Conditions, one_after_another, step_size
from estimator.calibration.gaussian_process import Evidence
from estimator.calibration.step_sizes import SINGLE, alike_in_size
from estimator.calibration.variance_components import Components
from estimator.core.uncertainty import z_score
from estimator.core.units import CENTRAL

PARTS = Components(
    family=0.31,
    style=0.35,
    run=0.1,
    elsewhere=0.9,
    portable=0.5,
    slope=0.25,
    step_sd=0.1,
    usual_step_s=0.05,
    usual_step_sd=0.7,
    usual_steps=300.0,
    usual_steps_sd=3.0,
)
"""Components similar to the accelerators'; the law of processors has worlds of its own."""

PRIOR_SD, WORLDS, OWN = 0.6, 200, 12
STEADY = Components(**{**vars(PARTS), "run": 0.0})
KINDS = (
    *(("decoder", ""), ("transformer", "encoder"), ("convolution", "residual")),
    *(("convolution", "plain convolutions"), ("recurrent", "lstm"), ("recurrent", "gru")),
)
SIZES = np.linspace(-13.0, 3.0, 33)
"""Sizes among which that of an unmeasured program is found."""

Z80 = z_score(CENTRAL)


@dataclass
class World:
    """What was measured, and one program that was not: its error at each of `SIZES`."""

    known: Evidence
    target: Conditions
    errors: np.ndarray
    size: float
    error: float
    steps: float
    own: Conditions
    own_steps: float

    @property
    def times(self):
        """Time of a step at each of `SIZES`, as a size."""
        return SIZES - self.errors


def conditions(rows):
    """Conditions of rows of precision, kind, family, size and program."""
    precision, kind, family, size, program = zip(*rows, strict=True)
    count = len(rows)
    return Conditions(
        device=np.full(count, "cpu"),
        host=np.full(count, "here"),
        precision=np.array(precision),
        kind=np.array(kind),
        family=np.array(family),
        size=np.array(size, dtype=float),
        program=np.array(program),
        own=np.isin(program, ("new", "own")),
    )


def joint(where, parts):
    """Covariance of the errors of all these runs, by the covariance of the fit."""
    one = Evidence(
        where=where,
        log_ratio=np.zeros(len(where.size)),
        prior_sd=np.full(len(where.size), PRIOR_SD),
        noise_sd=np.full(len(where.size), 1e-4),
        components=parts,
    )
    return one._total


def drawn(seed):
    """Draw one world, of those in which steps of more work take longer."""
    random = np.random.default_rng(seed)
    while np.any(np.diff((world := one_world(random)).times[::4]) <= 0.0):
        pass
    return world


def one_world(random):
    """Draw one world."""
    bench = [
        (precision, kind, family, size + random.uniform(-0.5, 0.5), f"{kind} {family} {style}")
        for kind, family in KINDS
        for style in range(2)
        for precision, size in (("fp32", -4.0), ("bf16", -4.0), ("fp32", (-6.0, -1.2)[style]))
    ]
    kind, family = KINDS[random.integers(len(KINDS))]
    precision = ("fp32", "bf16")[random.integers(2)]
    asked = [(precision, kind, family, float(size), "new") for size in SIZES]
    where = conditions([*bench, *asked])
    errors = np.linalg.cholesky(joint(where, STEADY)) @ random.standard_normal(len(where.size))
    measured, new = errors[: len(bench)], errors[len(bench) :]
    known = Evidence(
        where=where.part(np.arange(len(bench))),
        log_ratio=measured + PARTS.step_sd * random.standard_normal(len(bench)),
        prior_sd=np.full(len(bench), PRIOR_SD),
        noise_sd=np.full(len(bench), PARTS.step_sd),
        components=PARTS,
    )
    own, time = user(random, where.part(np.array([len(bench)])))
    log_steps, of_target = lengths(random)
    own = replace(own, whole=own.size + log_steps)
    at = float(np.interp(time, np.maximum.accumulate(SIZES - new), SIZES))
    return World(
        known=known,
        target=where.part(np.array([len(bench)])),
        errors=new,
        size=at,
        error=float(np.interp(at, SIZES, new)) + PARTS.run * random.standard_normal(),
        steps=float(
            np.exp(np.log(PARTS.usual_steps) + PARTS.usual_steps_sd * random.standard_normal())
        ),
        own=own,
        own_steps=float(np.exp(of_target)),
    )


def user(random, target):
    """Programs of one user, their sizes those of the time of a step, and that of the target."""
    kinds = [KINDS[at] for at in random.integers(len(KINDS), size=OWN)]
    own = conditions([("fp32", kind, family, 0.0, "own") for kind, family in kinds])
    both = one_after_another([own, target])
    alike = alike_in_size(both, both) + SINGLE * np.eye(OWN + 1)
    times = PARTS.usual_step_sd * np.linalg.cholesky(alike) @ random.standard_normal(OWN + 1)
    times += float(step_size(PARTS.usual_step_s))
    return replace(own, size=times[:OWN]), float(times[OWN])


SPREADS_OF_USERS = np.geomspace(0.05, 0.8, 9)
"""Standard deviations of the logarithm of the steps of one user's runs in these worlds: assumed."""

AS_MEASURED = 0.5
"""Chance in these worlds that a run is about as long as the user's others: assumed."""


def lengths(random):
    """Logarithm of the number of steps of the runs of one user, and of the one to predict."""
    usual, sd = np.log(PARTS.usual_steps), PARTS.usual_steps_sd
    within = sd * random.choice(SPREADS_OF_USERS)
    mean = usual + np.sqrt(0.5) * sd * random.standard_normal()
    own = mean + within * random.standard_normal(OWN)
    alike = random.random() < AS_MEASURED
    middle, spread = (mean, within) if alike else (usual, sd)
    return own, middle + spread * random.standard_normal()


@pytest.fixture(scope="module")
def answers():
    """Error of each world beside what is expected of it, in four states: shift and spread.

    Size given; unspecified; unspecified beside runs of the user; the same without looking at them.
    """
    found = []
    for seed in range(WORLDS):
        world = drawn(seed)
        given = replace(world.target, size=np.array([world.size]), program=np.array([""]))
        whole = np.array([world.size + np.log(world.steps)])
        unknown = replace(given, size=np.array([np.nan]), whole=whole)
        like_own = replace(unknown, whole=np.array([world.size + np.log(world.own_steps)]))
        user_known = replace(world.known, user_steps=world.own)
        row = [world.error]
        for known, where in (
            (world.known, given),
            (world.known, unknown),
            (user_known, like_own),
            (world.known, like_own),
        ):
            posterior = known.posterior(where, np.array([PRIOR_SD]))
            row += [posterior.log_shift[0], posterior.log_sd[0]]
        found.append(row)
    return np.array(found).T


def monte_carlo_error(share):
    return np.sqrt(share * (1.0 - share) / WORLDS)


@pytest.mark.parametrize(
    "at", [1, 3, 5], ids=["size given", "size unspecified", "beside runs of the user"]
)
def test_four_of_five_drawn_programs_are_inside(answers, at):
    error, shift, sd = answers[0], answers[at], answers[at + 1]
    inside = np.mean(np.abs(error - shift) <= Z80 * sd)
    assert abs(inside - CENTRAL) < 2.6 * monte_carlo_error(CENTRAL), inside


def test_errors_are_as_large_as_the_spread_says(answers):
    """Mean squared error over the mean of the variances: 1, with the error of WORLDS draws.

    Of a given size alone: the tails of a mixture over sizes are not those of its interval.
    """
    error, shift, sd = answers[:3]
    ratio = np.mean((error - shift) ** 2) / np.mean(sd**2)
    assert ratio == pytest.approx(1.0, abs=3.0 * np.sqrt(2.0 / WORLDS))


def test_measured_runs_shrink_the_error(answers):
    """A known size more than an unspecified one, and both below what the prior leaves."""
    error = answers[0]
    before, given, unknown = (
        np.sqrt(np.mean((error - shift) ** 2)) for shift in (0.0, answers[1], answers[3])
    )
    assert given < unknown < 0.9 * before


def test_shifts_are_neither_too_large_nor_too_small(answers):
    """Regression of the truth on the prediction, each world by its spread: a slope of one."""
    error, shift, sd = answers[:3]
    known = np.sum((shift / sd) ** 2)
    slope = np.sum(shift * error / sd**2) / known
    assert slope == pytest.approx(1.0, abs=3.0 / np.sqrt(known))
