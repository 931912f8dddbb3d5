"""Pareto-optimal designs: fronts of costs that are all minimized.

References
----------
H. T. Kung, F. Luccio, F. P. Preparata, "On finding the maxima of a set of vectors", J. ACM 22(4),
1975: after sorting by one cost, a point can be beaten only by points before it.
"""

import numpy as np

from estimator.core.rows import Floats, Mask, Places


def pareto_front(costs: Floats) -> Mask:
    """Return a mask of the designs that no other design dominates.

    Parameters
    ----------
    costs : array, shape (n, k)
        Costs of n designs; designs with NaN are never on the front.

    Returns
    -------
    array of bool, shape (n,)
        Mask of the front; equal designs are all on it or all off it.

    Raises
    ------
    ValueError
        If the shape is invalid.

    >>> pareto_front(np.array([[1.0, 3.0], [2.0, 2.0], [2.0, 3.0], [3.0, 1.0]]))
    array([ True,  True, False,  True])
    """
    costs = np.asarray(costs, dtype=np.float64)
    if costs.ndim != 2 or costs.shape[1] == 0:
        raise ValueError(f"costs must have shape (n, k) with k from 1, got {costs.shape}")
    known = np.flatnonzero(~np.isnan(costs).any(axis=1))
    points, where = _distinct(costs[known])
    on_front = _front_of_two(points) if costs.shape[1] <= 2 else _front_of_many(points)
    front = np.zeros(len(costs), dtype=np.bool_)
    front[known] = on_front[where]
    return front


def _distinct(points: Floats) -> tuple[Floats, Places]:
    """Return the distinct points in lexicographic order, and each point's index.

    Like `np.unique` along an axis, but several times faster.
    """
    order = np.lexsort(points.T[::-1])
    ordered = points[order]
    is_new = np.ones(len(points), dtype=np.bool_)
    is_new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    where = np.empty(len(points), dtype=np.intp)
    where[order] = np.cumsum(is_new) - 1
    return ordered[is_new], where


def _front_of_two(points: Floats) -> Mask:
    """Find the front of two costs: sorted distinct points that set a new low."""
    last = points[:, -1]
    before = np.minimum.accumulate(np.concatenate(([np.inf], last[:-1])))
    if points.shape[1] == 1:
        return np.asarray(np.arange(len(points)) == 0, dtype=np.bool_)
    return np.asarray(last < before, dtype=np.bool_)


def _front_of_many(points: Floats) -> Mask:
    """Find the front of many costs: keep the least rank sum, drop points it dominates, repeat.

    A dominating point precedes a dominated one in each rank, so the first remaining point is never
    dominated.
    """
    ranks = np.argsort(np.argsort(points, axis=0, kind="stable"), axis=0, kind="stable")
    left = np.argsort(ranks.sum(axis=1), kind="stable")
    front = np.zeros(len(points), dtype=np.bool_)
    while left.size:
        best, rest = left[0], left[1:]
        front[best] = True
        left = rest[(points[rest] < points[best]).any(axis=1)]
    return front
