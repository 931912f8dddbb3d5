"""The commands in Python: the same inputs, the same numbers, results that read like mappings."""

import json

import numpy as np
import pytest

import estimator
from estimator import Run, Uncertain, Workload, read_hardware, read_site
from tests.in_process import answer


def bounds(result):
    return {name: result.bounds(name) for name in result}


def test_an_estimate_is_that_of_the_command_line():
    told = answer("estimate --preset gpt-3 --hardware h100 --devices 64 --site fr")
    result = estimator.estimate(preset="gpt-3", hardware="h100", devices=64, site="fr")
    assert set(bounds(result)) == set(told["results"])
    for name, ends in bounds(result).items():
        assert ends == {end: told["results"][name][end] for end in ends}
    assert result.facts["link"] == told["link"]


def test_a_config_may_be_a_mapping_and_numbers_may_be_texts(tmp_path):
    config = {
        **{"model_type": "llama", "hidden_size": 512, "num_hidden_layers": 4, "vocab_size": 32000},
        **{"num_attention_heads": 8, "intermediate_size": 1376},
    }
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    words = "estimate --tokens 1e10 --hardware h100 --development-overhead 2 --config"
    told = answer(words, path)
    result = estimator.estimate(
        config=config, tokens="10B", hardware="h100", development_overhead=2
    )
    assert result.bounds("energy_kwh")["mid"] == told["results"]["energy_kwh"]["mid"]


def test_one_question_and_a_server_answer_as_their_commands_do():
    told = answer("prompt --model claude --per year --times 5")
    asked = estimator.prompt(model="claude", per="year", times=5)
    assert bounds(asked) == {name: told[name] for name in asked}
    told = answer("serve-cost --preset llama-3-8b --hardware h100")["results"]
    served = estimator.serve_cost(preset="llama-3-8b", hardware="h100")
    assert served.bounds("inter_token_s") == told["inter_token_s"]


def test_a_result_reads_like_a_mapping_and_a_table():
    result = estimator.estimate(flop=1e21, hardware="h100", devices=8, interval=0.5)
    known, frame = dict(result), result.to_frame()
    assert list(result) == list(known) == list(frame.index) and len(result) == len(known)
    assert list(frame.columns) == ["low", "mid", "high"]
    assert frame.loc["energy_kwh", "high"] == result.bounds("energy_kwh")["high"]
    shown = repr(result).splitlines()
    assert shown[0] == "Report with 50% intervals" and len(shown) == len(result) + 2
    assert shown[1].split() == ["low", "mid", "high"]
    assert "<table" in result._repr_html_() and "energy_kwh" in result._repr_html_()


def test_objects_of_the_core_still_answer_and_arrays_are_rows():
    work = Workload(training_flop=Uncertain(np.array([1e21, 2e21])))
    run = Run(devices=8, utilization=Uncertain(0.4))
    result = estimator.estimate(work, read_hardware("h100", "bf16"), read_site("us"), run)
    frame = result.to_frame()
    assert len(frame) == 2 and "energy_kwh_mid" in frame
    assert max(map(len, repr(result).splitlines())) < 160
    assert frame["energy_kwh_mid"][1] == pytest.approx(2 * frame["energy_kwh_mid"][0])
    named = estimator.estimate(
        workload=work, hardware=read_hardware("h100", "bf16"), site=read_site("us"), run=run
    )
    assert list(dict(named)) == list(result)
    with pytest.raises(ValueError, match="is none of"):
        result["nonsense"]


def test_an_unknown_input_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="no input prest"):
        estimator.estimate(prest="gpt-3")
    with pytest.raises(ValueError, match="unknown model"):
        estimator.prompt(model="nosuch")
