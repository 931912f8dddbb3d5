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
from estimator.web.shared import style
from estimator.web.shared.amounts import result
from estimator.web.shared.language import _, ngettext
from estimator.web.shared.tables import between


@dataclass(frozen=True, kw_only=True)
class AppliedRuns:
    """Answer with and without measured runs.

    Parameters
    ----------
    calibrated : Answer
        The one that uses them.
    other : Answer
        The one that is not shown.
    count : int
        How many runs there are.
    """

    calibrated: Answer
    other: Answer
    count: int

    @property
    def ignored(self) -> bool:
        """Return whether the answer that is shown ignores them."""
        return self.calibrated is self.other


def applied_runs(answer: Answer, catalog: Catalog) -> AppliedRuns | None:
    """Compare with and without measured runs, or return None if they are irrelevant."""
    known, device = known_runs(catalog), answer.device
    found = {one.run for one in (*known.of(device)[0], *known.power_of(device)[0])}
    if not found:
        return None
    ignored = answer.scenario.calibration == "ignore"
    flipped = replace(answer.scenario, calibration="use" if ignored else "ignore")
    other = answer_scenario(flipped, catalog)
    calibrated = other if ignored else answer
    if not any(item.basis == CALIBRATED for item in calibrated.inputs.values()):
        return None
    return AppliedRuns(calibrated=calibrated, other=other, count=len(found))


def note(found: AppliedRuns | None, quantity: str) -> Iterator[str]:
    """Yield the headline figure for the alternative use of measured runs."""
    if found is not None and quantity in found.other.estimate:
        name = _("with the measured runs") if found.ignored else _("published runs only")
        value = found.other.estimate[quantity]
        low, high = (float(bound) for bound in value.interval(found.other.level))
        yield f"{name}: {result(quantity, float(value.mid))} ({between(quantity, low, high)})"


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
    text = ngettext("{n} measured run on {name}", "{n} measured runs on {name}", found.count)
    runs = text.format(n=found.count, name=found.calibrated.device.name)
    text = _("Calibrated with {runs}, the newest {age}.")
    if found.ignored:
        text = _("Ignored {runs}, the newest {age}.")
    return text.format(runs=runs, age=_age(found.calibrated, today))


def _age(answer: Answer, today: date) -> str:
    newest = max(item.date for item in answer.inputs.values() if item.basis == CALIBRATED)
    days = (today - date.fromisoformat(newest)).days
    if days <= 0:
        return _("of today")
    text = ngettext("of {date}, {n} day old", "of {date}, {n} days old", days)
    return text.format(date=newest, n=days)
