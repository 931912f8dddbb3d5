"""Charts: valid, without data, and drawn as the house draws them."""

import json
import re

import pytest
import vl_convert

from estimator.answer.scenario_estimate import answer_scenario
from estimator.catalog import Catalog
from estimator.question.scenario import Scenario
from estimator.web.accuracy import charts as accuracy
from estimator.web.calibrate import before_after, live
from estimator.web.explore import charts as explore
from estimator.web.hardware import page as hardware
from estimator.web.models import page as models
from estimator.web.shared import charts, language, plots
from estimator.web.shared.charts import Look
from estimator.web.shared.tables import COMPARED, comparison_rows, parts_rows, uncertainty_rows

CATALOG = Catalog.open()
ANSWER = answer_scenario(
    Scenario(params=7e9, tokens=2e12, hardware="h100-sxm", devices=64.0, site="us"), CATALOG
)


def check_layered(spec):
    """Raise a `jsonschema.ValidationError` if a layered chart without data is not valid.

    To build altair's objects of it looks through the schema again for each part of a chart, at ten
    times the work, and finds no more.
    """
    import altair as alt  # two seconds, which each worker would pay

    alt.LayerChart.validate({**spec, "data": {"values": []}})


TWO = ("x", "y")
BUILDERS = {
    "energy by part": (charts.energy_by_part,),
    "uncertainty": (charts.quantity_by_source, "energy_kwh"),
    **{quantity: (charts.quantity_by_device, quantity) for quantity in COMPARED},
    "ranges": (plots.ranges, "title", True, TWO),
    "ladder": (plots.ladder, TWO, "kWh"),
    "curves": (plots.curves, TWO, (True, False), TWO),
    "fit": (plots.fitted, TWO, TWO),
    "shares": (before_after.chart,),
    "courses": (live.chart, TWO),
    "runs": (accuracy._runs, (1.0, 10.0)),
    "errors": (accuracy._errors,),
    "terms": (models.shares_by_term, "title", TWO),
    "band": (explore.band, TWO, True, "kWh"),
    "front": (explore.front, ("x", "y", "z")),
    "efficiency": (hardware.efficiency,),
}


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("look", [Look(), Look(dark=True), Look(scale=1.4)])
def test_a_specification_is_valid_in_the_theme_and_has_no_data(name, look):
    build, *of = BUILDERS[name]
    spec = build(look, *of)
    check_layered(spec)
    text = json.dumps(spec)
    assert (charts.DARK if look.dark else charts.LIGHT)["muted"] in text
    assert '"data"' not in text and '"datasets"' not in text


@pytest.mark.parametrize("name", ["runs"])
def test_colour_is_never_the_only_cue(name):
    build, *of = BUILDERS[name]
    points = build(Look(), *of)["layer"][-1]["encoding"]
    assert points["color"]["field"] == points["shape"]["field"]
    assert len(set(points["shape"]["scale"]["range"])) == len(points["shape"]["scale"]["domain"])


def test_a_specification_with_an_unknown_mark_is_not_valid():
    spec = charts.energy_by_part(Look())
    spec = {**spec, "layer": [{**spec["layer"][0], "mark": {"type": "no-such"}}]}
    with pytest.raises(Exception, match="no-such"):
        check_layered(spec)


def test_every_field_of_a_chart_is_a_column_of_its_table():
    tables = {quantity: comparison_rows(ANSWER, quantity, CATALOG) for quantity in COMPARED}
    tables |= {"energy by part": parts_rows(ANSWER), "uncertainty": uncertainty_rows(ANSWER)}
    for name, table in tables.items():
        build, *of = BUILDERS[name]
        used = {
            channel["field"]
            for layer in build(Look(), *of)["layer"]
            for channel in layer["encoding"].values()
            if isinstance(channel, dict) and "field" in channel
        }
        assert used - {"rank"} <= table[0].keys()


@pytest.mark.parametrize("quantity", COMPARED)
def test_no_bar_stands_on_a_logarithmic_axis(quantity):
    spec = charts.quantity_by_device(Look(), quantity)
    assert any(
        layer["encoding"]["x"].get("scale", {}).get("type") == "log" for layer in spec["layer"]
    )
    assert all(layer["mark"]["type"] != "bar" for layer in spec["layer"])


def test_own_device_differs_in_colour_and_in_shape():
    spec = charts.quantity_by_device(Look(), "energy_kwh")
    point = next(layer for layer in spec["layer"] if layer["mark"]["type"] == "point")
    assert point["encoding"]["shape"]["scale"]["range"] == ["circle", "diamond"]
    assert len(set(point["encoding"]["color"]["scale"]["range"])) == 2


@pytest.mark.parametrize("look", [Look(), Look(dark=True), Look(scale=1.4)])
def test_text_is_legible_and_has_the_ink_of_the_page(look):
    spec = charts.quantity_by_source(look, "energy_kwh")
    text = next(layer for layer in spec["layer"] if layer["mark"]["type"] == "text")
    _labels, svg = drawn(spec, uncertainty_rows(ANSWER))
    sizes = re.findall(r'text mark"[^>]*font-size="([\d.]+)px"', svg)
    assert sizes and all(float(size) >= 16 * look.scale for size in sizes)
    assert text["mark"]["color"] == (charts.DARK if look.dark else charts.LIGHT)["ink"]


def drawn(spec, rows, width=700):
    """Labels of a chart as text, and the picture itself."""
    whole = {**spec, "data": {"values": rows}, "width": width}
    svg = vl_convert.vegalite_to_svg(whole)
    return re.findall(r"<t(?:ext|span)[^>]*>([^<]+)</t", svg), svg


ROWS = ("a short one", "a plan whose name is longer than any phone is wide, and then some")


def labelled_by(name):
    """Kind of chart with labels above its rows -> its specification, and rows of it."""
    values = {"low": 0.1, "mid": 0.2, "high": 0.4, "text": "t"}
    if name == "calibrate":
        spec = before_after.chart(Look())
        said = {"what": "now", "slot": "now"}
        rows = [values | said | {"row": one, "label": one} for one in ROWS]
    else:
        spec = plots.ranges(Look(), "title", True, ("k",))
        rows = [values | {"label": one, "text": one, "kind": "k"} for one in ROWS]
    return spec, rows


@pytest.mark.parametrize("width", [330, 900])
@pytest.mark.parametrize("name", ["ranges", "calibrate"])
def test_every_row_has_its_label_and_all_are_of_one_size(name, width):
    labels, svg = drawn(*labelled_by(name), width=width)
    said = " ".join(labels)
    assert all(row.partition(",")[0].split()[-1] in said for row in ROWS)
    sizes = re.findall(r'aria-roledescription="text mark"[^>]*font-size="([\d.]+)px"', svg)
    assert len(sizes) == 2 and len(set(sizes)) == 1
    assert float(sizes[0]) >= charts.SMALLEST * Look().text_px


def rows_between(low, high, text="a row"):
    return [{"label": "a", "text": text, "low": low, "mid": low, "high": high, "kind": "k"}]


@pytest.mark.parametrize(
    ("ends", "unit", "seen", "unseen"),
    [
        ((0.012, 9.0), "1", ["0.1", "1"], ["0.6", "3"]),
        ((18.0, 101.0), "W", ["50 W", "100 W"], ["30 W", "70 W"]),
        ((24.0, 40.0), "1", ["30"], []),
        ((3e17, 3e25), "1", ["10¹⁸", "10²⁴"], ["1e+18"]),
        ((0.9, 4e4), "hour", ["1 h", "1 day", "30 days", "1 yr"], ["10", "100"]),
        ((40.0, 9e6), "kWh", ["100 kWh", "1 MWh", "1 GWh"], []),
    ],
)
def test_a_logarithmic_axis_is_labelled_at_round_values_in_units(ends, unit, seen, unseen):
    spec = plots.ranges(Look(), "title", True, ("k",), unit)
    labels, _svg = drawn(spec, rows_between(*ends))
    assert set(seen) <= set(labels)
    assert not set(unseen) & set(labels)


def test_german_ticks_have_a_decimal_comma():
    language.use("de")
    try:
        labels, _svg = drawn(plots.ranges(Look(), "", True, ("k",)), rows_between(0.012, 9.0))
    finally:
        language.use("en")
    assert "0,1" in labels and "0.1" not in labels


@pytest.mark.parametrize(("words", "lines"), [(7, 1), (10, 1), (18, 2)])
def test_a_long_label_is_drawn_whole_on_a_phone(words, lines):
    text = " ".join(("one of the words of a label " * 5).split()[:words])
    spec = plots.ranges(Look(), "", True, ("k",))
    labels, svg = drawn(spec, rows_between(1.0, 5.0, text=text), width=320)
    found = labels[labels.index(next(one for one in labels if one.startswith("one of"))) :]
    assert " ".join(found) == text and len(found) == lines
    assert float(re.search(r'width="([\d.]+)"', svg)[1]) < 340


def test_what_two_lines_do_not_hold_is_cut_instead_of_narrowing_the_plot():
    rows = rows_between(1.0, 5.0, text="a very long label of a row " * 5)
    labels, svg = drawn(plots.ranges(Look(), "", True, ("k",)), rows, width=320)
    first, second = labels[-2:]
    assert first.startswith("a very long") and not first.endswith("…") and second.endswith("…")
    assert float(re.search(r'width="([\d.]+)"', svg)[1]) < 340
