"""Which language model of linear attention beside softmax a config describes: Qwen3-Next, MiniMax.

The gated delta rule and lightning attention.
"""

from dataclasses import replace

from estimator.workload.blocks import Cost, Costs, held, linear
from estimator.workload.families.decoder import Family, head_norm, latent_attention, width_norm
from estimator.workload.families.hybrid_stack import (
    PLAIN,
    attending,
    attention_layers,
    attention_mixer,
    gated_mlp,
    hybrid,
)
from estimator.workload.families.mixers import delta_mixer, in_chunks
from estimator.workload.families.moe_decoders import (
    QWEN_MIXTURE,
    Mixture,
    every_step,
    experts,
    listed_sparse,
    shared_experts,
)
from estimator.workload.fields import Fields
from estimator.workload.layers import Layers
from estimator.workload.network import Network
from estimator.workload.registry import families, family


def _every_fourth(fields: Fields) -> list[bool]:
    """Attention as listed, else in the last of every four layers."""
    period = fields.size("full_attention_interval", default=4)
    return attention_layers(fields, lambda at: (at + 1) % period == 0, "layer_types")


def gated_delta(mixture: Mixture | None, fields: Fields) -> Network:
    """Qwen3-Next, Qwen3.5: gated delta rule, and gated attention in every fourth layer."""
    layers = range(fields.layers("num_hidden_layers"))
    sparse = [mixture is not None and every_step(fields, at) for at in layers]
    dense: Costs = {} if all(sparse) else gated_mlp(fields)
    routed: Costs = {} if mixture is None else experts(mixture, fields).costs()
    attends = attention_mixer(replace(PLAIN, qk_norm=head_norm, gate=True), fields)
    kinds = zip(_every_fourth(fields), sparse, strict=True)
    return hybrid(fields, kinds, (delta_mixer(fields), attends), (dense, routed))


@family("olmo_hybrid")
def olmo_hybrid(fields: Fields) -> Network:
    """OLMo hybrid: gated delta rule, and attention with wide norms in every fourth layer."""
    family = replace(PLAIN, qk_norm=width_norm)
    heads = fields.size("num_attention_heads")
    head_dim = int(0.75 * fields.size("hidden_size") / heads)
    delta = delta_mixer(fields, heads, (head_dim, 2 * head_dim))
    mixers = (delta, attention_mixer(family, fields))
    return attending(fields, _every_fourth(fields), mixers, gated_mlp(fields))


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


@family("kimi_linear")
def kimi_linear(fields: Fields) -> Network:
    """Kimi Linear: a delta rule with a gate per channel, latent attention in every fourth layer.

    Scores inside a chunk are taken channel by channel (arXiv:2510.26692, sec. 3), as no matrix
    product, and not counted.
    """
    fields = _kimi_spelling(fields)
    blocks = (gated_mlp(fields), experts(Mixture(shared=shared_experts()), fields).costs())
    mixers = (_kimi_delta(fields), attention_mixer(Family(attention=latent_attention), fields))
    listed = attention_layers(fields, lambda at: at > 0 and at % 4 == 0, "layer_types")
    kinds = ((attends, listed_sparse(fields, at)) for at, attends in enumerate(listed))
    return hybrid(fields, kinds, mixers, blocks)


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
    own = {
        "mixer/in": linear(hidden, 3 * width),
        "mixer/gates": Cost(),
        "mixer/beta": linear(hidden, heads),
        "mixer/forget": gate,
        "mixer/gate": gate,
        "mixer/state": held(width + heads),
    }
    delta = delta_mixer(fields, heads, (head_dim, head_dim))
    return replace(delta, costs={**delta.costs, **own})


families(
    gated_delta,
    {"qwen3_next": QWEN_MIXTURE, "qwen3_5_text": None, "qwen3_5_moe_text": QWEN_MIXTURE},
)
