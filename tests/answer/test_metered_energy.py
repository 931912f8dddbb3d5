"""Energy that a meter read: extended to the whole facility, and checked against the devices."""

import csv

import numpy as np
import pytest

from estimator.answer.estimate_table import estimate_table
from estimator.answer.measured_scenario import scenario_of_run
from estimator.answer.scenario_estimate import answer_scenario
from estimator.catalog import Catalog
from estimator.core.messages import rendered
from estimator.question.inputs import option_of
from estimator.question.scenario import Scenario
from estimator.question.table import Table
from estimator.runs.record import Energy
from tests.in_process import run
from tests.measured_runs import measured, steps

CATALOG = Catalog.open()
RUN = {"hardware": "h100", "devices": 512.0, "device_hours": 258_048.0, "site": "ie", "pue": 1.2}


def answer(**given):
    return answer_scenario(Scenario(**RUN, **given), CATALOG)


def test_a_meter_of_the_facility_reads_the_energy_itself():
    found = answer(energy_kwh=3e5, metered="facility", energy_uncertainty=0.1)
    energy = found.estimate["energy_kwh"]
    assert energy.mid == 3e5
    assert energy.interval()[1] == pytest.approx(3.3e5)
    assert found.estimate["it_energy_kwh"].mid == pytest.approx(2.5e5)
    assert found.estimate["power_w"].mid == pytest.approx(3e5 / 504 * 1e3)
    assert found.estimate.parts["energy_kwh"] == {"metered": 3e5}


def test_what_a_meter_of_nodes_or_devices_did_not_see_is_added():
    nodes, devices = (answer(energy_kwh=1.5e5, metered=one) for one in ("nodes", "devices"))
    network, host = (
        found.estimate["it_energy_kwh"] / 1.5e5 / more
        for found, more in ((nodes, 1.0), (devices, nodes.estimate["it_energy_kwh"] / 1.5e5))
    )
    assert 1.0 < network.mid < 1.2
    assert host.mid == pytest.approx(devices.hardware.host_factor.mid)
    assert nodes.estimate["energy_kwh"].mid == pytest.approx(1.2 * network.mid * 1.5e5)
    assert sum(devices.estimate.parts["energy_kwh"].values()) == pytest.approx(
        devices.estimate["energy_kwh"].mid
    )


@pytest.mark.parametrize(
    ("components", "kwh", "boundary"),
    [
        (("gpu:0", "n1/host", "n2/host", "facility"), 8.0, "facility"),
        (("gpu:0", "n1/host", "n2/host"), 6.0, "nodes"),
        (("gpu:0",), 1.0, "devices"),
        (("gpu:7",), None, None),  # not a device of the run
    ],
)
def test_a_measured_run_is_taken_with_the_widest_energy_that_was_metered(components, kwh, boundary):
    kwh_of = {"gpu:0": 1.0, "gpu:7": 1.0, "n1/host": 2.0, "n2/host": 4.0, "facility": 8.0}
    meter = {"meter": "meter", "trust": "counter", "duration_s": 3600.0}
    energy = tuple(
        Energy(component=one, energy_j=3.6e6 * kwh_of[one], **meter) for one in components
    )
    scenario, whole = scenario_of_run(measured("r", steps(0.4), energy=energy))
    assert (scenario.energy_kwh, scenario.metered, whole) == (kwh, boundary, kwh is not None)


def test_failed_runs_count_beside_the_metered_one():
    found = answer(energy_kwh=3e5, metered="facility", attempts=1.5)
    assert found.estimate["energy_kwh"].mid == 4.5e5
    assert found.estimate["power_w"].mid == pytest.approx(3e5 / 504 * 1e3)


def test_energy_that_no_device_can_draw_is_shouted_first():
    run = Scenario(**{**RUN, "pue": None}, energy_kwh=1.1e6)
    first, *others = rendered(answer_scenario(run, CATALOG).notices, option_of)
    assert first.startswith("implausible: 1.1 GWh in this time is 4.26 kW for each NVIDIA H100")
    assert "2 times the upper bound" in first
    assert any("--metered" in one for one in others)
    assert any("--energy-uncertainty" in one for one in others)


@pytest.mark.parametrize("metered", ["devices", "nodes", "facility"])
def test_energy_below_idle_is_implausible_and_a_usual_one_is_not(metered):
    low = answer(energy_kwh=5e3, metered=metered)
    assert low.notices[0].code == "meter_below_idle"
    usual = answer(energy_kwh=1.5e5, metered=metered)
    assert not {"meter_below_idle", "meter_above_limit"} & {one.code for one in usual.notices}


def test_rows_with_and_without_a_meter_share_a_table():
    given = [{}, {"energy_kwh": 3e5}, {"energy_kwh": 2e5, "metered": "devices"}]
    rows = [Scenario(**RUN, **one) for one in given]
    together = estimate_table(Table.of(Scenario, rows), CATALOG)["energy_kwh"].mid
    alone = [float(answer_scenario(row, CATALOG).estimate["energy_kwh"].mid) for row in rows]
    np.testing.assert_allclose(together, alone, rtol=1e-12)


def test_a_meter_of_boards_is_not_one_of_a_facility():
    with pytest.raises(ValueError, match="boards_only"):
        answer_scenario(
            Scenario(hardware="h100", device_hours=1.0, boards_only=True, metered="facility"),
            CATALOG,
        )


def test_a_column_of_energy_counts_only_beside_one_of_its_boundary(tmp_path):
    row = "h100,8,1000,900"
    energies = []
    for head, cells in (("", ""), (",metered", ",facility"), (",metered", ",")):
        table, out = tmp_path / "in.csv", tmp_path / "out.csv"
        header = f"accelerator,accelerator_count,accelerator_hours,energy_kwh{head}"
        table.write_text(f"{header}\n{row}{cells}\n", encoding="utf-8")
        assert run("batch", str(table), "-o", str(out), "--quiet").returncode == 0
        (found,) = csv.DictReader(out.read_text(encoding="utf-8").splitlines())
        energies.append(float(found["energy_kwh_mid"]))
    assert energies[0] != 900
    assert energies[1:] == [900, 900]
