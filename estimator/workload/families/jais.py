"""Which Jais a config describes: Jais, a GPT-2 with gated MLPs (arXiv:2308.16149), and Jais 2.

The first one's code lives on the hub.
"""

from dataclasses import replace

from estimator.workload.families.decoder import decoder
from estimator.workload.families.dense_decoders import LLAMA
from estimator.workload.families.gpt2 import GPT2
from estimator.workload.fields import Fields
from estimator.workload.registry import families, family
from estimator.workload.transformer import Decoder


@family("jais")
def jais(fields: Fields) -> Decoder:
    """Jais: positions as linear biases, SwiGLU, unless the config says otherwise."""
    placed = fields.text("position_embedding_type", default="learned") == "learned"
    gated = fields.text("activation_function", default="gelu") == "swiglu"
    return decoder(replace(GPT2, spare_positions=0 if placed else None, gated=gated), fields)


families(decoder, {"jais2": replace(LLAMA, gated=False, norm_params=2)})
