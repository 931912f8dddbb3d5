"""Spread of inference errors by engine and device, wide where the fit saw neither.

A device with many rows has its own spread. On a device without rows, a server's spread is that over
known devices, each counted once; other vendors' devices than NVIDIA's form their own group, as the
fit knows few of their kernels.

Errors within a model line or a system are correlated. A new line or system adds its share of the
variance, estimated from the known ones, so few of them widen the interval, as few rows do: of n
errors, the (n + 1) p-th bounds the next one with probability p (V. Vovk, A. Gammerman, G. Shafer,
"Algorithmic learning in a random world", 2005, sec. 2.2).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from estimator.core.rows import Floats, Mask, Texts
from estimator.core.uncertainty import z_score
from estimator.core.units import CENTRAL
from estimator.inference.engines import IS_SERVER

FEWEST = 5
"""Rows below which an engine takes the mean spread of the other engines, and a device that of an
unknown device [1].
"""

MANY = 50
"""Rows from which a quantity or a device has its own spread [1]."""

FEW_DEVICES = 3
"""Devices below which an engine takes the unknown-device spread of all servers [1]."""

LONE = float(np.sqrt(2.0))
"""Widening for a single line and system: 1 + 1/k of the variance [1]."""


@dataclass(frozen=True, kw_only=True)
class Errors:
    """Held-out errors of one quantity.

    Parameters
    ----------
    logs : array of shape (h, n)
        Log of predicted over measured, one row per way of holding out [1].
    beside : array of shape (n,)
        Variance stated separately: from inputs left unspecified [1].
    scale : array of shape (n,)
        Spread of a row relative to its engine's [1].
    engines, tests : array of shape (n,)
        Engine code of each row, and the quantity that it measured.
    devices, usual_make : array of shape (n,)
        Device id of each row, and whether NVIDIA makes it.
    held_out : sequence of arrays of shape (n,)
        Unit held out by each way: model line, system.
    """

    logs: Floats
    beside: Floats
    scale: Floats
    engines: npt.NDArray[np.int64]
    tests: Texts
    devices: Texts
    usual_make: Mask
    held_out: Sequence[Texts]

    def combine(self, other: "Errors") -> "Errors":
        """Return these errors with others held out in the same ways."""
        return Errors(
            logs=np.concatenate([self.logs, other.logs], axis=1),
            beside=np.concatenate([self.beside, other.beside]),
            scale=np.concatenate([self.scale, other.scale]),
            engines=np.concatenate([self.engines, other.engines]),
            tests=np.concatenate([self.tests, other.tests]),
            devices=np.concatenate([self.devices, other.devices]),
            usual_make=np.concatenate([self.usual_make, other.usual_make]),
            held_out=[
                np.concatenate(groups) for groups in zip(self.held_out, other.held_out, strict=True)
            ],
        )

    def spread(self, chosen: Mask) -> float:
        """Log standard deviation for a new line or system, from some rows [1].

        Of several quantities that test one answer, the worst with `MANY` rows counts. The held-out
        grouping with the most groups determines the widening.
        """
        return max(self._spread_by(part) for part in self._parts(chosen))

    def _parts(self, chosen: Mask) -> list[Mask]:
        """Return the chosen rows by measured quantity, limited to ones with `MANY` rows if any."""
        parts = [chosen & (self.tests == test) for test in np.unique(self.tests[chosen])]
        return [part for part in parts if part.sum() >= MANY] or [chosen]

    @cached_property
    def _sizes(self) -> Floats:
        """Standard deviation that covers each error in `CENTRAL` of cases [1]."""
        beyond = (self.logs / z_score(CENTRAL)) ** 2 - self.beside
        return np.asarray(np.sqrt(np.maximum(beyond, 0.0)) / self.scale)

    def _spread_by(self, chosen: Mask) -> float:
        sizes = self._sizes
        level = min(CENTRAL * (1.0 + 1.0 / np.count_nonzero(chosen)), 1.0)
        usual = float(np.quantile(sizes[:, chosen], level))
        even = self.logs / self.scale
        counts = [len(np.unique(groups[chosen])) for groups in self.held_out]
        way = int(np.argmax(counts))
        if counts[way] == 1:
            return usual * LONE
        return usual * widening(even[way][chosen], self.held_out[way][chosen])

    def stated(self) -> Floats:
        """Return each error's standard deviation, from rows that share no group with it [1]."""
        found = np.empty_like(self.logs)
        for way, groups in enumerate(self.held_out):
            for group in np.unique(groups):
                out = groups == group
                for engine in np.unique(self.engines[out]):
                    of_engine = out & (self.engines == engine)
                    for device in np.unique(self.devices[of_engine]):
                        rows = of_engine & (self.devices == device)
                        own = self.spread_on(engine, device, ~out) * self.scale[rows]
                        found[way, rows] = np.sqrt(own**2 + self.beside[rows])
        return found

    def spread_on(self, engine: int, device: str, known: Mask) -> float:
        """Log standard deviation of an engine on a device, from known rows [1]."""
        if not IS_SERVER[engine]:
            return self._spread_of(engine, known)
        on_device = self.devices == device
        own = known & on_device & (self.engines == engine)
        count = np.count_nonzero(own)
        if count >= MANY or count == np.count_nonzero(known):
            return self.spread(own)
        usual = bool(self.usual_make[on_device].all())
        unknown = self.spread_on_unknown(engine, known & ~own, usual_make=usual)
        return unknown if count < FEWEST else max(self.spread(own), unknown)

    def spread_on_unknown(self, engine: int, known: Mask, *, usual_make: bool) -> float:
        """Log standard deviation of a server on an unknown device, one vote per device [1]."""
        alike = known & IS_SERVER[self.engines] & (self.usual_make == usual_make)
        pairs = np.char.add(self.devices, np.char.mod(" %d", self.engines))
        names, counts = np.unique(pairs[alike], return_counts=True)
        alike &= np.isin(pairs, names[counts >= FEWEST])
        own = alike & (self.engines == engine)
        rows = own if len(np.unique(pairs[own])) >= FEW_DEVICES else alike
        if not rows.any():
            return self._spread_of(engine, known)
        return max(self._even(part, pairs) for part in self._parts(rows))

    def _even(self, chosen: Mask, groups: Texts) -> float:
        """Return the `CENTRAL` quantile of error sizes with equal weight per group [1]."""
        sizes, ways = self._sizes[:, chosen], len(self.logs)
        _, at, counts = np.unique(groups[chosen], return_inverse=True, return_counts=True)
        weights = np.tile(1.0 / counts[at], ways)
        order = np.argsort(sizes, axis=None)
        share = np.cumsum(weights[order]) / weights.sum()
        return float(sizes.ravel()[order[np.searchsorted(share, CENTRAL)]])

    def _spread_of(self, engine: int, known: Mask) -> float:
        """Spread of an engine from known rows, or of any engine if there are few.

        The variance of a little-known engine is the mean over the others.
        """
        own = known & (self.engines == engine)
        if own.sum() >= FEWEST:
            return self.spread(own)
        parts = [known & (self.engines == other) for other in np.unique(self.engines[known])]
        enough = [part for part in parts if part.sum() >= FEWEST]
        if not enough:
            return self.spread(known)
        return float(np.sqrt(np.mean([self.spread(part) ** 2 for part in enough])))


def widening(errors: Floats, groups: Texts) -> float:
    """Spread of an error in a new group over that of known errors [1].

    Variance components from the moments of a one-way layout [1]_; a new group deviates from the
    mean of k groups by 1 + 1/k times their variance.

    References
    ----------
    .. [1] S. R. Searle, G. Casella, C. E. McCulloch, "Variance components", 1992, sec. 3.6.

    >>> widening(np.array([0.1, -0.1, 0.1, -0.1]), np.array(["a", "a", "b", "b"]))
    1.0
    """
    names, places = np.unique(groups, return_inverse=True)
    counts = np.bincount(places).astype(np.float64)
    means = np.bincount(places, errors) / counts
    within = np.sum((errors - means[places]) ** 2) / max(len(errors) - len(names), 1)
    among = np.sum(counts * (means - errors.mean()) ** 2) / (len(names) - 1)
    size = (len(errors) - np.sum(counts**2) / len(errors)) / (len(names) - 1)
    between = max((among - within) / size, 0.0)
    if between == 0.0:
        return 1.0
    of_new = 1.0 + 1.0 / len(names)
    return float(np.sqrt((within + between * of_new) / (within + between)))
