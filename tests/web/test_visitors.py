"""Visitors at the same time: the limit, the polite page, and the metrics."""

import json
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from estimator.cli import main
from estimator.web.shared.visitors import Visitors
from tests import prometheus_server
from tests.benchmarks.app import Session, wait_for
from tests.in_process import run_apart
from tests.ports import free_port
from tests.server_programs import PROMETHEUS

ROOT = Path(__file__).parents[2]


def test_a_place_that_is_given_back_is_taken_again():
    here = Visitors(most=2)
    assert [here.enter(), here.enter(), here.enter()] == [True, True, False]
    here.leave(False)
    assert not here.enter()
    here.leave(True)
    assert here.enter()
    assert here.registry.get_sample_value("twenty_watts_sessions") == 2
    assert here.registry.get_sample_value("twenty_watts_refusals_total") == 2


def test_without_a_limit_everybody_enters():
    here = Visitors()
    assert all(here.enter() for _ in range(1000))


@contextmanager
def app(*options):
    """Port of a running app."""
    port = free_port()
    command = [sys.executable, "-m", "estimator", "app", "--no-browser", "--port", str(port)]
    with subprocess.Popen([*command, *options], cwd=ROOT, stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(f"http://localhost:{port}", server)
            yield port
        finally:
            server.terminate()


def test_a_full_server_says_so_and_its_metrics_count_it():
    metrics = free_port()
    with app("--max-sessions", "1", "--metrics-port", str(metrics)) as port:
        first, second, counted = run_apart(two_visits(port, metrics))
    assert "tw-figures" in first and "This server is full" not in first
    assert "This server is full" in second
    assert "tw-figures" not in second
    assert "twenty_watts_sessions 1.0" in counted
    assert "twenty_watts_refusals_total 1.0" in counted
    assert 'twenty_watts_page_seconds_count{page="estimate"} 1.0' in counted


async def two_visits(port, metrics):
    """Texts that two visitors at the same time are sent, and the metrics meanwhile."""
    visits = [Session(f"ws://localhost:{port}/_stcore/stream") for _ in range(2)]
    texts = []
    for visit in visits:
        received = []
        visit.receiver = received.append
        with suppress(RuntimeError):  # no control on the page that refuses
            await visit.open()
        texts.append("".join(map(str, received)))
    answer = urllib.request.urlopen(f"http://127.0.0.1:{metrics}/metrics", timeout=60)
    for visit in visits:
        await visit.leave()
    return *texts, answer.read().decode()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max-sessions", "0"], "--max-sessions must be at least 1, got 0"),
        (["--open", "https://watts.example.org/?v=1"], "--open takes a link without its host"),
        (["--metrics-port", "0"], "--metrics-port must be between 1 and 65535, got 0"),
    ],
)
def test_a_limit_that_admits_nobody_is_refused(options, message, capsys):
    assert main(["app", *options]) == 1
    assert message in capsys.readouterr().err


def test_a_prometheus_server_scrapes_the_metrics(tmp_path):
    programs = PROMETHEUS.find()
    if programs is None:
        pytest.skip(PROMETHEUS.missing())
    metrics = free_port()
    scraped = [f"127.0.0.1:{metrics}"]
    none = "# EOF\n"
    with app("--metrics-port", str(metrics)) as port:
        run_apart(two_visits(port, metrics))
        with prometheus_server.serving(tmp_path, programs, none, scraped) as url:
            end, found = time.monotonic() + 120, []
            while not found and time.monotonic() < end:
                time.sleep(0.2)
                query = f"{url}/api/v1/query?query=twenty_watts_page_seconds_count"
                with urllib.request.urlopen(query, timeout=60) as answer:
                    found = json.load(answer)["data"]["result"]
    assert [(one["metric"]["page"], one["value"][1]) for one in found] == [("estimate", "2")]
