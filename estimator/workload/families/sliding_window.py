"""Which layers of a decoder see the whole sequence, and which only a window.

A rule answers with one window per layer, None for the whole sequence. It moves the key-value
cache and the windowed FLOPs; parameters and the primary FLOPs do not depend on it.
"""

from collections.abc import Callable

from estimator.workload.fields import Fields

Windows = tuple[int | None, ...]


def full_attention(fields: Fields, layers: int) -> Windows:
    """Every layer sees the whole sequence."""
    return (None,) * layers


def windows(
    fields: Fields, layers: int, window: int | None, slides: Callable[[int], bool]
) -> Windows:
    """`window` for the sliding layers: those of `layer_types`, else those `slides` names."""
    kinds = fields.items("layer_types", layers)
    if kinds is None:
        return tuple(window if slides(layer) else None for layer in range(layers))
    return tuple(None if kind == "full_attention" else window for kind in kinds)


def window_everywhere(default: int | None) -> Callable[[Fields, int], Windows]:
    """Every layer slides, unless `sliding_window` is null."""

    def rule(fields: Fields, layers: int) -> Windows:
        return (fields.size_or_none("sliding_window", default=default),) * layers

    return rule


def window_unless_full(fields: Fields, layers: int) -> Windows:
    """Ministral: every layer slides, except those that `layer_types` calls full."""
    window = fields.size_or_none("sliding_window", default=4096)
    return windows(fields, layers, window, lambda layer: True)


def window_but_every(period: int, default: int, key: str = "") -> Callable[[Fields, int], Windows]:
    """Every `period`-th layer sees the whole sequence, the others slide."""

    def rule(fields: Fields, layers: int) -> Windows:
        window = fields.size_or_none("sliding_window", default=default)
        cycle = fields.size(key, default=period) if key else period
        return windows(fields, layers, window, lambda layer: (layer + 1) % cycle != 0)

    return rule


def window_after_each_full(fields: Fields, layers: int) -> Windows:
    """CWM: the first of every four layers sees the whole sequence, three slide."""
    window = fields.size_or_none("sliding_window", default=8192)
    return windows(fields, layers, window, lambda layer: layer % 4 != 0)


def window_from_layer(default_first: int) -> Callable[[Fields, int], Windows]:
    """dots: layers from `max_window_layers` on slide."""

    def rule(fields: Fields, layers: int) -> Windows:
        first = fields.size("max_window_layers", default=default_first, least=0)
        window = fields.size_or_none("sliding_window", default=4096)
        return windows(fields, layers, window, lambda layer: layer >= first)

    return rule


def window_if_used(fields: Fields, layers: int) -> Windows:
    """Qwen: a window only where `use_sliding_window` asks, from `max_window_layers` on."""
    if not fields.flag("use_sliding_window"):
        return full_attention(fields, layers)
    first = fields.size("max_window_layers", default=28, least=0)
    window = fields.size_or_none("sliding_window", default=4096)
    return windows(fields, layers, window, lambda layer: layer >= first)


def window_without_rotary(fields: Fields, layers: int) -> Windows:
    """SmolLM3: a window in the layers without rotary positions, where one is asked for."""
    if not fields.flag("use_sliding_window"):
        return full_attention(fields, layers)
    rotary = fields.items("no_rope_layers", layers)
    period = fields.size("no_rope_layer_interval", default=4)
    window = fields.size_or_none("sliding_window")
    if rotary is None:
        return windows(fields, layers, window, lambda layer: (layer + 1) % period == 0)
    return windows(fields, layers, window, lambda layer: not rotary[layer])


def qwen2_moe_windows(fields: Fields, layers: int) -> Windows:
    """Every other layer below `max_window_layers`, where `use_sliding_window` asks."""
    if not fields.flag("use_sliding_window"):
        return full_attention(fields, layers)
    last = fields.size("max_window_layers", default=28, least=0)
    window = fields.size_or_none("sliding_window", default=4096)
    return windows(fields, layers, window, lambda layer: layer % 2 == 0 and layer < last)


def qwen3_moe_windows(fields: Fields, layers: int) -> Windows:
    """Every layer, where `use_sliding_window` asks."""
    if not fields.flag("use_sliding_window"):
        return full_attention(fields, layers)
    return (fields.size_or_none("sliding_window", default=4096),) * layers


def llama4_windows(fields: Fields, layers: int) -> Windows:
    """Chunks of `attention_chunk_size` in the layers with rotary positions."""
    rotary = fields.items("no_rope_layers", layers) if fields.values.get("no_rope_layers") else None
    period = fields.size("no_rope_layer_interval", default=4)
    chunk = fields.size_or_none("attention_chunk_size", default=8192)
    if rotary:
        return windows(fields, layers, chunk, lambda layer: bool(rotary[layer]))
    return windows(fields, layers, chunk, lambda layer: (layer + 1) % period != 0)
