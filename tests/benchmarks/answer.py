"""How fast is one estimate: from a scenario in words to the answer, profiles already read.

Run it with `python -m tests.benchmarks.answer`. The time is that of the processor: a mean over many
calls, and the least of several such means.
"""

import sys
import time

from estimator.answer.scenario_estimate import answer_scenario
from estimator.catalog import Catalog
from estimator.question.scenario import Scenario

CALLS = 100
REPEATS = 15

QUESTIONS = {
    "a preset": Scenario(preset="gpt-3", hardware="v100"),
    "FLOPs": Scenario(flop=3.14e23, hardware="v100", devices=1e4, precision="fp16"),
    "a size in a country": Scenario(
        params=7e9, tokens=2e12, hardware="h100", devices=512.0, site="fr"
    ),
    "owned, in a year": Scenario(
        params=7e9, tokens=2e12, hardware="h100", devices=512.0, site="fr", pay="own", year=2024.0
    ),
}


def main() -> None:
    """Print the processor time of one answer to each question."""
    catalog = Catalog.open()
    for name, scenario in QUESTIONS.items():
        answer_scenario(scenario, catalog)
        times = []
        for _ in range(REPEATS):
            start = time.process_time()
            for _ in range(CALLS):
                answer_scenario(scenario, catalog)
            times.append((time.process_time() - start) / CALLS)
        sys.stdout.write(f"estimate of {name}: {min(times) * 1e3:.2f} ms (below 1)\n")


if __name__ == "__main__":
    main()
