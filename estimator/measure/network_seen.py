"""Network kind, recognized by the operations of one step.

Used for programs without a description. What counts is where most work is done: convolutions,
recurrent layers, attention, or plain products.
"""

from collections.abc import Callable, Mapping

Share = Callable[[str], float]
"""Share of the work of products, by name prefix [1]."""

MOST = 0.5
"""Share of convolutions above which a network is convolutional [1]."""

RECURRENT = 0.3
"""Share of recurrent layers above which a network is recurrent [1]; the layers they feed are often
as large.
"""

DEPTHWISE = 0.1
"""Share of depthwise convolutions above which a network is depthwise [1]."""

SUMS_OF_MAPS = 3
"""Sums of two feature maps that indicate residual connections [1]."""

GATES = 0.5
"""Gates per product above which a network has stepwise recurrent layers [1]."""

BOXES = {"nms", "roi_align", "_roi_align_backward", "ps_roi_align"}
"""Operations found only in detectors."""

WAVES = {"sin", "cos"}
"""Operations that encode the time of a diffusion model."""

FEWEST_GATES = 16
"""Least gates of a recurrent network [1]; fewer may be a perceptron's activations."""


def network_seen(products: Mapping[str, float], seen: Mapping[str, int]) -> dict[str, str]:
    """Return workload type and architecture as fields of `Timing`, empty if unclear.

    Parameters
    ----------
    products : mapping of str to float
        FLOPs by sort of product, as `step_counter.StepCounts` has them [FLOP].
    seen : mapping of str to int
        How often each operation ran [1].

    >>> network_seen({"convolution": 9e9, "product": 1e6}, {"convolution": 8})
    {'kind': 'vision', 'arch': 'CNN'}
    >>> network_seen({"product": 9e9, "batched": 1e9}, {"_softmax": 2, "embedding": 2})
    {'kind': 'language', 'arch': 'encoder'}
    >>> network_seen({"convolution": 9e9}, {"convolution": 50, "roi_align": 4})
    {'kind': 'vision', 'arch': 'detector CNN'}
    """
    total = sum(products.values())
    if total <= 0:
        return {}

    def share(sort: str) -> float:
        return sum(flop for name, flop in products.items() if name.startswith(sort)) / total

    kind, arch = "other", "MLP"
    fed_by = "language" if seen.get("embedding") else "other"
    attends = share("attention") or (share("batched") and {"_softmax", "_safe_softmax"} & set(seen))
    separable = seen.get("depthwise") and not attends
    if separable or share("convolution") + share("depthwise") > MOST:
        kind, arch = _convolutional(share, seen)
    elif share("recurrent") > RECURRENT:
        layers = max((one for one in products if "recurrent" in one), key=products.__getitem__)
        kind, arch = fed_by, layers.removeprefix("recurrent ")
    elif attends:
        kind, arch = _transformer(seen, over_time=share("convolution in time") > 0)
    elif gated := _gated(seen):
        kind, arch = fed_by, gated
    elif seen.get("sum by edge"):
        arch = "graph network"
    return {"kind": kind, "arch": arch}


def _convolutional(share: Share, seen: Mapping[str, int]) -> tuple[str, str]:
    if BOXES & set(seen):
        return "vision", "detector CNN"
    in_time = share("convolution in time") + share("depthwise in time")
    if in_time > MOST * (share("convolution") + share("depthwise")):
        return "other", "1-D CNN"
    if seen.get("depthwise", 0) > DEPTHWISE * seen.get("convolution", 0):
        normed = any("batch_norm" in name for name in seen)
        return "vision", "MobileNet" if normed else "depthwise CNN"
    larger = any(name.startswith("upsample") for name in seen) or "transposed" in seen
    if larger and seen.get("cat of maps"):
        return ("diffusion" if set(seen) >= WAVES else "vision"), "U-Net"
    residual = seen.get("sum of maps", 0) >= SUMS_OF_MAPS
    return "vision", "ResNet" if residual else "CNN"


def _transformer(seen: Mapping[str, int], *, over_time: bool) -> tuple[str, str]:
    if seen.get("convolution"):
        if over_time:
            return "speech", "encoder"
        if seen.get("embedding"):
            return "multimodal", "ViT + text"
        return ("diffusion", "transformer") if set(seen) >= WAVES else ("vision", "ViT")
    if seen.get("topk"):
        return "language", "mixture of experts"
    if seen.get("embedding"):
        return "language", "decoder" if seen.get("causal") else "encoder"
    return "other", "transformer encoder"


def _gated(seen: Mapping[str, int]) -> str:
    """Return the type of a stepwise recurrent layer from its gates, empty if there are few.

    An LSTM has three sigmoids and two tanh per step, a GRU two and one. A plain recurrence has only
    a tanh, like a perceptron layer, and counts as one.
    """
    sigmoid, tanh = (seen.get(name, 0) + seen.get(f"{name}_", 0) for name in ("sigmoid", "tanh"))
    products = sum(seen.get(name, 0) for name in ("mm", "addmm", "bmm", "baddbmm"))
    if not sigmoid or sigmoid + tanh < max(FEWEST_GATES, GATES * products):
        return ""
    return "GRU" if sigmoid > 1.8 * tanh else "LSTM"
