"""Which runs were measured here: a store of them, open to several programs at once."""

from estimator.runs.connection import StoreError
from estimator.runs.kept_answers import Kept
from estimator.runs.store import (
    Overview,
    Store,
    keep_answer,
    kept_answer,
    look_up,
    new_run_id,
    open_store,
    overview,
    read_devices_of_programs,
    read_observations,
    read_runs,
    read_served,
    readable,
    runs_of_older_version,
    store_or_reason,
    store_path,
)
from estimator.system.data_folder import data_directory

__all__ = [
    "Kept",
    "Overview",
    "Store",
    "StoreError",
    "data_directory",
    "keep_answer",
    "kept_answer",
    "look_up",
    "new_run_id",
    "open_store",
    "overview",
    "read_devices_of_programs",
    "read_observations",
    "read_runs",
    "read_served",
    "readable",
    "runs_of_older_version",
    "store_or_reason",
    "store_path",
]
