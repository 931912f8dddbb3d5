"""The comparison of two versions finds what changed, and nothing where nothing did."""

from itertools import islice

import pytest

from tests.benchmarks.answers import answered, commands, compared
from tests.every import over

COMMAND = "memory llama-2-7b --hardware h100 --json --quiet"


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TWENTY_WATTS_DATA", str(tmp_path_factory.mktemp("nothing")))
        yield answered(COMMAND)


@pytest.mark.parametrize(
    ("place", "value", "largest"),
    [
        ("", None, "0"),
        (".results.total_bytes.mid", 1.0, "1"),
        (".fits", "perhaps", "inf"),
        (".gone", 1.0, "inf"),
    ],
)
def test_a_number_a_word_or_a_value_that_changed_is_found(before, place, value, largest):
    changed = before | ({place: value} if place else {})
    ((name, answers, differ, _, found, where),) = compared({COMMAND: changed})
    assert (name, answers, differ) == ("memory", "1", "1" if place else "0")
    assert found == largest
    assert where.endswith(place)


def test_the_commands_are_drawn_alike_and_ask_every_kind():
    drawn = list(commands())
    assert drawn == list(commands())
    asked = {command.split()[0] for command in drawn}
    assert asked == {
        *("estimate", "memory", "serve-cost", "model", "validate", "claims", "plan", "batch"),
        *("sweep", "page"),
    }


def some_commands():
    """Every twentieth command that prints JSON."""
    yield from islice((command for command in commands() if "--json" in command), 0, None, 20)


@over(some_commands())
def test_every_interval_of_an_answer_contains_its_median(command):
    found = answered(command)
    places = {place.rpartition(".")[0] for place in found if place.endswith((".low", ".high"))}
    for place in places:
        names = [f"{place}.{end}" for end in ("low", "mid", "value", "high")]
        ends = [found[name] for name in names if name in found]
        assert ends == sorted(ends), place
    assert places or "exit code" in found or not command.startswith(("estimate", "serve-cost"))
