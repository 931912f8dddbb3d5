"""`prompt` and `serve_cost` in Python, with the inputs of their commands."""

from typing import Any

from estimator.answer.report import Report
from estimator.catalog import Catalog
from estimator.core.units import CENTRAL
from estimator.inference.measured_loads import known_loads
from estimator.inference.quantities import answer_serving
from estimator.inference.question import ServingQuestion
from estimator.inference.report import inference_report
from estimator.question.inputs import question_from
from estimator.studies.prompts.answer import answer_prompt, prompt_report
from estimator.studies.prompts.question import PromptQuestion


def prompt(*, profiles: str | None = None, interval: float = CENTRAL, **inputs: Any) -> Report:
    """Estimate energy, CO2e, water and electricity of one use of a model, a day or a year.

    Parameters
    ----------
    profiles : str, optional
        Directory of your own profiles.
    interval : float
        Probability inside the intervals [1].
    **inputs
        Inputs of the command `prompt` with underscores: `model`, `task`, `per`, `times` and so on.

    Returns
    -------
    Report
        Report with energy_wh [Wh], co2e_g [g], water_ml [mL] and electricity_usd [USD], where
        known.

    Raises
    ------
    ValueError
        If an input is unknown or invalid, or the model cannot do the task.

    Examples
    --------
    >>> list(prompt(model="gpt", task="question"))
    ['energy_wh', 'co2e_g', 'water_ml', 'electricity_usd']
    """
    catalog = Catalog.open(profiles)
    answer = answer_prompt(question_from(PromptQuestion, inputs), catalog)
    return prompt_report(answer, catalog, interval)


def serve_cost(*, profiles: str | None = None, interval: float = CENTRAL, **inputs: Any) -> Report:
    """Estimate latency, throughput, energy, cost and CO2e of serving a language model.

    Parameters
    ----------
    profiles : str, optional
        Directory of your own profiles.
    interval : float
        Probability inside the intervals [1].
    **inputs
        Inputs of the command `serve-cost` with underscores: `preset`, `hardware`, `concurrency` and
        so on, except inputs of comparisons and of items.

    Returns
    -------
    Report
        Report with the quantities and numbers of `serve-cost --json`.

    Raises
    ------
    ValueError
        If an input is unknown or invalid, or the setup cannot serve.
    """
    catalog = Catalog.open(profiles)
    asked = question_from(ServingQuestion, inputs)
    answer = answer_serving([asked], catalog, calibration=known_loads(catalog).corrected)
    return inference_report(answer, catalog, interval)
