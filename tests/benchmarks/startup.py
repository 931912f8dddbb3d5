"""How fast does it start: commands against importing numpy.

Run it with `python -m tests.benchmarks.startup`. Commands find their modules compiled, as at every
start but the first.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from estimator.cli import COMMANDS

REPEATS = 9
ROOT = Path(__file__).parents[2]

ANSWERED = (
    "estimate --preset gpt-3 --hardware v100",
    "compare --preset gpt-3 --hardware v100,a100,h100",
    "memory llama-3-8b --hardware h100",
    "model gpt-3",
    "profiles show h100",
    "calibrate show",
)


def median_s(function: Callable[[], object]) -> float:
    """Median processor time that several calls take in programs that they start [s]."""
    times = []
    for _ in range(REPEATS):
        start_s = _children_s()
        function()
        times.append(_children_s() - start_s)
    return statistics.median(times)


def _children_s() -> float:
    """Processor time of the programs that this one started and that have ended [s]."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def python(*arguments: str) -> Callable[[], object]:
    """Return what starts a new Python with these arguments."""
    command = [sys.executable, *arguments]
    return lambda: subprocess.run(command, check=True, capture_output=True, cwd=ROOT)


@contextmanager
def compiled() -> Iterator[None]:
    """Have the programs started meanwhile keep their compiled modules, in a folder that goes."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def help_ratios() -> Iterator[tuple[str, float, float]]:
    """Command, processor time of its `--help` [s], and that over importing numpy [1]."""
    numpy_s = median_s(python("-c", "import numpy"))
    yield "import numpy", numpy_s, 1.0
    for name in COMMANDS:
        help_s = median_s(python("-m", "estimator", name, "--help"))
        yield f"{name} --help", help_s, help_s / numpy_s
    for words in ANSWERED:
        answer_s = median_s(python("-m", "estimator", *words.split()))
        yield words, answer_s, answer_s / numpy_s


def main() -> None:
    """Print the times and the ratios."""
    with compiled():
        for name, seconds, ratio in help_ratios():
            limit = " (at most 0.5)" if name.endswith("--help") else ""
            sys.stdout.write(f"{name:49} {seconds * 1e3:6.0f} ms   x {ratio:.2f}{limit}\n")


if __name__ == "__main__":
    main()
