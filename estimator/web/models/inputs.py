"""Inputs of the page Models: a model by name or config.json, and its use."""

from collections.abc import Mapping
from typing import Any

from estimator.memory.request import MemoryQuestion
from estimator.web.shared import scenario
from estimator.web.shared.language import N_
from estimator.web.shared.profiles import cached_per_server, devices_with, led_by, open_catalog
from estimator.web.shared.scenario import ConfigText, ModelName, with_hub_name
from estimator.web.shared.url_state import (
    Choice,
    LinkParameters,
    Number,
    Typed,
)

FIRST_MODEL, FIRST_DEVICE = "llama-3.1-8b", "h100-sxm"
KNOWN, CONFIG = "known", "config"
SOURCES = {KNOWN: N_("Known model"), CONFIG: "config.json"}

LONGEST_IN_LINK = 6_000
"""Longest config in a link [character]."""

USES = {
    "serve": N_("Serve"),
    "train": N_("Train"),
    "lora": "LoRA",
    "qlora": "QLoRA",
}
WEIGHTS = {
    "bf16": {"precision": "bf16"},
    "fp8": {"precision": "fp8"},
    "int8": {"weights": "int8"},
    "int4": {"weights": "int4"},
}
"""Format of served weights -> inputs of a memory question."""


@cached_per_server
def known_models() -> dict[str, str]:
    """Id -> name, with hub name, of each model with a config, the default first."""
    found = {}
    for preset in open_catalog().presets():
        if preset.config:
            found[preset.id] = with_hub_name(preset)
    return {FIRST_MODEL: found[FIRST_MODEL], **found}


@cached_per_server
def known_devices() -> tuple[str, ...]:
    """Devices with known memory."""
    return led_by(FIRST_DEVICE, devices_with("memory_bytes"))


def _is_known(values: Mapping[str, Any]) -> bool:
    return bool(values["source"] == KNOWN)


PARAMETERS = LinkParameters(
    "models",
    Choice(
        "source",
        tuple(SOURCES),
        abreast=True,
        label=N_("Source"),
        help=N_("A model on record, or one that you describe by its config.json."),
        called=lambda: SOURCES,
    ),
    ModelName(
        "model",
        known_models(),
        new=True,
        called=known_models,
        label=N_("Model, or its name on the hub"),
        help=N_("Type to search: a name, with or without dashes, spaces or its publisher."),
        when=_is_known,
    ),
    ConfigText(
        "config",
        label=N_("config.json of a Hugging Face model"),
        help=N_("Text of the file that describes the architecture; it stays on this server."),
        when=lambda values: not _is_known(values),
    ),
    Number(
        "batch",
        1.0,
        low=1.0,
        high=65536.0,
        whole=True,
        label=N_("Sequences or images at a time"),
        help=N_("Processed together; each needs its own memory."),
    ),
    Typed(
        "length",
        low=1.0,
        high=1e8,
        label=N_("Tokens in a sequence"),
        help=N_("Longer sequences need more memory and more work for attention."),
    ),
    Typed(
        "image",
        low=1.0,
        high=1e5,
        label=N_("Pixels on a side"),
        help=N_("Size of the images; empty: the size that the model was made for."),
    ),
    Choice(
        "use",
        tuple(USES),
        abreast=True,
        label=N_("Use"),
        help=N_("Training keeps gradients and optimizer states in memory, too; adapters fewer."),
        called=lambda: USES,
    ),
    Choice(
        "weights",
        tuple(WEIGHTS),
        label=N_("Weights"),
        help=N_("Number format of the weights while serving."),
        when=lambda values: bool(values["use"] == "serve"),
    ),
    scenario.hardware(known_devices()),
)
CARRIES = {"model": "model"}


def query_of(values: dict[str, Any]) -> dict[str, str]:
    """State as link parameters, limited to the selected source of the model."""
    query = PARAMETERS.query(values)
    if values["source"] == KNOWN or len(values["config"]) > LONGEST_IN_LINK:
        query.pop("config")
    return {name: text for name, text in query.items() if text}


def question_of(values: dict[str, Any], model: str, length: float) -> MemoryQuestion:
    """Memory question for the model in the selected use."""
    use = values["use"]
    if use == "serve":
        formats = WEIGHTS[values["weights"]]
        said: dict[str, Any] = {"inference": True, "context": length, **formats}
    else:
        said = {"seq_len": length, "finetune": None if use == "train" else use}
    return MemoryQuestion(model=model, micro_batch=float(values["batch"]), **said)
