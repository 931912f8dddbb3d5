"""Which decoders route tokens to experts, and what their configs leave out.

A row names the rows of the token table, the MLP's width and the longest sequence first, and of its
experts their number, how many a token visits, and the width of one.
"""

from collections.abc import Mapping
from dataclasses import replace

from estimator.workload.blocks import Attention, Experts, Mlp
from estimator.workload.families.decoder import (
    Family,
    Latent,
    decoder,
    flag,
    head_norm,
    latent,
    never,
    output_head,
    sinks,
    where,
    width_norm,
)
from estimator.workload.families.dense_decoders import (
    COHERE,
    LLAMA,
    MISTRAL,
    OLMO2,
    QWEN2,
    STATED,
    STATED_OR_TRUE,
)
from estimator.workload.families.experts import (
    Mixture,
    after_first,
    every_step,
    expert_width,
    interleaved,
    listed_sparse,
    mix,
    routed,
    shared_experts,
    shared_width,
)
from estimator.workload.families.sliding_window import (
    LLAMA4_CHUNKS,
    QWEN2_MOE_WINDOWS,
    QWEN3_MOE_WINDOWS,
    WINDOWED_IF_STATED,
    but_every,
    from_layer,
    sliding,
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
    head_dim = fields.share("d_model", hidden, "n_heads", heads)
    count = moe.size("moe_num_experts", default=4)
    layer = Layer(
        attention=Attention(hidden=hidden, heads=heads, kv_heads=kv_heads, head_dim=head_dim),
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


def _between(fields: Fields, layer: int) -> bool:
    """ERNIE 4.5: every so many layers from the first sparse one to the last."""
    first = fields.size("moe_layer_start_index", default=1, least=0)
    last = fields.values.get("moe_layer_end_index", -1)
    end = layer if last in (-1, None) else fields.size("moe_layer_end_index", least=0)
    step = fields.size("moe_layer_interval", default=1)
    return (layer + 1) % step == 0 and first <= layer <= end


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


STANDARD = "intermediate_size"
"""Where the width of an expert stands in configs without a key of its own."""

HUNYUAN = mix(
    replace(LLAMA, vocab=290943, mlp_bias=never, qk_norm=head_norm),
    Mixture(1, 1, 11008, active_key="moe_topk", width_key=STANDARD, shared=expert_width),
)
QWEN3_MOE = mix(
    Family(
        *(151936, 6144, 32768),
        kv_heads=4,
        head_dim=None,
        attention_bias=STATED,
        qk_norm=head_norm,
        windows=QWEN3_MOE_WINDOWS,
    ),
    Mixture(128, 8, 768, sparse=every_step),
)
DEEPSEEK_V3 = Mixture(256, 8, 2048, shared=shared_experts(1), sparse=after_first(3))
DEEPSEEK_V32 = replace(DEEPSEEK_V3, sparse=listed_sparse(3))
DEEPSEEK_V3_FAMILY = mix(Family(129280, 18432, 4096, attention=latent(Latent())), DEEPSEEK_V3)
GLM4_MOE = replace(DEEPSEEK_V3, experts=128, width=1408, sparse=after_first(1))
GRANITE = replace(LLAMA, mlp_bias=never)
GRANITE_MOE = Mixture(8, 2, 11008, width_key=STANDARD)
GRANITE_MOE_SHARED = replace(GRANITE_MOE, shared=shared_width("shared_intermediate_size", 0))

ROWS: Mapping[str, Family] = {
    "mixtral": mix(
        replace(MISTRAL, windows=WINDOWED_IF_STATED), Mixture(8, 2, 14336, width_key=STANDARD)
    ),
    "qwen2_moe": mix(
        replace(
            QWEN2,
            intermediate=5632,
            kv_heads=16,
            qkv_bias=flag("qkv_bias", True),
            windows=QWEN2_MOE_WINDOWS,
        ),
        Mixture(
            *(60, 4, 1408),
            shared=shared_width("shared_expert_intermediate_size", 5632),
            sparse=every_step,
            shared_gate=True,
        ),
    ),
    "qwen3_moe": QWEN3_MOE,
    "qwen3_vl_moe_text": QWEN3_MOE,
    "qwen3_omni_moe_text": QWEN3_MOE,
    "olmoe": mix(
        Family(50304, 2048, 4096, attention_bias=STATED, qk_norm=width_norm),
        Mixture(64, 8, 2048, width_key=STANDARD),
    ),
    "flex_olmo": mix(
        replace(OLMO2, vocab=100352, positions=4096), Mixture(7, 5, 11008, width_key=STANDARD)
    ),
    "phimoe": mix(
        Family(
            *(32064, 6400, 131072),
            kv_heads=8,
            attention_bias=STATED,
            head_bias=flag("lm_head_bias"),
            norm_params=2,
            windows=WINDOWED_IF_STATED,
        ),
        Mixture(16, 2, 6400, active_key="", width_key=STANDARD),
    ),
    "gpt_oss": mix(
        Family(
            *(201088, 2880, 131072),
            kv_heads=8,
            head_dim=64,
            attention_bias=STATED_OR_TRUE,
            qk_norm=sinks,
            windows=sliding(128, but_every(2)),
        ),
        Mixture(128, 4, 2880, width_key=STANDARD, bias=True, router_bias=True),
    ),
    "llama4_text": mix(
        Family(
            *(202048, 16384, 131072),
            intermediate_key="intermediate_size_mlp",
            kv_heads=8,
            head_dim=128,
            attention_bias=STATED,
            windows=LLAMA4_CHUNKS,
        ),
        Mixture(16, 1, 8192, width_key=STANDARD, shared=expert_width, sparse=interleaved),
    ),
    "minimax_m2": mix(
        Family(200064, 1536, 196608, kv_heads=8, head_dim=128, qk_norm=width_norm),
        Mixture(256, 8, 1536, width_key=STANDARD),
    ),
    "dots1": mix(
        Family(
            *(152064, 10944, 2048),
            kv_heads=32,
            attention_bias=STATED,
            qk_norm=head_norm,
            windows=sliding(4096, from_layer(62)),
        ),
        Mixture(
            *(None, None, 1408),
            keys=("n_routed_experts", "num_local_experts", "num_experts"),
            shared=shared_experts(0),
            sparse=after_first(0),
        ),
    ),
    "granitemoe": mix(GRANITE, GRANITE_MOE),
    "granitemoeshared": mix(GRANITE, GRANITE_MOE_SHARED),
    "granitemoe_swa": mix(
        replace(GRANITE, qk_norm=sinks, windows=sliding(128, but_every(4))), GRANITE_MOE_SHARED
    ),
    "glm4v_moe_text": mix(
        Family(151424, 10944, 65536, kv_heads=8, qkv_bias=STATED_OR_TRUE), GLM4_MOE
    ),
    "glm4_moe": mix(
        Family(
            *(151552, 10944, 131072),
            kv_heads=8,
            qkv_bias=STATED,
            qk_norm=where("use_qk_norm", head_norm),
        ),
        GLM4_MOE,
    ),
    "glm4_moe_lite": mix(
        Family(
            *(154880, 10240, 202752),
            attention=latent(Latent(query_rank=768, nope_dim=192, value_dim=256)),
        ),
        Mixture(64, 4, 1536, shared=shared_experts(1), sparse=listed_sparse(1)),
    ),
    "glm_moe_dsa": mix(
        Family(
            *(154880, 12288, 202752),
            attention=latent(Latent(query_rank=2048, nope_dim=192, value_dim=256, index_heads=32)),
        ),
        DEEPSEEK_V32,
    ),
    "ernie4_5_moe": mix(
        Family(
            *(103424, 12288, 131072),
            kv_heads=4,
            tied=True,
            bias=flag("use_bias"),
            head_bias=flag("use_bias"),
        ),
        Mixture(
            *(64, 6, 1536),
            active_key="moe_k",
            shared=shared_experts(2, "moe_num_shared_experts"),
            sparse=_between,
            router_bias=True,
        ),
    ),
    "exaone_moe": mix(
        Family(
            *(102400, 16384, 2048),
            kv_heads=32,
            qk_norm=head_norm,
            windows=sliding(4096, but_every(4, "sliding_window_pattern")),
        ),
        Mixture(
            64, 8, 1024, shared=shared_experts(1, "num_shared_experts"), sparse=listed_sparse(1)
        ),
    ),
    "afmoe": mix(
        Family(
            *(200192, 6144, 16384),
            head_dim=128,
            attention_bias=STATED,
            norms=4,
            qk_norm=head_norm,
            gate=True,
            windows=sliding(1024, but_every(4, "global_attn_every_n_layers")),
        ),
        Mixture(
            *(64, 6, 1408),
            shared=shared_experts(2, "num_shared_experts"),
            sparse=after_first(1, "num_dense_layers"),
            router_bias=True,
        ),
    ),
    "solar_open": mix(
        Family(196608, 10240, 131072, kv_heads=8, head_dim=128, qkv_bias=STATED),
        Mixture(128, 8, 1280, shared=shared_experts(1), sparse=after_first(0)),
    ),
    "mellum": mix(
        Family(
            *(98304, 7168, 131072),
            kv_heads=4,
            head_dim=128,
            attention_bias=STATED,
            qk_norm=head_norm,
            windows=sliding(4096),
        ),
        Mixture(64, 8, 896),
    ),
    "cohere2_moe": mix(
        replace(COHERE, head_dim=128, windows=sliding(4096, but_every(4))),
        Mixture(8, 2, 22528, width_key=STANDARD, shared=shared_experts(0, "num_shared_experts")),
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
            192, 8, 1536, shared=shared_experts(1, "num_shared_experts"), sparse=listed_sparse(1)
        ),
    ),
    "deepseek_v2": mix(
        replace(LLAMA, vocab=102400, attention=latent(Latent())),
        Mixture(64, None, 1407, shared=shared_experts(2), sparse=after_first(0)),
    ),
    "deepseek_v3": DEEPSEEK_V3_FAMILY,
    "kimi_k2": DEEPSEEK_V3_FAMILY,
    "deepseek_v32": mix(
        Family(129280, 18432, 163840, attention=latent(Latent(index_heads=64))), DEEPSEEK_V32
    ),
    "mistral4": mix(
        Family(
            *(131072, 12288, 1048576),
            attention=latent(Latent(query_rank=1024, kv_rank=256, nope_dim=64)),
        ),
        Mixture(128, 4, 2048, shared=shared_experts(1), sparse=after_first(0)),
    ),
}

families(decoder, ROWS)
