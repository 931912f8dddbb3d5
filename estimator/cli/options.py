"""Options that commands share: the fields of a scenario, the output format, the profiles."""

import argparse
from collections.abc import Iterable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from estimator.scenario import NUMBERS, Scenario, read_number

if TYPE_CHECKING:
    from estimator.catalog import Catalog

GROUPS = (
    (
        "work, one of --preset, --params with --tokens, --flop, --config, --device-hours",
        ("preset", "params", "tokens", "active_params", "flop", "config", "samples"),
    ),
    (
        "more on the work",
        ("device_hours", "kind", "arch", "width", "seq_len", "finetune", "attempts"),
    ),
    ("hardware", ("hardware", "devices", "precision", "utilization", "calibration", "power_cap")),
    (
        "how the devices share the work, where it is known",
        (
            *("batch_tokens", "recomputation", "tensor_parallel", "pipeline_parallel"),
            *("expert_parallel", "micro_batches"),
        ),
    ),
    ("place", ("site", "year", "carbon_intensity", "carbon_profile", "start", "pue", "wue")),
    ("money", ("price", "price_kind", "pay", "device_price", "electricity_price")),
)
"""Fields of the scenario by heading, in the order of the help."""


def add_scenario(parser: argparse.ArgumentParser, without: tuple[str, ...] = ()) -> None:
    """Add one option per field of the scenario; numbers stay text until the command runs."""
    for title, names in GROUPS:
        add_fields(parser.add_argument_group(title), [one for one in names if one not in without])


def add_fields(group: Any, names: Iterable[str]) -> None:
    """Add the options of some fields of the scenario."""
    described = {item.name: item for item in fields(Scenario)}
    for name in names:
        meta = described[name].metadata
        group.add_argument(
            _flag(name), metavar=_metavar(meta, name), help=_explained(meta), dest=name
        )


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add the options on the output that every command has."""
    group = parser.add_argument_group("output")
    shape = group.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="one JSON object, keys with units")
    shape.add_argument("--csv", action="store_true", help="one CSV table, columns with units")
    group.add_argument("--quiet", action="store_true", help="no notes on stderr")
    group.add_argument(
        "--interval", metavar="P", help="probability inside low..high in (0, 1) (default: 0.8)"
    )
    add_profiles(group)


def add_profiles(group: Any) -> None:
    """Add the user's own profile directory."""
    group.add_argument(
        "--profiles",
        metavar="DIR",
        help="your own profiles, laid over ours (also: environment variable TWENTY_WATTS_PROFILES)",
    )


def scenario_of(options: argparse.Namespace) -> Scenario:
    """Read the scenario out of parsed options.

    Raises
    ------
    ValueError
        If a number is none.
    """
    said: dict[str, Any] = {}
    for item in fields(Scenario):
        text = getattr(options, item.name, None)
        if text is not None:
            said[item.name] = read_number(item.name, text) if item.name in NUMBERS else text
    return Scenario(**said)


def catalog_of(options: argparse.Namespace) -> "Catalog":
    """Open the profiles, the user's own laid over ours and checked."""
    return open_catalog(options).sound()


def open_catalog(options: argparse.Namespace) -> "Catalog":
    """Open the profiles as they are, for a command that tells what is wrong with them."""
    from estimator.catalog import Catalog

    if options.profiles == "":
        raise ValueError("--profiles names no directory")
    return Catalog.open(options.profiles)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _metavar(meta: Any, name: str) -> str:
    return "N" if name in NUMBERS else "WORD" if meta["choices"] else "NAME"


def _explained(meta: Any) -> str:
    text: str = meta["help"]
    if meta["unit"]:
        text += f" [{meta['unit']}]"
    if meta["choices"]:
        text += ": " + ", ".join(meta["choices"])
    return text + (f" (e.g. {meta['example']})" if meta["example"] else "")
