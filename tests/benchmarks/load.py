"""Load that a server holds: `python -m tests.benchmarks.load [--sessions N] [--churn MINUTES]`.

Sessions speak the browser's protocol on loopback, with the processors of the server. Printed are

- the time of a change with N sessions at one change each five seconds, the processor time of a
  change, and the memory of a session;
- twice as many sessions at a server that admits N: how many are refused, in what time, and the time
  of a change of those admitted meanwhile;
- memory while sessions come and go for some minutes: it must not grow.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from tests.benchmarks.app import EVERY_S, LASTING_S, ROOT, Session, late_ms, quantiles, server

SESSIONS = 100
GOAL_MS = 300.0
"""The 95th percentile of a change that counts as held [ms]."""

STAYING_S = 20.0
"""How long a visitor of the churn stays [s]; assumed."""


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=SESSIONS)
    parser.add_argument("--churn", type=float, default=0.0, metavar="MINUTES")
    options = parser.parse_args()
    count = options.sessions
    with app(count) as (address, process):
        for line in asyncio.run(held(address, process, count)):
            print(line, flush=True)
    if options.churn:
        with app(count) as (address, process):
            asyncio.run(churn(address, process, count // 4, 60.0 * options.churn))


@contextmanager
def app(admitted: int) -> Iterator[tuple[str, psutil.Process]]:
    """Run the app so that it admits some sessions; the address of its stream, and its process."""
    with server(ROOT / "app.py", TWENTY_WATTS_MAX_SESSIONS=str(admitted)) as (url, process):
        yield f"{url.replace('http', 'ws')}/_stcore/stream", psutil.Process(process.pid)


async def held(address: str, process: psutil.Process, count: int) -> list[str]:
    """Load the server with as many sessions as it admits, then with as many again."""
    visits = [Session(address) for _ in range(count)]
    await visits[0].open()
    before = process.memory_info().rss
    for visit in visits[1:]:
        await visit.open()
    each = (process.memory_info().rss - before) / max(count - 1, 1)
    begun_s = busy_s(process)
    times = await changes(visits)
    spent_s = (busy_s(process) - begun_s) / len(times)
    lines = [
        f"{count} sessions, {len(times)} changes, one each {EVERY_S:g} s: {quantiles(times)}, "
        f"{1e3 * spent_s:.0f} ms of processor time each, {each / 1e6:.2f} MB a session",
        f"held with p95 below {GOAL_MS:g} ms: {'yes' if late_ms(times) < GOAL_MS else 'no'}",
    ]
    refused, refusals = 0, []
    more = asyncio.create_task(changes(visits))
    for _ in range(count):
        visit, begun = Session(address), time.perf_counter()
        try:
            await visit.open()
        except RuntimeError:  # a page without controls: the one that refuses
            refused += 1
        refusals.append(1e3 * (time.perf_counter() - begun))
        visit.close()
    lines.append(
        f"{count} more: {refused} refused with a page, {quantiles(refusals)}; meanwhile those "
        f"admitted: {quantiles(await more)}"
    )
    for visit in visits:
        visit.close()
    return lines


async def changes(visits: list[Session]) -> list[float]:
    """Times of the changes of some sessions, spread evenly [ms]."""
    begun = time.perf_counter()
    worked = await asyncio.gather(
        *(
            visit.work(begun, EVERY_S * place / len(visits), LASTING_S)
            for place, visit in enumerate(visits)
        )
    )
    return [spent for times in worked for spent in times]


async def churn(address: str, process: psutil.Process, at_once: int, lasting_s: float) -> None:
    """Let visitors come and go, and print the memory of the server each minute."""
    end = time.perf_counter() + lasting_s
    gone = 0

    async def seat() -> None:
        nonlocal gone
        while time.perf_counter() < end:
            visit = Session(address)
            with suppress(RuntimeError):
                await visit.open()
                await visit.work(time.perf_counter(), 0.0, STAYING_S)
            visit.close()
            gone += 1

    visitors = [asyncio.create_task(seat()) for _ in range(at_once)]
    sizes = []
    while time.perf_counter() < end:
        await asyncio.sleep(min(60.0, max(end - time.perf_counter(), 0.1)))
        sizes.append(process.memory_info().rss / 1e6)
        print(f"{gone} visitors gone: {sizes[-1]:.0f} MB", flush=True)
    await asyncio.gather(*visitors)
    half = len(sizes) // 2
    if half:
        first, second = statistics.mean(sizes[:half]), statistics.mean(sizes[half:])
        print(f"memory, first half to second: {first:.0f} to {second:.0f} MB")


def busy_s(process: psutil.Process) -> float:
    """Processor time of the server [s]."""
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main()
