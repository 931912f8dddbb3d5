"""Export of an answer: offline figure, image, data, or text for a paper."""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from textwrap import wrap
from typing import Any

from estimator.answer.disclosure import training_facts
from estimator.answer.scenario_estimate import Answer
from estimator.answer.training_report import estimate_report
from estimator.catalog import Catalog
from estimator.question.disclosure import Disclosure
from estimator.show.documents import Document, document, metadata, program_bibtex, text_of
from estimator.show.values import as_json
from estimator.web.estimate import text as words
from estimator.web.offline import html, scenario_figure
from estimator.web.offline.reveal import revealed
from estimator.web.offline.scenario_figure import Slider
from estimator.web.shared import charts
from estimator.web.shared.amounts import result
from estimator.web.shared.charts import Look, Row, Spec
from estimator.web.shared.language import N_, _
from estimator.web.shared.notices import label_of_input
from estimator.web.shared.tables import (
    COMPARED,
    compared_devices,
    comparison_rows,
    csv_text,
    inputs_rows,
    parts_rows,
    results_rows,
    uncertain_quantity,
    uncertainty_rows,
)

WIDTH_PX = 960
LINE_LETTERS, SMALL_LETTERS = 76, 110
"""Characters per line of an image's title, and of the text below it, at default size [1]."""
PICTURE_SCALE = 2.0
"""Pixels of a PNG per unit of the figure [1]."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Selected figure and its look.

    Parameters
    ----------
    name : str
        "scenario", "devices", "parts" or "uncertainty".
    view : str
        Quantity that devices are compared by.
    dark : bool
        On a dark background everywhere; a page by itself is dark where the system is, too.
    scale : float
        Size of the text [1].
    hall : bool
        Whether it fills the frame that it is in.
    """

    name: str
    view: str = "energy_kwh"
    dark: bool = False
    scale: float = 1.0
    hall: bool = False

    @property
    def look(self) -> Look:
        """Look of the figure."""
        scale = self.scale * (charts.HALL if self.hall else 1.0)
        return Look(dark=self.dark, scale=scale, slide=self.hall)


DOCUMENTS: Mapping[str, tuple[str, Callable[[Document], str]]] = {
    ".tex": ("paper", lambda made: text_of(made, "latex", label_of_input)),
    ".md": ("model-card", lambda made: f"{metadata(made)}\n"),
}
"""File suffix -> its document and renderer."""


def content_of(suffix: str, wish: Wish, answer: Answer, catalog: Catalog) -> bytes:
    """Content of a file with that suffix."""
    version = catalog.data_version
    if suffix == ".csv":
        return csv_text(results_rows(answer)).encode()
    if suffix == ".json":
        return json.dumps(
            {**as_json(estimate_report(answer)), "data_version": version}, indent=2
        ).encode()
    if suffix == ".bib":
        return f"{program_bibtex(version, datetime.now(UTC).year)}\n".encode()
    if suffix in DOCUMENTS:
        name, write = DOCUMENTS[suffix]
        facts = training_facts(answer, Disclosure(), catalog)
        return write(document(name, facts, catalog)).encode()
    wish = replace(wish, hall=suffix == ".html")
    spec, sliders = figure_of(wish, answer, catalog)
    if suffix == ".html" and not sliders:
        spec, shown = revealed(spec, spec["data"]["values"])
        sliders = (shown,)
    if suffix == ".html":
        return html.page(
            spec,
            sliders,
            wish.look,
            html.FigureWords(
                title=words.title(answer, catalog), caption=caption(wish.name, answer, version)
            ),
            sources(answer, catalog),
        ).encode()
    title = words.title(answer, catalog)
    return picture(suffix, spec, wish, title, caption(wish.name, answer, version))


def picture(suffix: str, spec: Spec, wish: Wish, title: str, said: str) -> bytes:
    """Return an image with title, source and date, validated against Vega-Lite's schema."""
    import altair as alt

    look = wish.look
    config = {**spec["config"], "background": look.colours["paper"]}
    around = {
        "text": wrap(title, LINE_LETTERS),
        "subtitle": wrap(said, SMALL_LETTERS),
        "anchor": "start",
        "color": look.colours["ink"],
        "fontSize": 1.3 * look.text_px,
        "subtitleColor": look.colours["muted"],
        "subtitleFontSize": 0.9 * look.text_px,
        "subtitlePadding": 6,
        "offset": 14,
    }
    chart = alt.Chart.from_dict({**spec, "width": WIDTH_PX, "title": around, "config": config})
    if suffix == ".svg":
        text = io.StringIO()
        chart.save(text, format="svg")
        return text.getvalue().encode()
    written = io.BytesIO()
    if suffix == ".pdf":
        chart.save(written, format="pdf")
    else:
        chart.save(written, format="png", scale_factor=PICTURE_SCALE)
    return written.getvalue()


def figure_of(
    wish: Wish, answer: Answer, catalog: Catalog
) -> tuple[dict[str, Any], tuple[Slider, ...]]:
    """Specification of a figure with its data, and its sliders.

    Raises
    ------
    ValueError
        If the answer has nothing to show in it.
    """
    look = wish.look
    if wish.name == "scenario":
        model = scenario_figure.model_of(answer)
        return scenario_figure.specification(model, look), model.sliders
    if wish.name == "parts":
        return _with_rows(charts.energy_by_part(look), parts_rows(answer)), ()
    if wish.name == "uncertainty":
        spec = charts.quantity_by_source(look, uncertain_quantity(answer))
        rows = uncertainty_rows(answer)
        return _with_rows(charts.of_height(spec, len(rows), look), rows), ()
    if wish.view not in COMPARED:
        raise ValueError(f"--view must be one of {', '.join(COMPARED)}, got {wish.view!r}")
    rows = comparison_rows(compared_devices(answer, wish.view, catalog), wish.view)
    spec = charts.quantity_by_device(look, wish.view)
    return _with_rows(charts.of_height(spec, len(rows), look), rows), ()


def _with_rows(spec: Spec, rows: list[Row]) -> Spec:
    if not rows:
        raise ValueError("the answer contains nothing for this figure")
    return {**spec, "data": {"values": rows}}


CAPTIONS = {
    "scenario": N_("Opened with {headline}, the circle; bars cover {level:g}%."),
    "parts": N_("The scenario takes {headline}."),
}
"""Figure -> its caption; sliders and missing intervals differ."""

CAPTION = N_("The scenario takes {headline}; bars cover {level:g}%.")


def caption(name: str, answer: Answer, version: str) -> str:
    """Return a line on the basis of a figure."""
    known = [name for name in COMPARED if name in answer.estimate]
    shown = ", ".join(result(name, float(answer.estimate[name].mid)) for name in known)
    said = _(CAPTIONS.get(name, CAPTION)).format(headline=shown, level=answer.level * 100)
    return f"{said} {credit_line(version)}"


def credit_line(version: str) -> str:
    """Return a credit line with data version and date."""
    date = datetime.now(UTC).date().isoformat()
    return _("Twenty Watts, data {version}, {date}.").format(version=version, date=date)


def sources(answer: Answer, catalog: Catalog) -> Iterator[tuple[str, str]]:
    """Text and address of every number's source."""
    for row in inputs_rows(answer, catalog):
        shown = ", ".join(filter(None, (row["title"], row["publisher"], row["date"])))
        basis = f"{row['basis']}; {shown}" if shown else row["basis"]
        yield f"{row['input']}: {row['said']} ({basis})", row["url"]
