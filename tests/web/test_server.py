"""The server: what it is set to, whom it asks, and what it tells the person who starts it."""

import http.client
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from estimator.cli import main
from estimator.cli.app import OPEN, is_loopback, reachable
from tests.benchmarks.app import Session, server, wait_for
from tests.in_process import run_apart
from tests.ports import free_port

ROOT = Path(__file__).parents[2]


def test_the_settings_bound_uploads_hide_tracebacks_and_spare_the_collector():
    options = ("server.maxUploadSize", "client.showErrorDetails", "client.allowedOrigins")
    script = (
        "from streamlit.config import get_option\n"
        f"print(*map(get_option, {(*options, 'runner.postScriptGC')}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["10", "none", "[]", "False"]


def test_a_public_host_is_an_allowed_origin_and_no_other_name_is():
    port = free_port()
    command = [sys.executable, "-m", "estimator", "app", "--no-browser", "--port", str(port)]
    command += ["--public-host", "watts.example.org"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as app:
        try:
            wait_for(f"http://127.0.0.1:{port}", app)
            assert handshake(port, "https://watts.example.org") == 101
            assert handshake(port, "https://elsewhere.example.org") == 403
        finally:
            app.terminate()


def handshake(port, origin):
    """Status of opening the stream of the app from a page of that origin."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Origin": origin,
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }
    connection.request("GET", "/_stcore/stream", headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


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
    assert shown.startswith(f"error: cannot listen on 192.0.2.7 on port {port} (")
    assert shown.count("\n") == 1


async def sent_by_a_change(url):
    """Messages that a changed count of devices brings, in their order."""
    visitor = Session(f"{url.replace('http', 'ws')}/_stcore/stream")
    await visitor.open()
    sent = []
    visitor.receiver = sent.append
    await visitor.change(128.0)
    await visitor.leave()
    return sent


def test_a_change_on_the_first_page_sends_the_figures_before_the_chart():
    with server(ROOT / "app.py") as (url, _process):
        sent = run_apart(sent_by_a_change(url))
    elements = [message.delta.new_element for message in sent if message.HasField("delta")]
    shown = [element for element in elements if element.WhichOneof("type")]
    figures = next(i for i, element in enumerate(shown) if "tw-figures" in element.html.body)
    chart = next(i for i, element in enumerate(shown) if element.HasField("vega_lite_chart"))
    assert figures < chart
    assert any("data-scenario" in element.html.body for element in shown[chart:])
