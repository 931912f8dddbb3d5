"""`memory`: memory by component, whether it fits, and on how many devices."""

import argparse
from typing import Any

from estimator.cli.options import (
    add_inputs,
    add_model,
    add_output,
    catalog_of,
    level_of,
    model_of,
    refuse_given,
    shape_of,
)
from estimator.memory.request import MemoryQuestion
from estimator.question.inputs import option_of
from estimator.show.terminal import print_report

EXAMPLES = """examples:
  twenty-watts memory llama-2-7b --hardware h100 --devices 8
  twenty-watts memory config.json --hardware a100 --devices 8 --recomputation full
  twenty-watts memory --params 70e9 --hardware h100 --devices 64 --tensor-parallel 8
  twenty-watts memory llama-2-7b --hardware rtx-4090 --finetune qlora --lora-rank 64
  twenty-watts memory Qwen/Qwen3-14B --finetune full --precision bf16-true --counted reserved
  twenty-watts memory llama-2-7b --hardware a10g --inference --context 4096 --micro-batch 8
  twenty-watts memory llama-2-13b --inference --precision "GPTQ 4 bit" --counted allocated
Memory is per device, for the fullest pipeline stage. Numbers may be written 7e9, 7B, 300k.
Omitted inputs are assumed, and every assumption is listed.
"""

SHARDING = (
    'how the model and its training state are split across devices: fsdp, zero2, "zero3 8", '
    '"tp 4", "fsdp 2 + CPU offload", none'
)


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "memory",
        help="check whether a model fits in memory when trained or served",
        description="Compute the memory per device for training or serving a model, and how many "
        "devices it needs.",
        epilog=EXAMPLES,
    )
    add_model(
        parser,
        metavar="CONFIG.json|PRESET",
        help="path of a config.json (- for stdin), or a preset",
    )
    add_inputs(parser, MemoryQuestion.inputs)
    parser.add_argument("--sharding", metavar="WORDS", help=SHARDING)
    add_output(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Answer one memory question."""
    from estimator.answer.memory_report import memory_report
    from estimator.memory.fit import answer_memory
    from estimator.memory.request import read_memory

    level = level_of(options)
    catalog = catalog_of(options)
    question = read_memory({**vars(options), "model": model_of(options)})
    answer = answer_memory(question, catalog)
    if not answer.network.takes_length:
        why = f"applies to text and audio models, not to {answer.network.name}: omit it"
        refuse_given(options, ("seq_len", "context", "prefill_tokens"), why)
    report = memory_report(answer, catalog, level)
    print_report(report, option_of, shape_of(options), quiet=options.quiet, verbose=options.verbose)
    return 0
