"""Ticks and labels of axes by unit, as Vega expressions.

A logarithmic axis is labelled at powers of ten, also at 2 and 5 if it spans less than three
decades, and everywhere below a factor of five; times at their own units.
"""

from typing import Any

from estimator.web.shared.language import COMMA_LANGUAGES, _, current

Spec = dict[str, Any]

_S, _MIN, _DAY, _YEAR = 1 / 3600, 1 / 60, 24.0, 8766.0
TIMES_H = [
    *(step * _S for step in (1e-3, 1e-2, 1e-1, 1.0, 10.0)),
    *(step * _MIN for step in (1.0, 10.0)),
    *(1.0, 5.0),
    *(step * _DAY for step in (1.0, 3.0, 10.0, 30.0, 100.0)),
    *(step * 10.0**power * _YEAR for power in range(0, 16) for step in (1.0, 3.0)),
]
"""Ticks of a time [h]."""

FLUSH_PX = 24
"""Distance to an axis end within which labels move inside instead of being dropped [px]."""

_VALUE = "datum.value"
_LEADING = f"round({_VALUE} / pow(10, floor(log({_VALUE}) / LN10 + 1e-9)))"


def label(unit: str, value: str = _VALUE, digits: str = "") -> str:
    """Vega expression that formats a tick in a human-friendly unit.

    Parameters
    ----------
    unit : str
    value : str
        What it writes, as a Vega expression.
    digits : str
        Of `format`, such as ".3" for three; as many as it has if empty.
    """
    if unit == "hour":
        return _time_label(value, digits)
    if unit == "kgCO2e":
        return (
            f"{value} < 1000 ? {_prefixed(f'{value} * 1000', 'g', digits)} : "
            f"{_prefixed(f'{value} / 1000', 't', digits)}"
        )
    if unit == "kWh":
        return _prefixed(f"{value} * 1000", "Wh", digits)
    if unit == "USD":
        return money(value, digits)
    if unit == "share":
        return f"format(100 * {value}, '{digits}{'' if digits else '~'}r') + '{_PERCENT[_comma()]}'"
    if unit == "power of ten":
        return "'10' + " + raised(f"format({value}, '~g')")
    return _count_label() if unit == "1" else _prefixed(value, unit, digits)


def number_expression(field: str, unit: str) -> str:
    """Vega expression that formats a column with three digits in a human-friendly unit."""
    return f"({label(unit, f'datum.{field}', '.3')})"


def linear(unit: str, count: int = 6) -> Spec:
    """Ticks of a linear axis."""
    return {"labelExpr": label(unit), "tickCount": count, "labelOverlap": "parity"}


def logarithmic(channel: str, unit: str = "1") -> Spec:
    """Ticks of a logarithmic axis of channel x or y."""
    ticks: Spec = {"labelOverlap": "greedy", "labelSeparation": 8, "labelBound": True}
    if channel == "x":
        ticks["labelFlush"] = FLUSH_PX
    if unit == "hour":
        return ticks | {"values": TIMES_H, "labelExpr": label(unit)}
    shown, said = labelled(channel), label(unit)
    if unit == "1":
        said = f"domain('{channel}')[1] < {_POWERS:g} || {_VALUE} < 1000 ? ({said}) : {_power()}"
    visible = {"condition": {"test": shown, "value": 1}, "value": 0}
    return ticks | {
        "tickCount": 5,
        "labelExpr": f"{shown} ? ({said}) : ''",
        "gridOpacity": visible,
        "tickOpacity": visible,
    }


def labelled(scale: str) -> str:
    """Vega expression for whether a logarithmic tick has a label."""
    span = f"domain('{scale}')[1] / domain('{scale}')[0]"
    return (
        f"(abs(log({span})) < log(5) || {_LEADING} == 1 || "
        f"(abs(log({span})) < log(1000) && indexof([1, 2, 5], {_LEADING}) >= 0))"
    )


def money(value: str, digits: str = "") -> str:
    """Vega expression that formats money: $232k, or 232 Tsd. $ in German."""
    large, small = (f"'${digits}s'", f"'${digits}r'") if digits else ("'$~s'", "'$,~r'")
    text = f"format({value}, {large})"
    for prefix, multiple in _MULTIPLES[_comma()].items():
        text = f"replace({text}, '{prefix}', '{multiple}')"
    cents = f"{value} >= 1 && {value} < 100 ? format({value}, '$.2f') : " if digits else ""
    return f"({cents}{value} < 1000 ? format({value}, {small}) : {text})"


_PERCENT = {False: "%", True: " %"}
_MULTIPLES = {
    False: {"G": "B"},
    True: {"k": " Tsd.", "M": " Mio.", "G": " Mrd.", "T": " Bio."},
}
"""Percent signs and money multiples in languages with decimal points and with commas."""


def _comma() -> bool:
    return current() in COMMA_LANGUAGES


def _prefixed(value: str, unit: str, digits: str = "") -> str:
    """Format a value with a unit prefix: 10 MWh."""
    shape = f"{digits}s" if digits else "~s"
    return f"replace(format({value}, '{shape}'), /([a-zA-Zµ]*)$/, ' $1{unit}')"


_POWERS = 1e15
"""Number from which an axis uses powers of ten."""


def _count_label() -> str:
    """Format a number: 10k, 1M, 10²⁰."""
    return (
        f"{_VALUE} == 0 ? '0' : abs({_VALUE}) >= {_POWERS:g} || abs({_VALUE}) < 1e-3 ? "
        f"{_power()} : abs({_VALUE}) < 1000 ? format({_VALUE}, '~g') : "
        f"replace(format({_VALUE}, '~s'), 'G', '{_('B')}')"
    )


def _power() -> str:
    """Format a number as a multiple of a power of ten."""
    power = f"format(round(log(abs({_VALUE})) / LN10 - 0.499999), 'd')"
    times = f"({_LEADING} == 1 ? '' : format({_LEADING}, 'd') + '·')"
    return f"{times} + '10' + {raised(power)}"


def raised(text: str) -> str:
    """Vega expression that formats a whole number as an exponent."""
    for plain, high in zip("0123456789-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁻", strict=True):
        text = f"replace({text}, /{plain}/g, '{high}')"
    return text


def _time_label(value: str, digits: str) -> str:
    """Format a time in its own unit."""
    plain = f"'{digits}r'" if digits else "'~g'"
    day = f"'1 {_('day')}'" if not digits else f"format({value} / 24, {plain}) + ' {_('days')}'"
    steps = (
        (0.9 * _S, f"format({value} * 3600000, {plain}) + ' ms'"),
        (0.9 * _MIN, f"format({value} * 3600, {plain}) + ' s'"),
        (0.9, f"format({value} * 60, {plain}) + ' min'"),
        (23.0, f"format({value}, {plain}) + ' h'"),
        (30.0, day),
        (8000.0, f"format({value} / 24, {plain}) + ' {_('days')}'"),
    )
    years = f"replace(format({value} / {_YEAR:g}, '~s'), 'G', '{_('B')}') + ' {_('yr')}'"
    if digits:
        years = f"format({value} / {_YEAR:g}, ',{digits}r') + ' {_('years')}'"
    return " : ".join(f"{value} < {below:.8g} ? {text}" for below, text in steps) + f" : {years}"


def locale() -> Spec:
    """Chart configuration for languages with decimal commas, otherwise empty."""
    number = {"decimal": ",", "thousands": ".", "grouping": [3], "currency": ["", " $"]}
    return {"locale": {"number": number}} if _comma() else {}
