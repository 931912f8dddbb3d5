"""Options shared by commands: scenario fields, output format, profiles."""

import argparse
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import chain
from typing import TYPE_CHECKING, Any

from estimator.question.inputs import GROUPS, Input, option_of, read_number, read_question
from estimator.question.scenario import INPUTS, Scenario

if TYPE_CHECKING:
    from pathlib import Path

    from estimator.catalog import Catalog


def add_scenario(parser: argparse.ArgumentParser, without: tuple[str, ...] = ()) -> None:
    """Add one option per field of the scenario."""
    add_inputs(parser, INPUTS, (*without, "interval"))


def add_inputs(
    parser: argparse.ArgumentParser,
    inputs: Mapping[str, Input],
    without: Collection[str] = (),
) -> None:
    """Add one option per input under its heading; numbers are parsed when the command runs."""
    for group, title in GROUPS.items():
        names = [one for one, described in inputs.items() if described.group == group]
        shown = [name for name in names if name not in without]
        if shown:
            add_fields(parser.add_argument_group(title), shown, inputs)


def add_fields(
    group: Any,
    names: Iterable[str],
    inputs: Mapping[str, Input] = INPUTS,
    prefix: str = "",
) -> None:
    """Add the options of some inputs; parsed attributes get the prefix."""
    for name in names:
        described, place = inputs[name], prefix + name
        option, text = option_of(name), _explained(described)
        if described.flag:
            group.add_argument(option, action="store_true", help=text, dest=place)
            continue
        group.add_argument(option, metavar=_metavar(described), help=text, dest=place)
        for alias in described.aliases:
            group.add_argument(f"--{alias}", dest=place, help=argparse.SUPPRESS)


def add_output(parser: argparse.ArgumentParser, *, interval: bool = True) -> None:
    """Add the output options of every command, and the interval."""
    group = parser.add_argument_group("output")
    shape = group.add_mutually_exclusive_group()
    shape.add_argument(
        "--json", action="store_true", help="print one JSON object, with units in its keys"
    )
    shape.add_argument(
        "--csv", action="store_true", help="print one CSV table, with units in its column names"
    )
    if interval:
        add_notes(group)
        group.add_argument(
            "--interval",
            metavar="P",
            help="probability that an interval covers the true value, in (0, 1) (default: 0.8)",
        )
    else:
        group.add_argument("--quiet", action="store_true", help="print no notes on stderr")
    add_profiles(group)


def add_notes(group: Any) -> None:
    """Add the options on notices."""
    notes = group.add_mutually_exclusive_group()
    notes.add_argument("--quiet", action="store_true", help="print no notes on stderr")
    notes.add_argument(
        "--verbose", action="store_true", help="print all notes, not only the top three"
    )


def add_calibration(parser: argparse.ArgumentParser, measured: str) -> None:
    """Add the option to use or ignore measurements."""
    parser.add_argument(
        "--calibration",
        choices=("use", "ignore"),
        default="use",
        help=f"use or ignore measured {measured}",
    )


def add_profiles(group: Any) -> None:
    """Add the option for the user's own profiles."""
    group.add_argument(
        "--profiles",
        metavar="DIR",
        help="directory of your own profiles, which override the built-in ones (or set "
        "TWENTY_WATTS_PROFILES)",
    )


def read_piped_config(options: argparse.Namespace) -> None:
    """Replace a dash in the options by the piped config.json.

    Raises
    ------
    ValueError
        If stdin is closed or contains no config.json.
    """
    places = [
        field for field in ("config", "model", "named") if getattr(options, field, None) == "-"
    ]
    if not places:
        return
    import sys

    from estimator.networks.config_file import MAX_CONFIG_BYTES, compact_json, parse_config

    if sys.stdin is None:
        raise ValueError("stdin is closed: pipe a config.json in, or pass its path")
    config = parse_config(sys.stdin.buffer.read(MAX_CONFIG_BYTES + 1), "stdin")
    setattr(options, places[0], compact_json(config))


HERE = "here"
"""Alias of the device last measured on this machine."""


def resolve_here(options: argparse.Namespace) -> None:
    """Replace `--hardware here` by the device measured on this machine.

    Raises
    ------
    ValueError
        If no device was measured.
    """
    if getattr(options, "hardware", None) != HERE:
        return
    from estimator.measure.host_id import measured_here

    options.hardware = measured_here()
    if options.hardware is None or open_catalog(options).find_device(options.hardware) is None:
        raise ValueError(
            "this machine has not been measured yet: run twenty-watts calibrate bench first"
        )


def scenario_of(options: argparse.Namespace) -> Scenario:
    """Read the scenario from parsed options.

    Raises
    ------
    ValueError
        If a number is invalid.
    """
    return read_question(Scenario, vars(options))


def level_of(options: argparse.Namespace) -> float:
    """Return the probability that the intervals cover [1], 80% by default.

    Raises
    ------
    ValueError
        If it is not a number between 0 and 1.
    """
    from estimator.core.uncertainty import z_score
    from estimator.core.units import CENTRAL

    level = CENTRAL if options.interval is None else read_number("interval", options.interval)
    z_score(level)
    return level


def catalog_of(options: argparse.Namespace) -> "Catalog":
    """Open and validate the built-in profiles with the user's own."""
    catalog = open_catalog(options)
    if len(catalog.layers) > 1:
        from estimator.catalog.checks import sound

        return sound(catalog)
    return catalog


def open_catalog(options: argparse.Namespace) -> "Catalog":
    """Open the profiles without validation, for a command that reports their problems."""
    from estimator.catalog import Catalog

    if options.profiles == "":
        raise ValueError("--profiles is not a directory")
    return Catalog.open(options.profiles)


def positive(name: str, number: float) -> float:
    """Check that an option's number is positive."""
    if not number > 0:
        raise ValueError(f"{option_of(name)} must be positive, got {number:g}")
    return number


def whole(name: str, text: str) -> int:
    """Parse a count of 1 or more.

    >>> whole("plans", "5")
    5
    """
    number = read_number(name, text)
    if number < 1 or number % 1:
        raise ValueError(f"{option_of(name)} must be a whole number of at least 1, got {text}")
    return int(number)


def refuse_given(
    options: argparse.Namespace,
    names: Iterable[str],
    why: str,
    named: Callable[[str], str] = option_of,
) -> None:
    """Refuse the first of some options that is given, with the reason."""
    for name in names:
        if getattr(options, name, None) not in (None, False):
            raise ValueError(f"{named(name)} {why}")


def listed(option: str, text: str, catalog: "Catalog") -> list[str]:
    """Split an option at commas; expand patterns such as ``gcp-*`` for devices and sites.

    Raises
    ------
    ValueError
        If the option is empty.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise ValueError(f"{option} is empty: list values, separated by commas")
    return matched(option, parts, catalog) if option in PATTERNED else parts


PATTERNED = ("--hardware", "--site")
"""Options whose values may be patterns."""


def matched(option: str, parts: Sequence[str], catalog: "Catalog") -> list[str]:
    """Expand patterns to devices or sites without repetition.

    Raises
    ------
    ValueError
        If a pattern matches nothing.
    """
    found = [_matching(option, part, catalog) if "*" in part else [part] for part in parts]
    by_pattern = {
        name for names, part in zip(found, parts, strict=True) if "*" in part for name in names
    }
    return [
        name
        for name in dict.fromkeys(chain.from_iterable(found))
        if name in by_pattern or _id_of(option, name, catalog) not in by_pattern
    ]


def _id_of(option: str, name: str, catalog: "Catalog") -> str | None:
    """Return the id of a device or site, or None if unknown."""
    find = catalog.place if option == "--site" else catalog.device
    try:
        return find(name).id
    except ValueError:
        return None


def _matching(option: str, pattern: str, catalog: "Catalog") -> list[str]:
    """Return the ids of the devices or sites that match a pattern."""
    sites = option == "--site"
    known = [place.id for place in catalog.places()] if sites else catalog.device_names()
    found = [name for name in known if fnmatchcase(name.casefold(), pattern.casefold())]
    if not found:
        raise ValueError(f"{option}: nothing matches {pattern!r}; `profiles list` shows all")
    return found


def _metavar(described: Input) -> str:
    return "N" if described.number else "WORD" if described.choices else "NAME"


def _explained(described: Input) -> str:
    text = described.help
    if described.unit:
        text += f" [{described.unit}]"
    if described.choices:
        text += "; one of " + ", ".join(described.choices)
    return text + (f" (e.g. {described.example})" if described.example else "")


def add_model(parser: argparse.ArgumentParser, *, metavar: str, help: str) -> None:
    """Add the network argument, by itself or with --preset or --config as in `estimate`."""
    parser.add_argument("model", nargs="?", metavar=metavar, help=help)
    parser.add_argument("--preset", "--config", dest="named", help=argparse.SUPPRESS)


def model_of(options: argparse.Namespace) -> str | None:
    """Name of the network, however it was given.

    Raises
    ------
    ValueError
        If two models are given.
    """
    if options.model is not None and options.named is not None:
        raise ValueError(f"two models given, {options.model} and {options.named}: choose one")
    found: str | None = options.model if options.named is None else options.named
    return found


def shape_of(options: argparse.Namespace) -> str:
    """Return the output format: json, csv or text."""
    return "json" if options.json else "csv" if options.csv else "text"


def refuse_missing_folder(output: "Path") -> None:
    """Refuse an output file in a missing folder before any work is done."""
    if not output.parent.is_dir():
        raise ValueError(f"{output}: the folder {output.parent} does not exist")


def error_text(error: ValueError) -> str:
    """Format an error with command-line names."""
    if isinstance(error, UnicodeEncodeError):
        signs = ascii(error.object[error.start : error.end])
        return f"stdout in {error.encoding} cannot encode {signs}: set PYTHONIOENCODING=utf-8"
    from estimator.core.messages import reason, render

    return render(reason(error), option_of)
