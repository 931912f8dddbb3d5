"""Catalog of sourced numbers: profiles read from disk, validated, and looked up by name.

Names are imported on first use, so commands that open no profile start without them.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from estimator.core.notice import add_messages

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

add_messages(
    unknown_name="unknown {what} {name}: did you mean {near}?",
    unknown_hardware=(
        "unknown hardware {name}: `profiles list` shows all; you can add profiles of your own"
    ),
    unknown_board=(
        "unknown hardware {name}: known devices: {known}; you can add profiles of your own"
    ),
    unknown_preset="unknown preset {name}: `profiles list` shows all",
    unknown_place=(
        "unknown place {name}: use a country code, a cloud region, an operator or a named place"
    ),
    unknown_prior="unknown prior {name}: priors are in priors.toml",
    unknown_source="unknown source {name}: sources are in sources.toml",
    slice_in_part=(
        "this slice has {count:,.0f} chips, each one device: set {set[devices]} to a multiple"
    ),
)


def __getattr__(name: str) -> object:
    """Import a public name on first use."""
    if name not in __all__:
        raise AttributeError(f"module 'estimator.catalog' has no attribute {name!r}")
    home = "catalog" if name in ("Catalog", "once") else "records"
    found: object = getattr(import_module(f"estimator.catalog.{home}"), name)
    globals()[name] = found
    return found
