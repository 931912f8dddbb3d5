"""Which model of an image beside a text a config means: BLIP, BLIP-2, GIT, ViLT.

InstructBLIP and InstructBLIPVideo are BLIP-2 whose queries read the text, too.

A pass holds one image per sequence; `seq_len` counts the text alone, in which nothing stands for
the image, but for the language models behind BLIP-2's queries, whose tokens are part of it.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from estimator.networks.blocks import (
    Cost,
    Costs,
    Mlp,
    affine,
    equal_heads,
    held,
    linear,
    reading,
    table,
    vocabulary_head,
)
from estimator.networks.convolution import image
from estimator.networks.families.clip import bert_tower, clip_sight
from estimator.networks.families.text_encoder import bert_sizes, block, tables, written_words
from estimator.networks.families.vision_language import behind_tower, text_part
from estimator.networks.families.vit import trunk
from estimator.networks.fields import Fields
from estimator.networks.ledger import CacheLayers, Inputs, Quantity
from estimator.networks.model_class import head_note, label_head, task
from estimator.networks.network import (
    Line,
    Network,
    Pass,
    crossing,
    lines,
    network,
    prefixed,
    sequence,
)
from estimator.networks.registry import families, family, with_defaults_of

LAYER_NORM = 2


def queries_crossing(fields: Fields, hidden: int, heads: int, seen: int) -> Costs:
    """Attention to positions of width `seen`, and its norm."""
    norm = held(LAYER_NORM * hidden)
    return {**reading(equal_heads(fields, hidden, heads), seen), "norm/layers": norm}


Reader = Callable[[Quantity, Quantity, Quantity, Inputs], list[Line]]
"""From a batch of sequences, their tokens and the positions that each sees to lines."""


def _reader(part: Fields, width: int, *, writes: bool, own: bool) -> Reader:
    """The text part that writes or that reads, each of whose layers may look at an image."""
    sizes = replace(bert_sizes(part), types=0)
    head = written_words(sizes.hidden, sizes.hidden, sizes.vocab, own=own, biases=1 + own)
    before = tables(sizes, sizes.hidden)
    words = bert_tower(part, before, after=head if writes else {}, causal=writes)
    costs, times = queries_crossing(part, sizes.hidden, sizes.heads, width), sizes.layers

    def read(batch: Quantity, tokens: Quantity, seen: Quantity, inputs: Inputs) -> list[Line]:
        every = batch * tokens
        asking: Quantity = every if np.any(np.asarray(seen) > 0) else 0.0
        asks = crossing(costs, batch, asking, batch * seen, times=times, prefix="cross/")
        return [*words.lines(batch, tokens, inputs), *asks]

    return read


@family("blip")
def blip(fields: Fields) -> Network:
    """BLIP: a tower, and BERT that reads, writes or both (arXiv:2201.12086, sec. 3.1)."""
    sight = trunk(with_defaults_of(fields.part("vision_config"), "blip_vision_model"))
    part = with_defaults_of(fields.part("text_config"), "blip_text_model")
    kind = task(fields)
    hidden = bert_sizes(part).hidden
    own = not any(one.flag("tie_word_embeddings", default=True) for one in (fields, part))
    reads, writes = (_reader(part, sight.hidden, writes=flag, own=own) for flag in (False, True))
    once: dict[str, Cost] = {}
    if kind in ("", "ImageTextRetrieval"):
        width = fields.size("projection_dim", default=512)
        once = {"text/pooler": affine(hidden, hidden), "head/scale": held(1)}
        if kind:
            width = fields.size("image_text_hidden_size", default=256)
            once = {"head/match": affine(hidden, 2)}
        once["head/vision"] = linear(sight.hidden, width, bias=bool(kind))
        once["head/text"] = linear(hidden, width, bias=bool(kind))

    def run(inputs: Inputs) -> Pass:
        batch, pixels = image(inputs, sight.side)
        _, tokens = sequence(inputs, part.size("max_position_embeddings", default=512))
        positions = sight.positions(pixels)[1]
        done = [*prefixed(sight.lines(batch, pixels), "vision/")]
        if kind != "ConditionalGeneration":
            seen = positions if kind else 0.0
            done += prefixed(reads(batch, tokens, seen, inputs), "text/")
        if kind in ("ConditionalGeneration", "QuestionAnswering"):
            seen = tokens if kind == "QuestionAnswering" else positions
            done += prefixed(writes(batch, tokens, seen, inputs), "decoder/")
        done += lines(once, batch)
        return Pass(lines=done, items=batch * tokens)

    return network(fields, run)


def blip2(instructed: bool, fields: Fields) -> Network:
    """BLIP-2: queries ask a tower and go to a language model (arXiv:2301.12597, sec. 3)."""
    sight = trunk(with_defaults_of(fields.part("vision_config"), "blip_2_vision_model"))
    part, count = fields.part("qformer_config"), fields.size("num_query_tokens", default=32)
    sizes = bert_sizes(part)
    hidden, layer = sizes.hidden, dict(block(part, sizes))
    words = 0
    if instructed:
        words = part.size("vocab_size", default=30522) + sizes.positions
    if instructed or part.flag("use_qformer_text_input"):  # an MLP for words, which are not passed
        mlp = Mlp(hidden, sizes.width, bias=True).costs().values()
        layer["text_mlp"] = held(sum(cost.params for cost in mlp) + LAYER_NORM * hidden)
    asks = queries_crossing(part, hidden, sizes.heads, sight.hidden)
    crossed = -(-sizes.layers // part.size("cross_attention_frequency", default=2))
    inner = fields.part("text_config")
    speaks = inner.text("model_type", default="opt")
    tied = inner.flag("tie_word_embeddings", default=speaks in ("opt", "t5"))
    text = text_part(fields, "opt", tied)
    around: Costs = {
        "queries": held(count * hidden),
        "norm/outer": held(LAYER_NORM * hidden),
        "embedding/token": table(words, hidden),
    }
    bridge = {"bridge/project": affine(hidden, text.hidden)}

    def bridged(batch: Quantity, positions: Quantity) -> list[Line]:
        asking, found = batch * count, batch * positions
        done = [*lines(around, batch)]
        done += lines(layer, asking, pairs=asking * count, times=sizes.layers)
        done += crossing(asks, batch, asking, found, times=crossed, prefix="cross/")
        return [*prefixed(done, "queries/"), *lines(bridge, asking)]

    return behind_tower(fields, text, sight, bridged)


families(blip2, {"blip-2": False, "instructblip": True, "instructblipvideo": True})


@family("git")
def git(fields: Fields) -> Network:
    """GIT: image and text in one sequence of BERT's layers (arXiv:2205.14100, sec. 3)."""
    sight = clip_sight(fields.part("vision_config"), kind="git_vision_model")
    sizes = bert_sizes(fields)
    hidden = sizes.hidden
    before = tables(replace(sizes, types=0), hidden)
    frames = fields.size_or_none("num_image_with_embedding") or 0
    bridge: Costs = {
        "bridge/project": affine(sight.hidden, hidden),
        "bridge/norm": held(LAYER_NORM * hidden + frames * sight.hidden),
    }
    own = not fields.flag("tie_word_embeddings")
    head = {"head/logits": vocabulary_head(hidden, sizes.vocab, own=own, biases=1)}
    shots = max(frames, 1)

    def run(inputs: Inputs) -> Pass:
        batch, pixels = image(inputs, sight.side)
        _, tokens = sequence(inputs, sizes.positions)
        seen = shots * sight.positions(pixels)[1]
        both = batch * (seen + tokens)
        done = [*prefixed(sight.lines(batch * shots, pixels), "vision/")]
        done += [*lines(bridge, batch * seen), *lines(before, batch * tokens)]
        done += lines(block(fields, sizes), both, pairs=both * (seen + tokens), times=sizes.layers)
        if task(fields) == "CausalLM":
            done += lines(head, both)
        return Pass(lines=done, items=batch * tokens)

    kept = CacheLayers(layers=sizes.layers, values_per_token=2 * hidden)
    return network(fields, run, cache=(kept,))


SEVERAL = "ImagesAndTextClassification"
"""What the class does that takes several images."""


def _vilt_heads(fields: Fields, hidden: int, shots: int) -> Costs:
    """Heads per pair of text and images, of which one class takes several."""
    kind = task(fields)
    if kind == "ImageAndTextRetrieval":
        return {"head/rank": affine(hidden, 1)}
    if kind not in ("QuestionAnswering", SEVERAL):
        return {}
    inputs = shots * hidden
    wide = inputs if kind == SEVERAL else 2 * hidden
    return {
        "head/dense": affine(inputs, wide),
        "norm/head": held(2 * wide),
        "head/classifier": label_head(fields, wide),
    }


@family("vilt")
def vilt(fields: Fields) -> Network:
    """ViLT: no tower; the patches are projected as the words are looked up."""
    sight = trunk(fields)
    hidden = sight.hidden
    words = bert_sizes(fields)
    types = fields.size("modality_type_vocab_size", default=2)
    before = tables(replace(words, types=words.types + types), hidden)
    patch = affine(sight.patch**2 * sight.channels, hidden)
    kind = task(fields)
    shots = fields.size("num_images", default=2) if kind == SEVERAL else 1
    once = _vilt_heads(fields, hidden, shots)
    after: Costs = {}
    if kind == "MaskedLM":
        own = not fields.flag("tie_word_embeddings", default=True)
        after = written_words(hidden, hidden, words.vocab, own=own)
    pooled = {"pooler": affine(hidden, hidden)} if kind != "TokenClassification" else {}

    def run(inputs: Inputs) -> Pass:
        batch, pixels = image(inputs, sight.side)
        _, tokens = sequence(inputs, words.positions)
        patches, seen = sight.positions(pixels)
        both = shots * batch * (tokens + seen)
        done = [*lines({"vision/embedding/patch": patch}, shots * batch * patches, first=True)]
        done += lines(sight.tables, batch, prefix="vision/")
        done += lines(before, shots * batch * tokens)
        done += lines(sight.layer, both, pairs=both * (tokens + seen), times=sight.layers)
        done += [*lines(pooled, shots * batch), *lines(once, batch), *lines(after, batch * tokens)]
        return Pass(lines=done, items=batch * tokens)

    return network(fields, run, head_note(fields, not kind or once or after))
