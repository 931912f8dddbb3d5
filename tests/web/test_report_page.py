"""The page Report as a visitor without a browser sees it."""

import html
import re
from urllib.parse import parse_qsl

import pytest

from estimator.runs import open_store
from estimator.web.calibrate import live
from estimator.web.report.page import PARAMETERS, run_rows
from tests.in_process import run
from tests.measured_runs import measured, steps
from tests.web.markup import body, text_of, visited
from tests.web.test_serve_page import LOADED

FLAGSHIP = {
    "name": "Foo-70B",
    "params": "70B",
    "tokens": "2T",
    "hardware": "h100-sxm",
    "devices": "512",
    "site": "ie",
    "device_hours": "258048",
    "energy_kwh": "1.1e6",
    "metered": "facility",
}


def opened(**query):
    page = visited("report", **query)
    return body(page), text_of(page)


def test_a_visitor_without_a_link_gets_a_filled_document():
    _body, text = opened()
    assert "This run takes" in text
    assert "Amount of energy used for training" in text
    assert "not legal advice" in text


def test_an_energy_that_cannot_be_is_shouted_above_the_document():
    markup, text = opened(**FLAGSHIP)
    assert 'role="alert"' in markup
    assert "2 times the upper bound" in text
    assert text.index("Implausible") < text.index("Foo-70B")
    assert "1,100 MWh" in text
    assert "measured" in text


def test_scope_2_takes_the_contract_of_the_controls():
    _body, text = opened(**FLAGSHIP, format="scope2", contract="0", contract_share="0.5")
    assert "Market-based Scope 2" in text
    assert "203 tCO2e" in text


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"contract_share": "0.5"}, "give both"),
        ({"name": "", "format": "spdx"}, "no name of the model given"),
        ({"energy_kwh": "much"}, "is not a number"),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_the_page(wrong, says):
    _body, text = opened(**{**FLAGSHIP, **wrong})
    assert says in text


def test_serving_is_reported_by_the_controls_of_inference():
    page = visited("report", task="serving", format="paper", model="llama-3.1-8b", servers="2")
    assert "A million output tokens take" in text_of(page)
    assert "Assuming weights in bf16; set “Weights”" in text_of(page)
    assert page.code[0].value.startswith("Serving llama-3.1-8b on 2 × NVIDIA H100")
    assert "Runs measured here" not in [one.label for one in page.expander]
    _markup, refused = opened(task="serving", model="llama-3.1-405b", servers="1")
    assert "do not fit" in refused or "does not fit" in refused


def test_measured_loads_of_a_server_change_its_report_as_on_the_command_line(tmp_path, monkeypatch):
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path))
    words = "--task serving --preset llama-3.1-8b --hardware h100 --devices 1 --concurrency 32"
    command = f"report --format paper {words} --input-tokens 500 --output-tokens 300 --site us"

    def sentence():
        said = run(*command.split()).stdout.splitlines()[2]
        page = visited("report", task="serving", format="paper", servers="1", concurrency="32")
        assert page.code[0].value == said
        return said

    before = sentence()
    assert "(predicted)" in before
    with open_store() as store:
        store.add(LOADED)
    assert "(calibrated)" in sentence() != before


def test_the_page_speaks_german():
    _body, text = opened(**FLAGSHIP, lang="de")
    assert "Dieser Lauf braucht" in text
    assert "Unplausibel" in text
    assert "keine Rechtsberatung" in text


def test_a_stored_run_is_a_link_that_fills_in_what_was_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path))
    monkeypatch.setattr(live, "at_the_machine", lambda: True)
    values = PARAMETERS.from_link({})[0]
    assert run_rows(values) == []
    with open_store() as store:
        store.add(measured("run-1", steps(0.4), label="my-gpt"))
    ((link, day),) = run_rows(values)
    address = html.unescape(re.search(r"\?([^\"]*)", link)[1])
    query = dict(parse_qsl(address, keep_blank_values=True))
    assert day == "2026-11-18"
    assert query["hardware"] == "h100-sxm"
    assert query["device_hours"] == "1"
    assert query["params"] == ""
    _body, text = opened(**query)
    assert "my-gpt" in text


def test_the_name_of_a_stored_run_is_for_visitors_at_the_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("TWENTY_WATTS_DATA", str(tmp_path))
    with open_store() as store:
        store.add(measured("run-1", steps(0.4), label="my-gpt"))
    ((link, _day),) = run_rows(PARAMETERS.from_link({})[0])
    assert "my-gpt" not in link
    assert ">run-1<" in link
    assert "device_hours=1" in link
