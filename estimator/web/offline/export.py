"""Figures as files: a page with sliders, an image, numbers, or text for a paper."""

import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from textwrap import wrap

from estimator.answer.disclosure import training_facts
from estimator.answer.scenario_estimate import Answer
from estimator.answer.training_report import estimate_report
from estimator.catalog import Catalog
from estimator.question.disclosure import Disclosure
from estimator.show.documents import Document, document, metadata, program_bibtex, text_of
from estimator.show.values import as_json
from estimator.web.estimate import text as words
from estimator.web.offline import html, scenario_figure
from estimator.web.offline.scenario_figure import Slider
from estimator.web.shared import charts, language
from estimator.web.shared.amounts import result
from estimator.web.shared.charts import Look, Picture, Spec, specification
from estimator.web.shared.language import N_, _
from estimator.web.shared.notices import label_of_input
from estimator.web.shared.tables import (
    COMPARED,
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
        "scenario", "devices", "parts" or "uncertainty", or a page of `limits_figure`.
    view : str
        Quantity that devices are compared by, or chart of the page.
    dark : bool
        On a dark background everywhere; a page by itself is dark where the system is, too.
    scale : float
        Size of the text [1].
    """

    name: str
    view: str = "energy_kwh"
    dark: bool = False
    scale: float = 1.0

    def look(self, suffix: str) -> Look:
        """Look of the figure in a file; a page fills the frame that it is in."""
        hall = suffix == ".html"
        return Look(dark=self.dark, scale=self.scale * (charts.HALL if hall else 1.0), slide=hall)


def bibtex(catalog: Catalog) -> str:
    """BibTeX entry of the program."""
    return f"{program_bibtex(catalog.data_version, datetime.now(UTC).year)}\n"


def _json(answer: Answer, catalog: Catalog) -> str:
    found = {**as_json(estimate_report(answer)), "data_version": catalog.data_version}
    return json.dumps(found, indent=2)


def _document(name: str, answer: Answer, catalog: Catalog) -> Document:
    return document(name, training_facts(answer, Disclosure(), catalog), catalog)


TEXTS: Mapping[str, Callable[[Answer, Catalog], str]] = {
    ".csv": lambda answer, catalog: csv_text(results_rows(answer)),
    ".json": _json,
    ".bib": lambda answer, catalog: bibtex(catalog),
    ".tex": lambda *asked: text_of(_document("paper", *asked), "latex", label_of_input),
    ".md": lambda *asked: f"{metadata(_document('model-card', *asked))}\n",
}
"""Suffix of a file without a figure -> its text."""


def content_of(suffix: str, wish: Wish, answer: Answer, catalog: Catalog) -> bytes:
    """Content of a file with that suffix.

    Raises
    ------
    ValueError
        If the answer has nothing to show in that figure.
    """
    if suffix in TEXTS:
        return TEXTS[suffix](answer, catalog).encode()
    look = wish.look(suffix)
    text = html.FigureText(
        title=words.title(answer, catalog),
        caption=caption(wish.name, answer, catalog.data_version),
        sources=tuple(sources(answer, catalog)),
    )
    if wish.name == "scenario":
        model = scenario_figure.model_of(answer)
        return drawn(suffix, scenario_figure.specification(model, look), look, text, model.sliders)
    return drawn(suffix, with_rows(picture_of(wish, answer, catalog), look), look, text)


def picture_of(wish: Wish, answer: Answer, catalog: Catalog) -> Picture:
    """Chart of an answer, without sliders."""
    if wish.name == "parts":
        return Picture(build=charts.energy_by_part, rows=parts_rows(answer))
    if wish.name == "uncertainty":
        rows, of = uncertainty_rows(answer), (uncertain_quantity(answer),)
        return Picture(build=charts.quantity_by_source, rows=rows, of=of, by_row=True)
    if wish.view not in COMPARED:
        raise ValueError(f"--view must be one of {', '.join(COMPARED)}, got {wish.view!r}")
    rows = comparison_rows(answer, wish.view, catalog)
    return Picture(build=charts.quantity_by_device, rows=rows, of=(wish.view,), by_row=True)


def with_rows(picture: Picture, look: Look) -> Spec:
    """Return the specification of a chart with its data.

    Raises
    ------
    ValueError
        If there are no rows.
    """
    if not picture.rows:
        raise ValueError("no data for this figure")
    spec = specification(picture.build, look, picture.of, language.current())
    if picture.by_row and not look.slide:
        spec = {**spec, "height": len(picture.rows) * look.row_px}
    return {**spec, "data": {"values": picture.rows}}


def drawn(
    suffix: str, spec: Spec, look: Look, text: html.FigureText, sliders: tuple[Slider, ...] = ()
) -> bytes:
    """Format a figure as a page, where a further slider reveals its data, or as an image."""
    if suffix != ".html":
        return image(suffix, spec, look, text)
    if "data" in spec:
        spec, shown = revealed(spec)
        sliders += (shown,)
    return html.page(spec, sliders, look, text).encode()


def image(suffix: str, spec: Spec, look: Look, text: html.FigureText) -> bytes:
    """Return an image with title, source and date, validated against Vega-Lite's schema."""
    import altair as alt

    config = {**spec["config"], "background": look.colours["paper"]}
    around = {
        "text": wrap(text.title, LINE_LETTERS),
        "subtitle": wrap(text.caption, SMALL_LETTERS),
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
        svg = io.StringIO()
        chart.save(svg, format="svg")
        return svg.getvalue().encode()
    written = io.BytesIO()
    if suffix == ".pdf":
        chart.save(written, format="pdf")
    else:
        chart.save(written, format="png", scale_factor=PICTURE_SCALE)
    return written.getvalue()


REVEALED = {"year": N_("Up to the year"), "x": N_("Up to")}
"""Column -> label of the slider over it; other rows are counted."""


def revealed(spec: Spec) -> tuple[Spec, Slider]:
    """Return a figure that shows part of its rows, and the slider, initially at all rows.

    Rows are revealed one by one, points by year, curves by x.
    """
    rows = spec["data"]["values"]
    field = next((name for name in REVEALED if name in rows[0]), "")
    data = rows if field else [row | {"counted": count} for count, row in enumerate(rows, 1)]
    field = field or "counted"
    found = [float(row[field]) for row in data if row[field] is not None]
    low, high = min(found), max(found)
    if field == "year":
        low, high = float(int(low)), float(int(high))
    slider = Slider(
        name="shown",
        label=REVEALED.get(field, N_("Rows shown")),
        value=high,
        low=low,
        high=high,
        logarithmic=field == "x" and low > 0,
        whole=field != "x",
    )
    value = f"floor(datum.{field})" if field == "year" else f"datum.{field}"
    kept = {"filter": f"!isValid(datum.{field}) || {value} <= shown * (1 + 1e-9)"}
    part = {
        **spec,
        "data": {"values": data},
        "params": [*spec.get("params", ()), {"name": "shown", "value": high}],
        "transform": [kept, *spec.get("transform", ())],
    }
    return part, slider


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
