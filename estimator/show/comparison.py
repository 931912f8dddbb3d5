"""Comparison of several reports: one row each, the interval under each median."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from estimator.answer.design_facts import memory_of_run, offers_of, share_of_memory
from estimator.answer.report import Report
from estimator.answer.scenario_estimate import Answer
from estimator.catalog import Catalog
from estimator.core.messages import Names
from estimator.core.units import in_percent
from estimator.memory.savings import remedies
from estimator.show.quantities import with_interval
from estimator.show.text import TextTable
from estimator.show.verdicts import remedy_text


def design_facts(answer: Answer, catalog: Catalog, names: Names) -> dict[str, dict[str, Any]]:
    """Return known memory fit and price offers of a design."""
    facts: dict[str, dict[str, Any]] = {}
    memory, offers = memory_of_run(answer, catalog), offers_of(answer, catalog)
    if memory is not None:
        facts["memory"] = {"fits": memory.fits, "share": share_of_memory(memory)}
        facts["memory"]["without_activations"] = memory.without_activations
        if memory.least_devices is not None:
            facts["memory"]["least_devices"] = memory.least_devices
        for remedy in reversed(remedies(memory, catalog)):
            facts["memory"]["remedy"] = remedy_text(remedy, names)
            if remedy.devices is not None:
                facts["memory"]["remedy_devices"] = remedy.devices
    if offers is not None:
        facts["price_offers"] = dict(vars(offers))
    return facts


def flattened(facts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Flatten facts to columns of group and name."""
    return {
        f"{group}_{name}": value for group, some in facts.items() for name, value in some.items()
    }


def comparison_table(
    rows: Iterable[tuple[Sequence[str], Report]],
    heads: Mapping[str, str],
    *,
    first: Sequence[str] = ("",),
    unknown: str,
) -> TextTable:
    """Format reports as a table.

    Parameters
    ----------
    rows : iterable of (sequence of str, Report)
        Leading cells of a row, and its report; if its facts contain `memory`, a last cell shows how
        full the memory is.
    heads : mapping of str to str
        Quantity -> column header.
    first : sequence of str
        Headers of the leading cells.
    unknown : str
        Text for an unknown quantity.
    """
    listed = list(rows)
    designs = any("memory" in report.details for _, report in listed)
    cells = [
        [
            *leading,
            *(_cell(report, name, unknown) for name in heads),
            *([_fullness(report.details["memory"])] if designs else []),
        ]
        for leading, report in listed
    ]
    last = ["memory"] if designs else []
    return TextTable(
        header=[*first, *heads.values(), *last],
        rows=cells,
        whole=[*heads.values()] * designs,
    )


def _cell(report: Report, name: str, unknown: str) -> str:
    """Return the cell text: median over interval, and the number of offers under a cost."""
    offers = report.details.get("price_offers") if name == "cost_usd" else None
    if name not in report.quantities:
        return unknown
    cell = with_interval(name, report.quantities[name], report.level)
    if offers is None:
        return cell
    plural = "s" if offers["count"] > 1 else ""
    whose = f"{offers['provider']} " if offers["provider"] else ""
    return f"{cell}\n{offers['count']} {whose}offer{plural}, {offers['date_to'][:7]}"


def _fullness(memory: Mapping[str, Any] | None) -> str:
    """Format the memory use of each device, or how many devices fit the model."""
    if memory is None:
        return "unknown"
    missing = "without\nactivations" if memory["without_activations"] else ""
    if memory["fits"]:
        return f"fits {missing}".strip() + f",\n{in_percent(memory['share'])} full"
    still = f"too small even\n{missing}" if missing else "too small"
    needed = memory.get("remedy_devices")
    return still if needed is None else f"{still},\n{needed:,.0f} devices fit"
