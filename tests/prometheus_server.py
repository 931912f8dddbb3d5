"""A real Prometheus server on loopback, filled with fabricated series; found or fetched once.

Nothing is installed: `apt-get download` checks the package against the signed index, `dpkg -x`
unpacks it into the checkout. Read by Python 3.11 and later only.
"""

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

FOLDER = "TWENTY_WATTS_PROMETHEUS"
"""Name of the environment variable that tells in which folder prometheus and promtool are."""

CACHE = Path(__file__).parents[1] / ".tools" / "prometheus"
PROGRAMS = ("prometheus", "promtool")
WAIT_S = 60


def find():
    """Folder of both programs: the one named, that of the path, or our own; None if nowhere."""
    named = os.environ.get(FOLDER)
    if named:
        return Path(named) if _complete(Path(named)) else None
    on_path = shutil.which(PROGRAMS[0])
    folders = ([Path(on_path).parent] if on_path else []) + [CACHE]
    return next(filter(_complete, folders), None)


def fetch():
    """Folder of both programs, downloaded; None where apt is not, or has no such package."""
    if os.environ.get("TWENTY_WATTS_NO_SETUP") or os.environ.get(FOLDER):
        return None
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        return None
    draft = CACHE.with_name(f"prometheus.{os.getpid()}.draft")
    try:
        draft.mkdir(parents=True)
        if not _downloaded(draft):
            return None
        CACHE.mkdir(exist_ok=True)
        for name in PROGRAMS:
            (draft / "usr" / "bin" / name).replace(CACHE / name)
    except OSError:
        return None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return find()


def _downloaded(folder):
    """Whether the package lies unpacked in a folder; lists of packages are fetched if need be."""
    root = getattr(os, "geteuid", lambda: 1)() == 0
    for refresh in [False, True] if root else [False]:
        if refresh:
            _run(["apt-get", "update", "-q"], folder)
        if _run(["apt-get", "download", "-q", "prometheus"], folder):
            package = next(folder.glob("prometheus_*.deb"))
            return _run(["dpkg", "-x", package.name, "."], folder)
    return False


def _run(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=300, check=False)
    return done.returncode == 0


def _complete(folder):
    return all(os.access(folder / name, os.X_OK) for name in PROGRAMS)


@contextmanager
def serving(folder, programs, openmetrics):
    """Address of a server that holds the samples of an OpenMetrics text, while the block runs."""
    source = folder / "series.txt"
    source.write_text(openmetrics, encoding="utf-8")
    data = folder / "data"
    create = ["tsdb", "create-blocks-from", "openmetrics", "-q", str(source), str(data)]
    made = subprocess.run(
        [programs / "promtool", *create], capture_output=True, text=True, timeout=120, check=False
    )
    assert made.returncode == 0, made.stderr
    settings = folder / "prometheus.yml"
    settings.write_text("global: {}\n", encoding="utf-8")
    place = f"127.0.0.1:{_free_port()}"
    command = [
        programs / "prometheus",
        f"--config.file={settings}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address={place}",
    ]
    with (folder / "log.txt").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait_until_ready(f"http://{place}/-/ready", server, folder / "log.txt")
            yield f"http://{place}"
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait(10)


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_ready(url, server, log):
    straight = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end_s = time.monotonic() + WAIT_S
    while time.monotonic() < end_s:
        assert server.poll() is None, log.read_text("utf-8", errors="replace")
        try:
            with straight.open(url, timeout=1) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise AssertionError(log.read_text("utf-8", errors="replace"))
