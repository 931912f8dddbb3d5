"""What the page Models can be asked: a model by name or by its config.json, and how it is used."""

from dataclasses import dataclass
from typing import Any

from estimator.core.messages import reason
from estimator.inference.model_names import find_preset
from estimator.memory.request import MemoryQuestion
from estimator.question.workload import compact_config
from estimator.web.shared.frame import shortened
from estimator.web.shared.language import N_, _
from estimator.web.shared.notices import shown
from estimator.web.shared.profiles import devices_with, kept, led_by, open_catalog
from estimator.web.shared.url_state import (
    Choice,
    LineOfText,
    LinkParameters,
    Number,
    Typed,
    UrlState,
)

FIRST_MODEL, FIRST_DEVICE = "llama-3.1-8b", "h100-sxm"
KNOWN, CONFIG = "known", "config"
SOURCES = {KNOWN: N_("Known model"), CONFIG: "config.json"}

LONGEST_CONFIG = 200_000
"""A config.json is a few kB; what is longer is something else [characters]."""

LONGEST_IN_LINK = 6_000
"""A longer config stays out of the link [characters]."""

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
"""Format of served weights -> its name in a question about memory."""


@kept
def known_models() -> dict[str, str]:
    """Id -> name, with the name on the hub, of each model with a config; a usual one first."""
    found = {}
    for preset in open_catalog().presets():
        if preset.config:
            hub = next((name for name in preset.aliases if "/" in name), "")
            found[preset.id] = f"{preset.name} ({hub})" if hub else preset.name
    return {FIRST_MODEL: found[FIRST_MODEL], **found}


@kept
def known_devices() -> tuple[str, ...]:
    """Devices whose memory is on record."""
    return led_by(FIRST_DEVICE, devices_with("memory_bytes"))


@dataclass(frozen=True)
class ModelName(Choice):
    """A model by its id, or by any name that it has on the hub."""

    def read(self, text: str | None) -> tuple[str, str]:
        """Id of the model that a text names, and what is wrong with it."""
        if text is None or text in self.options:
            return super().read(text)
        preset = find_preset(open_catalog(), text) if text.strip() else None
        if preset is not None and preset.id in self.options:
            return preset.id, ""
        notice = _("the architecture of “{given}” is not on record: paste its config.json")
        return next(iter(self.options)), notice.format(given=shortened(text))


@dataclass(frozen=True)
class ConfigText(LineOfText):
    """A config.json, reduced to the keys that its ledger needs."""

    def read(self, text: str | None) -> tuple[str, str]:
        """Compact config that a text says, and what is wrong with it."""
        if text is None or not text.strip():
            return "", ""
        if len(text) > LONGEST_CONFIG:
            notice = _("a config.json has a few thousand characters, this text has {count:,}")
            return "", notice.format(count=len(text))
        try:
            return compact_config(text.strip()), ""
        except ValueError as error:
            return "", shown(reason(error))


PARAMETERS = LinkParameters(
    "models",
    Choice("source", tuple(SOURCES)),
    ModelName("model", known_models()),
    ConfigText("config"),
    Number("batch", 1.0, low=1.0, high=65536.0, whole=True),
    Typed("length", low=1.0, high=1e8),
    Typed("image", low=1.0, high=1e5),
    Choice("use", tuple(USES)),
    Choice("weights", tuple(WEIGHTS)),
    Choice("hardware", known_devices()),
)
STATE = UrlState("models", PARAMETERS)


def query_of(values: dict[str, Any]) -> dict[str, str]:
    """State as a link writes it: what does not belong to the source of the model stays out."""
    query = PARAMETERS.query(values)
    if values["source"] == KNOWN or len(values["config"]) > LONGEST_IN_LINK:
        query.pop("config")
    return {name: text for name, text in query.items() if text}


def question_of(values: dict[str, Any], model: str, length: float) -> MemoryQuestion:
    """Question about the memory of the model, used as the controls say."""
    use = values["use"]
    if use == "serve":
        formats = WEIGHTS[values["weights"]]
        said: dict[str, Any] = {"inference": True, "context": length, **formats}
    else:
        said = {"seq_len": length, "finetune": None if use == "train" else use}
    return MemoryQuestion(model=model, micro_batch=float(values["batch"]), **said)
