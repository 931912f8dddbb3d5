"""Tables look as rich draws them; what is beyond us is left to rich."""

import io
import os
import re
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from estimator.cli.output import print_table
from estimator.cli.table_text import NARROW, needed_width, table_text, terminal_text

LETTERS = "ab Z09.,%()–×µ²é:[]\\$é"
ODD = st.sampled_from(["日", "e\u0301", "a\tb", " a", "", "a\nbc", "abc d\n\nab", "a\n", "\n"])
TEXTS = st.one_of(st.text(alphabet=LETTERS, min_size=1, max_size=30).map(str.strip), ODD)


def drawn_by_rich(header, rows, title, width, *, styled, whole=()):
    table = Table(box=SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False)
    for place, name in enumerate(header):
        side = "right" if place else "left"
        table.add_column(name, justify=side, overflow="fold", no_wrap=name in whole)
    for row in rows:
        table.add_row(*row)
    out = io.StringIO()
    Console(
        file=out,
        width=width,
        highlight=False,
        markup=False,
        emoji=False,
        force_terminal=styled,
        color_system="standard" if styled else None,
    ).print(table)
    return out.getvalue()


@st.composite
def tables(draw):
    columns = draw(st.integers(1, 4))
    row = st.lists(TEXTS, min_size=columns, max_size=columns)
    return draw(row), draw(st.lists(row, max_size=3)), draw(TEXTS)


@settings(max_examples=300)
@given(tables(), st.integers(4, 60), st.booleans(), st.integers(0, 2))
def test_a_table_looks_as_rich_draws_it(table, width, styled, kept):
    header, rows, title = table
    whole = header[:kept]
    text = table_text(header, rows, title, width=width, styled=styled, whole=whole)
    if text is not None:
        assert text == drawn_by_rich(header, rows, title, width, styled=styled, whole=whole)


def test_very_narrow_columns_are_as_rich_draws_them():
    header = ["abc d\n\nab"] * 2
    text = table_text(header, [], "0", width=8)
    assert text in (None, drawn_by_rich(header, [], "0", 8, styled=False))


def test_cells_too_wide_for_a_line_are_wrapped_here_as_rich_wraps_them():
    header = ["device", "expected", "before", "time"]
    rows = [[f"{'a-name-of-a-device' * 2}", "0.1 % (0.05 % to 0.2 %)", "x" * 50, "1 h"]] * 2
    for width in range(30, 130):
        text = table_text(header, rows, width=width)
        if width > 35:
            assert text is not None
        assert text in (None, drawn_by_rich(header, rows, "", width, styled=False))


def test_usual_tables_are_laid_out_here():
    header, rows = ("", "median", "80 % interval"), [("time", "1.2 h", "1 to 1.5 h")]
    text = table_text(header, rows, "One run", width=40)
    assert text == drawn_by_rich(header, rows, "One run", 40, styled=False)
    assert table_text(header, rows, "One run", width=len(text.splitlines()[0])) == text


@pytest.mark.parametrize("odd", ["日本", "a\n ", "e\u0301", " a", "a ", "\x1b[1m", "\xad", "\xa0"])
def test_letters_of_another_width_are_left_to_rich(odd):
    assert table_text(["a"], [[odd]], width=80) is None
    assert table_text([odd], [], width=80) is None
    assert table_text(["a"], [["b" * 20]], odd, width=80) is None


def test_letters_that_are_said_to_be_narrow_are():
    latin = (chr(number) for number in range(32, 0x300) if chr(number).isprintable())
    assert all(cell_len(letter) == 1 for letter in (*latin, *NARROW))


def test_a_table_that_does_not_fit_is_wrapped(capsys):
    print_table(["a", "b"], [["x" * 100, "y" * 100]])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 120
    assert "".join(lines).count("x") == 100


@pytest.mark.parametrize("name", ["FORCE_COLOR", "TTY_COMPATIBLE"])
def test_what_is_asked_of_rich_is_left_to_rich(name, monkeypatch, capsys):
    monkeypatch.setenv(name, "1")
    print_table(["a"], [["b"]])
    assert "\x1b[1ma" in capsys.readouterr().out


def test_a_terminal_of_few_letters_that_writes_no_utf_8_gets_dashes(monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    print_table(["a"], [["b"]])
    out.seek(0)
    assert "─" not in out.read()


@settings(max_examples=300)
@given(tables(), st.integers(0, 60), st.integers(0, 2))
def test_no_word_is_broken_or_lost_on_a_line_as_wide_as_needed(table, more, kept):
    header, rows, _ = table
    whole = header[:kept]
    width = needed_width(header, rows, whole) + more
    text = terminal_text(header, rows, width=width, whole=whole)
    if text is not None:
        found = re.sub(r"\x1b\[\dm", "", text)
        assert max(map(len, found.splitlines())) <= width
        words = [
            word for cell in (*header, *(c for row in rows for c in row)) for word in cell.split()
        ]
        assert Counter(words) == Counter(word for word in found.split() if set(word) != {"─"})


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
    command = [sys.executable, "-c", f"from estimator.cli.output import print_table; {call}"]
    plain = {name: text for name, text in os.environ.items() if name not in ("COLUMNS", "LINES")}
    subprocess.run(command, stdin=slave, stdout=slave, check=True, env={**plain, "TERM": "xterm"})
    os.close(slave)
    found = os.read(master, 100_000).decode()
    os.close(master)
    return re.sub(r"\x1b\[[0-9;]*m", "", found)
