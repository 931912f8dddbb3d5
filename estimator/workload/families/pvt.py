"""How much work PVT is: attention to keys that a convolution has thinned out (arXiv:2102.12122)."""

from estimator.workload.blocks import Mlp, equal_heads, held, linear, product, table
from estimator.workload.convolution import Flow, plain, square, stages
from estimator.workload.families.convnet import DEFAULT_SIDE, conv_net
from estimator.workload.fields import Fields
from estimator.workload.network import Network
from estimator.workload.registry import family

STAGES = {
    "hidden_sizes": (64, 128, 320, 512),
    "depths": (2, 2, 2, 2),
    "num_attention_heads": (1, 2, 5, 8),
    "sequence_reduction_ratios": (8, 4, 2, 1),
    "patch_sizes": (4, 2, 2, 2),
    "strides": (4, 2, 2, 2),
    "mlp_ratios": (8, 8, 4, 4),
}


@family("pvt")
def pvt(fields: Fields) -> Network:
    """PVT: positions in every stage, a class token in the last (sec. 3)."""
    fields = fields.with_defaults({"num_labels": 1000})  # whatever `id2label` says
    rows, side = stages(fields, STAGES), square(fields, "image_size", DEFAULT_SIDE)
    keys, bias = ("hidden_sizes", "num_attention_heads"), fields.flag("qkv_bias", default=True)

    def body(flow: Flow) -> Flow:
        before, grid = fields.size("num_channels", default=3), side
        for stage, (width, depth, heads, thin, kernel, stride, factor) in enumerate(rows):
            name, last = f"stage{stage + 1}/", stage + 1 == len(rows)
            patch = plain(before, width, kernel, stride, padding=0)
            flow, grid = flow.conv(f"{name}patch", patch, first=stage == 0), grid // stride
            attention = equal_heads(fields, width, heads, keys, bias, output_bias=True)
            mlp = Mlp(hidden=width, width=factor * width, bias=True)
            tokens = flow.positions + last
            seen = (flow.side // thin) ** 2 if thin > 1 else tokens
            costs = {**attention.costs(), **mlp.costs()}
            flow = flow.crossing(costs, tokens, seen, times=depth, prefix=name)
            if thin > 1:
                thinned = {"attention/thin": linear(thin * thin * width, width, bias=True)}
                flow = flow.layers(thinned, seen, times=depth, prefix=name)
            tables = {
                "norm/layers": held(depth * (4 + 2 * (thin > 1)) * width + 2 * width),
                "embedding/position": table(grid * grid + last, width),
                "embedding/class": held(last * width),
            }
            flow, before = flow.dense(tables), width
        return flow.norm(before)

    return conv_net(fields, body, rows[-1][0], side, class_tokens=1)


STAGES_2 = {
    "hidden_sizes": (32, 64, 160, 256),
    "depths": (2, 2, 2, 2),
    "num_attention_heads": (1, 2, 5, 8),
    "sr_ratios": (8, 4, 2, 1),
    "patch_sizes": (7, 3, 3, 3),
    "strides": (4, 2, 2, 2),
    "mlp_ratios": (8, 8, 4, 4),
}

POOLED = 49.0
"""Positions that the linear attention of PVT v2 pools a map to, 7 x 7. [1]"""


@family("pvt_v2")
def pvt_v2(fields: Fields) -> Network:
    """PVT v2: overlapping patches, convolving MLPs, perhaps pooled keys (arXiv:2106.13797)."""
    rows, side = stages(fields, STAGES_2), square(fields, "image_size", DEFAULT_SIDE)
    keys, bias = ("hidden_sizes", "num_attention_heads"), fields.flag("qkv_bias", default=True)
    pooled = fields.flag("linear_attention")

    def body(flow: Flow) -> Flow:
        before = fields.size("num_channels", default=3)
        for stage, (width, depth, heads, thin, kernel, stride, factor) in enumerate(rows):
            name, wide = f"stage{stage + 1}/", factor * width
            patch = plain(before, width, kernel, stride)
            flow = flow.conv(f"{name}patch", patch, first=stage == 0)
            attention = equal_heads(fields, width, heads, keys, bias, output_bias=True)
            convolved = product(10 * wide, 18 * wide)
            mlp = {**Mlp(hidden=width, width=wide, bias=True).costs(), "mlp/depthwise": convolved}
            seen = POOLED if pooled else (flow.side // thin) ** 2
            costs = {**attention.costs(), **mlp}
            flow = flow.crossing(costs, flow.positions, seen, times=depth, prefix=name)
            thins = pooled or thin > 1
            if thins:
                reach = 1 if pooled else thin * thin
                thinned = {"attention/thin": linear(reach * width, width, bias=True)}
                flow = flow.layers(thinned, seen, times=depth, prefix=name)
            norms = {"norm/layers": held(depth * (4 + 2 * thins) * width + 4 * width)}
            flow, before = flow.dense(norms), width
        return flow

    return conv_net(fields, body, rows[-1][0], side)
