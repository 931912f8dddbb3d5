"""How much work SuperPoint is: a plain conv net, and two heads per cell (arXiv:1712.07629)."""

from estimator.workload.convolution import Flow, flow_network, plain
from estimator.workload.fields import Fields
from estimator.workload.model_class import head_note, task
from estimator.workload.network import Network
from estimator.workload.registry import family

SIDE = 480
"""Shorter side of an image (sec. 6). [pixel]"""


@family("superpoint")
def superpoint(fields: Fields) -> Network:
    """SuperPoint: where points of interest are, and what they look like."""
    widths = fields.sizes("encoder_hidden_sizes", (64, 64, 128, 128), fewest=2)
    hidden = fields.size("decoder_hidden_size", default=256)
    heads = (("keypoint_decoder_dim", 65), ("descriptor_decoder_dim", 256))

    def body(flow: Flow) -> Flow:
        before = 1  # grey
        for place, width in enumerate(widths, start=1):
            name, first = f"stage{place}", place == 1
            flow = flow.conv(f"{name}/first", plain(before, width), first=first)
            flow = flow.conv(f"{name}/second", plain(width, width))
            flow, before = flow.pool(2, 2) if place < len(widths) else flow, width
        for key, usual in heads:
            outputs = fields.size(key, default=usual)
            name = f"head/{key.partition('_')[0]}"
            flow = flow.convs(name, (plain(before, hidden), plain(hidden, outputs, kernel=1)))
        return flow

    notes = head_note(fields, task(fields) in ("", "KeypointDetection"))
    return flow_network(fields, SIDE, body, notes)
