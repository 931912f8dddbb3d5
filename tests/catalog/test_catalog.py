"""Reading, look-up, refusal and overlay of profiles."""

import os
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from estimator.catalog import Catalog, ProfileError
from estimator.catalog.checks import problems
from estimator.catalog.records import name_key
from estimator.catalog.toml_files import read_toml

CATALOG = Catalog.open()
DEVICE = """name = "My card"
vendor = "Me"
kind = "gpu-consumer"
aliases = ["mine"]

[tdp_w]
value = 100
unit = "W"
basis = "assumed"
source = "twenty-watts-assumption"
"""
NAMES = {
    "v100": "v100-sxm2-16",
    "V100-SXM2-32GB": "v100-sxm2-32",
    "Tesla V100-SXM2-16GB": "v100-sxm2-16",
    "a100": "a100-sxm-80",
    "A100-40": "a100-sxm-40",
    "NVIDIA A100-SXM4-40GB": "a100-sxm-40",
    "h100": "h100-sxm",
    "NVIDIA H100 80GB HBM3": "h100-sxm",
    "H200": "h200-sxm",
    "NVIDIA H200": "h200-sxm",
    "b200": "b200",
    "gb200": "gb200",
    "NVIDIA GB300": "gb300",
    "tpu-v3": "tpu-v3",
    "TPUv3": "tpu-v3",
    "tpu v3": "tpu-v3",
    "Google TPU v5p": "tpu-v5p",
    "mi300x": "mi300x",
    "rtx-4090": "rtx-4090",
    "rtx_4090": "rtx-4090",
    "NVIDIA GeForce RTX 4090": "rtx-4090",
    "raspberry-pi-5": "raspberry-pi-5",
    "brain": "human-brain",
    "Human Brain": "human-brain",
    "K80": "k80-half-board",
    "Tesla K80": "k80-half-board",
    "K80 (one GPU of board)": "k80-half-board",
    "K80 (board)": "k80-board",
    "GTX TITAN": "gtx-titan",
    "M60 (one GPU of board)": "m60-half-board",
    "Quadro P6000": "quadro-p6000",
    "GTX Titan X (Maxwell)": "titan-x-maxwell",
    "alphago-lee": "alphago-lee",
}


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Make a directory with one device in it."""
    (tmp_path / "hardware").mkdir()
    (tmp_path / "hardware" / "my-card.toml").write_text(DEVICE)
    return tmp_path


@pytest.mark.parametrize(("name", "device_id"), NAMES.items())
def test_a_device_answers_to_the_names_people_and_drivers_use(name, device_id):
    assert CATALOG.device(name).id == device_id


def test_every_alias_leads_back_to_its_device_and_preset():
    for device in CATALOG.devices():
        for alias in (device.id, device.name, *device.aliases):
            assert Catalog.device(CATALOG, alias) is device
    for preset in CATALOG.presets():
        for alias in (preset.id, preset.name.upper(), *preset.aliases):
            assert CATALOG.preset(alias) is preset


@pytest.mark.parametrize(
    ("name", "place_id"),
    [
        ("us", "us"),
        ("USA", "us"),
        ("United States", "us"),
        ("uk", "gb"),
        ("FRA", "fr"),
        ("world", "world"),
        ("us-east-1", "aws-us-east-1"),
        ("us-east1", "gcp-us-east1"),
        ("gcp-europe-west4", "gcp-europe-west4"),
        ("westeurope", "azure-westeurope"),
        ("google", "google"),
        ("my-room", "my-room"),
        ("My Room", "my-room"),
    ],
)
def test_a_place_answers_to_code_name_and_region(name, place_id):
    assert CATALOG.place(name).id == place_id


def test_a_place_has_a_history_and_answers_with_the_newest():
    years = [place.year for place in CATALOG.history("world-average")]
    assert years == sorted(years) and years[0] == 2007 and len(years) >= 10
    assert CATALOG.place("world-average").year == years[-1]


@pytest.mark.parametrize(
    ("ask", "name", "offered"),
    [
        (CATALOG.device, "h10", "h100-sxm"),
        (CATALOG.device, "v100x", "v100"),
        (CATALOG.device, "RTX 4O90", "rtx-4090"),
        (CATALOG.preset, "gpt-33", "gpt-3"),
        (CATALOG.place, "germny", "de"),
        (CATALOG.source, "patterson-2012", "patterson-2021"),
        (CATALOG.prior, "power.host_facto.gpu-datacenter", "power.host_factor"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(ask, name, offered):
    with pytest.raises(ValueError, match="unknown") as refusal:
        ask(name)
    assert offered in str(refusal.value) and "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["", " ", "../sources", "hardware/v100", "."])
def test_a_name_is_no_path(name):
    with pytest.raises(ValueError, match="unknown hardware"):
        CATALOG.device(name)


def test_electricity_is_known_by_country_or_region_and_sector():
    prices = CATALOG.electricity_prices()
    assert prices["us", "industry"].value == 0.081
    assert prices["world", "business"].unit == "USD/kWh"
    assert {sector for place, sector in prices if place == "it"} == {"household"}


def test_prices_are_newest_first_and_of_one_device():
    prices = CATALOG.prices("h100")
    assert {price.device for price in prices} == {"h100-sxm"}
    assert [price.date_to for price in prices] == sorted(
        (price.date_to for price in prices), reverse=True
    )


def test_a_catalog_and_what_it_returns_are_frozen():
    with pytest.raises(FrozenInstanceError):
        CATALOG.device("v100").name = "another"
    with pytest.raises(FrozenInstanceError):
        CATALOG.layers = ()


def test_a_directory_of_ones_own_adds_a_device(mine):
    catalog = Catalog.open(mine)
    assert catalog.device("mine").records["tdp_w"].value == 100
    assert catalog.device("v100").id == "v100-sxm2-16"
    assert problems(catalog) == []


def test_a_directory_of_ones_own_overrides_single_records(mine):
    text = DEVICE.partition("\n\n")[2].replace("100", "250").replace("assumed", "measured")
    (mine / "hardware" / "v100-sxm2-16.toml").write_text(text)
    device = Catalog.open(mine).device("v100")
    assert device.records["tdp_w"].value == 250
    assert device.records["tdp_w"].basis == "measured"
    assert device.peaks["fp16"].value == 125e12
    assert CATALOG.device("v100").records["tdp_w"].value == 300


def test_a_directory_of_ones_own_adds_prices_places_presets_and_sources(mine):
    (mine / "sources.toml").write_text(
        '[bill]\ntitle = "Our bill"\npublisher = "us"\ndate = 2024-05-01\nlicence = "none"\n'
    )
    (mine / "prices.csv").write_text(
        "device,provider,instance,kind,price_usd_per_h,date_from,date_to,basis,source,note\n"
        "my-card,us,,reserved,0.1,2024,2024,measured,bill,\n"
    )
    (mine / "sites").mkdir()
    (mine / "sites" / "operators.csv").write_text(
        "id,name,scope,year,pue,low,high,basis,source,note\n"
        "ours,Our room,,2020,1.4,,,measured,bill,\n"
        "meta,Meta,ours,2012,1.5,,,measured,bill,\n"
    )
    (mine / "workloads").mkdir()
    (mine / "workloads" / "ours.toml").write_text(
        'name = "Ours"\nkind = "language"\nyear = 2024\n[device_hours]\n'
        'value = 7\nunit = "h"\nbasis = "measured"\nsource = "run:7"\n'
    )
    catalog = Catalog.open(mine)
    assert [price.price_usd_per_h for price in catalog.prices("mine")] == [0.1]
    assert catalog.place("ours").records["pue"].value == 1.4
    assert catalog.place("meta").records["pue"].value == 1.5
    assert catalog.preset("ours").records["device_hours"].value == 7
    assert catalog.source("bill").date == "2024-05-01"
    assert len(catalog.prices()) == len(CATALOG.prices()) + 1
    assert problems(catalog) == []


def test_the_environment_names_directories_and_the_argument_wins(mine, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "hardware").mkdir()
    (other / "hardware" / "my-card.toml").write_text(DEVICE.replace("100", "300"))
    (other / "hardware" / "third.toml").write_text(DEVICE.replace("mine", "third"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TWENTY_WATTS_PROFILES", os.pathsep.join((str(mine), str(other))))
        assert Catalog.open().device("my-card").records["tdp_w"].value == 300
        assert Catalog.open(mine).device("my-card").records["tdp_w"].value == 100
        assert Catalog.open().device("third").id == "third"


TYPOS = [
    ("[tdp_w]", "[tdp]", "tdp", "did you mean tdp_w"),
    ('unit = "W"', 'unit = "kW"', "tdp_w.unit", 'unit = "W"'),
    ('unit = "W"', 'units = "W"', "tdp_w.units", "did you mean unit"),
    ("value = 100", 'value = "100"', "tdp_w.value", "write a number"),
    ("value = 100", "value = nan", "tdp_w.value", "omit unknown values"),
    ("value = 100", "value = -1", "tdp_w.value", "omit unknown values"),
    ("value = 100", "value = 1e9", "tdp_w.value", "convert it to W"),
    ("value = 100", "value = 100\nlow = 120", "tdp_w.value", "put the range around"),
    ("value = 100", "value = 100\ndate = '2020-13'", "tdp_w.date", "write 2020"),
    ("value = 100\n", "", "tdp_w.value", "add value"),
    ('"assumed"', '"asumed"', "tdp_w.basis", "did you mean assumed"),
    ('"twenty-watts-assumption"', '"nvidia-whitepaper"', "tdp_w.source", "nvidia-whitepapers"),
    ('kind = "gpu-consumer"', 'kind = "gpu"', "kind", "gpu-datacenter"),
    ('vendor = "Me"\n', "", "vendor", "add vendor"),
    ('vendor = "Me"', 'vendors = "Me"', "vendors", "did you mean vendor"),
    ('aliases = ["mine"]', 'aliases = "mine"', "aliases", "write aliases = ["),
    ("[tdp_w]", "[peak_flop_per_s]", "peak_flop_per_s", "peak_flop_per_s.fp16"),
    ("[tdp_w]", "[peak_flop_per_s.bf61]", "peak_flop_per_s.bf61", "bf16"),
    ("[tdp_w]", "[tdp_w", "TOML", "correct the syntax"),
]


@pytest.mark.parametrize(("right", "wrong", "key", "remedy"), TYPOS)
def test_a_typo_is_refused_by_file_and_key_with_the_remedy(mine, right, wrong, key, remedy):
    file = mine / "hardware" / "my-card.toml"
    file.write_text(DEVICE.replace(right, wrong))
    catalog = Catalog.open(mine)
    with pytest.raises(ProfileError) as refusal:
        catalog.device("my-card")
    problem = refusal.value.problem
    assert (problem.file, problem.key) == (str(file), key)
    assert remedy in problem.remedy
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("right", "wrong"), [typo[:2] for typo in TYPOS[:1] + TYPOS[-1:]])
def test_check_lists_a_broken_file(mine, right, wrong):
    (mine / "hardware" / "my-card.toml").write_text(DEVICE.replace(right, wrong))
    assert [Path(problem.file).name for problem in problems(Catalog.open(mine))] == ["my-card.toml"]


def test_check_lists_a_broken_head_and_each_bad_row(mine):
    (mine / "hardware" / "my-card.toml").write_text("name = My card\n")
    (mine / "prices.csv").write_text("device,kind\nv100,spot\nv100,spat\n")
    keys = [problem.key for problem in problems(Catalog.open(mine))]
    assert keys == ["TOML", "line 2, price_usd_per_h.basis", "line 3, price_usd_per_h.basis"]


@pytest.mark.parametrize(
    ("name", "text", "key", "remedy"),
    [
        ("prices.csv", "device,pric\n", "line 1, pric", "did you mean price_usd_per_h"),
        ("prices.csv", "device,kind\nv100\n", "line 2", "quote the cell"),
        ("sites/operators.csv", "id,name,pue\nours,Ours,1.1\n", "line 2, pue.basis", "add basis"),
        ("sites/operators.csv", "id,name,pue\nours,Ours,x\n", "line 2, pue.basis", "add basis"),
        ("sites/operators.csv", "id,name,pue\nours,Ours,\n", "line 2, row", "fill a column"),
        ("sites/contries.csv", "", "contries.csv", "did you mean countries.csv"),
        ("hardwares/a.toml", "", "hardwares", "did you mean hardware"),
        ("source.toml", "", "source.toml", "did you mean sources.toml"),
        ("sources.toml", '[a]\ntitel = "A"\n', "a.titel", "did you mean title"),
    ],
)
def test_a_typo_in_a_table_or_a_file_name_is_refused(tmp_path, name, text, key, remedy):
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    with pytest.raises(ProfileError) as refusal:
        catalog = Catalog.open(tmp_path)
        catalog.sources(), catalog.places(), catalog.prices()
    assert refusal.value.problem.key == key
    assert remedy in refusal.value.problem.remedy


def test_an_unreadable_directory_or_file_is_refused(tmp_path):
    with pytest.raises(ProfileError, match="No such file"):
        Catalog.open(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(ProfileError, match="Not a directory"):
        Catalog.open(tmp_path / "file")
    (tmp_path / "mine" / "hardware").mkdir(parents=True)
    (tmp_path / "mine" / "hardware" / "a.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ProfileError, match="UTF-8"):
        Catalog.open(tmp_path / "mine").device("a")


@pytest.mark.parametrize("name", ["hardware/a.toml", "prices.csv"])
def test_a_link_to_a_device_without_an_end_is_refused(tmp_path, name):
    """It was read until the memory was full, or passed over without a word."""
    (tmp_path / "hardware").mkdir()
    (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises(ProfileError, match=r"larger than|not a regular file") as refusal:
        Catalog.open(tmp_path).device("a")
    assert refusal.value.problem.file == str(tmp_path / name)


@pytest.mark.parametrize("name", ["hardware/a.toml", "equivalents.toml"])
def test_a_pipe_in_the_place_of_a_profile_is_refused(tmp_path, name):
    (tmp_path / "hardware").mkdir()
    os.mkfifo(tmp_path / name)
    with pytest.raises(ProfileError, match="not a regular file") as refusal:
        Catalog.open(tmp_path)
    assert refusal.value.problem.file == str(tmp_path / name)


def test_check_finds_what_single_files_cannot_show(mine):
    second = DEVICE.replace("My card", "Second")
    (mine / "hardware" / "second.toml").write_text(second)
    (mine / "hardware" / "sparse.toml").write_text(
        second.replace("mine", "sparse one")
        .replace("Second", "Sparse")
        .replace("100", "100\ndate = 2999-01-01")
        + '[peak_flop_per_s.fp16]\nvalue = 900e12\nunit = "FLOP/s"\nbasis = "assumed"\n'
        'source = "twenty-watts-assumption"\n'
    )
    (mine / "prices.csv").write_text(
        "device,provider,instance,kind,price_usd_per_h,date_from,date_to,basis,source,note\n"
        "v1000,us,,spot,0.1,2024,2023,assumed,twenty-watts-assumption,\n"
    )
    found = [str(problem) for problem in problems(Catalog.open(mine))]
    for expected in (
        "'mine' refers to 2 things",
        "use the dense peak",
        "'v1000'",
        "earlier first",
        "is in the future",
    ):
        assert any(expected in problem for problem in found), (expected, found)


def test_names_that_differ_only_in_case_spaces_dashes_and_underscores_are_one():
    assert name_key("RTX-4090") == name_key("rtx_4090") == name_key("Rtx 40 90")


def test_what_one_reader_changes_no_other_sees(tmp_path):
    path = tmp_path / "one.toml"
    path.write_text("[a]\nb = [1]\n")
    first = read_toml(path)
    first["a"]["b"].append(2)
    assert read_toml(path) == {"a": {"b": [1]}}
    path.write_text("[a]\nb = [3]\n")
    assert read_toml(path) == {"a": {"b": [3]}}


def test_importing_reads_no_file_and_an_id_reads_one():
    code = (
        "import sys, os.path, estimator.catalog as c\n"
        "read = []\n"
        "def heard(event, said):\n"
        "    if event == 'open' and str(said[0]).endswith(('.toml', '.csv')):\n"
        "        read.append(os.path.basename(said[0]))\n"
        "sys.addaudithook(heard)\n"
        "c.Catalog.open().device('h100-sxm')\n"
        "print(sorted(set(read)), 'pandas' in sys.modules)\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "['h100-sxm.toml'] False"


def test_a_place_that_is_nearly_spelled_is_offered_with_its_name():
    with pytest.raises(ValueError, match=r"unknown place 'germny': did you mean de \(Germany\)\?"):
        Catalog.open().place("germny")


@pytest.mark.parametrize(
    ("instance", "device"),
    [("p4d.24xlarge", "a100-sxm-40"), ("ND96isr H100 v5", "h100-sxm"), ("g5.xlarge", "a10g")],
)
def test_a_cloud_instance_is_answered_with_the_device_in_it(instance, device):
    with pytest.raises(ValueError, match=f"is a cloud instance with {device}; use that name"):
        CATALOG.device(instance)


def test_an_instance_that_takes_several_devices_names_none_of_them():
    with pytest.raises(ValueError, match=r"is a cloud instance; use the name of its device$"):
        CATALOG.device("n1-highmem-8")
