"""How fast is `batch`: rows per second of a table as wide as that of the published runs.

Run it with `python -m benchmarks.batch`.
"""

import io
import sys
import time

from estimator.batch import estimate_table
from estimator.catalog import Catalog
from estimator.catalog.reading import shipped_directory

ROWS = 100_000


def main() -> None:
    """Print the time of a hundred thousand rows and the rows per second."""
    table = (shipped_directory() / "runs" / "published_runs.csv").read_text()
    header, *rows = table.splitlines(keepends=True)
    lines = [header, *(rows * (ROWS // len(rows) + 1))[:ROWS]]
    catalog = Catalog.open()
    start = time.perf_counter()
    tally = estimate_table(iter(lines), io.StringIO(), catalog, level=0.8)
    taken = time.perf_counter() - start
    sys.stdout.write(f"batch: {tally.rows:,} rows in {taken:.2f} s, {tally.rows / taken:,.0f} /s\n")


if __name__ == "__main__":
    main()
