"""A file that is no config of a network is named, and what to give instead."""

import json

import pytest

from estimator.cli import main
from estimator.networks.huggingface import model_ledger

LLAMA = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "vocab_size": 100,
}
BERT = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"peft_type": "LORA", "base_model_name_or_path": "org/base-7b", "r": 16},
            "adapter_config.json of a LORA adapter.*config.json of its base model org/base-7b",
        ),
        (
            {"peft_type": "LORA", "base_model_name_or_path": None},
            "the config.json of its base model",
        ),
        ({"_class_name": "FluxPipeline"}, "model_index.json of FluxPipeline: pass the config.json"),
        ({"_class_name": "DDIMScheduler"}, "DDIMScheduler, a scheduler without parameters"),
        ({"_class_name": "SD3Transformer3DModel"}, "did you mean SD3Transformer2DModel"),
        ({"pooling_mode_mean_tokens": True}, "settings of a pooling layer"),
        ({"__version__": {"transformers": "4.6.1"}}, "sentence-transformers pipeline"),
        ({"model_cfg": {"embed_dim": 512}}, "open_clip_config.json of OpenCLIP"),
        ({"general.architecture": "llama", "llama.block_count": 32}, "metadata of a GGUF file"),
        ({"max_seq_length": 256, "do_lower_case": False}, "a tokenizer's settings"),
        ({"image_processor_type": "ViTImageProcessor"}, "a preprocessor's settings"),
        ({"tokenizer_class": "LlamaTokenizer"}, "a tokenizer's settings"),
        ({"_from_model_config": True, "eos_token_id": 2}, "a generation_config.json"),
        ({"metadata": {}, "weight_map": {}}, "the index of a sharded checkpoint"),
        ({"dim": 4096, "n_layers": 32, "n_heads": 32}, "params.json with other field names"),
        ({"architectures": ["PoemForPoetry"]}, "model_type is missing"),
    ],
)
def test_other_files_of_a_repository_are_named(content, message, tmp_path, capsys):
    with pytest.raises(ValueError, match=message):
        model_ledger(content)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(content))
    assert main(["model", str(path)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_weights_are_told_from_a_config(tmp_path, capsys):
    path = tmp_path / "model.json"
    path.write_bytes(b"GGUF\x03\x00\x00\x00")
    assert main(["model", str(path)]) == 1
    assert "is a weights file: pass the model's config.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("stated", "warning"),
    [
        ({"quant_method": "gptq", "bits": 4}, "weights quantized by gptq to 4 bits"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes to 4 bits"),
        ({"load_in_8bit": True}, "an unnamed method to 8 bits"),
        ({"quant_method": "mxfp4"}, "weights quantized by mxfp4:"),
    ],
)
def test_quantized_weights_are_counted_as_before(stated, warning):
    read = model_ledger({**LLAMA, "quantization_config": stated})
    assert read.params_total == model_ledger(LLAMA).params_total
    assert warning in read.warnings[0]


def test_a_config_without_a_type_is_read_by_its_class():
    read = model_ledger({**BERT, "architectures": ["BertForMaskedLM"]})
    named = {**BERT, "model_type": "bert", "architectures": ["BertForMaskedLM"]}
    assert read.params_total == model_ledger(named).params_total
    assert "read as bert by its class BertForMaskedLM" in read.warnings[0]


def test_a_class_of_another_family_is_warned_about():
    strange = {**BERT, "model_type": "bert", "architectures": ["JinaBertForMaskedLM"]}  # not gated
    assert "JinaBertForMaskedLM is not a class of bert" in model_ledger(strange).warnings[0]


def test_a_config_of_timm_states_the_side_of_its_images():
    config = {"architecture": "vit_base_patch16_224", "num_classes": 1000}
    wide = {"pretrained_cfg": {"input_size": [3, 384, 384]}}
    assert model_ledger({**config, **wide}).items == 24 * 24 + 1
    assert model_ledger({**config, "model_args": {"img_size": 384}}).items == 24 * 24 + 1
    wrapped = {**config, "model_type": "timm_wrapper", "num_classes": 10}
    assert model_ledger(wrapped).params_total == 86_567_656 - 990 * 769
    with pytest.raises(ValueError, match=r"model_args.depth 4 is not supported"):
        model_ledger({**config, "model_args": {"depth": 4}})


CLIP_L = {
    "text_config_dict": {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12},
    "vision_config_dict": {
        **{"hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16},
        **{"num_hidden_layers": 24, "patch_size": 14},
    },
}


def test_parts_under_their_second_name_decide():
    """The totals are those published with the weights of CLIP ViT-L/14."""
    old = {"model_type": "clip", "projection_dim": 768, **CLIP_L, "text_config": None}
    assert model_ledger(old).params_total == 427_616_513


@pytest.mark.parametrize(
    ("stated", "params"),
    [  # the first as published with the weights, the second as transformers 5.23 builds it
        ({"d_model": 768, "n_layer": 24, "vocab_size": 50277, "ssm_cfg": {}}, 129_135_360),
        (
            {
                **{"d_model": 768, "n_layer": 24, "ssm_cfg": {"layer": "Mamba2"}},
                **{"vocab_size": 50277, "pad_vocab_size_multiple": 8},
            },
            128_983_488,
        ),
    ],
)
def test_configs_of_the_authors_of_mamba_are_read(stated, params):
    assert model_ledger(stated).params_total == params


def test_flat_configs_of_the_authors_of_llava_hold_the_text():
    flat = {
        **{"model_type": "llava", "architectures": ["LlavaLlamaForCausalLM"]},
        **{"hidden_size": 5120, "num_hidden_layers": 40, "num_attention_heads": 40},
        **{"intermediate_size": 13824, "vocab_size": 32000, "tie_word_embeddings": False},
        "mm_projector_type": "mlp2x_gelu",
        "mm_vision_tower": "openai/clip-vit-large-patch14-336",
    }
    nested = {"model_type": "llava", "text_config": {**flat, "model_type": "llama"}}
    assert model_ledger(flat).params_total == model_ledger(nested).params_total
    renamed = {**flat, "model_type": "llava_llama"}
    assert model_ledger(renamed).params_total == model_ledger(nested).params_total
    with pytest.raises(ValueError, match="mm_vision_tower 'siglip' is not supported"):
        model_ledger({**flat, "mm_vision_tower": "siglip"})


def test_santacoder_shares_keys_and_values_among_its_heads():
    """The total is that of transformers' GPTBigCodeForCausalLM of the same sizes."""
    sizes = {"n_embd": 2048, "n_head": 16, "n_inner": 8192, "n_layer": 24, "n_positions": 2048}
    santacoder = {
        **{"model_type": "gpt2", "architectures": ["GPT2LMHeadCustomModel"], **sizes},
        **{"vocab_size": 49280, "attention_head_type": "multiquery"},
    }
    read = model_ledger(santacoder)
    assert read.params_total == 1_124_886_528
    assert not read.warnings


def test_the_first_chatglm_has_no_gate():
    """ChatGLM-6B has 6.2 billion parameters by its card, which leaves out the untied head."""
    hidden, vocab, inner = 4096, 130528, 16384
    first = {
        **{"model_type": "chatglm", "architectures": ["ChatGLMModel"], "hidden_size": hidden},
        **{"inner_hidden_size": inner, "num_layers": 28, "num_attention_heads": 32},
        **{"vocab_size": vocab, "max_sequence_length": 2048, "position_encoding_2d": True},
    }
    read = model_ledger(first)
    layer = 4 * hidden * (hidden + 1) + 2 * hidden * inner + inner + hidden + 4 * hidden
    assert read.params_total == 28 * layer + 2 * hidden + 2 * vocab * hidden
    assert read.params_total - vocab * hidden == pytest.approx(6.2e9, rel=0.01)
    assert not read.warnings


def test_the_config_of_a_tensorrt_engine_names_its_class():
    sizes = {
        **{"hidden_size": 4096, "intermediate_size": 14336, "vocab_size": 128256},
        **{"num_attention_heads": 32, "num_key_value_heads": 8, "num_hidden_layers": 32},
    }
    engine = model_ledger({"architecture": "LlamaForCausalLM", **sizes})
    assert engine.params_total == model_ledger({"model_type": "llama", **sizes}).params_total


def test_the_first_phi_is_read_under_its_first_name():
    sizes = {"n_embd": 2048, "n_head": 32, "n_layer": 24, "n_positions": 2048, "vocab_size": 51200}
    first = model_ledger({"model_type": "mixformer-sequential", **sizes})
    assert first.params_total == 1_418_270_720


def test_gte_is_read_under_its_first_name():
    """The total is that published with the weights of gte-base-en-v1.5."""
    base = {
        **{"model_type": "new", "architectures": ["NewModel"], "vocab_size": 30528},
        **{"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12},
        **{"intermediate_size": 3072, "max_position_embeddings": 8192, "type_vocab_size": 0},
    }
    read = model_ledger(base)
    assert (read.params_total, read.warnings) == (136_776_192, ())
