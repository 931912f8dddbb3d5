"""python -m estimator: ensure that the packages are installed, then run the command line."""

import gc
import sys
from importlib import import_module
from types import ModuleType

OLDEST_PYTHON = (3, 11)

OBJECTS_PER_COLLECTION = 50_000
"""New objects between two garbage collections: imports make few that are garbage."""

INTERRUPTED = 130
"""Exit code after Ctrl-C, as in shells."""


class _Later(ModuleType):
    """Module imported on first attribute access."""

    def __getattr__(self, name: str) -> object:
        sys.modules.pop(self.__name__, None)
        return getattr(import_module(self.__name__), name)


def main() -> int:
    """Run the command and return its exit code; Ctrl-C ends it in one line."""
    if sys.version_info < OLDEST_PYTHON:
        version = ".".join(str(part) for part in sys.version_info[:3])
        sys.stderr.write(f"error: Python 3.11 or newer is needed, and this is {version}\n")
        return 1
    gc.set_threshold(OBJECTS_PER_COLLECTION)
    try:
        code = _ran(sys.argv[1:])
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        code = INTERRUPTED
    if code == INTERRUPTED:
        import signal  # pressed once more, while Python shuts down, it would end by the signal

        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return code


def _ran(words: list[str]) -> int:
    """Run a command; help works without packages, so also on a bare Python."""
    ours = words[: words.index("--")] if "--" in words else words
    if {"-h", "--help", "--version"} & set(ours):
        # `dataclasses` imports it for classes without a docstring: a tenth of the time of help.
        sys.modules.setdefault("inspect", _Later("inspect"))
    elif words and not _entered(measures=words[0] == "calibrate"):
        return 1
    from estimator.cli import main as run

    return run()


def _entered(*, measures: bool) -> bool:
    """Return whether the packages are available, after a setup if needed."""
    from estimator.system import environment
    from estimator.system.pip_install import SetupError

    try:
        environment.enter(environment.MEASURE if measures else environment.APP)
    except SetupError as error:
        sys.stderr.write(f"error: {error}\n")
        return False
    except KeyboardInterrupt:
        sys.stderr.write("the next start sets up from the beginning\n")
        raise
    return True


if __name__ == "__main__":
    sys.exit(main())
