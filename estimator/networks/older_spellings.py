"""Older spellings of configs on the hub, converted to current ones."""

from collections.abc import Mapping
from typing import Any

from estimator.networks.fields import Fields
from estimator.networks.model_class import class_name

PARTS = ("text_config", "vision_config", "audio_config")
"""Parts that may also be named with the suffix `_dict`, which then counts."""

MAMBA_KEYS = ("d_model", "n_layer", "ssm_cfg")
"""Keys of the Mamba authors' configs, which have no `model_type`."""


RENAMED = {
    "deepseek_ref": "deepseek_v4",
    "llava_llama": "llava",
    "mimo": "qwen2",
    "minimax_m3": "minimax_m3_vl_text",
    "mixformer-sequential": "phi-msft",
    "step3p7_text": "step3p5",
}
"""Type of a copy or of hub code -> equivalent type of transformers."""

KEYS = {
    "bert": ("type_vocab_size", "hidden_size", "num_attention_heads", "intermediate_size"),
    "gpt2": ("n_embd", "n_layer", "n_head", "n_ctx"),
}
"""Type -> keys of its oldest configs, which name neither type nor class."""

OTHERS_KEYS = ("embedding_size", "afn", "dff", "rotary_dim")
"""Keys of other types that share those: ALBERT and ELECTRA, GPT, CTRL, GPT-J."""


def spelled_as_today(fields: Fields) -> Fields:
    """Convert a config to current transformers keys; GTE's first name was `new`.

    Jina BERT's weights are the bare trunk, whatever the class; MosaicBERT, under the name bert, has
    the same layers. A diffusers safety checker is a CLIP without text. SantaCoder and the first
    ChatGLM have the layers of GPT-BigCode and GPT-NeoX. TensorRT-LLM configs name their class in
    `architecture`.
    """
    if str(fields.values.get("architecture")).endswith("ForCausalLM"):
        name = fields.text("architecture")
        fields = fields.with_values({"architectures": [name], "architecture": None})
    if not fields.states("model_type") and all(map(fields.states, MAMBA_KEYS)):
        return fields.with_values(_mamba(fields))
    if fields.text("model_type") == "new" and class_name(fields).startswith("New"):
        name = class_name(fields).replace("New", "Gte", 1)
        fields = fields.with_values({"model_type": "gte", "architectures": [name]})
    jina = class_name(fields).startswith("JinaBert") and "qk" not in str(
        fields.part("auto_map").values
    )
    if jina and fields.text("model_type") == "bert" and fields.text("feed_forward_type") == "geglu":
        fields = fields.with_values({"model_type": "jina_bert", "architectures": None})
    if fields.text("model_type") in RENAMED:
        fields = fields.with_values({"model_type": RENAMED[fields.text("model_type")]})
    if fields.text("model_type") == "gpt2" and fields.states("attention_head_type"):
        shared = fields.supported("attention_head_type", "multihead", "multiquery") == "multiquery"
        values = {"multi_query": shared, "architectures": None}
        fields = fields.with_values({"model_type": "gpt_bigcode", **values})
    if fields.text("model_type") == "chatglm" and fields.states("inner_hidden_size"):
        values = {"intermediate_size": fields.size("inner_hidden_size"), "architectures": None}
        layers = {"num_hidden_layers": fields.layers("num_layers")}
        fields = fields.with_values({"model_type": "gpt_neox", **values, **layers})
    if fields.text("model_type") == "bert" and fields.states("alibi_starting_size"):
        fields = fields.with_values({"model_type": "jina_bert"})
    if class_name(fields) == "StableDiffusionSafetyChecker":
        fields = fields.with_values({"model_type": "safety_checker"})
    renewed = {
        name: {**fields.part(name).values, **fields.part(f"{name}_dict").values}
        for name in PARTS
        if fields.states(f"{name}_dict")
    }
    return fields.with_values(renewed) if renewed else fields


def known_by_keys(fields: Fields) -> Fields:
    """Return the config with the family identified by its oldest keys, and a note."""
    if any(fields.states(key) for key in ("architectures", "_class_name", *OTHERS_KEYS)):
        return fields
    for model_type, keys in KEYS.items():
        if all(map(fields.states, keys)):
            note = f"model_type is missing: read as {model_type} by its keys"
            return fields.with_values({"model_type": model_type}).noted(note)
    return fields


def _mamba(fields: Fields) -> Mapping[str, Any]:
    """Build Mamba or Mamba-2 from its authors' sizes, with a padded vocabulary."""
    hidden, part = fields.size("d_model"), fields.part("ssm_cfg")
    multiple = fields.size("pad_vocab_size_multiple", default=8)
    vocab = -(-fields.size("vocab_size", default=50277) // multiple) * multiple
    kind = part.supported("layer", "Mamba1", "Mamba2")
    fields.supported("attn_layer_idx", None, [])
    common = {"hidden_size": hidden, "num_hidden_layers": fields.layers("n_layer")}
    common |= {"vocab_size": vocab, "tie_word_embeddings": True}
    expand = part.size("expand", default=2)
    if kind == "Mamba1":
        state = part.size("d_state", default=16)
        return {**common, "model_type": "mamba", "state_size": state, "expand": expand}
    head_dim = part.size("headdim", default=64)
    heads = fields.share("d_model * expand", expand * hidden, "headdim", head_dim)
    mixer = {"head_dim": head_dim, "num_heads": heads, "n_groups": part.size("ngroups", default=1)}
    state = part.size("d_state", default=128)
    return {**common, **mixer, "model_type": "mamba2", "state_size": state, "expand": expand}
