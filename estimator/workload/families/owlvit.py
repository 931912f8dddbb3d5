"""How much work OWL-ViT and OWLv2 are: CLIP, whose patches are compared with the text."""

from dataclasses import replace

from estimator.workload.blocks import Cost, held, linear, perceptron
from estimator.workload.families.clip import clip_sight, clip_text, pair_network
from estimator.workload.fields import Fields
from estimator.workload.model_class import task
from estimator.workload.network import Network
from estimator.workload.registry import family


@family("owlvit", "owlv2")
def owl(fields: Fields) -> Network:
    """OWL-ViT: CLIP, whose patches are compared with the text, and boxes (arXiv:2205.06230)."""
    model_type = fields.text("model_type")
    part, vision = fields.part("text_config"), fields.part("vision_config")
    width = fields.size("projection_dim", default=512)
    sight = clip_sight(vision, width, f"{model_type}_vision_model")
    text = clip_text(part, width, f"{model_type}_text_model")
    if task(fields) != "ObjectDetection":
        return pair_network(fields, text, sight, width)
    hidden, query = sight.hidden, part.size("hidden_size", default=512)
    outputs = [4, 1] if model_type == "owlv2" else [4]
    boxes = [perceptron(hidden, number) for number in outputs]
    found: dict[str, Cost] = {
        "head/classes": linear(hidden, query, bias=True),
        "head/scales": linear(hidden, 1, bias=True).times(2),
        "head/compare": Cost(flop_per_token=2 * query),
        **{f"head/boxes_{place + 1}": box for place, box in enumerate(boxes)},
    }
    once = {**sight.once, "norm/head": held(2 * hidden)}
    return pair_network(fields, text, replace(sight, after=found, once=once), width=0)
