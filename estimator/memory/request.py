"""What does the user ask about memory: one question, in the words of the command line."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
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
from estimator.question.declaration import declared, inputs_of

LORA_RANK = 16.0
"""Rank of adapters where none is given [1]; in the range of E. Hu et al., "LoRA", 2021,
arXiv:2106.09685, table 6."""


_model, _use, _hardware, _parallelism = (
    partial(declared, label="", group=group)
    for group in ("model", "network", "hardware", "parallelism")
)


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question about memory; None is unspecified, and what is then assumed is listed.

    `model` is the path of a config.json, its text, or a preset; `fsdp` says that states are sharded
    by FSDP rather than ZeRO: fine-tuning then commonly keeps no fp32 copies.
    """

    model: str | None = None
    params: float | None = _model("parameters, if there is no config", example="7e9")
    precision: str = _model(
        "bf16, fp16, fp32, tf32, fp8; bf16-true, bf16 AMP; with --inference or adapters nf4, int8, "
        '"GPTQ 4 bit" and the like (default: bf16)',
        default="bf16",
    )
    weights: str | None = _model(
        "format of served or frozen weights", choices=("nf4", "nf4-dq", "int4", "int8")
    )
    kv_precision: str | None = _model(
        "format of the key-value cache", choices=("bf16", "fp16", "fp8", "int8", "fp32")
    )
    adapter_precision: str | None = _model(
        "format that adapters compute in (default: as under autocast)",
        choices=("fp32", "bf16", "fp16"),
    )
    states: str | None = _model(
        "gradients and optimizer in the format of the weights, or with fp32 copies",
        choices=("pure", "mixed"),
    )
    fp32_gradients: bool = _model("accumulate gradients in fp32, as Megatron does", default=False)
    inference: bool = _use("serve instead of train: weights and key-value cache", default=False)
    batch: float = _use(
        "sequences at a time per data-parallel rank or replica (default: 1)",
        default=1.0,
        aliases=("micro-batch",),
    )
    seq_len: float | None = _use("tokens per training sequence (default: up to 2048)")
    context: float | None = _use("tokens kept per sequence, with --inference (default: up to 2048)")
    prefill_tokens: float | None = _use(
        "prompt tokens that pass a layer at once, with --inference (default: 8192)"
    )
    optimizer: str = _use(
        "optimizer (default: adamw)",
        default="adamw",
        choices=(
            *("adamw", "sgd", "sgd-momentum", "adafactor", "muon"),
            *("adam-8bit", "adam-4bit"),
        ),
    )
    recompute: str = _use(
        "activations recomputed (default: none)",
        default="none",
        choices=("none", "selective", "full"),
        aliases=("recomputation",),
    )
    attention: str = _use(
        "kernel of attention; eager keeps its scores (default: fused)",
        default="fused",
        choices=("fused", "eager"),
        aliases=("flash-attention",),
    )
    loss: str | None = _use(
        "chunked: the logits are never all held at once", choices=("plain", "chunked")
    )
    accumulation: str | None = _use(
        "micro-batches of a step; gradients of several stay beside the activations "
        "(default: several)",
        choices=("none", "several"),
    )
    dropout: bool = _use("keep dropout masks, as in GPT-2 and GPT-3", default=False)
    finetune: str | None = _use(
        "adapt an existing model; qlora: a base in 4 bit", choices=("full", "lora", "qlora")
    )
    lora_rank: float | None = _use("rank of the adapters (default: 16)")
    lora_targets: str | None = _use(
        "matrices with an adapter; qv: queries and values (default: all)", choices=("all", "qv")
    )
    train_embeddings: bool = _use(
        "train the token table and head beside the adapters", default=False
    )
    fused_backward: bool = _use(
        "run the optimizer step within the backward pass: no gradients are kept", default=False
    )
    hardware: str | None = _hardware(
        "device by id, alias or NVML name; without one only the need is shown", example="h100"
    )
    devices: float = _hardware(
        "number of devices (default: 1; a TPU slice: its chips)", default=1.0
    )
    counted: str | None = _hardware(
        "what the total counts: by the framework allocated or reserved, or all that nvidia-smi "
        "shows and that has to fit (default: all)",
        choices=("allocated", "reserved", "nvidia-smi"),
    )
    zero: float | None = _parallelism("ZeRO stage, 0 to 3 (default: 3)")
    tensor_parallel: float | None = _parallelism(
        "devices that each layer is split across (default: 1, all with --inference)"
    )
    pipeline_parallel: float = _parallelism("pipeline stages (default: 1)", default=1.0)
    sequence_parallel: bool = _parallelism(
        "split the norms across the tensor-parallel devices, too", default=False
    )
    offload: bool = _parallelism("keep weights and optimizer states in host memory", default=False)
    offload_activations: bool = _parallelism(
        "keep stored activations in host memory", default=False
    )
    fsdp: bool = False


INPUTS = inputs_of(Question)
"""Field -> its declaration; those without one are filled by what is written."""

CHOICES = {name: one.choices for name, one in INPUTS.items() if one.choices}
"""Words that a question may use, once read (`as_written`)."""

PRECISIONS = ("bf16", "fp16", "fp32", "tf32", "fp8", "int8", "fp4")
"""Precisions that mean just themselves."""


def as_written(words: Mapping[str, str], fixed: Mapping[str, Any]) -> dict[str, Any]:
    """Read the words of a command line or a table into the fields of a question.

    A slice of TPUs is all of its chips where no number of devices is given.

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
        elif name == "recompute":
            found["recompute"], hosted = read_recomputation(word)
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
