"""CodeCarbon as a meter of last resort: secluded, honest about what it is, and easily lost."""

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from estimator.measure.meters.codecarbon import Tracker, open_codecarbon
from estimator.runs.energy import summarise
from estimator.runs.meter import DeviceLost, MeterError

PATIENCE_S = 120.0

STUB = """
import json, os, socket, time
from types import SimpleNamespace
print("noise on the standard output")
class CPU:
    _mode, _tdp = "cpu_load", 65
class AppleSiliconChip:
    pass
class RAM:
    def total_power(self):
        return SimpleNamespace(W=20.0)
class OfflineEmissionsTracker:
    def __init__(self, **given):
        self.given = given
        self.flushes = 0
        self._hardware = [RAM(), CPU()]
        self.begin()
    def begin(self):
        pass
    def start(self):
        pass
    def flush(self):
        self.flushes += 1
        self.change()
        some = self.flushes / 3.6e6
        gpus = self.given["gpu_ids"]
        assert all(type(one) is int for one in gpus)
        total = SimpleNamespace(
            cpu_energy=65 * some, ram_energy=20 * some, gpu_energy=300 * some * len(gpus)
        )
        for handler in self.given["output_handlers"]:
            handler.out(total, total)
    def change(self):
        pass
"""
"""What a tracker of CodeCarbon does, without the second that it takes."""


@pytest.fixture
def stub(tmp_path, monkeypatch):
    """Put a library in the place of CodeCarbon, with some lines of its own."""

    def place(*lines):
        folder = tmp_path / "library" / "codecarbon"
        folder.mkdir(parents=True)
        body = "".join(f"    {line}\n" for line in lines)
        (folder / "__init__.py").write_text(STUB + body)
        monkeypatch.setenv("PYTHONPATH", str(folder.parent))

    return place


@pytest.fixture
def opened():
    """Open meters and close them after the test."""
    meters = []

    def open_(*components, **more):
        found = open_codecarbon(components, **more)
        meters.extend(found)
        return found

    yield open_
    for meter in meters:
        meter.close()


def begun(meters):
    tracker = meters[0]._tracker
    with tracker._news:
        assert tracker._news.wait_for(lambda: tracker.assumed, PATIENCE_S)
    return meters


def read_until_told(meter):
    """Read again and again until there is an energy."""
    end_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < end_s:
        sample = meter.read(with_counter=True)
        if sample.energy_j is not None:
            return sample
    raise AssertionError("no energy was told")


def failure_of(meter):
    """Read until the meter is lost, and say why."""
    end_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < end_s:
        try:
            meter.read(with_counter=True)
        except DeviceLost as lost:
            return str(lost)
    raise AssertionError("the meter was never lost")


class Listener:
    """A server on loopback that counts who connects."""

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.connections = 0
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            self.connections += 1
            connection.close()

    def close(self):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.thread.join()


@pytest.fixture
def listener():
    server = Listener()
    yield server
    server.close()


@pytest.fixture
def hostile(tmp_path, monkeypatch, listener):
    """A home, a place of work and variables that tell CodeCarbon to write, send and exaggerate."""
    settings = {
        "emissions_endpoint": f"http://127.0.0.1:{listener.port}/emissions",
        "api_endpoint": f"http://127.0.0.1:{listener.port}/api",
        "prometheus_url": f"127.0.0.1:{listener.port}",
        "electricitymaps_api_token": "secret",
        "output_methods": "csv,api,prometheus",
        "save_to_file": "true",
        "save_to_api": "true",
        "save_to_prometheus": "true",
        "pue": "50",
        "force_cpu_power": "5000",
        "force_ram_power": "5000",
        "tracking_mode": "process",
        "gpu_ids": "0,1,2,3",
        "log_level": "debug",
        "allow_multiple_runs": "false",
    }
    file = "[codecarbon]\n" + "".join(f"{key}={value}\n" for key, value in settings.items())
    places = [tmp_path / name for name in ("home", "work", "temporary")]
    for place in places:
        place.mkdir()
    for place in places[:2]:
        (place / ".codecarbon.config").write_text(file)
    monkeypatch.setenv("HOME", str(places[0]))
    monkeypatch.setenv("USERPROFILE", str(places[0]))
    monkeypatch.setattr("tempfile.tempdir", str(places[2]))
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{listener.port}")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.chdir(places[1])
    for key, value in settings.items():
        monkeypatch.setenv(f"CODECARBON_{key.upper()}", value)
    return tmp_path


def files_under(folder):
    """What lies there; a folder that is taken away meanwhile is passed over."""
    found = os.walk(folder)
    entries = [Path(place, name) for place, *kinds in found for names in kinds for name in names]
    return sorted(str(path.relative_to(folder)) for path in entries)


def test_a_hostile_configuration_changes_no_figure_writes_no_file_and_reaches_no_network(
    hostile, listener, opened, capfd
):
    before = files_under(hostile)
    cpu, memory = begun(opened("cpu", "dram"))
    first = {meter.component: read_until_told(meter) for meter in (cpu, memory)}
    time.sleep(1.0)
    last = {meter.component: read_until_told(meter) for meter in (cpu, memory)}
    reported = cpu._tracker.assumed
    watts = {
        component: (last[component].energy_j - one.energy_j) / (last[component].time_s - one.time_s)
        for component, one in first.items()
    }
    if memory.trust == "modelled":
        assert 0 < reported["dram_w"] < 1000
        assert reported["dram_w"] / 2 < watts["dram"] < 2 * reported["dram_w"]
    if reported["cpu"] == "cpu_load":
        assert 0.05 * reported["full_w"] < watts["cpu"] < 2 * reported["full_w"] < 2000
        assert cpu.trust == "modelled"
        assert f"{reported['full_w']} W x (0.1 + 0.9 load^3)" in cpu.notes[0]
    cpu.close()
    memory.close()
    assert listener.connections == 0
    assert files_under(hostile) == before
    assert capfd.readouterr() == ("", "")


def test_the_network_is_refused_to_whatever_runs_there(listener):
    script = (
        "import socket\n"
        "from estimator.measure.meters.codecarbon_process import NetworkRefused, refuse_network\n"
        "refused = refuse_network()\n"
        f"for reach in (lambda: socket.create_connection(('127.0.0.1', {listener.port})),\n"
        "              lambda: socket.getaddrinfo('localhost', 80),\n"
        "              lambda: socket.gethostbyname('localhost')):\n"
        "    try:\n        reach()\n"
        "    except NetworkRefused:\n        pass\n"
        "    else:\n        raise SystemExit('reached')\n"
        "print(len(refused))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "3\n", done.stderr
    assert listener.connections == 0


def test_components_are_told_apart_and_integrate_to_their_own_energy(stub, opened):
    stub()
    meters = begun(opened("cpu", "dram", gpus=[1, 3]))
    assert [meter.component for meter in meters] == ["cpu", "dram", "gpu:1,3"]
    assert [meter.trust for meter in meters] == ["modelled", "modelled", "sampled"]
    samples = {meter.component: [] for meter in meters}
    for _ in range(3):
        for meter in meters:
            samples[meter.component].append(read_until_told(meter))
        time.sleep(0.3)
    for meter, step_j in zip(meters, (65, 20, 600), strict=True):
        reported = summarise(
            meter.component, meter.name, meter.trust, samples[meter.component], duration_s=1.0
        ).energy
        steps = reported.energy_j / step_j
        assert steps > 1.5
        assert steps == pytest.approx(round(steps))
        assert (reported.meter, reported.trust) == ("codecarbon", meter.trust)


def test_what_it_assumed_is_said_and_that_it_is_no_measurement(stub, opened):
    stub()
    cpu, memory = begun(opened("cpu", "dram"))
    assert "not measured: 65 W x (0.1 + 0.9 load^3) of the whole machine" in cpu.notes[0]
    assert "not measured: 20 W always, guessed from its size" in memory.notes[0]


def test_before_it_has_begun_it_tells_nothing_and_does_not_wait(stub, opened, tmp_path):
    gate = tmp_path / "gate"
    stub("def begin(self):", "    import os", f"    while not os.path.exists({str(gate)!r}): pass")
    (cpu,) = opened("cpu")
    assert cpu.read(with_counter=True).energy_j is None
    assert (cpu.trust, cpu.notes) == ("modelled", ())
    gate.touch()
    assert read_until_told(cpu).energy_j > 0


def test_energy_is_reported_when_it_is_asked_for_only(stub, opened):
    stub()
    (cpu,) = begun(opened("cpu"))
    assert cpu.read(with_counter=False).energy_j is None


def test_a_chip_that_measures_itself_is_not_called_modelled(stub, opened):
    stub("def begin(self):", "    self._hardware = [RAM(), AppleSiliconChip()]")
    cpu, memory = begun(opened("cpu", "dram"))
    read_until_told(cpu)
    assert (cpu.trust, cpu.notes) == ("sampled", ())
    assert memory.trust == "modelled"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["def start(self):", "    pass", "def flush(self):", "    pass"], "did not start"),
        (["def change(self):", "    if self.flushes > 1: os._exit(3)"], "has ended"),
        (["def begin(self):", "    raise ImportError('no psutil')"], "cannot be imported: no psu"),
        (
            [
                "def flush(self):",
                "    self.flushes += 1",
                "    total = SimpleNamespace(cpu_energy=0, ram_energy=0, gpu_energy=0)",
                "    if self.flushes == 1: self.given['output_handlers'][0].out(total, total)",
            ],
            "failed and gave no reason",
        ),
        (
            [
                "def change(self):",
                "    try:",
                "        if self.flushes > 1: socket.getaddrinfo('localhost', 80)",
                "    except Exception:",
                "        pass",
            ],
            "reached for the network: socket.getaddrinfo",
        ),
    ],
    ids=["no start", "dies", "not installed", "silent failure", "network"],
)
def test_a_failure_that_it_hides_is_found(stub, opened, lines, words):
    stub(*lines)
    (cpu,) = opened("cpu")
    assert words in failure_of(cpu)
    with pytest.raises(DeviceLost, match="CodeCarbon"):
        cpu.read(with_counter=True)


def test_a_killed_process_is_a_lost_meter_and_leaves_nothing(stub, opened):
    stub()
    (cpu,) = begun(opened("cpu"))
    folder = Path(cpu._tracker._folder)
    assert folder.is_dir()
    cpu._tracker._process.kill()
    assert failure_of(cpu) == "CodeCarbon's process has ended"
    cpu.close()
    assert not folder.exists()


def test_a_full_disk_is_a_meter_that_cannot_be_had(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(MeterError, match=r"CodeCarbon cannot be started: .*No such file"):
        Tracker()


def test_closing_before_it_has_begun_ends_it_in_peace_and_closing_twice_is_no_error(stub):
    stub("def begin(self):", "    while True: time.sleep(0.001)")
    tracker = Tracker()
    tracker.close()
    tracker.close()
    assert tracker._process.returncode == 0


def test_the_process_ends_with_the_one_that_began_it_however_that_ends(stub, tmp_path):
    stub()
    script = (
        "import sys, time\n"
        "from estimator.measure.meters.codecarbon import Tracker\n"
        "tracker = Tracker()\n"
        "while not tracker.assumed: time.sleep(0.01)\n"
        "print('codecarbon' in sys.modules, flush=True)\n"
        "time.sleep(600)"
    )
    folder = tmp_path / "temporary"
    folder.mkdir()
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join([os.environ["PYTHONPATH"], root])
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "TMPDIR": str(folder), "TEMP": str(folder), "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    ) as user:
        assert user.stdout.readline() == "False\n"
        assert len(files_under(folder)) == 1
        user.kill()
    end_s = time.monotonic() + PATIENCE_S
    while files_under(folder) and time.monotonic() < end_s:
        time.sleep(0.01)
    assert files_under(folder) == []


def test_nothing_of_the_users_settings_is_seen_there(stub, opened, hostile):
    stub(
        "def begin(self):",
        "    words = ('CODECARBON_', 'SLURM_', 'HTTP_PROXY')",
        "    seen = [name for name in os.environ if name.startswith(words)]",
        "    assert seen == ['CODECARBON_LOG_LEVEL'], seen",
        "    assert os.environ['HOME'] == os.getcwd() and not os.listdir('.')",
        "    assert self.given['pue'] == 1 and self.given['emissions_endpoint'] is False",
        "    assert self.given['output_methods'] == []",
    )
    begun(opened("cpu"))
    assert os.environ["CODECARBON_PUE"] == "50"
