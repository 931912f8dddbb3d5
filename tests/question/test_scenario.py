"""Scenarios: numbers as people write them, links that carry everything said."""

from string import Formatter
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.cli import main
from estimator.core.messages import render
from estimator.core.notice import MESSAGES, Notice
from estimator.inference.question import Comparison, Item, ServingQuestion
from estimator.memory.request import MemoryQuestion
from estimator.question.disclosure import Disclosure
from estimator.question.inputs import REGISTRY, Input, option_of, read_number
from estimator.question.scenario import NUMBERS, Scenario, from_link, link
from estimator.question.table import check_choices, check_question
from estimator.studies.prompts.question import PromptQuestion
from tests.every import over

numbers = st.floats(1e-6, 1e30, allow_nan=False).map(lambda value: float(f"{value:.12g}"))
scenarios = st.builds(
    Scenario,
    params=st.none() | numbers,
    tokens=st.none() | numbers,
    devices=st.none() | st.integers(1, 10**6).map(float),
    utilization=st.none() | numbers,
    hardware=st.none() | st.sampled_from(["h100", "Tesla V100-SXM2-16GB", "a b&c=d"]),
    site=st.none() | st.sampled_from(["fr", "aws-us-east-1"]),
    pay=st.none() | st.sampled_from(["rent", "own"]),
    interval=st.none() | st.floats(0.01, 0.99).map(lambda value: float(f"{value:.6g}")),
)


@given(scenarios)
def test_a_link_reopens_the_same_scenario(scenario):
    query = dict(parse_qsl(link(scenario).lstrip("?"), keep_blank_values=True))
    reopened, notices = from_link(query)
    assert reopened == scenario
    assert notices == []


def test_a_number_in_a_link_has_no_plus_sign():
    assert "+" not in link(Scenario(flop=3.14e23, params=1.5e9))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("7e9", 7e9), ("7B", 7e9), ("300k", 3e5), ("1.5 T", 1.5e12), ("1_000", 1e3)),
        *(("1,000", 1e3), ("8b", 8e9), ("7bn", 7e9), ("7 billion", 7e9), ("2 Trillion", 2e12)),
        *(("1.5m", 1.5e6), ("3 thousand", 3e3), ("2e3k", 2e6), ("-1", -1.0)),
    ],
)
def test_numbers_read_as_people_write_them(text, value):
    assert read_number("params", text) == value


@pytest.mark.parametrize("text", ["", "abc", "1e", "=1+1", "0x10"])
def test_what_is_no_number_is_refused_by_name(text):
    with pytest.raises(ValueError, match=r"^tokens is not a number"):
        read_number("tokens", text)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999"])
def test_what_is_not_finite_is_refused(text):
    with pytest.raises(ValueError, match="must be a finite number"):
        read_number("tokens", text)


def test_a_bad_value_in_a_link_is_left_out_and_reported():
    scenario, notices = from_link(
        {"v": "9", "params": "many", "pay": "barter", "hardware": "h100", "unheard": "of"}
    )
    assert scenario == Scenario(hardware="h100")
    assert len(notices) == 3


def test_every_field_is_described():
    for name in NUMBERS:
        assert name in Scenario.__dataclass_fields__
    assert list(Scenario.inputs) == list(Scenario.__dataclass_fields__)
    for declared in Scenario.inputs.values():
        assert declared.help
        assert declared.choices or declared.example or declared.flag


def test_a_word_that_is_no_choice_is_refused_with_the_choices():
    with pytest.raises(ValueError, match="pay must be one of rent, own, got 'barter'"):
        check_choices(Scenario(pay="barter"))


def test_every_old_name_of_an_option_still_works(capsys):
    common = ["estimate", "--flop", "1e21", "--hardware", "h100", "--devices", "8", "--csv"]
    reported = []
    for limit, overhead in (
        ("--power-cap", "--attempts"),
        ("--power-limit", option_of("attempts")),
    ):
        assert main([*common, limit, "350", overhead, "2"]) == 0
        reported.append(capsys.readouterr().out)
    assert reported[0] == reported[1]


@pytest.mark.parametrize("option", ["--price=--", "--site=--", "--preset=--"])
def test_an_option_whose_value_is_two_dashes_is_refused_in_one_line(option, capsys):
    assert main(["estimate", "--flop", "1e21", "--hardware", "h100", option]) == 1
    assert capsys.readouterr().err.startswith("error: --")


def test_an_argument_that_is_no_utf_8_is_refused_in_one_line(capsys):
    assert main(["estimate", "--preset", "gpt-3\udcff"]) == 1
    assert capsys.readouterr().err == "error: an argument contains bytes that are not UTF-8\n"


@over(sorted(MESSAGES))
def test_every_sentence_can_be_said_in_singular_and_plural(code):
    names = {
        key: spec
        for text in ([MESSAGES[code]] if isinstance(MESSAGES[code], str) else MESSAGES[code])
        for _, key, spec, _ in Formatter().parse(text)
        if key and key != "field" and not key.startswith("set[")
    }
    for count in (1, 2):
        values = {key: 1.0 if spec else "x" for key, spec in names.items()} | {"count": count}
        values |= {key: (("zero", "3"),) for key in names if key.endswith("_settings")}
        said = render(Notice(code, "devices", values), option_of)
        assert "{" not in said
        assert "\n" not in said


def test_an_input_of_no_group_is_refused_for_no_command_would_have_its_option():
    with pytest.raises(ValueError, match=r"^unknown group 'site': use one of work, .*place"):
        Input(name="loss", help="loss of the grid", group="site")


QUESTIONS = (
    Scenario,
    Disclosure,
    ServingQuestion,
    Item,
    Comparison,
    MemoryQuestion,
    PromptQuestion,
)


def test_an_input_has_the_same_limits_unit_and_count_in_every_question():
    for question in QUESTIONS:
        for name, declared in question.inputs.items():
            known = REGISTRY[name]
            assert declared.whole == known.whole, name
            bounded = declared.number and name != "interval"
            assert not bounded or declared.limit == known.limit, name
    assert {name for question in QUESTIONS for name in question.inputs} == set(REGISTRY)


@pytest.mark.parametrize(("params", "admissible"), [(2e17, True), (2e18, False)])
def test_a_size_is_admissible_in_all_questions_or_in_none(params, admissible):
    asked = (
        Scenario(params=params, tokens=1e9),
        ServingQuestion(params=params),
        MemoryQuestion(params=params),
    )
    for question in asked:
        if admissible:
            check_question(question)
        else:
            with pytest.raises(ValueError, match="params must be at most 1e"):
                check_question(question)
