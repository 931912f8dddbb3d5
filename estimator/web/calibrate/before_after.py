"""Utilization of a device before and after measuring: sentence, figures, and chart."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from estimator.answer.usual_run import UsualRun, usual_runs
from estimator.calibration.cells import Cell, cells
from estimator.calibration.correction import Known
from estimator.calibration.next_run import factor_text
from estimator.catalog import Device
from estimator.core.uncertainty import Uncertain
from estimator.core.units import digits, human, in_percent
from estimator.runs.figures import DeviceFigures
from estimator.web.shared import charts, figures, style, ticks
from estimator.web.shared.amounts import format_range, localised
from estimator.web.shared.charts import Look, Row, Spec, distinguished, layer
from estimator.web.shared.language import N_, _, ngettext

BEFORE, NOW, MEASURED = N_("before"), N_("now"), N_("measured")
"""Series of the chart."""

GROUP_NAMES = {
    "decoder": N_("decoders"),
    "experts": N_("mixtures of experts"),
    "transformer": N_("other transformers"),
    "convolution": N_("convolutions"),
    "depthwise": N_("depthwise convolutions"),
    "unet": N_("U-Nets"),
    "recurrent": N_("recurrent networks"),
    "other": N_("other networks"),
}

WORK_NAMES = {
    "decoder": N_("a decoder"),
    "transformer": N_("a transformer"),
    "convolution": N_("a convolutional network"),
    "depthwise": N_("a network of depthwise convolutions"),
    "unet": N_("a U-Net"),
    "recurrent": N_("a recurrent network"),
    "other": N_("another network"),
}


@dataclass(frozen=True, kw_only=True)
class ExpectedCell(Cell, UsualRun):
    """Kind of network with its timings and the utilization of a typical run."""


def expected_cells(known: Known, device: Device, precision: str) -> list[ExpectedCell]:
    """Return all measured or typical kinds of networks, with their expected utilization.

    Empty for a device with a fixed utilization, such as a brain.
    """
    found = cells(known, device, precision)
    runs = usual_runs(device, [one.group for one in found], precision, known.catalog)
    return [
        ExpectedCell(**vars(one), **vars(run))
        for one, run in zip(found, runs, strict=True)
        if run.before.loadings
    ]


HEIGHT_PX = 320
ROWS_OVER_USUAL = 1.75
"""Row height over that of other charts, for a label and two marks [1]."""

COLUMNS = "width < 500 ? 1 : 3"
"""Legend columns: one on a phone or in half a page, otherwise three."""


def sentence(device: Device, cell: ExpectedCell | None, runs: int, timings: int) -> str:
    """Sentence on the measurements of a device, as HTML."""
    name = f"<b>{escape(device.name)}</b>"
    if cell is None:
        return _("The utilization of {device} cannot be measured.").format(device=name)
    work = _("{work} in {precision}").format(
        work=_(WORK_NAMES[cell.group]), precision=escape(cell.precision)
    )
    before, now = (percent(float(one.mid)) for one in (cell.before, cell.now))
    longer = localised(digits(float(cell.before.mid / cell.now.mid)))
    if not timings:
        text = _(
            "Nothing measured on {device} yet: published runs put utilization at <b>{before}</b> "
            "of the peak for {work}."
        )
        return text.format(device=name, before=before, work=work)
    timed = ngettext("<b>{n} timing</b>", "<b>{n} timings</b>", timings).format(n=timings)
    ran = ngettext("{n} measured run", "{n} measured runs", runs).format(n=runs)
    text = _(
        "On {device}, {work} takes <b>{longer} times as long</b> as estimated without "
        "measurements: {timed} from {ran} put utilization at <b>{now}</b> of the peak, "
        "not {before}."
    )
    return text.format(
        device=name, work=work, longer=longer, timed=timed, ran=ran, now=now, before=before
    )


def cards(cell: ExpectedCell, measured: DeviceFigures | None) -> Iterator[str]:
    """Headline figures of a device."""
    was = _("before: {share} ({span})").format(
        share=percent(float(cell.before.mid)), span=span(cell.before)
    )
    work = f"{_(GROUP_NAMES[cell.group])}, {cell.precision}"
    now = percent(float(cell.now.mid))
    yield style.figure("utilization", _("Utilization"), now, span(cell.now), [was, work])
    left = float(cell.now.log_sd) / float(cell.before.log_sd)
    widths = " → ".join(
        localised(factor_text(float(one.interval()[1] / one.mid)))
        for one in (cell.before, cell.now)
    )
    narrower = _("{share}% narrower").format(share=f"{(1 - left) * 100:.0f}")
    note = _("upper bound over median")
    yield style.figure("interval", _("Interval"), narrower, widths, [note])
    power = None if measured is None else measured.power_w
    if measured is None or power is None:
        why = _("not measured: modelled power does not count")
        yield style.figure("power_w", _("Power under load"), f"– {_('unknown')}", "", [why])
        return
    low, high, mid = (localised(human(one, "W")) for one in (power.low, power.high, power.mid))
    ends = _("{low} – {high} measured").format(low=low, high=high)
    idle = []
    if measured.idle_w is not None:
        idle = [_("idle {power}").format(power=localised(human(measured.idle_w.mid, "W")))]
    ends = _("in every timing") if low == high else ends
    yield style.figure("power_w", _("Power under load"), mid, ends, idle)


def draw_chart(found: Sequence[ExpectedCell], look: Look) -> None:
    """Draw the expectation before and after measuring, and each timing, by kind of network."""
    rows = chart_rows(found)
    height = float(len(found) * look.row_px * ROWS_OVER_USUAL)
    parts = [
        f"{cell_label(one)}, " + _("before {amount}").format(amount=percent(float(one.before.mid)))
        for one in found
    ]
    alt = _("Share of the peak expected now: {parts}").format(parts="; ".join(parts))
    figures.draw(chart, rows, look, key="chart_share", alt=alt, height=height)


def chart_rows(found: Sequence[ExpectedCell]) -> list[Row]:
    """Rows of the chart: two expectations per kind of network, and each timing.

    Columns: row, what (one of `BEFORE`, `NOW`, `MEASURED`), slot (position in the row), low, mid,
    high (utilization [1]), label (at the first entry of a row), text.
    """
    rows: list[Row] = []
    for cell in found:
        name = _(GROUP_NAMES[cell.group])
        for what, quantity in ((BEFORE, cell.before), (NOW, cell.now)):
            low, high = (float(bound) for bound in quantity.interval())
            mid = float(quantity.mid)
            text = f"{_(what)}: {percent(mid)} ({span(quantity)})"
            label = cell_label(cell) if what == BEFORE else ""
            rows.append(
                {"row": name, "what": _(what), "slot": what, "label": label, "text": text}
                | {"low": low, "mid": mid, "high": high}
            )
        for one in cell.observations:
            text = f"{one.timing.label or one.run}: {percent(one.reached)}"
            rows.append(
                {"row": name, "what": _(MEASURED), "slot": NOW, "label": "", "text": text}
                | dict.fromkeys(("low", "mid", "high"), one.reached)
            )
    return rows


def chart(look: Look) -> Spec:
    """Specification of the chart: two bars and the timings in every row."""
    colours = look.colours
    kinds = tuple(_(name) for name in (BEFORE, NOW, MEASURED))
    read = f"datum.what == {json.dumps(kinds[2])}"
    y = charts.rows("row", padding=0.12)
    slots = {"domain": ["label", BEFORE, NOW], "paddingInner": 0.0, "paddingOuter": 0.0}
    offset = {"field": "slot", "type": "nominal", "scale": slots, "sort": None}
    x = {
        "field": "mid",
        "type": "quantitative",
        "title": _("share of the peak"),
        "scale": {"domain": [0, 1], "nice": False},
        "axis": ticks.linear("share") | {"grid": False, "tickCount": 5},
    }
    paints = (colours["muted"], *colours["series"][:2])
    colour = distinguished("what", kinds, paints, COLUMNS)
    shape = distinguished("what", kinds, ("square", "diamond", "circle"), COLUMNS)
    where = {"y": y, "yOffset": offset, "tooltip": charts.tooltip("text"), "color": colour}
    bars = {**where, "x": x | {"field": "low"}, "x2": {"field": "high"}}
    dots = {**where, "x": x, "shape": shape}
    edge = {"opacity": 0.9, "stroke": colours["paper"], "strokeWidth": 1}
    at_label = [{"filter": "datum.label != ''"}, {"calculate": "'label'", "as": "slot"}]
    text = charts.row_labels(
        look, {"y": y, "yOffset": offset}, "label", baseline="middle", dy=0.0, of=at_label
    )
    return charts.layered(
        look,
        HEIGHT_PX,
        layer("rule", bars, where=f"!({read})", strokeWidth=7 * look.scale, opacity=0.4),
        charts.points(look, 190, dots, where=f"!({read})"),
        charts.points(look, 55, dots, where=read, **edge),
        text,
    )


def cell_label(cell: ExpectedCell) -> str:
    """Label of a chart row."""
    count = len(cell.observations)
    counted = ngettext("{n} timing", "{n} timings", count).format(n=count)
    name, now = _(GROUP_NAMES[cell.group]), percent(float(cell.now.mid))
    return f"{name}: {now} ({span(cell.now)}), {counted if count else _('unmeasured')}"


def percent(share: float) -> str:
    """Format a share.

    >>> percent(0.254), percent(0.0123)
    ('25%', '1.2%')
    """
    return localised(in_percent(share, int(share < 0.095)))


def span(quantity: Uncertain) -> str:
    """Format the interval of a share.

    >>> span(Uncertain(0.5, {"load": 0.2}))
    '39 – 65%'
    """
    return format_range(*(percent(float(bound)) for bound in quantity.interval()))
