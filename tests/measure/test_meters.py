"""Which meters a machine has: the best for each component, and a line for each that is missing."""

import sys

import pytest

from estimator.measure.meters.open import AMD_NODES, amd_boards, open_meters
from estimator.measure.meters.rapl import ZONES

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has no such names of folders"
)


def put(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


PACKAGE = {
    f"{ZONES}/intel-rapl:0/name": "package-0\n",
    f"{ZONES}/intel-rapl:0/energy_uj": "5000000000\n",
    f"{ZONES}/intel-rapl:0/max_energy_range_uj": "262143328850\n",
    "proc/cpuinfo": "model name\t: Xeon of the test\n",
}
MEMORY = {
    f"{ZONES}/intel-rapl:0:0/name": "dram\n",
    f"{ZONES}/intel-rapl:0:0/energy_uj": "1000000000\n",
}


@pytest.fixture
def meters_of():
    """Meters of a machine but for its boards, closed after the test."""
    opened = []

    def open_(root, **more):
        meters, notes = open_meters(root=root, environment=more)
        opened.extend(meters)
        found = {one.component: one.name for one in meters if not one.component.startswith("gpu")}
        return found, [note for note in notes if not note.startswith("gpu")]

    yield open_
    for meter in opened:
        meter.close()


@pytest.mark.parametrize(
    ("files", "meters", "note"),
    [
        (PACKAGE | MEMORY, {"cpu": "rapl", "dram": "rapl"}, None),
        (PACKAGE, {"cpu": "rapl", "dram": "codecarbon"}, None),
        (
            {},
            {"cpu": "codecarbon", "dram": "codecarbon"},
            "cpu: no processor energy counters",
        ),
    ],
)
def test_what_has_no_counter_is_left_to_codecarbon(tmp_path, meters_of, files, meters, note):
    found, notes = meters_of(put(tmp_path, files))
    assert found == meters
    assert [one.startswith(note or "-") for one in notes] == [True] * (note is not None)


def test_the_processor_is_named_beside_its_meter(tmp_path):
    meters, _ = open_meters(root=put(tmp_path, PACKAGE | MEMORY), environment={})
    (device,) = [one.device for one in meters if one.component == "cpu"]
    assert (device.key, device.name) == ("cpu", "Xeon of the test")


@pytest.fixture
def instinct(tmp_path):
    """Two sockets and four boards."""
    ids = ["0", "0", "12345", "23456", "34567", "45678"]
    files = {f"{AMD_NODES}/{at}/gpu_id": f"{name}\n" for at, name in enumerate(ids)}
    return put(tmp_path, files)


@pytest.mark.parametrize(
    ("environment", "boards"),
    [
        ({}, [0, 1, 2, 3]),
        ({"ROCR_VISIBLE_DEVICES": "2,0"}, [2, 0]),
        ({"HIP_VISIBLE_DEVICES": " 3 "}, [3]),
        ({"ROCR_VISIBLE_DEVICES": "1", "HIP_VISIBLE_DEVICES": "0"}, [1]),
        ({"ROCR_VISIBLE_DEVICES": ""}, []),
    ],
)
def test_boards_of_amd_are_told_by_their_numbers(instinct, environment, boards):
    notes = []
    assert amd_boards(instinct, environment, notes) == boards
    assert notes == []


@pytest.mark.parametrize("value", ["GPU-deadbeef", "0,9", "-1"])
def test_boards_of_amd_that_are_named_otherwise_are_not_guessed(instinct, value):
    notes = []
    assert amd_boards(instinct, {"ROCR_VISIBLE_DEVICES": value}, notes) == []
    assert "not measured: ROCR_VISIBLE_DEVICES" in notes[0]


def test_a_machine_without_boards_of_amd_has_none(tmp_path):
    assert amd_boards(tmp_path, {"ROCR_VISIBLE_DEVICES": "0"}, []) == []
