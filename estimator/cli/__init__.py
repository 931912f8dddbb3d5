"""Command line: parse, call one function, print.

Data goes to stdout, everything else to stderr. Exit codes: 0, 1 (error, one line) or 2 (usage).
"""

import argparse
import os
import sys
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from itertools import pairwise

from estimator import __version__
from estimator.cli.options import error_text, read_piped_config, resolve_here
from estimator.cli.parser import CommandParser

COMMANDS = (
    *("estimate", "compare", "batch", "sweep", "plan", "model", "serve-cost", "prompt", "memory"),
    *("report", "forecast", "calibrate", "claims", "profiles", "validate", "figure", "app"),
)
"""Command modules; each adds a parser, whose `run` returns the exit code."""


@cache
def build_parser(command: str = "") -> argparse.ArgumentParser:
    """Build the parser of one command or of all, with the standard library only."""
    parser = CommandParser(
        prog="twenty-watts",
        description="Estimate the time, cost, energy and CO2e of training or running a neural "
        "network, with uncertainty intervals.",
        epilog="Start with: twenty-watts estimate --preset gpt-3 --hardware v100 --devices 10000",
    )
    parser.add_argument("--version", action="version", version=f"twenty-watts {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in (command,) if command else COMMANDS:
        import_module(f"estimator.cli.{name.replace('-', '_')}").add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    refused = _refused(words)
    if refused is not None:
        return _complain(refused)
    first = words[0] if words else ""
    options = build_parser(first if first in COMMANDS else "").parse_args(arguments)
    try:
        if sys.stdout is None:
            return _complain("stdout is closed, so the answer cannot be printed")
        read_piped_config(options)
        resolve_here(options)
        code: int = options.run(options)
        sys.stdout.flush()
    except ValueError as error:
        return _complain(error_text(error))
    except BrokenPipeError:
        _drop_output()
        return 0
    except OSError as error:
        try:
            sys.stdout.flush()
        except OSError:
            _drop_output()
        where = f"{error.filename}: " if error.filename else ""
        return _complain(f"{where}{error.strerror or error}")
    except _meter_error() as error:
        return _complain(str(error))
    return code


def _drop_output() -> None:
    """Discard unwritten output, which Python would otherwise try to write again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _meter_error() -> type[Exception]:
    """Return the meter error class, imported only after a failure."""
    from estimator.runs.meter import MeterError

    return MeterError


def _is_text(word: str) -> bool:
    """Return whether a word has no lone surrogates, which mark invalid UTF-8."""
    return not any("\ud800" <= letter <= "\udfff" for letter in word)


def _refused(words: Sequence[str]) -> str | None:
    """Return why a command line is invalid before parsing, or None."""
    if any(not _is_text(word) for word in words):
        return "an argument contains bytes that are not UTF-8"
    ours = words[: words.index("--")] if "--" in words else words
    for word in ours:
        if word.startswith("-") and word.endswith("=--"):
            return f"{word.removesuffix('=--')} needs a value, got '--'"
    empty = _empty(ours)
    return None if empty is None else f"{empty} is empty: specify a value or omit the option"


def _empty(words: Sequence[str]) -> str | None:
    """Return an empty word of a command line, as from an unset shell variable, if any.

    >>> _empty(["estimate", "--site", ""]), _empty(["estimate", "--site="]), _empty(["model", ""])
    ('--site', '--site', 'an argument')
    >>> _empty(["estimate", "--site", "fr"]), _empty(["app", "--open", "?v=1&site="])
    (None, None)
    """
    for before, word in pairwise(("", *words)):
        option, equals, value = word.partition("=")
        if option.startswith("--") and equals and not value:
            return option
        if not word.strip():
            return before if before.startswith("-") else "an argument"
    return None


def _complain(message: str) -> int:
    from estimator.show.terminal import harmless

    if sys.stderr is not None:
        sys.stderr.write(f"error: {harmless(' '.join(message.split()))}\n")
    return 1
