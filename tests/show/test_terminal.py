"""Tables on terminals of any width: no word is broken, none is lost."""

import csv
import os
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from estimator.catalog import Catalog
from estimator.show.scores import SERVED
from estimator.show.terminal import BETWEEN, EDGES, column_widths, print_table

ODD = st.sampled_from(["日本 日", "e\u0301", " a", "", "a\nbc", "abc d\n\nab", "a\n", "\n"])
TEXTS = st.one_of(st.text(alphabet="ab Z09.,%()–×µ²é", max_size=30), ODD)


@st.composite
def tables(draw):
    columns = draw(st.integers(1, 4))
    row = st.lists(TEXTS, min_size=columns, max_size=columns)
    return draw(row), draw(st.lists(row, max_size=3))


@given(tables(), st.integers(1, 120), st.integers(0, 2))
def test_columns_hold_their_longest_words_and_fit_the_line(table, line, kept):
    header, rows = table
    whole = header[:kept]
    widths = column_widths(header, rows, line, whole)
    words = [
        max(cell_len(part) for cell in column for part in (cell.split() or [""]))
        for column in zip(header, *rows, strict=True)
    ]
    between = EDGES + BETWEEN * (len(header) - 1)
    if widths is None:
        assert whole or sum(words) + between > line
        return
    assert sum(widths) + between <= line
    assert all(width >= word for width, word in zip(widths, words, strict=True))


def test_a_number_keeps_its_unit_where_other_cells_can_be_wrapped():
    rows = [["a board", "21.3 s (127 ms to 59.2 minutes)", "1.35 Wh"]]
    assert column_widths(["device", "time", "energy"], rows, 40)[-1] == len("1.35 Wh")
    assert column_widths(["device", "time", "energy"], rows, 28)[-1] < len("1.35 Wh")


def test_a_table_that_does_not_fit_is_wrapped(capsys):
    print_table(["a", "b"], [["x" * 100, "y" * 100]])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 120
    assert "".join(lines).count("x") == 100


def test_every_score_of_serving_has_a_heading():
    path = Catalog.open().layers[0] / "runs" / "serving_scores.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        assert {row["quantity"] for row in csv.DictReader(lines)} <= SERVED.keys()


def test_a_table_without_headings_has_no_line_for_them(capsys):
    print_table(["", ""], [["parameters", "8"]])
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in lines if line] == ["parameters   8"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
@pytest.mark.parametrize("columns", [20, 60, 80, 100, 200])
def test_a_narrow_terminal_shows_every_device_and_figure(columns):
    header = ["", "wall time", "energy", "cost", "memory"]
    rows = [
        [f"one NVIDIA Tesla {board}", "168 years\n105 years to 270 years", *["638 MWh"] * 2, "fits"]
        for board in ("V100", "A100")
    ]
    text = on_a_terminal(columns, header, rows)
    for word in ("NVIDIA", "V100", "A100", "270", "energy", "MWh", "memory", "fits"):
        assert re.search(rf"\b{word}\b", text), (columns, text)


def on_a_terminal(columns, header, rows):
    """What a process with a terminal of so many columns prints as a table."""
    import fcntl
    import struct
    import termios

    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    call = f"print_table({header!r}, {rows!r}, whole={header[1:4]!r})"
    command = [sys.executable, "-c", f"from estimator.show.terminal import print_table; {call}"]
    plain = {name: text for name, text in os.environ.items() if name not in ("COLUMNS", "LINES")}
    subprocess.run(command, stdin=slave, stdout=slave, check=True, env={**plain, "TERM": "xterm"})
    os.close(slave)
    found = os.read(master, 100_000).decode()
    os.close(master)
    return re.sub(r"\x1b\[[0-9;]*m", "", found)
