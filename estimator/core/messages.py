"""Rendering of notices as sentences, with the input names of an interface.

Each room adds its sentences, one per code, for a catalogue to translate. A sentence names inputs
through `set`, which each interface fills: `{set[pue]}` is `--pue` on the command line, `“PUE”` on a
page, `pue` in a table and in Python. `{field}` is the input that the notice is about, as is a value
whose name ends in `_input`; `_settings` are inputs with values. A pair of sentences is
singular and plural, selected by `count`.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from string import Formatter

from estimator.core.notice import MESSAGES, Notice, Refusal, Value, add_messages
from estimator.core.units import human, human_capacity, human_count, in_percent

Names = Callable[[str], str]
"""Field of the scenario -> its name in an interface."""

Words = Callable[[str], str]
"""Text -> translation."""

add_messages(
    text="{text}",
    not_finite="{field} must be a finite number, got {value:.10g}",
    not_positive="{field} must be positive, got {value:.10g}",
    not_a_share="{field} must be in (0, 1], got {value:.10g}",
    below_limit="{field} must be at least {least:g}, got {value:.10g}",
    above_limit="{field} must be at most {most:g} ({meaning}), got {value:.10g}",
    power_limit_too_low=(
        "{field} must be more than the idle power of its device, {edge:.4g} W, got {value:.10g}"
    ),
    power_limit_too_high=(
        "{field} must be at most {times:g} power limits of the device, {edge:.4g} W, "
        "got {value:.10g}"
    ),
    power_unknown="power of {device} unknown: a profile with its power limit sets it",
    not_on_grid="{device} uses no electricity: no CO2e and no water",
    grid_unknown="{place}: carbon intensity unknown; set {set[carbon_intensity]}",
    rent_unknown="{device} has no rental price on record; set {set[price]}",
    price_unknown="purchase price of {device} unknown; set {set[device_price]}",
    electricity_unknown="{place}: price of electricity unknown; set {set[electricity_price]}",
    embodied_unknown="embodied emissions of {device} unknown",
    work_unknown="the run is given as device time: add its FLOPs or its size",
    water_unknown="{place}: on-site water use unknown; set {set[wue]}",
    onsite_water_unknown=(
        "{place}: on-site water use unknown, so only off-site water is counted; set {set[wue]}"
    ),
    offsite_water_unknown=(
        "{place}: water use of the electricity unknown, so only on-site water is counted"
    ),
)


AMOUNTS: Mapping[str, Callable[[float], str]] = {
    "percent": in_percent,
    "count": human_count,
    "flop": lambda value: human(value, "FLOP"),
    "capacity": human_capacity,
}
"""Custom format of a value, in addition to Python's own."""


def _as_it_is(text: str) -> str:
    return text


def render(
    notice: Notice, names: Names, translated: Words = _as_it_is, written: Words = _as_it_is
) -> str:
    """Render a notice with the input names of an interface.

    Parameters
    ----------
    notice : Notice
    names : function
        Returns the interface's name of an input.
    translated : function
        Translates a sentence into the interface's language.
    written : function
        Formats a number in that language.

    >>> render(Notice("devices_assumed", "devices"), lambda field: f"--{field}")
    'assuming one device; set --devices'
    """
    template = MESSAGES[notice.code]
    if isinstance(template, tuple):
        template = template[notice.values["count"] != 1]
    pieces = []
    for before, name, spec, conversion in _pieces(translated(template)):
        pieces.append(before)
        if name.startswith("set["):
            pieces.append(names(name[4:-1]))
        elif name == "field":
            pieces.append(names(notice.field))
        elif name:
            value = notice.values[name]
            if name.endswith("_settings"):
                each = (f"{names(field)} {translated(word)}" for field, word in value)
                shown: Value = translated(" and ").join(each)
            elif name.endswith("_input"):
                shown = names(str(value))
            else:
                shown = _translate_value(value, translated)
            pieces.append(_filled(shown, spec, conversion, written))
    return "".join(pieces)


@lru_cache(maxsize=1024)
def _pieces(template: str) -> tuple[tuple[str, str, str, str], ...]:
    """Split a template into literal text, field name, format and conversion."""
    return tuple(
        (before, name or "", spec or "", conversion or "")
        for before, name, spec, conversion in Formatter().parse(template)
    )


def _filled(value: Value, spec: str, conversion: str, written: Words) -> str:
    """Format a value: an amount with its unit, or a number in the language's style."""
    if conversion:
        return format(Formatter().convert_field(value, conversion), spec)
    if not isinstance(value, float | int):
        return format(value, spec)
    if spec in AMOUNTS:
        return written(AMOUNTS[spec](float(value)))
    return written(format(value, spec))


def in_python(field: str) -> str:
    """Name of an input in Python: its field."""
    return field


def message(notice: Notice) -> str:
    """Render a notice with Python names."""
    return render(notice, in_python)


def refuse(code: str, field: str = "", **values: Value) -> Refusal:
    """Build the refusal of a question, to be raised.

    >>> str(refuse("not_whole", "devices", value=1.5))
    'devices must be a whole number, got 1.5'
    """
    return refusal(Notice(code, field, values))


def refusal(notice: Notice) -> Refusal:
    """Return the refusal that carries a notice."""
    return Refusal(notice, message(notice))


def reason(error: ValueError) -> Notice:
    """Return the notice that an error carries, or one with its text."""
    return error.notice if isinstance(error, Refusal) else Notice("text", "", {"text": str(error)})


def _translate_value(value: Value, translated: Words) -> Value:
    """Translate the words of a value, such as a country."""
    if isinstance(value, tuple):
        return ", ".join(value)
    return translated(value) if isinstance(value, str) else value


@lru_cache(maxsize=4096)
def rendered(notices: tuple[Notice, ...], names: Names) -> tuple[str, ...]:
    """Render notices as distinct sentences."""
    return tuple(dict.fromkeys(render(notice, names) for notice in notices))
