"""Long mode of the fuzz tests: `python -m tests.fuzz [TIMES]`, other cases on each run.

It runs TIMES as many cases as the tests (default: 100), and prints how many there were, by exit
code, and the slowest. It fails with a case that is answered wrongly, or takes more than five
seconds.
"""

import os
import sys
from pathlib import Path

import pytest


def main():
    """Run the tests in this process, and print the counts."""
    os.environ["TWENTY_WATTS_FUZZ"] = sys.argv[1] if len(sys.argv) > 1 else "100"
    status = pytest.main(["-q", "-p", "no:cacheprovider", str(Path(__file__).parent)])
    from tests.fuzz.outcome import CODES, MOST_S, SLOWEST

    by_code = ", ".join(f"{count} with exit code {code}" for code, count in sorted(CODES.items()))
    print(f"{CODES.total()} commands: {by_code}")
    print(f"slowest: {SLOWEST['time_s']:.2f} s, {SLOWEST['arguments']}")
    return int(status != 0 or SLOWEST["time_s"] > MOST_S)


if __name__ == "__main__":
    sys.exit(main())
