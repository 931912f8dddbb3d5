"""How much work ViT-MAE is: a vision transformer that sees a share of the patches."""

from estimator.workload.blocks import Costs, held, linear
from estimator.workload.convolution import image, ratio
from estimator.workload.families.vit import pixel_decoder, trunk
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
    bias = fields.flag("qkv_bias", default=True)
    decoder = pixel_decoder(fields.with_values({"decoder_qkv_bias": bias}))
    width = decoder.hidden
    rows = (sight.side // sight.patch) ** 2 + 1
    pixels = sight.patch**2 * sight.channels
    masked = ratio(fields, "mask_ratio", 0.75)
    bridge = {"embed": linear(sight.hidden, width, bias=True)}
    ends: Costs = {
        "tables": held((rows + 1) * width + 2 * width),
        "pixels": linear(width, pixels, bias=True),
    }

    def run(inputs: Inputs) -> Pass:
        """A share of the patches passes the encoder, all pass the decoder."""
        batch, side = image(inputs, sight.side)
        patches, positions = sight.positions(side)
        kept = (patches * (1.0 - masked)) // 1.0 + sight.prefix
        done = sight.over(batch, patches, seen=kept)
        if pretrains:
            every, pairs = batch * positions, batch * positions * positions
            done += lines(bridge, batch * kept, prefix="decoder/")
            times = decoder.layers
            done += lines(decoder.layer, every, pairs=pairs, times=times, prefix="decoder/")
            done += lines(ends, every, prefix="decoder/")
        return Pass(lines=done, items=batch * kept)

    return network(fields, run, head_note(fields, not task(fields) or pretrains))
