"""What does the user ask about memory: one question, in the words of the command line."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from estimator.memory.formats import (
    read_adapter_format,
    read_attention,
    read_formats,
    read_kv_format,
    read_optimizer,
    read_recomputation,
    read_sharding,
)

CHOICES: Mapping[str, tuple[str, ...]] = {
    "optimizer": ("adamw", "sgd", "sgd-momentum", "adafactor", "muon", "adam-8bit", "adam-4bit"),
    "recompute": ("none", "selective", "full"),
    "attention": ("fused", "eager"),
    "finetune": ("full", "lora", "qlora"),
    "weights": ("nf4", "nf4-dq", "int4", "int8"),
    "states": ("pure", "mixed"),
    "loss": ("plain", "chunked"),
    "counted": ("allocated", "reserved", "nvidia-smi"),
    "kv_precision": ("bf16", "fp16", "fp8", "int8", "fp32"),
    "accumulation": ("none", "several"),
    "lora_targets": ("all", "qv"),
    "adapter_precision": ("fp32", "bf16", "fp16"),
}
"""Words that a question may use."""

LORA_RANK = 16.0
"""Rank of adapters where none is said [1]; in the range of E. Hu et al., "LoRA", 2021,
arXiv:2106.09685, table 6."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question about memory; None is unspecified, and what is then assumed is listed.

    Parameters
    ----------
    model : str, optional
        The path of a config.json, its text, or a preset.
    params : float, optional
        Parameters, where there is no architecture. [1]
    hardware : str, optional
        Device by id or alias; without one only the need is shown.
    devices, tensor_parallel, pipeline_parallel, zero, batch, seq_len
        As in `Plan`; `tensor_parallel` is all devices of a stage when serving.
    context : float, optional
        Tokens kept per sequence when serving. [token]
    prefill_tokens : float, optional
        Tokens of prompts that pass through a layer at once when serving. [token]
    precision, optimizer, recompute, attention, finetune : str
        By name.
    lora_rank : float, optional
        Rank of the adapters, 16 if not said. [1]
    accumulation : str, optional
        Micro-batches of a step: ``several``, as is assumed, whose gradients stay beside the
        activations, or ``none`` beside the one.
    lora_targets : str, optional
        Matrices with an adapter: ``all`` of the layers if not said, or ``qv``, queries and values.
    adapter_precision : str, optional
        Format that the adapters compute in; that of the work if not said, as under autocast.
    inference, sequence_parallel, fp32_gradients : bool
        Serve instead of train; share the norms too; accumulate gradients in fp32.
    weights : str, optional
        Quantized format of served or frozen weights.
    states : str, optional
        ``pure``: gradients and optimizer in the format of the weights; ``mixed``: with fp32 copies.
    loss : str, optional
        ``chunked`` where the logits are never held at once (fused or chunked cross-entropy).
    counted : str, optional
        What the total is to be compared with: what the framework allocated, reserved, or what
        nvidia-smi shows, which is all and what has to fit.
    kv_precision : str, optional
        Format of the key-value cache.
    fsdp : bool
        Sharded by FSDP rather than ZeRO: fine-tuning then commonly keeps no fp32 copies.
    offload, offload_activations : bool
        Weights and states, or what is kept for the backward pass, in the memory of the host.
    dropout : bool
        Masks of dropout are kept, as in the first GPTs.
    train_embeddings : bool
        Adapters with trained token table and head.
    fused_backward : bool
        The optimizer steps within the backward pass, so that no gradients are kept.
    """

    model: str | None = None
    params: float | None = None
    hardware: str | None = None
    devices: float = 1.0
    precision: str = "bf16"
    optimizer: str = "adamw"
    batch: float = 1.0
    seq_len: float | None = None
    context: float | None = None
    prefill_tokens: float | None = None
    recompute: str = "none"
    attention: str = "fused"
    zero: float | None = None
    tensor_parallel: float | None = None
    pipeline_parallel: float = 1.0
    finetune: str | None = None
    lora_rank: float | None = None
    accumulation: str | None = None
    lora_targets: str | None = None
    adapter_precision: str | None = None
    inference: bool = False
    sequence_parallel: bool = False
    fp32_gradients: bool = False
    weights: str | None = None
    states: str | None = None
    loss: str | None = None
    counted: str | None = None
    kv_precision: str | None = None
    fsdp: bool = False
    offload: bool = False
    offload_activations: bool = False
    dropout: bool = False
    train_embeddings: bool = False
    fused_backward: bool = False


PRECISIONS = ("bf16", "fp16", "fp32", "tf32", "fp8", "int8", "fp4")
"""Precisions that mean just themselves."""


def as_written(words: Mapping[str, str], fixed: Mapping[str, Any]) -> dict[str, Any]:
    """Read the words of a command line or a table into the fields of a question.

    Parameters
    ----------
    words : mapping
        Field -> text as people write it, ``sharding`` among them.
    fixed : mapping
        Fields that are given already; they win.

    Returns
    -------
    dict
        Fields of `Question`.

    Raises
    ------
    ValueError
        If a word cannot be read.

    Examples
    --------
    >>> as_written({"precision": "nf4 weights, bf16 compute", "sharding": "fsdp 2"}, {})
    {'precision': 'bf16', 'weights': 'nf4', 'zero': 3.0, 'devices': 2.0, 'fsdp': True}
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
        elif name == "recompute":
            found["recompute"], hosted = read_recomputation(word)
            found |= {"offload_activations": True} if hosted else {}
        elif name == "attention":
            found["attention"] = read_attention(word)
        else:
            found[name] = word
    if "weights" in words:
        found["weights"] = words["weights"]
    return {**found, **fixed}


def _precision(text: str) -> dict[str, Any]:
    """Fields that a text on precision fills."""
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
    """Fields that a text on sharding fills."""
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
