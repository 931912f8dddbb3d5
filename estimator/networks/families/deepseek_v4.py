"""How much work DeepSeek-V4 and HY v4 are: residual streams that are weighed and mixed.

DeepSeek-V4 attends to near tokens and to compressed ones, HY v4 as GLM 5 does. Sizes and names are
those of transformers 5.23. The ledger counts all compressed tokens, as transformers multiplies, not
the share that an indexer picks.
"""

from collections import Counter
from dataclasses import replace

from estimator.core.messages import refuse
from estimator.networks.blocks import Cost, Costs, LatentAttention, held, linear, product
from estimator.networks.families.hybrid_stack import language_model
from estimator.networks.families.moe_decoders import Mixture, experts, glm, shared_experts
from estimator.networks.fields import Fields
from estimator.networks.layers import Layers
from estimator.networks.network import Network, network
from estimator.networks.registry import family
from estimator.networks.transformer import Layer

SPARSE, HEAVY = "compressed_sparse_attention", "heavily_compressed_attention"
KINDS = {0: "sliding_attention", 4: SPARSE, 128: HEAVY}
"""Tokens in one compressed token, 0 for none -> kind of layer."""


@family("deepseek_v4")
def deepseek_v4(fields: Fields) -> Network:
    """DeepSeek-V4 of a config."""
    hidden, streams = fields.size("hidden_size"), fields.size("hc_mult")
    mixed = experts(Mixture(shared=shared_experts()), fields).costs()
    near = {**_near(fields), **mixed, **_streams(hidden, streams), "norm/layers": held(2 * hidden)}
    window, width = fields.size("sliding_window"), fields.size("head_dim")
    kinds = Counter(_kinds(fields))
    layers = [Layers(costs=near, times=kinds.total(), window=window, cache_values=width)]
    layers += [_far(fields, kind, kinds[kind]) for kind in (SPARSE, HEAVY) if kinds[kind]]
    collapse = linear(streams * hidden, streams) + held(streams + 1)
    layers.append(Layers(costs={"streams/collapse": collapse}))
    return language_model(fields, layers, fields.size("max_position_embeddings"))


@family("hy_v4")
def hy_v4(fields: Fields) -> Network:
    """HY v4: gated latent attention with sinks, experts, streams weighed before each."""
    model = glm(fields.with_defaults({"index_topk_freq": 4}))

    def gated(layer: Layer) -> Layer:
        part = layer.attention
        if isinstance(part, LatentAttention):
            part = replace(part, gate=part.heads * part.value_dim)
        sinks = part.heads
        return replace(layer, attention=part, norm_params=layer.norm_params + sinks)

    model = replace(model, layers=tuple(map(gated, model.layers)))
    streams, stack = fields.size("hc_mult"), model.stack
    wide = streams * model.hidden
    weights = linear(wide, 2 * streams) + held(2 * streams + 2)
    collapse = linear(wide, streams) + held(streams + 1)
    around = (
        Layers(costs={"streams/weights": weights.times(2)}, times=len(model.layers)),
        Layers(costs={"streams/collapse": collapse}),
    )
    stack = replace(stack, stack=(*stack.stack, *around))
    made = network(fields, stack.run, cache=stack.cache)
    return replace(made, warnings=model.warnings)


def _kinds(fields: Fields) -> list[str]:
    """Kind of every layer: as listed, by its ratio of compression, or as the first models have."""
    layers = fields.layers("num_hidden_layers")
    kinds = fields.items("layer_types")
    if kinds is None and (ratios := fields.items("compress_ratios")):
        named = {str(ratio): kind for ratio, kind in KINDS.items()}
        kinds = [named.get(str(ratio), str(ratio)) for ratio in ratios]
    if kinds is None:
        kinds = [HEAVY if at < 2 or at % 2 == 0 else SPARSE for at in range(layers)]
    if len(kinds) < layers:
        raise refuse("config_list_layers", key="layer_types", count=layers, value=len(kinds))
    for kind in kinds:
        if kind not in KINDS.values():
            raise fields.uncounted("layer_types", kind, *KINDS.values())
    return kinds[:layers]


def _near(fields: Fields) -> Costs:
    """Queries of a low rank, one key that is the value too, outputs in groups of heads."""
    hidden, heads = fields.size("hidden_size"), fields.size("num_attention_heads")
    width, rank = fields.size("head_dim"), fields.size("q_lora_rank")
    groups, narrow = fields.size("o_groups"), fields.size("o_lora_rank")
    whole = heads * width
    grouped = narrow * fields.share("num_attention_heads * head_dim", whole, "o_groups", groups)
    return {
        "attention/query_down": linear(hidden, rank),
        "attention/query_up": linear(rank, whole),
        "attention/key_value": linear(hidden, width),
        "attention/norm": held(rank + width + heads),
        "attention/scores": Cost(flop_per_pair=2 * whole),
        "attention/reduce": Cost(flop_per_pair=2 * whole),
        "attention/output_down": product(groups * grouped, 2 * groups * grouped),
        "attention/output_up": linear(groups * narrow, hidden),
    }


def _streams(hidden: int, streams: int) -> Costs:
    """Residual streams weighed before, and mixed after, attention and experts."""
    weights = (2 + streams) * streams
    each = linear(streams * hidden, weights) + held(weights + 3)
    mixing = Cost(flop_per_token=2 * streams * streams * hidden)
    return {"streams/weights": each.times(2), "streams/mixing": mixing.times(2)}


def _far(fields: Fields, kind: str, times: int) -> Layers:
    """Tokens compressed by a ratio, and where they are sparse the indexer that picks them."""
    hidden, width = fields.size("hidden_size"), fields.size("head_dim")
    rates = fields.part("compress_rates")
    old = "compress_rate_csa" if kind == SPARSE else "compress_rate_hca"
    usual = fields.size(old, default=4 if kind == SPARSE else 128)
    ratio, overlap = rates.size(kind, default=usual), 1 + (kind == SPARSE)

    def compressor(width: int) -> Cost:
        return linear(hidden, 2 * overlap * width) + held(overlap * ratio * width + width)

    whole = fields.size("num_attention_heads") * width
    costs: dict[str, Cost] = {
        "compressed/key_value": compressor(width),
        "compressed/scores": Cost(flop_per_pair=4 * whole // ratio),
    }
    kept = width
    if kind == SPARSE:
        heads, narrow = fields.size("index_n_heads"), fields.size("index_head_dim")
        costs["indexer/key"] = compressor(narrow)
        costs["indexer/query"] = linear(fields.size("q_lora_rank"), heads * narrow)
        costs["indexer/weights"] = linear(hidden, heads)
        costs["indexer/scores"] = Cost(flop_per_pair=2 * heads * narrow // ratio)
        kept += narrow
    return Layers(costs=costs, times=times, cache_values=kept // ratio)
