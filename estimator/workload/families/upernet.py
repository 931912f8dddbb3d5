"""How much work UperNet is: pooled maps of a backbone, joined from coarse to fine (1807.10221)."""

from dataclasses import replace

from estimator.workload.convolution import Conv, Flow, flow_network, pointwise
from estimator.workload.families.backbones import backbone
from estimator.workload.fields import Fields
from estimator.workload.model_class import label_head
from estimator.workload.network import Network
from estimator.workload.registry import family

SIDE = 512
"""Side of the images of ADE20k, on which it is published. [pixel]"""


@family("upernet")
def upernet(fields: Fields) -> Network:
    """UperNet, and the head beside it that helps in training."""
    maps, hidden = backbone(fields, range(4), "resnet"), fields.size("hidden_size", default=512)
    scales, labels = fields.sizes("pool_scales", (1, 2, 3, 6)), label_head(fields, hidden)
    *finer, last = maps.widths
    helps = fields.flag("use_auxiliary_head", default=True)
    narrow = fields.size("auxiliary_channels", default=256)
    count = fields.layers("auxiliary_num_convs", default=1)

    def body(flow: Flow) -> Flow:
        flow, sides = maps.maps(flow)
        for scale in scales:
            flow = flow.layers({"pool": pointwise(last, hidden).cost()}, float(scale * scale))
        joined = Conv(last + len(scales) * hidden, hidden)
        flow = replace(flow, side=sides[-1]).conv("pool/join", joined)
        for width, one in zip(finer, sides, strict=False):
            flow = replace(flow, side=one).conv("lateral", pointwise(width, hidden))
            flow = flow.conv("smooth", Conv(hidden, hidden))
        flow = replace(flow, side=sides[0]).conv("join", Conv(len(sides) * hidden, hidden))
        flow = flow.layers({"head/classifier": labels})
        if not helps:
            return flow
        place = min(2, len(sides) - 1)
        before = fields.size_or_none("auxiliary_in_channels") or maps.widths[place]
        flow = replace(flow, side=sides[place]).conv("auxiliary/first", Conv(before, narrow))
        flow = flow.convs("auxiliary/rest", [Conv(narrow, narrow)] * (count - 1))
        if fields.flag("auxiliary_concat_input"):
            flow = flow.conv("auxiliary/join", Conv(before + narrow, narrow))
        return flow.layers({"auxiliary/classifier": label_head(fields, narrow)})

    return flow_network(fields, SIDE, body)
