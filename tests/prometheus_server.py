"""A real Prometheus server on loopback, filled with fabricated series."""

import json
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

from tests.ports import free_port

WAIT_S = 60


@contextmanager
def serving(folder, programs, openmetrics, scraped=()):
    """Address of a server that holds the samples of an OpenMetrics text, while the block runs.

    It scrapes some addresses every second.
    """
    source = folder / "series.txt"
    source.write_text(openmetrics, encoding="utf-8")
    data = folder / "data"
    create = ["tsdb", "create-blocks-from", "openmetrics", "-q", str(source), str(data)]
    made = subprocess.run(
        [programs / "promtool", *create], capture_output=True, text=True, timeout=120, check=False
    )
    assert made.returncode == 0, made.stderr
    settings = folder / "prometheus.yml"
    targets = json.dumps([{"targets": list(scraped)}])
    job = f"{{job_name: app, scrape_interval: 1s, static_configs: {targets}}}"
    settings.write_text(f"scrape_configs: [{job if scraped else ''}]\n", encoding="utf-8")
    place = f"127.0.0.1:{free_port()}"
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
