"""Wrapped command: started, left alone, and measured from outside.

Its input, output, open files, terminal and exit code are its own. Signals sent to us are forwarded;
those that a terminal sends to all processes, such as Ctrl-C, reach it directly while we wait.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import FrameType

from estimator.measure.session import REPORT, Reported
from estimator.runs.record import State, read_part

NOT_FOUND, NOT_ALLOWED = 127, 126
"""Exit codes of a missing or non-executable command, as in shells."""

OF_SIGNALS = 128
"""Exit code offset of a command ended by a signal, as in shells."""

PASSED_ON = ("SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2")
"""Signals forwarded to the command."""

FROM_TERMINAL = ("SIGINT", "SIGQUIT")
"""Signals that a terminal sends to all foreground processes."""


SCRIPTS = (".py", ".sh", ".bash", ".ipynb")
"""Suffixes of program files."""


def name_of_command(words: Sequence[str]) -> str:
    """Return the default program name of a command: its file and folder.

    Options such as `--lr` do not affect the name.

    >>> name_of_command(["torchrun", "--nproc-per-node=2", "gpt/train.py", "--lr", "1"])
    'gpt/train.py'
    >>> name_of_command(["make", "train"])
    'make'
    """
    scripts = (word for word in words if word.endswith(SCRIPTS))
    module = next((after for word, after in pairwise(words) if word == "-m"), "")
    script = next(scripts, "")
    if not script and not module:
        return Path(words[0]).name
    try:
        folder = Path(script).absolute().parent.name if script else Path.cwd().name
    except FileNotFoundError:  # the working folder was removed: the command may run all the same
        folder = ""
    return "/".join(filter(None, (folder, Path(script).name or module)))


class CommandError(OSError):
    """Command that cannot run: reason in one line, and exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, kw_only=True)
class Ended:
    """End of a command: exit code or signal.

    Parameters
    ----------
    exit_code : int
        Its own, or 128 plus the number of the signal that ended it.
    """

    exit_code: int
    wall_s: float
    began_s: float = 0.0
    reported: tuple[Reported, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def state(self) -> State:
        """State of the run."""
        if self.exit_code == 0:
            return "finished"
        cut_off = self.exit_code - OF_SIGNALS in signal.valid_signals()
        return "interrupted" if cut_off else "failed"


@contextmanager
def running(words: Sequence[str], extra: Mapping[str, str] | None = None) -> "Iterator[Command]":
    """Run a command; signals are forwarded from before its start to the end of the block.

    Arguments as in `Command`.
    """
    with _passing_on() as signals:
        command = Command(words, extra or {})
        signals.send_to(command.process)
        yield command


@dataclass
class Command:
    """Running command."""

    words: Sequence[str]
    extra: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._report = _place_of_report()
        environment = {name: value for name, value in os.environ.items() if name != REPORT}
        if self._report is not None:
            environment[REPORT] = str(self._report)
        environment |= self.extra
        self._started_s = time.monotonic()
        try:
            self.process = subprocess.Popen(list(self.words), env=environment, close_fds=False)
        except FileNotFoundError:
            self._clear()
            raise CommandError(f"{self.words[0]}: command not found", NOT_FOUND) from None
        except OSError as error:
            self._clear()
            raise CommandError(f"{self.words[0]}: {error.strerror}", NOT_ALLOWED) from None

    def wait(self) -> Ended:
        """Wait for the end."""
        code = self.process.wait()
        wall_s = time.monotonic() - self._started_s
        reported, notes = _read_report(self._report)
        self._clear()
        return Ended(
            exit_code=code if code >= 0 else OF_SIGNALS - code,
            wall_s=wall_s,
            began_s=self._started_s,
            reported=reported,
            notes=notes,
        )

    def _clear(self) -> None:
        """Remove the report and its folder."""
        if self._report is not None:
            shutil.rmtree(self._report.parent, ignore_errors=True)


def _place_of_report() -> Path | None:
    """Return a path for a program's step report, or None if there is no space."""
    try:
        return Path(tempfile.mkdtemp(prefix="twenty-watts-")) / "steps.jsonl"
    except OSError:
        return None


class _Signals:
    """Signals for a command; early ones wait for its start."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []

    def send_to(self, process: "subprocess.Popen[bytes]") -> None:
        """Forward to this command from now on."""
        self._process = process
        for number in self._early:
            self.received(number, None)

    def received(self, number: int, _frame: FrameType | None) -> None:
        """Forward a signal, unless the terminal sends it to the command directly."""
        if self._process is None:
            self._early.append(number)
        elif self._process.poll() is None:
            name = signal.Signals(number).name
            if not (name in FROM_TERMINAL and _in_foreground()):
                self._process.send_signal(number)


@contextmanager
def _passing_on() -> Iterator[_Signals]:
    """Receive the signals for a command."""
    signals = _Signals()
    known = [getattr(signal, name) for name in PASSED_ON if hasattr(signal, name)]
    before = {number: signal.signal(number, signals.received) for number in known}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def undisturbed() -> AbstractContextManager[None]:
    """Ignore Ctrl-C while a command handles it.

    Uses an empty handler, as a command would inherit an ignored signal.
    """
    return _on_interrupt(_unheeded)


def interrupted_once() -> AbstractContextManager[None]:
    """Let Ctrl-C interrupt once; further ones are ignored while the result is stored."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, _unheeded)
        raise KeyboardInterrupt

    return _on_interrupt(stop)


def _unheeded(_number: int, _frame: FrameType | None) -> None:
    """Ignore an interrupt."""


@contextmanager
def _on_interrupt(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handle Ctrl-C temporarily, unless our parent ignores it."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _in_foreground() -> bool:
    """Return whether we are in a terminal's foreground, which signals the command directly."""
    try:
        terminal = os.open(os.ctermid(), os.O_RDONLY | os.O_NOCTTY)
    except (OSError, AttributeError):
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)


def _read_report(path: Path | None) -> tuple[tuple[Reported, ...], tuple[str, ...]]:
    """Parse the steps that the program reported, with notes on broken lines."""
    if path is None or not path.parent.exists():
        return (), ("the temporary folder is full or was cleared: no steps are known",)
    found: list[Reported] = []
    notes: list[str] = []
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return (), ()
    except OSError as error:
        return (), (f"the step report of the program could not be read: {error.strerror}",)
    for line in text.splitlines():
        try:
            found.append(read_part(Reported, json.loads(line), "steps"))
        except ValueError as error:
            notes.append(f"the step report of the program could not be read: {error}")
    return tuple(found), tuple(notes)
