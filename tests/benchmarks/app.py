"""How fast is the app beside an empty one: `python -m tests.benchmarks.app`.

In the same run, on the same machine, three apps are measured by the same means: one of one control
and one line; one of as many plain elements as the page Estimate has, with nothing to work out; and
the page Estimate. What the second takes more than the first is Streamlit's own:

- from a key pressed in a control to the new answer in the DOM, and to the end of the page, in a
  headless Chromium;
- bytes that a first visit loads, compressed as they come over the wire, messages included;
- memory of the server for each of many sessions, and how long their changes take when each changes
  a control every five seconds; these sessions speak Streamlit's protocol without a browser, and a
  change counts until the server says that its script has finished;
- how many sessions it holds so that 95 of 100 changes take less than 250 ms.

The sessions run on the machine of the server and take processor time from it.
"""

import asyncio
import importlib.util
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.startup import ROOT
from tests.ports import free_port

if TYPE_CHECKING:
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
    from tornado.httpclient import HTTPRequest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHANGES, WARM_UP = 40, 5
SESSIONS, EVERY_S, LASTING_S = 150, 5.0, 20.0
FEWER = (100, 70, 50, 35, 25, 18, 12, 8, 5, 3)
"""Sessions tried where so many are too many [1]."""

GOAL_MS = 250.0
"""The 95th percentile of a change that counts as held [ms]."""

PAUSE_MS = 150
"""Between two changes, so that one change never waits for the one before [ms]."""

EMPTY = """import streamlit as st
value = st.number_input("Devices", 1, 10**6, 64, key="estimate_devices")
st.html(f'<span hidden data-scenario="{value}"></span>')
"""
"""The least app that answers a change: one control, and one line that says what it is at."""

PLAIN = """import pandas as pd
import streamlit as st

st.set_page_config(layout="wide", initial_sidebar_state=368)
with st.sidebar:
    st.html("<p>Twenty Watts</p>")
    st.segmented_control("Entry", ["Train", "Fine-tune", "Timed"], default="Train")
    st.pills("Way", ["Size", "Known run", "FLOPs", "Samples", "config"], default="Size")
    with st.container(horizontal=True):
        st.text_input("Parameters", "7B", help="help")
        st.text_input("Tokens", "2T", help="help")
    st.selectbox("Device", [f"device {place}" for place in range(288)], help="help")
    value = st.number_input("Devices", 1, 10**6, 64, key="estimate_devices", help="help")
    st.selectbox("Site", [f"site {place}" for place in range(288)], help="help")
    st.pills("More inputs", ["Work", "Hardware", "Place"], selection_mode="multi")
    st.button("Reset", help="help")
st.html("<nav>" + "".join(f'<a href="./{place}">page</a>' for place in range(36)) + "</nav>")
st.html("<h2>Estimate</h2>")
figure = f"<div><dt>name</dt><dd><div>{value}<small>unit</small></div><p>note</p></dd></div>"
st.html(f'<dl class="tw-figures">{figure * 8}</dl>')
st.segmented_control("Picture", ["Devices", "Parts", "Uncertainty"], default="Devices")
st.segmented_control("By", ["Time", "Energy", "Cost", "CO2e"], default="Energy")
table = pd.DataFrame({"device": list("abcdef"), "value": [value * (n + 1) for n in range(6)]})
x = {"field": "value", "type": "quantitative"}
y = {"field": "device", "type": "nominal"}
spec = {"mark": "bar", "encoding": {"x": x, "y": y}, "height": 240}
st.vega_lite_chart(table, spec, theme=None, key="chart")
st.html("<p>Sources</p>")
st.button("Pin")
st.pills("More", ["Formula", "Sources", "Start", "Examples", "Share"], selection_mode="multi")
st.html(f'<span hidden data-scenario="{value}"></span>')
"""
"""As many elements as on the page Estimate, each of the same kind, written as Streamlit teaches."""

PRESS = """async (pause) => {
    const state = () => document.querySelector("[data-scenario]")?.dataset.scenario;
    const answer = () => document.querySelector(".tw-figures")?.textContent ?? state();
    const control = document.querySelector(".st-key-estimate_devices input");
    control.focus();
    const before = [answer(), state()], begun = performance.now();
    let answered;
    const changed = new Promise((resolve) => {
        const watch = new MutationObserver(() => {
            if (answer() !== before[0]) { answered ??= performance.now() - begun; }
            if (state() && state() !== before[1]) {
                watch.disconnect();
                const ended = performance.now() - begun;
                resolve([answered ?? ended, ended]);
            }
        });
        watch.observe(document.body, {
            subtree: true, childList: true, attributes: true, characterData: true
        });
    });
    control.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowUp", bubbles: true }));
    const spent = await changed;
    await new Promise((resolve) => setTimeout(resolve, pause));
    return spent;
}"""
"""Press a key in a control, and the times until the page shows another answer, and until its end
says another state [ms]."""


def main() -> None:
    """Print the apps side by side."""
    with tempfile.TemporaryDirectory() as folder:
        apps = {"empty app": EMPTY, "as many plain elements": PLAIN}
        for name, text in apps.items():
            (Path(folder) / f"{name}.py").write_text(text, encoding="utf-8")
        paths = {name: Path(folder) / f"{name}.py" for name in apps}
        for name, path in {**paths, "Twenty Watts, Estimate": ROOT / "app.py"}.items():
            with server(path) as (url, process):
                print(name)
                page = "" if name in paths else "estimate"
                for line in (*in_a_browser(url, page), *sessions(url, process.pid, page)):
                    print(f"  {line}", flush=True)


@contextmanager
def server(script: Path, **settings: str) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Run a Streamlit script on a free port with the settings of the app, and some variables."""
    port = free_port()
    command = [sys.executable, "-m", "streamlit", "run", str(script)]
    command += ["--server.port", str(port)]
    quiet = subprocess.DEVNULL
    environment = {**os.environ, **settings}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=quiet, stderr=quiet
    ) as process:
        try:
            url = f"http://localhost:{port}"
            wait_for(url, process)
            yield url, process
        finally:
            process.terminate()


def wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    """Wait until a server answers."""
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError("the server ended before it answered")
        try:
            urllib.request.urlopen(f"{url}/_stcore/health", timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("the server does not answer")


def in_a_browser(url: str, name: str) -> Iterator[str]:
    """First load and event to DOM; one line says what is lacking."""
    named = os.environ.get("TWENTY_WATTS_BROWSER")
    browser = named or next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None or importlib.util.find_spec("playwright") is None:
        yield "event to DOM: not measured, it needs playwright and a Chromium"
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1280, "height": 720})
        network = page.context.new_cdp_session(page)
        network.send("Network.enable")
        loaded = {"files": 0.0, "messages": 0.0}

        def finished(event: dict[str, float]) -> None:
            loaded["files"] += event["encodedDataLength"]

        def received(event: dict[str, dict[str, str]]) -> None:
            loaded["messages"] += len(event["response"]["payloadData"]) * 3 / 4

        network.on("Network.loadingFinished", finished)
        network.on("Network.webSocketFrameReceived", received)
        page.goto(f"{url}/{name}")
        page.wait_for_selector("[data-scenario]", state="attached", timeout=60_000)
        page.wait_for_selector(".st-key-estimate_devices input", timeout=60_000)
        page.wait_for_load_state("networkidle")
        yield (
            f"first load: {loaded['files'] / 1e6:.2f} MB of files, "
            f"{loaded['messages'] / 1e3:.0f} kB of messages"
        )
        times = [page.evaluate(PRESS, PAUSE_MS) for _ in range(WARM_UP + CHANGES)][WARM_UP:]
        answers, ends = zip(*times, strict=True)
        yield f"event to the answer in the DOM, {CHANGES} changes: {quantiles(answers)}"
        yield f"event to the end of the page: {quantiles(ends)}"
        chromium.close()


def sessions(url: str, pid: int, page: str) -> Iterator[str]:
    """Memory of each session, and how long a change takes with all of them at work."""
    before = memory_bytes(pid)
    times_of, after = asyncio.run(at_work(url, pid, page))
    each = (after - before) / SESSIONS
    yield f"memory: {before / 1e6:.0f} MB, and {each / 1e6:.2f} MB for each of {SESSIONS} sessions"
    for count, times in times_of.items():
        yield (
            f"{count} sessions, a change each {EVERY_S:g} s for {LASTING_S:g} s "
            f"({len(times)} changes): {quantiles(times)}"
        )
    held = [count for count, times in times_of.items() if late_ms(times) < GOAL_MS]
    yield f"held with p95 below {GOAL_MS:g} ms: {max(held, default=0)} sessions"


async def at_work(url: str, pid: int, page: str) -> tuple[dict[int, list[float]], float]:
    """Open all sessions, and let ever fewer of them change until they are held: [ms], [B]."""
    stream = f"{url.replace('http', 'ws')}/_stcore/stream"
    clients = [Session(stream, page=page) for _ in range(SESSIONS)]
    for client in clients:
        await client.open()
    held = memory_bytes(pid)
    times_of: dict[int, list[float]] = {}
    for count in (SESSIONS, *FEWER):
        begun = time.perf_counter()
        worked = await asyncio.gather(
            *(
                client.work(begun, EVERY_S * place / count)
                for place, client in enumerate(clients[:count])
            )
        )
        times_of[count] = [spent for times in worked for spent in times]
        if late_ms(times_of[count]) < GOAL_MS:
            break
    for client in clients:
        client.close()
    return times_of, held


class Session:
    """One visitor without a browser."""

    def __init__(
        self, address: "str | HTTPRequest", query: str = "", page: str = "estimate"
    ) -> None:
        self.address = address
        self.page = page
        self.query = query
        self.value = 100
        self.control = ""
        self.part = ""
        self.receiver: Callable[[ForwardMsg], object] | None = None

    async def open(self) -> None:
        """Connect, ask for the page, and read until its script has finished."""
        from tornado.websocket import websocket_connect

        self.socket = await websocket_connect(self.address, subprotocols=["streamlit"])
        await self.change(None)
        if not self.control:
            raise RuntimeError("the page has no control named estimate_devices")

    async def work(self, begun: float, offset: float, lasting_s: float = LASTING_S) -> list[float]:
        """Change the control at its times, whatever the server makes of the last change: [ms]."""
        moment, times = begun + offset, []
        while moment < begun + lasting_s:
            await asyncio.sleep(max(moment - time.perf_counter(), 0.0))
            self.value += 1
            await self.change(float(self.value))
            times.append(1e3 * (time.perf_counter() - moment))
            moment += EVERY_S
        return times

    async def change(self, value: float | None) -> None:
        """Send one state of the control, and read until the script has finished.

        As a browser does, it names the part of the page that the control stands in: only that is
        drawn again.
        """
        from streamlit.proto.BackMsg_pb2 import BackMsg
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        message = BackMsg()
        message.rerun_script.query_string = self.query
        message.rerun_script.page_name = self.page
        message.rerun_script.fragment_id = self.part
        if value is not None:
            state = message.rerun_script.widget_states.widgets.add()
            state.id, state.double_value = self.control, value
        await self.socket.write_message(message.SerializeToString(), binary=True)
        while True:
            data = await self.socket.read_message()
            if data is None:
                raise ConnectionError("the server closed a session")
            if not self.control:
                found = re.search(rb"\$\$ID-[0-9a-f]+-estimate_devices", data)
                if found:
                    self.control = found[0].decode()
                    self.part = ForwardMsg.FromString(data).delta.fragment_id
            if self.receiver is not None:
                self.receiver(ForwardMsg.FromString(data))
            if len(data) < SHORT and ended(ForwardMsg.FromString(data)):
                return

    def close(self) -> None:
        """Leave."""
        self.socket.close()

    async def leave(self) -> None:
        """Leave, and wait for the server's farewell: until then the socket is open."""
        self.close()
        while await self.socket.read_message() is not None:
            pass


SHORT = 200
"""Messages without content are shorter: only these are read, as a browser would in another
process [B]."""


def ended(message: "ForwardMsg") -> bool:
    """Whether a message says that a script has finished, and does not begin again."""
    again = message.FINISHED_EARLY_FOR_RERUN
    return message.HasField("script_finished") and message.script_finished != again


def memory_bytes(pid: int) -> float:
    """Resident memory of a process [B]."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return float("nan")
    found = re.search(r"VmRSS:\s+(\d+) kB", status.read_text(encoding="ascii"))
    return 1024.0 * float(found[1]) if found else float("nan")


def quantiles(times_ms: Sequence[float]) -> str:
    """Median and 95th percentile of some times."""
    return f"p50 {statistics.median(times_ms):.0f} ms, p95 {late_ms(times_ms):.0f} ms"


def late_ms(times_ms: Sequence[float]) -> float:
    """Time that 95 of 100 stay below [ms]."""
    ordered = sorted(times_ms)
    return ordered[min(int(0.95 * len(ordered)), len(ordered) - 1)]


if __name__ == "__main__":
    main()
