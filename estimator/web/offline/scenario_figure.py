"""The figure of a scenario whose sliders recompute it: the core's arithmetic as Vega signals."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from estimator.answer.scenario_estimate import Answer
from estimator.core.estimate import Estimate, estimate
from estimator.core.uncertainty import Uncertain
from estimator.web.offline.trace import Tape, written
from estimator.web.shared import charts, ticks
from estimator.web.shared.charts import Look
from estimator.web.shared.language import N_, _

QUANTITIES = {
    "wall_hours": N_("Wall time"),
    "energy_kwh": N_("Energy"),
    "cost_usd": N_("Cost"),
    "co2e_kg": N_("CO2e"),
    "brain_years": N_("One brain at 20 W, for the same energy"),
}
"""What the figure shows, a row each."""

_TIME = (
    "({0}) < 0.0166 ? format(({0}) * 3600, '.3r') + ' s' : "
    "({0}) < 1 ? format(({0}) * 60, '.3r') + ' min' : "
    "({0}) < 48 ? format({0}, '.3r') + ' h' : "
    "({0}) < 8766 ? format(({0}) / 24, '.3r') + ' {days}' : "
    "format(({0}) / 8766, ',.3r') + ' {years}'"
)
WRITTEN = {
    "wall_hours": _TIME,
    "energy_kwh": "replace(format(({0}) * 1000, '.3s'), /([a-zA-Zµ]*)$/, ' $1Wh')",
    "co2e_kg": (
        "({0}) < 1000 ? format({0}, '.3r') + ' kg' : "
        "({0}) < 1e9 ? format(({0}) / 1000, ',.3r') + ' t' : "
        "replace(format(({0}) / 1000, '.3s'), /([a-zA-Z]*)$/, ' $1t')"
    ),
    "brain_years": _TIME.replace("{0}", "({0}) * 8766"),
}
"""Quantity -> the expression that writes a value of it, with words of units in their places; the
cost is written as on the axes of charts."""

_UNIT = "slice(datum.said[{0}], indexof(datum.said[{0}], ' '))"
_NUMBER = "slice(datum.said[0], 0, indexof(datum.said[0], ' '))"
LABEL = (
    "datum.row + ': ' + datum.said[1] + ' (' + (indexof(datum.said[0], ' ') > 0 && "
    f"{_UNIT.format(0)} === {_UNIT.format(2)} ? "
    f"{_NUMBER} : datum.said[0]) + ' – ' + datum.said[2] + ')'"
)
"""Expression that labels a row; the unit stands once where both bounds have the same."""


@dataclass(frozen=True, kw_only=True)
class Slider:
    """One number that the reader of a figure moves.

    Parameters
    ----------
    name : str
        Of its signal.
    label : str
        What the figure calls it.
    value, low, high : float
        As authored, and the ends, in the unit of the label.
    unit : str
        Behind the number; may be empty.
    logarithmic : bool
        Whether equal steps are equal factors.
    whole : bool
        Whether it is a count.
    """

    name: str
    label: str
    value: float = 1.0
    low: float = 1.0
    high: float = 1.0
    unit: str = ""
    logarithmic: bool = True
    whole: bool = False


@dataclass(frozen=True, kw_only=True)
class SliderModel:
    """What a figure computes: its sliders, the steps of arithmetic, and the bounds they end in.

    Parameters
    ----------
    sliders : tuple of Slider
    steps : mapping of str to str
        Signal -> Vega expression, in the order of the computation.
    bounds : mapping of str to tuple of str
        Quantity -> expressions of its low, mid and high.
    authored : mapping of str to float
        Quantity -> its median as authored.
    """

    sliders: tuple[Slider, ...]
    steps: Mapping[str, str]
    bounds: Mapping[str, tuple[str, str, str]]
    authored: Mapping[str, float]


def model_of(answer: Answer) -> SliderModel:
    """Run the core on numbers that take notes, and keep what they noted."""
    tape = Tape()
    sliders: list[Slider] = []

    def moved(slider: Slider) -> float:
        sliders.append(slider)
        return tape.variable(slider.name, slider.value)

    found = _estimate(answer, moved)
    level = answer.level
    traced = {name: found[name] for name in QUANTITIES if name in found}
    bounds = {
        name: (written(low), written(value.mid), written(high))
        for name, value in traced.items()
        for low, high in [value.interval(level)]
    }
    names = [one for three in bounds.values() for one in three]
    return SliderModel(
        sliders=tuple(sliders),
        steps=tape.needed(names),
        bounds=bounds,
        authored={name: float(value.mid) for name, value in traced.items()},
    )


def _estimate(answer: Answer, moved: Any) -> Estimate:
    """Call the core with sliders in the place of what the reader moves."""

    def slid(value: Uncertain, slider: Slider) -> Uncertain:
        loadings = {name: float(load) for name, load in value.loadings.items()}
        return Uncertain(moved(replace(slider, value=float(value.mid))), loadings)

    work, run, site = answer.workload, answer.run, answer.site
    if work.device_hours is None and work.training_flop is not None:
        flop = float(work.training_flop.mid)
        slider = replace(_FLOP, low=flop / 1e3, high=flop * 1e3)
        work = replace(work, training_flop=slid(work.training_flop, slider))
    if work.device_hours is None and run.utilization is not None:
        run = replace(run, utilization=slid(run.utilization, _UTILIZATION))
    count = float(run.devices)
    run = replace(run, devices=moved(replace(_DEVICES, value=count, high=max(65_536.0, count))))
    if not run.own and run.price_usd_per_h is not None:
        price = float(run.price_usd_per_h.mid)
        slider = replace(_PRICE, low=price / 10, high=price * 10)
        run = replace(run, price_usd_per_h=slid(run.price_usd_per_h, slider))
    site = replace(site, pue=slid(site.pue, replace(_PUE, high=max(2.0, float(site.pue.mid)))))
    if site.co2e_kg_per_kwh is not None:
        slider = replace(_GRID, high=max(1.2, float(site.co2e_kg_per_kwh.mid)))
        site = replace(site, co2e_kg_per_kwh=slid(site.co2e_kg_per_kwh, slider))
    return estimate(work, answer.hardware, site, run)


_FLOP = Slider(name="flop", label=N_("Training compute"), unit="FLOP")
_UTILIZATION = Slider(
    name="utilization", label=N_("Utilization of the peak"), low=0.01, logarithmic=False
)
_DEVICES = Slider(name="devices", label=N_("Devices"), whole=True)
_PRICE = Slider(name="price", label=N_("Rent of a device"), unit="$/h")
_PUE = Slider(name="pue", label="PUE", logarithmic=False)
_GRID = Slider(
    name="grid", label=N_("Carbon intensity"), low=0.001, unit="kg/kWh", logarithmic=False
)


def specification(model: SliderModel, look: Look) -> dict[str, Any]:
    """Vega-Lite specification of the figure: a row per quantity, over its value as authored."""
    rows = [{"row": _(QUANTITIES[name]), "name": name} for name in model.bounds]
    params: list[dict[str, Any]] = [
        {"name": slider.name, "value": slider.value} for slider in model.sliders
    ]
    params += [{"name": name, "expr": text} for name, text in model.steps.items()]
    colours = look.colours
    shown = {
        "low": _chosen(model, lambda name: f"{model.bounds[name][0]} / {model.authored[name]!r}"),
        "mid": _chosen(model, lambda name: f"{model.bounds[name][1]} / {model.authored[name]!r}"),
        "high": _chosen(model, lambda name: f"{model.bounds[name][2]} / {model.authored[name]!r}"),
        "said": _chosen(model, lambda name: _written(model, name)),
        "text": LABEL,
    }
    y = {"field": "row", "type": "nominal", "sort": None, "axis": None}
    x = {
        "field": "low",
        "type": "quantitative",
        "scale": {"type": "log", "nice": True},
        "title": _("times what this figure opened with (logarithmic)"),
        "axis": ticks.logarithmic("x"),
    }
    middle = {"field": "mid", "type": "quantitative"}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "params": params,
        "data": {"values": rows},
        "transform": [{"calculate": text, "as": name} for name, text in shown.items()],
        **charts.layered(
            look,
            len(rows) * look.row_px * 1.25,
            charts.layer(
                "rule",
                {"x": {"datum": 1, "type": "quantitative"}},
                color=colours["muted"],
                strokeDash=[3, 3],
            ),
            charts.layer(
                "rule",
                {"y": y, "x": x, "x2": {"field": "high"}},
                strokeWidth=8 * look.scale,
                opacity=0.45,
                color=colours["series"][0],
            ),
            charts.points(look, 200, {"y": y, "x": middle}, color=colours["series"][1]),
            charts.row_labels(look, {"y": y}, "text", dy=-13.0),
        ),
    }


def _chosen(model: SliderModel, expression: Any) -> str:
    """Expression of a row: that of its quantity."""
    *first, last = model.bounds
    text = f"({expression(last)})"
    for name in reversed(first):
        text = f"datum.name == '{name}' ? ({expression(name)}) : {text}"
    return text


def _written(model: SliderModel, name: str) -> str:
    """Expression of the low bound, the median and the high bound of a quantity as texts."""
    words = {word: _(word) for word in ("days", "years")}
    texts = (
        ticks.money(f"({bound})", ".3")
        if name == "cost_usd"
        else WRITTEN[name].format(bound, **words)
        for bound in model.bounds[name]
    )
    return f"[{', '.join(texts)}]"
