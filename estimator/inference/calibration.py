"""Calibration of inference by measured server runs: variance components in closed form.

The model's error on a run, the log of measured over expected in units of its standard deviation, is
a sum of components: device and engine, model on that device, and setup (weights, devices), which
fades as the traffic differs; the rest is independent. Quantities of a run are correlated: slower
tokens mean lower throughput. Gaussian conditioning [1]_ on measured runs thus predicts the error of
the next. Shares and correlations come from held-out errors (`calibration.serving` in the profiles).

References
----------
.. [1] C. E. Rasmussen, C. K. I. Williams, "Gaussian Processes for Machine Learning", 2006,
   eq. 2.23 and 2.24.
"""

from dataclasses import dataclass, fields
from functools import cached_property
from itertools import combinations

import numpy as np
import numpy.typing as npt

from estimator.catalog import Catalog

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

DELIVERED = (
    "time_to_first_token_s",
    "inter_token_s",
    "output_tokens_per_s",
    "device_power_w",
    "device_energy_per_output_token_j",
)
"""Quantities of the devices that a measured run may report."""

POWER, RATE, ENERGY = 3, 2, 4

SAME_MODEL = 0.01
"""Log difference in parameters below which two models count as the same [1]; Llama 3.1 8B and Qwen3
8B are 0.02 apart.
"""

TOKENS_SCALE = 2.0
"""Length scale of request lengths over that of concurrency, in logarithms [1]."""


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Shares of the error variance by component, at most one in total.

    Parameters
    ----------
    device, model, load : float
        Shares of the variance common to runs of one device and engine; additionally of the same
        model; additionally of the same weights and devices at similar load [1].
    length : float
        Distance in log concurrency at which runs start to differ [1].
    """

    device: float
    model: float
    load: float
    length: float


@dataclass(frozen=True, kw_only=True)
class LoadComponents:
    """Variance components of the errors of server runs.

    Parameters
    ----------
    server, local : Shares
        Shares of serving engines, and of local inference.
    elsewhere : float
        Share of a run's information that carries over to another host [1].
    repeat_sd : float
        Log standard deviation between repeated measurements of the same load [1].
    correlation : array
        Correlation of one load's errors in `DELIVERED` [1].
    shared : array
        Shared part of each quantity's error, relative to most quantities. Errors in power and
        throughput are correlated, so energy per token has less of its own [1].
    """

    server: Shares
    local: Shares
    elsewhere: float
    repeat_sd: float
    correlation: Floats
    shared: Floats


def components_of(catalog: Catalog) -> LoadComponents:
    """Return the variance components from the profiles; separate meters are uncorrelated."""

    def value(name: str) -> float:
        return catalog.prior(f"calibration.serving.{name}").value

    known = catalog.priors()
    correlation = np.eye(len(DELIVERED))
    for (at, one), (beside, other) in combinations(enumerate(DELIVERED), 2):
        for sign, kind in ((1.0, "correlation"), (-1.0, "anticorrelation")):
            record = known.get(f"calibration.serving.{kind}.{one}.{other}")
            if record is not None:
                correlation[at, beside] = correlation[beside, at] = sign * record.value
    names = [item.name for item in fields(Shares)]
    server = Shares(**{name: value(f"server.{name}") for name in names})
    shared = np.ones(len(DELIVERED))
    of_energy = 1.0 - value("rest_of_energy")
    shared[ENERGY] = np.sqrt(of_energy / (server.device + server.model + server.load))
    return LoadComponents(
        server=server,
        local=Shares(**{name: value(f"local.{name}") for name in names}),
        elsewhere=value("elsewhere"),
        repeat_sd=value("repeat_sd"),
        correlation=correlation,
        shared=shared,
    )


@dataclass(frozen=True, kw_only=True)
class Loads:
    """Features of server runs that determine their error correlations, as arrays of one length.

    Parameters
    ----------
    place : array of int
        Code of device and engine.
    local : array of bool
        Whether it is local inference.
    setup : array of int
        Code of weights, cache, devices and layout.
    host : array of int
        Code of the host.
    params, visited : array
        Logarithms of total and active parameters [1].
    sequences, input_tokens, output_tokens : array
        Logarithms of the traffic [1].
    """

    place: Whole
    local: npt.NDArray[np.bool_]
    setup: Whole
    host: Whole
    params: Floats
    visited: Floats
    sequences: Floats
    input_tokens: Floats
    output_tokens: Floats

    def part(self, chosen: npt.NDArray[np.bool_] | Whole) -> "Loads":
        """Return the selected runs."""
        return Loads(**{item.name: getattr(self, item.name)[chosen] for item in fields(Loads)})


def _shared(here: Loads, there: Loads, parts: LoadComponents) -> Floats:
    """Share of variance that runs have in common, shape (n, m)."""
    found = np.zeros((len(here.place), len(there.place)))
    same_place = here.place[:, None] == there.place
    same_model = (
        same_place
        & (np.abs(here.params[:, None] - there.params) < SAME_MODEL)
        & (np.abs(here.visited[:, None] - there.visited) < SAME_MODEL)
    )
    same_setup = same_model & (here.setup[:, None] == there.setup)
    squared = np.square(here.sequences[:, None] - there.sequences)
    for name in ("input_tokens", "output_tokens"):
        apart = (getattr(here, name)[:, None] - getattr(there, name)) / TOKENS_SCALE
        squared = squared + np.square(apart)
    for local, shares in ((False, parts.server), (True, parts.local)):
        near = np.exp(-0.5 * squared / shares.length**2)
        both = (here.local[:, None] == local) & (there.local == local)
        common = (
            shares.device * same_place + shares.model * same_model + shares.load * same_setup * near
        )
        found += both * common
    covariance: Floats = found * np.where(here.host[:, None] == there.host, 1.0, parts.elsewhere)
    return covariance


@dataclass(frozen=True, kw_only=True)
class LoadEvidence:
    """Measured server runs against the model's expectation.

    Parameters
    ----------
    loads : Loads
        The n measured loads.
    log_ratio : array of shape (n, 5)
        Logarithm of measured over expected; NaN where not measured [1].
    own_sd, open_sd : array of shape (n, 5)
        Standard deviations of the expectation: the model's own, and from unknown traffic [1].
    components : LoadComponents
    """

    loads: Loads
    log_ratio: Floats
    own_sd: Floats
    open_sd: Floats
    components: LoadComponents

    @cached_property
    def _measurements(self) -> tuple[Whole, Whole]:
        """Run and quantity index of every measured value."""
        loads, quantities = np.nonzero(~np.isnan(self.log_ratio))
        return loads, quantities

    @cached_property
    def _inverse(self) -> Floats:
        """Inverse covariance of the normalized errors."""
        loads, quantities = self._measurements
        alike = self.components.correlation[np.ix_(quantities, quantities)]
        more = self.components.shared[quantities]
        shared = _shared(self.loads, self.loads, self.components)[np.ix_(loads, loads)]
        shared = np.where(loads[:, None] == loads, 1.0, shared * np.outer(more, more))
        own_sd = self.own_sd[self._measurements]
        noise = (
            self.components.repeat_sd**2 + np.square(self.open_sd[self._measurements])
        ) / own_sd**2
        total = shared * alike + np.diag(noise)
        return np.asarray(np.linalg.inv(total), dtype=np.float64)

    def posterior(self, where: Loads) -> tuple[Floats, Floats]:
        """Return the mean errors of further runs, and the remaining share of their spread.

        Both in units of the model's own spread, shape (m, 5) [1].
        """
        loads, quantities = self._measurements
        errors = self.log_ratio[self._measurements] / self.own_sd[self._measurements]
        more = self.components.shared
        shared = _shared(where, self.loads, self.components)[:, loads] * more[quantities]
        mean = np.zeros((len(where.place), len(DELIVERED)))
        left = np.ones_like(mean)
        for at in range(len(DELIVERED)):
            cross = shared * more[at] * self.components.correlation[at, quantities]
            weights = cross @ self._inverse
            mean[:, at] = weights @ errors
            left[:, at] = np.sqrt(np.maximum(1.0 - np.sum(weights * cross, axis=1), 0.0))
        return mean, left
