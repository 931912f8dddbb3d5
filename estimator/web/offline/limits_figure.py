"""Figures of the pages Claims, Brain, Scaling and Trends as files.

They show their pages' initial state; a preset and a device may be given.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from estimator.catalog import Catalog
from estimator.question.scenario import Scenario
from estimator.show.documents import program_bibtex
from estimator.studies.claims.ledger import claims
from estimator.studies.scaling.budget import bought
from estimator.studies.scaling.coefficients import LAWS
from estimator.web.brain import page as brain
from estimator.web.claims.page import factors_picture
from estimator.web.offline import html
from estimator.web.offline.export import Wish, credit_line, picture
from estimator.web.offline.page_picture import specification
from estimator.web.offline.reveal import revealed
from estimator.web.offline.scenario_figure import Slider
from estimator.web.scaling.page import AXES, curves_picture, imagenet_picture
from estimator.web.shared import style, ticks
from estimator.web.shared.figures import Picture
from estimator.web.shared.language import N_, _
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

CASES = ("alphago-lee", "dqn-atari", "alphastar", "brain-20w")
"""Claims whose numbers appear on the page Brain."""


@dataclass(frozen=True, kw_only=True)
class Choices:
    """Preset and devices for a figure."""

    preset: str = "gpt-3"
    hardware: str = ""
    devices: float = 64.0
    site: str | None = None


def content_of(suffix: str, wish: Wish, choices: Choices, catalog: Catalog) -> bytes:
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
        return f"{program_bibtex(catalog.data_version, datetime.now(UTC).year)}\n".encode()
    drawn = picture_of(wish.name, view, choices, catalog)
    if suffix == ".csv":
        return str(pd.DataFrame(drawn.rows).to_csv(index=False)).encode()
    title = _title(wish.name, view)
    if suffix == ".json":
        content = {"title": title, "rows": drawn.rows, "data_version": catalog.data_version}
        return json.dumps(content, indent=2).encode()
    wish = replace(wish, hall=suffix == ".html")
    if wish.hall and drawn.by_row and len(drawn.rows) > HALL_ROWS:
        rest = _("The first {n} of {all} rows.").format(n=HALL_ROWS, all=len(drawn.rows))
        drawn = replace(drawn, rows=drawn.rows[:HALL_ROWS], basis=f"{drawn.basis} {rest}".strip())
    title = style.plain(drawn.headline) or title
    spec = specification(drawn, wish.look)
    sliders: tuple[Slider, ...] = ()
    scaled = scaled_by(wish.name, view, choices, catalog)
    if scaled is not None and suffix == ".html":
        spec, sliders = moved_by(spec, scaled), (scaled.slider,)
    if suffix == ".html":
        spec, shown = revealed(spec, drawn.rows)
        sliders += (shown,)
    if suffix != ".html":
        return picture(suffix, spec, wish, title, _caption(drawn, catalog.data_version))
    return html.page(
        spec,
        sliders,
        wish.look,
        html.FigureWords(title=title, caption=_caption(drawn, catalog.data_version), alt=drawn.alt),
        _sources(wish.name, drawn, catalog),
    ).encode()


def _caption(drawn: Picture, version: str) -> str:
    """Return the caption of a chart: basis, legend and date."""
    bars = _("Bars cover 80%; a point without one is exact.") if drawn.by_row else ""
    return " ".join(filter(None, (drawn.basis, bars, credit_line(version))))


def picture_of(name: str, view: str, choices: Choices, catalog: Catalog) -> Picture:
    """Chart of a page in its initial state, for a preset and devices."""
    if name == "claims":
        return factors_picture(claims(catalog))
    if name == "trends":
        return trends.PICTURES[view]({"budget": HARDWARE_USD, "preset": choices.preset})
    if name == "brain":
        device = catalog.device(choices.hardware or "v100").id
        return brain.pictures(catalog.preset(choices.preset).id, device, YEARS)[view]
    if view == IMAGENET:
        return imagenet_picture()
    scenario = Scenario(
        hardware=choices.hardware or "h100-sxm", devices=choices.devices, site=choices.site
    )
    return curves_picture(bought(BUDGET_USD, "usd", scenario, catalog, LAWS[0]), view)


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """Number that scales all values of a chart, and their unit."""

    slider: Slider
    unit: str


def scaled_by(name: str, view: str, choices: Choices, catalog: Catalog) -> Scaled | None:
    """Return the slider of a figure, a budget or work that scales all values."""
    if (name, view) == ("trends", "budget"):
        budget = Slider(
            name="budget", label=N_("Budget"), value=HARDWARE_USD, low=1e3, high=1e10, unit="$"
        )
        return Scaled(slider=budget, unit="FLOP")
    if (name, view) == ("trends", "cost"):
        flop = catalog.preset(choices.preset).records["training_flop"].value
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


def _sources(name: str, drawn: Picture, catalog: Catalog) -> Iterator[tuple[str, str]]:
    """Text and address of the chart's sources."""
    if name == "trends":
        for row in drawn.rows:
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
