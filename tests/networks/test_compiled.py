"""Compiled networks: every line is found by its facts, other sizes are refused, totals are golden.

Totals of the lines are compared with PyTorch's in test_networks.py, like those of any network.
"""

import csv
import json
import math
import sys

import numpy as np
import pytest

from estimator.cli import main
from estimator.networks.compiled import (
    UnknownArchitectureError,
    compiled_network,
    compiled_row,
    compiled_rows,
    compiled_types,
)
from estimator.networks.families.torchvision import named_architecture, named_networks
from estimator.networks.fields import Fields
from estimator.networks.huggingface import architecture, model_ledger
from estimator.networks.ledger import Inputs
from estimator.networks.registry import CLASSES, known_families
from tests.every import over
from tests.networks.test_networks import CONFIGS_READ, GOLDEN, SMALL_ROWS

LINES = [row for name in compiled_types() for row in compiled_rows(name)]
READ_BEFORE = {
    row["name"]: row
    for row in csv.DictReader((GOLDEN / "compiled.csv").read_text(encoding="utf-8").splitlines())
}
OMNI = {
    "qwen2.5-omni-7b": ("qwen2_5_omni", "qwen2.5-omni-7b-thinker"),
    "qwen3-omni-30b-a3b": ("qwen3_omni_moe", "qwen3-omni-30b-a3b-thinker"),
}
"""Line -> its type, and the golden network that is all that is counted of it."""

INSIDE = {
    "minimax_m3_vl_text": (447_186_441_216, 109_338_056_196_096.0),
    "mistral_large4_text": (1_050_118_202_880, 224_699_804_024_832.0),
    "molmo2_text": (8_191_259_648, 33_472_827_621_376.0),
    "step3p5": (195_843_833_088, 48_566_131_228_672.0),
}
"""Language models inside golden networks: parameters and FLOPs, as counted before compiling."""

SEGFORMER, CVT = CONFIGS_READ["segformer-mit-b0"], CONFIGS_READ["cvt-13"]


LAYOUT = CONFIGS_READ["layoutlmv3-base"]


@pytest.mark.parametrize(
    ("labels", "params"), [(7, 125_332_359), (9, 125_333_897), (10, 125_925_258)]
)
def test_the_dense_layer_of_layoutlmv3_comes_with_ten_labels(labels, params):
    assert model_ledger({**LAYOUT, "num_labels": labels}).params_total == params


def config_of(line, *, parts=("facts",)):
    """A config that states the facts of a line, each under its last name."""
    config = {"_class_name" if line["type"][0].isupper() else "model_type": line["type"]}
    for path in line.get("parts", ()):
        part = config
        for name in path.split("."):
            part = part.setdefault(name, {})
    for names, value in [pair for part in parts for pair in line[part].items()]:
        if names == "class":
            config["architectures"] = [value]
            continue
        if names == "task":
            config["architectures"] = [f"For{value}"] if value else None
            continue
        part = config
        *outer, key = names.split("|")[-1].split(".")
        for name in outer:
            part[name] = part.get(name) or {}
            part = part[name]
        if not isinstance(part.get(key), dict):
            part[key] = value
    return config


@over(LINES, lambda line: line["name"])
def test_a_line_is_found_by_its_facts_and_by_all_that_it_takes_for_granted(line):
    for parts in (("facts",), ("usual", "facts")):
        found = compiled_network(Fields(config_of(line, parts=parts)), line["type"])
        built = found.ledger(Inputs())
        terms = line.get("terms", {}).values()
        counts = [term.get("params", 0) for term in terms if "least_labels" not in term]
        assert built.params_total >= sum(counts)
        assert math.isfinite(float(built.forward_flop)) and built.forward_flop > 0
        assert built.model_type == line["type"]


@over(LINES, lambda line: line["name"])
def test_a_line_counts_as_the_reader_that_it_replaced(line):
    """compiled.csv holds what the readers counted, with the labels that a config leaves out."""
    built = compiled_network(Fields(config_of(line)), line["type"]).ledger(Inputs())
    before = READ_BEFORE[line["name"]]
    assert built.params_total == int(before["params_total"])
    assert float(built.forward_flop) == pytest.approx(float(before["forward_flop"]), rel=1e-9)
    assert float(built.training_flop) == pytest.approx(float(before["training_flop"]), rel=1e-9)


def test_no_two_lines_of_a_type_have_the_same_facts_and_no_type_has_a_reader_too():
    for name in compiled_types():
        rows = compiled_rows(name)
        facts = {json.dumps([row["facts"], row["usual"]], sort_keys=True) for row in rows}
        assert len(facts) == len(rows) == len({row["name"] for row in rows})
        assert name not in known_families() and name not in CLASSES


def test_the_totals_of_every_line_are_golden():
    """A line whose config is in neither table would be checked by nothing."""
    golden = [*CONFIGS_READ.values(), *(row["config"] for row in SMALL_ROWS)]
    golden += [json.loads(path.read_text()) for path in (GOLDEN / "configs").glob("*.json")]
    hit = {*INSIDE, *OMNI, *(line["name"] for line in LINES if line["name"].endswith("-trunk"))}
    for config in golden:
        name = config.get("model_type") or config.get("_class_name")
        if name in compiled_types():
            hit.add(compiled_row(Fields(config), name)["name"])
    assert hit == {line["name"] for line in LINES}


@pytest.mark.parametrize("name", INSIDE)
def test_language_models_inside_golden_networks_count_as_before(name):
    built = model_ledger({"model_type": name})
    assert (built.params_total, float(built.forward_flop)) == INSIDE[name]


@pytest.mark.parametrize("name", OMNI)
def test_a_talking_model_is_its_thinker_and_says_so(name):
    kind, thinker = OMNI[name]
    whole = model_ledger({"model_type": kind, "thinker_config": CONFIGS_READ[thinker]})
    assert whole.terms == model_ledger(CONFIGS_READ[thinker]).terms
    assert whole.warnings == ("the talker and its vocoder are not counted",)


@over(name for name, (kind, _) in named_networks().items() if kind in compiled_types())
def test_a_trunk_by_name_is_the_network_without_its_head(name):
    whole, trunk = named_architecture(name), named_architecture(name, classes=0)
    terms = dict(whole.ledger(Inputs()).terms)
    assert terms.pop("head/classifier").params > 0
    if name.startswith("poolformer"):  # transformers' trunk ends without a norm
        del terms["norm/outer"]
    assert trunk.ledger(Inputs()).terms == terms


@pytest.mark.parametrize(
    ("config", "key"),
    [
        ({**CVT, "embed_dim": [64, 192, 768]}, "embed_dim"),
        ({**SEGFORMER, "depths": [2, 2, 2, 3]}, "depths"),
        ({**CONFIGS_READ["esm2-650m"], "num_hidden_layers": 34}, "num_hidden_layers"),
        ({**CONFIGS_READ["llama-3.2-11b-vision"], "text_config": {"hidden_size": 64}}, "hidden_"),
        ({**CVT, "embed_dim": 10**400}, "embed_dim"),
        ({**CVT, "depth": "many"}, "depth"),
        ({"model_type": "sam", "vision_config": []}, "vision_config"),
        ({**CONFIGS_READ["gemma-4-e2b"], "audio_config": None}, "audio_config"),
        (
            {**CONFIGS_READ["bert-generation-large"], "architectures": ["BertGenerationEncoder"]},
            "class",
        ),
    ],
)
def test_other_sizes_are_refused_with_the_way_to_count_them(
    config, key, tmp_path, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, "torch", None)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    with pytest.raises(UnknownArchitectureError, match=key):
        architecture(config)
    assert main(["model", str(path)]) == 1
    error = capsys.readouterr().err
    assert 'pip install "twenty-watts[count]"' in error
    assert error.count("\n") == 1 and len(error) < 400


def test_a_classifier_may_have_any_number_of_labels():
    """One row and one bias of the head for each."""
    ten, eleven = (model_ledger({**CVT, "num_labels": count}) for count in (10, 11))
    bare = {key: value for key, value in CVT.items() if key != "num_labels"}
    listed = model_ledger({**bare, "id2label": dict.fromkeys("0123456789", "x")})
    assert eleven.params_total - ten.params_total == 385
    assert listed.params_total == ten.params_total
    assert eleven.forward_flop - ten.forward_flop == 2 * 384


def test_images_of_other_sides_are_counted_in_steps_and_between_them_approximately():
    """Convolutions cost in proportion to the pixels, attention to their square."""
    small, large, odd = (model_ledger(CVT, image_size=side) for side in (224, 448, 450))
    assert 4 * small.forward_flop < large.forward_flop < 16 * small.forward_flop
    assert large.warnings == small.warnings == ()
    assert "in steps of 32" in odd.warnings[0]
    assert odd.forward_flop == pytest.approx(large.forward_flop, rel=0.02)


def test_patches_that_an_image_does_not_fill_are_dropped():
    config = CONFIGS_READ["videomae-base-k400"]
    full, cut = (model_ledger(config, image_size=side) for side in (224, 230))
    assert full == cut


def test_windows_and_causality_are_those_of_pairs_counted_one_by_one():
    config, tokens = CONFIGS_READ["stt-2.6b-en"], 1000
    width = 375
    ledgers = {
        (windowed, causal): model_ledger(config, seq_len=tokens, windowed=windowed, causal=causal)
        for windowed in (False, True)
        for causal in (False, True)
    }
    pairs = {key: found.terms["attention/scores"].flop for key, found in ledgers.items()}
    inside = 2 * tokens * width - width**2
    assert pairs[False, True] == pairs[False, False] / 2
    assert pairs[True, False] == pytest.approx(pairs[False, False] * inside / tokens**2)
    assert pairs[True, True] == pytest.approx(pairs[True, False] / 2)


def test_a_batch_and_lengths_broadcast():
    config = CONFIGS_READ["dia-1.6b"]
    table = model_ledger(config, batch=np.array([[1.0], [3.0]]), seq_len=np.array([64, 128]))
    assert table.forward_flop.shape == (2, 2)
    assert table.forward_flop[1, 0] == 3 * model_ledger(config, seq_len=64).forward_flop
