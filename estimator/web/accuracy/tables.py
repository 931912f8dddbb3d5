"""Tables of the page "Accuracy", as accessible, scrollable HTML."""

from collections.abc import Iterable, Iterator, Mapping
from html import escape

import numpy as np
import pandas as pd
import streamlit as st

from estimator.catalog import Catalog
from estimator.core.units import digits
from estimator.validation.held_out import HeldOut
from estimator.web.accuracy.groups import DIMENSIONS, Chosen, devices_text, group_name, percent
from estimator.web.accuracy.score_tables import ALONE, draw_scrolled, head_html
from estimator.web.accuracy.text import note, reasons
from estimator.web.shared.amounts import localised
from estimator.web.shared.charts import Look
from estimator.web.shared.html_table import Html, draw_table
from estimator.web.shared.inline import unbroken
from estimator.web.shared.language import N_, _
from estimator.web.shared.widgets import heading

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
.tw-scores.tw-beside { max-width: 58rem; }
.tw-scores.tw-beside thead tr:nth-child(2) > :first-child { padding-left: 1.4rem; }
.tw-scores b { font-weight: 700; }
.tw-inputs small { display: block; font-size: 0.85rem; font-weight: 400; color: var(--soft); }
@media (max-width: 640px) {
  .tw-scores tbody [scope=row] { position: sticky; left: 0; background: %(paper)s;
                                 max-width: 8rem; }
}
"""

MEDIANS = ("median_error", "constant_0.30", "constant_0.375")
REASONS = (
    N_("tier C, D or X: time or hardware not trusted"),
    N_("circular: its FLOPs were derived from its time"),
    N_("unknown whether its FLOPs were derived from its time"),
    N_("no device time"),
    N_("device or precision not on record"),
    N_("no FLOPs, and no data to derive them from"),
    N_("more than 0.8 of the peak: a wrong label"),
)
"""Reasons why rows are left out, for the catalogues."""
FAMILY_MEDIANS = ("family_median_error", "constant_0.30_family", "constant_0.375_family")
SHARES = ("within_125", "within_2", "coverage")


def write_stylesheet(look: Look) -> None:
    """Write the style of the tables."""
    st.html(f"<style>{CSS % {'paper': look.colours['paper']}}</style>")


def draw_groups(table: pd.DataFrame) -> None:
    """Draw the score of each group next to the baselines, the least error in bold."""
    errors = (_("ours"), localised("0.30"), localised("0.375"))
    shares = (_("within 1.25×"), _("within 2×"), _("in 80%"))
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


def draw_worst(report: HeldOut, chosen: Chosen, catalog: Catalog, most: int) -> None:
    """Draw the selected runs with the largest errors, each with notes from its row."""
    order = np.argsort(-np.abs(report.blind.log_ratio))
    places = order[chosen[order]][:most]
    header = (_("Run"), _("Ratio"), _("Device-hours"), _("Possible reasons"))
    draw_table(header, [_miss(report, int(place), catalog) for place in places])


def draw_left_out(left_out: Mapping[str, int]) -> None:
    """Draw the numbers of unscored rows, by reason."""
    counts = sorted(left_out.items(), key=lambda item: -item[1])
    rows = [(heading(_(reason)), str(count)) for reason, count in counts]
    draw_table((_("Why"), _("Rows")), rows)


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
    cells = "".join(f"<td>{number}</td>" for number in numbers)
    name, shown = escape(str(row["group"])), escape(group_name(str(row["group"])))
    return f'<tr data-group="{name}"><th scope="row">{shown}</th>{cells}</tr>'


def _least_bold(errors: Iterable[float]) -> list[str]:
    shown = [_percent(error) for error in errors]
    least = min(shown, key=int)
    return [f"<b>{text}</b>" if text == least else text for text in shown]


def _percent(share: float) -> str:
    """Format a share for a percent column."""
    return percent(share).rstrip(" %")


def _miss(report: HeldOut, place: int, catalog: Catalog) -> tuple[Html, ...]:
    """Table cells of one of the worst misses."""
    row, runs = report.published.rows[place], report.published.runs
    reported = float(runs.device_hours[place])
    ratio = float(np.exp(report.blind.log_ratio[place]))
    device = devices_text(row, catalog.device(str(report.published.devices[place])).name)
    shown = "; ".join(reasons(report, place)) or _("no known reason")
    noted = note(row)
    said = _("Noted in the table: {note}").format(note=noted)
    remark = f"<small>{escape(said)}</small>" if noted else ""
    predicted = _("{hours} h predicted").format(hours=localised(digits(reported * ratio)))
    stated = _("{hours} h reported").format(hours=localised(digits(reported)))
    name = f'<span data-run="{escape(row["name"], quote=True)}">{escape(row["name"])}</span>'
    return (
        Html(f"{name}<small>{escape(row['year'])}, {escape(device)}</small>"),
        Html(f"<b>{unbroken(escape(_times(ratio)))}</b>"),
        Html(f"{unbroken(escape(predicted))}<small>{escape(stated)}</small>"),
        Html(f"{escape(heading(shown))}.{remark}"),
    )


def _times(ratio: float) -> str:
    """Format the error of a prediction as a factor.

    >>> _times(4.9), _times(0.25)
    ('4.9 × too long', '4 × too short')
    """
    text = _("{factor} × too long") if ratio > 1 else _("{factor} × too short")
    return text.format(factor=localised(f"{max(ratio, 1 / ratio):.2g}"))
