"""How much work SAM 3 is: it finds all that a text asks for in an image (arXiv:2511.16719).

Its image encoder and its tracker, too. A pass holds images and as many texts of 32 tokens where
`seq_len` is not asked for, and no boxes, whose encoder rests. Items are images.
"""

from collections.abc import Callable

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
from estimator.networks.convolution import Conv, Flow, flow_network, image, plain, square
from estimator.networks.families.clip import clip_text
from estimator.networks.families.sam import in_windows, prompted
from estimator.networks.families.vit import trunk
from estimator.networks.fields import Fields
from estimator.networks.ledger import Inputs, Quantity
from estimator.networks.network import Network, Pass, length_warning, network, prefixed, sequence
from estimator.networks.registry import family, with_defaults_of

See = Callable[[Flow], tuple[Flow, list[Quantity]]]
"""From images to the flow behind the encoder, and the sides of its maps but the coarsest."""


def vit(fields: Fields) -> tuple[int, int, Callable[[Flow], Flow]]:
    """Side of the images [pixel], width, and the layers, most of which see windows alone."""
    fields = with_defaults_of(fields, "sam3_vit_model")
    tower, hidden = trunk(fields, prefix=0), fields.size("hidden_size")
    key = "global_attn_indexes"
    wide = {fields.with_values({key: at}).size(key, least=0) for at in fields.listed(key, fewest=0)}
    everywhere = len(wide & {*range(tower.layers)})
    rows = (square(fields, "pretrain_image_size") // tower.patch) ** 2
    stem = Conv(
        tower.channels, hidden, kernel=tower.patch, stride=tower.patch, padding=0, norm=False
    )

    def body(flow: Flow) -> Flow:
        flow = flow.conv("embedding/patch", stem, first=True)
        flow = flow.dense({"embedding/position": table(rows, hidden)}).norm(hidden)
        window = fields.size("window_size")
        flow = in_windows(flow, tower.layer, window, tower.layers - everywhere)
        return in_windows(flow, tower.layer, 0, everywhere)

    return tower.side, hidden, body


GROWN = {4.0: 2, 2.0: 1, 1.0: 0, 0.5: 0}
"""Size of a map over that of the patches -> transposed convolutions that make it."""


def neck(fields: Fields, hidden: int) -> See:
    """A map of `hidden` channels brought to one width at some sizes."""
    width = fields.size("fpn_hidden_size", default=256)
    scales = fields.listed("scale_factors", tuple(GROWN))
    for scale in scales:
        if scale not in GROWN:
            raise fields.uncounted("scale_factors", scale, *GROWN)

    def body(flow: Flow) -> tuple[Flow, list[Quantity]]:
        side, sides = flow.side, []
        for scale in scales:
            flow, inputs = flow.at(side), hidden
            for _ in range(GROWN[scale]):
                grown = linear(inputs, 4 * (inputs // 2)) + held(inputs // 2)
                flow, inputs = flow.layers({"neck/grow": grown}).scaled(2.0), inputs // 2
            flow = flow.at(side * scale).conv("neck/project", plain(inputs, width, kernel=1))
            flow = flow.conv("neck/smooth", plain(width, width))
            sides.append(flow.side)
        return flow, sides[:-1]

    return body


def vision(fields: Fields) -> tuple[int, See]:
    """Side of the images, and from them to the maps of the neck."""
    side, hidden, layers = vit(fields.part("backbone_config"))
    maps = neck(fields, hidden)
    return side, lambda flow: maps(layers(flow))


@family("sam3_vit_model")
def sam3_vit(fields: Fields) -> Network:
    """The vision transformer alone."""
    side, _, layers = vit(fields)
    return flow_network(fields, side, layers)


@family("sam3_vision_model")
def sam3_vision(fields: Fields) -> Network:
    """The image encoder alone."""
    side, see = vision(fields)
    return flow_network(fields, side, lambda flow: see(flow)[0])


@family("sam3_tracker")
def sam3_tracker(fields: Fields) -> Network:
    """The tracker on one image: the decoder of SAM 2 over the encoder of SAM 3."""
    side, see = vision(fields.part("vision_config"))
    decode = prompted(fields)
    return flow_network(fields, side, lambda flow: decode(*see(flow)))


def _part(fields: Fields, name: str) -> tuple[Fields, int, dict[str, Cost], Costs]:
    """A part of the detector: its fields and width, attention, and what follows it."""
    part = with_defaults_of(fields.part(f"{name}_config"), DEFAULTS[name])
    hidden, heads = part.size("hidden_size"), part.size("num_attention_heads")
    attention = dict(equal_heads(part, hidden, heads).costs())
    return part, hidden, attention, Mlp(hidden, part.size("intermediate_size"), bias=True).costs()


DEFAULTS = {
    "geometry_encoder": "sam3_geometry_encoder",
    "detr_decoder": "sam3_detr_decoder",
    **dict.fromkeys(("detr_encoder", "mask_decoder"), "sam3_detr_encoder"),
}
"""Part of the detector -> whose defaults it takes."""


def _boxes(fields: Fields) -> Cost:
    """The encoder of boxes, held and not run."""
    part, hidden, attention, mlp = _part(fields, "geometry_encoder")
    layer = [*attention.values()] * 2 + [*mlp.values(), held(6 * hidden)]
    layers = part.layers("num_layers") * sum(cost.params for cost in layer)
    pool = hidden * (hidden * part.size("roi_size") ** 2 + 1)
    ends = affine(4, hidden) + affine(hidden + 2, hidden) + affine(hidden, hidden)
    return held(layers + pool + ends.params + 3 * hidden + 6 * hidden)


def _encoded(fields: Fields, flow: Flow, prefix: str) -> Flow:
    """Layers over the patches, which look at each other and at the words."""
    part, hidden, attention, mlp = _part(fields, "detr_encoder")
    layers = part.layers("num_layers")
    own = {**attention, **mlp, "norm/layers": held(6 * hidden)}
    flow = flow.attending(own, times=layers, prefix=prefix)
    cross = crossed(attention)
    return flow.crossing(cross, flow.positions, flow.text, times=layers, prefix=prefix)


def _decoded(fields: Fields, flow: Flow, prefix: str) -> Flow:
    """Queries and a token of presence look at each other, the words and the patches."""
    part, hidden, attention, mlp = _part(fields, "detr_decoder")
    layers, heads = part.layers("num_layers"), part.size("num_attention_heads")
    queries, box = part.size("num_queries"), affine(hidden, hidden, hidden, 4)
    own = {**attention, **mlp, "norm/layers": held(8 * hidden)}
    asking, cross = queries + 1.0, crossed(attention)
    flow = flow.attending(own, asking, times=layers, prefix=prefix)
    for name, seen in (("text/", flow.text), ("image/", flow.positions)):
        flow = flow.crossing(cross, asking, seen, times=layers, prefix=prefix + name)
    wide = part.size("intermediate_size")
    per_query = {
        "place": affine(2 * hidden, hidden, hidden).repeated(layers),
        "boxes": box.repeated(2 * layers),  # in each layer, and of all layers behind the last
        "score": affine(hidden, hidden).repeated(layers),
        "scores": Cost(flop_per_token=2 * hidden * layers),
        "table": held(hidden + 4),
    }
    tables = per_query.pop("table").times(queries)
    bias = affine(2, hidden, heads).repeated(layers)
    presence = affine(hidden, hidden, hidden, 1).repeated(layers)
    flow = flow.layers(per_query, float(queries), prefix=prefix)
    flow = flow.layers({"distances": bias.times(2)}, queries * flow.side, prefix=prefix)
    flow = flow.layers({"text/mlp": affine(hidden, wide, hidden)}, flow.text, prefix=prefix)
    once = {"presence": presence, "text/project": affine(hidden, hidden), "tables": tables}
    return flow.dense({**once, "norm": held(7 * hidden)}, 1.0)


def _masked(fields: Fields, flow: Flow, sides: list[Quantity], queries: int, prefix: str) -> Flow:
    """Patches look at the words, and are fused with finer maps for the products with queries."""
    part = with_defaults_of(fields.part("mask_decoder_config"), DEFAULTS["mask_decoder"])
    hidden, steps = part.size("hidden_size"), part.layers("num_upsampling_stages", default=3)
    cross = crossed(equal_heads(part, hidden, part.size("num_attention_heads")).costs())
    flow = flow.crossing(cross, flow.positions, flow.text, times=1, prefix=prefix)
    conv = Conv(hidden, hidden, bias=True)
    finer = sides[-2::-1]
    for side in finer:
        flow = flow.at(side).conv(f"{prefix}smooth", conv)
    spare = (steps - len(finer)) * conv.cost().params
    flow = flow.dense({f"{prefix}spare": held(spare + 2 * hidden)})
    pixels = affine(hidden, hidden) + affine(hidden, 1)
    product = Cost(flop_per_token=2 * hidden * queries)
    flow = flow.layers({"pixels": pixels, "product": product}, prefix=prefix)
    return flow.layers({"queries": affine(*(hidden,) * 4)}, float(queries), prefix=prefix)


Found = Callable[[Flow, list[Quantity], Inputs], Flow]
"""From the maps of the image encoder to what a text asks for in them."""


def detector(fields: Fields) -> tuple[int, int, See, Found]:
    """Side of an image, longest text, the image encoder, and what follows it."""
    side, see = vision(fields.part("vision_config"))
    part = with_defaults_of(fields.part("text_config"), "clip_text_model")
    words = clip_text(part, part.size("projection_dim", default=512))
    text = affine(part.size("hidden_size"), _part(fields, "detr_encoder")[1])
    queries, boxes = _part(fields, "detr_decoder")[0].size("num_queries"), _boxes(fields)

    def found(flow: Flow, sides: list[Quantity], inputs: Inputs) -> Flow:
        seen = prefixed(words.lines(flow.batch, flow.text, inputs), "text/")
        flow = flow.with_lines(seen).layers({"text/project": text}, flow.text)
        flow = flow.at(sides[-1]).dense({"boxes/encoder": boxes})
        flow = _decoded(fields, _encoded(fields, flow, "encoder/"), "decoder/")
        return _masked(fields, flow, sides, queries, "masks/")

    return side, words.longest, see, found


def asked_network(
    fields: Fields,
    detects: Fields,
    after: Callable[[Flow, list[Quantity]], Flow] = lambda flow, sides: flow,
) -> Network:
    """The network of a config that finds what a text asks for; `after` follows on the maps."""
    side, longest, see, found = detector(detects)

    def run(inputs: Inputs) -> Pass:
        batch, pixels = image(inputs, side)
        _, words = sequence(inputs, longest)
        flow, sides = see(Flow(batch=batch, side=pixels, text=words))
        flow = after(found(flow, sides, inputs), sides)
        return Pass(lines=flow.lines, items=batch, warnings=length_warning(words, longest))

    return network(fields, run, item_unit="image")


@family("sam3")
def sam3(fields: Fields) -> Network:
    """The detector."""
    return asked_network(fields, fields)
