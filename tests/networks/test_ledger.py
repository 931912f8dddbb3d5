"""A ledger adds up, and keeps integers exact."""

import numpy as np
import pytest

from estimator.networks.huggingface import model_ledger
from estimator.networks.ledger import CacheLayers, Ledger, Term, quantity

LEDGER = Ledger(
    terms={
        "embedding/token": Term(params=1000, active_params=1000, is_embedding=True),
        "mlp/up": Term(params=600, active_params=200, flop=400.0),
        "head/logits": Term(flop=np.array([10.0, 20.0]), backward_ratio=1.0),
    },
    items=np.array([1.0, 2.0]),
    cache=(
        CacheLayers(layers=3, values_per_token=10),
        CacheLayers(layers=2, values_per_token=10, window=4),
    ),
)


def test_totals_are_sums_of_terms():
    assert LEDGER.params_total == 1600
    assert LEDGER.params_active == 1200
    assert LEDGER.params_embedding == 1000
    np.testing.assert_array_equal(LEDGER.forward_flop, [410.0, 420.0])
    np.testing.assert_array_equal(LEDGER.forward_flop_per_item, [410.0, 210.0])


def test_training_adds_the_backward_pass_of_each_term():
    np.testing.assert_array_equal(LEDGER.training_flop, [1220.0, 1240.0])


def test_weights_take_the_bytes_of_their_precision():
    assert LEDGER.weights_bytes() == 3200
    assert LEDGER.weights_bytes(4) == 6400
    assert LEDGER.weights_bytes(0.5) == 800.0


def test_cache_per_token_counts_every_layer():
    assert LEDGER.kv_cache_bytes_per_token() == 100
    assert LEDGER.kv_cache_bytes_per_token(1) == 50


def test_windowed_layers_stop_growing_at_their_window():
    assert LEDGER.kv_cache_bytes(4) == 4 * 100
    assert LEDGER.kv_cache_bytes(100) == 100 * 60 + 4 * 40
    np.testing.assert_array_equal(LEDGER.kv_cache_bytes([4, 100], batch=2), [800, 12320])


def test_a_network_without_a_cache_keeps_nothing():
    ledger = Ledger(terms={}, items=1.0)
    assert ledger.kv_cache_bytes_per_token() == 0
    assert ledger.kv_cache_bytes(1000) == 0
    assert ledger.forward_flop == 0


def test_parameter_counts_are_exact_beyond_float_precision():
    ledger = Ledger(terms={"a": Term(params=2**60 + 1), "b": Term(params=2)}, items=1.0)
    assert ledger.params_total == 2**60 + 3
    assert ledger.weights_bytes() == 2**61 + 6


@pytest.mark.parametrize("bad", [0, -1, float("nan"), float("inf"), [1, 0]])
def test_a_quantity_is_positive_and_finite(bad):
    with pytest.raises(ValueError, match="seq_len must be positive and finite"):
        quantity("seq_len", bad)


@pytest.mark.parametrize(("name", "most"), [("seq_len", 1e9), ("batch", 1e9), ("image_size", 1e6)])
def test_a_pass_that_would_overflow_is_refused_in_one_line(name, most):
    gpt2 = {"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12}
    config = {"model_type": "vit"} if name == "image_size" else gpt2
    assert np.isfinite(model_ledger(config, **{name: most}).forward_flop)
    with pytest.raises(ValueError, match=f"^{name} must be at most") as refused:
        model_ledger(config, **{name: 1e200})
    assert "\n" not in str(refused.value)
