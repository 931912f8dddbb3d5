"""Tables of the page "How right are we?", as HTML that can be read aloud and scrolled sideways."""

from collections.abc import Iterable, Iterator, Mapping
from html import escape

import numpy as np
import pandas as pd
import streamlit as st

from estimator.catalog import Catalog
from estimator.core.units import digits
from estimator.validation.held_out import Report
from estimator.web.accuracy.groups import DIMENSIONS, Chosen, devices_text, group_name, percent
from estimator.web.accuracy.score_tables import ALONE, draw_scrolled, head_html
from estimator.web.accuracy.text import note, reasons
from estimator.web.shared.amounts import localised, unbroken
from estimator.web.shared.charts import Look
from estimator.web.shared.language import N_, _

CSS = """
.tw-scroll { overflow-x: auto; }
.tw.tw-scores { width: 100%%; border-collapse: collapse; font-size: 0.95rem; line-height: 1.35;
             font-variant-numeric: tabular-nums; }
.tw-scores th, .tw-scores td { border: 0; text-align: right; padding: 0.2rem 0 0.2rem 0.7rem;
             vertical-align: bottom; }
.tw-scores thead th { font-weight: 600; }
.tw-scores thead tr:last-child th { border-bottom: 2px solid currentColor; font-weight: 400; }
.tw-scores thead [colspan] { text-align: center; }
.tw-scores thead [rowspan] { border-bottom: 2px solid currentColor; }
.tw-scores tbody tr > :nth-child(3), .tw-scores tbody tr > :nth-child(6),
.tw-scores tbody tr > :nth-child(9), .tw-scores tbody tr > :nth-child(12),
.tw-scores thead [colspan], .tw-scores thead tr:nth-child(2) > :nth-child(3n + 1),
.tw-scores thead tr:first-child > :last-child { padding-left: 1.4rem; }
.tw-scores tr > :first-child { text-align: left; padding-left: 0; }
.tw-scores thead tr:nth-child(2) > :first-child { text-align: right; padding-left: 0.7rem; }
.tw-scores tbody th { font-weight: 400; }
.tw-scores tbody tr.tw-kind th { font-weight: 600; padding-top: 0.8rem;
             border-bottom: 1px solid var(--line); }
.tw-scores.tw-few { max-width: 40rem; }
.tw-scores.tw-beside { max-width: 58rem; }
.tw-scores.tw-beside thead tr:nth-child(2) > :first-child { padding-left: 1.4rem; }
.tw-scores b { font-weight: 700; }
.tw.tw-misses { width: 100%%; border-collapse: collapse; font-size: 0.95rem; line-height: 1.4;
             font-variant-numeric: tabular-nums; }
.tw-misses th { text-align: left; font-weight: 600; padding: 0.3rem 1rem 0.3rem 0; border: 0;
             border-bottom: 2px solid currentColor; }
.tw-misses td { vertical-align: top; padding: 0.45rem 1rem 0.45rem 0; border: 0;
             border-bottom: 1px solid var(--line); }
.tw-misses td:nth-child(1) { width: 27%%; }
.tw-misses td:nth-child(2) { width: 9%%; white-space: nowrap; font-weight: 600; }
.tw-misses td:nth-child(3) { width: 19%%; }
.tw-misses td:last-child { padding-right: 0; }
.tw-misses small { display: block; font-size: 0.85rem; color: var(--soft); }
@media (max-width: 640px) {
  .tw-scores tbody [scope=row] { position: sticky; left: 0; background: %(paper)s;
                                 max-width: 8rem; }
  .tw-misses thead { display: none; }
  .tw-misses tr { display: block; border-bottom: 1px solid var(--line); padding: 0.5rem 0; }
  .tw-misses td:nth-child(n) { display: block; border: 0; padding: 0.05rem 0; width: auto;
                               white-space: normal; }
  .tw-misses td:first-child { font-weight: 600; }
}
"""

MEDIANS = ("median_error", "constant_0.30", "constant_0.375")
REASONS = (
    N_("tier C, D or X: time or hardware not trusted"),
    N_("circular: its FLOPs were worked out from its time"),
    N_("not known whether its FLOPs were worked out from its time"),
    N_("no device time"),
    N_("device or precision not on record"),
    N_("no FLOPs, and nothing to work them out from"),
    N_("more than 0.8 of the peak: a wrong label"),
)
"""Why rows are left out, for the catalogues."""
FAMILY_MEDIANS = ("family_median_error", "constant_0.30_family", "constant_0.375_family")
SHARES = ("within_125", "within_2", "coverage")


def write_stylesheet(look: Look) -> None:
    """Dress the tables."""
    st.html(f"<style>{CSS % {'paper': look.colours['paper']}}</style>")


def draw_groups(table: pd.DataFrame) -> None:
    """Draw the score of each group beside the baselines; the least error is bold."""
    errors = (_("ours"), localised("0.30"), localised("0.375"))
    shares = (_("within 1.25×"), _("within 2×"), _("in 80 %"))
    head = (
        (_("Group"), ALONE),
        (_("Runs (families)"), ALONE),
        (_("Median error [%], by run"), errors),
        (_("Median error [%], by family"), errors),
        (_("Share of runs [%]"), shares),
        (_("Median ratio"), ALONE),
    )
    body = "".join(_group_rows(table))
    draw_scrolled(f'<table class="tw tw-scores">{head_html(head)}{body}</table>')


def draw_worst(report: Report, chosen: Chosen, catalog: Catalog, most: int) -> None:
    """Draw the runs chosen that were missed by most, each with what its row tells about it."""
    order = np.argsort(-np.abs(report.blind.log_ratio))
    places = order[chosen[order]][:most]
    rows = "".join(_miss(report, int(place), catalog) for place in places)
    names = (_("Run"), _("Ratio"), _("Device-hours"), _("What its row says about it"))
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    draw_scrolled(
        f'<table class="tw tw-misses"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    )


def draw_left_out(left_out: Mapping[str, int]) -> None:
    """Draw how many rows could not be scored, by reason."""
    named = [(_(reason), count) for reason, count in left_out.items()]
    rows = "".join(
        f"<tr><td>{escape(reason[:1].upper() + reason[1:])}</td><td>{count}</td></tr>"
        for reason, count in sorted(named, key=lambda item: -item[1])
    )
    head = f'<tr><th scope="col">{_("Why")}</th><th scope="col">{_("Rows")}</th></tr>'
    draw_scrolled(
        f'<table class="tw tw-scores tw-few"><thead>{head}</thead><tbody>{rows}</tbody></table>'
    )


def _group_rows(table: pd.DataFrame) -> Iterator[str]:
    for dimension, rows in table.groupby("dimension", sort=False):
        if dimension:
            title = escape(_(DIMENSIONS[str(dimension)]))
            yield f'<tr class="tw-kind"><th colspan="12" scope="colgroup">{title}</th></tr>'
        yield from (_group_row(row) for row in rows.to_dict("records"))


def _group_row(row: Mapping[str, float | str]) -> str:
    numbers = [
        f"{row['count']} ({row['families']})",
        *_least_bold([float(row[name]) for name in MEDIANS]),
        *_least_bold([float(row[name]) for name in FAMILY_MEDIANS]),
        *(_percent(float(row[name])) for name in SHARES),
        localised(f"{float(row['bias']):.2f}"),
    ]
    cells = "".join(f"<td>{unbroken(number)}</td>" for number in numbers)
    name, shown = escape(str(row["group"])), escape(group_name(str(row["group"])))
    return f'<tr data-group="{name}"><th scope="row">{shown}</th>{cells}</tr>'


def _least_bold(errors: Iterable[float]) -> list[str]:
    shown = [_percent(error) for error in errors]
    least = min(shown, key=int)
    return [f"<b>{text}</b>" if text == least else text for text in shown]


def _percent(share: float) -> str:
    """Write a share in a column of percent."""
    return percent(share).partition(" ")[0]


def _miss(report: Report, place: int, catalog: Catalog) -> str:
    """Write one row of the worst: what it was, how far off, and what its row tells."""
    row, runs = report.published.rows[place], report.published.runs
    reported = float(runs.device_hours[place])
    ratio = float(np.exp(report.blind.log_ratio[place]))
    device = devices_text(row, catalog.device(str(report.published.devices[place])).name)
    shown = "; ".join(reasons(report, place)) or _("nothing that would explain it")
    noted = note(row)
    said = _("Noted in the table: {note}").format(note=noted)
    remark = f"<small>{escape(said)}</small>" if noted else ""
    predicted = _("{hours} h predicted").format(hours=localised(digits(reported * ratio)))
    stated = _("{hours} h reported").format(hours=localised(digits(reported)))
    return (
        f'<tr data-run="{escape(row["name"], quote=True)}">'
        f"<td>{escape(row['name'])}<small>{escape(row['year'])}, {escape(device)}</small></td>"
        f"<td>{escape(_times(ratio))}</td>"
        f"<td>{escape(predicted)}<small>{escape(stated)}</small></td>"
        f"<td>{escape(shown[:1].upper() + shown[1:])}.{remark}</td></tr>"
    )


def _times(ratio: float) -> str:
    """Write how far off a prediction is.

    >>> _times(4.9), _times(0.25)
    ('4.9 × too long', '4 × too short')
    """
    text = _("{factor} × too long") if ratio > 1 else _("{factor} × too short")
    return text.format(factor=localised(f"{max(ratio, 1 / ratio):.2g}"))
