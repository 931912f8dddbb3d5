"""Peaks of memory of fine-tuning and of generating, with every deciding field known."""

import gc
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pynvml
import torch

from tests.benchmarks.gpu.models import network

GIB = 2.0**30


@dataclass(frozen=True, kw_only=True)
class Case:
    """What to hold and to do.

    Parameters
    ----------
    model : str
        Id of the preset.
    task : str
        "full", "lora" or "inference".
    precision : str
        "bf16" weights throughout, or "fp32" weights under bf16 autocast ("mixed").
    batch, seq_len : int
    recompute, attention : str
        "none" or "full"; "sdpa" or "eager".
    lora_rank : int, optional
    optimizer : str, optional
        "AdamW", fused, with states in the format of the weights.
    """

    model: str
    task: str
    precision: str
    batch: int
    seq_len: int
    recompute: str = "none"
    attention: str = "sdpa"
    lora_rank: int | None = None
    optimizer: str | None = "AdamW"


def cases() -> Iterator[Case]:
    """All cases, small models first."""
    full = (
        ("qwen2.5-0.5b", ((4, 512), (8, 1024), (2, 4096), (16, 512))),
        ("llama-3.2-1b", ((2, 512), (8, 1024), (1, 8192), (4, 2048))),
        ("smollm2-1.7b", ((4, 1024), (4, 2048))),
        ("qwen3-4b", ((1, 1024), (4, 1024))),
        ("gpt2-large", ((4, 1024), (8, 512))),
        ("pythia-1b", ((4, 1024), (8, 2048))),
        ("gemma-2b", ((2, 1024),)),
        ("llama-3.1-8b", ((1, 1024),)),
    )
    mixed = (
        ("qwen2.5-0.5b", 8, 1024),
        ("llama-3.2-1b", 4, 1024),
        ("gpt2-large", 4, 1024),
        ("smollm2-1.7b", 2, 2048),
    )
    eager = (("qwen2.5-0.5b", 8, 1024), ("llama-3.2-1b", 4, 2048), ("pythia-1b", 4, 2048))
    lora = (
        ("qwen2.5-1.5b", 4, 1024, 16),
        ("llama-3.2-3b", 2, 2048, 8),
        ("llama-3.1-8b", 1, 1024, 16),
        ("llama-3.1-8b", 4, 2048, 64),
        ("mistral-7b-v0.1", 2, 1024, 8),
        ("qwen3-8b", 1, 4096, 32),
        ("gemma-7b", 1, 1024, 16),
    )
    inference = (
        ("llama-3.1-8b", 1, 512),
        ("llama-3.1-8b", 8, 2048),
        ("llama-3.1-8b", 32, 4096),
        ("qwen2.5-0.5b", 64, 1024),
        ("qwen3-8b", 16, 4096),
        ("gemma-7b", 4, 1024),
        ("llama-3.2-1b", 128, 2048),
        ("mistral-7b-v0.1", 16, 4096),
    )

    def of(model: str, batch: int, seq_len: int, task: str, **more: Any) -> Case:
        said = {"precision": "bf16"} | more
        return Case(model=model, task=task, batch=batch, seq_len=seq_len, **said)

    both = ("none", "full")
    for model, shapes in full:
        for shape in shapes:
            yield from (of(model, *shape, "full", recompute=word) for word in both)
    for row in mixed:
        yield from (of(*row, "full", precision="mixed", recompute=word) for word in both)
    yield from (of(*row, "full", attention="eager") for row in eager)
    for *row, rank in lora:
        yield from (of(*row, "lora", lora_rank=rank, recompute=word) for word in both)
    yield from (of(*row, "inference", optimizer=None) for row in inference)


def adapted(model: Any, rank: int) -> Any:
    """With adapters on every linear layer but the head, as usual fine-tunes have them."""
    import peft

    config = peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear")
    return peft.get_peft_model(model, config, autocast_adapter_dtype=True)


def peak(case: Case, place: str, handle: Any, before: float) -> dict[str, Any]:
    """Run three steps, or generate eight tokens, and read the peaks."""
    dtype = torch.float32 if case.precision == "mixed" else torch.bfloat16
    model = network(case.model, place=place, dtype=dtype, attention=case.attention)
    if case.recompute == "full":
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    if case.lora_rank is not None:
        model.enable_input_require_grads()
        model = adapted(model, case.lora_rank)
    torch.cuda.reset_peak_memory_stats()
    words = torch.randint(1000, (case.batch, case.seq_len), device=place)
    if case.task == "inference":
        generate(model.eval(), words)
    else:
        train(model, words, mixed=case.precision == "mixed")
    return {
        "trained_params": sum(one.numel() for one in model.parameters() if one.requires_grad),
        "allocated_gib": torch.cuda.max_memory_allocated() / GIB,
        "reserved_gib": torch.cuda.max_memory_reserved() / GIB,
        "board_gib": (float(pynvml.nvmlDeviceGetMemoryInfo(handle).used) - before) / GIB,
    }


def train(model: Any, words: torch.Tensor, *, mixed: bool) -> None:
    """Three steps of AdamW, with the loss that the network computes itself."""
    model.train()
    trained = [one for one in model.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-5, fused=True)
    for _ in range(3):
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=mixed):
            loss = model(input_ids=words, labels=words).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


@torch.inference_mode()
def generate(model: Any, words: torch.Tensor) -> None:
    """Read the prompts, then eight tokens."""
    found = model(input_ids=words, use_cache=True, logits_to_keep=1)
    for _ in range(8):
        found = model(
            input_ids=found.logits[:, -1:].argmax(-1),
            past_key_values=found.past_key_values,
            use_cache=True,
        )


def measure_memory(path: Path, place: str) -> None:
    """Measure every case and write what was found as JSON, after each case."""
    pynvml.nvmlInit()
    handle = pynvml.nvmlDeviceGetHandleByIndex(0)
    before = float(pynvml.nvmlDeviceGetMemoryInfo(handle).used)
    found: list[dict[str, Any]] = []
    for case in cases():
        gc.collect()
        torch.cuda.empty_cache()
        try:
            row = asdict(case) | peak(case, place, handle, before)
        except RuntimeError as error:
            row = asdict(case) | {"failed": str(error).partition("\n")[0]}
        found.append(row)
        print({key: one for key, one in row.items() if one is not None}, flush=True)
        path.write_text(json.dumps(found, indent=1), encoding="utf-8")
