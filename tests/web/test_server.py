"""The server: what it is set to, whom it asks, and what it tells the person who starts it."""

import asyncio
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from streamlit import config, net_util
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.app_session import AppSession
from streamlit.web.server import server_util
from streamlit.web.server.starlette import starlette_server

from estimator.cli import main
from estimator.cli.app import OPEN, is_loopback, reachable
from estimator.web.server import (
    WAIT_S,
    read_theme_once,
    send_at_once,
    stay_home,
    switch_often,
    together,
)
from tests.benchmarks.app import Session, server

ROOT = Path(__file__).parents[2]
AS_SHIPPED = net_util.get_external_ip
"""Kept before any test starts an app in this process, which takes it away."""


def test_a_page_opened_by_a_foreign_name_asks_nobody_outside(monkeypatch):
    asked = []
    monkeypatch.setattr(net_util, "_make_blocking_http_get", lambda url, **_: asked.append(url))
    monkeypatch.setattr(net_util, "_external_ip", None)
    monkeypatch.setattr(net_util, "get_external_ip", AS_SHIPPED)
    assert not server_util.is_url_from_allowed_origins("https://watts.example.org")
    assert asked, "this is what Streamlit does by itself"
    asked.clear()
    stay_home()
    assert not server_util.is_url_from_allowed_origins("https://watts.example.org")
    assert asked == []


def test_the_settings_bound_uploads_and_hide_tracebacks_from_visitors():
    script = (
        "from streamlit.config import get_option\n"
        "print(get_option('server.maxUploadSize'), get_option('client.showErrorDetails'))\n"
        "print(get_option('client.allowedOrigins'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["10", "none", "[]"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
def test_an_address_of_the_network_is_no_loopback_and_has_a_reachable_name(host):
    assert not is_loopback(host)
    assert reachable(host) not in ("0.0.0.0", "::", "localhost", "")
    assert "network" in OPEN


def test_a_port_in_use_is_refused_in_one_line():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        command = [sys.executable, "-m", "estimator", "app", "--no-browser", "--port", str(port)]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
        )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"port {port} is in use" in done.stderr
    assert "--port" in done.stderr


def test_an_address_of_another_machine_is_one_line(capsys):
    """192.0.2.7 is kept for documentation: no machine has it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert main(["app", "--no-browser", "--host", "192.0.2.7", "--port", str(port)]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith(f"error: cannot listen at 192.0.2.7 on port {port} (")
    assert shown.count("\n") == 1


def test_sessions_take_turns_often():
    before = sys.getswitchinterval()
    try:
        sys.setswitchinterval(0.005)
        switch_often()
        assert sys.getswitchinterval() <= 0.001
    finally:
        sys.setswitchinterval(before)


def test_a_connection_sends_each_message_at_once():
    plain = starlette_server._bind_socket
    for bind, waits in ((plain, True), (send_at_once(plain), False)):
        with bind("127.0.0.1", 0, 1) as listening:
            listening.setblocking(True)
            with socket.create_connection(listening.getsockname()), listening.accept()[0] as one:
                nodelay = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                assert bool(nodelay) is not waits


def begun(*parts):
    """A run begins, of some parts of a page or of all of it."""
    message = ForwardMsg()
    message.new_session.name = "app"
    message.metadata.run.fragment_ids.extend(parts)
    return message


def box(part):
    """An empty box is drawn, around a part of a page if one is named."""
    message = ForwardMsg()
    message.delta.add_block.allow_empty = True
    message.delta.fragment_id = part
    return message


def element(part):
    message = ForwardMsg()
    message.delta.new_element.html.body = "answer"
    message.delta.fragment_id = part
    return message


def runs(running):
    message = ForwardMsg()
    message.session_status_changed.script_is_running = running
    return message


class Listening:
    """What of a session the messages pass through, and whether each was sent when it came."""

    def __init__(self, loop):
        self._event_loop, self.kept, self.sent = loop, [], []
        self._message_enqueued_callback = self.send

    def send(self):
        self.sent.append(len(self.kept))

    def enqueue(self, message):
        self.kept.append(message)
        if self._message_enqueued_callback:
            self._message_enqueued_callback()


@pytest.fixture
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def pass_by(loop):
    """Let the time pass; in a thread, as a browser of other tests may hold a loop in this one."""
    thread = threading.Thread(
        target=lambda: loop.run_until_complete(asyncio.sleep(2 * WAIT_S)), daemon=True
    )
    thread.start()
    thread.join()


def test_what_begins_a_change_is_sent_with_the_first_element(loop):
    session, enqueue = Listening(loop), together(Listening.enqueue)
    for message in (begun("contents"), runs(True), box("contents"), element("contents")):
        enqueue(session, message)
    assert session.sent == [3]
    for message in (box("picture"), element("picture")):
        enqueue(session, message)
    assert session.sent == [3, 5]


def test_a_short_run_is_neither_said_to_run_nor_to_have_ended(loop):
    session, enqueue = Listening(loop), together(Listening.enqueue)
    for message in (begun("contents"), runs(True), element("contents"), runs(False)):
        enqueue(session, message)
    pass_by(loop)
    assert not any(message.HasField("session_status_changed") for message in session.kept)
    assert session.sent == [2]


def test_a_longer_run_is_said_to_run_and_to_have_ended(loop):
    session, enqueue = Listening(loop), together(Listening.enqueue)
    for message in (begun("contents"), runs(True), element("contents")):
        enqueue(session, message)
    pass_by(loop)
    assert session.kept[-1].session_status_changed.script_is_running
    enqueue(session, runs(False))
    assert not session.kept[-1].session_status_changed.script_is_running
    assert session.sent == [2, 3, 4]


def test_what_waits_is_sent_where_a_run_shows_nothing(loop):
    session, enqueue = Listening(loop), together(Listening.enqueue)
    for message in (begun("contents"), runs(True), box("contents"), runs(False)):
        enqueue(session, message)
    assert session.sent == [3]


def test_settings_of_the_theme_are_looked_up_again_when_their_file_has_changed(monkeypatch):
    looked_up = []

    def options(section):
        looked_up.append(section)
        return {"base": "light"}

    monkeypatch.setattr(config, "get_options_for_section", options)
    read_theme_once.__wrapped__()
    for _change in range(2):
        assert config.get_options_for_section("theme") == {"base": "light"}
    assert looked_up == ["theme"]
    config._on_config_parsed.send()
    config.get_options_for_section("theme")
    assert looked_up == ["theme", "theme"]


def test_a_run_of_the_whole_page_is_announced_at_once(loop):
    session, enqueue = Listening(loop), together(Listening.enqueue)
    for message in (begun(), runs(True), box(""), element("")):
        enqueue(session, message)
    assert session.sent == [1, 2, 3, 4]


def test_what_waits_is_sent_before_long_where_nothing_follows(loop):
    session, enqueue = Listening(loop), together(Listening.enqueue)
    enqueue(session, begun("contents"))
    enqueue(session, runs(True))
    assert session.sent == []
    pass_by(loop)
    assert session.sent == [2]
    enqueue(session, box("contents"))
    assert session.sent == [2]
    pass_by(loop)
    assert session.sent == [2, 3]


def test_a_session_of_streamlit_has_what_the_messages_pass_through():
    names = AppSession.__init__.__code__.co_names
    assert {"_message_enqueued_callback", "_event_loop"} <= {*names}
    assert "_message_enqueued_callback" in AppSession._enqueue_forward_msg.__code__.co_names or (
        AppSession._enqueue_forward_msg.__module__ == together.__module__
    )


async def sent_by_a_change(url):
    """Messages that a changed count of devices brings, in their order."""
    visitor = Session(f"{url.replace('http', 'ws')}/_stcore/stream")
    await visitor.open()
    sent = []
    visitor.receiver = sent.append
    await visitor.change(128.0)
    visitor.close()
    while await visitor.socket.read_message() is not None:
        pass  # the socket is open until the server has answered the farewell
    return sent


def test_a_change_on_the_first_page_sends_few_messages_and_the_figures_first():
    # Apart from this thread, in which the loop of a browser may run.
    with server(ROOT / "app.py") as (url, _process), ThreadPoolExecutor(1) as apart:
        sent = apart.submit(lambda: asyncio.run(sent_by_a_change(url))).result()
    kinds = [message.WhichOneof("type") for message in sent]
    lasting = [kind for kind in kinds if kind != "session_status_changed"]
    assert lasting[0] == "new_session" and lasting[-1] == "script_finished"
    assert len(lasting) <= 9
    elements = [message.delta.new_element for message in sent if message.HasField("delta")]
    shown = [one for one in elements if one.WhichOneof("type")]
    assert "tw-figures" in shown[0].html.body
    assert "data-scenario" in shown[-1].html.body
    assert any(one.HasField("vega_lite_chart") for one in shown[1:-1])
