"""`memory`: does it fit, component by component, and how many devices hold it."""

import argparse
from typing import TYPE_CHECKING, Any

from estimator.cli.options import add_output, catalog_of
from estimator.cli.output import note, print_csv, print_json, print_line, print_table
from estimator.scenario import read_number
from estimator.units import CENTRAL

if TYPE_CHECKING:
    from estimator.memory_answer import MemoryAnswer
    from estimator.memory_question import Question

EXAMPLES = """examples:
  twenty-watts memory llama-2-7b --hardware h100 --devices 8
  twenty-watts memory config.json --hardware a100 --devices 8 --seq-len 4096 --recompute full
  twenty-watts memory --params 70e9 --hardware h100 --devices 64 --tensor-parallel 8
  twenty-watts memory llama-2-7b --hardware rtx-4090 --finetune qlora --lora-rank 64
  twenty-watts memory llama-2-7b --hardware a10g --inference --context 4096 --batch 8
Per device, of the fullest pipeline stage. Numbers may be written 7e9, 7B, 300k. What you leave out
is assumed, and said.
"""

NUMBERS = (
    ("params", "parameters, where there is no config (e.g. 7e9)"),
    ("devices", "number of devices (default: 1)"),
    ("batch", "sequences at a time on one data-parallel rank, or one replica (default: 1)"),
    ("seq_len", "tokens in a sequence of training (default: up to 2048)"),
    ("context", "tokens kept per sequence, with --inference (default: up to 2048)"),
    ("zero", "ZeRO stage, 0 to 3; 3 is FSDP (default: 3)"),
    ("tensor_parallel", "devices that share each layer (default: 1; with --inference: all)"),
    ("pipeline_parallel", "stages that share the layers (default: 1)"),
    ("lora_rank", "rank of the adapters, on all matrices of the layers (default: 16)"),
)
WORDS = (
    ("hardware", "device by id, alias or NVML name (e.g. h100)"),
    ("precision", "bf16, fp16, fp32, tf32, fp8; with --inference int8 and fp4 too (default: bf16)"),
    ("optimizer", "adamw, sgd, sgd-momentum, adafactor, muon, adam-8bit (default: adamw)"),
    ("recompute", "activations recomputed: none, selective (scores), full (default: none)"),
    ("attention", "fused, or eager, which keeps its scores (default: fused)"),
    ("finetune", "adapt an existing model: full, lora, qlora (a base in 4 bit)"),
)
FLAGS = (
    ("inference", "serve instead of train: weights and key-value cache"),
    ("sequence_parallel", "tensor-parallel devices share the norms too"),
    ("fp32_gradients", "accumulate gradients in fp32, as Megatron does"),
)


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "memory",
        help="does it fit: weights, optimizer, activations, KV cache per device",
        description="The memory that training or serving a model needs on each device, and how "
        "many devices hold it.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "model", metavar="CONFIG.json|PRESET", nargs="?", help="a file, or a preset by name"
    )
    for names, metavar in ((NUMBERS, "N"), (WORDS, "WORD")):
        for name, explained in names:
            parser.add_argument(_flag(name), metavar=metavar, help=explained, dest=name)
    for name, explained in FLAGS:
        parser.add_argument(_flag(name), action="store_true", help=explained, dest=name)
    add_output(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Answer one question about memory."""
    from estimator.memory_answer import answer_memory
    from estimator.memory_report import memory_csv, memory_json
    from estimator.uncertainty import z_score

    level = CENTRAL if options.interval is None else read_number("interval", options.interval)
    z_score(level)
    answer = answer_memory(_question(options), catalog_of(options))
    if options.json:
        print_json(memory_json(answer, level))
        return 0
    if options.csv:
        print_csv(memory_csv(answer, level))
    else:
        _print_for_people(answer, level)
    for warning in answer.warnings:
        note(warning, quiet=options.quiet)
    return 0


def _question(options: argparse.Namespace) -> "Question":
    from estimator.memory_question import Question

    said: dict[str, Any] = {name: getattr(options, name) for name, _ in FLAGS}
    for name, _ in NUMBERS:
        if getattr(options, name) is not None:
            said[name] = read_number(name, getattr(options, name))
    for name in ("model", *(name for name, _ in WORDS)):
        if getattr(options, name) is not None:
            said[name] = getattr(options, name)
    return Question(**said)


def _print_for_people(answer: "MemoryAnswer", level: float) -> None:
    from estimator.memory_report import memory_rows, verdict

    told = "serving" if answer.question.inference else "training"
    count = answer.plan.devices
    where = "on one device" if count == 1 else f"on each of {count:,.0f} devices"
    print_line(f"{answer.network.name}, {told}, {where}")
    header = ("", "median", f"{level * 100:g} % interval", "share")
    print_table(header, memory_rows(answer, level))
    print_line(verdict(answer, level))


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
