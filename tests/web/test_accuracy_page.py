"""The page "Accuracy" as a visitor without a browser sees it: figures, filters, links."""

import html
import io
import re
from dataclasses import asdict
from pathlib import Path
from urllib.parse import parse_qsl

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from estimator.catalog import Catalog
from estimator.validation.energy import energy_scores, measured_power
from estimator.validation.held_out import earlier_scores, stored_scores, validation_report
from estimator.validation.memory import memory_cases, memory_groups
from estimator.web.accuracy import groups as accuracy_groups
from estimator.web.accuracy import score_tables
from estimator.web.accuracy import tables as accuracy_tables
from estimator.web.accuracy import text as accuracy_words
from estimator.web.accuracy.groups import percent
from estimator.web.accuracy.page import PARAMETERS, kinds
from estimator.web.shared import language
from estimator.web.shared.share import csv
from tests.web.markup import alts, body, healthy, notices, query_of

APP = Path(__file__).parents[2] / "app.py"
CATALOG = Catalog.open()


@pytest.fixture(scope="module")
def report():
    return validation_report(CATALOG)


def accuracy():
    """Only this page, as the site map opens it."""
    from estimator.web.accuracy import page as accuracy_page
    from estimator.web.shared import site

    site.draw(accuracy_page.PAGE)


def opened(query=""):
    page = AppTest.from_function(accuracy, default_timeout=120)
    for name, value in parse_qsl(query):
        page.query_params[name] = value
    return healthy(page.run())


FOLDED = ("change", "energy", "memory", "serving")
"""Scores that are one click away."""


def unfolded(query=""):
    """The page with every section open."""
    page = opened(query)
    for name in FOLDED:
        page.session_state[f"accuracy_{name}"] = True
    return healthy(page.run())


def text(page):
    plain = html.unescape(
        re.sub(r"<[^>]+>", "", body(page).replace("</t", " </t").replace("<small", " <small"))
    )
    return " ".join(plain.split())


def select(report, query):
    filters, notices = PARAMETERS.from_link(dict(parse_qsl(query)))
    assert not notices
    return report.part(accuracy_groups.chosen(report, filters))


def test_the_page_tells_the_score_that_the_command_tells(report):
    reported = text(opened())
    ours, baselines = report.scores["all"]
    assert f"{ours.count} published runs" in reported
    for share in (ours.median_error, baselines["constant_0.30"], ours.coverage, ours.within_2):
        assert percent(share) in reported
    assert f"{ours.count} runs of {ours.families} families" in reported


def test_the_groups_have_the_scores_that_the_command_gives_them(report):
    table = accuracy_groups.groups_table(report).set_index("group")
    named = {"vision": "vision", "language, large": "language, 1e20 FLOP or more", "TPU": "on tpu"}
    for here, there in (named | {"2019 to 2021": "2019 to 2021", "all runs": "all"}).items():
        ours, baselines = report.scores[there]
        for name in ("count", "families", "median_error", "family_median_error", "coverage"):
            assert table.loc[here, name] == pytest.approx(getattr(ours, name)), (here, name)
        for name, error in baselines.items():
            assert table.loc[here, name] == pytest.approx(error)


@pytest.mark.parametrize(
    "query",
    [
        "work=vision",
        "device=blackwell",
        "work=language&device=a100&from=2022&to=2024&by=device",
        "from=2019&to=2019&by=year",
        "device=other&by=tier",
    ],
)
def test_a_link_filters_everything_and_stays(report, query):
    page = opened(query)
    assert not notices(page)
    part = select(report, query)
    ours, _ = part.scores["all"]
    assert f"{ours.count} published run" in text(page)
    assert percent(ours.median_error) in text(page)
    assert query_of(page) == dict(parse_qsl(query))
    worst = part.run_rows()[0]["name"]
    assert f'data-run="{html.escape(worst, quote=True)}"' in body(page)


def test_years_are_a_filter_like_the_others(report):
    page = opened()
    page.slider(key="accuracy_to").set_value(2019).run()
    page.slider(key="accuracy_from").set_value(2021).run()
    count = select(report, "from=2019&to=2021").scores["all"][0].count
    assert f"{count} published runs from 2019 to 2021" in text(healthy(page))


def test_where_no_run_is_left_the_page_says_so():
    page = opened("work=speech&device=blackwell")
    assert "No published run is left" in text(page)
    page.selectbox(key="accuracy_device").set_value("all").run()
    assert "published run" in text(healthy(page)) and "No published" not in text(page)


def test_every_kind_of_work_and_device_can_be_chosen(report):
    assert set(kinds()) == {"all", *accuracy_groups.works_of(report)}
    for work in kinds():
        healthy(opened(f"work={work}"))
    for device in accuracy_groups.DEVICES:
        healthy(opened(f"device={device}"))


def test_rows_left_out_are_counted_with_the_reason(report):
    reported = text(opened())
    for reason, count in report.left_out.items():
        assert reason[1:] in reported and str(count) in reported
        assert reason in accuracy_tables.REASONS, "the catalogues know every reason"
    rows = sum(report.left_out.values()) + len(report.published.rows)
    assert rows == len(CATALOG.published_runs())
    assert f"Of {rows} rows" in reported


def test_the_reasons_rest_on_all_runs_and_not_on_those_chosen(report):
    names = [row["name"] for row in report.published.rows]
    place = names.index("GNMT v2 WMT16 En-De PyTorch 8xA100 tf32")
    reported = " ".join(accuracy_words.reasons(report, place))
    assert "recurrent" in reported
    worst = int(np.argmax(np.abs(report.blind.log_ratio)))
    assert report.published.rows[worst]["name"] in text(opened())


def test_each_run_is_one_mark_and_there_are_few(report):
    table = accuracy_groups.runs_table(report, CATALOG)
    assert len(table) == len(report.published.rows) <= 1000
    ratio = table["predicted_h"] / table["reported_h"]
    assert sorted(np.log(ratio)) == pytest.approx(sorted(report.blind.log_ratio))
    assert set(table["class"]) == set(accuracy_groups.CLASSES)
    worst = table.iloc[0]
    assert worst["run"].startswith(report.run_rows()[0]["name"])


def test_the_files_hold_what_the_page_shows(report):
    part = report.part(
        np.asarray([row["domain"] == "speech" for row in report.published.rows])
        | (accuracy_groups.works_of(report) == "vision")
    )
    rows = pd.read_csv(io.StringIO(csv("runs", part.run_rows).content()))
    assert len(rows) == part.scores["all"][0].count
    reported = part.as_json(with_runs=True)
    assert reported["groups"]["all"]["count"] == len(reported["runs"]) == len(rows)


def test_a_part_of_the_report_keeps_the_blind_predictions(report):
    chosen = accuracy_groups.works_of(report) == "vision"
    part = report.part(chosen)
    assert part.blind.log_ratio.tolist() == report.blind.log_ratio[chosen].tolist()
    assert part.scores["all"][0] == report.scores["vision"][0]
    with pytest.raises(ValueError, match="no runs to score"):
        report.part(np.zeros(len(chosen), dtype=bool))


def test_where_a_constant_does_better_the_page_says_so(report):
    table = accuracy_groups.groups_table(report)
    worse = table[table["constant_0.30"] < table["median_error"]]["group"]
    reported = accuracy_words.better(table)
    assert all(name in reported for name in worse)


def test_the_earlier_model_stands_beside_the_present_one(report):
    reported = text(opened("show=change"))
    before = earlier_scores(CATALOG)["all"]
    ours, _ = report.scores["all"]
    strict = report.stack_scores["all"]
    errors = (before["median_error"], ours.median_error, strict.median_error)
    shares = (before["coverage"], ours.coverage, strict.coverage)
    cells = " ".join(f"{100 * share:.0f}" for share in (*errors, *shares))
    assert f"all runs{ours.count}{cells.replace(' ', '')}" in reported.replace(" ", "").replace(
        "allruns", "all runs"
    )


def test_the_stricter_score_stands_with_its_range_and_the_mean_over_kinds(report):
    reported = text(unfolded())
    strict = report.stack_scores["all"]
    family, stack = (f"{100 * mean:.0f}%" for mean in report.mean_over_kinds)
    low, high = (f"{100 * end:.0f}%" for end in (strict.median_error_low, strict.median_error_high))
    assert f"({low} to {high} when stacks are drawn again" in reported
    assert f"is {family} by family and {stack} by stack" in reported


def test_the_score_of_the_energy_is_that_of_the_command(report):
    rows = dict(re.findall(r'data-score="([^"]+)".*?<td>(\d+)</td>', body(unfolded())))
    scores = energy_scores(measured_power(CATALOG))
    for name, label in score_tables.METERS.items():
        if name in scores:
            assert int(rows[label]) == scores[name].count, name
    assert set(score_tables.METERS.values()) <= set(rows)


@pytest.mark.parametrize("task", ["memory", "serving"])
def test_the_scores_of_memory_and_serving_are_on_the_page(task):
    page = unfolded()
    rows = re.findall(r'data-score="([^"]+)"', body(page))
    labels = score_tables.TASKS if task == "memory" else score_tables.PROGRAMS
    assert any(row.endswith(label) for row in rows for label in labels.values())
    slide = re.findall(r'data-score="([^"]+)"', body(opened(f"show={task}&fs=1.4")))
    assert 0 < len(slide) <= score_tables.ON_A_SLIDE


def test_the_tables_speak_german():
    page = unfolded("lang=de")
    assert any("Änderungen und zurückgehaltene Daten" in fold.label for fold in page.expander)
    reported = text(page)
    for word in ("volles Fine-Tuning", "Zeit je Token", "Zurückgehalten"):
        assert word in reported


def test_the_stored_score_of_memory_is_what_the_command_prints():
    stored = {row["group"]: row for row in stored_scores(CATALOG, "memory")}
    groups = memory_groups(memory_cases(CATALOG))
    assert set(stored) == set(groups)
    for name, score in groups.items():
        assert {key: float(stored[name][key]) for key in asdict(score)} == pytest.approx(
            asdict(score), abs=0.005
        ), name


def test_the_tables_and_pictures_speak_german():
    try:
        page = opened("lang=de&by=year")
        said, lines = text(page), alts(page)
    finally:
        language.use("en")
    assert "Median des Fehlers [%], je Familie" in said
    assert "2012 bis 2018" in said and "2012 to 2018" not in said
    assert "Mögliche Gründe" in said and "× zu kurz" in said
    assert any(line.startswith("Vorhergesagte gegen berichtete") for line in lines)
    assert not any(word in " ".join(lines) for word in ("against", "runs", "error"))
