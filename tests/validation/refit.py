"""Fit again and write what the profiles hold: `python -m tests.validation.refit`.

Parameters of the utilization with their spreads, and the stored scores of memory and serving that
the page shows. Run it when rows or the mechanism change; the tests say when it is due.
"""

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from estimator.catalog import Catalog
from estimator.core.uncertainty import z_score
from estimator.core.units import CENTRAL
from estimator.utilization.features import prior_model
from estimator.validation.cross_validation import blind_predictions, spread_of
from estimator.validation.memory import memory_cases, memory_groups
from estimator.validation.published_runs import usable_runs
from estimator.validation.serving_report import serving_report
from estimator.validation.utilization_fit import fitted_model, joined

COUNTS = r"Fitted to \d+ published runs of \d+ families in \d+ stacks, and \d+ rows of throughput"


def refitted(text: str, catalog: Catalog) -> str:
    """Text of `priors.toml` with the utilization fitted again."""
    published, prior = usable_runs(catalog), prior_model(catalog)
    runs, tables = published.runs, published.tables
    fitted = asdict(fitted_model(prior, joined(runs, tables)))
    blind = blind_predictions(prior, runs, tables, published.groups, published.own_variance)
    spread = spread_of(blind.log_ratio, runs, published.groups)
    sizes = len(runs.flop), len(set(runs.family)), len(set(runs.stack)), len(tables.flop)
    counts = "Fitted to {} published runs of {} families in {} stacks, and {} rows of throughput"
    text = re.sub(COUNTS, counts.format(*sizes), text)
    for name, value in fitted.items():
        text = _set(text, f"utilization.fitted.{name}", "value", f"{value:.6g}")
    for name, value in asdict(spread.growth).items():
        text = _set(text, f"utilization.growth.{name}", "value", f"{value:.4g}")
    for group, log_sd in spread.groups.items():
        half = z_score(CENTRAL) * log_sd
        text = _set(text, f"utilization.spread.{group}", "low", f"{np.exp(-half):.4g}")
        text = _set(text, f"utilization.spread.{group}", "high", f"{np.exp(half):.4g}")
    return text


def _set(text: str, table: str, key: str, value: str) -> str:
    """Write one number of one table."""
    place = rf"(\[{re.escape(table)}\]\n(?:(?!\n\[).)*?^{key} = )[^\n]+"
    changed, count = re.subn(
        place, lambda found: found[1] + value, text, count=1, flags=re.DOTALL | re.MULTILINE
    )
    if count != 1:
        raise ValueError(f"{table} has no {key}")
    return changed


def _write(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Write a table as the command prints it."""
    listed = list(rows)
    with path.open("w", encoding="utf-8", newline="") as lines:
        table = csv.DictWriter(lines, list(listed[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(listed)


def main() -> None:
    """Renew the profiles."""
    folder = Catalog.open().layers[0]
    priors = folder / "priors.toml"
    priors.write_text(refitted(priors.read_text(encoding="utf-8"), Catalog.open()), "utf-8")
    catalog = Catalog.open()
    groups = memory_groups(memory_cases(catalog)).items()
    _write(folder / "runs" / "memory_scores.csv", ({"group": n, **asdict(s)} for n, s in groups))
    scores = serving_report(catalog).scores
    _write(folder / "runs" / "serving_scores.csv", (asdict(score) for score in scores))


if __name__ == "__main__":
    main()
