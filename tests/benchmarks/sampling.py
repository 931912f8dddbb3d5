"""What does sampling cost the job beside it? `python -m tests.benchmarks.sampling`.

The same product of matrices is timed with and without the sampler of this machine's meters, turn
and turn about; and the processor time of the sampler's thread is reported.
"""

import math
import statistics
import time

import numpy as np

from estimator.measure.meters.open import open_meters
from estimator.measure.sampler import Sampler

PAIRS = 20
WINDOW_S = 5.0
SIZE = 768


def products(matrix: np.ndarray) -> float:
    """Products a second over a window [1/s]."""
    count, begun = 0, time.monotonic()
    while time.monotonic() - begun < WINDOW_S:
        matrix @ matrix
        count += 1
    return count / (time.monotonic() - begun)


def main() -> None:
    """Print the share of a core that the sampler takes, and how much slower the job is."""
    matrix = np.random.default_rng(0).random((SIZE, SIZE), dtype=np.float32)
    slower, cpu_s = [], 0.0
    for turn in range(PAIRS):
        rates = {}
        for sampled in (turn % 2 == 0, turn % 2 == 1):
            meters, _ = open_meters() if sampled else ([], [])
            sampler = Sampler(meters, rate_hz=10.0)
            if sampled:
                sampler.start()
                time.sleep(3.0)
            rates[sampled] = products(matrix)
            sampler.stop()
            cpu_s += sampler.cpu_s
            for meter in meters:
                meter.close()
        slower.append(math.log(rates[False] / rates[True]))
    error = statistics.stdev(slower) / math.sqrt(PAIRS)
    names = ", ".join(sorted(meter.name for meter in open_meters()[0])) or "none"
    print(f"meters: {names}")
    print(f"sampler's thread: {cpu_s / (PAIRS * (WINDOW_S + 3.0)):.2%} of a core at 10 Hz")
    print(f"job slower by {statistics.mean(slower):.2%} +- {error:.2%} ({PAIRS} pairs)")


if __name__ == "__main__":
    main()
