"""Build the release and try it in empty environments: python -m tests.try_release [PYTHON ...].

The source archive and the wheel are built from the files of this checkout, the wheel from the
archive. For each Python, by default every 3.11 or newer found, each is installed into a new
environment with an empty home and must answer, check its profiles and open its app; with --tests
the archive also passes its tests. Each try prints one line with its times.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
from pathlib import Path

from tests.ports import free_port

ROOT = Path(__file__).parents[1]
BUILD = "import hatchling.build as b, sys; print(b.{}(sys.argv[1]))"
START_S = 60
VERSIONS = ("3.11", "3.12", "3.13", "3.14")


def run(*words, folder, home):
    """Run a command with an empty home, and return what it printed."""
    kept = {name: os.environ[name] for name in os.environ if not name.startswith("PYTHON")}
    home.mkdir(exist_ok=True)
    done = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env={**kept, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{words} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def build(folder):
    """Build the source archive, and the wheel from what the archive holds."""
    run(sys.executable, "-c", BUILD.format("build_sdist"), folder, folder=ROOT, home=folder / "h")
    archive = next(folder.glob("*.tar.gz"))
    with tarfile.open(archive) as held:
        held.extraction_filter = getattr(tarfile, "data_filter", None)  # of Python 3.11.4 on
        held.extractall(folder / "source")
    source = next((folder / "source").iterdir())
    run(sys.executable, "-c", BUILD.format("build_wheel"), folder, folder=source, home=folder / "h")
    return source, archive, next(folder.glob("*.whl"))


def try_package(python, package, folder):
    """Install a package, ask it, and open its app; the seconds of each."""
    folder.mkdir()
    home, installed, begun = folder / "home", folder / "venv", time.perf_counter()
    run(python, "-m", "venv", installed, folder=folder, home=home)
    run(installed / "bin/pip", "install", "-q", package, folder=folder, home=home)
    ready = time.perf_counter()
    command = installed / "bin/twenty-watts"
    words = ("estimate", "--preset", "gpt-3", "--hardware", "v100", "--json")
    answer = json.loads(run(command, *words, folder=folder, home=home))
    assert answer["results"]["wall_hours"]["mid"] > 0, answer
    run(command, "profiles", "check", folder=folder, home=home)
    answered = time.perf_counter()
    open_app(command, folder)
    opened = time.perf_counter()
    return ready - begun, answered - ready, opened - answered


def open_app(command, folder):
    """Start the app and wait until it answers."""
    port = free_port()
    words = [command, "app", "--port", str(port), "--no-browser"]
    environment = {**os.environ, "HOME": str(folder / "home")}
    quiet = subprocess.DEVNULL
    app = subprocess.Popen(words, cwd=folder, env=environment, stdout=quiet, stderr=quiet)
    try:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health") as health:
                    assert health.read() == b"ok"
                    return
            except OSError:
                time.sleep(0.2)
        raise SystemExit(f"{command} app did not answer in {START_S} s")
    finally:
        app.terminate()
        app.wait()


def say(line):
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main():
    """Build, and try each package on each Python."""
    parser = argparse.ArgumentParser(prog="python -m tests.try_release", description=__doc__)
    parser.add_argument("--tests", action="store_true", help="run the tests of the archive too")
    parser.add_argument("pythons", nargs="*", metavar="PYTHON")
    asked = parser.parse_args()
    found = [shutil.which(f"python{version}") for version in VERSIONS]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        source, *packages = build(folder)
        for number, python in enumerate(asked.pythons or filter(None, found)):
            version = run(python, "--version", folder=folder, home=folder / "h").strip()
            for package in packages:
                place = folder / f"{number}{package.suffix}"
                install_s, answer_s, app_s = try_package(python, package, place)
                say(
                    f"{version}, {package.name}: installed in {install_s:.0f} s, "
                    f"answered in {answer_s:.1f} s, app open in {app_s:.1f} s"
                )
                shutil.rmtree(place)
            if asked.tests:
                home = folder / f"home{number}"
                tested = run(python, "-m", "tests", "--no-browser", folder=source, home=home)
                summary = next(line for line in tested.splitlines() if " passed" in line)
                say(f"{version}, tests of the archive: {summary.strip('= ')}")
                shutil.rmtree(source / ".venv")
    return 0


if __name__ == "__main__":
    sys.exit(main())
