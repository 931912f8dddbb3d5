"""One model, counted and compared with the memory of every device."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from estimator.core.messages import reason
from estimator.memory.fit import DeviceFit, MemoryAnswer, fit_across_devices
from estimator.networks.config_file import config_name, inline_config
from estimator.networks.huggingface import architecture
from estimator.networks.ledger import Architecture, Inputs, Ledger, takes
from estimator.networks.network import DEFAULT_TOKENS
from estimator.web.models.inputs import CONFIG, question_of
from estimator.web.shared.kit import Values
from estimator.web.shared.notices import sentence_of, shown_all
from estimator.web.shared.profiles import open_catalog


@dataclass(frozen=True, kw_only=True)
class Described:
    """Everything the page shows about one model.

    Parameters
    ----------
    name : str
        What people call it.
    network : Architecture
        The model.
    ledger : Ledger
        Its terms over the pass that was asked for.
    length : float
        Tokens in a sequence. [token]
    takes : tuple of str
        Which of the inputs `seq_len` and `image_size` change the pass.
    memory : MemoryAnswer or None
        What it needs on one device; None where that is not modelled.
    fits : tuple of DeviceFit
        How that stands to each device.
    refusal : str
        Why there is no `memory`; may be empty.
    """

    name: str
    network: Architecture
    ledger: Ledger
    length: float
    takes: tuple[str, ...]
    memory: MemoryAnswer | None
    fits: tuple[DeviceFit, ...]
    refusal: str

    @property
    def without_activations(self) -> bool:
        """Return whether the memory need leaves out activations."""
        return self.memory is not None and self.memory.without_activations

    @property
    def notes(self) -> list[str]:
        """Return notes on the reliability of the numbers."""
        more = () if self.memory is None else shown_all(self.memory.notices)
        return list(dict.fromkeys((*self.ledger.warnings, *more)))


@lru_cache(maxsize=64)
def described(values: tuple[tuple[str, Any], ...]) -> Described:
    """Count a model and compare its memory with every device, cached."""
    asked = dict(values)
    name, config, model = _chosen(asked)
    network, inputs = _read_network(json.dumps(dict(config)))
    ledger = network.ledger(
        Inputs(
            batch=float(asked["batch"]),
            seq_len=asked["length"] if "seq_len" in inputs else None,
            image_size=asked["image"] if "image_size" in inputs else None,
        )
    )
    usual = float(min(getattr(network, "max_positions", DEFAULT_TOKENS), DEFAULT_TOKENS))
    length = (asked["length"] if "seq_len" in inputs else None) or usual
    memory, fits, refusal = None, tuple[DeviceFit, ...](), ""
    try:
        memory, fits = fit_across_devices(question_of(asked, model, length), open_catalog())
    except ValueError as error:
        refusal = sentence_of(reason(error))
    return Described(
        name=name,
        network=network,
        ledger=ledger,
        length=length,
        takes=inputs,
        memory=memory,
        fits=fits,
        refusal=refusal,
    )


@lru_cache(maxsize=64)
def _read_network(config: str) -> tuple[Architecture, tuple[str, ...]]:
    """Architecture of a config's text, and the inputs that affect its pass."""
    network = architecture(inline_config(config))
    return network, tuple(field for field in ("seq_len", "image_size") if takes(network, field))


def _chosen(values: Values) -> tuple[str, Mapping[str, Any], str]:
    """Name of the model, its config, and its id in a memory question."""
    if values["source"] == CONFIG and values["config"]:
        config = values["config"]
        return config_name(config), inline_config(config), config
    preset = open_catalog().preset(values["model"])
    return preset.name, preset.config, preset.id
