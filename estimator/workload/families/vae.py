"""How much work an image autoencoder of latent diffusion is, from a config of diffusers.

Defaults are those of diffusers 0.42. A pass encodes and decodes each image once. The ledger's
tokens are images.
"""

from dataclasses import replace

from estimator.workload.blocks import held
from estimator.workload.convolution import Flow, flow_network, plain, square
from estimator.workload.families.unet import Level, down, map_attention, middle, no_attention, up
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
    levels = [Level(channels=width, layers=layers) for width in widths]
    first, last = widths[0], widths[-1]
    attends = fields.flag("mid_block_add_attention", default=True)
    attend = map_attention(last) if attends else no_attention
    quant = fields.flag("use_quant_conv", default=True)
    post_quant = fields.flag("use_post_quant_conv", default=True)

    def body(flow: Flow) -> Flow:
        flow = flow.conv("encoder/stem", plain(channels, first), first=True)
        flow = middle(down(flow, levels, "encoder/", _halved), "encoder/middle", levels[-1], attend)
        flow = flow.dense({"encoder/norm": held(2 * last)})
        flow = flow.conv("encoder/out", plain(last, 2 * latent))
        if quant:
            flow = flow.conv("encoder/quant", plain(2 * latent, 2 * latent, kernel=1))
        if post_quant:
            flow = flow.conv("decoder/quant", plain(latent, latent, kernel=1))
        flow = flow.conv("decoder/in", plain(latent, last))
        flow = middle(flow, "decoder/middle", levels[-1], attend)
        flow = up(flow, levels, "decoder/", skips=False)
        flow = flow.dense({"decoder/norm": held(2 * first)})
        return flow.conv("decoder/out", plain(first, outputs))

    return flow_network(fields, side, body)


def _halved(flow: Flow, name: str, width: int) -> Flow:
    """Maps of half the side, which get an edge before."""
    even = replace(flow, side=flow.side + 1.0)
    return even.conv(name, plain(width, width, stride=2, padding=0))
