"""How much work Hiera is: a pyramid that attends in units, then everywhere (arXiv:2306.00989)."""

from estimator.workload.blocks import Cost, Costs, Mlp, affine, held, table
from estimator.workload.convolution import Flow, plain, ratio, square
from estimator.workload.families.convnet import conv_net
from estimator.workload.fields import Fields
from estimator.workload.ledger import Quantity
from estimator.workload.model_class import task
from estimator.workload.network import Network
from estimator.workload.registry import family


@family("hiera")
def hiera(fields: Fields) -> Network:
    """Hiera: queries pool the positions where a stage begins, and grow wider."""
    side, stride = square(fields, "image_size", 224), square(fields, "patch_stride", 4)
    depths = fields.layer_counts("depths", (2, 3, 16, 3))
    heads = fields.sizes("num_heads", (1, 2, 4, 8), len(depths))
    first, grown = fields.size("embed_dim", default=96), ratio(fields, "embed_dim_multiplier", 2.0)
    widths = [int(first * grown**stage) for stage in range(len(depths))]
    for width, number in zip(widths, heads, strict=True):
        fields.share("embed_dim * embed_dim_multiplier ** stage", width, "num_heads", number)
    fold, unit = square(fields, "query_stride", 2) ** 2, square(fields, "masked_unit_size", 8) ** 2
    near = fields.listed("masked_unit_attention", (True, True, False, False), len(depths))
    pools = fields.size("num_query_pool", default=3, least=0)
    padding, kernel = square(fields, "patch_padding", 3), square(fields, "patch_size", 7)
    stem = plain(fields.size("num_channels", default=3), first, kernel, stride, padding)
    factor = ratio(fields, "mlp_ratio", 4.0)

    def body(flow: Flow) -> Flow:
        flow = flow.conv("embedding/patch", stem, first=True)
        flow = flow.dense({"embedding/position": table((side // stride) ** 2, first)})
        seen: Quantity = flow.positions
        for place, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            before, rest, span = widths[max(place - 1, 0)], depth, unit // fold**place
            layer, name = _layer(width, int(width * factor)), f"stage{place + 1}/"
            if place:  # units are those of the stage before
                step = fold if place <= pools else 1
                asked = seen / step
                reach = step * span if near[place - 1] or near[place] else seen
                flow = flow.layers(_pooling(before, width), seen, prefix=name)
                own = {part: cost for part, cost in layer.items() if "value" not in part}
                own["norm/layers"] = held(2 * (before + width))
                flow = flow.layers(own, asked, pairs=asked * reach, prefix=name)
                rest, seen = depth - 1, asked
            reach = span if near[place] else seen
            flow = flow.layers(layer, seen, pairs=seen * reach, times=rest, prefix=name)
        return flow.norm(widths[-1]) if pooled else flow

    pooled = task(fields) in ("", "ImageClassification")
    return conv_net(fields, body, widths[-1], side)


def _layer(width: int, inner: int) -> Costs:
    """A layer of one width."""
    return {
        "attention/query_key_value": affine(width, 3 * width),
        "attention/products": Cost(flop_per_pair=4 * width),
        "attention/output": affine(width, width),
        **Mlp(width, inner, bias=True).costs(),
        "norm/layers": held(4 * width),
    }


def _pooling(before: int, width: int) -> Costs:
    """What the first layer of a stage does to all positions before its queries pool them."""
    shortcut = affine(before, width) if before != width else Cost()
    return {"attention/in": affine(before, 3 * width), "attention/shortcut": shortcut}
