"""Command parser: one-line errors that name the command and the closest option."""

import argparse
import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

NARROW = 80
"""Default terminal width [column]."""

MANY = 16
"""Options above which the usage line reads `[OPTIONS]`."""

OTHER_NAMES = {
    "--hardware": ("--gpu", "--device", "--accelerator", "--cpu", "--on"),
    "--devices": ("--gpus", "--num-gpus", "--ngpus", "--gpu-count", "--count", "--nodes"),
    "--preset": ("--model", "--llm"),
    "--precision": ("--dtype", "--format", "--quantization", "--quant"),
    "--batch": ("--batch-size", "--bs"),
    "--seq-len": ("--sequence-length", "--seqlen", "--context-length", "--max-length"),
    "--site": ("--country", "--region", "--location", "--where"),
    "--inference": ("--task serving", "--task inference", "--serving", "--serve"),
    "--finetune": ("--task", "--method"),
    "--finetune lora": ("--lora", "--peft"),
    "--finetune qlora": ("--qlora",),
    "--output": ("--out", "--file"),
}
"""Option, with a value if it needs one -> its names in other programs and commands."""

INVALID_CHOICE = re.compile(r"(.*?)invalid choice: '(.*)' \(choose from (.*)\)", re.DOTALL)
"""argparse's message about a value that is not among the choices."""

AMBIGUOUS = re.compile(r"ambiguous option: (\S+) could match ")
"""Start of argparse's message about an abbreviation that fits several options."""

OPTION = re.compile(r"^ +(?:-\w, )?(--[a-z][\w-]*)", re.MULTILINE)
"""Option at the start of its entry in the help."""


def _columns() -> int:
    """Return the terminal width like `shutil`, whose import takes longer than help."""
    said = os.environ.get("COLUMNS", "")
    if said.isdecimal() and int(said):
        return int(said)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or NARROW  # type: ignore[union-attr]
    except (AttributeError, ValueError, OSError):
        return NARROW


class Help(argparse.RawDescriptionHelpFormatter):
    """Help formatter that uses the terminal's width and keeps descriptions as written."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)

    def add_usage(
        self, usage: str | None, actions: Iterable[argparse.Action], groups: Any, prefix: Any = None
    ) -> None:
        """Write a short usage line; options are listed below it."""
        actions = list(actions)
        needed = [action for action in actions if action.required or not action.option_strings]
        if len(actions) - len(needed) > MANY:
            options = argparse.Action([], "options", nargs="?", metavar="OPTIONS")
            actions, groups = [options, *needed], ()
        super().add_usage(usage, actions, groups, prefix)


class CommandParser(argparse.ArgumentParser):
    """Parser that prints one-line errors and exits with 2."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=Help, **options)

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse, and refuse unknown options here, where the command's options are known."""
        found, extra = super().parse_known_args(args, namespace)
        if extra:
            self.error(f"unknown: {' '.join(extra)}{self._suggestion(extra)}")
        return found, extra

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with 2; an invalid choice comes with the closest one."""
        refused = INVALID_CHOICE.fullmatch(message)
        if refused:
            where, value, choices = refused.groups()
            known = choices.replace("'", "")
            near = _closest(value, known.split(", ")) or f" (choose from {known})"
            message = f"{where}unknown {value!r}{near}"
        several = AMBIGUOUS.match(message)
        if several:
            message += self._suggestion([several[1]])
        line = "".join(letter if letter.isprintable() else " " for letter in message)
        self.exit(2, f"error: {line}; see {self.prog} --help\n")

    def _suggestion(self, extra: Sequence[str]) -> str:
        """Suggest the closest option to the first unknown one."""
        words = " ".join(extra).replace("=", " ").split()
        option = next((word for word in words if word.startswith("--")), "")
        asked = " ".join(words[words.index(option) :][:2]) if option else ""
        known = OPTION.findall(self.format_help())
        for ours, others in OTHER_NAMES.items():
            if {option, asked} & {*others} and ours.split()[0] in known:
                return f" (did you mean {ours}?)"
        return _closest(option, known)


def _closest(word: str, known: Iterable[str]) -> str:
    """Suggest the closest known word as a question, or return an empty text."""
    import difflib

    near = difflib.get_close_matches(word, list(known), 1, 0.7)
    return f" (did you mean {near[0]}?)" if near else ""
