"""Which files of devices or presets answer to a name, read as little as the question needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from estimator.catalog import files
from estimator.catalog.records import name_key, nearest, place_key

SEE = {
    "hardware": "`profiles list` shows all",
    "preset": "`profiles list` shows all",
    "place": "a country code, a cloud region, an operator or a named place will do",
    "prior": "they stand in priors.toml",
    "source": "they stand in sources.toml",
}


@dataclass(frozen=True)
class Shelf:
    """The folders of one sort of profile, one file an item and folder.

    Parameters
    ----------
    what : str
        Whose folders they are, for people: "hardware" or "preset".
    folders : tuple of Path
        The later over the earlier.
    """

    what: str
    folders: tuple[Path, ...]

    def find(self, name: str) -> str:
        """Return the id a name stands for; ValueError with the nearest names if for none."""
        found = self.look_up(name)
        if found is None:
            raise unknown(self.what, name, name_key(name), self._ids)
        return found

    def look_up(self, name: str) -> str | None:
        """Return the id a name stands for: a file of that name, else one that holds the alias."""
        slug, key = place_key(name), name_key(name)
        if (slug, key) not in self._known:
            found = self._named(slug, key)
            if found is None:
                return None
            self._known[slug, key] = found
        return self._known[slug, key]

    def files(self, item: str) -> list[Path]:
        """Return the files of one item, ours first."""
        paths = [folder / f"{item}.toml" for folder in self.folders]
        return [path for path in paths if path.is_file()]

    def names(self) -> dict[str, str]:
        """Return id -> name of all items, without reading their numbers."""
        return {item: str(self._heads[item].get("name", item)) for item in sorted(self._heads)}

    def _named(self, slug: str, key: str) -> str | None:
        if slug and "/" not in slug and self.files(slug):
            return slug
        for item, head in self._heads_with(f'"{key}"').items():
            if key in {name_key(str(other)) for other in (head.get("name"), *head["aliases"])}:
                return item
        return self._ids.get(key)

    def _heads_with(self, text: str) -> dict[str, dict[str, Any]]:
        """Parse the heads that hold a text once names are stripped: few, so a look-up is quick."""
        return {
            path.stem: {"aliases": (), **files.read_head(path)}
            for path, head in self._stripped_heads
            if text in head
        }

    @cached_property
    def _known(self) -> dict[tuple[str, str], str]:
        return {}

    @cached_property
    def _all_files(self) -> list[Path]:
        return [path for folder in self.folders for path in sorted(folder.glob("*.toml"))]

    @cached_property
    def _stripped_heads(self) -> list[tuple[Path, str]]:
        """Every file with its head, read once and stripped like a name."""
        return [
            (path, name_key(files.read_text(path).partition("\n[")[0])) for path in self._all_files
        ]

    @cached_property
    def _heads(self) -> dict[str, dict[str, Any]]:
        """Map id -> the keys that stand before the first table of its files."""
        known: dict[str, dict[str, Any]] = {}
        for path in self._all_files:
            known.setdefault(path.stem, {}).update(files.read_head(path))
        return known

    @cached_property
    def _ids(self) -> dict[str, str]:
        """Map every alias, name and id, stripped -> id; an id wins over an alias."""
        names: dict[str, str] = {}
        for item, head in self._heads.items():
            names |= {name_key(str(name)): item for name in head.get("aliases", ())}
            names[name_key(str(head.get("name", item)))] = item
        return names | {name_key(item): item for item in self._heads}


def unknown(shelf: str, name: str, key: str, names: Mapping[str, str]) -> ValueError:
    """Say what is unknown, what is nearest, and where all are."""
    close = list(dict.fromkeys(names[other] for other in nearest(key, names, count=12)))[:4]
    proposal = f"did you mean {', '.join(close)}? " if close else ""
    return ValueError(f"unknown {shelf} {name!r}: {proposal}{SEE[shelf]}")
