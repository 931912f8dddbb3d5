"""How much work YOLOS is: a vision transformer with tokens for objects (arXiv:2106.00666, sec. 3).

Defaults are those of transformers 5.23, whose images are 512 pixels high and 864 wide; square
ones are counted where `image_size` is asked for.
"""

from dataclasses import replace

from estimator.workload.blocks import Costs, held, linear, perceptron, table
from estimator.workload.convolution import windows
from estimator.workload.families.vit import trunk
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs, Quantity, quantity
from estimator.workload.model_class import head_note, label_count, task
from estimator.workload.network import Network, Pass, lines, network
from estimator.workload.registry import family


@family("yolos")
def yolos(fields: Fields) -> Network:
    """YOLOS: object tokens beside the patches, positions in every layer."""
    sides = fields.sizes("image_size", (512, 864), 2)
    vision = trunk(fields.with_values({"image_size": sides[0]}))
    hidden, patch = vision.hidden, vision.patch
    objects = fields.size("num_detection_tokens", default=100)
    patches = (sides[0] // patch) * (sides[1] // patch)
    middle = (vision.layers - 1) * fields.flag("use_mid_position_embeddings", default=True)
    rows = patches + objects + 1
    tables = {
        "embedding/class": held((1 + objects) * hidden),
        "embedding/position": table(rows * (1 + middle), hidden),
        "norm/outer": held(2 * hidden),
    }
    heads: Costs = {}
    if task(fields) == "ObjectDetection":
        classes = perceptron(hidden, label_count(fields) + 1)
        heads = {"head/classes": classes, "head/boxes": perceptron(hidden, 4)}
    pooled = {} if task(fields) else {"pooler": linear(hidden, hidden, bias=True)}
    sight = replace(vision, prefix=objects + 1, tables=tables, once=pooled)

    def run(inputs: Inputs) -> Pass:
        batch = quantity("batch", inputs.batch)
        seen: Quantity = float(patches)
        if inputs.image_size is not None:
            seen = windows(quantity("image_size", inputs.image_size), patch, patch) ** 2
        done = [*sight.over(batch, seen), *lines(heads, batch * objects)]
        return Pass(lines=done, items=batch * (seen + objects + 1.0))

    return network(fields, run, head_note(fields, not task(fields) or heads))
