"""A test over many cases fails if one of them does, and names each."""

import pytest

from tests.every import over


def test_each_case_that_fails_is_named_and_the_others_are_tried():
    seen = []

    @over([1, 2, 3, 4], lambda number: f"number {number}")
    def even(number):
        seen.append(number)
        if number == 3:
            raise ValueError("three")
        assert number % 2 == 0, "odd"

    with pytest.raises(pytest.fail.Exception) as failed:
        even()
    assert seen == [1, 2, 3, 4]
    lines = str(failed.value).splitlines()
    assert lines[0] == "2 of 4 cases:"
    assert lines[1].startswith("number 1: AssertionError: odd")
    assert "number 3: ValueError: three" in lines
    over([2], str)(lambda number: None)()


def test_no_case_at_all_is_a_failure():
    with pytest.raises(AssertionError, match="no case"):
        over([])(lambda case: None)()
