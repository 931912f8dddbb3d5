"""Figures of the pages Claims, Brain, Scaling and Trends as files.

They show their pages' initial state, for the preset and the devices of a scenario.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from estimator.catalog import Catalog
from estimator.question.scenario import Scenario
from estimator.studies.claims.ledger import claims
from estimator.studies.scaling.budget import bought
from estimator.studies.scaling.coefficients import LAWS
from estimator.web.brain import page as brain
from estimator.web.claims.page import factors_picture
from estimator.web.offline import html
from estimator.web.offline.export import Wish, bibtex, credit_line, drawn, with_rows
from estimator.web.offline.scenario_figure import Slider
from estimator.web.scaling.page import AXES, curves_picture, imagenet_picture
from estimator.web.shared import style, ticks
from estimator.web.shared.charts import Picture
from estimator.web.shared.language import N_, _
from estimator.web.shared.tables import csv_text
from estimator.web.trends import page as trends

IMAGENET = "imagenet"
VIEWS = {
    "claims": ("factors",),
    "brain": ("power", *(view for view in brain.SECTIONS if view != "power")),
    "scaling": (*AXES, IMAGENET),
    "trends": tuple(trends.PICTURES),
}
"""Figure -> its views, the default first."""

TITLES = {
    "claims": N_("Recomputed over claimed"),
    "brain": N_("The brain and the machine"),
    "scaling": N_("Loss against compute, energy or money"),
    IMAGENET: N_("Error on ImageNet"),
}
SUFFIXES = (".html", ".svg", ".png", ".pdf", ".csv", ".json", ".bib")
HALL_ROWS = 8
"""Rows that keep their labels apart in a frame as low as a slide."""

YEARS = 20.0
"""Duration of childhood, to compare a training run with [year]."""

BUDGET_USD = 1e6
"""Default budget [USD]."""

HARDWARE_USD = 100e3
"""Default hardware budget of the page Trends [USD]."""

PRESET = "gpt-3"
DEVICES = 64.0
"""Training run and device count of a scenario without them."""

CASES = ("alphago-lee", "dqn-atari", "alphastar", "brain-20w")
"""Claims whose numbers appear on the page Brain."""


def content_of(suffix: str, wish: Wish, scenario: Scenario, catalog: Catalog) -> bytes:
    """Content of a file with that suffix.

    Raises
    ------
    ValueError
        If the figure has no such view, or no such file can be made of it.
    """
    if suffix not in SUFFIXES:
        raise ValueError(f"{wish.name} has no {suffix} file: use one of {', '.join(SUFFIXES)}")
    if wish.view and wish.view not in VIEWS[wish.name]:
        known = ", ".join(VIEWS[wish.name])
        raise ValueError(f"--view of {wish.name} must be one of {known}, got {wish.view!r}")
    view = wish.view or VIEWS[wish.name][0]
    if suffix == ".bib":
        return bibtex(catalog).encode()
    picture = picture_of(wish.name, view, scenario, catalog)
    if suffix == ".csv":
        return csv_text(picture.rows).encode()
    title = _title(wish.name, view)
    if suffix == ".json":
        content = {"title": title, "rows": picture.rows, "data_version": catalog.data_version}
        return json.dumps(content, indent=2).encode()
    look = wish.look(suffix)
    if look.slide and picture.by_row and len(picture.rows) > HALL_ROWS:
        rest = _("The first {n} of {all} rows.").format(n=HALL_ROWS, all=len(picture.rows))
        basis = f"{picture.basis} {rest}".strip()
        picture = replace(picture, rows=picture.rows[:HALL_ROWS], basis=basis)
    spec = with_rows(picture, look)
    sliders: tuple[Slider, ...] = ()
    scaled = scaled_by(wish.name, view, scenario, catalog)
    if scaled is not None and look.slide:
        spec, sliders = moved_by(spec, scaled), (scaled.slider,)
    text = html.FigureText(
        title=style.plain(picture.headline) or title,
        caption=_caption(picture, catalog.data_version),
        alt=picture.alt,
        sources=tuple(_sources(wish.name, picture, catalog)),
    )
    return drawn(suffix, spec, look, text, sliders)


def _caption(picture: Picture, version: str) -> str:
    """Return the caption of a chart: basis, legend and date."""
    bars = _("Bars cover 80%; a point without one is exact.") if picture.by_row else ""
    return " ".join(filter(None, (picture.basis, bars, credit_line(version))))


def picture_of(name: str, view: str, scenario: Scenario, catalog: Catalog) -> Picture:
    """Chart of a page in its initial state, for the preset and devices of a scenario."""
    preset = scenario.preset or PRESET
    if name == "claims":
        return factors_picture(claims(catalog))
    if name == "trends":
        return trends.PICTURES[view]({"budget": HARDWARE_USD, "preset": preset})
    if name == "brain":
        device = catalog.device(scenario.hardware or "v100").id
        return brain.pictures(catalog.preset(preset).id, device, YEARS)[view]
    if view == IMAGENET:
        return imagenet_picture()
    bought_on = Scenario(
        hardware=scenario.hardware or "h100-sxm",
        devices=scenario.devices or DEVICES,
        site=scenario.site,
    )
    return curves_picture(bought(BUDGET_USD, "usd", bought_on, catalog, LAWS[0]), view)


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """Number that scales all values of a chart, and their unit."""

    slider: Slider
    unit: str


def scaled_by(name: str, view: str, scenario: Scenario, catalog: Catalog) -> Scaled | None:
    """Return the slider of a figure, a budget or work that scales all values."""
    if (name, view) == ("trends", "budget"):
        budget = Slider(
            name="budget", label=N_("Budget"), value=HARDWARE_USD, low=1e3, high=1e10, unit="$"
        )
        return Scaled(slider=budget, unit="FLOP")
    if (name, view) == ("trends", "cost"):
        flop = catalog.preset(scenario.preset or PRESET).records["training_flop"].value
        work = Slider(
            name="flop",
            label=N_("Training compute"),
            value=flop,
            low=flop * 1e-4,
            high=flop * 1e4,
            unit="FLOP",
        )
        return Scaled(slider=work, unit="USD")
    return None


def moved_by(spec: dict[str, Any], scaled: Scaled) -> dict[str, Any]:
    """Let a slider scale the values and labels of a chart."""
    slider = scaled.slider
    written = ticks.label(scaled.unit, digits=".3")
    return {
        **spec,
        "params": [*spec["params"], {"name": slider.name, "value": slider.value}],
        "transform": [
            {"calculate": f"datum.value * {slider.name} / {slider.value!r}", "as": "value"},
            {"calculate": f"datum.label == '' ? '' : {written}", "as": "text"},
        ],
    }


def _title(name: str, view: str) -> str:
    if name == "trends":
        return _(trends.VIEW_NAMES[view])
    if name == "brain":
        return f"{_(TITLES[name])}: {_(brain.SECTIONS[view][0])}"
    return _(TITLES.get(view, TITLES[name]))


def _sources(name: str, picture: Picture, catalog: Catalog) -> Iterator[tuple[str, str]]:
    """Text and address of the chart's sources."""
    if name == "trends":
        for row in picture.rows:
            if row["label"]:
                yield f"{row['label']}, {row['year']:.0f}: {row['text']} ({row['row']})", ""
        return
    if name == "scaling":
        used = {record.source for record in catalog.scaling().values()}
    else:
        known = catalog.claims()
        cases = known if name == "claims" else CASES
        used = {one for case in cases for one in known[case].sources}
        used |= {fact.source for case in cases for fact in known[case].facts.values()}
    for source in sorted((catalog.source(one) for one in used), key=lambda one: one.title):
        yield f"{source.title}, {source.publisher}, {source.date}", source.url or ""
