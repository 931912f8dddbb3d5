"""The server: what it is set to, whom it asks, and what it tells the person who starts it."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from streamlit import net_util
from streamlit.web.server import server_util
from streamlit.web.server.starlette import starlette_server

from estimator.cli.app import OPEN, is_loopback, reachable
from estimator.web.server import send_at_once, stay_home, switch_often

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
        "print(get_option('server.maxUploadSize'), get_option('client.showErrorDetails'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["10", "none"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7"])
def test_an_address_of_the_network_is_no_loopback_and_has_a_reachable_name(host):
    assert not is_loopback(host)
    assert reachable(host) not in ("0.0.0.0", "::", "localhost", "")
    assert "network" in OPEN


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
