import random

from estimator.runs import open_store, read_timings
from estimator.runs.store_state import FILES, store_state
from tests.benchmarks.store import made_up


def test_a_folder_without_a_store_has_no_state(tmp_path):
    assert store_state(tmp_path) == ()


def test_reading_changes_no_state_and_a_new_run_does(tmp_path):
    path = tmp_path / FILES[0]
    with open_store(path) as store:
        store.add(made_up(1, 1, random.Random(1)))
    before = store_state(tmp_path)
    assert read_timings(path)
    assert store_state(tmp_path) == before
    with open_store(path) as store:
        store.add(made_up(2, 1, random.Random(2)))
        assert store_state(tmp_path) != before
    assert store_state(tmp_path) != before
