"""Measured runs that came with the profiles: each part of them foretold from the others."""

from dataclasses import replace

import numpy as np
import pytest

from estimator.calibration.correction import known_runs
from estimator.catalog import Catalog

DEVICE = "amd-epyc-2-cores"


@pytest.fixture(scope="module")
def known():
    """Observations of the processor whose benchmark is shipped, and the evidence from them."""
    catalog = Catalog.open()
    return known_runs(catalog).of(catalog.device(DEVICE))


def part(evidence, chosen):
    return replace(
        evidence,
        where=evidence.where.part(chosen),
        log_ratio=evidence.log_ratio[chosen],
        prior_sd=evidence.prior_sd[chosen],
        noise_sd=evidence.noise_sd[chosen],
    )


def predicted(evidence, used):
    """Error and log-standard-deviation of what was not used, in the logarithm."""
    seen = part(evidence, used)
    rest = part(evidence, ~used)
    found = seen.posterior(rest.where, rest.prior_sd)
    return found.log_shift - rest.log_ratio, found.log_sd


def smallest(evidence, count):
    """Which are among the smallest so many of their kind."""
    size, kind = evidence.where.size, evidence.where.kind
    rank = np.array([np.sum((kind == k) & (size < s)) for k, s in zip(kind, size, strict=True)])
    return rank < count


def test_three_kinds_of_networks_of_five_sizes_were_measured(known):
    found, evidence = known
    kinds, counts = np.unique(evidence.where.kind, return_counts=True)
    assert len(kinds) == 3
    assert set(counts) == {5}
    assert all(one.timing.repetitions and one.timing.precision == "fp32" for one in found)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_small_steps_foretell_large_ones(known, count):
    """Up to 70 times larger; from three sizes on better than what is usual of processors."""
    _, evidence = known
    used = smallest(evidence, count)
    error, log_sd = predicted(evidence, used)
    plain = part(evidence, ~used).log_ratio
    assert np.median(np.abs(error)) < 0.33
    assert count < 3 or np.median(np.abs(error)) < np.median(np.abs(plain))
    assert np.mean(np.abs(error) < 1.2816 * log_sd) >= 0.74


def test_no_network_is_foretold_to_reach_more_than_the_largest_product(known):
    """Far beyond all measured sizes the share of the peak stays below one."""
    _, evidence = known
    last = np.array([not small for small in smallest(evidence, 4)])
    where = evidence.where.part(last)
    far = type(where)(**{**vars(where), "size": where.size + np.log(1000.0)})
    later = evidence.posterior(far, evidence.prior_sd[last])
    assert np.all(np.exp(later.log_shift) < 1.0)


def test_inner_sizes_are_foretold_by_the_others(known):
    _, evidence = known
    inner = np.flatnonzero(smallest(evidence, 4) & ~smallest(evidence, 1))
    every = np.arange(len(evidence.log_ratio))
    found = [predicted(evidence, every != at) for at in inner]
    error, log_sd = np.abs(np.concatenate(found, axis=1))
    assert np.median(error) < 0.12
    assert np.mean(error < 1.2816 * log_sd) >= 0.6
