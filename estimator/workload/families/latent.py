"""Which decoders with experts and latent attention there are, and what their configs leave out.

Defaults are those of transformers 5.23.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from estimator.workload.families.dense import LLAMA
from estimator.workload.families.mixture import Mixture, after_first, listed_sparse, shared_experts
from estimator.workload.families.rotary import Family, Latent, decoder, latent_attention
from estimator.workload.families.sparse import DEEPSEEK_EXPERTS, DEEPSEEK_V3, mix
from estimator.workload.fields import Fields
from estimator.workload.transformer import Decoder

V32 = Family(
    vocab=129280,
    intermediate=18432,
    positions=163840,
    attention=partial(latent_attention, Latent(index_heads=64)),
)

ROWS: Mapping[str, Family] = {
    "deepseek_v2": mix(
        replace(LLAMA, vocab=102400, attention=partial(latent_attention, Latent())),
        Mixture(
            experts=(DEEPSEEK_EXPERTS, 64),
            active=("num_experts_per_tok", None),
            width=("moe_intermediate_size", 1407),
            shared=shared_experts(2),
            sparse=after_first(0),
        ),
    ),
    "deepseek_v3": mix(
        Family(
            vocab=129280,
            intermediate=18432,
            positions=4096,
            attention=partial(latent_attention, Latent()),
        ),
        DEEPSEEK_V3,
    ),
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
            experts=(DEEPSEEK_EXPERTS, 64),
            active=("num_experts_per_tok", 4),
            width=("moe_intermediate_size", 1536),
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
        replace(
            DEEPSEEK_V3,
            experts=(DEEPSEEK_EXPERTS, 128),
            active=("num_experts_per_tok", 4),
            sparse=after_first(0),
        ),
    ),
}

FAMILIES: Mapping[str, Callable[[Fields], Decoder]] = {
    "kimi_k2": partial(decoder, ROWS["deepseek_v3"]),
    **{model_type: partial(decoder, family) for model_type, family in ROWS.items()},
}
