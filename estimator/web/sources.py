"""The formula with numbers, and the source behind each of them, as HTML that can be read aloud."""

import re
from html import escape
from typing import Any

import streamlit as st

from estimator.answer import Answer
from estimator.catalog import Catalog
from estimator.tables import inputs_table
from estimator.web.formula import Step, steps


def draw_formula(answer: Answer) -> None:
    """Draw each line of the model: in words, in numbers, and its result."""
    st.html(f'<div class="tw tw-formula">{"".join(_step(step) for step in steps(answer))}</div>')


def draw_sources(answer: Answer, catalog: Catalog) -> None:
    """Draw every input with its range, basis and source; the title opens the source."""
    rows = "".join(_row(row) for row in inputs_table(answer, catalog).itertuples())
    head = "".join(f"<th>{name}</th>" for name in ("Number", "Value", "Basis", "Source"))
    st.html(
        f'<table class="tw tw-inputs"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    )


def _step(step: Step) -> str:
    numbers = f"<p>= {_raised(step.numbers)}</p>" if step.numbers else ""
    return (
        f'<div class="tw-step"><b>{escape(step.name)}</b>'
        f'<div><p class="tw-words">= {_raised(step.words)}</p>{numbers}</div>'
        f'<p class="tw-result">= <b>{escape(step.result)}</b></p></div>'
    )


def _raised(text: str) -> str:
    """Write powers as powers."""
    return re.sub(r"\^([\d.]+)", r"<sup>\1</sup>", escape(text))


def _row(row: Any) -> str:
    span = f"<small>{escape(row.range)}</small>" if row.range else ""
    return (
        f'<tr data-input="{escape(row.key)}"><td>{escape(row.input)}</td>'
        f"<td>{escape(row.said)}{span}</td><td>{escape(row.basis)}</td>"
        f"<td>{_source(row)}</td></tr>"
    )


def _source(row: Any) -> str:
    """Title, linked where there is an address; publisher, date, licence and what to know."""
    title = escape(row.title)
    if row.url:
        address = escape(row.url, quote=True)
        title = f'<a href="{address}" target="_blank" rel="noopener noreferrer">{title}</a>'
    details = [row.publisher, row.date, row.licence]
    told = ", ".join(escape(detail) for detail in details if detail and detail != "unknown")
    note = f"<small>{escape(row.note)}</small>" if row.note else ""
    return f"{title}<small>{told}</small>{note}" if title else note
