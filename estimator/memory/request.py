"""Memory question, and parsing of its words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from estimator.catalog.device_names import chips_of_slice
from estimator.memory.formats import (
    read_adapter_format,
    read_attention,
    read_formats,
    read_kv_format,
    read_optimizer,
    read_recomputation,
    read_sharding,
)
from estimator.question.inputs import Question, read_question

LORA_RANK = 16.0
"""Default rank of adapters [1], in the range of E. Hu et al., "LoRA", 2021, arXiv:2106.09685, table
6.
"""


@dataclass(frozen=True, kw_only=True)
class MemoryQuestion(
    Question,
    wording={
        "params": {
            "help": "total parameters, if there is no config.json",
            "group": "model",
            "unit": "",
        },
        "precision": {
            "help": "number format: bf16, fp16, fp32, tf32, fp8, bf16-true or bf16 AMP; with "
            '--inference or adapters also nf4, int8, "GPTQ 4 bit" and similar (default: '
            "bf16)",
            "group": "model",
            "choices": (),
        },
        "kv_precision": {
            "help": "number format of the key-value cache",
            "choices": ("bf16", "fp16", "fp8", "int8", "fp32"),
        },
        "seq_len": {
            "help": "tokens per training sequence (default: up to 2048)",
            "example": "",
        },
        "recomputation": {
            "help": "activation recomputation, also called checkpointing (default: none, or full "
            "if training fits no other way)",
            "group": "network",
        },
        "finetune": {"help": "fine-tune an existing model; qlora is LoRA on a 4-bit base model"},
        "hardware": {
            "help": "device, by id, alias or the name that NVML reports; without one, only the "
            "memory needed is shown",
        },
        "devices": {
            "help": "number of devices (default: 1; for a TPU slice, its number of chips)",
            "example": "",
        },
        "tensor_parallel": {
            "help": "number of devices that each layer is split across (default: 1; with "
            "--inference, all)",
            "example": "",
        },
        "pipeline_parallel": {"help": "number of pipeline stages (default: 1)", "example": ""},
    },
):
    """Memory question; None means unspecified, and assumptions get a notice.

    `model` is the path of a config.json, its text, or a preset; `fsdp` selects FSDP over ZeRO
    sharding, so fine-tuning usually keeps no fp32 copies.
    """

    model: str | None = None
    params: float | None = None
    precision: str = "bf16"
    weights: str | None = None
    kv_precision: str | None = None
    adapter_precision: str | None = None
    states: str | None = None
    fp32_gradients: bool = False
    inference: bool = False
    micro_batch: float = 1.0
    seq_len: float | None = None
    context: float | None = None
    prefill_tokens: float | None = None
    optimizer: str = "adamw"
    recomputation: str | None = None
    attention: str = "fused"
    loss: str | None = None
    accumulation: str | None = None
    dropout: bool = False
    finetune: str | None = None
    lora_rank: float | None = None
    lora_targets: str | None = None
    train_embeddings: bool = False

    fused_backward: bool = False

    hardware: str | None = None
    devices: float = 1.0

    counted: str | None = None
    zero: float | None = None
    tensor_parallel: float | None = None
    pipeline_parallel: float = 1.0
    sequence_parallel: bool = False

    offload: bool = False
    offload_activations: bool = False

    fsdp: bool = False


PRECISIONS = ("bf16", "fp16", "fp32", "tf32", "fp8", "int8", "fp4")
"""Precisions without further meaning."""


def read_memory(cells: Mapping[str, Any]) -> MemoryQuestion:
    """Build a question from texts by input as people write them, ``sharding`` among them.

    What an input states wins over what the words of another imply. Without a device count, a TPU
    slice uses all of its chips.

    Raises
    ------
    ValueError
        If a word or number cannot be read.

    Examples
    --------
    >>> asked = read_memory({"precision": "nf4 weights, bf16 compute", "sharding": "fsdp 2"})
    >>> asked.precision, asked.weights, asked.zero, asked.devices, asked.fsdp
    ('bf16', 'nf4', 3.0, 2.0, True)
    >>> read_memory({"hardware": "v5p-64"}).devices
    32.0
    """
    implied: dict[str, Any] = {}
    for name, read in _READERS.items():
        implied |= read(cells[name]) if cells.get(name) else {}
    stated = {name: cell for name, cell in cells.items() if cell and name not in _READERS}
    if "hardware" in stated:
        implied.setdefault("devices", float(chips_of_slice(stated["hardware"])))
    others = {name: value for name, value in implied.items() if name not in stated}
    return replace(read_question(MemoryQuestion, stated), **others)


def _precision(text: str) -> dict[str, Any]:
    """Parse the fields that a precision text sets."""
    if text in PRECISIONS:
        return {"precision": text}
    formats = read_formats(text)
    if formats.compute is None and formats.weights is None:
        names = ", ".join((*PRECISIONS, "bf16-true", "bf16 AMP", "nf4", "int4"))
        raise ValueError(f"precision must be one of {names}, got {text[:40]!r}")
    found = {
        "precision": formats.compute or "bf16",
        "weights": formats.weights,
        "states": formats.states,
        "kv_precision": read_kv_format(text),
        "adapter_precision": read_adapter_format(text),
    }
    return {name: value for name, value in found.items() if value is not None}


def _sharding(text: str) -> dict[str, Any]:
    """Parse the fields that a sharding text sets."""
    shared = read_sharding(text)
    found: dict[str, Any] = {
        "zero": shared.zero,
        "tensor_parallel": shared.tensor_parallel,
        "pipeline_parallel": shared.pipeline_parallel,
        "devices": shared.devices,
    }
    if shared.pipeline_parallel is not None and shared.tensor_parallel is None:
        found["tensor_parallel"] = 1.0
    known = {name: value for name, value in found.items() if value is not None}
    return known | {name: True for name in ("fsdp", "offload") if getattr(shared, name)}


def _optimizer(text: str) -> dict[str, Any]:
    """Parse the fields that an optimizer text sets."""
    fused = {"fused_backward": True} if "in backward" in text.casefold() else {}
    return {"optimizer": read_optimizer(text), **fused}


def _recomputation(text: str) -> dict[str, Any]:
    """Parse the fields that a recomputation text sets."""
    recomputed, hosted = read_recomputation(text)
    return {"recomputation": recomputed, **({"offload_activations": True} if hosted else {})}


_READERS: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "precision": _precision,
    "sharding": _sharding,
    "optimizer": _optimizer,
    "recomputation": _recomputation,
    "attention": lambda text: {"attention": read_attention(text)},
}
"""Input -> reader of its words, which may set further inputs."""
