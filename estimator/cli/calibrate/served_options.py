"""Options for a measured load beyond its benchmark's result."""

import argparse
from typing import Any

from estimator.cli.options import add_fields, refuse_given
from estimator.inference.question import INPUTS
from estimator.question.inputs import option_of, read_number

SERVED = (
    *("kv_precision", "software", "concurrency", "input_tokens", "output_tokens"),
    *("tensor_parallel", "expert_parallel", "data_parallel"),
)
"""Inference inputs that a benchmark may omit."""

OF_LOAD = {"params": "params_total", "active_params": "params_active"}
"""Input -> field of a measured load, where they differ."""

FIELDS = {f"served_{name}": name for name in SERVED}
"""Attribute of the parsed options -> input."""


def add_served_options(group: Any) -> None:
    """Add options for what a server benchmark may omit."""
    add_fields(group, SERVED, INPUTS, prefix="served_")


def refuse_served(options: argparse.Namespace, why: str) -> None:
    """Refuse options that apply to server benchmarks only."""
    refuse_given(options, FIELDS, why, lambda name: option_of(FIELDS[name]))


def load_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return the load that the options describe; errors as for `serve-cost`."""
    from estimator.inference.formats import weight_format
    from estimator.question.table import check_number

    stated: dict[str, Any] = {"model": options.preset, "precision": options.precision}
    numbers = {"params": options.params, "active_params": options.active_params}
    for name in SERVED:
        given = getattr(options, f"served_{name}")
        (numbers if INPUTS[name].number else stated)[name] = given
    stated["program"] = stated.pop("software")
    for name in ("precision", "kv_precision"):
        if stated[name]:
            weight_format(stated[name])
    for name, text in numbers.items():
        if text:
            value = read_number(name, text)
            check_number(INPUTS[name], value)
            stated[OF_LOAD.get(name, name)] = value
    return {name: value for name, value in stated.items() if value not in (None, "")}
