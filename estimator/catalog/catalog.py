"""Profile look-up by name that reads as few files as possible."""

import csv
import os
import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from estimator.catalog import csv_tables as rows
from estimator.catalog import toml_files as files
from estimator.catalog.lookups import LookUps
from estimator.catalog.name_index import NameIndex, unknown
from estimator.catalog.prior_tables import Priors
from estimator.catalog.profile_folders import further_directories, shipped_directory
from estimator.catalog.records import (
    Device,
    Place,
    Preset,
    Price,
    ProfileError,
    Record,
    Source,
    model_names,
    name_key,
    nearest,
    offer,
    place_key,
)
from estimator.catalog.schema import CALIBRATIONS, FACTOR_FIELDS, FOLDERS, PLACE_FIELDS
from estimator.catalog.suggestions import Suggestions

if TYPE_CHECKING:
    from estimator.catalog.api_prices import ApiPrice
    from estimator.catalog.claim_records import ClaimRecord
    from estimator.catalog.shared_runs import SharedRun

Found = TypeVar("Found")
Words = ParamSpec("Words")


@dataclass(frozen=True)
class Catalog:
    """All profiles; later directories override earlier ones. Files are read on first use.

    Parameters
    ----------
    layers : tuple of Path
        Directories laid out like ``profiles``. The first is built in; each further one adds
        devices, presets, prices and sites, or overrides single records by id.

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
        """Open the built-in profiles, those measured here, and the user's.

        The measured profiles override the built-in ones, TWENTY_WATTS_PROFILES overrides both, and
        `profiles_dir` overrides all.

        Parameters
        ----------
        profiles_dir : path, optional
            Directory read last, which overrides the others.

        Raises
        ------
        ProfileError
            If a directory cannot be read or contains an invalid profile.
        """
        extra = further_directories(profiles_dir)
        for directory in extra:
            files.look_at_directory(directory)
        return cls((shipped_directory(), *extra))

    @cached_property
    def data_version(self) -> str:
        """Seven digits that change with any number of the built-in profiles."""
        return files.digest(self.layers[0])

    def has_device(self, device_id: str) -> bool:
        """Return whether a device has exactly this id, without reading others."""
        return bool(self._hardware.files(device_id))

    def find_device(self, name: str) -> str | None:
        """Return the id of a device by id, alias or name, or None."""
        return self._hardware.look_up(name)

    def knows_preset(self, name: str) -> bool:
        """Return whether a workload or model has this name, without suggestions."""
        return self._find_preset(name) is not None

    def knows_place(self, name: str) -> bool:
        """Return whether a site has this name, without suggestions."""
        return place_key(name) in self._place_names

    def knows_source(self, source_id: str) -> bool:
        """Return whether a source has this id, measured runs included."""
        return source_id.startswith("run:") or source_id in self._sources

    def device(self, name: str) -> Device:
        """Return the device with this id, alias or name.

        Raises
        ------
        ValueError
            If no device has this name; the message suggests the closest.
        """
        try:
            return self._device(self._hardware.find(name))
        except ValueError:
            rented = self._rented_as(name)
            if len(rented) != 1:
                raise
            raise ValueError(
                f"hardware {name.strip()[:40]!r} is a cloud instance with {rented.pop()}; use "
                "that name and set the number of devices"
            ) from None

    def _rented_as(self, instance: str) -> set[str]:
        """Return the devices on record under the name of a cloud instance."""
        asked = instance.strip().casefold()
        return {
            row["device"]
            for _, _, row in self._price_rows
            if row.get("instance", "").partition(" (")[0].casefold() == asked != ""
        }

    def preset(self, name: str) -> Preset:
        """Return the workload or model with this id, alias, name or hub name.

        >>> catalog = Catalog.open()
        >>> {catalog.preset(name).id for name in ("qwen3 32b", "Qwen/Qwen3-32B", "me/Qwen3-32B")}
        {'qwen3-32b'}
        """
        found = self._find_preset(name)
        if found is None:
            near = self._preset_suggestions.nearest(name_key(model_names(name)[-1]), count=12)
            raise unknown("preset", name, [self._preset_ids[other] for other in near])
        return found

    def _find_preset(self, name: str) -> Preset | None:
        """Find a workload or model by its name, whoever is named as its publisher."""
        for form in model_names(name):
            workload = self._presets.look_up(form)
            if workload is not None:
                return self._preset(workload)
            if name_key(form) in self._model_names:
                return self._models[self._model_names[name_key(form)]]
        return None

    def place(self, name: str) -> Place:
        """Return a country, cloud region, operator or named site; errors as in `device`.

        The latest entry of an operator; `history` has all.
        """
        return self.history(name)[-1]

    def history(self, name: str) -> list[Place]:
        """Return the yearly entries of a site, oldest first."""
        key = place_key(name)
        if key in self._drafts:  # an id, which wins over every alias
            return self._entries(key)
        if key not in self._place_names:
            near = self._place_suggestions.nearest(key, count=12)
            raise unknown(
                "place", name, [self._place_label(self._place_names[index]) for index in near]
            )
        return self._entries(self._place_names[key])

    def _place_label(self, place_id: str) -> str:
        """Return a site's id, with the name for a country code."""
        place = self._entries(place_id)[-1]
        return f"{place_id} ({place.name})" if place.kind == "country" else place_id

    def devices(self) -> list[Device]:
        """Return all devices, by id."""
        return [self._device(device_id) for device_id in self.device_names()]

    def presets(self) -> list[Preset]:
        """Return all presets, by id."""
        files = self._presets.names()
        return [
            self._preset(preset_id) if preset_id in files else self._models[preset_id]
            for preset_id in self.preset_names()
        ]

    def places(self, kind: str | None = None) -> list[Place]:
        """Return the newest entry of all sites, or of one type."""
        newest = [self._entries(place_id)[-1] for place_id in self._drafts]
        return [place for place in newest if kind in (None, place.kind)]

    def device_names(self) -> dict[str, str]:
        """Return id -> name of all devices, without reading their numbers."""
        return self._hardware.names()

    def preset_names(self) -> dict[str, str]:
        """Return id -> name of all presets, without reading their numbers."""
        models = {item: model.name for item, model in self._models.items()}
        return dict(sorted((models | self._presets.names()).items()))

    def prices(self, name: str | None = None) -> list[Price]:
        """Return the prices of a device, or of all, newest first."""
        wanted = None if name is None else self._hardware.find(name)
        return self.once(f"prices {wanted}", lambda: self._read_prices(wanted))

    def _read_prices(self, wanted: str | None) -> list[Price]:
        prices: dict[tuple[str, ...], Price] = {}
        for path, line, row in self._price_rows:
            if wanted in (None, row.get("device")):
                price = rows.price_from_row(path, line, row, self._guard)
                offered = (price.device, price.provider, price.instance, price.kind)
                prices[*offered, price.date_from] = price
        return sorted(prices.values(), key=lambda price: price.date_to, reverse=True)

    def api_prices(self) -> "dict[str, ApiPrice]":
        """Return the list prices of public APIs by id."""
        from estimator.catalog.api_prices import FILE, read_api_prices

        paths = [layer / FILE for layer in self.layers]
        return self.once(
            "api prices",
            lambda: {
                price.id: price for path in paths for price in read_api_prices(path, self._guard)
            },
        )

    def api_price(self, name: str) -> "ApiPrice":
        """Return a list price by its id, or raise ValueError with the known ones."""
        known = self.api_prices()
        found = {name_key(one): one for one in known}.get(name_key(name))
        if found is None:
            raise ValueError(f"unknown API {name[:80]!r}: {offer(name.casefold(), known)}")
        return known[found]

    def source(self, source_id: str) -> Source:
        """Return a source by id, a measured run by ``run:ID``; ValueError if unknown."""
        if source_id.startswith("run:"):
            return _measured_run(source_id)
        if source_id not in self._sources:
            raise unknown("source", source_id, nearest(source_id, self._sources))
        return self._sources[source_id]

    def source_ids(self) -> list[str]:
        """Return the ids of all sources."""
        return list(self._sources)

    def sources(self) -> list[Source]:
        """Return all sources, by id."""
        return [self._sources[source_id] for source_id in sorted(self._sources)]

    def prior(self, key: str) -> Record:
        """Return a prior by its dotted key, such as ``power.host_factor.gpu-datacenter``."""
        try:
            return self._priors[key]
        except KeyError:
            raise unknown("prior", key, nearest(key, self._priors)) from None

    def priors(self) -> Mapping[str, Record]:
        """Return all priors by dotted key, parsed on access."""
        return self._priors

    def priors_under(self, prefix: str) -> dict[str, Record]:
        """Return the priors under a prefix ending with a dot, with the prefix removed."""
        return self._priors.under(prefix)

    def electricity_prices(self) -> dict[tuple[str, str], Record]:
        """Return all electricity prices by country or region and sector."""
        return dict(self._electricity)

    def electricity_factors(self) -> dict[tuple[str, str], Record]:
        """Return the electricity factors of `FACTOR_FIELDS` by country and factor."""
        return dict(self._electricity_factors)

    def published_runs(self) -> list[dict[str, str]]:
        """Return the built-in rows of ``runs/published_runs.csv``."""
        return self.table("runs/published_runs.csv")

    def table(self, name: str) -> list[dict[str, str]]:
        """Return the rows of a built-in table such as ``compression.csv``."""
        with (self.layers[0] / name).open(encoding="utf-8") as lines:
            return list(csv.DictReader(lines))

    def scaling(self) -> dict[str, Record]:
        """Return the coefficients of the scaling laws by dotted key, such as ``hoffmann.alpha``."""
        path = self.layers[0] / "scaling.toml"
        return self.once("scaling", lambda: files.read_priors(path, self._guard))

    def equivalents(self) -> dict[str, Record]:
        """Return the built-in everyday equivalents, such as ``car.co2e_kg_per_km``."""
        path = self.layers[0] / "equivalents.toml"
        return self.once("equivalents", lambda: files.read_priors(path, self._guard))

    def prompts(self) -> dict[str, Record]:
        """Return the built-in assumptions about chatbots, such as ``class.gpt.params``."""
        path = self.layers[0] / "prompts.toml"
        return self.once("prompts", lambda: files.read_priors(path, self._guard))

    def claims(self) -> "dict[str, ClaimRecord]":
        """Return the built-in claims by id."""
        from estimator.catalog.claim_records import read_claims

        path = self.layers[0] / "claims.toml"
        return self.once("claims", lambda: read_claims(path, self._guard))

    def calibrations(self) -> "tuple[SharedRun, ...]":
        """Return the measured runs of ``calibrations/*.toml`` of all layers, with their files.

        Raises
        ------
        ProfileError
            If one of the files is invalid.
        """
        from estimator.catalog.shared_runs import SharedRun, read_overlay

        return self.once(
            CALIBRATIONS,
            lambda: tuple(
                SharedRun(run=run, source=f"{CALIBRATIONS}/{path.name}")
                for path in self.calibration_files()
                for run in read_overlay(path, self.source_ids).runs
            ),
        )

    def may_be_calibrated(self, device_id: str) -> bool:
        """Return whether `calibrations` may have runs on a device.

        Built-in files that do not name it need no parsing; a user's files are always parsed and
        validated.
        """
        ours = self.once(
            f"texts of {CALIBRATIONS}",
            lambda: [
                files.read_text(path)
                for path in sorted((self.layers[0] / CALIBRATIONS).glob("*.toml"))
            ],
        )
        named = any(f'"{device_id}"' in text for text in ours)
        return named or len(self.calibration_files()) > len(ours)

    def calibration_files(self) -> list[Path]:
        """Return the files of measured runs, built-in ones first."""
        folders = [layer / CALIBRATIONS for layer in self.layers]
        return [path for folder in folders for path in sorted(folder.glob("*.toml"))]

    def once(self, name: str, work_out: Callable[[], Found]) -> Found:
        """Return a value derived from the profiles, computed once."""
        if name not in self._cache:
            self._cache[name] = work_out()
        return cast(Found, self._cache[name])

    def look_up(self, key: Hashable, find: Callable[[], Found]) -> Found:
        """Return a cached look-up; refusals are cached, too.

        Raises
        ------
        ValueError
            With the reason why the look-up was refused, now or earlier.
        """
        return self.once("look-ups of names", LookUps).find(key, find)

    @cached_property
    def _hardware(self) -> NameIndex:
        return self._index("hardware")

    @cached_property
    def _presets(self) -> NameIndex:
        return self._index("preset")

    @cached_property
    def _models(self) -> dict[str, Preset]:
        """Id -> model of the architecture tables; later tables override earlier ones."""
        from estimator.catalog.architectures import FILE, read_architectures

        models: dict[str, Preset] = {}
        for layer in self.layers:
            models |= read_architectures(layer / FILE)
        for model in models.values():
            for key, record in model.records.items():
                self._guard(self.layers[0] / FILE, key, record)
        return models

    @cached_property
    def _model_names(self) -> dict[str, str]:
        """Normalised model name -> id; the first model with a name has it."""
        from estimator.catalog.architectures import hub_names

        names: dict[str, str] = {}
        for item, model in self._models.items():
            for name in hub_names(model):
                names.setdefault(name, item)
        return names | {name_key(item): item for item in self._models}

    @cached_property
    def _preset_ids(self) -> dict[str, str]:
        """Suggestible name of a preset -> its id."""
        files = {name_key(item): item for item in self._presets.names()}
        return self._model_names | files

    @cached_property
    def _preset_suggestions(self) -> Suggestions:
        return Suggestions(self._preset_ids)

    def _index(self, what: str) -> NameIndex:
        return NameIndex(what, tuple(layer / FOLDERS[what] for layer in self.layers))

    @cached_property
    def _cache(self) -> dict[str, Any]:
        return {}

    def _device(self, device_id: str) -> Device:
        paths = self._hardware.files
        return self.once(
            f"device {device_id}",
            lambda: files.read_device(device_id, paths(device_id), self._guard),
        )

    def _preset(self, preset_id: str) -> Preset:
        paths = self._presets.files
        return self.once(
            f"preset {preset_id}",
            lambda: files.read_preset(preset_id, paths(preset_id), self._guard),
        )

    def _guard(self, path: Path, key: str, record: Record) -> None:
        """Refuse an unknown source in a user's file; `check` covers the built-in ones."""
        if str(path).startswith(str(self.layers[0])):
            return
        for source in (record.source, *record.sources):
            if source not in self._sources and not source.startswith("run:"):
                close = " or ".join(nearest(source, self._sources))
                raise ProfileError(
                    path,
                    f"{key}.source",
                    f"unknown source {source!r}",
                    f"add [{source}] to sources.toml in your directory of profiles"
                    + (f", or did you mean {close}?" if close else ""),
                )

    @cached_property
    def _sources(self) -> dict[str, Source]:
        sources: dict[str, Source] = {}
        for layer in self.layers:
            sources |= files.read_sources(layer / "sources.toml")
        return sources

    @cached_property
    def _priors(self) -> Priors:
        over: dict[str, Record] = {}
        for layer in self.layers[1:]:
            over |= files.read_priors(layer / "priors.toml", self._guard)
        return Priors(self.layers[0] / "priors.toml", over)

    @cached_property
    def _drafts(self) -> dict[str, list[rows.PlaceRow | Place]]:
        """Id -> rows or entries of a site; a later layer replaces all its years."""
        drafts: dict[str, list[rows.PlaceRow | Place]] = {}
        for layer in self.layers:
            read: dict[str, list[rows.PlaceRow | Place]] = {}
            for draft in rows.read_place_rows(layer):
                read.setdefault(draft.id, []).append(draft)
            for place in files.read_places(layer / "sites" / "places.toml", self._guard):
                read[place.id] = [place]
            drafts |= read
        return drafts

    def _entries(self, place_id: str) -> list[Place]:
        """Build the yearly entries of a site, oldest first."""
        return self.once(f"place {place_id}", lambda: self._built(place_id))

    def _built(self, place_id: str) -> list[Place]:
        built = [
            draft if isinstance(draft, Place) else rows.read_place(draft, self._guard)
            for draft in self._drafts[place_id]
        ]
        return sorted(built, key=lambda place: place.year or 0)

    @cached_property
    def _place_names(self) -> dict[str, str]:
        """Normalised name of a site -> id; an id wins over an alias."""
        names: dict[str, str] = {}
        for place_id, drafts in self._drafts.items():
            last = drafts[-1]
            known = (*last.aliases, last.name) if isinstance(last, Place) else last.names
            for name in known:
                names.setdefault(place_key(name), place_id)
        return names | {place_id: place_id for place_id in self._drafts}

    @cached_property
    def _place_suggestions(self) -> Suggestions:
        return Suggestions(self._place_names)

    @cached_property
    def _price_rows(self) -> list[tuple[Path, int, rows.Row]]:
        paths = [layer / "prices.csv" for layer in self.layers]
        return [(path, *row) for path in paths if path.is_file() for row in rows.read_rows(path)]

    @cached_property
    def _electricity(self) -> dict[tuple[str, str], Record]:
        column = "price_usd_per_kwh"
        return {
            (place_key(row["iso2_or_region"]), row["sector"]): record
            for row, record in self._factors("electricity_prices.csv", column, lambda _: column)
        }

    @cached_property
    def _electricity_factors(self) -> dict[tuple[str, str], Record]:
        name, factor = "electricity_factors.csv", "factor"
        return {
            (place_key(row["iso2"]), row[factor]): record
            for row, record in self._factors(name, "value", lambda row: row[factor])
        }

    def _factors(
        self, name: str, column: str, field_of: Callable[[rows.Row], str]
    ) -> Iterator[tuple[rows.Row, Record]]:
        """Yield each row of an electricity table, in every layer, with its record."""
        fields = {**PLACE_FIELDS, **FACTOR_FIELDS}
        for path in (layer / "sites" / name for layer in self.layers):
            for line, row in rows.read_rows(path) if path.is_file() else ():
                key = field_of(row)
                if key not in fields:
                    known = tuple(FACTOR_FIELDS)
                    raise files.unknown(path, f"line {line}, {key}", "unknown factor", known)
                record = rows.record_from_row(path, line, row, column, fields[key])
                self._guard(path, f"line {line}, {column}", record)
                yield row, record


def once(work_out: Callable[Words, Found]) -> Callable[Words, Found]:
    """Decorate a catalog function to compute each result once."""

    @wraps(work_out)
    def remembered(*words: Words.args, **named: Words.kwargs) -> Found:
        catalog = next(one for one in words if isinstance(one, Catalog))
        others = [getattr(one, "id", one) for one in words if one is not catalog]
        name = f"{work_out.__module__}.{work_out.__qualname__} {others} {named}"
        return catalog.once(name, lambda: work_out(*words, **named))

    return remembered


def _measured_run(source_id: str) -> Source:
    """Describe a measured run as a source; store ids begin with the date."""
    name = source_id.removeprefix("run:")
    dated = re.match(r"(\d{4})(\d{2})(\d{2})T", name)
    return Source(
        id=source_id,
        title=f"measured run {name}",
        publisher="own measurement",
        date="-".join(dated.groups()) if dated else "n.d.",
        licence="of whoever measured",
        url=None,
        note=None,
    )
