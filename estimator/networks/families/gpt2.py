"""Decoders from GPT-2 to Falcon: GPT-J, GPT-NeoX, OPT, BLOOM, MPT.

Also OpenAI GPT, GPT BigCode, GPT-SW3, CodeGen, Persimmon, XGLM, BioGPT, Jais. They differ in a few
facts and in the names of their sizes.
"""

from collections.abc import Mapping
from dataclasses import replace

from estimator.core.messages import refuse
from estimator.networks.blocks import Attention
from estimator.networks.families.decoder import Family, decoder
from estimator.networks.fields import MAX_LAYERS, Fields
from estimator.networks.registry import families, family
from estimator.networks.transformer import Decoder


def _falcon_heads(fields: Fields) -> int:
    """Return Falcon's key-value heads: one (7B), groups (40B, 180B), or 0 for all."""
    if fields.flag("new_decoder_architecture"):
        return fields.size_or_none("num_kv_heads") or 0
    return 1 if fields.flag("multi_query", default=True) else 0


def _falcon_norms(fields: Fields) -> int:
    """Return the norms before a layer: one or two if parallel, two if sequential."""
    usual = 2 if fields.flag("new_decoder_architecture") else 1
    stated = fields.size_or_none("num_ln_in_parallel_attn") or usual
    return min(stated, 2) if fields.flag("parallel_attn", default=True) else 2


def _opt_norms(fields: Fields) -> int:
    """Return OPT's final norms: one if the layers are pre-normed."""
    before = fields.flag("do_layer_norm_before", default=True)
    return int(before and not fields.flag("_remove_final_layer_norm"))


def _normed_heads(fields: Fields, attention: Attention) -> int:
    """Return the parameters of Persimmon's LayerNorm on queries and keys."""
    return 4 * attention.head_dim * fields.flag("qk_layernorm", default=True)


def _local_in_turn(fields: Fields, layers: int) -> tuple[int | None, ...]:
    """Return GPT-Neo's alternating layers with a local window."""
    window = fields.size("window_size", default=256)
    kinds = _attention_kinds(fields, layers)
    return tuple(window if kind == "local" else None for kind in kinds)


def _attention_kinds(fields: Fields, layers: int) -> list[str]:
    """Expand ``[[["global", "local"], 12]]`` to one kind per layer."""
    stated = fields.items("attention_types")
    if stated is None:
        return [("global", "local")[layer % 2] for layer in range(layers)]
    kinds: list[str] = []
    for item in stated:
        if not (isinstance(item, list) and len(item) == 2 and isinstance(item[0], list)):
            raise fields.uncounted("attention_types", item, "[[kinds], repeats]")
        repeats = Fields({"attention_types": item[1]}).size(
            "attention_types", least=0, most=MAX_LAYERS
        )
        kinds.extend([str(kind) for kind in item[0]] * repeats)
    if len(kinds) != layers:
        raise refuse("config_list_layers", key="attention_types", count=layers, value=len(kinds))
    return kinds


CLASSIC = Family(
    intermediate_key="", kv_heads_key="", head_dim_key="", bias=True, gated=False, norm_params=2
)
"""Biases, LayerNorm, an MLP four times as wide as the model."""

GPT2 = replace(CLASSIC, spare_positions=0, intermediate_key="n_inner")
GPTJ = replace(
    CLASSIC, norms=1, bias=False, mlp_bias=True, head_bias=True, intermediate_key="n_inner"
)
STANDARD = "intermediate_size"

ROWS: Mapping[str, Family] = {
    "gpt2": GPT2,
    "openai-gpt": replace(CLASSIC, spare_positions=0, outer_norms=0),
    "gpt_bigcode": replace(GPT2, kv_heads=lambda fields: int(fields.flag("multi_query"))),
    "gpt_neo": replace(
        CLASSIC,
        spare_positions=0,
        bias=False,
        output_bias=True,
        mlp_bias=True,
        intermediate_key=STANDARD,
        windows=_local_in_turn,
    ),
    "gptj": GPTJ,
    "codegen": GPTJ,
    "gpt_neox": replace(
        CLASSIC,
        bias=False,
        attention_bias="attention_bias",
        mlp_bias=True,
        intermediate_key=STANDARD,
    ),
    "opt": replace(
        CLASSIC,
        spare_positions=2,
        outer_norms=_opt_norms,
        norm_params=lambda fields: 2 * fields.flag("layer_norm_elementwise_affine"),
        bias="enable_bias",
        embedding_width_key="word_embed_proj_dim",
        intermediate_key="ffn_dim",
    ),
    "bloom": replace(CLASSIC, outer_norms=2),
    "mpt": replace(CLASSIC, norm_params=1, bias=False),
    "falcon": replace(
        CLASSIC,
        norms=_falcon_norms,
        bias="bias",
        kv_heads=_falcon_heads,
        intermediate_key="ffn_hidden_size",
    ),
    "persimmon": replace(CLASSIC, intermediate_key=STANDARD, qk_norm=_normed_heads),
    "xglm": replace(CLASSIC, intermediate_key="ffn_dim"),
    "biogpt": replace(CLASSIC, spare_positions=2, intermediate_key=STANDARD),
}

families(decoder, {**ROWS, "gpt-sw3": ROWS["gpt2"]})


@family("jais")
def jais(fields: Fields) -> Decoder:
    """Build Jais: linear-bias positions and SwiGLU by default."""
    placed = fields.text("position_embedding_type", default="learned") == "learned"
    gated = fields.text("activation_function", default="gelu") == "swiglu"
    return decoder(replace(GPT2, spare_positions=0 if placed else None, gated=gated), fields)
