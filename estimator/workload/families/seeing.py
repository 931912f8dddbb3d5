"""Which further language model that sees a config describes: Qwen-VL, PaliGemma, Idefics 3, ...

Defaults are those of transformers 5.23. One image per sequence, of one tile where models cut
large images into several; image towers attend over the whole image, also where some layers keep
to windows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from estimator.workload.blocks import Attention, Costs, Mlp, held, linear
from estimator.workload.convolution import square
from estimator.workload.families.clip import siglip_sight
from estimator.workload.families.multimodal import Seeing, llava, network, text_part
from estimator.workload.families.vision import Vision, trunk
from estimator.workload.fields import Fields
from estimator.workload.network import Network

QWEN_SIDE = 448
"""Side of the image counted where a config has none, 16 x 16 merged patches. [pixel]"""

FRAMES = 2
"""Frames of a patch in time; a still image is doubled. [1]"""


@dataclass(frozen=True, kw_only=True)
class Tower:
    """What sets the image towers of the Qwen line apart.

    Parameters
    ----------
    patch, width, hidden : int
        Defaults of patch side, width of the MLP, width of the tower. [1]
    hidden_key, out_key : str
        Keys of the tower's width and of the width behind it.
    gated, norm_params, patch_bias : bool, int, bool
        Gated MLP; parameters per channel of a norm; bias of the patches.
    rows, deep : int
        Rows of the position table; layers whose states go deep into the text. [1]
    """

    patch: int
    width: int
    hidden: int
    hidden_key: str = "hidden_size"
    out_key: str = "out_hidden_size"
    gated: bool = False
    norm_params: int = 2
    patch_bias: bool = False
    rows: int = 0
    deep: int = 0


def qwen_sight(tower: Tower, fields: Fields) -> Vision:
    """Image tower of Qwen2-VL to Qwen3-VL (arXiv:2409.12191, sec. 2.1)."""
    hidden = fields.size(tower.hidden_key, default=tower.hidden)
    heads = fields.size("num_heads", default=16)
    width = fields.size("intermediate_size", default=tower.width)
    if tower.hidden_key == "embed_dim":
        width = fields.size("mlp_ratio", default=4) * hidden
    attention = Attention(
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_dim=fields.share(tower.hidden_key, hidden, "num_heads", heads),
        qkv_bias=True,
        output_bias=True,
    )
    mlp = Mlp(hidden=hidden, width=width, gated=tower.gated, bias=True)
    norm = {"norm/layers": held(2 * tower.norm_params * hidden)}
    rows = fields.size("num_position_embeddings", default=tower.rows) if tower.rows else 0
    frames = fields.size("temporal_patch_size", default=FRAMES)
    return Vision(
        side=QWEN_SIDE,
        patch=fields.size("patch_size", "spatial_patch_size", default=tower.patch),
        channels=frames * fields.size("in_channels", "in_chans", default=3),
        hidden=hidden,
        prefix=0,
        tables={"embedding/position": held(rows * hidden)},
        layer={**attention.costs(), **mlp.costs(), **norm},
        layers=fields.layers("depth", default=32 if not tower.rows else 27),
        after={},
        once={},
        patch_bias=tower.patch_bias,
    )


def qwen_vl(tower: Tower, text: str, fields: Fields) -> Network:
    """Qwen-VL: patches merged four to a token; flat configs keep the text at the top."""
    vision = fields.part("vision_config")
    if not fields.states("text_config"):
        inner = {
            key: value
            for key, value in fields.values.items()
            if key not in ("vision_config", "model_type")
        }
        fields = replace(fields, values={**fields.values, "text_config": inner})
    sight = qwen_sight(tower, vision)
    tied = fields.flag(
        "tie_word_embeddings", default=fields.part("text_config").flag("tie_word_embeddings")
    )
    decoder = text_part(fields, text, tied)
    merge = vision.size("spatial_merge_size", default=2)
    wide = merge * merge * sight.hidden
    out = vision.size(tower.out_key, default=3584)
    dense = {"in": linear(wide, wide, bias=True), "out": linear(wide, out, bias=True)}
    costs = {f"bridge/{part}": cost for part, cost in dense.items()}
    costs["bridge/norm"] = held(tower.norm_params * sight.hidden)
    if tower.deep:
        deep = len(vision.items("deepstack_visual_indexes") or range(tower.deep))
        for part, cost in dense.items():
            costs[f"bridge/deep_{part}"] = replace(
                cost,
                params=deep * cost.params,
                active_params=deep * cost.active_params,
                flop_per_token=deep * cost.flop_per_token,
            )
        costs["bridge/deep_norm"] = held(deep * tower.norm_params * wide)
    seeing = Seeing(
        text=decoder, sight=sight, bridge=costs, image_tokens=None, merged=merge * merge
    )
    return network(fields, seeing)


def pixtral_sight(fields: Fields) -> Vision:
    """Pixtral's tower: rotary positions, RMS norms, gated MLPs (arXiv:2410.07073, sec. 2.2)."""
    hidden = fields.size("hidden_size", default=1024)
    heads = fields.size("num_attention_heads", default=16)
    attention = Attention(
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_dim=fields.size_or_none("head_dim") or hidden // heads,
    )
    mlp = Mlp(hidden=hidden, width=fields.size("intermediate_size", default=4096), gated=True)
    return Vision(
        side=square(fields, "image_size", 1024),
        patch=square(fields, "patch_size", 16),
        channels=fields.size("num_channels", default=3),
        hidden=hidden,
        prefix=0,
        tables={"norm/outer": held(hidden)},
        layer={**attention.costs(), **mlp.costs(), "norm/layers": held(2 * hidden)},
        layers=fields.layers("num_hidden_layers", default=24),
        after={},
        once={},
        patch_bias=False,
    )


def mistral3(fields: Fields) -> Network:
    """Mistral Small 3.1 and Ministral 3: Pixtral's tower, four patches merged to a token."""
    sight = pixtral_sight(fields.part("vision_config"))
    text = text_part(fields, "mistral", _tied(fields, False))
    merge = fields.size("spatial_merge_size", default=2) ** 2
    bias = fields.flag("multimodal_projector_bias")
    bridge = {
        "bridge/norm": held(sight.hidden),
        "bridge/merge": linear(merge * sight.hidden, sight.hidden),
        "bridge/in": linear(sight.hidden, text.hidden, bias),
        "bridge/out": linear(text.hidden, text.hidden, bias),
    }
    seeing = Seeing(text=text, sight=sight, bridge=bridge, image_tokens=None, merged=merge)
    return network(fields, seeing)


def _tied(fields: Fields, default: bool) -> bool:
    inner = fields.part("text_config").flag("tie_word_embeddings", default=default)
    return fields.flag("tie_word_embeddings", default=inner)


def _without_pooler(fields: Fields) -> Fields:
    """SigLIP's tower without the query that gathers the patches."""
    return replace(fields, values={**fields.values, "vision_use_head": False})


def paligemma(fields: Fields) -> Network:
    """PaliGemma: SigLIP's tower, one matrix, Gemma (arXiv:2407.07726, sec. 3.1)."""
    sight = siglip_sight(_without_pooler(fields.part("vision_config")))
    text = text_part(fields, "gemma", _tied(fields, True))
    bridge = {"bridge/project": linear(sight.hidden, text.hidden, bias=True)}
    return network(fields, Seeing(text=text, sight=sight, bridge=bridge, image_tokens=None))


def idefics3(side: int, fields: Fields) -> Network:
    """Idefics 3 and SmolVLM: pixels shuffled into fewer, wider tokens (arXiv:2408.12637)."""
    vision = fields.part("vision_config")
    usual = {
        "image_size": side,
        "patch_size": 32,
        "hidden_size": 1152,
        "num_attention_heads": 16,
    }
    values = {**usual, **vision.values}
    sight = siglip_sight(_without_pooler(replace(vision, values=values)))
    text = text_part(fields, "llama", _tied(fields, False))
    merge = fields.size("scale_factor", default=2) ** 2
    bridge = {"bridge/project": linear(merge * sight.hidden, text.hidden)}
    seeing = Seeing(text=text, sight=sight, bridge=bridge, image_tokens=None, merged=merge)
    return network(fields, seeing)


def internvl(fields: Fields) -> Network:
    """InternVL: a tower with layer scale, four patches shuffled to a token (arXiv:2404.16821)."""
    vision = fields.part("vision_config")
    usual = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16}
    usual |= {"intermediate_size": 4096}
    bias = vision.flag("attention_bias")
    values = {**usual, **vision.values, "qkv_bias": bias}
    sight = trunk(replace(vision, values=values), patch=14, side=448)
    hidden = sight.hidden
    scale: Costs = {"norm/scale": held(2 * hidden)}
    norms = 2 * hidden * vision.flag("use_qk_norm")
    after = 0 if vision.flag("use_mean_pooling", default=True) else 2 * hidden
    tables = {**sight.tables, "norm/outer": held(after)}
    layer = {**sight.layer, **scale, "attention/norm": held(norms)}
    sight = replace(sight, tables=tables, layer=layer)
    text = text_part(fields, "qwen2", _tied(fields, False))
    merge = round(1 / float(fields.values.get("downsample_ratio", 0.5))) ** 2
    bridge = {
        "bridge/norm": held(2 * merge * hidden),
        "bridge/in": linear(merge * hidden, text.hidden, bias=True),
        "bridge/out": linear(text.hidden, text.hidden, bias=True),
    }
    seeing = Seeing(text=text, sight=sight, bridge=bridge, image_tokens=None, merged=merge)
    return network(fields, seeing)


QWEN2 = Tower(patch=14, width=5120, hidden=1280, hidden_key="embed_dim", out_key="hidden_size")
QWEN25 = Tower(patch=14, width=3420, hidden=3584, gated=True, norm_params=1)
QWEN3 = Tower(patch=16, width=4304, hidden=1152, patch_bias=True, rows=2304, deep=3)
QWEN35 = replace(QWEN3, deep=0)

FAMILIES: Mapping[str, Callable[[Fields], Network]] = {
    "qwen2_vl": partial(qwen_vl, QWEN2, "qwen2"),
    "qwen2_5_vl": partial(qwen_vl, QWEN25, "qwen2"),
    "qwen3_vl": partial(qwen_vl, QWEN3, "qwen3_vl_text"),
    "qwen3_vl_moe": partial(qwen_vl, QWEN3, "qwen3_vl_moe_text"),
    "qwen3_5": partial(qwen_vl, QWEN35, "qwen3_5_text"),
    "qwen3_5_moe": partial(qwen_vl, QWEN35, "qwen3_5_moe_text"),
    "mistral3": mistral3,
    "paligemma": paligemma,
    "idefics3": partial(idefics3, 224),
    "smolvlm": partial(idefics3, 224),
    "internvl": internvl,
    "llava_next": llava,
    "llava_onevision": llava,
}
