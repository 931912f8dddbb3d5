"""What share of the peak does a training run reach, and how sure is that.

A mechanism with few parameters, each with a meaning. The time of one FLOP, in units of what the
peak promises, is

    ((matrix work + values moved / memory bandwidth) x slow-downs x recomputation x bubbles
      + gradients + partial results + updates of the optimizer) x upkeep of a large run
    + start-up / ideal time of the run

and the utilization is its inverse. Matrix work is slower than the peak by a factor; the values that
elementwise work moves per FLOP depend on the kind of network (for transformers they fall with the
width); attention over long sequences, routing to experts, recurrences and machines with little
bandwidth for their peak slow it down; every year of better software speeds it up. What devices pass
to each other is worked out in `estimator.layout`, for transformers; it grows as the share of each
device shrinks. The upkeep - evaluation, checkpoints, restarts - is what sets whole runs apart from
tables of steady throughput; of other networks there are no such tables, so theirs stays in their
parameters. All are fitted to published runs and tables (`estimator.utilization_fit`), and what they
leave unexplained is the doubt.
"""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from estimator.layout import Layout, Machine, Traffic, traffic
from estimator.uncertainty import Number, Uncertain, z_score
from estimator.units import CENTRAL, S_PER_H

REFERENCE_YEAR = 2021.0
"""Year at which software counts as neither young nor mature [year]."""

REFERENCE_SEQ_LEN = 2048.0
"""Sequence length at which attention neither slows nor speeds the run [token]."""

MOST_EXPECTED = 0.85
"""No training run is expected to reach more of the peak [1]; the best published ones reach 0.7."""

REFERENCE_BALANCE = 200.0
"""Peak over memory bandwidth at which a device counts as balanced [FLOP/B]."""

USUAL_UTILIZATION = 0.4
"""Utilization at which the size of a run is judged, to see how much upkeep it needs [1]."""

LARGE_RUN_S = 3_000 * S_PER_H
"""Device time of a run that has half the upkeep of the largest: 64 devices for two days [s]."""

MANY_DEVICES = 10_000.0
"""Devices for which the share lost to restarts is told [1]; it grows with their square root."""

WELL_KNOWN_FLOP = 1e20
"""Work from which on published runs are many [FLOP]; below, they scatter more."""

WELL_KNOWN_YEAR = 2022.0
"""Year from which on transformers ran on mature software; before, they scatter more."""

DOUBT_PER_DECADE = 1.29
DOUBT_PER_YEAR = 1.14
"""Growth of the doubt for every decade of less work and every earlier year, from the blind errors
[1]: powers of 0.26 +- 0.05 and 0.13 +- 0.08."""

MOST_DECADES = 6.0
MOST_YEARS = 4.0
"""Decades and years over which it grows [1]."""


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What a run tells about itself beside its FLOPs; flags are 0 or 1, and arrays broadcast.

    Parameters
    ----------
    hidden : float or array
        Width of a transformer [1].
    seq_len : float or array
        Tokens in a sequence [token].
    year : float or array
        When it was trained [year].
    value_bytes : float or array
        Bytes of a value in memory: 2 at 16 bit and below, 4 above [B].
    convolution, depthwise, unet : float or array
        Flags of networks whose elementwise work is not that of a transformer.
    encoder, contrastive, sparse, recurrent : float or array
        Flags: sees whole sequences at once, trains two towers against each other, routes tokens to
        experts, computes step after step.
    layout : Layout
        How the work is shared.
    log_sd : float or array
        Doubt of such runs: standard deviation of the logarithm of the utilization [1].
    steady : float or array
        Flag of a rate in steady state, without start and upkeep.
    """

    hidden: Number
    seq_len: Number
    year: Number
    value_bytes: Number
    layout: Layout
    log_sd: Number
    convolution: Number = 0.0
    depthwise: Number = 0.0
    unet: Number = 0.0
    encoder: Number = 0.0
    contrastive: Number = 0.0
    sparse: Number = 0.0
    recurrent: Number = 0.0
    steady: Number = 0.0


@dataclass(frozen=True, kw_only=True)
class UtilizationModel:
    """Parameters of the mechanism, all positive.

    Parameters
    ----------
    matrix_slowdown : float
        Time of matrix work over that at the peak [1].
    transformer_values, convolution_values, depthwise_values, unet_values : float
        Values that elementwise work moves per FLOP [1/FLOP], for transformers times their width.
    share_at_16_bit : float
        Share of matrix work that stays at 16 bit in runs of fewer bits [1].
    startup_s : float
        Time lost once per run, and to ever smaller steps when many devices share little work [s].
    speedup_per_year : float
        Gain of software maturity in a year [1].
    encoder_slowdown, contrastive_slowdown, sparse_slowdown, recurrent_slowdown : float
        Time over that of a plain decoder [1].
    long_context_exponent, balance_exponent : float
        Growth of the time with the sequence length, and with the peak over the bandwidth [1].
    recomputation_slowdown : float
        Time over that without, where all activations are computed again [1].
    exposed_gradient_share, exposed_layer_share : float
        Share of the gradients' time, and of that of partial results, not hidden behind work [1].
    update_bytes : float
        Bytes that the update of one parameter moves [B].
    bubble_share : float
        Idle share of a pipeline over that of a plain schedule [1].
    upkeep_share, restart_share : float
        Time of evaluation and checkpoints of a large run over that of its steps, and of restarts on
        `MANY_DEVICES` [1].
    """

    matrix_slowdown: float
    transformer_values: float
    convolution_values: float
    depthwise_values: float
    unet_values: float
    share_at_16_bit: float
    startup_s: float
    speedup_per_year: float
    encoder_slowdown: float
    contrastive_slowdown: float
    sparse_slowdown: float
    recurrent_slowdown: float
    long_context_exponent: float
    balance_exponent: float
    recomputation_slowdown: float
    exposed_gradient_share: float
    exposed_layer_share: float
    update_bytes: float
    bubble_share: float
    upkeep_share: float
    restart_share: float


PARAMETERS = tuple(field.name for field in fields(UtilizationModel))
"""Names of the parameters, in order."""


def log_utilization(
    model: UtilizationModel, traits: Traits, machine: Machine, *, flop: Number, devices: Number
) -> Number:
    """Natural logarithm of the utilization that the mechanism expects [1].

    Parameters
    ----------
    model : UtilizationModel
        Parameters.
    traits, machine
        The run and the device.
    flop : float or array
        FLOPs of the whole run [FLOP].
    devices : float or array
        Devices that share them [1].

    Returns
    -------
    float or array, all broadcast together; at most 0.
    """
    peak = machine.peak_flop_per_s
    fewer_bits = peak / machine.peak_16_bit_flop_per_s
    matrix = model.matrix_slowdown * (1 + model.share_at_16_bit * (fewer_bits - 1))
    balance = peak / machine.memory_bytes_per_s
    memory = balance * traits.value_bytes * _values_per_flop(model, traits)
    slowdown = np.exp(_log_slowdown(model, traits, balance))
    passed = traffic(
        traits.layout,
        machine,
        hidden=traits.hidden,
        value_bytes=traits.value_bytes,
        devices=devices,
    )
    ideal_s = flop / (devices * peak)
    step = _step(model, traits, (matrix + memory) * slowdown, passed)
    time = step * (1.0 + _upkeep(model, traits, flop / peak, devices))
    start = (1.0 - traits.steady) * model.startup_s / ideal_s
    return np.minimum(-np.log(time + start), 0.0)


def thinness(flop: Number, year: Number, transformer: Number) -> npt.NDArray[np.float64]:
    """How much wider the doubt is where published runs are few or scatter [1].

    Parameters
    ----------
    flop : float or array
        Work [FLOP].
    year : float or array
        When it was trained [year].
    transformer : float or array
        Flag.

    Returns
    -------
    array, all broadcast together; at least 1.

    >>> thinness(1e22, 2024.0, 1.0).item(), thinness(1e18, 2021.0, 1.0).round(2).item()
    (1.0, 1.9)
    """
    decades = np.clip(np.log10(WELL_KNOWN_FLOP / flop), 0.0, MOST_DECADES)
    years = np.clip(WELL_KNOWN_YEAR - year, 0.0, MOST_YEARS) * transformer
    return np.asarray(DOUBT_PER_DECADE**decades * DOUBT_PER_YEAR**years, dtype=np.float64)


def expected_utilization(
    model: UtilizationModel, traits: Traits, machine: Machine, *, flop: Number, devices: Number
) -> Uncertain:
    """Utilization with the doubt of such runs [1]; arguments as for `log_utilization`.

    The 80 % interval ends at the peak at the latest.
    """
    expected = log_utilization(model, traits, machine, flop=flop, devices=devices)
    expected = np.minimum(expected, np.log(MOST_EXPECTED))
    doubt = np.minimum(traits.log_sd, -expected / z_score(CENTRAL))
    return Uncertain(np.exp(expected), {"utilization": doubt})


def _values_per_flop(model: UtilizationModel, traits: Traits) -> Number:
    """Values that elementwise work moves per FLOP [1/FLOP]."""
    return (
        transformer_share(traits) * model.transformer_values / traits.hidden
        + traits.convolution * model.convolution_values
        + traits.depthwise * model.depthwise_values
        + traits.unet * model.unet_values
    )


def _log_slowdown(model: UtilizationModel, traits: Traits, balance: Number) -> Number:
    """Logarithm of the factors on the time of matrix work and memory [1]."""
    again = transformer_share(traits) * traits.layout.recomputation
    slowdown: Number = (
        model.long_context_exponent * np.log(traits.seq_len / REFERENCE_SEQ_LEN)
        + model.balance_exponent * np.log(balance / REFERENCE_BALANCE)
        + np.log(model.encoder_slowdown) * traits.encoder
        + np.log(model.contrastive_slowdown) * traits.contrastive
        + np.log(model.sparse_slowdown) * traits.sparse
        + np.log(model.recurrent_slowdown) * traits.recurrent
        + np.log(model.recomputation_slowdown) * again
        - np.log(model.speedup_per_year) * (traits.year - REFERENCE_YEAR)
    )
    return slowdown


def _step(model: UtilizationModel, traits: Traits, busy: Number, passed: Traffic) -> Number:
    """Time of a step over its ideal: work, waiting for the pipeline, and what is passed around."""
    transformer = transformer_share(traits)
    exchange = (
        model.exposed_gradient_share * passed.gradients
        + model.exposed_layer_share * passed.layers
        + model.update_bytes * passed.updates_per_byte
    )
    waiting = 1.0 + model.bubble_share * passed.bubble
    return busy * waiting + transformer * exchange


def _upkeep(
    model: UtilizationModel, traits: Traits, ideal_device_s: Number, devices: Number
) -> Number:
    """Time lost to evaluation, checkpoints and restarts over the time of the steps [1]."""
    device_s = ideal_device_s / USUAL_UTILIZATION
    large = device_s / (device_s + LARGE_RUN_S)
    lost = model.upkeep_share + model.restart_share * np.sqrt(devices / MANY_DEVICES)
    return transformer_share(traits) * (1.0 - traits.steady) * large * lost


def transformer_share(traits: Traits) -> Number:
    """Whether it is a transformer: 1, or 0 for networks of other elementwise work [1]."""
    return 1.0 - (traits.convolution + traits.depthwise + traits.unet)
