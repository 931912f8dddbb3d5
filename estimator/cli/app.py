"""`app`: start the web app."""

import argparse
import errno
import ipaddress
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

DEFAULT_PORT = 8501

EVERY = ("0.0.0.0", "::", "")
"""Addresses that mean all interfaces."""

LIVE_TOKEN = "TWENTY_WATTS_LIVE"
"""Environment variable with the access token for live readings."""

OPEN = (
    "Open to the network: anyone who can reach this machine can use the app, without a "
    "password or encryption.\n"
)

EXAMPLES = """examples:
  twenty-watts app
  twenty-watts app --port 8080 --no-browser
  twenty-watts app --public-host watts.example.org --max-sessions 100 --metrics-port 9464
  twenty-watts app --open '?v=1&preset=gpt-3&hardware=h100&devices=1024'
The server listens on this machine only; --host 0.0.0.0 opens it to the network.
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "app",
        help="start the web app",
        description="Start the web app and open it in the browser. Ctrl-C stops it.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="port to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default: %(default)s, this machine only)",
    )
    parser.add_argument(
        "--public-host",
        metavar="NAME",
        help="public host name if the app is behind a proxy, such as watts.example.org",
    )
    parser.add_argument(
        "--max-sessions",
        type=int,
        metavar="N",
        help="maximum number of simultaneous visitors; others see a notice (default: no limit)",
    )
    parser.add_argument(
        "--metrics-port",
        type=int,
        metavar="PORT",
        help="serve Prometheus metrics on this port, to this machine only (default: off)",
    )
    parser.add_argument(
        "--live",
        action="store_true",
        help="show this machine's current power to visitors who open the link that is printed",
    )
    parser.add_argument(
        "--open",
        metavar="LINK",
        default="",
        help="page or scenario to open, such as 'brain?years=20' or '?v=1&...'",
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    parser.add_argument(
        "--profiles",
        metavar="DIR",
        help="your own profiles, which override the built-in ones for this server",
    )
    parser.set_defaults(run=run)


def script_path() -> Path:
    """Return the path of the Streamlit script, next to the package or inside an installed one."""
    package = Path(__file__).parents[1]
    installed = package / "app.py"
    return installed if installed.exists() else package.parent / "app.py"


def is_loopback(host: str) -> bool:
    """Return whether a server on this address is reachable from this machine only.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def reachable(host: str) -> str:
    """Name or address under which others reach a server on this address.

    >>> reachable("127.0.0.1"), reachable("192.0.2.7"), reachable("::1")
    ('localhost', '192.0.2.7', 'localhost')
    """
    if is_loopback(host):
        return "localhost"
    if host not in EVERY:
        return f"[{host}]" if ":" in host else host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return socket.gethostname()
        address: str = probe.getsockname()[0]
        return address


def run(options: argparse.Namespace) -> int:
    """Run Streamlit until it is stopped."""
    _check(options)
    environment = _environment(options)
    command = [sys.executable, "-m", "streamlit", "run", str(script_path())]
    command += [f"--server.port={options.port}", f"--server.address={options.host}"]
    if options.public_host:
        command.append(f"--browser.serverAddress={options.public_host}")
    address = f"http://{reachable(options.host)}:{options.port}"
    sys.stderr.write(f"Twenty Watts on {address}/{options.open}\n")
    if not is_loopback(options.host):
        sys.stderr.write(OPEN)
    if options.live:
        token = environment[LIVE_TOKEN]
        sys.stderr.write(f"Live readings: {address}/calibrate?live={token}\n")
    process = subprocess.Popen(command, env=environment, cwd=script_path().parent)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if not options.no_browser:
            _open_when_ready(process, address, options.open)
        return process.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        process.terminate()
        process.wait()


def _check(options: argparse.Namespace) -> None:
    """Refuse invalid options before a server starts."""
    for name, port in (("--port", options.port), ("--metrics-port", options.metrics_port)):
        if port is not None and not 1 <= port <= 65535:
            raise ValueError(f"{name} must be between 1 and 65535, got {port}")
    if options.max_sessions is not None and options.max_sessions < 1:
        raise ValueError(f"--max-sessions must be at least 1, got {options.max_sessions}")
    if options.open and not re.match(r"[a-z]*(\?|$)", options.open):
        raise ValueError("--open takes a link without its host, such as 'brain?years=20' or '?v=1'")
    _refuse_elsewhere(options.host, options.port)
    _refuse_taken(options.host, options.port)
    if options.metrics_port is not None:
        _refuse_taken("127.0.0.1", options.metrics_port)


def _environment(options: argparse.Namespace) -> dict[str, str]:
    """Return the server's environment with the options applied."""
    environment = dict(os.environ)
    if options.profiles:
        from estimator.catalog import Catalog
        from estimator.catalog.checks import sound

        sound(Catalog.open(options.profiles))
        environment["TWENTY_WATTS_PROFILES"] = str(Path(options.profiles).resolve())
    if options.max_sessions is not None:
        environment["TWENTY_WATTS_MAX_SESSIONS"] = str(options.max_sessions)
    if options.metrics_port is not None:
        environment["TWENTY_WATTS_METRICS_PORT"] = str(options.metrics_port)
    environment.pop(LIVE_TOKEN, None)
    if options.live:
        environment[LIVE_TOKEN] = secrets.token_urlsafe(12)
    return environment


def _refuse_taken(host: str, port: int) -> None:
    """Refuse a port in use by another server."""
    with suppress(OSError), socket.create_connection((host or "localhost", port), timeout=1):
        raise ValueError(
            f"port {port} is in use: the app may be open already at "
            f"http://{reachable(host)}:{port}; choose another with --port"
        )


def _refuse_elsewhere(host: str, port: int) -> None:
    """Refuse an address that this machine cannot listen on."""
    version_6 = ":" in host
    try:
        with socket.socket(socket.AF_INET6 if version_6 else socket.AF_INET) as probe:
            if os.name != "nt":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return
        raise ValueError(
            f"cannot listen on {host} on port {port} ({error.strerror}): "
            "use an address of this machine with --host, and a free port with --port"
        ) from None


def _open_when_ready(process: "subprocess.Popen[bytes]", address: str, link: str) -> None:
    """Open the browser once the server answers, if there is one."""
    import time
    import urllib.error
    import urllib.request
    import webbrowser

    for _ in range(300):
        if process.poll() is not None:
            return
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=1).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
            continue
        webbrowser.open(f"{address}/{link}")
        return
