"""How much work Granite Speech is: a conformer in blocks, queries that ask its windows, a Granite.

arXiv:2505.08699. A pass holds thirty seconds of sound per sequence; its tokens are part of the
sequence, so `seq_len` counts them. Queries are counted for each window, also before the first layer
has asked. Defaults are those of transformers 5.23.
"""

from estimator.workload.blocks import Cost, Costs, affine, held, linear
from estimator.workload.families.blip import queries_crossing
from estimator.workload.families.mixers import depthwise
from estimator.workload.families.text_encoder import LAYER_NORM, bert_sizes, block
from estimator.workload.families.vision_language import before_text, text_part
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs, quantity
from estimator.workload.network import Line, Network, crossing, lines
from estimator.workload.registry import family, with_defaults_of

FRAMES = 1500
"""Pairs of mel frames in thirty seconds. [frame]"""


@family("granite_speech")
def granite_speech(fields: Fields) -> Network:
    """Granite Speech of a config; its adapter of the language model is a file of its own."""
    audio = with_defaults_of(fields.part("encoder_config"), "granite_speech_encoder")
    hidden, layers = audio.size("hidden_dim"), audio.layers("num_layers")
    classes, context = audio.size("output_dim"), audio.size("context_size")
    padded = -(-FRAMES // context) * context
    near, convolved = _conformer(audio)
    text = text_part(fields, "granite", fields.flag("tie_word_embeddings", default=True))
    part = with_defaults_of(fields.part("projector_config"), "blip_2_model")
    sizes, window = bert_sizes(part), fields.size("window_size", default=15)
    windows = -(-FRAMES // window)
    queries = window // fields.size("downsample_rate", default=5)
    asks = queries_crossing(part, sizes.hidden, sizes.heads, part.size("encoder_hidden_size"))
    crossed = -(-sizes.layers // part.size("cross_attention_frequency", default=2))
    held_once = {"queries/tokens": held(queries * sizes.hidden + LAYER_NORM * sizes.hidden)}
    between = affine(hidden, classes, hidden)
    bridge = {"bridge/project": affine(sizes.hidden, text.hidden)}

    def sounds(inputs: Inputs) -> list[Line]:
        batch = quantity("batch", inputs.batch)
        every, asking = batch * FRAMES, batch * windows * queries
        stem = {"audio/in": affine(audio.size("input_dim"), hidden)}
        done = [*lines(stem, every, first=True)]
        pairs = batch * padded * context
        done += lines(near, batch * padded, pairs=pairs, times=layers, prefix="audio/")
        done += lines(convolved, every, times=layers, prefix="audio/")
        done += [*lines({"audio/classes": between}, every), *lines(held_once, batch)]
        own, prefix = block(part, sizes), "queries/"
        done += lines(own, asking, pairs=asking * queries, times=sizes.layers, prefix=prefix)
        seen, name = batch * windows * window, "queries/cross/"
        done += crossing(asks, batch * windows, asking, seen, times=crossed, prefix=name)
        return [*done, *lines(bridge, asking)]

    return before_text(fields, text, sounds)


def _conformer(audio: Fields) -> tuple[Costs, Costs]:
    """A layer: what runs over frames padded to whole blocks, and over the frames alone."""
    hidden, heads = audio.size("hidden_dim"), audio.size("num_heads")
    head_dim = audio.size_or_none("dim_head") or audio.share(
        "hidden_dim", hidden, "num_heads", heads
    )
    width, wide = heads * head_dim, hidden * audio.size("conv_expansion_factor")
    inner = hidden * audio.size("feedforward_mult")
    mlp = affine(hidden, inner, hidden)
    kernel, places = audio.size("conv_kernel_size"), 2 * audio.size("max_pos_emb") + 1
    near: Costs = {
        "attention/query_key_value": linear(hidden, 3 * width),
        "attention/places": held(places * head_dim) + Cost(flop_per_pair=2 * width),
        "attention/scores": Cost(flop_per_pair=2 * width),
        "attention/reduce": Cost(flop_per_pair=2 * width),
    }
    every: Costs = {
        "attention/output": affine(width, hidden),
        "mlp/both": mlp.times(2),
        "convolution/in": affine(hidden, 2 * wide),
        "convolution/depth": depthwise(wide, kernel, bias=False),
        "convolution/out": affine(wide, hidden),
        "norm/layers": held(10 * hidden + 2 * wide),
    }
    return near, every
