"""Slider that reveals a figure step by step: rows one by one, points by year, curves by x."""

from typing import Any

from estimator.web.offline.scenario_figure import Slider
from estimator.web.shared.charts import Row, Spec
from estimator.web.shared.language import N_

FIELDS = {"year": N_("Up to the year"), "x": N_("Up to")}
"""Column -> label of the slider over it; other rows are counted."""


def revealed(spec: Spec, rows: list[Row]) -> tuple[Spec, Slider]:
    """Return a figure that shows part of its rows, and the slider, initially at all rows.

    Raises
    ------
    ValueError
        If there are no rows.
    """
    if not rows:
        raise ValueError("the answer contains nothing for this figure")
    field = next((name for name in FIELDS if name in rows[0]), "")
    data = rows if field else [row | {"counted": count} for count, row in enumerate(rows, 1)]
    field = field or "counted"
    found = [float(row[field]) for row in data if row[field] is not None]
    low, high = min(found), max(found)
    if field == "year":
        low, high = float(int(low)), float(int(high))
    slider = Slider(
        name="shown",
        label=FIELDS.get(field, N_("Rows shown")),
        value=high,
        low=low,
        high=high,
        logarithmic=field == "x" and low > 0,
        whole=field != "x",
    )
    value = f"floor(datum.{field})" if field == "year" else f"datum.{field}"
    kept = {"filter": f"!isValid(datum.{field}) || {value} <= shown * (1 + 1e-9)"}
    part: dict[str, Any] = {
        **spec,
        "data": {"values": data},
        "params": [*spec.get("params", ()), {"name": "shown", "value": high}],
        "transform": [kept, *spec.get("transform", ())],
    }
    return part, slider
