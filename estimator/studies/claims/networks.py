"""Claims about networks themselves: paths, gradients, stored activations."""

import math
from functools import cache

import numpy as np

from estimator.core.uncertainty import Uncertain, spread_between
from estimator.core.units import digits, human_percent
from estimator.studies.claims.facts import Facts
from estimator.studies.claims.finding import Figure, Finding
from estimator.studies.depth.activations import (
    checkpoints,
    everything,
    retraced_error,
    reversed_in_time,
)
from estimator.studies.depth.gradients import simulated_gradient
from estimator.studies.depth.paths import PlainNetwork, counted_paths

TRIALS = 20


def depth_paths(facts: Facts) -> Finding:
    """Check the claim of O(L n^2) parameters and O(n^L) paths."""
    layers, width = int(facts["layers"]), int(facts["width"])
    network = PlainNetwork(layers=float(layers), width=float(width))
    counted = counted_paths(layers, width)
    ratio = math.exp(math.log(counted) - layers * math.log(width))
    double = PlainNetwork(layers=2.0 * layers, width=float(width))
    return Finding(
        value=Uncertain(ratio),
        words={
            "width": digits(width),
            "layers": digits(layers),
            "paths": digits(float(network.log10_paths())),
            "params": digits(float(network.params())),
            "counted": digits(math.log10(counted)),
            "times": digits(float(double.params() / network.params())),
        },
        figures=(
            Figure("parameters", "parameter", Uncertain(float(network.params()))),
            Figure("forward pass of one example", "FLOP", Uncertain(float(network.forward_flop()))),
        ),
        page="depth",
        query={"view": "paths", "layers": digits(layers), "width": digits(width)},
    )


@cache
def _gradients(layers: int, width: int, *, residual: bool) -> list[tuple[float, float]]:
    """Return the gradient norm and its bound for each random network [1], cached."""
    return [
        simulated_gradient(layers, width, residual=residual, seed=seed) for seed in range(TRIALS)
    ]


def gradient_bound(facts: Facts) -> Finding:
    """Check the claim that a product bounds the gradient."""
    layers, width = int(facts["layers"]), int(facts["width"])
    plain = _gradients(layers, width, residual=False)
    added = _gradients(layers, width, residual=True)
    ratios = np.array([norm / bound for norm, bound in plain])
    norms = np.array([norm for norm, _ in plain])
    kept = np.array([norm for norm, _ in added])
    return Finding(
        value=_sampled(ratios),
        words={
            "layers": digits(layers),
            "trials": digits(TRIALS),
            "norm": f"{np.median(norms):.1e}",
            "bound": f"{np.median([bound for _, bound in plain]):.1e}",
            "plain": f"{np.median(norms):.1e}",
            "residual": digits(float(np.median(kept))),
        },
        figures=(
            Figure("gradient left, plain", "1", _sampled(norms)),
            Figure("gradient left, residual", "1", _sampled(kept)),
        ),
        page="depth",
        query={"view": "gradient", "layers": digits(layers), "width": digits(width)},
    )


def ode_memory(facts: Facts) -> Finding:
    """Check the claim of activation memory O(L) against O(1)."""
    layers = facts["layers"]
    few, many = reversed_in_time(layers), reversed_in_time(10 * layers)
    growth = float(many.layers_stored / few.layers_stored)
    stored = float(everything(10 * layers).layers_stored / everything(layers).layers_stored)
    root = checkpoints(layers)
    error = retraced_error(int(layers))
    return Finding(
        value=Uncertain(growth),
        words={
            "many": digits(10 * layers),
            "few": digits(layers),
            "plain": digits(stored),
            "ode": digits(growth),
            "factor": digits(float(few.compute_factor())),
            "root": digits(float(root.layers_stored)),
            "layers": digits(layers),
            "error": human_percent(error),
        },
        met=(error < 1e-6,),
        figures=(
            Figure(
                "compute of a step over that with all stored",
                "1",
                Uncertain(float(few.compute_factor())),
            ),
            Figure("layers stored with checkpoints", "1", Uncertain(float(root.layers_stored))),
        ),
        page="depth",
        query={"view": "activations", "layers": digits(layers)},
    )


def _sampled(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Uncertain:
    low, mid, high = np.quantile(values, [0.1, 0.5, 0.9])
    return spread_between(float(low), float(high), "sampling", mid=float(mid))
