"""Reader for decoders of an unknown family.

Most new decoders are Llama with other sizes. A config with all familiar sizes is read as such:
RMSNorm, gated MLP, no biases unless stated, experts in every layer if there are any. The missed
norms and biases are few parameters; a warning is added.
"""

from dataclasses import replace

from estimator.networks.families.decoder import decoder
from estimator.networks.families.dense_decoders import LLAMA
from estimator.networks.families.moe_decoders import DEEPSEEK, EXPERTS, mix
from estimator.networks.fields import Fields
from estimator.networks.transformer import Decoder

FAMILIAR = (
    *("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"),
    "vocab_size",
)
"""Sizes required to read an unknown family."""

FOREIGN = (
    *("conv_kernel", "encoder_layers", "image_size", "kv_lora_rank", "linear_num_value_heads"),
    *("num_decoder_layers", "patch_size", "ssm_state_size", "state_size", "type_vocab_size"),
)
"""Keys of networks that are not plain attention decoders."""

HEADS_BY_LAYER = "num_key_value_heads_per_layer"
"""Key of decoders with a different number of key-value heads per layer: DeciLM."""

OTHER_NAMES = {
    "num_experts_per_tok": (
        *("moe_topk", "moe_top_k", "moe_k", "top_k_experts", "num_experts_per_token"),
    ),
    "n_shared_experts": ("num_shared_experts", "num_shared_expert", "moe_num_shared_experts"),
}
"""Key -> its names in other families."""


def llama_like(fields: Fields) -> Decoder:
    """Build a Llama-like decoder of the sizes in the config."""
    found = {
        key: (fields, next(filter(fields.states, (key, *others)), key))
        for key, others in OTHER_NAMES.items()
    }
    fields, family = fields.renamed(found), LLAMA
    if fields.states(*EXPERTS) and fields.flag("is_moe", default=True):
        width = "moe_intermediate_size"
        width_key = width if fields.states(width) else "intermediate_size"
        family = mix(family, replace(DEEPSEEK, width_key=width_key))
    fields = fields.with_usual({"max_position_embeddings": 131072})
    shared = fields.sizes(HEADS_BY_LAYER, fewest=0)
    if not shared:
        return decoder(family, fields)
    fields.equal(
        HEADS_BY_LAYER, len(shared), "num_hidden_layers", fields.layers("num_hidden_layers")
    )
    alike = {
        n: decoder(family, fields.with_values({"num_key_value_heads": n})) for n in set(shared)
    }
    layers = tuple(alike[n].layers[place] for place, n in enumerate(shared))
    return replace(alike[shared[0]], layers=layers)
