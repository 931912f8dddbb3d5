"""Validation of every number in the profiles, for `profiles check` and the tests."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from estimator.catalog import csv_tables as rows
from estimator.catalog import toml_files as files
from estimator.catalog.api_prices import api_price_problems
from estimator.catalog.architectures import FILE as ARCHITECTURES
from estimator.catalog.architectures import SOURCE as ARCHITECTURE_SOURCE
from estimator.catalog.architectures import read_architectures
from estimator.catalog.calibration_checks import calibration_problems
from estimator.catalog.catalog import Catalog
from estimator.catalog.claim_records import claim_problems
from estimator.catalog.records import (
    Device,
    Place,
    Preset,
    Price,
    Problem,
    ProfileError,
    Record,
    date_problems,
    is_past,
    name_key,
    offer,
    place_key,
    unknown_word,
)
from estimator.catalog.schema import CALIBRATIONS, FOLDERS, PLACE_FILES, PRECISIONS
from estimator.catalog.serving_checks import serving_problems
from estimator.catalog.shared_runs import read_overlay
from estimator.catalog.table_checks import TABLES, table_problems
from estimator.networks.huggingface import model_ledger

# Dense 16-bit FLOP/s per watt that no chip of the year or before exceeds. A sparse figure is twice
# the dense one and lies above: an H100 has 1.4e12 (SXM) to 2.2e12 (PCIe), with sparsity 2.8e12.
CEILING_FLOP_PER_S_PER_W = {2016: 1.2e11, 2019: 1e12, 2021: 1.6e12, 2023: 2.3e12, 9999: 3e12}
FLOOR_FLOP_PER_S_PER_W = 5e9
CHIPS = ("gpu-datacenter", "gpu-consumer", "gpu-workstation", "superchip", "tpu", "asic")
REGIONS = ("europe", "north-america", "south-america", "asia", "africa", "oceania", "eu", "world")
CONFIG_TOLERANCE = 0.05
"""Relative tolerance of parameter counts [1], as papers round them and may exclude embeddings."""


def problems(catalog: Catalog) -> list[Problem]:
    """Validate every number of every layer of a catalog.

    No problems means: files parse, keys and units are known, values are finite, plausible and in
    range, sources exist and are used, dates are past, and names are unique. A broken file yields
    its first fault, a table each bad row.
    """
    unreadable = [*_directory_problems(catalog), *_file_problems(catalog)]
    if unreadable:
        return unreadable
    return [
        *_source_problems(catalog),
        *_name_problems(catalog),
        *(problem for device in catalog.devices() for problem in _device_problems(device)),
        *_silicon_problems(catalog.devices()),
        *(problem for preset in catalog.presets() for problem in _preset_problems(catalog, preset)),
        *(problem for price in catalog.prices() for problem in _price_problems(catalog, price)),
        *api_price_problems(
            catalog.api_prices(), catalog.preset_names(), set(catalog.source_ids())
        ),
        *(problem for place in catalog.places() for problem in _place_problems(catalog, place)),
        *_electricity_problems(catalog),
        *table_problems(catalog),
        *serving_problems(catalog),
        *claim_problems(catalog.claims(), set(catalog.source_ids())),
        *calibration_problems(catalog),
    ]


def sound(catalog: Catalog) -> Catalog:
    """Return the catalog if all user files are valid.

    Raises
    ------
    ProfileError
        With the first problem, whether or not the number would be used.
    """
    if len(catalog.layers) > 1:
        for problem in own_problems(catalog):
            raise ProfileError(**vars(problem))
    return catalog


def own_problems(catalog: Catalog) -> Iterator[Problem]:
    """Validate the user's own directories: files, rows, priors and names.

    The built-in ones are assumed valid, so this is fast enough to run at every start.
    """
    ours, mine = catalog.layers[0], catalog.layers[1:]
    yield from _directory_problems(Catalog(mine))
    for layer in mine:
        for path in sorted((layer / FOLDERS["hardware"]).glob("*.toml")):
            yield from _tried(partial(catalog.device, path.stem))
        for path in sorted((layer / FOLDERS["preset"]).glob("*.toml")):
            yield from _tried(partial(catalog.preset, path.stem))
        yield from _table_row_problems(layer)
        for path in sorted((layer / CALIBRATIONS).glob("*.toml")):
            yield from _tried(partial(read_overlay, path, catalog.source_ids))
    for read in (catalog.priors, catalog.api_prices):
        yield from _tried(read)
    known = Catalog((ours,)).priors()
    for key in files.prior_keys([layer / "priors.toml" for layer in mine]):
        if key not in known:
            yield Problem("priors.toml", key, "unknown prior", offer(key, sorted(known)))
    yield from _clashes(Catalog((ours,)), catalog, mine)


def _clashes(ours: Catalog, both: Catalog, mine: tuple[Path, ...]) -> Iterator[Problem]:
    """Find names of a user's devices that already mean a different built-in one."""
    for layer in mine:
        for path in sorted((layer / FOLDERS["hardware"]).glob("*.toml")):
            if _tried(partial(both.device, path.stem)):
                continue
            device = both.device(path.stem)
            for name in (device.name, *device.aliases):
                taken = ours.find_device(name)
                if taken not in (None, device.id):
                    message = f"{name!r} already means {taken}"
                    remedy = "remove it, or override that device by its id"
                    yield Problem(str(path), "aliases", message, remedy)


def _directory_problems(catalog: Catalog) -> Iterator[Problem]:
    """Find unread files and folders, and ids that are not file names."""
    for layer in catalog.layers:
        yield from _tried(partial(files.look_at_directory, layer))
        for folder in (*FOLDERS.values(), CALIBRATIONS):
            for path in sorted((layer / folder).glob("*")):
                if not re.fullmatch(r"[a-z0-9]+([.-][a-z0-9]+)*\.toml", path.name):
                    remedy = "use lowercase letters, digits, dots and dashes, ending in .toml"
                    yield Problem(str(path), "file", "odd name", remedy)


def _file_problems(catalog: Catalog) -> Iterator[Problem]:
    """Read every file of every layer; names are checked only if all headers are readable."""
    heads = [
        problem
        for layer in catalog.layers
        for folder in FOLDERS.values()
        for path in sorted((layer / folder).glob("*.toml"))
        for problem in _tried(partial(files.read_head, path))
    ]
    heads += [problem for layer in catalog.layers for problem in _table_row_problems(layer)]
    yield from heads
    yield from _tried(catalog.sources)
    if not heads:
        for path in catalog.calibration_files():
            yield from _tried(partial(read_overlay, path, catalog.source_ids))
        for read in (
            *(catalog.priors, catalog.places, catalog.electricity_prices),
            *(catalog.claims, catalog.scaling, catalog.api_prices),
            *(catalog.equivalents, catalog.prompts, catalog.electricity_factors),
        ):
            yield from _tried(read)
        for name in catalog.device_names():
            yield from _tried(partial(catalog.device, name))
        for name in catalog.preset_names():
            yield from _tried(partial(catalog.preset, name))


def _table_row_problems(layer: Path) -> Iterator[Problem]:
    """Read the architectures, sites and prices of a directory."""
    yield from _tried(partial(read_architectures, layer / ARCHITECTURES))
    for kind, name in PLACE_FILES.items():
        yield from _row_problems(layer / name, partial(_read_place, kind))
    yield from _row_problems(layer / "prices.csv", rows.price_from_row)


def _read_place(kind: str, path: Path, line: int, row: rows.Row, guard: files.Guard) -> Place:
    return rows.read_place(rows.PlaceRow(kind=kind, path=path, line=line, row=row), guard)


def _row_problems(
    path: Path, read: Callable[[Path, int, rows.Row, files.Guard], object]
) -> Iterator[Problem]:
    """Read every row of a table separately."""
    try:
        for line, row in rows.each_row(path, files.read_text(path)) if path.is_file() else ():
            yield from _tried(partial(read, path, line, row, _no_guard))
    except ProfileError as error:
        yield error.problem


def _no_guard(_path: Path, _key: str, _record: Record) -> None:
    """Accept any source; `_source_problems` checks them all."""


def _tried(action: Callable[[], object]) -> list[Problem]:
    """Run an action, and convert a refusal to a problem."""
    try:
        action()
    except ProfileError as error:
        return [error.problem]
    return []


def every_record(catalog: Catalog) -> Iterator[tuple[str, str, Record]]:
    """Yield file, key and record of every number except prices.

    >>> catalog = Catalog.open()
    >>> sum(1 for _ in every_record(catalog)) > 1500
    True
    """
    for device in catalog.devices():
        peaks = {f"peak_flop_per_s.{key}": record for key, record in device.peaks.items()}
        yield from _file_records(f"hardware/{device.id}.toml", "", {**peaks, **device.records})
    for preset in catalog.presets():
        reported = {f"as_run.{key}": record for key, record in preset.as_run.items()}
        listed = _preset_file(preset)
        prefix = f"{preset.id}." if listed == ARCHITECTURES else ""
        yield from _file_records(listed, prefix, {**preset.records, **reported})
    for newest in catalog.places():
        for place in catalog.history(newest.id):
            file = PLACE_FILES.get(place.kind, "sites/places.toml")
            yield from _file_records(file, f"{place.id} ", place.records)
    yield from _file_records("priors.toml", "", catalog.priors())
    yield from _file_records("scaling.toml", "", catalog.scaling())
    yield from _file_records("equivalents.toml", "", catalog.equivalents())
    yield from _file_records("prompts.toml", "", catalog.prompts())
    for claim in catalog.claims().values():
        facts = {f"facts.{key}": fact for key, fact in claim.facts.items()}
        yield from _file_records("claims.toml", f"{claim.id}.", {"claimed": claim.claimed, **facts})
    for (where, sector), record in catalog.electricity_prices().items():
        yield "sites/electricity_prices.csv", f"{where} {sector}", record
    for (where, factor), record in catalog.electricity_factors().items():
        yield "sites/electricity_factors.csv", f"{where} {factor}", record


def _file_records(
    file: str, prefix: str, records: Mapping[str, Record]
) -> Iterator[tuple[str, str, Record]]:
    for key, record in records.items():
        yield file, f"{prefix}{key}", record


def _config_problems(file: str, preset: Preset, sources: set[str]) -> Iterator[Problem]:
    """Compare a preset's counted size with its size on record."""
    source = str(preset.config.get("source", ""))
    yield from unknown_word(file, "config.source", "source", source, sources)
    try:
        params = model_ledger(preset.config).params_total
    except ValueError as error:
        yield Problem(file, "config", str(error), "correct the architecture")
        return
    if "params" in preset.records:
        stated = preset.records["params"].value
        if abs(params / stated - 1) > CONFIG_TOLERANCE:
            message = f"the architecture has {params:,} parameters, the record states {stated:,.0f}"
            yield Problem(file, "config", message, "correct one of them")


def _source_problems(catalog: Catalog) -> Iterator[Problem]:
    """Compare the sources used with those described, both ways."""
    known = set(catalog.source_ids())
    used: set[str] = set()
    for file, key, record in every_record(catalog):
        for name in (record.source, *record.sources):
            used.add(name)
            if not name.startswith("run:"):
                yield from unknown_word(file, f"{key}.source", "source", name, known)
        if record.date is not None and not is_past(record.date):
            message, remedy = f"{record.date} is in the future", "write the date of the source"
            yield Problem(file, f"{key}.date", message, remedy)
        if (record.source == "unconfirmed") > (record.basis == "assumed"):
            message = f"unconfirmed, yet the basis is {record.basis}"
            yield Problem(file, key, message, 'write basis = "assumed"')
    used |= {price.source for price in catalog.prices()}
    used |= {price.source for price in catalog.api_prices().values()}
    used |= {row["source"] for table in TABLES for row in catalog.table(table)}
    used |= {
        name for claim in catalog.claims().values() for name in claim.claimed_by + claim.sources
    }
    for source in catalog.sources():
        if source.id not in used:
            yield Problem("sources.toml", source.id, "unused", "cite it in a record, or remove it")
        form = "2020, 2020-05 or 2020-05-14"
        yield from date_problems("sources.toml", source.id, source.date, form)


def _name_problems(catalog: Catalog) -> Iterator[Problem]:
    """Find names with two meanings."""
    names_used: dict[str, Counter[str]] = {"hardware": Counter(), "workloads": Counter()}
    for device in catalog.devices():
        names = (device.id, device.name, *device.aliases)
        names_used["hardware"].update({name_key(name) for name in names})
    for preset in catalog.presets():
        names = (preset.id, preset.name, *preset.aliases)
        names_used["workloads"].update({name_key(name) for name in names})
    names_used["sites"] = Counter()
    for place in catalog.places():
        names = (place.id, place.name, *place.aliases)
        names_used["sites"].update({place_key(name) for name in names})
    for folder, counts in names_used.items():
        for name, count in counts.items():
            if count > 1:
                message, remedy = f"{name!r} refers to {count} things", "remove it from all but one"
                yield Problem(folder, "aliases", message, remedy)


def _device_problems(device: Device) -> Iterator[Problem]:
    """Check the numbers of a device against each other."""

    def problem(key: str, message: str, remedy: str) -> Problem:
        file = f"hardware/{device.id}.toml"
        return Problem(file, key, message, remedy)

    if device.released:
        file = f"hardware/{device.id}.toml"
        yield from date_problems(file, "released", device.released, "2020 or 2020-05-14")
    watts = {key: record.value for key, record in device.records.items() if record.unit == "W"}
    if watts.get("idle_w", 0) > watts.get("tdp_w", float("inf")):
        yield problem("idle_w", "above tdp_w", "exchange them")
    if (
        "tdp_w" in watts
        and not 0.3 <= watts.get("system_power_w", watts["tdp_w"]) / watts["tdp_w"] <= 3
    ):
        yield problem(
            "system_power_w", "not within 0.3 to 3 times tdp_w", "use the value per device"
        )
    if device.kind in CHIPS and "tdp_w" in watts:
        yield from _efficiency_problems(device, watts["tdp_w"], problem)


def _silicon_problems(devices: Iterable[Device]) -> Iterator[Problem]:
    """Find variants of one chip that do not reference each other, or differ in peak."""
    known = {device.id: device for device in devices}
    for device in known.values():
        file = f"hardware/{device.id}.toml"
        for name in device.same_silicon:
            other = known.get(name)
            if other is None or {*other.variants} != {*device.variants}:
                message, remedy = (
                    f"{name} does not name the same devices",
                    "name the same devices in all files",
                )
                yield Problem(file, "same_silicon", message, remedy)
            elif _peaks(other) != _peaks(device):
                message, remedy = f"{name} has other peaks", "remove it, or correct the peaks"
                yield Problem(file, "same_silicon", message, remedy)


def _peaks(device: Device) -> dict[str, float]:
    return {name: record.value for name, record in device.peaks.items()}


def _efficiency_problems(
    device: Device, tdp_w: float, problem: Callable[[str, str, str], Problem]
) -> Iterator[Problem]:
    """Find sparsity peaks and power-of-ten errors from the peak per watt."""
    year = int(device.released[:4]) if device.released else 9999
    ceiling = next(top for last, top in CEILING_FLOP_PER_S_PER_W.items() if year <= last)
    for precision in ("tf32", "fp16", "bf16"):
        if precision in device.peaks and device.peaks[precision].value > ceiling * tdp_w:
            message = f"{device.peaks[precision].value / tdp_w:.2g} FLOP/s/W, above {ceiling:.2g}"
            yield problem(f"peak_flop_per_s.{precision}", message, "use the dense peak")
    values = {key: record.value for key, record in device.peaks.items() if key != "equivalent"}
    best = max((values.get(key, 0) for key in ("fp32", "fp16", "bf16")), default=0)
    if values and max(values.values()) < FLOOR_FLOP_PER_S_PER_W * tdp_w:
        yield problem("tdp_w", "less than 5e9 FLOP/s per W", "check W and FLOP/s")
    for precision, most in (("fp8", 4.4), ("int8", 4.1), ("fp4", 8.8)):  # Rubin: 4.38, 8.75
        if best and values.get(precision, 0) > most * best:
            message = f"more than {most} times the 16-bit peak"
            yield problem(f"peak_flop_per_s.{precision}", message, "use the dense peak")


def _preset_file(preset: Preset) -> str:
    listed = preset.config.get("source") == ARCHITECTURE_SOURCE
    return ARCHITECTURES if listed else f"workloads/{preset.id}.toml"


def _preset_problems(catalog: Catalog, preset: Preset) -> Iterator[Problem]:
    """Check a preset against the devices and itself."""
    file = _preset_file(preset)
    devices = catalog.device_names()
    yield from unknown_word(file, "as_run.hardware", "device", preset.hardware, devices)
    yield from unknown_word(file, "as_run.precision", "precision", preset.precision, PRECISIONS)
    if preset.config:
        yield from _config_problems(file, preset, set(catalog.source_ids()))
    values = {key: record.value for key, record in preset.records.items()}
    if values.get("active_params", 0) > values.get("params", float("inf")):
        yield Problem(file, "active_params", "more than params", "exchange them")


def _price_problems(catalog: Catalog, price: Price) -> Iterator[Problem]:
    """Check a price against the devices, the sources and the calendar."""
    key = f"{price.device} {price.provider} {price.instance}"
    yield from unknown_word("prices.csv", key, "device", price.device, catalog.device_names())
    sources, remedy = catalog.source_ids(), "add it to sources.toml"
    yield from unknown_word("prices.csv", key, "source", price.source, sources, remedy)
    dated = is_past(price.date_from) and is_past(price.date_to)
    if not dated or price.date_from > price.date_to:
        message = f"dates {price.date_from} to {price.date_to}"
        yield Problem("prices.csv", key, message, "write past dates, the earlier first")


def _place_problems(catalog: Catalog, place: Place) -> Iterator[Problem]:
    """Check the country of a site."""
    codes = {country.id for country in catalog.places("country")}
    file = PLACE_FILES.get(place.kind, "sites/places.toml")
    code = None if place.iso2 is None else place.iso2.casefold()
    remedy = "write an ISO 3166 code of countries.csv"
    yield from unknown_word(file, f"{place.id} iso2", "country", code, codes, remedy)


def _electricity_problems(catalog: Catalog) -> Iterator[Problem]:
    """Check the countries and regions of the electricity prices."""
    codes = {country.id for country in catalog.places("country")}
    for where, sector in catalog.electricity_prices():
        file, known = "sites/electricity_prices.csv", codes.union(REGIONS)
        yield from unknown_word(file, f"{where} {sector}", "place", where, known)
    for where, factor in catalog.electricity_factors():
        file = "sites/electricity_factors.csv"
        yield from unknown_word(file, f"{where} {factor}", "country", where, codes)
