"""Configs with anything in them: counted, or refused in one line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .outcome import fuzzing, outcome

SOUND = {
    "llama": {
        "hidden_size": 256,
        "num_hidden_layers": 4,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "intermediate_size": 512,
        "vocab_size": 1000,
    },
    "bert": {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 8},
    "vit": {"hidden_size": 256, "image_size": 224, "patch_size": 16},
    "mixtral": {"hidden_size": 256, "num_local_experts": 4, "num_experts_per_tok": 2},
    "resnet": {"embedding_size": 64, "hidden_sizes": [64, 128], "depths": [1, 1]},
    "t5": {"d_model": 256, "d_kv": 32, "num_layers": 2, "num_heads": 8},
}
ANYTHING = st.sampled_from(
    (
        *(None, True, -1, 0, 1, 1.5, 1e308, 10**12, 10**400, "", "4096", "x" * 300),
        *([], [1], ["a"], {}, {"a": 1}, [[1]]),
    )
)


@st.composite
def configs(draw):
    """A sound config with up to three values that are anything."""
    kind = draw(st.sampled_from(sorted(SOUND)))
    config = {"model_type": kind, **SOUND[kind]}
    for name in draw(st.lists(st.sampled_from(sorted(config)), max_size=3, unique=True)):
        config[name] = draw(ANYTHING)
    return config


@fuzzing(100)
@given(
    configs(),
    st.sampled_from(
        [
            ("model", "{}", "--json"),
            ("memory", "{}", "--hardware", "h100", "--json"),
            ("estimate", "--config", "{}", "--tokens", "1e9", "--hardware", "h100", "--json"),
            ("serve-cost", "--config", "{}", "--hardware", "h100", "--json"),
        ]
    ),
)
def test_any_value_in_a_config(tmp_path_factory, config, words):
    path = tmp_path_factory.getbasetemp() / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    outcome(*(str(path) if word == "{}" else word for word in words))


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "1", '"x"', "null", '{"a":', "[" * 100_000, '{"a":' * 50_000),
        *('{"model_type": 7}', '{"model_type": ["llama"]}', '{"architectures": [1]}'),
        '{"model_type": "llama", "hidden_size": ' + "9" * 5000 + "}",
        '{"model_type": "llama", "hidden_size": NaN}',
    ],
    ids=lambda text: f"{text[:24]}-{len(text)}",
)
def test_what_is_no_config_is_refused(text, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(text, encoding="utf-8")
    code, _, said = outcome("model", path)
    assert code == 1
    assert len(said) < 1000
