"""How much work an image autoencoder of latent diffusion is, from a config of diffusers.

Defaults are those of diffusers 0.42. A pass encodes and decodes each image once. The ledger's
tokens are images.
"""

from dataclasses import replace

from estimator.workload.blocks import equal_heads, held
from estimator.workload.convolution import Flow, flow_network, plain, square
from estimator.workload.families.unet import residual
from estimator.workload.fields import Fields
from estimator.workload.network import Network
from estimator.workload.registry import diffusers_class


@diffusers_class("AutoencoderKL")
def autoencoder(fields: Fields) -> Network:
    """The autoencoder of latent diffusion (arXiv:2112.10752, sec. 3.1)."""
    side = square(fields, "sample_size", 32)
    channels = fields.size("in_channels", default=3)
    outputs = fields.size("out_channels", default=3)
    latent = fields.size("latent_channels", default=4)
    widths = fields.sizes("block_out_channels", (64,))
    layers = fields.layers("layers_per_block", default=1, stages=len(widths))
    attends = fields.flag("mid_block_add_attention", default=True)
    quant = fields.flag("use_quant_conv", default=True)
    post_quant = fields.flag("use_post_quant_conv", default=True)

    def body(flow: Flow) -> Flow:
        flow = flow.conv("encoder/stem", plain(channels, widths[0]), first=True)
        flow = _middle(_down(flow, widths, layers), "encoder", widths[-1], attends)
        flow = flow.dense({"encoder/norm": held(2 * widths[-1])})
        flow = flow.conv("encoder/out", plain(widths[-1], 2 * latent))
        if quant:
            flow = flow.conv("encoder/quant", plain(2 * latent, 2 * latent, kernel=1))
        if post_quant:
            flow = flow.conv("decoder/quant", plain(latent, latent, kernel=1))
        flow = flow.conv("decoder/in", plain(latent, widths[-1]))
        flow = _up(_middle(flow, "decoder", widths[-1], attends), widths, layers)
        flow = flow.dense({"decoder/norm": held(2 * widths[0])})
        return flow.conv("decoder/out", plain(widths[0], outputs))

    return flow_network(fields, side, body)


def _down(flow: Flow, widths: list[int], layers: int) -> Flow:
    """Residual blocks of each resolution, from the finest; maps get an edge before they halve."""
    inputs = widths[0]
    for place, width in enumerate(widths):
        name = f"encoder/down{place + 1}"
        for _ in range(layers):
            flow, inputs = residual(flow, name, (inputs, width), 0), width
        if place + 1 < len(widths):
            even = replace(flow, side=flow.side + 1.0)
            flow = even.conv(f"{name}/downsample", plain(width, width, stride=2, padding=0))
    return flow


def _up(flow: Flow, widths: list[int], layers: int) -> Flow:
    """One residual block more of each resolution, from the coarsest."""
    inputs = widths[-1]
    for place, width in enumerate(reversed(widths)):
        name = f"decoder/up{place + 1}"
        for _ in range(layers + 1):
            flow, inputs = residual(flow, name, (inputs, width), 0), width
        if place + 1 < len(widths):
            flow = flow.scaled(2.0).conv(f"{name}/upsample", plain(width, width))
    return flow


def _middle(flow: Flow, name: str, width: int, attends: bool) -> Flow:
    """Attention of one head at the coarsest map, between two residual blocks."""
    flow = residual(flow, f"{name}/middle", (width, width), 0)
    if attends:
        costs = {**equal_heads(Fields({}), width, 1).costs(), "norm": held(2 * width)}
        flow = flow.layers(costs, pairs=flow.positions**2, prefix=f"{name}/middle/")
    return residual(flow, f"{name}/middle", (width, width), 0)
