"""Charts: valid, without data, and drawn as the house draws them."""

import json
import re

import pandas as pd
import pytest
import vl_convert
from jsonschema import ValidationError

from estimator.answer.scenario_estimate import answer_scenario
from estimator.catalog import Catalog
from estimator.question.scenario import Scenario
from estimator.web.calibrate.charts import _cells
from estimator.web.shared import charts, language, plots
from estimator.web.shared.charts import Look
from estimator.web.shared.tables import (
    COMPARED,
    comparison_rows,
    parts_rows,
    uncertainty_rows,
)
from tests.web.vega_lite import check_layered

CATALOG = Catalog.open()
ANSWER = answer_scenario(
    Scenario(params=7e9, tokens=2e12, hardware="h100-sxm", devices=64.0, site="us"), CATALOG
)

LOOKS = [Look(), Look(dark=True), Look(scale=1.4)]


def compared(quantity):
    return comparison_rows(ANSWER, quantity, CATALOG)


def specifications(look):
    yield charts.energy_by_part(look), pd.DataFrame(parts_rows(ANSWER))
    yield charts.quantity_by_source(look, "energy_kwh"), pd.DataFrame(uncertainty_rows(ANSWER))
    for quantity in COMPARED:
        yield charts.quantity_by_device(look, quantity), pd.DataFrame(compared(quantity))


@pytest.mark.parametrize("look", LOOKS, ids=["light", "dark", "large"])
def test_a_specification_is_valid_and_has_no_data(look):
    for spec, _table in specifications(look):
        check_layered(spec)
        text = json.dumps(spec)
        assert '"data"' not in text and '"datasets"' not in text


def test_a_specification_with_an_unknown_mark_is_not_valid():
    spec, _ = next(specifications(Look()))
    spec = {**spec, "layer": [{**spec["layer"][0], "mark": {"type": "no-such"}}]}
    with pytest.raises(ValidationError, match="no-such"):
        check_layered(spec)


def test_every_field_of_a_chart_is_a_column_of_its_table():
    for spec, table in specifications(Look()):
        used = {
            channel["field"]
            for layer in spec["layer"]
            for channel in layer["encoding"].values()
            if isinstance(channel, dict) and "field" in channel
        }
        assert used - {"rank"} <= set(table.columns)


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


@pytest.mark.parametrize("look", LOOKS, ids=["light", "dark", "large"])
def test_text_is_legible_and_has_the_ink_of_the_page(look):
    spec = charts.quantity_by_source(look, "energy_kwh")
    text = next(layer for layer in spec["layer"] if layer["mark"]["type"] == "text")
    _labels, svg = drawn(spec, uncertainty_rows(ANSWER))
    sizes = re.findall(r'text mark"[^>]*font-size="([\d.]+)px"', svg)
    assert sizes and all(float(size) >= 16 * look.scale for size in sizes)
    assert text["mark"]["color"] == (charts.DARK if look.dark else charts.LIGHT)["ink"]


def test_a_chart_has_few_marks():
    assert len(compared("energy_kwh")) * 4 <= 300


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
        spec = _cells(Look(), "share")
        said = {"what": "expected now", "slot": "now"}
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
