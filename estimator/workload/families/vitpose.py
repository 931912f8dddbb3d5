"""How much work ViTPose is: a vision transformer, and maps of the joints (arXiv:2204.12484)."""

from dataclasses import replace

from estimator.workload.blocks import Cost, Costs, held, linear, product, table
from estimator.workload.convolution import Conv, plain
from estimator.workload.families.vit import trunk, vision_network
from estimator.workload.fields import Fields
from estimator.workload.model_class import label_count, task
from estimator.workload.network import Network
from estimator.workload.registry import family

BETWEEN = 256
"""Channels of the transposed convolutions. [1]"""


@family("vitpose")
def vitpose(fields: Fields) -> Network:
    """ViTPose, perhaps with experts for parts of the features, all of which run."""
    part = fields.part("backbone_config")
    hidden = part.size("hidden_size", default=768)
    width = part.size("mlp_ratio", default=4) * hidden
    stated = part.with_values({"intermediate_size": width})
    sight = trunk(stated.with_defaults({"image_size": [256, 192]}), prefix=0, oblong=True)
    experts, layer = part.size("num_experts", default=1), dict(sight.layer)
    if experts > 1:
        own = part.size("part_features", default=256, most=hidden)
        layer["mlp/down"] = linear(width, hidden - own, bias=True)
        layer["moe/expert"] = linear(width, own, bias=True).times(experts)
    rows = sight.grid[0] * sight.grid[1] + 1
    tables = {**sight.tables, "embedding/position": table(rows, hidden)}
    after = _maps(fields, hidden) if task(fields) == "PoseEstimation" else {}
    sight = replace(sight, layer=layer, tables=tables, after=after)
    return vision_network(fields, sight)


def _maps(fields: Fields, hidden: int) -> Costs:
    """Heads per patch: a convolution on enlarged maps, or two transposed ones before it."""
    joints = label_count(fields)
    if fields.flag("use_simple_decoder", default=True):
        each = plain(hidden, joints).cost()
        scale = fields.size("scale_factor", default=4) ** 2
        return {"head/joints": product(each.params, scale * each.flop_per_token)}
    first, second = linear(hidden, 16 * BETWEEN), linear(BETWEEN, 16 * BETWEEN).repeated(4)
    joint: Cost = Conv(BETWEEN, joints, kernel=1, bias=True, norm=False).cost().repeated(16)
    return {"head/grow": first + second, "norm/head": held(4 * BETWEEN), "head/joints": joint}
