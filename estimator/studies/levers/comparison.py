"""Comparison of memory, speed, energy, cost and CO2e with and without levers.

The inference engine (`estimator.inference`) answers for weights of 16, 8 and 4 bits; other widths
run at the speed of the next wider one. The roofline scales this for other levers. Cases that do not
fit on the device are refused by the engine and use only the roofline, with the device's hourly
cost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from estimator.answer.scenario_estimate import answer_scenarios
from estimator.catalog import Catalog
from estimator.core.phrase import Phrase, say
from estimator.core.rows import rows_of
from estimator.core.uncertainty import Uncertain
from estimator.core.units import J_PER_KWH, MILLION, S_PER_H, digits
from estimator.inference.quantities import answer_serving
from estimator.inference.question import ServingQuestion
from estimator.networks.formulas import FLOP_PER_MULTIPLY_ADD, FLOP_PER_PARAM_AND_TOKEN
from estimator.question.scenario import Scenario
from estimator.studies.levers.break_even import break_even, distillation_flop
from estimator.studies.levers.case import Case
from estimator.studies.levers.levers import LEVERS, gains_nothing, lever_of, pulled
from estimator.studies.levers.results import Result, ResultSpread, results, spread

PER_HOUR = ("energy_kwh", "cost_usd", "co2e_kg")
CALIBRATION_TOKENS = 128 * 2048.0
"""Tokens for post-training quantization: 128 sequences (Frantar et al. 2022)."""
SMALL_PARAMS = 8e9
SERVED = {16.0: "", 8.0: "int8", 4.0: "int4"}
"""Width of weights [bit] -> format in the inference engine."""
SIXTEEN_BIT = ("bf16", "fp16")
WRITTEN_TOKENS = 256.0
"""Output tokens, assumed; on average half are in the cache [token]."""
PER_MILLION = {
    "energy_kwh": ("energy_per_output_token_j", MILLION / J_PER_KWH),
    "cost_usd": ("cost_per_million_output_tokens_usd", 1.0),
    "co2e_kg": ("co2e_per_million_output_tokens_kg", 1.0),
}
"""Quantity per million tokens -> engine quantity, and unit factor [1]."""
CLOSE_BITS, CLOSE_SHARE = 0.5, 0.1


@dataclass(frozen=True, kw_only=True)
class State:
    """Case as it runs.

    Parameters
    ----------
    memory_bytes : float
        Weights and caches [B].
    fits : bool
        Whether they fit in the device's memory.
    tokens_per_s : float
        Throughput of all sequences together [token/s].
    bound_by_memory : bool
        Whether memory bandwidth is the limit.
    per_million : mapping of str to Uncertain
        energy_kwh, cost_usd and co2e_kg per million tokens, where known.
    served : bool
        Whether the answer comes from the inference engine model rather than the roofline only.
    """

    memory_bytes: float
    fits: bool
    tokens_per_s: float
    bound_by_memory: bool
    per_million: Mapping[str, Uncertain]
    served: bool


@dataclass(frozen=True, kw_only=True)
class LeverEvidence:
    """Published evidence on the accuracy cost of a lever.

    Parameters
    ----------
    lever : str
        Name of the lever.
    lost : ResultSpread, optional
        Quality loss in published results near the setting, None without results.
    of : str
        Quality metric: accuracy, or perplexity if no accuracy was published.
    results : tuple of Result
        Results behind it.
    gains : tuple of Result
        Results near the setting that measured speed or energy.
    """

    lever: str
    lost: ResultSpread | None
    of: str
    results: tuple[Result, ...]
    gains: tuple[Result, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LeverComparison:
    """Case with and without levers.

    Parameters
    ----------
    before, after : State
        States before and after the levers.
    nothing_gained : tuple of Phrase
        Cases in which the hardware gains nothing, and why.
    evidence : tuple of LeverEvidence
        Accuracy loss by lever.
    application_flop : float
        Compute for applying the levers [FLOP].
    application : mapping of str to Uncertain
        Energy, cost and CO2e of that compute.
    break_even_tokens : mapping of str to float
        Tokens until it is paid back; infinite if never.
    """

    before: State
    after: State
    nothing_gained: tuple[Phrase, ...]
    evidence: tuple[LeverEvidence, ...]
    application_flop: float
    application: Mapping[str, Uncertain]
    break_even_tokens: Mapping[str, float]


def compared(
    case: Case,
    settings: Mapping[str, float],
    scenario: Scenario,
    catalog: Catalog,
    retraining_tokens: float = 1e9,
) -> LeverComparison:
    """Compare a case with and without levers.

    Parameters
    ----------
    case : Case
        Network on its device.
    settings : mapping of str to float
        Lever -> setting.
    scenario : Scenario
        Hardware, site and price.
    retraining_tokens : float
        Training tokens that a lever needs to keep its accuracy, if it needs any [token].

    Raises
    ------
    ValueError
        If a lever or its setting is invalid, or the device's hourly figures cannot be estimated.
    """
    changed = pulled(case, settings)
    flop = application_flop(case, settings, retraining_tokens)
    hour, application = _hour_and_application(flop, scenario, catalog)
    bits = [_served_bits(one) for one in (case, changed)]
    served = _served(case, bits, scenario, catalog)
    before, after = (
        _state(one, hour) if served is None else _served_state(case, one, served[width])
        for one, width in zip((case, changed), bits, strict=True)
    )
    return LeverComparison(
        before=before,
        after=after,
        nothing_gained=(*gains_nothing(case, settings), *_measured_rises(case, settings, catalog)),
        evidence=tuple(evidence(lever, setting, catalog) for lever, setting in settings.items()),
        application_flop=flop,
        application=application,
        break_even_tokens={
            name: float(
                break_even(
                    float(spent.mid),
                    float(before.per_million[name].mid - after.per_million[name].mid) / MILLION,
                )
            )
            for name, spent in application.items()
            if name in before.per_million
        },
    )


def application_flop(case: Case, settings: Mapping[str, float], tokens: float) -> float:
    """Return the FLOPs to apply some levers: calibration, retraining, or distillation [FLOP]."""
    whole = float(case.network.params * case.network.active_share)
    flop = 0.0
    for lever_id, setting in settings.items():
        lever = lever_of(lever_id)
        if lever_id == "student":
            flop += float(distillation_flop(whole * setting, whole, tokens))
        elif lever.retrains:
            kept = setting if lever_id in ("channels", "low-rank") else 1.0
            flop += FLOP_PER_PARAM_AND_TOKEN * whole * kept * tokens
        elif lever.unit == "bit":
            flop += FLOP_PER_MULTIPLY_ADD * whole * CALIBRATION_TOKENS
    return flop


def evidence(lever_id: str, setting: float, catalog: Catalog) -> LeverEvidence:
    """Return the published results of a lever near a setting, and their spread."""
    lever = lever_of(lever_id)
    found = [
        result for result in results(catalog, lever.results) if _near(result, lever_id, setting)
    ]
    near = tuple(result for result in found if result.quality)
    alike = [result for result in near if result.is_accuracy]
    listed = alike or [result for result in near if not result.higher_is_better]
    lost = None
    if listed:
        lost = spread(
            [result.lost_share() for result in listed], [result.source for result in listed]
        )
    return LeverEvidence(
        lever=lever_id,
        lost=lost,
        of="accuracy" if alike else "perplexity",
        results=near,
        gains=tuple(result for result in found if result.speedup or result.energy_ratio),
    )


def _near(one: Result, lever_id: str, setting: float) -> bool:
    """Return whether a result is near a setting; one without a number never is."""
    if LEVERS[lever_id].unit == "bit":
        return one.bits is not None and abs(one.bits - setting) <= CLOSE_BITS
    if lever_id in ("exit", "experts"):
        return True
    return one.kept_share is not None and abs(one.kept_share - setting) <= CLOSE_SHARE


def _measured_rises(
    case: Case, settings: Mapping[str, float], catalog: Catalog
) -> tuple[Phrase, ...]:
    """Return warnings where narrower weights were measured to raise the energy."""
    if settings.get("weights", 16.0) >= 16.0 or float(case.network.params) > SMALL_PARAMS:
        return ()
    metered = [
        one
        for one in results(catalog, "quantization-weights", "quantization-weights-activations")
        if one.energy_ratio is not None
    ]
    ratios = [result.energy_ratio or 1.0 for result in metered]
    risen = [ratio for ratio in ratios if ratio > 1]
    return (
        say(
            "Measured, not computed here: of {all} metered models of up to 8 billion parameters "
            "{risen} took more energy with 4- or 8-bit weights, up to {most} times, because "
            "widening the weights kept the device busy.",
            all=digits(len(ratios)),
            risen=digits(len(risen)),
            most=digits(max(ratios)),
        ),
    )


def _hour_and_application(
    flop: float, scenario: Scenario, catalog: Catalog
) -> tuple[Mapping[str, Uncertain], Mapping[str, Uncertain]]:
    """Return the cost of a device-hour and of applying the levers, empty without work."""
    bare = dict.fromkeys(("preset", "params", "tokens", "flop", "device_hours"))
    alone = replace(scenario, devices=1.0, **bare)
    asked = [replace(alone, device_hours=1.0)]
    if flop >= 1:
        asked.append(replace(alone, flop=flop))
    answers = []
    for answer in answer_scenarios(asked, catalog):
        if isinstance(answer, ValueError):
            raise answer
        answers.append(answer.estimate.quantities)
    spent = answers[1] if len(answers) > 1 else {}
    return answers[0], {name: spent[name] for name in PER_HOUR if name in spent}


def _state(case: Case, hour: Mapping[str, Uncertain]) -> State:
    found = case.step()
    hours = MILLION / float(found.tokens_per_s) / S_PER_H
    needed = float(case.needed_bytes())
    return State(
        memory_bytes=needed,
        fits=needed <= case.memory_bytes,
        tokens_per_s=float(found.tokens_per_s),
        bound_by_memory=found.bound_by_memory,
        per_million={name: hour[name] * hours for name in PER_HOUR if name in hour},
        served=False,
    )


def _served_bits(case: Case) -> float:
    """Return the next wider weight format that the engine serves [bit]."""
    wide = [bits for bits in SERVED if bits >= float(case.network.weight_bits)]
    return min(wide, default=max(SERVED))


def _served(
    case: Case, widths: Sequence[float], scenario: Scenario, catalog: Catalog
) -> dict[float, Mapping[str, Uncertain]] | None:
    """Return the engine's answer for each weight width, or None where it is refused."""
    known = [*dict.fromkeys(widths)]
    peaks = catalog.device(case.hardware).peaks
    plain = next((name for name in SIXTEEN_BIT if name in peaks), "")
    asked = ServingQuestion(
        preset=case.preset,
        hardware=case.hardware,
        concurrency=float(case.load.batch),
        input_tokens=max(float(case.load.context) - WRITTEN_TOKENS / 2, 1.0),
        output_tokens=WRITTEN_TOKENS,
        site=scenario.site or "",
    )
    answer = answer_serving(
        [replace(asked, precision=SERVED[bits] or plain) for bits in known], catalog
    )
    if answer.errors:
        return None
    found: dict[float, Mapping[str, Uncertain]] = {
        bits: {name: rows_of(value, row) for name, value in answer.ranges.items()}
        for row, bits in enumerate(known)
    }
    speeds = [np.asarray(answer["output_tokens_per_s"].mid) for answer in found.values()]
    return found if np.isfinite(speeds).all() else None


def _served_state(before: Case, case: Case, served: Mapping[str, Uncertain]) -> State:
    """Return the engine's state at a width, scaled by the roofline for the other levers."""
    plain = before.on(replace(before.network, weight_bits=case.network.weight_bits))
    faster = float(case.step().tokens_per_s) / float(plain.step().tokens_per_s)
    needed = float(case.needed_bytes())
    return State(
        memory_bytes=needed,
        fits=needed <= case.memory_bytes,
        tokens_per_s=float(served["output_tokens_per_s"].mid) * faster,
        bound_by_memory=case.step().bound_by_memory,
        per_million={
            name: served[quantity] * (factor / faster)
            for name, (quantity, factor) in PER_MILLION.items()
            if np.isfinite(np.asarray(served[quantity].mid)).all()
        },
        served=True,
    )
