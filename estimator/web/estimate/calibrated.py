"""Effect of measured runs on an answer: runs, age, and figures without them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from html import escape
from urllib.parse import urlencode

from estimator.answer.scenario_estimate import Answer, answer_scenario
from estimator.calibration.correction import known_runs
from estimator.calibration.notices import CALIBRATED
from estimator.catalog import Catalog
from estimator.core.uncertainty import Uncertain
from estimator.web.shared import style
from estimator.web.shared.amounts import result
from estimator.web.shared.language import N_, _, ngettext
from estimator.web.shared.tables import between

USE, IGNORE = "use", "ignore"
OTHERWISE = {USE: N_("published runs only"), IGNORE: N_("with the measured runs")}
"""Use of measured runs in the scenario -> name of the alternative answer."""


@dataclass(frozen=True, kw_only=True)
class AppliedRuns:
    """Answer with and without measured runs.

    Parameters
    ----------
    calibrated : Answer
        The one that uses them.
    other : Answer
        The one that is not shown.
    ignored : bool
        Whether the answer that is shown ignores them.
    runs : int
        How many of them there are.
    of_utilization, of_power : int
        How many measurements of each they brought.
    shipped : bool
        Whether all of them came with the program.
    """

    calibrated: Answer
    other: Answer
    ignored: bool
    runs: int
    of_utilization: int
    of_power: int
    shipped: bool


def applied_runs(answer: Answer, catalog: Catalog) -> AppliedRuns | None:
    """Compare with and without measured runs, or return None if they are irrelevant."""
    known, device = known_runs(catalog), answer.device
    if not (known.of(device)[0] or known.power_of(device)[0]):
        return None
    ignored = answer.scenario.calibration == IGNORE
    flipped = replace(answer.scenario, calibration=USE if ignored else IGNORE)
    other = answer_scenario(flipped, catalog)
    calibrated = other if ignored else answer
    if not any(item.basis == CALIBRATED for item in calibrated.inputs.values()):
        return None
    timings, powers = known.of(device)[0], known.power_of(device)[0]
    runs = {one.run for one in timings} | {one.run for one in powers}
    shipped = {one.run.id for one in catalog.calibrations()}
    return AppliedRuns(
        calibrated=calibrated,
        other=other,
        ignored=ignored,
        runs=len(runs),
        of_utilization=len(timings),
        of_power=len(powers),
        shipped=runs <= shipped,
    )


def note(found: AppliedRuns | None, quantity: str) -> Iterator[str]:
    """Yield the headline figure for the alternative use of measured runs."""
    if found is not None and quantity in found.other.estimate:
        name = _(OTHERWISE[IGNORE if found.ignored else USE])
        yield f"{name}: {_value_text(found.other, quantity)}"


def draw(found: AppliedRuns, *, linked: bool) -> None:
    """Draw a note on the applied or ignored runs, their age, and a link to them."""
    text = f"<p>{escape(summary(found, datetime.now(UTC).date()))}"
    if linked:
        device, precision = found.calibrated.device.id, found.calibrated.precision
        query = escape(urlencode({"device": device, "precision": precision}), quote=True)
        text += f' <a href="calibrate?{query}" target="_self">{_("Measurements")}</a>'
    style.write(f'<div class="tw tw-assumed" data-measured>{text}</p></div>')


def summary(found: AppliedRuns, today: date) -> str:
    """Note on the runs as text."""
    name = found.calibrated.device.name
    text = ngettext("{n} measured run on {name}", "{n} measured runs on {name}", found.runs)
    runs = text.format(n=found.runs, name=name)
    runs += _(" shipped with the program") if found.shipped else ""
    several = []
    if found.of_utilization:
        text = ngettext("{n} timing", "{n} timings", found.of_utilization)
        several.append(text.format(n=found.of_utilization))
    if found.of_power:
        text = ngettext("{n} power reading", "{n} power readings", found.of_power)
        several.append(text.format(n=found.of_power))
    text = _("Calibrated by {runs} ({parts}), the newest {age}.")
    if found.ignored:
        text = _("Ignored {runs} ({parts}), the newest {age}.")
    said = text.format(runs=runs, parts=_(" and ").join(several), age=_age(found.calibrated, today))
    return f"{said}{_utilizations(found)}"


def _utilizations(found: AppliedRuns) -> str:
    """Sentence on the utilization with and without runs, if they change it."""
    if found.calibrated.inputs.get("utilization.prior") is None:
        return ""
    plain = found.other if not found.ignored else None
    if plain is None:
        text = _(" They would make the utilization {value}.")
        return text.format(value=_value_text(found.calibrated, "utilization"))
    return _(" Utilization {now}; from published runs only, {before}.").format(
        now=_value_text(found.calibrated, "utilization"), before=_value_text(plain, "utilization")
    )


def _value_text(answer: Answer, quantity: str) -> str:
    value: Uncertain = answer.estimate[quantity]
    low, high = (float(bound) for bound in value.interval(answer.level))
    return f"{result(quantity, float(value.mid))} ({between(quantity, low, high)})"


def _age(answer: Answer, today: date) -> str:
    dates = [item.date for item in answer.inputs.values() if item.basis == CALIBRATED]
    newest = max(dates)
    days = (today - date.fromisoformat(newest)).days
    if days <= 0:
        return _("of today")
    text = ngettext("of {date}, {n} day old", "of {date}, {n} days old", days)
    return text.format(date=newest, n=days)
