"""Depth: paths by counting and by formula, gradients below their bound, activations stored."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.studies.depth.activations import (
    checkpoints,
    everything,
    retraced_error,
    reversed_in_time,
)
from estimator.studies.depth.gradients import log10_bound, simulated_gradient
from estimator.studies.depth.paths import PlainNetwork, counted_paths


@given(layers=st.integers(1, 12), width=st.integers(1, 30))
def test_paths_counted_are_width_to_the_layers(layers, width):
    assert counted_paths(layers, width) == width**layers
    network = PlainNetwork(layers=float(layers), width=float(width))
    assert network.log10_paths() == pytest.approx(layers * math.log10(width))


def test_paths_counted_one_by_one():
    width, layers = 3, 4
    walked = sum(1 for _ in np.ndindex(*(width,) * layers))
    assert counted_paths(layers, width) == walked == 81


@given(seed=st.integers(0, 200), residual=st.booleans())
def test_no_gradient_exceeds_its_bound(seed, residual):
    norm, bound = simulated_gradient(8, 12, residual=residual, seed=seed, gain=2.0)
    assert norm <= bound * (1 + 1e-12)


def test_a_gradient_vanishes_and_residual_connections_keep_it():
    plain, _ = simulated_gradient(30, 32)
    residual, _ = simulated_gradient(30, 32, residual=True)
    assert plain < 1e-15 and residual > 0.1
    assert log10_bound(30, norm=2.0, slope=0.25) < 0
    assert log10_bound(30, norm=2.0, slope=0.25, residual=True) > 0


def test_the_gradient_passed_back_is_the_derivative():
    step = 1e-6
    random = np.random.default_rng(3)
    weights = random.normal(0.0, 1 / np.sqrt(5), (4, 5, 5))
    state = random.normal(size=5)
    direction = random.normal(size=5)
    direction /= np.linalg.norm(direction)

    def forward(start):
        for matrix in weights:
            start = 1 / (1 + np.exp(-matrix @ start))
        return start

    numeric = np.array(
        [
            direction @ (forward(state + step * one) - forward(state - step * one)) / (2 * step)
            for one in np.eye(5)
        ]
    )
    norm, _ = simulated_gradient(4, 5, seed=3)
    assert norm == pytest.approx(float(np.linalg.norm(numeric)), rel=1e-5)


@pytest.mark.parametrize("layers", [1.0, 16.0, 100.0, 10000.0])
def test_less_is_stored_for_more_compute(layers):
    stored = [way(layers).layers_stored for way in (everything, checkpoints, reversed_in_time)]
    assert stored[0] == layers and stored[2] == 1
    assert stored[1] <= 2 * math.ceil(math.sqrt(layers))
    if layers > 4:
        assert stored[0] > stored[1] > stored[2]
        assert checkpoints(layers).compute_factor() == pytest.approx(4 / 3)
    assert everything(layers).compute_factor() == 1
    assert checkpoints(layers).memory_bytes(1e6) == stored[1] * 1e6


def test_the_way_back_meets_the_way_there_with_small_steps():
    assert retraced_error(2000) < 1e-3 < retraced_error(10)
