"""Transformer blocks: parameters, and cost per token and per attended pair.

A block returns costs by part. A cost has exact integers: parameters, FLOPs per token, and FLOPs per
(query, key) pair, the quadratic part of attention.
"""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, replace
from itertools import pairwise

from estimator.networks.fields import Fields

Costs = Mapping[str, "Cost"]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Parameters in total and active, FLOPs per token and per attended pair.

    An embedding is a table that inputs look up: tokens, positions, types.
    """

    params: int = 0
    active_params: int = 0
    flop_per_token: int = 0
    flop_per_pair: int = 0
    is_embedding: bool = False

    def times(self, count: int) -> "Cost":
        """Return the cost of `count` equal parts, each with its own parameters."""
        return Cost(
            params=count * self.params,
            active_params=count * self.active_params,
            flop_per_token=count * self.flop_per_token,
            flop_per_pair=count * self.flop_per_pair,
            is_embedding=self.is_embedding,
        )

    def repeated(self, count: int) -> "Cost":
        """Return the cost of one part that runs `count` times."""
        return replace(self.times(count), params=self.params, active_params=self.active_params)

    def routed(self, experts: int, active: int) -> "Cost":
        """Return the cost of equal parts, of which each token uses `active`."""
        return replace(self.times(active), params=experts * self.params)

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            params=self.params + other.params,
            active_params=self.active_params + other.active_params,
            flop_per_token=self.flop_per_token + other.flop_per_token,
            flop_per_pair=self.flop_per_pair + other.flop_per_pair,
            is_embedding=self.is_embedding or other.is_embedding,
        )


def params_only(params: int) -> Cost:
    """Return the cost of parameters without products: norms, biases, learned scales.

    >>> params_only(768).params, params_only(768).flop_per_token
    (768, 0)
    """
    return Cost(params=params, active_params=params)


def table(rows: int, width: int) -> Cost:
    """Return the cost of an input embedding, which is looked up without products."""
    return Cost(params=rows * width, active_params=rows * width, is_embedding=True)


def linear(inputs: int, outputs: int, bias: bool = False) -> Cost:
    """Return the cost of a dense layer: inputs x outputs weights, two FLOPs each per token.

    >>> layer = linear(768, 3072, bias=True)
    >>> layer.params, layer.flop_per_token
    (2362368, 4718592)
    """
    return product(outputs * (inputs + bias), 2 * inputs * outputs)


def affine(*widths: int) -> Cost:
    """Return the cost of dense layers with biases, from each width to the next.

    >>> affine(768, 3072) == linear(768, 3072, bias=True)
    True
    >>> affine(2, 3, 4).params
    25
    """
    return sum((linear(*pair, bias=True) for pair in pairwise(widths)), start=Cost())


def product(params: int, flop_per_token: int) -> Cost:
    """Return the cost of weights that every token multiplies, from their FLOPs per token."""
    return Cost(params=params, active_params=params, flop_per_token=flop_per_token)


def vocabulary_head(width: int, vocab: int, *, own: bool, biases: int = 0) -> Cost:
    """Return the cost of logits over a vocabulary, from a separate matrix or the token table."""
    return product(width * vocab * own + vocab * biases, 2 * width * vocab)


def merged(*parts: Costs) -> Costs:
    """Sum costs with the same name over several parts, such as the layers of a short block.

    >>> merged({"norm": params_only(2)}, {"norm": params_only(3)})["norm"].params
    5
    """
    total: dict[str, Cost] = {}
    for part in parts:
        for name, cost in part.items():
            total[name] = total.get(name, Cost()) + cost
    return total


def crossed(costs: Costs) -> Costs:
    """Rename costs of attention to cross-attention.

    >>> [*crossed({"attention/query": linear(64, 64)})]
    ['cross/query']
    """
    return {part.replace("attention", "cross"): cost for part, cost in costs.items()}


def scaled(costs: Costs, count: int, prefix: str = "") -> Costs:
    """Return the costs of `count` equal layers, with prefixed names."""
    return {prefix + part: cost.times(count) for part, cost in costs.items()}


@dataclass(frozen=True, kw_only=True)
class Attention:
    """Multi-head, grouped-query or multi-query attention [1]_.

    Parameters
    ----------
    hidden, heads, kv_heads, head_dim : int
        Model width, query heads, key-value heads, and width of one head [1].
    qkv_bias, output_bias : bool
        Whether the projections have biases.
    gate : int
        Outputs of a gate matrix on the heads' output, 0 without one [1].
    value_dim : int or None
        Width of a head's values if different from its keys [1].
    norm_params : int
        Parameters of query and key norms, and of attention sinks. [1]
    window : int or None
        Keys that each query may attend to, None for the whole sequence [token].

    References
    ----------
    .. [1] J. Ainslie et al., "GQA", 2023, arXiv:2305.13245, sec. 2.2.
    """

    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    qkv_bias: bool = False
    output_bias: bool = False
    gate: int = 0
    norm_params: int = 0
    window: int | None = None
    value_dim: int | None = None

    @property
    def cache_values_per_token(self) -> int:
        """Keys and values kept per token [1]."""
        return self.kv_heads * (self.head_dim + (self.value_dim or self.head_dim))

    def costs(self) -> Costs:
        """Return the costs by part."""
        width, kv_width = self.heads * self.head_dim, self.kv_heads * self.head_dim
        value_dim = self.value_dim or self.head_dim
        read = self.heads * value_dim
        return {
            **_gated(self.hidden, self.gate),
            "attention/query": linear(self.hidden, width, self.qkv_bias),
            "attention/key": linear(self.hidden, kv_width, self.qkv_bias),
            "attention/value": linear(self.hidden, self.kv_heads * value_dim, self.qkv_bias),
            "attention/norm": params_only(self.norm_params),
            "attention/scores": Cost(flop_per_pair=2 * width),
            "attention/reduce": Cost(flop_per_pair=2 * read),
            "attention/output": linear(read, self.hidden, self.output_bias),
        }


class DifferentialAttention(Attention):
    """Attention computed twice, once for each half of the values."""

    def costs(self) -> Costs:
        """Return the costs by part."""
        once = super().costs()
        twice = ("attention/scores", "attention/reduce")
        return {**once, **{part: once[part] + once[part] for part in twice}}


@dataclass(frozen=True, kw_only=True)
class IndexedAttention(Attention):
    """Attention with a lightweight indexer that scores all keys and caches its own key."""

    index_heads: int
    index_dim: int

    @property
    def cache_values_per_token(self) -> int:
        """Keys, values and the indexer's key kept per token [1]."""
        return super().cache_values_per_token + self.index_dim

    def costs(self) -> Costs:
        """Return the costs by part."""
        width = self.index_heads * self.index_dim
        return {
            **super().costs(),
            "indexer/query": linear(self.hidden, width),
            "indexer/key": linear(self.hidden, self.index_dim),
            "indexer/norm": params_only(2 * self.index_dim),
            "indexer/scores": Cost(flop_per_pair=2 * width),
        }


def multi_head(hidden: int, heads: int, head_dim: int, *, bias: bool = False) -> Attention:
    """Build attention with equal heads and key-value heads, and biases everywhere or nowhere."""
    return Attention(
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_dim=head_dim,
        qkv_bias=bias,
        output_bias=bias,
    )


def equal_heads(
    fields: Fields,
    hidden: int,
    heads: int,
    keys: tuple[str, str] = ("hidden_size", "num_attention_heads"),
    bias: bool = True,
    output_bias: bool | None = None,
) -> Attention:
    """Build attention with equal heads and key-value heads that divide the width.

    `keys` are the config's names of width and heads, for messages. The output has a bias like the
    projections, unless `output_bias` is set.
    """
    head_dim = fields.share(keys[0], hidden, keys[1], heads)
    attention = multi_head(hidden, heads, head_dim, bias=bias)
    return attention if output_bias is None else replace(attention, output_bias=output_bias)


@dataclass(frozen=True, kw_only=True)
class LatentAttention:
    """Multi-head latent attention, keys and values expanded from a latent per token [1]_.

    Parameters
    ----------
    hidden, heads : int
        Model width; heads. [1]
    query_rank : int or None
        Width of the query's latent; None projects queries directly. [1]
    kv_rank : int
        Width of the shared latent of keys and values, which the cache stores [1].
    nope_dim, rope_dim, value_dim : int
        Widths of a head: key without position, key with rotary position, value. [1]
    bias : bool
        Biases of the down projections and of the output.
    gate : int
        Outputs of a gate matrix on the heads' output, 0 without one [1].
    index_heads, index_dim : int
        Heads and head width of the indexer that selects keys for a query, 0 without one [2]_; the
        primary figure still counts every pair [1].

    References
    ----------
    .. [1] DeepSeek-AI, "DeepSeek-V2", 2024, arXiv:2405.04434, sec. 2.1.
    .. [2] DeepSeek-AI, "DeepSeek-V3.2", 2025, arXiv:2512.02556, sec. 2.1.
    """

    hidden: int
    heads: int
    query_rank: int | None
    kv_rank: int
    nope_dim: int
    rope_dim: int
    value_dim: int
    bias: bool = False
    gate: int = 0
    window: int | None = None
    index_heads: int = 0
    index_dim: int = 0

    @property
    def cache_values_per_token(self) -> int:
        """Values cached per token: the latent, the shared rotary key, and the indexer's key [1]."""
        return self.kv_rank + self.rope_dim + self.index_dim

    def costs(self) -> Costs:
        """Return the costs by part, with keys and values expanded per token (training, prefill)."""
        key_width = self.heads * (self.nope_dim + self.rope_dim)
        value_width = self.heads * self.value_dim
        if self.query_rank is None:
            query = {"attention/query": linear(self.hidden, key_width)}
        else:
            query = {
                "attention/query_down": linear(self.hidden, self.query_rank, self.bias),
                "attention/query_up": linear(self.query_rank, key_width),
            }
        return {
            **_gated(self.hidden, self.gate),
            **query,
            "attention/kv_down": linear(self.hidden, self.kv_rank + self.rope_dim, self.bias),
            "attention/kv_up": linear(self.kv_rank, self.heads * self.nope_dim + value_width),
            "attention/norm": params_only(self.kv_rank + (self.query_rank or 0)),
            "attention/scores": Cost(flop_per_pair=2 * key_width),
            "attention/reduce": Cost(flop_per_pair=2 * value_width),
            "attention/output": linear(value_width, self.hidden, self.bias),
            **self._indexer(),
        }

    def _indexer(self) -> Costs:
        """Return the costs of lightweight heads that score all keys, weighted per query."""
        if not self.index_heads:
            return {}
        width = self.index_heads * self.index_dim
        return {
            "indexer/query": linear(self.query_rank or self.hidden, width),
            "indexer/key": linear(self.hidden, self.index_dim),
            "indexer/weights": linear(self.hidden, self.index_heads),
            "indexer/norm": params_only(2 * self.index_dim),
            "indexer/scores": Cost(flop_per_pair=2 * width),
        }


def _gated(hidden: int, outputs: int) -> Costs:
    """Return the cost of the gate matrix on the heads' output, if there is one."""
    return {"attention/gate": linear(hidden, outputs)} if outputs else {}


@dataclass(frozen=True)
class Mlp:
    """Feed-forward block; `gated` adds the third matrix of GLU variants (arXiv:2002.05202)."""

    hidden: int
    width: int
    _: KW_ONLY
    gated: bool = False
    bias: bool = False

    def costs(self) -> Costs:
        """Return the costs by part."""
        up = linear(self.hidden, self.width, self.bias)
        gate = {"mlp/gate": up} if self.gated else {}
        return {**gate, "mlp/up": up, "mlp/down": linear(self.width, self.hidden, self.bias)}


@dataclass(frozen=True, kw_only=True)
class Experts:
    """Mixture of experts: a router sends each token to a few of many MLPs [1]_.

    Parameters
    ----------
    expert : Mlp
        One routed expert.
    experts, active : int
        Number of experts, and of active experts per token [1].
    router_bias : bool
        Bias of the router.
    shared : Mlp or None
        Expert that every token uses; several shared experts count as one of their total width.
    shared_gate : bool
        Whether the shared expert's output has a learned gate.

    References
    ----------
    .. [1] N. Shazeer et al., "Outrageously large neural networks", 2017, arXiv:1701.06538, sec. 2.
    """

    expert: Mlp
    experts: int
    active: int
    router_bias: bool = False
    shared: Mlp | None = None
    shared_gate: bool = False

    def costs(self) -> Costs:
        """Return the costs by part, without expert capacity or dropped tokens."""
        costs = {"moe/router": linear(self.expert.hidden, self.experts, self.router_bias)}
        for part, cost in self.expert.costs().items():
            costs[part.replace("mlp", "moe/expert")] = cost.routed(self.experts, self.active)
        if self.shared is not None:
            for part, cost in self.shared.costs().items():
                costs[part.replace("mlp", "moe/shared")] = cost
        if self.shared_gate:
            costs["moe/shared_gate"] = linear(self.expert.hidden, 1)
        return costs


def layer_costs(
    attention: Attention | LatentAttention, mlp: Mlp | Experts, norm_params: int
) -> Costs:
    """Return the costs of a layer with attention, an MLP or experts, and norm parameters."""
    return {**attention.costs(), **mlp.costs(), "norm/layers": params_only(norm_params)}
