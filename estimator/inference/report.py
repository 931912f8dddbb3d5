"""Reports of inference: tokens and requests, comparisons with APIs and training, and items."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from estimator.answer.report import Report
from estimator.catalog import Catalog
from estimator.core.messages import refuse
from estimator.core.notice_table import NoticeTable
from estimator.core.rows import Floats, nowhere, one_of
from estimator.core.uncertainty import Number, Uncertain
from estimator.core.units import J_PER_KWH
from estimator.inference.figures import (
    battery,
    compared_with_api,
    inputs,
    memory,
    most_within,
    request_times,
    roofline,
    single,
)
from estimator.inference.items import ItemAnswer
from estimator.inference.quantities import MODEL, QUANTITIES, SUSTAINED, UNKNOWN, ServingAnswer
from estimator.inference.question import Comparison

SERVICE_DAYS = 365.0
"""Default days in service of a model [day]."""


def inference_report(
    answer: ServingAnswer, catalog: Catalog, level: float, held: Comparison | None = None
) -> Report:
    """Report of the only setup of an answer.

    Parameters
    ----------
    answer : ServingAnswer
    catalog : Catalog
    level : float
        Probability inside the intervals [1].
    held : Comparison, optional
        Comparison with a latency goal, an API, or the energy of training.

    Raises
    ------
    Refusal
        If the setup is refused, or a comparison lacks a number.
    """
    row, _ = single(answer)
    facts: dict[str, Any] = {"step": roofline(answer), **memory(answer), **request_times(answer)}
    if held is not None:
        api = _api(held, catalog)
        facts = {**({"api": api} if api else {}), **facts}
        facts |= {**_goal(held, answer), **_against_api(api, answer), **_over_life(held, answer)}
    named = inputs(answer)
    return Report(
        question="inference",
        quantities=quantities_of(answer.ranges, (*QUANTITIES, SUSTAINED)) | battery(answer),
        level=level,
        inputs=named,
        notices=answer.notices.of(0),
        facts=facts,
        columns=tuple(named),
        details={"device": row.device.device.name},
    )


def items_report(found: ItemAnswer, name: str, level: float) -> Report:
    """Report of items not generated token by token."""
    row = found.row
    return Report(
        question="items",
        quantities=quantities_of(found.ranges, found.ranges),
        level=level,
        notices=found.notes,
        details={
            "model": name or row.model.name,
            "weights": row.weights.name,
            "devices": row.devices,
            "device": row.device.device.name,
        },
    )


def set_ups_report(answer: ServingAnswer, count: int, level: float) -> Report:
    """Report of several setups, one row per question, NaN where refused.

    >>> from estimator.inference.quantities import answer_serving
    >>> from estimator.inference.question import ServingQuestion
    >>> asked = [ServingQuestion(preset="llama-3-8b", hardware=one) for one in ("h100", "h1000")]
    >>> report = set_ups_report(answer_serving(asked, Catalog.open()), 2, 0.8)
    >>> np.isnan(report.quantities["inter_token_s"].mid).tolist(), list(report.errors)
    ([False, True], [1])
    """
    places = answer.places

    def by_question(values: Number) -> Floats:
        column = np.full(count, np.nan)
        column[places] = values
        return column

    known = {name: answer.ranges.get(name, UNKNOWN) for name in QUANTITIES}
    notices = NoticeTable(count)
    said, at = answer.notices.distinct()
    codes = nowhere(count)
    codes[places] = at
    notices.coded(said, codes)
    return Report(
        question="inference",
        quantities={
            name: Uncertain(by_question(one.mid), {MODEL: by_question(one.log_sd)})
            for name, one in known.items()
        },
        level=level,
        notices=notices,
        errors=answer.errors,
    )


def quantities_of(
    ranges: Mapping[str, Uncertain], names: Iterable[str], place: int = 0
) -> dict[str, Uncertain]:
    """Return the known quantities among `names` of one setup."""
    first = {name: one_of(ranges[name], place) for name in names if name in ranges}
    return {name: one for name, one in first.items() if np.isfinite(one.mid)}


def _goal(held: Comparison, answer: ServingAnswer) -> dict[str, float]:
    """Return the highest concurrency within a latency goal."""
    if held.latency_goal is None:
        return {}
    found = most_within(answer, held.latency_goal)
    if found is None:
        raise refuse("serving_goal_missed", "latency_goal", goal=held.latency_goal)
    return {"concurrency_within_goal": found}


def _api(held: Comparison, catalog: Catalog) -> dict[str, Any]:
    """Return the API prices to compare with: on record with name, date and source, or as given."""
    prompt, answer = held.api_price_in, held.api_price_out
    if not held.api:
        if answer is None and prompt is not None:
            raise refuse("serving_api_half_priced", "api_price_in")
        return {} if answer is None else {"input_usd": prompt or 0.0, "output_usd": answer}
    if prompt is not None or answer is not None:
        raise refuse("serving_two_apis", "api")
    known = catalog.api_price(held.api)
    return {
        "name": known.name,
        "date": known.date,
        "source": known.source,
        "input_usd": known.input_usd_per_million_tokens,
        "output_usd": known.output_usd_per_million_tokens,
    }


def _against_api(api: Mapping[str, Any], answer: ServingAnswer) -> dict[str, float]:
    """Return the break-even of reserved machines against an API."""
    if not api:
        return {}
    prices = {name: float(api[name]) for name in ("input_usd", "output_usd")}
    found = compared_with_api(answer, **prices)
    if not found:
        device = single(answer)[0].device.device.name
        raise refuse("serving_price_unknown", "price", device=device)
    return found


def _over_life(held: Comparison, answer: ServingAnswer) -> dict[str, float]:
    """Return the energy of training and inference over the days in service."""
    training, tokens = held.training_kwh, held.tokens_per_day
    if training is None and tokens is None:
        return {}
    if training is None or tokens is None:
        raise refuse("serving_half_a_life", "training_kwh")
    joule = answer.mid("energy_per_output_token_j")
    if not np.isfinite(joule):
        device = single(answer)[0].device.device.name
        raise refuse("serving_energy_needed", "training_kwh", device=device)
    days = SERVICE_DAYS if held.service_days is None else held.service_days
    daily_kwh = joule * tokens / J_PER_KWH
    lifetime_kwh = training + daily_kwh * days
    return {
        "serving_kwh_per_day": daily_kwh,
        "days_to_overtake_training": training / daily_kwh,
        "lifetime_kwh": lifetime_kwh,
        "training_share_of_lifetime": training / lifetime_kwh,
    }
