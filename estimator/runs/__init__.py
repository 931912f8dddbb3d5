"""Measured runs in a store that several programs can open at once."""

from estimator.runs.connection import StoreError
from estimator.runs.store import (
    Overview,
    Store,
    check_folder,
    look_up,
    new_run_id,
    open_store,
    overview,
    read_runs,
    read_served,
    read_timings,
    readable,
    store_or_reason,
    store_path,
)
from estimator.system.data_folder import data_directory

__all__ = [
    "Overview",
    "Store",
    "StoreError",
    "check_folder",
    "data_directory",
    "look_up",
    "new_run_id",
    "open_store",
    "overview",
    "read_runs",
    "read_served",
    "read_timings",
    "readable",
    "store_or_reason",
    "store_path",
]
