"""How much work HGNet-V2 (hgnet_v2) is, and D-FINE, which finds objects over its maps.

D-FINE is RT-DETR whose decoder refines the distribution of each edge of a box (arXiv:2410.13842).
Images of D-FINE are of 640 pixels where `image_size` is not asked for. Items are images.
"""

from collections.abc import Callable
from dataclasses import replace

from estimator.networks.blocks import Cost, Costs, affine, held
from estimator.networks.convolution import (
    Conv,
    Flow,
    all_positions,
    depthwise_conv,
    flow_network,
    pointwise,
    ratio,
    stages,
)
from estimator.networks.families.backbones import handed_on
from estimator.networks.families.convnet import DEFAULT_SIDE
from estimator.networks.families.detr import RT_SIDE, picked, regular_encoder
from estimator.networks.families.encoder_decoder import side
from estimator.networks.fields import Fields
from estimator.networks.ledger import Quantity
from estimator.networks.model_class import classifier, head_note, label_count, task
from estimator.networks.network import Network
from estimator.networks.registry import family, with_defaults_of

STAGES = (
    *("stage_in_channels", "stage_mid_channels", "stage_out_channels"),
    *("stage_num_blocks", "stage_numb_of_layers", "stage_kernel_size"),
)
"""Keys of the sizes of a stage of HGNet-V2."""


def hgnet(fields: Fields) -> Callable[[Flow], list[Flow]]:
    """From images to the maps behind the stem and each stage of an HGNet-V2."""
    rows, scale = stages(fields, STAGES), 2 * fields.flag("use_learnable_affine_block")
    count = len(rows)
    halved = fields.listed("stage_downsample", (False, True, True, True), count)
    light = fields.listed("stage_light_block", (False, False, True, True), count)
    steps = fields.sizes("stage_downsample_strides", (2,) * count, count)
    channels, narrow, wide = fields.sizes("stem_channels", (3, 32, 48), 3)
    strides = fields.sizes("stem_strides", (2, 1, 1, 2, 1), 5)

    def maps(flow: Flow) -> list[Flow]:
        flow = flow.conv("stem", Conv(channels, narrow, stride=strides[0]), first=True)
        for shape, step in (((narrow, narrow // 2), 1), ((narrow // 2, narrow), 2)):
            conv = Conv(*shape, kernel=2, stride=strides[step], padding=0)
            flow = flow.at(flow.side + 1).conv("stem", conv)
        flow = flow.conv("stem", Conv(2 * narrow, narrow, stride=strides[3]))
        flow = flow.conv("stem", Conv(narrow, wide, kernel=1, stride=strides[4]))
        found = [flow.dense({"scales": held(5 * scale)})]
        for place, row in enumerate(rows):
            name = f"stage{place + 1}"
            flow = found[-1]
            if halved[place]:
                flow = flow.conv(f"{name}/downsample", depthwise_conv(row[0], 3, steps[place]))
            found.append(_stage(flow, name, row, light[place] is True, scale))
        return found

    return maps


def _stage(flow: Flow, name: str, row: tuple[int, ...], light: bool, scale: int) -> Flow:
    """Blocks whose layers are all read by two convolutions of single positions at their end."""
    before, inner, after, blocks, layers, kernel = row
    for _ in range(blocks):
        inputs = before
        for _ in range(layers):
            if light:
                flow = flow.conv(f"{name}/light", pointwise(inputs, inner))
                flow = flow.conv(f"{name}/depthwise", depthwise_conv(inner, kernel, 1))
            else:
                flow = flow.conv(f"{name}/convolution", Conv(inputs, inner, kernel=kernel))
            inputs = inner
        gathered = pointwise(before + layers * inner, after // 2)
        flow = flow.convs(f"{name}/gather", (gathered, pointwise(after // 2, after)))
        before = after
    return flow.dense({f"{name}/scales": held(blocks * (layers + 2) * scale)})


@family("hgnet_v2")
def hgnet_v2(fields: Fields) -> Network:
    """HGNet-V2 of PaddlePaddle, perhaps under a classifier."""
    maps, width = hgnet(fields), fields.sizes("hidden_sizes")[-1]
    head = classifier(fields, width)
    notes = head_note(fields, head or not task(fields))
    return flow_network(fields, DEFAULT_SIDE, lambda flow: maps(flow)[-1].dense(head), notes)


@family("d_fine")
def d_fine(fields: Fields) -> Network:
    """D-FINE (arXiv:2410.13842, sec. 4)."""
    part = with_defaults_of(fields.part("backbone_config"), "hgnet_v2")
    part.counted("model_type", "hgnet_v2")
    trunk, at = hgnet(part), handed_on(part, len(part.sizes("stage_in_channels")), (1, 2, 3))
    frozen = fields.flag("freeze_backbone_batch_norms", default=True)
    hidden, width = fields.size("encoder_hidden_dim"), fields.size("d_model")
    widths, count = part.sizes("hidden_sizes"), len(fields.sizes("encoder_in_channels"))
    for levels in (fields.size("num_feature_levels"), len(at)):
        fields.equal("num_feature_levels", levels, "len(encoder_in_channels)", count)
    fields.counted("eval_idx", -1, fields.layers("decoder_layers") - 1)
    attend, bridged = regular_encoder(fields), fields.sizes("decoder_in_channels")[-1] != width
    pick, tables = picked(fields, width)
    queries, decode = fields.size("num_queries"), _decoder(fields, width, count)

    def body(flow: Flow) -> Flow:
        maps = trunk(replace(flow, frozen=frozen))
        sides, flow = [maps[place + 1].side for place in at], replace(maps[-1], frozen=False)
        for place, one in zip(at, sides, strict=True):
            flow = flow.at(one).conv("encoder/project", pointwise(widths[place], hidden))
        flow = _mixed(fields, attend(flow, sides), sides, hidden)
        for one in sides if bridged else ():
            flow = flow.at(one).conv("decoder/project", pointwise(hidden, width))
        flow = flow.layers(pick, all_positions(sides)).dense(tables)
        return decode(flow, float(queries))

    notes = head_note(fields, task(fields) in ("", "ObjectDetection"))
    return flow_network(fields, RT_SIDE, body, notes)


def _mixed(fields: Fields, flow: Flow, sides: list[Quantity], hidden: int) -> Flow:
    """From the coarsest map to the finest and back, blocks on pairs of maps."""
    for place in range(len(sides) - 1, 0, -1):
        flow = flow.at(sides[place]).conv("encoder/lateral", pointwise(hidden, hidden))
        flow = _block(fields, flow.at(sides[place - 1]), hidden)
    for place in range(len(sides) - 1):
        flow = flow.at(sides[place]).conv("encoder/downsample", pointwise(hidden, hidden))
        flow = flow.conv("encoder/downsample", depthwise_conv(hidden, 3, 2))
        flow = _block(fields, flow.at(sides[place + 1]), hidden)
    return flow


def _block(fields: Fields, flow: Flow, hidden: int) -> Flow:
    """Halves of a map, one of which passes two chains of convolutions; all stages are gathered."""
    narrow = round(hidden * ratio(fields, "hidden_expansion", 1.0) // 2)
    depth, name = round(3 * ratio(fields, "depth_mult", 1.0)), "encoder/mix"
    flow = flow.conv(name, pointwise(2 * hidden, 2 * hidden))
    for before in (hidden, narrow):
        flow = flow.convs(name, (pointwise(before, narrow),) * 2)
        flow = flow.convs(name, (Conv(narrow, narrow), pointwise(narrow, narrow)) * depth)
        flow = flow.conv(name, Conv(narrow, narrow))
    return flow.conv(name, pointwise(2 * hidden + 2 * narrow, hidden))


def last(cost: Cost, layers: int) -> Cost:
    """A part that each layer holds, and the last runs."""
    return held((layers - 1) * cost.params) + cost


def _decoder(fields: Fields, width: int, levels: int) -> Callable[[Flow, float], Flow]:
    """Layers over the objects, each of which refines the distributions of the edges of a box."""
    one, bins = side(fields, "decoder").stack[0], fields.size("max_num_bins", default=32) + 1
    points = fields.values.get("decoder_n_points", 4)
    each = fields.sizes("decoder_n_points", (), levels) if isinstance(points, list) else ()
    sampled = sum(each) if each else levels * fields.size("decoder_n_points", default=4)
    sampled *= fields.size("decoder_attention_heads")
    layer: Costs = {
        **one.costs,
        "cross/offsets": affine(width, 2 * sampled),
        "cross/weights": affine(width, sampled),
        "cross/gate": affine(2 * width, 2 * width),
    }
    depth = fields.layers("lqe_layers", default=2)
    inner = fields.size("lqe_hidden_dim", default=64)
    seen = 4 * (fields.size("top_prob_values", default=4) + 1)
    judge = affine(seen, *(inner,) * (depth - 1), 1)
    every: dict[str, Cost] = {
        "decoder/place": affine(4, 2 * width, width).repeated(one.times),
        "decoder/first_boxes": affine(width, width, width, 4),
        "decoder/quality": last(judge, one.times),
        "decoder/scales": held(2),
    }
    heads = {
        "head/classes": last(affine(width, label_count(fields)), one.times),
        "head/boxes": affine(width, width, width, 4 * bins).times(one.times),
    }
    if task(fields) != "ObjectDetection":
        heads, every["decoder/quality"] = {}, held(one.times * judge.params)

    def decode(flow: Flow, queries: float) -> Flow:
        flow = flow.attending(layer, queries, times=one.times, prefix="decoder/")
        return flow.layers({**every, **heads}, queries)

    return decode
