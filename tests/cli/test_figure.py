"""`figure` on the command line: what it writes, and what it refuses in one line."""

import json

import pytest

from estimator.catalog import Catalog
from estimator.cli import main
from estimator.estimation.scenario_answer import answer_scenario
from estimator.scenario.scenario import Scenario

SCENARIO = ["--params", "7e9", "--tokens", "2e12", "--hardware", "h100", "--devices", "64"]


def test_a_figure_is_one_file_with_its_sliders(tmp_path):
    path = tmp_path / "figure.html"
    assert main(["figure", "scenario", *SCENARIO, "-o", str(path), "--quiet"]) == 0
    text = path.read_text(encoding="utf-8")
    assert '"name": "devices"' in text and "7 billion parameters" in text


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        ("claims", "Recomputed over claimed"),
        ("brain --view energy --preset gpt-3 --hardware h100", "The brain and the machine: Energy"),
        ("scaling --view imagenet", "Error on ImageNet"),
        ("trends --view memory-wall", "The memory wall"),
    ],
)
def test_a_figure_of_the_limits_is_one_file_with_its_sources(words, reported, tmp_path):
    page, numbers = tmp_path / "figure.html", tmp_path / "figure.json"
    for path in (page, numbers):
        assert main(["figure", *words.split(), "-o", str(path)]) == 0
    text = page.read_text(encoding="utf-8")
    assert f"<h1>{reported}</h1>" in text
    assert text.count("<li>") >= 1
    assert "default-src 'none'" in text
    rows = json.loads(numbers.read_text(encoding="utf-8"))["rows"]
    assert json.dumps(rows[0])[1:-1] in text, "the picture holds the numbers of the JSON"


def test_what_a_figure_of_the_limits_shows_is_what_its_page_shows(tmp_path):
    path = tmp_path / "figure.json"
    assert main(["figure", "brain", "--hardware", "h100", "-o", str(path)]) == 0
    rows = {row["label"]: row for row in json.loads(path.read_text(encoding="utf-8"))["rows"]}
    one = answer_scenario(Scenario(device_hours=1.0, hardware="h100"), Catalog.open())
    device = rows["NVIDIA H100 SXM5 80GB"]
    assert device["mid"] == pytest.approx(float(one.estimate["power_w"].mid))
    assert rows["a brain"]["mid"] == 20.0


def test_the_deck_names_the_figure_that_it_shows_without_network(tmp_path, capsys):
    path = tmp_path / "deck.html"
    assert main(["figure", "deck", "-o", str(path)]) == 0
    text = path.read_text(encoding="utf-8")
    assert text.count("<section data-background-iframe=") == 3
    assert 'data-background-iframe="twenty-watts-figure.html"' in text
    assert main(["figure", "deck", "--lang", "de", "-o", str(path)]) == 0
    assert '<html lang="de">' in path.read_text(encoding="utf-8")
    assert main(["figure", "deck", "-o", str(tmp_path / "deck.svg")]) == 1
    assert "the name must end in .html" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        ("claims -o figure.tex", "claims has no .tex file"),
        ("trends --view nothing -o figure.svg", "--view of trends must be one of compute"),
        ("brain --hardware nonsense -o figure.svg", "unknown hardware 'nonsense'"),
    ],
)
def test_a_figure_of_the_limits_that_cannot_be_is_refused(
    words, reported, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert main(["figure", *words.split()]) == 1
    line = capsys.readouterr().err
    assert reported in line and line.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        (["-o", "figure.gif"], "must end in one of"),
        (["-o", "figure.svg", "--scale", "9"], "between 0.5 and 4"),
        (["-o", "figure.svg", "--view", "hours"], "--view must be one of"),
        (["-o", "figure.svg", "--lang", "xx"], "--lang must be en or de"),
    ],
)
def test_what_cannot_be_written_is_refused_in_one_line(
    words, reported, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert main(["figure", "devices", *SCENARIO, *words]) == 1
    line = capsys.readouterr().err
    assert reported in line and line.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_figure_speaks_german(tmp_path):
    from estimator.web.shared import language

    file = tmp_path / "figure.html"
    words = "scenario --preset gpt-3 --hardware v100 --devices 1024 --site us --lang de --quiet"
    assert main(["figure", *words.split(), "-o", str(file)]) == 0
    page = file.read_text(encoding="utf-8")
    assert '<html lang="de">' in page and "Eingaben" in page and "Geöffnet mit" in page
    assert language.current() == language.ENGLISH
