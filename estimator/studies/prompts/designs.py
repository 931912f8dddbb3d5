"""Sampled designs of a service: a Latin hypercube over its unknowns.

Each unknown is a dimension: a log-normal number, or a choice with probabilities. A Latin hypercube
[1]_ with a fixed seed keeps answers reproducible. The designs' answers are pooled to their median,
and regression attributes the log-variance to the unknowns.

References
----------
.. [1] M. D. McKay, R. J. Beckman and W. J. Conover, "A comparison of three methods for selecting
   values of input variables in the analysis of output from a computer code", Technometrics 21,
   1979.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from estimator.catalog import Record
from estimator.core.uncertainty import Uncertain, z_score
from estimator.core.units import CENTRAL

Floats = npt.NDArray[np.float64]

DESIGNS = 512
"""Designs per answer [1]; another seed moves the median by 3%, and the range as much."""


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """Unknown: its factor, and its possible values.

    Parameters
    ----------
    name : str
        Name of the dimension, such as ``params``.
    factor : str
        Source of uncertainty that it belongs to, such as ``size``.
    record : Record, optional
        Median and central 80 % of a number.
    chances : mapping of str to float
        Choice -> probability [1].
    most : float
        Upper bound of the number.
    """

    name: str
    factor: str
    record: Record | None = None
    chances: Mapping[str, float] | None = None
    most: float = np.inf


@dataclass(frozen=True, kw_only=True)
class Designs:
    """Sampled values by unknown, and their regression features."""

    values: Mapping[str, npt.NDArray[np.generic]]
    features: Mapping[str, tuple[Floats, ...]]
    count: int

    def pooled(self, answers: Uncertain, kept: npt.NDArray[np.bool_]) -> Uncertain:
        """Pool the answers of the designs: one value with a loading per factor.

        Parameters
        ----------
        answers : Uncertain
            One value per kept design.
        kept : array of bool
            Designs that could be answered.
        """
        logs = np.log(np.asarray(answers.mid))
        loadings = {
            name: float(np.sqrt(np.mean(np.square(load))))
            for name, load in answers.loadings.items()
        }
        whole = float(np.var(logs))
        if whole > 0 and self.features:
            columns = [column[kept] for group in self.features.values() for column in group]
            matrix = np.stack([np.ones(logs.size), *columns], axis=1)
            weights = np.linalg.lstsq(matrix, logs, rcond=None)[0][1:]
            parts, at = {}, 0
            for factor, group in self.features.items():
                share = sum(
                    weights[at + place] * (column[kept] - column[kept].mean())
                    for place, column in enumerate(group)
                )
                parts[factor], at = float(np.var(share)), at + len(group)
            scale = whole / sum(parts.values())
            loadings |= {name: float(np.sqrt(part * scale)) for name, part in parts.items() if part}
        return Uncertain(float(np.exp(logs.mean())), loadings)


def sample(unknowns: Sequence[Unknown], count: int = DESIGNS) -> Designs:
    """Sample designs evenly.

    >>> size = Record(value=8.0, low=4.0, high=16.0, unit="1", basis="assumed", source="")
    >>> found = sample((Unknown(name="params", factor="size", record=size),), 64)
    >>> float(round(np.median(found.values["params"]), 1))
    8.0
    """
    values: dict[str, npt.NDArray[np.generic]] = {}
    features: dict[str, list[Floats]] = {}
    for place, unknown in enumerate(unknowns):
        even = _even(place, count)
        if unknown.chances is not None:
            names = np.array(list(unknown.chances))
            edges = np.cumsum([unknown.chances[str(name)] for name in names])
            chosen = np.searchsorted(edges / edges[-1], even, side="right")
            values[unknown.name] = names[chosen]
            columns = [(chosen == index).astype(np.float64) for index in range(1, names.size)]
            columns = [column for column in columns if column.any()]
        else:
            assert unknown.record is not None
            values[unknown.name], columns = _number(unknown.record, even, unknown.most)
        if columns:
            features.setdefault(unknown.factor, []).extend(columns)
    return Designs(
        values=values,
        features={name: tuple(columns) for name, columns in features.items()},
        count=count,
    )


def _number(record: Record, even: Floats, most: float) -> tuple[Floats, list[Floats]]:
    """Return log-normal values, each side of the median as wide as in its record."""
    if record.low is None or record.high is None or record.low == record.high:
        return np.full(even.size, record.value), []
    normal = NormalDist()
    scores = np.array([normal.inv_cdf(float(midpoint)) for midpoint in even])
    ends = np.where(scores < 0, record.low, record.high)
    sd = np.abs(np.log(ends / record.value)) / z_score(CENTRAL)
    found = np.minimum(record.value * np.exp(sd * scores), most)
    return found, [scores, scores * scores]


def _even(place: int, count: int) -> Floats:
    """Return one coordinate of a Latin hypercube: midpoints of strata in a fixed order."""
    found: Floats = (np.random.default_rng(place).permutation(count) + 0.5) / count
    return found
