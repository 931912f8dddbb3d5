"""Records with unit, basis and source, and the objects built from them."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

from estimator.catalog.schema import BASES, RECORD_KEYS, RECORD_NEEDS, UNITS, Field
from estimator.catalog.suggestions import Suggestions

TEXTS = ("source", "where", "note")
"""Text keys of a record."""


@dataclass(frozen=True)
class Problem:
    """Problem in a profile, with its remedy."""

    file: str
    key: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}: {self.key}: {self.message}; {self.remedy}"


class ProfileError(ValueError):
    """Unusable profile: file, key and remedy in one line.

    >>> raise ProfileError("a.toml", "tdp_w", "unit is kW", "write W")
    Traceback (most recent call last):
    estimator.catalog.records.ProfileError: a.toml: tdp_w: unit is kW; write W
    """

    def __init__(self, file: str | Path, key: str, message: str, remedy: str) -> None:
        self.problem = Problem(str(file), key, message, remedy)
        super().__init__(str(self.problem))


@dataclass(frozen=True, kw_only=True)
class Record:
    """Number with its unit, basis and source.

    ``low`` and ``high`` bound the central 80% or the range of the sources; ``sources`` are further
    sources that agree with ``source``.
    """

    value: float
    unit: str
    basis: str
    source: str
    low: float | None = None
    high: float | None = None
    date: str | None = None
    where: str | None = None
    note: str | None = None
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Device:
    """Device: peaks by precision, and records of the other keys. A missing key is unknown.

    ``same_silicon`` are ids of devices with the same chip and board but different memory.
    """

    id: str
    name: str
    vendor: str
    kind: str
    aliases: tuple[str, ...]
    released: str | None
    note: str | None
    peaks: Mapping[str, Record]
    records: Mapping[str, Record]
    same_silicon: tuple[str, ...] = ()

    @property
    def variants(self) -> tuple[str, ...]:
        """Ids of this device and its memory variants."""
        return (self.id, *self.same_silicon)


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Named workload.

    ``as_run`` has reported figures of its run, ``config`` the architecture as Hugging Face config
    keys with the id of its ``source``, empty if unknown. ``arch`` describes the network in words,
    possibly empty.
    """

    id: str
    name: str
    kind: str
    aliases: tuple[str, ...]
    arch: str
    year: int
    note: str | None
    records: Mapping[str, Record]
    hardware: str | None
    precision: str | None
    as_run: Mapping[str, Record]
    config: Mapping[str, Any]

    @property
    def has_work(self) -> bool:
        """Return whether the training work is on record."""
        known = set(self.records)
        return bool({"training_flop", "device_hours"} & known) or {"params", "tokens"} <= known

    def ran_on(self, device: Device) -> bool:
        """Return whether the run was on this device, in any memory variant."""
        return self.hardware in device.variants


@dataclass(frozen=True, kw_only=True)
class Place:
    """Country, cloud region, operator or named site (``kind``), with its known figures."""

    id: str
    name: str
    kind: str
    aliases: tuple[str, ...]
    iso2: str | None
    year: int | None
    note: str | None
    records: Mapping[str, Record]


@dataclass(frozen=True, kw_only=True)
class Price:
    """Offer of one accelerator-hour, with provider and date."""

    device: str
    provider: str
    instance: str
    kind: str
    price_usd_per_h: float
    date_from: str
    date_to: str
    basis: str
    source: str
    note: str | None


@dataclass(frozen=True, kw_only=True)
class Source:
    """Source as seen; ``url`` is None for a copy or quotation."""

    id: str
    title: str
    publisher: str
    date: str
    licence: str
    url: str | None
    note: str | None

    @property
    def is_absent(self) -> bool:
        """Return whether it marks numbers whose source was not seen."""
        return self.publisher == "none"


MOST_OF_PEAK = 1.02
"""Work over the peak above which a value is an error [1]: the peak of a CPU is the fastest that its
benchmark measured, to 2%.
"""


def most_possible(peak: Record) -> float:
    """Return the highest plausible rate of a device with this peak [FLOP/s]."""
    return MOST_OF_PEAK * (peak.high or peak.value)


NOT_IN_A_KEY = str.maketrans("", "", " -_\t")
"""Characters ignored in names of devices and presets."""


def name_key(name: str) -> str:
    """Normalize a device or preset name: no case, spaces, dashes or underscores.

    >>> name_key("Tesla V100-SXM2_16 GB")
    'teslav100sxm216gb'
    """
    return name.casefold().translate(NOT_IN_A_KEY)


def model_names(name: str) -> tuple[str, ...]:
    """Return a model's name, and without its publisher where it is named as on the hub.

    >>> model_names("Qwen/Qwen3-32B"), model_names("./gpt-2"), model_names("gpt-2")
    (('Qwen/Qwen3-32B', 'Qwen3-32B'), ('./gpt-2',), ('gpt-2',))
    """
    publisher, _, bare = name.strip().partition("/")
    return (name, bare) if name_key(publisher).isalnum() and bare and "/" not in bare else (name,)


@lru_cache(maxsize=8192)
def place_key(name: str) -> str:
    """Normalize a site name; dashes stay, as us-east-1 and us-east1 are different sites.

    >>> place_key("GCP us-east1") == place_key("gcp_us-east1"), place_key("US-East-1")
    (True, 'us-east-1')
    """
    return "-".join(name.casefold().replace("_", " ").split())


def nearest(word: str, known: Iterable[str], count: int = 4) -> list[str]:
    """Return the known words that begin with or resemble a word, best first.

    >>> nearest("h10", ["h100-sxm", "a100-sxm-80", "h100-pcie"])
    ['h100-sxm', 'h100-pcie']
    """
    return Suggestions(known).nearest(word, count)


def offer(word: str, known: Iterable[str]) -> str:
    """Suggest the closest known words, or all if there are few.

    >>> offer("tdp", ["tdp_w", "idle_w"]), offer("zzz", ["on-demand", "spot"])
    ('did you mean tdp_w?', 'use one of on-demand, spot')
    """
    words = list(known)
    close = nearest(word, words)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return "use one of " + ", ".join(words) if len(words) <= 20 else "add it, or use a known one"


def unknown_word(
    file: str, key: str, what: str, word: str | None, known: Iterable[str], remedy: str = ""
) -> Iterator[Problem]:
    """Yield a problem if a word is unknown, with the closest known one."""
    if word is not None and word not in known:
        yield Problem(file, key, f"unknown {what} {word!r}", remedy or offer(word, sorted(known)))


def text_of(value: object) -> str:
    """Format a TOML scalar, dates included, as text."""
    return value.isoformat() if isinstance(value, date) else str(value)


def is_date(text: str) -> bool:
    """Return whether a text is a valid year, month or day.

    >>> is_date("2020"), is_date("2020-05"), is_date("2020-13"), is_date("May 2020")
    (True, True, False, False)
    """
    if not re.fullmatch(r"\d{4}(-\d{2}(-\d{2})?)?", text):
        return False
    try:
        date.fromisoformat((text + "-01-01")[:10])
    except ValueError:
        return False
    return True


def is_past(text: str) -> bool:
    """Return whether a text is a date up to today.

    >>> is_past("2020-05"), is_past("2999"), is_past("2020-13")
    (True, False, False)
    """
    return is_date(text) and text <= date.today().isoformat()


def date_problems(file: str, key: str, text: str, form: str) -> Iterator[Problem]:
    """Yield a problem if a text is not a past date."""
    if not is_past(text):
        yield Problem(file, key, f"not a past date: {text!r}", f"write {form}")


def record_problems(file: str, key: str, table: object, field: Field | None) -> Iterator[Problem]:
    """Yield the problems of one record; with ``field`` None, any known unit is valid."""
    if not isinstance(table, Mapping):
        remedy = f"write [{key}] with value, unit, basis and source"
        yield Problem(file, key, "not a record", remedy)
        return
    parts = (_text_problems(table, field), _type_problems(table), _number_problems(table, field))
    for part, message, remedy in chain.from_iterable(parts):
        yield Problem(file, f"{key}.{part}", message, remedy)


def _type_problems(table: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield part, message and remedy for values that must be texts."""
    for part in TEXTS:
        if not isinstance(table.get(part, ""), str):
            yield part, f"{table[part]!r} is not a string", f'write {part} = "..."'
    several = table.get("sources", [])
    if not isinstance(several, list) or not all(isinstance(item, str) for item in several):
        yield "sources", f"{several!r} is not a list of strings", 'write sources = ["..."]'


def _text_problems(table: Mapping[str, Any], field: Field | None) -> Iterator[tuple[str, str, str]]:
    """Yield part, message and remedy for the keys, unit, basis and date of a record."""
    for part in table:
        if part not in RECORD_KEYS:
            yield part, "unknown key", offer(part, RECORD_KEYS)
    for part in RECORD_NEEDS:
        if part not in table:
            yield part, "missing", f"add {part} = ... there"
    unit = str(table.get("unit", field.unit if field else "1"))
    if field is not None and unit != field.unit:
        yield "unit", f"unit is {unit!r}", f'convert the value and write unit = "{field.unit}"'
    elif unit not in UNITS:
        yield "unit", f"unknown unit {unit!r}", offer(unit, sorted(UNITS))
    if str(table.get("basis", BASES[0])) not in BASES:
        yield "basis", f"unknown basis {table['basis']!r}", offer(str(table["basis"]), BASES)
    if "date" in table and not is_date(text_of(table["date"])):
        yield "date", f"no date: {table['date']!r}", "write 2020, 2020-05 or 2020-05-14"


def _number_problems(
    table: Mapping[str, Any], field: Field | None
) -> Iterator[tuple[str, str, str]]:
    """Yield part, message and remedy for value, low and high of a record."""
    numbers: list[float] = []
    for part in ("low", "value", "high"):
        number = table.get(part)
        if number is None:
            continue
        if isinstance(number, bool) or not isinstance(number, int | float):
            yield part, f"{number!r} is not a number", "write a number, no quotes and no unit"
        elif not math.isfinite(number) or number < 0:
            yield part, f"{number} is not finite and positive", "omit unknown values"
        else:
            numbers.append(number)
            if part == "value" and field and not field.smallest <= number <= field.largest:
                span = f"{field.smallest:g} to {field.largest:g}"
                message = f"{number:g} {field.unit} is outside {span}"
                yield part, message, f"convert it to {field.unit}"
    if numbers != sorted(numbers):
        yield "value", "not low <= value <= high", "put the range around the value"


def read_record(file: str, key: str, table: object, field: Field | None) -> Record:
    """Build a record, or refuse it by file and key."""
    for problem in record_problems(file, key, table, field):
        raise ProfileError(**vars(problem))
    parts: dict[str, Any] = dict(table) if isinstance(table, Mapping) else {}
    for part in ("value", "low", "high"):
        if part in parts:
            parts[part] = float(parts[part])
    if "date" in parts:
        parts["date"] = text_of(parts["date"])
    parts["sources"] = tuple(parts.get("sources", ()))
    return Record(**parts)
