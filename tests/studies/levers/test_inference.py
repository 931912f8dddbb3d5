"""A step of decoding: bound by memory or compute, and what published results say of compression."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.catalog import Catalog
from estimator.studies.levers.break_even import break_even, low_rank_params, paying_rank
from estimator.studies.levers.inference import Load, Roof, StoredDecoder, step
from estimator.studies.levers.results import lost_accuracy, measured, results, spread

CATALOG = Catalog.open()
H100 = Roof(peak_flop_per_s=989e12, bytes_per_s=3.35e12, skips_2_4=True)
LLAMA = StoredDecoder(params=6.74e9, cache_values=2 * 32 * 4096)


def test_there_are_enough_results_each_with_a_source():
    found = results(CATALOG)
    assert len(found) >= 150
    assert sum(one.failed for one in found) >= 20
    assert all(CATALOG.source(one.source).title for one in found)
    assert len({one.lever for one in found}) >= 12


def test_fewer_bits_help_where_the_memory_binds_and_not_where_the_compute_does():
    four = StoredDecoder(params=6.74e9, weight_bits=4.0)
    sixteen = StoredDecoder(params=6.74e9)
    alone, full = Load(batch=1, context=1), Load(batch=4096, context=1)
    assert step(sixteen, alone, H100).time_s / step(four, alone, H100).time_s == pytest.approx(4)
    assert step(sixteen, full, H100).time_s == step(four, full, H100).time_s


@given(batch=st.floats(1, 1e4), bits=st.sampled_from([2.0, 4.0, 8.0]))
def test_a_step_is_never_quicker_than_either_part(batch, bits):
    found = step(StoredDecoder(params=1e9, weight_bits=bits), Load(batch=batch), H100)
    assert found.time_s >= max(found.compute_s, found.memory_s)
    assert found.tokens_per_s == pytest.approx(batch / found.time_s)


def test_experts_are_read_as_far_as_a_batch_needs_them():
    moe = StoredDecoder(params=46.7e9, active_share=0.276)
    one, many = (step(moe, Load(batch=batch, context=0), H100) for batch in (1, 64))
    assert one.memory_s / many.memory_s == pytest.approx(0.276, rel=0.01)


def test_two_of_four_halve_the_work_where_hardware_skips_them():
    sparse = StoredDecoder(params=6.74e9, sparse_2_4=True)
    full = Load(batch=4096, context=1)
    plain = Roof(peak_flop_per_s=989e12, bytes_per_s=3.35e12)
    assert step(sparse, full, H100).compute_s == step(sparse, full, plain).compute_s / 2
    assert sparse.weight_bytes() == pytest.approx(6.74e9 * 9 / 8)


def test_a_spread_says_how_thin_it_is():
    found = spread([0.1, 0.2, 0.3], ["a", "a", "b"])
    assert found.thin and found.results == 3 and found.sources == 2
    with pytest.raises(ValueError, match="no published result"):
        spread([], [])


def test_fewer_bits_cost_more_accuracy():
    found = results(CATALOG, "quantization-weights", "quantization-weights-activations")
    lost = [lost_accuracy([one for one in found if one.bits == bits]).mid for bits in (8, 4, 2)]
    assert lost[0] < 0.02 < lost[1] < lost[2]
    assert measured(found, "energy_ratio").high > 1


def test_a_lever_that_saves_nothing_is_never_repaid():
    assert break_even(1.0, 0.0) == np.inf
    assert break_even(10.0, 2.0) == 5.0


@given(rows=st.floats(1, 1e5), columns=st.floats(1, 1e5))
def test_at_the_paying_rank_the_factors_are_as_large_as_the_matrix(rows, columns):
    rank = paying_rank(rows, columns)
    assert low_rank_params(rows, columns, rank) == pytest.approx(rows * columns)
