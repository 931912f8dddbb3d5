"""A real environment is made once, offline, with a tiny package; every start is a process."""

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from estimator.system import environment
from estimator.system.environment import FOLDER, LOCK, NO_SETUP, STAMP, Needs, is_ready
from estimator.system.pip_install import FAST_PIP, SetupError, python_of, reason, site_of

ROOT = Path(__file__).parents[2]
START = """
import os, sys
from pathlib import Path
from estimator.system.environment import Needs, enter
from estimator.system.pip_install import SetupError
hidden = sys.argv[2:]
for name in hidden:
    sys.modules[name] = None
sys._base_executable = os.environ.get("BASE_PYTHON", sys._base_executable)
root = Path(sys.argv[1])
try:
    enter(Needs(root=root, requirements=("requirements.txt",), modules={"tiny": "tiny"}))
except SetupError as error:
    sys.exit(f"error: {error}")
import tiny
print(tiny.VERSION, Path(sys.prefix).name)
"""


def write_wheel(folder, version):
    info = f"tiny-{version}.dist-info"
    with zipfile.ZipFile(folder / f"tiny-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny.py", f"VERSION = '{version}'\n")
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", f"tiny.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n")


def require(root, version):
    (root / "requirements.txt").write_text(f"tiny=={version}\n", encoding="utf-8")


def checkout(root):
    root.mkdir()
    (root / "pyproject.toml").write_text("", encoding="utf-8")
    for version in ("1.0", "2.0"):
        write_wheel(root, version)
    require(root, "1.0")
    return root


HEARS_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
"""A job in the background is deaf to Ctrl-C, and so would be what it starts."""


def begin(root, *hidden, **variables):
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(root), "PIP_CONFIG_FILE": os.devnull}
    environment = {**os.environ, **offline, "PYTHONPATH": str(ROOT), **variables}
    environment = {name: text for name, text in environment.items() if text is not None}
    return subprocess.Popen(
        [sys.executable, "-c", HEARS_CTRL_C + START, str(root), *hidden],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def start(root, *hidden, **variables):
    process = begin(root, *hidden, **{NO_SETUP: None, **variables})
    out, err = process.communicate(timeout=120)
    return process.returncode, out.strip(), err.strip()


def left_in(folder):
    return sorted(entry.name for entry in folder.iterdir())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two starts at the same time find a half-made environment."""
    root = checkout(tmp_path_factory.mktemp("made") / "checkout")
    (root / FOLDER / "bin").mkdir(parents=True)
    (root / FOLDER / LOCK).touch()
    (root / FOLDER / "bin" / "half").touch()
    both = [begin(root, **{NO_SETUP: None}) for _ in range(2)]
    answers = [process.communicate(timeout=120) for process in both]
    return root, answers


@pytest.fixture(scope="module")
def quick_python(made, tmp_path_factory):
    """A base Python whose `-I -m venv FOLDER` copies the empty environment that it once made."""
    folder = tmp_path_factory.mktemp("quick")
    empty = shutil.copytree(made[0] / FOLDER, folder / "empty", symlinks=True)
    remove_files_of_a_package(empty)
    for emptied in empty.glob("lib/python3*/site-packages/tiny*"):
        emptied.rmdir()  # pip takes its name for an installed package
    for name in (LOCK, STAMP):
        (empty / name).unlink()
    put_own_pip_into(empty)
    python = folder / "python"
    python.write_text(f"#!/bin/sh\nexec cp -Rp '{empty}/.' \"$4\"\n", encoding="utf-8")
    python.chmod(0o755)
    return str(python)


def put_own_pip_into(folder):
    """Replace an old pip by ours, which nothing tries to bring up to date at each repair."""
    (site,) = map(Path, site_of(folder))
    ours = [path for own in site_of(Path(sys.prefix)) for path in Path(own).glob("pip-*.dist-info")]
    new = [path for path in ours if version_of(path) >= FAST_PIP]
    if not new:
        return
    for old in site.glob("pip*"):
        shutil.rmtree(old)
    for part in ("pip", new[0].name):
        shutil.copytree(new[0].with_name(part), site / part)


def version_of(pip):
    """The first number of the version that a folder of an installed pip names."""
    return int(pip.name.split("-")[1].split(".")[0])


def copied_or_linked(source, target):
    """A thousand files of packages, which pip replaces and never writes into, need no copies."""
    (os.link if "site-packages" in source else shutil.copy2)(source, target)


def copy_of(made, tmp_path):
    root = tmp_path / "checkout"
    return shutil.copytree(made[0], root, symlinks=True, copy_function=copied_or_linked)


def test_both_of_two_starts_at_once_run_in_the_new_environment(made):
    _, answers = made
    assert [out.strip() for out, _ in answers] == [f"1.0 {FOLDER}"] * 2


def test_one_of_two_starts_at_once_sets_up_and_says_why(made):
    _, answers = made
    errors = sorted((err for _, err in answers), key=len)
    assert "because tiny cannot be imported" in errors[1]
    assert "setting up" not in errors[0].replace("another start is setting up", "")


def test_a_half_made_environment_is_made_anew(made):
    root, _ = made
    assert not (root / FOLDER / "bin" / "half").exists()
    assert (root / FOLDER / STAMP).exists()


def test_the_next_start_is_silent_and_changes_nothing(made):
    root, _ = made
    before = (root / FOLDER / STAMP).stat().st_mtime_ns
    assert start(root) == (0, f"1.0 {FOLDER}", "")
    assert (root / FOLDER / STAMP).stat().st_mtime_ns == before


def test_changed_requirements_update_the_environment_in_place(made, tmp_path):
    root = copy_of(made, tmp_path)
    (root / FOLDER / "kept").touch()
    require(root, "2.0")
    assert start(root)[:2] == (0, f"2.0 {FOLDER}")
    assert (root / FOLDER / "kept").exists()
    assert start(root) == (0, f"2.0 {FOLDER}", "")


def test_an_update_that_cannot_be_had_leaves_the_environment_as_it_was(made, tmp_path):
    root = copy_of(made, tmp_path)
    require(root, "3.0")
    code, _, err = start(root)
    assert code == 1
    assert "error: pip found no such package" in err
    assert "tiny==3.0" in err
    require(root, "1.0")
    assert start(root) == (0, f"1.0 {FOLDER}", "")


def test_a_complete_environment_of_somebody_else_is_used(made, tmp_path):
    root = copy_of(made, tmp_path)
    (root / FOLDER / LOCK).unlink()
    (root / FOLDER / STAMP).unlink()
    assert start(root) == (0, f"1.0 {FOLDER}", "")
    assert not (root / FOLDER / STAMP).exists()


def test_an_environment_of_another_python_is_not_ready(made, tmp_path):
    root = copy_of(made, tmp_path)
    needs = Needs(root=root, requirements=("requirements.txt",), modules={"tiny": "tiny"})
    assert is_ready(needs)
    stamp = json.loads((root / FOLDER / STAMP).read_text(encoding="utf-8"))
    (root / FOLDER / STAMP).write_text(json.dumps(stamp | {"python": "3.10"}), encoding="utf-8")
    assert not is_ready(needs)


def test_an_environment_whose_python_went_away_is_not_ready(made, tmp_path):
    root = copy_of(made, tmp_path)
    python_of(root / FOLDER).unlink()
    needs = Needs(root=root, requirements=("requirements.txt",), modules={"tiny": "tiny"})
    assert not is_ready(needs)


def remove_python(folder):
    shutil.rmtree(folder / "bin")


def remove_packages(folder):
    shutil.rmtree(next(folder.glob("lib/python3*/site-packages")))


def remove_an_unlisted_package(folder):
    shutil.rmtree(next(folder.glob("lib/python3*/site-packages/pip")))


def remove_files_of_a_package(folder):
    for path in folder.glob("lib/python3*/site-packages/tiny*"):
        if path.is_dir():
            shutil.rmtree(path)
            path.mkdir()
        else:
            path.unlink()


def remove_lock_and_python(folder):
    (folder / LOCK).unlink()
    remove_python(folder)


@pytest.mark.skipif(sys.platform == "win32", reason="folders are named otherwise")
@pytest.mark.parametrize(
    "remove",
    [
        *(remove_python, remove_packages, remove_an_unlisted_package),
        *(remove_files_of_a_package, remove_lock_and_python),
    ],
)
def test_a_half_deleted_environment_is_repaired(made, quick_python, tmp_path, remove):
    root = copy_of(made, tmp_path)
    remove(root / FOLDER)
    code, out, err = start(root, BASE_PYTHON=quick_python)
    assert (code, out) == (0, f"1.0 {FOLDER}"), err
    assert start(root) == (0, f"1.0 {FOLDER}", "")


def test_an_incomplete_environment_of_somebody_else_is_left_alone(tmp_path):
    root = checkout(tmp_path / "checkout")
    (root / FOLDER).mkdir()
    (root / FOLDER / "theirs").touch()
    code, _, err = start(root)
    assert code == 1
    assert "was not made by this command" in err
    assert left_in(root / FOLDER) == ["theirs"]


@pytest.mark.parametrize("missing", ["venv", "ensurepip"])
def test_a_python_without_venv_is_reported_the_package_to_install(tmp_path, missing):
    root = checkout(tmp_path / "checkout")
    code, _, err = start(root, missing)
    assert code == 1
    assert "apt-get install python3-venv" in err
    assert left_in(root / FOLDER) == [LOCK]


@pytest.mark.skipif(sys.platform == "win32", reason="signals a process group")
def test_an_interrupted_setting_up_leaves_nothing_half_made(tmp_path):
    root = checkout(tmp_path / "checkout")
    process = begin(root, **{NO_SETUP: None})
    deadline_s = time.monotonic() + 120
    while not python_of(root / FOLDER).exists() and time.monotonic() < deadline_s:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode != 0
    assert left_in(root / FOLDER) == [LOCK]


def test_setting_up_can_be_forbidden(tmp_path):
    root = checkout(tmp_path / "checkout")
    code, _, err = start(root, **{NO_SETUP: "1"})
    assert code == 1
    assert "tiny not installed" in err
    assert f"pip install -r {root / 'requirements.txt'}" in err
    assert not (root / FOLDER).exists()


def test_outside_a_checkout_nothing_is_made(tmp_path):
    code, _, err = start(tmp_path)
    assert code == 1
    assert "pip install tiny" in err
    assert not (tmp_path / FOLDER).exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    root = checkout(tmp_path / "checkout")
    (root / FOLDER).touch()
    code, _, err = start(root)
    assert code == 1
    assert f"cannot write {root / FOLDER}" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("OSError: [Errno 28] No space left on device", "make room"),
        (
            "WARNING: Retrying after connection broken by 'NewConnectionError()'",
            "connect or set a proxy",
        ),
        ("ERROR: No matching distribution found for tiny==3.0", "index"),
        ("ERROR: something else", "fix the problem above"),
    ],
)
def test_a_failing_pip_is_reported_with_a_remedy(line, remedy):
    assert remedy in reason(["Collecting numpy", line])


@pytest.mark.parametrize(
    "path",
    ["estimator/__init__.py", "estimator/__main__.py", "tests/__init__.py", "tests/__main__.py"],
)
def test_a_python_that_is_too_old_can_read_what_tells_it_so(path):
    ast.parse((ROOT / path).read_text(encoding="utf-8"), feature_version=(3, 7))


def test_help_needs_no_package():
    command = [sys.executable, "-S", "-m", "estimator", "estimate", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--hardware" in done.stdout


def test_a_wrapped_command_that_asks_for_help_does_not_ask_us():
    """`calibrate run -- train.py --help` needs our packages: without them that is one line."""
    wrap = ["-S", "-m", "estimator", "calibrate", "run"]
    bare = {**os.environ, "TWENTY_WATTS_NO_SETUP": "1"}
    reported = []
    for words in (["--", "echo", "--help"], ["--help", "--", "echo"]):
        command = [sys.executable, *wrap, *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=bare)
        reported.append((done.returncode, len(done.stderr.splitlines())))
    assert reported == [(1, 1), (0, 0)]


def test_a_python_with_pytorch_is_not_left_for_another(tmp_path, monkeypatch):
    """Its speed is what the measuring is about: an environment without PyTorch has another."""
    (tmp_path / "torch.py").write_text("", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    needs = replace(environment.MEASURE, modules={"no-such": "no_such_module"})
    with pytest.raises(SetupError, match=r"has torch.*pip install no-such"):
        environment.enter(needs)
