"""The command line: parse, call one function, print.

Data goes to stdout, everything else to stderr. Exit 0, 1 (one line says what went wrong) or 2
(usage).
"""

import argparse
import os
import sys
from collections.abc import Sequence
from functools import cache

from estimator import __version__
from estimator.cli import (
    app,
    batch,
    calibrate,
    claims,
    compare,
    estimate,
    figure,
    memory,
    model,
    plan,
    profiles,
    serve_cost,
    sweep,
    validate,
)
from estimator.cli.output import error_text
from estimator.cli.parser import CommandParser
from estimator.runs.meter import MeterError

COMMANDS = (
    *(estimate, compare, batch, sweep, plan, model, serve_cost, memory, calibrate),
    *(claims, profiles, validate, figure, app),
)
"""Each module adds one parser, whose `run` answers with the exit code."""


@cache
def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all commands; nothing but the standard library is imported for it."""
    parser = CommandParser(
        prog="twenty-watts",
        description="What will it take to train or run this network: how long, how much money, "
        "how much energy, how much CO2e, and how sure are you?",
        epilog="Start with: twenty-watts estimate --preset gpt-3 --hardware v100 --devices 10000",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"twenty-watts {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    if any(not _is_text(word) for word in words):
        return _complain("an argument holds bytes that are not UTF-8")
    ours = words[: words.index("--")] if "--" in words else words
    for word in ours:
        if word.startswith("-") and word.endswith("=--"):
            return _complain(f"{word.removesuffix('=--')} needs a value, got '--'")
    options = build_parser().parse_args(arguments)
    try:
        if sys.stdout is None:
            return _complain("stdout is closed: there is nowhere to put the answer")
        code: int = options.run(options)
        sys.stdout.flush()
    except MeterError as error:
        return _complain(str(error))
    except ValueError as error:
        return _complain(error_text(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _complain(f"{where}{error.strerror or error}")
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return 130
    return code


def _is_text(word: str) -> bool:
    """Whether a word has no lone surrogates, which stand for bytes that are no UTF-8."""
    return not any("\ud800" <= letter <= "\udfff" for letter in word)


def _complain(message: str) -> int:
    line = " ".join(message.split())
    shown = "".join(char if char.isprintable() else "?" for char in line)
    if sys.stderr is not None:
        sys.stderr.write(f"error: {shown}\n")
    return 1
