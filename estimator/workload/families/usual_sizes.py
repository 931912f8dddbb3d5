"""Sizes that the language model inside a wrapper has where its config leaves them out.

A model alone states its sizes; the part of a wrapper often holds only what differs from its family.
"""

from collections.abc import Mapping

KEYS = ("hidden_size", "num_hidden_layers", "num_attention_heads")

SIZES: Mapping[tuple[int, int, int], tuple[str, ...]] = {
    (4096, 32, 32): (
        *("llama", "mistral", "qwen2", "qwen3", "granite", "granitemoehybrid", "ministral"),
        *("mixtral", "olmo", "olmo2", "deepseek_v2", "qwen3_vl_text", "hunyuan_v1_dense"),
    ),
    (4096, 32, 16): ("qwen3_5_text",),
    (4096, 34, 32): ("ministral3",),
    (4096, 36, 32): ("mistral4",),
    (4096, 40, 32): ("glm", "glm4", "glm4v_text"),
    (4096, 46, 96): ("glm4v_moe_text",),
    (4096, 48, 32): ("internlm3",),
    (3072, 28, 16): ("gemma",),
    (2304, 26, 8): ("gemma2", "gemma3_text"),
    (2304, 30, 8): ("gemma4_text",),
    (2048, 35, 8): ("gemma3n_text",),
    (2048, 24, 32): ("phi", "qwen3_moe"),
    (2048, 24, 16): ("qwen2_moe", "qwen3_vl_moe_text"),
    (2048, 36, 16): ("smollm3",),
    (2048, 40, 16): ("qwen3_5_moe_text",),
    (3072, 32, 32): ("phi3",),
    (3072, 30, 24): ("starcoder2",),
    (8192, 40, 64): ("cohere", "cohere2"),
    (8192, 80, 64): ("qwen2_vl_text", "qwen2_5_vl_text"),
    (2880, 36, 64): ("gpt_oss",),
    (2560, 32, 32): ("stablelm", "lfm2"),
    (1024, 18, 16): ("ernie4_5",),
    (7168, 61, 128): ("deepseek_v3",),
    (5120, 48, 40): ("llama4_text",),
    (6144, 44, 64): ("gpt_neox",),
    (4544, 32, 71): ("falcon",),
    (768, 12, 12): ("opt",),
}
"""Width, layers and heads [1] -> the types of which they are the defaults in transformers 5.23."""


def usual_sizes(model_type: str) -> dict[str, int]:
    """Sizes of a type by their keys, none where it is not on record.

    >>> usual_sizes("gemma3_text")["num_attention_heads"], usual_sizes("bert")
    (8, {})
    """
    for sizes, types in SIZES.items():
        if model_type in types:
            return dict(zip(KEYS, sizes, strict=True))
    return {}
