"""Sentences of notices: each in one room, which every room that raises it imports."""

import ast
from pathlib import Path

import pytest

import estimator
from estimator.core.notice import MESSAGES, add_messages
from tests.test_house import ROOMS

PACKAGE = Path(estimator.__file__).parent
SAID_BY = ("Notice", "refuse", "_say_about")


def calls():
    """Room, name of the function, and call, of all calls of the package."""
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                yield room, name, node


def test_a_sentence_stands_in_the_room_that_raises_it_or_in_one_before():
    called = list(calls())
    homes = {
        word.arg: room
        for room, name, node in called
        if name == "add_messages"
        for word in node.keywords
    }
    raised = [
        (room, node.args[0].value)
        for room, name, node in called
        if name in SAID_BY and node.args and isinstance(node.args[0], ast.Constant)
    ]
    assert len(raised) > 150
    assert len(homes) > 200
    for room, code in raised:
        assert code in homes, f"{room} raises {code}, for which there is no sentence"
        assert ROOMS.index(homes[code]) <= ROOMS.index(room), f"{code} of {homes[code]} in {room}"


def test_two_sentences_for_one_code_are_refused():
    with pytest.raises(ValueError, match="two sentences for the notice devices_assumed"):
        add_messages(devices_assumed="another one")
    add_messages(devices_assumed=MESSAGES["devices_assumed"])
