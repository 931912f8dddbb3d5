"""Figures of the runs beside their documents: the same as from the documents, whatever happens."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimator.runs import documents, open_store, overview, read_runs, read_timings
from estimator.runs.documents import figure_rows
from estimator.runs.figures import Span, sum_up_devices
from estimator.runs.observations import observed, timing_rows
from estimator.runs.record import Energy, Host, MeasuredDevice, MeasuredRun, Timing
from tests.runs.test_store import ended_without_rights

PEAKS = {"fp32": 2e12, "bf16": 4e12}
MOST = {"fp32": 99.0}

TIMINGS = st.builds(
    Timing,
    what=st.sampled_from(["training", "matrix", "idle"]),
    component=st.sampled_from(["cpu", "gpu:0"]),
    devices=st.integers(1, 4),
    precision=st.sampled_from([None, "fp32", "bf16", "fp8"]),
    kind=st.sampled_from([None, "language", "vision"]),
    arch=st.sampled_from([None, "decoder", "CNN"]),
    flop=st.none() | st.floats(1e9, 1e13),
    time_s=st.floats(1e-3, 10.0),
    repetitions=st.just(9),
    power_w=st.none() | st.floats(5.0, 700.0),
    trust=st.sampled_from(["counter", "modelled"]),
)

ENERGIES = st.builds(
    Energy,
    component=st.sampled_from(["cpu", "gpu:0"]),
    meter=st.just("meter"),
    trust=st.sampled_from(["counter", "modelled"]),
    energy_j=st.floats(1.0, 1e6),
    duration_s=st.floats(1.0, 100.0),
)


def drawn(number, timings, energies, *, simulated, origin):
    return MeasuredRun(
        id=f"r{number}",
        origin=origin,
        started=f"2026-11-01T10:{number % 60:02d}:00Z",
        wall_s=25.0,
        state="finished",
        host=Host(id="h", cpu="c", cores=2, system="Linux", software={}),
        devices=(
            MeasuredDevice(key="cpu", kind="cpu", name=f"CPU {number}", hardware="my-cpu"),
            MeasuredDevice(key="gpu:0", kind="gpu", name="Strange Card"),
        ),
        timings=tuple(timings),
        energy=tuple(energies),
        simulated=simulated,
    )


RUNS = st.lists(
    st.builds(
        drawn,
        st.just(0),
        st.lists(TIMINGS, max_size=5),
        st.lists(ENERGIES, max_size=2),
        simulated=st.booleans(),
        origin=st.sampled_from(["bench", "run"]),
    ),
    min_size=1,
    max_size=6,
).map(lambda runs: [replace(run, id=f"r{number}") for number, run in enumerate(runs)])


def spanned(values):
    known = [value for value in values if value is not None]
    return known and (min(known), median(known), max(known))


def same(span, values):
    found = spanned(values)
    if span is None or not found:
        return span is None and not found
    return (span.low, span.mid, span.high) == pytest.approx(found)


def timed(runs, hardware, simulated, *keys):
    """Timings of a device, and those with a share of a peak."""
    component = "cpu" if hardware == "my-cpu" else "gpu:0"
    return [
        (run, one)
        for run in runs
        if run.simulated == simulated
        for one in run.timings
        if one.component == component
        and (one.what, one.precision or "", one.kind or "")[: len(keys)] == keys
    ]


def share(one):
    peak = PEAKS.get(one.precision)
    return one.flop / (one.time_s * one.devices * peak) if peak and one.flop else None


def power(one):
    return None if one.trust == "modelled" else one.power_w


def summed_up(runs):
    rows = [row for run in runs for row in figure_rows(run)]
    return sum_up_devices(rows, lambda hardware: PEAKS)


@settings(deadline=None, max_examples=60)
@given(RUNS)
def test_figures_are_those_of_the_documents(runs):
    found = sum_up_devices(
        [row for run in runs for row in figure_rows(run)], lambda hardware: PEAKS
    )
    flags = {run.simulated for run in runs}
    pairs = [(name, flag) for name in ("Strange Card", "my-cpu") for flag in sorted(flags)]
    assert [(one.hardware, one.simulated) for one in found] == pairs
    for device in found:
        whose = (device.hardware, device.simulated)
        assert device.runs == sum(run.simulated == device.simulated for run in runs)
        training = [one for _, one in timed(runs, *whose, "training")]
        assert same(device.utilization, map(share, training))
        means = [
            one.mean_w
            for run in runs
            if run.simulated == device.simulated and run.origin != "bench"
            for one in run.energy
            if one.trust != "modelled"
            and one.component == ("cpu" if device.hardware == "my-cpu" else "gpu:0")
        ]
        powers = [power(one) for one in training]
        assert same(device.power_w, powers if spanned(powers) else means)
        assert same(device.idle_w, [power(one) for _, one in timed(runs, *whose, "idle")])
        keys = {
            (one.what, one.precision or "", one.kind or "")
            for _, one in timed(runs, *whose)
            if one.what != "idle"
        }
        assert [(one.what, one.precision, one.kind) for one in device.work] == sorted(keys)
        for work in device.work:
            here = timed(runs, *whose, work.what, work.precision, work.kind)
            assert work.runs == len({run.id for run, _ in here})
            assert work.arch == (here[0][1].arch or "")
            assert same(work.utilization, [share(one) for _, one in here])
            assert same(work.power_w, [power(one) for _, one in here])


def trained(number, *, time_s=1.0, **changed):
    timing = Timing(
        what="training",
        component="cpu",
        precision="fp32",
        kind="language",
        flop=1e12,
        time_s=time_s,
        repetitions=9,
    )
    return replace(drawn(number, [timing], [], simulated=False, origin="run"), **changed)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs.sqlite"


def reached(path):
    (cpu,) = [
        one
        for one in overview(lambda hardware: PEAKS, most=1, path=path).devices
        if one.hardware == "my-cpu"
    ]
    return cpu.utilization


def test_the_newest_runs_are_read_and_the_older_counted(path):
    assert overview(lambda hardware: PEAKS, path=path).runs == ()
    with open_store(path) as store:
        store.add_all([trained(3), trained(1), trained(2)])
    found = overview(lambda hardware: PEAKS, most=2, path=path)
    assert [run.id for run in found.runs] == ["r3", "r2"]
    assert found.older == 1
    one = overview(lambda hardware: {}, used=lambda device, name: name == "CPU 2", path=path)
    assert [run.id for run in one.runs] == ["r2"]
    assert [(device.hardware, device.runs) for device in one.devices] == [
        ("Strange Card", 1),
        ("my-cpu", 1),
    ]
    none = overview(lambda hardware: {}, used=lambda device, name: False, path=path)
    assert (none.devices, list(none.runs), none.older) == ([], [], 0)


def test_a_changed_or_forgotten_run_takes_its_figures_with_it(path):
    with open_store(path) as store:
        store.begin(trained(1, state="running"))
        store.finish(trained(1, time_s=2.0))
        store.add(trained(2, time_s=1.0))
        assert reached(path) == Span(low=0.25, mid=0.375, high=0.5)
        store.forget(["r1"])
    assert reached(path) == Span(low=0.5, mid=0.5, high=0.5)


def test_a_document_that_was_changed_by_hand_is_summed_up_again_or_left_out(path):
    with open_store(path) as store:
        store.add_all([trained(1), trained(2)])
    database = sqlite3.connect(path)
    slower = "UPDATE run SET document = replace(document, '\"time_s\":1.0', '\"time_s\":4.0')"
    database.execute(f"{slower} WHERE id = 'r1'")
    database.execute("UPDATE run SET document = '{}' WHERE id = 'r2'")
    database.commit()
    database.close()
    found = overview(lambda hardware: PEAKS, path=path)
    assert [run.id for run in found.runs] == ["r1"]
    (note,) = found.notes
    assert "run r2 is left out" in note
    assert reached(path) == Span(low=0.125, mid=0.125, high=0.125)


@pytest.mark.parametrize(
    "damage",
    ["NULL", "x'00ff'", "''", "substr(timings, 1, 40)", "replace(timings, '11-01', '11-02')"],
)
def test_a_damaged_derived_column_is_made_again_from_its_document(path, damage):
    with open_store(path) as store:
        store.add_all([trained(1), trained(2)])
    before = overview(lambda hardware: PEAKS, path=path), read_timings(path)
    with closing(sqlite3.connect(path)) as database:
        figures = damage.replace("timings", "figures")
        change = f"UPDATE run SET timings = {damage}, figures = {figures} WHERE id = 'r1'"
        assert database.execute(change).rowcount == 1
        database.commit()
    found = overview(lambda hardware: PEAKS, path=path), read_timings(path)
    assert found[0] == before[0]
    assert json.dumps(found[1]) == json.dumps(before[1])


def test_what_is_derived_stays_with_a_run_that_is_written_again(path):
    with open_store(path) as store:
        store.begin(trained(1, state="running"))
        store.update(trained(1, state="running", notes=("a word",)))
        store.finish(trained(1, notes=("a word",)))
    with closing(sqlite3.connect(path)) as database:
        found = database.execute("SELECT figures IS NULL OR timings IS NULL FROM run").fetchall()
    assert found == [(0,)]


def test_a_store_that_cannot_be_written_is_summed_up_as_it_is(path):
    with open_store(path) as store:
        store.add_all([trained(1), trained(2), trained(3)])
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE run SET document = '{}' WHERE id = 'r1'")
        database.commit()
    path.parent.chmod(0o555)
    path.chmod(0o444)
    try:
        shown = ended_without_rights(
            """
            from estimator.runs import overview
            found = overview(lambda hardware: {"fp32": 2e12}, most=1, path=path)
            print([run.id for run in found.runs], found.older, *found.notes)
            print([(one.runs, one.utilization) for one in found.devices])
            """,
            path,
        )
    finally:
        path.parent.chmod(0o755)
    listed, devices = shown.splitlines()
    assert listed.startswith("['r3'] 1 ")
    assert "run r1 is left out" in listed
    assert devices == "[(2, None), (2, Span(low=0.5, mid=0.5, high=0.5))]"


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["add", "measure", "forget", "change", "damage"]),
        st.integers(0, 4),
        st.sampled_from([0.5, 1.0, 1.1, 4.0]),
    ),
    max_size=12,
)


def apply(path, change, number, time_s):
    """One thing that befalls a store: a run is imported, measured, forgotten, edited or damaged."""
    one = trained(number, time_s=time_s)
    with open_store(path) as store:
        here = {run.id for run in store.runs()} | store.unreadable().keys()
        if change == "add":
            store.add(one)
        elif change == "measure" and one.id not in here:
            store.begin(replace(one, state="running"))
            store.finish(one)
        elif change == "forget" and one.id in here:
            store.forget([one.id])
    if change in ("change", "damage"):
        text = documents.columns_of(one)["document"] if change == "change" else "{"
        with sqlite3.connect(path) as database:
            database.execute("UPDATE run SET document = ? WHERE id = ?", (text, one.id))
        database.close()


@settings(deadline=None, max_examples=25)
@given(CHANGES)
def test_whatever_befalls_a_store_its_statistics_are_those_of_its_runs(changes):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "runs.sqlite"
        for change in changes:
            apply(path, *change)
        found = overview(lambda hardware: PEAKS, path=path)
        runs = read_runs(path)[0]
        anew = sum_up_devices(
            [row for run in runs for row in figure_rows(run)], lambda hardware: PEAKS
        )
        assert {run.id for run in found.runs} == {run.id for run in runs}
        assert list(found.devices) == anew
        stored = read_timings(path)
        fresh = [row for run in runs for row in timing_rows(run)]
        assert {facts(one) for one in observed(stored, "my-cpu", MOST)} == {
            facts(one) for one in observed(fresh, "my-cpu", MOST)
        }


def facts(one):
    """Values of an observation to nine digits: sums in another order round otherwise."""
    figures = (one.runs, one.whole, one.timings, one.timing.time_s, one.timing.flop, one.noise_sd)
    return (one.run, one.started, one.program, *(f"{value:.9g}" for value in figures))
