"""Registry of the readers of each family's config, one per type.

Importing the folder `families` fills the registry, so there is no separate list.
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
"""`model_type` -> reader."""

CLASSES: dict[str, Reader] = {}
"""diffusers `_class_name` -> reader."""


def family(*model_types: str) -> Callable[[Function], Function]:
    """Register the decorated function as the reader of these types.

    Raises
    ------
    ValueError
        If a type already has a reader.
    """

    def register(reader: Function) -> Function:
        for model_type in model_types:
            _add(FAMILIES, model_type, reader)
        return reader

    return register


def families(reader: Callable[[Any, Fields], Architecture], rows: Mapping[str, Any]) -> None:
    """Register one reader for many types, each with its row of facts."""
    for model_type, facts in rows.items():
        _add(FAMILIES, model_type, partial(reader, facts))


def diffusers_class(*names: str) -> Callable[[Function], Function]:
    """Register the decorated function as the reader of these diffusers classes."""

    def register(reader: Function) -> Function:
        for name in names:
            _add(CLASSES, name, reader)
        return reader

    return register


@cache
def defaults() -> Mapping[str, Mapping[str, Any]]:
    """Return the config defaults by `model_type`, with references resolved."""
    rows = json.loads(Path(__file__).with_name("defaults.json").read_text(encoding="utf-8"))
    return {name: rows[row] if isinstance(row, str) else row for name, row in rows.items()}


def with_defaults_of(fields: Fields, model_type: str) -> Fields:
    """Return the config or part with a type's defaults for omitted keys."""
    return fields.with_usual(defaults().get(model_type, {}))


@cache
def known_families() -> Mapping[str, Reader]:
    """Return all readers by `model_type`, importing all modules of `families`."""
    package = importlib.import_module("estimator.networks.families")
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
    return FAMILIES


def _add(readers: dict[str, Reader], name: str, reader: Reader) -> None:
    if name in readers:
        raise ValueError(f"{name} already has a reader")
    readers[name] = partial(_read_architecture, reader, name)


def _read_architecture(reader: Reader, name: str, fields: Fields) -> Architecture:
    """Build the architecture of a config, with the defaults of its type."""
    return reader(with_defaults_of(fields, name))
