"""What does the user ask about memory: one question, in the words of the command line."""

from collections.abc import Mapping
from dataclasses import dataclass

CHOICES: Mapping[str, tuple[str, ...]] = {
    "optimizer": ("adamw", "sgd", "sgd-momentum", "adafactor", "muon", "adam-8bit"),
    "recompute": ("none", "selective", "full"),
    "attention": ("fused", "eager"),
    "finetune": ("full", "lora", "qlora"),
}
"""Words that a question may use."""

LORA_RANK = 16.0
"""Rank of adapters where none is said [1]; in the range of E. Hu et al., "LoRA", 2021,
arXiv:2106.09685, table 6."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question about memory; None was not said, and what is then assumed is told.

    Parameters
    ----------
    model : str, optional
        A config.json or a preset.
    params : float, optional
        Parameters, where there is no architecture. [1]
    hardware : str, optional
        Device by id or alias; without one only the need is told.
    devices, tensor_parallel, pipeline_parallel, zero, batch, seq_len
        As in `Plan`; `tensor_parallel` is all devices of a stage when serving.
    context : float, optional
        Tokens kept per sequence when serving. [token]
    precision, optimizer, recompute, attention, finetune : str
        By name.
    lora_rank : float, optional
        Rank of the adapters, 16 if not said. [1]
    inference, sequence_parallel, fp32_gradients : bool
        Serve instead of train; share the norms too; accumulate gradients in fp32.
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
    recompute: str = "none"
    attention: str = "fused"
    zero: float | None = None
    tensor_parallel: float | None = None
    pipeline_parallel: float = 1.0
    finetune: str | None = None
    lora_rank: float | None = None
    inference: bool = False
    sequence_parallel: bool = False
    fp32_gradients: bool = False
