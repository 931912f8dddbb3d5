"""One use of a model: every task, closed and open models, what narrows an answer, and refusals."""

from dataclasses import replace

import numpy as np
import pytest

from estimator.studies.prompts import designs
from estimator.studies.prompts.answer import answer_prompt, prompt_report
from estimator.studies.prompts.question import CLASS_OF_TASK, CLASSES, TASKS, PromptQuestion
from tests.in_process import answer as printed
from tests.in_process import refusal


def width(answer):
    low, high = answer.energy_wh.interval()
    return high / low


@pytest.mark.parametrize("task", TASKS)
def test_every_task_is_answered_before_anything_is_typed(task, catalog):
    answer = answer_prompt(PromptQuestion(task=task), catalog)
    for amount in answer.amounts(1.0).values():
        low, high = amount.interval()
        assert 0 < low < amount.mid < high
    assert set(answer.amounts(1.0)) == {"energy_wh", "co2e_g", "water_ml", "electricity_usd"}
    assert sum(answer.energy_wh.shares().values()) == pytest.approx(1)
    assert 4 < width(answer) < 150
    assert answer.device_wh.mid < answer.energy_wh.mid


@pytest.mark.parametrize("model", [one for one in CLASSES if one not in CLASS_OF_TASK.values()])
def test_every_closed_class_is_a_distribution_with_sourced_priors(model, catalog):
    answer = answer_prompt(PromptQuestion(model=model), catalog)
    assert answer.energy_wh.shares()["batch"] > 0.05
    assert answer.notices[0].code == "prompt_of_class"
    known = set(catalog.source_ids())
    assert answer.assumptions and {one.source for one in answer.assumptions.values()} <= known


@pytest.mark.parametrize("model", [one for one in CLASSES if one not in CLASS_OF_TASK.values()])
def test_every_closed_class_does_the_longest_task(model, catalog):
    answer = answer_prompt(PromptQuestion(model=model, task="agent"), catalog)
    assert answer.energy_wh.mid > 1


def test_chances_add_up_to_one(catalog):
    records = catalog.prompts()
    groups = {key.rpartition(".")[0] for key in records if ".hardware." in key or ".format." in key}
    for group in groups:
        chances = [one.value for key, one in records.items() if key.startswith(f"{group}.")]
        assert sum(chances) == pytest.approx(1), group


def test_what_is_given_narrows_the_answer(catalog):
    asked = PromptQuestion(model="llama-3.1-8b")
    wide = answer_prompt(asked, catalog)
    placed = answer_prompt(replace(asked, hardware="h100-sxm", concurrency=32.0), catalog)
    exact = answer_prompt(
        replace(
            asked, hardware="h100-sxm", concurrency=32.0, input_tokens=300.0, output_tokens=400.0
        ),
        catalog,
    )
    closed = answer_prompt(PromptQuestion(model="gpt-mini"), catalog)
    assert width(closed) > width(wide) > 2 * width(placed) > 2 * width(exact)
    assert "batch" not in placed.energy_wh.loadings and "length" not in exact.energy_wh.loadings


def test_random_designs_give_the_answer_of_even_ones(catalog, monkeypatch):
    asked = PromptQuestion(model="claude")
    even = answer_prompt(asked, catalog).energy_wh
    random = np.random.default_rng(1)
    monkeypatch.setattr(designs, "_even", lambda place, count: random.random(count))
    drawn = [answer_prompt(asked, catalog).energy_wh for _ in range(8)]
    assert even.mid == pytest.approx(np.exp(np.mean([np.log(one.mid) for one in drawn])), rel=0.1)
    assert even.log_sd == pytest.approx(np.mean([one.log_sd for one in drawn]), rel=0.08)


def test_a_larger_answer_takes_more_and_a_cleaner_grid_emits_less(catalog):
    short = answer_prompt(PromptQuestion(output_tokens=100.0, site="fr"), catalog)
    long = answer_prompt(PromptQuestion(output_tokens=1000.0, site="us"), catalog)
    assert 5 < long.energy_wh.mid / short.energy_wh.mid < 11
    per_wh = [one.amounts(1.0)["co2e_g"].mid / one.energy_wh.mid for one in (short, long)]
    assert per_wh[1] > 5 * per_wh[0]


def test_a_year_is_its_days_and_a_million_users_a_million_of_them(catalog):
    answer = answer_prompt(PromptQuestion(per="year", times=3.0), catalog)
    report = prompt_report(answer, catalog)
    assert report.mid("energy_wh") == pytest.approx(1095 * answer.energy_wh.mid)
    year, many = report.facts["year"], report.facts["million_users_year"]
    assert many["co2e_g"]["high"] == pytest.approx(1e6 * year["co2e_g"]["high"])
    alike = report.facts["equivalents"]
    assert alike["led_bulb_s"] == pytest.approx(2 * alike["brain_s"])


def test_own_hardware_serves_one_at_a_time(catalog):
    own = answer_prompt(PromptQuestion(model="llama-3.1-8b", hardware="rtx-4090"), catalog)
    assert "batch" not in own.energy_wh.loadings and "idle capacity" not in own.energy_wh.loadings


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("--model nosuch", "unknown model 'nosuch'"),
        ("--model llama-3-8b --task image", "does not do this task"),
        ("--task video --input-tokens 5", "--input-tokens means nothing"),
        ("--task poem", "--task"),
        ("--times 0", "--times must be"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_a_line(words, why):
    assert why in refusal(f"prompt {words}")


def test_json_has_the_amounts_at_its_top():
    found = printed("prompt --per day --times 20")
    for name in ("energy_wh", "co2e_g", "water_ml", "electricity_usd"):
        assert set(found[name]) == {"low", "mid", "high"}
    assert {"assumptions", "equivalents", "spread", "year", "million_users_year"} <= set(found)
