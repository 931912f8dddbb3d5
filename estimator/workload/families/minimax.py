"""How much work MiniMax is: lightning attention, softmax in some layers (arXiv:2501.08313)."""

from estimator.workload.blocks import Cost, held, linear
from estimator.workload.families.decoder import Family
from estimator.workload.families.hybrid_stack import attending, attention_layers, attention_mixer
from estimator.workload.families.mixers import in_chunks
from estimator.workload.families.moe_decoders import Mixture, experts
from estimator.workload.fields import Fields
from estimator.workload.layers import Layers
from estimator.workload.network import Network
from estimator.workload.registry import family


@family("minimax")
def minimax(fields: Fields) -> Network:
    """MiniMax-Text-01 and M1: lightning attention, softmax in some layers (arXiv:2501.08313)."""
    block = experts(Mixture(width_key="intermediate_size"), fields).costs()
    numbered = fields.items("attn_type_list")
    if numbered is not None and not fields.states("layer_types"):
        attends = [bool(kind) for kind in numbered]  # 0 linear, 1 full
    else:
        attends = attention_layers(fields, lambda at: at % 2 == 0, "layer_types")
    mixers = (_lightning(fields), attention_mixer(Family(), fields))
    return attending(fields, attends, mixers, block)


def _lightning(fields: Fields) -> Layers:
    """Linear attention: all pairs of a block, a state of keys by values between blocks."""
    hidden, heads = fields.size("hidden_size"), fields.size("num_attention_heads")
    head_dim = fields.size_or_none("head_dim")
    head_dim = head_dim or fields.share("hidden_size", hidden, "num_attention_heads", heads)
    width, block = heads * head_dim, fields.size("block_size", default=256)
    return Layers(
        costs={
            "mixer/in": linear(hidden, 3 * width),
            "mixer/gate": linear(hidden, width),
            "mixer/out": linear(width, hidden),
            "mixer/norm": held(width),
            "mixer/state": Cost(flop_per_token=4 * width * head_dim),
            "mixer/block": Cost(flop_per_pair=4 * width),
        },
        near=in_chunks(block),
        state_values=width * head_dim,
    )
