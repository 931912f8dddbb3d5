"""Which decoders route tokens to experts, and what their configs leave out."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from estimator.workload.blocks import Attention, Experts, Mlp
from estimator.workload.families.decoder import (
    Family,
    Latent,
    decoder,
    flag,
    head_norm,
    latent_attention,
    never,
    output_head,
    sinks,
    width_norm,
)
from estimator.workload.families.dense_decoders import COHERE, LLAMA, MISTRAL, OLMO, QWEN2
from estimator.workload.families.experts import (
    Mixture,
    after_first,
    every_step,
    feed_forwards,
    interleaved,
    listed_sparse,
    routed,
    shared_experts,
    shared_width,
)
from estimator.workload.families.sliding_window import (
    llama4_windows,
    qwen2_moe_windows,
    qwen3_moe_windows,
    window_but_every,
    window_everywhere,
    window_from_layer,
    window_unless_full,
)
from estimator.workload.fields import Fields
from estimator.workload.registry import families, family
from estimator.workload.transformer import Decoder, Layer


@family("dbrx")
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
    head, notes = output_head(fields, 32000, tied=False)
    return Decoder(
        hidden=hidden,
        vocab=fields.size("vocab_size", default=32000),
        layers=(layer,) * fields.layers("num_hidden_layers", "n_layers"),
        head=head,
        max_positions=fields.size("max_position_embeddings", "max_seq_len", default=2048),
        outer_norm_params=hidden,
        model_type=fields.text("model_type"),
        name=fields.text("_name_or_path"),
        warnings=fields.notes + notes,
    )


def mix(family: Family, mixture: Mixture) -> Family:
    """The family with experts for its MLPs."""
    return replace(family, feed_forwards=partial(feed_forwards, mixture))


QWEN2_MOE = Mixture(
    experts=60,
    active=4,
    width=1408,
    shared=shared_width("shared_expert_intermediate_size", 5632),
    sparse=every_step,
    shared_gate=True,
)
DEEPSEEK_EXPERTS = ("n_routed_experts", "num_local_experts", "num_experts")
DEEPSEEK_V3 = Mixture(
    experts=256,
    keys=DEEPSEEK_EXPERTS,
    active=8,
    width=2048,
    shared=shared_experts(1),
    sparse=after_first(3),
)
GRANITE_MOE = Mixture(experts=8, active=2, width=11008, width_key="intermediate_size")


def _between(fields: Fields, layer: int) -> bool:
    """ERNIE 4.5: every so many layers from the first sparse one to the last."""
    first = fields.size("moe_layer_start_index", default=1, least=0)
    last = fields.values.get("moe_layer_end_index", -1)
    end = layer if last in (-1, None) else fields.size("moe_layer_end_index", least=0)
    step = fields.size("moe_layer_interval", default=1)
    return (layer + 1) % step == 0 and first <= layer <= end


def _after_dense(fields: Fields, layer: int) -> bool:
    """Afmoe: sparse after the first `num_dense_layers`."""
    return layer >= fields.size("num_dense_layers", default=1, least=0)


@family("hunyuan_v1_moe")
def hunyuan(fields: Fields) -> Decoder:
    """Hunyuan: what it states per layer is read from the first, where all are equal."""
    values = dict(fields.values)
    for key in ("moe_topk", "num_shared_expert", "moe_intermediate_size"):
        stated = values.get(key)
        if isinstance(stated, list | tuple) and stated:
            if any(item != stated[0] for item in stated):
                raise ValueError(f"{fields.path}{key} must be one number, or equal in all layers")
            values[key] = stated[0]
    return decoder(HUNYUAN, replace(fields, values=values))


HUNYUAN = mix(
    replace(LLAMA, vocab=290943, mlp_bias=never, qk_norm=head_norm),
    Mixture(
        experts=1,
        active=1,
        active_key="moe_topk",
        width=11008,
        width_key="intermediate_size",
        shared=lambda fields, width: width,
    ),
)


V32 = Family(
    vocab=129280,
    intermediate=18432,
    positions=163840,
    attention=partial(latent_attention, Latent(index_heads=64)),
)

QWEN3_MOE = mix(
    replace(
        QWEN2,
        intermediate=6144,
        kv_heads=4,
        qkv_bias=never,
        attention_bias=flag("attention_bias"),
        qk_norm=head_norm,
        windows=qwen3_moe_windows,
    ),
    Mixture(experts=128, active=8, width=768, sparse=every_step),
)
DEEPSEEK_V3_FAMILY = mix(
    Family(
        vocab=129280,
        intermediate=18432,
        positions=4096,
        attention=partial(latent_attention, Latent()),
    ),
    DEEPSEEK_V3,
)

ROWS: Mapping[str, Family] = {
    "mixtral": mix(
        replace(MISTRAL, windows=window_everywhere(None)),
        Mixture(experts=8, active=2, width=14336, width_key="intermediate_size"),
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
    "qwen3_moe": QWEN3_MOE,
    "olmoe": mix(
        replace(OLMO, norm_params=1, intermediate=2048, positions=4096, qk_norm=width_norm),
        Mixture(experts=64, active=8, width=2048, width_key="intermediate_size"),
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
        Mixture(experts=16, active=2, width=6400, width_key="intermediate_size"),
    ),
    "gpt_oss": mix(
        Family(
            vocab=201088,
            intermediate=2880,
            positions=131072,
            kv_heads=8,
            head_dim=64,
            attention_bias=flag("attention_bias", True),
            qk_norm=sinks,
            windows=window_but_every(2, 128),
        ),
        Mixture(
            experts=128,
            active=4,
            width=2880,
            width_key="intermediate_size",
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
            attention_bias=flag("attention_bias"),
            windows=llama4_windows,
        ),
        Mixture(
            experts=16,
            active=1,
            width=8192,
            width_key="intermediate_size",
            shared=lambda fields, width: width,
            sparse=interleaved,
        ),
    ),
    "flex_olmo": mix(
        replace(OLMO, vocab=100352, norm_params=1, positions=4096, qk_norm=width_norm),
        Mixture(experts=7, active=5, width=11008, width_key="intermediate_size"),
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
        Mixture(experts=256, active=8, width=1536, width_key="intermediate_size"),
    ),
    "dots1": mix(
        Family(
            vocab=152064,
            intermediate=10944,
            positions=2048,
            kv_heads=32,
            attention_bias=flag("attention_bias"),
            qk_norm=head_norm,
            windows=window_from_layer(62),
        ),
        Mixture(
            experts=None,
            keys=DEEPSEEK_EXPERTS,
            active=None,
            width=1408,
            shared=shared_experts(0),
            sparse=after_first(0),
        ),
    ),
    "granitemoe": mix(replace(LLAMA, mlp_bias=never), GRANITE_MOE),
    "granitemoeshared": mix(
        replace(LLAMA, mlp_bias=never),
        replace(GRANITE_MOE, shared=shared_width("shared_intermediate_size", 0)),
    ),
    "glm4v_moe_text": mix(
        Family(
            vocab=151424,
            intermediate=10944,
            positions=65536,
            kv_heads=8,
            qkv_bias=flag("attention_bias", True),
        ),
        replace(DEEPSEEK_V3, experts=128, keys=DEEPSEEK_EXPERTS, width=1408, sparse=after_first(1)),
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
        replace(DEEPSEEK_V3, experts=128, keys=DEEPSEEK_EXPERTS, width=1408, sparse=after_first(1)),
    ),
    "ernie4_5_moe": mix(
        Family(
            vocab=103424,
            intermediate=12288,
            positions=131072,
            kv_heads=4,
            tied=True,
            attention_bias=flag("use_bias"),
            mlp_bias=flag("use_bias"),
            head_bias=flag("use_bias"),
        ),
        Mixture(
            experts=64,
            keys=("moe_num_experts",),
            active=6,
            active_key="moe_k",
            width=1536,
            shared=shared_experts(2, "moe_num_shared_experts"),
            sparse=_between,
            router_bias=True,
        ),
    ),
    "exaone_moe": mix(
        Family(
            vocab=102400,
            intermediate=16384,
            positions=2048,
            kv_heads=32,
            qk_norm=head_norm,
            windows=window_but_every(4, 4096, "sliding_window_pattern"),
        ),
        Mixture(
            experts=64,
            active=8,
            width=1024,
            shared=shared_experts(1, "num_shared_experts"),
            sparse=listed_sparse(1),
        ),
    ),
    "afmoe": mix(
        Family(
            vocab=200192,
            intermediate=6144,
            positions=16384,
            head_dim=128,
            attention_bias=flag("attention_bias"),
            norms=4,
            qk_norm=head_norm,
            gate=True,
            windows=window_but_every(4, 1024, "global_attn_every_n_layers"),
        ),
        Mixture(
            experts=64,
            active=6,
            width=1408,
            shared=shared_experts(2, "num_shared_experts"),
            sparse=_after_dense,
            router_bias=True,
        ),
    ),
    "solar_open": mix(
        Family(
            vocab=196608,
            intermediate=10240,
            positions=131072,
            kv_heads=8,
            head_dim=128,
            qkv_bias=flag("attention_bias"),
        ),
        Mixture(
            experts=128,
            keys=DEEPSEEK_EXPERTS,
            active=8,
            width=1280,
            shared=shared_experts(1),
            sparse=after_first(0),
        ),
    ),
    "granitemoe_swa": mix(
        replace(LLAMA, mlp_bias=never, qk_norm=sinks, windows=window_but_every(4, 128)),
        replace(GRANITE_MOE, shared=shared_width("shared_intermediate_size", 0)),
    ),
    "mellum": mix(
        Family(
            vocab=98304,
            intermediate=7168,
            positions=131072,
            kv_heads=4,
            head_dim=128,
            attention_bias=flag("attention_bias"),
            qk_norm=head_norm,
            windows=window_unless_full,
        ),
        Mixture(experts=64, active=8, width=896),
    ),
    "cohere2_moe": mix(
        replace(COHERE, head_dim=128, windows=window_but_every(4, 4096)),
        Mixture(
            experts=8,
            active=2,
            width=22528,
            width_key="intermediate_size",
            shared=shared_experts(0, "num_shared_experts"),
        ),
    ),
    "hy_v3": mix(
        replace(
            LLAMA,
            vocab=120832,
            intermediate=13312,
            positions=131072,
            kv_heads=8,
            head_dim=128,
            qk_norm=head_norm,
        ),
        Mixture(
            experts=192,
            active=8,
            width=1536,
            shared=shared_experts(1, "num_shared_experts"),
            sparse=listed_sparse(1),
        ),
    ),
    "deepseek_v2": mix(
        replace(LLAMA, vocab=102400, attention=partial(latent_attention, Latent())),
        Mixture(
            experts=64,
            keys=DEEPSEEK_EXPERTS,
            active=None,
            width=1407,
            shared=shared_experts(2),
            sparse=after_first(0),
        ),
    ),
    "deepseek_v3": DEEPSEEK_V3_FAMILY,
    "glm4_moe_lite": mix(
        Family(
            vocab=154880,
            intermediate=10240,
            positions=202752,
            attention=partial(
                latent_attention,
                Latent(query_rank=768, kv_rank=512, nope_dim=192, rope_dim=64, value_dim=256),
            ),
        ),
        replace(
            DEEPSEEK_V3,
            experts=64,
            keys=DEEPSEEK_EXPERTS,
            active=4,
            width=1536,
            sparse=listed_sparse(1),
        ),
    ),
    "deepseek_v32": mix(V32, replace(DEEPSEEK_V3, sparse=listed_sparse(3))),
    "glm_moe_dsa": mix(
        replace(
            V32,
            vocab=154880,
            intermediate=12288,
            positions=202752,
            attention=partial(
                latent_attention,
                Latent(query_rank=2048, nope_dim=192, value_dim=256, index_heads=32),
            ),
        ),
        replace(DEEPSEEK_V3, sparse=listed_sparse(3)),
    ),
    "mistral4": mix(
        Family(
            vocab=131072,
            intermediate=12288,
            positions=1048576,
            attention=partial(latent_attention, Latent(query_rank=1024, kv_rank=256, nope_dim=64)),
        ),
        replace(DEEPSEEK_V3, experts=128, keys=DEEPSEEK_EXPERTS, active=4, sparse=after_first(0)),
    ),
    "qwen3_vl_moe_text": QWEN3_MOE,
    "qwen3_omni_moe_text": QWEN3_MOE,
    "kimi_k2": DEEPSEEK_V3_FAMILY,
}

families(decoder, ROWS)
