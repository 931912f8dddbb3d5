"""What of a model is served: experts and pairs of networks of every build, sizes as published."""

import pytest

from estimator.catalog import Catalog
from estimator.inference.served_model import from_config

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
