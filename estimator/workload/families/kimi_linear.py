"""How much work Kimi Linear is: a delta rule beside latent attention (arXiv:2510.26692)."""

from dataclasses import replace

from estimator.workload.blocks import Cost, Costs, Experts, held, linear
from estimator.workload.families.decoder import Family, latent_attention
from estimator.workload.families.hybrid_stack import (
    attention_layers,
    attention_mixer,
    gated_mlp,
    hybrid,
)
from estimator.workload.families.mixers import delta_mixer
from estimator.workload.families.moe_decoders import Mixture, experts, listed_sparse, shared_experts
from estimator.workload.fields import Fields
from estimator.workload.layers import Layers
from estimator.workload.network import Network
from estimator.workload.registry import family


@family("kimi_linear")
def kimi_linear(fields: Fields) -> Network:
    """Kimi Linear: a delta rule with a gate per channel, latent attention in every fourth layer.

    Scores inside a chunk are taken channel by channel (arXiv:2510.26692, sec. 3), as no matrix
    product, and not counted.
    """
    fields = _kimi_spelling(fields)
    mixed = experts(Mixture(shared=shared_experts()), fields)
    blocks = (gated_mlp(fields), _narrowed(fields, mixed))
    attention = attention_mixer(Family(attention=latent_attention), fields)
    if fields.flag("mla_use_output_gate"):
        read = fields.size("num_attention_heads") * fields.size("v_head_dim")
        gate = {"attention/gate": linear(fields.size("hidden_size"), read)}
        attention = replace(attention, costs={**attention.costs, **gate})
    mixers = (_kimi_delta(fields), attention)
    listed = attention_layers(fields, lambda at: at > 0 and at % 4 == 0, "layer_types")
    kinds = ((attends, listed_sparse(fields, at)) for at, attends in enumerate(listed))
    return hybrid(fields, kinds, mixers, blocks)


def _narrowed(fields: Fields, mixed: Experts) -> Costs:
    """Experts on states projected to a narrower width and back, where Kimi K3 states one."""
    narrow = fields.size_or_none("routed_expert_hidden_size")
    if narrow is None:
        return mixed.costs()
    hidden = fields.size("hidden_size")
    inner = replace(mixed, expert=replace(mixed.expert, hidden=narrow), shared_gate=False)
    return {
        **inner.costs(),
        "moe/router": linear(hidden, mixed.experts),
        "moe/narrow": linear(hidden, narrow),
        "moe/widen": linear(narrow, hidden),
        "norm/moe": held(narrow * fields.flag("latent_moe_use_norm")),
    }


def _kimi_spelling(fields: Fields) -> Fields:
    """The keys of its authors under those of transformers; they count layers from one."""
    part = fields.part("linear_attn_config")
    renamed = fields.renamed(
        {
            "num_experts_per_tok": (fields, "num_experts_per_token"),
            "n_shared_experts": (fields, "num_shared_experts"),
            "max_position_embeddings": (fields, "model_max_length"),
            "linear_head_dim": (part, "head_dim"),
            "linear_num_heads": (part, "num_heads"),
            "linear_conv_kernel_dim": (part, "short_conv_kernel_size"),
            "use_full_rank_gate": (part, "use_full_rank_gate"),
        }
    )
    full = part.items("full_attn_layers")
    if full is None or fields.states("layer_types"):
        return renamed
    layers = range(1, 1 + fields.layers("num_hidden_layers"))
    kinds = ["full_attention" if at in full else "linear_attention" for at in layers]
    return renamed.with_values({"layer_types": kinds})


def _kimi_delta(fields: Fields) -> Layers:
    """Kimi's delta attention: the delta rule with low-rank gates and a decay per channel."""
    hidden, heads = fields.size("hidden_size"), fields.size("linear_num_heads")
    head_dim = fields.size("linear_head_dim")
    width = heads * head_dim
    gate = linear(hidden, head_dim) + linear(head_dim, width)
    whole = linear(hidden, width) if fields.flag("use_full_rank_gate") else gate
    own = {
        "mixer/in": linear(hidden, 3 * width),
        "mixer/gates": Cost(),
        "mixer/beta": linear(hidden, heads),
        "mixer/forget": gate,
        "mixer/gate": whole,
        "mixer/state": held(width + heads),
    }
    delta = delta_mixer(fields, heads, (head_dim, head_dim))
    return replace(delta, costs={**delta.costs, **own})
