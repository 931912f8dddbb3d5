"""How much work an image autoencoder of latent diffusion is, from a config of diffusers.

Defaults are those of diffusers 0.42. A pass encodes and decodes each image once. The ledger's
tokens are images.
"""

from dataclasses import dataclass, replace

from estimator.workload.blocks import equal_heads, held
from estimator.workload.convolution import Flow, image, sizes, square
from estimator.workload.families.unet import convolution, residual
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs
from estimator.workload.network import Network, Pass, lines, network
from estimator.workload.registry import diffusers_class


@dataclass(frozen=True, kw_only=True)
class Autoencoder:
    """An image autoencoder: convolutions, and one attention at the coarsest map on each way.

    Parameters
    ----------
    side, channels, outputs, latent : int
        Side of the images; channels of images in and out, and of latents. [1]
    widths : tuple of int
        Widths from the finest to the coarsest. [1]
    layers : int
        Residual blocks of a resolution on the way down; one more on the way up. [1]
    attention, quant, post_quant : bool
        Parts that may be left out.
    """

    side: int
    channels: int
    outputs: int
    latent: int
    widths: tuple[int, ...]
    layers: int
    attention: bool
    quant: bool
    post_quant: bool

    def run(self, inputs: Inputs) -> Pass:
        """Pass over `batch` images, there and back."""
        batch, pixels = image(inputs, self.side)
        flow = self._encode(Flow(batch=batch, side=pixels))
        return Pass(lines=self._decode(flow).lines, items=batch)

    def _encode(self, flow: Flow) -> Flow:
        inputs = self.widths[0]
        flow = flow.conv("encoder/stem", convolution(self.channels, inputs), first=True)
        for place, width in enumerate(self.widths):
            for _ in range(self.layers):
                flow = residual(flow, f"encoder/down{place + 1}", (inputs, width), 0)
                inputs = width
            if place + 1 < len(self.widths):
                half = replace(convolution(width, width, stride=2), padding=0)
                even = replace(flow, side=flow.side + 1.0)
                flow = even.conv(f"encoder/down{place + 1}/downsample", half)
        flow = self._middle(flow, "encoder").dense({"encoder/norm": held(2 * inputs)})
        flow = flow.conv("encoder/out", convolution(inputs, 2 * self.latent))
        if self.quant:
            flow = flow.conv(
                "encoder/quant", convolution(2 * self.latent, 2 * self.latent, kernel=1)
            )
        return flow

    def _decode(self, flow: Flow) -> Flow:
        inputs = self.widths[-1]
        if self.post_quant:
            flow = flow.conv("decoder/quant", convolution(self.latent, self.latent, kernel=1))
        flow = self._middle(flow.conv("decoder/in", convolution(self.latent, inputs)), "decoder")
        for place, width in enumerate(reversed(self.widths)):
            name = f"decoder/up{place + 1}"
            for _ in range(self.layers + 1):
                flow = residual(flow, name, (inputs, width), 0)
                inputs = width
            if place + 1 < len(self.widths):
                flow = replace(flow, side=2.0 * flow.side)
                flow = flow.conv(f"{name}/upsample", convolution(width, width))
        flow = flow.dense({"decoder/norm": held(2 * inputs)})
        return flow.conv("decoder/out", convolution(inputs, self.outputs))

    def _middle(self, flow: Flow, name: str) -> Flow:
        width = self.widths[-1]
        flow = residual(flow, f"{name}/middle", (width, width), 0)
        if self.attention:
            costs = {**equal_heads(Fields({}), width, 1).costs(), "norm": held(2 * width)}

            done = lines(
                costs,
                flow.batch * flow.positions,
                pairs=flow.batch * flow.positions**2,
                prefix=f"{name}/middle/",
            )
            flow = replace(flow, lines=(*flow.lines, *done))
        return residual(flow, f"{name}/middle", (width, width), 0)


@diffusers_class("AutoencoderKL")
def autoencoder(fields: Fields) -> Network:
    """The autoencoder of latent diffusion (arXiv:2112.10752, sec. 3.1)."""
    model = Autoencoder(
        side=square(fields, "sample_size", 32),
        channels=fields.size("in_channels", default=3),
        outputs=fields.size("out_channels", default=3),
        latent=fields.size("latent_channels", default=4),
        widths=tuple(sizes(fields, "block_out_channels", (64,))),
        layers=fields.size("layers_per_block", default=1),
        attention=fields.flag("mid_block_add_attention", default=True),
        quant=fields.flag("use_quant_conv", default=True),
        post_quant=fields.flag("use_post_quant_conv", default=True),
    )
    return network(fields, model.run, item_unit="image")
