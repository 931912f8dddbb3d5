"""The picture of the page Plan: how much of each limit each plan takes."""

from estimator.web.shared import charts
from estimator.web.shared.charts import SHAPES, Look, Spec


def shares_of_limits(look: Look, title: str, names: tuple[str, ...]) -> Spec:
    """Points with intervals by plan and limit: columns plan, kind, low, mid, high, text."""
    y = charts.rows("plan", padding=0.1)
    apart = {"field": "kind", "type": "nominal", "sort": list(names)}
    offset = apart | {"scale": {"domain": ["", *names]}}
    x = charts.axis("x", "mid", title, log=True, unit="share")
    colour = charts.distinguished("kind", names, look.colours["series"], len(names))
    shape = charts.distinguished("kind", names, SHAPES, len(names))
    where = {"y": y, "yOffset": offset, "color": colour}
    text = charts.row_labels(
        look,
        {"y": y, "yOffset": {"datum": ""}},
        "plan",
        baseline="middle",
        dy=0.0,
        of=[{"aggregate": [], "groupby": ["plan"]}],
    )
    return charts.layered(
        look,
        4 * look.row_px,
        charts.full_line(look),
        charts.layer(
            "rule",
            {**where, "x": x | {"field": "low"}, "x2": {"field": "high"}},
            strokeWidth=3 * look.scale,
            opacity=0.75,
        ),
        charts.points(
            look, 110, {**where, "x": x, "shape": shape, "tooltip": charts.tooltip("text")}
        ),
        text,
    )
