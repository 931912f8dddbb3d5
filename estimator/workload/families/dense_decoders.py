"""Which dense decoders of the Llama line there are, and what their configs leave out."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from estimator.workload.families.decoder import (
    Family,
    Latent,
    always,
    decoder,
    flag,
    head_norm,
    latent_attention,
    never,
    sinks,
    width_norm,
)
from estimator.workload.families.sliding_window import (
    window_after_each_full,
    window_but_every,
    window_everywhere,
    window_if_used,
    window_unless_full,
    window_without_rotary,
)
from estimator.workload.registry import families

XIELU_PARAMS = 2
"""Learned slopes of Apertus' activation, per layer (arXiv:2411.13010)."""

LLAMA = Family(
    vocab=32000,
    intermediate=11008,
    positions=2048,
    attention_bias=flag("attention_bias"),
    mlp_bias=flag("mlp_bias"),
)
MISTRAL = Family(
    vocab=32000, intermediate=14336, positions=131072, kv_heads=8, windows=window_everywhere(4096)
)
QWEN2 = Family(
    vocab=151936,
    intermediate=22016,
    positions=32768,
    kv_heads=32,
    qkv_bias=always,
    windows=window_if_used,
)
GEMMA = Family(
    vocab=256000,
    intermediate=24576,
    positions=8192,
    kv_heads=16,
    head_dim=256,
    tied=True,
    attention_bias=flag("attention_bias"),
)
GEMMA2 = replace(GEMMA, intermediate=9216, kv_heads=4, norms=4, windows=window_but_every(2, 4096))
OLMO = Family(
    vocab=50304,
    intermediate=11008,
    positions=2048,
    attention_bias=flag("attention_bias"),
    norm_params=0,
)
COHERE = Family(
    vocab=256000,
    intermediate=22528,
    positions=8192,
    tied=True,
    attention_bias=flag("attention_bias"),
    norms=1,
)
GLM = Family(
    vocab=151552,
    intermediate=13696,
    positions=131072,
    kv_heads=2,
    head_dim=128,
    qkv_bias=flag("attention_bias", True),
)

QWEN3 = replace(
    QWEN2, head_dim=128, qkv_bias=never, attention_bias=flag("attention_bias"), qk_norm=head_norm
)

ROWS: Mapping[str, Family] = {
    "llama": LLAMA,
    "mistral": MISTRAL,
    "qwen2": QWEN2,
    "qwen3": QWEN3,
    "qwen2_vl_text": QWEN2,
    "qwen2_5_vl_text": QWEN2,
    "qwen2_5_omni_text": QWEN2,
    "gemma": GEMMA,
    "gemma2": GEMMA2,
    "gemma3_text": replace(
        GEMMA2,
        vocab=262208,
        positions=131072,
        qk_norm=head_norm,
        windows=window_but_every(6, 4096, "sliding_window_pattern"),
    ),
    "olmo": OLMO,
    "olmo2": replace(OLMO, norm_params=1, qk_norm=width_norm),
    "olmo3": replace(OLMO, norm_params=1, qk_norm=width_norm, windows=window_but_every(4, 4096)),
    "phi": Family(
        vocab=51200,
        intermediate=8192,
        positions=2048,
        attention_bias=always,
        mlp_bias=always,
        head_bias=always,
        gated=False,
        norms=1,
        norm_params=2,
        qk_norm=lambda fields, attention: (
            4 * attention.head_dim if fields.flag("qk_layernorm") else 0
        ),
    ),
    "phi3": Family(vocab=32064, intermediate=8192, positions=4096, windows=window_everywhere(None)),
    "starcoder2": Family(
        vocab=49152,
        intermediate=12288,
        positions=4096,
        kv_heads=2,
        tied=True,
        attention_bias=flag("use_bias", True),
        mlp_bias=flag("use_bias", True),
        gated=False,
        norm_params=2,
        windows=window_everywhere(None),
    ),
    "granite": LLAMA,
    "internlm3": replace(
        LLAMA,
        vocab=128512,
        intermediate=10240,
        positions=32768,
        kv_heads=2,
        head_dim=128,
        attention_bias=lambda fields: fields.flag("attention_bias", "qkv_bias"),
        mlp_bias=lambda fields: fields.flag("mlp_bias", "bias"),
    ),
    "cohere": replace(
        COHERE,
        qk_norm=lambda fields, attention: (
            width_norm(fields, attention) if fields.flag("use_qk_norm") else 0
        ),
    ),
    "cohere2": replace(COHERE, windows=window_but_every(4, 4096, "sliding_window_pattern")),
    "stablelm": Family(
        vocab=50304,
        intermediate=6912,
        positions=4096,
        kv_heads=32,
        head_dim_key="attention_head_dim",
        qkv_bias=flag("use_qkv_bias"),
        norms=lambda fields: 1 if fields.flag("use_parallel_residual") else 2,
        norm_params=2,
        qk_norm=lambda fields, attention: (
            width_norm(fields, attention) if fields.flag("qk_layernorm") else 0
        ),
    ),
    "smollm3": replace(
        LLAMA, vocab=128256, positions=32768, kv_heads=4, tied=True, windows=window_without_rotary
    ),
    "nemotron": replace(
        LLAMA, vocab=256000, intermediate=24576, positions=4096, gated=False, norm_params=2
    ),
    "exaone4": Family(
        vocab=102400,
        intermediate=16384,
        positions=2048,
        kv_heads=32,
        qk_norm=head_norm,
        windows=window_but_every(4, 4096, "sliding_window_pattern"),
    ),
    "ministral": replace(MISTRAL, windows=window_unless_full),
    "ministral3": replace(
        MISTRAL, vocab=131072, positions=262144, head_dim=128, windows=window_everywhere(None)
    ),
    "ernie4_5": Family(
        vocab=103424,
        intermediate=3072,
        positions=131072,
        kv_heads=2,
        head_dim=128,
        tied=True,
        attention_bias=flag("use_bias"),
        mlp_bias=flag("use_bias"),
    ),
    "seed_oss": replace(
        LLAMA,
        vocab=155136,
        intermediate=27648,
        positions=524288,
        kv_heads=8,
        head_dim=128,
        attention_bias=never,
        qkv_bias=flag("attention_bias", True),
        output_bias=flag("attention_out_bias"),
    ),
    "arcee": replace(LLAMA, intermediate=18432, positions=4096, gated=False),
    "helium": Family(
        vocab=48000,
        intermediate=7040,
        positions=4096,
        kv_heads=20,
        head_dim=128,
        qkv_bias=flag("attention_bias"),
        mlp_bias=flag("mlp_bias"),
    ),
    "hunyuan_v1_dense": replace(LLAMA, vocab=290943, mlp_bias=never, qk_norm=head_norm),
    "vaultgemma": replace(GEMMA2, norms=2),
    "cwm": replace(
        MISTRAL,
        vocab=128256,
        intermediate=21504,
        head_dim=128,
        mlp_bias=flag("mlp_bias"),
        windows=window_after_each_full,
    ),
    "apertus": replace(
        LLAMA,
        vocab=131072,
        intermediate=14336,
        positions=65536,
        mlp_bias=never,
        gated=False,
        qk_norm=lambda fields, attention: head_norm(fields, attention) + XIELU_PARAMS,
    ),
    "minicpm3": replace(
        LLAMA,
        vocab=73448,
        intermediate=6400,
        positions=32768,
        tied=True,
        attention=partial(
            latent_attention,
            Latent(query_rank=768, kv_rank=256, nope_dim=64, rope_dim=32, value_dim=None),
        ),
    ),
    "youtu": Family(
        vocab=128256,
        intermediate=6144,
        positions=131072,
        tied=True,
        attention=partial(latent_attention, Latent()),
    ),
    "bitnet": replace(
        LLAMA,
        vocab=128256,
        intermediate=6912,
        mlp_bias=never,
        qk_norm=lambda fields, attention: (
            attention.hidden + fields.size("intermediate_size", default=6912)
        ),
    ),
    "nanochat": replace(
        LLAMA, vocab=50304, intermediate=8192, mlp_bias=never, gated=False, norm_params=0
    ),
    "glm": GLM,
    "glm4": replace(GLM, norms=4),
    "glm4v_text": replace(GLM, positions=32768, head_dim=None, norms=4, qkv_bias=always),
    "jais2": replace(
        LLAMA,
        vocab=150272,
        intermediate=26624,
        positions=8192,
        head_dim=128,
        attention_bias=flag("attention_bias", True),
        mlp_bias=flag("mlp_bias", True),
        gated=False,
        norm_params=2,
    ),
    "granite_swa": replace(
        LLAMA,
        vocab=100352,
        intermediate=8192,
        positions=8192,
        kv_heads=4,
        tied=True,
        qk_norm=sinks,
        windows=window_but_every(4, 128),
    ),
    "hyperclovax": replace(
        LLAMA, norms=lambda fields: 4 if fields.flag("use_post_norm", default=True) else 2
    ),
    "qwen3_vl_text": QWEN3,
}

families(decoder, ROWS)
