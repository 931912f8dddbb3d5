"""Compute needed for a lower ImageNet error: the power law of Thompson et al.

    C(e) = C_0 (e_0 / e)^k

The authors print the compute of 2020 and that of two targets, each as a power of ten; the exponent
is fitted on these three points.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from estimator.core.uncertainty import Uncertain, z_score
from estimator.core.units import CENTRAL

PRINTED_DECADE_SD = 1 / np.sqrt(12)
"""Standard deviation of log10 of a number rounded to a power of ten [1]."""


@dataclass(frozen=True, kw_only=True)
class ErrorLaw:
    """Compute by error.

    Parameters
    ----------
    today_error : float
        Error rate of the best network of 2020 [1].
    today_flop : float
        Its training compute [FLOP].
    exponent, exponent_sd : float
        By how many powers the compute grows as the error falls, and its standard error, which
        covers the rounding in print and the authors' later, gentler fit [1].
    """

    today_error: float
    today_flop: float
    exponent: float
    exponent_sd: float

    def factor(self, error: float) -> Uncertain:
        """Compute for an error, relative to 2020 [1].

        Raises
        ------
        ValueError
            If the error is not a share between 0 and 1.
        """
        if not 0 < error < 1:
            raise ValueError(f"error must be in (0, 1), got {error:g}")
        distance = float(np.log(self.today_error / error))
        loading = abs(distance) * self.exponent_sd
        return Uncertain(
            float(np.exp(self.exponent * distance)), {"exponent": loading} if loading else {}
        )

    def flop(self, error: float) -> Uncertain:
        """Return the training compute for an error [FLOP]."""
        return self.today_flop * self.factor(error)

    def extrapolates(self, error: float) -> bool:
        """Return whether an error is below all networks behind the fit."""
        return error < self.today_error


def fitted_error_law(
    *, errors: Sequence[float], flop: Sequence[float], other_exponent: float
) -> ErrorLaw:
    """Fit the exponent through published points by least squares.

    Parameters
    ----------
    errors, flop : sequence of float
        Points in print, today's first [1, FLOP].
    other_exponent : float
        Exponent of another fit by the same authors, which the interval must include [1].
    """
    across = np.log10(1 / np.asarray(errors))
    up = np.log10(np.asarray(flop))
    centred = across - across.mean()
    exponent = float(centred @ up / (centred @ centred))
    rounding = PRINTED_DECADE_SD / np.sqrt(centred @ centred)
    apart = abs(exponent - other_exponent) / z_score(CENTRAL)
    return ErrorLaw(
        today_error=float(errors[0]),
        today_flop=float(flop[0]),
        exponent=exponent,
        exponent_sd=float(np.hypot(rounding, apart)),
    )
