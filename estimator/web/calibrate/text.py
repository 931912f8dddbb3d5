"""Measurements in words: sentence, figures, alt texts."""

from collections.abc import Iterator, Sequence
from html import escape

import pandas as pd

from estimator.calibration.next_run import Worth, factor_text
from estimator.calibration.posterior import Cell, PowerCell, Residual
from estimator.catalog import Device
from estimator.core.uncertainty import Uncertain
from estimator.core.units import digits, human, human_duration
from estimator.measure.live import Course
from estimator.runs.figures import DeviceFigures, Span
from estimator.runs.record import HOW_METERED
from estimator.web.calibrate.tables import (
    GROUP_NAMES,
    cell_label,
    median_errors,
    percent,
    span,
    watts,
)
from estimator.web.shared.amounts import localised
from estimator.web.shared.amounts import sentence as spoken
from estimator.web.shared.language import N_, _, ngettext

WORK_NAMES = {
    "decoder": N_("a decoder"),
    "transformer": N_("a transformer"),
    "convolution": N_("a convolutional network"),
    "depthwise": N_("a network of depthwise convolutions"),
    "unet": N_("a U-Net"),
    "recurrent": N_("a recurrent network"),
    "other": N_("another network"),
}

POWER_WORK_NAMES = {**WORK_NAMES, "other": N_("other or not given")}

COMMANDS = (
    (N_("Measure this machine, about two minutes:"), "twenty-watts calibrate bench"),
    (
        N_("Forecast a training run from its first minute:"),
        "twenty-watts forecast --keep-going -- python train.py",
    ),
    (N_("Then look at this page again, or at:"), "twenty-watts calibrate show"),
)
"""Three measurement commands with descriptions."""

Card = tuple[str, str, str, str, tuple[str, ...]]
"""Name, label, value, range and notes of a headline figure."""


def sentence(device: Device, cell: Cell | None, runs: int, timings: int) -> str:
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
        "On {device}, {work} takes <b>{longer} times as long</b> as published runs suggest: "
        "{timed} from {ran} put utilization at <b>{now}</b> of the peak, not {before}."
    )
    return text.format(
        device=name, work=work, longer=longer, timed=timed, ran=ran, now=now, before=before
    )


def power_sentence(device: Device, cell: PowerCell) -> str:
    """Sentence on the measured power of a device, as HTML."""
    count = len(cell.observations)
    before, now = (localised(human(float(one.mid), "W")) for one in (cell.before, cell.now))
    read = ngettext("<b>{n} reading</b>", "<b>{n} readings</b>", count).format(n=count)
    text = _(
        "On <b>{device}</b>, {read} of power under load on {work} put it at <b>{now}</b>; its "
        "profile alone puts it at {before}."
    )
    work = _(POWER_WORK_NAMES[cell.group])
    return text.format(device=escape(device.name), read=read, work=work, now=now, before=before)


def cards(cell: Cell, figures: DeviceFigures | None) -> Iterator[Card]:
    """Headline figures of a device."""
    yield (
        "utilization",
        _("Utilization now"),
        *_share(cell.now),
        (f"{_(GROUP_NAMES[cell.group])}, {cell.precision}",),
    )
    yield "before", _("Expected before"), *_share(cell.before), (_("from published runs"),)
    left = float(cell.now.log_sd) / float(cell.before.log_sd)
    widths = " → ".join(_width(one) for one in (cell.before, cell.now))
    narrower = _("{share}% narrower").format(share=f"{(1 - left) * 100:.0f}")
    yield "interval", _("Interval"), narrower, widths, (_("upper bound over middle"),)
    power = None if figures is None else figures.power_w
    if figures is None or power is None:
        why = _("not measured: modelled power does not count")
        yield "power_w", _("Power under load"), f"– {_('unknown')}", "", (why,)
    else:
        idle: tuple[str, ...] = ()
        if figures.idle_w is not None:
            idle = (_("idle {power}").format(power=localised(human(figures.idle_w.mid, "W"))),)
        value = localised(human(power.mid, "W"))
        yield "power_w", _("Power under load"), value, _span(power), idle


def _share(quantity: Uncertain) -> tuple[str, str]:
    return percent(float(quantity.mid)), span(quantity)


def _width(quantity: Uncertain) -> str:
    return localised(factor_text(float(quantity.interval()[1] / quantity.mid)))


def _span(span: Span) -> str:
    low, high = (localised(human(one, "W")) for one in (span.low, span.high))
    if low == high:
        return _("in every timing")
    return _("{low} – {high} measured").format(low=low, high=high)


def misses(residuals: Sequence[Residual]) -> str:
    """Sentence on the errors of the prior and of other timings."""
    inside = sum(one.inside for one in residuals)
    now, before = map(percent, median_errors(residuals))
    text = _(
        "Median error when predicted from the other timings: {now}; from published runs only: "
        "{before}. The 80% interval covers {inside} of {all}. Most of the others belong to the "
        "same run, so this tests other sizes and workloads, not other days or machines."
    )
    return text.format(now=now, before=before, inside=inside, all=len(residuals))


def courses(found: Sequence[Course]) -> Iterator[Card]:
    """Live figures, one per component."""
    for one in found:
        value = watts(one.power_w[-1]) if one.power_w else "– W"
        energy = _("energy not known yet")
        if one.energy_kwh is not None:
            energy = _("{energy} in {time}").format(
                energy=localised(human(one.energy_kwh * 1e3, "Wh")),
                time=localised(human_duration(one.span_s)),
            )
        state = [] if one.busy is None else [_("{share} busy").format(share=percent(one.busy))]
        state += [] if one.temperature_c is None else [f"{one.temperature_c:.0f} °C"]
        notes = [", ".join(state)] if state else []
        if one.throttled_by:
            notes.append(_("throttled by {causes}").format(causes=", ".join(one.throttled_by)))
        notes += [_(HOW_METERED[one.trust])] if one.trust else []
        notes += [_("simulated: no real device")] if one.simulated else []
        label = f"{one.component}, {one.name}" if one.name else one.component
        yield one.component, label, value, energy, tuple(notes)


def alt_of_courses(found: Sequence[Course]) -> str:
    """Alt text of the power lines."""
    lines = [f"{one.component} {watts(one.power_w[-1])}" for one in found if one.power_w]
    return _("Power of the last minutes, now {parts}").format(parts="; ".join(lines))


def alt_of_cells(cells: Sequence[Cell]) -> str:
    """Alt text of the utilization chart."""
    lines = [f"{cell_label(one)}, {_before(percent(float(one.before.mid)))}" for one in cells]
    return _("Share of the peak expected now: {parts}").format(parts="; ".join(lines))


def alt_of_power(cells: Sequence[PowerCell]) -> str:
    """Alt text of the power chart."""
    before = [f"{watts(float(one.before.mid))} ({span(one.before, watts)})" for one in cells]
    lines = [
        f"{cell_label(one, 'power')}, {_before(was)}"
        for one, was in zip(cells, before, strict=True)
    ]
    text = _("Mean power of the device under load, expected now: {parts}")
    return text.format(parts="; ".join(lines))


def _before(amount: str) -> str:
    return _("before {amount}").format(amount=amount)


def alt_of_residuals(table: pd.DataFrame) -> str:
    """Alt text of the scatter."""
    ratio = table["predicted"] / table["reached"]
    text = _(
        "{count} timings against what the others predict: predicted over measured from {low} to "
        "{high}"
    )
    low, high = (localised(digits(float(end))) for end in (ratio.min(), ratio.max()))
    return text.format(count=len(table), low=low, high=high)


def worth(one: Worth) -> str:
    """Sentence on the interval that a plan would leave."""
    plan = spoken(one.plan.text)
    text = _("{plan}: the interval goes from {now} to {left}, {share}% narrower.")
    return text.format(
        plan=f"{plan[:1].upper()}{plan[1:]}",
        now=localised(factor_text(one.factor_now)),
        left=localised(factor_text(one.factor_left)),
        share=f"{one.narrower * 100:.0f}",
    )
