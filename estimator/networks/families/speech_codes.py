"""How much work a language model is that hears or writes codes of sound, step by step.

CSM, Moshi, Higgs Audio, Bark, MusicGen, Dia, and Kyutai's speech to text. `seq_len` is steps, each
of which is a code of every book or a token of text, and the items of a pass are steps. Where a
smaller decoder writes the codes of a step one behind the other, it is counted on all of them. What
makes codes of sound and sound of codes is held and rests.
"""

from dataclasses import replace

from estimator.networks.blocks import (
    Cost,
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
    vocabulary_head,
)
from estimator.networks.families.audio_codec import held_codec
from estimator.networks.families.decoder import Family, decoder
from estimator.networks.families.dense_decoders import LLAMA
from estimator.networks.families.sliding_window import sliding
from estimator.networks.fields import Fields
from estimator.networks.layers import Layers, Stack
from estimator.networks.ledger import Architecture, CacheLayers, Inputs, quantity
from estimator.networks.model_class import task
from estimator.networks.network import (
    Network,
    Pass,
    crossing,
    length_warning,
    lines,
    network,
    prefixed,
    sequence,
)
from estimator.networks.registry import family, known_families, with_defaults_of

MOSHI = Family(windows=sliding(3000))


def _trunk(family: Family, fields: Fields, before: Costs, after: Costs) -> Stack:
    """Layers of a config between tables and heads of their own."""
    bare = decoder(family, fields.with_values({"architectures": ["Model"]})).stack
    return replace(bare, before=before, after={**bare.after, **after})


def _stepping(
    fields: Fields, trunk: Stack, codec: Costs, depth: Stack | None = None, books: int = 1
) -> Network:
    """A trunk beside a resting codec, and what writes the codes of `books` at each step."""

    def run(inputs: Inputs) -> Pass:
        done = trunk.run(inputs)
        every = [*lines(codec, quantity("batch", inputs.batch)), *done.lines]
        if depth is not None:
            deep = depth.lines(done.items, float(books), inputs)
            every += prefixed(deep, "depth/")
        return replace(done, lines=every)

    return network(fields, run, cache=trunk.cache)


@family("csm")
def csm(fields: Fields) -> Network:
    """CSM: Llama over sums of codes and over text, a small Llama over the codes of a step."""
    hidden, vocab = fields.size("hidden_size"), fields.size("vocab_size")
    part = with_defaults_of(fields.part("depth_decoder_config"), "csm_depth_decoder_model")
    books, narrow = part.size("num_codebooks"), part.size("hidden_size")
    tied = fields.flag("tie_codebooks_embeddings", default=True)
    own = 0 if tied else fields.size("num_codebooks") * vocab
    tables = {
        "embedding/token": table(fields.size("text_vocab_size"), hidden),
        "embedding/codes": table(own, hidden),
    }
    trunk = _trunk(LLAMA, fields, tables, {"head/logits": linear(hidden, vocab)})
    wide = part.size("backbone_hidden_size")
    entries = part.size("vocab_size")
    before = {"embedding/codes": table(books * entries, wide), "project": linear(wide, narrow)}
    heads = {"head/logits": linear(narrow, entries).times(books - 1)}
    deep = replace(_trunk(LLAMA, part, before, {}), once=heads)
    return _stepping(fields, trunk, held_codec(fields.part("codec_config"), "mimi"), deep, books)


def _halved(fields: Fields) -> Fields:
    """The config with the width of its gated MLP, half of which gates the other."""
    return fields.with_values({"intermediate_size": fields.size("ffn_dim") // 2})


@family("kyutai_speech_to_text")
def kyutai(fields: Fields) -> Network:
    """Kyutai's speech to text: a decoder over sums of codes and a token (arXiv:2509.08753)."""
    hidden, vocab = fields.size("hidden_size"), fields.size("vocab_size")
    rows = vocab + fields.size("num_codebooks") * fields.size("codebook_vocab_size") + 1
    tables = {"embedding/token": table(rows, hidden)}
    head = vocabulary_head(hidden, vocab, own=not fields.flag("tie_word_embeddings"))
    trunk = _trunk(MOSHI, _halved(fields), tables, {"head/logits": head})
    return _stepping(fields, trunk, held_codec(fields.part("codec_config"), "mimi"))


@family("moshi")
def moshi(fields: Fields) -> Network:
    """Moshi: a decoder over its own codes, those it hears, and text (arXiv:2410.00037, sec. 3.4).

    The small decoder has weights of its own for each book.
    """
    hidden, vocab = fields.size("hidden_size"), fields.size("vocab_size")
    books, codec = fields.size("num_codebooks"), fields.part("audio_encoder_config")
    entries = fields.size_or_none("audio_vocab_size") or codec.size("codebook_size", default=2048)
    tables = {
        "embedding/token": table(vocab + 1, hidden),
        "embedding/codes": table(2 * books * (entries + 1), hidden),
    }
    trunk = _trunk(MOSHI, _halved(fields), tables, {"head/logits": linear(hidden, vocab)})
    part = with_defaults_of(fields.part("depth_decoder_config"), "moshi_depth")
    narrow = part.size("hidden_size")
    before = {
        "embedding/token": table(vocab + 1, narrow),
        "embedding/codes": table((books - 1) * (entries + 1), narrow),
        "project": _each(linear(hidden, narrow), books),
    }
    heads = {"head/logits": _each(linear(narrow, entries), books)}
    deep = _trunk(MOSHI, _halved(part), before, heads)
    costs = {
        name: cost if name.startswith("norm") else _each(cost, books)
        for name, cost in deep.stack[0].costs.items()
    }
    layers = replace(deep.stack[0], costs=costs)
    deep = replace(deep, stack=(layers,), after=heads)
    return _stepping(fields, trunk, held_codec(codec, "mimi"), deep, books)


def _each(cost: Cost, books: int) -> Cost:
    """The same work by weights of its own for each book."""
    return replace(cost, params=books * cost.params, active_params=books * cost.active_params)


@family("higgs_audio_v2")
def higgs_audio(fields: Fields) -> Network:
    """Higgs Audio 2: Llama whose steps of sound have norms and MLPs beside those of text."""
    hidden, layers = fields.size("hidden_size"), fields.layers("num_hidden_layers")
    codes = fields.size("num_codebooks") * fields.size("codebook_size")
    tables = {
        "embedding/token": table(fields.size("vocab_size"), hidden),
        "embedding/codes": table(codes, hidden),
    }
    trunk = _trunk(LLAMA, fields, tables, {"head/logits": linear(hidden, codes)})
    mlp = Mlp(hidden, fields.size("intermediate_size"), gated=True, bias=fields.flag("mlp_bias"))
    resting = sum(cost.params for cost in mlp.costs().values()) + 2 * hidden
    text = Layers(costs={"mlp/text": Cost(params=resting)}, times=layers)
    return _stepping(fields, replace(trunk, stack=(*trunk.stack, text)), {})


STAGES = ("semantic", "coarse_acoustics", "fine_acoustics")


@family("bark")
def bark(fields: Fields) -> Network:
    """Bark: three GPTs behind one another, the last of which fills in one book in each pass.

    Each is run over `seq_len` tokens, all that it holds if none is asked for.
    """
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
