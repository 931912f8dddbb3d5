"""Fit again and write what the profiles hold: `python -m tests.validation.refit`.

Parameters of the utilization, power and serving with their spreads, and the stored scores of memory
and serving that the page shows. Run it when rows or the mechanism change; the tests say when it is
due.
"""

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from estimator.catalog import Catalog
from estimator.core.rows import Floats
from estimator.core.uncertainty import z_score
from estimator.core.units import CENTRAL
from estimator.inference.engines import CUDA, ENGINES, IS_SERVER, LOCAL, NAMES, SERVER, fitted
from estimator.inference.quantities import DELIVERED, OTHER_MAKE, POOLS
from estimator.networks.kinds import SPREAD_GROUPS
from estimator.training.features import VENDORS, prior_model
from estimator.validation.cross_validation import spread_of
from estimator.validation.held_out import blind_runs
from estimator.validation.memory import memory_cases, memory_groups
from estimator.validation.power_fit import fitted_power
from estimator.validation.power_readings import meters, own_readings, power_prior, readings
from estimator.validation.published_runs import usable_runs
from estimator.validation.serving_fit import MeasuredSetups, fit, measured_cases
from estimator.validation.serving_held_out import (
    errors_of_answers,
    held_out,
    held_out_errors,
    pool_spreads,
    serving_report,
)
from estimator.validation.serving_spread import FEWEST
from estimator.validation.utilization_fit import concatenate_runs, fitted_model

COUNTS = r"Fitted to \d+ published runs of \d+ families in \d+ stacks, and \d+ rows of throughput"


def refitted(text: str, catalog: Catalog) -> str:
    """Text of `priors.toml` with the utilization fitted again."""
    published, prior = usable_runs(catalog), prior_model(catalog)
    runs, tables = published.runs, published.tables
    fitted = asdict(fitted_model(prior, concatenate_runs(runs, tables)))
    spread = spread_of(blind_runs(catalog, "stack").log_ratio, runs, published.like)
    sizes = len(runs.flop), len(set(runs.family)), len(set(runs.stack)), len(tables.flop)
    counts = "Fitted to {} published runs of {} families in {} stacks, and {} rows of throughput"
    text = re.sub(COUNTS, counts.format(*sizes), text)
    for name, value in fitted.items():
        text = _set(text, f"utilization.fitted.{name}", "value", f"{value:.6g}")
    for name, value in asdict(spread.growth).items():
        text = _set(text, f"utilization.growth.{name}", "value", f"{value:.4g}")
    for of, table in (("", "other"), (VENDORS, "vendor")):
        for group in SPREAD_GROUPS:
            half = z_score(CENTRAL) * spread.of_group(f"{of}{group}")
            name = f"utilization.spread.{table}.{group}"
            text = _set(text, name, "low", f"{np.exp(-half):.4g}")
            text = _set(text, name, "high", f"{np.exp(half):.4g}")
            part = _part(text, name)
            own = published.like == f"{of}{group}"
            stacks = len(set(published.stacks[own].tolist()))
            count = f"held out, {np.sum(own)} runs of {stacks} stacks"
            renewed = re.sub(r"held out, \d+ runs(?: of \d+ stacks)?", count, part)
            text = text.replace(part, renewed)
    return text


def power_fitted(text: str, catalog: Catalog) -> str:
    """Text of `priors.toml` with the power fitted again; ranges keep their ratio.

    `LOAD_EXPONENT` in `estimator.core.power` is code: a test names its value.
    """
    found = [one for one in readings(catalog) if one.kind != "tpu"]
    model = fitted_power(power_prior(catalog), meters([*found, *own_readings(catalog)]))
    changed = {
        "power.host_factor.gpu-datacenter": 1.0 + model.host_share,
        "power.waiting_params": model.waiting_params,
    }
    kinds = ("gpu-datacenter", "gpu-workstation", "gpu-consumer", "superchip")
    changed |= {f"power.load.{kind}": model.load for kind in kinds}
    for name, value in changed.items():
        record = catalog.prior(name)
        for key, bound in (("value", record.value), ("low", record.low), ("high", record.high)):
            assert bound is not None
            text = _set(text, name, key, f"{value * bound / record.value:.4g}")
    return text


SERVING_COUNTS = r"maximum a posteriori over \d+ measured configurations"
DATED = 'unit = "1", basis = "{}", source = "{}", date = 2026-11-24, note = "{}"'
MEASURED_SPREAD = DATED.format(
    "derived",
    "serving-measurements-collection",
    "log-standard-deviation of held-out errors, widened where lines of models and systems are few",
)
ASSUMED_SPREAD = DATED.format(
    "assumed",
    "twenty-watts-assumption",
    "no or too few rows: as the nearest quantity or engine that has some",
)


def serving_fitted(text: str, catalog: Catalog) -> str:
    """Text of `priors.toml` with the engines of serving fitted again."""
    measured = measured_cases(catalog, fitted(catalog))
    found = fit(catalog, measured)
    counts = f"maximum a posteriori over {len(measured.cases)} measured configurations"
    text = re.sub(SERVING_COUNTS, counts, text)
    for name in NAMES:
        engine, _, own = name.rpartition(".")
        table = f"serving.fitted.{engine}" if engine else "serving.fitted"
        text = _set_in_line(text, table, own, f"{found.of(name):.4g}")
    return text


Spreads = dict[tuple[str, str], dict[str, float]]


def fitted_spreads(
    catalog: Catalog, measured: MeasuredSetups, blind: list[dict[str, Floats]]
) -> Spreads:
    """Engine and device -> quantity -> spread of the held-out errors [1].

    At the reference bandwidth; the device is empty for the spread on devices without rows.
    """
    asked, found = (catalog, measured, blind), Spreads()
    rows_of = ((one.quantity, one.seen, one.errors) for one in held_out_errors(*asked))
    for name, errors in errors_of_answers(rows_of).items():
        everything = np.ones(len(errors.engines), dtype=bool)
        for code, engine in enumerate(ENGINES):
            rows = errors.engines == code
            if rows.sum() >= FEWEST:
                spread = errors.spread(rows)
                if IS_SERVER[code]:
                    spread = errors.spread_on_unknown(code, everything, usual_make=True)
                found.setdefault((engine, ""), {})[name] = spread
            for device in np.unique(errors.devices[rows]) if IS_SERVER[code] else ():
                if np.count_nonzero(rows & (errors.devices == device)) >= FEWEST:
                    known = errors.spread_on(code, device, everything)
                    found.setdefault((engine, str(device)), {})[name] = known
        if np.any(IS_SERVER[errors.engines] & ~errors.usual_make):
            other = errors.spread_on_unknown(SERVER, everything, usual_make=False)
            found.setdefault((OTHER_MAKE, ""), {})[name] = other
    return {**found, (POOLS, ""): pool_spreads(catalog)}


def serving_spread(folder: Path, catalog: Catalog) -> None:
    """Write the spreads of the engines of serving as held-out errors say."""
    cases = measured_cases(catalog, fitted(catalog))
    measured = fitted_spreads(catalog, cases, held_out(catalog, cases))
    priors = folder / "priors.toml"
    text = priors.read_text(encoding="utf-8")
    for (engine, _), known in (one for one in measured.items() if not one[0][1]):
        every = known
        if engine in ENGINES and ENGINES.index(engine) in LOCAL:
            every = {**_of_own_machine(engine, known, measured, catalog), **known}
        for quantity in DELIVERED:
            if quantity in every:
                basis = MEASURED_SPREAD if quantity in known else ASSUMED_SPREAD
                line = f"{quantity} = {{ value = {every[quantity]:.4g}, {basis} }}"
                text = _set_line(text, f"serving.spread.{engine}", quantity, line)
    priors.write_text(text, encoding="utf-8")
    numbers = {place: known for place, known in sorted(measured.items()) if place[1]}
    shown = (
        {name: f"{known[name]:.4g}" if name in known else "" for name in DELIVERED}
        for known in numbers.values()
    )
    rows = zip(numbers, shown, strict=True)
    _write(
        folder / "runs" / "serving_spreads.csv",
        ({"engine": engine, "device": device, **cells} for (engine, device), cells in rows),
    )


def _of_own_machine(
    engine: str,
    known: Mapping[str, float],
    measured: Spreads,
    catalog: Catalog,
) -> dict[str, float]:
    """Spreads of quantities that no row of one's own machine tells, by those that some tell."""
    step, first = known["inter_token_s"], measured[ENGINES[CUDA], ""]["time_to_first_token_s"]
    power = catalog.prior(f"serving.spread.{engine}.device_power_w").value
    return {
        "time_to_first_token_s": max(step, first),
        "output_tokens_per_s": step,
        "device_energy_per_output_token_j": float(np.hypot(step, power)),
    }


def _set_in_line(text: str, table: str, key: str, value: str) -> str:
    """Write one number of a record that stands in one line."""
    found = re.search(rf"{key} = \{{ value = [^,]+,([^\n]*)", _part(text, table))
    if found is None:
        raise ValueError(f"{table} has no {key}")
    return _set_line(text, table, key, f"{key} = {{ value = {value},{found[1]}")


def _set_line(text: str, table: str, key: str, line: str) -> str:
    """Write one line of one table."""
    part = _part(text, table)
    changed, count = re.subn(rf"^{key} = [^\n]+", lambda _: line, part, flags=re.MULTILINE)
    if count != 1:
        raise ValueError(f"{table} has no {key}")
    return text.replace(part, changed)


def _part(text: str, table: str) -> str:
    """Text of one table, its head included."""
    start = text.index(f"[{table}]\n")
    return text[start : text.index("\n\n", start)]


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
    for change in (power_fitted, serving_fitted):
        priors.write_text(change(priors.read_text(encoding="utf-8"), Catalog.open()), "utf-8")
    serving_spread(folder, Catalog.open())
    catalog = Catalog.open()
    groups = memory_groups(memory_cases(catalog)).items()
    _write(folder / "runs" / "memory_scores.csv", ({"group": n, **asdict(s)} for n, s in groups))
    scores = serving_report(catalog).scores
    _write(folder / "runs" / "serving_scores.csv", (asdict(score) for score in scores))


if __name__ == "__main__":
    main()
