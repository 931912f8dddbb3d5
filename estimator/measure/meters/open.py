"""Meters of this machine."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from estimator.measure.host import processor_name
from estimator.measure.meters.codecarbon import open_codecarbon
from estimator.measure.meters.nvml import open_nvml
from estimator.measure.meters.rapl import open_rapl
from estimator.runs.meter import Meter, MeterError

AMD_NODES = "sys/class/kfd/kfd/topology/nodes"
"""Folder of the compute nodes of AMD's driver, CPUs included, below the root."""

AMD_VISIBLE = ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES")
"""Variables that hide AMD boards; the first one set counts."""


def open_meters(
    *, root: Path = Path("/"), environment: Mapping[str, str] = os.environ, modelled: bool = True
) -> tuple[list[Meter], list[str]]:
    """Open all available meters.

    Boards through their driver, CPU and memory through CPU counters, and the rest, AMD boards
    included, through CodeCarbon, mostly modelled.

    Parameters
    ----------
    modelled : bool
        Whether what no meter measures may be modelled from the load.

    Returns
    -------
    list of Meter
        At most one per component; `close` them.
    list of str
        What cannot be had, and how it could be.
    """
    notes: list[str] = []
    boards = partial(open_nvml, environment, root=root)
    counters = partial(open_rapl, root, processor=processor_name(root))
    meters = _opened("gpu", boards, notes) + _opened("cpu", counters, notes)
    known = {meter.component for meter in meters}
    missing = [one for one in ("cpu", "dram") if modelled and one not in known]
    gpus = amd_boards(root, environment, notes)
    if missing or gpus:
        try:
            meters += open_codecarbon(missing, gpus=gpus, processor=processor_name(root))
        except MeterError as error:
            notes.append(str(error))
    return meters, notes


def amd_boards(root: Path, environment: Mapping[str, str], notes: list[str]) -> list[int]:
    """Numbers of the AMD boards that this process may use, as their driver counts."""
    try:
        nodes = sorted((root / AMD_NODES).iterdir(), key=lambda node: int(node.name))
        boards = sum((node / "gpu_id").read_text(encoding="ascii").strip() != "0" for node in nodes)
    except (OSError, ValueError):
        return []
    name = next((name for name in AMD_VISIBLE if name in environment), None)
    if boards == 0 or name is None:
        return list(range(boards))
    words = [word.strip() for word in environment[name].split(",") if word.strip()]
    if not all(word.isdigit() and int(word) < boards for word in words):
        notes.append(
            f"boards of AMD are not measured: {name} names them otherwise than by their numbers "
            f"0 to {boards - 1}"
        )
        return []
    return [int(word) for word in dict.fromkeys(words)]


def _opened(
    part: str, meters: Callable[[], tuple[Sequence[Meter], list[str]]], notes: list[str]
) -> list[Meter]:
    """Available meters of a part of the machine, with notes on the others."""
    try:
        found, left_out = meters()
    except MeterError as error:
        notes.append(f"{part}: {error}")
        return []
    notes += left_out
    return list(found)
