"""Which T5Gemma a config describes: Gemma's layers as encoder and decoder; T5Gemma 2 sees too.

Every token passes one side, so the items of a pass are those of both; an image's tokens are part of
what is read.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from estimator.networks.blocks import Costs, crossed, held, linear
from estimator.networks.convolution import image
from estimator.networks.families.clip import siglip_sight
from estimator.networks.families.vision_language import dense_bridge
from estimator.networks.fields import Fields
from estimator.networks.ledger import Inputs
from estimator.networks.model_class import class_name, label_head, task, word_head
from estimator.networks.network import (
    Line,
    Network,
    Pass,
    crossing,
    length_warning,
    lines,
    network,
    prefixed,
    sequence,
)
from estimator.networks.registry import defaults, family, known_families
from estimator.networks.transformer import Decoder


def _side(fields: Fields, kind: str) -> Decoder:
    """One side: a Gemma without a head."""
    inner = {**defaults()[kind]["inside"], **fields.values}
    part = replace(fields, values={**inner, "model_type": kind, "architectures": ["Model"]})
    made = known_families()[kind](part)
    assert isinstance(made, Decoder)
    return made


def _joined(
    fields: Fields,
    source: Decoder,
    target: Decoder | None,
    cross: Costs,
    seen: Callable[[Inputs], Iterable[Line]] = lambda inputs: (),
    one_table: bool = False,
) -> Network:
    """Two sides, each layer of the second asking the first at the costs of `cross`, and a head."""
    last, kind = target or source, task(fields)
    after: Costs = {}
    if kind == "ConditionalGeneration":
        after = {"head/logits": word_head(fields, last.hidden, last.vocab)}
    elif kind:
        after = {"head/classifier": label_head(fields, last.hidden)}

    def run(inputs: Inputs) -> Pass:
        batch, length = sequence(inputs, last.max_positions)
        tokens, free = batch * length, replace(inputs, causal=False)
        done = [*seen(inputs), *prefixed(source.stack.lines(batch, length, free), "encoder/")]
        if target is not None:
            stack = replace(target.stack, before={}) if one_table else target.stack
            done += prefixed(stack.lines(batch, length, inputs), "decoder/")
            times, prefix = len(target.layers), "decoder/"
            done += crossing(cross, batch, tokens, tokens, times=times, prefix=prefix)
        done += lines(after, tokens)
        warned = length_warning(length, last.max_positions)
        return Pass(lines=done, items=tokens * (1 + (target is not None)), warnings=warned)

    return network(fields, run, cache=() if target is None else target.cache)


@family("t5gemma")
def t5gemma(fields: Fields) -> Network:
    """T5Gemma: Gemma 2 on both sides, of any two sizes (arXiv:2504.06225, sec. 3)."""
    source = _side(fields.part("encoder"), "gemma2")
    alone = class_name(fields).endswith("EncoderModel")
    if alone or not fields.flag("is_encoder_decoder", default=True):
        return _joined(fields, source, None, {})
    target = _side(fields.part("decoder"), "gemma2")
    keys = target.layers[0].attention.cache_values_per_token // 2
    read = linear(source.hidden, keys, fields.part("decoder").flag("attention_bias"))
    own = {"cross/key": read, "cross/value": read, "norm/cross": held(2 * target.hidden)}
    asks = crossed(target.layers[0].attention.costs())
    return _joined(fields, source, target, {**asks, **own})


@family("t5gemma2")
def t5gemma2(fields: Fields) -> Network:
    """T5Gemma 2: a decoder whose attention sees both sides, SigLIP's tower (arXiv:2512.14856)."""
    part = fields.part("encoder")
    source = _side(part.part("text_config"), "gemma3_text")
    target = _side(fields.part("decoder"), "gemma3_text")
    sight = siglip_sight(part.part("vision_config"))
    tied = fields.flag("tie_word_embeddings", default=True)
    bridge = dense_bridge(sight.hidden, source.hidden, bias=False, norm=sight.hidden)
    bridge = {**bridge, "embedding/end_of_image": held(source.hidden * (2 - tied))}
    count = part.size("mm_tokens_per_image", default=256)
    asks = crossed(target.layers[0].attention.costs())
    parts = ("cross/key", "cross/value", "cross/scores", "cross/reduce")

    def seen(inputs: Inputs) -> list[Line]:
        batch, pixels = image(inputs, sight.side)
        return [*prefixed(sight.lines(batch, pixels), "vision/"), *lines(bridge, batch * count)]

    return _joined(fields, source, target, {one: asks[one].again() for one in parts}, seen, tied)
