"""Which sizes a config states, and whether they are sane.

A config holds explicit keys only. For one that is absent the default of its type in
`defaults.json` is taken, or else what the family says. A bad value is refused by key, before any
arithmetic.
"""

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

MAX_SIZE = 100_000_000
"""Above every published width, vocabulary and context: a larger value is a slip of the pen."""

MAX_LAYERS = 10_000


@dataclass(frozen=True)
class Fields:
    """The keys of a config, read with checks.

    Parameters
    ----------
    values : mapping
        A config, or a part of one.
    path : str
        Where the part sits, for messages (``text_config.``).
    notes : tuple of str
        Reservations about the reading, for the architecture to carry as warnings.
    usual : mapping
        Defaults of the type for keys that are absent.

    >>> fields = Fields({"n_embd": 768, "n_inner": None})
    >>> fields.size("hidden_size", "n_embd"), fields.size_or_none("n_inner")
    (768, None)
    >>> fields.size("n_layer")
    Traceback (most recent call last):
    ValueError: n_layer is missing from the config
    """

    values: Mapping[str, Any]
    path: str = ""
    notes: tuple[str, ...] = ()
    usual: Mapping[str, Any] = field(default_factory=dict)

    def key(self, *names: str) -> str:
        """The last of `names` that the config states, else the first."""
        stated = [name for name in names if name in self.values]
        return stated[-1] if stated else names[0]

    def states(self, *names: str) -> bool:
        """Whether one of `names` is there with a value other than null."""
        return self.values.get(self.key(*names)) is not None

    def size(
        self, *names: str, default: int | None = None, least: int = 1, most: int = MAX_SIZE
    ) -> int:
        """A whole number in `least`..`most`; where the key is absent its default, if it has one."""
        key = self.key(*names)
        if key not in self.values:
            usual: int | None = self._usual(names, default)
            if usual is None:
                raise ValueError(f"{self.path}{key} is missing from the config")
            return usual
        value = self.values[key]
        kind = "a positive integer" if least == 1 else f"an integer of at least {least}"
        if type(value) is not int or value < least:
            raise ValueError(f"{self.path}{key} must be {kind}, got {_shown(value)}")
        if value > most:
            raise ValueError(f"{self.path}{key} must be at most {most}, got {_shown(value)}")
        return value

    def size_or_none(
        self, *names: str, default: int | None = None, least: int = 1, most: int = MAX_SIZE
    ) -> int | None:
        """As `size`, with null allowed and `default` where the key is absent."""
        key = self.key(*names)
        if key not in self.values:
            usual: int | None = self._usual(names, default)
            return usual
        if self.values[key] is None:
            return None
        return self.size(key, least=least, most=most)

    def with_values(self, values: Mapping[str, Any]) -> "Fields":
        """The same part with `values` instead of what it states."""
        return replace(self, values=_over(values, self.values))

    def with_defaults(self, defaults: Mapping[str, Any]) -> "Fields":
        """The same part with `defaults` for the keys that it lacks."""
        return replace(self, values=_over(self.values, defaults))

    def with_usual(self, usual: Mapping[str, Any]) -> "Fields":
        """The same part with `usual` for the keys that it lacks, as if not stated."""
        return replace(self, usual=usual)

    def noted(self, *notes: str) -> "Fields":
        """The same part with further reservations."""
        return replace(self, notes=(*self.notes, *notes))

    def layers(self, *names: str, default: int | None = None) -> int:
        """A number of layers."""
        return self.size(*names, default=default, most=MAX_LAYERS)

    def flag(self, *names: str, default: bool = False) -> bool:
        """True or false; null reads as absent."""
        key = self.key(*names)
        value = self.values.get(key)
        if value is None:
            value = self._usual(names, default)
        if type(value) is not bool:
            raise ValueError(f"{self.path}{key} must be true or false, got {_shown(value)}")
        return value

    def text(self, *names: str, default: str = "") -> str:
        """A string; null reads as absent."""
        key = self.key(*names)
        value = self.values.get(key)
        if value is None:
            value = self._usual(names, default)
        if not isinstance(value, str):
            raise ValueError(f"{self.path}{key} must be a string, got {_shown(value)}")
        return value

    def items(self, name: str, length: int | None = None) -> list[Any] | None:
        """A list, of `length` items if given; None where absent or null."""
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, list | tuple):
            raise ValueError(f"{self.path}{name} must be a list, got {_shown(value)}")
        if length is not None and len(value) != length:
            raise ValueError(
                f"{self.path}{name} must have {length} items, one per layer, got {len(value)}"
            )
        return list(value)

    def part(self, name: str) -> "Fields":
        """The part under `name`; where absent or null what the type has by default, or nothing."""
        value = self.values.get(name)
        if value is None:
            value = self.usual.get(name, {})
        if not isinstance(value, Mapping):
            raise ValueError(f"{self.path}{name} must be an object, got {_shown(value)}")
        return Fields(value, path=f"{self.path}{name}.", notes=self.notes)

    def _usual(self, names: tuple[str, ...], default: Any) -> Any:
        """Default of the type for the first of `names` that has one, else `default`."""
        for name in names:
            if name in self.usual:
                return self.usual[name]
        return default

    def share(self, whole_key: str, whole: int, key: str, parts: int) -> int:
        """`whole` over `parts`, refused with a rest: heads that do not divide the width."""
        if whole % parts:
            got = f"got {parts}" if self.states(key) else f"and is {parts} where absent: state it"
            raise ValueError(f"{self.path}{key} must divide {whole_key} = {whole}, {got}")
        return whole // parts


def _over(first: Mapping[str, Any], second: Mapping[str, Any]) -> Mapping[str, Any]:
    """Keys of both, `first` before `second`, each read only when it is asked for."""
    return ChainMap(cast("dict[str, Any]", first), cast("dict[str, Any]", second))


def _shown(value: object) -> str:
    """A bad value in a message, cut to a readable length."""
    text = "null" if value is None else repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
