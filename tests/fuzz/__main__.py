"""Long mode of the fuzz tests: `python -m tests.fuzz [TIMES]`, other cases on each run.

It runs TIMES as many cases as the tests (default: 100), and prints how many there were, by exit
code, and the slowest. It fails with a case that is answered wrongly, or takes more than five
seconds of processor time.
"""

import argparse
import os
import sys
from pathlib import Path

import pytest


def main():
    """Run the tests in this process, and print the counts."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("times", nargs="?", type=int, default=100)
    os.environ["TWENTY_WATTS_FUZZ"] = str(parser.parse_args().times)
    status = pytest.main(["-q", "-p", "no:cacheprovider", str(Path(__file__).parent)])
    from tests.fuzz.outcome import CODES, MOST_S, SLOWEST

    by_code = ", ".join(f"{count} with exit code {code}" for code, count in sorted(CODES.items()))
    print(f"{CODES.total()} commands: {by_code}")
    print(f"slowest: {SLOWEST['time_s']:.2f} s, {SLOWEST['arguments']}")
    return int(status != 0 or SLOWEST["time_s"] > MOST_S)


if __name__ == "__main__":
    sys.exit(main())
