"""How much work Jamba is: Mamba with attention and experts in some layers (arXiv:2403.19887)."""

from estimator.workload.families.decoder import Family
from estimator.workload.families.hybrid_stack import attention_mixer, hybrid
from estimator.workload.families.mixers import expanded, mamba_mixer
from estimator.workload.families.moe_decoders import ALIKE, experts
from estimator.workload.fields import Fields
from estimator.workload.network import Network
from estimator.workload.registry import family


@family("jamba")
def jamba(fields: Fields) -> Network:
    """Jamba: Mamba with some layers of attention and of experts (arXiv:2403.19887, sec. 2)."""
    scan = mamba_mixer(fields, expanded(fields), normed=True)
    sparse = experts(ALIKE, fields)
    dense = sparse.expert.costs()
    blocks = (dense, sparse.costs() if sparse.experts > 1 else dense)
    period, expert_period = fields.size("attn_layer_period"), fields.size("expert_layer_period")
    offset = fields.size("attn_layer_offset", least=0)
    expert_offset = fields.size("expert_layer_offset", least=0)
    kinds = (
        (at % period == offset, at % expert_period == expert_offset)
        for at in range(fields.layers("num_hidden_layers"))
    )
    return hybrid(fields, kinds, (scan, attention_mixer(Family(), fields)), blocks)
