"""Loss for a model size and amount of data, and the best split of compute: scaling laws.

    L(N, D) = E + A / N^alpha + B / D^beta            Hoffmann et al. 2022
    C = 6 N D

N parameters, D tokens, C training compute. The loss is the cross-entropy of the next token [nat],
on the corpus and with the tokenizer of the fit: differences within a law mean something, losses
of two laws side by side do not.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from estimator.core.rows import Floats
from estimator.core.uncertainty import Number
from estimator.core.units import S_PER_DAY
from estimator.networks.formulas import FLOP_PER_MULTIPLY_ADD, FLOP_PER_PARAM_AND_TOKEN

FLOP_PER_PFLOP_DAY = 1e15 * S_PER_DAY


@dataclass(frozen=True, kw_only=True)
class ScalingLaw:
    """Loss as a floor plus two power laws.

    Parameters
    ----------
    E : float
        Irreducible loss [nat].
    A, alpha : float
        Loss due to finite size [nat, 1].
    B, beta : float
        Loss due to finite data [nat, 1].

    Examples
    --------
    >>> law = ScalingLaw(E=1.8172, A=482.01, alpha=0.3478, B=2085.43, beta=0.3658)
    >>> round(float(law.loss(params=70e9, tokens=1.4e12)), 3)
    1.974
    """

    E: float
    A: float
    alpha: float
    B: float
    beta: float

    def loss(self, params: Number, tokens: Number) -> Number:
        """Return the loss of a model of this size, trained on tokens seen once [nat]."""
        return self.E + self.A / params**self.alpha + self.B / tokens**self.beta

    def optimum(self, flop: Number) -> tuple[Number, Number]:
        """Return the optimal parameters and tokens for a training compute [parameter, token].

        Setting the derivative of L along C = 6 N D to zero gives, in closed form,
        N = G (C/6)^(beta/(alpha+beta)) with G = (alpha A / (beta B))^(1/(alpha+beta)).

        Examples
        --------
        >>> law = ScalingLaw(E=1.8172, A=482.01, alpha=0.3478, B=2085.43, beta=0.3658)
        >>> params, tokens = law.optimum(5.88e23)
        >>> f"{params:.3g} {tokens:.3g}"
        '7.3e+10 1.34e+12'
        """
        both = self.alpha + self.beta
        scale = (self.alpha * self.A / (self.beta * self.B)) ** (1 / both)
        product = flop / FLOP_PER_PARAM_AND_TOKEN
        params = scale * product ** (self.beta / both)
        return params, product / params

    def loss_at(self, flop: Number) -> Number:
        """Return the minimum loss for a training compute [nat]."""
        return self.loss(*self.optimum(flop))

    def flop_for(self, loss: Number) -> Number:
        """Return the training compute that reaches a loss at its optimal size [FLOP].

        At the optimum both power terms are fixed shares of the excess over E, so the law inverts in
        closed form.

        Raises
        ------
        ValueError
            If the loss is not above E.
        """
        excess = np.asarray(loss, dtype=np.float64) - self.E
        if np.any(excess <= 0):
            raise ValueError(f"loss must be above {self.E:g}, which no compute undercuts")
        params = (self.A / (excess * self.beta / (self.alpha + self.beta))) ** (1 / self.alpha)
        tokens = (self.B / (excess * self.alpha / (self.alpha + self.beta))) ** (1 / self.beta)
        flop: Number = (FLOP_PER_PARAM_AND_TOKEN * params * tokens)[()]
        return flop

    def exponent(self) -> float:
        """Return the exponent of the excess loss over compute at the optimum [1]."""
        return self.alpha * self.beta / (self.alpha + self.beta)


@dataclass(frozen=True, kw_only=True)
class RepeatedData:
    """Value of repeated tokens and excess parameters (Muennighoff et al. 2023).

    Parameters
    ----------
    law : ScalingLaw
        For tokens seen once.
    repeated_tokens, excess_params : float
        R_D* and R_N*: repetitions after which what is added has lost 1 - 1/e of its worth [1].
    """

    law: ScalingLaw
    repeated_tokens: float
    excess_params: float

    def worth_in_tokens(self, tokens: Number, unique_tokens: Number) -> Number:
        """Return the unique tokens worth as much as partly repeated ones [token].

        Equation 5: D' = U + U R* (1 - exp(-R / R*)), with R = D/U - 1 repetitions.
        """
        unique = np.minimum(tokens, unique_tokens)
        return self._worth(tokens, unique, self.repeated_tokens)

    def worth_in_params(self, params: Number, unique_tokens: Number) -> Number:
        """Return the equivalent parameters, discounted for excess over the data [parameter]."""
        return self._worth(
            params, np.minimum(params, self._best_params(unique_tokens)), self.excess_params
        )

    def loss(self, params: Number, tokens: Number, unique_tokens: Number) -> Number:
        """Return the loss after `tokens`, of which `unique_tokens` are distinct [nat]."""
        return self.law.loss(
            self.worth_in_params(params, unique_tokens), self.worth_in_tokens(tokens, unique_tokens)
        )

    def optimum(self, flop: float, unique_tokens: float) -> tuple[float, float]:
        """Find the optimal parameters and tokens on a grid of 2,001 sizes [parameter, token]."""
        best = float(self.law.optimum(flop)[0])
        params = best * np.logspace(-3, 3, 2001)
        tokens = flop / FLOP_PER_PARAM_AND_TOKEN / params
        place = int(np.argmin(self.loss(params, tokens, unique_tokens)))
        return float(params[place]), float(tokens[place])

    def _best_params(self, unique_tokens: Number) -> Number:
        """Return the model size for which a number of tokens is optimal [parameter]."""
        law = self.law
        both = law.alpha + law.beta
        scale = (law.alpha * law.A / (law.beta * law.B)) ** (1 / both)
        params: Number = (unique_tokens * scale) ** (law.beta / law.alpha) * scale
        return params

    @staticmethod
    def _worth(amount: Number, first: Number, decay: float) -> Number:
        worth: Number = first + first * decay * (1 - np.exp(-(amount / first - 1) / decay))
        return worth


@dataclass(frozen=True, kw_only=True)
class KaplanLaw:
    """Laws of 2020, each for one scarce resource (Kaplan et al. 2020, eq. 1.1 to 1.3).

    Parameters
    ----------
    critical_params, critical_tokens, critical_pflop_days : float
        Scales at which the loss would be one nat [parameter, token, PFLOP/s-day].
    params_exponent, tokens_exponent, compute_exponent : float
        How slowly the loss falls [1].
    optimal_params, optimal_params_exponent : float
        Best size at one PFLOP/s-day, and its growth with compute [parameter, 1].
    """

    critical_params: float
    params_exponent: float
    critical_tokens: float
    tokens_exponent: float
    critical_pflop_days: float
    compute_exponent: float
    optimal_params: float
    optimal_params_exponent: float

    def loss_at(self, flop: Number) -> Number:
        """Return the minimum loss for a training compute [nat]."""
        return (self.critical_pflop_days / (flop / FLOP_PER_PFLOP_DAY)) ** self.compute_exponent

    def loss(self, params: Number, tokens: Number) -> Number:
        """Return the loss of a model of this size and number of tokens (eq. 1.5) [nat]."""
        size = (self.critical_params / params) ** (self.params_exponent / self.tokens_exponent)
        return (size + self.critical_tokens / tokens) ** self.tokens_exponent

    def optimum(self, flop: Number) -> tuple[Number, Number]:
        """Return the optimal parameters and tokens under the law of 2020 [parameter, token]."""
        params = self.optimal_params * (flop / FLOP_PER_PFLOP_DAY) ** self.optimal_params_exponent
        return params, flop / FLOP_PER_PARAM_AND_TOKEN / params


EXCESS_SIZES = np.logspace(-4, 4, 8001)
"""Model sizes tried, relative to the least that reaches a loss [1]."""


def optimum_with_serving(law: ScalingLaw, loss: float, served_tokens: float) -> tuple[float, float]:
    """Find the size and tokens that reach a loss with the least compute, including inference.

    Minimises 6 N D + 2 N D_served along L(N, D) = loss (Sardana et al. 2024, arXiv:2401.00448): a
    heavily used model should be smaller and trained longer.

    Returns
    -------
    tuple of float
        [parameter], [token]

    Raises
    ------
    ValueError
        If the loss is not above what the law's data or size can undercut.

    Examples
    --------
    >>> law = ScalingLaw(E=1.8172, A=482.01, alpha=0.3478, B=2085.43, beta=0.3658)
    >>> alone, _ = optimum_with_serving(law, 2.0, 0.0)
    >>> busy, _ = optimum_with_serving(law, 2.0, 1e13)
    >>> busy < alone
    True
    """
    if loss <= law.E:
        raise ValueError(f"loss must be above {law.E:g}, which no compute undercuts")
    least = (law.A / (loss - law.E)) ** (1 / law.alpha)
    params: Floats = least * (1 + EXCESS_SIZES)
    left = loss - law.E - law.A / params**law.alpha
    tokens = (law.B / left) ** (1 / law.beta)
    flop = FLOP_PER_PARAM_AND_TOKEN * params * tokens
    flop = flop + FLOP_PER_MULTIPLY_ADD * params * served_tokens
    place = int(np.argmin(flop))
    return float(params[place]), float(tokens[place])


def law_from(values: Mapping[str, float]) -> ScalingLaw:
    """Build a law from the coefficients of one fit."""
    return ScalingLaw(**{name: values[name] for name in ("E", "A", "alpha", "B", "beta")})
