"""`figure` on the command line: what it writes, and what it refuses in one line."""

import pytest

from estimator.cli import main

SCENARIO = ["--params", "7e9", "--tokens", "2e12", "--hardware", "h100", "--devices", "64"]


def test_a_figure_is_one_file_with_its_sliders(tmp_path):
    path = tmp_path / "figure.html"
    assert main(["figure", "scenario", *SCENARIO, "-o", str(path), "--quiet"]) == 0
    text = path.read_text(encoding="utf-8")
    assert '"name": "devices"' in text and "7 billion parameters" in text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-o", "figure.gif"], "must end in one of"),
        (["-o", "figure.svg", "--scale", "9"], "between 0.5 and 4"),
        (["-o", "figure.svg", "--view", "hours"], "--view must be one of"),
    ],
)
def test_what_cannot_be_written_is_refused_in_one_line(words, told, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["figure", "devices", *SCENARIO, *words]) == 1
    line = capsys.readouterr().err
    assert told in line and line.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
