"""Which decoders route tokens to experts, and what their configs leave out.

A mixture family is a dense family with another `feed_forwards`: which layers are sparse, and the
keys and defaults of their experts, those of transformers 5.23.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from estimator.workload.blocks import Attention, Experts, LatentAttention, Mlp
from estimator.workload.families.rotary import (
    LLAMA,
    MISTRAL,
    OLMO,
    QWEN2,
    Family,
    FeedForwards,
    Windows,
    decoder,
    dense,
    flag,
    full_attention,
    head_norm,
    never,
    output_head,
    width_norm,
    window_but_every,
    window_everywhere,
    windows,
)
from estimator.workload.fields import Fields
from estimator.workload.transformer import Decoder, Layer

EXPERTS = ("num_local_experts", "num_experts")


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Where a family keeps the sizes of its experts, and their defaults.

    Parameters
    ----------
    experts, active, width : tuple
        Keys, then the default (None: the key must be there).
    shared : function
        Width of the shared expert, 0 without one, from the fields and the width of an expert.
    sparse : function
        Whether a layer is a mixture.
    bias, shared_bias, router_bias, shared_gate : bool
        Biases of experts and router; a learned gate on the shared expert.
    """

    experts: tuple[tuple[str, ...], int]
    active: tuple[str, int | None]
    width: tuple[str, int]
    shared: Callable[[Fields, int], int] = lambda fields, width: 0
    sparse: Callable[[Fields, int], bool] = lambda fields, layer: True
    bias: bool = False
    router_bias: bool = False
    shared_gate: bool = False


def feed_forwards(mixture: Mixture, family: Family, fields: Fields, layers: int) -> FeedForwards:
    """Experts in the sparse layers, the family's MLP in the others."""
    plain = dense(family, fields, layers)
    block = experts(mixture, family, fields)
    return tuple(
        block if mixture.sparse(fields, layer) else plain[layer] for layer in range(layers)
    )


def experts(mixture: Mixture, family: Family, fields: Fields) -> Experts:
    """The sparse block of a config."""
    hidden = fields.size("hidden_size")
    keys, default = mixture.experts
    count = fields.size(*keys, default=default)
    width = fields.size(mixture.width[0], default=mixture.width[1])
    shared = mixture.shared(fields, width)
    return Experts(
        expert=Mlp(hidden=hidden, width=width, gated=True, bias=mixture.bias),
        experts=count,
        active=routed(fields, mixture.active, keys, count),
        router_bias=mixture.router_bias,
        shared=Mlp(hidden=hidden, width=shared, gated=True, bias=family.mlp_bias(fields))
        if shared
        else None,
        shared_gate=mixture.shared_gate,
    )


def routed(
    fields: Fields, active: tuple[str, int | None], keys: tuple[str, ...], count: int
) -> int:
    """Experts per token, refused above the number of experts."""
    key, default = active
    number = fields.size(key, default=default)
    if number > count:
        raise ValueError(
            f"{fields.path}{key} must be at most {fields.key(*keys)} = {count}, got {number}"
        )
    return number


def shared_experts(default: int) -> Callable[[Fields, int], int]:
    """Width of `n_shared_experts` experts side by side."""
    return lambda fields, width: (
        width * (fields.size_or_none("n_shared_experts", default=default, least=0) or 0)
    )


def after_first(default: int) -> Callable[[Fields, int], bool]:
    """Sparse from layer `first_k_dense_replace` on."""
    return lambda fields, layer: (
        layer >= fields.size("first_k_dense_replace", default=default, least=0)
    )


def every_step(fields: Fields, layer: int) -> bool:
    """Qwen: every `decoder_sparse_step`-th layer, except those of `mlp_only_layers`."""
    step = fields.size("decoder_sparse_step", default=1)
    return (layer + 1) % step == 0 and layer not in (fields.items("mlp_only_layers") or [])


def interleaved(fields: Fields, layer: int) -> bool:
    """Llama 4: the layers of `moe_layers`, else every `interleave_moe_layer_step`-th."""
    listed = fields.items("moe_layers")
    step = fields.size("interleave_moe_layer_step", default=1)
    return (layer + 1) % step == 0 if listed is None else layer in listed


def qwen2_moe_windows(fields: Fields, layers: int) -> Windows:
    """Every other layer below `max_window_layers`, where `use_sliding_window` asks."""
    if not fields.flag("use_sliding_window"):
        return full_attention(fields, layers)
    last = fields.size("max_window_layers", default=28, least=0)
    window = fields.size_or_none("sliding_window", default=4096)
    return windows(fields, layers, window, lambda layer: layer % 2 == 0 and layer < last)


def qwen3_moe_windows(fields: Fields, layers: int) -> Windows:
    """Every layer, where `use_sliding_window` asks."""
    if not fields.flag("use_sliding_window"):
        return full_attention(fields, layers)
    return (fields.size_or_none("sliding_window", default=4096),) * layers


def llama4_windows(fields: Fields, layers: int) -> Windows:
    """Chunks of `attention_chunk_size` in the layers with rotary positions."""
    rotary = fields.items("no_rope_layers", layers) if fields.values.get("no_rope_layers") else None
    period = fields.size("no_rope_layer_interval", default=4)
    chunk = fields.size_or_none("attention_chunk_size", default=8192)
    if rotary:
        return windows(fields, layers, chunk, lambda layer: bool(rotary[layer]))
    return windows(fields, layers, chunk, lambda layer: (layer + 1) % period != 0)


def latent_attention(defaults: tuple[int | None, int], fields: Fields) -> LatentAttention:
    """DeepSeek's attention; `defaults` are the default ranks of queries, and of keys and values."""
    query_rank, kv_rank = defaults
    return LatentAttention(
        hidden=fields.size("hidden_size"),
        heads=fields.size("num_attention_heads"),
        query_rank=fields.size_or_none("q_lora_rank", default=query_rank),
        kv_rank=fields.size("kv_lora_rank", default=kv_rank),
        nope_dim=fields.size("qk_nope_head_dim", default=128),
        rope_dim=fields.size("qk_rope_head_dim", default=64),
        value_dim=fields.size("v_head_dim", default=128),
        bias=fields.flag("attention_bias"),
    )


def sinks(fields: Fields, attention: Attention) -> int:
    """gpt-oss: one learned sink per head."""
    return attention.heads


def dbrx(fields: Fields) -> Decoder:
    """DBRX: sizes in two parts of the config, norms without bias."""
    hidden = fields.size("hidden_size", "d_model")
    heads = fields.size("num_attention_heads", "n_heads")
    part, moe = fields.part("attn_config"), fields.part("ffn_config")
    kv_heads = part.size("kv_n_heads", default=1)
    part.share("n_heads", heads, "kv_n_heads", kv_heads)
    count = moe.size("moe_num_experts", default=4)
    layer = Layer(
        attention=Attention(
            hidden=hidden,
            heads=heads,
            kv_heads=kv_heads,
            head_dim=fields.share("d_model", hidden, "n_heads", heads),
        ),
        feed_forward=Experts(
            expert=Mlp(hidden=hidden, width=moe.size("ffn_hidden_size", default=3584), gated=True),
            experts=count,
            active=routed(moe, ("moe_top_k", 1), ("moe_num_experts",), count),
        ),
        norm_params=2 * hidden,
    )
    head, warnings = output_head(fields, 32000, tied=False)
    return Decoder(
        hidden=hidden,
        vocab=fields.size("vocab_size", default=32000),
        layers=(layer,) * fields.layers("num_hidden_layers", "n_layers"),
        head=head,
        max_positions=fields.size("max_position_embeddings", "max_seq_len", default=2048),
        outer_norm_params=hidden,
        model_type=fields.text("model_type"),
        name=fields.text("_name_or_path"),
        warnings=warnings,
    )


def _mix(family: Family, mixture: Mixture) -> Family:
    return replace(family, feed_forwards=partial(feed_forwards, mixture))


QWEN2_MOE = Mixture(
    experts=(EXPERTS, 60),
    active=("num_experts_per_tok", 4),
    width=("moe_intermediate_size", 1408),
    shared=lambda fields, width: fields.size("shared_expert_intermediate_size", default=5632),
    sparse=every_step,
    shared_gate=True,
)
DEEPSEEK_EXPERTS = ("n_routed_experts", "num_local_experts", "num_experts")
DEEPSEEK_V3 = Mixture(
    experts=(DEEPSEEK_EXPERTS, 256),
    active=("num_experts_per_tok", 8),
    width=("moe_intermediate_size", 2048),
    shared=shared_experts(1),
    sparse=after_first(3),
)
GRANITE_MOE = Mixture(
    experts=(EXPERTS, 8),
    active=("num_experts_per_tok", 2),
    width=("intermediate_size", 11008),
)

ROWS = {
    "mixtral": _mix(
        replace(MISTRAL, windows=window_everywhere(None)),
        Mixture(
            experts=(EXPERTS, 8),
            active=("num_experts_per_tok", 2),
            width=("intermediate_size", 14336),
        ),
    ),
    "qwen2_moe": _mix(
        replace(
            QWEN2,
            intermediate=5632,
            kv_heads=16,
            qkv_bias=flag("qkv_bias", True),
            windows=qwen2_moe_windows,
        ),
        QWEN2_MOE,
    ),
    "qwen3_moe": _mix(
        replace(
            QWEN2,
            intermediate=6144,
            kv_heads=4,
            qkv_bias=flag("attention_bias"),
            output_bias=flag("attention_bias"),
            qk_norm=head_norm,
            windows=qwen3_moe_windows,
        ),
        Mixture(
            experts=(EXPERTS, 128),
            active=("num_experts_per_tok", 8),
            width=("moe_intermediate_size", 768),
            sparse=every_step,
        ),
    ),
    "olmoe": _mix(
        replace(OLMO, norm_params=1, intermediate=2048, positions=4096, qk_norm=width_norm),
        Mixture(
            experts=(EXPERTS, 64),
            active=("num_experts_per_tok", 8),
            width=("intermediate_size", 2048),
        ),
    ),
    "phimoe": _mix(
        replace(
            LLAMA,
            vocab=32064,
            intermediate=6400,
            positions=131072,
            kv_heads=8,
            mlp_bias=never,
            head_bias=flag("lm_head_bias"),
            norm_params=2,
            windows=window_everywhere(None),
        ),
        Mixture(
            experts=(EXPERTS, 16),
            active=("num_experts_per_tok", 2),
            width=("intermediate_size", 6400),
        ),
    ),
    "gpt_oss": _mix(
        Family(
            vocab=201088,
            intermediate=2880,
            positions=131072,
            kv_heads=8,
            head_dim=64,
            qkv_bias=flag("attention_bias", True),
            output_bias=flag("attention_bias", True),
            qk_norm=sinks,
            windows=window_but_every(2, 128),
        ),
        Mixture(
            experts=(EXPERTS, 128),
            active=("num_experts_per_tok", 4),
            width=("intermediate_size", 2880),
            bias=True,
            router_bias=True,
        ),
    ),
    "deepseek_v2": _mix(
        replace(LLAMA, vocab=102400, attention=partial(latent_attention, (1536, 512))),
        Mixture(
            experts=(DEEPSEEK_EXPERTS, 64),
            active=("num_experts_per_tok", None),
            width=("moe_intermediate_size", 1407),
            shared=shared_experts(2),
            sparse=after_first(0),
        ),
    ),
    "deepseek_v3": _mix(
        Family(
            vocab=129280,
            intermediate=18432,
            positions=4096,
            attention=partial(latent_attention, (1536, 512)),
        ),
        DEEPSEEK_V3,
    ),
    "llama4_text": _mix(
        Family(
            vocab=202048,
            intermediate=16384,
            intermediate_key="intermediate_size_mlp",
            positions=131072,
            kv_heads=8,
            head_dim=128,
            qkv_bias=flag("attention_bias"),
            output_bias=flag("attention_bias"),
            windows=llama4_windows,
        ),
        Mixture(
            experts=(EXPERTS, 16),
            active=("num_experts_per_tok", 1),
            width=("intermediate_size", 8192),
            shared=lambda fields, width: width,
            sparse=interleaved,
        ),
    ),
    "granitemoe": _mix(replace(LLAMA, mlp_bias=never), GRANITE_MOE),
    "granitemoeshared": _mix(
        replace(LLAMA, mlp_bias=never),
        replace(
            GRANITE_MOE,
            shared=lambda fields, width: fields.size(
                "shared_intermediate_size", default=0, least=0
            ),
        ),
    ),
    "glm4_moe": _mix(
        Family(
            vocab=151552,
            intermediate=10944,
            positions=131072,
            kv_heads=8,
            qkv_bias=flag("attention_bias"),
            qk_norm=lambda fields, attention: (
                head_norm(fields, attention) if fields.flag("use_qk_norm") else 0
            ),
        ),
        replace(
            DEEPSEEK_V3,
            experts=(DEEPSEEK_EXPERTS, 128),
            width=("moe_intermediate_size", 1408),
            sparse=after_first(1),
        ),
    ),
}

FAMILIES: Mapping[str, Callable[[Fields], Decoder]] = {
    "dbrx": dbrx,
    **{model_type: partial(decoder, family) for model_type, family in ROWS.items()},
}
