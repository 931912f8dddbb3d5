"""Training state per parameter, and whether all devices together fit it."""

import math

import numpy as np

from estimator.catalog import Catalog, Device
from estimator.core.notice import Notice
from estimator.core.rows import Floats, Mask
from estimator.core.units import human, human_count
from estimator.memory.request import MemoryQuestion
from estimator.question.provenance import Found, of_all, prior

DOES_NOT_FIT = "does_not_fit"
"""Notice code of a run that exceeds the memory of all devices."""

TRAINING = {"bf16": 2.0, "fp16": 2.0, "fp32": 4.0, "tf32": 4.0, "fp8": 2.0}
"""Compute format -> bytes per weight and activation [byte]; with fp8 both stay in 16 bits and are
cast, as in Transformer Engine.
"""

FROZEN = {"lora": TRAINING["bf16"], "qlora": 0.5}
"""Bytes per frozen weight under adapters: 16 or 4 bits [byte]."""

MASTER_BYTES = 4.0
"""Bytes of an fp32 master copy per 16-bit weight [byte]; Micikevicius et al. 2018,
arXiv:1710.03740, sec. 3.1.
"""


def states_of(question: MemoryQuestion) -> str:
    """Return the optimizer and precision of the training state, as given or typical.

    Pretraining and ZeRO keep fp32 copies; full fine-tuning on one device or with FSDP usually runs
    in 16 bits throughout; adapters are small and stay in fp32.
    """
    if question.states is not None:
        return question.states
    sharded = question.zero not in (None, 0.0) and not question.fsdp
    whole = question.finetune == "full" and not sharded
    return "pure" if whole and TRAINING[question.precision] < MASTER_BYTES else "mixed"


def trained(
    question: MemoryQuestion, catalog: Catalog
) -> Found[tuple[dict[str, float], dict[str, float]]]:
    """Return the bytes per trained parameter, inside and outside the layer matrices."""
    size = TRAINING[question.precision]
    key = "memory.optimizer_bytes_per_param."
    state = prior(catalog, key + question.optimizer, "optimizer")
    outside = prior(catalog, key + "adamw", "optimizer")
    pure = states_of(question) == "pure"
    fp32 = question.fp32_gradients or (question.offload and not pure)
    on_device = 0.0 if question.offload else 1.0
    common = {
        "weights_bytes": size,
        "gradients_bytes": (MASTER_BYTES if fp32 else size) * on_device,
        "master_bytes": MASTER_BYTES * on_device if size < MASTER_BYTES and not pure else 0.0,
    }
    shrunk = size / MASTER_BYTES if pure and not question.optimizer.endswith("bit") else 1.0
    other = outside if question.optimizer == "muon" else state
    inner = {**common, "optimizer_bytes": float(state.value.mid) * shrunk * on_device}
    outer = {**common, "optimizer_bytes": float(other.value.mid) * shrunk * on_device}
    return of_all((inner, outer), state, outside)


def memory_of(device: Device) -> float:
    """Return the memory of a device, infinite if unknown [byte]."""
    if device.kind == "brain" or "memory_bytes" not in device.records:
        return math.inf
    return device.records["memory_bytes"].value


def too_large(
    params: Floats, held_bytes: Floats, *, frozen_bytes: Floats, catalog: Catalog
) -> tuple[Mask, Floats]:
    """Return whether even a fully sharded training state exceeds the devices.

    Counts weights, gradients and AdamW, or frozen weights of adapters, but no activations: no
    setting fits what this refuses.

    Parameters
    ----------
    params : array
        Total parameters, including experts [1].
    held_bytes : array
        Memory of all devices of a run together [byte].
    frozen_bytes : array
        Bytes per frozen weight, NaN if weights are trained [byte].
    catalog : Catalog

    Returns
    -------
    array of bool, array
        Whether the state exceeds the memory, and the state's size [byte].
    """
    whole = catalog.once(
        "bytes of a trained parameter",
        lambda: float(sum(trained(MemoryQuestion(), catalog).value[0].values())),
    )
    needed = params * np.where(np.isnan(frozen_bytes), whole, frozen_bytes)
    return needed > held_bytes, needed


def does_not_fit(
    device: Device, *, devices: float, params: float, needed_bytes: float, frozen: bool
) -> Notice:
    """Return the notice on a training state too large for its devices."""
    held = memory_of(device)
    there = "one" if devices == 1 else f"{devices:,.0f} x"
    values = {
        "fleet": f"{there} {device.name}",
        "what": "the frozen weights" if frozen else "weights, gradients and AdamW",
        "params": human_count(params),
        "needed": human(needed_bytes, "B"),
        "held": human(devices * held, "B"),
        "count": float(math.ceil(needed_bytes / held)),
    }
    return Notice(DOES_NOT_FIT, "devices", values)
