"""The tables of steady throughput: sound, read as their sources mean them, and used for the fit."""

import csv
import shutil
from collections import Counter

import numpy as np
import pytest

from estimator.catalog import Catalog
from estimator.catalog.table_checks import table_problems
from estimator.training.features import fitted_model, shipped_spreads
from estimator.training.mechanism import RESTART_SHARE, log_utilization
from estimator.validation.throughput import degree, kind_of_row, rate, steady_rows
from estimator.validation.utilization_fit import row_weight

TABLE = "runs/published_throughput.csv"

MPT = {
    "MPT-125m": (12, 768),
    "MPT-350m": (24, 1024),
    "MPT-760m": (24, 1536),
    "MPT-1b": (24, 2048),
    "MPT-3b": (32, 2560),
    "MPT-7b": (32, 4096),
    "MPT-13b": (40, 5120),
    "MPT-30b": (48, 7168),
    "MPT-70b": (80, 8192),
}
"""Layers and width in the configurations of llm-foundry."""

MPT_VOCABULARY = 50_368


@pytest.fixture(scope="module")
def rows(catalog):
    return catalog.table(TABLE)


@pytest.fixture(scope="module")
def steady(catalog):
    return steady_rows(catalog, shipped_spreads(catalog))


def test_no_row_stands_twice_and_none_is_unsound(catalog, rows):
    assert max(Counter(tuple(row.values()) for row in rows).values()) == 1
    assert list(table_problems(catalog, TABLE)) == []
    assert len(rows) > 300


def test_a_row_that_cannot_be_is_named(catalog, rows, tmp_path):
    folder = tmp_path / "profiles"
    shutil.copytree(catalog.layers[0], folder)
    broken = [dict(row) for row in rows[:4]]
    broken[0]["source"] = "nobody"
    broken[1]["chips"] = "many"
    broken[2]["tokens_per_s_per_chip"] = str(2 * float(broken[2]["tokens_per_s_per_chip"]))
    broken[3]["accelerator"] = "abacus"
    with (folder / "runs" / "published_throughput.csv").open("w", newline="") as lines:
        table = csv.DictWriter(lines, list(rows[0]))
        table.writeheader()
        table.writerows(broken)
    keys = [problem.key for problem in table_problems(Catalog((folder,)), TABLE)]
    assert keys == [
        "line 2, source",
        "line 3, chips",
        "line 4, tflops_per_chip_reported",
        "line 5, accelerator",
    ]


def test_the_sizes_of_the_mpt_rows_are_those_of_their_configurations(rows):
    seen = 0
    for row in rows:
        if row["model"] in MPT:
            layers, hidden = MPT[row["model"]]
            own = 12 * layers * hidden**2
            tables = (MPT_VOCABULARY + float(row["seq_len"])) * hidden
            assert float(row["params_total"]) == pytest.approx(own + tables, rel=2e-3)
            seen += 1
    assert seen > 200


def test_reported_flops_are_those_of_size_tokens_and_attention(rows):
    """The rate reported is 6 N and 12 L h S a token, for every MPT row."""
    for row in rows:
        if row["model"] in MPT:
            layers, hidden = MPT[row["model"]]
            token = 6 * float(row["params_total"]) + 12 * layers * hidden * float(row["seq_len"])
            counted = token * float(row["tokens_per_s_per_chip"])
            assert rate(row) == pytest.approx(counted, rel=0.06), row


def test_no_chip_is_faster_than_its_peak(steady):
    reached = np.exp(steady.log_utilization())
    assert 0.005 < reached.min() < reached.max() < 0.9
    assert len(reached) > 800


def test_a_rate_with_recomputation_is_reported_without():
    row = {"tflops_per_chip_reported": "126", "counts_recomputation": "True"}
    assert rate(row) == pytest.approx(94.5e12)
    specified = {
        "tflops_per_chip_reported": "",
        "mfu_reported": "0.5",
        "mfu_reported_peak_tflops": "312",
    }
    assert rate(specified) == 156e12
    unstated = ("domain", "arch", "params_active", "flops_per_sample_forward")
    tokens = {
        **dict.fromkeys((*specified, *unstated), ""),
        "params_total": "1e9",
        "model": "any",
    }
    assert rate(tokens | {"tokens_per_s_per_chip": "1000"}) == pytest.approx(6e12)


def test_a_row_counts_the_work_of_its_own_kind(rows):
    """ResNet-50 v1.5: 24.6 GFLOP a training image; adapters do without gradients of the weights."""
    resnet = next(row for row in rows if row["model"].startswith("ResNet-50 v1.5"))
    images = float(resnet["samples_per_s_per_chip"])
    assert kind_of_row(resnet).group == "convolution"
    assert rate(resnet) / images == pytest.approx(24.6e9, rel=0.01)
    adapters = next(row for row in rows if row["model"] == "Llama3.1-8B LoRA")
    tokens = float(adapters["tokens_per_s_per_chip"])
    assert rate(adapters) / tokens == pytest.approx(4 * 8.03e9, rel=0.01)
    vit = next(row for row in rows if row["model"] == "ViT-22B")
    assert kind_of_row(vit).encoder


@pytest.mark.parametrize(
    ("layout", "degrees"),
    [("TP4 PP8 CP1 VP6", (4, 8)), ("TP8 DP96", (8, 1)), ("FSDP FULL_SHARD, PURE", (1, 1))],
)
def test_a_layout_is_read_from_words(layout, degrees):
    assert (degree(layout, "TP"), degree(layout, "PP")) == degrees
    assert np.isnan(degree("", "TP"))


def test_a_table_weighs_as_much_as_one_run_however_long_it_is(steady):
    weight = row_weight(steady)
    for family in np.unique(steady.family):
        assert np.sum(weight[steady.family == family] ** 2) == pytest.approx(1.0)


def test_large_runs_reach_the_share_of_steady_state_that_was_reported(catalog):
    """End-to-end is 0.69 to 0.87 of steady state in the runs that tell both."""
    model = fitted_model(catalog)
    for devices in (256, 1024, 16_384):
        kept = 1 / (1 + model.overhead_share + RESTART_SHARE * np.sqrt(devices / 1e4))
        assert 0.69 <= kept <= 0.87


def test_the_fitted_model_is_near_the_tables(catalog, steady):
    expected = log_utilization(
        fitted_model(catalog),
        steady.features,
        steady.machine,
        flop=steady.flop,
        devices=steady.devices,
    )
    error = expected - steady.log_utilization()
    assert abs(np.median(error)) < 0.25
    assert np.quantile(np.abs(error), 0.8) < 0.5
