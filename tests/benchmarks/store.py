"""What do many measured runs cost? Processor time and memory of the commands that use them.

Run it with `python -m tests.benchmarks.store [--runs 10000] [--timings 1]`. The store is filled
with made-up runs of four kinds of network, in a data folder of its own. Commands find their modules
compiled, as at every start but the first.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from estimator.runs import open_store
from estimator.runs.record import Condition, Energy, Host, MeasuredDevice, MeasuredRun, Timing
from tests.benchmarks.startup import ROOT, compiled

REPEATS = 5

NETWORKS = (
    ("language", "transformer"),
    ("vision", "CNN"),
    ("language", "LSTM"),
    ("other", "MLP"),
)
PEAK_FLOP_PER_S = 5e10
"""Rate around which the made-up runs lie [FLOP/s]."""

HARDWARE = "amd-epyc-2-cores"
HOST = Host(id="abcdef0123", cpu="CPU", cores=2, system="Linux", software={"python": "3.11"})
DEVICE = MeasuredDevice(key="cpu", kind="cpu", name="CPU", hardware=HARDWARE)

COMMANDS = {
    "calibrate show": ("calibrate", "show"),
    "estimate": (
        *("estimate", "--flop", "1e15", "--kind", "language", "--arch", "transformer"),
        *("--hardware", HARDWARE, "--precision", "fp32"),
    ),
}


def made_up(number: int, timings: int, chance: random.Random) -> MeasuredRun:
    """One run of some programs."""
    return MeasuredRun(
        id=f"run-{number:06d}",
        origin="run",
        started=f"2026-{1 + number % 11:02d}-{1 + number // 11 % 28:02d}T10:00:00Z",
        wall_s=60.0,
        state="finished",
        label=f"train {number % 50}",
        host=HOST,
        devices=(DEVICE,),
        timings=tuple(timing(chance) for _ in range(timings)),
        energy=(
            Energy(
                component="cpu",
                meter="codecarbon",
                trust="modelled",
                energy_j=3600.0,
                duration_s=60.0,
            ),
        ),
        conditions=(Condition(component="cpu", busy=0.97, others=0.01),),
    )


def timing(chance: random.Random) -> Timing:
    """Fifty steps of one program."""
    kind, arch = chance.choice(NETWORKS)
    flop = 10.0 ** chance.uniform(9.0, 11.5)
    return Timing(
        what="training",
        component="cpu",
        precision="fp32",
        kind=kind,
        arch=arch,
        flop=flop,
        time_s=flop / PEAK_FLOP_PER_S * chance.lognormvariate(0.0, 0.4),
        log_sd=0.05,
        repetitions=50,
        params=chance.choice((1e6, 2e6, 4e6, 8e6)),
    )


def cost(arguments: tuple[str, ...]) -> tuple[float, float]:
    """Return the least processor time of a command [s], and its most memory [MB]."""
    times, most = [], 0.0
    for _ in range(REPEATS):
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise ValueError(f"{' '.join(arguments)} failed")
        times.append(used.ru_utime + used.ru_stime)
        most = max(most, used.ru_maxrss / 1024.0)
    return min(times), most


def main() -> None:
    """Print what each command costs with an empty store and with a full one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--timings", type=int, default=1)
    options = parser.parse_args()
    with compiled():
        print_costs(options)


def print_costs(options: argparse.Namespace) -> None:
    """Print them beside those of importing numpy."""
    numpy_s, _ = cost(("-c", "import numpy"))
    sys.stdout.write(f"import numpy {numpy_s * 1e3:.0f} ms\n")
    chance = random.Random(1)
    for count in (0, options.runs):
        with tempfile.TemporaryDirectory() as folder:
            os.environ["TWENTY_WATTS_DATA"] = folder
            with open_store(Path(folder) / "runs.sqlite") as store:
                store.add_all(made_up(one, options.timings, chance) for one in range(count))
            for name, arguments in COMMANDS.items():
                spent_s, most_mb = cost(("-m", "estimator", *arguments))
                sys.stdout.write(
                    f"{name} with {count:,} runs: {spent_s * 1e3:.0f} ms, "
                    f"{(spent_s - numpy_s) * 1e3:.0f} ms above numpy, {most_mb:.0f} MB\n"
                )


if __name__ == "__main__":
    main()
