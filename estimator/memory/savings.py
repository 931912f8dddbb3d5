"""Changes that make a training run fit its devices: recomputation or adapters."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from estimator.catalog import Catalog
from estimator.memory.fit import answer_memory
from estimator.memory.request import MemoryQuestion

SAVINGS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "recompute": {"recomputation": "full"},
        "lora": {"finetune": "lora"},
        "qlora": {"finetune": "qlora"},
        "qlora, recompute": {"finetune": "qlora", "recomputation": "full"},
    }
)
"""Memory saving, fastest first -> changes of the question."""


def cheapest_saving(question: MemoryQuestion, catalog: Catalog) -> str | None:
    """Return the cheapest saving that makes a training run fit, or None.

    Adapters apply only to fine-tuning.

    >>> tight = MemoryQuestion(model="llama-2-7b", hardware="rtx-4090", finetune="lora")
    >>> cheapest_saving(tight, Catalog.open())
    'recompute'
    """
    if question.inference:
        return None
    for name, changes in SAVINGS.items():
        if "finetune" in changes and question.finetune in (None, changes["finetune"]):
            continue
        try:
            if answer_memory(replace(question, **changes), catalog, least=False).fits:
                return name
        except ValueError:  # the run cannot be changed so
            continue
    return None
