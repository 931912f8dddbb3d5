"""How much work NVIDIA's searched models are (nemotron-nas): Llama layers that lack parts.

`block_configs` states for every layer how many queries share a key, and how wide its MLP is; a part
may be left out. Puzzle, arXiv:2411.19146, sec. 2.
"""

from typing import Any

from estimator.core.messages import refuse
from estimator.workload.blocks import Attention, Costs, Mlp, held, linear
from estimator.workload.convolution import ratio
from estimator.workload.families.hybrid_stack import language_model
from estimator.workload.fields import Fields
from estimator.workload.layers import Layers
from estimator.workload.network import Network
from estimator.workload.registry import family

MULTIPLE = 256
"""What the width of an MLP is rounded up to. [1]"""


@family("nemotron-nas")
def nemotron_nas(fields: Fields) -> Network:
    """A searched model of a config."""
    blocks = fields.items("block_configs", fields.layers("num_hidden_layers"))
    if blocks is None:
        raise refuse("config_key_missing", key=fields.full_name("block_configs"))
    named = ((f"block_configs[{at}]", block) for at, block in enumerate(blocks))
    layers = (_layer(fields, Fields({name: block}).part(name)) for name, block in named)
    return language_model(fields, layers, fields.size("max_position_embeddings", default=131072))


def _layer(fields: Fields, block: Fields) -> Layers:
    """One layer, each part with its norm."""
    hidden = fields.size("hidden_size")
    attention, mlp = block.part("attention"), block.part("ffn")
    costs: dict[str, Any] = {"norm/layers": held(hidden * (_kept(attention) + _kept(mlp)))}
    kept = 0
    if attention.flag("replace_with_linear"):
        costs["attention/linear"] = linear(hidden, hidden)
    elif _kept(attention):
        heads = fields.size("num_attention_heads")
        shared = attention.size("n_heads_in_group")
        part = Attention(
            hidden=hidden,
            heads=heads,
            kv_heads=attention.share("num_attention_heads", heads, "n_heads_in_group", shared),
            head_dim=fields.share("hidden_size", hidden, "num_attention_heads", heads),
        )
        costs |= part.costs()
        kept = part.cache_values_per_token
    if mlp.flag("replace_with_linear"):
        costs["mlp/linear"] = linear(hidden, hidden)
    elif _kept(mlp):
        costs |= _mlp(hidden, ratio(mlp, "ffn_mult", 0.0))
    return Layers(costs=costs, cache_values=kept)


def _kept(part: Fields) -> bool:
    return not part.flag("no_op")


def _mlp(hidden: int, multiplier: float) -> Costs:
    """A gated MLP, two thirds of whose width by the multiplier are rounded up."""
    width = int(2 * multiplier * hidden / 3)
    return Mlp(hidden, -(-width // MULTIPLE) * MULTIPLE, gated=True).costs()
