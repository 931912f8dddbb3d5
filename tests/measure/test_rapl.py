"""Energy counters of processors, read from trees of files like those of Linux."""

import os
import sys
import tempfile
from pathlib import Path

import pytest

from estimator.measure.attribution import mean_power_w
from estimator.measure.meters.rapl import ZONES, open_rapl
from estimator.runs.energy import summarise
from estimator.runs.meter import MeterError

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has no such names of folders"
)

RANGE_UJ = 262_143_328_850
"""Of a Xeon: its counters start again after 262 kJ [uJ]."""


class Machine:
    """A file system with powercap zones."""

    def __init__(self, root):
        self.root = root
        self.folder = root / ZONES

    def zone(self, place, name, energy_j, *, range_uj=RANGE_UJ):
        path = self.folder / place
        path.mkdir(parents=True)
        (path / "name").write_text(f"{name}\n")
        if range_uj is not None:
            (path / "max_energy_range_uj").write_text(f"{range_uj}\n")
        self.set(place, energy_j)
        return self

    def set(self, place, energy_j):
        (self.folder / place / "energy_uj").write_text(f"{round(energy_j * 1e6)}\n")

    def control(self, name):
        """The folder of a driver, which is no zone."""
        (self.folder / name).mkdir(parents=True)
        (self.folder / name / "enabled").write_text("1\n")
        return self


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


@pytest.fixture
def xeon(machine):
    """Two sockets with memory, seen through both drivers, as a server of two Xeons shows them."""
    machine.control("intel-rapl").control("intel-rapl-mmio")
    machine.zone("intel-rapl:0", "package-0", 1000).zone("intel-rapl:0:0", "dram", 300)
    machine.zone("intel-rapl:1", "package-1", 2000).zone("intel-rapl:1:0", "dram", 400)
    machine.zone("intel-rapl-mmio:0", "package-0", 1000.2)
    machine.zone("intel-rapl-mmio:1", "package-1", 2000.2)
    return machine


def read_j(meter):
    return meter.read(with_counter=True).energy_j


def meters_of(machine):
    return {meter.component: meter for meter in open_rapl(machine.root, processor="Xeon")[0]}


def test_packages_and_memory_of_all_sockets_are_added_up_and_no_zone_twice(xeon):
    meters = meters_of(xeon)
    assert list(meters) == ["cpu", "dram"]
    before = {component: read_j(meter) for component, meter in meters.items()}
    for place, energy_j in [
        ("intel-rapl:0", 1100),
        ("intel-rapl-mmio:0", 1100),
        ("intel-rapl:1", 2250),
        ("intel-rapl-mmio:1", 2250),
        ("intel-rapl:0:0", 310),
        ("intel-rapl:1:0", 421),
    ]:
        xeon.set(place, energy_j)
    assert before == {"cpu": 0, "dram": 0}
    assert read_j(meters["cpu"]) == pytest.approx(350)
    assert read_j(meters["dram"]) == pytest.approx(31)
    assert meters["cpu"].device.name == "Xeon"
    assert meters["dram"].device is None


PACKAGES = [f"package-0-die-{die}" for die in range(4)]


@pytest.mark.parametrize(
    ("zones", "expected", "mirrors"),
    [
        (
            {
                "intel-rapl:0": ("package-0", 5000, 6000),
                "intel-rapl:0:0": ("core", 3000, 3900),
                "intel-rapl:0:1": ("uncore", 500, 600),
                "intel-rapl:1": ("psys", 9000, 12000),
            },
            1000,
            0,
        ),
        ({"intel-rapl-mmio:0": ("package-0", 5000, 5400)}, 400, 0),
        (
            {
                f"intel-rapl:{die}": (name, 54321.5 + 0.1 * die, 54521.5)
                for die, name in enumerate(PACKAGES)
            },
            200,
            3,
        ),
        (
            {
                "intel-rapl:0": (PACKAGES[0], 54321, 54421),
                "intel-rapl:1": (PACKAGES[1], 51000, 51030),
            },
            130,
            0,
        ),
        ({"intel-rapl:0": ("package-0", 0, 40), "intel-rapl:1": ("package-1", 0, 60)}, 100, 0),
    ],
    ids=[
        *("parts of a package, platform", "second driver only", "dies that count the package"),
        *("dies that count themselves", "counters that have just begun"),
    ],
)
def test_each_joule_of_a_package_is_counted_once(machine, zones, expected, mirrors):
    machine.control("intel-rapl")
    for place, (name, before_j, _) in zones.items():
        machine.zone(place, name, before_j)
    (meter,), notes = open_rapl(machine.root)
    read_j(meter)
    for place, (_, _, after_j) in zones.items():
        machine.set(place, after_j)
    assert meter.component == "cpu"
    assert read_j(meter) == pytest.approx(expected)
    said = [f"cpu: {name} counts what another zone counts; left out" for name in PACKAGES[1:]]
    assert notes == said[:mirrors]


def test_wraps_are_undone_each_socket_for_itself(xeon):
    range_j = RANGE_UJ / 1e6
    xeon.set("intel-rapl:0", range_j - 100)
    meter = meters_of(xeon)["cpu"]
    read_j(meter)
    xeon.set("intel-rapl:0", 50)
    xeon.set("intel-rapl:1", 2070)
    assert read_j(meter) == pytest.approx(220)
    xeon.set("intel-rapl:0", 80)
    assert read_j(meter) == pytest.approx(250)


def test_a_counter_that_was_reset_is_no_wrap_and_its_second_is_left_out(machine):
    machine.zone("intel-rapl:0", "package-0", 5000)
    (meter,) = open_rapl(machine.root)[0]
    samples = []
    for energy_j in (5000, 5100, 20, 120):
        machine.set("intel-rapl:0", energy_j)
        samples.append(meter.read(with_counter=True))
    summary = summarise("cpu", "rapl", "counter", samples, duration_s=1)
    assert summary.energy.energy_j == pytest.approx(200)
    assert any("went backwards 1 times" in note for note in summary.notes)


def test_a_counter_of_unknown_range_that_goes_backwards_is_left_to_the_summary(machine):
    machine.zone("intel-rapl:0", "package-0", 5000, range_uj=None)
    (meter,) = open_rapl(machine.root)[0]
    read_j(meter)
    machine.set("intel-rapl:0", 100)
    assert read_j(meter) < 0


def test_counters_are_only_read_when_they_are_asked_for(xeon):
    sample = meters_of(xeon)["cpu"].read(with_counter=False)
    assert (sample.energy_j, sample.power_w) == (None, None)


def test_a_machine_without_counters_is_reported_so(machine):
    with pytest.raises(MeterError, match="no processor energy counters"):
        open_rapl(machine.root)


def test_a_machine_with_a_driver_but_no_package_is_reported_so(machine):
    machine.control("intel-rapl").control("dtpm")
    with pytest.raises(MeterError, match="no processor energy counters"):
        open_rapl(machine.root)


@pytest.fixture
def open_folder():
    """A folder that another user may enter, which pytest's are not."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="rights are those of Unix")
def test_counters_for_root_only_come_with_the_remedy(open_folder):
    machine = Machine(open_folder).zone("intel-rapl:0", "package-0", 5000)
    (machine.folder / "intel-rapl:0" / "energy_uj").chmod(0o400 if os.geteuid() == 0 else 0)
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(MeterError, match="sudo chmod a\\+r /sys/class/powercap"):
            open_rapl(machine.root)
    finally:
        os.seteuid(was)


@pytest.mark.parametrize("content", ["", "not a number"])
def test_a_counter_that_turns_to_rubbish_is_a_failed_reading_and_loses_nothing(machine, content):
    machine.zone("intel-rapl:0", "package-0", 5000)
    (meter,) = open_rapl(machine.root)[0]
    read_j(meter)
    (machine.folder / "intel-rapl:0" / "energy_uj").write_text(content)
    with pytest.raises(MeterError, match="counter of package-0 cannot be read"):
        read_j(meter)
    machine.set("intel-rapl:0", 5300)
    assert read_j(meter) == pytest.approx(300)


def test_a_zone_that_vanishes_is_a_failed_reading(machine):
    machine.zone("intel-rapl:0", "package-0", 5000)
    (meter,) = open_rapl(machine.root)[0]
    (machine.folder / "intel-rapl:0" / "energy_uj").unlink()
    with pytest.raises(MeterError, match="cannot be read"):
        read_j(meter)
    meter.close()
    meter.close()


def test_the_power_of_a_trial_of_a_second_needs_more_than_a_reading_a_second(machine, monkeypatch):
    """Why a benchmark reads this counter in every round: it tells nothing else."""
    machine.zone("intel-rapl:0", "package-0", 0)
    meter = meters_of(machine)["cpu"]

    def power_w(every_s):
        samples = []
        for at in range(round(3 / every_s)):
            now_s = 0.05 + at * every_s
            monkeypatch.setattr(
                "estimator.measure.meters.rapl.time.monotonic", lambda now_s=now_s: now_s
            )
            machine.set("intel-rapl:0", 250 * now_s)
            samples.append(meter.read(with_counter=True))
        return mean_power_w(meter, samples, [(1.1, 2.0)])

    assert power_w(1.0) is None
    mean_w, trust = power_w(0.1)
    assert (mean_w, trust) == (pytest.approx(250), "counter")
