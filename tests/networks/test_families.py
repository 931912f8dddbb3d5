"""A family is found by guessing: its type is in the name or in the docstring of its module."""

import ast
import re
from functools import cache
from pathlib import Path

from estimator.networks import families
from estimator.networks.registry import CLASSES, known_families
from tests.every import over


@cache
def modules():
    """Name and docstring in letters, and literals, of each module."""
    trees = {
        path.stem: ast.parse(path.read_text(encoding="utf-8"))
        for path in Path(families.__file__).parent.glob("*.py")
    }
    return [
        (
            letters(name + (ast.get_docstring(tree) or "")),
            {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)},
        )
        for name, tree in trees.items()
    ]


def letters(text):
    return re.sub(r"[^a-z0-9]", "", text.lower())


def first_word(name):
    """What a type is called without its version, size or part: `jais` of `jais2`."""
    word = re.match(r"[a-z]+(\d[a-z]+)*|[A-Z][a-z]+|[A-Z]+(?=[A-Z][a-z])|\w", name)[0]
    known = re.sub(r"v$", "", word)
    whole = re.sub(r"(Transformer)?\dD.*|ControlNet.*", "", name.replace("SD3", "StableDiffusion3"))
    return letters(known if len(known) > 2 else whole)


def home(name):
    """What the modules that register a type are called, and say of themselves."""
    return [said for said, literals in modules() if name in literals]


@over([*known_families(), *CLASSES])
def test_a_type_is_in_the_name_or_the_docstring_of_its_module(name):
    assert any(first_word(name) in known for known in home(name)), (name, first_word(name))
