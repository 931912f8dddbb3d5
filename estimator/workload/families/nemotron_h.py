"""How much work Nemotron-H is: layers of Mamba-2, attention, MLP or experts (arXiv:2504.03624)."""

from estimator.workload.blocks import Costs, Experts, Mlp, linear
from estimator.workload.families.hybrid_stack import PLAIN, attention_mixer, stacked, with_costs
from estimator.workload.families.mixers import mamba2_mixer
from estimator.workload.families.moe_decoders import routed
from estimator.workload.fields import Fields
from estimator.workload.layers import Layers
from estimator.workload.network import Network
from estimator.workload.registry import family

NEMOTRON_LETTERS = {"M": "mamba", "E": "moe", "*": "attention", "-": "mlp"}


NEMOTRON_NAMES = {"full_attention": "attention", "linear_attention": "mamba"}


@family("nemotron_h")
def nemotron_h(fields: Fields) -> Network:
    """Nemotron-H: each layer is one of Mamba-2, attention, MLP, experts (arXiv:2504.03624)."""
    hidden = fields.size("hidden_size")
    heads = fields.size("mamba_num_heads")
    inner, width = heads * fields.size("mamba_head_dim"), fields.size("intermediate_size")
    mlp = Mlp(hidden=hidden, width=width, bias=fields.flag("mlp_bias"))
    kinds = fields.items("layers_block_type") or fields.items("layer_types")
    if not kinds:
        pattern = fields.text("hybrid_override_pattern")
        if not pattern:
            raise ValueError("hybrid_override_pattern is missing from the config")
        if set(pattern) - set(NEMOTRON_LETTERS):
            raise ValueError(f"hybrid_override_pattern must hold only M, E, * and -: {pattern!r}")
        kinds = [NEMOTRON_LETTERS[letter] for letter in pattern]
    parts: dict[str, tuple[Layers, Costs]] = {
        "mlp": (Layers(), mlp.costs()),
        "attention": (attention_mixer(PLAIN, fields), {}),
        "mamba": (mamba2_mixer(fields, inner, heads), {}),
    }
    if "moe" in kinds:
        parts["moe"] = (Layers(), _nemotron_experts(fields, hidden))
    made = {kind: with_costs(fields, *part, norms=1) for kind, part in parts.items()}
    named = [NEMOTRON_NAMES.get(str(kind), str(kind)) for kind in kinds]
    if strange := sorted({*named} - {*made}):
        known = ", ".join(NEMOTRON_LETTERS.values())
        raise ValueError(f"layers_block_type must hold only {known}, got {strange[0]!r}")
    return stacked(fields, named, made)


def _nemotron_experts(fields: Fields, hidden: int) -> Costs:
    """Experts without gates, in a narrower space of `moe_latent_size` if stated."""
    count, narrow = fields.size("n_routed_experts"), fields.size_or_none("moe_latent_size")
    width = fields.size("moe_intermediate_size")
    shared = fields.size("moe_shared_expert_intermediate_size")
    costs = Experts(
        expert=Mlp(hidden=narrow or hidden, width=width),
        experts=count,
        active=routed(fields, "num_experts_per_tok", ("n_routed_experts",), count),
        shared=Mlp(hidden=hidden, width=shared),
    ).costs()
    bridges: Costs = {}
    if narrow is not None:
        bridges = {"moe/narrow": linear(hidden, narrow), "moe/widen": linear(narrow, hidden)}
    return {**costs, "moe/router": linear(hidden, count), **bridges}
