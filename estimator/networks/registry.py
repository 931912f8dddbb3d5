"""Registry of the functions that read each family's config; each type is there once.

A module of `families` registers what it reads; importing that folder fills the registry, so there
is no list of families to keep by hand.
"""

import importlib
import json
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

from estimator.networks.fields import Fields
from estimator.networks.ledger import Architecture

Reader = Callable[[Fields], Architecture]
Function = TypeVar("Function", bound=Callable[..., Any])

FAMILIES: dict[str, Reader] = {}
"""Readers by `model_type`."""

CLASSES: dict[str, Reader] = {}
"""Readers of configs of diffusers, by `_class_name`."""


def family(*model_types: str) -> Callable[[Function], Function]:
    """Register the decorated function as the reader of these types.

    Raises
    ------
    ValueError
        A type has a reader already.
    """

    def register(reader: Function) -> Function:
        for model_type in model_types:
            _add(FAMILIES, model_type, reader)
        return reader

    return register


def families(reader: Callable[[Any, Fields], Architecture], rows: Mapping[str, Any]) -> None:
    """Register one reader under many types, each with the facts of its row."""
    for model_type, facts in rows.items():
        _add(FAMILIES, model_type, partial(reader, facts))


def diffusers_class(*names: str) -> Callable[[Function], Function]:
    """Register the decorated function as the reader of these classes of diffusers."""

    def register(reader: Function) -> Function:
        for name in names:
            _add(CLASSES, name, reader)
        return reader

    return register


@cache
def defaults() -> Mapping[str, Mapping[str, Any]]:
    """Return the defaults of a config by `model_type`; a name refers to another type's."""
    rows = json.loads(Path(__file__).with_name("defaults.json").read_text(encoding="utf-8"))
    return {name: rows[row] if isinstance(row, str) else row for name, row in rows.items()}


def with_defaults_of(fields: Fields, model_type: str) -> Fields:
    """A config or a part of one, with the defaults of a type for what it leaves out."""
    return fields.with_usual(defaults().get(model_type, {}))


@cache
def known_families() -> Mapping[str, Reader]:
    """All readers by `model_type`, every module of `families` imported."""
    package = importlib.import_module("estimator.networks.families")
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
    return FAMILIES


def _add(readers: dict[str, Reader], name: str, reader: Reader) -> None:
    if name in readers:
        raise ValueError(f"{name} has a reader already")
    readers[name] = partial(_read, reader, name)


def _read(reader: Reader, name: str, fields: Fields) -> Architecture:
    """The architecture of a config, with the defaults of its type."""
    return reader(with_defaults_of(fields, name))
