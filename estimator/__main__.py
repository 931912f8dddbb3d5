"""python -m estimator: see that the packages are there, then run the command line."""

import sys
from importlib import import_module
from types import ModuleType

OLDEST_PYTHON = (3, 11)

INTERRUPTED = 130
"""Exit code of what Ctrl-C ended, as shells have it."""


class _Later(ModuleType):
    """A module that is imported when something of it is asked for."""

    def __getattr__(self, name: str) -> object:
        sys.modules.pop(self.__name__, None)
        return getattr(import_module(self.__name__), name)


def main() -> int:
    """Run the command that was typed and return its exit code.

    Help needs no packages, so that it is there at once on a bare Python.
    """
    if sys.version_info < OLDEST_PYTHON:
        version = ".".join(str(part) for part in sys.version_info[:3])
        sys.stderr.write(f"error: Python 3.11 or newer is needed, and this is {version}\n")
        return 1
    words = sys.argv[1:]
    ours = words[: words.index("--")] if "--" in words else words
    if {"-h", "--help", "--version"} & set(ours):
        # `dataclasses` imports it for classes without a docstring: a tenth of the time of help.
        sys.modules.setdefault("inspect", _Later("inspect"))
    elif words:
        from estimator.system import environment
        from estimator.system.pip_install import SetupError

        try:
            measures = words[0] == "calibrate"
            environment.enter(environment.MEASURE if measures else environment.APP)
        except SetupError as error:
            sys.stderr.write(f"error: {error}\n")
            return 1
        except KeyboardInterrupt:
            sys.stderr.write("stopped; the next start sets up from the beginning\n")
            return INTERRUPTED
    from estimator.cli import main as run

    code = run()
    if (
        code == INTERRUPTED
    ):  # pressed once more, while Python shuts down, it would end by the signal
        import signal

        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return code


if __name__ == "__main__":
    sys.exit(main())
