"""What the kinds of network of many rows say, as columns."""

from collections.abc import Callable, Sequence
from itertools import repeat
from operator import is_
from typing import Any

import numpy as np
import numpy.typing as npt

from estimator.workload.network_class import NetworkKind


def are_one(kinds: Sequence[NetworkKind]) -> bool:
    """Whether all rows share the object of the first: comparing by value takes far longer."""
    return not kinds or all(map(is_, kinds, repeat(kinds[0])))


def of_each_kind(
    kinds: Sequence[NetworkKind], feature: Callable[[NetworkKind], Any]
) -> npt.NDArray[Any]:
    """Feature of the kind of each row, worked out once for each kind: rows share their objects."""
    if kinds and are_one(kinds):
        return np.repeat(np.array([feature(kinds[0])]), len(kinds), axis=0)
    ids = list(map(id, kinds))
    known = dict(zip(ids, kinds, strict=True))
    place = dict(zip(known, range(len(known)), strict=True))
    at = np.fromiter(map(place.__getitem__, ids), dtype=np.intp, count=len(ids))
    return np.array([feature(kind) for kind in known.values()])[at]
