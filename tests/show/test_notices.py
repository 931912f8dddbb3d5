"""The notices that matter come first, and the others are one option away."""

import pytest

from estimator.catalog import Catalog
from estimator.core.messages import MESSAGES
from estimator.core.notice import Notice
from estimator.core.uncertainty import Uncertain
from estimator.inference.quantities import answer_serving
from estimator.inference.question import ServingQuestion
from estimator.show.notices import MINOR, SHOWN, by_weight
from tests.in_process import run

SCENARIO = ["estimate", "--params", "7e9", "--tokens", "1e12", "--hardware", "h100"]


def fields(*args):
    return [notice.field for notice in by_weight(*args)]


def test_a_warning_comes_before_assumptions_and_these_by_their_share_of_the_variance():
    pue, grid = Notice("pue_assumed", "pue"), Notice("grid_assumed", "carbon_intensity")
    shares = {"PUE": 0.3, "carbon intensity": 0.6}
    warning = Notice("boards_only", "boards_only")
    assert fields([pue, grid, warning], {"co2e_kg": Uncertain(1.0, shares)}) == [
        *("boards_only", "carbon_intensity", "pue"),
    ]
    swapped = {"PUE": 0.6, "carbon intensity": 0.3}
    assert fields([grid, pue], {"co2e_kg": Uncertain(1.0, swapped)}) == ["pue", "carbon_intensity"]


def test_every_code_that_is_minor_has_a_sentence():
    import estimator.inference.messages  # noqa: F401

    assert set(MINOR) <= set(MESSAGES)


def test_an_answer_shows_three_notices_and_counts_the_others():
    shown = run(*SCENARIO).stderr.splitlines()
    every = run(*SCENARIO, "--verbose").stderr.splitlines()
    assert shown == [*every[:SHOWN], f"note: {len(every) - SHOWN} more assumptions: --verbose"]
    assert run(*SCENARIO, "--quiet").stderr == ""
    assert len(every) == len(set(every)) > SHOWN + 1


@pytest.mark.parametrize("verbose", [(), ("--verbose",)])
def test_json_has_every_warning(verbose):
    assert run(*SCENARIO, "--json", *verbose).stdout == run(*SCENARIO, "--json").stdout
    assert run(*SCENARIO, "--json").stdout.count("assuming") > SHOWN


def test_the_layout_of_a_server_is_among_what_is_shown_first():
    asked = ServingQuestion(preset="deepseek-r1", hardware="h100", devices=16.0)
    answer = answer_serving([asked], Catalog.open())
    first = [notice.code for notice in by_weight(answer.notices.of(0))[:SHOWN]]
    assert {"serving_saturated", "serving_experts_split"} <= set(first)
