"""Which kind of network is it: by what a step is seen to do."""

import pytest

from estimator.measure.network_seen import network_seen

BASE = {"addmm": 3, "mm": 6}


@pytest.mark.parametrize(
    ("products", "seen", "kind", "arch"),
    [
        ({"product": 1.0}, BASE, "other", "MLP"),
        ({"product": 1.0}, {**BASE, "embedding": 1}, "other", "MLP"),
        ({"product": 1.0}, {**BASE, "sum by edge": 2}, "other", "graph network"),
        ({"product": 1.0}, {**BASE, "tanh": 3}, "other", "MLP"),
        ({"product": 1.0}, {"mm": 60, "sigmoid_": 40, "tanh_": 20}, "other", "GRU"),
        ({"product": 1.0}, {"mm": 40, "sigmoid": 60, "tanh": 40}, "other", "LSTM"),
        ({"product": 1.0}, {"mm": 20, "tanh": 20}, "other", "MLP"),
        ({"recurrent LSTM": 6.0, "product": 5.0}, {"embedding": 1}, "language", "LSTM"),
        ({"attention": 1.0, "product": 9.0}, {"embedding": 1, "causal": 2}, "language", "decoder"),
        ({"attention": 1.0, "product": 9.0}, {"embedding": 1}, "language", "encoder"),
        (
            {"attention": 1.0, "product": 9.0},
            {"embedding": 1, "topk": 2},
            "language",
            "mixture of experts",
        ),
        ({"batched": 1.0, "product": 9.0}, {"_softmax": 2}, "other", "transformer encoder"),
        ({"batched": 1.0, "product": 9.0}, {}, "other", "MLP"),
        ({"attention": 1.0, "product": 9.0}, {"convolution": 1}, "vision", "ViT"),
        (
            {"attention": 1.0, "product": 9.0},
            {"convolution": 1, "embedding": 2},
            "multimodal",
            "ViT + text",
        ),
        (
            {"attention": 1.0, "product": 9.0},
            {"convolution": 1, "sin": 1, "cos": 1},
            "diffusion",
            "transformer",
        ),
        ({"convolution": 9.0}, {"convolution": 60, "nms": 1}, "vision", "detector CNN"),
        (
            {"convolution": 9.0},
            {"convolution": 40, "upsample_nearest2d": 3, "cat of maps": 3, "sin": 1, "cos": 1},
            "diffusion",
            "U-Net",
        ),
        (
            {"attention": 1.0, "product": 9.0, "convolution in time": 1.0},
            {"convolution": 2},
            "speech",
            "encoder",
        ),
        ({"convolution": 9.0}, {"convolution": 8}, "vision", "CNN"),
        ({"convolution": 9.0}, {"convolution": 8, "sum of maps": 3}, "vision", "ResNet"),
        (
            {"convolution": 9.0},
            {"convolution": 8, "upsample_nearest2d": 2, "cat of maps": 2},
            "vision",
            "U-Net",
        ),
        ({"convolution": 9.0}, {"convolution": 8, "transposed": 2}, "vision", "CNN"),
        ({"convolution in time": 9.0}, {"convolution": 8}, "other", "1-D CNN"),
        (
            {"product": 98.0, "convolution in time": 1.0, "depthwise in time": 1.0},
            {"convolution": 40, "depthwise": 12},
            "other",
            "1-D CNN",
        ),
        (
            {"convolution": 9.0, "depthwise": 1.0},
            {"convolution": 9, "depthwise": 3, "native_batch_norm": 9},
            "vision",
            "MobileNet",
        ),
        (
            {"product": 9.0, "depthwise": 1.0},
            {"convolution": 5, "depthwise": 3},
            "vision",
            "depthwise CNN",
        ),
    ],
)
def test_where_the_work_is_tells_the_network(products, seen, kind, arch):
    assert network_seen(products, seen) == {"kind": kind, "arch": arch}


@pytest.mark.parametrize("products", [{}, {"product": 0.0}])
def test_a_step_without_work_tells_nothing(products):
    assert network_seen(products, {"add": 9}) == {}
