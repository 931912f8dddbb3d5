"""Where does a number come from: the profiles on disk, read, checked and looked up by name."""

from estimator.catalog.catalog import Catalog
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
]
