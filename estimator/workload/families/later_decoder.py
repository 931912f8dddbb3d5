"""Which decoder of the latest families a config describes: Jais 2, Granite with sinks, Hunyuan 3.

Defaults are those of transformers 5.23.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from estimator.workload.families.dense import COHERE, LLAMA
from estimator.workload.families.mixture import EXPERTS, Mixture, listed_sparse
from estimator.workload.families.rotary import Family, decoder, flag, head_norm, never
from estimator.workload.families.sparse import GRANITE_MOE, mix, sinks
from estimator.workload.families.windows import window_but_every, window_unless_full
from estimator.workload.fields import Fields
from estimator.workload.transformer import Decoder


def _shared(default: int) -> Callable[[Fields, int], int]:
    """Width of the shared experts, which are counted under `num_shared_experts`."""
    return lambda fields, width: width * fields.size("num_shared_experts", default=default, least=0)


ROWS: Mapping[str, Family] = {
    "jais2": replace(
        LLAMA,
        vocab=150272,
        intermediate=26624,
        positions=8192,
        head_dim=128,
        qkv_bias=flag("attention_bias", True),
        output_bias=flag("attention_bias", True),
        mlp_bias=flag("mlp_bias", True),
        gated=False,
        norm_params=2,
    ),
    "granite_swa": replace(
        LLAMA,
        vocab=100352,
        intermediate=8192,
        positions=8192,
        kv_heads=4,
        tied=True,
        qk_norm=sinks,
        windows=window_but_every(4, 128),
    ),
    "granitemoe_swa": mix(
        replace(LLAMA, mlp_bias=never, qk_norm=sinks, windows=window_but_every(4, 128)),
        replace(
            GRANITE_MOE,
            shared=lambda fields, width: fields.size(
                "shared_intermediate_size", default=0, least=0
            ),
        ),
    ),
    "hyperclovax": replace(
        LLAMA,
        norms=lambda fields: 4 if fields.flag("use_post_norm", default=True) else 2,
    ),
    "mellum": mix(
        Family(
            vocab=98304,
            intermediate=7168,
            positions=131072,
            kv_heads=4,
            head_dim=128,
            qkv_bias=flag("attention_bias"),
            output_bias=flag("attention_bias"),
            qk_norm=head_norm,
            windows=window_unless_full,
        ),
        Mixture(
            experts=(EXPERTS, 64),
            active=("num_experts_per_tok", 8),
            width=("moe_intermediate_size", 896),
        ),
    ),
    "cohere2_moe": mix(
        replace(COHERE, head_dim=128, windows=window_but_every(4, 4096)),
        Mixture(
            experts=(EXPERTS, 8),
            active=("num_experts_per_tok", 2),
            width=("intermediate_size", 22528),
            shared=_shared(0),
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
            experts=(EXPERTS, 192),
            active=("num_experts_per_tok", 8),
            width=("moe_intermediate_size", 1536),
            shared=_shared(1),
            sparse=listed_sparse(1),
        ),
    ),
}

FAMILIES: Mapping[str, Callable[[Fields], Decoder]] = {
    model_type: partial(decoder, family) for model_type, family in ROWS.items()
}
