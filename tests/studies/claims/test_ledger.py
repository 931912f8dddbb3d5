"""Claims recomputed: golden figures, verdicts from figures, links that open what they promise."""

import json
import math
import re
from functools import cache
from string import Formatter
from urllib.parse import parse_qsl

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.answer.scenario_estimate import answer_scenario
from estimator.catalog import Catalog
from estimator.question.scenario import from_link
from estimator.studies.claims.ledger import RECOMPUTED, claim, claims
from estimator.studies.claims.verdict import VERDICTS, Interval, verdict
from tests.in_process import answer, refusal, run

CATALOG = Catalog.open()


@cache
def recomputed():
    """Claims by their id, once a worker that asks for them."""
    return {one.record.id: one for one in claims(CATALOG)}


IDS = [
    *("gpt3-v100", "alphago-lee", "world-electricity", "dqn-atari", "alphastar", "memory-wall"),
    *(
        "exponential-compute",
        "inference-edge",
        "quantization",
        "pruning",
        "distillation",
        "low-rank",
    ),
    *(
        "transfer-learning",
        "datasets",
        "imagenet-5pct",
        "diminishing-returns",
        "gpt3-vs-gpt2",
        "quantum-volume",
    ),
    *("depth-paths", "gradient-bound", "ode-memory", "brain-20w"),
    *("gemini-prompt-energy", "gemini-prompt-co2e", "gemini-prompt-water", "chatgpt-query-energy"),
    *("mistral-answer-co2e", "mistral-answer-water", "chatgpt-ten-searches"),
    *("bloom-query-energy", "bottle-per-email"),
    *("sci-example", "sci-provider"),
]


def test_every_claim_of_the_texts_is_recomputed():
    assert sorted(recomputed()) == sorted(IDS) == sorted(CATALOG.claims())
    assert list(RECOMPUTED) == IDS


def test_gpt3_takes_355_years_and_4_6_million_dollars_on_a_v100():
    found = recomputed()["gpt3-v100"]
    assert found.interval.mid == pytest.approx(355, abs=0.5)
    cost = found.finding.figures[0].interval.mid
    assert cost == pytest.approx(4.6e6, rel=0.02)
    assert found.verdict == "holds-if"
    days = next(one for one in found.finding.figures if "10,000" in one.name).interval.mid
    assert days == pytest.approx(14.8, abs=0.05)


def test_dqn_plays_for_38_days():
    assert math.floor(recomputed()["dqn-atari"].interval.mid) == 38
    assert recomputed()["dqn-atari"].verdict == "holds"


def test_a_run_of_dqn_took_more_energy_than_its_updates_by_themselves():
    figures = {one.name: one.interval for one in recomputed()["dqn-atari"].finding.figures}
    run, updates = (
        figures["energy of a whole run, on a K40"],
        figures["energy of the updates on a K40"],
    )
    assert run.low > updates.high
    assert run.mid < 240 * 0.245 * 1.75  # ten days at the limit of the board, with host and site


def test_the_world_generates_3_4_terawatt():
    assert recomputed()["world-electricity"].interval.mid == pytest.approx(3.4e12, rel=0.02)
    assert recomputed()["world-electricity"].verdict_text == "off by ×7.44"


def figures_of(claim_id):
    return {one.name: one.interval for one in recomputed()[claim_id].finding.figures}


def test_figures_follow_from_each_other():
    """What a reader divides by hand: figures of one claim, and of one and the next."""
    world = recomputed()["world-electricity"].interval.mid
    machine = recomputed()["alphago-lee"].interval.mid
    many = figures_of("world-electricity")["AlphaGos at the recomputed power"]
    assert many.mid == pytest.approx(world / machine)
    stars = figures_of("alphastar")
    per_agent, of_league = (
        stars[f"emissions of {one}"].mid / stars[f"energy of {one}"].mid
        for one in ("an agent", "the final league")
    )
    assert of_league == pytest.approx(per_agent, rel=1e-3)


@pytest.mark.parametrize(
    ("claim_id", "name"),
    [
        ("distillation", "queries that repay it"),
        ("inference-edge", "time of an answer on an H100"),
        ("inference-edge", "time of an answer on raspberry-pi-5"),
    ],
)
def test_what_follows_from_an_uncertain_figure_is_not_exact(claim_id, name):
    found = figures_of(claim_id)[name]
    assert found.low < found.mid < found.high


def test_five_percent_error_takes_ten_to_the_fifth():
    assert round(math.log10(recomputed()["imagenet-5pct"].interval.mid)) == 5
    assert recomputed()["imagenet-5pct"].verdict == "holds-if"


def test_one_megawatt_is_off_and_twenty_watts_are_not():
    assert recomputed()["alphago-lee"].verdict == "off"
    assert recomputed()["brain-20w"].verdict == "holds"


def test_quantum_volume_is_refused_with_a_reason():
    assert recomputed()["quantum-volume"].verdict == "cannot-be-checked"
    assert "FLOP/s" in str(recomputed()["quantum-volume"].reasons()[0])


@pytest.mark.parametrize("claim_id", IDS)
def test_a_claim_has_figure_interval_verdict_reason_and_sources(claim_id):
    found = recomputed()[claim_id]
    bounds = found.interval
    assert 0 < bounds.low <= bounds.mid <= bounds.high < math.inf
    assert found.verdict in VERDICTS
    assert found.sources and found.claimed_by and found.reasons()
    assert found.factor == pytest.approx(bounds.mid / found.record.claimed.value)
    written = json.dumps(found.as_json())
    assert "to do" not in written.lower() and "{" not in str(found.formula)


@pytest.mark.parametrize("claim_id", IDS)
def test_the_sentences_of_a_claim_use_every_number_worked_out_for_them(claim_id):
    found = recomputed()[claim_id]
    texts = [found.record.formula, *found.record.why, *found.record.assumptions]
    used = {name for text in texts for _, name, *_ in Formatter().parse(text) if name}
    assert used == set(found.finding.words)
    assert len(found.assumptions) == len(found.record.assumptions)


def test_links_open_the_scenarios_they_promise():
    linked = [one for one in recomputed().values() if one.finding.scenario]
    assert len(linked) >= 3
    for found in linked:
        scenario, notices = from_link(dict(parse_qsl(found.link.removeprefix("?"))))
        assert notices == [], found.record.id
        assert scenario == found.finding.scenario
        estimate = answer_scenario(scenario, CATALOG).estimate
        promise = found.finding.promise
        if promise is not None:
            opened = float(np.asarray(estimate[promise.quantity].mid)) * promise.factor
            assert opened == pytest.approx(found.interval.mid, rel=2e-3), found.record.id


def test_the_promised_figures_are_those_of_most_scenarios():
    promised = [one for one in recomputed().values() if one.finding.promise]
    assert {one.record.id for one in promised} >= {"gpt3-v100", "alphago-lee", "world-electricity"}


def test_an_unknown_claim_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="did you mean gpt3-v100"):
        claim("gpt3", CATALOG)


figures = st.floats(min_value=1e-6, max_value=1e6)


@given(claimed=figures, mid=figures, spread=st.floats(min_value=1.0, max_value=100.0))
def test_a_verdict_does_not_depend_on_the_unit(claimed, mid, spread):
    found = Interval(low=mid / spread, mid=mid, high=mid * spread)
    scaled = Interval(low=1e3 * found.low, mid=1e3 * mid, high=1e3 * found.high)
    for relation in ("equal", "at least", "at most"):
        one = verdict(claimed, relation, found, assumptions_met=True)
        assert one == verdict(1e3 * claimed, relation, scaled, assumptions_met=True) or _edge(
            claimed, found
        )


def _edge(claimed, found):
    """Rounding decides at the very bound of what is met."""
    bounds = [bound * factor for bound in (found.low, found.high) for factor in (1.1, 1 / 1.1)]
    return any(claimed == pytest.approx(bound, rel=1e-9) for bound in bounds)


@given(claimed=figures, mid=figures)
def test_an_unmet_assumption_never_makes_a_claim_hold(claimed, mid):
    found = Interval(low=mid, mid=mid, high=mid)
    for relation in ("equal", "at least", "at most"):
        assert verdict(claimed, relation, found, assumptions_met=False) in ("holds-if", "off")


def test_the_command_prints_all_claims_and_one():
    listed = answer("claims")
    assert [one["id"] for one in listed] == IDS
    keys = {"id", "as_told", "source", "recomputed", "verdict", "factor", "why", "link"}
    assert all(keys | {"primary_sources"} <= set(one) for one in listed)
    parts = {"quantity", "unit", "low", "mid", "high"}
    assert all(set(one["recomputed"]) == parts for one in listed)
    shown = run("claims", "gpt3-v100").stdout
    assert "314 ZFLOP / 28 TFLOP/s = 355 years" in shown and "$4.67M" in shown
    edge = run("claims", "inference-edge").stdout
    assert re.search(r"share of the battery +0\.\d+% ", edge)
    assert "off by ×12.9" in run("claims").stdout
    assert len(run("claims", "--csv").stdout.splitlines()) == 1 + len(IDS)
    refusal("claims nonsense")
