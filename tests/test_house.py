"""The rules of the house: who imports what, who opens files, what is public, what is shipped."""

import ast
import gc
import importlib
import importlib.metadata
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
import zipfile
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import estimator
from estimator.cli import COMMANDS
from estimator.system.environment import APP

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "estimator"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

ROOMS = (
    "system",
    "core",
    "networks",
    "runs",
    "catalog",
    "measure",
    "question",
    "training",
    "memory",
    "calibration",
    "answer",
    "inference",
    "studies",
    "validation",
    "show",
    "web",
    "cli",
)
"""The rooms in the one order of their imports: each imports only rooms before it."""

ALLOWED = {
    "numpy": None,
    "pandas": {"core", "web"},
    "altair": {"web"},
    "vl_convert": {"web"},
    "streamlit": {"web", "app.py"},
    "prometheus_client": {"web"},
    "segno": {"web"},
    "rich": {"show", "cli"},
    "pynvml": {"measure"},
    "codecarbon": {"measure"},
    "platformdirs": {"system"},
    "tomli_w": {"catalog"},
    "pyarrow": {"question", "studies", "web"},
    "threadpoolctl": {"measure", "calibration"},
    "psutil": {"runs", "measure"},
}
"""Package -> the rooms that may import it; None: all."""

SOURCES = sorted(PACKAGE.rglob("*.py"))
if (ROOT / "app.py").exists():
    SOURCES.append(ROOT / "app.py")


def part_of(path):
    """Name the room of a module, the module right under estimator, or app.py."""
    if path.parent == ROOT:
        return path.name
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def rooms_of(path):
    """Name the rooms that a module imports."""
    parts = {name.split(".")[1] for name in imports_of(path) if name.startswith("estimator.")}
    return parts & set(ROOMS)


@cache
def parsed(path):
    """Syntax tree of a module and all its nodes, read once for all rules."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return tree, list(ast.walk(tree))


@pytest.fixture(scope="module", autouse=True)
def each_module_parsed():
    """Trees of all modules: made while nobody looks for garbage among them, dropped at the end."""
    gc.disable()
    try:
        for path in SOURCES:
            parsed(path)
    finally:
        gc.enable()
    yield
    parsed.cache_clear()


@cache
def imports_of(path):
    return tuple(each_import(path))


def each_import(path):
    for node in parsed(path)[1]:
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def dotted(path):
    """Name of a module as it is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def names_of_modules():
    return frozenset(dotted(path) for path in SOURCES if path.parent != ROOT)


def for_type_checkers(nodes):
    """Nodes that no run imports: those under `if TYPE_CHECKING`."""
    blocks = [node for node in nodes if isinstance(node, ast.If)]
    typing = [one for one in blocks if getattr(one.test, "id", "") == "TYPE_CHECKING"]
    return {id(node) for block in typing for node in ast.walk(block)}


def modules_imported(path):
    """Modules of ours that a module imports, in its functions too; itself and its packages not."""
    known = names_of_modules()
    own = dotted(path)
    nodes = parsed(path)[1]
    unused = for_type_checkers(nodes)
    found = set()
    for node in nodes:
        if id(node) in unused:
            continue
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            inner = {f"{node.module}.{name.name}" for name in node.names}
            modules = inner & known
            found |= modules
            found |= {node.module} if len(modules) < len(inner) else set()
    return {name for name in found & known if not f"{own}.".startswith(f"{name}.")}


def run_python(*words, cwd=ROOT, **variables):
    return subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_module_imports_only_the_packages_its_room_may():
    found = []
    for path in SOURCES:
        for name in imports_of(path):
            package = name.split(".")[0]
            if package in sys.stdlib_module_names or package == "estimator":
                continue
            may = ALLOWED.get(package, set())
            if may is not None and part_of(path) not in may:
                found.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not found


def test_streamlit_is_used_by_its_public_names_only():
    private = re.compile(r"streamlit\.(?!testing|column_config|errors)\w+")
    found = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in SOURCES
        for name in imports_of(path)
        if private.match(name)
    ]
    assert not found


def test_every_module_has_a_room():
    parts = {part_of(path) for path in SOURCES}
    assert parts - set(ROOMS) == {"__init__", "__main__", "app.py"}


def test_imports_between_rooms_run_one_way():
    for path in SOURCES:
        room = part_of(path)
        if room in ROOMS:
            later = set(ROOMS[ROOMS.index(room) + 1 :])
            found = rooms_of(path) & later
            assert not found, f"{path.relative_to(ROOT)} imports {', '.join(found)}"


def test_no_module_imports_itself_by_way_of_others():
    graph = {dotted(path): modules_imported(path) for path in SOURCES if path.parent != ROOT}
    sorter = TopologicalSorter(graph)
    sorter.prepare()


def test_a_class_name_exists_once_in_the_package():
    homes = {}
    for path in SOURCES:
        for node in parsed(path)[1]:
            if isinstance(node, ast.ClassDef):
                homes.setdefault(node.name, []).append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert {name: places for name, places in homes.items() if len(places) > 1} == {}


def opens_profiles(path):
    """Whether a module reads TOML or joins a path to the profiles."""
    joined = [
        getattr(node.right, "value", "")
        for node in parsed(path)[1]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
    ]
    named = any(isinstance(name, str) and name.startswith("profiles") for name in joined)
    return named or "tomllib" in imports_of(path)


def test_only_the_catalog_opens_profiles():
    spaces = PACKAGE / "studies" / "search" / "space.py"  # reads a user's own file, never a profile
    readers = {part_of(path) for path in SOURCES if path != spaces and opens_profiles(path)}
    assert readers == {"catalog"}


def modules_after(*commands):
    """Packages that a process has imported after some commands, one after the other."""
    script = (
        "import runpy, shlex, sys\n"
        "for command in sys.argv[1:]:\n"
        "    sys.argv = ['estimator', *shlex.split(command)]\n"
        "    try:\n        runpy.run_module('estimator', run_name='__main__', alter_sys=True)\n"
        "    except SystemExit as end:\n        assert not end.code, (command, end.code)\n"
        "sys.stderr.write(' '.join(sys.modules))"
    )
    done = run_python("-c", script, *commands)
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in done.stderr.split()}


def test_importing_the_package_pulls_in_no_dependency():
    done = run_python("-c", "import estimator, sys; print(*sys.modules)")
    assert done.returncode == 0, done.stderr
    assert not set(done.stdout.split()) & set(ALLOWED)


def test_help_of_no_command_imports_a_dependency_or_what_only_answers_need():
    assert {"estimate", "calibrate", "app"} <= set(COMMANDS)
    loaded = modules_after(*(f"{name} --help" for name in COMMANDS if name != "app"))
    assert not loaded & {*ALLOWED, "datetime", "json", "pathlib", "string"}
    assert not modules_after("app --help") & set(ALLOWED)


def test_a_figure_imports_no_streamlit_and_altair_only_for_a_picture(tmp_path):
    figure = "figure scenario --preset gpt-3 --hardware v100 -o"
    files = [shlex.quote(str(tmp_path / name)) for name in ("figure.html", "figure.csv")]
    loaded = modules_after(*(f"{figure} {name}" for name in files))
    assert not loaded & {"altair", "streamlit", "vl_convert"}
    loaded = modules_after(f"{figure} {shlex.quote(str(tmp_path / 'figure.svg'))}")
    assert "altair" in loaded
    assert "streamlit" not in loaded


def test_an_estimate_imports_no_pandas_altair_or_streamlit():
    loaded = modules_after("estimate --preset gpt-3 --hardware v100 --devices 8")
    assert "numpy" in loaded
    assert not loaded & {"pandas", "altair", "streamlit"}


def test_the_public_names_are_exactly_those_that_type_checkers_see():
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    seen = {
        name.name: node.module
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    assert sorted(seen) == sorted(estimator.__all__)
    assert dir(estimator) == sorted([*estimator.__all__, "__version__"])
    for name, module in seen.items():
        assert getattr(estimator, name) is getattr(importlib.import_module(module), name)


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        getattr(estimator, "no_such" + "_name")


def tracked_files():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


AVOIDED = re.compile(
    r"(?<![a-z])((un)?told|doubt(s|ed|ful)?|traits?|lessons?|trails?|finders?|shelf|shelves|"
    r"circumstances?|tally|tallies|heard|taught|upkeep|being on)(?![a-z])|CO₂|CO2(?!e)",
    re.IGNORECASE,
)
"""Words for which the field has terms: given, reported, uncertainty, features, provenance, CO2e."""

PUBLIC = re.compile("as_told|'told'|'doubts'|heard_s|co2_eq_emissions|co2CostEquivalent")
"""Keys of the JSON of claims and model cards, a section in links, a column of runs: they stay."""


def words_of(path):
    """Line and text of every name and string of a module, docstrings among them."""
    for node in parsed(path)[1]:
        for name in ("id", "arg", "attr", "name", "value"):
            text = getattr(node, name, None)
            if isinstance(text, str):
                yield getattr(node, "lineno", 0), repr(text) if name == "value" else text


@cache
def avoided_word(text):
    return AVOIDED.search(PUBLIC.sub("", text))


def avoided_in(path):
    return [
        f"{path.relative_to(ROOT)}:{line}: {found[0]}"
        for line, text in words_of(path)
        if (found := avoided_word(text))
    ]


def test_the_search_for_avoided_words_finds_them(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    path = tmp_path / "one.py"
    path.write_text('def f(told):\n    """Doubt of it."""\n    return f"{told}: untold"\n', "utf-8")
    assert len(avoided_in(path)) == 4
    path = tmp_path / "two.py"
    path.write_text('def told_apart(as_told):\n    return "foretold", "told"\n', "utf-8")
    assert len(avoided_in(path)) == 1
    path = tmp_path / "three.py"
    path.write_text('co2e_kg = "CO2", "CO₂e", "kgCO2e"\n', "utf-8")
    assert len(avoided_in(path)) == 2


def test_names_docstrings_and_messages_use_the_terms_of_the_field():
    modules = [*SOURCES, *sorted((ROOT / "tests" / "benchmarks").rglob("*.py"))]
    assert [line for path in modules for line in avoided_in(path)] == []


HOSTS = "|".join(["files.pythonhosted", r"pypi\.org/simple", r"registry\.npmjs", r"deb\.debian"])
FOLDERS = "|".join(["work", "root", "home", "Users"])
TRACES = re.compile(rf"(?<![\w.\-/:*~)}}\]])/(?:{FOLDERS})/\w|{HOSTS}")


def test_the_search_for_traces_finds_them():
    assert TRACES.search('open("/' + 'work/main")')
    assert TRACES.search("cd /" + "home/someone/x")
    assert not TRACES.search("https://example.org/" + "work/paper.pdf")


def test_no_tracked_file_holds_a_path_of_somebodys_machine_or_a_registry_host():
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in tracked_files()
        if path != Path(__file__)
        for number, line in enumerate(path.read_text("utf-8", errors="ignore").splitlines(), 1)
        if TRACES.search(line)
    ]
    assert not found


def lines_of(name):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def pins():
    """Distribution -> version, of the lines that hold for this Python and system."""
    wanted = [Requirement(line) for line in lines_of("requirements.txt")]
    wanted += [Requirement(line) for line in lines_of(".ci/requirements.txt")]
    held = [pin for pin in wanted if pin.marker is None or pin.marker.evaluate()]
    names = [canonicalize_name(pin.name) for pin in held]
    assert len(names) == len(set(names)), "pinned twice"
    return {canonicalize_name(pin.name): str(pin.specifier) for pin in held}


@pytest.mark.parametrize("name", ["requirements.txt", ".ci/requirements.txt"])
def test_every_requirement_is_one_exact_version(name):
    for line in lines_of(name):
        assert re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; .+)?", line), line


def test_the_pins_are_within_the_ranges_of_the_package():
    pinned = pins()
    direct = [Requirement(line) for line in PYPROJECT["project"]["dependencies"]]
    for wanted in direct:
        version = pinned[canonicalize_name(wanted.name)].removeprefix("==")
        assert wanted.specifier.contains(version), f"{wanted} but {version} is pinned"
    assert {wanted.name for wanted in direct} == set(APP.modules)


def test_the_pins_are_complete():
    pinned = pins()
    here = {**default_environment(), "extra": ""}
    for name in pinned:
        try:
            needs = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        for need in map(Requirement, needs):
            if need.marker is None or need.marker.evaluate(here):
                assert canonicalize_name(need.name) in pinned, f"{name} needs {need}"


def test_the_forsaken_distribution_of_nvml_is_nowhere():
    assert "pynvml" not in pins()
    assert "pynvml" not in {Requirement(line).name for line in PYPROJECT["project"]["dependencies"]}


def test_the_app_starts_without_a_collection_after_every_run_and_without_telemetry():
    script = (
        "from streamlit.config import get_option\n"
        "print(get_option('runner.postScriptGC'), get_option('browser.gatherUsageStats'))"
    )
    done = run_python("-c", script)
    assert done.stdout.split() == ["False", "False"], done.stderr


def test_the_console_script_is_the_main_function():
    module, name = PYPROJECT["project"]["scripts"]["twenty-watts"].split(":")
    assert callable(getattr(importlib.import_module(module), name))


def test_an_installed_package_brings_its_profiles_app_and_settings(tmp_path):
    script = "import hatchling.build, sys; print(hatchling.build.build_wheel(sys.argv[1]))"
    built = run_python("-c", script, str(tmp_path))
    assert built.returncode == 0, built.stderr
    place = tmp_path / "installed"
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(place)
    assert (place / "estimator" / "app.py").exists()
    assert (place / "estimator" / ".streamlit" / "config.toml").exists()
    words = ["estimate", "--preset", "gpt-3", "--hardware", "v100", "--devices", "8", "--json"]
    done = run_python("-m", "estimator", *words, cwd=tmp_path, PYTHONPATH=str(place))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)


def test_a_release_has_one_version():
    version = PYPROJECT["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    headings = re.findall(r"(?m)^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    assert headings[0] == version


def test_the_notice_names_every_source_whose_licence_asks_for_it():
    sources = tomllib.loads((ROOT / "profiles" / "sources.toml").read_text(encoding="utf-8"))
    notice = " ".join((ROOT / "NOTICE").read_text(encoding="utf-8").split())
    asks = re.compile(r"CC.BY|ODbL|MPL|MIT|BSD|Apache")
    for key, source in sources.items():
        assert "unknown" not in source["licence"], f"{key}: settle the terms of its use"
        if asks.search(source["licence"]) and "Twenty Watts" not in source["publisher"]:
            for publisher in re.split("; |, | and ", source["publisher"]):
                assert publisher.startswith("arXiv") or publisher in notice, f"{key}: {publisher}"
