"""Before and after: memory, speed, energy, cost and CO2e of the user's case with levers pulled.

The time of a step follows from the roofline; what an hour of the device draws, costs and emits, at
its place, is answered by the same path as any other scenario.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from estimator.answer.scenario_estimate import answer_scenarios
from estimator.catalog import Catalog
from estimator.core.phrase import Phrase, say
from estimator.core.uncertainty import Uncertain
from estimator.core.units import MILLION, S_PER_H, digits
from estimator.networks.formulas import FLOP_PER_MULTIPLY_ADD, FLOP_PER_PARAM_AND_TOKEN
from estimator.question.scenario import Scenario
from estimator.studies.levers.break_even import break_even, distillation_flop
from estimator.studies.levers.case import Case
from estimator.studies.levers.levers import LEVERS, gains_nothing, lever_of, pulled
from estimator.studies.levers.results import Result, ResultSpread, results, spread

PER_HOUR = ("energy_kwh", "cost_usd", "co2e_kg")
CALIBRATION_TOKENS = 128 * 2048.0
"""Tokens that a quantization after training looks at: 128 sequences (Frantar et al. 2022)."""
SMALL_PARAMS = 8e9
CLOSE_BITS, CLOSE_SHARE = 0.5, 0.1


@dataclass(frozen=True, kw_only=True)
class State:
    """A case as it is run.

    Parameters
    ----------
    memory_bytes : float
        Weights and caches [B].
    fits : bool
        Whether the device holds them.
    tokens_per_s : float
        Of all sequences together [token/s].
    bound_by_memory : bool
        Binding limit.
    per_million : mapping of str to Uncertain
        energy_kwh, cost_usd, co2e_kg of a million tokens, as far as they can be had.
    """

    memory_bytes: float
    fits: bool
    tokens_per_s: float
    bound_by_memory: bool
    per_million: Mapping[str, Uncertain]


@dataclass(frozen=True, kw_only=True)
class LeverEvidence:
    """Published evidence on the accuracy that a lever costs.

    Parameters
    ----------
    lever : str
        Which.
    lost : ResultSpread, optional
        Share of the quality lost in results near the setting; none where there is none.
    of : str
        Which quality: the accuracy, or, where no accuracy was published, the perplexity.
    results : tuple of Result
        Those results.
    """

    lever: str
    lost: ResultSpread | None
    of: str
    results: tuple[Result, ...]


@dataclass(frozen=True, kw_only=True)
class LeverComparison:
    """A case with and without levers.

    Parameters
    ----------
    before, after : State
        Both.
    nothing_gained : tuple of Phrase
        Where the hardware gains nothing, and why.
    evidence : tuple of LeverEvidence
        Accuracy cost by lever.
    application_flop : float
        Compute that applying the levers takes [FLOP].
    application : mapping of str to Uncertain
        What that takes in energy, cost and CO2e.
    break_even_tokens : mapping of str to float
        Tokens after which it is repaid; infinite if never.
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
    """Set a case with levers pulled against itself.

    Parameters
    ----------
    case : Case
        The network on its device.
    settings : mapping of str to float
        Lever -> setting.
    scenario : Scenario
        Hardware, place and price.
    retraining_tokens : float
        Tokens of training that a lever which needs it takes to keep the accuracy [token].

    Raises
    ------
    ValueError
        If a lever or its setting is not admissible, or the hour of the device cannot be answered.
    """
    changed = pulled(case, settings)
    flop = application_flop(case, settings, retraining_tokens)
    hour, application = _hour_and_application(flop, scenario, catalog)
    before, after = _state(case, hour), _state(changed, hour)
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
    """Compute that applying some levers takes: looking on, training again, or distilling [FLOP]."""
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
    near = tuple(
        one
        for one in results(catalog, lever.results)
        if one.quality and _near(one, lever_id, setting)
    )
    alike = [one for one in near if one.is_accuracy]
    listed = alike or [one for one in near if not one.higher_is_better]
    lost = None
    if listed:
        lost = spread([one.lost_share() for one in listed], [one.source for one in listed])
    return LeverEvidence(
        lever=lever_id, lost=lost, of="accuracy" if alike else "perplexity", results=near
    )


def _near(one: Result, lever_id: str, setting: float) -> bool:
    """Tell whether a result was had near a setting; one without a number counts nowhere."""
    if LEVERS[lever_id].unit == "bit":
        return one.bits is not None and abs(one.bits - setting) <= CLOSE_BITS
    if lever_id in ("exit", "experts"):
        return True
    return one.kept_share is not None and abs(one.kept_share - setting) <= CLOSE_SHARE


def _measured_rises(
    case: Case, settings: Mapping[str, float], catalog: Catalog
) -> tuple[Phrase, ...]:
    """Warn where narrower weights were measured to raise the energy of networks of this size."""
    if settings.get("weights", 16.0) >= 16.0 or float(case.network.params) > SMALL_PARAMS:
        return ()
    metered = [
        one
        for one in results(catalog, "quantization-weights", "quantization-weights-activations")
        if one.energy_ratio is not None
    ]
    ratios = [one.energy_ratio or 1.0 for one in metered]
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
    """Return the cost of an hour of one device, and of applying the levers; empty without work."""
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
    )
