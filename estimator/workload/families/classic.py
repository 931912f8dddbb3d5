"""Which keys the older decoders use, each its own: GPT-2 and its generation.

Defaults are those of transformers 5.23.
"""

from estimator.workload.blocks import Attention, Mlp
from estimator.workload.families.rotary import output_head
from estimator.workload.fields import Fields
from estimator.workload.transformer import Decoder, Layer

WIDTH = ("hidden_size", "n_embd")
HEADS = ("num_attention_heads", "n_head")
LAYERS = ("num_hidden_layers", "n_layer")
POSITIONS = ("max_position_embeddings", "n_positions")


def gpt2(fields: Fields) -> Decoder:
    """GPT-2: learned positions, biases everywhere, tied head."""
    hidden, heads = fields.size(*WIDTH), fields.size(*HEADS)
    positions = fields.size(*POSITIONS, default=1024)
    layer = Layer(
        attention=Attention(
            hidden=hidden,
            heads=heads,
            kv_heads=heads,
            head_dim=fields.share(HEADS[1], hidden, heads),
            qkv_bias=True,
            output_bias=True,
        ),
        feed_forward=Mlp(
            hidden=hidden, width=fields.size_or_none("n_inner") or 4 * hidden, bias=True
        ),
        norm_params=4 * hidden,
    )
    head, warnings = output_head(fields, 50257, tied=True)
    return Decoder(
        hidden=hidden,
        vocab=fields.size("vocab_size", default=50257),
        layers=(layer,) * fields.layers(*LAYERS),
        head=head,
        max_positions=positions,
        position_rows=positions,
        outer_norm_params=2 * hidden,
        model_type=fields.text("model_type"),
        name=fields.text("_name_or_path"),
        warnings=warnings,
    )


FAMILIES = {"gpt2": gpt2}
