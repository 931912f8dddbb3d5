"""How a config with experts becomes feed-forward blocks.

A mixture family is a dense family with another `feed_forwards`: which layers are sparse, and the
keys and defaults of their experts.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from estimator.workload.blocks import Experts, Mlp
from estimator.workload.families.decoder import WIDTH, Family, FeedForwards, asked, dense
from estimator.workload.fields import Fields

EXPERTS = ("num_local_experts", "n_routed_experts", "moe_num_experts", "num_experts")
"""Names of the number of experts; of those that a config states the last counts."""


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Where a family keeps the sizes of its experts, and their defaults.

    Parameters
    ----------
    keys, active_key, width_key : tuple of str, str, str
        Where a config states the experts, how many a token visits, and the width of one.
    active : int or None
        How many a token visits whatever the config says. [1]
    shared : function
        Width of the shared expert, 0 without one, from the fields and the width of an expert.
    sparse : function
        Whether a layer is a mixture.
    bias, router_bias, shared_gate : bool
        Biases of experts and router; a learned gate on the shared expert.
    """

    keys: tuple[str, ...] = EXPERTS
    active_key: str = "num_experts_per_tok"
    active: int | None = None
    width_key: str = "moe_intermediate_size"
    shared: Callable[[Fields, int], int] = lambda fields, width: 0
    sparse: Callable[[Fields, int], bool] = lambda fields, layer: True
    bias: bool = False
    router_bias: bool = False
    shared_gate: bool = False


def mix(family: Family, mixture: Mixture) -> Family:
    """The family with experts for its MLPs."""
    return replace(family, feed_forwards=partial(feed_forwards, mixture))


def feed_forwards(mixture: Mixture, family: Family, fields: Fields, layers: int) -> FeedForwards:
    """Experts in the sparse layers, the family's MLP in the others."""
    plain = dense(family, fields, layers)
    bias = asked(family.mlp_bias, fields) or asked(family.bias, fields)
    block = experts(mixture, fields, shared_bias=bias)
    return tuple(
        block if mixture.sparse(fields, layer) else plain[layer] for layer in range(layers)
    )


def experts(mixture: Mixture, fields: Fields, shared_bias: bool = False) -> Experts:
    """The sparse block of a config."""
    hidden = fields.size(*WIDTH)
    count, width = fields.size(*mixture.keys), fields.size(mixture.width_key)
    shared = mixture.shared(fields, width)
    return Experts(
        expert=Mlp(hidden=hidden, width=width, gated=True, bias=mixture.bias),
        experts=count,
        active=routed(fields, mixture.active_key, mixture.keys, count, mixture.active),
        router_bias=mixture.router_bias,
        shared=Mlp(hidden=hidden, width=shared, gated=True, bias=shared_bias) if shared else None,
        shared_gate=mixture.shared_gate,
    )


def routed(
    fields: Fields, key: str, keys: tuple[str, ...], count: int, always: int | None = None
) -> int:
    """Experts per token, `always` so many or as stated, refused above the number of experts."""
    number = always or fields.size(key)
    if number > count:
        raise ValueError(
            f"{fields.full_name(key)} must be at most {fields.key(*keys)} = {count}, got {number}"
        )
    return number


def shared_experts(key: str = "n_shared_experts") -> Callable[[Fields, int], int]:
    """Width of the shared experts side by side, which are counted under `key`."""
    return lambda fields, width: width * (fields.size_or_none(key, least=0) or 0)


def shared_width(key: str) -> Callable[[Fields, int], int]:
    """Width of the shared expert, stated under `key`."""
    return lambda fields, width: fields.size(key, default=0, least=0)


def expert_width(fields: Fields, width: int) -> int:
    """One shared expert as wide as the others."""
    return width


def after_first(key: str = "first_k_dense_replace") -> Callable[[Fields, int], bool]:
    """Sparse from layer `key` on."""
    return lambda fields, layer: layer >= fields.size(key, default=0, least=0)


def every_step(fields: Fields, layer: int) -> bool:
    """Qwen: every `decoder_sparse_step`-th layer, except those of `mlp_only_layers`."""
    step = fields.size("decoder_sparse_step", default=1)
    return (layer + 1) % step == 0 and layer not in (fields.items("mlp_only_layers") or [])


def interleaved(fields: Fields, layer: int) -> bool:
    """Llama 4: the layers of `moe_layers`, else every `interleave_moe_layer_step`-th."""
    listed = fields.items("moe_layers")
    step = fields.size("interleave_moe_layer_step", default=1)
    return (layer + 1) % step == 0 if listed is None else layer in listed


def listed_sparse(fields: Fields, layer: int) -> bool:
    """As `mlp_layer_types` lists, else sparse from layer `first_k_dense_replace` on."""
    kinds = fields.items("mlp_layer_types")
    if kinds is None:
        return after_first()(fields, layer)
    return layer < len(kinds) and kinds[layer] == "sparse"
