"""Figures of the runs beside their documents: the same as from the documents, whatever happens."""

import sqlite3
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimator.runs import (
    documents,
    open_store,
    overview,
    read_observations,
    read_runs,
    readable,
)
from estimator.runs.documents import in_memory
from estimator.runs.figures import Figures, Span, rows_from
from estimator.runs.observations import observed
from estimator.runs.record import Energy, Host, MeasuredDevice, MeasuredRun, Timing
from estimator.runs.schema import VERSION
from tests.runs.stored import FIGURES_BEFORE, KEPT_ANSWERS_BEFORE
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


@settings(deadline=None, max_examples=60)
@given(RUNS)
def test_figures_are_those_of_the_documents(runs):
    database = in_memory(runs)
    found = Figures(rows_from(database)).devices(lambda hardware: PEAKS)
    database.close()
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


def test_a_damaged_date_beside_a_record_is_said_and_that_of_the_record_counts(path):
    with open_store(path) as store:
        store.add_all([trained(1), trained(2)])
    before = overview(lambda hardware: PEAKS, path=path)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE part SET started = 'garbage' WHERE run = 1")
    database.close()
    found = overview(lambda hardware: PEAKS, path=path)
    (note,) = found.notes
    assert "run r1 had a damaged date" in note
    assert replace(found, notes=[]) == before
    assert overview(lambda hardware: PEAKS, path=path) == before


@pytest.mark.parametrize(
    "newest", ['["garbage", "r2", "", []]', '["2026-11-01T10', "garbage", "7", "[]", "[null]"]
)
def test_a_damaged_date_beside_observations_is_said_and_those_of_the_records_count(path, newest):
    with open_store(path) as store:
        store.add_all([trained(1), trained(2)])
    most = {"fp32": 99.0}
    before = read_observations("my-cpu", most, path=path)
    assert before
    assert not readable(path)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE alike SET newest = ?", (newest,))
    database.close()
    assert read_observations("my-cpu", most, path=path) == before
    (note,) = readable(path)
    assert "a date beside the measured runs is damaged" in note


@pytest.mark.parametrize("version", [4, VERSION])
def test_a_store_that_cannot_be_written_is_summed_up_as_it_is(path, version):
    with open_store(path) as store:
        store.add_all([trained(1), trained(2), trained(3)])
    database = sqlite3.connect(path)
    database.execute("UPDATE run SET document = '{}' WHERE id = 'r1'")
    database.commit()
    if version < VERSION:
        database.executescript(f"{KEPT_ANSWERS_BEFORE} {FIGURES_BEFORE} PRAGMA user_version = 4;")
    database.close()
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


def test_a_store_that_cannot_be_summed_up_whole_stays_of_its_version(path, monkeypatch):
    with open_store(path) as store:
        store.add_all([trained(1), trained(2)])
    database = sqlite3.connect(path)
    database.executescript(f"{KEPT_ANSWERS_BEFORE} {FIGURES_BEFORE} PRAGMA user_version = 4;")
    database.close()

    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("estimator.runs.figures.insert", stopped)
        with pytest.raises(KeyboardInterrupt):
            open_store(path)
    database = sqlite3.connect(path)
    assert database.execute("PRAGMA user_version").fetchone() == (4,)
    database.close()
    assert [run.id for run in read_runs(path)[0]] == ["r1", "r2"]
    assert reached(path) == Span(low=0.5, mid=0.5, high=0.5)


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
        text = documents._text(one) if change == "change" else "{"
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
        database = in_memory(runs)
        anew = Figures(rows_from(database)).devices(lambda hardware: PEAKS)
        assert {run.id for run in found.runs} == {run.id for run in runs}
        assert list(found.devices) == anew
        stored = read_observations("my-cpu", MOST, path=path)
        assert {facts(one) for one in stored} == {
            facts(one) for one in observed(database, "my-cpu", MOST)
        }
        database.close()


def facts(one):
    """What an observation says, to nine digits: sums that grew and shrank keep their rounding."""
    figures = (one.runs, one.whole, one.timings, one.timing.time_s, one.timing.flop, one.noise_sd)
    return (one.run, one.started, one.program, *(f"{value:.9g}" for value in figures))
