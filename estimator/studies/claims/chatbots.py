"""Claims about one chatbot prompt: disclosed or estimated energy, CO2e and water."""

from estimator.core.uncertainty import Uncertain
from estimator.core.units import WH_PER_KWH, digits, human_count, human_quantity
from estimator.studies.claims.facts import Facts
from estimator.studies.claims.finding import Figure, Finding
from estimator.studies.prompts.answer import PromptAnswer, answer_prompt
from estimator.studies.prompts.question import PromptQuestion

UNITS = {"energy_wh": "Wh", "co2e_g": "gCO2e", "water_ml": "mL"}
"""Quantity of one use -> its unit."""

MISTRAL = PromptQuestion(model="mistral-large-2", output_tokens=400.0)
"""Request of Mistral's life-cycle analysis."""

GEMINI = PromptQuestion(model="gemini")
CHATGPT = PromptQuestion(model="gpt")
EARLY_CHATGPT = PromptQuestion(model="gpt-3", hardware="a100-sxm-80")
"""Model and hardware assumed by the 2023 estimate."""

BLOOM = PromptQuestion(model="bloom-176b")


def gemini_energy(facts: Facts) -> Finding:
    """Check the claim of 0.24 Wh for the median Gemini prompt."""
    answer = answer_prompt(GEMINI, facts.catalog)
    low, high = answer.energy_wh.interval()
    return _finding(answer, "energy_wh", factor=f"×{digits(float(high / low))}")


def gemini_co2e(facts: Facts) -> Finding:
    """Check the claim of 0.03 g of CO2e for the median Gemini prompt."""
    answer = answer_prompt(GEMINI, facts.catalog)
    stated_wh = facts.catalog.claims()["gemini-prompt-energy"].claimed.value
    grid = answer.site.co2e_kg_per_kwh or Uncertain(0.0)
    return _finding(
        answer,
        "co2e_g",
        per_kwh=digits(facts.claimed / stated_wh),
        grid=f"{digits(stated_wh * float(grid.mid))} g",
    )


def gemini_water(facts: Facts) -> Finding:
    """Check the claim of 0.26 mL of water for the median Gemini prompt."""
    answer = answer_prompt(GEMINI, facts.catalog)
    stated_wh = facts.catalog.claims()["gemini-prompt-energy"].claimed.value
    plants = stated_wh * _plants_l_per_kwh(answer)
    return _finding(answer, "water_ml", plants=f"{digits(plants)} mL")


def chatgpt_energy(facts: Facts) -> Finding:
    """Check the claim of 0.34 Wh for the average ChatGPT query."""
    return _finding(answer_prompt(CHATGPT, facts.catalog), "energy_wh")


def mistral_co2e(facts: Facts) -> Finding:
    """Check the claim of 1.14 g of CO2e for a request to Mistral Large 2."""
    answer = answer_prompt(MISTRAL, facts.catalog)
    grid = answer.site.co2e_kg_per_kwh or Uncertain(0.0)
    return _finding(
        answer,
        "co2e_g",
        energy=_wh(answer.energy_wh),
        stated=f"{digits(facts.claimed / float(grid.mid))} Wh",
    )


def mistral_water(facts: Facts) -> Finding:
    """Check the claim of 45 mL of water for a request to Mistral Large 2."""
    answer = answer_prompt(MISTRAL, facts.catalog)
    return _finding(answer, "water_ml", per_kwh=digits(_plants_l_per_kwh(answer)))


def ten_searches(facts: Facts) -> Finding:
    """Check the claim of 3 Wh for a ChatGPT question, ten times a search."""
    then = answer_prompt(EARLY_CHATGPT, facts.catalog).energy_wh
    return _finding(
        answer_prompt(CHATGPT, facts.catalog),
        "energy_wh",
        (Figure("with model and hardware of 2023", "Wh", then),),
        params=human_count(facts["then_params"]),
        then=_wh(then),
    )


def bloom_query(facts: Facts) -> Finding:
    """Check the claim of 3.96 Wh for a BLOOM query."""
    measured = Uncertain(facts["energy_kwh"] * WH_PER_KWH / facts["queries"])
    busy = answer_prompt(BLOOM, facts.catalog).energy_wh
    return Finding(
        value=measured,
        words={
            "energy": human_quantity(facts["energy_kwh"], "kWh"),
            "queries": human_count(facts["queries"]),
            "mid": _wh(measured),
            "devices": digits(facts["devices"]),
            "rate": digits(facts["requests_per_h"]),
            "busy": _wh(busy),
        },
        figures=(Figure("a short question to a busy service", "Wh", busy),),
        page="question",
        query={"model": BLOOM.model},
    )


def bottle_per_email(facts: Facts) -> Finding:
    """Check the claim of a bottle of water for an e-mail."""
    tokens = round(facts["words"] * facts["tokens_per_word"])
    asked = PromptQuestion(model="gpt", output_tokens=float(tokens))
    answer = answer_prompt(asked, facts.catalog)
    stated_wh = facts["energy_wh"]
    return _finding(
        answer,
        "water_ml",
        energy=f"{digits(stated_wh)} Wh",
        times=digits(stated_wh / float(answer.energy_wh.mid)),
    )


def _finding(
    answer: PromptAnswer, quantity: str, figures: tuple[Figure, ...] = (), **words: str
) -> Finding:
    """Return the finding for one use of a model, with the values in its formula."""
    value, unit = answer.amounts(1.0)[quantity], UNITS[quantity]
    low, high = (human_quantity(float(bound), unit) for bound in value.interval())
    mid = human_quantity(float(value.mid), unit)
    query = {"model": answer.asked.model}
    if answer.asked.output_tokens is not None:
        query["output"] = f"{answer.asked.output_tokens:g}"
    return Finding(
        value=value,
        words={"model": answer.subject.label, "mid": mid, "low": low, "high": high, **words},
        figures=figures,
        page="question",
        query=query,
    )


def _wh(energy: Uncertain) -> str:
    return human_quantity(float(energy.mid), "Wh")


def _plants_l_per_kwh(answer: PromptAnswer) -> float:
    """Return the water that power plants use for the site's electricity [L/kWh]."""
    rate = answer.site.offsite_l_per_kwh
    return 0.0 if rate is None else float(rate.mid)
