"""Boards of a cluster, from the series of NVIDIA's DCGM exporter.

Names and units follow dcgm-exporter's counters (etc/default-counters.csv of
github.com/NVIDIA/dcgm-exporter). A MIG-partitioned board repeats its power for every part.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from estimator.catalog import Catalog
from estimator.measure.cluster.nodes import in_order, number_in, short_name
from estimator.measure.cluster.prometheus import Labels, MetricSeries, Window
from estimator.measure.cluster.series import inside, merged, samples_of, with_resets, without_resets
from estimator.runs.energy import EnergySummary, summarise
from estimator.runs.meter import MeterError
from estimator.runs.record import Condition, MeasuredDevice

POWER, COUNTER = "DCGM_FI_DEV_POWER_USAGE", "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"
TEMPERATURE, CLOCK = "DCGM_FI_DEV_GPU_TEMP", "DCGM_FI_DEV_SM_CLOCK"
BUSY, ENGINE = "DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_PROF_GR_ENGINE_ACTIVE"
MEMORY, COPIES = "DCGM_FI_PROF_DRAM_ACTIVE", "DCGM_FI_DEV_MEM_COPY_UTIL"
TENSOR = "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE"

SCALE: Mapping[str, float] = {
    POWER: 1.0,
    COUNTER: 1e-3,
    TEMPERATURE: 1.0,
    CLOCK: 1e6,
    BUSY: 1e-2,
    ENGINE: 1.0,
    MEMORY: 1.0,
    COPIES: 1e-2,
    TENSOR: 1.0,
}
"""Metric -> factor to W, J, degC, Hz or a share [1]."""

PROFILING = (TENSOR, MEMORY)
"""Metrics that an exporter may omit."""

BLANK = 2.0**47
"""Values from here on mean "not known": DCGM_FP64_BLANK of dcgm_structs.h."""

NODE_LABELS = (
    *("Hostname", "node_name", "nodename", "node", "hostname", "kubernetes_node"),
    *("exported_instance", "instance"),
)
"""Labels that name the node, the most specific first."""

UNKNOWN_BOARD_LIMIT_W = 2000.0
"""Limit on the readings of boards without a profile [W]; no board draws more."""


@dataclass(frozen=True, kw_only=True)
class DcgmBoard:
    """Board, identified by its labels.

    Parameters
    ----------
    id : str
        Its UUID, or its index where the exporter tells no UUID.
    """

    node: str
    id: str
    index: str
    name: str


def node_of(labels: Labels) -> tuple[str, str]:
    """Label that names the node of a series, and its value."""
    known = dict(labels)
    for label in NODE_LABELS:
        if known.get(label):
            return label, known[label]
    raise MeterError(
        f"series of {known.get('__name__', 'a metric')} have no label that names their node: "
        f"{', '.join(NODE_LABELS)}"
    )


def board_of(labels: Labels) -> DcgmBoard:
    """Board of a series; errors as for `node_of`."""
    known = dict(labels)
    index = known.get("gpu") or known.get("device", "").removeprefix("nvidia")
    board = DcgmBoard(
        node=short_name(node_of(labels)[1]),
        id=known.get("UUID", "") or index,
        index=index,
        name=known.get("modelName", "") or "NVIDIA board",
    )
    if not board.id:
        raise MeterError("board series cannot be distinguished: they have no UUID or gpu label")
    return board


def is_part(labels: Labels) -> bool:
    """Return whether a series belongs to a part of a partitioned GPU."""
    return bool(dict(labels).get("GPU_I_ID"))


def devices_of(found: Iterable[Labels], catalog: Catalog) -> dict[tuple[str, str], MeasuredDevice]:
    """Return (node, id) -> device for some series, ordered by node and board."""
    boards: dict[tuple[str, str], DcgmBoard] = {}
    divided: set[tuple[str, str]] = set()
    for labels in found:
        board = board_of(labels)
        boards[board.node, board.id] = board
        divided |= {(board.node, board.id)} if is_part(labels) else set()
    numbers = {node: at for at, node in enumerate(in_order(one.node for one in boards.values()))}

    def place(board: DcgmBoard) -> tuple[int, int, str, str]:
        number = number_in(board.index)
        by_index = len(boards) if number is None else number
        return numbers[board.node], by_index, board.index, board.id

    ordered = sorted(boards.values(), key=place)
    keys = [f"node{numbers[one.node]}/gpu:{one.index or at}" for at, one in enumerate(ordered)]
    uses = Counter(keys)
    return {
        (board.node, board.id): MeasuredDevice(
            key=key if uses[key] == 1 else f"{key}:{board.id[-8:]}",
            kind="gpu",
            name=board.name,
            hardware=catalog.find_device(board.name),
            uuid=board.id if board.id != board.index else None,
            shares_board="MIG" if (board.node, board.id) in divided else None,
        )
        for key, board in zip(keys, ordered, strict=True)
    }


def limit_w(device: MeasuredDevice, catalog: Catalog) -> float:
    """Power limit of a board from its profile [W]."""
    if device.hardware is not None:
        record = catalog.device(device.hardware).records.get("tdp_w")
        if record is not None:
            return record.value
    return UNKNOWN_BOARD_LIMIT_W


def scaled(metric: str, series: Sequence[MetricSeries]) -> MetricSeries:
    """Convert a board's series to our units, without missing values."""
    one = merged(series)
    known = (one.value >= 0) & (one.value < BLANK)
    return MetricSeries(time_s=one.time_s[known], value=one.value[known] * SCALE[metric])


def board_summary(
    device: MeasuredDevice, series: Mapping[str, MetricSeries], window: Window, limit_w: float
) -> EnergySummary:
    """Energy of a board from its counter if available, checked by the power integral.

    Parameters
    ----------
    series : mapping
        `POWER` and `COUNTER` in W and J, each if there are such series.
    """
    counter, resets = None, 0
    if COUNTER in series:
        counter, resets = without_resets(series[COUNTER], limit_w)
        counter = inside(counter, window)
    power = inside(series[POWER], window) if POWER in series else None
    summary = summarise(
        device.key,
        "dcgm power",
        "sampled",
        samples_of(power, counter),
        duration_s=window.length_s,
        limit_w=limit_w,
    )
    return with_resets(summary, device.key, resets)


def condition_of(device: MeasuredDevice, series: Mapping[str, tuple[float, float]]) -> Condition:
    """State of a board from means and peaks of its other metrics.

    For a partitioned board, only temperature and clock apply.
    """
    whole = device.shares_board is None

    def mean(*metrics: str) -> float | None:
        return next((series[one][0] for one in metrics if one in series), None)

    def share(*metrics: str) -> float | None:
        value = mean(*metrics)
        return min(1.0, value) if value is not None and whole else None

    return Condition(
        component=device.key,
        temperature_c=mean(TEMPERATURE),
        peak_temperature_c=series[TEMPERATURE][1] if TEMPERATURE in series else None,
        clock_hz=mean(CLOCK),
        busy=share(BUSY, ENGINE),
        memory_busy=share(MEMORY, COPIES),
        tensor_busy=share(TENSOR),
    )


def mean_and_peak(series: MetricSeries) -> tuple[float, float] | None:
    """Mean over time and highest value, or None without samples."""
    if not len(series.value):
        return None
    return float(np.mean(series.value)), float(np.max(series.value))
