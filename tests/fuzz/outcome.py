"""What any command may answer: one line of refusal, or finite numbers in order; nothing else."""

import contextlib
import csv
import io
import json
import math
import os
import re
import time
from collections import Counter

from hypothesis import HealthCheck, Phase, settings

from estimator.cli import main

NOT_FOR_PEOPLE = re.compile(
    r"Traceback|Warning:|NoneType|<class |object at 0x|np\.float|array\(|"
    r"\d[eE]-\d+ ?%|(?<![\w'\"./+-])(?:nan|inf|-inf)(?![\w'\"./-])"
)
"""What a person must never read: the insides of Python, and numbers that are none."""

ECHOED = {"nan", "inf", "-inf", "--arch=nan", "--arch=inf", "--name=nan", "--name=inf"}
"""Words of the user that an answer may repeat."""

TIMES = int(os.environ.get("TWENTY_WATTS_FUZZ", "1"))
"""Times as many cases as in the tests; the long mode, `python -m tests.fuzz`, sets it."""


def fuzzing(cases):
    """Settings of a test: the same cases on every run, or others each time in the long mode.

    What fails is printed as it was drawn.
    """
    return settings(
        max_examples=cases * TIMES,
        derandomize=TIMES == 1,
        database=None,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck) if TIMES > 1 else [HealthCheck.too_slow],
    )


MOST_S = 5.0
"""Most processor time of a case in the long mode [s]."""

CODES = Counter()
SLOWEST = {"time_s": 0.0, "arguments": ()}
"""Exit codes of all cases, and the case that took longest."""

BOUNDS = ("low", "mid", "high")


def outcome(*arguments):
    """Run one command in this process: its exit code, stdout and stderr, checked."""
    out, err = io.StringIO(), io.StringIO()
    begun = time.process_time()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([str(one) for one in arguments])
        except SystemExit as left:
            code = left.code
    spent_s = time.process_time() - begun
    if spent_s > SLOWEST["time_s"]:
        SLOWEST.update(time_s=spent_s, arguments=arguments)
    CODES[code] += 1
    reported, said = out.getvalue(), err.getvalue()
    assert code in (0, 1, 2), (arguments, code)
    if code == 1:
        assert len(said.splitlines()) == 1 and said.startswith("error: "), (arguments, said)
        assert said.isprintable() or said.rstrip("\n").isprintable(), (arguments, said)
    if code == 2:
        assert "error: " in said.splitlines()[-1], (arguments, said)
    if code == 0:
        _checked(arguments, reported, said)
    return code, reported, said


def _checked(arguments, reported, said):
    """Check what an answer shows; the cells that a table echoes are the user's own."""
    echoes = "batch" in arguments or {str(one).casefold() for one in arguments} & ECHOED
    shown = said if echoes else reported + said
    found = NOT_FOR_PEOPLE.search(shown)
    assert not found, (arguments, found)
    if "--json" in arguments:
        ordered(json.loads(reported, parse_constant=_no_number))
    elif "--csv" in arguments:
        table_in_order(reported)


def _no_number(text):
    raise AssertionError(f"{text} is no JSON")


def ordered(node):
    """Every interval in an object holds its median; every number is finite."""
    if isinstance(node, dict):
        if set(BOUNDS) <= node.keys() and all(isinstance(node[one], int | float) for one in BOUNDS):
            slack = 1e-9 * abs(node["mid"])
            assert node["low"] - slack <= node["mid"] <= node["high"] + slack, node
        for one in node.values():
            ordered(one)
    elif isinstance(node, list):
        for one in node:
            ordered(one)
    elif isinstance(node, float):
        assert math.isfinite(node)


def table_in_order(text):
    """Every interval in a table holds its median; rows are as long as the header."""
    rows = list(csv.DictReader(io.StringIO(text), strict=True))
    for row in rows:
        assert None not in row and None not in row.values(), row
        for name in row:
            stem = name.removesuffix("_mid")
            if stem != name and row[name]:
                low, mid, high = (float(row[f"{stem}_{end}"]) for end in BOUNDS)
                assert math.isfinite(low + mid + high), row
                assert low <= mid * (1 + 1e-5) and mid <= high * (1 + 1e-5), row
    return rows
