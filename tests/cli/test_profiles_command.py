"""The command `profiles`: every verb on every profile, and a profile with one key out of place."""

import argparse
import csv
import io
import json
import re
import tomllib

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from estimator.catalog import Catalog
from estimator.catalog.checks import own_problems
from estimator.catalog.profile_folders import shipped_directory
from estimator.cli import main
from estimator.cli.profiles import TABLES, show

CATALOG = Catalog.open()
PROFILES = shipped_directory()
NAMES = {
    "hardware": list(CATALOG.device_names()),
    "workloads": list(CATALOG.preset_names()),
    "sites": [place.id for place in CATALOG.places()],
    "sources": [source.id for source in CATALOG.sources()],
}


def run(capsys, *words):
    code = main(["profiles", *map(str, words)])
    reported = capsys.readouterr()
    return code, reported.out, reported.err


def shown(capsys, name, **form):
    words = {"name": name, "json": False, "csv": False, **form}
    assert show(CATALOG, argparse.Namespace(**words)) == 0
    reported = capsys.readouterr()
    assert reported.err == "", name
    return reported.out


@pytest.mark.parametrize("table", NAMES)
def test_show_prints_every_profile_for_people_and_machines(capsys, table):
    for name in NAMES[table]:
        assert "None" not in shown(capsys, name), name
        whole = json.loads(shown(capsys, name, json=True))
        assert all("source" in record for record in whole["records"].values())
        rows = list(csv.DictReader(io.StringIO(shown(capsys, name, csv=True))))
        assert len(rows) == len(whole["records"]), name


def test_show_lists_each_source_once_below_the_numbers(capsys):
    assert main(["profiles", "show", "gpt-3"]) == 0
    shown = capsys.readouterr().out
    sources = re.findall(r"^([a-z0-9-]+): .*https?://\S+$", shown, re.MULTILINE)
    assert len(sources) == len(set(sources)) > 1
    records = CATALOG.preset("gpt-3").records.values()
    assert {record.source for record in records} <= set(sources)
    assert re.search(r"seq_len +2,048 ", shown)


def test_a_search_lists_what_it_finds_and_ours_are_sound(capsys):
    assert "h100-sxm" in run(capsys, "list", "hardware", "--search", "h100")[1]
    assert run(capsys, "check")[0] == 0


@pytest.mark.parametrize("name", ["h100", "gpt-3", "fr", "nvidia-whitepapers"])
def test_show_finds_device_workload_place_and_source(capsys, name):
    code, out, err = run(capsys, "show", name)
    assert (code, err) == (0, "") and out


def test_show_tells_what_a_prior_rests_on(capsys):
    key = "power.host_factor.gpu-datacenter"
    code, out, _ = run(capsys, "show", key)
    assert code == 0 and CATALOG.prior(key).note in out
    group = json.loads(run(capsys, "show", "power.host_factor", "--json")[1])["records"]
    assert key in group and all(name.startswith("power.host_factor.") for name in group)
    _, listed, _ = run(capsys, "list", "priors")
    assert all(re.search(rf"^ {re.escape(name)} ", listed, re.MULTILINE) for name in group)


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("form", [(), ("--json",), ("--csv",)])
def test_list_prints_every_table(capsys, table, form):
    code, out, err = run(capsys, "list", table, *form)
    assert (code, err) == (0, "")
    assert len(out.splitlines()) > 20


ONE_SIDED = [
    (name, key, record)
    for name in NAMES["hardware"]
    for key, record in CATALOG.device(name).records.items()
    if (record.low is None) != (record.high is None)
]


@pytest.mark.parametrize(("name", "key", "record"), ONE_SIDED, ids=lambda one: str(one)[:40])
def test_a_record_with_one_bound_shows_it_for_people_and_machines(capsys, name, key, record):
    bound = "from" if record.high is None else "up to"
    rows = csv.DictReader(io.StringIO(shown(capsys, name, csv=True)))
    number = record.low if record.high is None else record.high
    assert {row["number"]: row["range"] for row in rows}[key] == f"{bound} {number:.6g}"
    assert bound in shown(capsys, name)


@pytest.mark.parametrize("file", ["hardware/x.toml", "sources.toml", "priors.toml"])
def test_a_source_that_is_no_text_is_refused_in_one_line(capsys, tmp_path, file):
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text("source = 1\n", encoding="utf-8")
    code, out, err = run(capsys, "check", "--profiles", tmp_path)
    lines = (out + err).splitlines()
    assert code == 1
    assert any(path.name in line and "source" in line for line in lines)
    assert "Traceback" not in out + err and len(err.splitlines()) <= 1


DEVICE = tomllib.loads((PROFILES / "hardware" / "h100-sxm.toml").read_text("utf-8"))
PRESET = tomllib.loads((PROFILES / "workloads" / "gpt-3.toml").read_text("utf-8"))
ODD = st.sampled_from(
    [1, -1.5, True, "", "x", "\x00", [], [1], ["x", 1], {}, {"value": 1}, {"x": []}]
)


@st.composite
def spoilt(draw, whole):
    """A file of ours with one value replaced by something odd."""
    text = tomllib.loads(tomli_w.dumps(whole))
    table = text
    while True:
        key = draw(st.sampled_from(sorted(table)))
        if not isinstance(table[key], dict) or draw(st.booleans()):
            break
        table = table[key]
    table[key] = draw(ODD)
    return tomli_w.dumps(text)


@pytest.mark.parametrize(("folder", "whole"), [("hardware", DEVICE), ("workloads", PRESET)])
def test_check_lists_what_is_out_of_place_and_never_breaks(tmp_path, folder, whole):
    (tmp_path / folder).mkdir()

    @settings(max_examples=40)
    @given(spoilt(whole))
    def spoil(text):
        (tmp_path / folder / "mine.toml").write_text(text, encoding="utf-8")
        problems = list(own_problems(Catalog((PROFILES, tmp_path))))
        assert all(problem.file and problem.remedy for problem in problems)

    spoil()


@pytest.mark.parametrize("key", ["source", "basis", "note", "sources", "where"])
def test_check_refuses_a_number_where_a_text_belongs(capsys, tmp_path, key):
    whole = {**DEVICE, "tdp_w": {**DEVICE["tdp_w"], key: 1}, "aliases": []}
    (tmp_path / "hardware").mkdir()
    (tmp_path / "hardware" / "mine.toml").write_text(tomli_w.dumps(whole), encoding="utf-8")
    code, out, err = run(capsys, "check", "--profiles", tmp_path)
    assert code == 1 and f"tdp_w.{key}" in (out + err)
    assert "Traceback" not in out + err
