"""Where does a number come from: the profiles on disk, read, checked and looked up by name.

Each name is imported when it is first used: commands that open no profile start without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from estimator.catalog.catalog import Catalog, once
    from estimator.catalog.records import (
        Device,
        Place,
        Preset,
        Price,
        Problem,
        ProfileError,
        Record,
        Source,
    )

__all__ = [
    "Catalog",
    "Device",
    "Place",
    "Preset",
    "Price",
    "Problem",
    "ProfileError",
    "Record",
    "Source",
    "once",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    if name not in __all__:
        raise AttributeError(f"module 'estimator.catalog' has no attribute {name!r}")
    home = "catalog" if name in ("Catalog", "once") else "records"
    found: object = getattr(import_module(f"estimator.catalog.{home}"), name)
    globals()[name] = found
    return found
