"""The answer for a paper: a carbon statement in LaTeX, a BibTeX entry, a model card's metadata."""

import json

from estimator import __version__
from estimator.answer.scenario_estimate import Answer
from estimator.answer.training_report import fleet
from estimator.core.units import digits
from estimator.show.quantities import amount
from estimator.web.shared.tables import between


def bibtex(data_version: str, year: int) -> str:
    """Entry for the program, with the version of its data.

    >>> bibtex("b4e6dcd", 2026).splitlines()[0]
    '@software{twenty-watts,'
    """
    return (
        "@software{twenty-watts,\n"
        "  title = {Twenty Watts: time, energy, cost and {CO2e} "
        "of training and running networks},\n"
        f"  version = {{{__version__}, data {data_version}}},\n"
        f"  year = {{{year}}}\n"
        "}\n"
    )


def latex(answer: Answer, data_version: str) -> str:
    """Paragraph for a paper's statement on carbon."""
    known = answer.estimate
    parts = [f"about {_amount(answer, 'wall_hours')} on {_tex(fleet(answer))}"]
    for name, words in (("energy_kwh", "{} of electricity"), ("co2e_kg", "{} of CO$_2$e")):
        if name in known:
            parts.append(words.format(_amount(answer, name)))
    site = _tex(answer.site.name)
    return (
        "\\paragraph{Energy and carbon.} We estimate that training took "
        + " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
        + f" (grid: {site}; PUE {digits(float(answer.site.pue.mid))}; ranges are central "
        f"{answer.level * 100:g}\\,\\% intervals), using Twenty Watts {__version__} with data "
        f"{data_version}~\\cite{{twenty-watts}}.\n"
    )


def model_card(answer: Answer, data_version: str) -> str:
    """Metadata for the head of a model card, as model hubs read it: emissions in grams.

    Raises
    ------
    ValueError
        If the emissions are unknown.
    """
    if "co2e_kg" not in answer.estimate:
        raise ValueError("a model card needs the emissions, and they are unknown here")
    stage = "fine-tuning" if answer.scenario.finetune else "pre-training"
    lines = (
        "co2_eq_emissions:",
        f"  emissions: {float(answer.estimate['co2e_kg'].mid) * 1000:.4g}",
        f'  source: "Twenty Watts {__version__}, data {data_version} (estimate)"',
        f'  training_type: "{stage}"',
        f"  geographical_location: {_yaml(answer.site.name)}",
        f"  hardware_used: {_yaml(fleet(answer))}",
    )
    return "---\n" + "\n".join(lines) + "\n---\n"


def _amount(answer: Answer, name: str) -> str:
    quantity = answer.estimate[name]
    low, high = (float(bound) for bound in quantity.interval(answer.level))
    mid = amount(name, float(quantity.mid))
    return _tex(mid if low == high else f"{mid} ({between(name, low, high)})")


def _yaml(text: str) -> str:
    r"""Text in double quotes, where YAML has the escapes of JSON.

    >>> print(_yaml(r'Rack "A" \ Berlin'))
    "Rack \"A\" \\ Berlin"
    """
    visible = "".join(letter if letter.isprintable() else " " for letter in text)
    return json.dumps(visible, ensure_ascii=False)


def _tex(text: str) -> str:
    for letter in "\\&%$#_{}":
        text = text.replace(letter, {"\\": r"\textbackslash "}.get(letter, f"\\{letter}"))
    return text.replace("–", "--").replace("µ", r"$\mu$").replace("×", r"$\times$")
