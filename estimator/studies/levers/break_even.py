"""Break-even point of a lever: its one-time cost over its savings per query."""

import numpy as np

from estimator.core.uncertainty import Number


def break_even(cost: Number, saved_per_query: Number) -> Number:
    """Return the queries until savings repay a cost in the same unit, infinite if never [1].

    >>> break_even(1000.0, 0.01), float(break_even(1.0, -0.1))
    (np.float64(100000.0), inf)
    """
    saved = np.asarray(saved_per_query, dtype=np.float64)
    paid: Number = np.where(saved > 0, cost / np.where(saved > 0, saved, 1.0), np.inf)[()]
    return paid


def distillation_flop(student_params: Number, teacher_params: Number, tokens: Number) -> Number:
    """Return the FLOPs of a distillation: training the student plus running the teacher [FLOP]."""
    return 6.0 * student_params * tokens + 2.0 * teacher_params * tokens


def low_rank_params(rows: Number, columns: Number, rank: Number) -> Number:
    """Return the number of parameters of a low-rank factorization [parameter]."""
    return rank * (rows + columns)


def paying_rank(rows: Number, columns: Number) -> Number:
    """Rank at which two factors are as large as the matrix: r = m n / (m + n) [1].

    >>> paying_rank(4096.0, 4096.0)
    2048.0
    """
    return rows * columns / (rows + columns)
