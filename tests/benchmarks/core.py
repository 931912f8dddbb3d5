"""How fast is the core: scenarios per second against as many bare numpy operations.

Run it with `python -m tests.benchmarks.core`. One call of `estimate` over a million scenarios is
traced by an array type that notes each operation on arrays; the same operations as often, each on a
plain array of the same length and a number, are the floor.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from estimator.core.estimate import Run, estimate
from estimator.core.uncertainty import Uncertain, spread_between
from estimator.core.work import Workload
from estimator.question.hardware import read_hardware
from estimator.question.site import read_site

SCENARIOS = 1_000_000
REPEATS = 7


class Traced(np.ndarray):
    """An array that notes every ufunc called on it."""

    noted: ClassVar[Counter[str]] = Counter()

    def __array_ufunc__(self, ufunc, method, *inputs, **keywords):
        """Note the operation, and do it on plain arrays."""
        plain = [item.view(np.ndarray) if isinstance(item, Traced) else item for item in inputs]
        result = getattr(ufunc, method)(*plain, **keywords)
        if max(np.size(item) for item in plain) > 1:
            Traced.noted[ufunc.__name__] += 1
        return result.view(Traced) if isinstance(result, np.ndarray) and result.ndim else result


def scenario(flop, devices, share):
    """Arguments of one call over arrays of work, device counts and utilizations."""
    return (
        Workload(training_flop=Uncertain(flop)),
        read_hardware("v100", "fp16"),
        read_site("fr"),
        Run(
            devices=devices,
            utilization=Uncertain(share, {"utilization": 0.4}),
            network_share=spread_between(0.03, 0.10, "network"),
            price_usd_per_h=spread_between(1.0, 4.0, "price"),
        ),
    )


def answered(arguments):
    """Estimate with the intervals of the four headline figures."""
    result = estimate(*arguments)
    return [result[name].interval() for name in ("wall_hours", "energy_kwh", "cost_usd", "co2e_kg")]


def best_s(function: Callable[[], object]) -> float:
    """Least time of several calls [s]."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def operations(flop, devices, share) -> Counter[str]:
    """Operations on arrays that one call makes, by name, counted on a short array."""
    Traced.noted.clear()
    answered(scenario(*(np.array(item[:100]).view(Traced) for item in (flop, devices, share))))
    return Counter(Traced.noted)


def main() -> None:
    """Print scenarios per second, the floor, and their ratio."""
    rng = np.random.default_rng(20)
    flop = np.exp(rng.uniform(40.0, 60.0, SCENARIOS))
    devices = rng.integers(1, 1000, SCENARIOS).astype(float)
    share = rng.uniform(0.1, 0.6, SCENARIOS)
    counted = operations(flop, devices, share)
    arguments = scenario(flop, devices, share)
    ours_s = best_s(lambda: answered(arguments))
    count = sum(counted.values())

    near_one = share + 0.5

    def bare() -> None:
        for name, times in counted.items():
            operation = getattr(np, name)
            operands = (near_one, 1.1)[: operation.nin]
            for _ in range(times):
                operation(*operands)

    floor_s = best_s(bare)
    ledger = ", ".join(f"{name} {number}" for name, number in counted.most_common())
    sys.stdout.write(
        f"operations on arrays in one call: {count} ({ledger})\n"
        f"estimate:   {SCENARIOS / ours_s:.3g} scenarios/s ({ours_s * 1e3:.0f} ms)\n"
        f"bare numpy: {SCENARIOS / floor_s:.3g} scenarios/s ({floor_s * 1e3:.0f} ms), "
        f"the same {count} operations\n"
        f"speed over that of bare numpy operations: {floor_s / ours_s:.2f} (at least 0.33)\n"
    )


if __name__ == "__main__":
    main()
