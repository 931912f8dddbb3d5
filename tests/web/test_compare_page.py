"""The pages Compare, and Hardware and data, as a visitor without a browser sees them."""

import html
import re
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from estimator.answer.design_facts import memory_of_run
from estimator.answer.scenario_estimate import answer_scenario
from estimator.catalog import Catalog
from estimator.question.scenario import Scenario
from estimator.web.compare.page import USUAL, Pinned, differences, facts, ratios
from estimator.web.estimate.fit import badge, fit_of
from estimator.web.hardware import page as hardware_page
from estimator.web.hardware.page import devices
from estimator.web.shared.url_state import data_version
from tests.web.markup import alts, body, healthy, visited

ROOT = Path(__file__).parents[2]
CATALOG = Catalog.open()
A = "params=7e9&tokens=2e12&hardware=h100-sxm&devices=64&site=us"
B = "params=7e9&tokens=2e12&hardware=h100-sxm&devices=128&site=us"


def answered(**said):
    scenario = Scenario(params=7e9, tokens=2e12, hardware="h100-sxm", **{"site": "us", **said})
    return answer_scenario(scenario, CATALOG)


def placed(letter, answer):
    memory = memory_of_run(answer, CATALOG, least=False)
    return Pinned(letter=letter, title="x", answer=answer, memory=memory)


def test_two_scenarios_are_compared_by_value_and_ratio():
    page = visited("compare", a=A, b=B, view="wall_hours")
    first = [one.answer for one in found_of(page)]
    assert len(first) == 2
    assert "takes 0.5" in body(page) and "wall time of A" in body(page)
    (words,) = alts(page)
    assert re.search(r"A: [\d.]+ days; 64 × NVIDIA H100", words)
    assert body(page).count("Training 7 billion parameters with 2 trillion tokens.") == 1
    assert re.search(r"B: [\d.]+ days; 128 × NVIDIA H100", words)


def test_scenarios_are_listed_by_name_and_their_links_are_folded():
    page = visited("compare", a=A, b=B.replace("=128", "=1"))
    listed = re.findall(r'<a href="(estimate[^"]*)"[^>]*>([^<]*)</a>', html.unescape(body(page)))
    assert [name for _link, name in listed] == [
        "64 × NVIDIA H100 SXM5 80GB",
        "one NVIDIA H100 SXM5 80GB",
    ]
    assert dict(parse_qsl(listed[0][0].partition("?")[2])) == dict(parse_qsl(A))
    (fold,) = [one for one in page.expander if one.label == "Scenarios by their links"]
    assert len(fold.text_input) == 4 and not fold.proto.expanded
    for pasted in ("", A):
        page = visited("compare", a=pasted, b="")
        (fold,) = [one for one in page.expander if len(one.text_input) == 4]
        assert fold.proto.expanded, "where a link is missing its place is open"


def test_one_pinned_scenario_takes_the_first_place_and_two_take_all():
    page = visited("compare")
    for pins, expected in (([B], [B, USUAL["b"], "", ""]), ([B, A], [B, A, "", ""])):
        page.session_state["_pins"] = pins
        healthy(page.run()).button(key="compare_take").click()
        healthy(page.run())
        keys = ("a", "b", "c", "fourth")
        assert [page.text_input(key=f"compare_{one}").value for one in keys] == expected


def found_of(page):
    query = {name: page.query_params[name] for name in ("a", "b") if name in page.query_params}
    from estimator.web.compare.page import pinned

    texts = {name: value if isinstance(value, str) else value[0] for name, value in query.items()}
    return pinned({"a": "", "b": "", "c": "", "fourth": ""} | texts)[0]


def test_ratios_are_those_of_the_answers_and_the_differences_are_marked():
    one, two = answered(devices=64.0), answered(devices=128.0)
    found = [placed("a", one), placed("b", two)]
    ratio = float(two.estimate["energy_kwh"].mid) / float(one.estimate["energy_kwh"].mid)
    energy = next(row for row in ratios(found) if row[0] == "Energy")
    times, low, high = re.findall(r"[\d.]+", energy[2].rpartition("×")[2])
    assert float(times) == float(f"{ratio:.3g}") and float(low) < ratio < float(high)
    assert ["devices", "64", "128"] in differences(found)
    (reached,) = (row for row in differences(found) if row[0] == "utilization")
    assert all(cell.endswith("%") for cell in reached[1:])
    assert not any(row[1:] == row[1:][::-1] for row in differences(found))


def test_memory_and_the_offers_behind_each_price_are_compared():
    one, two = answered(devices=1.0), answered(devices=128.0, price=2.0)
    found = [placed("a", one), placed("b", two)]
    memory, offers = facts(found)
    assert memory[1] == "too small: it fits on 2 devices" and memory[2].startswith("fits, ")
    count, _device = offers[1].split(" ")[:2]
    listed = [price for price in CATALOG.prices("h100-sxm") if price.kind == "on-demand"]
    assert 1 < int(count) <= len(listed)
    assert offers[1].endswith(max(price.date_to for price in listed)) and offers[2] == "none"
    _memory, (_label, cloud) = facts([placed("a", answered(site="us-east-1"))])
    assert cloud.endswith(", AWS")
    assert "it fits on " in body(visited("compare", a=A.replace("=64", "=1"), b=B))


def test_a_need_of_memory_without_activations_says_so():
    path = ROOT / "tests" / "golden" / "networks" / "rtdetr-r50vd.json"
    scenario = Scenario(config=str(path), samples=1e7, hardware="h100", devices=1.0)
    answer = answer_scenario(scenario, CATALOG)
    (_label, memory), _offers = facts([placed("a", answer)])
    assert re.fullmatch(r"fits, .*% full, without activations, which are not modelled", memory)
    fit = fit_of(answer, CATALOG)
    assert re.fullmatch(r"fits in .*, without activations, which are not modelled", badge(fit))
    counted = fit_of(answered(devices=64.0), CATALOG)
    assert "activations" not in badge(counted)


def test_a_link_of_another_kind_is_reported_and_the_rest_is_shown():
    page = visited("compare", a=A, b="https://example.org/?params=lots&hardware=h100")
    assert "B: " in body(page) and "not a number" in body(page)
    assert len(page.get("vega_lite_chart")) == 1


def test_the_link_carries_every_scenario():
    page = visited("compare", a=A, b=B)
    page.text_input(key="compare_c").set_value("?" + A.replace("h100-sxm", "b200")).run()
    healthy(page)
    copied = dict(parse_qsl(page.code[0].value.partition("?")[2]))
    assert copied["a"] == A and copied["c"].endswith("site=us")
    again = visited("compare", **copied)
    assert re.search(r"C: [\d.]+ MWh; 64 × NVIDIA B200", alts(again)[0])
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


def test_the_first_pair_differs_in_the_device_alone():
    first, second = (dict(parse_qsl(USUAL[letter])) for letter in "ab")
    assert {name for name in first if first[name] != second[name]} == {"hardware"}
    assert first.keys() == second.keys()


def test_titles_name_every_input_in_which_scenarios_differ():
    page = visited("compare", a=A, b=B.replace("site=us", "site=fr") + "&pue=1.2&precision=fp8")
    (words,) = alts(page)
    assert re.search(r"A: .*, United States", words) and re.search(r"B: .*, France", words)
    assert "Number format fp8" in words and "PUE 1.2" in words


def test_what_scenarios_have_in_common_is_said_once():
    places = visited("compare", a=A, b=A.replace("site=us", "site=fr"))
    (words,) = alts(places)
    assert re.search(r"A: [^;]*; United States \(.*B: |B: [^;]*; France \(", words)
    assert re.search(
        r"Training 7 billion parameters .* on 64 × NVIDIA H100 SXM5 80GB\.", body(places)
    )
    works = visited("compare", a=A, b=A.replace("params=7e9", "params=8e9"))
    assert "Training 8 billion parameters" in alts(works)[0]


def test_a_link_names_the_version_of_its_data_and_no_empty_place():
    page = visited("compare", a=A, b=B, fourth=A.replace("h100-sxm", "b200"))
    query = dict(parse_qsl(page.code[0].value.partition("?")[2], keep_blank_values=True))
    assert query["d"] == data_version() and "c" not in query
    assert query["fourth"].count("b200") == 1 and "D: " in body(page)
    assert "fourth" not in visited("compare").code[0].value


def test_a_link_that_named_its_fourth_scenario_d_is_read():
    older = visited("compare", a=A, b=B, d=A.replace("h100-sxm", "b200"))
    assert "fourth=params" in older.code[0].value and "D: " in body(older)


def test_where_only_recomputation_makes_a_model_fit_the_page_says_how_many_devices():
    page = visited("compare", a="preset=gpt-3&hardware=v100", b="preset=gpt-3&hardware=h100")
    assert "too small: it fits on 53 devices with activation recomputation" in body(page)
