"""The one codec of links: what a page declares is read, adjusted, shown and written again."""

import math

from hypothesis import given
from hypothesis import strategies as st

from estimator.question.inputs import read_number
from estimator.web.shared.frame import LONGEST
from estimator.web.shared.url_state import (
    LONGEST_QUERY,
    Choice,
    LinkParameters,
    Number,
    Typed,
    _bounded,
    _unknown,
    _versions,
    short_number,
    versioned,
    widget_key,
)
from tests.web.markup import notices, query_of, visited

CODEC = LinkParameters(
    "trial",
    Choice("field", ("all", "energy", "cost")),
    Number("sites", 3.0, low=1.0, high=50.0, whole=True),
    Number("share", 0.5, low=0.0, high=1.0),
    Typed("params", 7e9, low=1.0, high=1e15),
)
values = st.fixed_dictionaries(
    {
        "field": st.sampled_from(["all", "energy", "cost"]),
        "sites": st.integers(1, 50),
        "share": st.floats(0.0, 1.0),
        "params": st.none() | st.floats(1.0, 1e15),
    }
)


@given(values)
def test_what_is_written_is_read_again_without_a_notice(value):
    assert CODEC.from_link(CODEC.query(value)) == (value, [])


@given(values)
def test_what_the_widgets_show_is_gathered_again(value):
    state = {}
    state.update(CODEC.widget_values(value))
    assert CODEC.gather(state, CODEC.from_link({})[0]) == value


def test_a_number_is_left_open_only_where_it_is_optional():
    codec = LinkParameters(
        "trial",
        Number("sites", 3.0, low=1.0, high=50.0, whole=True),
        Number("devices", 8.0, low=1.0, high=50.0, whole=True, optional=True),
    )
    cleared = {widget_key("trial", name): None for name in ("sites", "devices")}
    found = codec.gather(cleared, {"sites": 5, "devices": 5})
    assert found == {"sites": 5, "devices": None}
    assert codec.query(found) == {"sites": "5", "devices": ""}
    assert codec.from_link(codec.query(found)) == (found, [])
    assert codec.gather({}, found) == found, "one that is not drawn keeps its value"


@given(st.dictionaries(st.sampled_from(["field", "sites", "share", "params"]), st.text()))
def test_any_link_gives_admissible_values_and_short_notices(query):
    found, notices = CODEC.from_link(query)
    assert found["field"] in ("all", "energy", "cost")
    assert 1 <= found["sites"] <= 50 and 0.0 <= found["share"] <= 1.0
    assert found["params"] is None or 1.0 <= found["params"] <= 1e15
    assert all(len(notice) < 3 * LONGEST + 60 for notice in notices)


def test_a_number_outside_its_limits_is_moved_to_the_nearest_and_the_notice_says_so():
    found, notices = CODEC.from_link({"sites": "99", "share": "-1"})
    assert (found["sites"], found["share"]) == (50, 0.0)
    assert notices == ["“sites” is adjusted from 99 to 50", "“share” is adjusted from -1 to 0"]


def test_an_empty_word_says_nothing():
    assert Choice("field", ("all", "cost"), usual="cost").parse("") == ("cost", "")


def test_five_thousand_digits_give_one_short_notice():
    found, notices = CODEC.from_link({"params": "7" * 5000})
    assert found["params"] == 7e9
    assert len(notices) == 1 and len(notices[0]) < 120


def test_two_hundred_unknown_names_give_one_notice():
    (notice,) = _unknown([f"name{number}" for number in range(200)])
    assert "“name0”" in notice and "197 more" in notice and len(notice) < 120


def test_an_absurdly_long_link_is_read_in_part():
    query = {f"name{number}": "x" * 1000 for number in range(200)}
    kept = _bounded(query)
    assert sum(len(name) + len(text) for name, text in kept.items()) <= LONGEST_QUERY
    assert len(kept) == 19


def test_a_text_that_cannot_be_read_keeps_the_last_value_and_is_a_problem_of_its_widget():
    state = {}
    last = CODEC.from_link({"params": "3B"})[0]
    state.update(CODEC.widget_values(last))
    state[widget_key("trial", "params")] = "seven"
    assert CODEC.gather(state, last) == last
    assert list(CODEC.problems(state)) == ["params"]


def test_a_link_carries_its_versions_and_another_one_is_reported():
    link = versioned({"field": "cost"})
    assert set(link) == {"v", "d", "field"} and _versions(link) == []
    assert len(_versions({"v": "9", "d": "0000000"})) == 2


@given(st.floats(1e-12, 1e30))
def test_numbers_are_written_as_they_can_be_typed_again(value):
    assert math.isclose(read_number("", short_number(value)), value, rel_tol=0)


def test_a_part_of_a_link_that_is_too_long_is_named():
    page = visited("serve", hardware="b200", config="x" * LONGEST_QUERY)
    said = "this link is longer than 20000 characters, so a part is ignored: “config”"
    assert said in notices(page)
    assert query_of(page)["hardware"] == "b200"
