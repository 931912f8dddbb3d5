"""The load of a vLLM server and the power of its boards, read from a real Prometheus server."""

import json
from dataclasses import replace

import pytest

from estimator.catalog import Catalog
from estimator.measure.cluster.prometheus import Prometheus
from estimator.measure.cluster.prometheus_series import Wanted
from estimator.measure.cluster.vllm_series import import_server, median_of
from estimator.runs import open_store
from estimator.runs.meter import MeterError
from tests import prometheus_server
from tests.in_process import run as command
from tests.measure.test_prometheus import LENGTH_S, START_S, board_lines, energy_j, line, scrapes
from tests.server_programs import PROMETHEUS

MODEL = "Qwen/Qwen3-14B"
TOKENS_PER_S, REQUESTS_PER_S, READ_PER_S = 1024.0, 4.0, 2048.0
RESTART_S = 1807
WANTED = Wanted(start_s=START_S, end_s=START_S + LENGTH_S, hosts=("n1",))
STATED = {"precision": "bf16"}


def server_lines(model=MODEL, engine="0", share=1.0, idle=None, until=None, waiting=0.0):
    """Series of one engine; its counters begin anew at RESTART_S."""
    labels = {"model_name": model, "engine": engine, "instance": "n1:8000", "job": "vllm"}
    found = []
    for at_s in scrapes():
        if until is not None and at_s > until:
            continue
        since_s = at_s - RESTART_S if at_s >= RESTART_S else at_s + 9000
        for name, rate in (
            ("generation_tokens_total", TOKENS_PER_S),
            ("prompt_tokens_total", READ_PER_S),
            ("request_success_total", REQUESTS_PER_S),
        ):
            found.append(line(f"vllm:{name}", labels, at_s, share * rate * since_s))
        running = 0.0 if idle and idle[0] <= at_s < idle[1] else 31.0
        found.append(line("vllm:num_requests_running", labels, at_s, running))
        found.append(line("vllm:num_requests_waiting", labels, at_s, waiting))
        for name, bounds in (
            ("inter_token_latency_seconds", {"0.05": 0.2, "0.075": 0.8, "+Inf": 1.0}),
            ("time_to_first_token_seconds", {"0.1": 0.2, "0.25": 0.8, "+Inf": 1.0}),
        ):
            for bound, below in bounds.items():
                of = {**labels, "le": bound}
                found.append(line(f"vllm:{name}_bucket", of, at_s, 100 * below * since_s))
    return found


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    programs = PROMETHEUS.find()
    if programs is None:
        pytest.skip(PROMETHEUS.missing())
    found = [*board_lines("n1", 0), *board_lines("n1", 1)]
    found += [*server_lines(share=0.5), *server_lines(engine="1", share=0.5)]
    found += server_lines(model="idle", idle=(600, 1800))
    found += server_lines(model="gone", until=900)
    found += server_lines(model="queue", waiting=20.0)
    found.sort(key=lambda one: one.partition("{")[0])
    folder = tmp_path_factory.mktemp("prometheus")
    text = "\n".join([*found, "# EOF\n"])
    with prometheus_server.serving(folder, programs, text) as url:
        yield url


@pytest.fixture(autouse=True)
def straight(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("TWENTY_WATTS_PROMETHEUS_TOKEN", raising=False)


def imported(address, model=MODEL, stated=STATED, **changes):
    return import_server(
        Prometheus(address=address),
        replace(WANTED, **changes),
        Catalog.open(),
        selector=f'model_name="{model}"' if model else "",
        stated=stated,
    ).run


def test_tokens_latency_and_power_are_those_of_the_server(address):
    run = imported(address)
    (load,) = run.served
    rate = load.measured["output_tokens_per_s"]
    assert rate == pytest.approx(TOKENS_PER_S, rel=0.01)  # but for what a restart loses
    assert rate < TOKENS_PER_S
    assert load.measured["inter_token_s"] == pytest.approx(0.0625)
    assert "time_to_first_token_s" not in load.measured
    assert any("time_to_first_token is too coarse" in note for note in run.notes)
    assert load.concurrency == pytest.approx(62.0)
    assert (load.input_tokens, load.output_tokens) == pytest.approx((512, 256), rel=0.01)
    watts = sum(energy_j(board, 0, LENGTH_S) for board in range(2)) / LENGTH_S
    assert load.measured["device_power_w"] == pytest.approx(watts, rel=1e-3)
    energy = load.measured["device_energy_per_output_token_j"]
    assert energy == pytest.approx(watts / rate, rel=1e-3)
    assert (load.devices, load.component, load.trust) == (2, "node0/gpu:0", "counter")
    assert (load.model, load.program, run.timings) == (MODEL, "vllm", ())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model": ""}, "several models were served"),
        ({"model": "none"}, "has no vllm:generation_tokens_total that grows in the window"),
        ({"model": "idle"}, "idle in 33% of the samples"),
        ({"model": "gone"}, "cover 25% of the window"),
        ({"stated": {}}, "set --precision"),
    ],
)
def test_what_is_no_steady_load_is_refused(address, changes, says):
    with pytest.raises(MeterError, match=says):
        imported(address, **changes)


def test_the_median_of_a_histogram_needs_a_narrow_bucket():
    infinite = float("inf")
    assert median_of({0.06: 10.0, 0.08: 90.0, infinite: 100.0}) == pytest.approx(0.07)
    assert median_of({0.01: 10.0, 0.08: 90.0, infinite: 100.0}) is None
    assert median_of({0.08: 10.0, infinite: 100.0}) is None
    assert median_of({0.06: 0.0, infinite: 0.0}) is None
    assert median_of({}) is None


def calibrate(data, *words):
    return command("calibrate", "import", *words, TWENTY_WATTS_DATA=str(data))


def test_the_command_stores_a_server_once(address, tmp_path):
    words = ["--prometheus", address, "--start", START_S, "--end", START_S + LENGTH_S]
    words += ["--hosts", "n1", "--task", "serving", "--precision", "bf16", "--json"]
    words += ["--server-selector", f'{{model_name="{MODEL}"}}']
    done = calibrate(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["added"] == 1
    assert json.loads(calibrate(tmp_path, *words).stdout)["duplicates"] == 1
    with open_store(tmp_path / "runs.sqlite") as store:
        (run,) = store.runs()
    assert run.served[0].measured["device_power_w"] > 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["x.json", "--task", "serving"], "--task serving requires --prometheus"),
        (["--prometheus", "http://h", "--concurrency", "3"], "requires --task serving"),
        (
            ["--prometheus", "http://h", "--task", "serving", "--flop", "1"],
            "--flop requires --task training",
        ),
    ],
)
def test_a_slip_is_one_line(tmp_path, words, says):
    done = calibrate(tmp_path, *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert says in done.stderr and done.stderr.count("\n") == 1
