"""Memory fit of weights and KV caches, and the devices needed."""

import numpy as np

from estimator.inference.step import Layout, Number, Served, kept_values

USABLE_SHARE = 0.95
"""Share of memory available to weights and caches; the rest is for context and buffers [1]."""


def weight_bytes(model: Served, layout: Layout) -> Number:
    """Return the memory of one copy of all weights [B]."""
    dense = (model.dense_params + model.table_params) * layout.dense_bytes
    return dense + model.routed_params * layout.expert_bytes


def held_bytes(model: Served, layout: Layout) -> Number:
    """Return the memory of all weights, including copies on data-parallel replicas [B]."""
    groups = layout.devices / (layout.stages * layout.expert_shard)
    dense = (model.dense_params + model.table_params) * layout.dense_bytes
    return dense * layout.data_parallel + model.routed_params * layout.expert_bytes * groups


def cache_bytes_per_sequence(model: Served, layout: Layout, tokens: Number) -> Number:
    """Return the KV cache per sequence, with copies if heads are fewer than devices [B]."""
    copies = np.maximum(layout.dense_shard / model.cache_heads, 1.0)
    return kept_values(model, tokens) * layout.cache_bytes * copies


def most_sequences(model: Served, layout: Layout, memory_bytes: Number, tokens: Number) -> Number:
    """Return how many sequences of a given length fit next to the weights, below 1 if none [1]."""
    free = USABLE_SHARE * memory_bytes * layout.devices - held_bytes(model, layout)
    return free / np.maximum(cache_bytes_per_sequence(model, layout, tokens), 1.0)


def longest_context(model: Served, layout: Layout, memory_bytes: Number) -> Number:
    """Return the longest sequence that fits next to the weights [token]."""
    free = USABLE_SHARE * memory_bytes * layout.devices - held_bytes(model, layout)
    fixed = (model.window_values * model.window + model.state_values) * layout.cache_bytes
    return (free - fixed) / np.maximum(model.cache_values * layout.cache_bytes, 1e-9)


def devices_needed(
    model: Served, layout: Layout, memory_bytes: Number, sequences: Number, tokens: Number
) -> Number:
    """Return the least power-of-two device count that fits all weight copies and sequences [1]."""
    cache = sequences * kept_values(model, tokens) * layout.cache_bytes
    whole = held_bytes(model, layout) + cache
    return np.exp2(np.ceil(np.log2(np.maximum(whole / (USABLE_SHARE * memory_bytes), 1.0))))
