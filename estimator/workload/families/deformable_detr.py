"""How much work Deformable DETR is: attention to a few points of each map (arXiv:2010.04159).

The points are sampled, which is no matrix product. Images of 800 pixels are counted where
`image_size` is not asked for.
"""

from estimator.workload.blocks import Cost, Costs, Mlp, held, linear, perceptron
from estimator.workload.convolution import Flow, flow_network
from estimator.workload.families.backbones import frozen_resnet, leveled
from estimator.workload.families.detr import DETR_SIDE, learned_places
from estimator.workload.families.encoder_decoder import side
from estimator.workload.fields import Fields
from estimator.workload.ledger import Quantity
from estimator.workload.model_class import head_note, label_count, task
from estimator.workload.network import Network
from estimator.workload.registry import family


def sampling(width: int, points: int, name: str = "cross") -> Costs:
    """Attention to so many points, over all heads and maps, per position that asks."""
    return {
        f"{name}/offsets": linear(width, 2 * points, bias=True),
        f"{name}/weights": linear(width, points, bias=True),
        f"{name}/output": linear(width, width, bias=True),
    }


def sampling_encoder(width: int, inner: int, points: int) -> Costs:
    """A layer in which every position of the maps looks at some points of them."""
    mlp = Mlp(hidden=width, width=inner, bias=True).costs()
    value = {"attention/value": linear(width, width, bias=True), "norm/layers": held(4 * width)}
    return {**sampling(width, points, "attention"), **value, **mlp}


def encoded(fields: Fields, flow: Flow, width: int, levels: int, seen: Quantity) -> Flow:
    """Layers over the positions of all maps."""
    heads, points = (fields.size(f"encoder_{key}") for key in ("attention_heads", "n_points"))
    layer = sampling_encoder(width, fields.size("encoder_ffn_dim"), heads * levels * points)
    return flow.layers(layer, seen, times=fields.layers("encoder_layers"), prefix="encoder/")


def decoded(
    fields: Fields, flow: Flow, shape: tuple[int, int, int], seen: Quantity, more: Costs
) -> Flow:
    """Layers over the objects: to each other, and to points of the maps.

    `shape` is the width, the maps and the objects; `more` is what a layer costs an object beside.
    """
    width, levels, objects = shape
    decoder, heads = side(fields, "decoder").stack[0], fields.size("decoder_attention_heads")
    points = heads * levels * fields.size("decoder_n_points", default=4)
    layer = {**decoder.costs, **sampling(width, points), **more}
    pairs, value = float(objects * objects), {"cross/value": linear(width, width, bias=True)}
    times, name = decoder.times, "decoder/"
    flow = flow.layers(layer, float(objects), pairs=pairs, times=times, prefix=name)
    return flow.layers(value, seen, times=times, prefix=name)


@family("deformable_detr")
def deformable_detr(fields: Fields) -> Network:
    """Deformable DETR, perhaps with objects picked from the maps and boxes refined by layers."""
    width, levels = fields.size("d_model", "hidden_size"), fields.size("num_feature_levels")
    maps = frozen_resnet(fields, (1, 2, 3) if levels > 1 else (3,))
    picks, refines = fields.flag("two_stage"), fields.flag("with_box_refine")
    detects, layers = task(fields) == "ObjectDetection", fields.layers("decoder_layers")
    objects = fields.size("two_stage_num_proposals" if picks else "num_queries")
    classes, boxes = linear(width, label_count(fields), bias=True), perceptron(width, 4)
    heads: Costs = {"head/classes": classes, "head/boxes": boxes}
    asked: dict[str, Cost] = {
        "place": linear(2 * width, 2 * width, bias=True) if picks else linear(width, 2, bias=True)
    }
    own = {"head/classes": picks, "head/boxes": refines}  # whether each layer has its own
    each = {part: cost for part, cost in heads.items() if detects and own[part]}
    once = {part: cost for part, cost in heads.items() if detects and not own[part]}
    if refines and detects:
        each["head/refine"] = Cost(flop_per_token=boxes.flop_per_token)
    tables = held(6 * width if picks else 2 * width * objects)

    def body(flow: Flow) -> Flow:
        flow, sides = leveled(flow, maps, width, levels)
        seen = sum((one * one for one in sides), start=0.0)
        flow = encoded(fields, flow, width, levels, seen)
        if picks:
            flow = flow.layers({"pick/project": linear(width, width, bias=True), **heads}, seen)
        flow = flow.layers(asked, float(objects), prefix="decoder/")
        flow = decoded(fields, flow, (width, levels, objects), seen, each)
        repeated = {part: cost.repeated(layers) for part, cost in once.items()}
        flow = flow.layers(repeated, float(objects)).dense(learned_places(fields, width))
        return flow.dense({"embedding/queries": tables})

    notes = head_note(fields, detects or not task(fields))
    return flow_network(fields, DETR_SIDE, body, notes)
