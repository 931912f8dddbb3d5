"""How much work Step 3.5 and Step 3.7 are (step3p5, step3p7): gated heads, experts, a tower.

Layers with a window may have more heads than the others.
"""

from collections.abc import Container
from dataclasses import replace

from estimator.core.messages import refuse
from estimator.networks.blocks import affine, held, linear
from estimator.networks.convolution import ratio
from estimator.networks.families.decoder import Family, head_norm, per_head, with_heads
from estimator.networks.families.moe_decoders import Mixture, listed_sparse, mix, shared_width
from estimator.networks.families.sliding_window import sliding
from estimator.networks.families.vision_language import (
    any_tied,
    seeing_network,
    text_part,
    with_text_inside,
)
from estimator.networks.families.vit import trunk
from estimator.networks.fields import Fields
from estimator.networks.network import Network
from estimator.networks.registry import family, with_defaults_of
from estimator.networks.transformer import Decoder

STEP = mix(
    Family(
        attention_bias="attention_bias",
        mlp_bias="mlp_bias",
        qk_norm=head_norm,
        gate=per_head,
        windows=sliding(None),
    ),
    Mixture(shared=shared_width("share_expert_dim"), sparse=listed_sparse),
)


@family("step3p5")
def step3(fields: Fields) -> Decoder:
    """The language model of a config, its authors' spelling or that of transformers."""
    fields = _spelled(fields)
    layers, far = fields.layers("num_hidden_layers"), fields.size("num_attention_heads")
    near = fields.part("attention_other_setting").size("num_attention_heads", default=far)
    near = fields.size_or_none("num_sliding_attention_heads") or near
    groups = fields.size("num_key_value_heads", default=far)
    fields.share("num_sliding_attention_heads", near, "num_key_value_heads", groups)
    windows = STEP.windows(fields, layers)
    return with_heads(STEP, fields, [far if one is None else near for one in windows])


def _spelled(fields: Fields) -> Fields:
    """The keys of its authors under those of transformers, lists without the extra layers."""
    fields = fields.renamed(
        {
            "num_key_value_heads": (fields, "num_attention_groups"),
            "num_experts_per_tok": (fields, "moe_top_k"),
            "share_expert_dim": (fields, "share_expert_dims"),
        }
    )
    layers = fields.layers("num_hidden_layers")
    sparse = _sparse(fields, layers)
    kinds = fields.items("mlp_layer_types") or [
        "sparse" if at in sparse else "dense" for at in range(layers)
    ]
    made = {"mlp_layer_types": kinds[:layers]}
    if types := fields.items("layer_types"):
        made["layer_types"] = types[:layers]
    return fields.with_values(made)


def _sparse(fields: Fields, layers: int) -> Container[int]:
    """Which layers are of experts: those listed, in a text or as numbers, else all but three."""
    key = "moe_layers_enum"
    listed = fields.values.get(key)
    numbers = listed.split(",") if isinstance(listed, str) else fields.items(key)
    if numbers is None:
        return range(3, layers)
    words = [str(number).strip() for number in numbers]
    for word in words:
        if not word.isdecimal():
            raise refuse("config_key_least", key=fields.full_name(key), least=0, value=word)
    return {int(word) for word in words}


@family("step3p7")
def step3_vision(fields: Fields) -> Network:
    """Step 3.7: a tower of images, halved twice by convolutions, before the language model."""
    part = with_defaults_of(fields.part("vision_config"), "step3p7_vision")
    part = part.renamed(
        {
            "hidden_size": (part, "width"),
            "num_hidden_layers": (part, "layers"),
            "num_attention_heads": (part, "heads"),
        }
    )
    width = int(part.size("hidden_size") * ratio(part, "mlp_ratio", 8960 / 1536))
    sight = trunk(part.with_values({"intermediate_size": width}), 0)
    hidden = sight.hidden
    sight = replace(sight, layer={**sight.layer, "norm/scale": held(2 * hidden)}, patch_bias=False)
    fields = with_text_inside(fields)
    text = text_part(fields, "step3p5", any_tied(fields))
    narrow = affine(9 * hidden, 2 * hidden)
    bridge = {
        "bridge/down_1": replace(narrow, flop_per_token=4 * narrow.flop_per_token),
        "bridge/down_2": affine(9 * 2 * hidden, 4 * hidden),
        "bridge/project": linear(4 * hidden, text.hidden, fields.flag("projector_bias")),
    }
    return seeing_network(fields, text, sight, bridge, merged=16)
