"""Decoder ledgers against PyTorch's counter, a closed formula, and laws."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.networks.blocks import Attention, Experts, Mlp
from estimator.networks.formulas import (
    attention_forward_flop,
    attention_training_flop,
    forward_flop,
    training_flop,
)
from estimator.networks.huggingface import architecture, model_ledger
from estimator.networks.ledger import Inputs
from estimator.networks.network import attended_pairs
from estimator.networks.transformer import Decoder, Head, Layer
from tests.every import over

GOLDEN = Path(__file__).parents[1] / "golden"
ROWS = list(csv.DictReader((GOLDEN / "models.csv").read_text().splitlines()))
NAMES = [row["config"] for row in ROWS]

sizes = st.integers(1, 64)

INDEXED = ("deepseek-v3.2", "glm-5", "glm-5.2")
"""Their indexer weighs its heads by a sum, which the ledger leaves out and the counter does not."""


def name_of(row):
    return row["config"]


def config(name):
    return json.loads((GOLDEN / "configs" / f"{name}.json").read_text())


def is_dense(name):
    layers = architecture(config(name)).layers
    return all(type(b.attention) is Attention and type(b.feed_forward) is Mlp for b in layers)


@st.composite
def decoders(draw):
    heads = draw(st.sampled_from([1, 2, 4, 8]))
    kv_heads = draw(st.sampled_from([n for n in (1, 2, 4, 8) if heads % n == 0]))
    hidden, gated, bias = draw(sizes), draw(st.booleans()), draw(st.booleans())
    attention = Attention(
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=draw(sizes),
        qkv_bias=bias,
        window=draw(st.none() | sizes),
    )
    mlp = Mlp(hidden=hidden, width=draw(sizes), gated=gated, bias=bias)
    experts = draw(st.integers(1, 16))
    moe = Experts(expert=mlp, experts=experts, active=draw(st.integers(1, experts)))
    dense = Layer(attention=attention, feed_forward=mlp, norm_params=2 * hidden)
    sparse = Layer(attention=attention, feed_forward=moe, norm_params=2 * hidden)
    vocab = draw(sizes)
    return Decoder(
        hidden=hidden,
        vocab=vocab,
        layers=(dense,) * draw(st.integers(0, 3)) + (sparse,) * draw(st.integers(0, 3)),
        head=Head(outputs=vocab, bias=bias, tied=draw(st.booleans())),
        max_positions=10**6,
        position_rows=draw(st.integers(0, 8)),
        outer_norm_params=hidden,
    )


@over(ROWS, name_of)
def test_parameters_equal_those_of_the_reference_model(row):
    assert model_ledger(config(row["config"])).params_total == int(row["params_total"])


@over([row for row in ROWS if row["forward_flop"]], name_of)
def test_forward_flop_equal_those_of_the_reference_counter(row):
    ledger = model_ledger(config(row["config"]), seq_len=int(row["seq_len"]))
    near = 1e-4 if row["config"] in INDEXED else 1e-12
    assert ledger.forward_flop == pytest.approx(int(row["forward_flop"]), rel=near)


@over(name for name in NAMES if is_dense(name))
def test_a_closed_formula_agrees_on_dense_decoders(name):
    """2 (N - input tables) + 4 L (heads x head width) S per token, head weights kept if tied."""
    decoder = architecture(config(name))
    layers = decoder.layers
    seq_len = 2048
    ledger = replace(decoder, max_positions=seq_len).ledger(Inputs(seq_len=seq_len))
    tied = decoder.head is not None and decoder.head.tied
    tables = ledger.params_embedding
    tables -= decoder.vocab * (decoder.embedding_width or decoder.hidden) * tied
    attention = layers[0].attention
    closed = forward_flop(params=ledger.params_total - tables, tokens=seq_len)
    closed += attention_forward_flop(
        layers=len(layers),
        attention_width=attention.heads * attention.head_dim,
        seq_len=seq_len,
        tokens=seq_len,
    )
    assert ledger.forward_flop == pytest.approx(closed, rel=1e-3)


def test_gpt2_as_in_the_nanogpt_notebook():
    """karpathy/nanoGPT, transformer_sizing.ipynb: 291648307200 FLOPs for 1024 tokens."""
    ledger = model_ledger(config("gpt2"), seq_len=1024)
    assert ledger.forward_flop == 291648307200
    assert ledger.terms["attention/scores"].flop == 12 * 2 * 1024**2 * 768
    assert ledger.params_total - 1024 * 768 == 123653376


@pytest.mark.parametrize(
    ("name", "active_billion"),
    [
        ("deepseek-v2", 21.4),  # arXiv:2405.04434, table 2: 21B
        ("deepseek-v3", 37.55),  # arXiv:2412.19437: 37B
        ("mixtral-8x22b", 39.15),  # mistral.ai, 2024-04-17: 39B
        ("mixtral-8x7b", 12.88),  # arXiv:2401.04088: 13B
        ("gpt-oss-120b", 5.71),  # arXiv:2508.10925 counts 5.1B, without the input table
        ("qwen3-235b-a22b", 22.19),  # arXiv:2505.09388: 22B
        ("olmoe-1b-7b", 1.28),  # arXiv:2409.02060: 1.3B
        ("dbrx-132b", 36.5),  # databricks.com, 2024-03-27: 36B
        ("ax-k1-519b", 32.8),  # skt/A.X-K1: 33B
        ("beam-1.0-501b", 23.4),  # A23B by its name
        ("llama-4-scout-text", 17.17),  # ai.meta.com, 2025-04-05: 17B
    ],
)
def test_active_parameters_of_published_mixtures(name, active_billion):
    ledger = model_ledger(config(name))
    assert ledger.params_active / 1e9 == pytest.approx(active_billion, rel=5e-3)


@pytest.mark.parametrize(
    ("name", "bytes_per_token"),
    [
        ("deepseek-v3", 70_272),  # 61 layers x (512 + 64) x 2, DeepSeek-AI, arXiv:2505.09343
        ("llama-3.1-405b", 516_096),  # the same table
        ("falcon-7b", 2 * 32 * 64 * 2),
        ("starcoder-15.5b", 2 * 40 * 128 * 2),
        ("gpt2", 2 * 12 * 768 * 2),
    ],
)
def test_cache_bytes_per_token(name, bytes_per_token):
    assert model_ledger(config(name)).kv_cache_bytes_per_token() == bytes_per_token


def test_cache_of_gemma_3_stops_growing_in_five_of_six_layers():
    ledger = model_ledger(config("gemma-3-1b"))
    per_layer = 2 * 1 * 256 * 2
    assert ledger.kv_cache_bytes(512) == 512 * 26 * per_layer
    assert ledger.kv_cache_bytes(32768) == (32768 * 4 + 512 * 22) * per_layer


def test_windows_and_causality_touch_the_score_terms_only():
    full = model_ledger(config("mistral-7b-v0.1"), seq_len=8192)
    causal = model_ledger(config("mistral-7b-v0.1"), seq_len=8192, causal=True)
    windowed = model_ledger(config("mistral-7b-v0.1"), seq_len=8192, windowed=True, causal=True)
    for part in ("attention/scores", "attention/reduce"):
        assert causal.terms[part].flop == full.terms[part].flop / 2
        assert windowed.terms[part].flop == full.terms[part].flop * 3 / 8
    for part in ("attention/query", "mlp/up", "head/logits"):
        assert causal.terms[part] == windowed.terms[part] == full.terms[part]


def test_pairs_inside_a_window_equal_a_count_one_by_one():
    inputs = Inputs(causal=True, windowed=True)
    for window in (1, 3, 8, 20):
        band = sum(min(query, window) for query in range(1, 9))
        exact = float(attended_pairs(8.0, window, inputs))
        assert band - exact == min(window, 8) / 2, "half of the diagonal, as S x S / 2 has it"


def test_a_sequence_beyond_the_model_is_warned_about():
    assert model_ledger(config("gpt2"), seq_len=1024).warnings == ()
    (warning,) = model_ledger(config("gpt2"), seq_len=[512, 4096]).warnings
    assert warning == "seq_len 4096 is beyond the model's 1024 positions"


def test_the_default_sequence_is_2048_or_all_the_model_holds():
    assert model_ledger(config("gpt2")).items == 1024
    assert model_ledger(config("llama-3.1-405b")).items == 2048


@given(decoders(), st.integers(1, 100), st.integers(1, 500))
def test_twice_the_batch_is_twice_the_work(decoder, batch, seq_len):
    once = decoder.ledger(Inputs(batch=batch, seq_len=seq_len))
    twice = decoder.ledger(Inputs(batch=2 * batch, seq_len=seq_len))
    assert twice.forward_flop == 2 * once.forward_flop
    assert twice.training_flop == 3 * twice.forward_flop
    assert twice.params_total == once.params_total


@given(decoders(), st.integers(1, 500))
def test_laws_of_a_ledger(decoder, seq_len):
    full = decoder.ledger(Inputs(seq_len=seq_len))
    assert full.params_active <= full.params_total
    assert full.params_total == sum(term.params for term in full.terms.values())
    assert full.forward_flop == sum(term.flop for term in full.terms.values())
    assert decoder.ledger(Inputs(seq_len=2 * seq_len)).params_total == full.params_total
    windowed = decoder.ledger(Inputs(seq_len=seq_len, windowed=True))
    causal = decoder.ledger(Inputs(seq_len=seq_len, causal=True))
    assert windowed.forward_flop <= full.forward_flop
    assert causal.forward_flop <= full.forward_flop
    assert full.kv_cache_bytes(seq_len) <= full.kv_cache_bytes_per_token() * seq_len


@given(decoders(), st.lists(st.integers(1, 500), min_size=1, max_size=4), st.booleans())
def test_arrays_equal_a_loop_over_scalars(decoder, lengths, flag):
    batches = np.array([[1], [7]])
    inputs = Inputs(batch=batches, seq_len=np.array(lengths), causal=flag, windowed=flag)
    table = decoder.ledger(inputs).forward_flop
    for row, batch in enumerate(batches[:, 0]):
        for column, seq_len in enumerate(lengths):
            one = decoder.ledger(replace(inputs, batch=float(batch), seq_len=float(seq_len)))
            assert np.broadcast_to(table, (2, len(lengths)))[row, column] == one.forward_flop


@pytest.mark.parametrize(("seq_len", "error"), [(2048, 0.06), (8192, 0.22), (32768, 0.55)])
def test_the_error_of_6nd_is_as_the_formulas_say(seq_len, error):
    errors = []
    for name in (name for name in NAMES if is_dense(name)):
        decoder = architecture(config(name))
        if decoder.head is not None and decoder.head.outputs == decoder.vocab:
            ledger = decoder.ledger(Inputs(seq_len=seq_len))
            closed = training_flop(params=ledger.params_total, tokens=seq_len)
            errors.append(abs(closed / ledger.training_flop - 1))
    assert len(errors) == 99
    assert round(float(np.median(errors)), 2) == error


def test_formulas_by_hand():
    """GPT-3: arXiv:2005.14165, table D.1, 3.14e23 FLOPs for 174.6e9 parameters and 300e9 tokens."""
    assert training_flop(params=174.6e9, tokens=300e9) == pytest.approx(3.14e23, rel=1e-3)
    whole = attention_training_flop(layers=96, attention_width=12288, seq_len=2048, tokens=1.0)
    half = attention_training_flop(
        layers=96, attention_width=12288, seq_len=2048, tokens=1.0, causal=True
    )
    assert whole == 12 * 96 * 12288 * 2048 == 2 * half


DECI = {
    "model_type": "deci",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 4,
    "num_attention_heads": 32,
    "vocab_size": 32000,
    "tie_word_embeddings": False,
}


def test_keys_and_values_are_counted_by_the_heads_of_each_layer():
    """A head of keys and values has 2 x 4096 x 128 weights, and keeps 2 x 128 values a token."""

    def ledger(heads):
        return model_ledger({**DECI, "num_key_value_heads_per_layer": heads})

    mixed, alike = ledger([4, 4, 2, 1]), ledger([4] * 4)
    assert alike.params_total == model_ledger({**DECI, "num_key_value_heads": 4}).params_total
    assert alike.params_total - mixed.params_total == 5 * 2 * 4096 * 128
    assert mixed.kv_cache_bytes_per_token() == (4 + 4 + 2 + 1) * 2 * 128 * 2
    with pytest.raises(ValueError, match="must be num_hidden_layers = 4, got 3"):
        ledger([4, 2, 1])
