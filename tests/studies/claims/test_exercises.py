"""The answers of the exercises against arithmetic done by hand."""

import math
import re
from functools import cache

import pytest

from estimator.catalog import Catalog
from estimator.studies.claims.exercises import exercises

BY_HAND = [
    3.14e23 / 28e12 / 31557600,
    3.14e23 / 28e12 / 3600 * 1.5,
    20 * 20 * 8766 / 1000,
    200e6 / 60 / 86400,
    29471e12 / 8766,
    20.0,
    7e9 * 4 / 8,
    4096 * 11008 / (4096 + 11008),
    2 * math.sqrt(100),
    73e9,
    6 * 7e9 * 2e12 / (0.4 * 989.4e12) / 3600,
    700 / 989.4e12 / (1.380649e-23 * 310 * math.log(2)),
]


WATTS = {
    "NVIDIA H100 SXM5 80GB": (700, 989.4e12),
    "NVIDIA Tesla V100 SXM2 16GB": (300, 125e12),
    "NVIDIA A100 SXM4 80GB": (400, 312e12),
    "NVIDIA H200 SXM 141GB": (700, 989.5e12),
    "NVIDIA B200 (HGX, 180GB)": (1000, 2250e12),
}
PARAMS = {"Llama 2 (7B)": 6.74e9, "Llama 2 (13B)": 13.0e9, "Llama 2 (70B)": 69.0e9}


@cache
def found(seed=0):
    """The exercises, answered once a worker that asks for them."""
    return exercises(Catalog.open(), seed)


def given(seed, number):
    """Numbers in the question of an exercise, as a student reads them."""
    values = {}
    for name, text in found(seed)[number].question.values.items():
        digits = re.match(r"\$?([\d.,]+(?:e[+-]?\d+)?)(%?)(?: (million|billion|trillion))?", text)
        if digits:
            scale = {"million": 1e6, "billion": 1e9, "trillion": 1e12}.get(digits[3], 1.0)
            share = 0.01 if digits[2] else 1.0
            values[name] = float(digits[1].replace(",", "")) * scale * share
    return values


def by_hand(seed):
    """Answers to a sheet by the arithmetic of its questions."""
    rate, price = given(seed, 0)["rate"] * 1e12, given(seed, 1)["price"]
    frames, memory, matrix = given(seed, 3), found(seed)[6].question.values, given(seed, 7)
    paths, run = given(seed, 5), given(seed, 10)
    watts, peak = WATTS[found(seed)[11].question.values["device"]]
    return {
        0: 3.14e23 / rate / 31557600,
        1: 3.14e23 / rate / 3600 * price,
        2: 20 * given(seed, 2)["years"] * 8.766,
        3: frames["frames"] / frames["rate"] / 86400,
        4: given(seed, 4)["energy"] * 1e12 / 8766,
        5: paths["layers"] * math.log10(paths["width"]),
        6: PARAMS[memory["model"]] * float(memory["bits"]) / 8,
        7: matrix["rows"] * matrix["columns"] / (matrix["rows"] + matrix["columns"]),
        8: 2 * math.sqrt(given(seed, 8)["layers"]),
        10: 6 * run["params"] * run["tokens"] / (run["share"] * 989.4e12) / 3600,
        11: watts / peak / (1.380649e-23 * 310 * math.log(2)),
    }


def test_there_are_at_least_ten_exercises():
    assert len(found()) == len(BY_HAND) >= 10


@pytest.mark.parametrize(("number", "by_hand"), list(enumerate(BY_HAND)))
def test_an_answer_is_that_of_arithmetic_by_hand(number, by_hand):
    assert found()[number].answer == pytest.approx(by_hand, rel=0.1)


@pytest.mark.parametrize("seed", range(8))
def test_the_answers_of_a_sheet_are_those_of_its_own_numbers(seed):
    for number, expected in by_hand(seed).items():
        exercise = found(seed)[number]
        assert exercise.answer == pytest.approx(expected, rel=0.01), str(exercise.question)


def test_the_same_sheet_has_the_same_numbers():
    catalog = Catalog.open()
    assert exercises(catalog, 4711) == exercises(catalog, 4711) != exercises(catalog, 4712)
