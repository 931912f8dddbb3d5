"""One test over many cases: every case is looked at, and all that fail are named."""

import pytest

FAILURES = (
    *(AssertionError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError, OSError),
    pytest.fail.Exception,
)
SHOWN = 20


def over(cases, name=str):
    """Make a test of one case a test of all, as `parametrize` but with one result.

    A thousand results of one rule take longer to collect and to report than to find out.
    Cases that a generator makes are made when the test runs.
    """

    def of_all(test):
        def whole():
            listed = list(cases)
            assert listed, "no case"
            failed = []
            for case in listed:
                try:
                    test(case)
                except FAILURES as error:
                    failed.append(f"{name(case)}: {type(error).__name__}: {error}")
            if failed:
                shown = "\n".join(failed[:SHOWN])
                pytest.fail(f"{len(failed)} of {len(listed)} cases:\n{shown}", pytrace=False)

        whole.__name__, whole.__doc__, whole.__module__ = (
            *(test.__name__, test.__doc__, test.__module__),
        )
        return whole

    return of_all
