"""How much work LightGlue is: it matches the points of two images that SuperPoint finds.

A pass holds `batch` images, half of them the other of a pair, with 2048 points each, and runs all
layers (arXiv:2306.13643, sec. 3 and 5): points and layers that easy images drop are counted.
"""

from estimator.networks.blocks import Cost, Costs, affine, crossed, held, linear, multi_head
from estimator.networks.convolution import Flow, flow_network
from estimator.networks.families.backbones import BARE
from estimator.networks.families.convnet import SUPERPOINT_SIDE, superpoint
from estimator.networks.families.d_fine import last
from estimator.networks.fields import Fields
from estimator.networks.ledger import Inputs
from estimator.networks.network import Network, prefixed
from estimator.networks.registry import family

POINTS = 2048.0
"""Points of an image. [1]"""


@family("lightglue")
def lightglue(fields: Fields) -> Network:
    """LightGlue over SuperPoint."""
    part = fields.part("keypoint_detector_config")
    part.counted("model_type", "superpoint")
    detector = superpoint(part.with_values(BARE))
    width, layers = fields.size("descriptor_dim"), fields.layers("num_hidden_layers")
    heads, kv_heads = fields.size("num_attention_heads"), fields.size_or_none("num_key_value_heads")
    seen = part.size("descriptor_decoder_dim", default=256)
    bias = fields.flag("attention_bias", default=True)
    head_dim = fields.share("descriptor_dim", width, "num_attention_heads", heads)
    attention = multi_head(width, heads, head_dim, kv_heads=kv_heads, bias=bias).costs()
    mlp = affine(2 * width, 2 * width, width) + held(4 * width)
    layer = {**attention, "mlp": mlp.times(2)}
    cross = crossed(attention)
    matched: Costs = {
        "match/project": last(affine(width, width), layers),
        "match/matchable": affine(width, 1).times(layers),
        "match/confidence": affine(width, 1).times(layers - 1),
        "match/similarity": Cost(flop_per_token=int(width * POINTS)),
    }
    before = {"embedding/point": linear(2, head_dim // 2)}
    if seen != width:
        before["embedding/descriptor"] = affine(seen, width)

    def body(flow: Flow) -> Flow:
        done = detector.ledger(Inputs(batch=flow.batch, image_size=flow.side)).terms
        flow = flow.with_lines(prefixed(done.items(), "detector/"))
        flow = flow.layers(before, POINTS, first=True)
        flow = flow.attending(layer, POINTS, times=layers)
        flow = flow.crossing(cross, POINTS, POINTS, times=layers, prefix="")
        return flow.layers(matched, POINTS)

    return flow_network(fields, SUPERPOINT_SIDE, body)
