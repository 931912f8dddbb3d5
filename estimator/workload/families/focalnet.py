"""How much work FocalNet is: contexts of growing reach instead of attention (arXiv:2203.11926)."""

from estimator.workload.blocks import Cost, Costs, Mlp, held, linear, product
from estimator.workload.convolution import BATCH_NORM, Flow, plain, ratio, square, stages
from estimator.workload.families.convnet import conv_net
from estimator.workload.fields import Fields
from estimator.workload.network import Network
from estimator.workload.registry import family

STAGES = ("depths", "focal_levels", "focal_windows")


@family("focalnet")
def focalnet(fields: Fields) -> Network:
    """FocalNet: convolutions of several reaches, gated and summed (sec. 3.2)."""
    rows, first = stages(fields, STAGES), fields.size("embed_dim", default=96)
    scale = 2 * fields.flag("use_layerscale")
    normed = 2 * fields.flag("use_post_layernorm_in_modulation")
    factor, overlaps = ratio(fields, "mlp_ratio", 4.0), fields.flag("use_conv_embed")
    patch = square(fields, "patch_size", 4)

    def body(flow: Flow) -> Flow:
        before = fields.size("num_channels", default=3)
        for stage, (depth, levels, window) in enumerate(rows):
            name, width = f"stage{stage + 1}/", first * 2**stage
            step = 2 if stage else patch
            conv = plain(before, width, step, step, padding=0)
            if overlaps:
                conv = (
                    plain(before, width, 3, 2) if stage else plain(before, width, 7, 4, padding=2)
                )
            flow = flow.conv(f"{name}patch", conv, first=stage == 0)
            layer = _layer(width, levels, window, int(width * factor))
            flow = flow.layers(layer, times=depth, prefix=name)
            norms = depth * (2 * BATCH_NORM + scale + normed) + BATCH_NORM
            flow, before = flow.dense({f"{name}norm": held(norms * width)}), width
        return flow.norm(before)

    return conv_net(fields, body, first * 2 ** (len(rows) - 1))


def _layer(width: int, levels: int, window: int, wide: int) -> Costs:
    """Modulation and MLP of a layer, per position."""
    reach = sum((window + 2 * level) ** 2 for level in range(levels)) * width
    context: dict[str, Cost] = {
        "modulation/in": linear(width, 2 * width + levels + 1, bias=True),
        "modulation/depthwise": product(reach, 2 * reach),
        "modulation/context": linear(width, width, bias=True),
        "modulation/out": linear(width, width, bias=True),
    }
    return {**context, **Mlp(hidden=width, width=wide, bias=True).costs()}
