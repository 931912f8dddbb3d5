"""The page "Accuracy" as a visitor without a browser sees it: figures, filters, links."""

import html
import io
import re
from dataclasses import asdict
from urllib.parse import parse_qsl

import numpy as np
import pandas as pd
import pytest

from estimator.catalog import Catalog
from estimator.show.scores import held_out_text
from estimator.validation.energy import energy_scores, measured_power
from estimator.validation.held_out import stored_scores, validation_report
from estimator.validation.memory import memory_cases, memory_groups
from estimator.web.accuracy import groups as accuracy_groups
from estimator.web.accuracy import page as accuracy_page
from estimator.web.accuracy.groups import percent
from estimator.web.accuracy.page import PARAMETERS, kinds
from estimator.web.shared import language
from estimator.web.shared.share import csv
from tests.build_docs import ROOT
from tests.web.markup import alts, body, healthy, notices, query_of, visited

CATALOG = Catalog.open()


@pytest.fixture(scope="module")
def report():
    return validation_report(CATALOG)


def opened(query=""):
    return visited("accuracy", **dict(parse_qsl(query)))


FOLDED = ("others", "method")
"""Sections that are one click away."""


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


def test_page_command_and_readme_say_the_same_headline(report):
    headline = str(report.headline())
    assert headline in text(opened())
    assert headline in [str(line) for line in held_out_text(report, report.overall, 2022.0)]
    assert headline in " ".join((ROOT / "README.md").read_text().split())
    strict = report.stack_scores["all"]
    assert f"median error of {percent(strict.median_error)}" in headline
    assert f"covers {percent(strict.coverage)}" in headline


def test_groups_and_worst_runs_are_predicted_without_their_stack(report):
    rows = {
        row["group"]: row for row in accuracy_groups.errors_rows(report, "work") if row["label"]
    }
    for name, row in rows.items():
        assert row["error"] == report.stack_scores[name].median_error
        assert row["other"] == report.scores[name][1]["constant_0.30"]
    worst = int(np.argmax(np.abs(report.by_stack.log_ratio)))
    assert report.run_rows()[0]["name"] == report.published.rows[worst]["name"]
    assert report.published.rows[worst]["name"] in text(opened())


def test_every_group_of_the_page_is_scored(report):
    for groups in accuracy_groups.GROUPS.values():
        assert set(groups) <= set(report.scores)


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
    assert f"{part.overall.count} published run" in text(page)
    assert percent(part.overall.median_error) in text(page)
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
    assert "No published run matches" in text(page)
    page.selectbox(key="accuracy_device").set_value("all").run()
    assert "published run" in text(healthy(page)) and "No published" not in text(page)


def test_every_kind_of_work_and_device_can_be_chosen(report):
    assert set(kinds()) == {"all", *accuracy_groups.works_of(report)}
    for work in kinds():
        healthy(opened(f"work={work}"))
    for device in accuracy_groups.DEVICES:
        healthy(opened(f"device={device}"))


def test_rows_left_out_are_counted_with_the_reason(report):
    reported = text(unfolded())
    for reason, count in report.left_out.items():
        assert reason[1:] in reported and str(count) in reported
        assert reason in accuracy_page.REASONS, "the catalogues know every reason"
    rows = sum(report.left_out.values()) + len(report.published.rows)
    assert rows == len(CATALOG.published_runs())
    assert f"Of {rows} rows" in reported


def test_the_reasons_rest_on_all_runs_and_not_on_those_chosen(report):
    names = [row["name"] for row in report.published.rows]
    place = names.index("GNMT v2 WMT16 En-De PyTorch 8xA100 tf32")
    assert "recurrent" in " ".join(accuracy_groups.reasons(report, place))


def test_each_run_is_one_mark_and_there_are_few(report):
    rows = accuracy_groups.runs_rows(report, CATALOG)
    assert len(rows) == len(report.published.rows) <= 1000
    logs = [np.log(row["predicted_h"] / row["reported_h"]) for row in rows]
    assert sorted(logs) == pytest.approx(sorted(report.by_stack.log_ratio))
    assert {row["class"] for row in rows} == set(accuracy_groups.CLASSES)
    assert rows[0]["run"].startswith(report.run_rows()[0]["name"])


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
    assert report.scores["speech"][1]["constant_0.30"] < report.stack_scores["speech"].median_error
    assert "does better for speech" in text(opened())


def test_the_fold_says_the_score_by_family_and_the_mean_over_kinds(report):
    reported = text(unfolded())
    family, (by_family, by_stack) = report.scores["all"][0], report.mean_over_kinds
    assert f"the median error is then {percent(family.median_error)}" in reported
    assert f"covers {percent(family.coverage)}" in reported
    assert f"is {percent(by_stack)} by stack and {percent(by_family)} by family" in reported


def test_the_other_scores_are_those_of_the_commands(report):
    rows = {name: row for name, *row in accuracy_page.other_scores("en")}
    metered = energy_scores(measured_power(CATALOG))["measured"]
    energy = rows["energy, hours known, all meters"]
    assert energy == [metered.count, metered.median_error, metered.coverage]
    peaks = stored_scores(CATALOG, "memory")
    every = next(row for row in peaks if row["group"] == "all")
    assert rows["peak memory"][0] == int(every["cases"])
    assert rows["peak memory"][1] == float(every["held_out_error"])
    served = [row for row in stored_scores(CATALOG, "serving") if row["by"] == "all"]
    first = next(row for row in served if row["quantity"] == "inter_token_s")
    assert rows["time per output token, server GPUs"][1] == float(first["median_error"])
    reported = text(unfolded())
    for name in rows:
        assert name[1:] in reported


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
        page = unfolded("lang=de&by=year")
        said, lines = text(page), alts(page)
    finally:
        language.use("en")
    assert "Ohne ihren eigenen Software-Stack vorhergesagt" in said
    assert "Spitzenspeicher, volles Fine-Tuning" in said and "Zeit je Ausgabetoken" in said
    assert "2012 bis 2018" in said and "2012 to 2018" not in said
    assert "Mögliche Gründe" in said and "× zu kurz" in said
    assert any(line.startswith("Vorhergesagte gegen berichtete") for line in lines)
    assert not any(word in " ".join(lines) for word in ("against", "runs", "error"))
