"""`figure` on the command line: what it writes, and what it refuses in one line."""

import json
import re

import pytest

from estimator.answer.scenario_estimate import answer_scenario
from estimator.catalog import Catalog
from estimator.cli import main
from estimator.question.scenario import Scenario
from tests.in_process import refusal

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
    found = json.loads(numbers.read_text(encoding="utf-8"))
    assert found["title"] == reported
    heading = re.search(r"<h1>(.*?)</h1>", text)[1]
    assert heading == reported or any(mark.isdigit() for mark in heading), "a message, not a topic"
    assert text.count("<li>") >= 1
    assert "default-src 'none'" in text
    assert json.dumps(found["rows"][0])[1:-1] in text, "the picture holds the numbers of the JSON"


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
    assert "the deck needs reveal.js next to it" in capsys.readouterr().err
    text = path.read_text(encoding="utf-8")
    assert text.count("<section data-background-iframe=") == 3
    assert 'data-background-iframe="twenty-watts-figure.html"' in text
    assert main(["figure", "deck", "--lang", "de", "-o", str(path)]) == 0
    assert '<html lang="de">' in path.read_text(encoding="utf-8")


FIGURES = ("scenario", "devices", "parts", "uncertainty")


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("named", ["claims", "deck"])
def test_the_name_of_a_network_does_not_choose_the_figure(figure, named, tmp_path):
    words = ["--sample-flop", "4.1e9", "--samples", "1e9", "--kind", "vision"]
    words += ["--hardware", "a100", "--quiet"]
    after, before, plain = (tmp_path / f"{name}.json" for name in ("after", "before", "plain"))
    assert main(["figure", figure, *words, "--name", named, "-o", str(after)]) == 0
    assert main(["figure", "--name", named, *words, "-o", str(before), figure]) == 0
    assert main(["figure", figure, *words, "-o", str(plain)]) == 0
    assert after.read_bytes() == before.read_bytes()
    assert json.loads(after.read_text(encoding="utf-8"))["inputs"]["name"] == named
    assert "name" not in json.loads(plain.read_text(encoding="utf-8"))["inputs"]


def test_a_named_network_is_drawn_in_the_figure_asked_for(tmp_path):
    words = ["figure", "parts", *SCENARIO, "--quiet"]
    named, plain = tmp_path / "named.svg", tmp_path / "plain.svg"
    assert main([*words, "--name", "uncertainty", "-o", str(named)]) == 0
    assert main([*words, "-o", str(plain)]) == 0
    assert _texts(named) == _texts(plain)


def _texts(path):
    return re.findall(r"<text[^>]*>([^<]*)<", path.read_text(encoding="utf-8"))


DEVICES = f"devices {' '.join(SCENARIO)}"


@pytest.mark.parametrize(
    ("words", "file", "reported"),
    [
        # An option that would not change the figure
        (f"scenario {' '.join(SCENARIO)} --view foo", "html", "--view does not apply to scen"),
        (f"parts {' '.join(SCENARIO)} --view cost_usd", "html", "--view does not apply to pa"),
        ("trends --preset gpt-3", "html", "--preset does not apply to trends"),
        ("trends --view compute --preset gpt-3", "html", "does not apply to trends --view compute"),
        ("trends --params 7e9", "html", "--params does not apply to trends"),
        ("trends --pue 1.1", "html", "--pue does not apply to trends"),
        ("trends --interval 0.5", "html", "--interval does not apply to trends"),
        ("claims --hardware h100", "html", "--hardware does not apply to claims"),
        ("claims --name GPT", "html", "--name does not apply to claims"),
        ("brain --tokens 1e12", "html", "--tokens does not apply to brain"),
        ("brain --preset gpt-3", "html", "--preset does not apply to brain"),
        ("brain --view samples --hardware h100", "html", "does not apply to brain --view samples"),
        ("scaling --power-limit 300", "html", "--power-limit does not apply to scaling"),
        ("scaling --view imagenet --hardware h100", "html", "--hardware does not apply to scaling"),
        ("deck --dark", "html", "--dark does not apply to deck"),
        ("deck --scale 2", "html", "--scale does not apply to deck"),
        ("deck --view cost_usd", "html", "--view does not apply to deck"),
        ("deck --preset gpt-3", "html", "--preset does not apply to deck"),
        # A look of a file that has none
        *(
            (f"{DEVICES} {look}", suffix, f"no effect on a .{suffix.lower()} file")
            for look in ("--dark", "--scale 2")
            for suffix in ("csv", "JSON", "bib")
        ),
        # What cannot be written
        (DEVICES, "gif", "must end in one of"),
        ("claims", "tex", "claims has no .tex file"),
        ("deck", "svg", "its name must end in .html"),
        (f"{DEVICES} --scale 9", "svg", "between 0.5 and 4"),
        (f"{DEVICES} --view hours", "svg", "--view must be one of"),
        (f"{DEVICES} --lang xx", "svg", "--lang must be en or de"),
        ("trends --view nothing", "svg", "--view of trends must be one of compute"),
        ("brain --hardware nonsense", "svg", "unknown hardware 'nonsense'"),
    ],
)
def test_what_a_figure_does_not_take_is_refused_in_one_line(words, file, reported, tmp_path):
    path = tmp_path / f"figure.{file}"
    assert reported in refusal(f"figure {words}", "-o", path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        "trends --view cost --preset gpt-3",
        "brain --view energy --preset gpt-3 --hardware h100 --dark --scale 2",
        "scaling --hardware h100 --devices 64 --site fr",
        "deck --lang de --quiet",
    ],
)
def test_options_that_change_a_figure_are_taken(words, tmp_path):
    assert main(["figure", *words.split(), "-o", str(tmp_path / "figure.html")]) == 0


@pytest.mark.parametrize("words", [["claims"], ["deck"]])
def test_a_suffix_in_capitals_is_taken(words, tmp_path):
    suffix = "html" if words == ["deck"] else "svg"
    small, large = tmp_path / f"small.{suffix}", tmp_path / f"LARGE.{suffix.upper()}"
    for path in (small, large):
        assert main(["figure", *words, "-o", str(path), "--quiet"]) == 0
    assert large.read_bytes() == small.read_bytes()


def test_a_figure_speaks_german(tmp_path):
    from estimator.web.shared import language

    file = tmp_path / "figure.html"
    words = "scenario --preset gpt-3 --hardware v100 --devices 1024 --site us --lang de --quiet"
    assert main(["figure", *words.split(), "-o", str(file)]) == 0
    page = file.read_text(encoding="utf-8")
    assert '<html lang="de">' in page and "Eingaben" in page and "Geöffnet mit" in page
    assert language.current() == language.ENGLISH
