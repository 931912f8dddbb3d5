"""Cost of a usage file: each model at its mean request length, summed up."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from estimator.answer.report import Report, bounds
from estimator.catalog import Catalog
from estimator.core.messages import refuse
from estimator.core.notice import Notice
from estimator.core.uncertainty import Uncertain, total
from estimator.core.units import CENTRAL
from estimator.studies.prompts.answer import PromptAnswer, answer_prompt, facts_of
from estimator.studies.prompts.question import PromptQuestion
from estimator.studies.prompts.usage import ModelUsage


def usage_report(
    used: Sequence[ModelUsage], asked: PromptQuestion, catalog: Catalog, level: float = CENTRAL
) -> Report:
    """Report of the energy, CO2e, water and electricity of some usage.

    Parameters
    ----------
    used : sequence of ModelUsage
    asked : PromptQuestion
        Known facts about all usage: site, PUE, hardware.
    catalog : Catalog
    level : float
        Probability inside the intervals [1].

    Raises
    ------
    ValueError
        If none of the models is known.
    """
    usual = catalog.prompts()["task.question.output_tokens"].value
    answers: list[tuple[ModelUsage, float, PromptAnswer]] = []
    notices: list[Notice] = []
    for one in used:
        requests = max(1.0, one.output_tokens / usual) if np.isnan(one.requests) else one.requests
        try:
            answer = answer_prompt(_question(one, requests, asked), catalog)
        except ValueError:
            tokens = one.input_tokens + one.output_tokens
            values = {"name": one.model, "tokens": tokens}
            notices.append(Notice("prompt_usage_left_out", "", values))
            continue
        answers.append((one, requests, answer))
    if not answers:
        raise refuse("prompt_usage_unread", why="none of its models is known")
    if any(np.isnan(one.requests) for one, _requests, _answer in answers):
        notices.append(Notice("prompt_requests_assumed", "", {"tokens": usual}))
    amounts = [answer.amounts(requests) for _one, requests, answer in answers]
    names = [name for name in amounts[0] if all(name in each for each in amounts)]
    sums: dict[str, Uncertain] = {name: total(each[name] for each in amounts) for name in names}
    first = answers[0][2]
    return Report(
        question="usage",
        quantities=sums,
        level=level,
        inputs={"site": first.site.name},
        notices=(*notices, *dict.fromkeys(n for *_, answer in answers for n in answer.notices)),
        facts={
            **facts_of(sums["energy_wh"], first, catalog),
            "models": [_row(one, requests, answer, level) for one, requests, answer in answers],
        },
        columns=("site",),
    )


def _question(one: ModelUsage, requests: float, asked: PromptQuestion) -> PromptQuestion:
    """Return a model's mean request."""
    return replace(
        asked,
        model=one.model,
        task="question",
        input_tokens=one.input_tokens / requests,
        output_tokens=max(1.0, one.output_tokens / requests),
        cached_share=one.cached_tokens / one.input_tokens if one.input_tokens else 0.0,
    )


def _row(one: ModelUsage, requests: float, answer: PromptAnswer, level: float) -> dict[str, Any]:
    """Return a model's table row."""
    return {
        "model": one.model,
        "counted_as": answer.subject.label,
        "requests": requests,
        "input_tokens": one.input_tokens,
        "cached_tokens": one.cached_tokens,
        "output_tokens": one.output_tokens,
        "energy_wh": bounds(requests * answer.energy_wh, level),
    }
