"""Charts of the page Models: terms, cache, memory of devices."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from estimator.core.units import GIB, human_capacity, significant
from estimator.memory.fit import DeviceFit
from estimator.networks.ledger import Ledger
from estimator.web.models.described import Described
from estimator.web.models.inputs import USES
from estimator.web.shared import charts, figures, plots, style, ticks, widgets
from estimator.web.shared.amounts import amount, localised
from estimator.web.shared.charts import Look, Row, Spec
from estimator.web.shared.frame import Frame
from estimator.web.shared.html_table import draw_table
from estimator.web.shared.kit import Values
from estimator.web.shared.language import _, ngettext

SHOWN_TERMS, TERMS_ON_SLIDE = 10, 5
"""Largest terms drawn individually; the rest is one bar."""

ROWS_ON_SLIDE = 8
DEVICES_ON_SLIDE = ("rtx-4090", "h100-sxm", "b200", "mi300x")
DEVICES = (
    "rtx-3060",
    "rtx-4090",
    "rtx-5090",
    "l40s",
    "a100-sxm-80",
    "h100-sxm",
    "h200-sxm",
    "b200",
    "mi300x",
    "mi355x",
    "tpu-v5p",
    "apple-m4-max",
)
"""Devices of the chart, from a gaming GPU to the largest; the table has all."""

SERVED_TOKENS = 32_768.0
"""Longest context drawn if the config states no limit. [token]"""

FULL = 1.0


def _draw_ledger(values: Values, model: Described, frame: Frame) -> None:
    """Draw each term's share of parameters and forward FLOPs."""
    kinds = (_("parameters"), _("forward FLOPs"))
    rows: list[Row] = [
        {
            "term": name,
            "kind": kind,
            "share": part,
            "text": f"{name}: {amount(part, 'share')}, {kind}",
        }
        for name, parts in _shares(model.ledger, TERMS_ON_SLIDE if frame.slide else SHOWN_TERMS)
        for kind, part in zip(kinds, parts, strict=True)
    ]
    terms = len(rows) // 2
    per_term_px = 44.0 * frame.look.scale
    most = amount(max(row["share"] for row in rows), "share")
    largest = [row["text"] for row in rows if amount(row["share"], "share") == most]
    figures.draw(
        shares_by_term,
        pd.DataFrame(rows),
        frame.look,
        of=(_("share of the whole"), kinds),
        height=min(per_term_px * terms, 400.0 if frame.slide else 600.0),
        key="models_ledger",
        alt=_("Largest: {text}.").format(text="; ".join(largest)),
    )
    if not frame.slide:
        style.caption(
            _(
                "Matrix products, convolutions and attention products, a multiply-add as two FLOPs,"
                " full attention; backward is twice forward."
            )
        )


def _shares(ledger: Ledger, most: int) -> list[tuple[str, tuple[float, float]]]:
    """Terms in order of the pass, with small ones merged."""
    params, flop = float(ledger.params_total), float(ledger.forward_flop)
    shares = {
        name: (term.params / params, float(term.flop) / flop if flop else 0.0)
        for name, term in ledger.terms.items()
    }
    large = sorted(shares, key=lambda name: -max(shares[name]))[:most]
    found = [(name, part) for name, part in shares.items() if name in large]
    small = [part for name, part in shares.items() if name not in large]
    if small:
        rest = (sum(part[0] for part in small), sum(part[1] for part in small))
        found.append((_("{count} smaller ones").format(count=len(small)), rest))
    return found


def _draw_terms(values: Values, model: Described, frame: Frame) -> None:
    """Draw a table of every term."""
    ledger = model.ledger
    params, flop = float(ledger.params_total), float(ledger.forward_flop)
    terms = list(ledger.terms.items())
    if frame.slide:
        largest = sorted(terms, key=lambda one: -float(one[1].flop))[:ROWS_ON_SLIDE]
        terms = [one for one in terms if one in largest]
    rows = [
        (
            name,
            localised(f"{term.params:,}"),
            amount(term.params / params, "share"),
            amount(float(term.flop), "FLOP"),
            amount(float(term.flop) / flop, "share") if flop else "–",
        )
        for name, term in terms
    ]
    head = (_("Term"), _("parameters"), _("share"), _("forward"), _("share"))
    draw_table(head, rows)


def _draw_cache(values: Values, model: Described, frame: Frame) -> None:
    """Draw KV cache over context length, next to the weights."""
    if not model.ledger.cache:
        style.caption(_("It has no KV cache, as it does not generate token by token."))
        return
    longest = float(getattr(model.network, "max_positions", SERVED_TOKENS))
    contexts = np.geomspace(min(128.0, longest / 8.0), longest, 60)
    lines = {
        _("KV cache at 16 bit"): model.ledger.kv_cache_bytes(contexts, values["batch"], 2.0),
        _("KV cache at 8 bit"): model.ledger.kv_cache_bytes(contexts, values["batch"], 1.0),
        _("weights at 16 bit"): np.full_like(contexts, model.ledger.weights_bytes()),
    }
    rows: list[Row] = []
    for name, sizes in lines.items():
        rows += plots.line(contexts, np.asarray(sizes) / 1e9, name)
    full = float(next(iter(lines.values()))[-1])
    shown = _("{bytes} for {tokens} tokens").format(
        bytes=amount(full, "B"), tokens=localised(f"{longest:,.0f}")
    )
    rows.append(plots.mark(longest, full / 1e9, shown))
    titles = (_("tokens of context"), _("memory [GB]"))
    picture = plots.curves_picture(rows, titles, (True, True), tuple(lines), alt=shown)
    figures.draw_picture(picture, frame.look, key="models_cache")
    style.caption(
        ngettext("{n} sequence: {shown}.", "{n} sequences: {shown}.", values["batch"]).format(
            n=localised(f"{values['batch']:,}"), shown=shown
        )
    )


def _draw_fit(values: Values, model: Described, frame: Frame) -> None:
    """Draw the memory use of one device of each type."""
    if model.refusal:
        style.caption(model.refusal)
        return
    kinds = (_("fits on one"), _("takes more"))
    wanted = DEVICES_ON_SLIDE if frame.slide else DEVICES
    chosen = dict.fromkeys((*wanted, values["hardware"]))
    fits = {fit.device.id: fit for fit in model.fits}
    rows = [_fit_row(fits[name], kinds) for name in chosen if name in fits]
    title = _("share of the memory of one device")
    if model.without_activations:
        title = _("share of the memory of one device, without activations")
    ranges = plots.ranges_picture(rows, title, kinds, "share")
    picture = replace(ranges, build=shares_of_memory)
    figures.draw_picture(picture, frame.look, key="models_fit", most=figures.ALONE_PX)
    if frame.slide:
        return
    style.caption(
        _(
            "{use}, {tokens} tokens in a sequence, bars of 80%. Over more devices it is shared "
            "out by tensor parallelism to serve, fully sharded to train."
        ).format(use=_(USES[values["use"]]), tokens=localised(f"{model.length:,.0f}"))
    )
    with style.folded(_("All devices"), "models_devices") as fold:
        if fold.open:
            table = _fit_table(model.fits)
            numbers = {name: widgets.number_column(name) for name in table.columns[1:]}
            st.dataframe(table, column_config=numbers, hide_index=True, placeholder="–")


def _fit_row(fit: DeviceFit, kinds: tuple[str, str]) -> Row:
    low, high = (float(bound) for bound in fit.share.interval())
    mid = float(fit.share.mid)
    if mid <= FULL:
        text = _("{share} of {held}").format(
            share=amount(mid, "share"), held=localised(human_capacity(fit.capacity_bytes))
        )
    elif fit.least_devices is None:
        text = _("too small in any number")
    else:
        text = _("{count} needed").format(count=localised(f"{fit.least_devices:,.0f}"))
    kind = kinds[0] if mid <= FULL else kinds[1]
    return plots.interval(fit.device.id, (low, mid, high), f"{fit.device.name}: {text}", kind)


def _fit_table(fits: tuple[DeviceFit, ...]) -> pd.DataFrame:
    """Every device with its memory use and required count."""
    return pd.DataFrame(
        [
            {
                _("Device"): fit.device.name,
                _("Memory [GB]"): significant(fit.capacity_bytes / GIB),
                _("Share needed [%]"): significant(100.0 * float(fit.share.mid)),
                _("Devices that hold it"): fit.least_devices,
            }
            for fit in sorted(fits, key=lambda one: -one.capacity_bytes)
        ]
    )


def shares_by_term(look: Look, title: str, names: tuple[str, ...]) -> Spec:
    """Two bars per term on one linear axis: columns term, kind, share, text."""
    x = {
        "field": "share",
        "type": "quantitative",
        "title": title,
        "stack": None,
        "axis": ticks.linear("share", 5),
    }
    y = {
        "field": "term",
        "type": "nominal",
        "sort": None,
        "title": None,
        "axis": {"labelLimit": 330 * look.scale, "ticks": False, "domain": False},
        "scale": {"paddingInner": 0.25},
    }
    colour = charts.distinguished("kind", names, look.colours["series"], len(names))
    encoding = {
        "x": x,
        "y": y,
        "yOffset": {"field": "kind", "type": "nominal", "sort": list(names)},
        "color": colour,
        "tooltip": charts.tooltip("text"),
    }
    return charts.layered(look, 8 * look.row_px, charts.layer("bar", encoding))


def shares_of_memory(look: Look, title: str, log: bool, names: tuple[str, ...], unit: str) -> Spec:
    """Devices with the share of their memory, and a line at full memory."""
    spec = plots.ranges(look, title, log, names, unit)
    return {**spec, "layer": [charts.full_line(look), *spec["layer"]]}


PICTURES: dict[str, Callable[[Values, Described, Frame], None]] = {
    "ledger": _draw_ledger,
    "cache": _draw_cache,
    "fit": _draw_fit,
    "terms": _draw_terms,
}
