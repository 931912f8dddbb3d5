"""One report, three renderers: text, JSON and CSV agree, whatever was asked."""

import json
from functools import cache

import pytest

from estimator.answer.memory_report import memory_report
from estimator.answer.network_report import network_report
from estimator.answer.scenario_estimate import answer_scenario
from estimator.answer.training_report import training_report
from estimator.catalog import Catalog
from estimator.core.uncertainty import Uncertain
from estimator.inference.items import answer_item
from estimator.inference.quantities import answer_serving
from estimator.inference.question import Comparison, Item, ServingQuestion
from estimator.inference.report import inference_report, items_report
from estimator.memory.fit import answer_memory
from estimator.memory.request import MemoryQuestion
from estimator.networks.huggingface import architecture
from estimator.networks.ledger import Inputs
from estimator.question.inputs import option_of
from estimator.question.scenario import Scenario
from estimator.show.quantities import QUANTITIES, amount, interval, label
from estimator.show.text import TextTable, as_text, results_table
from estimator.show.values import as_json, as_row, as_rows

KINDS = ("training", "inference", "items", "memory")
LEVEL = 0.9


@cache
def report_of(kind):
    catalog = Catalog.open()
    if kind == "training":
        scenario = Scenario(preset="gpt-3", hardware="v100", site="fr", interval=LEVEL)
        return training_report(answer_scenario(scenario, catalog), catalog)
    if kind == "memory":
        plain = {"finetune": "full", "zero": 0.0, "recomputation": "none", "micro_batch": 1.0}
        asked = MemoryQuestion(model="llama-2-13b", hardware="rtx-4090", **plain)
        return memory_report(answer_memory(asked, catalog), catalog, LEVEL)
    if kind == "items":
        asked = ServingQuestion(preset="bert-base", hardware="t4")
        found = answer_item(asked, Item(positions=128.0), catalog)
        return items_report(found, "bert-base", LEVEL)
    asked = ServingQuestion(preset="llama-3-8b", hardware="h100", concurrency=8.0)
    held = Comparison(api="deepinfra-llama-3.1-8b", training_kwh=1e6, tokens_per_day=1e9)
    return inference_report(answer_serving([asked], catalog), catalog, LEVEL, held)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_has_the_numbers_of_the_json(kind):
    report = report_of(kind)
    shown, row = as_json(report, option_of), as_row(report, option_of)
    assert json.loads(json.dumps(shown, allow_nan=False)) == shown
    for name in report.quantities:
        ends = {end: row[f"{name}_{end}"] for end in ("low", "mid", "high")}
        assert ends == {end: shown["results"][name][end] for end in ends}
        assert ends["low"] <= ends["mid"] <= ends["high"]
    assert row["warnings"] == "; ".join(shown["warnings"])
    for name, fact in report.facts.items():
        assert shown[name] == fact
        assert (name in row) == (isinstance(fact, int | float) or name in report.columns)


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_lists_every_quantity_by_label_and_unit(kind):
    report = report_of(kind)
    table = results_table(report)
    assert table.header[-1] == "90% interval"
    rows = {first: (mid, span) for first, mid, span in table.rows}
    for name, quantity in report.quantities.items():
        if report.mid(name) > 0:
            mid, span = rows[label(name)]
            assert mid == amount(name, report.mid(name))
            certain = "exact" if kind == "memory" else "given"
            assert span == (interval(name, quantity, LEVEL) or certain)


@pytest.mark.parametrize("kind", KINDS)
def test_warnings_name_inputs_as_they_are_called_where_they_are_read(kind):
    report = report_of(kind)
    options = as_json(report, option_of)["warnings"]
    assert any("--" in line for line in options)
    assert not any("--" in line for line in as_json(report)["warnings"])


def test_the_facts_of_inference_are_labelled():
    report = report_of("inference")
    figures = {name for name, fact in report.facts.items() if isinstance(fact, float)}
    assert len(figures) > 12
    assert figures <= QUANTITIES.keys()
    blocks = list(as_text(report, option_of))
    (setup,) = (
        block for block in blocks if isinstance(block, TextTable) and "set-up" in block.header
    )
    assert [row[0] for row in setup.rows] == [
        label(name) for name in report.facts if name in figures and name not in report.quantities
    ]
    assert "DeepInfra" in str(blocks[-1])


def test_what_makes_a_model_fit_is_named_by_the_renderer():
    report = report_of("memory")
    with_options, in_python = as_json(report, option_of)["verdict"], as_json(report)["verdict"]
    assert "; fits with --finetune qlora" in with_options
    assert with_options.replace("--", "") == in_python


def test_a_network_has_a_row_for_each_term():
    config = Catalog.open().preset("gpt-2").config
    report = network_report("GPT-2", architecture(config).ledger(Inputs()))
    rows = as_rows(report)
    assert sum(row["params"] for row in rows) == as_json(report)["params_total"]
    assert [row["term"] for row in rows] == [*as_json(report)["ledger"]]


def test_an_exact_quantity_has_no_interval():
    assert interval("energy_kwh", Uncertain(5.0), LEVEL) == ""
    assert interval("co2e_kg", Uncertain(5.0, {"grid": 0.1}), LEVEL) == "4.24 to 5.89 kg"
