"""How much work a frame of a video is for Segment Anything: SAM 2 and SAM 3 with their memory.

sam2_video, sam3_tracker_video and sam3_video. A pass tracks one object through one frame of each
video, with all memories that the model holds of frames before (arXiv:2408.00714, sec. 4): its
patches look at them, and its mask becomes one more. SAM 3 looks for new objects in each frame, too.
Items are frames, as images.
"""

from collections.abc import Callable

from estimator.networks.blocks import Cost, Mlp, affine, crossed, held, product
from estimator.networks.convolution import Conv, Flow, flow_network, plain
from estimator.networks.families.sam import prompted, sam2_sight
from estimator.networks.families.sam3 import asked_network, neck, vision
from estimator.networks.fields import Fields
from estimator.networks.ledger import Quantity
from estimator.networks.network import Network
from estimator.networks.registry import families, family, with_defaults_of

KEPT = 64
"""Width of the memories that attention reads. [1]"""

MASK = 16
"""Pixels of a mask along a side of a patch, where it becomes a memory. [1]"""


def _recalled(fields: Fields, flow: Flow) -> Flow:
    """Layers in which the patches look at themselves and at the memories."""
    begin = "memory_attention_"
    hidden, layers = fields.size(f"{begin}hidden_size"), fields.layers(f"{begin}num_layers")
    rate = f"{begin}downsample_rate"
    inner = fields.share(f"{begin}hidden_size", hidden, rate, fields.size(rate))
    outward = {
        "attention/query": affine(hidden, inner),
        "attention/output": affine(inner, hidden),
        "attention/scores": Cost(flop_per_pair=2 * inner),
        "attention/reduce": Cost(flop_per_pair=2 * inner),
    }
    own, read = (
        {**outward, "attention/key": affine(width, inner), "attention/value": affine(width, inner)}
        for width in (hidden, KEPT)
    )
    mlp = Mlp(hidden, fields.size(f"{begin}feed_forward_hidden_size"), bias=True).costs()
    layer = {**own, **mlp, "norm": held(6 * hidden)}
    pointers = fields.size("max_object_pointers_in_encoder") * (hidden // KEPT)
    seen = flow.positions * fields.size("num_maskmem") + pointers
    flow = flow.attending(layer, times=layers, prefix="memory/")
    flow = flow.crossing(crossed(read), flow.positions, seen, times=layers, prefix="memory/")
    return flow.norm(hidden)


def _written(fields: Fields, flow: Flow) -> Flow:
    """The mask shrinks to the map, joins it, and passes convolutions to become a memory."""
    hidden, out = (
        fields.size(f"memory_encoder_{key}") for key in ("hidden_size", "output_channels")
    )
    grid, stride = flow.side, fields.size("mask_downsampler_stride", default=2, least=2)
    flow, inputs = flow.at(MASK * grid), 1
    while inputs < fields.size("mask_downsampler_total_stride") ** 2:
        kernel = fields.size("mask_downsampler_kernel_size")
        padding = fields.size("mask_downsampler_padding", default=1, least=0)
        conv = Conv(
            inputs, inputs * stride**2, kernel=kernel, stride=stride, padding=padding, bias=True
        )
        flow, inputs = flow.conv("memory/mask", conv), conv.outputs
    wide = fields.size("mask_downsampler_embed_dim")
    flow = flow.conv("memory/mask", plain(inputs, wide, kernel=1)).at(grid)
    flow = flow.conv("memory/project", plain(hidden, hidden, kernel=1))
    width, kernel = (fields.size(f"memory_fuser_{key}") for key in ("embed_dim", "kernel_size"))
    fuse = Conv(width, width, kernel=kernel, groups=width, bias=True).cost() + held(width)
    fuse += affine(width, fields.size("memory_fuser_intermediate_dim"), width)
    flow = flow.layers({"memory/fuse": fuse}, times=fields.layers("memory_fuser_num_layers"))
    return flow.conv("memory/out", plain(hidden, out, kernel=1))


def _kept(fields: Fields, hidden: int) -> dict[str, Cost]:
    """What makes pointers of objects, and tokens for what is not there."""
    out, count = fields.size("memory_encoder_output_channels"), fields.size("num_maskmem")
    timed = fields.flag("enable_temporal_pos_encoding_for_object_pointers", default=True)
    occluded = fields.flag("enable_occlusion_spatial_embedding", default=True)
    place = affine(hidden, out) if timed else Cost()
    pointers = fields.size("max_object_pointers_in_encoder")
    shrink = plain(1, 1, kernel=4).cost().params
    return {
        "pointer/project": affine(*(hidden,) * 4),
        "pointer/place": product(place.params, pointers * place.flop_per_token),
        "memory/tokens": held(2 * hidden + out * (count + occluded) + shrink),
    }


def memory(fields: Fields) -> Callable[[Flow], Flow]:
    """What a tracker does to the coarsest map of a frame before the decoder of masks."""
    hidden = fields.part("vision_config").size("fpn_hidden_size", default=256)

    def remember(flow: Flow) -> Flow:
        return _written(fields, _recalled(fields, flow.dense(_kept(fields, hidden))))

    return remember


def tracker(latest: bool, fields: Fields) -> Network:
    """The tracker over the image encoder of SAM 2, of SAM 3 if `latest`."""
    side, see = (vision if latest else sam2_sight)(fields.part("vision_config"))
    decode = prompted(fields, memory(fields))
    return flow_network(fields, side, lambda flow: decode(*see(flow)))


families(tracker, {"sam2_video": False, "sam3_tracker_video": True})


@family("sam3_video")
def sam3_video(fields: Fields) -> Network:
    """The detector, and a tracker with a neck of its own over the same image encoder."""
    detects = with_defaults_of(fields.part("detector_config"), "sam3")
    tracks = with_defaults_of(fields.part("tracker_config"), "sam3_tracker_video")
    tower = with_defaults_of(
        detects.part("vision_config").part("backbone_config"), "sam3_vit_model"
    )
    maps = neck(tracks.part("vision_config"), tower.size("hidden_size"))
    decode = prompted(tracks, memory(tracks))

    def follow(flow: Flow, sides: list[Quantity]) -> Flow:
        return decode(*maps(flow.at(sides[-1])))

    return asked_network(fields, detects, follow)
