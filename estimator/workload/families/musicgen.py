"""How much work MusicGen is: a decoder of codes behind an encoder of text (arXiv:2306.05284).

`seq_len` is the tokens of the text and the steps that are written, which the items of a pass are;
each step is a code of every book. EnCodec, which makes sound of the codes, is held and rests.
"""

from dataclasses import replace

from estimator.workload.blocks import (
    Costs,
    Mlp,
    affine,
    equal_heads,
    held,
    layer_costs,
    linear,
    table,
)
from estimator.workload.fields import Fields
from estimator.workload.layers import Layers, Stack
from estimator.workload.ledger import Inputs
from estimator.workload.model_class import task
from estimator.workload.network import (
    Network,
    Pass,
    crossing,
    length_warning,
    lines,
    network,
    prefixed,
    sequence,
)
from estimator.workload.registry import family, known_families, with_defaults_of


def _codes(fields: Fields, writes: bool) -> tuple[Stack, Costs]:
    """The decoder of codes, and the attention of its layers to the text."""
    hidden, vocab = fields.size("hidden_size"), fields.size("vocab_size")
    books, heads = fields.size("num_codebooks"), fields.size("num_attention_heads")
    attention = equal_heads(fields, hidden, heads, bias=False)
    mlp = Mlp(hidden, fields.size("ffn_dim"))
    layer = Layers(
        costs=layer_costs(attention, mlp, 6 * hidden),
        times=fields.layers("num_hidden_layers"),
        cache_values=attention.cache_values_per_token,
    )
    words = {"head/logits": linear(hidden, vocab).times(books)} if writes else {}
    stack = Stack(
        before={"embedding/token": table(books * (vocab + 1), hidden)},
        stack=(layer,),
        after={"norm/outer": held(2 * hidden), **words},
        longest=fields.size("max_position_embeddings"),
        causal=True,
    )
    return stack, attention.costs()


@family("musicgen")
def musicgen(fields: Fields) -> Network:
    """MusicGen: a text, and codes that are written behind it."""
    part = with_defaults_of(fields.part("decoder"), "musicgen_decoder")
    text, sound = (fields.part(f"{name}_encoder") for name in ("text", "audio"))
    kind, codec = text.text("model_type", default="t5"), sound.text("model_type", default="encodec")
    for stated, known in ((kind, "t5"), (codec, "encodec")):
        if stated != known:
            raise ValueError(
                f"{fields.path}model_type {stated!r} inside is not counted: {known} is"
            )
    reads = known_families()[kind](text.with_values({"architectures": ["T5EncoderModel"]}))
    held_codec = known_families()[codec](sound).ledger(Inputs()).params_total
    stack, cross = _codes(part, task(fields) in ("", "ConditionalGeneration"))
    width, hidden = text.size("d_model", default=512), part.size("hidden_size")
    bridge = {"bridge": affine(width, hidden)} if width != hidden else {}

    def run(inputs: Inputs) -> Pass:
        batch, steps = sequence(inputs, stack.longest)
        said = reads.ledger(replace(inputs, seq_len=steps))
        every = batch * steps
        done = [*prefixed(said.terms.items(), "text/"), *lines(bridge, every)]
        done += lines({"codec": held(held_codec)}, batch)
        done += prefixed(stack.lines(batch, steps, inputs), "decoder/")
        times = stack.stack[0].times
        done += crossing(cross, batch, every, every, times=times, prefix="decoder/cross/")
        warned = length_warning(steps, stack.longest)
        return Pass(lines=done, items=every, warnings=warned)

    return network(fields, run, cache=stack.cache)
