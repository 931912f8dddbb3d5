"""Tables of scenarios: every row answered or refused by itself, the input written back."""

import csv
import io
import math
import os
import tracemalloc
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.answer.scenario_estimate import answer_scenario
from estimator.networks.kinds import kind_of_domain, network_kind
from estimator.question import csv_records as batch
from estimator.question.columns import staged
from estimator.question.hardware import named_precision
from estimator.question.scenario import Scenario
from estimator.show import csv_table
from estimator.show.csv_table import RESULT_COLUMNS, RESULTS, estimate_csv
from estimator.training.features import fitted_model
from estimator.training.mechanism import expected_utilization, within_bound
from estimator.validation.published_runs import usable_runs

HEADER = "name,accelerator,accelerator_count,precision,train_flops_reported,accelerator_hours"


def run_table(text, catalog, level=0.8):
    out = io.StringIO()
    summary = estimate_csv(iter(text.splitlines(keepends=True)), out, catalog, level=level)
    out.seek(0)
    return summary, list(csv.DictReader(out))


def run_rows(rows, catalog, header=HEADER):
    return run_table("\n".join([header, *rows]) + "\n", catalog)[1]


def test_a_row_gives_what_the_single_estimate_gives(catalog):
    (row,) = run_rows(["gpt-3,V100,10000,fp16,3.14e23,"], catalog)
    alone = answer_scenario(
        Scenario(flop=3.14e23, hardware="v100", devices=1e4, precision="fp16"), catalog
    ).estimate
    for name in ("utilization", "device_hours", "wall_hours", "energy_kwh", "cost_usd", "co2e_kg"):
        low, high = alone[name].interval()
        reported = [float(row[f"{name}_{end}"]) for end in ("low", "mid", "high")]
        assert reported == pytest.approx(
            [low, alone[name].mid, min(high, 1) if name[0] == "u" else high]
        )
    assert row["error"] == ""


FIELDS = {
    "train_flops_reported": "flop",
    "params_total": "params",
    "params_active": "active_params",
    "hidden": "width",
    "seq_len": "seq_len",
    "tokens_processed": "tokens",
    "accelerator_count": "devices",
    "accelerator_hours": "device_hours",
    "year": "year",
    "pue": "pue",
    "grid_kg_per_kwh": "carbon_intensity",
}
"""Column -> field of a scenario that says the same."""


def asked(row, catalog):
    """Return the scenario that says what a row says."""
    said = {field: float(staged(row[name])) for name, field in FIELDS.items() if row[name]}
    if "flop" in said:
        said.pop("tokens", None)
    if "params" not in said:
        said.pop("active_params", None)
    kind = kind_of_domain(row["domain"])
    lora = "flop" not in said and "tokens" in said and network_kind(kind, row["arch"]).lora
    return Scenario(
        **said,
        hardware=row["accelerator"],
        precision=named_precision(row["precision"], catalog.device(row["accelerator"])),
        kind=kind,
        arch=row["arch"],
        site=row["region"] or None,
        finetune="lora" if lora else None,
        calibration="ignore",
    )


@pytest.mark.parametrize(
    ("first", "left_out"), [(0, None), (1, "accelerator_hours"), (2, "train_flops_reported")]
)
def test_published_rows_have_the_intervals_of_single_estimates(catalog, first, left_out):
    columns = [*FIELDS, "accelerator", "precision", "region", "domain", "arch"]
    table = io.StringIO()
    writer = csv.DictWriter(table, columns, extrasaction="ignore")
    writer.writeheader()
    for row in catalog.published_runs()[first::3]:
        place = row["region"] if catalog.knows_place(row["region"]) else ""
        writer.writerow(row | {"region": place} | ({left_out: ""} if left_out else {}))
    compared = 0
    for row in run_table(table.getvalue(), catalog)[1]:
        if row["error"]:
            continue
        alone = answer_scenario(asked(row, catalog), catalog).estimate
        for name in RESULTS:
            reported = [row[f"{name}_{end}"] for end in ("low", "mid", "high")]
            if name not in alone:
                assert reported == ["", "", ""]
                continue
            low, high = alone[name].interval()
            expected = [float(end) for end in (low, alone[name].mid, high)]
            assert [float(end) for end in reported] == pytest.approx(expected, rel=1e-6), row
        compared += 1
    assert compared > 70


def test_what_is_answered_for_a_published_row_is_what_is_scored(catalog):
    """With the shipped parameters, `batch` and the score agree on work, middle and lower end."""
    published = usable_runs(catalog)
    table = io.StringIO()
    writer = csv.DictWriter(table, list(published.rows[0]))
    writer.writeheader()
    writer.writerows(row | {"accelerator_hours": "", "wall_hours": ""} for row in published.rows)
    answered = run_table(table.getvalue(), catalog)[1]
    model, runs = fitted_model(catalog), published.runs
    expected = within_bound(
        expected_utilization(
            model, runs.features, runs.machine, flop=runs.flop, devices=runs.devices
        )
    )
    scored = {"utilization_low": expected.interval()[0], "utilization_mid": expected.mid}
    for name, numbers in (scored | {"training_flop": runs.flop}).items():
        stated = np.array([float(row[name]) for row in answered])
        assert stated == pytest.approx(numbers, rel=1e-3), name


def test_no_interval_of_a_predicted_utilization_ends_above_85_percent_of_the_peak(catalog):
    """However sure one asks to be, in a table of several devices and alone."""
    rows = ["tiny,h100,1,bf16,1e16,", "tiny,amd-epyc-2-cores,1,fp32,1e16,"]
    table = "\n".join([HEADER, *rows]) + "\n"
    wide, measured = run_table(table, catalog, level=0.99)[1]
    assert float(wide["utilization_high"]) == 0.85
    assert 0.85 < float(measured["utilization_high"]) <= 1.0
    assert float(wide["utilization_low"]) < float(run_rows(rows, catalog)[0]["utilization_low"])
    alone = answer_scenario(Scenario(flop=1e16, hardware="h100", interval=0.99), catalog)
    assert alone.estimate["utilization"].interval(0.99)[1] == 0.85
    assert alone.estimate["device_hours"].most == math.inf


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"flop": 3e23, "finetune": "lora"}, "fine-tuning needs its own tokens"),
        ({"preset": "opt-30b", "finetune": "qlora"}, "fine-tuning needs its own tokens"),
        ({"device_hours": 1e5, "finetune": "full"}, "fine-tuning needs its own tokens"),
        ({"flop": 3e23, "tokens": 1e7, "finetune": "lora"}, "finetune"),
        ({"params": 7e9, "active_params": 1e12, "tokens": 1e9}, "must be at most"),
    ],
)
def test_a_row_refuses_what_the_single_estimate_refuses(said, reason, catalog):
    with pytest.raises(ValueError, match=reason):
        answer_scenario(Scenario(**said, hardware="h100"), catalog)
    cells = ",".join(map(str, said.values()))
    row, other = run_rows([f"{cells},h100", f"{cells},"], catalog, ",".join([*said, "hardware"]))
    for one in (row, other):
        assert one["error"] and not one["energy_kwh_mid"]
    assert reason.partition("tokens")[0] in row["error"]


@pytest.mark.parametrize("columns", ["params,tokens", "params_total,tokens_processed"])
def test_messages_name_the_columns_of_the_table(columns, catalog):
    params, tokens = columns.split(",")
    header = f"{columns},accelerator"
    tiny, negative, missing = run_rows(
        ["70,1e12,h100", "7e9,-1,h100", "7e9,,h100"], catalog, header
    )
    assert f"{params} is only 70" in tiny["warnings"]
    assert negative["error"].startswith(f"{tokens} ")
    assert missing["error"].startswith(f"{params} ") and tokens in missing["error"]


def test_work_of_a_size_is_doubted_and_stated_work_is_not(catalog):
    header = "accelerator,train_flops_reported,params_total,tokens_processed,accelerator_hours"
    stated, sized = run_rows(["v100,1.2e20,,,1000", "v100,,1e9,2e10,1000"], catalog, header)
    assert stated["utilization_mid"] == sized["utilization_mid"]
    assert stated["utilization_low"] == stated["utilization_high"]
    assert float(sized["utilization_high"]) > 1.1 * float(sized["utilization_low"])


def test_rows_of_many_devices_and_places_are_those_of_each_alone(catalog):
    header = "accelerator,region,year,params_total,tokens_processed,accelerator_count"
    devices = [*list(catalog.device_names())[::9], "brain", "GTX 580", "no such device"]
    places = ["fr", "", "us-west1", "Atlantis", "google"]
    rows = [
        f"{device},{places[number % 5]},{(2018, '', 2024.5)[number % 3]},1e9,2e10,{number % 7}"
        for number, device in enumerate(devices)
    ]
    together = run_rows(rows, catalog, header)
    assert together == [run_rows([row], catalog, header)[0] for row in rows]
    assert sum(not row["error"] for row in together) > 10


def peak_bytes(rows, catalog):
    """Return the most memory that a table of so many rows takes, some of them refused."""
    cells = ("v100,fr,1e20", "no such device,nowhere,1e20", "h100,,")
    lines = (f"run {number % 50},{cells[number % 3]}\n" for number in range(rows))
    header = iter(["name,accelerator,region,train_flops_reported\n"])
    tracemalloc.start()
    with open(os.devnull, "w", encoding="utf-8") as out:
        estimate_csv(chain(header, lines), out, catalog, level=0.8)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_a_longer_table_takes_no_more_memory(catalog, monkeypatch):
    monkeypatch.setattr(csv_table, "CHUNK_ROWS", 300)
    peak_bytes(600, catalog)  # reads the profiles
    assert peak_bytes(6_000, catalog) < 1.3 * peak_bytes(1_500, catalog)


def test_hours_that_are_filled_in_are_kept(catalog):
    (row,) = run_rows(["x,h100,8,bf16,1e20,123.5"], catalog)
    assert {row[f"device_hours_{end}"] for end in ("low", "mid", "high")} == {"123.5"}
    assert float(row["wall_hours_mid"]) == pytest.approx(123.5 / 8)
    assert float(row["utilization_mid"]) == pytest.approx(
        1e20 / (123.5 * 3600 * 989.4e12), rel=0.01
    )


def test_work_comes_from_flops_samples_or_tokens(catalog):
    header = (
        "accelerator,train_flops_reported,flops_per_sample_forward,samples_processed,"
        "params_total,params_active,tokens_processed,layers,hidden,seq_len"
    )
    rows = run_rows(
        [
            "v100,1e20,,,,,,,,",
            "v100,,4e9,1e8,,,,,,",
            "v100,,,,1e9,,2e10,,,",
            "v100,,,,8e9,1e9,2e10,,,",
            "v100,,,,1e9,,2e10,10,1000,2048",
            "v100,,,,1e9,,2e10,,1000,2048",
        ],
        catalog,
        header,
    )
    expected = [1e20, 1.2e18, 1.2e20, 1.2e20, 1.2e20 + 12 * 10 * 1000 * 2048 * 2e10]
    expected.append(1.2e20 * (1 + 2048 / (6 * 1000)))
    assert [float(row["training_flop"]) for row in rows] == pytest.approx(expected)


def test_rows_give_their_own_pue_grid_and_price(catalog):
    header = "accelerator,accelerator_hours,pue,grid_kg_per_kwh,price_usd_per_h"
    one, two = run_rows(["v100,100,1.5,0.2,3", "v100,100,1.0,0.4,"], catalog, header)
    assert float(one["energy_kwh_mid"]) == pytest.approx(1.5 * float(two["energy_kwh_mid"]))
    assert float(one["cost_usd_mid"]) == 300
    assert float(two["cost_usd_mid"]) != 300


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a,h10,1,,1e20,", "unknown hardware 'h10': did you mean h100"),
        ("a,,1,,1e20,", "no device given: set accelerator"),
        ("a,v100,1,bf16,1e20,", "has no bf16 peak: it has fp16"),
        ("a,v100,0,,1e20,", "accelerator_count must be between 1 and"),
        ("a,v100,1,,-5,", "train_flops_reported must be between"),
        ("a,v100,1,,nan,", "train_flops_reported is not a number: 'nan'"),
        ("a,v100,1,,inf,", "train_flops_reported must be between"),
        ("a,v100,1,,1e99,", "train_flops_reported must be between"),
        ("a,v100,1,,=1+1,", "train_flops_reported is not a number: '=1+1'"),
        ("a,v100,1,,,", "no work given: set preset"),
        ("a,v100,1,,1e20", "the row has 5 cells, the header 6"),
        ("a,v100,1,,1e20,,extra,cells", "the row has 8 cells, the header 6"),
        ("\udcff,v100,1,,1e20,", "bytes that are not UTF-8"),
    ],
)
def test_a_bad_row_carries_its_reason_and_disturbs_no_other(catalog, row, reason):
    good = "good,v100,8,fp16,1e20,"
    first, bad, last = run_rows([good, row, good], catalog)
    assert reason in bad["error"]
    assert not any(bad[name] for name in RESULT_COLUMNS[:-1])
    assert first == last
    assert float(first["energy_kwh_mid"]) > 0
    assert first["error"] == ""


def test_formulas_pass_through_as_text_and_negative_numbers_as_they_are(catalog):
    lines = ['"=HYPERLINK(""http://x"",""y"")",v100,1,fp16,1e20,', "-1.50,v100,1,fp16,1e20,"]
    formula, number = run_rows(lines, catalog)
    assert formula["name"] == '\'=HYPERLINK("http://x","y")'
    assert number["name"] == "-1.50"
    assert formula["error"] == number["error"] == ""


def test_a_refused_row_of_another_width_stays_one_record(catalog):
    """A line break in one of its cells was written without quotes, and broke the table."""
    first, second = run_rows(['"two\nlines",v100,1', "next,v100,1,fp16,1e20,"], catalog)
    assert (first["name"], second["name"]) == ("two\nlines", "next")
    assert first["error"].startswith("the row has 3 cells") and not second["error"]


def test_the_input_is_written_back_to_the_byte(catalog):
    line = '"a ""quoted"", name\nover two lines",v100,  8 ,fp16,1.0E+20,'
    out = io.StringIO()
    table = f"{HEADER}\r\n{line}\r\n"
    estimate_csv(iter(table.splitlines(keepends=True)), out, catalog, level=0.8)
    assert line + "," in out.getvalue()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the table is empty"),
        ("\n\n", "the table is empty"),
        ("name,flops\nx,1\n", "no column 'accelerator'"),
        ("name,accelerator\nx,v100\n", "no column for the amount of work"),
        (
            "gpu,n_gpus,param_total,price\nh100,8,7e9,2\n",
            "no column 'accelerator': .*, and no column for the amount of work: .*; "
            r"not read: gpu, n_gpus, param_total \(did you mean params_total\?\)$",
        ),
        ("accelerator,accelerator,accelerator_hours\n", "'accelerator' appears twice"),
        ("accelerator,accelerator_hours,error\n", "'error' is also an output column"),
        (f"{HEADER}\n{'x' * 200_000},v100,1,,1,\n", "line 2 is longer than 131,072 letters"),
    ],
)
def test_a_table_without_what_it_needs_is_refused_whole(catalog, text, reason):
    with pytest.raises(ValueError, match=reason):
        run_table(text, catalog)


def test_an_empty_table_gives_its_header(catalog):
    summary, rows = run_table(HEADER + "\n", catalog)
    assert (summary.rows, rows) == (0, [])


cells = st.text(
    st.characters(codec="utf-8", exclude_characters='\r\n",\x00', exclude_categories=("Cs",)),
    max_size=8,
)


@given(st.lists(st.lists(cells, min_size=1, max_size=9), max_size=6))
def test_whatever_stands_in_the_rows_each_is_answered_or_refused(catalog, rows):
    text = "\n".join([HEADER, *(",".join(row) for row in rows)]) + "\n"
    summary, reported = run_table(text, catalog)
    assert summary.rows == len(reported) == summary.answered + summary.refused
    for row in reported:
        assert bool(row["error"]) != bool(row["device_hours_mid"])


@pytest.mark.parametrize(
    ("text", "device", "precision"),
    [
        ("mixed fp16", "v100", "fp16"),
        ("fp16 AMP", "a100", "fp16"),
        ("mixed", "h100", "bf16"),
        ("fp32/bf16", "a100", "bf16"),
        ("fp8 (mxfp8 config)", "h100", "fp8"),
        ("fp32", "v100", "fp32"),
        ("", "v100", None),
        ("bf16", "v100", "bf16"),
    ],
)
def test_a_free_text_names_a_precision(catalog, text, device, precision):
    assert named_precision(text, catalog.device(device)) == precision


@pytest.mark.parametrize(
    ("domain", "kind"),
    [
        ("", "language"),
        ("language: LM", "language"),
        ("code", "language"),
        ("vision: generative", "diffusion"),
        ("vision: detection", "vision"),
        ("biology", "other"),
        ("speech: ASR", "speech"),
    ],
)
def test_a_domain_has_a_kind(domain, kind):
    assert kind_of_domain(domain) == kind


def test_a_row_with_a_year_is_charged_the_price_of_its_time(catalog):
    header = "accelerator,accelerator_hours,year"
    then, now = run_rows(["v100,100,2019", "v100,100,"], catalog, header)
    assert float(then["cost_usd_mid"]) == pytest.approx(306, rel=0.15)  # AWS p3, 3.06 USD/h
    assert float(now["cost_usd_mid"]) < 0.7 * float(then["cost_usd_mid"])


def test_quoted_records_follow_each_other_over_lines_of_their_own(catalog):
    quoted = ['"a\nb",v100,8,fp16,1e20,', "plain,v100,8,fp16,1e20,", '"c, d",v100,8,fp16,1e20,']
    rows = run_table("\n".join([HEADER, *quoted, *quoted]) + "\n", catalog)[1]
    assert [row["name"] for row in rows] == ["a\nb", "plain", "c, d"] * 2
    assert len({row["energy_kwh_mid"] for row in rows}) == 1


@pytest.mark.parametrize("before", ["", '"quoted, well",v100,8,fp16,1e20,\n'])
def test_a_quote_that_is_open_in_the_last_row_refuses_the_table(catalog, before):
    number = 2 + before.count("\n")
    with pytest.raises(ValueError, match=f"line {number} opens a quote that is never closed"):
        run_table(f'{HEADER}\n{before}"open,v100,8,fp16,1e20,\n', catalog)


def test_no_line_without_end_is_read_into_memory():
    endless = io.StringIO("a\n" + "x" * (10 * batch.MOST_LETTERS))
    lines = batch.lines_of(endless)
    assert next(lines) == "a\n"
    with pytest.raises(ValueError, match=r"line 2 is longer than 131,072 letters"):
        next(lines)
    assert endless.tell() == 2 + batch.MOST_LETTERS + 1


def test_inputs_that_no_column_gives_are_not_said_to_be_without_effect(catalog):
    lines = ["accelerator,train_flops_reported,interval\n", "V100,3e23,0.9\n"]
    (said,) = estimate_csv(iter(lines), io.StringIO(), catalog, level=0.8).notes
    assert said.startswith("column interval ignored: not a per-row input")


def test_a_column_may_have_the_name_of_the_option(catalog):
    """What `estimate --help` teaches is read, and not passed through unread."""
    rows = []
    for name in ("power_cap", "power_limit"):
        out = io.StringIO()
        lines = [f"accelerator,train_flops_reported,{name}\n", "V100,3e23,150\n"]
        assert estimate_csv(iter(lines), out, catalog, level=0.8).notes == ()
        rows.append(out.getvalue().splitlines()[1])
    assert rows[0] == rows[1]
    assert "power limit" in rows[0]


def test_a_column_spelled_almost_like_an_input_is_pointed_out(catalog):
    header = "accelerator,train_flops_reported,devics,notes,Price_usd_per_h\n"
    lines = [header, "V100,3e23,8,a,2\n"]
    assert estimate_csv(iter(lines), io.StringIO(), catalog, level=0.8).notes == (
        "column devics is not read: did you mean devices?",
        "column Price_usd_per_h is not read: did you mean price_usd_per_h?",
    )


def test_columns_without_effect_are_named_once_for_the_whole_table(catalog):
    lines = ["accelerator,train_flops_reported,heads,kv_heads\n", "V100,3e23,96,8\n"]
    summary = estimate_csv(iter(lines), io.StringIO(), catalog, level=0.8)
    assert summary.notes == ("columns heads, kv_heads ignored: no effect on the result",)
    bare = iter(["accelerator,train_flops_reported\n", "V100,3e23\n"])
    alone = estimate_csv(bare, io.StringIO(), catalog, level=0.8)
    assert alone.notes == ()
