"""Which decoders route tokens to experts, and what their configs leave out.

Defaults are those of transformers 5.23.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from estimator.workload.blocks import Attention, Experts, Mlp
from estimator.workload.families.dense import LLAMA, MISTRAL, OLMO, QWEN2
from estimator.workload.families.mixture import (
    EXPERTS,
    Mixture,
    after_first,
    every_step,
    feed_forwards,
    interleaved,
    routed,
    shared_experts,
)
from estimator.workload.families.rotary import (
    Family,
    decoder,
    flag,
    head_norm,
    never,
    output_head,
    width_norm,
)
from estimator.workload.families.windows import (
    llama4_windows,
    qwen2_moe_windows,
    qwen3_moe_windows,
    window_but_every,
    window_everywhere,
    window_from_layer,
)
from estimator.workload.fields import Fields
from estimator.workload.transformer import Decoder, Layer


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


def mix(family: Family, mixture: Mixture) -> Family:
    """The family with experts for its MLPs."""
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
    "mixtral": mix(
        replace(MISTRAL, windows=window_everywhere(None)),
        Mixture(
            experts=(EXPERTS, 8),
            active=("num_experts_per_tok", 2),
            width=("intermediate_size", 14336),
        ),
    ),
    "qwen2_moe": mix(
        replace(
            QWEN2,
            intermediate=5632,
            kv_heads=16,
            qkv_bias=flag("qkv_bias", True),
            windows=qwen2_moe_windows,
        ),
        QWEN2_MOE,
    ),
    "qwen3_moe": mix(
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
    "olmoe": mix(
        replace(OLMO, norm_params=1, intermediate=2048, positions=4096, qk_norm=width_norm),
        Mixture(
            experts=(EXPERTS, 64),
            active=("num_experts_per_tok", 8),
            width=("intermediate_size", 2048),
        ),
    ),
    "phimoe": mix(
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
    "gpt_oss": mix(
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
    "llama4_text": mix(
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
    "flex_olmo": mix(
        replace(OLMO, vocab=100352, norm_params=1, positions=4096, qk_norm=width_norm),
        Mixture(
            experts=(EXPERTS, 7),
            active=("num_experts_per_tok", 5),
            width=("intermediate_size", 11008),
        ),
    ),
    "minimax_m2": mix(
        Family(
            vocab=200064,
            intermediate=1536,
            positions=196608,
            kv_heads=8,
            head_dim=128,
            qk_norm=width_norm,
        ),
        Mixture(
            experts=(EXPERTS, 256),
            active=("num_experts_per_tok", 8),
            width=("intermediate_size", 1536),
        ),
    ),
    "dots1": mix(
        Family(
            vocab=152064,
            intermediate=10944,
            positions=2048,
            kv_heads=32,
            qkv_bias=flag("attention_bias"),
            output_bias=flag("attention_bias"),
            qk_norm=head_norm,
            windows=window_from_layer(62),
        ),
        Mixture(
            experts=(DEEPSEEK_EXPERTS, None),
            active=("num_experts_per_tok", None),
            width=("moe_intermediate_size", 1408),
            shared=shared_experts(0),
            sparse=after_first(0),
        ),
    ),
    "granitemoe": mix(replace(LLAMA, mlp_bias=never), GRANITE_MOE),
    "granitemoeshared": mix(
        replace(LLAMA, mlp_bias=never),
        replace(
            GRANITE_MOE,
            shared=lambda fields, width: fields.size(
                "shared_intermediate_size", default=0, least=0
            ),
        ),
    ),
    "glm4_moe": mix(
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
    "qwen3_vl_moe_text": partial(decoder, ROWS["qwen3_moe"]),
    **{model_type: partial(decoder, family) for model_type, family in ROWS.items()},
}
