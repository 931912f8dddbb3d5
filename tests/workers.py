"""Tests in several processes: collected once, then handed out file by file to forked workers.

Workers that collect for themselves import everything and rewrite every assertion once more each.
A pytest plugin: `pytest -p tests.workers --workers 3`. Without fork, all runs in one process.
"""

import multiprocessing
import os
import signal
import sys
import tempfile
from contextlib import suppress
from itertools import groupby
from multiprocessing.connection import wait

import pytest

WHOLE_FOLDERS = ("tests/browser/",)
"""One worker does all of such a folder: its files share a server and a browser."""

SLOW = ("tests/browser/", "tests/system/", "tests/web/", "tests/measure/")
"""Begun first, so that no worker is left alone with them at the end."""

TICKET_BYTES = 2


def pytest_addoption(parser):
    """Take how many processes share the tests."""
    parser.addoption(
        "--workers", type=int, default=1, metavar="N", help="share the tests among N processes"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    """Run the tests in workers, or leave it to pytest where one process does."""
    option = session.config.option
    collected = not session.testsfailed or option.continue_on_collection_errors
    if option.workers < 2 or option.collectonly or not collected or sys.platform != "linux":
        return None
    Boss(session).run(option.workers)
    return True


def units_of(items):
    """Group tests by file, or by folder where that is shared, the slow ones first."""

    def unit(item):
        file = item.nodeid.partition("::")[0]
        return next((folder for folder in WHOLE_FOLDERS if file.startswith(folder)), file)

    def place(group):
        slow = (place for place, start in enumerate(SLOW) if group[0].nodeid.startswith(start))
        return next(slow, len(SLOW))

    return sorted((list(group) for _name, group in groupby(items, unit)), key=place)


class Boss:
    """Starts the workers and reports what they report, as if it ran here."""

    def __init__(self, session):
        self.session, self.config = session, session.config
        self.units = units_of(session.items)
        self.done = set()

    def run(self, count):
        """Run all tests."""
        reporter = self.config.pluginmanager.getplugin("terminalreporter")
        reporter.showfspath = False
        folder = self.config._tmp_path_factory.getbasetemp()
        tickets, office = os.pipe()
        numbers = range(len(self.units))
        os.write(office, b"".join(number.to_bytes(TICKET_BYTES, "big") for number in numbers))
        os.close(office)
        fork = multiprocessing.get_context("fork")
        workers = {}
        for number in range(min(count, len(self.units))):
            heard, reports = fork.Pipe(duplex=False)
            worker = Worker(self.session, self.units, tickets, reports, folder / f"worker{number}")
            workers[heard] = fork.Process(target=worker.run)
            workers[heard].start()
            reports.close()
        os.close(tickets)
        try:
            self.listen(list(workers))
        finally:
            for process in workers.values():
                if process.is_alive() and (self.session.shouldfail or self.session.shouldstop):
                    os.kill(process.pid, signal.SIGINT)
                process.join()
        self.report_left()

    def listen(self, open_ones):
        """Pass on reports until every worker has ended, or the tests are to stop."""
        hook = self.config.hook
        while open_ones and not (self.session.shouldfail or self.session.shouldstop):
            for heard in wait(open_ones):
                try:
                    kind, content = heard.recv()
                except EOFError:
                    open_ones.remove(heard)
                    continue
                if kind == "report":
                    report = hook.pytest_report_from_serializable(config=self.config, data=content)
                    hook.pytest_runtest_logreport(report=report)
                elif kind == "start":
                    hook.pytest_runtest_logstart(nodeid=content[0], location=content[1])
                else:
                    self.done.add(content[0])
                    hook.pytest_runtest_logfinish(nodeid=content[0], location=content[1])

    def report_left(self):
        """Stop as asked, or let every test fail that a worker has not finished."""
        if self.session.shouldfail:
            raise self.session.Failed(self.session.shouldfail)
        if self.session.shouldstop:
            raise self.session.Interrupted(self.session.shouldstop)
        for item in self.session.items:
            if item.nodeid not in self.done:
                report = pytest.TestReport(
                    item.nodeid, item.location, {}, "failed", "its worker ended before it", "call"
                )
                self.config.hook.pytest_runtest_logreport(report=report)


class Worker:
    """Runs the units that it draws, in a process of its own with a data folder of its own."""

    def __init__(self, session, units, tickets, reports, folder):
        self.session, self.units, self.tickets = session, units, tickets
        self.reports, self.folder = reports, folder

    def run(self):
        """Draw one unit after the other until none is left."""
        signal.signal(signal.SIGINT, signal.default_int_handler)  # deaf in the background
        plugins = self.session.config.pluginmanager
        plugins.unregister(name="terminalreporter")
        plugins.register(Sender(self.session.config, self.reports))
        capture = plugins.getplugin("capturemanager")
        capture.stop_global_capturing()
        capture.start_global_capturing()
        capture.suspend_global_capture()
        self.folder.mkdir(mode=0o700)
        self.session.config._tmp_path_factory._basetemp = self.folder
        with tempfile.TemporaryDirectory(prefix="twenty-watts-data-") as data:
            os.environ["TWENTY_WATTS_DATA"] = data
            with suppress(KeyboardInterrupt):
                while ticket := os.read(self.tickets, TICKET_BYTES):
                    self.run_unit(self.units[int.from_bytes(ticket, "big")])
            self.session._setupstate.teardown_exact(None)

    def run_unit(self, unit):
        """Run the tests of a unit; after the last one every fixture ends."""
        for item, following in zip(unit, [*unit[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)


class Sender:
    """Sends the boss what happens in a worker."""

    def __init__(self, config, reports):
        self.config, self.reports = config, reports

    def pytest_runtest_logstart(self, nodeid, location):
        self.reports.send(("start", (nodeid, location)))

    def pytest_runtest_logreport(self, report):
        hook = self.config.hook
        content = hook.pytest_report_to_serializable(config=self.config, report=report)
        self.reports.send(("report", content))

    def pytest_runtest_logfinish(self, nodeid, location):
        self.reports.send(("finish", (nodeid, location)))
