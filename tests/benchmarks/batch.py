"""How fast is `batch`: 100,000 rows as wide as those of the published runs, on one core.

Run it with `python -m tests.benchmarks.batch`. Two tables: the published runs over and over, and
the same with a name and numbers of its own in every row, so that nothing of one row answers
another. They are read from memory and written to a file. The time is that of the processor,
whatever else the machine does, and the least of several; what other programs leave of the caches
still shows in it.
"""

import csv
import io
import random
import sys
import time
from tempfile import TemporaryFile

from estimator.catalog import Catalog
from estimator.catalog.profile_folders import shipped_directory
from estimator.cli.batch import TABLE_TEXT
from estimator.show.csv_table import estimate_csv

ROWS = 100_000
REPEATS = 5
VARIED = ("train_flops_reported", "params_total", "tokens_processed", "accelerator_hours")


def repeated() -> list[str]:
    """Return the published runs over and over, as lines."""
    table = (shipped_directory() / "runs" / "published_runs.csv").read_text(encoding="utf-8")
    header, *rows = table.splitlines(keepends=True)
    return [header, *(rows * (ROWS // len(rows) + 1))[:ROWS]]


def varied() -> list[str]:
    """Return the same with a name and numbers of its own in every row."""
    rng, out = random.Random(20), io.StringIO()
    rows = csv.DictReader(repeated())
    writer = csv.DictWriter(out, rows.fieldnames or (), lineterminator="\n")
    writer.writeheader()
    for number, row in enumerate(rows):
        own = {
            name: f"{float(row[name]) * rng.uniform(0.9, 1.1):.6g}" for name in VARIED if row[name]
        }
        writer.writerow(row | own | {"name": f"{row['name']} {number}"})
    return out.getvalue().splitlines(keepends=True)


def main() -> None:
    """Print the processor time of a hundred thousand rows and the rows per second."""
    catalog = Catalog.open()
    for name, lines in (("published rows, repeated", repeated()), ("no two rows alike", varied())):
        times = []
        for _ in range(REPEATS):
            with TemporaryFile("w", **TABLE_TEXT) as out:
                start = time.process_time()
                summary = estimate_csv(iter(lines), out, catalog, level=0.8)
                times.append(time.process_time() - start)
        taken = min(times)
        sys.stdout.write(
            f"batch, {name}: {summary.rows:,} rows in {taken:.2f} s of one core (at most 1.5), "
            f"{summary.rows / taken:,.0f} /s\n"
        )


if __name__ == "__main__":
    main()
