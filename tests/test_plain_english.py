"""Texts that people read avoid the patterns that are safe to forbid, and notices stay short."""

import importlib
import re

import pytest

from estimator.cli import COMMANDS
from estimator.core.notice import MESSAGES
from tests.in_process import run
from tests.test_house import ROOMS
from tests.test_readme import DOCUMENTS, ROOT
from tests.web.test_translations import catalogue, texts

PATTERNS = {
    "money after its number": r"\d ?[kM]?\$(?=[\s.,;)]|$)",
    "a space before percent": r"[\d}] %",
    "beside": r"\bbeside\b",
    "lets expect": r"\blets? (?:\w+ )?expect\b",
}
LONGEST = 170
"""Characters of the template of a notice."""


def surface(name):
    """Texts of one kind that people read."""
    if name == "pages":
        return texts()
    if name == "notices":
        for room in ROOMS:
            importlib.import_module(f"estimator.{room}")
        importlib.import_module("estimator.inference.quantities")
        importlib.import_module("estimator.answer.scenario_estimate")
        every = (text if isinstance(text, tuple) else (text,) for text in MESSAGES.values())
        return {text for pair in every for text in pair}
    if name == "help":
        return {run(command, "--help").stdout for command in COMMANDS}
    prose = {re.sub(r"```.*?```", "", text, flags=re.S) for text in DOCUMENTS.values()}
    return prose | {(ROOT / "CHANGELOG.md").read_text(encoding="utf-8")}


@pytest.mark.parametrize("name", ["pages", "notices", "help", "documents"])
def test_texts_have_none_of_the_forbidden_patterns(name):
    found = [
        (what, text[max(0, hit.start() - 40) : hit.end() + 40])
        for text in surface(name)
        for what, pattern in PATTERNS.items()
        for hit in re.finditer(pattern, text)
    ]
    assert found == []


def test_no_sentence_opens_with_a_clause_as_a_noun():
    opens = r"(?:\A|(?<=[.!?] ))(?:What|Which|How|Whether|Who)\b(?![^.!]*\?)"
    for name in ("notices", "help"):
        assert [text for text in surface(name) if re.search(opens, text)] == []


def test_notices_are_short():
    assert [text for text in surface("notices") if len(text) > LONGEST] == []


def test_pages_name_controls_and_not_options():
    """A text that names a program's option to type outside the app is a command, not a tooltip."""
    named = [text for text in texts() if re.search(r"(?<![\w-])--[a-z]", text)]
    assert [text for text in named if "twenty-watts" not in text and "container" not in text] == []


def test_german_puts_money_and_percent_its_own_way():
    for translated in catalogue("de").values():
        for text in translated:
            assert not re.search(r"\$\d|\d%", text), text
