"""Which pair of models that transformers joins a config describes: TrOCR, Donut, BERT to BERT.

Its type is vision-, speech- or plain encoder-decoder.

An encoder of images, sound or text keeps its own family; so does the decoder of text, to which
attention to the encoder is added in every layer. `seq_len` is the tokens written, and those read
where the encoder reads text; the items of a pass are the tokens written.
"""

from dataclasses import dataclass, replace

from estimator.core.messages import refuse
from estimator.networks.blocks import Costs, affine, equal_heads, held, reading, table
from estimator.networks.families.decoder import HEADS, LAYERS, WIDTH
from estimator.networks.families.encoder_decoder import logits, side
from estimator.networks.fields import Fields
from estimator.networks.layers import Layers, Stack
from estimator.networks.ledger import Architecture, CacheLayers, Inputs, Quantity
from estimator.networks.model_class import task
from estimator.networks.network import Network, Pass, crossing, lines, network, prefixed
from estimator.networks.registry import families, family, known_families, with_defaults_of

SELF_CROSSING = ("bart", "mbart", "trocr", "pegasus", "marian", "blenderbot", "blenderbot-small")
"""Decoders that hold attention to an encoder by themselves."""

CROSSED = ("gpt2", "bert", "roberta", "xlm-roberta", "camembert", "electra", "bert-generation")
"""Decoders to which it is added."""

GPT2_SIZES = {"n_embd": 768, "n_layer": 12, "n_head": 12}


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """An encoder, its width, and how many of its items make a position that a decoder sees."""

    model: Architecture
    hidden: int
    folded: int = 1


def _decoder_part(fields: Fields) -> Fields:
    """The decoder's config as one that writes text, with the sizes that it leaves out."""
    part = fields.part("decoder")
    kind = part.text("model_type")
    if kind not in (*SELF_CROSSING, *CROSSED):
        raise part.uncounted("model_type", kind, *SELF_CROSSING, *CROSSED)
    usual = GPT2_SIZES if kind == "gpt2" else {}
    generates = {"bert-generation": "BertGenerationDecoder", "gpt2": "GPT2LMHeadModel"}
    name = generates.get(kind, "ForCausalLM")
    part = part.with_defaults(usual).with_values({"architectures": [name]})
    return with_defaults_of(part, kind)


def _encoder(fields: Fields) -> Encoded:
    """The encoder of a pair as a bare trunk."""
    part = fields.part("encoder")
    kind = part.text("model_type")
    reader = known_families().get(kind)
    if reader is None:
        raise refuse("config_part_unknown", key=part.full_name("model_type"), value=repr(kind))
    bare = part.with_values({"architectures": [], "pooled": True})
    if "swin" in kind:
        fold = len(part.layer_counts("depths", (2, 2, 6, 2))) - 1
        hidden = part.size("embed_dim", default=96) * 2**fold
        return Encoded(model=reader(bare), hidden=hidden, folded=4**fold)
    hidden = part.size("hidden_size", "d_model", "n_embd", default=768)
    adapted = part.size_or_none("output_hidden_size") if part.flag("add_adapter") else None
    return Encoded(model=reader(bare), hidden=adapted or hidden)


def _crossing(part: Fields, *, held_inside: bool) -> Layers:
    """What the decoder's layers ask of the encoder; no parameters where the decoder holds them."""
    bart_like = part.text("model_type") in SELF_CROSSING
    heads_keys = ("decoder_attention_heads",) if bart_like else HEADS
    layers_keys = ("num_hidden_layers", "decoder_layers") if bart_like else LAYERS
    hidden, heads = part.size(*WIDTH, default=768), part.size(*heads_keys, default=12)
    keys = (part.key(*WIDTH), part.key(*heads_keys))
    width = part.size_or_none("cross_attention_hidden_size") or hidden
    seen = width if part.text("model_type") == "trocr" else hidden
    attention = equal_heads(part, hidden, heads, keys)
    costs = {**reading(attention, seen), "norm/layers": held(2 * hidden)}
    if held_inside:
        costs = {one: cost.again() for one, cost in costs.items()}
    return Layers(costs=costs, times=part.layers(*layers_keys, default=12))


def composed(reads: str, fields: Fields) -> Network:
    """An encoder and a decoder joined; a matrix between them where their widths differ."""
    part, encoder = _decoder_part(fields), _encoder(fields)
    kind, hidden = part.text("model_type"), part.size(*WIDTH, default=768)
    decoder = known_families()[kind](part)
    crosses = _crossing(part, held_inside=kind in SELF_CROSSING)
    bridges = encoder.hidden != hidden and not part.states("cross_attention_hidden_size")
    bridge: Costs = {"bridge": affine(encoder.hidden, hidden)} if bridges else {}
    kept = CacheLayers(layers=crosses.times, values_per_token=2 * hidden)

    def run(inputs: Inputs) -> Pass:
        written = replace(inputs, image_size=None)
        read = inputs if reads != "sound" else replace(inputs, seq_len=None)
        said, given = decoder.ledger(written), encoder.model.ledger(read)
        seen: Quantity = given.items / encoder.folded
        done = [*prefixed(given.terms.items(), "encoder/"), *lines(bridge, seen)]
        done += prefixed(said.terms.items(), "decoder/")
        batch, times, prefix = inputs.batch, crosses.times, "decoder/cross/"
        done += crossing(crosses.costs, batch, said.items, seen, times=times, prefix=prefix)
        return Pass(lines=done, items=said.items, warnings=said.warnings)

    return network(fields, run, cache=decoder.cache or (kept,))


families(
    composed,
    {
        "vision-encoder-decoder": "images",
        "speech-encoder-decoder": "sound",
        "encoder-decoder": "text",
    },
)


@family("trocr")
def trocr(fields: Fields) -> Network:
    """TrOCR's decoder: BART's, whose layers may see an encoder of another width (2109.10282)."""
    hidden, vocab = fields.size(*WIDTH), fields.size("vocab_size")
    longest, decoder = fields.size("max_position_embeddings"), side(fields, "decoder")
    crosses = _crossing(fields, held_inside=False)
    resting = sum(cost.params for cost in crosses.costs.values())
    own = {"norm/layers": held(4 * hidden), "cross": held(resting)}
    rows = (longest + 2) * fields.flag("use_learned_position_embeddings")
    kept = decoder.attention.cache_values_per_token
    model = Stack(
        before={
            "embedding/token": table(vocab, hidden),
            "embedding/position": table(rows, hidden),
            "norm/embedding": held(2 * hidden * fields.flag("layernorm_embedding")),
        },
        stack=tuple(replace(one, cache_values=kept) for one in decoder.with_layers(own).stack),
        after=logits(fields, hidden, vocab, task(fields)),
        longest=longest,
        causal=True,
    )
    return network(fields, model.run, cache=model.cache)
