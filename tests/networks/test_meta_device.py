"""Counting on PyTorch's meta device, where torch is there and where it is not."""

import json
import sys
from pathlib import Path

import pytest

from estimator.cli import main
from estimator.networks.ledger import Inputs
from estimator.networks.meta_device import counted_ledger

GOLDEN = Path(__file__).parents[1] / "golden"
COUNTED = ("configs/gpt2", "networks/t5-3b", "networks/resnet-18", "networks/whisper-base")


def test_without_torch_one_line_says_what_is_needed(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["model", str(GOLDEN / "configs/gpt2.json"), "--count"]) == 1
    error = capsys.readouterr().err
    assert error == (
        'error: counting needs torch and transformers: pip install "twenty-watts[count]"\n'
    )


def test_an_unknown_architecture_is_refused_with_the_way_to_count_it(tmp_path, capsys):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"model_type": "perceiver", "d_latents": 1280}))
    assert main(["model", str(path)]) == 1
    assert "--count builds and counts it with PyTorch" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (["resnet50", "--seq-len", "64"], "--seq-len applies to text and audio models"),
        (
            [str(GOLDEN / "configs/gpt2.json"), "--image-size", "64"],
            "--image-size applies to models",
        ),
        ([str(GOLDEN / "networks/ast-audioset.json"), "--seq-len", "64"], "--seq-len applies to"),
    ],
)
def test_an_input_that_changes_nothing_is_refused(words, field, capsys):
    assert main(["model", *words]) == 1
    assert field in capsys.readouterr().err


def test_an_input_that_a_model_takes_is_used(capsys):
    path = str(GOLDEN / "networks/llava-1.5-7b.json")
    flops = []
    for words in ([], ["--seq-len", "512"], ["--seq-len", "512", "--image-size", "168"]):
        assert main(["model", path, "--json", *words]) == 0
        flops.append(json.loads(capsys.readouterr().out)["forward_flop"])
    assert flops[0] > flops[1] > flops[2]


@pytest.mark.parametrize("name", COUNTED)
def test_a_count_equals_the_reader(name):
    pytest.importorskip("torch")
    from estimator.networks.huggingface import model_ledger

    config = json.loads((GOLDEN / f"{name}.json").read_text())
    length = None if "resnet" in name else 64
    counted = counted_ledger(config, Inputs(batch=2.0, seq_len=length))
    read = model_ledger(config, batch=2, seq_len=length)
    assert counted.params_total == read.params_total
    assert counted.forward_flop == pytest.approx(read.forward_flop, rel=1e-3)
    assert "meta device" in counted.warnings[0]
