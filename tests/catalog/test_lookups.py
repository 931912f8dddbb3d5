"""Look-ups of names: once each, refusals too, bounded, and from several threads at a time."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from estimator.catalog.lookups import LookUps


def test_a_refusal_is_remembered_with_its_reason():
    known, asked = LookUps(), []

    def refuse():
        asked.append(1)
        raise ValueError("no such name")

    for _ in range(3):
        with pytest.raises(ValueError, match="no such name"):
            known.find("x", refuse)
    assert asked == [1]


def test_the_oldest_is_forgotten_and_looked_up_again():
    known, asked = LookUps(most=3), []
    for key in (1, 2, 3, 4, 4, 2, 1):
        known.find(key, lambda key=key: asked.append(key))
    assert asked == [1, 2, 3, 4, 1]


def test_threads_that_push_each_others_look_ups_out_all_find_theirs():
    known = LookUps(most=2)

    def doubled(key):
        return [known.find(number % 7, lambda number=number: number % 7 * 2) for number in key]

    keys = [range(start, start + 3000) for start in range(8)]
    with ThreadPoolExecutor(8) as threads:
        for key, found in zip(keys, threads.map(doubled, keys), strict=True):
            assert found == [number % 7 * 2 for number in key]
