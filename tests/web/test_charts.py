"""Charts: valid, frozen without data, and drawn as the house draws them."""

import json

import pytest

from estimator.catalog import Catalog
from estimator.estimation.answer import answer_scenario
from estimator.scenario.scenario import Scenario
from estimator.web.shared import charts
from estimator.web.shared.charts import Look
from estimator.web.shared.tables import (
    COMPARED,
    devices_table,
    other_devices,
    parts_table,
    uncertainty_table,
)

CATALOG = Catalog.open()
ANSWER = answer_scenario(
    Scenario(params=7e9, tokens=2e12, hardware="h100-sxm", devices=64.0, site="us"), CATALOG
)
ANSWERS = [ANSWER, *other_devices(ANSWER, CATALOG)]
LOOKS = [Look(), Look(dark=True), Look(scale=1.4)]


def specifications(look):
    yield charts.energy_by_part(parts_table(ANSWER), look)
    yield charts.quantity_by_source(uncertainty_table(ANSWER), look, "energy_kwh")
    for quantity in COMPARED:
        yield charts.quantity_by_device(devices_table(ANSWERS, quantity), look, quantity)


@pytest.mark.parametrize("look", LOOKS, ids=["light", "dark", "large"])
def test_a_frozen_specification_has_no_data_and_does_not_depend_on_it(look):
    for chart in specifications(look):
        text = json.dumps(charts.frozen(chart))
        assert '"data"' not in text and '"datasets"' not in text


def test_specifications_do_not_depend_on_the_rows():
    table = devices_table(ANSWERS, "wall_hours")
    whole = charts.frozen(charts.quantity_by_device(table, Look(), "wall_hours"))
    none = charts.frozen(charts.quantity_by_device(table.iloc[:0], Look(), "wall_hours"))
    assert whole == none


def test_every_field_of_a_chart_is_a_column_of_its_table():
    table = devices_table(ANSWERS, "cost_usd")
    spec = charts.frozen(charts.quantity_by_device(table, Look(), "cost_usd"))
    used = {
        channel["field"]
        for layer in spec["layer"]
        for channel in layer["encoding"].values()
        if isinstance(channel, dict) and "field" in channel
    }
    assert used <= set(table.columns)


@pytest.mark.parametrize("quantity", COMPARED)
def test_no_bar_stands_on_a_logarithmic_axis(quantity):
    spec = charts.frozen(
        charts.quantity_by_device(devices_table(ANSWERS, quantity), Look(), quantity)
    )
    assert any(
        layer["encoding"]["x"].get("scale", {}).get("type") == "log" for layer in spec["layer"]
    )
    assert all(layer["mark"]["type"] != "bar" for layer in spec["layer"])


def test_own_device_differs_in_colour_and_in_shape():
    spec = charts.frozen(
        charts.quantity_by_device(devices_table(ANSWERS, "energy_kwh"), Look(), "energy_kwh")
    )
    point = next(layer for layer in spec["layer"] if layer["mark"]["type"] == "point")
    assert point["encoding"]["shape"]["scale"]["range"] == ["circle", "diamond"]
    assert len(set(point["encoding"]["color"]["scale"]["range"])) == 2


@pytest.mark.parametrize("look", LOOKS, ids=["light", "dark", "large"])
def test_text_is_legible_and_has_the_ink_of_the_page(look):
    spec = charts.frozen(charts.quantity_by_source(uncertainty_table(ANSWER), look, "energy_kwh"))
    text = next(layer for layer in spec["layer"] if layer["mark"]["type"] == "text")
    assert text["mark"]["fontSize"] >= 16 * look.scale
    assert text["mark"]["color"] == (charts.DARK if look.dark else charts.LIGHT)["ink"]


def test_a_chart_has_few_marks():
    assert len(devices_table(ANSWERS, "energy_kwh")) * 4 <= 300
