"""python -m tests.benchmarks.gpu train | serve | memory | table: see the package."""

import argparse
from pathlib import Path

RECORDS = Path("profiles/runs/measured_h100.toml")
"""What was measured on H100 boards."""


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.gpu", description=__doc__)
    parser.add_argument("verb", choices=("train", "serve", "memory", "table"))
    parser.add_argument("runs", nargs="?", type=Path, default=RECORDS, help="file of runs")
    parser.add_argument("--each", action="store_true", help="every program in the table")
    parser.add_argument("--place", default="cuda:0", help="as PyTorch counts")
    parser.add_argument("--device", default="gpu:0", help="as the driver counts")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each training program")
    parser.add_argument("--scale", type=float, default=1.0, help="of the batches")
    parser.add_argument("--only", default="", help="programs whose name begins so")
    parser.add_argument("-o", dest="file", type=Path, default=Path("peaks.json"))
    options = parser.parse_args()
    if options.verb == "train":
        from tests.benchmarks.gpu import training

        made = training.programs(options.scale)
        chosen = [one for one in made if one.name.startswith(options.only)]
        training.train(chosen, options.place, options.device, options.seconds)
    elif options.verb == "table":
        from tests.benchmarks.gpu.table import print_table

        print_table(options.runs, each=options.each)
    elif options.verb == "serve":
        from tests.benchmarks.gpu.serving import LOADS, serve

        serve(options.place, options.device, LOADS)
    else:
        from tests.benchmarks.gpu.memory import measure_memory

        measure_memory(options.file, options.place)


if __name__ == "__main__":
    main()
