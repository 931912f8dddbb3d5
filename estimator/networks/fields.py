"""Config fields, checked for plausibility.

A missing key takes the default of its type in `defaults.json`, or of the family. Invalid values are
refused by key before any arithmetic.
"""

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

from estimator.core.messages import refuse
from estimator.core.notice import Refusal

Plain = TypeVar("Plain", bool, str)

MAX_SIZE = 100_000_000
"""Largest size; every published width, vocabulary and context is smaller."""

MAX_LAYERS = 10_000

MAX_ITEMS = 100
"""Longest list of sizes; every published one is shorter."""

MAX_NESTING = 20
"""Maximum nesting of parts, twice as deep as in published configs."""


@dataclass(frozen=True)
class Fields:
    """Validated access to the keys of a config.

    Parameters
    ----------
    values : mapping
        A config, or a part of one.
    path : str
        Path of the part in the config, for messages (``text_config.``).
    notes : tuple of str
        Reservations, which the architecture carries as warnings.
    usual : mapping
        The type's defaults for missing keys.
    aliases : mapping
        Keys that the config has under another name or in another part -> their location.

    >>> fields = Fields({"n_embd": 768, "n_inner": None})
    >>> fields.size("hidden_size", "n_embd"), fields.size_or_none("n_inner")
    (768, None)
    >>> fields.size("n_layer")
    Traceback (most recent call last):
    estimator.core.notice.Refusal: n_layer is missing from the config
    """

    values: Mapping[str, Any]
    path: str = ""
    notes: tuple[str, ...] = ()
    usual: Mapping[str, Any] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)

    def key(self, *names: str) -> str:
        """Return the last of `names` in the config, or the first with a default."""
        stated = [name for name in names if name in self.values]
        usual = [name for name in names if name in self.usual]
        return stated[-1] if stated else (*usual, *names)[0]

    def full_name(self, key: str) -> str:
        """Return the key as written in the config, with its path, for messages."""
        return self.aliases.get(key, self.path + key)

    def states(self, *names: str) -> bool:
        """Return whether one of `names` has a value other than null."""
        return self.values.get(self.key(*names)) is not None

    def size(
        self, *names: str, default: int | None = None, least: int = 1, most: int = MAX_SIZE
    ) -> int:
        """Read a whole number in `least`..`most`, or its default."""
        key = self.key(*names)
        if key not in self.values:
            usual: int | None = self._usual(names, default)
            if usual is None:
                raise refuse("config_key_missing", key=self.full_name(key))
            return usual
        value = self.values[key]
        named = {"key": self.full_name(key), "value": _quote(value)}
        if type(value) is not int or value < least:
            raise refuse(
                "config_key_whole" if least == 1 else "config_key_least", **named, least=least
            )
        if value > most:
            raise refuse("config_key_most", **named, most=most)
        return value

    def size_or_none(
        self, *names: str, default: int | None = None, least: int = 1, most: int = MAX_SIZE
    ) -> int | None:
        """Read as `size`, but allow null, with `default` for a missing key."""
        key = self.key(*names)
        if key not in self.values:
            usual: int | None = self._usual(names, default)
            return usual
        if self.values[key] is None:
            return None
        return self.size(key, least=least, most=most)

    def size_or(self, key: str, otherwise: int) -> int:
        """Read as `size`, with `otherwise` for a missing key or value."""
        if key in self.usual:
            return self.size(key)
        return (self.size_or_none(key) or otherwise) if key else otherwise

    def with_values(self, values: Mapping[str, Any]) -> "Fields":
        """Return the part with values replaced."""
        return replace(self, values=_over(values, self.values))

    def with_defaults(self, defaults: Mapping[str, Any]) -> "Fields":
        """Return the part with defaults for missing keys."""
        return replace(self, values=_over(self.values, defaults))

    def with_usual(self, usual: Mapping[str, Any]) -> "Fields":
        """Return the part with defaults that do not count as set in the config."""
        return replace(self, usual=usual)

    def noted(self, *notes: str) -> "Fields":
        """Return the part with further notes."""
        return replace(self, notes=(*self.notes, *notes))

    def renamed(self, stated: Mapping[str, tuple["Fields", str]]) -> "Fields":
        """Return the part with values from elsewhere, named in messages as written there.

        `stated` maps a key to the part and key under which the config may state it.

        >>> fields = Fields({"n_layer": 0})
        >>> fields.renamed({"depth": (fields, "n_layer")}).layers("depth")
        Traceback (most recent call last):
        estimator.core.notice.Refusal: n_layer must be a positive integer, got 0
        """
        found = {new: (part, old) for new, (part, old) in stated.items() if part.states(old)}
        values = {new: part.values[old] for new, (part, old) in found.items()}
        names = {new: part.full_name(old) for new, (part, old) in found.items()}
        return replace(self.with_values(values), aliases={**self.aliases, **names})

    def layers(self, *names: str, default: int | None = None, stages: int = 1) -> int:
        """Read the number of layers, limited per stage if `stages` is given."""
        return self.size(*names, default=default, most=MAX_LAYERS // stages)

    def listed(
        self, name: str, default: tuple[Any, ...] = (), length: int = 0, *, fewest: int = 1
    ) -> list[Any]:
        """List or its default, of `length` items if given, otherwise at least `fewest`."""
        stated = self.items(name)
        found = list(self._usual((name,), default)) if stated is None else stated
        key, count = self.full_name(name), len(found)
        if length and count != length:
            code = "config_usual_stages" if stated is None else "config_list_stages"
            raise refuse(code, key=key, count=length, value=count)
        if count < fewest:
            raise refuse("config_list_least", key=key, count=fewest, value=count)
        if count > MAX_ITEMS:
            raise refuse("config_list_most", key=key, most=MAX_ITEMS, value=count)
        return found

    def sizes(
        self,
        name: str,
        default: tuple[int, ...] = (),
        length: int = 0,
        *,
        fewest: int = 1,
        most: int = MAX_SIZE,
    ) -> list[int]:
        """List of whole numbers, as long as in `listed`."""
        sizes = []
        for place, item in enumerate(self.listed(name, default, length, fewest=fewest)):
            label = f"{self.full_name(name)}[{place}]"
            sizes.append(Fields({label: item}).size(label, most=most))
        return sizes

    def layer_counts(self, name: str, default: tuple[int, ...] = (), length: int = 0) -> list[int]:
        """List of layer counts per stage, each and their sum limited."""
        counts = self.sizes(name, default, length, most=MAX_LAYERS)
        if sum(counts) > MAX_LAYERS:
            key = self.full_name(name)
            raise refuse("config_key_most_in_all", key=key, most=MAX_LAYERS, value=sum(counts))
        return counts

    def flag(self, *names: str, default: bool = False) -> bool:
        """Read a flag; null counts as missing."""
        return self._typed(names, default, "config_key_flag")

    def text(self, *names: str, default: str = "") -> str:
        """Read a string; null counts as missing."""
        return self._typed(names, default, "config_key_text")

    def items(self, name: str, length: int | None = None) -> list[Any] | None:
        """List, of `length` items if given; None if missing or null."""
        value = self.values.get(name)
        if value is None:
            return None
        key = self.full_name(name)
        if not isinstance(value, list | tuple):
            raise refuse("config_key_list", key=key, value=_quote(value))
        if len(value) > MAX_LAYERS:
            raise refuse("config_list_most", key=key, most=MAX_LAYERS, value=len(value))
        if length is not None and len(value) != length:
            raise refuse("config_list_layers", key=key, count=length, value=len(value))
        return list(value)

    def part(self, name: str) -> "Fields":
        """Return the part under `name`, by default the type's or an empty one."""
        value = self.values.get(name)
        if value is None:
            value = self.usual.get(name, {})
        if not isinstance(value, Mapping):
            raise refuse("config_key_object", key=self.full_name(name), value=_quote(value))
        stated = self.full_name(name)
        if stated.count(".") >= MAX_NESTING:
            raise refuse("config_nested", most=MAX_NESTING)
        return Fields(value, path=f"{stated}." if stated else "", notes=self.notes)

    def supported(self, key: str, *known: Any) -> Any:
        """Read a value that must be one of the supported ones, by default the first.

        An unsupported null counts as missing.

        >>> Fields({"two_stage": False}).supported("two_stage", True)
        Traceback (most recent call last):
        estimator.core.notice.Refusal: two_stage false is not supported; supported: true
        """
        value = self.values.get(key)
        if value is None and (key not in self.values or None not in known):
            value = self._usual((key,), known[0])
        alike = (value == one and isinstance(value, bool) == isinstance(one, bool) for one in known)
        if not any(alike):
            raise self.uncounted(key, value, *known)
        return value

    def uncounted(self, key: str, value: object, *known: object) -> Refusal:
        """Build the refusal of an unsupported value, to be raised."""
        names = dict.fromkeys(one if isinstance(one, str) else _quote(one) for one in known)
        key, shown = self.full_name(key), _quote(value)
        return refuse("config_key_counted", key=key, known=", ".join(names), value=shown)

    def equal(self, key: str, value: object, other: str, needed: object) -> None:
        """Refuse a value that differs from another key's."""
        if value != needed:
            named = {"key": self.full_name(key), "other": other, "value": _quote(value)}
            raise refuse("config_key_equal", **named, needed=_quote(needed))

    def _typed(self, names: tuple[str, ...], default: Plain, code: str) -> Plain:
        """Read a value of its default's type, or refuse with a code; null counts as missing."""
        key = self.key(*names)
        value = self.values.get(key)
        if value is None:
            value = self._usual(names, default)
        if not isinstance(value, type(default)):
            raise refuse(code, key=self.full_name(key), value=_quote(value))
        return value

    def _usual(self, names: tuple[str, ...], default: Any) -> Any:
        """Return the type's default for the first of `names` that has one, or `default`."""
        for name in names:
            if name in self.usual:
                return self.usual[name]
        return default

    def share(self, whole_key: str, whole: int, key: str, parts: int) -> int:
        """Divide `whole` by `parts`; refuse a remainder, as of heads in a width."""
        if whole % parts:
            code = "config_key_divides" if self.states(key) else "config_usual_divides"
            divided = self.aliases.get(whole_key, whole_key)
            raise refuse(code, key=self.full_name(key), divided=divided, whole=whole, value=parts)
        return whole // parts


def _over(first: Mapping[str, Any], second: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the keys of both mappings, `first` before `second`, read on access."""
    return ChainMap(cast("dict[str, Any]", first), cast("dict[str, Any]", second))


def _quote(value: object) -> str:
    """Shorten an invalid value for a message."""
    words = {"None": "null", "True": "true", "False": "false"}
    text = words.get(repr(value), repr(value))
    return text if len(text) <= 40 else f"{text[:37]}..."
