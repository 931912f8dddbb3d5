"""What machine this is and who else uses it, from trees of files like those of Linux."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import nullcontext, suppress
from dataclasses import replace
from types import SimpleNamespace

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.measure import host as host_module
from estimator.measure.cgroup import memory_limit_bytes, quota_cores, used_cpu_s
from estimator.measure.children import descendants, end_all, running_children_s
from estimator.measure.host import (
    ContentionMeter,
    Use,
    others_share,
    own_cpu_s,
    this_host,
    usable_cores,
)
from estimator.measure.host_id import ID_FILE
from tests.measured_runs import measured, store

MACHINE_ID = "0123456789abcdef0123456789abcdef"
XEON = """processor\t: 0
model name\t: Intel(R) Xeon(R) Platinum 8480C
flags\t\t: fpu vme avx512f amx_bf16
processor\t: 1
model name\t: another
"""
GRAVITON = """processor\t: 0
CPU implementer\t: 0x41
CPU part\t: 0xd40
"""


def put(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


@pytest.fixture(autouse=True)
def own_data(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path_factory.mktemp("data")))


@pytest.fixture
def server(tmp_path, monkeypatch):
    memory = SimpleNamespace(total=65536000 * 1024)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    return put(
        tmp_path,
        {
            "etc/machine-id": f"{MACHINE_ID}\n",
            "proc/cpuinfo": XEON,
        },
    )


def test_a_server_tells_its_processor_memory_and_that_it_is_no_guest(server):
    host = this_host(server)
    assert host.cpu == "Intel(R) Xeon(R) Platinum 8480C"
    assert host.memory_bytes == 65536000 * 1024
    assert host.virtual is False


def test_two_copies_of_an_image_are_two_hosts_and_an_older_store_keeps_its_id(
    server, tmp_path, monkeypatch
):
    """Every copy has the same machine id; a store that was begun with a digest of it is kept."""
    digest = hashlib.sha256(f"twenty-watts host {MACHINE_ID}".encode()).hexdigest()[:16]
    ids = []
    for copy in ("one", "two", "older"):
        monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path / copy))
        if copy == "older":
            before = measured("r")
            store(replace(before, host=replace(before.host, id=digest)))
            (tmp_path / copy / ID_FILE).unlink(missing_ok=True)
        ids.append(this_host(server).id)
        assert this_host(server).id == ids[-1]
    assert len(set(ids)) == 3
    assert ids[-1] == digest
    assert all(re.fullmatch("[0-9a-f]{16}", one) for one in ids)


@pytest.mark.parametrize("content", [None, "", "uninitialized\n"])
def test_a_machine_without_a_number_gets_one_of_its_own_and_keeps_it(tmp_path, content):
    if content is not None:
        put(tmp_path, {"etc/machine-id": content})
    first = this_host(tmp_path).id
    assert re.fullmatch("[0-9a-f]{16}", first)
    assert this_host(tmp_path).id == first


def test_nothing_names_the_machine_or_its_user():
    reported = repr(this_host())
    node = os.uname().nodename if hasattr(os, "uname") else os.environ["COMPUTERNAME"]
    for name in (node, os.path.expanduser("~") + os.sep):
        assert len(name) < 6 or name == "localhost" or name not in reported


def test_the_kernel_is_told_by_its_numbers_only():
    assert re.fullmatch(r"\w+ [\d.]+ \w+", this_host().system)


@pytest.mark.parametrize(
    "sign", [".dockerenv", "run/.containerenv", "run/systemd/container", "sys/hypervisor/type"]
)
def test_a_container_or_guest_is_known_by_its_signs(server, sign):
    assert this_host(put(server, {sign: ""})).virtual is True


def test_a_virtual_machine_is_known_by_the_flag_of_its_processor(server):
    put(server, {"proc/cpuinfo": XEON.replace("avx512f", "avx512f hypervisor")})
    assert this_host(server).virtual is True


def test_an_arm_processor_is_named_by_its_codes_and_does_not_say_whether_it_is_a_guest(tmp_path):
    host = this_host(put(tmp_path, {"proc/cpuinfo": GRAVITON}))
    assert host.cpu == "Arm, implementer 0x41, part 0xd40"
    if sys.platform == "linux":
        assert host.virtual is None


def test_a_system_without_files_of_linux_is_described_as_far_as_it_goes(tmp_path):
    host = this_host(tmp_path)
    assert host.cores >= 1
    assert host.cpu
    assert host.software["python"] == ".".join(map(str, sys.version_info[:3]))
    assert ContentionMeter(tmp_path).read() is None


def test_this_very_machine_names_its_blas_and_does_not_import_torch_for_its_version():
    script = (
        "import sys; from estimator.measure.host import this_host\n"
        "host = this_host(); print(host.software['blas'], '|', host.software['numpy'])\n"
        "assert not {'torch', 'codecarbon', 'pynvml', 'pandas'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.match(r"[\w-]+ [\d.]+", done.stdout)
    if "openblas" in done.stdout:
        assert re.search(r", \w+ kernels, \d+ threads", done.stdout)


V2 = {"proc/self/cgroup": "0::/job\n", "sys/fs/cgroup/job/cpu.max": "150000 100000\n"}


def test_a_quota_of_the_second_generation_limits_the_cores(tmp_path):
    assert quota_cores(put(tmp_path, V2)) == 1.5
    assert usable_cores(tmp_path) <= 1.5
    assert this_host(tmp_path).cores <= 2


def test_the_tightest_group_above_holds(tmp_path):
    put(tmp_path, {"proc/self/cgroup": "0::/slice/job\n"})
    put(tmp_path, {"sys/fs/cgroup/slice/job/cpu.max": "max 100000\n"})
    put(tmp_path, {"sys/fs/cgroup/slice/cpu.max": "50000 100000\n"})
    put(tmp_path, {"sys/fs/cgroup/slice/job/memory.max": "8000\n"})
    put(tmp_path, {"sys/fs/cgroup/slice/memory.max": "max\n"})
    assert quota_cores(tmp_path) == 0.5
    assert memory_limit_bytes(tmp_path) == 8000
    assert this_host(tmp_path).cores == 1


def test_a_container_that_shows_its_group_as_the_root_is_understood(tmp_path):
    put(tmp_path, {"proc/self/cgroup": "0::/docker/abc\n"})
    put(tmp_path, {"sys/fs/cgroup/cpu.max": "200000 100000\n"})
    put(tmp_path, {"sys/fs/cgroup/cpu.stat": "usage_usec 2500000\nuser_usec 1\n"})
    assert quota_cores(tmp_path) == 2
    assert used_cpu_s(tmp_path) == 2.5


def test_groups_of_the_first_generation_are_understood(server):
    put(
        server,
        {
            "proc/self/cgroup": "4:memory:/job\n3:cpu,cpuacct:/job\n0::/\n",
            "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us": "300000\n",
            "sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/cpu,cpuacct/job/cpuacct.usage": "7000000000\n",
            "sys/fs/cgroup/memory/job/memory.limit_in_bytes": "4000000000\n",
        },
    )
    assert quota_cores(server) == 3
    assert used_cpu_s(server) == 7
    assert this_host(server).memory_bytes == 4e9


def test_a_group_without_limits_limits_nothing(server):
    put(
        server,
        {
            "proc/self/cgroup": "2:cpu:/\n1:memory:/\n0::/\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
    )
    assert quota_cores(server) is None
    assert used_cpu_s(server) is None
    assert this_host(server).memory_bytes == 65536000 * 1024


def share(*, all_s, own_s, group_s=None, cores=8, quota=None):
    before = Use(time_s=0.0, all_s=0.0, own_s=0.0, group_s=None if group_s is None else 0.0)
    after = Use(time_s=1.0, all_s=all_s, own_s=own_s, group_s=group_s)
    return others_share(before, after, cores=cores, quota=quota)


def test_others_outside_a_quota_count_only_once_the_machine_is_full():
    assert share(all_s=7, own_s=4, group_s=4, quota=4) == 0
    assert share(all_s=8, own_s=2, group_s=2, quota=4) == pytest.approx(0.5)


def test_others_inside_our_group_count_at_once():
    assert share(all_s=3, own_s=2, group_s=3, quota=4) == pytest.approx(0.25)


@given(st.floats(0, 8), st.floats(0, 8), st.floats(0, 8), st.floats(0.1, 8))
def test_the_share_of_others_is_a_share_and_grows_with_them(own_s, first_s, more_s, quota):
    shares = [
        share(all_s=own_s + others, own_s=own_s, group_s=own_s, quota=quota)
        for others in (first_s, first_s + more_s)
    ]
    assert 0 <= shares[0] <= shares[1] <= 1
    assert share(all_s=own_s, own_s=own_s, group_s=own_s, quota=quota) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_contention_reads_the_time_of_the_processors_that_we_may_use(tmp_path):
    stat = tmp_path / "proc" / "stat"
    idle = "cpu{} 0 0 0 5 5 0 0 {} 0 0\n"
    mine, foreign = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0)) + 1
    put(tmp_path, {"proc/stat": idle.format(mine, 0) + idle.format(foreign, 0)})
    contention = ContentionMeter(tmp_path)
    before = own_cpu_s()
    while own_cpu_s() - before < 0.02:
        pass
    stat.write_text(idle.format(mine, 0) + idle.format(foreign, 10**6))
    assert contention.read() == 0
    while own_cpu_s() - before < 0.04:
        pass
    stat.write_text(idle.format(mine, 10**6) + idle.format(foreign, 10**6))
    assert contention.read() == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell of children")
def test_the_time_of_children_is_ours_once_they_have_ended():
    before = own_cpu_s()
    script = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", script], check=True)
    assert own_cpu_s() - before >= 0.29


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_the_time_of_children_that_still_run_is_ours_where_that_is_asked_for():
    """A loader of data, and what it started, work on while the run ends."""
    script = (
        "import subprocess, sys, time\n"
        "work = 'import time\\nwhile time.process_time() < 0.2: pass\\nprint(1, flush=True)\\n'\n"
        "child = subprocess.Popen([sys.executable, '-c', work + 'time.sleep(60)'])\n"
        "exec(work)\ntime.sleep(60)"
    )
    before_s, own_s = running_children_s(), own_cpu_s()
    child = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        assert child.stdout.readline() + child.stdout.readline() == b"1\n1\n"
        assert running_children_s() - before_s >= 0.3, "two of 0.2 s, each rounded down to ticks"
        assert own_cpu_s() - own_s < 0.3
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
    assert running_children_s() - before_s < 0.3


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_what_a_running_child_uses_is_not_called_another_ones(tmp_path, monkeypatch):
    idle = "cpu{} {} 0 0 5 5 0 0 0 0 0\n"
    mine, tick = min(os.sched_getaffinity(0)), os.sysconf("SC_CLK_TCK")
    put(tmp_path, {"proc/stat": idle.format(mine, 0)})
    monkeypatch.setattr(host_module, "running_children_s", lambda: 1.0)
    hearing, deaf = ContentionMeter(tmp_path, running_children=True), ContentionMeter(tmp_path)
    began_s = time.monotonic()
    while time.monotonic() - began_s < 0.05:
        pass
    put(tmp_path, {"proc/stat": idle.format(mine, 1000 * tick)})
    monkeypatch.setattr(host_module, "running_children_s", lambda: 1001.0)
    assert hearing.read() == 0
    assert deaf.read() == 1


def test_on_macos_others_are_known_from_the_times_of_all_processors(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    moments_s = iter((100.0, 110.0))
    monkeypatch.setattr(host_module.time, "monotonic", lambda: next(moments_s))
    used_s = iter((5.0, 12.0))
    monkeypatch.setattr(host_module, "own_cpu_s", lambda: next(used_s))
    times = iter(
        (
            SimpleNamespace(user=50.0, nice=0.0, system=10.0, idle=300.0),
            SimpleNamespace(user=64.0, nice=1.0, system=12.0, idle=323.0),
        )
    )
    monkeypatch.setattr(psutil, "cpu_times", lambda: next(times))
    shares = ContentionMeter(tmp_path).shares()
    assert shares.others == pytest.approx((17 - 7) / 40)
    assert shares.busy == pytest.approx(17 / 40)


def test_windows_names_its_processor_in_the_registry(tmp_path, monkeypatch):
    name = "Intel(R) Core(TM) Ultra 7 155H"
    registry = SimpleNamespace(
        HKEY_LOCAL_MACHINE=1,
        OpenKey=lambda root, place: nullcontext((root, place.rpartition("\\")[2])),
        QueryValueEx=lambda key, value: (f"{name}  ", 1) if key == (1, "0") else ("", 1),
    )
    monkeypatch.setitem(sys.modules, "winreg", registry)
    monkeypatch.setattr(sys, "platform", "win32")
    assert host_module.processor_name(tmp_path) == name


@pytest.mark.skipif(sys.platform == "win32", reason="without sessions")
def test_children_of_children_are_found_and_ended_even_if_they_refuse():
    """One of a thread is ours, too; one whose exit code nobody reads has ended."""
    script = (
        "import signal, subprocess\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        "print(child.pid, flush=True); signal.pause()"
    )
    started = []
    thread = threading.Thread(
        target=lambda: started.append(
            subprocess.Popen(
                [sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True
            )
        )
    )
    thread.start()
    thread.join()
    (child,) = started
    try:
        grandchild = int(child.stdout.readline())
        found = descendants(os.getpid())
        assert {child.pid, grandchild} <= {one.pid for one in found}
        family = {one for one in found if one.pid in (child.pid, grandchild)}
        end_all(family, patience_s=0.2)
        assert child.wait(timeout=60) == -signal.SIGKILL
        assert {one.pid for one in descendants(child.pid)} == set()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
