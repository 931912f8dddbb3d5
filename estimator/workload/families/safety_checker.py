"""How much work the safety checker of Stable Diffusion is: a tower of CLIP and a few concepts."""

from estimator.workload.blocks import held
from estimator.workload.fields import Fields
from estimator.workload.ledger import Inputs
from estimator.workload.network import Network, Pass, lines, network
from estimator.workload.registry import family, known_families

CONCEPTS = 17 + 3
"""Concepts that an image is compared with, and those that need more care (diffusers 0.42). [1]"""


@family("safety_checker")
def safety_checker(fields: Fields) -> Network:
    """The tower with its projection, and the vector and the threshold of each concept."""
    width = fields.size("projection_dim", default=512)
    part = fields.part("vision_config").with_values(
        {"projection_dim": width, "architectures": ["CLIPVisionModelWithProjection"]}
    )
    tower = known_families()["clip_vision_model"](part)
    concepts = {"concepts": held(CONCEPTS * (width + 1))}

    def run(inputs: Inputs) -> Pass:
        """The tower's pass."""
        done = tower.ledger(inputs)
        return Pass(lines=[*done.terms.items(), *lines(concepts, 1.0)], items=done.items)

    return network(fields, run)
