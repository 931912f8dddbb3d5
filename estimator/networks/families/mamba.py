"""Recurrent networks without attention: Mamba, Falcon Mamba, Mamba-2, RWKV.

Elementwise products, such as the decay of a state, are not counted.
"""

from dataclasses import replace

from estimator.networks.blocks import linear, params_only
from estimator.networks.families.hybrid_stack import language_model, with_costs
from estimator.networks.families.mixers import expanded, mamba2_mixer, mamba_mixer
from estimator.networks.fields import Fields
from estimator.networks.layers import Layers
from estimator.networks.network import Network
from estimator.networks.registry import family

UNBOUNDED = 10**9
"""Longest sequence of a recurrent model, effectively unlimited. [token]"""


def recurrent(fields: Fields, layer: Layers, outer_norm_params: int | None = None) -> Network:
    """Stack of equal recurrent layers."""
    stack = [replace(layer, times=fields.layers("num_hidden_layers"))]
    return language_model(fields, stack, UNBOUNDED, outer_norm_params)


@family("mamba", "falcon_mamba")
def mamba(fields: Fields) -> Network:
    """Build Mamba: selective state spaces (arXiv:2312.00752, sec. 3.4)."""
    inner = fields.size("intermediate_size", default=expanded(fields, "expand"))
    layer = with_costs(fields, mamba_mixer(fields, inner), {}, norms=1)
    return recurrent(fields, layer)


@family("mamba2")
def mamba2(fields: Fields) -> Network:
    """Build Mamba-2: heads with a scalar decay, scanned in chunks (arXiv:2405.21060, sec. 6)."""
    inner = expanded(fields, "expand")
    heads, head_dim = fields.size("num_heads"), fields.size("head_dim")
    fields.equal("num_heads * head_dim", heads * head_dim, "expand * hidden_size", inner)
    scan = mamba2_mixer(fields, inner, heads, normed=False)
    norm = params_only(fields.size("hidden_size") + inner)
    layer = replace(scan, costs={**scan.costs, "norm/layers": norm})
    return recurrent(fields, layer)


@family("rwkv")
def rwkv(fields: Fields) -> Network:
    """Build RWKV 4: two norms with bias per layer and around the stack (arXiv:2305.13048)."""
    hidden = fields.size("hidden_size")
    inner = fields.size_or_none("attention_hidden_size") or hidden
    width = fields.size_or_none("intermediate_size") or 4 * hidden
    layer = Layers(
        costs={
            "norm/layers": params_only(4 * hidden),
            "mixer/decay": params_only(2 * inner),
            "mixer/shift": params_only(5 * hidden),
            **{f"mixer/{part}": linear(hidden, inner) for part in ("key", "value", "receptance")},
            "mixer/output": linear(inner, hidden),
            "mlp/up": linear(hidden, width),
            "mlp/receptance": linear(hidden, hidden),
            "mlp/down": linear(width, hidden),
        },
        state_values=2 * hidden + 3 * inner,
    )
    return recurrent(fields, layer, outer_norm_params=4 * hidden)
