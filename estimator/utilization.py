"""What share of the peak does a training run reach, and how sure is that.

A mechanism with few parameters, each with a meaning. The time of one FLOP, in units of what the
peak promises, is

    (matrix work + values moved / memory bandwidth) x slow-downs + start-up / ideal time of the run

and the utilization is its inverse. Matrix work is slower than the peak by a factor; the values that
elementwise work moves per FLOP depend on the kind of network (for transformers they fall with the
width); attention over long sequences, routing to experts, recurrences and machines with little
bandwidth for their peak slow it down; every year of better software speeds it up. The parameters
are fitted to published runs (`estimator.utilization_fit`), and what they leave unexplained is the
doubt.
"""

from dataclasses import dataclass, fields

import numpy as np

from estimator.uncertainty import Number, Uncertain, z_score
from estimator.units import CENTRAL

REFERENCE_YEAR = 2021.0
"""Year at which software counts as neither young nor mature [year]."""

REFERENCE_SEQ_LEN = 2048.0
"""Sequence length at which attention neither slows nor speeds the run [token]."""

MOST_EXPECTED = 0.85
"""No training run is expected to reach more of the peak [1]; the best published ones reach 0.7."""

REFERENCE_BALANCE = 200.0
"""Peak over memory bandwidth at which a device counts as balanced [FLOP/B]."""


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
    log_sd : float or array
        Doubt of such runs: standard deviation of the logarithm of the utilization [1].
    """

    hidden: Number
    seq_len: Number
    year: Number
    value_bytes: Number
    log_sd: Number
    convolution: Number = 0.0
    depthwise: Number = 0.0
    unet: Number = 0.0
    encoder: Number = 0.0
    contrastive: Number = 0.0
    sparse: Number = 0.0
    recurrent: Number = 0.0


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What the mechanism needs to know of a device.

    Parameters
    ----------
    peak_flop_per_s : float or array
        Dense peak at the precision of the run [FLOP/s].
    peak_16_bit_flop_per_s : float or array
        Dense peak at 16 bit, or the peak itself where it is lower [FLOP/s].
    memory_bytes_per_s : float or array
        Bandwidth of the device's memory [B/s].
    """

    peak_flop_per_s: Number
    peak_16_bit_flop_per_s: Number
    memory_bytes_per_s: Number


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
    slowdown = (
        (traits.seq_len / REFERENCE_SEQ_LEN) ** model.long_context_exponent
        * (balance / REFERENCE_BALANCE) ** model.balance_exponent
        * model.encoder_slowdown**traits.encoder
        * model.contrastive_slowdown**traits.contrastive
        * model.sparse_slowdown**traits.sparse
        * model.recurrent_slowdown**traits.recurrent
        / model.speedup_per_year ** (traits.year - REFERENCE_YEAR)
    )
    ideal_s = flop / (devices * peak)
    time = (matrix + memory) * slowdown + model.startup_s / ideal_s
    return np.minimum(-np.log(time), 0.0)


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
    other = traits.convolution + traits.depthwise + traits.unet
    return (
        (1.0 - other) * model.transformer_values / traits.hidden
        + traits.convolution * model.convolution_values
        + traits.depthwise * model.depthwise_values
        + traits.unet * model.unet_values
    )
