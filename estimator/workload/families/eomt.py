"""How much work EoMT is: a vision transformer whose last layers see queries for masks, too.

Over DINOv2 or DINOv3 (arXiv:2503.19108, sec. 3). Masks are made once, behind the last layer, as of
trained weights: while it is trained, the layers before make some to attend by. Items are images.
"""

from dataclasses import replace

from estimator.workload.blocks import Cost, Costs, affine, held, linear, table
from estimator.workload.convolution import Conv, Flow, flow_network
from estimator.workload.families.vit import Vision, dinov2_sight, dinov3_sight
from estimator.workload.fields import Fields
from estimator.workload.model_class import label_count
from estimator.workload.network import Network
from estimator.workload.registry import family


@family("eomt")
def eomt(fields: Fields) -> Network:
    """EoMT over DINOv2 with registers."""
    sight = dinov2_sight(True, fields)
    high, wide = sight.grid
    places = {"embedding/position": table(high * wide, sight.hidden)}
    return _network(fields, replace(sight, tables={**sight.tables, **places}))


@family("eomt_dinov3")
def eomt_dinov3(fields: Fields) -> Network:
    """EoMT over DINOv3."""
    return _network(fields, dinov3_sight(fields))


def _network(fields: Fields, sight: Vision) -> Network:
    """The tower, queries beside its patches in the last layers, and masks of the patches."""
    hidden, queries = sight.hidden, fields.size("num_queries")
    sight = replace(sight, tables={**sight.tables, "embedding/mask": Cost()})
    late = fields.size("num_blocks", most=sight.layers)
    deep = fields.size("num_upscale_blocks", least=0, most=10)
    grown = linear(hidden, 4 * hidden) + held(hidden)
    smooth = Conv(hidden, hidden, groups=hidden).cost()
    heads = {
        "head/classes": affine(hidden, label_count(fields) + 1),
        "head/masks": affine(hidden, hidden, hidden, hidden),
    }
    product: Costs = {"head/pixels": Cost(flop_per_token=2 * hidden * queries)}

    def body(flow: Flow) -> Flow:
        patches, positions = sight.positions(flow.side)
        flow = flow.with_lines(replace(sight, layers=0).over(flow.batch, patches))
        flow = flow.attending(sight.layer, positions, times=sight.layers - late)
        flow = flow.attending(sight.layer, positions + queries, times=late)
        flow = flow.dense({"embedding/queries": held(queries * hidden)})
        flow = flow.layers(heads, float(queries)).at(patches**0.5)
        for _ in range(deep):
            flow = flow.layers({"masks/grow": grown}).scaled(2.0).layers({"masks/smooth": smooth})
        return flow.layers(product)

    return flow_network(fields, sight.side, body)
