"""Print the golden ledgers, expected against ours: `python -m tests.golden`."""

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from estimator.networks.huggingface import model_ledger

HERE = Path(__file__).parent
TABLES = (("models.csv", "configs"), ("networks.csv", "networks"))


def counted() -> Iterator[tuple[str, int, int, float | None, float]]:
    """Name, parameters expected and ours, forward FLOPs expected (where counted) and ours."""
    for table, folder in TABLES:
        with (HERE / table).open() as lines:
            for row in csv.DictReader(lines):
                config = json.loads((HERE / folder / f"{row['config']}.json").read_text())
                length = float(row["seq_len"]) if row["seq_len"] else None
                ledger = model_ledger(config, seq_len=length)
                flop = float(row["forward_flop"]) if row["forward_flop"] else None
                params = int(row["params_total"])
                yield row["config"], params, ledger.params_total, flop, float(ledger.forward_flop)


def main() -> int:
    """Print one line per config, and how many hold."""
    exact = within = number = flops = 0
    sys.stdout.write(f"{'config':32}{'parameters':>18}{'ours':>18}{'FLOP ratio':>12}\n")
    for name, expected, ours, flop, forward in counted():
        ratio = None if flop is None else forward / flop
        number, flops = number + 1, flops + (ratio is not None)
        exact += expected == ours
        within += ratio is not None and abs(ratio - 1) <= 0.002
        shown = "not counted" if ratio is None else f"{ratio:.5f}"
        sys.stdout.write(f"{name:32}{expected:18,}{ours:18,}{shown:>12}\n")
    sys.stdout.write(
        f"{exact} of {number} parameter counts exact, "
        f"{within} of {flops} forward FLOPs within 0.2%\n"
    )
    return 0 if exact == number else 1


if __name__ == "__main__":
    sys.exit(main())
