"""How many serving set-ups a second: a million rows through the core, in blocks."""

import time
from dataclasses import replace

import numpy as np

from estimator.catalog import Catalog
from estimator.serving.engines import fitted
from estimator.serving.performance import performance
from estimator.serving.question import ServingQuestion
from estimator.serving.table import Resolver, table_of

ROWS, BLOCK = 1_000_000, 50_000


def main():
    """Print the time of a million set-ups of a mixture on two devices."""
    catalog = Catalog.open()
    parameters = fitted(catalog)
    asked = ServingQuestion(model="qwen3-30b-a3b", hardware="h100", devices=2)
    table = table_of([Resolver(catalog, parameters).resolve(asked)])
    setup, usual = table.setup(parameters), table.traffic(parameters)
    random = np.random.default_rng(0)
    flying, read, written = (np.exp(random.uniform(0, 7, (3, ROWS)))).round() + 1
    started = time.perf_counter()
    for begin in range(0, ROWS, BLOCK):
        part = slice(begin, begin + BLOCK)
        performance(
            setup,
            replace(
                usual,
                sequences=flying[part],
                input_tokens=read[part],
                output_tokens=written[part],
            ),
        )
    print(f"{ROWS:,} serving set-ups in {time.perf_counter() - started:.2f} s")


if __name__ == "__main__":
    main()
