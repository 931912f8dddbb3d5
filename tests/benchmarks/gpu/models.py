"""Language models of the catalogue with random weights, as transformers writes them."""

from typing import Any

import torch
import transformers

from estimator.catalog import Catalog


def network(name: str, *, place: str, dtype: torch.dtype, attention: str = "sdpa") -> Any:
    """Make the network of a model's preset; its weights are random.

    Parameters
    ----------
    name : str
        Id of the preset, whose configuration is on record.
    place : str
        Where it lies, as PyTorch counts.
    dtype : torch.dtype
        Of the weights.
    attention : str
        "sdpa" or "eager", as transformers calls them.
    """
    known = dict(Catalog.open().preset(name).config or {})
    known.pop("source", None)
    config = transformers.AutoConfig.for_model(known.pop("model_type"), **known)
    config._attn_implementation = attention
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(place):
            return transformers.AutoModelForCausalLM.from_config(config)
    finally:
        torch.set_default_dtype(before)
