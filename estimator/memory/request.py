"""Memory question, and parsing of its words."""

from collections.abc import Mapping
from dataclasses import dataclass
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
from estimator.question.inputs import Question

LORA_RANK = 16.0
"""Default rank of adapters [1], in the range of E. Hu et al., "LoRA", 2021, arXiv:2106.09685, table
6.
"""


@dataclass(frozen=True, kw_only=True)
class MemoryQuestion(
    Question,
    wording={
        "params": {
            "help": "parameters, if there is no config",
            "group": "model",
            "unit": "",
        },
        "precision": {
            "help": "bf16, fp16, fp32, tf32, fp8; bf16-true, bf16 AMP; with --inference or "
            'adapters nf4, int8, "GPTQ 4 bit" and the like (default: bf16)',
            "group": "model",
            "choices": (),
        },
        "kv_precision": {
            "help": "format of the key-value cache",
            "choices": ("bf16", "fp16", "fp8", "int8", "fp32"),
        },
        "seq_len": {
            "help": "tokens per training sequence (default: up to 2048)",
            "example": "",
        },
        "recomputation": {
            "help": "activations recomputed (default: none, or full in training that fits no other "
            "way)",
            "group": "network",
        },
        "finetune": {"help": "adapt an existing model; qlora: a base in 4 bit"},
        "hardware": {
            "help": "device by id, alias or NVML name; without one only the need is shown",
        },
        "devices": {
            "help": "number of devices (default: 1; a TPU slice: its chips)",
            "example": "",
        },
        "tensor_parallel": {
            "help": "devices that each layer is split across (default: 1, all with --inference)",
            "example": "",
        },
        "pipeline_parallel": {"help": "pipeline stages (default: 1)", "example": ""},
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


def as_written(words: Mapping[str, str], fixed: Mapping[str, Any]) -> dict[str, Any]:
    """Parse the words of a command line or table into fields of a question.

    Without a device count, a TPU slice uses all of its chips.

    Parameters
    ----------
    words : mapping
        Field -> text as people write it, ``sharding`` among them.
    fixed : mapping
        Fields that are given already; they win.

    Returns
    -------
    dict
        Fields of `MemoryQuestion`.

    Raises
    ------
    ValueError
        If a word cannot be read.

    Examples
    --------
    >>> as_written({"precision": "nf4 weights, bf16 compute", "sharding": "fsdp 2"}, {})
    {'precision': 'bf16', 'weights': 'nf4', 'zero': 3.0, 'devices': 2.0, 'fsdp': True}
    >>> as_written({"hardware": "v5p-64"}, {})
    {'hardware': 'v5p-64', 'devices': 32.0}
    """
    found: dict[str, Any] = {}
    for name, word in words.items():
        if name == "precision":
            found |= _precision(word)
        elif name == "sharding":
            found |= _sharding(word)
        elif name == "optimizer":
            found["optimizer"] = read_optimizer(word)
            found |= {"fused_backward": True} if "in backward" in word.casefold() else {}
        elif name == "recomputation":
            found["recomputation"], hosted = read_recomputation(word)
            found |= {"offload_activations": True} if hosted else {}
        elif name == "attention":
            found["attention"] = read_attention(word)
        else:
            found[name] = word
    if "weights" in words:
        found["weights"] = words["weights"]
    found |= fixed
    if "hardware" in found:
        found.setdefault("devices", float(chips_of_slice(found["hardware"])))
    return found


def _precision(text: str) -> dict[str, Any]:
    """Fields set by a precision text."""
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
    """Fields set by a sharding text."""
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
