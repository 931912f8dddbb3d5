"""Tables that people and programs write wrongly: a row is answered, refused, or the table is."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .outcome import fuzzing, outcome, table_in_order

COLUMNS = {
    "training": (
        *("accelerator", "train_flops_reported", "params_total", "tokens_processed", "preset"),
        *("accelerator_count", "accelerator_hours", "pue", "region", "precision", "seq_len"),
        *("batch_tokens", "utilization", "layers", "hidden", "power_cap", "year"),
    ),
    "serving": (
        *("hardware", "model", "params_total", "params_active", "devices", "precision"),
        *("concurrency", "input_tokens", "output_tokens", "tensor_parallel", "region", "pue"),
    ),
}
CELLS = st.sampled_from(
    (
        *("", "h100", "v100", "7e9", "1e20", "8", "us", "bf16", "gpt-2", "nan", "inf", "1e308"),
        *("-1", "0", "7B", "Q4_K_M", "alphago", "\\\\host\\share", "../../etc/passwd", "y" * 300),
        *("=1+1", "a;b", 'say "x"', "two\nlines", " ", "é"),
    )
)


@st.composite
def tables(draw, task):
    """A table with columns that are known, and cells of every kind."""
    must = COLUMNS[task][:2]
    more = draw(st.lists(st.sampled_from(COLUMNS[task][2:]), max_size=4, unique=True))
    header = [*must, *more]
    rows = draw(st.lists(st.tuples(*[CELLS] * len(header)), max_size=6))
    out = io.StringIO()
    csv.writer(out, lineterminator=draw(st.sampled_from(["\n", "\r\n"]))).writerows([header, *rows])
    return len(rows), out.getvalue()


@pytest.mark.parametrize("task", ["training", "serving"])
def test_every_row_of_any_table_is_answered_or_says_why_not(task, tmp_path):
    @fuzzing(20)
    @given(tables(task))
    def holds(drawn):
        count, text = drawn
        path = tmp_path / "in.csv"
        path.write_text(text, encoding="utf-8", newline="")
        code, reported, said = outcome("batch", path, "--task", task, "-o", "-")
        assert code == 0, said
        rows = table_in_order(reported)
        assert len(rows) == count
        first = "energy_kwh_mid" if task == "training" else "output_tokens_per_s_mid"
        assert all(row["error"] or row[first] or row["warnings"] for row in rows)

    holds()


@pytest.mark.parametrize("task", ["training", "serving"])
def test_any_text_is_a_table_or_refused_in_one_line(task, tmp_path):
    names = ",".join(COLUMNS[task][:2])

    @fuzzing(20)
    @given(st.text(alphabet='h10,;"\n\r\t\ufeff e\ud800\x00', max_size=30), st.booleans())
    def holds(text, headed):
        path = tmp_path / "in.csv"
        whole = f"{names}\n{text}" if headed else text
        path.write_bytes(whole.encode("utf-8", "surrogatepass"))
        outcome("batch", path, "--task", task, "-o", "-")

    holds()


@pytest.mark.parametrize("task", ["training", "serving"])
def test_a_quote_that_stays_open_swallows_no_row(task, tmp_path):
    path = tmp_path / "in.csv"
    path.write_text(f'{",".join(COLUMNS[task][:2])}\nh100,1e20\nh100,"1e20\nv100,1e20\n')
    code, _, said = outcome("batch", path, "--task", task, "-o", tmp_path / "out.csv")
    assert (code, said) == (1, "error: line 3 opens a quote that is never closed\n")


@pytest.mark.parametrize("task", ["training", "serving"])
def test_a_cell_of_nan_is_not_read_as_an_empty_one(task, tmp_path):
    device, model = ("accelerator", "preset") if task == "training" else ("hardware", "model")
    count = "accelerator_count" if task == "training" else "concurrency"
    path = tmp_path / "in.csv"
    path.write_text(f"{device},{model},{count}\nh100,llama-3-8b,nan\n", encoding="utf-8")
    _, reported, _ = outcome("batch", path, "--task", task, "-o", "-")
    (row,) = csv.DictReader(io.StringIO(reported))
    assert f"{count} " in row["error"] and "number" in row["error"]
