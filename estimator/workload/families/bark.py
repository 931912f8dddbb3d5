"""How much work Bark is: three GPTs behind one another, from words to codes of sound.

Each is run over `seq_len` tokens, all that it holds if none is asked for; the last fills in one
book of codes in each pass. EnCodec, which makes sound of the codes, is held and rests. Defaults are
those of transformers 5.23.
"""

from estimator.workload.blocks import Costs, Mlp, equal_heads, held, layer_costs, linear, table
from estimator.workload.families.audio_codec import held_codec
from estimator.workload.fields import Fields
from estimator.workload.layers import Layers, Stack
from estimator.workload.ledger import CacheLayers, Inputs
from estimator.workload.network import Network, Pass, lines, network, prefixed, sequence
from estimator.workload.registry import family, with_defaults_of

STAGES = ("semantic", "coarse_acoustics", "fine_acoustics")


@family("bark")
def bark(fields: Fields) -> Network:
    """Bark of a config."""
    stacks = {name: _stage(fields.part(f"{name}_config"), name) for name in STAGES}
    codec = held_codec(fields.part("codec_config"), "encodec")
    longest = min(stack.longest for stack in stacks.values())

    def run(inputs: Inputs) -> Pass:
        batch, tokens = sequence(inputs, longest)
        done = [*lines(codec, batch)]
        for name, stack in stacks.items():
            done += prefixed(stack.lines(batch, tokens, inputs), f"{name}/")
        return Pass(lines=done, items=batch * tokens)

    kept: tuple[CacheLayers, ...] = stacks["semantic"].cache
    return network(fields, run, cache=kept)


def _stage(part: Fields, name: str) -> Stack:
    """One GPT; the last has tables for all books, and a head for each that it may fill in."""
    part = with_defaults_of(part, "bark_decoder")
    hidden = part.size("hidden_size")
    bias = part.flag("bias", default=True)
    fine = name == STAGES[2]
    layers, books = part.layers("num_layers"), part.size("n_codes_total", default=8) if fine else 1
    vocab, outputs = part.size("input_vocab_size"), part.size("output_vocab_size")
    heads = part.size("num_heads")
    attention = equal_heads(part, hidden, heads, ("hidden_size", "num_heads"), bias)
    mlp, norm = Mlp(hidden=hidden, width=4 * hidden, bias=bias), hidden * (1 + (bias or fine))
    own = books - part.size("n_codes_given", default=1) if fine else 1
    tied = fine and part.flag("tie_word_embeddings", default=True)
    resting = 0 if tied else (own - 1) * hidden * outputs
    head = linear(hidden, outputs)
    after: Costs = {
        "norm/outer": held(norm + resting),
        "head/logits": head.again() if tied else head,
    }
    layer = Layers(
        costs=layer_costs(attention, mlp, 2 * norm),
        times=layers,
        cache_values=0 if fine else attention.cache_values_per_token,
    )
    longest = part.size("block_size")
    return Stack(
        before={
            "embedding/token": table(books * vocab, hidden),
            "embedding/position": table(longest, hidden),
        },
        stack=(layer,),
        after=after,
        longest=longest,
        causal=not fine,
    )
