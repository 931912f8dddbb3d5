"""Records of CSV: the same by the block and one by one, written back as they stand."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.question import csv_records
from estimator.question.csv_records import Records, TextColumn

LETTERS = '",\n\r ax1\ufeffé'
LINES = st.lists(st.text(LETTERS, max_size=8).filter(lambda text: text.strip("\r\n")), max_size=12)
WIDTH = 2


def lines_of(text):
    return iter(io.StringIO(text, newline="").readlines())


def by_block(text, size=5):
    """Rows of a table as written back, their cells, and which are refused."""
    texts, rows, refused = [], [], []
    for block in Records(lines_of(text)).blocks(WIDTH, range(WIDTH), size):
        refused += [row + len(texts) for row in block.refused]
        texts += block.texts
        rows += zip(*(column.texts() for column in block.columns), strict=True)
    return texts, list(map(list, rows)), refused


@given(LINES, st.sampled_from(("\n", "\r\n")))
def test_blocks_hold_the_records_that_are_read_one_by_one(lines, end):
    text = end.join(lines)
    try:
        records = list(Records(lines_of(text)))
    except ValueError as error:
        with pytest.raises(ValueError) as refusal:
            by_block(text)
        assert str(refusal.value) == str(error)
        return
    texts, rows, refused = by_block(text)
    wide = [row for row, (_, cells) in enumerate(records) if len(cells) != WIDTH]
    assert refused == wide
    for row, (text_of_row, cells) in enumerate(records):
        assert rows[row] == (["", ""] if row in wide else cells)
        assert row in wide or texts[row] == text_of_row


@given(st.lists(st.lists(st.text(LETTERS, max_size=5), min_size=2, max_size=2).filter(any)))
def test_what_csv_writes_is_read_and_written_back(rows):
    table = io.StringIO(newline="")
    csv.writer(table, quoting=csv.QUOTE_ALL).writerows(rows)
    texts, found, refused = by_block(table.getvalue())
    assert (found, refused) == (rows, [])
    assert list(csv.reader(io.StringIO("\n".join(texts), newline=""))) == rows


@pytest.mark.parametrize("line", ['"8"9,a', 'a,"8"9', '"a" ,1', 'a,"8""9"x'])
def test_text_after_a_closing_quote_is_refused_with_its_line(line):
    with pytest.raises(ValueError, match="line 3 has text after a closing quote"):
        by_block(f'a,1\n"b, c",""\n{line}\n')


def test_plain_lines_are_not_read_one_by_one(monkeypatch):
    def refused(*_):
        raise AssertionError("read one by one")

    monkeypatch.setattr(csv_records, "_block", refused)
    text = 'a,1\n"b, c",2\n\n"say ""hi""",3\r\né,4\n'
    assert by_block(text)[1] == [["a", "1"], ["b, c", "2"], ['say "hi"', "3"], ["é", "4"]]


def test_a_cell_of_several_lines_costs_its_block_alone():
    text = "a,1\n" * 7 + '"b\n\nc",2\n' + "d,3\n" * 9
    texts, rows, refused = by_block(text)
    assert rows == [["a", "1"]] * 7 + [["b\n\nc", "2"]] + [["d", "3"]] * 9
    assert texts[7] == '"b\n\nc",2' and refused == []


@pytest.mark.parametrize("cells", [["1", "", "x"], ["1_0"], [" 1"]])
def test_a_column_with_other_texts_is_no_column_of_numbers(cells):
    assert TextColumn.of(cells).numbers() is None
