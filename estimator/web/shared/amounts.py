"""Amounts in a human-friendly unit, in the page's language.

Takes English text with numbers; languages with decimal commas exchange comma and point, and unit
words come from their catalogue.
"""

import re

from estimator.core import units
from estimator.core.phrase import Phrase
from estimator.core.uncertainty import Uncertain
from estimator.core.units import human_quantity
from estimator.show import quantities
from estimator.web.shared.language import COMMA_LANGUAGES, N_, _, current

UNIT_WORDS = (
    *(N_("year"), N_("years"), N_("day"), N_("days"), N_("hour"), N_("hours")),
    *(N_("minute"), N_("minutes"), N_("month"), N_("months")),
    *(N_("million"), N_("billion"), N_("trillion")),
    *(N_("device-hours"), N_("below"), N_("parameter"), N_("parameters")),
)
"""Unit words of amounts."""

_NUMBER = re.compile(r"arXiv:[\d.]+|\d[\d,]*\.?\d*")
_MONEY = re.compile(r"\$(\d[\d,]*(?:\.\d+)?)([kMBT]?)")
_MULTIPLES = {"": "", "k": " Tsd.", "M": " Mio.", "B": " Mrd.", "T": " Bio."}
_PERCENT = re.compile(r"(\d)%")
_POWER = re.compile(r"(\d[\d.]*)e([+-]\d+)")
_WORD = re.compile(rf"\b({'|'.join(UNIT_WORDS)})\b")


def amount(value: float, unit: str) -> str:
    """Format a value with its unit.

    >>> amount(1287e3, "kWh"), amount(4.67e6, "USD"), amount(355.4, "year"), amount(0.0296, "share")
    ('1.29 GWh', '$4.67M', '355 years', '2.96%')
    >>> amount(177.0, "hour")
    '7.38 days'
    """
    return localised(human_quantity(value, unit))


def result(name: str, value: float) -> str:
    """Format one result of an estimate.

    >>> result("wall_hours", 3115079), result("device_hours", 1080.0)
    ('355 years', '1,080 device-hours')
    """
    return localised(quantities.amount(name, value))


def device_count(devices: float, name: str) -> str:
    """Format a device count.

    >>> device_count(1, "NVIDIA V100"), device_count(1024, "NVIDIA H100")
    ('one NVIDIA V100', '1,024 × NVIDIA H100')
    """
    if devices == 1:
        return _("one {device}").format(device=name)
    return f"{localised(f'{devices:,.0f}')} × {name}"


def span(low: float, high: float, unit: str) -> str:
    """Format an interval."""
    return _("given") if low == high else format_range(amount(low, unit), amount(high, unit))


def format_range(low: str, high: str) -> str:
    """Join two amounts, with a shared unit once.

    >>> format_range("440 W", "568 W"), format_range("$102k", "$1.14M")
    ('440 – 568 W', '$102k – $1.14M')
    """
    return units.format_range(low, high, "–")


def with_span(value: Uncertain, unit: str) -> str:
    """Format a median, with its interval unless exact.

    >>> with_span(Uncertain(100.0, {"load": 0.5}), "W"), with_span(Uncertain(1e3), "W")
    ('100 W (52.7 – 190 W)', '1 kW')
    """
    low, high = (float(bound) for bound in value.interval())
    mid = amount(float(value.mid), unit)
    return mid if low == high else f"{mid} ({span(low, high, unit)})"


def localised(text: str) -> str:
    """Convert numbers and unit words of an English text to the page's language.

    >>> localised("1,234.5 days"), localised("3.84e-07 of 1e+12")
    ('1,234.5 days', '3.84·10⁻⁷ of 10¹²')
    >>> from estimator.web.shared.language import spoken
    >>> with spoken("de"):
    ...     localised("$4.67M"), localised("$1.50/h"), localised("40.5%"), localised("38.0 days")
    ('4,67 Mio. $', '1,50 $/h', '40,5 %', '38,0 Tage')
    """
    worded = _WORD.sub(lambda found: _(found[0]), _POWER.sub(_power, text))
    if current() not in COMMA_LANGUAGES:
        return worded
    behind = _MONEY.sub(lambda found: f"{found[1]}{_MULTIPLES[found[2]]} $", worded)
    spaced = _PERCENT.sub(r"\1 %", behind)
    return _NUMBER.sub(_exchanged, spaced)


def sentence(phrase: Phrase) -> str:
    """Render a phrase in the language of the page."""
    values = {name: localised(text) for name, text in phrase.values.items()}
    return _(phrase.template).format(**values)


def _power(found: re.Match[str]) -> str:
    """Format a power of ten with a superscript."""
    digits, exponent = found.groups()
    power = f"10{str(int(exponent)).translate(_RAISED)}"
    return power if digits == "1" else f"{digits}·{power}"


def _exchanged(found: re.Match[str]) -> str:
    """Exchange comma and point in a number, but not in the number of an article."""
    text = found[0]
    return text if text.startswith("arXiv") else text.translate(_EXCHANGED)


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_EXCHANGED = str.maketrans({",": ".", ".": ","})
