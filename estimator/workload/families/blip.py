"""Which model that describes images a config means: BLIP, BLIP-2, InstructBLIP, GIT.

A pass holds one image per sequence; `seq_len` counts the text alone, in which nothing stands for
the image, but for the language models behind BLIP-2's queries, whose tokens are part of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from estimator.workload.blocks import (
    Cost,
    Costs,
    Mlp,
    equal_heads,
    held,
    linear,
    table,
    vocabulary_head,
)
from estimator.workload.families.clip import clip_sight
from estimator.workload.families.text_encoder import Sizes, bert_sizes, block
from estimator.workload.families.vision_language import text_part
from estimator.workload.families.vit import Vision, trunk
from estimator.workload.fields import Fields
from estimator.workload.ledger import CacheLayers, Inputs, Quantity, quantity
from estimator.workload.model_class import task
from estimator.workload.network import Line, Network, Pass, lines, network, prefixed, sequence
from estimator.workload.registry import families, family

LAYER_NORM = 2
WORDS = Sizes(heads=8, vocab=30524, types=0)
"""BLIP's text part where its config leaves sizes out."""


def _crossing(fields: Fields, hidden: int, heads: int, seen: int) -> dict[str, Cost]:
    """Attention to positions of width `seen`, and its norm."""
    costs = dict(equal_heads(fields, hidden, heads).costs())
    costs |= {f"attention/{one}": linear(seen, hidden, bias=True) for one in ("key", "value")}
    return {**costs, "norm/layers": held(LAYER_NORM * hidden)}


@dataclass(frozen=True, kw_only=True)
class Reader:
    """BERT's layers, each of which may look at an image: costs per token, per token and position.

    `before` and `after` are paid by every token, `once` by every sequence.
    """

    before: Costs
    layer: Costs
    crossing: Mapping[str, Cost]
    layers: int
    after: Costs
    once: Costs

    def lines(
        self, batch: Quantity, tokens: Quantity, seen: Quantity, inputs: Inputs, name: str
    ) -> list[Line]:
        """Lines over sequences of `tokens` that see so many positions, none if 0."""
        every, causal = batch * tokens, 0.5 if inputs.causal else 1.0
        asking: Quantity = every if np.any(np.asarray(seen) > 0) else 0.0
        keys = {part: self.crossing[part] for part in ("attention/key", "attention/value")}
        asked = {part: cost for part, cost in self.crossing.items() if part not in keys}
        times, prefix = self.layers, f"{name}/cross/"
        return [
            *lines(self.before, every, prefix=f"{name}/"),
            *lines(
                self.layer, every, pairs=causal * every * tokens, times=times, prefix=f"{name}/"
            ),
            *lines(keys, batch * seen, times=times, prefix=prefix),
            *lines(asked, asking, pairs=every * seen, times=times, prefix=prefix),
            *lines(self.after, every, prefix=f"{name}/"),
            *lines(self.once, batch, prefix=f"{name}/"),
        ]


def _reader(part: Fields, seen: int, *, writes: bool) -> Reader:
    """The text part, as one that writes or as one that reads and ends in a pooler."""
    sizes = bert_sizes(part, WORDS)
    hidden = sizes.hidden
    head: Costs = {
        "head/transform": linear(hidden, hidden, bias=True),
        "norm/head": held(LAYER_NORM * hidden),
        "head/logits": vocabulary_head(hidden, sizes.vocab, own=False, biases=1),
    }
    return Reader(
        before={
            "embedding/token": table(sizes.vocab, hidden),
            "embedding/position": table(sizes.positions, hidden),
            "norm/embedding": held(LAYER_NORM * hidden),
        },
        layer=block(part, sizes),
        crossing=_crossing(part, hidden, sizes.heads, seen),
        layers=sizes.layers,
        after=head if writes else {},
        once={},
    )


@family("blip")
def blip(fields: Fields) -> Network:
    """BLIP: a tower, and BERT that reads, writes or both (arXiv:2201.12086, sec. 3.1)."""
    sight = trunk(fields.part("vision_config"), side=384)
    part, kind = fields.part("text_config"), task(fields)
    seen = sight.hidden
    hidden = bert_sizes(part, WORDS).hidden
    reads = _reader(part, seen, writes=False)
    once: Costs = {}
    if kind in ("", "ImageTextRetrieval"):
        width = fields.size("projection_dim", default=512)
        narrow = fields.size("image_text_hidden_size", default=256)
        dense = linear(hidden, hidden, bias=True)
        once = {"text/pooler": dense, "head/scale": held(1)} if not kind else {}
        once = {
            **once,
            "head/vision": linear(sight.hidden, width if not kind else narrow, bias=bool(kind)),
            "head/text": linear(hidden, width if not kind else narrow, bias=bool(kind)),
            "head/match": linear(hidden, 2, bias=True) if kind else held(0),
        }

    def run(inputs: Inputs) -> Pass:
        side = sight.side if inputs.image_size is None else inputs.image_size
        batch, pixels = quantity("batch", inputs.batch), quantity("image_size", side)
        _, tokens = sequence(inputs, part.size("max_position_embeddings", default=512))
        positions = sight.positions(pixels)[1]
        done = [*prefixed(sight.lines(batch, pixels), "vision/")]
        if kind != "ConditionalGeneration":
            asked = positions if kind else 0.0
            done += reads.lines(batch, tokens, asked, replace(inputs, causal=False), "text")
        if kind in ("ConditionalGeneration", "QuestionAnswering"):
            writes = _reader(part, seen, writes=True)
            read = tokens if kind == "QuestionAnswering" else positions
            done += writes.lines(batch, tokens, read, inputs, "decoder")
        done += lines(once, batch)
        return Pass(lines=done, items=batch * tokens)

    return network(fields, run)


def _queries(fields: Fields, sight: Vision, instructed: bool) -> tuple[dict[str, Cost], ...]:
    """Costs of a layer of the Q-Former per query, of crossing it per query, and per position."""
    part = fields.part("qformer_config")
    sizes = bert_sizes(part)
    crossing = _crossing(
        part, sizes.hidden, sizes.heads, part.size("encoder_hidden_size", default=1408)
    )
    keys = {name: crossing.pop(name) for name in ("attention/key", "attention/value")}
    layer = dict(block(part, sizes))
    if instructed:
        mlp = Mlp(hidden=sizes.hidden, width=sizes.width, bias=True).costs().values()
        layer["text_mlp"] = held(sum(cost.params for cost in mlp) + LAYER_NORM * sizes.hidden)
    return layer, crossing, keys


def blip2(instructed: bool, fields: Fields) -> Network:
    """BLIP-2: queries ask a tower and go to a language model (arXiv:2301.12597, sec. 3)."""
    usual = {"hidden_size": 1408, "intermediate_size": 6144, "num_hidden_layers": 39}
    vision = fields.part("vision_config").with_defaults({**usual, "num_attention_heads": 16})
    sight = trunk(vision, patch=14)
    part = fields.part("qformer_config")
    sizes, count = bert_sizes(part), fields.size("num_query_tokens", default=32)
    layer, asked, keys = _queries(fields, sight, instructed)
    every = part.size("cross_attention_frequency", default=2)
    crossed = -(-sizes.layers // every)
    words = part.size("vocab_size", default=30522) + sizes.positions if instructed else 0
    inner = fields.part("text_config")
    speaks = inner.text("model_type", default="opt")
    tied = inner.flag("tie_word_embeddings", default=speaks in ("opt", "t5"))
    text = text_part(fields, "opt", tied)
    around: Costs = {
        "queries": held(count * sizes.hidden),
        "norm/outer": held(LAYER_NORM * sizes.hidden),
        "embedding/token": table(words, sizes.hidden),
    }
    bridge = {"bridge/project": linear(sizes.hidden, text.hidden, bias=True)}

    def run(inputs: Inputs) -> Pass:
        side = sight.side if inputs.image_size is None else inputs.image_size
        batch, pixels = quantity("batch", inputs.batch), quantity("image_size", side)
        spoken = text.model.ledger(inputs)
        seen, asking = sight.positions(pixels)[1], batch * count
        done = [*prefixed(sight.lines(batch, pixels), "vision/")]
        done += lines(around, batch, prefix="queries/")
        done += lines(layer, asking, pairs=asking * count, times=sizes.layers, prefix="queries/")
        done += lines(keys, batch * seen, times=crossed, prefix="queries/cross/")
        done += lines(asked, asking, pairs=asking * seen, times=crossed, prefix="queries/cross/")
        done += [*lines(bridge, asking), *spoken.terms.items()]
        return Pass(lines=done, items=spoken.items, warnings=spoken.warnings)

    return network(fields, run, cache=text.model.cache)


families(blip2, {"blip-2": False, "instructblip": True, "instructblipvideo": True})


@family("git")
def git(fields: Fields) -> Network:
    """GIT: image and text in one sequence of BERT's layers (arXiv:2205.14100, sec. 3)."""
    vision = fields.part("vision_config")
    sight = clip_sight(vision.with_defaults({"patch_size": 16}))
    sizes = bert_sizes(fields, Sizes(layers=6, positions=1024, types=0))
    hidden = sizes.hidden
    before: Costs = {
        "embedding/token": table(sizes.vocab, hidden),
        "embedding/position": table(sizes.positions, hidden),
        "norm/embedding": held(LAYER_NORM * hidden),
    }
    frames = fields.size_or_none("num_image_with_embedding") or 0
    bridge: Costs = {
        "bridge/project": linear(sight.hidden, hidden, bias=True),
        "bridge/norm": held(LAYER_NORM * hidden + frames * sight.hidden),
    }
    own = not fields.flag("tie_word_embeddings")
    head = {"head/logits": vocabulary_head(hidden, sizes.vocab, own=own, biases=1)}
    shots = max(frames, 1)

    def run(inputs: Inputs) -> Pass:
        side = sight.side if inputs.image_size is None else inputs.image_size
        batch, pixels = quantity("batch", inputs.batch), quantity("image_size", side)
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
