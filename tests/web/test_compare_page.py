"""The pages Compare, and Hardware and data, as a visitor without a browser sees them."""

import html
import re
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import pytest
from streamlit.testing.v1 import AppTest

from estimator.answer.scenario_estimate import answer_scenario
from estimator.catalog import Catalog
from estimator.question.scenario import Scenario
from estimator.web.compare.page import PAGE, Pinned, cells, differences, facts
from estimator.web.estimate.fit import badge
from estimator.web.hardware import page as hardware_page
from estimator.web.hardware.page import devices
from estimator.web.shared.url_state import data_version
from tests.web.markup import alts, body, healthy, notices, text_of, visited

ROOT = Path(__file__).parents[2]
CATALOG = Catalog.open()
A = "params=7e9&tokens=2e12&hardware=h100-sxm&devices=64&site=us"
B = "params=7e9&tokens=2e12&hardware=h100-sxm&devices=128&site=us"


def answered(**said):
    scenario = Scenario(params=7e9, tokens=2e12, hardware="h100-sxm", **{"site": "us", **said})
    return answer_scenario(scenario, CATALOG)


def placed(letter, answer):
    return Pinned(letter=letter, link="", answer=answer, memory="")


def rows_of(page):
    """Rows of the tables by their heads: words of each cell, and whether it is marked."""
    found = {}
    for label, row in re.findall(r'<th scope="row">([^<]*)</th>(.*?)</tr>', body(page)):
        cells = re.findall(r"<td( class=\"tw-differs\")?>(.*?)</td>", row)
        words = [html.unescape(re.sub(r"<[^>]+>", " ", cell)) for _mark, cell in cells]
        found[label] = [(" ".join(one.split()), bool(cells[at][0])) for at, one in enumerate(words)]
    return found


def test_scenarios_are_columns_with_their_results_and_ratios_to_the_first():
    page = visited("compare", a=A, b=B, c=A.replace("h100-sxm", "b200"))
    heads = re.findall(r'<th scope="col">([ABCD]) <a href="estimate\?([^"]*)"', body(page))
    assert [letter for letter, _link in heads][:3] == ["A", "B", "C"]
    assert dict(parse_qsl(html.unescape(heads[1][1]))) == dict(parse_qsl(B))
    rows = rows_of(page)
    (first, _mark), (second, _mark), (third, _mark) = rows["Wall time"]
    assert re.fullmatch(r"[\d.]+ days [\d.]+ – [\d.]+ days", first)
    for text in (second, third):
        assert re.search(r" 0\.\d+ × A \([\d.]+ – [\d.]+\)$", text)
    assert len(rows["Memory"]) == len(rows["Offers behind the price"]) == 3


def test_a_cell_that_is_not_the_one_of_the_first_is_marked():
    rows = rows_of(visited("compare", a=A, b=B, c=A.replace("site=us", "site=fr") + "&pue=1.2"))
    assert rows["Devices"] == [("64", False), ("128", True), ("64", False)]
    place = rows["Site"]
    assert place == [("United States", False), ("United States", False), ("France", True)]
    assert rows["PUE"] == [("–", False), ("–", False), ("1.2", True)]
    assert not any(mark for _text, mark in rows["Hardware"] + rows["Work"])
    assert "Number format" not in rows, "what nobody asked otherwise is left out"


def test_the_headline_names_which_takes_the_least_of_what():
    text = text_of(visited("compare", a=A, b=A.replace("site=us", "site=fr")))
    assert re.search(r"By the medians, .*B takes the least .*CO2e \([\d.]+ × A\)", text)
    assert "least wall time" not in text, "it is the same in both"
    assert "No scenario is lowest" in text_of(visited("compare", a=A, b=A))


def test_a_bar_has_the_place_of_its_interval_on_the_scale_of_the_row():
    bars = re.findall(r'<i style="left:([\d.]+)%;width:([\d.]+)%">', body(visited("compare")))
    assert len(bars) == 2 * 5
    for one, other in zip(bars[::2], bars[1::2], strict=True):
        ends = [(float(left), float(left) + float(width)) for left, width in (one, other)]
        assert min(low for low, _high in ends) == 0.0
        assert abs(max(high for _low, high in ends) - 100.0) < 0.2


def test_the_page_opens_with_what_is_pinned_and_the_menu_leads_there():
    page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    page.session_state["_pins"] = {A: "one", B: "two"}
    menu = html.unescape(body(page.run()))
    opens = re.findall(r'href="./compare[^"]*"[^>]* data-opens="([^"]*)"', menu)
    assert opens and all(dict(parse_qsl(one)) == {"a": A, "b": B} for one in opens)
    alone = visited("compare")
    alone.session_state["_pins"] = {B: "two"}
    del alone.session_state["_compare_memory"]
    keys = ("a", "b", "c", "fourth")
    healthy(alone.run())
    assert [alone.text_input(key=f"compare_{one}").value for one in keys] == [B, "", "", ""]


def test_a_single_scenario_is_compared_with_itself_on_another_device():
    alone = "preset=gpt-3&hardware=v100&devices=1024&precision=fp16&price=2"
    rows = rows_of(visited("compare", a=alone))
    assert [cell for cell, _mark in rows["Work"]] == ["Training GPT-3 (175B)"] * 2
    assert [cell for cell, _mark in rows["Devices"]] == ["1,024"] * 2
    assert rows["Hardware"][1][0] == CATALOG.device("b200").name
    first = rows_of(visited("compare"))["Hardware"]
    assert [cell for cell, _mark in first] == [
        CATALOG.device(name).name for name in ("h100-sxm", "b200")
    ]


def test_a_single_run_known_by_its_hours_is_refused_and_the_usual_pair_is_shown_dimmed():
    page = visited("compare", a="device_hours=1000&hardware=v100")
    assert "two scenarios are compared" in notices(page)
    assert "default settings of this page" in text_of(page)


def test_the_menu_takes_the_scenario_of_the_page_estimate_along():
    page = visited("estimate", preset="gpt-3", hardware="v100", devices="1024")
    shares = dict(parse_qsl(html.unescape(re.search(r'data-shares="([^"]*)"', body(page))[1])))
    assert PAGE.carried == {"a": "scenario"}
    opened = visited("compare", a=shares["scenario"])
    assert rows_of(opened)["Hardware"][0][0] == CATALOG.device("v100").name
    assert "Training GPT-3 (175B)" in rows_of(opened)["Work"][0][0]


def test_a_slide_shows_the_controls_that_its_link_names():
    slide = visited("compare", show="ratios", controls="a,b")
    drawn = [one.key for one in slide.text_input]
    assert drawn[:2] == ["compare_a", "compare_b"] and len(drawn) == len(set(drawn)) == 4
    assert "controls" not in notices(slide)


def test_ratios_are_those_of_the_answers_and_the_differences_are_listed():
    one, two = answered(devices=64.0), answered(devices=128.0)
    found = [placed("A", one), placed("B", two)]
    energy = [cell for cell in cells(found) if cell.quantity == "energy_kwh"]
    ratio = float(two.estimate["energy_kwh"].mid) / float(one.estimate["energy_kwh"].mid)
    assert energy[0].times == {}
    times = energy[1].times
    assert times["mid"] == pytest.approx(ratio)
    assert times["low"] < ratio < times["high"]
    behind = differences(found)
    (reached,) = (row for row in behind if row.label == "utilization")
    assert all(cell.endswith("%") for cell in reached.cells)
    assert all(row.differs for row in behind)
    assert "devices" not in [row.label for row in behind], "it is among the inputs"


def test_the_table_has_a_row_for_each_quantity_and_scenario():
    found = [placed("A", answered(devices=64.0)), placed("B", answered(devices=128.0))]
    rows = [cell.row() for cell in cells(found)]
    assert [row["scenario"] for row in rows] == ["A", "B"] * 5
    assert rows[1].keys() == {
        *("quantity", "scenario", "low", "mid", "high", "times_low", "times_mid", "times_high")
    }


def test_memory_and_the_offers_behind_each_price_are_compared():
    rows = rows_of(visited("compare", a=A.replace("=64", "=1"), b=B + "&price=2"))
    (small, _mark), (large, _mark) = rows["Memory"]
    assert small.startswith("does not fit on one NVIDIA H100")
    assert small.endswith("; fits with “Devices” 2")
    assert large.startswith("fits in memory")
    (several, _mark), (given, _mark) = rows["Offers behind the price"]
    listed = [price for price in CATALOG.prices("h100-sxm") if price.kind == "on-demand"]
    assert 1 < int(several.split(" ")[0]) <= len(listed)
    assert several.endswith(max(price.date_to for price in listed)) and given == "none"
    _memory, offers = facts([placed("A", answered(site="us-east-1"))])
    assert offers.cells[0].endswith(", AWS")


def test_a_need_of_memory_without_activations_says_so():
    path = ROOT / "tests" / "golden" / "networks" / "rtdetr-r50vd.json"
    scenario = Scenario(config=str(path), samples=1e7, hardware="h100", devices=1.0)
    verdict = badge(answer_scenario(scenario, CATALOG), CATALOG)
    assert re.fullmatch(r"fits in .*, without activations, which are not modelled", verdict)
    assert "activations" not in badge(answered(devices=64.0), CATALOG)


def test_a_link_of_another_kind_is_reported_and_the_rest_is_shown():
    page = visited("compare", a=A, b="https://example.org/?params=lots&hardware=h100")
    assert "b: " in notices(page) and "not a number" in notices(page)
    assert len(rows_of(page)["Energy"]) == 2


def test_the_link_carries_every_scenario():
    page = visited("compare", a=A, b=B)
    page.text_input(key="compare_c").set_value("?" + A.replace("h100-sxm", "b200")).run()
    healthy(page)
    copied = dict(parse_qsl(page.code[0].value.partition("?")[2]))
    assert copied["a"] == A and copied["c"].endswith("site=us")
    again = visited("compare", **copied)
    assert re.search(r"[\d.]+ MWh", rows_of(again)["Energy"][2][0])
    assert urlencode({"a": A}) in page.code[0].value


def test_every_device_is_listed_with_its_numbers_and_the_source_of_its_peak():
    table = devices()
    assert sorted(table["id"]) == sorted(device.id for device in CATALOG.devices())
    known = table[table["peak_tflop_per_s"].notna()]
    assert known["source"].str.len().min() > 0
    assert set(known["id"]) == {device.id for device in CATALOG.devices() if device.peaks}
    for column in hardware_page.NUMBERS:
        assert table[column].notna().sum() > 40 and (table[column].dropna() > 0).all()
    h100 = table.set_index("id").loc["h100-sxm"]
    device = CATALOG.device("h100-sxm")
    peak, power = device.peaks["bf16"].value, device.records["tdp_w"].value
    assert h100["flop_per_j"] == peak / power


def test_the_hardware_page_filters_and_its_picture_says_the_best():
    page = visited("hardware", kind="tpu")
    listed = page.dataframe[0].value
    assert listed["launch_price_usd"].isna().any() and page.dataframe[0].proto.placeholder == ""
    assert page.dataframe[0].proto.HasField("placeholder"), "no number is “None”"
    assert set(listed["kind"]) == {"TPU"}
    assert re.search(r"best is \S+", alts(page)[0])
    assert re.search(rf"\b{len(listed)} devices, each number", body(page))


def test_a_link_names_the_version_of_its_data_and_no_empty_place():
    page = visited("compare", a=A, b=B, fourth=A.replace("h100-sxm", "b200"))
    query = dict(parse_qsl(page.code[0].value.partition("?")[2], keep_blank_values=True))
    assert query["d"] == data_version() and "c" not in query
    assert query["fourth"].count("b200") == 1 and len(rows_of(page)["Energy"]) == 3
    assert "fourth" not in visited("compare").code[0].value


def test_a_link_of_nothing_that_is_read_is_said_to_show_the_default():
    found = notices(visited("compare", a=A, b="zz=1"))
    assert "b: nothing in the link could be used, so the default is shown" in found


def test_a_remedy_is_the_one_of_the_page_estimate():
    page = visited("compare", a="preset=gpt-3&hardware=v100", b="preset=gpt-3&hardware=h100")
    remedy = "fits with “Devices” 43 and “Activations recomputed” full"
    assert rows_of(page)["Memory"][1][0].endswith(remedy)
    assert remedy in text_of(visited("estimate", preset="gpt-3", hardware="h100"))
