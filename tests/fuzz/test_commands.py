"""Any option with any value, in any command: an answer in order, or one line of refusal."""

import argparse
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.cli import build_parser

from .outcome import fuzzing, outcome

BASE = {
    "estimate": ("--flop", "1e20", "--hardware", "h100"),
    "compare": ("--flop", "1e20", "--hardware", "h100,v100"),
    "plan": ("--params", "7e9", "--tokens", "1e9", "--hardware", "h100", "--devices", "8"),
    "model": ("gpt-2",),
    "serve-cost": ("--preset", "llama-3-8b", "--hardware", "h100"),
    "memory": ("gpt-2", "--hardware", "h100"),
    "claims": ("gpt3-v100",),
    "profiles": ("show", "h100"),
}
"""A command that answers, to which one or two options are added."""

FILES = ("/dev/zero", "/dev/null", "/", "../../etc/passwd", "\\\\host\\share\\x", "CON", "x" * 300)
NUMBERS = ("0", "-1", "nan", "inf", "1e308", "1e-308", "1e400", "-0", "0.5", "1", "8", "1e5", "7B")
WORDS = ("", " ", "--", ",", "1,2", "a,b", "[1]", "{}", "%", "%s", "\x00", "\ud800", "٧", "é\u202e")
NAMES = ("h100", "us", "gpt-3", "alphago", "bf16", "own", "human-brain", "llama-3-8b", "full")
VALUES = st.sampled_from((*FILES, *NUMBERS, *WORDS, *NAMES)) | st.text(max_size=8)

UNKNOWN = ("--profiles", "--dask", "-h", "--help", "--version")


@cache
def _options():
    parser = build_parser()
    (commands,) = (one for one in parser._actions if isinstance(one, argparse._SubParsersAction))
    return {
        name: [
            (one.option_strings[-1], one.nargs == 0)
            for one in commands.choices[name]._actions
            if one.option_strings and one.option_strings[-1] not in UNKNOWN
        ]
        for name in BASE
    }


@st.composite
def commands(draw):
    """A command that answers, with one to three more options."""
    name = draw(st.sampled_from(sorted(BASE)))
    words = [name, *BASE[name]]
    for _ in range(draw(st.integers(1, 3)) if _options()[name] else 0):
        option, alone = draw(st.sampled_from(_options()[name]))
        words += [option] if alone else [f"{option}={draw(VALUES)}"]
    return words


@fuzzing(100)
@given(commands())
def test_any_option_with_any_value(words):
    outcome(*words)


@fuzzing(20)
@given(st.lists(VALUES | st.sampled_from(sorted(BASE)), max_size=4))
def test_any_words_at_all(words):
    code, _, _ = outcome(*words)
    assert code or words


@fuzzing(20)
@given(
    st.fixed_dictionaries(
        {"--params": st.floats(1, 1e18), "--tokens": st.floats(1, 1e20)},
        optional={
            "--devices": st.integers(1, 10**9),
            "--pue": st.floats(1, 10),
            "--carbon-intensity": st.floats(0, 5),
            "--price": st.floats(0, 1e6),
            "--utilization": st.floats(1e-6, 1),
            "--interval": st.floats(0.001, 0.999),
            "--site": st.sampled_from(["fr", "us", "cf", "gcp-europe-west4"]),
            "--year": st.integers(1990, 2030),
            "--hardware": st.sampled_from(["v100", "h100", "tpu-v4", "human-brain", "k80"]),
        },
    ),
    st.sampled_from(["--json", "--csv", "--quiet"]),
)
def test_every_admissible_number_is_answered_in_order(said, form):
    words = [
        word
        for name, value in ({"--hardware": "h100"} | said).items()
        for word in (name, str(value))
    ]
    outcome("estimate", *words, form)


@pytest.mark.parametrize("path", [*FILES[:5], "CON", "\x00", ""])
@pytest.mark.parametrize(
    "before",
    [
        ("model",),
        ("memory",),
        ("batch", "-o", "-"),
        ("batch", "--task", "serving", "-o", "-"),
        ("profiles", "check", "--profiles"),
        ("profiles", "show"),
        ("calibrate", "import"),
        ("calibrate", "forget"),
        ("claims",),
        ("estimate", "--flop", "1e20", "--hardware", "h100", "--carbon-profile"),
        ("estimate", "--flop", "1e20", "--hardware", "h100", "--profiles"),
        ("estimate", "--tokens", "1e9", "--hardware", "h100", "--config"),
        ("serve-cost", "--hardware", "h100", "--config"),
    ],
    ids=lambda words: "-".join(words).replace("--", ""),
)
def test_what_is_no_file_of_that_kind_is_refused_in_one_line(before, path):
    code, reported, _ = outcome(*before, path)
    assert (code == 1 and reported == "") or path in ("/", "") or before[0] == "profiles"


def test_a_line_break_in_an_unknown_word_does_not_break_the_line():
    code, _reported, said = outcome("plan", "one\ntwo")
    assert code == 2
    assert said.startswith("error: unknown: one two; see")
