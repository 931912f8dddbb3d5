"""`prompt`: energy, CO2e, water and electricity of one question to a model."""

import argparse
from typing import Any

from estimator.cli.options import (
    add_inputs,
    add_output,
    catalog_of,
    level_of,
    refuse_given,
    shape_of,
)
from estimator.question.inputs import option_of, read_question
from estimator.show.terminal import print_report
from estimator.studies.prompts.question import PromptQuestion

EXAMPLES = """examples:
  twenty-watts prompt
  twenty-watts prompt --model claude --task agent --per day --times 20 --site us
  twenty-watts prompt --model llama-3.1-8b --input-tokens 200 --output-tokens 500 --json
  twenty-watts prompt --usage usage.csv --site us
  twenty-watts prompt --model flux-dev --task image --hardware h100
The size, hardware and load of closed models are unknown, so estimates cover a range of each.
Every assumption is listed with its source.
"""


OF_ONE_USE = (
    *("model", "task", "per", "times"),
    *("input_tokens", "output_tokens", "cached_share"),
)
"""Options that a usage file replaces."""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "prompt",
        help="estimate the energy, CO2e, water and cost of asking a chatbot",
        description="Estimate the energy, CO2e, water and electricity cost of one question, or of "
        "a day or year of use, for open and closed models.",
        epilog=EXAMPLES,
    )
    add_inputs(parser, PromptQuestion.inputs)
    parser.add_argument(
        "--usage",
        metavar="FILE",
        help="your own usage: an export from OpenAI or Anthropic, a log from LiteLLM, Claude "
        "Code or Codex, or OpenTelemetry GenAI spans; only token counts and model names "
        "are read",
    )
    add_output(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Answer one question about the use of a model."""
    from estimator.studies.prompts.answer import answer_prompt, prompt_report

    level, catalog = level_of(options), catalog_of(options)
    asked = read_question(PromptQuestion, vars(options))
    if options.usage is None:
        report = prompt_report(answer_prompt(asked, catalog), catalog, level)
    else:
        from pathlib import Path

        from estimator.studies.prompts.usage import LARGEST_BYTES, usage_of
        from estimator.studies.prompts.used import usage_report
        from estimator.system.whole_files import read_bounded

        refuse_given(options, OF_ONE_USE, "is read from the file: omit it or --usage")
        used = usage_of(read_bounded(Path(options.usage), LARGEST_BYTES))
        report = usage_report(used, asked, catalog, level)
    print_report(report, option_of, shape_of(options), quiet=options.quiet, verbose=options.verbose)
    return 0
