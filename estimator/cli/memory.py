"""`memory`: does it fit, component by component, and how many devices hold it."""

import argparse
from typing import TYPE_CHECKING, Any

from estimator.cli.options import (
    add_model,
    add_output,
    catalog_of,
    level_of,
    model_of,
    refuse_given,
)
from estimator.cli.output import note, print_csv, print_json, print_line, print_table
from estimator.scenario.scenario import option_of, read_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from estimator.catalog import Catalog
    from estimator.memory.fit import MemoryAnswer
    from estimator.memory.request import Question

EXAMPLES = """examples:
  twenty-watts memory llama-2-7b --hardware h100 --devices 8
  twenty-watts memory config.json --hardware a100 --devices 8 --seq-len 4096 --recompute full
  twenty-watts memory --params 70e9 --hardware h100 --devices 64 --tensor-parallel 8
  twenty-watts memory llama-2-7b --hardware rtx-4090 --finetune qlora --lora-rank 64
  twenty-watts memory Qwen/Qwen3-14B --finetune full --precision bf16-true --counted reserved
  twenty-watts memory llama-2-7b --hardware a10g --inference --context 4096 --batch 8
  twenty-watts memory llama-2-13b --inference --precision "GPTQ 4 bit" --counted allocated
Per device, of the fullest pipeline stage. Numbers may be written 7e9, 7B, 300k. Omitted inputs are
assumed, and every assumption is listed.
"""

NUMBERS = (
    ("params", "parameters, if there is no config (e.g. 7e9)"),
    ("devices", "number of devices (default: 1)"),
    ("batch", "sequences at a time per data-parallel rank or replica (default: 1)"),
    ("seq_len", "tokens per training sequence (default: up to 2048)"),
    ("context", "tokens kept per sequence, with --inference (default: up to 2048)"),
    (
        "prefill_tokens",
        "prompt tokens processed at once, with --inference (default: 8192)",
    ),
    ("zero", "ZeRO stage, 0 to 3 (default: 3)"),
    (
        "tensor_parallel",
        "devices that each layer is split across (default: 1, all with --inference)",
    ),
    ("pipeline_parallel", "pipeline stages (default: 1)"),
    ("lora_rank", "rank of the adapters (default: 16)"),
)
WORDS = (
    ("hardware", "device by id, alias or NVML name (e.g. h100)"),
    (
        "precision",
        "bf16, fp16, fp32, tf32, fp8; bf16-true, bf16 AMP; with --inference or adapters nf4, int8, "
        '"GPTQ 4 bit" and the like (default: bf16)',
    ),
    ("optimizer", "adamw, sgd, sgd-momentum, adafactor, muon, adam-8bit, adam-4bit"),
    ("sharding", 'fsdp, zero2, "zero3 8", "tp 4", "fsdp 2 + CPU offload", none'),
    ("recompute", "activations recomputed: none, selective, full (default: none)"),
    ("attention", "fused, or eager, which keeps its scores (default: fused)"),
    ("finetune", "adapt an existing model: full, lora, qlora (a base in 4 bit)"),
    ("weights", "format of served or frozen weights: nf4, nf4-dq, int4, int8"),
    ("states", "gradients and optimizer: pure (format of the weights), mixed (with fp32 copies)"),
    ("accumulation", "micro-batches of a step: several, or none (default: several)"),
    ("lora_targets", "matrices with an adapter: all, or qv (default: all)"),
    ("adapter_precision", "format that adapters compute in (default: as under autocast)"),
    ("loss", "plain, or chunked: the logits are never all held at once"),
    ("kv_precision", "format of the key-value cache: bf16, fp16, fp8, int8, fp32"),
    ("counted", "what the total counts: allocated, reserved, nvidia-smi (default: all)"),
)
FLAGS = (
    ("inference", "serve instead of train: weights and key-value cache"),
    ("sequence_parallel", "split the norms across the tensor-parallel devices, too"),
    ("fp32_gradients", "accumulate gradients in fp32, as Megatron does"),
    ("dropout", "keep dropout masks, as in GPT-2 and GPT-3"),
    ("train_embeddings", "train the token table and head beside the adapters"),
    ("offload", "keep weights and optimizer states in host memory"),
    ("offload_activations", "keep stored activations in host memory"),
    ("fused_backward", "run the optimizer step within the backward pass"),
)
ALSO = {
    "batch": ("--micro-batch",),
    "recompute": ("--recomputation",),
    "attention": ("--flash-attention",),
}
"""Other spellings of an option, those of published tables."""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "memory",
        help="does it fit: weights, optimizer, activations, KV cache per device",
        description="The memory that training or serving a model needs on each device, and how "
        "many devices hold it.",
        epilog=EXAMPLES,
    )
    add_model(parser, metavar="CONFIG.json|PRESET", help="a file, or a preset by name")
    for names, metavar in ((NUMBERS, "N"), (WORDS, "WORD")):
        for name, explained in names:
            flags = (option_of(name), *ALSO.get(name, ()))
            parser.add_argument(*flags, metavar=metavar, help=explained, dest=name)
    for name, explained in FLAGS:
        parser.add_argument(option_of(name), action="store_true", help=explained, dest=name)
    add_output(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Answer one question about memory."""
    from estimator.cli.memory_need import memory_csv, memory_json
    from estimator.core.messages import rendered
    from estimator.memory.fit import answer_memory

    level = level_of(options)
    catalog = catalog_of(options)
    answer = answer_memory(_question(options), catalog)
    if not answer.network.takes_length:
        why = f"is for models of text or sound: {answer.network.name} ignores it, drop it"
        refuse_given(options, ("seq_len", "context", "prefill_tokens"), why)
    saving = _saving(answer, catalog)
    if options.json:
        print_json(memory_json(answer, level, saving))
        return 0
    if options.csv:
        print_csv(memory_csv(answer, level))
    else:
        _print_for_people(answer, level, saving)
    for warning in rendered(answer.notices, option_of):
        note(warning, quiet=options.quiet)
    return 0


def _question(options: argparse.Namespace) -> "Question":
    from estimator.memory.request import Question, as_written

    words = {name: getattr(options, name) for name, _ in WORDS}
    said: dict[str, Any] = {name: True for name, _ in FLAGS if getattr(options, name)}
    for name, _ in NUMBERS:
        if getattr(options, name) is not None:
            said[name] = read_number(name, getattr(options, name))
    model = model_of(options)
    if model is not None:
        said["model"] = model
    written = {name: word for name, word in words.items() if word is not None}
    return Question(**as_written(written, said))


def _saving(answer: "MemoryAnswer", catalog: "Catalog") -> "Mapping[str, str]":
    """What would make a run fit on its devices; empty where it does, or nothing does."""
    from estimator.memory.savings import SAVINGS, cheapest_saving

    name = cheapest_saving(answer.question, catalog) if answer.fits is False else None
    return SAVINGS[name] if name else {}


def _print_for_people(answer: "MemoryAnswer", level: float, saving: "Mapping[str, str]") -> None:
    from estimator.cli.memory_need import memory_rows, verdict

    task = "serving" if answer.question.inference else "training"
    count = answer.plan.devices
    where = "on one device" if count == 1 else f"on each of {count:,.0f} devices"
    print_line(f"{answer.network.name}, {task}, {where}")
    header = ("", "median", f"{level * 100:g} % interval", "share")
    print_table(header, memory_rows(answer, level))
    print_line(verdict(answer, level, saving))
