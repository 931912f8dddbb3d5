"""Which further decoders route tokens to experts beside some that every token visits.

Defaults are those of transformers 5.23.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from estimator.workload.families.dense import LLAMA
from estimator.workload.families.mixture import (
    EXPERTS,
    Mixture,
    after_first,
    listed_sparse,
    shared_experts,
)
from estimator.workload.families.rotary import Family, decoder, flag, head_norm, never
from estimator.workload.families.sparse import DEEPSEEK_EXPERTS, mix
from estimator.workload.families.windows import window_but_every
from estimator.workload.fields import Fields
from estimator.workload.transformer import Decoder


def _counted(key: str, default: int) -> Callable[[Fields, int], int]:
    """Width of the shared experts of a family that counts them under `key`."""
    return lambda fields, width: width * (fields.size_or_none(key, default=default, least=0) or 0)


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
        experts=(EXPERTS, 1),
        active=("moe_topk", 1),
        width=("intermediate_size", 11008),
        shared=lambda fields, width: width,
    ),
)

ROWS: Mapping[str, Family] = {
    "ernie4_5_moe": mix(
        Family(
            vocab=103424,
            intermediate=12288,
            positions=131072,
            kv_heads=4,
            tied=True,
            qkv_bias=flag("use_bias"),
            output_bias=flag("use_bias"),
            mlp_bias=flag("use_bias"),
            head_bias=flag("use_bias"),
        ),
        Mixture(
            experts=(("moe_num_experts",), 64),
            active=("moe_k", 6),
            width=("moe_intermediate_size", 1536),
            shared=_counted("moe_num_shared_experts", 2),
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
            experts=(EXPERTS, 64),
            active=("num_experts_per_tok", 8),
            width=("moe_intermediate_size", 1024),
            shared=_counted("num_shared_experts", 1),
            sparse=listed_sparse(1),
        ),
    ),
    "afmoe": mix(
        Family(
            vocab=200192,
            intermediate=6144,
            positions=16384,
            head_dim=128,
            qkv_bias=flag("attention_bias"),
            output_bias=flag("attention_bias"),
            norms=4,
            qk_norm=head_norm,
            gate=True,
            windows=window_but_every(4, 1024, "global_attn_every_n_layers"),
        ),
        Mixture(
            experts=(EXPERTS, 64),
            active=("num_experts_per_tok", 6),
            width=("moe_intermediate_size", 1408),
            shared=_counted("num_shared_experts", 2),
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
            experts=(DEEPSEEK_EXPERTS, 128),
            active=("num_experts_per_tok", 8),
            width=("moe_intermediate_size", 1280),
            shared=shared_experts(1),
            sparse=after_first(0),
        ),
    ),
}

FAMILIES: Mapping[str, Callable[[Fields], Decoder]] = {
    "hunyuan_v1_moe": hunyuan,
    **{model_type: partial(decoder, family) for model_type, family in ROWS.items()},
}
