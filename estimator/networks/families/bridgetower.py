"""How much work BridgeTower, FLAVA and LXMERT are: text and images apart, then layers over both.

A pass holds `batch` images and as many texts; the items of a pass are those of both towers, of
LXMERT the words.
"""

from dataclasses import replace

from estimator.networks.blocks import (
    Cost,
    Costs,
    Mlp,
    affine,
    crossed,
    equal_heads,
    held,
    vocabulary_head,
)
from estimator.networks.convolution import Flow, image
from estimator.networks.families.clip import bert_tower, clip_sight
from estimator.networks.families.text_encoder import (
    LAYER_NORM,
    bert_sizes,
    block,
    tables,
    written_words,
)
from estimator.networks.families.vit import Vision, trunk
from estimator.networks.fields import Fields
from estimator.networks.layers import Stack
from estimator.networks.ledger import Inputs, Quantity
from estimator.networks.model_class import head_note, task
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
from estimator.networks.registry import family, with_defaults_of


def _both(flow: Flow, inputs: Inputs, text: Stack, sight: Vision, pixels: Quantity) -> Flow:
    """With the lines of both towers."""
    flow = flow.with_lines(prefixed(text.lines(flow.batch, flow.text, inputs), "text/"))
    return flow.with_lines(prefixed(sight.lines(flow.batch, pixels), "vision/"))


@family("bridgetower")
def bridgetower(fields: Fields) -> Network:
    """BridgeTower: the later layers of both towers lead into those over both (arXiv:2206.08657)."""
    fields.counted("link_tower_type", "add")
    part = with_defaults_of(fields.part("text_config"), "bridgetower_text_model")
    seen = with_defaults_of(fields.part("vision_config"), "bridgetower_vision_model")
    sizes, sight = bert_sizes(part), _bridged_sight(seen)
    hidden, width = sizes.hidden, sight.hidden
    text = bert_tower(
        part,
        tables(sizes, hidden),
        once={"pooler": held(affine(hidden, hidden).params)},
        spare_positions=2,
    )
    out, layers = fields.size("hidden_size"), fields.layers("num_hidden_layers")
    shared = fields.flag("share_cross_modal_transformer_layers", default=True)
    links = 1 if fields.flag("share_link_tower_layers") else layers - 1
    attention = equal_heads(part, hidden, sizes.heads).costs()
    layer = {
        **attention,
        **Mlp(hidden, part.size("intermediate_size"), bias=True).costs(),
        "norm": held(6 * hidden),
    }
    apart = seen.layers("num_hidden_layers") * (not seen.flag("share_layernorm", default=True))
    tables_of = held(2 * out + 4 * out + 2 * 2 * out * links + 2 * width * apart)

    def run(inputs: Inputs) -> Pass:
        batch, pixels = image(inputs, sight.side)
        _, words = sequence(inputs, text.longest)
        patches = sight.positions(pixels)[1]
        flow = _both(Flow(batch=batch, side=pixels, text=words), inputs, text, sight, pixels)
        for name, before, own, other in (
            ("both/text/", hidden, words, patches),
            ("both/vision/", width, patches, words),
        ):
            bridge = affine(before, out)
            bridge = bridge.repeated(layers) if shared else bridge.times(layers)
            flow = flow.layers({"bridge": bridge}, own, prefix=name)
            flow = flow.attending(layer, own, times=layers, prefix=name)
            flow = flow.crossing(crossed(attention), own, other, times=layers, prefix=name)
        once = {"pooler": affine(out, out).times(2), "tables": tables_of}
        flow = flow.dense({**once, **_once(fields, out)}).layers(_words(fields, part, out), words)
        items = batch * (words + patches)
        return Pass(lines=flow.lines, items=items, warnings=length_warning(words, text.longest))

    heads = ("", "ImageAndTextRetrieval", "MaskedLM", "ContrastiveLearning")
    return network(fields, run, head_note(fields, task(fields) in heads))


def _bridged_sight(fields: Fields) -> Vision:
    """CLIP's tower, perhaps without its last layer."""
    width, layers = fields.size("hidden_size"), fields.layers("num_hidden_layers")
    stated = {
        "num_attention_heads": width // 64,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers - fields.flag("remove_last_layer"),
    }
    return clip_sight(fields.with_values(stated), kind="bridgetower_vision_model")


def _once(fields: Fields, out: int) -> Costs:
    """Heads on the pooled states."""
    if task(fields) == "ImageAndTextRetrieval":
        return {"head/match": affine(2 * out, 2)}
    if task(fields) == "ContrastiveLearning":
        width = fields.size("contrastive_hidden_size", default=512)
        each = affine(out, width).times(2) + affine(2 * out, width)
        return {"head/contrast": each + held(1)}
    return {}


def _words(fields: Fields, part: Fields, out: int) -> Costs:
    """The head on masked words."""
    if task(fields) != "MaskedLM":
        return {}
    vocab, tied = part.size("vocab_size"), fields.flag("tie_word_embeddings")
    return {
        "head/transform": affine(out, out) + held(2 * out),
        "head/logits": vocabulary_head(out, vocab, own=not tied, biases=1),
    }


@family("flava")
def flava(fields: Fields) -> Network:
    """FLAVA: layers over all states of both towers, behind a token (arXiv:2112.04482, sec. 3)."""
    part = with_defaults_of(fields.part("text_config"), "flava_text_model")
    joint = with_defaults_of(fields.part("multimodal_config"), "flava_multimodal_model")
    seen = fields.part("image_config")
    sizes, sight, out = bert_sizes(part), trunk(seen), fields.size("projection_dim", default=768)
    mask = held(sight.hidden * seen.flag("mask_token", default=True))
    pooler = {"pooler": affine(sight.hidden, sight.hidden)}
    sight = replace(sight, tables={**sight.tables, "embedding/mask": mask}, once=pooler)
    text = bert_tower(
        part,
        {**tables(sizes, sizes.hidden), "norm/outer": held(2 * sizes.hidden)},
        once={"pooler": affine(sizes.hidden, sizes.hidden)},
    )
    both = trunk(joint)
    behind = int(joint.flag("use_cls_token", default=True))
    kept = affine(sight.hidden, out) + affine(sizes.hidden, out)

    def run(inputs: Inputs) -> Pass:
        batch, pixels = image(inputs, sight.side)
        _, words = sequence(inputs, text.longest)
        patches = sight.positions(pixels)[1]
        flow = _both(Flow(batch=batch, side=pixels, text=words), inputs, text, sight, pixels)
        flow = flow.layers({"both/from_text": affine(sizes.hidden, both.hidden)}, words)
        flow = flow.layers({"both/from_vision": affine(sight.hidden, both.hidden)}, patches)
        every = words + patches + behind
        flow = flow.attending(both.layer, every, times=both.layers, prefix="both/")
        once = {
            "both/pooler": affine(both.hidden, both.hidden),
            "both/tables": held((2 + behind) * both.hidden + 1),
            "head/projections": held(kept.params),
        }
        flow = flow.dense(once)
        items = batch * (words + patches)
        return Pass(lines=flow.lines, items=items, warnings=length_warning(words, text.longest))

    return network(fields, run, head_note(fields, not task(fields)))


OBJECTS = 36
"""Objects that are kept of an image (arXiv:1908.07490, sec. 3.1). [1]"""

LOSSES = {"obj": "num_object_labels", "attr": "num_attr_labels", "feat": "visual_feat_dim"}
"""What is foretold of a masked object, and how many values of it."""


@family("lxmert")
def lxmert(fields: Fields) -> Network:
    """LXMERT: words and objects apart, then looking at each other (arXiv:1908.07490).

    The objects of an image come from a detector of its own, which is not counted.
    """
    counts = [fields.layers(f"{name}_layers") for name in "lrx"]
    fields = fields.with_values({"num_hidden_layers": counts[0]})
    sizes = bert_sizes(fields)
    hidden, layer = sizes.hidden, block(fields, sizes)
    look = crossed(equal_heads(fields, hidden, sizes.heads).costs())
    look = {**look, "norm/cross": held(LAYER_NORM * hidden)}
    back = {part: cost.again() for part, cost in look.items()}
    features = fields.size("visual_feat_dim"), fields.size("visual_pos_dim")
    seen = {
        f"embedding/{n}": affine(width, hidden)
        for n, width in zip(("object", "place"), features, strict=True)
    }
    words, objects, once = _heads(fields, hidden, sizes.vocab)
    once = {"pooler": affine(hidden, hidden), **once}

    def run(inputs: Inputs) -> Pass:
        batch, length = sequence(inputs, sizes.positions)
        text, found = batch * length, batch * OBJECTS
        done = [*lines(tables(sizes, hidden), text), *lines(seen, found, first=True)]
        done += lines({"norm/objects": held(2 * LAYER_NORM * hidden)}, found)
        done += lines(layer, text, pairs=text * length, times=counts[0] + counts[2])
        pairs = found * OBJECTS
        done += lines(layer, found, pairs=pairs, times=counts[1] + counts[2], prefix="objects/")
        done += crossing(look, batch, text, found, times=counts[2])
        done += crossing(back, batch, found, text, times=counts[2])
        done += [*lines(words, text), *lines(objects, found), *lines(once, batch)]
        return Pass(lines=done, items=text, warnings=length_warning(length, sizes.positions))

    return network(fields, run, head_note(fields, not task(fields) or words or len(once) > 1))


def _heads(fields: Fields, hidden: int, vocab: int) -> tuple[Costs, Costs, Costs]:
    """Heads of the class: over words, over objects, and per image."""
    wide = affine(hidden, 2 * hidden) + held(2 * LAYER_NORM * hidden)
    answers = wide + affine(2 * hidden, fields.size("num_qa_labels"))
    if task(fields) == "QuestionAnswering":
        return {}, {}, {"head/answers": answers}
    if task(fields) != "PreTraining":
        return {}, {}, {}
    once: dict[str, Cost] = {"head/match": affine(hidden, 2)}
    if fields.flag("task_qa", default=True):
        once["head/answers"] = answers
    objects: dict[str, Cost] = {}
    if fields.flag("task_obj_predict", default=True):
        objects["head/objects"] = affine(hidden, hidden) + held(LAYER_NORM * hidden)
        for name, key in LOSSES.items():
            if fields.flag(f"visual_{name}_loss", default=True):
                objects[f"head/{name}"] = affine(hidden, fields.size(key))
    return written_words(hidden, hidden, vocab), objects, once
