"""Communication of a run between devices and memories, relative to its work.

Besides a layer's values, a step moves gradients between replicas (data parallelism), partial
results between devices that share a layer (tensor and expert parallelism), and weights with
optimizer state through memory. Each is the time relative to the step's work at the peak, before
overlap; `estimator.training.mechanism` has parameters for the exposed share.
"""

from dataclasses import dataclass

import numpy as np

from estimator.core.hardware import DEVICES_PER_NODE
from estimator.core.uncertainty import Number
from estimator.networks.formulas import FLOP_PER_PARAM_AND_TOKEN

UNSPECIFIED = float("nan")
"""Unspecified parallelism: the typical one."""

STATE_BYTES = 16.0
"""Memory per trained parameter [B]: 16-bit weight and gradient, 32-bit weight, two Adam moments
(Rajbhandari et al. 2020, arXiv:1910.02054, sec. 3.1).
"""

FREE_SHARE = 0.7
"""Share of device memory available to training state, next to activations [1]."""

NETWORK_SHARE = 1.0 / 24.0
"""Network over link bandwidth of a device [1]: DGX A100, 200 Gbit/s per GPU behind 600 GB/s."""

LAYER_RING = 1.0 / 9.0
"""Four ring all-reduces per layer, 8 h values per token, over its 72 h^2 FLOPs [1]."""

FORWARD_SHARE = 0.5
"""Share of all-reduces and exchanges in the forward pass, repeated by recomputation [1];
Korthikanti et al. 2022, sec. 4.1.
"""

EXPERTS_OF_TOKEN = 8.0
"""Active experts per token, as in DeepSeek-V3, Qwen3 and OLMoE [1]."""

EXPERT_ROUTE = 4.0 * EXPERTS_OF_TOKEN / 72.0
"""Four exchanges of a token with eight experts over the 72 h^2 FLOPs of a layer [1]."""

USUAL_EXPERT_PARALLEL = 8.0
"""Default devices that share the experts [1]: a node."""

SMALLEST_SHARE = 256.0
"""Least tokens per step and device with unspecified batch [token]."""

USUAL_VIRTUAL_STAGES = 2.0
"""Default virtual stages per device [1]: pipelines of large models are usually interleaved;
Narayanan et al. 2021, sec. 2.2.
"""


@dataclass(frozen=True, kw_only=True)
class TrainingMachine:
    """Device figures that the mechanism needs.

    Parameters
    ----------
    peak_flop_per_s : float or array
        Dense peak at the precision of the run [FLOP/s].
    peak_16_bit_flop_per_s : float or array
        Dense peak in 16 bits, or the run's peak if that is lower [FLOP/s].
    memory_bytes_per_s : float or array
        Memory bandwidth [B/s].
    memory_bytes : float or array
        Memory size [B].
    link_bytes_per_s : float or array
        Bandwidth to devices in the same node [B/s].
    network_bytes_per_s : float or array
        Bandwidth to other nodes [B/s].
    matrix_units : float or array
        Flag: matrix units support the format of the run.
    compiled : float or array
        Flag: a whole-graph compiler fuses elementwise work, as on TPUs.
    node_devices : float or array
        Devices on one fast link [1].
    rare : float or array
        Flag: a device type with few published runs.
    launched : float or array
        Flag: a host launches operations one by one, as on GPUs.
    """

    peak_flop_per_s: Number
    peak_16_bit_flop_per_s: Number
    memory_bytes_per_s: Number
    memory_bytes: Number
    link_bytes_per_s: Number
    network_bytes_per_s: Number
    matrix_units: Number = 1.0
    compiled: Number = 0.0
    node_devices: Number = DEVICES_PER_NODE
    rare: Number = 0.0
    launched: Number = 1.0


@dataclass(frozen=True, kw_only=True)
class TrainingLayout:
    """Layout of a run; NaN means unknown, so typical.

    Parameters
    ----------
    params, active_params : float or array
        Total parameters, and parameters active per token [1].
    batch_tokens : float or array
        Tokens per optimizer step [token].
    recomputation : float or array
        Share of layers recomputed in the backward pass [1].
    tensor_parallel, pipeline_parallel, expert_parallel : float or array
        Devices per layer, pipeline stages, and devices that share the experts [1].
    micro_batches : float or array
        Micro-batches that pass through the pipeline per step [1].
    virtual_stages : float or array
        Interleaved stages per pipeline device [1].
    """

    params: Number
    active_params: Number
    batch_tokens: Number
    recomputation: Number
    tensor_parallel: Number = UNSPECIFIED
    pipeline_parallel: Number = UNSPECIFIED
    expert_parallel: Number = UNSPECIFIED
    micro_batches: Number = UNSPECIFIED
    virtual_stages: Number = UNSPECIFIED


@dataclass(frozen=True, kw_only=True)
class TrainingTraffic:
    """Communication time over the step's work at the peak, before overlap [1].

    Parameters
    ----------
    gradients : float or array
        Time of exchanging gradients between replicas.
    layers : float or array
        Time of exchanging partial results between devices that share a layer or its experts.
    updates_per_byte : float or array
        Time of the parameter update, per byte moved for each parameter [1/B].
    bubble : float or array
        Time in which stages wait for the first and last micro-batch.
    """

    gradients: Number
    layers: Number
    updates_per_byte: Number
    bubble: Number


def traffic(
    layout: TrainingLayout,
    machine: TrainingMachine,
    *,
    hidden: Number,
    seq_len: Number,
    value_bytes: Number,
    devices: Number,
) -> TrainingTraffic:
    """Return the communication of a transformer relative to its work.

    Experts are distributed: a device stores the active parameters and its share of the others.

    Parameters
    ----------
    layout, machine
        Parallelism and device.
    hidden : float or array
        Hidden size [1].
    seq_len : float or array
        Tokens per sequence [token].
    value_bytes : float or array
        Bytes per value [B].
    devices : float or array
        Number of devices of the run [1].

    Returns
    -------
    Traffic
        Fields that broadcast together.

    References
    ----------
    .. [1] D. Narayanan et al., "Efficient large-scale language model training on GPU clusters using
       Megatron-LM", 2021, arXiv:2104.04473, sec. 2 and 3.
    """
    peak = machine.peak_flop_per_s
    experts = np.where(
        np.isnan(layout.expert_parallel),
        np.minimum(USUAL_EXPERT_PARALLEL, devices),
        layout.expert_parallel,
    )
    held = layout.active_params + (layout.params - layout.active_params) / experts
    product = layout.tensor_parallel * layout.pipeline_parallel
    needed = held * STATE_BYTES / (FREE_SHARE * machine.memory_bytes)
    shared_by = np.minimum(np.where(np.isnan(product), np.maximum(needed, 1.0), product), devices)
    copies = devices / shared_by
    inside = np.where(
        np.isnan(layout.tensor_parallel),
        np.minimum(shared_by, DEVICES_PER_NODE),
        layout.tensor_parallel,
    )
    sparse = layout.active_params < layout.params
    tokens = np.maximum(layout.batch_tokens, SMALLEST_SHARE * devices) / copies
    params_per_flop = held / layout.active_params / (FLOP_PER_PARAM_AND_TOKEN * tokens)
    between = _between_replicas(machine, devices)
    ring = LAYER_RING * (inside - 1.0) / machine.link_bytes_per_s
    routes = sparse * EXPERT_ROUTE * _expert_exchange(machine, experts)
    forward_again = 1.0 + FORWARD_SHARE * layout.recomputation
    return TrainingTraffic(
        gradients=peak * 2.0 * value_bytes * (1.0 - 1.0 / copies) * params_per_flop / between,
        layers=peak * value_bytes / hidden * (ring * forward_again + routes),
        updates_per_byte=peak / machine.memory_bytes_per_s * params_per_flop,
        bubble=_bubble(layout, sequences=layout.batch_tokens / copies / seq_len),
    )


def replicated_gradients_s(
    params: Number, machine: TrainingMachine, *, value_bytes: Number, devices: Number
) -> Number:
    """Return the all-reduce time of the gradients of a fully replicated network [s].

    Parameters
    ----------
    params : float or array
        Parameters [1].
    machine : TrainingMachine
    value_bytes : float or array
        Bytes per value [B].
    devices : float or array
        Number of devices of the run [1].

    Returns
    -------
    float or array, all broadcast together.
    """
    return 2.0 * params * exchanged_value_s(machine, value_bytes=value_bytes, devices=devices)


def exchanged_value_s(machine: TrainingMachine, *, value_bytes: Number, devices: Number) -> Number:
    """Return the time to receive a value from a random device [s]; arguments as above."""
    return value_bytes * (1.0 - 1.0 / devices) / _between_replicas(machine, devices)


def _between_replicas(machine: TrainingMachine, devices: Number) -> Number:
    """Return the bandwidth between replicas, within the node or over the network [B/s]."""
    in_node = devices <= machine.node_devices
    return np.where(in_node, machine.link_bytes_per_s, machine.network_bytes_per_s)


def _expert_exchange(machine: TrainingMachine, experts: Number) -> Number:
    """Return the time per byte that a token exchanges with its experts [s/B].

    A token crosses the network once per other node with one of its experts and is forwarded inside
    that node [1]_.

    References
    ----------
    .. [1] DeepSeek-AI, "DeepSeek-V3 technical report", 2024, arXiv:2412.19437, sec. 3.2.2.
    """
    nodes = np.maximum(experts / machine.node_devices, 1.0)
    reached = nodes * (1.0 - (1.0 - 1.0 / nodes) ** EXPERTS_OF_TOKEN)
    across = reached * (1.0 - 1.0 / nodes) / EXPERTS_OF_TOKEN
    inside = 1.0 - 1.0 / np.minimum(experts, machine.node_devices)
    return inside / machine.link_bytes_per_s + across / machine.network_bytes_per_s


def _bubble(layout: TrainingLayout, *, sequences: Number) -> Number:
    """Return pipeline bubble over busy time: (stages - 1) / (virtual stages x micro-batches) [1].

    Unspecified micro-batches are single sequences of a replica's `sequences`.
    """
    stages = np.where(np.isnan(layout.pipeline_parallel), 1.0, layout.pipeline_parallel)
    parts = np.where(
        np.isnan(layout.micro_batches), np.maximum(sequences, stages), layout.micro_batches
    )
    virtual = np.where(np.isnan(layout.virtual_stages), USUAL_VIRTUAL_STAGES, layout.virtual_stages)
    return np.asarray((stages - 1.0) / (virtual * parts), dtype=np.float64)
