"""How much work RWKV 4 is: a recurrence that decays channel by channel (arXiv:2305.13048)."""

from estimator.workload.blocks import held, linear
from estimator.workload.families.mamba import recurrent
from estimator.workload.fields import Fields
from estimator.workload.layers import Layers
from estimator.workload.network import Network
from estimator.workload.registry import family


@family("rwkv")
def rwkv(fields: Fields) -> Network:
    """RWKV 4: two norms with bias in each layer and round the stack (arXiv:2305.13048, sec. 3)."""
    hidden = fields.size("hidden_size")
    inner = fields.size_or_none("attention_hidden_size") or hidden
    width = fields.size_or_none("intermediate_size") or 4 * hidden
    layer = Layers(
        costs={
            "norm/layers": held(4 * hidden),
            "mixer/decay": held(2 * inner),
            "mixer/shift": held(5 * hidden),
            **{f"mixer/{part}": linear(hidden, inner) for part in ("key", "value", "receptance")},
            "mixer/output": linear(inner, hidden),
            "mlp/up": linear(hidden, width),
            "mlp/receptance": linear(hidden, hidden),
            "mlp/down": linear(width, hidden),
        },
        state_values=2 * hidden + 3 * inner,
    )
    return recurrent(fields, layer, outer_norm_params=4 * hidden)
