"""Decoders whose code lives on the hub, against the parameters that the hub counts in the weights.

The totals are those published with the weights (the safetensors of each repository), taken from
memory and not fetched: that a count meets each of them to the last digit is what checks both; three
are known as rounded on their cards alone. Those
of Falcon, Phi-2, StableLM and Yi are also what transformers builds under their later names.
"""

import csv
import json
from pathlib import Path

import pytest

from estimator.networks.huggingface import model_ledger
from estimator.networks.registry import known_families

GOLDEN = Path(__file__).parents[1] / "golden"
PUBLISHED = json.loads((GOLDEN / "remote_code.json").read_text())
BUILT = {
    row["config"]: int(row["params_total"])
    for row in csv.DictReader((GOLDEN / "models.csv").read_text().splitlines())
}
LATER_NAMES = ("falcon-40b", "falcon-7b", "phi-2", "stablelm-3b", "yi-34b")


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_equal_those_of_the_published_weights(name):
    ledger = model_ledger(PUBLISHED[name]["config"], seq_len=64)
    off = abs(ledger.params_total - PUBLISHED[name]["params_total"])
    assert 2 * off <= PUBLISHED[name].get("rounded_to", 0)
    assert ledger.warnings == ()
    assert ledger.cache


@pytest.mark.parametrize("name", LATER_NAMES)
def test_first_names_count_as_the_later_ones(name):
    later = json.loads((GOLDEN / "configs" / f"{name}.json").read_text())
    first = PUBLISHED[name]["config"]
    assert (
        model_ledger(first, seq_len=64).forward_flop == model_ledger(later, seq_len=64).forward_flop
    )
    assert PUBLISHED[name]["params_total"] == BUILT[name]


def test_every_type_of_remote_code_is_published():
    types = {entry["config"]["model_type"] for entry in PUBLISHED.values()}
    assert types <= {*known_families()}
