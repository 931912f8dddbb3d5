"""Inputs shared by several pages; the menu carries them along."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from estimator.catalog import Preset
from estimator.core.messages import reason
from estimator.inference.model_names import find_preset
from estimator.question.scenario import INPUTS
from estimator.question.workload import compact_config
from estimator.web.shared.frame import shortened
from estimator.web.shared.language import N_, _
from estimator.web.shared.notices import sentence_of
from estimator.web.shared.profiles import hardware_names, open_catalog, place_names
from estimator.web.shared.url_state import Choice, LineOfText, Names, Number, Typed


@dataclass(frozen=True)
class ModelName(Choice):
    """Model by its id, or by any hub name."""

    def parse(self, text: str | None) -> tuple[str, str]:
        """Id of the model in a text, with an error message if unknown."""
        if text is None or text in self.options:
            return super().parse(text)
        preset = find_preset(open_catalog(), text) if text.strip() else None
        if preset is not None and preset.id in self.options:
            return preset.id, ""
        alike = _letters(text.rpartition("/")[2])
        for name in self.options if alike else ():
            known = open_catalog().preset(name)
            names = (known.id, known.name, *(one.rpartition("/")[2] for one in known.aliases))
            if alike in map(_letters, names):
                return name, ""
        notice = _(
            "“{given}” is not on record: choose another model, or paste its config.json on the "
            "page Model size"
        )
        return next(iter(self.options)), notice.format(given=shortened(text))


LONGEST_CONFIG = 200_000
"""Longest config.json [character]; a typical one has a few kB."""


@dataclass(frozen=True)
class ConfigText(LineOfText):
    """config.json, reduced to the keys that its ledger needs."""

    def parse(self, text: str | None) -> tuple[str, str]:
        """Compact config of a text, with an error message if invalid."""
        if text is None or not text.strip():
            return "", ""
        if len(text) > LONGEST_CONFIG:
            notice = _("a config.json has a few thousand characters, this text has {count:,}")
            return "", notice.format(count=len(text))
        try:
            return compact_config(text.strip()), ""
        except ValueError as error:
            return "", sentence_of(reason(error))


def _letters(name: str) -> str:
    """Lower-case letters and digits of a name.

    >>> _letters("Qwen3-32B") == _letters("qwen 3 (32b)")
    True
    """
    return "".join(filter(str.isalnum, name.casefold()))


def with_hub_name(preset: Preset) -> str:
    """Name of a model with its hub name, so that both can be searched."""
    hub = next((name for name in preset.aliases if "/" in name), "")
    return f"{preset.name} ({hub})" if hub else preset.name


CARRIED = ("params", "tokens", "hardware", "devices", "site", "pue", "price")
"""Inputs that a page passes to the next one, where both have them."""

WORDS = {
    "preset": (N_("Model or run"), N_("Published run or model; its size and data are on record.")),
    "params": (
        N_("Parameters"),
        N_("Trainable weights of the model. Type 7e9 or 7B."),
    ),
    "tokens": (
        N_("Training tokens"),
        N_("Tokens that the model sees in training, repetitions included. Type 2e12 or 2T."),
    ),
    "hardware": (
        N_("Hardware"),
        N_("GPU, TPU or other device. Type to search: its name, maker or memory."),
    ),
    "devices": (N_("Devices"), N_("Number of these devices in use together.")),
    "site": (
        N_("Site"),
        N_("Sets the carbon intensity, the price of electricity and, for a cloud, the rent."),
    ),
    "pue": (
        N_("PUE"),
        N_("Energy of the data center per energy of its machines, from 1. Empty: on record."),
    ),
    "price": (
        N_("Rental price of one device [USD/h]"),
        N_("Price per hour. Empty: the median of the offers on record."),
    ),
}
"""Input -> its label and tooltip."""


def params(usual: float) -> Typed:
    """Control of a model's parameters, required."""
    return _typed("params", usual)


def tokens(usual: float) -> Typed:
    """Control of the training tokens, required."""
    return _typed("tokens", usual)


def hardware(options: Collection[str], usual: str | None = None, **more: str) -> Choice:
    """Control of the device, among those that a page supports; `rest` and `section` may follow."""
    return _choice("hardware", options, usual, hardware_names, **more)


def site(options: Collection[str], usual: str | None = None, **more: str) -> Choice:
    """Control of the site, as `hardware`."""
    return _choice("site", options, usual, place_names, **more)


def devices(usual: float, most: float) -> Number:
    """Control of the device count."""
    label, tooltip = WORDS["devices"]
    return Number("devices", usual, low=1.0, high=most, whole=True, label=label, help=tooltip)


def carries(names: Collection[str], others: Mapping[str, str]) -> dict[str, str]:
    """Own name -> shared name of the inputs that a page exchanges with others.

    `others` maps differently named inputs to shared names, or to an empty text if the meaning
    differs.
    """
    every = {name: others.get(name, name if name in CARRIED else "") for name in names}
    return {name: shared for name, shared in every.items() if shared}


def handed_on(query: Mapping[str, str], carried: Mapping[str, str]) -> dict[str, str]:
    """Shared name -> value that a page passes to the next one, without unspecified choices.

    >>> handed_on({"hardware": "h100-sxm", "site": "any"}, {"hardware": "hardware", "site": "site"})
    {'hardware': 'h100-sxm'}
    """
    known = {"hardware": hardware_names(), "site": place_names()}
    return {
        shared: query[name]
        for name, shared in carried.items()
        if query.get(name) and query[name] in known.get(shared, query.values())
    }


def _typed(name: str, usual: float) -> Typed:
    label, tooltip = WORDS[name]
    low, high = INPUTS[name].limit.range
    return Typed(name, usual, low, high, required=True, label=label, help=tooltip)


def _choice(
    name: str,
    options: Collection[str],
    usual: str | None,
    called: Callable[[], Names],
    rest: str = "",
    section: str = "",
) -> Choice:
    label, tooltip = WORDS[name]
    return Choice(
        name, options, usual, label=label, help=tooltip, called=called, rest=rest, section=section
    )
