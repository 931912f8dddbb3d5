"""Parameters, memory and work per token of a model, from its config or its size."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from estimator.core.messages import refuse
from estimator.core.notice import Notice
from estimator.core.units import human_count
from estimator.inference.formats import format_of_config
from estimator.inference.step import Served
from estimator.networks.blocks import Experts, LatentAttention
from estimator.networks.huggingface import architecture
from estimator.networks.ledger import Inputs, Ledger, Term

ROUTED = "moe/expert"
"""Ledger terms of routed experts."""

TYPICAL_DEPTH_RATIO = 100.0
"""Width over layers of typical decoders [1]: 4096 / 32, 8192 / 80, 16384 / 126."""

TYPICAL_CACHE_HEADS, TYPICAL_HEAD_WIDTH = 8.0, 128.0
"""Key-value heads and head width of most decoders since Llama 2 70B [1]."""

TYPICAL_VISITS = 8.0
"""Active experts per token of most mixtures since 2024 [1]."""

DENSE_SHARE_OF_ACTIVE = 0.35
"""Share of attention, shared experts and output layer in a mixture's active parameters [1]: 0.2 to
0.5 in Qwen3, gpt-oss, DeepSeek-V3 and Mixtral.
"""


@dataclass(frozen=True, kw_only=True)
class ServedModel:
    """Model to serve, for people and for the formulas.

    Parameters
    ----------
    name : str
        Name for people.
    numbers : Served
        Numbers used by the formulas.
    longest_context : float or None
        Context length that the model was made for, None if unknown [token].
    shape_known : bool
        Whether its layers come from a config rather than being guessed from the size.
    published_in : str
        Key of `FORMATS` for the published weights; empty for 16 bits or unknown.
    multimodal : bool
        Whether its prompts may contain images, videos or sound.
    """

    name: str
    numbers: Served
    longest_context: float | None = None
    shape_known: bool = True
    warnings: tuple[Notice | str, ...] = ()
    published_in: str = ""
    multimodal: bool = False

    @property
    def params(self) -> float:
        """Total parameters [1]."""
        numbers = self.numbers
        return float(numbers.dense_params + numbers.routed_params + numbers.table_params)

    @property
    def sparse(self) -> bool:
        """Return whether tokens are routed to experts."""
        return bool(self.numbers.routed_params)


def from_config(config: Mapping[str, Any], name: str = "") -> ServedModel:
    """Return the model of a Hugging Face config that generates tokens.

    Raises
    ------
    ValueError
        If the config is invalid, or the model does not generate tokens.
    """
    network = architecture(config)
    spoken = getattr(network, "text", None) or network
    whole, one = network.ledger(Inputs()), spoken.ledger(Inputs(seq_len=1.0))
    if not one.cache:
        shown = name or whole.name or whole.model_type
        raise refuse("serving_writes_no_tokens", "preset", model=shown)
    layers = getattr(spoken, "layers", ())
    experts, visits = _experts(layers, one)
    numbers = _numbers(one, spoken.ledger(Inputs(seq_len=2.0)), experts, visits)
    numbers["table_params"] += whole.params_total - one.params_total
    return ServedModel(
        name=name or whole.name,
        numbers=Served(
            layers=float(len(layers) or sum(part.layers for part in one.cache)),
            hidden=float(getattr(spoken, "hidden", 0) or _usual_hidden(one.params_active)),
            cache_heads=_cache_heads(layers),
            experts=experts,
            experts_per_token=visits,
            latent_pair_flop=_latent_pair_flop(layers),
            **numbers,
        ),
        longest_context=getattr(spoken, "max_positions", None),
        published_in=format_of_config(config),
        warnings=whole.warnings,
        multimodal=spoken is not network,
    )


MULTIMODAL = re.compile(r"(?i)(?<![a-z])(vlm?|omni|vision|multimodal|llava)(?![a-z])")
"""Words in the names of models whose prompts may hold images."""


def from_size(params: float, active_params: float | None = None, name: str = "") -> ServedModel:
    """Return a model of a given size with typical layers.

    >>> model = from_size(70e9)
    >>> round(float(model.numbers.layers)), model.sparse
    (84, False)
    """
    if active_params is not None and active_params > params:
        values = {"all": params, "active": active_params}
        raise refuse("serving_active_above_all", "active_params", **values)
    active = params if active_params is None else active_params
    hidden = _usual_hidden(active)
    layers = hidden / TYPICAL_DEPTH_RATIO
    cached = 2.0 * layers * TYPICAL_CACHE_HEADS * TYPICAL_HEAD_WIDTH
    sparse = active < 0.9 * params
    dense = DENSE_SHARE_OF_ACTIVE * active if sparse else params
    visited = active - dense
    experts = TYPICAL_VISITS * (params - dense) / visited if sparse else 1.0
    numbers = Served(
        dense_params=dense,
        routed_params=params - dense if sparse else 0.0,
        experts=experts,
        experts_per_token=TYPICAL_VISITS if sparse else 1.0,
        layers=layers,
        hidden=hidden,
        cache_heads=TYPICAL_CACHE_HEADS,
        cache_values=cached,
        pair_flop=4.0 * layers * hidden,
    )
    shown = name or f"a model of {human_count(params)} parameters"
    return ServedModel(
        name=shown,
        numbers=numbers,
        shape_known=False,
        multimodal=bool(MULTIMODAL.search(name)),
    )


def _numbers(one: Ledger, two: Ledger, experts: float, visits: float) -> dict[str, float]:
    """Return parameters by access pattern, stored values, and FLOPs per token pair."""
    routed = float(sum(term.params for term in _routed(one)))
    head = one.terms.get("head/logits")
    tied = head is not None and head.params == 0
    table = 0.0 if tied else float(one.params_embedding)
    full = [part for part in one.cache if part.window is None]
    local = [part for part in one.cache if part.window is not None]
    pair = sum(
        max(float(two.terms[name].flop - 2.0 * term.flop), 0.0) / 2.0
        for name, term in one.terms.items()
    )
    whole_layers = sum(part.layers for part in one.cache if part.values_per_token)
    inside = sum(part.layers for part in local if part.values_per_token)
    share = inside / whole_layers if whole_layers else 0.0
    return {
        "dense_params": one.params_total - routed - table,
        "routed_params": routed if experts > visits else 0.0,
        "table_params": table,
        "cache_values": float(sum(part.layers * part.values_per_token for part in full)),
        "window_values": float(sum(part.layers * part.values_per_token for part in local)),
        "window": float(max((part.window or 1 for part in local), default=1)),
        "state_values": float(sum(part.layers * part.state_values for part in one.cache)),
        "pair_flop": pair * (1.0 - share),
        "window_pair_flop": pair * share,
    }


def _experts(layers: tuple[Any, ...], one: Ledger) -> tuple[float, float]:
    """Return routed experts per layer and active experts per token; 1 and 1 in a dense model.

    If the layers do not list them, the ledger implies the active share.
    """
    for layer in layers:
        block = getattr(layer, "feed_forward", None)
        if isinstance(block, Experts):
            return float(block.experts), float(block.active)
    routed = _routed(one)
    visited = sum(term.active_params for term in routed)
    if not visited:
        return 1.0, 1.0
    return TYPICAL_VISITS * sum(term.params for term in routed) / visited, TYPICAL_VISITS


def _routed(one: Ledger) -> list[Term]:
    return [term for name, term in one.terms.items() if name.startswith(ROUTED)]


def _latent_pair_flop(layers: tuple[Any, ...]) -> float:
    """Return the extra FLOPs per token pair of latent attention that never expands its cache.

    Every head then multiplies the whole latent twice: DeepSeek-AI, "DeepSeek-V2", 2024,
    arXiv:2405.04434, sec. 2.1.2 [flop].
    """
    found = [layer.attention for layer in layers if hasattr(layer, "attention")]
    return float(
        sum(
            2 * one.heads * (2 * one.kv_rank - one.nope_dim - one.value_dim)
            for one in found
            if isinstance(one, LatentAttention)
        )
    )


def _cache_heads(layers: tuple[Any, ...]) -> float:
    """Return the heads over which the cache can be split; one for a shared latent."""
    heads = [
        getattr(layer.attention, "kv_heads", 1) for layer in layers if hasattr(layer, "attention")
    ]
    return float(max(heads, default=TYPICAL_CACHE_HEADS))


def _usual_hidden(active_params: float) -> float:
    """Return the width of a decoder with 12 width^2 parameters per layer and typical depth [1]."""
    return float((TYPICAL_DEPTH_RATIO * active_params / 12.0) ** (1.0 / 3.0))
