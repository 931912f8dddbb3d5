"""Parser of the commands: a wrong option is one line that names the command and the nearest one."""

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn


class CommandParser(argparse.ArgumentParser):
    """Says what is wrong in one line, for the command that was called, and exits with 2."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse, and refuse what is left over here: the parser above does not know our options."""
        found, extra = super().parse_known_args(args, namespace)
        if extra:
            self.error(f"unknown: {' '.join(extra)}{self._nearest(extra)}")
        return found, extra

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with 2."""
        self.exit(2, f"error: {message}; see {self.prog} --help\n")

    def _nearest(self, extra: Sequence[str]) -> str:
        """Option that is nearest in spelling to the first unknown one."""
        import difflib

        option = next((word for word in extra if word.startswith("--")), "").partition("=")[0]
        near = difflib.get_close_matches(option, list(self._option_string_actions), 1, 0.7)
        return f" (did you mean {near[0]}?)" if near else ""
