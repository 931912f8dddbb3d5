"""Charts on a page: specifications built once per look, fed with a table on every run."""

from functools import cache
from typing import Any

import pandas as pd
import streamlit as st

from estimator import charts
from estimator.charts import Look

SLIDE_PX, ALONE_PX = 276, 330
"""Height of a chart on a slide at most, under a choice and without one, so that its axis stays on a
projector of 720 lines."""


def look(scale: float) -> Look:
    """Look of the visitor's theme."""
    return Look(dark=st.context.theme.type == "dark", scale=scale)


def draw_parts(table: pd.DataFrame, look: Look, alt: str) -> None:
    """Draw where the energy goes."""
    st.vega_lite_chart(table, _parts(look), theme=None, key="chart_parts", alt=alt)


def rows_px(rows: int, look: Look, *, slide: bool, most: float = SLIDE_PX) -> float:
    """Height of a chart of so many rows; lower on a slide, to leave nothing below."""
    height = rows * look.row_px
    return min(height, most) if slide else height


def draw_doubts(table: pd.DataFrame, look: Look, quantity: str, alt: str, *, slide: bool) -> None:
    """Draw what makes the interval wide."""
    spec = {
        **_doubts(look, quantity),
        "height": rows_px(len(table), look, slide=slide, most=ALONE_PX),
    }
    st.vega_lite_chart(table, spec, theme=None, key="chart_doubts", alt=alt)


def draw_devices(table: pd.DataFrame, look: Look, quantity: str, alt: str, *, slide: bool) -> None:
    """Draw the comparison of devices."""
    spec = {**_devices(look, quantity), "height": rows_px(len(table), look, slide=slide)}
    st.vega_lite_chart(table, spec, theme=None, key="chart_devices", alt=alt)


@cache
def _parts(look: Look) -> dict[str, Any]:
    return charts.frozen(charts.energy_by_part(_blank("label", "energy_kwh"), look))


@cache
def _doubts(look: Look, quantity: str) -> dict[str, Any]:
    return charts.frozen(charts.quantity_by_doubt(_blank("doubt", "label"), look, quantity))


@cache
def _devices(look: Look, quantity: str) -> dict[str, Any]:
    return charts.frozen(charts.quantity_by_device(_blank("device", "label"), look, quantity))


def _blank(*columns: str) -> pd.DataFrame:
    return pd.DataFrame(columns=list(columns))
