"""How much work Moonshine is: convolutions over raw audio, then an encoder-decoder.

Ten seconds at 16 kHz are counted; `seq_len` is the tokens that are written, and the items of a pass
are frames of the encoder and tokens.
"""

import numpy as np

from estimator.workload.blocks import Mlp, equal_heads, held, linear, vocabulary_head
from estimator.workload.families.encoder_decoder import EncoderDecoder, Side
from estimator.workload.fields import Fields
from estimator.workload.layers import Layers
from estimator.workload.ledger import Inputs
from estimator.workload.model_class import task
from estimator.workload.network import Line, Network, Pass, length_warning, lines, sequence
from estimator.workload.registry import family

SAMPLES = 160_000.0
"""Ten seconds at 16 kHz."""


@family("moonshine")
def moonshine(fields: Fields) -> Network:
    """Moonshine: rotary positions, gated MLPs in the decoder (arXiv:2410.15608, sec. 3.1)."""
    hidden, vocab = fields.size("hidden_size"), fields.size("vocab_size")
    longest = fields.size("max_position_embeddings")
    own = not fields.flag("tie_word_embeddings")
    writes = task(fields) == "ConditionalGeneration"
    head = {"head/logits": vocabulary_head(hidden, vocab, own=own)} if writes else {}
    model = EncoderDecoder(
        table=vocab * hidden,
        source=_side(fields, hidden, "encoder"),
        target=_side(fields, hidden, "decoder"),
        heads=(head, {}),
        longest=longest,
    )
    filters = (
        (127, 64, linear(127, hidden)),
        (7, 3, linear(7 * hidden, 2 * hidden, bias=True)),
        (3, 2, linear(6 * hidden, hidden, bias=True)),
    )

    def run(inputs: Inputs) -> Pass:
        batch, seq_len = sequence(inputs, longest)
        frames, done = SAMPLES, [*lines({"norm/features": held(2 * hidden)}, batch)]
        for place, (kernel, stride, cost) in enumerate(filters):
            frames = float(np.floor((frames - kernel) / stride)) + 1.0
            made: list[Line] = [
                *lines({f"features/{place + 1}": cost}, batch * frames, first=place == 0)
            ]
            done += made
        done += model.lines(batch, (frames, seq_len), inputs)
        warned = length_warning(seq_len, longest)
        return Pass(lines=done, items=batch * (frames + seq_len), warnings=warned)

    return model.network(fields, run)


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
    norms = {"norm/layers": held((3 if decodes else 2) * hidden)}
    return Side(
        before={"norm/outer": held(hidden)},
        stack=(
            Layers(
                costs={**attention.costs(), **mlp.costs(), **norms},
                times=fields.layers(f"{name}_num_hidden_layers"),
            ),
        ),
        attention=attention,
    )
