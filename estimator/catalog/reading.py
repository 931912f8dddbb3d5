"""Which number answers to this name: profiles read from disk, as few files as a question needs."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from estimator.catalog import files, rows
from estimator.catalog.records import (
    Device,
    Place,
    Preset,
    Price,
    Problem,
    ProfileError,
    Record,
    Source,
    name_key,
    nearest,
    place_key,
)
from estimator.catalog.schema import FOLDERS, PLACE_FIELDS

ENVIRONMENT = "TWENTY_WATTS_PROFILES"
SEE = {
    "hardware": "`profiles list` shows all",
    "preset": "`profiles list` shows all",
    "place": "a country code, a cloud region, an operator or a named place will do",
    "prior": "they stand in priors.toml",
    "source": "they stand in sources.toml",
}


def shipped_directory() -> Path:
    """Return the profiles that came with the package: inside it, or at the repository root."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "profiles"
    return inside if inside.is_dir() else package.parent / "profiles"


@dataclass(frozen=True)
class Catalog:
    """Every profile, the later directories over the earlier ones. Nothing is read before asked.

    Parameters
    ----------
    layers : tuple of Path
        Directories laid out like ``profiles``. The first is ours; each further one adds devices,
        presets, prices and places to it, or overrides single records of them, by id.

    Examples
    --------
    >>> catalog = Catalog.open()
    >>> catalog.device("V100").peaks["fp16"].value
    125000000000000.0
    >>> catalog.place("fr").records["co2e_kg_per_kwh"].unit
    'kgCO2e/kWh'
    """

    layers: tuple[Path, ...]

    @classmethod
    def open(cls, profiles_dir: str | os.PathLike[str] | None = None) -> "Catalog":
        """Open our profiles, those that TWENTY_WATTS_PROFILES names, and a directory of one's own.

        Parameters
        ----------
        profiles_dir : path, optional
            Read last, so it wins.

        Raises
        ------
        ProfileError
            If a directory cannot be read or holds something that is no profile.
        """
        named = [part for part in os.environ.get(ENVIRONMENT, "").split(os.pathsep) if part]
        if profiles_dir is not None:
            named.append(os.fspath(profiles_dir))
        extra = tuple(Path(part) for part in named)
        for directory in extra:
            files.look_at_directory(directory)
        return cls((shipped_directory(), *extra))

    def device(self, name: str) -> Device:
        """Return the device of this id, alias or name.

        Raises
        ------
        ValueError
            If no device answers to the name; the message offers the nearest.
        """
        return self._device(self._find("hardware", name))

    def preset(self, name: str) -> Preset:
        """Return the preset of this id, alias or name; ValueError as in `device`."""
        return self._preset(self._find("preset", name))

    def place(self, name: str) -> Place:
        """Return the country, cloud region, operator or named place; ValueError as in `device`.

        Of an operator with several years the latest is returned; `history` has them all.
        """
        return self.history(name)[-1]

    def history(self, name: str) -> list[Place]:
        """Return a place year by year, oldest first."""
        key = place_key(name)
        if key not in self._place_names:
            raise _unknown("place", name, key, self._place_names)
        return self._places[self._place_names[key]]

    def devices(self) -> list[Device]:
        """Return all devices, by id."""
        return [self._device(device_id) for device_id in self.device_names()]

    def presets(self) -> list[Preset]:
        """Return all presets, by id."""
        return [self._preset(preset_id) for preset_id in self.preset_names()]

    def places(self, kind: str | None = None) -> list[Place]:
        """Return the newest entry of all places, or of those of one kind."""
        newest = [entries[-1] for entries in self._places.values()]
        return [place for place in newest if kind in (None, place.kind)]

    def device_names(self) -> dict[str, str]:
        """Return id -> name of all devices, without reading their numbers."""
        heads = self._heads["hardware"]
        return {item: str(heads[item].get("name", item)) for item in sorted(heads)}

    def preset_names(self) -> dict[str, str]:
        """Return id -> name of all presets, without reading their numbers."""
        heads = self._heads["preset"]
        return {item: str(heads[item].get("name", item)) for item in sorted(heads)}

    def prices(self, name: str | None = None) -> list[Price]:
        """Return the prices of a device, or of all, newest first."""
        wanted = None if name is None else self._find("hardware", name)
        return [price for price in self._prices if wanted in (None, price.device)]

    def source(self, source_id: str) -> Source:
        """Return a source by its id; ValueError if there is none."""
        if source_id not in self._sources:
            raise _unknown("source", source_id, source_id, {one: one for one in self._sources})
        return self._sources[source_id]

    def sources(self) -> list[Source]:
        """Return all sources, by id."""
        return [self._sources[source_id] for source_id in sorted(self._sources)]

    def prior(self, key: str) -> Record:
        """Return a prior by its dotted key, such as ``power.host_factor.gpu-datacenter``."""
        if key not in self._priors:
            raise _unknown("prior", key, key, {known: known for known in self._priors})
        return self._priors[key]

    def priors(self) -> dict[str, Record]:
        """Return all priors by dotted key."""
        return dict(self._priors)

    def electricity_price(self, where: str, sector: str = "business") -> Record:
        """Return what a kWh costs in a country or region.

        Parameters
        ----------
        where : str
            A country by code or name, or a region of ``electricity_prices.csv`` (world, europe,
            asia). A country without a price of its own is refused, not replaced by its region.
        sector : str
            household, business or industry.

        Returns
        -------
        Record
            With its year as ``date``. [USD/kWh]
        """
        key = place_key(where)
        key = self._place_names.get(key, key)
        if (key, sector) in self._electricity:
            return self._electricity[key, sector]
        sectors = [other for place, other in self._electricity if place == key]
        if sectors:
            raise ValueError(f"no {sector} price for {where!r}: known are {', '.join(sectors)}")
        known = ", ".join(sorted({place for place, _ in self._electricity}))
        raise ValueError(f"no electricity price for {where!r}: known are {known}")

    def electricity_prices(self) -> dict[tuple[str, str], Record]:
        """Return all electricity prices by place and sector."""
        return dict(self._electricity)

    def check(self) -> list[Problem]:
        """Visit every number of every layer and list what is wrong with it."""
        from estimator.catalog.checking import problems

        return problems(self)

    def _find(self, shelf: str, name: str) -> str:
        """Return the id a name stands for: a file of that name, else the heads of all files."""
        slug = place_key(name)
        if slug and "/" not in slug and self._files(shelf, slug):
            return slug
        key, names = name_key(name), self._names[shelf]
        if key not in names:
            raise _unknown(shelf, name, key, names)
        return names[key]

    def _files(self, shelf: str, item: str) -> list[Path]:
        """Return the files of one device or preset, ours first."""
        paths = [layer / FOLDERS[shelf] / f"{item}.toml" for layer in self.layers]
        return [path for path in paths if path.is_file()]

    @cached_property
    def _cache(self) -> dict[str, Any]:
        return {}

    def _device(self, device_id: str) -> Device:
        key = f"hardware/{device_id}"
        if key not in self._cache:
            paths = self._files("hardware", device_id)
            self._cache[key] = files.read_device(device_id, paths, self._guard)
        device: Device = self._cache[key]
        return device

    def _preset(self, preset_id: str) -> Preset:
        key = f"preset/{preset_id}"
        if key not in self._cache:
            paths = self._files("preset", preset_id)
            self._cache[key] = files.read_preset(preset_id, paths, self._guard)
        preset: Preset = self._cache[key]
        return preset

    def _guard(self, path: Path, key: str, record: Record) -> None:
        """Refuse an unknown source in a user's file; ours are visited by `check`."""
        if path.is_relative_to(self.layers[0]):
            return
        for source in (record.source, *record.sources):
            if source not in self._sources and not source.startswith("run:"):
                close = " or ".join(nearest(source, self._sources))
                raise ProfileError(
                    file=str(path),
                    key=f"{key}.source",
                    message=f"unknown source {source!r}",
                    remedy=f"add [{source}] to {path.parent.name}/../sources.toml"
                    + (f", or did you mean {close}?" if close else ""),
                )

    @cached_property
    def _heads(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Read shelf -> id -> the keys that stand before the first table of its files."""
        heads: dict[str, dict[str, dict[str, Any]]] = {}
        for shelf, folder in FOLDERS.items():
            known = heads.setdefault(shelf, {})
            for layer in self.layers:
                for path in (layer / folder).glob("*.toml"):
                    known.setdefault(path.stem, {}).update(files.read_head(path))
        return heads

    @cached_property
    def _names(self) -> dict[str, dict[str, str]]:
        """Map shelf -> every alias, name and id, stripped -> id; an id wins over an alias."""
        tables: dict[str, dict[str, str]] = {}
        for shelf, heads in self._heads.items():
            names = tables.setdefault(shelf, {})
            for item, head in heads.items():
                names |= {name_key(str(name)): item for name in head.get("aliases", ())}
                names[name_key(str(head.get("name", item)))] = item
            names |= {name_key(item): item for item in heads}
        return tables

    @cached_property
    def _sources(self) -> dict[str, Source]:
        sources: dict[str, Source] = {}
        for layer in self.layers:
            sources |= files.read_sources(layer / "sources.toml")
        return sources

    @cached_property
    def _priors(self) -> dict[str, Record]:
        priors: dict[str, Record] = {}
        for layer in self.layers:
            priors |= files.read_priors(layer / "priors.toml", self._guard)
        return priors

    @cached_property
    def _places(self) -> dict[str, list[Place]]:
        """Read id -> entries by year; a later layer replaces a place with all its years."""
        places: dict[str, list[Place]] = {}
        for layer in self.layers:
            read: dict[str, list[Place]] = {}
            for place in rows.read_layer(layer, self._guard):
                read.setdefault(place.id, []).append(place)
            places |= read
        return {
            place_id: sorted(entries, key=lambda place: place.year or 0)
            for place_id, entries in places.items()
        }

    @cached_property
    def _place_names(self) -> dict[str, str]:
        """Map every alias, name and id, stripped -> id; an id wins over an alias."""
        names: dict[str, str] = {}
        for place_id, entries in self._places.items():
            for name in (*entries[-1].aliases, entries[-1].name):
                names.setdefault(place_key(name), place_id)
        return names | {place_id: place_id for place_id in self._places}

    @cached_property
    def _prices(self) -> list[Price]:
        prices: dict[tuple[str, ...], Price] = {}
        for path in (layer / "prices.csv" for layer in self.layers):
            for line, row in rows.read_rows(path) if path.is_file() else ():
                price = rows.price_from_row(path, line, row, self._guard)
                offered = (price.device, price.provider, price.instance, price.kind)
                prices[*offered, price.date_from] = price
        return sorted(prices.values(), key=lambda price: price.date_to, reverse=True)

    @cached_property
    def _electricity(self) -> dict[tuple[str, str], Record]:
        known: dict[tuple[str, str], Record] = {}
        column = "price_usd_per_kwh"
        for path in (layer / "sites" / "electricity_prices.csv" for layer in self.layers):
            for line, row in rows.read_rows(path) if path.is_file() else ():
                record = rows.record_from_row(path, line, row, column, PLACE_FIELDS[column])
                self._guard(path, f"line {line}, {column}", record)
                known[place_key(row["iso2_or_region"]), row["sector"]] = record
        return known


def _unknown(shelf: str, name: str, key: str, names: Mapping[str, str]) -> ValueError:
    """Say what is unknown, what is nearest, and where all are."""
    close = list(dict.fromkeys(names[other] for other in nearest(key, names, count=12)))[:4]
    proposal = f"did you mean {', '.join(close)}? " if close else ""
    return ValueError(f"unknown {shelf} {name!r}: {proposal}{SEE[shelf]}")
