"""Which LFM2 a config describes: short gated convolutions beside attention, perhaps experts."""

from estimator.workload.blocks import Costs, Mlp, linear
from estimator.workload.convolution import ratio
from estimator.workload.families.decoder import Family, head_norm
from estimator.workload.families.hybrid_stack import (
    attention_layers,
    attention_mixer,
    gated_mlp,
    hybrid,
)
from estimator.workload.families.mixers import depthwise
from estimator.workload.families.moe_decoders import Mixture, experts
from estimator.workload.fields import Fields
from estimator.workload.layers import Layers
from estimator.workload.network import Network
from estimator.workload.registry import family


@family("lfm2")
def lfm2(fields: Fields) -> Network:
    """LFM2: short gated convolutions with some layers of attention."""
    width = fields.size("intermediate_size", "block_ff_dim")
    if fields.flag("block_auto_adjust_ff_dim", default=True):
        step = fields.size("block_multiple_of", default=256)
        factor = ratio(fields, "block_ffn_dim_multiplier", 1.0)
        width = -(-int(factor * (2 * width // 3)) // step) * step
    mlp = Mlp(hidden=fields.size("hidden_size"), width=width, gated=True).costs()
    return _convolving(fields, (mlp, {}), fields.layers("num_hidden_layers"))


@family("lfm2_moe")
def lfm2_moe(fields: Fields) -> Network:
    """LFM2 with experts in all but the first layers."""
    blocks = (gated_mlp(fields), experts(Mixture(), fields).costs())
    return _convolving(fields, blocks, fields.size("num_dense_layers", least=0))


def _convolving(fields: Fields, blocks: tuple[Costs, Costs], dense: int) -> Network:
    """The stack of LFM2, with the first block in the first `dense` layers."""
    hidden, bias = fields.size("hidden_size"), fields.flag("conv_bias")
    kernel = fields.size("conv_L_cache", default=3)
    short = Layers(
        costs={
            "mixer/in": linear(hidden, 3 * hidden, bias),
            "mixer/convolution": depthwise(hidden, kernel, bias),
            "mixer/out": linear(hidden, hidden, bias),
        },
        state_values=hidden * kernel,
    )
    tied = fields.flag("tie_embedding", default=fields.flag("tie_word_embeddings"))
    fields = fields.with_values({"tie_word_embeddings": tied})
    chosen = fields.items("full_attn_idxs")
    listed = attention_layers(fields, lambda at: chosen is None or at in chosen, "layer_types")
    kinds = ((attends, at >= dense) for at, attends in enumerate(listed))
    mixers = (short, attention_mixer(Family(qk_norm=head_norm), fields))
    return hybrid(fields, kinds, mixers, blocks)
