"""`prompt`: energy, CO2e, water and electricity of one question to a model."""

import argparse
from typing import Any

from estimator.cli.options import add_inputs, add_output, catalog_of, level_of, shape_of
from estimator.question.inputs import option_of, read_question
from estimator.show.terminal import print_report
from estimator.studies.prompts.question import PromptQuestion

EXAMPLES = """examples:
  twenty-watts prompt
  twenty-watts prompt --model claude --task agent --per day --times 20 --site us
  twenty-watts prompt --model llama-3.1-8b --input-tokens 200 --output-tokens 500 --json
  twenty-watts prompt --model flux-dev --task image --hardware h100
Closed models are distributions over size, hardware and load, never a point. Every assumption is
listed with its source.
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "prompt",
        help="energy, CO2e, water and price of one question to a chatbot",
        description="Energy, CO2e, water and electricity of one question, a day or a year of use, "
        "for open and closed models, with intervals.",
        epilog=EXAMPLES,
    )
    add_inputs(parser, PromptQuestion.inputs)
    add_output(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Answer one question about the use of a model."""
    from estimator.studies.prompts.answer import answer_prompt, prompt_report

    level, catalog = level_of(options), catalog_of(options)
    answer = answer_prompt(read_question(PromptQuestion, vars(options)), catalog)
    report = prompt_report(answer, catalog, level)
    print_report(report, option_of, shape_of(options), quiet=options.quiet, verbose=options.verbose)
    return 0
