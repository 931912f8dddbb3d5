"""The page "Calibrate" as a visitor without a browser sees it: every state of the store, links."""

import dataclasses
import html
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qsl

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from estimator.answer.run_forecast import OTHERS
from estimator.calibration.correction import known_runs
from estimator.catalog import Catalog
from estimator.measure.host_id import host_id
from estimator.question.scenario import Scenario
from estimator.runs import store_path
from estimator.web.calibrate import before_after
from estimator.web.calibrate import live as calibrate_live
from estimator.web.calibrate.before_after import MEASURED, NOW, percent
from estimator.web.calibrate.runs_table import runs_table
from estimator.web.calibrate.whole_run import (
    Program,
    at_its_pace,
    command_line,
    programs_on,
    whole_run,
)
from estimator.web.shared import language
from tests.measured_runs import begin, measured, several, steps, store
from tests.web.markup import alts, body, healthy, notices, query_of

APP = Path(__file__).parents[2] / "app.py"
CATALOG = Catalog.open()


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    """A store of one's own, on a server whose visitors sit at the machine."""
    folder = tmp_path / "data"
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(folder))
    monkeypatch.setenv(calibrate_live.TOKEN, "token")
    monkeypatch.setattr(calibrate_live, "at_the_machine", lambda: True)
    return folder


def calibrate():
    """Only this page, as the site map opens it."""
    from estimator.web.calibrate import page as calibrate_page
    from estimator.web.shared import site

    site.draw(calibrate_page.PAGE)


FOLDS = {"calibrate_live_fold": True, "calibrate_runs_fold": True, "calibrate_next": True}
"""What is one click away, open."""


def opened(query="", **state):
    page = AppTest.from_function(calibrate, default_timeout=120)
    for name, value in parse_qsl(query):
        page.query_params[name] = value
    for name, value in {"live": "token", **FOLDS, **state}.items():
        page.session_state[name] = value
    return healthy(page.run())


def text(page):
    whole = body(page)
    plain = html.unescape(re.sub(r"<[^>]+>", " ", whole.replace("<b>", "").replace("</b>", "")))
    return " ".join(plain.split())


def commands(page):
    return [line for element in page.code for line in element.value.splitlines()]


def listed(page):
    return page.dataframe[0].value.set_index("run")


def h100():
    return known_runs(CATALOG), CATALOG.device("h100-sxm")


def test_where_nothing_was_measured_the_page_teaches_how_and_shows_the_shipped_examples(data):
    page = opened()
    assert "Nothing measured here yet" in [title.value for title in page.subheader]
    assert "twenty-watts calibrate bench" in commands(page)
    assert any(line.startswith("twenty-watts forecast ") for line in commands(page))
    assert "The runs shipped with the program, from another machine" in text(page)
    assert set(listed(page)["where"]) == {"shipped example"}
    assert len(alts(page)) == 1
    assert not data.exists(), "to look is not to make a store"


def test_a_device_that_nobody_measured_is_told_by_published_runs_alone():
    page = opened("device=b200&precision=bf16")
    assert "Nothing measured on NVIDIA B200" in text(page)
    assert len(alts(page)) == 1
    assert "unmeasured" in alts(page)[0]


def test_a_device_of_fixed_utilization_has_nothing_to_measure():
    assert "The utilization of Human brain cannot be measured." in text(
        opened("device=human-brain&precision=equivalent")
    )


def test_several_runs_are_reported_as_the_fit_gives_them():
    store(*several())
    page = opened()
    known, device = h100()
    found = {one.group: one for one in before_after.expected_cells(known, device, "bf16")}
    assert "On NVIDIA H100" in text(page)
    share = percent(float(found["decoder"].now.mid))
    sentence = text(page).replace("\N{NO-BREAK SPACE}", " ")
    assert f"11 timings from 2 measured runs put utilization at {share}" in sentence
    (chart,) = alts(page)
    for one in found.values():
        assert (before_after.cell_label(one) in chart) is bool(one.observations)
    assert "Power under load 640 W" in text(page)
    assert "idle 72 W" in text(page)


def test_the_list_tells_states_trust_and_what_disturbed():
    store(*several())
    table = listed(opened())
    assert table.loc["r-stub", "state"] == "finished, simulated"
    assert table.loc["r-cut", "state"] == "interrupted"
    assert "throttled 40% of the time" in table.loc["r-train", "disturbed"]
    assert table.loc["r-bench", "disturbed"] == ""
    assert table.loc["r-bench", "energy_wh"] == pytest.approx(640.0), "measured, not modelled"
    assert "energy counter (nvml counter)" in table.loc["r-bench", "meters"]
    assert "cpu 150 Wh: modelled" in table.loc["r-bench", "meters"]
    assert table.loc["r-bench", "work"] == "benchmark: language (bf16, tf32), vision (bf16)"
    assert list(table["started"]) == sorted(table["started"], reverse=True)
    assert set(table.loc[["r-bench", "r-cut"], "where"]) == {"here"}


def test_energy_that_was_only_modelled_is_reported_as_such():
    (whole, *_) = several()
    only = dataclasses.replace(whole, energy=whole.energy[1:])
    row = runs_table([only], [], host_id()).iloc[0]
    assert row["energy_wh"] is None or row["energy_wh"] != row["energy_wh"]
    assert "modelled from the load, not measured" in row["meters"]
    none = runs_table([dataclasses.replace(whole, energy=())], [], "")
    assert none["energy_wh"].isna().all()


def test_simulated_runs_teach_nothing():
    store(measured("r-stub", steps(0.9), simulated=True))
    page = opened("device=h100-sxm")
    assert "Nothing measured on NVIDIA H100" in text(page)
    assert "a stub instead of a device" in text(page)


def test_a_run_that_goes_on_is_shown_with_its_power_energy_and_state():
    with begin(seconds=360.0, power_w=500.0):
        page = opened()
        assert "tiny model has been running for" in text(page)
        assert "500 W 50 Wh in 6 minutes 98% busy, 64 °C power sampled" in text(page)
        assert "Power of the last minutes, now gpu:0 500 W" in alts(page)
        assert listed(page).loc["r-now", "state"] == "running"


def test_change_forecast_and_next_step_come_first_and_all_else_is_folded():
    store(*several())
    page = opened("device=h100-sxm", calibrate_live_fold=False, calibrate_runs_fold=False)
    drawn = [one.value for one in page.subheader]
    assert drawn[:3] == ["Forecast of your program", "Next step", "Before and after measuring"]
    assert [one.label for one in page.expander][-3:-1] == ["Live power", "Measured runs"]
    assert len(alts(page)) == 1 and len(page.dataframe) == 0
    assert any(line.startswith("twenty-watts calibrate bench") for line in commands(page))


def test_a_run_in_progress_comes_before_everything():
    store(*several())
    with begin():
        shown = text(opened(calibrate_live_fold=False)).replace("\N{NO-BREAK SPACE}", " ")
        assert shown.index("has been running for") < shown.index("put utilization at")


def test_where_no_run_goes_on_and_no_meter_is_there_the_page_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(
        "estimator.web.calibrate.live.open_meters", lambda modelled: _open(tmp_path)
    )
    calibrate_live.watch.clear()
    specified = text(opened("show=live"))
    calibrate_live.watch.clear()
    assert "no meter of this machine can be read" in specified
    assert "no processor energy counters (RAPL)" in specified


def _open(root):
    """The meters of a machine that has none."""
    from estimator.measure.meters.open import open_meters

    return open_meters(root=root, environment={"CUDA_VISIBLE_DEVICES": ""}, modelled=False)


def test_in_a_public_deployment_nothing_live_is_read_and_no_label_told(monkeypatch):
    monkeypatch.delenv(calibrate_live.TOKEN)
    monkeypatch.setattr(calibrate_live, "at_the_machine", lambda: False)
    store(*several())
    with begin():
        page = opened()
        assert "Live readings are off" in text(page)
        assert "has been running for" not in text(page)
        assert not any("Power of the last minutes" in specified for specified in alts(page))
        assert "label" not in listed(page)
        assert "gpt" not in text(page).lower()
        assert "Programs are shown only on the machine" in text(opened("show=whole"))


@pytest.mark.parametrize(
    ("visitor", "headers", "here"),
    [
        (None, {"host": "localhost:8501"}, True),
        (None, {"host": "127.0.0.1:8501", "origin": "http://127.0.0.1:8501"}, True),
        (None, {"host": "[::1]:8501"}, True),
        ("192.0.2.7", {"host": "192.0.2.1:8501"}, False),
        ("192.0.2.7", {"host": "localhost:8501"}, False),
        (None, {"host": "watts.example.org"}, False),
        (None, {"host": "localhost", "origin": "https://watts.example.org"}, False),
        (None, {"host": "localhost", "x-forwarded-for": "192.0.2.7"}, False),
        (None, {}, False),
    ],
)
def test_only_who_sits_at_the_machine_sees_what_it_draws(visitor, headers, here):
    assert calibrate_live.is_here(visitor, headers) is here


@pytest.mark.parametrize(("given", "seen"), [("token", True), ("other", False), ("", False)])
def test_live_readings_need_the_token_of_the_server(given, seen):
    page = text(opened("show=live", live=given))
    assert ("Live readings are off" not in page) is seen


def test_a_forwarded_visitor_sees_no_live_readings(monkeypatch):
    monkeypatch.setattr(calibrate_live, "_headers", lambda: {"via": "1.1 proxy"})
    assert "Live readings are off" in text(opened("show=live"))


def test_a_damaged_store_is_kept_told_and_no_error(data):
    store(*several())
    store_path().write_bytes(b"this is no database" * 500)
    page = opened()
    assert "damaged" in notices(page)
    assert list(data.glob("*.corrupt-*"))
    page.run()
    assert "damaged" in notices(healthy(page)), "it is still told after a click"
    store(*several())
    assert "On NVIDIA H100" in text(healthy(opened()))


def test_a_run_that_was_killed_is_found_as_cut_off_with_what_is_left_of_it():
    script = (
        "import os\n"
        "from tests.measured_runs import begin\n"
        "begin(seconds=30.0)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=APP.parent, check=False)
    table = listed(opened())
    assert table.loc["r-now", "state"] == "interrupted"
    assert table.loc["r-now", "energy_wh"] == pytest.approx(500.0 * 30 / 3600, rel=1e-3)


def test_a_link_chooses_device_and_format_and_stays():
    store(*several())
    query = "device=h100-sxm&precision=tf32"
    page = opened(query)
    assert not notices(page)
    assert query_of(page) == dict(parse_qsl(query))
    assert "in tf32" in text(page)
    assert any(line.endswith(f"&{query}") and "?v=1&d=" in line for line in commands(page))


def test_a_format_that_the_next_device_has_not_gives_way():
    store(*several())
    page = opened("device=h100-sxm&precision=tf32")
    page.selectbox(key="calibrate_device").set_value("v100-sxm2-16").run()
    assert query_of(healthy(page)) == {"device": "v100-sxm2-16", "precision": "fp16"}


def test_the_whole_page_speaks_german():
    store(*several())
    try:
        page = opened("device=h100-sxm&precision=bf16&lang=de", calibrate_next=True)
        said, lines = text(page), alts(page)
    finally:
        language.use("en")
    assert "Nächster Schritt" in [one.value for one in page.subheader]
    assert "Die Auslastung ist der Anteil an der dichten Spitzenleistung" in said
    assert any("Das Intervall geht von" in one.value for one in page.markdown)
    assert any(
        line.startswith("Jetzt erwarteter Anteil an der Spitzenleistung: ") for line in lines
    )
    assert not any(word in " ".join(lines) for word in ("expected", "timings", "measured"))
    states = set(listed(page)["state"])
    assert {"beendet, simuliert", "abgebrochen"} <= states and "finished" not in states


def test_the_next_run_is_reported_with_its_command():
    store(*several())
    page = opened("show=next&device=h100-sxm&precision=fp16")
    assert "all training in fp16" in text(page)
    assert "twenty-watts calibrate bench --precision bf16" in commands(page)


def test_the_next_run_is_for_the_scenario_that_is_open_on_the_first_page():
    store(*several())
    scenario = Scenario(
        params=7e9, tokens=1e12, hardware="h100-sxm", devices=8.0, precision="bf16", site="fr"
    )
    page = opened("show=next&device=h100-sxm", _scenario=scenario)
    assert "the run on the page Estimate" in text(page)
    other = opened("show=next&device=b200", _scenario=scenario)
    assert "all training in" in text(other)


@pytest.mark.parametrize("precision", ["bf16", "tf32"])
def test_every_row_of_the_picture_has_its_marks(precision):
    store(*several())
    known, device = h100()
    found = before_after.expected_cells(known, device, precision)
    table = pd.DataFrame(before_after.chart_rows(found))
    assert len(table) == 2 * len(found) + sum(len(one.observations) for one in found)
    assert (table["low"] <= table["mid"]).all() and (table["mid"] <= table["high"]).all()
    assert (table["high"] <= 1.0 + 1e-9).all()
    assert (table.loc[table["what"] == MEASURED, "slot"] == NOW).all()
    assert table["label"].astype(bool).sum() == len(found)


def test_many_samples_become_few_points():
    with begin(seconds=600.0) as kept:
        from estimator.measure.live import courses

        run = kept.run("r-now")
        found = courses(run, kept.samples(run.id), kept.meters(run.id))
    table = pd.DataFrame(calibrate_live.course_rows(found))
    assert 100 < len(table) <= 300
    assert table["ago_min"].max() == 0.0
    assert table["ago_min"].min() == pytest.approx(-10.0, abs=0.2)


OWN = {"origin": "run", "label": "forecast", "started": "2026-11-22T10:00:00Z"}


def test_the_whole_run_of_a_program_goes_on_at_its_pace_here_and_is_expected_elsewhere():
    store(*several(), measured("r-own", steps(0.37, 0.3, repetitions=80, style="my-gpt"), **OWN))
    page = opened("device=h100-sxm")
    assert "my-gpt: 10,000 steps, each of which took 811 ms on NVIDIA H100" in text(page)
    assert "one NVIDIA H100 SXM5 80GB 2.25 hours (" in text(page)
    assert all(CATALOG.device(name).name in text(page) for name in OTHERS)
    question = whole_run(
        Program(run=several()[0], timing=steps(0.37, 0.3, style="my-gpt")),
        10_000,
        CATALOG.device("h100-sxm"),
    )
    assert command_line(question) in commands(page)
    page.number_input(key="calibrate_steps").set_value(20_000)
    assert "my-gpt: 20,000 steps" in text(page.run())


@pytest.mark.parametrize("share", [0.02, 0.15, 0.37, 0.6])
@pytest.mark.parametrize("count", [2, 100, 1_000_000])
def test_the_row_of_the_device_measured_takes_as_long_as_its_steps(share, count):
    """However few or many, and however far off what others reach."""
    store(*several()[:1], measured("r-own", steps(share, 0.3, repetitions=80), **OWN))
    program = Program(run=measured("r", **OWN), timing=steps(share, 0.3, repetitions=80))
    question = whole_run(program, count, CATALOG.device("h100-sxm"))
    hours = at_its_pace(program, question).estimate["wall_hours"]
    assert float(hours.mid) == pytest.approx(count * 0.3 / share / 3600.0, rel=1e-6)


def test_programs_of_one_name_are_told_apart_and_a_choice_outlasts_a_new_run():
    runs = [measured(f"r-{at}", steps(0.4, at * 0.1, style="dup"), **OWN) for at in (1, 2, 3)]
    store(*runs)
    page = opened("device=h100-sxm")
    (select,) = (one for one in page.selectbox if one.key == "calibrate_program")
    assert len(set(select.options)) == 3
    assert "took 250 ms" in text(page)
    page.number_input(key="calibrate_steps").set_value(20_000)
    assert "20,000 steps, each of which took 250 ms" in text(page.run())
    select = page.selectbox(key="calibrate_program").set_value(select.options[2])
    assert "took 750 ms" in text(page.run())
    store(
        measured(
            "r-new", steps(0.4, 0.9, style="new"), **{**OWN, "started": "2026-11-23T10:00:00Z"}
        )
    )
    assert "dup: 20,000 steps, each of which took 750 ms" in text(page.run())


def test_hardware_too_small_for_the_program_is_named_and_has_no_row():
    store(measured("r-own", steps(0.4, 0.3, style="big", params=70e9), **OWN))
    page = opened("device=h100-sxm&show=whole")
    assert "Does not fit on one NVIDIA GeForce RTX 4090" in text(page)
    assert '<td data-head="Device">one NVIDIA GeForce RTX 4090' not in body(page)
    assert '<td data-head="Device">one NVIDIA H100 SXM5 80GB' in body(page)


def test_small_steps_are_said_to_wait_for_the_host_on_other_hardware():
    small = steps(0.1, 1e-5, repetitions=80, style="tiny")
    store(measured("r-own", small, origin="run", label="forecast"))
    page = opened("device=h100-sxm&show=whole")
    assert re.search("Steps so small wait for the host on .*NVIDIA B200", text(page))


def test_where_no_program_was_measured_the_page_says_how():
    store(*several()[:1])
    page = opened("device=h100-sxm&show=whole")
    assert "No program of yours whose steps are known was measured on NVIDIA H100" in text(page)
    assert "twenty-watts forecast -- python train.py" in commands(page)


def test_programs_are_of_the_user_of_this_device_and_listed_once_as_last_measured():
    own = {"origin": "run", "label": "forecast"}
    late, early = "2026-11-22T10:00:00Z", "2026-11-21T10:00:00Z"
    named = steps(0.4, 0.3, style="my-gpt")
    runs = [
        measured("r-early", named, started=early, **own),
        measured("r-late", dataclasses.replace(named, time_s=9.0), started=late, **own),
        measured("r-bench", steps(0.4)),
        measured("r-stub", steps(0.4), simulated=True, **own),
        measured("r-unknown", steps(0.4, flop=None), **own),
        measured("r-whole", steps(0.4, repetitions=1), **own),
        measured("r-else", steps(0.4, component="gpu:7"), **own),
    ]
    (found,) = programs_on(CATALOG.device("h100-sxm"), runs).values()
    assert (found.run.id, found.title, found.timing.time_s) == ("r-late", "my-gpt", 9.0)
    assert programs_on(CATALOG.device("v100-sxm2-16"), runs) == {}
    many = dataclasses.replace(named, devices=8)
    assert len(programs_on(CATALOG.device("h100-sxm"), [*runs, measured("r-8", many, **own)])) == 2
    unnamed = Program(run=runs[0], timing=steps(0.4, label=None, style=" "))
    assert unnamed.title == "language, dense decoder"
    assert whole_run(unnamed, 2, CATALOG.device("h100-sxm")).program is None


def test_no_page_starts_a_command():
    sources = (Path(calibrate_live.__file__).parent).glob("*.py")
    for source in sources:
        code = source.read_text(encoding="utf-8")
        assert "subprocess" not in code and "os.system" not in code, source.name
