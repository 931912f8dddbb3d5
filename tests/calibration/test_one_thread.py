"""Our small problems run on one thread, and leave the linear algebra as they found it."""

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from estimator.calibration.one_thread import on_one_thread

assert np.__version__, "numpy has loaded its BLAS"


def threads():
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def two_threads():
    """Linear algebra on two threads, set by a thread that is gone and owns the limit no more."""
    usual = max(threads())
    in_a_thread(lambda: threadpool_limits(2, user_api="blas"))
    yield
    in_a_thread(lambda: threadpool_limits(usual, user_api="blas"))


def in_a_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def test_two_threads_leave_the_limit_as_it_was():
    first_is_in, second_is_in, first_is_out = (threading.Event() for _ in range(3))
    inside = []

    @on_one_thread
    def first():
        first_is_in.set()
        second_is_in.wait(0.3)
        inside.append(threads())

    @on_one_thread
    def second():
        second_is_in.set()
        first_is_out.wait(60)
        inside.append(threads())

    one, other = threading.Thread(target=first), threading.Thread(target=second)
    one.start()
    assert first_is_in.wait(60)
    other.start()
    one.join()
    first_is_out.set()
    other.join()
    assert inside == [{1}, {1}]
    assert threads() == {2}
