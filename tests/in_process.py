"""The command line in this process: what it prints and its exit code, in a tenth of the time.

That a process of its own answers the same is a test of `tests/cli/test_commands.py`.
"""

import asyncio
import io
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from unittest import mock

from estimator.cli import main

WIDTH = "80"
"""Columns of help where no terminal says otherwise, as for a program whose output is read."""


@dataclass(frozen=True)
class Done:
    """What a command left, under the names of subprocess."""

    returncode: int
    stdout: str
    stderr: str


class _Stream(io.TextIOWrapper):
    """A text stream in memory, with bytes below it, as a pipe has."""

    def __init__(self, content=b""):
        super().__init__(io.BytesIO(content), encoding="utf-8", newline="", write_through=True)

    def content(self):
        self.flush()
        return self.buffer.getvalue()


@contextmanager
def _with_input(text):
    before, sys.stdin = sys.stdin, _Stream((text or "").encode())
    try:
        yield
    finally:
        sys.stdin = before


def run(*words, text_in=None, **environment):
    """Run a command of ours with further variables of the environment."""
    out, err = _Stream(), _Stream()
    variables = {"COLUMNS": WIDTH, **environment}
    with (
        mock.patch.dict(os.environ, variables),
        _with_input(text_in),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            code = main([str(word) for word in words])
        except SystemExit as ended:
            code = ended.code or 0
    return Done(code, out.content().decode(), err.content().decode())


def answer(line, *more, **environment):
    """JSON that a command prints; the words of a line are those between its blanks."""
    done = run(*line.split(), *more, "--json", **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def shown(line):
    """What a command prints for people, and what it notes."""
    done = run(*line.split())
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def refusal(line, *more, **environment):
    """The one line of a command that prints nothing else and ends with 1."""
    done = run(*line.split(), *more, **environment)
    assert (done.returncode, done.stdout) == (1, ""), done
    (said,) = done.stderr.splitlines()
    assert said.startswith("error: ")
    assert len(said) < 1000
    return said


def run_apart(coroutine):
    """Run a coroutine in a thread of its own: in this one the loop of a browser may run."""
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(asyncio.run, coroutine).result()
