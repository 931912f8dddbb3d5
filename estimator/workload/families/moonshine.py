"""How much work Moonshine is: convolutions over raw audio, then an encoder-decoder.

Ten seconds at 16 kHz are counted; `seq_len` is the tokens that are written, and the items of a pass
are frames of the encoder and tokens.
"""

import numpy as np

from estimator.workload.blocks import Mlp, equal_heads, held, layer_costs, linear
from estimator.workload.families.encoder_decoder import EncoderDecoder, Filters, Side, logits
from estimator.workload.fields import Fields
from estimator.workload.layers import Layers
from estimator.workload.network import Network
from estimator.workload.registry import family

SAMPLES = 160_000.0
"""Ten seconds at 16 kHz."""


@family("moonshine")
def moonshine(fields: Fields) -> Network:
    """Moonshine: rotary positions, gated MLPs in the decoder (arXiv:2410.15608, sec. 3.1)."""
    hidden, vocab = fields.size("hidden_size"), fields.size("vocab_size")
    model = EncoderDecoder(
        table=vocab * hidden,
        source=_side(fields, hidden, "encoder"),
        target=_side(fields, hidden, "decoder"),
        heads=(logits(fields, hidden, vocab, "ConditionalGeneration"), {}),
        longest=fields.size("max_position_embeddings"),
    )
    return model.hearing(fields, _filters(hidden))


def _filters(hidden: int) -> Filters:
    """Three convolutions by kernel and stride, a norm behind the first."""
    convolutions = (
        (127, 64, linear(127, hidden)),
        (7, 3, linear(7 * hidden, 2 * hidden, bias=True)),
        (3, 2, linear(6 * hidden, hidden, bias=True)),
    )
    frames, filters = SAMPLES, []
    for place, (kernel, stride, cost) in enumerate(convolutions, start=1):
        frames = float(np.floor((frames - kernel) / stride)) + 1.0
        filters.append((f"features/{place}", cost, frames))
    return (filters[0], ("norm/features", held(2 * hidden), 1.0), *filters[1:])


def _side(fields: Fields, hidden: int, name: str) -> Side:
    """One side: norms without bias, biases in the MLPs alone unless the config says otherwise."""
    decodes, bias = name == "decoder", fields.flag("attention_bias")
    heads = fields.size(f"{name}_num_attention_heads")
    kv_heads = fields.size_or_none(f"{name}_num_key_value_heads") or heads
    if kv_heads != heads:
        raise ValueError(
            f"{fields.path}{name}_num_key_value_heads must be {heads}, as many as heads, "
            f"got {kv_heads}: grouped heads are not counted"
        )
    keys = ("hidden_size", f"{name}_num_attention_heads")
    attention = equal_heads(fields, hidden, heads, keys, bias, output_bias=False)
    mlp = Mlp(hidden=hidden, width=fields.size("intermediate_size"), gated=decodes, bias=True)
    costs = layer_costs(attention, mlp, (3 if decodes else 2) * hidden)
    layers = Layers(costs=costs, times=fields.layers(f"{name}_num_hidden_layers"))
    return Side(before={"norm/outer": held(hidden)}, stack=(layers,), attention=attention)
