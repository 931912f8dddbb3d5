"""Configs are read with the defaults of their family, or refused by key."""

import json
from pathlib import Path

import pytest

from estimator.cli import main
from estimator.memory.encoders import TEXT_ENCODERS
from estimator.networks.config_file import read_config
from estimator.networks.fields import Fields
from estimator.networks.huggingface import architecture, model_ledger
from estimator.networks.registry import CLASSES, defaults, known_families

CONFIGS = Path(__file__).parents[1] / "golden" / "configs"
LLAMA = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 128,
    "vocab_size": 100,
}
MIXTRAL = {**LLAMA, "model_type": "mixtral", "num_local_experts": 4, "num_experts_per_tok": 2}
GPT2 = {"model_type": "gpt2", "n_embd": 64, "n_layer": 2, "n_head": 4}


def without(config, key):
    return {name: value for name, value in config.items() if name != key}


def test_a_config_file_is_read_as_it_is():
    path = CONFIGS / "gpt2.json"
    assert read_config(path) == json.loads(path.read_text())
    assert read_config(str(path))["model_type"] == "gpt2"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_config_that_windows_saved_is_read(tmp_path, encoding):
    """PowerShell writes a mark of the byte order, and UTF-16 where it redirects."""
    path = tmp_path / "config.json"
    path.write_text('{"model_type": "gpt2"}', encoding=encoding)
    assert read_config(path) == {"model_type": "gpt2"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"model_type": "gpt2", "n_em', "is not valid JSON .* truncated"),
        (b" \n", "is empty: save"),
        (b"<!doctype html><html>", "is a web page: save the raw"),
        (b"model_type: gpt2", "is not JSON, as it does not start with a brace"),
        (b"[1, 2]", "contains a list, not an object"),
        (b'"gpt2"', "contains a string, not an object"),
        (b"null", "contains null, not an object"),
        (b"\x80\x02}q\x00", "is not Unicode text: did you pass the weights"),
        (b"[" * 100_000, "is not a config"),
        (b'{"n": ' + b"9" * 5000 + b"}", "is not a config"),
    ],
)
def test_a_file_that_is_no_config_is_refused(tmp_path, content, message):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_config(path)


@pytest.mark.parametrize("digits", [400, 5000])
@pytest.mark.parametrize(
    "words",
    [
        ("estimate", "--tokens", "1e9", "--hardware", "h100", "--config"),
        ("serve-cost", "--hardware", "h100", "--image-size", "224", "--config"),
    ],
)
def test_a_size_of_hundreds_of_digits_is_refused_in_one_line(words, digits, tmp_path, capsys):
    path = tmp_path / "config.json"
    key = "hidden_size" if words[0] == "estimate" else "num_hidden_layers"
    path.write_text(f'{{"model_type": "clip", "{key}": 1{"0" * digits}}}')
    assert main([*words, str(path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert (f"{key} must be at most" if digits == 400 else "thousands of digits") in error


def test_missing_files_and_directories_are_refused(tmp_path):
    with pytest.raises(ValueError, match="is not a regular file: save"):
        read_config("/dev/null")
    with pytest.raises(ValueError, match="does not exist: pass the path"):
        read_config(tmp_path / "config.json")
    with pytest.raises(ValueError, match=r"is a directory: pass the config.json inside"):
        read_config(tmp_path)


def test_weights_are_not_loaded_to_find_out_that_they_are_no_config(tmp_path):
    path = tmp_path / "model.safetensors"
    with path.open("wb") as file:
        file.truncate(200_000_000)
    with pytest.raises(
        ValueError, match=r"is larger than 10 MB, but a config.json has a few kB: did you pass"
    ):
        read_config(path)


@pytest.mark.parametrize(
    "bad", [0, -1, 64.0, 64.5, "64", None, True, [64], float("nan"), float("inf"), 10**12]
)
@pytest.mark.parametrize(
    "key", ["hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size"]
)
def test_a_size_out_of_bounds_is_refused_by_key(key, bad):
    with pytest.raises(ValueError, match=f"^{key} must be "):
        model_ledger({**LLAMA, key: bad})


@pytest.mark.parametrize("key", ["hidden_size", "num_hidden_layers", "num_attention_heads"])
def test_a_size_that_no_family_can_guess_is_refused_by_key(key):
    with pytest.raises(ValueError, match=f"^{key} is missing"):
        model_ledger(without(LLAMA, key))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({**LLAMA, "num_attention_heads": 6}, "num_key_value_heads must divide .* = 6|must divide"),
        ({**LLAMA, "num_key_value_heads": 3}, "num_key_value_heads must divide .* = 4, got 3"),
        ({**without(LLAMA, "num_key_value_heads"), "num_attention_heads": 5}, "hidden_size = 64"),
        ({**GPT2, "n_head": 5}, "n_head must divide n_embd = 64, got 5"),
        ({**LLAMA, "tie_word_embeddings": "yes"}, "tie_word_embeddings must be true or false"),
        ({**LLAMA, "architectures": "LlamaForCausalLM"}, "architectures must be a list"),
        ({**LLAMA, "model_type": 7}, "model_type must be a string"),
        ({**MIXTRAL, "num_experts_per_tok": 5}, "must be at most num_local_experts = 4, got 5"),
        ({**MIXTRAL, "num_local_experts": -2}, "num_local_experts must be a positive integer"),
        ({**LLAMA, "model_type": "gemma2", "layer_types": []}, "layer_types must have 2 items"),
        ({"model_type": "clip", "vision_config": 3}, "vision_config must"),
        ({"model_type": "gemma3", "text_config": {"hidden_size": -1}}, "text_config.hidden_size"),
        ({}, "model_type is missing"),
        ({"model_type": ""}, "model_type is missing"),
    ],
)
def test_a_contradiction_is_refused_in_one_line(config, message):
    with pytest.raises(ValueError, match=message) as refusal:
        model_ledger(config)
    assert "\n" not in str(refusal.value)


def test_a_config_is_a_mapping():
    with pytest.raises(ValueError, match="config must be a mapping, got list"):
        architecture([LLAMA])


def test_a_wrapper_of_an_unknown_decoder_is_read_as_llama_and_doubly_warned_about():
    inner = {**LLAMA, "model_type": "new_text", "moe_num_experts": 4, "moe_topk": 2}
    read = model_ledger({"model_type": "new", "text_config": inner, "vision_config": {}})
    known = model_ledger(MIXTRAL)
    assert read.params_total == known.params_total
    assert read.params_active == known.params_active
    assert "only the language model inside new is counted" in read.warnings[0]
    assert "'new_text' is not known" in read.warnings[1]


def test_ten_million_positions_are_a_size_that_is_published():
    assert model_ledger({**LLAMA, "max_position_embeddings": 10_485_760}).warnings == ()


def test_an_unknown_family_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match=r"unknown model_type 'qwen33': did you mean .*qwen3"):
        model_ledger({"model_type": "qwen33"})
    for other in ("zzz", "no-such-former"):
        with pytest.raises(ValueError, match=r"; none of the \d+ known types") as seen:
            model_ledger({"model_type": other})
        assert len(str(seen.value)) < 120


def test_an_unknown_family_with_familiar_sizes_is_read_as_llama_and_warned_about():
    ledger = model_ledger({**LLAMA, "model_type": "lama"})
    assert ledger.params_total == model_ledger(LLAMA).params_total
    assert "'lama' is not known (nearest: llama" in ledger.warnings[0]
    experts = model_ledger({**MIXTRAL, "model_type": "new_moe"})
    assert experts.params_total == model_ledger(MIXTRAL).params_total
    assert experts.warnings


@pytest.mark.parametrize(
    "foreign",
    [
        {"state_size": 16},
        {"is_encoder_decoder": True},
        {"architectures": ["NewForMaskedLM"]},
        {"patch_size": 16},
    ],
)
def test_an_unknown_network_that_is_no_decoder_is_not_guessed(foreign):
    with pytest.raises(ValueError, match="unknown model_type"):
        model_ledger({**LLAMA, "model_type": "brand-new", **foreign})


def test_a_copy_is_counted_as_the_type_that_it_copies():
    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 32}
    copy, copied = (model_ledger({**sizes, "model_type": name}) for name in ("mimo", "qwen2"))
    assert copy.params_total == copied.params_total


def test_layers_of_a_searched_model_may_lack_parts():
    block = {"attention": {"n_heads_in_group": 2}, "ffn": {"ffn_mult": 2.5}}
    config = {"model_type": "nemotron-nas", "hidden_size": 64, "num_attention_heads": 4}
    config |= {"num_hidden_layers": 2, "vocab_size": 100}
    none = {"attention": {"no_op": True}, "ffn": {"no_op": True}}
    whole, half, bare = (
        model_ledger({**config, "block_configs": blocks}).params_total
        for blocks in ([block, block], [block, none], [none, none])
    )
    assert whole - half == half - bare == 64 * (64 + 32 + 32 + 64) + 3 * 64 * 256 + 2 * 64
    with pytest.raises(ValueError, match="block_configs is missing from the config"):
        model_ledger(config)


def test_a_wrapped_language_model_is_read_alone_and_warned_about():
    ledger = model_ledger({"model_type": "brand-new-vision", "text_config": LLAMA})
    assert ledger.params_total == model_ledger(LLAMA).params_total
    assert ledger.warnings == ("only the language model inside brand-new-vision is counted",)
    tied = model_ledger({"model_type": "x", "tie_word_embeddings": True, "text_config": LLAMA})
    assert ledger.params_total - tied.params_total == 64 * 100


def test_the_class_of_the_weights_decides_the_head():
    def params(name):
        return model_ledger({**LLAMA, "architectures": [name]}).params_total

    assert params("LlamaForCausalLM") - params("LlamaModel") == 100 * 64
    assert params("LlamaForSequenceClassification") - params("LlamaModel") == 2 * 64
    odd = model_ledger({**LLAMA, "architectures": ["LlamaForPoetry"]})
    assert odd.warnings == ("LlamaForPoetry is counted as a causal language model",)


def test_absent_keys_take_the_defaults_of_the_family():
    """Sizes of transformers 5.23's own defaults, from the configs' classes."""
    sizes = {"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32}
    assert model_ledger({"model_type": "llama", **sizes}).params_total == 6738415616
    assert model_ledger({"model_type": "mistral", **sizes}).params_total == 7241732096


def test_every_key_may_have_its_common_alias():
    aliases = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    assert model_ledger({"model_type": "gpt2", **aliases}).params_total == (
        model_ledger(GPT2).params_total
    )


PARTS = (
    *("_model", "_encoder", "_decoder", "_depth", "_vision", "_audio", "_vqgan", "_perciever"),
    "_adapter",
)
"""Ends of types that stand inside others alone, as transformers spells them."""


def test_every_row_of_defaults_is_of_a_known_type_and_read():
    for name, row in defaults().items():
        part = name.endswith(PARTS)
        assert part or name in known_families() or name in CLASSES or name in TEXT_ENCODERS
        assert row and all(value is not None for value in row.values())


def test_a_default_never_speaks_against_a_size_under_another_name():
    usual = Fields({"n_embd": 8}).with_usual({"hidden_size": 16, "n_layer": 2})
    assert usual.size("hidden_size", "n_embd") == 8
    assert usual.size("n_layer") == 2 and not usual.states("n_layer")
    with pytest.raises(ValueError, match="vocab_size is missing"):
        usual.size("vocab_size")
