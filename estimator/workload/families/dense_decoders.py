"""Which dense decoders of the Llama line there are, and what their configs leave out.

A row names the rows of the token table, the MLP's width and the longest sequence first.
"""

from collections.abc import Mapping
from dataclasses import replace

from estimator.workload.families.decoder import (
    Family,
    Latent,
    always,
    decoder,
    flag,
    head_norm,
    latent,
    never,
    sinks,
    where,
    width_norm,
)
from estimator.workload.families.sliding_window import (
    QWEN_WINDOWS,
    WINDOWED,
    WINDOWED_IF_STATED,
    but_every,
    sliding,
    without_rotary,
)
from estimator.workload.fields import Fields
from estimator.workload.registry import families, family
from estimator.workload.transformer import Decoder

XIELU_PARAMS = 2
"""Learned slopes of Apertus' activation, per layer (arXiv:2411.13010)."""

STATED = flag("attention_bias")
STATED_OR_TRUE = flag("attention_bias", True)

LLAMA = Family(32000, 11008, 2048, attention_bias=STATED, mlp_bias=flag("mlp_bias"))
MISTRAL = Family(32000, 14336, 131072, kv_heads=8, windows=WINDOWED)
QWEN2 = Family(151936, 22016, 32768, kv_heads=32, qkv_bias=always, windows=QWEN_WINDOWS)
QWEN2_VL = replace(QWEN2, vocab=152064, intermediate=29568, kv_heads=8)
QWEN3 = replace(QWEN2, head_dim=128, qkv_bias=never, attention_bias=STATED, qk_norm=head_norm)
GEMMA = Family(256000, 24576, 8192, kv_heads=16, head_dim=256, tied=True, attention_bias=STATED)
GEMMA2 = replace(GEMMA, intermediate=9216, kv_heads=4, norms=4, windows=sliding(4096, but_every(2)))
OLMO = Family(50304, 11008, 2048, attention_bias=STATED, norm_params=0)
OLMO2 = replace(OLMO, norm_params=1, qk_norm=width_norm)
COHERE = Family(256000, 22528, 8192, tied=True, attention_bias=STATED, norms=1)
GLM = Family(151552, 13696, 131072, kv_heads=2, head_dim=128, qkv_bias=STATED_OR_TRUE)
PATTERN = "sliding_window_pattern"

HELIUM = Family(
    48000, 7040, 4096, kv_heads=20, head_dim=128, qkv_bias=STATED, mlp_bias=flag("mlp_bias")
)


@family("helium")
def helium(fields: Fields) -> Decoder:
    """Helium, whose heads must be as wide together as the model."""
    hidden, heads = fields.size("hidden_size"), fields.size("num_attention_heads")
    head_dim = fields.size("head_dim", default=128)
    if heads * head_dim != hidden:
        raise ValueError(
            f"{fields.path}head_dim times num_attention_heads must be hidden_size = {hidden}, "
            f"got {head_dim} times {heads}"
        )
    return decoder(HELIUM, fields)


ROWS: Mapping[str, Family] = {
    "llama": LLAMA,
    "granite": LLAMA,
    "mistral": MISTRAL,
    "qwen2": QWEN2,
    "qwen2_vl_text": QWEN2_VL,
    "qwen2_5_vl_text": QWEN2_VL,
    "qwen2_5_omni_text": QWEN2,
    "qwen3": QWEN3,
    "qwen3_vl_text": QWEN3,
    "gemma": GEMMA,
    "gemma2": GEMMA2,
    "gemma3_text": replace(
        GEMMA2,
        vocab=262208,
        positions=131072,
        qk_norm=head_norm,
        windows=sliding(4096, but_every(6, PATTERN)),
    ),
    "vaultgemma": replace(GEMMA2, norms=2),
    "olmo": OLMO,
    "olmo2": OLMO2,
    "olmo3": replace(OLMO2, windows=sliding(4096, but_every(4))),
    "phi": Family(
        *(51200, 8192, 2048),
        bias=always,
        head_bias=always,
        gated=False,
        norms=1,
        norm_params=2,
        qk_norm=where("qk_layernorm", lambda fields, attention: 4 * attention.head_dim),
    ),
    "phi3": Family(32064, 8192, 4096, windows=WINDOWED_IF_STATED),
    "starcoder2": Family(
        *(49152, 12288, 4096),
        kv_heads=2,
        tied=True,
        bias=flag("use_bias", True),
        gated=False,
        norm_params=2,
        windows=WINDOWED_IF_STATED,
    ),
    "internlm3": Family(
        *(128512, 10240, 32768),
        kv_heads=2,
        head_dim=128,
        attention_bias=lambda fields: fields.flag("attention_bias", "qkv_bias"),
        mlp_bias=lambda fields: fields.flag("mlp_bias", "bias"),
    ),
    "cohere": replace(COHERE, qk_norm=where("use_qk_norm", width_norm)),
    "cohere2": replace(COHERE, windows=sliding(4096, but_every(4, PATTERN))),
    "stablelm": Family(
        *(50304, 6912, 4096),
        kv_heads=32,
        head_dim_key="attention_head_dim",
        qkv_bias=flag("use_qkv_bias"),
        norms=lambda fields: 1 if fields.flag("use_parallel_residual") else 2,
        norm_params=2,
        qk_norm=where("qk_layernorm", width_norm),
    ),
    "smollm3": replace(
        LLAMA,
        vocab=128256,
        positions=32768,
        kv_heads=4,
        tied=True,
        windows=sliding(None, without_rotary, asked=True),
    ),
    "nemotron": replace(
        LLAMA, vocab=256000, intermediate=24576, positions=4096, gated=False, norm_params=2
    ),
    "exaone4": Family(
        *(102400, 16384, 2048),
        kv_heads=32,
        qk_norm=head_norm,
        windows=sliding(4096, but_every(4, PATTERN)),
    ),
    "ministral": replace(MISTRAL, windows=sliding(4096)),
    "ministral3": Family(
        131072, 14336, 262144, kv_heads=8, head_dim=128, windows=WINDOWED_IF_STATED
    ),
    "ernie4_5": Family(
        103424, 3072, 131072, kv_heads=2, head_dim=128, tied=True, bias=flag("use_bias")
    ),
    "seed_oss": Family(
        *(155136, 27648, 524288),
        kv_heads=8,
        head_dim=128,
        qkv_bias=STATED_OR_TRUE,
        output_bias=flag("attention_out_bias"),
        mlp_bias=flag("mlp_bias"),
    ),
    "arcee": replace(LLAMA, intermediate=18432, positions=4096, gated=False),
    "hunyuan_v1_dense": replace(LLAMA, vocab=290943, mlp_bias=never, qk_norm=head_norm),
    "cwm": Family(
        *(128256, 21504, 131072),
        kv_heads=8,
        head_dim=128,
        mlp_bias=flag("mlp_bias"),
        windows=sliding(8192, lambda fields, layers, layer: layer % 4 != 0),
    ),
    "apertus": Family(
        *(131072, 14336, 65536),
        attention_bias=STATED,
        gated=False,
        qk_norm=lambda fields, attention: head_norm(fields, attention) + XIELU_PARAMS,
    ),
    "minicpm3": Family(
        *(73448, 6400, 32768),
        tied=True,
        mlp_bias=flag("mlp_bias"),
        attention=latent(
            Latent(query_rank=768, kv_rank=256, nope_dim=64, rope_dim=32, value_dim=None)
        ),
    ),
    "youtu": Family(128256, 6144, 131072, tied=True, attention=latent(Latent())),
    "bitnet": Family(
        *(128256, 6912, 2048),
        attention_bias=STATED,
        qk_norm=lambda fields, attention: (
            attention.hidden + fields.size("intermediate_size", default=6912)
        ),
    ),
    "nanochat": Family(50304, 8192, 2048, attention_bias=STATED, gated=False, norm_params=0),
    "glm": GLM,
    "glm4": replace(GLM, norms=4),
    "glm4v_text": replace(GLM, positions=32768, head_dim=None, norms=4, qkv_bias=always),
    "jais2": Family(
        *(150272, 26624, 8192),
        attention_bias=STATED_OR_TRUE,
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
        windows=sliding(128, but_every(4)),
    ),
    "hyperclovax": replace(
        LLAMA, norms=lambda fields: 4 if fields.flag("use_post_norm", default=True) else 2
    ),
}

families(decoder, ROWS)
