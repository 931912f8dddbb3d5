"""Runs by the logs of other programs: shapes of real files, names and numbers changed by hand."""

import json
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimator.calibration.correction import known_runs
from estimator.catalog import Catalog
from estimator.measure.logs.formats import FORMATS, format_of, logged_runs
from estimator.measure.logs.log_file import LogFile, number, read_log
from estimator.measure.logs.logged_run import Unlogged, measured_run
from estimator.runs import open_store
from estimator.runs.meter import MeterError
from tests.in_process import run as command

TRAINED = {
    "epoch": 1.0,
    "step": 120,
    "total_flos": 6e15,
    "train_loss": 3.09,
    "train_runtime": 600.0,
    "train_samples_per_second": 1.6,
    "train_steps_per_second": 0.2,
}
STATE = {
    "best_metric": None,
    "epoch": 1.0,
    "eval_steps": 500,
    "global_step": 120,
    "is_world_process_zero": True,
    "log_history": [
        {"epoch": 0.08, "grad_norm": 1.4, "learning_rate": 4.6e-05, "loss": 3.26, "step": 10},
        {"epoch": 1.0, "eval_loss": 3.0, "eval_runtime": 60.0, "step": 120},
        TRAINED,
    ],
    "logging_steps": 10,
    "max_steps": 120,
    "num_input_tokens_seen": 0,
    "total_flos": 6e15,
    "train_batch_size": 8,
}

EMISSIONS_HEAD = (
    "timestamp,project_name,run_id,experiment_id,duration,emissions,emissions_rate,cpu_power,"
    "gpu_power,ram_power,cpu_energy,gpu_energy,ram_energy,energy_consumed,water_consumed,"
    "country_name,country_iso_code,region,os,python_version,codecarbon_version,cpu_count,cpu_model,"
    "gpu_count,gpu_model,longitude,latitude,ram_total_size,tracking_mode,cpu_utilization_percent,"
    "gpu_utilization_percent,ram_utilization_percent,ram_used_gb,on_cloud,pue,wue,cloud_provider,"
    "cloud_region"
)


def emissions(
    run="ef38bcc2", duration=3600.0, kwh=0.24, pue=1.0, boards="1 x Tesla V100-PCIE-32GB"
):
    return (
        f"2026-03-19T15:47:47,paper,{run},5b0fa12a,{duration},0.06,1.7e-05,99.7,240.1,70.2,"
        f"{0.1 * pue},{kwh * pue},{0.07 * pue},0.4,0.0,Denmark,DNK,,Linux-5.15.0-x86_64,3.9.19,"
        f"3.2.3,24,Intel(R) Xeon(R) Gold 6136 CPU @ 3.00GHz,1,{boards},12.0,55.7,187.4,machine,"
        f"20.0,95.0,30.0,12.0,N,{pue},0.0,,"
    )


SMI_HEAD = (
    "timestamp, index, name, uuid, power.draw [W], utilization.gpu [%], temperature.gpu, "
    "clocks.current.sm [MHz], clocks_event_reasons.active, driver_version"
)


def smi(boards=2, seconds=100, watts=300.0, idle=0):
    """Log of some boards, a sample a second, idle at both ends."""
    begin = datetime(2026, 5, 1, 12)
    lines = [SMI_HEAD]
    for at in range(seconds + 1):
        moment = (begin + timedelta(seconds=at)).strftime("%Y/%m/%d %H:%M:%S.%f")[:-3]
        works = idle <= at <= seconds - idle
        for board in range(boards):
            state = f"{watts:.2f} W, 98 %" if works else "60.10 W, 0 %"
            lines.append(
                f"{moment}, {board}, NVIDIA A100-SXM4-80GB, GPU-{board}abc, {state}, 61, "
                f"1410 MHz, 0x0000000000000004, 535.104"
            )
    return "\n".join(lines) + "\n"


def mllog(key, time_ms, value=None, kind="POINT_IN_TIME", rank="0: ", **metadata):
    event = {
        "namespace": "",
        "time_ms": time_ms,
        "event_type": kind,
        "key": key,
        "value": value,
        "metadata": {"file": "train.py", "lineno": 17, **metadata},
    }
    return f"{rank}:::MLLOG {json.dumps(event)}"


START_MS = 1_725_490_000_000
MLPERF = "\n".join(
    [
        "some other output",
        mllog("submission_benchmark", START_MS - 9000, "llama2_70b_lora"),
        mllog("submission_platform", START_MS - 9000, "1xDGXH100"),
        mllog("global_batch_size", START_MS - 9000, 8),
        mllog("max_sequence_length", START_MS - 9000, 8192),
        mllog("run_start", START_MS, kind="INTERVAL_START"),
        mllog("run_start", START_MS + 12, kind="INTERVAL_START", rank="1: "),
        mllog("eval_accuracy", START_MS + 1_500_000, 0.92, samples_count=3072),
        mllog("run_stop", START_MS + 1_600_000, kind="INTERVAL_END", status="success"),
    ]
)

LIGHTNING = "epoch,step,train/loss,train/step_time_ms,val_loss\n" + "".join(
    f"0,{at},{3.0 - at / 100},{900 if at == 0 else 250 + at % 3},\n" + ",,,,2.5\n" * (at == 30)
    for at in range(40)
)

TENSORBOARD = "Wall time,Step,Value\n" + "".join(
    f"{1_780_000_000 + 2.5 * at},{10 * at},{3.0 - at / 100}\n" for at in range(40)
)


@pytest.fixture(scope="module")
def catalog():
    return Catalog.open()


def log_of(text):
    return LogFile(name="some.log", text=text, modified="2026-05-02T00:00:00+00:00")


@pytest.fixture
def imported(catalog):
    def runs(text, **added):
        log = log_of(text)
        found = logged_runs(log, format_of(log) or "none", catalog, added.get("hardware"))
        return [measured_run(log, one, Unlogged(**added), catalog) for one in found]

    return runs


def worked(**work):
    return {"work": lambda _run: {"precision": "bf16", "kind": "language", **work}}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (json.dumps(STATE), "trainer-state"),
        (f"{EMISSIONS_HEAD}\n{emissions()}\n", "codecarbon"),
        (smi(), "nvidia-smi"),
        (MLPERF, "mlperf"),
        (LIGHTNING, "metrics"),
        (TENSORBOARD, "metrics"),
        ("a,b\n1,2\n", None),
        ("", None),
        ("{}", None),
    ],
)
def test_a_format_is_recognized_by_its_content(text, name):
    assert format_of(log_of(text)) == name


def test_a_trainer_state_says_work_and_time(imported):
    (run,) = imported(json.dumps(STATE), hardware="a100-sxm-80", devices=4, **worked())
    (timing,) = run.timings
    assert (timing.flop, timing.time_s, timing.repetitions) == (6e15, 600.0, 1)
    assert (timing.devices, timing.component, timing.precision) == (4, "gpu:0", "bf16")
    assert (run.energy, run.origin, run.state) == ((), "log", "finished")
    assert "evaluation took 10% of the time, which counts as overhead" in run.notes


def test_a_state_of_a_checkpoint_needs_the_time(imported):
    early = {**STATE, "log_history": STATE["log_history"][:1]}
    with pytest.raises(MeterError, match="how long the run took: set --wall-hours"):
        imported(json.dumps(early), hardware="a100-sxm-80", devices=4, **worked())
    (run,) = imported(json.dumps(early), hardware="a100-sxm-80", devices=4, wall_s=600, **worked())
    assert run.wall_s == 600


def test_sessions_of_one_run_are_added_up(imported):
    twice = {**STATE, "log_history": [*STATE["log_history"], TRAINED]}
    (run,) = imported(json.dumps(twice), hardware="a100-sxm-80", devices=4, **worked())
    assert run.wall_s == 1200.0
    assert "train_runtime of 2 sessions added up" in run.notes


@pytest.mark.parametrize(
    ("added", "says"),
    [
        ({}, "what it ran on: set --hardware and --devices"),
        ({"hardware": "a100-sxm-80"}, "how many devices shared the work: set --devices"),
        (
            {"hardware": "a100-sxm-80", "devices": 4, "work": lambda _run: {}},
            "number format of the work is unknown: set --precision",
        ),
        ({"hardware": "a100-sxm-80", "devices": 10**9}, "--devices must be 1 to 1,000,000"),
    ],
)
def test_what_a_trainer_state_leaves_out_is_asked_for(imported, added, says):
    with pytest.raises(MeterError, match=says):
        imported(json.dumps(STATE), **added)


def test_codecarbon_counts_boards_and_models_the_rest(imported):
    (run,) = imported(f"{EMISSIONS_HEAD}\n{emissions()}\n")
    trust = {one.component: one.trust for one in run.energy}
    assert trust == {"gpu:0": "counter", "cpu": "modelled", "dram": "modelled"}
    assert run.energy[0].mean_w == pytest.approx(240.0)
    assert (run.devices[0].hardware, run.conditions[0].busy) == ("v100-pcie-32", 0.95)
    assert (run.started, run.timings) == ("2026-03-19T14:47:47Z", ())
    assert run.host.memory_bytes == pytest.approx(187.4 * 2**30)


def test_codecarbon_is_freed_of_its_pue(imported):
    (run,) = imported(f"{EMISSIONS_HEAD}\n{emissions(pue=1.5)}\n")
    assert run.energy[0].mean_w == pytest.approx(240.0)
    assert any("PUE of 1.5" in note for note in run.notes)


def test_a_run_that_codecarbon_wrote_twice_counts_once(imported):
    rows = [emissions("a", 60.0, 0.004), emissions("a", 120.0, 0.008), emissions("b", 60.0, 0.004)]
    runs = imported("\n".join([EMISSIONS_HEAD, *rows]))
    assert [run.wall_s for run in runs] == [120.0, 60.0]
    assert len({run.id for run in runs}) == 2


def test_power_of_several_boards_is_shared_out_only_if_all_worked(imported):
    text = f"{EMISSIONS_HEAD}\n{emissions(kwh=2.4, boards='8 x NVIDIA A100-SXM4-80GB')}\n"
    (run,) = imported(text, **worked(flop=1e19))
    assert (run.timings[0].power_w, run.timings[0].trust) == (pytest.approx(300.0), "counter")
    assert run.timings[0].devices == 8
    (run,) = imported(text, devices=2, **worked(flop=1e18))
    assert (run.timings[0].power_w, run.timings[0].devices) == (None, 2)


def test_energy_that_cannot_be_is_left_out(imported):
    text = f"{EMISSIONS_HEAD}\n{emissions(kwh=24.0)}\n"
    (run,) = imported(text)
    assert {one.component for one in run.energy} == {"cpu", "dram"}
    assert any("implausible energy" in note for note in run.notes)


def test_nvidia_smi_is_integrated_without_its_idle_ends(imported):
    (run,) = imported(smi(idle=20), **worked(flop=2 * 60 * 150e12))
    assert run.wall_s == pytest.approx(60.0)
    assert [one.energy_j for one in run.energy] == pytest.approx([18_000.0] * 2)
    assert {one.trust for one in run.energy} == {"sampled"}
    assert run.conditions[0].reasons == ("power limit",)
    assert run.conditions[0].clock_hz == pytest.approx(1.41e9)
    assert (run.timings[0].power_w, run.timings[0].devices) == (pytest.approx(300.0), 2)
    assert run.started == "2026-05-01T12:00:20Z"
    assert run.host.software == {"nvidia-driver": "535.104"}
    assert "40% of the log, idle at its ends, left out" in run.notes


def test_nvidia_smi_without_units_reads_the_same(imported):
    plain = smi().replace(" W,", ",").replace(" %,", ",").replace(" MHz", "")
    (run,), (same,) = imported(smi()), imported(plain)
    assert run.energy == same.energy


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (smi().replace(", index", ", x").replace("uuid", "y"), "query index or uuid"),
        (smi(seconds=0), "fewer than two samples"),
        (smi().replace("2026/05", "never"), "query timestamp"),
        (smi().replace(", name", ", fan"), "query name, or set --hardware"),
    ],
)
def test_a_log_of_nvidia_smi_that_says_too_little_is_refused(imported, text, says):
    with pytest.raises(MeterError, match=says):
        imported(text)


def test_mlperf_says_time_and_samples(imported):
    seen = []

    def work(run):
        seen.append(run)
        return {"flop": 6 * 70e9 * run.tokens, "precision": "fp8", "kind": "language"}

    (run,) = imported(MLPERF, hardware="h100", devices=8, work=work)
    assert (seen[0].samples, seen[0].tokens) == (3072, 3072 * 8192)
    assert (run.wall_s, run.started) == (1600.0, "2024-09-04T22:46:40Z")
    assert (run.label, run.timings[0].devices) == ("MLPerf llama2_70b_lora", 8)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (MLPERF.replace("run_stop", "gone"), "no line run_stop"),
        (MLPERF + "\n" + mllog("run_start", START_MS + 10**7), "one run at a time"),
    ],
)
def test_an_mlperf_log_that_is_cut_or_joined_is_refused(imported, text, says):
    with pytest.raises(MeterError, match=says):
        imported(text, hardware="h100", devices=8, **worked(flop=1e18))


def test_step_times_are_those_of_the_steady_part(imported):
    (run,) = imported(LIGHTNING, hardware="h100", devices=1, step_flop=1e13, **worked())
    (timing,) = run.timings
    assert timing.flop == pytest.approx(1e13)
    assert timing.time_s == pytest.approx(0.251, rel=0.01)
    assert timing.rejected >= 1 and timing.repetitions + timing.rejected == 40


def test_step_times_follow_from_times_of_steps(imported):
    (run,) = imported(TENSORBOARD, hardware="h100", devices=1, **worked(flop=390e13))
    (timing,) = run.timings
    assert timing.time_s == pytest.approx(0.25)
    assert timing.flop == pytest.approx(1e13)
    assert run.started == "2026-05-28T20:26:40Z"


def test_steps_faster_than_the_device_teach_nothing_and_say_so(imported):
    (run,) = imported(LIGHTNING, hardware="t4", devices=1, step_flop=1e15, **worked(kind="vision"))
    (same,) = imported(
        LIGHTNING, hardware="t4", devices=1, step_flop=1e15, **worked(precision="fp16")
    )
    assert run.timings
    assert any("times the peak of t4" in note for note in same.notes)


BOAMPS = {
    "task": {"algorithms": [{"foundationModelName": "mine"}]},
    "measures": [
        {
            "measurementMethod": "meter of the nodes",
            "powerConsumption": 12.5,
            "measurementDuration": 3600,
            "measurementDateTime": "2026-07-01T10:00:00Z",
        }
    ],
    "infrastructure": {
        "components": [{"componentName": "h100", "componentType": "gpu", "nbComponent": 8}]
    },
}
"""A BoAmps report with what a run needs."""

CYCLONEDX = {
    "bomFormat": "CycloneDX",
    "components": [
        {
            "name": "mine",
            "modelCard": {
                "considerations": {
                    "environmentalConsiderations": {
                        "energyConsumptions": [
                            {
                                "activityEnergyCost": {"value": 12.5, "unit": "kWh"},
                                "properties": [
                                    {"name": "twenty-watts:duration_s", "value": "3600"},
                                    {"name": "twenty-watts:hardware", "value": "h100"},
                                    {"name": "twenty-watts:devices", "value": "8"},
                                    {"name": "twenty-watts:boundary", "value": "nodes"},
                                ],
                            }
                        ]
                    }
                }
            },
        }
    ],
}
"""A CycloneDX document with the energy of one training run."""


@pytest.mark.parametrize(
    "name", sorted(set(FORMATS) - {"serving-benchmark", "load-generator", "llama-bench"})
)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_log_is_refused_in_one_line(name, data, catalog):
    text = {
        "trainer-state": json.dumps(STATE),
        "codecarbon": f"{EMISSIONS_HEAD}\n{emissions()}\n",
        "nvidia-smi": smi(1, 4),
        "mlperf": MLPERF,
        "metrics": LIGHTNING,
        "boamps": json.dumps(BOAMPS),
        "cyclonedx": json.dumps(CYCLONEDX),
    }[name]
    at = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 40))
    odd = data.draw(
        st.sampled_from(["", "9" * 400, "nan", "-1", "null", '"', ",", "\n", "[[[[", "1e999"])
    )
    log = log_of(text[:at] + odd + text[at + cut :])
    added = Unlogged(hardware="h100", devices=1, step_flop=1e12, **worked())
    try:
        for one in logged_runs(log, name, catalog, "h100"):
            measured_run(log, one, added, catalog)
    except (MeterError, ValueError) as error:
        assert "\n" not in str(error)


def test_what_is_no_text_or_too_large_is_refused(tmp_path, monkeypatch):
    (tmp_path / "binary").write_bytes(b"PK\x03\x04\0\0\0")
    with pytest.raises(MeterError, match="binary data"):
        read_log(tmp_path / "binary")
    with pytest.raises(MeterError, match="not a regular file"):
        read_log(tmp_path)
    monkeypatch.setattr("estimator.measure.logs.log_file.LARGEST_BYTES", 10)
    (tmp_path / "large").write_text("a" * 11)
    with pytest.raises(MeterError, match="larger than 64 MiB"):
        read_log(tmp_path / "large")
    deep = log_of('{"log_history":' + "[" * 100_000)
    with pytest.raises(MeterError):
        logged_runs(deep, "trainer-state", None)


def calibrate(data, *words):
    return command("calibrate", "import", *words, TWENTY_WATTS_DATA=str(data))


def test_an_imported_log_teaches_and_does_not_double(tmp_path, monkeypatch, catalog):
    data, file = tmp_path / "data", tmp_path / "gpus.csv"
    file.write_text(smi())
    words = [file, "--params", "1e9", "--tokens", 5e6, "--precision", "bf16", "--label", "mine"]
    done = calibrate(data, *words)
    assert done.returncode == 0, done.stderr
    assert "note: 1 run added" in done.stderr
    again = calibrate(data, *words, "--json")
    assert json.loads(again.stdout)["duplicates"] == 1
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(data))
    with open_store() as store:
        assert [run.label for run in store.runs()] == ["mine"]
    known = known_runs(catalog)
    a100 = catalog.device("a100-sxm-80")
    assert len(known.of(a100)[0]) == 1
    assert len(known.power_of(a100)[0]) == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["log.csv"], "format not recognized; set --format to one of toml, trainer-state"),
        (["log.csv", "--format", "codecarbon"], "no emissions.csv of CodeCarbon"),
        (["missing.csv"], "No such file"),
        (["log.csv", "--end", "1"], "--end requires --prometheus"),
        (["log.csv", "--devices", "1.5"], "devices must be a whole number"),
        (["log.csv", "--wall-hours", "-1"], "wall-hours must be positive"),
        (["a.toml", "--devices", "2"], "--devices requires a log"),
        (["--slurm", "x", "--devices", "2"], "--devices requires a log"),
    ],
)
def test_a_slip_is_one_line_and_stores_nothing(tmp_path, monkeypatch, words, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.csv").write_text("a,b\n1,2\n")
    done = calibrate(tmp_path / "data", *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert says in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "data" / "runs.sqlite").exists()


def at_fault(imported, text, **added):
    """Why a log is refused, in one line."""
    with pytest.raises((MeterError, ValueError)) as refused:
        imported(text, **added)
    (line,) = str(refused.value).splitlines()
    return line


def test_decimal_commas_and_digits_in_groups_are_no_numbers(imported):
    text = smi().replace("300.00 W", '"300,00 W"')
    assert "holds no energy" in at_fault(imported, text)
    assert number("1.234,5") is None
    assert number("1 234 W") is None
    assert number("1_000") is None
    assert number("٣٠٠") is None
    assert number("1,5") is None


def test_another_unit_than_that_of_the_column_is_no_number(imported):
    text = smi().replace("300.00 W", "0.30 kW")
    assert "holds no energy" in at_fault(imported, text), "300 W, and not 0.3"


def test_readings_that_no_board_has_are_left_out(imported):
    glitch = smi().replace(", 61,", ", 1e150,", 1).replace("1410 MHz", "1e297 MHz", 1)
    (found,) = imported(glitch, **worked(flop=1e16))
    (first, _) = found.conditions
    assert first.peak_temperature_c == 61
    assert first.clock_hz == pytest.approx(1410e6)


def test_a_column_that_is_there_twice_is_refused(imported):
    text = smi().replace("temperature.gpu", "power.draw [W]", 1)
    assert "'power.draw [W]' is there twice" in at_fault(imported, text)


def test_ends_of_lines_of_any_system_read_the_same(imported):
    first, *others = (
        imported(LIGHTNING.replace("\n", end), **STEPS) for end in ("\n", "\r\n", "\r")
    )
    assert others == [first, first]


STEPS = {"hardware": "h100", "devices": 1, "step_flop": 1e13, **worked()}


@pytest.mark.parametrize("pue", ["-1", "1e-300", "0.2", "1e9"])
def test_a_pue_that_cannot_be_leaves_the_energy_out(imported, pue):
    row = emissions().replace(",N,1.0,", f",N,{pue},")
    (found,) = imported(f"{EMISSIONS_HEAD}\n{row}\n", **worked(flop=1e18))
    assert found.energy == ()
    assert any("PUE" in note for note in found.notes)


def test_a_row_that_is_cut_short_is_no_run_and_costs_no_other(imported):
    text = f"{EMISSIONS_HEAD}\n{emissions()}\n{emissions(run='cut')[:60]}\n"
    (found,) = imported(text, **worked(flop=1e18))
    assert found.wall_s == 3600
    assert "rows of some.log cut short, and left out: 1" in found.notes
    assert "no run in it" in at_fault(imported, f"{EMISSIONS_HEAD}\n{emissions()[:40]}\n")


@pytest.mark.parametrize("seconds", ["1e299", "1e12"])
def test_an_endless_run_is_refused(imported, seconds):
    text = f"{EMISSIONS_HEAD}\n{emissions(duration=seconds)}\n"
    assert "too short or too long" in at_fault(imported, text, **worked(flop=1e18))


def test_a_runtime_in_words_or_beyond_numbers_is_read_or_refused(imported):
    text = json.dumps(STATE).replace("600.0", '"600.0 s"')
    (found,) = imported(text, hardware="h100", devices=8, **worked())
    assert found.wall_s == 600
    text = json.dumps(STATE).replace("600.0", "1e200").replace("1.6", "1e200")
    says = at_fault(imported, text, hardware="h100", devices=8, **worked())
    assert "too short or too long" in says


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (LIGHTNING.replace(",", ";"), "columns are separated by semicolons"),
        ("no log\n", "format not recognized"),
        ("", "format not recognized"),
        (EMISSIONS_HEAD, "no run in it"),
        (SMI_HEAD + "\n" + MLPERF.replace(":::MLLOG", "::"), "no sample with a time"),
    ],
)
def test_a_file_that_is_no_log_stores_nothing(tmp_path, content, says):
    path = tmp_path / "some.log"
    path.write_text(content, encoding="utf-8")
    done = calibrate(tmp_path / "data", str(path), "--hardware", "h100", "--devices", "1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert says in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_file_of_two_gigabytes_is_refused_by_its_first_part(tmp_path):
    path = tmp_path / "sparse.csv"
    with path.open("wb") as file:
        file.truncate(2 * 2**30)
    with pytest.raises(MeterError, match="larger than 64 MiB"):
        read_log(path)


@pytest.mark.parametrize("coding", ["utf-8-sig", "utf-16"])
def test_a_log_in_another_coding_reads_the_same(tmp_path, coding):
    path = tmp_path / "some.log"
    path.write_bytes(LIGHTNING.encode(coding))
    assert format_of(read_log(path)) == "metrics"


@pytest.mark.parametrize("order", ["newest first", "twice", "in any order"])
def test_samples_in_another_order_are_the_same_run(imported, order):
    head, *lines = smi(boards=1).splitlines()
    (straight,) = imported("\n".join([head, *lines]))
    others = {
        "newest first": lines[::-1],
        "twice": lines[:50] + lines,
        "in any order": lines[1::2] + lines[::2],
    }
    (found,) = imported("\n".join([head, *others[order]]))
    assert (found.id, found.started, found.wall_s) == (straight.id, straight.started, 100.0)
    assert found.energy == straight.energy
    assert found.notes[0] == "the times of the log go back: its samples are put in order"


def test_rows_of_a_table_of_times_may_stand_in_any_order(imported):
    head, *lines = TENSORBOARD.splitlines()
    work = {"hardware": "h100", "devices": 1, "step_flop": 1e13, **worked()}
    backwards = imported("\n".join([head, *lines[::-1]]), **work)
    assert backwards == imported(TENSORBOARD, **work)
