"""Deployment files: nginx in front of two replicas as `.deploy/nginx.conf` has it, and the rest."""

import os
import re
import signal
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from tornado.httpclient import HTTPRequest

from estimator.cli import main
from tests import server_programs
from tests.benchmarks.app import Session, wait_for
from tests.in_process import run_apart
from tests.ports import free_port
from tests.server_programs import NGINX

ROOT = Path(__file__).parents[2]
HOST = "watts.example.org"
LINK = "v=1&params=7e9&tokens=2e12&hardware=a100&devices=77"


@contextmanager
def replica(port):
    command = [sys.executable, "-m", "estimator", "app", "--no-browser", "--port", str(port)]
    command += ["--public-host", HOST, "--max-sessions", "50"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True, **quiet) as app:
        try:
            yield app
        finally:
            stop(app)


def stop(app):
    """Kill an app and its server at once, as a machine that goes down does."""
    with suppress(ProcessLookupError):
        os.killpg(app.pid, signal.SIGKILL)
    app.wait(10)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Port of nginx, the two replicas behind it, and the port of the first of them."""
    if NGINX.find() is None:
        pytest.skip(NGINX.missing())
    folder = tmp_path_factory.mktemp("nginx")
    front, first, second = free_port(), free_port(), free_port()
    settings = (ROOT / ".deploy" / "nginx.conf").read_text(encoding="utf-8")
    for shipped, here in {
        "app1:8501": f"127.0.0.1:{first}",
        "app2:8501": f"127.0.0.1:{second}",
        "listen 8080": f"listen 127.0.0.1:{front}",
        "/tmp/": f"{folder}/",
        "worker_processes auto": "worker_processes 1",
    }.items():
        assert shipped in settings
        settings = settings.replace(shipped, here)
    (folder / "nginx.conf").write_text(settings, encoding="utf-8")
    command = [NGINX.find() / "nginx", "-c", folder / "nginx.conf", "-p", folder]
    command += ["-g", "daemon off; user root;" if os.geteuid() == 0 else "daemon off;"]
    with ExitStack() as stack:
        replicas = [stack.enter_context(replica(port)) for port in (first, second)]
        for port, app in zip((first, second), replicas, strict=True):
            wait_for(f"http://localhost:{port}", app)
        log = stack.enter_context((folder / "log.txt").open("wb"))
        proxy = stack.enter_context(subprocess.Popen(command, stderr=log))
        stack.callback(proxy.terminate)
        wait_for(f"http://localhost:{front}", proxy)
        yield front, replicas, first


def visit(port, cookie, query=LINK):
    """A visitor of the public name, through nginx."""
    request = HTTPRequest(
        f"ws://127.0.0.1:{port}/_stcore/stream",
        headers={
            "Host": HOST,
            "Origin": f"http://{HOST}",
            "Cookie": f"twenty_watts={cookie}",
        },
    )
    return Session(request, query)


async def answers(port, cookies):
    """Answers that visitors see, all connected at the same time."""
    visits = [visit(port, cookie) for cookie in cookies]
    texts = []
    try:
        for each in visits:
            received = []
            each.receiver = received.append
            await each.open()
            text = "".join(map(str, received))
            texts.append(re.search(r"data-scenario=.{2}([^\"\\]+)", text)[1])
    finally:
        for each in visits[: len(texts) + 1]:
            await each.leave()
    return texts


def test_replicas_behind_nginx_answer_alike_and_one_may_die(cluster):
    port, replicas, first = cluster
    cookies = [f"visitor{number}" for number in range(6)]
    before = run_apart(answers(port, cookies))
    assert len(set(before)) == 1 and "devices=77" in before[0]
    stop(replicas[0])
    with pytest.raises(OSError):
        urllib.request.urlopen(f"http://127.0.0.1:{first}/_stcore/health", timeout=60)
    assert run_apart(answers(port, cookies)) == before


def test_the_proxy_hides_metrics_and_sends_headers_that_protect(cluster):
    port, *_rest = cluster
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as page:
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert page.headers["Content-Security-Policy"] == "frame-ancestors *"
        assert "HttpOnly" in page.headers["Set-Cookie"]
    for hidden in ("/_stcore/metrics", "/_stcore/agent/openapi.json"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}{hidden}", timeout=60)


@pytest.mark.parametrize("file", ["Dockerfile", "compose.yaml", ".deploy/twenty-watts.service"])
def test_options_of_the_app_in_deployment_files_exist(file, capsys):
    text = (ROOT / file).read_text(encoding="utf-8")
    with pytest.raises(SystemExit):
        main(["app", "--help"])
    known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    lines = [line for line in text.splitlines() if "--" in line and not line.startswith("#")]
    used = {
        option
        for line in lines
        if re.search("ENTRYPOINT|CMD \\[.--|command:|ExecStart", line)
        for option in re.findall(r"--[a-z-]+", line)
    }
    assert used
    assert used <= known


def test_the_image_copies_what_the_wheel_needs():
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8")
    copied = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    build = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    files = [*build["packages"], *build["force-include"], *project["project"]["license-files"]]
    for file in [*files, project["project"]["readme"]]:
        top = file.split("/")[0]
        assert f"!{top}" in ignored.splitlines()
        assert top in copied


def test_the_hashed_pins_of_the_image_are_the_pins():
    def pins(file):
        text = (ROOT / file).read_text(encoding="utf-8")
        return set(re.findall(r"(?m)^([\w.-]+==[\w.]+)", text))

    hashed = (ROOT / ".deploy" / "requirements.txt").read_text(encoding="utf-8")
    assert pins("requirements.txt") == pins(".deploy/requirements.txt")
    assert hashed.count("--hash=sha256:") >= len(pins("requirements.txt"))


def test_servers_are_not_fetched_against_ones_will(monkeypatch, tmp_path):
    monkeypatch.setattr(server_programs, "CACHE", tmp_path)
    monkeypatch.setenv("TWENTY_WATTS_NO_SETUP", "1")
    assert NGINX.fetch() is None
    monkeypatch.delenv("TWENTY_WATTS_NO_SETUP")
    monkeypatch.setenv(NGINX.variable, str(tmp_path))
    assert NGINX.find() is NGINX.fetch() is None
    with suppress(StopIteration):
        pytest.fail(f"wrote {next(tmp_path.iterdir())}")
