"""Runs on a cluster, read from a real Prometheus server that holds fabricated series."""

import json
import math
import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.catalog import Catalog
from estimator.measure.cluster.dcgm import devices_of
from estimator.measure.cluster.node_power import MOST_COUNTERS, chosen, node_summary
from estimator.measure.cluster.nodes import in_order
from estimator.measure.cluster.prometheus import (
    MetricSeries,
    Prometheus,
    Window,
    labels_of,
    moment,
    one_of,
)
from estimator.measure.cluster.prometheus_import import import_run
from estimator.measure.cluster.prometheus_series import Wanted
from estimator.measure.cluster.series import (
    RANGES_J,
    inside,
    merged,
    without_mirrors,
    without_resets,
)
from estimator.runs import open_store
from estimator.runs.meter import MeterError
from estimator.runs.record import as_plain
from tests import prometheus_server
from tests.in_process import run as command
from tests.server_programs import PROMETHEUS

START_S, LENGTH_S, EVERY_S = 1_761_991_200, 3600, 15
"""2025-11-01T10:00:00Z, an hour, a usual scrape interval."""

BEFORE_S = 600
GAP = (1200, 1320)
RESET_S = 2000
TELLTALE = 'odd "pod" \\ of\nthree lines'

H100, A100 = "NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-80GB"


def power_w(board, at_s):
    """Power of a board: slow waves, as epochs and checkpoints make them."""
    return 520 + 10 * board + 80 * math.sin(2 * math.pi * at_s / (300 + 20 * board))


def energy_j(board, from_s, to_s):
    """The integral of the above, in closed form."""
    period_s = 300 + 20 * board
    wave = [math.cos(2 * math.pi * at_s / period_s) for at_s in (from_s, to_s)]
    return (520 + 10 * board) * (to_s - from_s) + 80 * period_s / (2 * math.pi) * (
        wave[0] - wave[1]
    )


def line(name, labels, at_s, value):
    reported = ",".join(
        f'{key}="{text}"'
        for key, text in (
            (key, text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n"))
            for key, text in labels.items()
        )
    )
    return f"{name}{{{reported}}} {value!r} {START_S + at_s}"


def scrapes(first_s=-BEFORE_S, last_s=LENGTH_S + BEFORE_S, every_s=EVERY_S, phase_s=7):
    return range(first_s + phase_s, last_s, every_s)


def board_lines(node, board, model=H100, extra=(), gap=None, reset_s=None):
    """Series of one board: power, counter and the rest, under one set of labels for each extra."""
    base = {
        "Hostname": node,
        "gpu": str(board),
        "UUID": f"GPU-{node.partition('.')[0]}-{board}",
        "device": f"nvidia{board}",
        "modelName": model,
        "DCGM_FI_DRIVER_VERSION": "570.86.15",
        "instance": "10.0.0.9:9400",
    }
    found = []
    for more in extra or ({},):
        labels = {**base, **more}
        for at_s in scrapes():
            if gap and gap[0] < at_s < gap[1]:
                continue
            since_s = reset_s if reset_s is not None and at_s >= reset_s else -90_000
            counted_mj = round(1e3 * energy_j(board, since_s, at_s))
            values = {
                "DCGM_FI_DEV_POWER_USAGE": power_w(board, at_s),
                "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": counted_mj,
                "DCGM_FI_DEV_GPU_TEMP": 60 + board,
                "DCGM_FI_DEV_SM_CLOCK": 1755,
                "DCGM_FI_DEV_GPU_UTIL": 97,
                "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": 0.45,
                "DCGM_FI_PROF_DRAM_ACTIVE": 0.3,
            }
            found += [line(name, labels, at_s, value) for name, value in values.items()]
    return found


def node_lines():
    """Series of whole nodes: IPMI on n1, RAPL with wraps on n2, Kepler run wild on n3."""
    found = []
    for at_s in scrapes(every_s=30):
        labels = {"node": "n1", "instance": "bmc-7:9290"}
        found.append(line("ipmi_dcmi_power_consumption_watts", labels, at_s, 4100 + at_s % 60))
    for at_s in scrapes():
        since_s = at_s + 5000
        for index, path in enumerate(("intel-rapl:0", "intel-rapl:1", "intel-rapl-mmio:0")):
            labels = {"instance": "n2:9100", "index": str(index), "path": f"/sys/{path}"}
            wrapped_j = (200 + 50 * (index % 2)) * since_s % RANGES_J[2]
            found.append(line("node_rapl_package_joules_total", labels, at_s, wrapped_j))
        labels = {"instance": "n2:9100", "index": "0", "path": "/sys/intel-rapl:0:1"}
        found.append(line("node_rapl_dram_joules_total", labels, at_s, 30 * since_s % RANGES_J[1]))
        wild_j = 4e15 if at_s > 1800 else 0.0
        for zone, watts in (("package", 300), ("core", 200), ("dram", 40)):
            labels = {"instance": "10.1.2.3:28282", "node_name": "n3", "zone": zone}
            value = watts * since_s + (wild_j if zone == "package" else 0)
            found.append(line("kepler_node_cpu_joules_total", labels, at_s, float(value)))
    return found


def openmetrics():
    found = []
    for board in range(4):
        found += board_lines("n1", board, extra=({"hpc_job": "4711", "pod": TELLTALE},))
        reset_s = RESET_S if board == 3 else None
        found += board_lines("n2.hpc.example", board, gap=GAP, reset_s=reset_s)
    parts = [{"GPU_I_ID": str(one), "GPU_I_PROFILE": "1g.10gb"} for one in (1, 2, 7)]
    found += board_lines("n3", 0, model=A100, extra=parts)
    found += node_lines()
    found.sort(key=lambda one: one.partition("{")[0])
    return "\n".join([*found, "# EOF\n"])


@pytest.fixture(scope="session")
def address(tmp_path_factory):
    programs = PROMETHEUS.find()
    if programs is None:
        pytest.skip(PROMETHEUS.missing())
    folder = tmp_path_factory.mktemp("prometheus")
    with prometheus_server.serving(folder, programs, openmetrics()) as url:
        yield url


@pytest.fixture(autouse=True)
def straight(monkeypatch):
    """No proxy of the environment comes between us and a server on this machine."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("TWENTY_WATTS_PROMETHEUS_TOKEN", raising=False)


@pytest.fixture(scope="module")
def catalog():
    return Catalog.open()


WANTED = Wanted(start_s=START_S, end_s=START_S + LENGTH_S)


def imported(address, catalog, **changes):
    return import_run(Prometheus(address=address), replace(WANTED, **changes), catalog)


def energies(run):
    return {one.component: one for one in run.energy}


def test_energies_are_those_of_the_boards(address, catalog):
    run = imported(address, catalog, hosts=("n1",)).run
    reported = energies(run)
    for board in range(4):
        one = reported[f"node0/gpu:{board}"]
        truth_j = energy_j(board, 0, LENGTH_S)
        assert one.energy_j == pytest.approx(truth_j, rel=1e-4)
        assert one.check_j == pytest.approx(truth_j, rel=0.01)
        assert (one.meter, one.trust) == ("dcgm counter", "counter")
        assert (one.coverage, one.duration_s) == pytest.approx((1, LENGTH_S))
        assert one.peak_w == pytest.approx(600 + 10 * board, rel=0.01)
    assert not [note for note in run.notes if "gpu" in note]


def test_a_record_tells_what_ran_and_names_no_node(address, catalog):
    found = imported(address, catalog, hosts=("n1", "n2.hpc.example"), label="llm")
    run = found.run
    assert found.nodes == ("n1", "n2")
    assert [one.key for one in run.devices[:5]] == [
        *(f"node0/gpu:{board}" for board in range(4)),
        "node1/gpu:0",
    ]
    assert {one.hardware for one in run.devices} == {"h100-sxm"}
    assert (run.origin, run.started, run.wall_s) == ("prometheus", "2025-11-01T10:00:00Z", 3600)
    assert run.host.software == {"nvidia-driver": "570.86.15"}
    condition = next(one for one in run.conditions if one.component == "node1/gpu:2")
    assert condition.temperature_c == condition.peak_temperature_c == 62
    assert condition.clock_hz == 1755e6
    assert (condition.busy, condition.tensor_busy, condition.memory_busy) == pytest.approx(
        (0.97, 0.45, 0.3)
    )
    plain = json.dumps(as_plain(run) | {"devices": [one.key for one in run.devices]})
    assert "n1" not in plain
    assert "hpc" not in plain


def test_a_gap_is_seen_in_the_power_and_bridged_by_the_counter(address, catalog):
    run = imported(address, catalog, hosts=("n2",)).run
    one = energies(run)["node0/gpu:1"]
    truth_j = energy_j(1, 0, LENGTH_S)
    assert one.energy_j == pytest.approx(truth_j, rel=1e-3)
    assert one.check_j == pytest.approx(truth_j, rel=0.01)
    assert any("1 gaps in the power readings" in note for note in run.notes)


def test_without_a_counter_a_gap_is_not_covered(address, catalog, monkeypatch):
    from estimator.measure.cluster import dcgm

    without = {name: one for name, one in dcgm.SCALE.items() if name != dcgm.COUNTER}
    monkeypatch.setattr(dcgm, "SCALE", without)
    one = energies(imported(address, catalog, hosts=("n2",)).run)["node0/gpu:1"]
    assert (one.meter, one.trust) == ("dcgm power", "sampled")
    seen_s = LENGTH_S - one.duration_s
    assert seen_s == pytest.approx(GAP[1] - GAP[0], abs=2 * EVERY_S)
    assert one.coverage == pytest.approx(1 - seen_s / LENGTH_S)
    assert one.mean_w == pytest.approx(energy_j(1, 0, LENGTH_S) / LENGTH_S, rel=0.01)


def test_a_counter_that_began_anew_is_followed(address, catalog):
    run = imported(address, catalog, hosts=("n2",)).run
    one = energies(run)["node0/gpu:3"]
    truth_j = energy_j(3, 0, LENGTH_S)
    assert one.energy_j == pytest.approx(truth_j, rel=0.01)
    assert one.energy_j < truth_j, "what it gained after its last reading is lost"
    assert "node0/gpu:3: the energy counter began anew 1 times; what it had is kept" in run.notes


def test_a_divided_board_counts_once_and_as_a_whole(address, catalog):
    run = imported(address, catalog, hosts=("n3",), work={"flop": 1e18, "precision": "bf16"}).run
    (device,) = run.devices
    assert (device.hardware, device.shares_board) == ("a100-sxm-80", "MIG")
    one = energies(run)["node0/gpu:0"]
    assert one.energy_j == pytest.approx(energy_j(0, 0, LENGTH_S), rel=0.01)
    assert any("divided by MIG" in note for note in run.notes)
    assert any("no utilization is derived" in note for note in run.notes)
    assert run.timings == ()


def test_the_nodes_are_read_from_what_is_most_direct(address, catalog):
    found = imported(address, catalog, hosts=("n1", "n2", "n3"))
    reported = energies(found.run)
    ipmi = reported["node0/host"]
    assert (ipmi.meter, ipmi.trust) == ("ipmi", "sampled")
    assert ipmi.energy_j == pytest.approx(4100 * LENGTH_S, rel=0.01)
    packages = reported["node1/cpu"]
    assert (packages.meter, packages.trust) == ("rapl", "counter")
    assert packages.energy_j == pytest.approx((200 + 250) * LENGTH_S, rel=1e-3)
    assert reported["node1/dram"].energy_j == pytest.approx(30 * LENGTH_S, rel=1e-3)
    assert "node2/host" not in reported


def test_kepler_is_modelled_and_petajoules_are_not_believed(address, catalog):
    run = imported(address, catalog, hosts=("n3",)).run
    kepler = energies(run)["node0/cpu"]
    assert (kepler.meter, kepler.trust) == ("kepler", "modelled")
    assert kepler.mean_w == pytest.approx(300)
    assert kepler.energy_j == pytest.approx(300 * (LENGTH_S - EVERY_S), rel=1e-6)
    assert any("leapt" in note for note in run.notes)


def test_a_selector_picks_the_boards_of_a_job(address, catalog):
    odd = json.dumps(TELLTALE)
    run = imported(address, catalog, selector=f'hpc_job="4711",pod={odd}').run
    assert [one.key for one in run.devices] == [f"node0/gpu:{board}" for board in range(4)]
    assert "node0/host" in energies(run)


def test_a_job_that_shares_a_node_is_not_billed_for_the_node(address, catalog):
    found = imported(address, catalog, selector='gpu=~"0|1"', hosts=("n1",))
    assert set(energies(found.run)) == {"node0/gpu:0", "node0/gpu:1"}
    assert any("others had boards of 1 of 1 nodes" in note for note in found.run.notes)


def test_what_the_run_did_makes_a_timing(address, catalog):
    work = {"flop": 4 * 400e12 * LENGTH_S, "precision": "bf16", "kind": "language"}
    run = imported(address, catalog, hosts=("n1",), work=work, label="llm").run
    (timing,) = run.timings
    assert (timing.component, timing.devices, timing.repetitions) == ("node0/gpu:0", 4, 1)
    assert timing.flop / timing.time_s / timing.devices == pytest.approx(400e12)
    mean_w = sum(energy_j(board, 0, LENGTH_S) for board in range(4)) / 4 / LENGTH_S
    assert timing.power_w == pytest.approx(mean_w, rel=1e-3)
    assert timing.trust == "counter"


def test_a_window_begins_and_ends_between_samples(address, catalog):
    found = imported(address, catalog, hosts=("n1",), start_s=START_S + 100.4, end_s=START_S + 163)
    one = energies(found.run)["node0/gpu:2"]
    assert one.energy_j == pytest.approx(energy_j(2, 100.4, 163), rel=0.01)
    assert one.coverage == pytest.approx(1)


def test_pieces_of_any_length_give_the_same_samples(address, monkeypatch):
    from estimator.measure.cluster import prometheus

    server = Prometheus(address=address)
    window = Window(start_s=START_S, end_s=START_S + 900)
    whole = server.raw("DCGM_FI_DEV_POWER_USAGE", 'Hostname="n1"', window)
    reported = []
    monkeypatch.setattr(prometheus, "FIRST_PIECE_S", 20.0)
    monkeypatch.setattr(prometheus, "SAMPLES_A_PIECE", 40)
    cut = server.raw("DCGM_FI_DEV_POWER_USAGE", 'Hostname="n1"', window, reported.append)
    assert len(reported) > 5
    assert reported == sorted(reported)
    assert reported[-1] == pytest.approx(1)
    assert cut.keys() == whole.keys()
    for labels, one in whole.items():
        assert len(one.time_s) == 60
        np.testing.assert_array_equal(cut[labels].time_s, one.time_s)
        np.testing.assert_array_equal(cut[labels].value, one.value)


def test_too_many_samples_are_refused_after_the_first_piece(address, monkeypatch):
    from estimator.measure.cluster import prometheus

    monkeypatch.setattr(prometheus, "MOST_SAMPLES", 500)
    with pytest.raises(MeterError, match=r"about 2\.\de\+03 samples .* choose some of the hosts"):
        Prometheus(address=address).raw("DCGM_FI_DEV_GPU_TEMP", "", WANTED.window)


def test_labels_with_quotes_and_lines_go_to_the_server_and_back(address):
    server = Prometheus(address=address)
    found = server.series(["DCGM_FI_DEV_POWER_USAGE"], one_of("pod", [TELLTALE]), WANTED.window)
    assert len(found) == 4
    assert {dict(one)["pod"] for one in found} == {TELLTALE}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"hosts": ("n1", "n9")}, "no boards of n9 there; there are those of n1, n2, n3"),
        ({"selector": 'hpc_job="7"'}, 'boards with hpc_job="7"; without it there are 9 boards'),
        ({"selector": 'hpc_job="7'}, r"rejects the query \(bad_data\)"),
        ({"start_s": START_S - 9e6, "end_s": START_S - 8e6}, "has such series, but none from 2025"),
        ({"start_s": START_S + 9e3}, "the window ends before it begins"),
        ({"end_s": START_S + 5}, "5 s is too short"),
        ({"end_s": 4e9}, "ends at 2096-.* by the clock of the server"),
    ],
)
def test_what_is_not_there_is_reported_in_one_line(address, catalog, changes, says):
    with pytest.raises(MeterError, match=says) as reported:
        imported(address, catalog, **changes)
    assert "\n" not in str(reported.value)


def test_the_command_stores_a_run_once(address, tmp_path, monkeypatch):
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path))
    words = ["--prometheus", address, "--hosts", "n1,n2", "--start", "2025-11-01T10:00Z"]
    words += ["--end", "2025-11-01T12:00+01:00", "--flop", "1e19", "--precision", "bf16"]
    done = calibrate("import", *words, "--label", "llm")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert "note: node1 is n2" in done.stderr
    assert "8 gpu: 4.28 kWh, mean 535" in done.stderr
    assert "347 TFLOP/s reached by each of 8" in done.stderr
    again = json.loads(calibrate("import", *words, "--json").stdout)
    assert (again["added"], again["duplicates"]) == (0, 1)
    with open_store() as store:
        (run,) = store.runs()
    assert (run.id, run.label) == (again["run"]["id"], "llm")
    (timing,) = run.timings
    assert (timing.flop, timing.devices, timing.precision) == (1e19, 8, "bf16")
    assert calibrate("show").returncode == 0


def calibrate(*words):
    return command("calibrate", *words)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["import"], "specify one source"),
        (["import", "a.toml", "--slurm", "b"], "specify one source"),
        (["import", "a.toml", "--exclusive"], "--exclusive requires --slurm"),
        (["import", "a.toml", "--params", "7e9"], "--params cannot be combined with a file"),
        (["import", "--slurm", "b", "--end", "1"], "--end requires --prometheus"),
        (["import", "--prometheus", "http://127.0.0.1:1"], "--start and --end"),
        (
            ["import", "--prometheus", "http://127.0.0.1:1", "--start", "noon", "--end", "1"],
            "start must be a time such as 2026-11-01T10:00Z, got 'noon'",
        ),
        (
            ["import", "--prometheus", "http://127.0.0.1:1", "--start", "0", "--end", "3600"],
            "no answer from http://127.0.0.1:1: Connection refused; is the server up?",
        ),
    ],
)
def test_slips_are_reported_in_one_line(words, says):
    done = calibrate(*words)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert says in line


class _Odd(BaseHTTPRequestHandler):
    """A server that is no Prometheus, or one behind a gate."""

    answer = (200, {}, b"")
    seen = ()

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append(self.headers.get("Authorization"))
        code, headers, body = self.answer
        if code is None:
            threading.Event().wait(1)
            return
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def odd_server(code, headers=None, body=b""):
    handler = type("Odd", (_Odd,), {"answer": (code, headers or {}, body), "seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler.seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def success(data, **more):
    return json.dumps({"status": "success", "data": data, **more}).encode()


@pytest.mark.parametrize(
    ("code", "headers", "body", "says"),
    [
        (401, {}, b"", "requires a login"),
        (403, {}, b"<html>", "requires a login"),
        (
            302,
            {"Location": "https://sso.example/in?state=s3cret"},
            b"",
            "redirects to https://sso.example/in;",
        ),
        (200, {}, b"<html>welcome</html>", "does not respond like a Prometheus server"),
        (200, {}, b"[1]", "does not respond like a Prometheus server"),
        (200, {}, success({"resultType": "scalar"}), "does not respond like a Prometheus server"),
        (200, {}, success({"result": ["noon"]}), "does not respond like a Prometheus server"),
        (200, {}, success({"result": ["1e300"]}), "does not respond like a Prometheus server"),
        (200, {}, success({"result": ["-1"]}), "does not respond like a Prometheus server"),
        (200, {}, success({"result": ["nan"]}, warnings=5), "does not respond like a Prometheus"),
        (200, {}, success({"result": [10**400]}), "does not respond like a Prometheus server"),
        (404, {}, b"not found", "responds with status 404"),
        (502, {}, b"", "responds with status 502"),
        (
            400,
            {},
            b'{"status":"error","errorType":"bad_data","error":"invalid parameter"}',
            "bad_data.*invalid parameter",
        ),
        (503, {}, b'{"status":"error","errorType":"timeout","error":"too slow"}', "too slow"),
        (None, {}, b"", "Remote end closed connection|did not answer"),
    ],
)
def test_servers_that_are_none_are_reported_in_one_line(code, headers, body, says):
    with odd_server(code, headers, body) as (url, _):
        server = Prometheus(address=url, token="t0k3n", patience_s=5)
        with pytest.raises(MeterError, match=says) as reported:
            server.now_s()
    assert "\n" not in str(reported.value)
    assert "s3cret" not in str(reported.value)
    assert "t0k3n" not in str(reported.value)


def test_a_server_that_does_not_answer_is_not_waited_for_long():
    refused = pytest.raises(MeterError, match=r"did not answer within 0\.2 s")
    with odd_server(None) as (url, _), refused:
        Prometheus(address=url, patience_s=0.2).now_s()


@pytest.mark.parametrize("slow", ["headers", "body"])
def test_a_server_that_sends_byte_after_byte_has_one_deadline_for_all(slow):
    answer = success({"result": [1.5, "1.5"]})
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer)
    with slow_server(head, answer, slow) as url:
        assert Prometheus(address=url, patience_s=60).now_s() == 1.5
        with pytest.raises(MeterError, match=r"did not answer within 0\.3 s"):
            Prometheus(address=url, patience_s=0.3).now_s()


@pytest.mark.parametrize("status", [b"200 OK", b"500 Internal Server Error"])
def test_a_body_that_never_ends_is_given_up(status):
    head = b"HTTP/1.1 " + status + b"\r\nConnection: close\r\n\r\n"
    refused = pytest.raises(MeterError, match=r"did not answer within 0\.3 s")
    with endless_server(head) as url, refused:
        Prometheus(address=url, patience_s=0.3).now_s()


def test_a_handshake_that_never_ends_is_given_up():
    """The head of the longest record of TLS, and then a byte now and then."""
    refused = pytest.raises(MeterError, match=r"did not answer within 0\.3 s")
    with endless_server(b"\x16\x03\x03\x40\x00") as url, refused:
        Prometheus(address=url.replace("http:", "https:"), patience_s=0.3).now_s()


@contextmanager
def endless_server(head):
    """Address of a server that sends a byte every 20 ms until it is over."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip_on, args=(listener, head, over), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert thread.is_alive()
        over.set()
    thread.join(10)


def drip_on(listener, head, over):
    connection, _ = listener.accept()
    with connection, suppress(OSError):
        connection.recv(65536)
        connection.sendall(head)
        while not over.wait(0.02):
            connection.sendall(b" ")


@contextmanager
def slow_server(head, body, slow):
    """Address of a server whose headers or body come a byte every 20 ms."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener, head, body, slow), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    thread.join(10)


def drip(listener, head, body, slow):
    for _ in range(2):
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.recv(65536)
            for part, drips in ((head, slow == "headers"), (body, slow == "body")):
                for byte in (part[i : i + 1] for i in range(len(part))) if drips else [part]:
                    connection.sendall(byte)
                    time.sleep(0.02 * drips)


@pytest.mark.parametrize(
    ("token", "sent"),
    [("t0k3n", "Bearer t0k3n"), ("me:pass word".replace(" ", ""), "Basic bWU6cGFzc3dvcmQ=")],
)
def test_a_token_is_sent_and_never_shown(token, sent):
    with odd_server(200, {}, success([1.5, "1.5"])) as (url, seen):
        server = Prometheus.at(url, {"TWENTY_WATTS_PROMETHEUS_TOKEN": f" {token}\n"})
        with pytest.raises(MeterError):
            server.now_s()
    assert seen == [sent]
    assert token not in repr(server)


def test_a_token_that_is_none_is_refused_unseen():
    with pytest.raises(MeterError, match="a character that no token has") as reported:
        Prometheus(address="http://p", token="s3cret\r\nX: y")
    assert "s3cret" not in str(reported.value)


@pytest.mark.parametrize(
    "address", ["prometheus:9090", "ftp://p", "http://", "http://p:port", "http://[::1", ""]
)
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(MeterError, match="address"):
        Prometheus(address=address)


def test_a_password_in_the_address_is_refused_unseen():
    with pytest.raises(MeterError, match="put user:password") as reported:
        Prometheus(address="http://me:s3cret@p")
    assert "s3cret" not in str(reported.value)


def test_warnings_of_the_server_are_kept_once():
    with odd_server(200, {}, success({"result": [7.5, "7.5"]}, warnings=["partial"])) as (url, _):
        server = Prometheus(address=url)
        assert server.now_s() == server.now_s() == 7.5
    assert server.warnings == ["the server warns: partial"]


def test_a_sample_longer_than_any_number_is_refused():
    body = success({"result": [{"metric": {}, "values": [[10**400, "1"]]}]})
    with odd_server(200, body=body) as (url, _):
        server = Prometheus(address=url)
        with pytest.raises(MeterError, match="does not respond like a Prometheus server"):
            server.raw("up", "", Window(start_s=0, end_s=60))


def test_names_of_nodes_and_boards_may_hold_any_digits(catalog):
    """Superscripts are digits and no numbers; Python reads no number of 5,000 digits."""
    assert in_order(["n10", "n\u00b2", "n9", "9" * 5000]) == ["9" * 5000, "n9", "n10", "n\u00b2"]
    boards = [{"Hostname": "\u00b2", "UUID": uuid, "gpu": "9" * 5000} for uuid in ("a", "b")]
    assert len(devices_of([labels_of(one) for one in boards], catalog)) == 2


def test_more_counters_than_a_node_has_are_refused():
    labels = {"__name__": "node_rapl_package_joules_total", "instance": "n1:9100"}
    found = [labels_of({**labels, "path": str(at)}) for at in range(MOST_COUNTERS + 1)]
    source, mine = chosen(found, ["n1"])["n1", "cpu"]
    some = dict.fromkeys(mine, series((0, 1.0), (15, 2.0)))
    with pytest.raises(MeterError, match="513 counters of one part of one node"):
        node_summary("node0/cpu", source, some, Window(start_s=0, end_s=15))


def test_samples_that_are_no_number_are_left_out():
    values = [[1, "5"], [2, "NaN"], [3, "+Inf"], [4, "7"]]
    data = {"result": [{"metric": {"a": "b"}, "values": values}]}
    with odd_server(200, {}, success(data)) as (url, _):
        found = Prometheus(address=url).raw("m", "", Window(start_s=0, end_s=10))
    assert found[labels_of({"a": "b"})].value.tolist() == [5.0, 7.0]


LABEL_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)


@given(st.lists(LABEL_TEXT, min_size=1, max_size=3))
def test_quoted_labels_hold_no_bare_quote_or_line(values):
    reported = one_of("pod", values)
    inner = reported.removeprefix('pod=~"').removesuffix('"')
    assert "\n" not in inner
    bare = inner.replace("\\\\", "").replace('\\"', "")
    assert '"' not in bare


def series(*pairs):
    table = np.array(pairs, dtype=float).reshape(-1, 2)
    return MetricSeries(time_s=table[:, 0], value=table[:, 1])


@given(
    gains=st.lists(st.floats(0, 1000), min_size=3, max_size=30),
    begins_j=st.floats(0, 262_000),
)
def test_a_counter_that_wraps_gains_what_one_that_does_not_gains(gains, begins_j):
    true_j = begins_j + np.concatenate([[0.0], np.cumsum(gains)])
    time_s = 15.0 * np.arange(len(true_j))
    wrapped = MetricSeries(time_s=time_s, value=true_j % RANGES_J[2])
    running, resets = without_resets(wrapped, limit_w=200, ranges_j=RANGES_J[2:])
    np.testing.assert_allclose(np.diff(running.value), gains, atol=1e-6)
    assert resets == 0


def test_a_step_back_in_a_gap_or_to_too_much_is_no_reset():
    gap = series((0, 100), (15, 200), (30, 300), (600, 50), (615, 150))
    assert without_resets(gap, limit_w=100)[1] == 0
    wild = series((0, 1e9), (15, 1e9 + 100), (30, 9e8), (45, 9e8 + 100))
    assert without_resets(wild, limit_w=100)[1] == 0


def test_packages_that_count_the_same_are_one():
    one = series((0, 0), (15, 3000), (30, 6000))
    double = series((0, 1), (15, 3002), (30, 6001))
    other = series((0, 50), (15, 3000), (30, 5000))
    assert without_mirrors([one, double, other]) == [one, other]


def test_the_edges_of_a_window_are_not_made_up_in_a_gap():
    reported = series((0, 100), (15, 100), (30, 100), (300, 200), (315, 200))
    cut = inside(reported, Window(start_s=10, end_s=200))
    assert cut.time_s.tolist() == [10, 15, 30]
    assert merged([reported, reported]).time_s.tolist() == reported.time_s.tolist()


def test_a_moment_is_reported_in_utc():
    assert moment(START_S) == "2025-11-01T10:00:00Z"
