"""Which texts does the app say: collected from the code and the profiles, for the catalogues.

Texts are the constants in `_("...")`, `N_("...")`, `ngettext("...", "...", n)`, `say("...")`, the
names of figures and levers, what the profiles of the claims tell in words, the inputs of a
scenario, the notes of known runs, the sentences of modules, and the countries. A test compares them
with every catalogue, so that another language is one file and none of its texts is left out.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import estimator
from estimator.answer.published_run import REPORTED
from estimator.catalog import Catalog
from estimator.catalog.claim_records import ClaimRecord
from estimator.core.bounds import LIMITS
from estimator.core.notice import MESSAGES
from estimator.inference.question import INPUTS as SERVING
from estimator.measure.meters.nvml_binding import REMEDIES
from estimator.measure.meters.rapl import NONE_HERE, NOT_READABLE
from estimator.question.disclosure import Disclosure
from estimator.question.scenario import INPUTS
from estimator.studies.claims.glossary import GLOSSARY
from estimator.studies.levers.levers import LEVERS
from estimator.studies.prompts.question import (
    CLASSES,
    FACTORS,
    NUMBERS,
    TASKS,
    PromptQuestion,
)
from estimator.web.method.page import MODULES, stated

PACKAGE = Path(estimator.__file__).parent
MARKED = ("_", "N_", "say", "ngettext", "Figure")
"""What is called with a text first."""


def texts_of(*folders: str) -> set[str]:
    """Texts in the code of some folders of the package."""
    found: set[str] = set()
    for folder in folders:
        place = PACKAGE / folder
        paths = [place] if place.suffix == ".py" else sorted(place.rglob("*.py"))
        for path in paths:
            found |= set(_texts(ast.parse(path.read_text(encoding="utf-8"))))
    return found


def claim_texts(catalog: Catalog) -> set[str]:
    """Texts of the claims."""
    return {text for claim in catalog.claims().values() for text in _texts_of_claim(claim)}


def input_texts() -> set[str]:
    """Labels, helps and choices of the inputs of a scenario; formats of numbers are names."""
    every = (INPUTS, SERVING, Disclosure.inputs)
    found = {one.label for inputs in every for one in inputs.values() if one.label}
    found |= {one.help for one in INPUTS.values() if not one.local}
    chosen = (one.choices for name, one in INPUTS.items() if name != "precision")
    return found.union(*chosen)


def notice_texts() -> set[str]:
    """Sentences of the notices, and what bounds mean."""
    found = {meaning for _least, _most, meaning in LIMITS.values()}
    for text in MESSAGES.values():
        found |= {text} if isinstance(text, str) else set(text)
    return found


def glossary_texts() -> set[str]:
    """Terms of the glossary; their meanings are in the code."""
    return set(GLOSSARY)


def lever_texts() -> set[str]:
    """Names of the levers, and what their settings mean."""
    return {text for lever in LEVERS.values() for text in (lever.title, lever.setting)}


def meter_texts() -> set[str]:
    """Reasons for which a meter of this machine cannot be read."""
    return {*REMEDIES.values(), NONE_HERE, NOT_READABLE}


def preset_texts(catalog: Catalog) -> set[str]:
    """What is to be known of the known runs, and of the time that each took."""
    notes = [preset.note for preset in catalog.presets()]
    for preset in catalog.presets():
        run = {name: one for name, one in preset.as_run.items() if one.basis != "assumed"}
        notes += [run[name].note for name in REPORTED if name in run][:1]
    return set(filter(None, notes))


def module_texts() -> set[str]:
    """First sentences of the modules that the page How it works shows."""
    return {stated(part)[0] for part in MODULES}


def prompt_texts() -> set[str]:
    """Names of the tasks, the models, the unknowns and the inputs of one question to a model."""
    labels = {one.label for one in PromptQuestion.inputs.values() if one.label}
    return labels.union(TASKS.values(), CLASSES.values(), FACTORS.values(), NUMBERS.values())


def place_texts(catalog: Catalog) -> set[str]:
    """Names of countries and of places that are described; regions of clouds are names."""
    return {place.name for place in catalog.places() if place.kind in ("country", "place")}


def _texts_of_claim(claim: ClaimRecord) -> set[str]:
    one = {claim.title, claim.as_told, claim.quantity, claim.formula, claim.refusal}
    return one.union(claim.why, claim.assumptions) - {""}


def _texts(tree: ast.AST) -> Iterator[str]:
    """Yield the constants that stand where a text is shown."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        first = node.args[0] if node.args else None
        if getattr(node.func, "id", "") in MARKED and isinstance(first, ast.Constant):
            yield first.value
