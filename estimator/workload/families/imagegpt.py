"""How much work ImageGPT is: GPT-2 over pixels of few colours, norms without biases (Chen 2020)."""

from dataclasses import replace

from estimator.workload.families.decoder import decoder
from estimator.workload.families.gpt2 import GPT2
from estimator.workload.fields import Fields
from estimator.workload.model_class import head_note, task
from estimator.workload.registry import family
from estimator.workload.transformer import Decoder, Head


@family("imagegpt")
def imagegpt(fields: Fields) -> Decoder:
    """ImageGPT, whose head writes every colour but the token that begins."""
    kind = task(fields)
    bare = fields.with_values({"architectures": ["GPT2Model"]})
    model = decoder(replace(GPT2, norm_params=1), bare)
    writes = kind == "CausalImageModeling" or not fields.items("architectures")
    head = Head(outputs=model.vocab - 1) if writes else None
    notes = head_note(fields, writes or not kind)
    return replace(model, head=head, warnings=model.warnings + notes)
