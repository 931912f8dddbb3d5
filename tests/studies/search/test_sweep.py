"""Sweeps: the same table whole, in parts, after a stop, and by a cluster that loses a worker."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest

from estimator.answer.scenario_estimate import answer_scenario
from estimator.catalog import Catalog
from estimator.studies.search import sweep as sweeps
from estimator.studies.search.cluster import on_cluster
from estimator.studies.search.designs import NO_ROOM, Evaluation
from estimator.studies.search.pareto import pareto_front
from estimator.studies.search.parts import Parts
from estimator.studies.search.space import space_of
from estimator.studies.search.sweep import in_process, sweep

ROOT = Path(__file__).parents[3]

SPACE = space_of(
    {
        "params": 7e9,
        "tokens": {"from": 1e9, "to": 1e12, "steps": 5, "scale": "log"},
        "hardware": ["h100", "a100", "v100"],
        "devices": {"from": 1, "to": 64, "scale": "log2"},
        "site": ["us", "fr"],
        "recomputation": ["none", "full"],
    }
)
EVALUATE = Evaluation()


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(sweeps, "PART_DESIGNS", 64)


def swept(path, run=None, costs=("time", "cost", "co2e")):
    parts = Parts(out=path, belongs={"space": SPACE.fingerprint})
    return sweep(SPACE, parts, run or in_process(EVALUATE), costs=costs)


def test_every_design_is_in_the_table_or_counted_with_its_reason(tmp_path):
    out = tmp_path / "designs.parquet"
    result = swept(out)
    table = pyarrow.parquet.read_table(out)
    assert result.rows == table.num_rows
    assert result.rows + sum(result.left_out.values()) == SPACE.size
    assert result.left_out[NO_ROOM] > 0
    assert not (tmp_path / "designs.parquet.parts").exists()
    numbers = table["design"].to_numpy()
    assert (np.diff(numbers) > 0).all()


def test_a_row_is_the_answer_to_its_question(tmp_path):
    out = tmp_path / "designs.csv"
    swept(out)
    table = pyarrow.csv.read_csv(out).to_pylist()
    for row in table[:: len(table) // 7]:
        answer = answer_scenario(SPACE.scenario(row["design"]), Catalog.open())
        for name in ("wall_hours", "energy_kwh", "cost_usd", "co2e_kg"):
            low, high = answer.estimate[name].interval(0.8)
            assert row[f"{name}_mid"] == pytest.approx(float(answer.estimate[name].mid))
            assert row[f"{name}_low"] == pytest.approx(float(low))
            assert row[f"{name}_high"] == pytest.approx(float(high))


def test_the_front_is_that_of_the_whole_table(tmp_path):
    out = tmp_path / "designs.parquet"
    result = swept(out)
    table = pyarrow.parquet.read_table(out).to_pandas()
    costs = table[["wall_hours_mid", "cost_usd_mid", "co2e_kg_mid"]].to_numpy()
    assert (pareto_front(costs) == table["pareto"]).all()
    assert result.front == table["pareto"].sum() > 1


def test_a_sweep_that_was_stopped_goes_on_where_it_was(tmp_path):
    whole, out = tmp_path / "whole.parquet", tmp_path / "designs.parquet"
    swept(whole)
    made = []

    def stopping(space, numbers):
        for number in numbers:
            if len(made) == 3:
                raise KeyboardInterrupt
            made.append(number)
            yield number, EVALUATE(space, *sweeps.bounds(number))

    with pytest.raises(KeyboardInterrupt):
        swept(out, stopping)
    assert not out.exists()

    def going_on(space, numbers):
        assert not set(numbers) & set(made)
        return in_process(EVALUATE)(space, numbers)

    swept(out, going_on)
    assert pyarrow.parquet.read_table(out).equals(pyarrow.parquet.read_table(whole))


def test_parts_of_another_sweep_are_refused(tmp_path):
    out = tmp_path / "designs.parquet"
    Parts(out=out, belongs={"space": "another"}).open()
    with pytest.raises(ValueError, match="parts of another sweep"):
        swept(out)


LOSING = """
import os, signal, sys
from pathlib import Path

import distributed

from estimator.studies.search import sweep as sweeps
from estimator.studies.search.cluster import on_cluster
from tests.studies.search.test_sweep import EVALUATE, swept


def losing(address, victim):
    run = on_cluster(address, EVALUATE)

    def losing_one(space, numbers):
        for count, made in enumerate(run(space, numbers)):
            if count == 1:
                os.kill(victim, signal.SIGKILL)
            yield made

    return losing_one


sweeps.PART_DESIGNS = 64
cluster = distributed.LocalCluster(
    n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
)
with cluster:
    victim = next(iter(cluster.workers.values())).pid
    swept(Path(sys.argv[1]), losing(cluster.scheduler_address, victim))
"""
"""A program of its own: Dask leaves sockets of a killed worker for whoever collects garbage."""


def test_a_cluster_that_loses_a_worker_makes_the_same_table(tmp_path):
    pytest.importorskip("distributed")
    whole, out = tmp_path / "whole.parquet", tmp_path / "designs.parquet"
    swept(whole)
    losing = [sys.executable, "-c", LOSING, str(out)]
    done = subprocess.run(losing, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert pyarrow.parquet.read_table(out).equals(pyarrow.parquet.read_table(whole))


@pytest.mark.parametrize("address", ["scheduler", "tcp://127.0.0.1", "tcp://127.0.0.1:x"])
def test_an_address_without_a_port_is_refused_before_any_client(address):
    pytest.importorskip("distributed")
    with pytest.raises(ValueError, match=f"no Dask scheduler responds at {address}: "):
        on_cluster(address, EVALUATE)
