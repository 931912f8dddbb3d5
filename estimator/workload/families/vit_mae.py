"""How much work ViT-MAE is: a vision transformer that sees a share of the patches."""

from dataclasses import replace

from estimator.workload.blocks import Costs, Mlp, equal_heads, held, layer_costs, linear
from estimator.workload.convolution import image, ratio
from estimator.workload.families.vit import trunk
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs
from estimator.workload.model_class import head_note, task
from estimator.workload.network import Network, Pass, lines, network
from estimator.workload.registry import family


@family("vit_mae")
def vit_mae(fields: Fields) -> Network:
    """ViT-MAE: a quarter of the patches is seen (arXiv:2111.06377, sec. 3)."""
    sight = trunk(fields)
    pretrains = task(fields) == "PreTraining"
    width = fields.size("decoder_hidden_size", default=512)
    heads = fields.size("decoder_num_attention_heads", default=16)
    keys = ("decoder_hidden_size", "decoder_num_attention_heads")
    bias = fields.flag("qkv_bias", default=True)
    attention = equal_heads(fields, width, heads, keys, bias, output_bias=True)
    mlp = Mlp(hidden=width, width=fields.size("decoder_intermediate_size", default=2048), bias=True)
    rows = (sight.side // sight.patch) ** 2 + 1
    pixels = sight.patch**2 * sight.channels
    masked = ratio(fields, "mask_ratio", 0.75)
    depth = fields.layers("decoder_num_hidden_layers", default=8)
    bridge = {"embed": linear(sight.hidden, width, bias=True)}
    decoder_layer = layer_costs(attention, mlp, 4 * width)
    decoder: Costs = {
        "tables": held((rows + 1) * width + 2 * width),
        "pixels": linear(width, pixels, bias=True),
    }

    def run(inputs: Inputs) -> Pass:
        """A share of the patches passes the encoder, all pass the decoder."""
        batch, side = image(inputs, sight.side)
        patches, positions = sight.positions(side)
        kept = (patches * (1.0 - masked)) // 1.0 + sight.prefix
        done = [*replace(sight, layers=0).lines(batch, side)]
        done += lines(sight.layer, batch * kept, pairs=batch * kept * kept, times=sight.layers)
        if pretrains:
            every, pairs = batch * positions, batch * positions * positions
            done += lines(bridge, batch * kept, prefix="decoder/")
            done += lines(decoder_layer, every, pairs=pairs, times=depth, prefix="decoder/")
            done += lines(decoder, every, prefix="decoder/")
        return Pass(lines=done, items=batch * kept)

    return network(fields, run, head_note(fields, not task(fields) or pretrains))
