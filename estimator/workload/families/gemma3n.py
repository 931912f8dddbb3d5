"""Which of the Gemmas a config describes whose layers get an embedding of their own.

Gemma 3n and Gemma 4 share keys and values between layers, and a second token table feeds every
layer. Defaults are those of transformers 5.23. Those tables multiply nothing, so they are held
and counted as active, but cost no FLOPs.
"""

from dataclasses import dataclass, replace

from estimator.workload.blocks import (
    Attention,
    Cost,
    Costs,
    Mlp,
    held,
    linear,
    merged,
    table,
)
from estimator.workload.families.experts import Mixture, experts
from estimator.workload.families.hybrid_stack import language_model
from estimator.workload.fields import Fields
from estimator.workload.layers import Layers
from estimator.workload.network import Network
from estimator.workload.registry import family

TABLE_ROWS = 262144
"""Default rows of the second token table. [1]"""

FULL = "full_attention"


@dataclass(frozen=True, kw_only=True)
class Stack:
    """What all layers of a config share.

    Parameters
    ----------
    hidden, layers, positions : int
        Model width; layers; longest sequence. [1]
    kinds : list of str
        Kind of attention of each layer.
    window : int
        Tokens that a sliding layer sees. [token]
    shared : int
        Layers at the end that take keys and values from earlier ones. [1]
    narrow : int
        Width of the embedding that each layer gets, 0 without. [1]
    """

    hidden: int
    layers: int
    positions: int
    kinds: list[str]
    window: int
    shared: int
    narrow: int

    def reuses(self, layer: int) -> bool:
        """Whether a layer takes keys and values from an earlier one."""
        return layer >= self.layers - self.shared > 0

    def embeddings(self, rows: int) -> Costs:
        """Second token table and its projection, over all layers."""
        if not self.narrow:
            return {}
        wide = self.layers * self.narrow
        return {
            "per_layer/embedding/token": table(rows, wide),
            "per_layer/project": linear(self.hidden, wide),
            "norm/per_layer": held(self.narrow),
        }

    def gate(self) -> Costs:
        """How a layer takes its embedding in: down, times the embedding, up, norm."""
        if not self.narrow:
            return {}
        return {
            "per_layer/gate": linear(self.hidden, self.narrow),
            "per_layer/out": linear(self.narrow, self.hidden),
            "norm/per_layer": held(self.hidden),
        }


@family("gemma3n_text")
def gemma3n(fields: Fields) -> Network:
    """Gemma 3n: streams mixed by AltUp, a low-rank path beside attention (arXiv:2301.13310)."""
    stack = _stack(fields, period=5)
    streams = fields.size("altup_num_inputs", default=4)
    hidden = stack.hidden
    beside = merged(
        stack.gate(),
        _altup(hidden, streams),
        {
            "laurel/left": linear(hidden, fields.size("laurel_rank", default=64)),
            "laurel/right": linear(fields.size("laurel_rank", default=64), hidden),
            "norm/layers": held(5 * hidden),
        },
    )
    widths = _widths(fields, stack.layers)
    layers = []
    for layer, kind in enumerate(stack.kinds):
        attention = _attention(
            fields,
            hidden,
            kv_heads=fields.size("num_key_value_heads", default=2),
            head_dim=fields.size("head_dim", default=256),
        )
        mlp = Mlp(hidden=hidden, width=widths[layer], gated=True).costs()
        layers.append(_layer(stack, layer, kind, (attention, False), merged(mlp, beside)))
    more = {
        "altup/in": linear(hidden, hidden).times(streams - 1),
        "altup/out": linear(hidden, hidden).times(streams - 1),
    }
    return _network(fields, stack, layers, more)


@family("gemma4_text", "gemma4_unified_text")
def gemma4(fields: Fields) -> Network:
    """Gemma 4: wider heads in the full layers, where values may be the keys; perhaps experts."""
    stack = _stack(fields, period=6, last_full=True)
    hidden = stack.hidden
    equal = fields.flag("attention_k_eq_v")
    kv_heads = fields.size("num_key_value_heads", default=4)
    wide_kv = fields.size_or_none("num_global_key_value_heads") if equal else None
    wide = fields.size_or_none("global_head_dim", default=512) or 512
    narrow_dim = fields.size("head_dim", default=256)
    width = fields.size("intermediate_size", default=9216)
    layers = []
    for layer, kind in enumerate(stack.kinds):
        full = kind == FULL
        attention = _attention(
            fields,
            hidden,
            kv_heads=(wide_kv or kv_heads) if full else kv_heads,
            head_dim=_own_head_dim(fields, layer, wide if full else narrow_dim),
        )
        doubled = fields.flag("use_double_wide_mlp") and stack.reuses(layer)
        mlp = Mlp(hidden=hidden, width=width * (2 if doubled else 1), gated=True).costs()
        block = merged(
            mlp, stack.gate(), _experts(fields, hidden), {"norm/layers": held(4 * hidden)}
        )
        layers.append(_layer(stack, layer, kind, (attention, equal and full), block))
    return _network(fields, stack, layers, {})


def _own_head_dim(fields: Fields, layer: int, usual: int) -> int:
    """Width of a head that `per_layer_config` states for the layer, else the usual."""
    part = fields.part("per_layer_config")
    for key in (str(layer), f"{layer:02d}"):
        if part.states(key):
            return part.part(key).size("head_dim", default=usual)
    return usual


def _experts(fields: Fields, hidden: int) -> Costs:
    """Routed experts beside the MLP, with three more norms and learned scales."""
    if not fields.flag("enable_moe_block"):
        return {}
    mixture = Mixture(keys=("num_experts",), active_key="top_k_experts")
    block = experts(mixture, fields)
    count = block.experts
    return {**block.costs(), "norm/experts": held(4 * hidden + count)}


def _stack(fields: Fields, period: int, last_full: bool = False) -> Stack:
    count = fields.layers("num_hidden_layers")
    kinds = fields.items("layer_types", count)
    if kinds is None:
        kinds = [
            FULL if (layer + 1) % period == 0 or (last_full and layer == count - 1) else "sliding"
            for layer in range(count)
        ]
    return Stack(
        hidden=fields.size("hidden_size"),
        layers=count,
        positions=fields.size("max_position_embeddings"),
        kinds=[str(kind) for kind in kinds],
        window=fields.size("sliding_window"),
        shared=fields.size("num_kv_shared_layers", least=0),
        narrow=fields.size_or_none("hidden_size_per_layer_input", least=0) or 0,
    )


def _widths(fields: Fields, layers: int) -> list[int]:
    """Width of the MLP, one for all layers or one each."""
    if not isinstance(fields.values.get("intermediate_size"), list | tuple):
        return [fields.size("intermediate_size", default=16384)] * layers
    stated = fields.items("intermediate_size", layers) or []
    return [Fields({"intermediate_size": width}).size("intermediate_size") for width in stated]


def _attention(fields: Fields, hidden: int, kv_heads: int, head_dim: int) -> Attention:
    bias = fields.flag("attention_bias")
    return Attention(
        hidden=hidden,
        heads=fields.size("num_attention_heads", default=8),
        kv_heads=kv_heads,
        head_dim=head_dim,
        qkv_bias=bias,
        output_bias=bias,
    )


def _layer(
    stack: Stack, layer: int, kind: str, attends: tuple[Attention, bool], block: Costs
) -> Layers:
    """One layer; its attention, and whether values are the keys."""
    attention, equal = attends
    costs = dict(attention.costs())
    norms = 2 * attention.head_dim
    kept = attention.cache_values_per_token
    if equal:
        del costs["attention/value"]
    if stack.reuses(layer):
        for part in ("attention/key", "attention/value"):
            costs.pop(part, None)
        norms, kept = attention.head_dim, 0
    costs["attention/norm"] = held(norms)
    window = None if kind == FULL else stack.window
    return Layers(costs={**costs, **block}, window=window, cache_values=kept)


def _altup(hidden: int, streams: int) -> Costs:
    """Prediction of all streams from one, correction by what the layer made of it."""
    mixed = Cost(flop_per_token=2 * hidden * streams * streams)
    return {
        "altup/router": replace(linear(hidden, streams), flop_per_token=4 * hidden * streams),
        "altup/predict": linear(streams, streams * streams) + mixed,
        "altup/correct": linear(streams, streams),
        "norm/altup": held(2 * hidden),
    }


def _network(fields: Fields, stack: Stack, layers: list[Layers], more: Costs) -> Network:
    rows = fields.size("vocab_size_per_layer_input", default=TABLE_ROWS)
    outer = Layers(costs={**stack.embeddings(rows), **more})
    return language_model(fields, (outer, *layers), stack.positions)
