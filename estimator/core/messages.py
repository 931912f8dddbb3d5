"""Turn notices into sentences, with the names that a rim gives to the inputs.

Each room adds the sentences that it raises, one per code, so that a catalogue can translate them. A
sentence names inputs through `set`, which each rim fills with its own names: `{set[pue]}` is
`--pue` on the command line, `“PUE”` on the page, `pue` in a table and in Python. `{field}` is the
input that the notice is about; a value whose name ends in `_input` is an input, too. A pair of
sentences is singular and plural, chosen by `count`.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from string import Formatter

from estimator.core.notice import MESSAGES, Notice, Refusal, Value, add_messages
from estimator.core.units import human, human_count, in_percent

Names = Callable[[str], str]
"""Field of the scenario -> what a rim calls it."""

Words = Callable[[str], str]
"""A text -> its translation."""

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
    grid_unknown="carbon intensity at {place} unknown; set {set[carbon_intensity]}",
    rent_unknown="{device} has no rental price on record; set {set[price]}",
    price_unknown="purchase price of {device} unknown; set {set[device_price]}",
    electricity_unknown="price of electricity at {place} unknown; set {set[electricity_price]}",
    embodied_unknown="embodied emissions of {device} unknown",
    work_unknown="the run is given as device time: add its FLOPs or its size",
    water_unknown="on-site water use of {place} unknown; set {set[wue]}",
    onsite_water_unknown=(
        "on-site water use of {place} unknown, so only off-site water is counted; set {set[wue]}"
    ),
    offsite_water_unknown=(
        "water use of the electricity at {place} unknown, so only on-site water is counted"
    ),
)


AMOUNTS: Mapping[str, Callable[[float], str]] = {
    "percent": in_percent,
    "count": human_count,
    "flop": lambda value: human(value, "FLOP"),
}
"""Format after the colon of a value, in addition to Python's own."""


def _as_it_is(text: str) -> str:
    return text


def render(
    notice: Notice, names: Names, translated: Words = _as_it_is, written: Words = _as_it_is
) -> str:
    """Sentence of a notice, with the names that a rim gives to the inputs.

    Parameters
    ----------
    notice : Notice
    names : function
        What the rim calls an input.
    translated : function
        A sentence in the language of the rim.
    written : function
        A figure as that language writes it.

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
            is_input = name.endswith("_input")
            shown = names(str(value)) if is_input else _joined(value, translated)
            pieces.append(_filled(shown, spec, conversion, written))
    return "".join(pieces)


@lru_cache(maxsize=1024)
def _pieces(template: str) -> tuple[tuple[str, str, str, str], ...]:
    """Take a sentence apart: the text before each gap, its name, its format, its conversion."""
    return tuple(
        (before, name or "", spec or "", conversion or "")
        for before, name, spec, conversion in Formatter().parse(template)
    )


def _filled(value: Value, spec: str, conversion: str, written: Words) -> str:
    """Fill a gap; an amount is written with its unit, a figure as the language writes it."""
    if conversion:
        return format(Formatter().convert_field(value, conversion), spec)
    if not isinstance(value, float | int):
        return format(value, spec)
    if spec in AMOUNTS:
        return written(AMOUNTS[spec](float(value)))
    return written(format(value, spec))


def in_python(field: str) -> str:
    """Name of an input in Python: that of its field."""
    return field


def message(notice: Notice) -> str:
    """Sentence of a notice with the names of Python."""
    return render(notice, in_python)


def refuse(code: str, field: str = "", **values: Value) -> Refusal:
    """Why a question is refused, to be raised.

    >>> str(refuse("not_whole", "devices", value=1.5))
    'devices must be a whole number, got 1.5'
    """
    return refusal(Notice(code, field, values))


def refusal(notice: Notice) -> Refusal:
    """Refusal that carries a notice."""
    return Refusal(notice, message(notice))


def reason(error: ValueError) -> Notice:
    """Notice of an error, whoever raised it."""
    return error.notice if isinstance(error, Refusal) else Notice("text", "", {"text": str(error)})


def _joined(value: Value, translated: Words) -> Value:
    """Return a value with its words in the language of the rim, such as the name of a country."""
    if isinstance(value, tuple):
        return ", ".join(value)
    return translated(value) if isinstance(value, str) else value


@lru_cache(maxsize=4096)
def rendered(notices: tuple[Notice, ...], names: Names) -> tuple[str, ...]:
    """Sentences of some notices, each once; rows of a table share most of theirs."""
    return tuple(dict.fromkeys(render(notice, names) for notice in notices))
