"""Figure of a scenario with sliders: the core's arithmetic as Vega signals."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from estimator.answer.scenario_estimate import Answer
from estimator.core.estimate import Estimate, estimate
from estimator.core.uncertainty import Uncertain
from estimator.core.units import H_PER_YEAR
from estimator.web.offline.trace import Tape, format_number
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
"""Quantities of the figure, one row each."""

WRITTEN = {
    "wall_hours": ("hour", "({0})"),
    "energy_kwh": ("kWh", "({0})"),
    "cost_usd": ("USD", "({0})"),
    "co2e_kg": ("kgCO2e", "({0})"),
    "brain_years": ("hour", f"({{0}} * {H_PER_YEAR:g})"),
}
"""Quantity -> unit that its value is written in, and the value in that unit."""

_UNIT = "slice(datum.said[{0}], indexof(datum.said[{0}], ' '))"
_NUMBER = "slice(datum.said[0], 0, indexof(datum.said[0], ' '))"
LABEL = (
    "datum.row + ': ' + datum.said[1] + ' (' + (indexof(datum.said[0], ' ') > 0 && "
    f"{_UNIT.format(0)} === {_UNIT.format(2)} ? "
    f"{_NUMBER} : datum.said[0]) + ' – ' + datum.said[2] + ')'"
)
"""Expression that labels a row; a shared unit appears once."""


@dataclass(frozen=True, kw_only=True)
class Slider:
    """Number that the reader of a figure can change.

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
    """Model of a figure: sliders, arithmetic steps, and the resulting bounds.

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
    """Trace the core with recording numbers."""
    tape = Tape()
    sliders: list[Slider] = []

    def moved(slider: Slider) -> float:
        sliders.append(slider)
        return tape.variable(slider.name, slider.value)

    found = _estimate(answer, moved)
    level = answer.level
    traced = {name: found[name] for name in QUANTITIES if name in found}
    bounds = {
        name: (format_number(low), format_number(value.mid), format_number(high))
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
    """Call the core with sliders in place of variable numbers."""

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
    """Vega-Lite specification: a row per quantity, relative to its original value."""
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
        "said": _chosen(model, lambda name: _format_expressions(model, name)),
        "text": LABEL,
    }
    y = {"field": "row", "type": "nominal", "sort": None, "axis": None}
    x = {"type": "quantitative", "axis": None, "scale": {"type": "log", "nice": False}}
    row = {"y": y}
    ghost = charts.layer(
        "point",
        row | {"x": x | {"datum": 1}},
        size=240 * look.scale**2,
        strokeWidth=2,
        color=colours["muted"],
        tooltip=_("initial value of the figure"),
    )
    interval = charts.layer(
        "rule",
        row | {"x": x | {"field": "low"}, "x2": {"field": "high"}},
        strokeWidth=9 * look.scale,
        opacity=0.45,
        color=colours["series"][0],
    )
    middle = charts.points(look, 220, row | {"x": x | {"field": "mid"}}, color=colours["series"][1])
    marks = {"values": _anchors(model)}
    tick = charts.layer(
        "tick",
        row | {"x": x | {"field": "at"}},
        thickness=2,
        size=16 * look.scale,
        orient="vertical",
        color=colours["muted"],
    )
    name = charts.layer(
        "text",
        row | {"x": x | {"field": "at"}, "text": {"field": "text"}},
        dy=21.0 * look.scale,
        opacity={"expr": "width < 600 ? 0 : 1"},
        align="center",
        fontSize=0.95 * look.text_px,
        color=colours["muted"],
    )
    calculated = [{"calculate": text, "as": key} for key, text in shown.items()]
    moving = {"data": {"values": rows}, "transform": calculated}
    drawn = charts.layered(
        look,
        len(rows) * look.row_px * 1.6,
        {**moving, "layer": [ghost, interval, middle]},
        {"data": marks, "layer": [tick, name]},
        {**moving, "layer": [charts.row_labels(look, row, "text", dy=-15.0)]},
    )
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        **drawn,
        "params": [*drawn["params"], *params],
    }


ANCHORS = {
    "wall_hours": ((1.0, N_("an hour")), (24.0, N_("a day")), (H_PER_YEAR, N_("a year"))),
    "energy_kwh": (
        (0.1, N_("a kettle boiled")),
        (10_715.0, N_("a US household for a year")),
        (1e9, N_("a city for a year")),
    ),
    "cost_usd": (
        (1.0, N_("$1")),
        (1e3, N_("$1,000")),
        (1e6, N_("$1 million")),
        (1e9, N_("$1 billion")),
    ),
    "co2e_kg": (
        (248.5, N_("1,000 km by car")),
        (180_000.0, N_("a full jet across the US and back")),
    ),
    "brain_years": ((1.0, N_("a year of thought")), (80.0, N_("a life")), (3e5, N_("humankind"))),
}
"""Quantity -> known amounts, in its unit: profiles/equivalents.toml and rounded spans; a city of
150,000 with 7 MWh per head (assumed), the species of 300,000 years.
"""

FAR = 1e4
"""Factor from the start beyond which amounts are left out [1]."""


def _anchors(model: SliderModel) -> list[dict[str, Any]]:
    """Known amounts near the start, as multiples of it."""
    return [
        {"row": _(QUANTITIES[name]), "at": amount / start, "text": _(text)}
        for name, start in model.authored.items()
        for amount, text in ANCHORS[name]
        if 1 / FAR < amount / start < FAR
    ]


def _chosen(model: SliderModel, expression: Any) -> str:
    """Expression for a row's quantity."""
    *first, last = model.bounds
    text = f"({expression(last)})"
    for name in reversed(first):
        text = f"datum.name == '{name}' ? ({expression(name)}) : {text}"
    return text


def _format_expressions(model: SliderModel, name: str) -> str:
    """Expression for the formatted low bound, median and high bound."""
    unit, value = WRITTEN[name]
    texts = (ticks.label(unit, value.format(bound), ".3") for bound in model.bounds[name])
    return f"[{', '.join(texts)}]"
