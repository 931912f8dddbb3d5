"""Which Qwen that sees a config describes: Qwen2-VL to Qwen3.5.

One image per sequence; the tower attends over the whole image, also where some layers keep to
windows.
"""

from dataclasses import dataclass, replace

from estimator.workload.blocks import table
from estimator.workload.families.vision_language import (
    any_tied,
    dense_bridge,
    seeing_network,
    text_part,
    tower_of_frames,
    with_text_inside,
)
from estimator.workload.families.vit import Vision
from estimator.workload.fields import Fields
from estimator.workload.network import Network
from estimator.workload.registry import families, with_defaults_of

QWEN_SIDE = 448
"""Side of the image counted where a config has none, 16 x 16 merged patches. [pixel]"""


@dataclass(frozen=True, kw_only=True)
class Tower:
    """What sets the image towers of the Qwen line apart.

    Parameters
    ----------
    text : str
        Type of the language model behind it where the config has none; the type's own if empty.
    hidden_key, out_key : str
        Keys of the tower's width and of the width behind it.
    gated, norm_params, placed : bool, int, bool
        Gated MLP; parameters per channel of a norm; a table of positions and biases of patches.
    deep : int
        Layers whose states go deep into the text. [1]
    alone : bool
        The wrapper alone says whether the head is tied, whatever its text part says.
    """

    text: str = ""
    hidden_key: str = "hidden_size"
    out_key: str = "out_hidden_size"
    gated: bool = False
    norm_params: int = 2
    placed: bool = False
    deep: int = 0
    alone: bool = False


def qwen_sight(tower: Tower, fields: Fields) -> Vision:
    """Image tower of Qwen2-VL to Qwen3-VL (arXiv:2409.12191, sec. 2.1)."""
    hidden, patch = fields.size(tower.hidden_key), fields.size("patch_size", "spatial_patch_size")
    stated = {"image_size": QWEN_SIDE, "patch_size": patch, "hidden_size": hidden}
    if tower.hidden_key == "embed_dim":
        stated["intermediate_size"] = fields.size("mlp_ratio") * hidden
    fields = replace(
        fields.with_values(stated), aliases={**fields.aliases, "hidden_size": tower.hidden_key}
    )
    sight = tower_of_frames(fields, bias=True, gated=tower.gated, norm=tower.norm_params)
    rows = fields.size("num_position_embeddings") if tower.placed else 0
    tables = {"embedding/position": table(rows, hidden)}
    return replace(sight, tables=tables, patch_bias=tower.placed)


def qwen_vl(tower: Tower, fields: Fields) -> Network:
    """Qwen-VL: patches merged four to a token; flat configs keep the text at the top."""
    kind = fields.text("model_type")
    vision = with_defaults_of(fields.part("vision_config"), f"{kind}_vision")
    fields = with_text_inside(fields)
    sight = qwen_sight(tower, vision)
    tied = fields.flag("tie_word_embeddings") if tower.alone else any_tied(fields)
    text = text_part(fields, tower.text or f"{kind}_text", tied)
    merge = vision.size("spatial_merge_size")
    wide = merge * merge * sight.hidden
    out = vision.size(tower.out_key)
    costs = dict(dense_bridge(wide, wide, out, norm=tower.norm_params * sight.hidden))
    if tower.deep:
        stated = vision.items("deepstack_visual_indexes")
        deep = tower.deep if stated is None else len(stated)
        again = dense_bridge(wide, wide, out, norm=tower.norm_params * wide)
        costs |= {part.replace("/", "/deep_"): cost.times(deep) for part, cost in again.items()}
    return seeing_network(fields, text, sight, costs, merged=merge * merge)


QWEN2_5 = Tower(gated=True, norm_params=1)
QWEN3 = Tower(placed=True, deep=3, alone=True)

families(
    qwen_vl,
    {
        "qwen2_vl": Tower(hidden_key="embed_dim", out_key="hidden_size"),
        "qwen2_5_vl": QWEN2_5,
        "qwen3_vl": QWEN3,
        "qwen3_vl_moe": QWEN3,
        "qwen3_5": replace(QWEN3, deep=0),
        "qwen3_5_moe": replace(QWEN3, deep=0),
    },
)
