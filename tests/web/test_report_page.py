"""The page Report as a visitor without a browser sees it."""

import pytest

from tests.web.markup import body, text_of, visited

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
    assert "no legal advice" in text


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


def test_the_page_speaks_german():
    _body, text = opened(**FLAGSHIP, lang="de")
    assert "Dieser Lauf braucht" in text
    assert "Unplausibel" in text
    assert "keine Rechtsberatung" in text
