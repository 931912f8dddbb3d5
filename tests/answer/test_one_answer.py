"""One scenario has one answer: command line, page, link, a row of a table, and Python."""

import csv
import io
import json
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estimator.answer.scenario_estimate import answer_scenario
from estimator.answer.training_report import estimate_report
from estimator.catalog import Catalog
from estimator.question.inputs import option_of
from estimator.question.scenario import Scenario, column_of, from_link
from estimator.show import values
from estimator.show.csv_table import FIELDS, RESULTS, estimate_csv
from estimator.web.estimate.inputs import scenario_of
from estimator.web.estimate.link import PARAMETERS
from tests.in_process import run


def as_json(answer):
    """JSON of an estimate."""
    return values.as_json(estimate_report(answer))


CATALOG = Catalog.open()

MIXTRAL = {
    "model_type": "mixtral",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
    "vocab_size": 32000,
}


def rarely(values):
    """Leave an input out three times in four."""
    return st.one_of(st.none(), st.none(), st.none(), values)


def numbers(low, high):
    """Numbers of a few digits between bounds."""
    return st.floats(low, high).map(lambda value: float(f"{value:.4g}")).filter(lambda x: x >= low)


def counts(most):
    return st.integers(1, most).map(float)


WORKS = st.one_of(
    st.fixed_dictionaries(
        {"params": numbers(1e6, 1e12), "tokens": numbers(1e6, 1e13)},
        optional={"finetune": st.sampled_from(["full", "lora", "qlora"])},
    ),
    st.fixed_dictionaries(
        {
            "params": st.just(4.67e10),
            "active_params": st.just(1.29e10),
            "tokens": numbers(1e9, 1e13),
        },
        optional={"layers": st.just(32.0), "device_hours": numbers(1e6, 1e8)},
    ),
    st.fixed_dictionaries(
        {"flop": numbers(1e18, 1e25)},
        optional={"tokens": numbers(1e6, 1e13), "params": st.just(1e9)},
    ).filter(lambda work: len(work) != 3),
    st.fixed_dictionaries(
        {"samples": numbers(1e4, 1e9), "sample_flop": numbers(1e8, 1e12)},
        optional={"finetune": st.sampled_from(["full", "lora", "qlora"])},
    ),
    st.fixed_dictionaries(
        {"config": st.just(json.dumps(MIXTRAL)), "tokens": numbers(1e6, 1e13)},
        optional={"finetune": st.sampled_from(["full", "lora", "qlora"])},
    ),
    st.fixed_dictionaries({"config": st.just(json.dumps(MIXTRAL)), "samples": numbers(1e3, 1e9)}),
    st.fixed_dictionaries({"device_hours": numbers(1.0, 1e7)}),
    st.sampled_from(
        [
            {"preset": "gpt-3"},
            {"preset": "llama-3-8b", "tokens": 5e7, "finetune": "lora"},
            {"preset": "llama-3-8b", "tokens": 1e12},
            {"preset": "bloom-176b"},
        ]
    ),
)

PLACES = st.one_of(
    st.fixed_dictionaries({}, optional={"site": st.sampled_from(["fr", "us", "aws-us-east-1"])}),
    st.fixed_dictionaries({"carbon_intensity": numbers(0.01, 1.0)}),
)

MONEY = st.one_of(
    st.fixed_dictionaries({}, optional={"price": numbers(0.1, 20.0)}),
    st.fixed_dictionaries({"price_kind": st.sampled_from(["on-demand", "spot", "reserved"])}),
    st.fixed_dictionaries(
        {"pay": st.just("own")},
        optional={"device_price": numbers(100.0, 5e4), "electricity_price": numbers(0.02, 0.5)},
    ),
)

REST = st.fixed_dictionaries(
    {
        "hardware": st.sampled_from(["h100", "v100", "a100", "rtx-4090", "tpu-v4", "brain"]),
        "devices": st.none() | st.sampled_from([64.0, 512.0]),
        "precision": rarely(st.sampled_from(["fp16", "mixed", "bf16"])),
        "utilization": rarely(numbers(0.05, 0.9)),
        "calibration": rarely(st.sampled_from(["use", "ignore"])),
        "power_cap": rarely(numbers(200.0, 300.0)),
        "software": rarely(st.sampled_from(["vendor", "typical", "research"])),
        "framework": rarely(st.just("NGC PyTorch 24.10")),
        "rate": rarely(st.sampled_from(["steady", "run"])),
        "kind": rarely(st.sampled_from(["language", "vision", "speech"])),
        "arch": rarely(st.sampled_from(["encoder", "CNN", "MoE decoder"])),
        "name": rarely(st.just("EfficientNet-B4")),
        "width": rarely(st.sampled_from([1024.0, 4096.0])),
        "heads": rarely(st.just(32.0)),
        "kv_heads": rarely(st.just(8.0)),
        "vocab": rarely(st.just(32000.0)),
        "seq_len": rarely(st.sampled_from([512.0, 4096.0])),
        "image_size": rarely(st.sampled_from([112.0, 448.0])),
        "attempts": rarely(numbers(1.0, 3.0)),
        "batch_tokens": rarely(numbers(1e5, 1e7)),
        "batch": rarely(st.just(1024.0)),
        "step_flop": rarely(numbers(1e15, 1e18)),
        "recomputation": rarely(st.sampled_from(["none", "selective", "full"])),
        "tensor_parallel": rarely(counts(8)),
        "pipeline_parallel": rarely(counts(8)),
        "expert_parallel": rarely(counts(8)),
        "micro_batches": rarely(counts(32)),
        "virtual_stages": rarely(counts(2)),
        "year": rarely(st.sampled_from([2020.0, 2024.0])),
        "pue": rarely(numbers(1.0, 2.0)),
        "wue": rarely(numbers(0.0, 5.0)),
        "interval": rarely(st.sampled_from([0.5, 0.9])),
    }
)

SCENARIOS = st.builds(
    lambda *parts: Scenario(**{k: v for part in parts for k, v in part.items()}),
    WORKS,
    PLACES,
    MONEY,
    REST,
)


def answered(scenario):
    """Low, mid and high of each quantity by Python, or none where it is refused."""
    try:
        return as_json(answer_scenario(scenario, CATALOG))
    except ValueError:
        return None


def bounds(results):
    """Return the ends of the intervals alone."""
    return {name: [found[end] for end in ("low", "mid", "high")] for name, found in results.items()}


def by_command_line(scenario):
    """Answer of `estimate --json`, or none where it is refused."""
    said = [
        f"{option_of(name)}={value if isinstance(value, str) else repr(value)}"
        for name, value in scenario.specified_inputs().items()
    ]
    done = run("estimate", "--json", "--quiet", *said)
    return json.loads(done.stdout) if done.returncode == 0 else None


def by_table(scenario):
    """Answer of one row of `batch`: its cells, and its error."""
    said = {
        column_of(name): value
        for name, value in scenario.specified_inputs().items()
        if name in READ
    }
    said.setdefault("tokens_processed", "")
    table, out = io.StringIO(), io.StringIO()
    writer = csv.DictWriter(table, said)
    writer.writeheader()
    writer.writerow(said)
    lines = iter(table.getvalue().splitlines(keepends=True))
    estimate_csv(lines, out, CATALOG, level=scenario.interval or 0.8)
    (row,) = csv.DictReader(io.StringIO(out.getvalue()))
    return row


READ = set(FIELDS.values())


def on_page(link):
    """Scenario that the widgets of the page ask for when a link opens it, and its notices."""
    asked, notices = PARAMETERS.from_link(dict(parse_qsl(link.lstrip("?"))))
    return scenario_of(PARAMETERS.gather(dict(PARAMETERS.widget_values(asked)), asked)), notices


@settings(max_examples=30)
@given(scenario=SCENARIOS)
def test_one_scenario_has_one_answer_everywhere(scenario):
    reported = by_command_line(scenario)
    python = answered(scenario)
    assert (reported is None) == (python is None)
    row = None if scenario.config else by_table(scenario)
    if reported is None or python is None:
        assert row is None or row["error"]
        return
    expected = bounds(python["results"])
    assert bounds(reported["results"]) == expected
    linked, unread = from_link(dict(parse_qsl(reported["link"].lstrip("?"))))
    assert not unread
    paged, left_out = on_page(reported["link"])
    assert not left_out
    for same in (linked, paged):
        again = answered(same)
        assert again is not None
        for name, ends in bounds(again["results"]).items():
            assert ends == pytest.approx(expected[name], rel=1e-9), (name, same)
    if row is not None:
        assert not row["error"]
        for name in set(RESULTS) & set(expected):
            ends = [float(row[f"{name}_{end}"]) for end in ("low", "mid", "high")]
            assert ends == pytest.approx(expected[name], rel=2e-6), name
        assert all(row[f"{name}_mid"] == "" for name in set(RESULTS) - set(expected))
