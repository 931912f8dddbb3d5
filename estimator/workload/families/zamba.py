"""Which Mamba with shared blocks of attention a config describes: Zamba, Zamba2."""

from dataclasses import replace

from estimator.workload.blocks import Attention, Costs, Mlp, held, linear
from estimator.workload.families.hybrid_stack import language_model, with_costs
from estimator.workload.families.mixers import expanded, mamba2_mixer, mamba_mixer
from estimator.workload.fields import Fields
from estimator.workload.layers import Layers
from estimator.workload.network import Network
from estimator.workload.registry import family


def _shared_block(fields: Fields, bias: bool) -> Layers:
    """The shared block: attention on the states beside the first embedding, then an MLP."""
    hidden = fields.size("hidden_size")
    wide = fields.size_or_none("attention_hidden_size") or 2 * hidden
    heads = fields.size("num_attention_heads")
    attention = Attention(
        hidden=wide,
        heads=heads,
        kv_heads=fields.size_or_none("num_key_value_heads") or heads,
        head_dim=fields.size_or_none("attention_head_dim")
        or fields.share("2 * hidden_size", 2 * hidden, "num_attention_heads", heads),
    )
    width = fields.size_or_none("intermediate_size") or 4 * hidden
    out = linear(heads * attention.head_dim, hidden)
    return Layers(
        costs={
            **attention.costs(),
            "attention/output": out,
            **Mlp(hidden=hidden, width=width, gated=True, bias=bias).costs(),
            "norm/shared": held(wide + hidden),
        },
        cache_values=attention.cache_values_per_token,
    )


def _sharing(
    fields: Fields, scan: Layers, shared: tuple[Layers, int], own: Costs, usual: list[str]
) -> Network:
    """Scans in every layer; in the hybrid ones a shared block and what belongs to them alone."""
    hidden = fields.size("hidden_size")
    listed = fields.items("layers_block_type")
    kinds = usual if listed is None else [str(kind) for kind in listed]
    shares = kinds.count("hybrid")
    stack = [replace(with_costs(fields, scan, {}, norms=1), times=len(kinds))]
    if shares:
        block, blocks = shared
        stack.append(replace(block, times=blocks, reuse=shares / blocks))
        bridge = {"hybrid/bridge": linear(hidden, hidden), **own}
        stack.append(Layers(costs=bridge, times=shares))
    return language_model(fields, stack, fields.size("max_position_embeddings"))


@family("zamba")
def zamba(fields: Fields) -> Network:
    """Zamba: Mamba layers and one shared attention block (arXiv:2405.16712, sec. 2)."""
    scan = mamba_mixer(fields, expanded(fields), fields.size("n_mamba_heads", default=2))
    period = fields.size("attn_layer_period", default=6)
    offset = fields.size("attn_layer_offset", default=4, least=0)
    layers = fields.layers("num_hidden_layers", default=76)
    later = ["hybrid" if at % period == offset else "mamba" for at in range(layers - 3)]
    usual = ["mamba", "mamba", "hybrid", *later]
    return _sharing(fields, scan, (_shared_block(fields, False), 1), {}, usual)


@family("zamba2")
def zamba2(fields: Fields) -> Network:
    """Zamba2: Mamba-2 layers, shared blocks with adapters of their own (arXiv:2411.15242)."""
    hidden = fields.size("hidden_size")
    bias = fields.flag("add_bias_linear")
    scan = mamba2_mixer(fields, expanded(fields), fields.size("n_mamba_heads", default=8))
    rank = fields.size("adapter_rank", default=128)
    width = fields.size_or_none("intermediate_size") or 4 * hidden
    adapters: Costs = {
        "adapter/mlp_down": linear(hidden, rank),
        "adapter/mlp_up": linear(rank, 2 * width),
    }
    if fields.flag("use_shared_attention_adapter"):
        wide = fields.size_or_none("attention_hidden_size") or 2 * hidden
        adapters = {
            **adapters,
            "adapter/attention_down": linear(wide, 3 * rank),
            "adapter/attention_up": linear(rank, 3 * wide),
        }
    tail = ["mamba"] * 4 + ["hybrid"] + ["mamba"] * 3 + ["hybrid"] + ["mamba"] * 2
    usual = ["mamba"] + (["mamba"] * 5 + ["hybrid"]) * 7 + tail
    blocks = fields.size("num_mem_blocks", default=1)
    return _sharing(fields, scan, (_shared_block(fields, bias), blocks), adapters, usual)
