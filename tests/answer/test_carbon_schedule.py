"""The grid by the hour: golden days by hand, laws of shifting, files refused in one line."""

import json

import numpy as np
import pytest

from estimator.answer.scenario_estimate import answer_scenario
from estimator.answer.start_times import on_profile
from estimator.answer.training_report import estimate_report
from estimator.question.carbon_profile import read_profile
from estimator.question.scenario import Scenario, from_link
from estimator.show import values
from estimator.show.phrases import schedule_line
from tests.in_process import answer, refusal, run


def as_json(answer):
    """JSON of an estimate."""
    return values.as_json(estimate_report(answer))


DAY = np.array([0.4] * 8 + [0.1] * 8 + [0.4] * 8)
"""Dirty nights and mornings, eight clean hours from hour 8."""


def written(tmp_path, values=DAY, column="co2e_kg_per_kwh", times=None):
    path = tmp_path / "grid.csv"
    hours = range(len(values)) if times is None else times
    name = "hour" if times is None else "time"
    rows = [f"{hour},{value}" for hour, value in zip(hours, values, strict=True)]
    path.write_text("\n".join([f"{name},{column}", *rows, ""]))
    return str(path)


def ask(catalog, **said):
    work = {"device_hours": 32.0, "hardware": "v100", "devices": 8.0, "site": "fr"}
    return answer_scenario(Scenario(**work | said), catalog)


def test_an_estimate_follows_its_schedule(catalog, tmp_path):
    path = written(tmp_path)
    dirty = ask(catalog, carbon_profile=path)  # four hours from hour 0
    reported = as_json(dirty)
    operational = reported["results"]["co2e_kg"]["operational_mid"]
    assert operational == pytest.approx(0.4 * reported["results"]["energy_kwh"]["mid"])
    assert reported["schedule"]["best_start"] == 8.0
    assert reported["schedule"]["saving_share"] == pytest.approx(0.75)
    assert reported["schedule"]["saving_kg"] == pytest.approx(0.75 * operational)
    assert "hour 8 instead of 0 would save 75%" in str(schedule_line(reported["schedule"]))
    clean = ask(catalog, carbon_profile=path, start=8.0)
    saved = as_json(clean)["results"]["co2e_kg"]["operational_mid"]
    assert saved == pytest.approx(operational - reported["schedule"]["saving_kg"])
    assert "would not reduce" in str(schedule_line(estimate_report(clean).facts["schedule"]))
    assert json.loads(json.dumps(reported, allow_nan=False)) == reported


def test_a_link_carries_the_intensity_and_never_a_file(catalog, tmp_path):
    link = ask(catalog, carbon_profile=written(tmp_path), start=6.0).link
    assert "profile" not in link
    assert "start" not in link
    assert "carbon_intensity=0.25" in link
    scenario, _ = from_link({"carbon_profile": "grid.csv", "start": "3", "config": "x.json"})
    assert scenario == Scenario()


def test_grams_and_times_are_read_like_kilograms_and_hours(tmp_path):
    expected = read_profile(written(tmp_path))
    times = [f"2024-03-{1 + (hour + 5) // 24:02}T{(hour + 5) % 24:02}:00Z" for hour in range(24)]
    grams = read_profile(written(tmp_path, DAY * 1000, "co2e_g_per_kwh", times))
    assert grams == pytest.approx(expected)


NOT_HOURLY = [f"2024-03-01T{hour:02}:30" for hour in range(24)]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "the columns must be one of co2e_kg_per_kwh, co2e_g_per_kwh and one of time, hour"),
        ("hour,carbon\n0,1\n", "the columns must be"),
        ("hour,co2e_kg_per_kwh,co2e_g_per_kwh\n", "the columns must be"),
        ("hour,co2e_kg_per_kwh\n0,0.1\n", "24 to 8784 rows an hour apart are needed, got 1"),
        ([(hour, 0.1) for hour in range(9000)], "more than 8784"),
        ([(2 * hour, 0.1) for hour in range(24)], "line 3 is not an hour after"),
        ([(hour, "x" if hour == 3 else 0.1) for hour in range(24)], "line 5 is not a number: 'x'"),
        ([(hour, "nan") for hour in range(24)], "line 2 must be between 0 and 5, got nan"),
        ([(hour, 300) for hour in range(24)], "line 2 must be between 0 and 5, got 300"),
        ([(hour, -0.1) for hour in range(24)], "line 2 must be between 0 and 5, got -0.1"),
        ([("noon", 0.1) for _ in range(24)], "line 2 must be a whole hour, got 'noon'"),
        ([(hour, "0.1,7") for hour in range(24)], "line 2 has 3 cells, not 2"),
        (b"\xff\xfe\x00", "is no CSV file in UTF-8"),
        (None, "No such file"),
    ],
)
def test_a_bad_profile_is_refused_in_one_line(tmp_path, content, reason):
    path = tmp_path / "grid.csv"
    if isinstance(content, list):
        rows = [f"{hour},{value}" for hour, value in content]
        path.write_text("\n".join(["hour,co2e_kg_per_kwh", *rows]))
    elif isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        path.write_text(content)
    with pytest.raises(ValueError, match=reason) as refusal:
        read_profile(str(path))
    assert "\n" not in str(refusal.value)
    assert "grid.csv" in str(refusal.value)


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        (["2024-13-01T00:00", *NOT_HOURLY[1:]], "must be a time like"),
        ([*NOT_HOURLY[:-1], "2024-03-02T05:00"], "line 25 is not an hour after"),
        ([*NOT_HOURLY[:-1], "2024-03-01T23:30Z"], "times with and without a zone"),
    ],
)
def test_times_that_are_not_an_hour_apart_are_refused(tmp_path, times, reason):
    with pytest.raises(ValueError, match=reason):
        read_profile(written(tmp_path, times=times))


def test_a_schedule_that_cannot_be_is_refused(catalog, tmp_path):
    path = written(tmp_path)
    with pytest.raises(ValueError, match="start must be an hour of the profile, 0 to 23, got 24"):
        ask(catalog, carbon_profile=path, start=24.0)
    with pytest.raises(ValueError, match="start must be at least 0"):
        ask(catalog, carbon_profile=path, start=-1.0)
    with pytest.raises(ValueError, match="start is an hour of a carbon_profile"):
        ask(catalog, start=3.0)
    with pytest.raises(ValueError, match="mutually exclusive"):
        ask(catalog, carbon_profile=path, carbon_intensity=0.1)


def test_the_command_line_tells_what_another_start_saves(tmp_path):
    words = "estimate --device-hours 32 --hardware v100 --devices 8 --carbon-profile"
    path = written(tmp_path)
    said = run(*words.split(), path, "--start", "2").stdout
    assert "Starting at hour 8 instead of 2 would save 75%" in said
    assert answer(words, path)["schedule"]["best_start"] == 8.0
    assert "none.csv" in refusal(words, tmp_path / "none.csv")


def test_the_command_line_takes_a_cap_and_a_purchase_price():
    words = "--hardware h100 --devices 8 --power-cap 350 --pay own --device-price 27000"
    reported = answer(f"estimate --flop 1e21 {words}")
    assert reported["inputs"]["power_cap"] == 350
    assert reported["inputs"]["resolved"]["launch_price_usd"]["value"] == 27000
    assert {"power_cap=350", "device_price=27000"} <= set(reported["link"].split("&"))


def test_an_answer_put_on_a_profile_is_the_answer_that_was_asked_with_it(catalog, tmp_path):
    path = written(tmp_path)
    asked = ask(catalog, carbon_profile=path, start=6.0)
    later = on_profile(ask(catalog), read_profile(path), 6.0)
    assert later.plan == asked.plan
    for name in asked.estimate.quantities:
        assert later.estimate[name].interval() == asked.estimate[name].interval(), name
    assert later.inputs["co2e_kg_per_kwh"] == asked.inputs["co2e_kg_per_kwh"]
    with pytest.raises(ValueError, match="0 to 23, got 24"):
        on_profile(ask(catalog), read_profile(path), 24.0)
