"""Units of quantities, and numbers in human-readable form.

One unit per quantity throughout the package, named in the suffix. The factors here are exact by
definition (SI brochure, 9th edition, 2019; Julian year of the IAU).
"""

import math
import re

S_PER_H, S_PER_DAY = 3600.0, 86400.0
H_PER_DAY = 24.0
H_PER_YEAR = 8766.0
"""Hours in a Julian year of 365.25 days [h]."""
W_PER_KW = WH_PER_KWH = 1e3
J_PER_WH, J_PER_KWH = 3.6e3, 3.6e6
NS_PER_S = 1e9
MILLION = 1e6
BITS_PER_BYTE = 8.0
GIB = 2.0**30
"""Bytes in a GiB, the unit of drivers and frameworks [B]."""
YEAR_3000_S = 32_503_680_000.0
"""Timestamp from which a time counts as a typing error, the year 3000 [s since 1970]."""

CENTRAL = 0.8
"""Default probability of intervals, and of all ranges in the profiles [1]."""

_PREFIXES: tuple[tuple[float, str], ...] = (
    (1e24, "Y"),
    (1e21, "Z"),
    (1e18, "E"),
    (1e15, "P"),
    (1e12, "T"),
    (1e9, "G"),
)
_PREFIXES += ((1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))

_MONEY_PREFIXES: tuple[tuple[float, str], ...] = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))

_LEAST = 1e-4
"""Smallest amount written out [$ or percent]."""

_EXACT = 1e-9
"""Relative rounding error below which a number is exact, so its zeros are dropped [1]."""

_DURATIONS = (
    (S_PER_H * H_PER_YEAR, "year", "years"),
    (S_PER_DAY, "day", "days"),
    (S_PER_H, "hour", "hours"),
    (60.0, "minute", "minutes"),
)


def human(value: float, unit: str) -> str:
    """Format an amount with three significant digits and an SI prefix, for people only.

    Parameters
    ----------
    value : float
        Amount in `unit`, without prefix.
    unit : str
        "W", "Wh", "FLOP", "FLOP/s", "B", "$", "g" ...

    Examples
    --------
    >>> human(3.14159e23, "FLOP"), human(1.1004e9, "Wh"), human(80e9, "B"), human(0, "W")
    ('314 ZFLOP', '1.10 GWh', '80 GB', '0 W')
    >>> human(1.5, "$"), human(4.67e6, "$"), human(6.2e-8, "$"), human(1e-12, "Wh")
    ('$1.50', '$4.67M', 'below $0.0001', 'below 1 nWh')
    """
    if unit == "$":
        return _human_money(value)
    if value == 0:
        return f"0 {unit}"
    rounded = significant(value)
    for factor, prefix in _PREFIXES:
        if abs(rounded) >= factor:
            return f"{digits(value / factor)} {prefix}{unit}"
    return f"below 1 n{unit}" if rounded > 0 else f"{rounded:.3g} {unit}"


def _human_money(dollars: float) -> str:
    """Format an amount of money with three digits, or with cents between 1 and 100 dollars.

    >>> [_human_money(dollars) for dollars in (0, 3, 0.5, 0.0547, 22.456, 231_600, 3e9, -1.5)]
    ['$0', '$3.00', '$0.50', '$0.0547', '$22.46', '$232k', '$3.00B', '-$1.50']
    """
    if dollars < 0:
        return f"-{_human_money(-dollars)}"
    rounded = significant(dollars)
    if 0 < rounded < _LEAST:
        return f"below ${_LEAST:g}"
    for factor, prefix in _MONEY_PREFIXES:
        if factor <= rounded < 1e15:
            shown = significant(dollars / factor)
            return f"${shown:.{2 - math.floor(math.log10(shown))}f}{prefix}"
    if 1 <= rounded < 100:
        return f"${dollars:.2f}"
    text = digits(dollars)
    return f"${text}0" if re.fullmatch(r"0\.\d", text) else f"${text}"


def human_capacity(memory_bytes: float) -> str:
    """Format the memory of a device in its vendor's units, if whole.

    >>> human_capacity(17179869184.0), human_capacity(17.3e9)
    ('16 GB', '17.3 GB')
    """
    whole = memory_bytes / GIB
    return f"{whole:,.0f} GB" if whole >= 1 and whole == round(whole) else human(memory_bytes, "B")


def human_percent(share: float) -> str:
    """Format a share in percent, without an exponent.

    >>> human_percent(0.4213), human_percent(0.22), human_percent(2.4e-13), human_percent(0)
    ('42.1%', '22%', 'below 0.0001%', '0%')
    """
    percent = 100 * share
    return f"below {_LEAST:g}%" if 0 < percent < _LEAST else f"{digits(percent)}%"


def amount(value: float, unit: str) -> str:
    """Format a number of the profiles with its unit.

    >>> amount(989.4e12, "FLOP/s"), amount(0.277, "1"), amount(7e9, "parameters")
    ('989 TFLOP/s', '0.277', '7 billion')
    >>> amount(2.5, "USD/h"), amount(0.38355, "kgCO2e/kWh")
    ('$2.50/h', '0.384 kgCO2e/kWh')
    >>> amount(4.0, "year")
    '4 years'
    """
    if unit == "1":
        return digits(value)
    if unit in ("parameters", "parameter", "tokens", "token", "device"):
        return human_count(value)
    if unit.startswith("USD"):
        return human(value, "$") + unit.removeprefix("USD")
    if unit in ("FLOP", "FLOP/s", "OP/s", "B", "B/s"):
        return human(value, unit)
    text = digits(value)
    return f"{text} {unit}{'s' if unit == 'year' and text != '1' else ''}"


def human_quantity(value: float, unit: str) -> str:
    """Format a quantity in a human-friendly unit.

    >>> human_quantity(1287e3, "kWh"), human_quantity(355.4, "year"), human_quantity(0.03, "share")
    ('1.29 GWh', '355 years', '3%')
    >>> human_quantity(177.0, "hour"), human_quantity(4.67e6, "USD"), human_quantity(0.5, "tCO2e")
    ('7.38 days', '$4.67M', '500 kg')
    >>> human_quantity(5.1e-7, "share"), human_quantity(73e9, "parameter")
    ('below 0.0001%', '73 billion parameters')
    """
    if unit == "kWh":
        return human(value * 1e3, "Wh")
    if unit == "USD":
        return human(value, "$")
    if unit in ("kgCO2e", "tCO2e"):
        return human_mass(value * (1e3 if unit == "tCO2e" else 1.0))
    if unit in ("W", "B", "B/s", "FLOP", "FLOP/s", "FLOP/J", "FLOP/s/W", "bit/J", "J", "L"):
        return human(value, unit)
    if unit in ("s", "hour"):
        return human_duration(value * (1.0 if unit == "s" else S_PER_H))
    if unit == "share":
        return human_percent(value)
    number = human_count(value) if value >= 1e6 else digits(value)
    if unit == "1":
        return number
    plural = "s" if unit in ("year", "day", "month", "parameter") and number != "1" else ""
    return f"{number} {unit}{plural}"


def in_percent(share: float, decimals: int = 0) -> str:
    """Format a share in percent with fixed decimals, for a table column.

    >>> in_percent(0.234), in_percent(-0.004), in_percent(0.0123, 1)
    ('23%', '0%', '1.2%')
    """
    rounded = round(100 * share, decimals)
    return f"{rounded if rounded else 0.0:.{decimals}f}%"


def in_times(ratio: float) -> str:
    """Format a ratio as a factor.

    >>> in_times(1.034), in_times(0.0234), in_times(42.0)
    ('×1.03', '×0.023', '×42')
    """
    return f"×{ratio:.2f}" if 0.1 <= ratio < 10 else f"×{digits(float(f'{ratio:.2g}'))}"


def rows_text(count: int) -> str:
    """Format a row count.

    >>> rows_text(1), rows_text(1200)
    ('1 row', '1,200 rows')
    """
    return f"{count:,} row{'s' * (count != 1)}"


def digits(value: float) -> str:
    """Format three significant digits, without an exponent where readable.

    Trailing zeros show rounding; exact numbers have none.

    >>> digits(355.4), digits(1234567.0), digits(38.04), digits(0.0123), digits(3.1e12)
    ('355', '1,230,000', '38.0', '0.0123', '3.1e+12')
    >>> digits(64.0), digits(1.25), digits(100 * 0.07)
    ('64', '1.25', '7')
    """
    if value == 0:
        return "0"
    if not 1e-4 <= abs(value) < 1e9:
        return f"{value:.3g}"
    rounded = significant(value)
    decimals = max(0, 2 - math.floor(math.log10(abs(rounded))))
    text = f"{rounded:,.{decimals}f}"
    exact = math.isclose(value, rounded, rel_tol=_EXACT)
    return text.rstrip("0").rstrip(".") if exact and "." in text else text


def significant(value: float, figures: int = 3) -> float:
    """Round to significant figures.

    >>> significant(1234.5), significant(0.0123456, 4)
    (1230.0, 0.01235)
    """
    return float(f"{value:.{figures}g}")


def human_duration(seconds: float) -> str:
    """Format a duration in a human-friendly unit.

    >>> human_duration(1.1214e16), human_duration(14.8 * 86400), human_duration(90)
    ('355 million years', '14.8 days', '1.5 minutes')
    >>> human_duration(355.4 * 31557600)
    '355 years'
    """
    for size, one, many in _DURATIONS:
        if seconds >= size:
            amount = seconds / size
            if one == "year" and amount >= 1e6:
                return human_count(amount) + " years"
            text = digits(amount)
            return f"{text} {one if text == '1' else many}"
    return human(seconds, "s")


def human_count(value: float) -> str:
    """Format a large count in words, or exactly if whole and below a million.

    >>> human_count(355e6), human_count(1.2e9), human_count(2048), human_count(2048.3)
    ('355 million', '1.2 billion', '2,048', '2,050')
    >>> human_count(999.96e6), human_count(999_999)
    ('1.00 billion', '999,999')
    """
    rounded = value if abs(value) < 1e6 else significant(value)
    for factor, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if abs(rounded) >= factor:
            return f"{digits(value / factor)} {word}"
    return f"{value:,.0f}" if value == round(value) else digits(value)


def human_mass(kilograms: float) -> str:
    """Format a mass of CO2e: grams and kilograms below a tonne, tonnes above.

    >>> human_mass(552e3), human_mass(1.5), human_mass(0.02), human_mass(3.2e9)
    ('552 t', '1.5 kg', '20 g', '3.2 Mt')
    """
    if kilograms >= 1e3:
        return human(kilograms / 1e3, "t")
    return human(kilograms * 1e3, "g")


def format_range(low: str, high: str, between: str = "to") -> str:
    """Format a range of two amounts, with a shared unit once.

    >>> format_range("440 W", "568 W"), format_range("25.0%", "65.5%", "–")
    ('440 to 568 W', '25.0 – 65.5%')
    >>> format_range("below $0.0001", "below $0.0001")
    'below $0.0001'
    """
    if low == high:
        return low
    if low.endswith("%") and high.endswith("%"):
        return f"{low.removesuffix('%').rstrip()} {between} {high}"
    number, _, unit = low.partition(" ")
    return f"{number if high.partition(' ')[2] == unit else low} {between} {high}"
