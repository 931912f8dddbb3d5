"""Dense decoders like Llama, and the defaults of their configs.

Llama, Granite, Mistral, Ministral, Qwen2, Qwen3, Gemma, OLMo, Phi, StarCoder2, InternLM3, Cohere,
StableLM, SmolLM3, Nemotron, EXAONE 4, ERNIE 4.5, GLM, DiffLlama, Seed-OSS, Arcee, Hunyuan, CWM,
Apertus, MiniCPM3, Youtu, BitNet, nanochat, HyperCLOVAX, VaultGemma, IQuest-Coder, Jais 2, Muse
Glimmer, the text of Voxtral Realtime and of PaddleOCR-VL. A row describes a family; omitted sizes
are in `defaults.json`.
"""

from collections.abc import Mapping
from dataclasses import replace

from estimator.networks.blocks import DifferentialAttention
from estimator.networks.families.decoder import (
    Family,
    decoder,
    grouped_attention,
    head_norm,
    latent_attention,
    per_channel,
    sinks,
    where,
    width_norm,
)
from estimator.networks.families.sliding_window import (
    QWEN_WINDOWS,
    WINDOWED,
    WINDOWED_IF_STATED,
    but_every,
    sliding,
    without_rotary,
)
from estimator.networks.fields import Fields
from estimator.networks.registry import families


def differential_attention(fields: Fields) -> DifferentialAttention:
    """Build DiffLlama's attention: heads in pairs, one minus the other (arXiv:2410.05258)."""
    plain = grouped_attention(LLAMA, fields)
    return DifferentialAttention(**{**vars(plain), "norm_params": 4 * plain.head_dim})


XIELU_PARAMS = 2
"""Learned slopes of Apertus' activation, per layer (arXiv:2411.13010)."""

DELAY_RANK = 32
"""Channels through which Voxtral Realtime's delay scales a norm, once per pass. [1]"""

STATED = "attention_bias"
MLP_STATED = "mlp_bias"

PLAIN = Family()
LLAMA = Family(attention_bias=STATED, mlp_bias=MLP_STATED)
MISTRAL = Family(windows=WINDOWED)
QWEN2 = Family(qkv_bias=True, windows=QWEN_WINDOWS)
QWEN3 = Family(attention_bias=STATED, qk_norm=head_norm, windows=QWEN_WINDOWS)
GEMMA = Family(attention_bias=STATED)
GEMMA2 = replace(GEMMA, norms=4, windows=sliding(4096, but_every(2)))
OLMO = Family(attention_bias=STATED, norm_params=0)
OLMO2 = Family(attention_bias=STATED, qk_norm=width_norm)
COHERE = Family(attention_bias=STATED, norms=1)
GLM = Family(qkv_bias=STATED)
PATTERN = "sliding_window_pattern"


ROWS: Mapping[str, Family] = {
    "llama": LLAMA,
    "granite": LLAMA,
    "mistral": MISTRAL,
    "qwen2": QWEN2,
    "qwen2_vl_text": QWEN2,
    "qwen2_5_vl_text": QWEN2,
    "qwen2_5_omni_text": QWEN2,
    "qwen3": QWEN3,
    "qwen3_vl_text": QWEN3,
    "gemma": GEMMA,
    "gemma2": GEMMA2,
    "gemma3_text": replace(GEMMA2, qk_norm=head_norm, windows=sliding(4096, but_every(6, PATTERN))),
    "vaultgemma": replace(GEMMA2, norms=2),
    "olmo": OLMO,
    "olmo2": OLMO2,
    "olmo3": replace(OLMO2, windows=sliding(4096, but_every(4))),
    "phi": Family(
        bias=True,
        head_bias=True,
        gated=False,
        norms=1,
        norm_params=2,
        qk_norm=where("qk_layernorm", lambda fields, attention: 4 * attention.head_dim),
    ),
    "phi3": Family(windows=WINDOWED_IF_STATED),
    "starcoder2": Family(bias="use_bias", gated=False, norm_params=2, windows=WINDOWED_IF_STATED),
    "internlm3": Family(
        attention_bias=("attention_bias", "qkv_bias"), mlp_bias=("mlp_bias", "bias")
    ),
    "cohere": replace(COHERE, qk_norm=where("use_qk_norm", width_norm)),
    "cohere2": replace(COHERE, windows=sliding(4096, but_every(4, PATTERN))),
    "stablelm": Family(
        head_dim_key="attention_head_dim",
        qkv_bias="use_qkv_bias",
        norms=lambda fields: 1 if fields.flag("use_parallel_residual") else 2,
        norm_params=2,
        qk_norm=where("qk_layernorm", width_norm),
    ),
    "smollm3": replace(LLAMA, windows=sliding(None, without_rotary, asked=True)),
    "nemotron": replace(LLAMA, gated=False, norm_params=2),
    "jais2": replace(LLAMA, gated=False, norm_params=2),
    "exaone4": Family(qk_norm=head_norm, windows=sliding(4096, but_every(4, PATTERN))),
    "ministral": replace(MISTRAL, windows=sliding(4096)),
    "ministral3": Family(windows=WINDOWED_IF_STATED),
    "voxtral_realtime_text": replace(MISTRAL, norms=2 + 2 * DELAY_RANK),
    "ernie4_5": Family(bias="use_bias"),
    "paddleocr_vl_text": Family(bias="use_bias"),
    "glm_ocr_text": Family(norms=4),
    "diffllama": Family(attention=differential_attention),
    "seed_oss": Family(qkv_bias=STATED, output_bias="attention_out_bias", mlp_bias=MLP_STATED),
    "arcee": replace(LLAMA, gated=False),
    "hunyuan_v1_dense": Family(attention_bias=STATED, qk_norm=head_norm),
    "hunyuan_vl_text": Family(attention_bias=STATED, qk_norm=head_norm),
    "cwm": Family(
        mlp_bias=MLP_STATED, windows=sliding(8192, lambda fields, layers, layer: layer % 4 != 0)
    ),
    "apertus": Family(
        attention_bias=STATED,
        gated=False,
        qk_norm=lambda fields, attention: head_norm(fields, attention) + XIELU_PARAMS,
    ),
    "minicpm3": Family(mlp_bias=MLP_STATED, attention=latent_attention),
    "youtu": Family(attention=latent_attention),
    "bitnet": Family(
        attention_bias=STATED,
        qk_norm=lambda fields, attention: attention.hidden + fields.size("intermediate_size"),
    ),
    "nanochat": Family(attention_bias=STATED, gated=False, norm_params=0),
    "glm": GLM,
    "glm4": replace(GLM, norms=4),
    "glm4v_text": Family(qkv_bias=True, norms=4),
    "iquestcoder": LLAMA,
    "granite_swa": replace(LLAMA, qk_norm=sinks, windows=sliding(128, but_every(4))),
    "muse_glimmer_text": Family(
        attention_bias=STATED,
        norms=4,
        gate=per_channel,
        windows=sliding(None, lambda fields, layers, layer: (layers - 1 - layer) % 4 != 0),
    ),
    "hyperclovax": replace(LLAMA, norms=lambda fields: 4 if fields.flag("use_post_norm") else 2),
}

families(decoder, ROWS)
