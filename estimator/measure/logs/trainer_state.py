"""Runs in a Hugging Face Trainer's trainer_state.json.

`total_flos` is the Trainer's own count over all devices: 6 FLOPs per non-embedding parameter and
token [1]_. `train_runtime` is logged once at the end of training; checkpoints lack it.

References
----------
.. [1] transformers, modeling_utils.py, `floating_point_ops`; trainer.py, `store_flos`.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

from estimator.core.units import in_percent
from estimator.measure.logs.log_file import LogFile, json_of, positive
from estimator.measure.logs.logged_run import LoggedRun

MOST_ENTRIES = 1_000_000
"""Most log-history entries read [1]."""


def is_trainer_state(log: LogFile) -> bool:
    """Return whether a text looks like a Trainer state."""
    head = log.text.lstrip()
    return head.startswith("{") and '"log_history"' in log.text and '"global_step"' in log.text


def read_trainer_state(log: LogFile) -> list[LoggedRun]:
    """Read the only run of a state; errors as for `measured_run`."""
    state = json_of(log)
    history = state.get("log_history") if isinstance(state, dict) else None
    if not isinstance(history, list) or len(history) > MOST_ENTRIES:
        raise log.refused("no trainer_state.json: log_history is missing")
    entries = [entry for entry in history if isinstance(entry, Mapping)]
    ends = [entry for entry in entries if positive(entry.get("train_runtime"))]
    steps = positive(state.get("global_step"))
    if steps is None:
        raise log.refused("no step was trained: global_step is missing or 0")
    tokens = positive(state.get("num_input_tokens_seen"))
    flop = positive(state.get("total_flos"))
    wall_s = sum(map(_runtime_s, ends)) or None
    return [
        LoggedRun(
            identity=("trainer_state", json.dumps([steps, flop, history], sort_keys=True)),
            wall_s=wall_s,
            tokens=tokens,
            samples=_samples(ends),
            flop=flop,
            all_steps=steps,
            notes=tuple(_notes(entries, ends, wall_s, flop)),
        )
    ]


def _runtime_s(entry: Mapping[str, Any]) -> float:
    return positive(entry.get("train_runtime")) or 0.0


def _samples(ends: list[Mapping[str, Any]]) -> float | None:
    """Trained samples, without evaluation."""
    if not ends:
        return None
    counts = [positive(entry.get("train_samples_per_second")) for entry in ends]
    known = [
        count * _runtime_s(entry)
        for count, entry in zip(counts, ends, strict=True)
        if count is not None
    ]
    total = sum(known)
    return float(round(total)) if len(known) == len(ends) and math.isfinite(total) else None


def _notes(
    entries: list[Mapping[str, Any]],
    ends: list[Mapping[str, Any]],
    wall_s: float | None,
    flop: float | None,
) -> list[str]:
    """Return notes on the figures."""
    notes = ["the Trainer logs no energy"]
    if flop is not None:
        notes.append(
            "work by the Trainer's own count (total_flos), without attention and embeddings"
        )
    if len(ends) > 1:
        notes.append(f"train_runtime of {len(ends)} sessions added up")
    evaluated_s = sum(positive(entry.get("eval_runtime")) or 0.0 for entry in entries)
    if wall_s and evaluated_s > 0.01 * wall_s:
        share = min(1.0, evaluated_s / wall_s)
        notes.append(f"evaluation took {in_percent(share)} of the time, which counts as overhead")
    return notes
