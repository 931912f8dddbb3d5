"""Page Methodology: equations from the modules' docstrings, numbers from the profiles.

The page has no text of its own: sentences and equations are the docstrings of the modules that
compute, numbers and sources the records that they read, so it cannot become outdated.
"""

import importlib
from html import escape
from inspect import cleandoc
from typing import Any

import pandas as pd
import streamlit as st

from estimator import __version__
from estimator.catalog import Record
from estimator.web.shared import share, style
from estimator.web.shared.amounts import amount, localised
from estimator.web.shared.frame import Frame
from estimator.web.shared.kit import PageQuestion, Values, title
from estimator.web.shared.language import N_, _
from estimator.web.shared.navigation import ACCURACY
from estimator.web.shared.profiles import data_version, open_catalog
from estimator.web.shared.url_state import Choice, LinkParameters

MODULES = {
    "core.estimate": ("ownership", "price", "embodied"),
    "core.uncertainty": (),
    "utilization.mechanism": ("utilization",),
    "core.power": ("power",),
    "memory.usage": ("memory",),
    "memory.activations": (),
    "serving.step": ("serving",),
    "serving.queueing": (),
    "serving.power": (),
    "calibration.gaussian_process": ("calibration",),
    "core.site": ("site", "work"),
    "scaling.laws": ("besiroglu", "hoffmann", "muennighoff", "kaplan"),
    "scaling.error_law": ("thompson",),
    "levers.inference": (),
    "trends.growth": (),
    "depth.gradients": (),
    "claims.verdict": (),
}
"""Part, as in links -> key prefixes of the numbers it reads."""

ROOMS = {
    "utilization": "training",
    "serving": "inference",
    "scaling": "studies.scaling",
    "levers": "studies.levers",
    "trends": "studies.trends",
    "depth": "studies.depth",
    "claims": "studies.claims",
}
"""First word of a part -> room of its module, where they differ."""

PARAMETERS = LinkParameters(
    "method",
    Choice(
        "part",
        tuple(MODULES),
        label=N_("Part"),
        help=N_("Part of the model to show, with equations and numbers."),
        called=lambda: PARTS,
    ),
)


def _draw(values: Values, found: tuple[str, str], frame: Frame) -> None:
    """Draw the equations of one part and the numbers behind them."""
    if not frame.slide:
        st.subheader(_(PARTS[values["part"]]), anchor=False)
    sentence, equations = found
    style.sentence(escape(_(sentence)))
    if equations:
        st.code(equations, language=None, wrap_lines=True)
    if not frame.slide:
        _numbers(values["part"])


def stated(part: str) -> tuple[str, str]:
    """Return the summary of a module's docstring, and its indented equations.

    >>> stated("scaling.error_law")[1]
    'C(e) = C_0 (e_0 / e)^k'
    """
    room, _dot, name = part.partition(".")
    module = importlib.import_module(f"estimator.{ROOMS.get(room, room)}.{name}")
    text = cleandoc(module.__doc__ or "")
    lines = text.splitlines()
    indented = [line for line in lines if line.startswith("    ") and line.strip()]
    return lines[0], "\n".join(line.strip() for line in indented)


def numbers(part: str) -> dict[str, Record]:
    """Records read by a part, by key."""
    catalog = open_catalog()
    every = {**catalog.priors(), **catalog.scaling()}
    return {key: one for key, one in every.items() if key.partition(".")[0] in MODULES[part]}


def _rows(part: str) -> list[tuple[str, ...]]:
    """Key, value, range, basis and source of each number."""
    catalog = open_catalog()
    return [
        (
            key,
            _value(one),
            _range(one),
            _(one.basis),
            catalog.source(one.source).title,
        )
        for key, one in numbers(part).items()
    ]


def _value(one: Record) -> str:
    if one.unit == "year":
        return amount(one.value, "year")
    return localised(f"{one.value:.6g}") + (f" {one.unit}" if one.unit != "1" else "")


def _range(one: Record) -> str:
    if one.low is None and one.high is None:
        return ""
    bounds = [
        localised(f"{bound:.4g}") if bound is not None else "…" for bound in (one.low, one.high)
    ]
    return _("{low} to {high}").format(low=bounds[0], high=bounds[1])


def _numbers(part: str) -> None:
    rows = _rows(part)
    if rows:
        header = (_("Number"), _("Value"), _("Range"), _("Basis"), _("Source"))
        st.dataframe(pd.DataFrame(rows, columns=list(header)), hide_index=True, key="numbers")
    style.caption(
        _(
            "Version {version}, data {data}. “fitted” in a key: fitted to published runs, see its "
            "source."
        ).format(version=__version__, data=data_version())
    )


def printable() -> str:
    """Return all parts as one page for printing and citing."""
    parts = []
    for part, name in PARTS.items():
        sentence, equations = stated(part)
        cells = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
            for row in _rows(part)
        )
        table = f"<table>{cells}</table>" if cells else ""
        parts.append(
            f"<h2>{escape(_(name))}</h2><p>{escape(_(sentence))}</p><pre>{escape(equations)}</pre>{table}"
        )
    heading = escape(_("Methodology"))
    return (
        f'<!doctype html><html><meta charset="utf-8"><title>Twenty Watts: {heading}</title><style>'
        "body{font:15px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
        "td{border-bottom:1px solid #ccc;padding:.2rem .6rem .2rem 0;vertical-align:top}"
        f"</style><h1>Twenty Watts {__version__}: {heading}</h1><p>{escape(data_version())}</p>"
        f"{''.join(parts)}</html>\n"
    )


PARTS: dict[str, Any] = {
    "core.estimate": N_("From work to time, energy, cost and CO2e"),
    "core.uncertainty": N_("Uncertainty"),
    "utilization.mechanism": N_("Utilization"),
    "core.power": N_("Power of a node"),
    "memory.usage": N_("Memory"),
    "memory.activations": N_("Memory of activations"),
    "serving.step": N_("Time of a step of serving"),
    "serving.queueing": N_("Queue of requests"),
    "serving.power": N_("Power while serving"),
    "calibration.gaussian_process": N_("Calibration"),
    "core.site": N_("Site"),
    "scaling.laws": N_("Scaling laws"),
    "scaling.error_law": N_("Error on ImageNet"),
    "levers.inference": N_("Decoding by the roofline"),
    "trends.growth": N_("Trends"),
    "depth.gradients": N_("Gradient through depth"),
    "claims.verdict": N_("Verdicts on claims"),
}
SLIDES = {"equations": N_("the equations of one part")}
QUESTION = PageQuestion(
    inputs=PARAMETERS,
    answer=lambda values: stated(values["part"]),
    view=_draw,
    title=title(N_("Methodology")),
    heading=lambda values, frame: _(PARTS[values["part"]]),
    slides=SLIDES,
    files=lambda values, found: (share.printable("method", printable),),
)
PAGE = QUESTION.page(N_("Methodology"), ACCURACY)
