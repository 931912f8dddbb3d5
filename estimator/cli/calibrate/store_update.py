"""A note before a store of an older version is brought up to date, which may take a while."""

from estimator.show.terminal import note

MANY = 250
"""Runs whose figures take about a second to be summed up [1]."""


def announce_update(*, quiet: bool) -> None:
    """Say on stderr that the store is brought up to date, if it holds many runs."""
    from estimator.runs import runs_of_older_version

    count = runs_of_older_version()
    if count >= MANY:
        note(f"bringing the store of {count:,} runs up to date, once", quiet=quiet)
