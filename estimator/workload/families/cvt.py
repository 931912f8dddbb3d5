"""How much work CvT is: attention over what small convolutions make of the map (2103.15808)."""

from estimator.workload.blocks import Mlp, equal_heads, held, layer_costs
from estimator.workload.convolution import Conv, Flow, ratio, stages
from estimator.workload.families.convnet import DEFAULT_SIDE, conv_net
from estimator.workload.fields import Fields
from estimator.workload.model_class import task
from estimator.workload.network import Network
from estimator.workload.registry import family

SIZES = ("embed_dim", "depth", "num_heads", "patch_sizes", "patch_stride", "kernel_qkv")


@family("cvt")
def cvt(fields: Fields) -> Network:
    """CvT: keys and values are those of a map that is half as fine."""
    rows = stages(fields, SIZES)
    count = len(rows)
    paddings = fields.sizes("patch_padding", (2, 1, 1), count)
    strides = fields.sizes("stride_kv", (2, 2, 2), count)
    tokens = fields.listed("cls_token", (False, False, True), count)
    biases = fields.listed("qkv_bias", (True,) * count, count)
    factors = [
        ratio(fields.with_values({"mlp_ratio": one}), "mlp_ratio", 4.0)
        for one in fields.listed("mlp_ratio", (4.0,) * count, count)
    ]
    for key, known in (("qkv_projection_method", "dw_bn"), ("stride_q", 1)):
        if any(one != known for one in fields.listed(key, (known,) * count, count)):
            raise ValueError(f"{fields.path}{key} must be {known} in all stages")

    def body(flow: Flow) -> Flow:
        before = fields.size("num_channels", default=3)
        for place, (width, depth, heads, patch, stride, kernel) in enumerate(rows):
            name, spare = f"stage{place + 1}/", int(tokens[place] is True)
            stem = Conv(
                before, width, kernel=patch, stride=stride, padding=paddings[place], bias=True
            )
            flow = flow.conv(f"{name}patch", stem, first=place == 0)
            small = Conv(width, width, kernel=kernel, stride=strides[place], groups=width)
            asking, seen = flow.positions, small.side(flow.side) ** 2
            flow = flow.layers(
                {"attention/convolution": small.cost()}, asking, times=depth, prefix=name
            )
            flow = flow.layers(
                {"attention/shrink": small.cost()}, seen, times=2 * depth, prefix=name
            )
            attention = equal_heads(
                fields,
                width,
                heads,
                ("embed_dim", "num_heads"),
                biases[place] is True,
                output_bias=True,
            )
            mlp = Mlp(hidden=width, width=int(width * factors[place]), bias=True)
            layer = layer_costs(attention, mlp, 4 * width)
            flow = flow.crossing(layer, asking + spare, seen + spare, times=depth, prefix=name)
            flow, before = flow.dense({f"{name}class": held(spare * rows[-1][0])}), width
        return flow.norm(before) if task(fields) else flow

    return conv_net(fields, body, rows[-1][0], DEFAULT_SIDE)
