"""Decoder layers with full attention or a sliding window.

A rule returns one window per layer, None for the whole sequence. Windows affect the key-value cache
and windowed FLOPs, but neither parameters nor the primary FLOPs.
"""

from collections.abc import Callable

from estimator.networks.fields import Fields

Windows = Callable[[Fields, int], tuple[int | None, ...]]
"""Callable for the window of each layer, from a config and the layer count."""

Slides = Callable[[Fields, int, int], bool]
"""Callable for whether a layer slides, from a config, the layer count and its index."""


def full_attention(fields: Fields, layers: int) -> tuple[int | None, ...]:
    """Use full attention in every layer."""
    return (None,) * layers


def sliding(
    default: int | None,
    slides: Slides | None = None,
    *,
    key: str = "sliding_window",
    asked: bool = False,
    listed: bool = True,
) -> Windows:
    """Use windows in layers not full in `layer_types`, or in layers selected by `slides`.

    Parameters
    ----------
    default : int or None
        Window of a config without `key` [token].
    slides : function or None
        Function that selects the windowed layers, None for all.
    asked : bool
        Whether only `use_sliding_window` turns windows on.
    listed : bool
        Whether the family reads `layer_types`.
    """

    def rule(fields: Fields, layers: int) -> tuple[int | None, ...]:
        if asked and not fields.flag("use_sliding_window"):
            return full_attention(fields, layers)
        window = fields.size_or_none(key, default=default)
        kinds = fields.items("layer_types", layers) if listed else None
        if kinds is not None:
            return tuple(None if kind == "full_attention" else window for kind in kinds)
        if slides is None:
            return (window,) * layers
        return tuple(window if slides(fields, layers, at) else None for at in range(layers))

    return rule


def but_every(period: int, key: str = "") -> Slides:
    """Select all layers except every `period`-th, or except every `key`-th."""
    return lambda fields, layers, layer: (
        (layer + 1) % (fields.size(key, default=period) if key else period) != 0
    )


def from_layer(default: int) -> Slides:
    """Select the layers from `max_window_layers` on."""
    return lambda fields, layers, layer: (
        layer >= fields.size("max_window_layers", default=default, least=0)
    )


def every_other_below(default: int) -> Slides:
    """Select every other layer below `max_window_layers`."""
    later = from_layer(default)
    return lambda fields, layers, layer: layer % 2 == 0 and not later(fields, layers, layer)


def with_rotary(fields: Fields, layers: int, layer: int) -> bool:
    """Return the layers with rotary positions: in `no_rope_layers`, or all but every fourth."""
    period = fields.size("no_rope_layer_interval", default=4)
    if not fields.values.get("no_rope_layers"):
        return (layer + 1) % period != 0
    return bool((fields.items("no_rope_layers", layers) or ())[layer])


def without_rotary(fields: Fields, layers: int, layer: int) -> bool:
    """Return the layers without rotary positions."""
    return not with_rotary(fields, layers, layer)


WINDOWED = sliding(4096, listed=False)
"""Window in every layer, unless `sliding_window` is null."""

WINDOWED_IF_STATED = sliding(None, listed=False)
QWEN_WINDOWS = sliding(4096, from_layer(28), asked=True)
QWEN2_MOE_WINDOWS = sliding(4096, every_other_below(28), asked=True)
QWEN3_MOE_WINDOWS = sliding(4096, asked=True, listed=False)
LLAMA4_CHUNKS = sliding(8192, with_rotary, key="attention_chunk_size")
