"""How much work Pix2Struct is: patches of a page, and a T5 that writes what they hold (2210.03347).

Its processor cuts every page into as many patches, 2048 of 16 x 16 pixels; the items of a pass are
patches and tokens written. DePlot and MatCha are of this type.
"""

from estimator.workload.blocks import (
    Attention,
    Mlp,
    equal_heads,
    held,
    layer_costs,
    linear,
    table,
    vocabulary_head,
)
from estimator.workload.families.encoder_decoder import EncoderDecoder, Side
from estimator.workload.families.t5 import DEFAULT_POSITIONS, distance_biases
from estimator.workload.fields import Fields
from estimator.workload.layers import Layers
from estimator.workload.network import Network
from estimator.workload.registry import family, with_defaults_of

PATCHES = 2048.0
"""Patches of a page. [1]"""


def _stack(fields: Fields, attention: Attention, norms: int, layers: int) -> tuple[Layers, ...]:
    """Layers with gated MLPs and RMS norms, without biases."""
    hidden = attention.hidden
    mlp = Mlp(hidden=hidden, width=fields.size("d_ff"), gated=True)
    return (Layers(costs=layer_costs(attention, mlp, norms * hidden), times=layers),)


@family("pix2struct")
def pix2struct(fields: Fields) -> Network:
    """Pix2Struct: two tables of positions, rows and columns; the head is tied where it says so."""
    vision = with_defaults_of(fields.part("vision_config"), "pix2struct_vision_model")
    text = with_defaults_of(fields.part("text_config"), "pix2struct_text_model")
    seen, heads = vision.size("hidden_size"), vision.size("num_attention_heads")
    looks = Attention(hidden=seen, heads=heads, kv_heads=heads, head_dim=vision.size("d_kv"))
    hidden, vocab = text.size("hidden_size"), text.size("vocab_size")
    keys = ("hidden_size", "num_heads")
    asks = equal_heads(text, hidden, text.size("num_heads"), keys, bias=False)
    patch = linear(vision.size("patch_embed_hidden_size"), seen, bias=True)
    places = table(2 * vision.size("seq_len"), seen)
    layers = vision.layers("num_hidden_layers"), text.layers("num_layers")
    tied = fields.flag("tie_word_embeddings")
    head = {"head/logits": vocabulary_head(hidden, vocab, own=not tied)}
    model = EncoderDecoder(
        table=vocab * hidden,
        source=Side(
            before={"embedding/position": places, "norm/outer": held(seen)},
            stack=_stack(vision, looks, 2, layers[0]),
            attention=looks,
        ),
        target=Side(
            before=distance_biases(text, asks),
            stack=_stack(text, asks, 3, layers[1]),
            attention=asks,
        ),
        heads=(head, {}),
        longest=DEFAULT_POSITIONS,
        filters=(("encoder/patch", patch, PATCHES),),
    )
    return model.network(fields)
