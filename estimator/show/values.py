"""Reports as JSON and table rows; keys and columns end in their units."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from estimator.answer.report import Report
from estimator.core.messages import Names, in_python
from estimator.show.verdicts import verdict


def as_json(report: Report, names: Names = in_python) -> dict[str, Any]:
    """Report as one object with inputs, results, facts and warnings.

    Parameters
    ----------
    report : Report
        Answer to one question.
    names : function
        Returns the interface's name of an input.
    """
    shown: dict[str, Any] = {}
    if report.inputs:
        shown["inputs"] = dict(report.inputs)
        if report.resolved is not None:
            shown["inputs"]["resolved"] = {
                name: _without_blanks(asdict(number)) for name, number in report.resolved.items()
            }
    if report.quantities:
        shown["results"] = {name: _result(report, name) for name in report.quantities}
    shown |= report.facts
    if report.question in ("prompt", "usage"):
        shown = {**shown.pop("results"), **shown}
    if report.question == "memory":
        shown["verdict"] = verdict(report, names)
    return shown | {"warnings": list(report.warnings(names))}


def _result(report: Report, name: str) -> dict[str, Any]:
    """Return the interval of a quantity, its basis, and the medians of its parts."""
    parts = {f"{part}_mid": mid for part, mid in report.breakdown.get(name, {}).items()}
    basis = {"basis": report.basis[name]} if name in report.basis else {}
    return {**report.bounds(name), **basis, **parts}


def _without_blanks(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in (None, "")}


def as_rows(report: Report, names: Names = in_python) -> list[dict[str, Any]]:
    """Return table rows: one per term of a network, otherwise one per question."""
    if report.question != "network":
        return [as_row(report, names)]
    return [
        {"term": name, "params": term["params"], "active_params": term["active_params"]}
        | {"forward_flop": term["flop"]}
        for name, term in report.facts["ledger"].items()
    ]


def as_row(report: Report, names: Names = in_python) -> dict[str, Any]:
    """Return a flat row: leading columns, low, mid and high of each result, facts and warnings."""
    known = {**report.inputs, **report.facts}
    row = {name: known.get(name, "") for name in report.columns}
    for name in report.quantities:
        row |= {f"{name}_{end}": value for end, value in report.bounds(name).items()}
    row |= {name: fact for name, fact in report.facts.items() if isinstance(fact, int | float)}
    row = {name: "" if value is None else value for name, value in row.items()}
    return row | {"warnings": "; ".join(report.warnings(names))}
