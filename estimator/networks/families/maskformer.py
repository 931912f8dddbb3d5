"""Which network that makes masks over a backbone it is: MaskFormer, Mask2Former, UperNet, EoMT.

The maps of a backbone become one of pixels, whose products with queries are masks, but for UperNet.
Images are those of the backbone's config, of 224 pixels if it states none, of 512 for UperNet.
"""

from dataclasses import replace

from estimator.networks.blocks import (
    Cost,
    Costs,
    Mlp,
    affine,
    crossed,
    equal_heads,
    held,
    linear,
    table,
)
from estimator.networks.convolution import (
    Conv,
    Flow,
    all_positions,
    flow_network,
    plain,
    pointwise,
    square,
)
from estimator.networks.families.backbones import backbone
from estimator.networks.families.convnet import DEFAULT_SIDE
from estimator.networks.families.detr import sampling_encoder
from estimator.networks.families.encoder_decoder import side
from estimator.networks.families.vit import Vision, dinov2_sight, dinov3_sight
from estimator.networks.fields import Fields
from estimator.networks.ledger import Quantity
from estimator.networks.model_class import head_note, label_count, label_head, task
from estimator.networks.network import Network
from estimator.networks.registry import family, with_defaults_of

SCALES, POINTS = 3, 4
"""Maps that Mask2Former attends to, and points in each. [1]"""


def _asked(flow: Flow, layer: Costs, queries: int, seen: Quantity, times: int) -> Flow:
    """Layers of queries that attend to each other and, by what is called `cross/`, to a map."""
    cross = {part: cost for part, cost in layer.items() if part.startswith("cross/")}
    own = {part: cost for part, cost in layer.items() if part not in cross}
    many, name = float(queries), "decoder/"
    flow = flow.attending(own, many, times=times, prefix=name)
    return flow.crossing(cross, many, seen, times=times, prefix=name)


@family("maskformer")
def maskformer(fields: Fields) -> Network:
    """MaskFormer: a pyramid of convolutions, and the decoder of DETR (arXiv:2107.06278)."""
    part = fields.part("backbone_config")
    whole = part.with_values({"out_features": [f"stage{n}" for n in range(1, 5)]})
    swin = part.text("model_type", default="swin") == "swin"
    maps = backbone(fields.with_values({"backbone_config": whole.values}) if swin else fields, (3,))
    width, out = (fields.size(f"{one}_feature_size", default=256) for one in ("fpn", "mask"))
    inner = with_defaults_of(fields.part("decoder_config"), "detr")
    decoder, queries = side(inner, "decoder"), inner.size("num_queries")
    hidden, layers = decoder.attention.hidden, decoder.layers
    layer = {**decoder.stack[0].costs, **crossed(decoder.attention.costs())}
    segments = task(fields) == "InstanceSegmentation"
    once = layers if fields.flag("use_auxiliary_loss") else 1
    *finer, last = maps.widths

    def body(flow: Flow) -> Flow:
        flow, sides = maps.maps(flow)
        flow = flow.at(sides[-1]).conv("pixels/stem", Conv(last, width))
        if last != hidden:
            flow = flow.conv("decoder/project", plain(last, hidden, kernel=1))
        flow = flow.dense({"embedding/queries": held(queries * hidden + 2 * hidden)})
        flow = _asked(flow, layer, queries, flow.positions, layers)
        for before, one in zip(reversed(finer), reversed(sides[:-1]), strict=True):
            flow = flow.at(one).conv("pixels/lateral", pointwise(before, width))
            flow = flow.conv("pixels/smooth", Conv(width, width))
        flow = flow.conv("pixels/masks", plain(width, out))
        return _masks(fields, flow, (hidden, out, queries), once) if segments else flow

    notes = head_note(fields, segments or not task(fields))
    return flow_network(fields, _side(fields), body, notes)


def _masks(fields: Fields, flow: Flow, shape: tuple[int, int, int], times: int) -> Flow:
    """Class of each query, and its product with all pixels, `times` in a pass."""
    hidden, out, queries = shape
    heads: Costs = {"head/classes": affine(hidden, label_count(fields) + 1)}
    heads = {**heads, "head/masks": affine(hidden, hidden, hidden, out)}
    repeated = {part: cost.repeated(times) for part, cost in heads.items()}
    product = {"head/pixels": Cost(flop_per_token=2 * out * queries * times)}
    return flow.layers(repeated, float(queries)).layers(product)


def _side(fields: Fields) -> int:
    """Side of an image."""
    return square(fields.part("backbone_config"), "image_size", DEFAULT_SIDE)


@family("mask2former")
def mask2former(fields: Fields) -> Network:
    """Mask2Former: points of three maps, then queries that see their masks (arXiv:2112.01527)."""
    maps = backbone(fields, range(4))
    width, out = (fields.size(f"{one}feature_size", default=256) for one in ("", "mask_"))
    hidden = fields.size("hidden_dim", default=256)
    heads = fields.size("num_attention_heads", default=8)
    layers = fields.layers("decoder_layers", default=10) - 1
    queries = fields.size("num_queries", default=100)
    points = heads * SCALES * POINTS
    encoder = sampling_encoder(width, fields.size("encoder_feedforward_dim", default=1024), points)
    own = equal_heads(fields, hidden, heads, ("hidden_dim", "num_attention_heads")).costs()
    mlp = Mlp(hidden, fields.size("dim_feedforward", default=2048), bias=True)
    layer = {**own, **crossed(own), **mlp.costs(), "norm/layers": held(6 * hidden)}
    bridged = width != hidden or fields.flag("enforce_input_projection")
    strides = fields.sizes("feature_strides", (4, 8, 16, 32), fewest=SCALES)
    fine = (min(strides[-SCALES:]) // fields.size("common_stride", default=4)).bit_length() - 1
    segments = task(fields) == "UniversalSegmentation"

    def body(flow: Flow) -> Flow:
        flow, sides = maps.maps(flow)
        shapes = list(zip(maps.widths, sides, strict=True))
        for before, one in shapes[-SCALES:]:
            flow = flow.at(one).conv("pixels/project", Conv(before, width, kernel=1, bias=True))
        seen = all_positions(sides[-SCALES:])
        times = fields.layers("encoder_layers", default=6)
        flow = flow.layers(encoder, seen, times=times, prefix="pixels/")
        for before, one in reversed(shapes[:fine]):
            flow = flow.at(one).conv("pixels/lateral", pointwise(before, width))
            flow = flow.conv("pixels/smooth", Conv(width, width))
        flow = flow.conv("pixels/masks", plain(width, out, kernel=1))
        tables = SCALES * (width + hidden) + 2 * queries * hidden + 2 * hidden
        flow, pixels = flow.dense({"embedding/queries": held(tables)}), flow.side
        for place, one in enumerate(reversed(sides[-SCALES:])):
            flow = flow.at(one)
            if bridged:
                flow = flow.conv("decoder/project", plain(width, hidden, kernel=1))
            often = len(range(place, layers, SCALES))
            flow = _asked(flow, layer, queries, flow.positions, often)
        flow = flow.at(pixels)
        return _masks(fields, flow, (hidden, out, queries), layers + 1)

    notes = head_note(fields, segments or not task(fields))
    return flow_network(fields, _side(fields), body, notes)


UPERNET_SIDE = 512
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
        flow = flow.at(sides[-1]).conv("pool/join", joined)
        for width, one in zip(finer, sides, strict=False):
            flow = flow.at(one).conv("lateral", pointwise(width, hidden))
            flow = flow.conv("smooth", Conv(hidden, hidden))
        flow = flow.at(sides[0]).conv("join", Conv(len(sides) * hidden, hidden))
        flow = flow.layers({"head/classifier": labels})
        if not helps:
            return flow
        place = min(2, len(sides) - 1)
        before = fields.size_or_none("auxiliary_in_channels") or maps.widths[place]
        flow = flow.at(sides[place]).conv("auxiliary/first", Conv(before, narrow))
        flow = flow.convs("auxiliary/rest", [Conv(narrow, narrow)] * (count - 1))
        if fields.flag("auxiliary_concat_input"):
            flow = flow.conv("auxiliary/join", Conv(before + narrow, narrow))
        return flow.layers({"auxiliary/classifier": label_head(fields, narrow)})

    return flow_network(fields, UPERNET_SIDE, body)


@family("eomt")
def eomt(fields: Fields) -> Network:
    """EoMT over DINOv2 with registers: its last layers see queries for masks (arXiv:2503.19108)."""
    sight = dinov2_sight(True, fields)
    high, wide = sight.grid
    places = {"embedding/position": table(high * wide, sight.hidden)}
    return _network(fields, replace(sight, tables={**sight.tables, **places}))


@family("eomt_dinov3")
def eomt_dinov3(fields: Fields) -> Network:
    """EoMT over DINOv3."""
    return _network(fields, dinov3_sight(fields))


def _network(fields: Fields, sight: Vision) -> Network:
    """The tower, queries beside its patches in the last layers, and masks of the patches.

    Masks are made once, behind the last layer, as of trained weights: while it is trained, the
    layers before make some to attend by.
    """
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
