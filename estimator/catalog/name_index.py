"""Index from names to the files of devices and presets."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from estimator.catalog import toml_files as files
from estimator.catalog.device_names import (
    BoardWords,
    DeviceName,
    holds,
    matching,
    readings,
    refusal,
    split_count,
    take_apart,
)
from estimator.catalog.records import name_key, place_key
from estimator.catalog.suggestions import Suggestions
from estimator.core.messages import refuse

SHOWN = 60
"""Longest part of an unknown name in a message [character]."""

CONFIGURABLE = ("soc", "cpu", "npu-phone")
"""Device types with memory chosen by the buyer."""


@dataclass(frozen=True)
class NameIndex:
    """Folders of one type of profile, one file per item and folder.

    Names are matched against the folder listings and never used as paths.

    Parameters
    ----------
    what : str
        Content of the folders, for people: "hardware" or "preset".
    folders : tuple of Path
        Folders, of which later ones override earlier ones.
    """

    what: str
    folders: tuple[Path, ...]

    def find(self, name: str) -> str:
        """Return the id of a name, or raise ValueError with the closest names."""
        found = self.look_up(name)
        if found is None:
            raise self._unknown(name)
        return found

    def look_up(self, name: str) -> str | None:
        """Return the id of a name: its id or alias, or the only match of its parts."""
        slug, key = place_key(name), name_key(name)
        if (slug, key) not in self._slugs:
            found = self._slug_of_key(slug, key) or self._singled_out(name)
            if found is None:
                return None
            self._slugs[slug, key] = found
        return self._slugs[slug, key]

    def files(self, item: str) -> list[Path]:
        """Return the files of one item, built-in first, empty if unknown."""
        return self._paths.get(item, [])

    def names(self) -> dict[str, str]:
        """Return id -> name of all items, without reading their numbers."""
        return {item: str(self._heads[item].get("name", item)) for item in sorted(self._heads)}

    def _slug_of_key(self, slug: str, key: str) -> str | None:
        if slug in self._paths:
            return slug
        if "_ids" in self.__dict__:
            return self._ids.get(key)
        for item, head in self._heads_with(f'"{key}"').items():
            if key in {name_key(str(other)) for other in (head.get("name"), *head["aliases"])}:
                return item
        return self._ids.get(key)

    def _singled_out(self, name: str) -> str | None:
        """Return the only device that matches every part of a name, or None."""
        if self.what != "hardware" or refusal(name) is not None:
            return None
        for reading in readings(name):
            exact = self._ids.get(name_key(reading))
            if exact is not None:
                return exact
            asked = take_apart(reading)
            found = matching(asked, self._boards(asked.model))
            if len(found) == 1:
                return found[0].id
        return None

    def _boards(self, model: str) -> list[BoardWords]:
        """Return the devices sold under a model name."""
        return [self._board(item) for item in self._models.get(model, ())]

    def _board(self, item: str) -> BoardWords:
        """Read what distinguishes a device from others of its model."""
        if item not in self._boards_read:
            tables: dict[str, Any] = {}
            for path in self._paths[item]:
                tables |= files.read_toml(path)
            memory = tables.get("memory_bytes", {})
            size = memory.get("value") if isinstance(memory, Mapping) else None
            self._boards_read[item] = BoardWords(
                id=item,
                vendor=str(tables.get("vendor", "")),
                names=self._parts[item],
                memory_bytes=float(size) if isinstance(size, int | float) else None,
                any_memory=tables.get("kind") in CONFIGURABLE,
            )
        return self._boards_read[item]

    def _unknown(self, name: str) -> ValueError:
        """Build the error for an unknown name, with suggestions."""
        key = name_key(name)
        why = refusal(name) if self.what == "hardware" else None
        if why is not None:
            device, count = split_count(name)
            if count > 1 and self.look_up(device) is None:
                return self._unknown(device)
            return ValueError(f"{self.what} {quote(name)} {why}")
        same_model = self._of_model(name) if self.what == "hardware" else []
        if same_model:
            return refuse("unknown_board", name=quote(name), known=tuple(same_model))
        near = [self._ids[other] for other in self._suggestions.nearest(key, count=12)]
        size = take_apart(name).memory_gb if self.what == "hardware" else None
        fitting = [
            candidate for candidate in near if size is None or holds(size, self._board(candidate))
        ]
        return unknown(self.what, name, fitting)

    def _of_model(self, name: str) -> list[str]:
        """Return the boards of a model, limited to a matching memory size if any."""
        for reading in readings(name):
            asked = take_apart(reading)
            boards = self._boards(asked.model)
            size = asked.memory_gb
            fitting = [board for board in boards if size is None or holds(size, board)]
            if boards:
                return [board.id for board in fitting or boards][:6]
        return []

    def _heads_with(self, text: str) -> dict[str, dict[str, Any]]:
        """Parse only the headers that contain a normalised text."""
        return {
            path.stem: {"aliases": (), **files.read_head(path)}
            for path, head in self._stripped_heads
            if text in head
        }

    @cached_property
    def _slugs(self) -> dict[tuple[str, str], str]:
        return {}

    @cached_property
    def _boards_read(self) -> dict[str, BoardWords]:
        return {}

    @cached_property
    def _all_files(self) -> list[Path]:
        return [
            folder / name
            for folder in self.folders
            for name in sorted(path.name for path in folder.glob("*.toml"))
        ]

    @cached_property
    def _paths(self) -> dict[str, list[Path]]:
        """Id -> its files, built-in first."""
        paths: dict[str, list[Path]] = {}
        for path in self._all_files:
            paths.setdefault(path.stem, []).append(path)
        return paths

    @cached_property
    def _stripped_heads(self) -> list[tuple[Path, str]]:
        """Every file with its normalised header, read once."""
        return [
            (path, name_key(files.read_text(path).partition("\n[")[0])) for path in self._all_files
        ]

    @cached_property
    def _heads(self) -> dict[str, dict[str, Any]]:
        """Id -> the keys before the first table of its files."""
        known: dict[str, dict[str, Any]] = {}
        for path in self._all_files:
            known.setdefault(path.stem, {}).update(files.read_head(path))
        return known

    @cached_property
    def _ids(self) -> dict[str, str]:
        """Normalised name of an item -> id; an id wins over an alias."""
        names: dict[str, str] = {}
        for item, head in self._heads.items():
            names |= {name_key(str(name)): item for name in head.get("aliases", ())}
            names[name_key(str(head.get("name", item)))] = item
        return names | {name_key(item): item for item in self._heads}

    @cached_property
    def _parts(self) -> dict[str, tuple[DeviceName, ...]]:
        """Id -> its parsed names."""
        return {
            item: tuple(
                take_apart(str(name))
                for name in (item, head.get("name", item), *head.get("aliases", ()))
            )
            for item, head in self._heads.items()
        }

    @cached_property
    def _models(self) -> dict[str, list[str]]:
        """Plain model name -> its devices, GeForce also by number only."""
        models: dict[str, list[str]] = {}
        for item, parts in self._parts.items():
            names = {part.model for part in parts}
            if self._heads[item].get("kind") == "gpu-consumer":
                numbers = (re.fullmatch(r"[rg]tx(\d{3,4}\w*)", name) for name in names)
                names |= {number[1] for number in numbers if number}
            for name in names - {""}:
                models.setdefault(name, []).append(item)
        return models

    @cached_property
    def _suggestions(self) -> Suggestions:
        return Suggestions(self._ids)


def quote(name: str) -> str:
    """Quote a name in a message, truncated if long.

    >>> quote("a" * 300)[-6:]
    "aa...'"
    """
    return repr(name if len(name) <= SHOWN else name[:SHOWN] + "...")


def unknown(what: str, name: str, near: Iterable[str]) -> ValueError:
    """Build the error for an unknown name, with suggestions or where to find all names."""
    close = tuple(dict.fromkeys(near))[:4]
    if close:
        return refuse("unknown_name", what=what, name=quote(name), near=close)
    return refuse(f"unknown_{what}", name=quote(name))
