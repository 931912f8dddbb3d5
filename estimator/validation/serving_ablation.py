"""Ablation of the inference model: held-out score without each term.

A term is fixed at its neutral value and all other parameters are refitted, on the same engine x
device x model halves as in the other scores.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from estimator.catalog import Catalog
from estimator.inference.engines import NAMES, fitted
from estimator.validation.serving_fit import fit, measured_cases, predicted
from estimator.validation.serving_held_out import WAYS, held_out_groups

NEVER, AT_ONCE, ALL, UNLIMITED = 1e-9, 1e-12, 1.0 - 1e-6, 1e30
"""Neutral values: a count, a time [s], a full share [1], a rate."""

TERMS: Mapping[str, tuple[tuple[str, ...], float]] = {
    "launches per layer": (("layer_s", "expert_layer_s", "latent_layer_s"), AT_ONCE),
    "work per step": (("step_s",), AT_ONCE),
    "work per sequence": (("sequence_s",), AT_ONCE),
    "rows that fill a product": (("half_rows", "tile_rows"), NEVER),
    "ceiling of small matrices": (("ceiling_bytes_per_s",), UNLIMITED),
    "cache read slower": (("cache_share",), ALL),
    "packed experts read slower": (
        ("expert_share", "expert_8_bit_share", "expert_4_bit_share"),
        ALL,
    ),
    "attention slower": (("pair_share",), ALL),
    "latency of collectives": (("collective_s",), AT_ONCE),
    "links in part": (("link_share",), ALL),
    "time outside steps": (("request_s",), AT_ONCE),
    "requests handled one by one": (("queue_s",), AT_ONCE),
    "steps under way": (("waiting_steps",), NEVER),
    "waves of prompts": (("wave_share",), NEVER),
    "power by bytes": (("reading",), NEVER),
    "power by FLOPs": (("computing",), NEVER),
}
"""Term -> its parameters, and their neutral value."""

SCORED = {
    "inter_token_s": "time_per_token",
    "time_to_first_token_s": "first_token",
    "output_tokens_per_s": "throughput",
    "device_energy_per_output_token_j": "energy",
}
"""Quantity -> key of its score."""

WHOLE = "nothing left out"


def without(term: str) -> dict[str, float]:
    """Return a term's parameters at their neutral values."""
    suffixes, value = TERMS[term]
    return {name: value for name in NAMES if name.rpartition(".")[2] in suffixes}


def serving_ablation(catalog: Catalog) -> Iterator[dict[str, Any]]:
    """Return one row per removed term, with each quantity's median error on held-out halves."""
    near = fitted(catalog)
    measured = measured_cases(catalog, near)
    halves = held_out_groups(measured)[WAYS.index("half of engine x device x model")]
    server = np.array([one.device.is_server for one in measured.table.named])
    served = server[measured.table.named_at]
    for term in (WHOLE, *TERMS):
        fixed = {} if term == WHOLE else without(term)
        found = {name: np.full(len(measured.cases), np.nan) for name in SCORED}
        for half in np.unique(halves):
            test = halves == half
            values = predicted(measured.table, fit(catalog, measured, ~test, near, fixed))
            for name, one in found.items():
                one[test] = values[name][test]
        errors = {
            key: np.abs(found[name] / measured.values[name] - 1.0)[served]
            for name, key in SCORED.items()
        }
        yield {"without": term, **{key: float(np.nanmedian(one)) for key, one in errors.items()}}
