"""Decoders with code on the hub: Qwen, ChatGLM, InternLM2, Baichuan.

Also InternLM, Bailing MoE (Ling), Yi, EXAONE, DeepSeek, MiniCPM, InternVL Chat, Phi (MSFT),
RefinedWeb, StableLM Epoch.

transformers does not build them, so defaults come from the code published with the weights, and
parameters are checked against the hub's counts.
"""

from collections.abc import Mapping
from dataclasses import replace

from estimator.networks.families import dense_decoders, gpt2
from estimator.networks.families.decoder import Family, decoder
from estimator.networks.families.dense_decoders import LLAMA, STATED
from estimator.networks.families.moe_decoders import DEEPSEEK, mix, shared_experts
from estimator.networks.families.vision_language import internvl
from estimator.networks.fields import Fields
from estimator.networks.model_class import class_name
from estimator.networks.network import Network
from estimator.networks.registry import families, family
from estimator.networks.transformer import Decoder

RENAMED = {
    "chatglm": {
        "num_hidden_layers": "num_layers",
        "intermediate_size": "ffn_hidden_size",
        "num_key_value_heads": "multi_query_group_num",
        "head_dim": "kv_channels",
        "vocab_size": "padded_vocab_size",
        "max_position_embeddings": "seq_length",
        "attention_bias": "add_qkv_bias",
        "output_bias": "add_bias_linear",
    },
    "exaone": {"num_hidden_layers": "num_layers"},
    "qwen": {"head_dim": "kv_channels", "max_position_embeddings": "seq_length"},
    "baichuan": {"max_position_embeddings": "model_max_length"},
    "phi-msft": {
        "hidden_size": "n_embd",
        "num_hidden_layers": "n_layer",
        "num_attention_heads": "n_head",
        "num_key_value_heads": "n_head_kv",
        "intermediate_size": "n_inner",
        "max_position_embeddings": "n_positions",
    },
    "RefinedWeb": {"num_kv_heads": "n_head_kv"},
}
"""`model_type` -> standard key of a size -> its key in the config."""

ROWS: Mapping[str, Family] = {
    "baichuan": LLAMA,
    "chatglm": Family(qkv_bias=STATED, output_bias="output_bias", mlp_bias="output_bias"),
    "exaone": LLAMA,
    "internlm": replace(LLAMA, attention_bias="bias"),
    "internlm2": replace(LLAMA, attention_bias="bias"),
    "minicpm": LLAMA,
    "phi-msft": dense_decoders.ROWS["phi"],
    "stablelm_epoch": dense_decoders.ROWS["stablelm"],
    "Yi": LLAMA,
    "qwen": Family(qkv_bias=True),
    "deepseek": mix(LLAMA, DEEPSEEK),
    "bailing_moe": mix(
        Family(qkv_bias="use_qkv_bias", output_bias="use_bias"),
        replace(DEEPSEEK, shared=shared_experts("num_shared_experts")),
    ),
}


def under_usual_names(fields: Fields) -> Fields:
    """Return the config with its sizes under standard keys; null falls back to the default."""
    names = RENAMED.get(fields.text("model_type"), {})
    renamed = fields.renamed({new: (fields, old) for new, old in names.items()})
    values = {key: value for key, value in renamed.values.items() if key not in names.values()}
    return replace(renamed, values=values)


def remote_decoder(family: Family, fields: Fields) -> Decoder:
    """Build the decoder of a config with its own names of sizes."""
    usual = under_usual_names(fields)
    values = dict(usual.values)
    if fields.text("model_type") == "qwen":
        values["intermediate_size"] = fields.size("intermediate_size") // 2
    if fields.text("model_type") == "chatglm" and not fields.flag("multi_query_attention"):
        values.pop("num_key_value_heads", None)
    if class_name(fields) == "ChatGLMModel":  # the class that the hub names holds the head too
        values["architectures"] = None
    if fields.text("model_type") == "phi-msft" and "intermediate_size" not in values:
        values["intermediate_size"] = 4 * usual.size("hidden_size")
    return decoder(family, replace(usual, values=values))


families(remote_decoder, ROWS)


@family("RefinedWebModel", "RefinedWeb")
def refined_web(fields: Fields) -> Decoder:
    """Build Falcon under its first names."""
    fields = under_usual_names(fields)
    grouped = fields.text("model_type") == "RefinedWeb"
    named = fields.with_values({"new_decoder_architecture": grouped})
    return decoder(gpt2.ROWS["falcon"], named)


@family("internvl_chat")
def internvl_chat(fields: Fields) -> Network:
    """Build InternVL 1.5 to 3 under its first name, with `llm_config` as language model."""
    vision = dict(fields.part("vision_config").values)
    vision["attention_bias"] = fields.part("vision_config").flag("qkv_bias")
    vision["use_qk_norm"] = fields.part("vision_config").flag("qk_normalization")
    parts = {
        "vision_config": vision,
        "text_config": fields.part("llm_config").values,
        "architectures": None,  # InternVLChatModel generates, whatever its name
    }
    stated = {"text_config": fields.full_name("llm_config")}
    return internvl(replace(fields.with_values(parts), aliases=stated))
