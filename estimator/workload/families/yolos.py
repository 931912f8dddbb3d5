"""How much work YOLOS is: objects as tokens of a vision transformer (arXiv:2106.00666)."""

from dataclasses import replace

from estimator.workload.blocks import Costs, linear, perceptron
from estimator.workload.families.vit import trunk, vision_network
from estimator.workload.fields import Fields
from estimator.workload.model_class import label_count, task
from estimator.workload.network import Network
from estimator.workload.registry import family


@family("yolos")
def yolos(fields: Fields) -> Network:
    """YOLOS: object tokens beside the patches, positions in every layer (arXiv:2106.00666, sec. 3).

    Its images are 512 pixels high and 864 wide where the config does not say.
    """
    objects = fields.size("num_detection_tokens", default=100)
    sides = fields.sizes("image_size", (512, 864), 2)
    vision = trunk(fields.with_values({"image_size": sides}), objects + 1, oblong=True)
    hidden = vision.hidden
    middle = (vision.layers - 1) * fields.flag("use_mid_position_embeddings", default=True)
    positions = vision.tables["embedding/position"].times(1 + middle)
    tables = {**vision.tables, "embedding/position": positions}
    once: Costs = {} if task(fields) else {"pooler": linear(hidden, hidden, bias=True)}
    if task(fields) == "ObjectDetection":
        classes = perceptron(hidden, label_count(fields) + 1)
        heads = {"head/classes": classes, "head/boxes": perceptron(hidden, 4)}
        once = {part: cost.repeated(objects) for part, cost in heads.items()}
    return vision_network(fields, replace(vision, tables=tables, once=once))
