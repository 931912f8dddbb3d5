"""What the documents show is what the commands print: python -m tests.test_readme renews them."""

import csv
import os
import re
import shlex
import tempfile
from contextlib import chdir
from pathlib import Path

import pytest

from tests.in_process import run

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def no_runs(tmp_path, monkeypatch):
    """Nothing was measured: runs that other tests left would correct what is shown."""
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path))


def shown():
    """Command and output of every console block."""
    for block in re.findall(r"```console\n(.*?)```", README, flags=re.S):
        for piece in re.split(r"(?m)^\$ ", block)[1:]:
            command, _, output = piece.partition("\n")
            yield command, output.strip("\n")


def reported(command):
    """What the command prints, stdout then stderr, without trailing blanks."""
    command, _, most = command.partition(" | head -")
    words = shlex.split(command)
    assert words[:3] == ["python3", "-m", "estimator"], command
    with chdir(ROOT):
        found = run(*words[3:])
    assert found.returncode == 0, found.stderr
    lines = [line.rstrip() for line in found.stdout.splitlines()]
    shown = "\n".join([*lines, *found.stderr.splitlines()]).strip("\n").splitlines()
    return "\n".join(shown[: int(most)] if most else shown)


@pytest.mark.parametrize(("command", "output"), list(shown()), ids=[c for c, _ in shown()])
def test_the_readme_shows_what_the_command_prints(command, output):
    squeezed = [line for line in reported(command).splitlines() if line]
    assert squeezed == [line.rstrip() for line in output.splitlines() if line]


def test_the_python_examples_run():
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.S)
    measured, _, callback, example = blocks
    names = {"batches": range(5), "train": lambda batch: None}
    for block in (example, measured):
        exec(compile(block, "README.md", "exec"), names)
    assert names["run"].steps == 5
    assert names["low"] < 1_287_000 * 1.1 < names["high"] * 1.5
    compile(callback, "README.md", "exec")  # runs where a trainer is: tests/measure/test_callbacks


def test_the_example_that_counts_a_step_runs(tmp_path, monkeypatch, capsys):
    torch = pytest.importorskip("torch")
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path))
    _, counted, *_ = re.findall(r"```python\n(.*?)```", README, flags=re.S)
    network = torch.nn.Linear(64, 64)
    names = {"batches": [torch.ones(8, 64)], "train": lambda batch: network(batch).sum().backward()}
    exec(compile(counted, "README.md", "exec"), names)
    printed = capsys.readouterr().out
    assert re.search(r"--step-flop 131072 --step-operations \d+ --step-traffic \d+", printed)


def test_every_command_stands_in_the_readme():
    from estimator.cli import COMMANDS

    for name in COMMANDS:
        assert f"`{name}" in README


def test_the_two_commands_stand_in_the_readme():
    assert "python3 -m estimator app\npython3 -m tests\n" in README
    assert "python3 -m tests" in (ROOT / ".ci" / "run").read_text()


def test_the_changelog_quotes_the_score_that_is_computed(tmp_path):
    changelog = " ".join((ROOT / "CHANGELOG.md").read_text().split())
    line = next(text for command, text in shown() if "validate" in command).splitlines()[0]
    percent = re.findall(r"(\d+)\s?%", line)
    ours, baseline, _, coverage = percent
    assert f"median error of the device-hours is {ours} %" in changelog
    assert f"against {baseline} % for a constant utilization" in changelog
    assert f"holds {coverage} %" in changelog


PICTURES = {
    ".github/gpt-3.svg": "",
    ".github/gpt-3-dark.svg": "--dark",
}
"""Pictures of the README, and how their command ends."""

PICTURE = "figure devices --preset gpt-3 --hardware v100 --devices 10000 --quiet"


def drawn(folder):
    """Path of each picture of the README -> the same as it is drawn now."""
    for number, (path, more) in enumerate(PICTURES.items()):
        now = Path(folder) / f"{number}.svg"
        assert run(*PICTURE.split(), *more.split(), "-o", str(now)).returncode == 0
        yield ROOT / path, now


def test_the_pictures_of_the_readme_say_what_is_computed(tmp_path):
    """Their places depend on the fonts of a machine; their texts do not."""
    for path, now in drawn(tmp_path):
        assert str(path.relative_to(ROOT)) in README
        kept, fresh = (re.findall(r"<text[^>]*>([^<]*)<", one.read_text()) for one in (path, now))
        assert kept == fresh and any("Tesla V100" in text for text in kept)


BEGINNING = (r"(hours\sof\s)\d+(\spublished)", r"(off\sby\s)\d+(\s%)", r"(and\s)\d+(\s%\sof\sthem)")
"""Around the runs, the error and the coverage in the first paragraphs, which `validate` prints."""


def rescored(text):
    """Text whose first paragraphs say what it shows of `validate`."""
    line = re.search(r"^Device-hours of (\d+).* error (\d+) %.* holds (\d+) %", text, re.MULTILINE)
    start, middle, rest = text.partition("## Start")
    for pattern, number in zip(BEGINNING, line.groups(), strict=True):
        start, found = re.subn(pattern, rf"\g<1>{number}\g<2>", start)
        assert found == 1, pattern
    return start + middle + rest


def test_the_readme_begins_with_the_score_that_is_computed():
    assert rescored(README) == README


def counted():
    """Pattern around each number of the README that grows with the profiles -> the number now."""
    from estimator.catalog import Catalog

    catalog = Catalog.open()
    rows = []
    for name in ("models.csv", "networks.csv"):
        with (ROOT / "tests" / "golden" / name).open(encoding="utf-8", newline="") as file:
            rows += csv.DictReader(file)
    return {
        r"(on\s)\d+(\sdevices)": len(catalog.devices()),
        r"(\s)\d+(\scloud\sregions)": len(catalog.places("cloud-region")),
        r"(parameter\scounts\sof\s)\d+(\spublished\sarchitectures)": len(rows),
        r"(forward\sFLOPs\sof\s)\d+(\sof\sthem)": sum(bool(row["forward_flop"]) for row in rows),
    }


SERVING = {
    r"(error\sis\s)\d+(\s%\sfor\sthe\stime)": ("inter_token_s", "server GPUs", "median_error"),
    r"(weights\salone:\s)\d+(\s%)": ("inter_token_s", "server GPUs", "roofline_error"),
    r"(\s)\d+(\s%\sfor\sdecoding)": ("decode_tokens_per_s", "elsewhere", "median_error"),
    r"(\s)\d+(\s%\sfor\sthroughput)": ("output_tokens_per_s", "server GPUs", "median_error"),
    r"(\s)\d+(\s%\sfor\senergy\sper\stoken)": (
        *("device_energy_per_output_token_j", "server GPUs", "median_error"),
    ),
    r"(per\stoken\sholds\s)\d+(\s%)": ("inter_token_s", "server GPUs", "coverage"),
    r"(\()\d+(\s%\swith\sCUDA)": ("prefill_tokens_per_s", "local-cuda", "median_error"),
    r"(,\s)\d+(\s%\son\sIntel)": ("prefill_tokens_per_s", "local-intel", "median_error"),
    r"(differ\sseveral-fold\s\()\d+(\s%)": ("decode_tokens_per_s", "local-intel", "median_error"),
    r"(single-board\scomputer\s\()\d+(\s%)": ("decode_tokens_per_s", "local-board", "median_error"),
}
"""Around each number of the paragraph on serving -> quantity, group and column of its score."""


def scored_serving():
    """Pattern around each number of the paragraph on serving -> its score now [%]."""
    from estimator.catalog import Catalog
    from estimator.validation.held_out import stored_scores

    rows = {
        (row["quantity"], row["group"]): row for row in stored_scores(Catalog.open(), "serving")
    }
    return {
        pattern: round(100 * float(rows[quantity, group][column]))
        for pattern, (quantity, group, column) in SERVING.items()
    }


def recounted(text):
    """Text with the numbers of now; each stands in it."""
    for pattern, number in {**counted(), **scored_serving()}.items():
        text, found = re.subn(pattern, rf"\g<1>{number}\g<2>", text)
        assert found, pattern
    return text


def test_the_readme_counts_what_there_is():
    assert recounted(README) == README


def renew():
    """Write what the commands print and what is counted now into the README."""
    text = recounted(README)
    for command, output in shown():
        now = "\n".join(line for line in reported(command).splitlines())
        text = text.replace(f"$ {command}\n{output}", f"$ {command}\n{now}", 1)
    (ROOT / "README.md").write_text(rescored(text), encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        for path, now in drawn(folder):
            path.write_bytes(now.read_bytes())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:  # what was measured here is not for the README
        os.environ["TWENTY_WATTS_DATA"] = folder
        renew()
