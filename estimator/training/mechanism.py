"""Training utilization and its uncertainty, from a mechanistic model.

The model has few, interpretable parameters. The time per FLOP, in units of the ideal time at the
peak, is

    ((matrix work + values moved / memory bandwidth) x slow-downs x recomputation x bubbles
      + gradients + partial results + updates of the optimizer) x overheads of a large run
    + (start-up + steps x synchronisation) / ideal time of the run

and utilization is its inverse, unless the host is slower than the device at launching operations
(`estimator.training.launches`) or at decoding images. FLOPs are model FLOPs as in MFU, with all
attention scores; causal kernels that skip half of them appear as speed.

- Matrix work is slower than the peak by a factor: smaller for formats without matrix units, and
  smaller for tuned code. Decoders use vendor kernels, whoever trains them.
- Elementwise work is memory-bound and adds to it. Its traffic per FLOP depends on the network kind
  and, for transformers, falls with width. In encoders and U-Nets it depends on kernel fusion: most
  in vendor code and whole-graph compilers, least in research code. Compilers also fuse the
  elementwise work of convolutions.
- Recurrences add time for bandwidth and latency, less in a vendor's fused library.
- A recommender's embedding tables are spread over the devices, which exchange the look-ups.
- Attention is slower than matrix products; its share grows with the sequence length, and the gap
  narrows with every year of fused kernels.
- Expert routing and rarely tuned fields slow a run, above all speech, whose input is prepared on
  the host unless a vendor moved that to the device.
- Software improves every year, most for elementwise work, and hides more communication
  (`estimator.training.parallelism`), which grows as each device's share shrinks.
- Whole runs add overheads over steady throughput: evaluation, checkpoints, restarts.

Parameters are fitted to published runs and tables (`estimator.validation.utilization_fit`); the
residual is the uncertainty.
"""

from dataclasses import dataclass, fields

import numpy as np

from estimator.core.rows import Floats
from estimator.core.uncertainty import Number, Uncertain, z_score
from estimator.core.units import CENTRAL, S_PER_H
from estimator.networks.formulas import FLOP_PER_PARAM_AND_TOKEN
from estimator.training.launches import UsualSteps, exposed_share, is_large, log_slowdown
from estimator.training.parallelism import (
    SMALLEST_SHARE,
    TrainingLayout,
    TrainingMachine,
    TrainingTraffic,
    exchanged_value_s,
    replicated_gradients_s,
    traffic,
)

REFERENCE_YEAR = 2021.0
"""Reference year of software maturity [year]."""

ATTENTION_YEAR = 2023.0
"""Year to which the attention slowdown refers [year]: FlashAttention-2."""

ATTENTION_EXPONENT = 0.25
"""Decrease of the attention slowdown with sequence length beyond the typical one [1]: from 2k to
16k tokens it is 0.5 with FlashAttention-3 on H100 and 0.1 with FlashAttention-2 on A100, from the
speeds in their papers.
"""

USUAL_SEQ_LEN = 2048.0
"""Default sequence length of a decoder [token]."""

MOST_EXPECTED = 0.85
"""Highest expected utilization [1], assumed: the best published runs with reliable hours reach 0.7
in 16 bits and 0.79 in FP32."""

REFERENCE_BALANCE = 200.0
"""Peak over memory bandwidth of a balanced device [FLOP/B]."""

USUAL_UTILIZATION = 0.4
"""Utilization assumed when judging the overhead of a run from its size [1]."""

TUNED = 1.0
"""Tuning of a vendor's reference code [1]."""

SOFTWARE_OF_COMPILERS = TUNED
"""Tuning of kernels from whole-graph compilers [1], equal to a vendor's."""

ADAPTER_SHARE = 0.5
"""Extra cost factor of recomputation with adapters [1]: a forward pass is half of the adapters'
work, against a third of full training.
"""

LARGE_RUN_S = 3_000 * S_PER_H
"""Device time of a run with half the overhead of the largest [s]: 64 devices for two days."""

MANY_DEVICES = 10_000.0
"""Device count that `RESTART_SHARE` refers to [1]; the share grows with its square root."""

RESTART_SHARE = 0.1
"""Time lost to restarts on `MANY_DEVICES` [1]: Llama 3 405B was effective over 0.9 of its time on
16,384 devices through 419 interruptions (Grattafiori et al. 2024, arXiv:2407.21783, sec. 3.3.4).
"""

UPDATE_BYTES = 20.0
"""Memory traffic of one parameter update [B]: weight, gradient and two Adam moments read and
written once, partly in 32 bits.
"""

SYNCHRONISATION_S = 1e-4
"""Wait per step for each doubling of devices, for stragglers and collective latency [s]; assumed.
"""

EAGER_SHARE = 0.5
EAGER_SD = 0.7
"""Log standard deviation of the launch overhead of large transformer runs [1]; assumed. Half of
them launch eagerly, and typical batches vary.
"""

WELL_KNOWN_FLOP = 1e20
"""Work above which many runs are published [FLOP]; smaller runs scatter more."""

WIDTH_EXPONENT = 1.0 / 3.0
"""Elasticity of a depthwise network's width to its parameters [1]: 1/2 if only the width grows
(Howard et al. 2017), 1/4 if depth and resolution also grow (Tan, Le 2019).
"""

USUAL_DEPTHWISE_PARAMS = 1e7
"""Parameters of a depthwise network of typical width [1]: EfficientNet-B2."""

MOST_DECADES = 6.0
"""Maximum decades over which the uncertainty grows [1]."""


@dataclass(frozen=True, kw_only=True)
class RunFeatures:
    """Features of a run other than its FLOPs; flags are 0 or 1, and arrays broadcast.

    Parameters
    ----------
    hidden : float or array
        Hidden size of a transformer [1].
    seq_len : float or array
        Tokens per sequence [token].
    year : float or array
        Year of training [year].
    value_bytes : float or array
        Bytes per value in memory: 2 up to 16 bits, 4 above [B].
    convolution, depthwise, unet, other : float or array
        Flags of networks with elementwise work unlike a transformer's; other: recommender
        embeddings, graph networks and similar.
    encoder, contrastive, sparse, recurrent : float or array
        Flags: bidirectional attention, two contrastive towers, mixture of experts, recurrence over
        time steps.
    layout : TrainingLayout
        Parallelism of the run.
    log_sd : float or array
        Log standard deviation of the utilization of similar runs [1].
    lora : float or array
        Flag: trains only adapters on frozen weights.
    rare : float or array
        Flag: a use of such networks with few published runs.
    speech : float or array
        Flag: speech or audio.
    software : float or array
        Software tuning: 1 for a vendor's reference or benchmark submission, 0 typical, -1 research
        [1].
    steps : float or array
        Optimizer steps, NaN if unspecified [1].
    steady : float or array
        Flag: steady-state rate, without start-up and overheads.
    relative_width : float or array
        Width of a depthwise network over the typical width [1].
    launch_s : float or array
        Time to launch the operations of a step without fusion [s].
    usual_steps : UsualSteps
        Typical steps, used where unspecified.
    scores : float or array
        Attention scores computed over scores counted: half for causal kernels, which skip the
        masked half [1].
    pictures : float or array
        Photographs that hosts decode over the whole run; 0 if there are none or the number is
        unknown [1].
    """

    hidden: Number
    seq_len: Number
    year: Number
    value_bytes: Number
    layout: TrainingLayout
    usual_steps: UsualSteps
    log_sd: Number
    convolution: Number = 0.0
    depthwise: Number = 0.0
    unet: Number = 0.0
    encoder: Number = 0.0
    contrastive: Number = 0.0
    sparse: Number = 0.0
    recurrent: Number = 0.0
    other: Number = 0.0
    lora: Number = 0.0
    rare: Number = 0.0
    speech: Number = 0.0
    software: Number = 0.0
    steps: Number = float("nan")
    steady: Number = 0.0
    relative_width: Number = 1.0
    launch_s: Number = 0.0
    scores: Number = 1.0
    pictures: Number = 0.0


@dataclass(frozen=True, kw_only=True)
class UtilizationModel:
    """Parameters of the mechanism, all positive.

    Parameters
    ----------
    matrix_slowdown, vector_slowdown : float
        Time of matrix work over its time at the peak, on matrix units and in formats without them
        [1].
    transformer_values, convolution_values, depthwise_values, unet_values, other_values : float
        Values that elementwise work moves per FLOP [1/FLOP]: for transformers times width, for
        depthwise networks at typical width, for U-Nets in typical software.
    lookup_values : float
        Values that a recommender's devices exchange per FLOP: embedding vectors from each other's
        tables, and their gradients [1/FLOP].
    encoder_values : float
        Values that an encoder in typical software moves in addition to a decoder's, times its width
        [1/FLOP].
    tuning : float
        Factor from typical to research software, and from vendor to typical, on these values, on
        U-Nets' and on recurrences' extra time [1].
    recurrent_time : float
        Extra time of recurrences in typical software on a balanced device [1].
    share_at_16_bit : float
        Share of matrix work that stays in 16 bits in runs with fewer bits [1].
    startup_s : float
        Time lost once per run [s].
    launch_time : float
        Launch time of a step over the benchmark's on the host of an H100 [1].
    picture_s : float
        Time for one device's share of the host to decode and crop a photograph, in typical
        software; twice as long in research code, zero where a vendor decodes on the device [s].
    speedup_per_year : float
        Yearly speed-up from maturing software, except for matrix work on vector units [1].
    fusion_per_year : float
        Additional yearly speed-up of elementwise work, as more kernels are fused, and of exchanges,
        as more are hidden [1].
    contrastive_slowdown, sparse_slowdown, rare_slowdown, speech_slowdown : float
        Time over a plain decoder's; rare: over a common use's; speech: of transformers and
        recurrences in typical and research software [1].
    attention_slowdown : float
        Attention time over matrix-product time for equal FLOPs, in `ATTENTION_YEAR` [1].
    attention_gain_per_year : float
        Yearly factor by which the attention slowdown approaches one [1].
    untuned_slowdown : float
        Slowdown of matrix work on matrix units of non-decoders per step of tuning, from vendor to
        typical to research: shapes, casts and libraries [1].
    recomputation_slowdown : float
        Time with full activation recomputation over time without [1].
    exposed_gradient_share, exposed_layer_share : float
        Shares of gradient exchange and of partial-result exchange that are not hidden behind
        compute [1].
    overhead_share : float
        Time of evaluation and checkpoints over step time in a large run [1].
    """

    matrix_slowdown: float
    vector_slowdown: float
    transformer_values: float
    encoder_values: float
    tuning: float
    convolution_values: float
    depthwise_values: float
    unet_values: float
    other_values: float
    lookup_values: float
    recurrent_time: float
    share_at_16_bit: float
    startup_s: float
    launch_time: float
    picture_s: float
    speedup_per_year: float
    fusion_per_year: float
    contrastive_slowdown: float
    sparse_slowdown: float
    rare_slowdown: float
    speech_slowdown: float
    attention_slowdown: float
    attention_gain_per_year: float
    untuned_slowdown: float
    recomputation_slowdown: float
    exposed_gradient_share: float
    exposed_layer_share: float
    overhead_share: float


PARAMETERS = tuple(field.name for field in fields(UtilizationModel))
"""Names of the parameters, in order."""


def log_utilization(
    model: UtilizationModel,
    features: RunFeatures,
    machine: TrainingMachine,
    *,
    flop: Number,
    devices: Number,
) -> Number:
    """Log utilization expected by the mechanism [1].

    Arguments as for `log_launched_ahead`.
    """
    ahead = log_launched_ahead(model, features, machine, flop=flop, devices=devices)
    late = launching(model, features, machine, flop=flop, devices=devices, log_ahead=ahead)
    return ahead - log_slowdown(late.share)


def log_launched_ahead(
    model: UtilizationModel,
    features: RunFeatures,
    machine: TrainingMachine,
    *,
    flop: Number,
    devices: Number,
    busy: Number | None = None,
) -> Number:
    """Log utilization of steps with hidden launches [1].

    Parameters
    ----------
    model : UtilizationModel
        Model parameters.
    features, machine
        Run and device.
    flop : float or array
        FLOPs of the whole run [FLOP].
    devices : float or array
        Number of devices of the run [1].
    busy : float or array, optional
        `busy_time` of the run, if already computed [1].

    Returns
    -------
    float or array, all broadcast together; at most 0.
    """
    peak = machine.peak_flop_per_s
    passed = traffic(
        features.layout,
        machine,
        hidden=features.hidden,
        seq_len=features.seq_len,
        value_bytes=features.value_bytes,
        devices=devices,
    )
    if busy is None:
        busy = busy_time(model, features, machine)
    step = _step(model, features, busy, passed) + _lookups(model, features, machine, devices)
    time = step * (1.0 + _overhead(model, features, flop / peak, devices))
    start_s = (1.0 - features.steady) * model.startup_s
    beside_s = start_s + _waiting_s(model, features, machine, devices)
    time = time + beside_s * devices * peak / flop
    return np.minimum(-np.log(np.hypot(time, _feeding(model, features, peak, flop))), 0.0)


def _feeding(model: UtilizationModel, features: RunFeatures, peak: Number, flop: Number) -> Number:
    """Return the slowdown from decoding images on the hosts, in parallel to the devices [1]."""
    untuned = np.maximum(TUNED - np.asarray(features.software), 0.0)
    fed: Number = model.picture_s * untuned * features.pictures * peak / flop
    return fed


@dataclass(frozen=True, kw_only=True)
class Launching:
    """Time for the host to launch the operations of a step.

    Parameters
    ----------
    share : float or array
        Launch time over compute time [1].
    step_s : float or array
        Launch time per step [s].
    log_sd : float or array
        Log standard deviation of the share, from unspecified steps [1].
    """

    share: Number
    step_s: Number
    log_sd: Number


def launching(
    model: UtilizationModel,
    features: RunFeatures,
    machine: TrainingMachine,
    *,
    flop: Number,
    devices: Number,
    log_ahead: Number,
) -> Launching:
    """Return the launch time of operations without fusion.

    Without known steps, a large transformer run has typical batches, and half of such runs launch
    eagerly; other large runs have none.

    Parameters
    ----------
    model, features, machine, flop, devices
        See `log_launched_ahead`.
    log_ahead : float or array
        Result of `log_launched_ahead` [1].
    """
    eager = machine.launched * np.clip(TUNED - _tuned(features, machine.compiled), 0.0, 1.0)
    step_s = model.launch_time * features.launch_s * eager
    ideal_s = flop / (devices * machine.peak_flop_per_s)
    run_s = ideal_s / np.exp(log_ahead)
    unknown = np.isnan(features.steps)
    log_s, sd = features.usual_steps.log_time(run_s)
    steps = np.where(unknown, run_s / np.exp(log_s), features.steps)
    large = unknown & is_large(ideal_s, devices)
    usual = flop / (FLOP_PER_PARAM_AND_TOKEN * _usual_step(features.layout, devices))
    eager_share = EAGER_SHARE * transformer_share(features)
    steps = np.where(large, eager_share * usual, steps)
    return Launching(
        share=step_s * steps / run_s,
        step_s=step_s,
        log_sd=np.where(large, EAGER_SD, np.where(unknown, sd, 0.0)),
    )


def _usual_step(layout: TrainingLayout, devices: Number) -> Number:
    """Return the product of parameters and tokens of a typical step [1]."""
    tokens = np.maximum(layout.batch_tokens, SMALLEST_SHARE * devices)
    step: Number = layout.active_params * tokens
    return step


def busy_time(model: UtilizationModel, features: RunFeatures, machine: TrainingMachine) -> Number:
    """Return the time of a step's compute over its ideal, independent of device count [1]."""
    peak = machine.peak_flop_per_s
    fewer_bits = peak / machine.peak_16_bit_flop_per_s
    tuned = _tuned(features, machine.compiled)
    years = features.year - REFERENCE_YEAR
    decoder = transformer_share(features) * (1.0 - features.encoder)
    untuned = np.log(model.untuned_slowdown) * (TUNED - tuned) * (1.0 - decoder)
    units = model.matrix_slowdown * np.exp(untuned - np.log(model.speedup_per_year) * years)
    plain = np.where(machine.matrix_units > 0, units, model.vector_slowdown)
    matrix = plain * (1 + model.share_at_16_bit * (fewer_bits - 1))
    balance = peak / machine.memory_bytes_per_s
    values = _values_per_flop(model, features, machine.compiled)
    fused = np.exp(np.log(model.speedup_per_year * model.fusion_per_year) * years)
    memory = balance * features.value_bytes * values / fused
    unfused = np.exp(-np.log(model.tuning) * tuned)
    serial = model.recurrent_time * unfused * features.recurrent * balance / REFERENCE_BALANCE
    slowdown = np.exp(_log_slowdown(model, features))
    busy: Number = (matrix + memory + serial) * slowdown
    return busy


ThinPlaces = tuple[Number, Number]
"""Values of `thin_places` for runs, in the order of `Growth`."""


@dataclass(frozen=True, kw_only=True)
class Growth:
    """Growth of the uncertainty where published runs are sparse.

    Parameters
    ----------
    per_decade : float
        Factor per decade of less work, except in vendor code [1].
    where_rare : float
        Factor on device types and uses of a network with few published runs [1].
    """

    per_decade: float
    where_rare: float = 1.0


def relative_width(params: Number) -> Number:
    """Return a depthwise network's width over the typical width; 1 if unknown [1].

    Its channels determine the FLOPs per value, as a transformer's width does.

    >>> relative_width(np.array([8e7, np.nan]))
    array([2., 1.])
    """
    width = (params / USUAL_DEPTHWISE_PARAMS) ** WIDTH_EXPONENT
    return np.where(np.isnan(width), 1.0, width)


def thinness(places: ThinPlaces, growth: Growth) -> Floats:
    """Return the factor on the uncertainty where published runs are sparse [1].

    Returns
    -------
    array, all broadcast together; at least 1 where the growth is.

    >>> thinness((2.0, 1.0), Growth(per_decade=1.2, where_rare=1.5)).item()
    2.16
    """
    decades, rare = places
    return np.asarray(growth.per_decade**decades * growth.where_rare**rare, dtype=np.float64)


def thin_places(flop: Number, features: RunFeatures, rare_device: Number) -> ThinPlaces:
    """Return the features that are rare among published runs [1].

    Parameters
    ----------
    flop : float or array
        Work of the run [FLOP].
    features : RunFeatures
        Features, without their uncertainty.
    rare_device : float or array
        Flag of `TrainingMachine`: device types with few published runs.

    Returns
    -------
    tuple
        Decades of work below the range with many published runs, 0 in vendor code, whose small runs
        scatter no more than large ones; and the number of ways in which the run is rare. U-Nets on
        rare devices do not count, as their spread covers runs on TPUs.
    """
    decades = np.clip(np.log10(WELL_KNOWN_FLOP / flop), 0.0, MOST_DECADES)
    untuned = np.asarray(features.software) < TUNED
    return decades * untuned, rare_device * (1.0 - features.unet) + features.rare


def expected_utilization(
    model: UtilizationModel,
    features: RunFeatures,
    machine: TrainingMachine,
    *,
    flop: Number,
    devices: Number,
) -> Uncertain:
    """Return the expected utilization and its uncertainty [1]; see `log_launched_ahead`."""
    ahead = expected_ahead(model, features, machine, flop=flop, devices=devices)
    return launched(
        ahead,
        launching(
            model, features, machine, flop=flop, devices=devices, log_ahead=np.log(ahead.mid)
        ),
    )


def expected_ahead(
    model: UtilizationModel,
    features: RunFeatures,
    machine: TrainingMachine,
    *,
    flop: Number,
    devices: Number,
    busy: Number | None = None,
) -> Uncertain:
    """Return the expected utilization of steps whose launches are hidden [1]."""
    expected = log_launched_ahead(model, features, machine, flop=flop, devices=devices, busy=busy)
    expected = np.minimum(expected, np.log(MOST_EXPECTED))
    log_sd = np.broadcast_to(features.log_sd, np.shape(expected))
    return Uncertain(np.exp(expected), {"utilization": log_sd})


def launched(ahead: Uncertain, late: Launching) -> Uncertain:
    """Return the utilization of runs whose launches may not be hidden [1].

    >>> late = Launching(share=np.ones(1), step_s=0.1, log_sd=np.array([0.8]))
    >>> found = launched(Uncertain(np.array([0.4]), {"utilization": np.array([0.3])}), late)
    >>> found.mid.round(3), found.log_sd
    (array([0.283]), array([0.5]))
    """
    unsure = exposed_share(late.share) * late.log_sd
    loadings = {name: np.hypot(load, unsure) for name, load in ahead.loadings.items()}
    return Uncertain(ahead.mid * np.exp(-log_slowdown(late.share)), loadings)


ROUNDING = 1e-14
"""Log margin below the bound for the end of an interval, against rounding [1]."""


def within_bound(expected: Uncertain, most: float = MOST_EXPECTED) -> Uncertain:
    """Return the utilization with its 80% interval cut at a bound, keeping the lower end [1]."""
    half = z_score(CENTRAL) * expected.log_sd
    beyond = np.maximum(np.log(expected.mid / most) + half + ROUNDING, 0.0) / 2
    beyond = np.where(half > 0, beyond, 0.0)[()]
    left = 1.0 - beyond / np.where(half > 0, half, 1.0)[()]
    loadings = {name: load * left for name, load in expected.loadings.items()}
    mid = expected.mid * np.exp(-beyond)
    return Uncertain(mid, loadings, np.maximum(mid, most))


def _values_per_flop(model: UtilizationModel, features: RunFeatures, compiled: Number) -> Number:
    """Return the values that elementwise work moves per FLOP [1/FLOP]."""
    fewer = -np.log(model.tuning)
    tuned = _tuned(features, compiled)
    beyond = model.encoder_values * features.encoder * np.exp(fewer * tuned)
    values: Number = (
        transformer_share(features) * (model.transformer_values + beyond) / features.hidden
        + features.unet * model.unet_values * np.exp(-np.log(model.tuning) * tuned)
        + features.other * model.other_values
        + np.exp(fewer * compiled)
        * (
            features.convolution * model.convolution_values
            + features.depthwise * model.depthwise_values / features.relative_width
        )
    )
    return values


def _tuned(features: RunFeatures, compiled: Number) -> Number:
    """Return the tuning of the kernels [1]."""
    return np.where(np.asarray(compiled) > 0, SOFTWARE_OF_COMPILERS, features.software)


def _waiting_s(
    model: UtilizationModel, features: RunFeatures, machine: TrainingMachine, devices: Number
) -> Number:
    """Return the total waiting time for other devices, if the number of steps is known [s].

    A transformer's gradients are in its traffic.
    """
    steps = np.where(np.isnan(features.steps), 0.0, features.steps)
    exchange_s = replicated_gradients_s(
        features.layout.params, machine, value_bytes=features.value_bytes, devices=devices
    )
    elsewhere = 1.0 - transformer_share(features) - features.other
    exposed_s = model.exposed_gradient_share * elsewhere * exchange_s
    return steps * (exposed_s + SYNCHRONISATION_S * np.log2(np.maximum(devices, 1.0)))


def _lookups(
    model: UtilizationModel, features: RunFeatures, machine: TrainingMachine, devices: Number
) -> Number:
    """Return the slowdown from a recommender's exchange of embedding vectors [1]_ [1].

    References
    ----------
    .. [1] D. Mudigere et al., "Software-hardware co-design for fast and scalable training of deep
       learning recommendation models", 2022, arXiv:2104.05158, sec. 3.
    """
    value_s = exchanged_value_s(machine, value_bytes=features.value_bytes, devices=devices)
    lookups: Number = features.other * model.lookup_values * machine.peak_flop_per_s * value_s
    return lookups


def attention_part(features: RunFeatures) -> Number:
    """Share of attention in a transformer's FLOPs, s / (6 h + s) [1]."""
    part: Number = features.seq_len / (6.0 * features.hidden + features.seq_len)
    return transformer_share(features) * part


def _log_slowdown(model: UtilizationModel, features: RunFeatures) -> Number:
    """Log slowdown of matrix and memory work [1]."""
    again = transformer_share(features) * features.layout.recomputation
    slowdown: Number = (
        _log_attention(model, features)
        + np.log(model.contrastive_slowdown) * features.contrastive
        + np.log(model.sparse_slowdown) * features.sparse
        + _log_rare_slowdown(model, features)
        + np.log1p(
            (model.recomputation_slowdown - 1.0) * again * (1.0 + ADAPTER_SHARE * features.lora)
        )
    )
    return slowdown


def _log_attention(model: UtilizationModel, features: RunFeatures) -> Number:
    """Log time of attention over equal FLOPs of matrix products [1].

    All scores count as work, as in published MFU. Causal kernels skip half of them, and fused
    kernels approach matrix-product speed over the years [1]_ [2]_.

    References
    ----------
    .. [1] T. Dao, "FlashAttention-2", 2023, arXiv:2307.08691: its predecessor of 2022 reaches 25 to
       40% of the peak, it 50 to 73% of that of an A100, matrix products 80 to 90%.
    .. [2] J. Shah et al., "FlashAttention-3", 2024, arXiv:2407.08608: 35% of the peak of an H100
       before, 75% with it.
    """
    late = np.log(model.attention_gain_per_year) * (features.year - ATTENTION_YEAR)
    longer = np.log(np.maximum(features.seq_len / USUAL_SEQ_LEN, 1.0))
    slower = 1.0 + (model.attention_slowdown - 1.0) * np.exp(-late - ATTENTION_EXPONENT * longer)
    slowdown: Number = np.log1p((features.scores * slower - 1.0) * attention_part(features))
    return slowdown


def _log_rare_slowdown(model: UtilizationModel, features: RunFeatures) -> Number:
    """Log slowdown of rarely tuned uses [1]; a vendor's speech code has none."""
    untuned = np.minimum(TUNED - np.asarray(features.software), 1.0)
    speech = np.log(model.speech_slowdown) * untuned
    slowdown: Number = features.rare * np.where(
        np.asarray(features.speech) > 0, speech, np.log(model.rare_slowdown)
    )
    return slowdown


def _step(
    model: UtilizationModel, features: RunFeatures, busy: Number, passed: TrainingTraffic
) -> Number:
    """Return the step time over its ideal: compute, pipeline bubbles and communication."""
    per_year = np.log(model.speedup_per_year * model.fusion_per_year)
    hidden: Number = np.exp(per_year * (features.year - REFERENCE_YEAR))
    exposed = (
        model.exposed_gradient_share * passed.gradients + model.exposed_layer_share * passed.layers
    )
    exchange = exposed / hidden + UPDATE_BYTES * passed.updates_per_byte
    return busy * (1.0 + passed.bubble) + transformer_share(features) * exchange


def _overhead(
    model: UtilizationModel, features: RunFeatures, ideal_device_s: Number, devices: Number
) -> Number:
    """Return the time lost to evaluation, checkpoints and restarts, over step time [1]."""
    device_s = ideal_device_s / USUAL_UTILIZATION
    large = device_s / (device_s + LARGE_RUN_S)
    lost = model.overhead_share + RESTART_SHARE * np.sqrt(devices / MANY_DEVICES)
    return transformer_share(features) * (1.0 - features.steady) * large * lost


def transformer_share(features: RunFeatures) -> Number:
    """Return 1 for a transformer, 0 for other network kinds [1]."""
    return 1.0 - (
        features.convolution
        + features.depthwise
        + features.unet
        + features.other
        + features.recurrent
    )
