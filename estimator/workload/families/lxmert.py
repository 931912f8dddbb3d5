"""How much work LXMERT is: words and objects apart, then looking at each other (arXiv:1908.07490).

The 36 objects of an image come from a detector of its own, which is not counted. `seq_len` is the
words, which the items of a pass are.
"""

from estimator.workload.blocks import Cost, Costs, affine, crossed, equal_heads, held
from estimator.workload.families.text_encoder import (
    LAYER_NORM,
    bert_sizes,
    block,
    tables,
    written_words,
)
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs
from estimator.workload.model_class import head_note, task
from estimator.workload.network import (
    Network,
    Pass,
    crossing,
    length_warning,
    lines,
    network,
    sequence,
)
from estimator.workload.registry import family

OBJECTS = 36
"""Objects that are kept of an image (sec. 3.1). [1]"""

LOSSES = {"obj": "num_object_labels", "attr": "num_attr_labels", "feat": "visual_feat_dim"}
"""What is foretold of a masked object, and how many values of it."""


@family("lxmert")
def lxmert(fields: Fields) -> Network:
    """LXMERT of a config."""
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
