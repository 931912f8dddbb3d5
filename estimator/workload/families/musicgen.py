"""How much work MusicGen and Dia are: a decoder of codes behind an encoder of text.

`seq_len` is the tokens of the text and the steps that are written, which the items of a pass are;
each step is a code of every book. EnCodec, which makes sound of the codes of MusicGen
(arXiv:2306.05284), is held and rests.
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
    multi_head,
    reading,
    table,
)
from estimator.workload.families.audio_codec import held_codec
from estimator.workload.families.decoder import Family, decoder
from estimator.workload.fields import Fields
from estimator.workload.layers import Layers, Stack
from estimator.workload.ledger import Architecture, Inputs
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

BARE = {"architectures": ["Model"]}


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
    kind, codec = text.counted("model_type", "t5"), held_codec(sound, "encodec")
    reads = known_families()[kind](text.with_values({"architectures": ["T5EncoderModel"]}))
    stack, cross = _codes(part, task(fields) in ("", "ConditionalGeneration"))
    width, hidden = text.size("d_model", default=512), part.size("hidden_size")
    bridge = {"bridge": affine(width, hidden)} if width != hidden else {}

    return _written(fields, reads, stack, cross, bridge, codec)


def _written(
    fields: Fields, reads: Architecture, stack: Stack, cross: Costs, bridge: Costs, codec: Costs
) -> Network:
    """A decoder of codes whose layers see a text, through a bridge, by the costs of `cross`."""

    def run(inputs: Inputs) -> Pass:
        batch, steps = sequence(inputs, stack.longest)
        said = reads.ledger(replace(inputs, seq_len=steps))
        every = batch * steps
        done = [*prefixed(said.terms.items(), "text/"), *lines(bridge, every)]
        done += lines(codec, batch)
        done += prefixed(stack.lines(batch, steps, inputs), "decoder/")
        times = stack.stack[0].times
        done += crossing(cross, batch, every, every, times=times, prefix="decoder/cross/")
        warned = length_warning(steps, stack.longest)
        return Pass(lines=done, items=every, warnings=warned)

    return network(fields, run, cache=stack.cache)


@family("dia")
def dia(fields: Fields) -> Network:
    """Dia: Llama's layers on both sides, bytes of text to codes of all books at each step."""
    part, text = (
        with_defaults_of(fields.part(f"{name}_config"), f"dia_{name}").with_values(BARE)
        for name in ("decoder", "encoder")
    )
    reads = replace(decoder(Family(), text).stack, causal=False)
    hidden, seen = part.size("hidden_size"), part.size("cross_hidden_size")
    codes = part.size("vocab_size") * part.size("num_channels")
    writes = task(fields) in ("", "ConditionalGeneration")
    bare = decoder(Family(norms=3), part).stack
    head = {"head/logits": linear(hidden, codes)} if writes else {}
    stack = replace(
        bare, before={"embedding/token": table(codes, hidden)}, after={**bare.after, **head}
    )
    heads, kv_heads, head_dim = (
        part.size(f"cross_{key}")
        for key in ("num_attention_heads", "num_key_value_heads", "head_dim")
    )
    attention = multi_head(hidden, heads, head_dim, kv_heads=kv_heads)
    cross = reading(attention, seen)
    return _written(fields, network(fields, reads.run), stack, cross, {}, {})
