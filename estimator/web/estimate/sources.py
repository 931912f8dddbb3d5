"""Formula with the numbers of a run, and the source of each."""

import re
from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from estimator.answer.scenario_estimate import Answer
from estimator.catalog import Catalog
from estimator.web.estimate.formula import FormulaStep, steps
from estimator.web.shared import style
from estimator.web.shared.language import _
from estimator.web.shared.tables import author, inputs_rows


def draw_formula(answer: Answer, *, linked: bool) -> None:
    """Draw each step of the model: in words, in numbers, and its result.

    With `linked`, names link to their equations on the page How it works.
    """
    lines = "".join(_step(step, linked=linked) for step in steps(answer))
    st.html(f'<div class="tw tw-formula">{lines}</div>')


def draw_sources(answer: Answer, catalog: Catalog) -> None:
    """Draw every input with range, basis and source as a searchable table."""
    columns: dict[Any, Any] = {
        "input": _("Number"),
        "said": _("Value"),
        "range": _("Range"),
        "basis": _("Basis"),
        "title": _("Source"),
        "publisher": _("Publisher"),
        "date": _("Date"),
        "url": st.column_config.LinkColumn(_("Link")),
        "licence": _("Licence"),
        "note": _("Note"),
    }
    st.dataframe(
        pd.DataFrame(inputs_rows(answer, catalog)),
        column_order=list(columns),
        column_config=columns,
        hide_index=True,
        key="sources",
    )
    style.caption(_("Point at the table and press Ctrl+F, or the magnifier, to search it."))


def compared_by(catalog: Catalog) -> str:
    """Publishers or authors, and years, behind the everyday equivalents."""
    found = [catalog.source(record.source) for record in catalog.equivalents().values()]
    return "; ".join(
        f"{author(source)}, {source.date[:4]}" for source in found if not source.is_absent
    )


def _step(step: FormulaStep, *, linked: bool) -> str:
    name = escape(step.name)
    if linked:
        name = (
            f'<a href="method?part={step.part}" target="_self" style="color:inherit" '
            f'title="{escape(_("Methodology"))}">{name}</a>'
        )
    numbers = f"<p>= {_raised(step.numbers)}</p>" if step.numbers else ""
    return (
        f'<div class="tw-step"><b>{name}</b>'
        f'<div><p class="tw-words">= {_raised(step.words)}</p>{numbers}</div>'
        f'<p class="tw-result">= <b>{escape(step.result)}</b></p></div>'
    )


def _raised(text: str) -> str:
    """Format powers as superscripts."""
    return re.sub(r"\^(\d+(?:[.,]\d+)*)", r"<sup>\1</sup>", escape(text))
