"""How much work ViT-MAE is: a vision transformer that sees a share of the patches."""

from dataclasses import dataclass, replace

from estimator.workload.blocks import Attention, Costs, Mlp, held, linear
from estimator.workload.convolution import image, ratio
from estimator.workload.families.vit import Vision, trunk
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs
from estimator.workload.model_class import head_note, task
from estimator.workload.network import Network, Pass, lines, network
from estimator.workload.registry import family


@dataclass(frozen=True, kw_only=True)
class Masked:
    """A vision transformer that sees a share of the patches, and a decoder that sees all.

    Parameters
    ----------
    sight : Vision
        The encoder.
    hidden : float
        Share of the patches that are hidden from it. [1]
    decoder, decoder_layer : mapping
        Costs per position of the decoder outside its layers, and in each.
    decoder_layers : int
        Layers of the decoder, 0 without one. [1]
    bridge : mapping
        Costs per position that comes from the encoder.
    """

    sight: Vision
    hidden: float
    decoder: Costs
    decoder_layer: Costs
    decoder_layers: int
    bridge: Costs

    def run(self, inputs: Inputs) -> Pass:
        """Pass over `batch` images."""
        batch, pixels = image(inputs, self.sight.side)
        patches, positions = self.sight.positions(pixels)
        kept = (patches * (1.0 - self.hidden)) // 1.0 + self.sight.prefix
        bare = replace(self.sight, layers=0)
        done = [*bare.lines(batch, pixels)]

        done += lines(
            self.sight.layer, batch * kept, pairs=batch * kept * kept, times=self.sight.layers
        )
        done += lines(self.bridge, batch * kept, prefix="decoder/")
        every, pairs = batch * positions, batch * positions * positions

        done += lines(
            self.decoder_layer, every, pairs=pairs, times=self.decoder_layers, prefix="decoder/"
        )
        done += lines(self.decoder, every, prefix="decoder/")
        return Pass(lines=done, items=batch * kept)


@family("vit_mae")
def vit_mae(fields: Fields) -> Network:
    """ViT-MAE: a quarter of the patches is seen (arXiv:2111.06377, sec. 3)."""
    sight = trunk(fields)
    pretrains = task(fields) == "PreTraining"
    width = fields.size("decoder_hidden_size", default=512)
    heads = fields.size("decoder_num_attention_heads", default=16)
    attention = Attention(
        hidden=width,
        heads=heads,
        kv_heads=heads,
        head_dim=fields.share("decoder_hidden_size", width, "decoder_num_attention_heads", heads),
        qkv_bias=fields.flag("qkv_bias", default=True),
        output_bias=True,
    )
    mlp = Mlp(hidden=width, width=fields.size("decoder_intermediate_size", default=2048), bias=True)
    rows = (sight.side // sight.patch) ** 2 + 1
    pixels = sight.patch**2 * sight.channels
    decoder: Costs = {
        "tables": held((rows + 1) * width + 2 * width),
        "pixels": linear(width, pixels, bias=True),
    }
    model = Masked(
        sight=sight,
        hidden=ratio(fields, "mask_ratio", 0.75),
        decoder=decoder if pretrains else {},
        decoder_layer={**attention.costs(), **mlp.costs(), "norm/layers": held(4 * width)},
        decoder_layers=fields.layers("decoder_num_hidden_layers", default=8) if pretrains else 0,
        bridge={"embed": linear(sight.hidden, width, bias=True)} if pretrains else {},
    )
    known = not task(fields) or pretrains
    note = head_note(fields, known)
    return network(fields, model.run, note)
