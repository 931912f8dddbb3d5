"""What of a model is served: experts and pairs of networks of every build, sizes as published."""

import pytest

from estimator.catalog import Catalog
from estimator.inference.formats import weight_format
from estimator.inference.served_model import from_config, from_size

PUBLISHED = {
    "llama-4-maverick": (400e9, 17e9),
    "llama-4-scout": (109e9, 17e9),
    "qwen3-next-80b-a3b": (80e9, 3e9),
    "qwen3-vl-30b-a3b": (31e9, 3e9),
    "jamba-v0.1": (52e9, 12e9),
    "minimax-text-01": (456e9, 45.9e9),
    "lfm2-8b-a1b": (8.3e9, 1.5e9),
    "nemotron-3-nano-30b": (31.6e9, 3.2e9),
}
"""Parameters, and those active for a token, as their makers state them [1]."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_mixtures_behind_a_tower_or_beside_a_mixer_keep_their_experts(name):
    served = from_config(Catalog.open().preset(name).config)
    total, active = PUBLISHED[name]
    assert served.params == pytest.approx(total, rel=0.02)
    assert float(served.numbers.visited_params) == pytest.approx(active, rel=0.2)
    assert served.sparse


def test_a_mixture_known_by_its_size_holds_all_and_visits_the_active_parameters():
    numbers = from_size(40e9, 10e9).numbers
    assert numbers.dense_params + numbers.routed_params == pytest.approx(40e9)
    assert numbers.visited_params == pytest.approx(10e9)
    assert from_size(40e9).numbers.dense_params == from_size(40e9).numbers.visited_params == 40e9


def test_a_tower_is_held_and_the_language_model_behind_it_is_read():
    alone = from_config({"model_type": "gemma3_text", **GEMMA})
    tower = {"model_type": "siglip_vision_model"}
    seeing = from_config(
        {
            "model_type": "gemma3",
            "text_config": {"model_type": "gemma3_text", **GEMMA},
            "vision_config": tower,
        }
    )
    for field in ("dense_params", "layers", "hidden", "cache_heads", "cache_values", "pair_flop"):
        assert getattr(seeing.numbers, field) == getattr(alone.numbers, field), field
    assert seeing.params > 1.02 * alone.params
    assert seeing.longest_context == alone.longest_context


GEMMA = {
    "hidden_size": 2560,
    "num_hidden_layers": 34,
    "intermediate_size": 10240,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "vocab_size": 262208,
    "tie_word_embeddings": True,
}


def test_pairs_cost_though_mixers_work_in_chunks():
    """Chunks of a linear layer are whole at any length: they must not eat up what pairs cost."""
    numbers = from_config(Catalog.open().preset("qwen3-next-80b-a3b").config).numbers
    assert numbers.pair_flop == pytest.approx(12 * 4 * 16 * 256)


FILE_GB = {
    **{"Q8_0": 74.98, "Q6_K": 57.89, "Q5_K_M": 49.95, "Q5_K_S": 48.66, "Q4_K_M": 42.52},
    **{"Q4_K_S": 40.35, "Q4_0": 40.12, "IQ4_XS": 37.90, "Q3_K_L": 37.14, "Q3_K_M": 34.27},
    **{"IQ3_M": 31.94, "Q3_K_S": 30.91},
}
"""Files of Llama 3.1 70B (70.55e9 weights) by format, as published by bartowski on hf.co [GB]."""


def test_formats_of_llama_cpp_take_the_bits_of_published_files():
    for name, size in FILE_GB.items():
        assert weight_format(name).bits == pytest.approx(8.0 * size / 70.55, rel=0.05), name
