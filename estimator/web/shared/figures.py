"""Charts on a page: specifications built once per look, fed with a table on every run."""

from typing import Any

import pandas as pd
import pyarrow as pa
import streamlit as st

from estimator.web.shared import language, style
from estimator.web.shared.charts import Build, Look, Picture, Row, specification
from estimator.web.shared.language import _


def draw(
    build: Build,
    table: pd.DataFrame | list[Row],
    look: Look,
    *,
    of: tuple[Any, ...] = (),
    height: float | None = None,
    caption: str = "",
    **named: str,
) -> None:
    """Draw a chart of a table; the specification is built once per look.

    Parameters
    ----------
    build : callable
        From a look and `of` to a Vega-Lite specification without data.
    table : pandas.DataFrame, or list of dict
        Rows of the chart.
    look : Look
    of : tuple
        Further hashable arguments of `build`.
    height : float, optional
        Height where it depends on the table; on a slide, a chart fills its frame. [px]
    caption : str
        Basis of the chart, written under it.
    **named : str
        `key`, a name of its own on the whole site, and `alt`, the answer of the chart in words for
        those who do not see it. It is next to the chart, not in it: a browser rebuilds a chart when
        its own description changes, and otherwise only feeds it new data.
    """
    spec = specification(build, look, of, language.current())
    if height is not None and not look.slide:
        spec = {**spec, "height": height}
    label = _("Chart, described in the text before it")
    if caption:
        label = _("Chart, described in the text after it")
    else:
        style.in_words(named["alt"])
    data = table if isinstance(table, pd.DataFrame) else as_arrow(table)
    tall: Any = "stretch" if look.slide else "content"
    st.vega_lite_chart(data, spec, theme=None, key=named["key"], alt=label, height=tall)
    if caption:
        with style.block():
            style.caption(caption)
            style.in_words(named["alt"])


def as_arrow(rows: list[Row]) -> pa.Table:
    """Return rows as an Arrow table; invalid numbers are missing.

    >>> as_arrow([{"label": "a", "mid": 1.5}, {"label": "b", "mid": float("nan")}]).to_pylist()
    [{'label': 'a', 'mid': 1.5}, {'label': 'b', 'mid': None}]
    """
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) for row in rows] for name in names}
    return pa.table({name: pa.array(cells, from_pandas=True) for name, cells in columns.items()})


def draw_picture(picture: Picture, look: Look, *, key: str) -> None:
    """Draw a chart on a page."""
    draw(
        picture.build,
        picture.rows,
        look,
        of=picture.of,
        height=len(picture.rows) * look.row_px if picture.by_row else None,
        key=key,
        alt=picture.alt,
    )
