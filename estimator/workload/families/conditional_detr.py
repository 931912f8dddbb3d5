"""Which DETR whose objects ask by content and place a config describes: Conditional DETR, DAB-DETR.

Images of 800 pixels are counted where `image_size` is not asked for.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from estimator.workload.blocks import Cost, Costs, held, linear, perceptron
from estimator.workload.convolution import Flow, flow_network, plain
from estimator.workload.families.backbones import frozen_resnet
from estimator.workload.families.detr import DETR_SIDE, learned_places
from estimator.workload.families.encoder_decoder import WIDTH, side
from estimator.workload.fields import Fields
from estimator.workload.model_class import head_note, label_count, task
from estimator.workload.network import Network
from estimator.workload.registry import families


def dense(widths: Sequence[int]) -> Cost:
    """Dense layers with biases from each width to the next."""
    return sum((linear(*pair, bias=True) for pair in pairwise(widths)), start=Cost())


def conditional_detr(anchored: bool, fields: Fields) -> Network:
    """Conditional DETR (arXiv:2108.06152), DAB-DETR if `anchored` (arXiv:2201.12329)."""
    width, objects = fields.size(*WIDTH), fields.size("num_queries")
    sides = [side(fields, name) for name in ("encoder", "decoder")]
    layers, names = [one.layers for one in sides], ("query", "key", "value", "output")
    square, detects = linear(width, width, bias=True), task(fields) == "ObjectDetection"
    maps, two = frozen_resnet(fields, (3,)), dense((width,) * 3)
    every = anchored and fields.flag("keep_query_pos")
    prelu = anchored and fields.text("activation_function", default="prelu") == "prelu"
    box, classes = perceptron(width, 4), linear(width, label_count(fields), bias=True)
    patterns = fields.size("num_patterns", default=0, least=0) if anchored else 0
    coordinates = fields.size("query_dim", default=4) if anchored else width
    tables = held(objects * coordinates + patterns * width + 2 * width)
    asked = objects * max(patterns, 1)
    asks = square.times(layers[1] if every else 1) + two.repeated(layers[1] - 1)
    corner = dense((width, width, 2))
    if anchored:
        place = dense((coordinates // 2 * width, width, width))
        asks += (place + corner).repeated(layers[1])
    else:
        asks += corner
    heads: dict[str, Cost] = {"head/classes": classes, "head/boxes": box}
    if anchored:  # boxes of all layers are made twice, classes of the last
        heads["head/boxes"] = box.repeated(2 * layers[1])
    decoder: Costs = {
        **sides[1].stack[0].costs,
        **{f"attention/{one}": square.times(2) for one in names[:2]},
        "cross/query": square.times(2),
        "cross/scores": Cost(),
        "cross/output": square,
        "activation": held(prelu),
    }

    def body(flow: Flow) -> Flow:
        flow, found = maps.maps(flow)
        flow = replace(flow, side=found[-1]).dense(learned_places(fields, width))
        flow = flow.conv("bridge/project", plain(maps.widths[-1], width, kernel=1))
        encoder = {**sides[0].stack[0].costs, "activation": held(prelu)}
        pairs = flow.positions**2
        flow = flow.layers(encoder, pairs=pairs, times=layers[0], prefix="encoder/")
        if anchored:
            flow = flow.layers({"encoder/scale": two.repeated(layers[0])})
            flow = flow.dense(_outer(fields, width))
        pairs, name = float(asked * asked), "decoder/"
        flow = flow.layers(decoder, float(asked), pairs=pairs, times=layers[1], prefix=name)
        seen = {"cross/key": square, "cross/value": square}
        flow = flow.layers(seen, times=layers[1], prefix=name)
        flow = flow.layers({"cross/place": square}, times=layers[1], prefix=name, first=True)
        scores = {"cross/scores": Cost(flop_per_pair=6 * width)}
        pairs = asked * flow.positions
        flow = flow.layers(scores, 0.0, pairs=pairs, times=layers[1], prefix=name)
        flow = flow.layers({"decoder/ask": asks}, float(asked)).dense({"embedding/queries": tables})
        return flow.layers(heads if detects else {}, float(asked))

    notes = head_note(fields, detects or not task(fields))
    return flow_network(fields, DETR_SIDE, body, notes)


def _outer(fields: Fields, width: int) -> Costs:
    """The norm behind the encoder, where norms stand before."""
    return {"norm/encoder": held(2 * width * fields.flag("normalize_before"))}


families(conditional_detr, {"conditional_detr": False, "dab-detr": True})
