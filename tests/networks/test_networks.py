"""Ledgers of all that is no decoder against reference counts, laws, and refusals."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from estimator.cli import main
from estimator.networks.compiled import compiled_rows, compiled_types
from estimator.networks.families.torchvision import is_named, named_architecture, named_networks
from estimator.networks.fields import Fields
from estimator.networks.huggingface import architecture, model_ledger
from estimator.networks.kinds import configured_kind, network_kind
from estimator.networks.ledger import ITEM_UNITS, Inputs, takes
from estimator.networks.registry import CLASSES, FAMILIES, family
from tests.every import over

GOLDEN = Path(__file__).parents[1] / "golden"
ROWS = list(csv.DictReader((GOLDEN / "networks.csv").read_text().splitlines()))
COUNTED = [row for row in ROWS if row["forward_flop"]]
TRAINED = [row for row in ROWS if row["training_flop"]]
CONFIGS_READ = {
    row["config"]: json.loads((GOLDEN / "networks" / f"{row['config']}.json").read_text())
    for row in ROWS
}
INTERNVL = CONFIGS_READ["internvl3-8b"]
BERT = {"model_type": "bert", "hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2}
CHUNK_EDGE = 2e-5
"""Padding of causal convolutions that the counter counts and no kernel computes."""


ROUNDING = 1e6
"""Published to a thousandth of 1e9 multiply-adds, two FLOPs each. [flop]"""


def name_of(row):
    return row["config"]


def ledger(name, **inputs):
    return model_ledger(CONFIGS_READ[name], **inputs)


def length(row):
    return int(row["seq_len"]) if row["seq_len"] else None


@over(ROWS, name_of)
def test_parameters_equal_those_of_the_reference_model(row):
    assert ledger(row["config"]).params_total == int(row["params_total"])


@over(COUNTED, name_of)
def test_forward_flop_equal_those_of_the_reference_counter(row):
    counted = ledger(row["config"], seq_len=length(row)).forward_flop
    assert counted == pytest.approx(int(row["forward_flop"]), rel=CHUNK_EDGE)


@over(TRAINED, name_of)
def test_training_flop_equal_those_of_the_corrected_counter(row):
    """Gradients of what has no parameters, as masks and sines, are counted on one side only."""
    counted = ledger(row["config"], seq_len=length(row)).training_flop
    assert counted == pytest.approx(int(row["training_flop"]), rel=2e-3)


@over(ROWS, name_of)
def test_arrays_equal_a_loop_over_scalars(row):
    of_text, config = row["seq_len"] != "", CONFIGS_READ[row["config"]]
    lengths = [16_000, 24_000] if row["seq_len"] == "16000" else [32, 64]
    field, sizes = ("seq_len", lengths) if of_text else ("image_size", [128, 224])
    batches = np.array([[1.0], [3.0]])
    if of_one_size(config, field):
        table = model_ledger(config, batch=batches).training_flop
        assert table[1] == model_ledger(config, batch=3).training_flop
        return
    table = model_ledger(config, batch=batches, **{field: np.array(sizes)}).training_flop
    alone = model_ledger(config, batch=3, **{field: sizes[1]}).training_flop
    assert np.broadcast_to(table, (2, 2))[1, 1] == alone


def of_one_size(config, field):
    """Whether a network is compiled for its usual length or image alone."""
    name = config.get("model_type", config.get("_class_name"))
    compiled = compiled_rows(name) if name in compiled_types() else ()
    return any(field in line.get("fixed", ()) for line in compiled)


@over(ROWS, name_of)
def test_laws_of_a_ledger(row):
    once, causal = ledger(row["config"]), ledger(row["config"], causal=True)
    assert 0 < once.params_active <= once.params_total
    assert type(once.params_total) is int
    assert 0 <= once.params_embedding < once.params_total
    assert 2 < once.training_flop / once.forward_flop <= 3
    assert causal.forward_flop <= once.forward_flop
    assert once.warnings == ()
    assert np.all(np.asarray(once.items) > 0)
    assert once.item_unit in ITEM_UNITS


def test_every_family_has_a_golden_config():
    configs = [*CONFIGS_READ.values(), *(row["config"] for row in SMALL_ROWS)]
    read = {config.get("model_type", config.get("_class_name")) for config in configs}
    decoders = {
        json.loads(path.read_text())["model_type"] for path in (GOLDEN / "configs").glob("*.json")
    }
    remote = json.loads((GOLDEN / "remote_code.json").read_text()).values()
    published = {entry["config"]["model_type"] for entry in remote}
    inside = {"kimi_k2", "qwen2_5_omni", "qwen3_omni_moe", "molmo2_text"}  # of others
    inside |= {"mistral_large4_text", "muse_glimmer_text", "hunyuan_vl_text"}
    inside |= {"voxtral_realtime_text", "step3p5", "minimax_m3_vl_text"}
    inside |= {"jina_bert", "safety_checker"}  # below
    assert read | decoders | published | inside >= {*FAMILIES, *CLASSES, *compiled_types()}


def test_idle_experts_of_longcat_flash_hold_and_cost_nothing():
    """arXiv:2509.01322, sec. 1: 560B parameters, 27B active on average, 18.6B to 31.3B."""
    built = model_ledger({"model_type": "longcat_flash"})
    assert built.params_total == ledger("longcat-flash-all-busy").params_total + 28 * 256 * 6144
    assert built.params_active / 1e9 == pytest.approx(27, rel=0.04)


def test_a_safety_checker_is_a_tower_without_its_text():
    """Parameters of diffusers' StableDiffusionSafetyChecker, built by diffusers 0.42."""
    tower = {"hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16}
    tower |= {"num_hidden_layers": 24, "patch_size": 14, "projection_dim": 512}
    config = {"model_type": "clip", "architectures": ["StableDiffusionSafetyChecker"]}
    read = model_ledger({**config, "projection_dim": 768, "vision_config": tower})
    assert read.params_total == 303_981_588
    assert read.warnings == ()


def test_mosaic_bert_calls_itself_bert_and_has_gated_layers():
    """MosaicBERT-base (arXiv:2312.17482): 137 million parameters."""
    named = {"model_type": "bert", "architectures": ["BertForMaskedLM"], "vocab_size": 30528}
    read = model_ledger({**named, "alibi_starting_size": 512})
    assert read.params_total == pytest.approx(137e6, rel=5e-3)
    assert read.warnings == ()
    assert "embedding/position" not in read.terms


def test_the_oldest_configs_are_known_by_their_keys():
    sizes = {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072}
    bert = model_ledger({**sizes, "type_vocab_size": 2, "vocab_size": 30522})
    assert bert.params_total == 109_482_240  # bert-base-uncased, pooler and all
    gpt2 = model_ledger({"n_embd": 768, "n_layer": 12, "n_head": 12, "n_ctx": 1024})
    assert gpt2.params_total == 124_439_808
    assert gpt2.warnings == ("model_type is missing: read as gpt2 by its keys",)
    with pytest.raises(ValueError, match="model_type is missing: a config"):
        model_ledger({**sizes, "type_vocab_size": 2, "embedding_size": 128})


def test_jina_bert_calls_itself_bert_and_holds_what_its_weights_hold():
    """Parameters of jina-embeddings-v2-base-en as published with the weights."""
    sizes = {"vocab_size": 30528, "max_position_embeddings": 8192, "hidden_size": 768}
    named = {"model_type": "bert", "architectures": ["JinaBertForMaskedLM"]}
    read = model_ledger({**named, **sizes, "feed_forward_type": "geglu"})
    assert (read.params_total, read.warnings) == (137_368_320, ())


def test_a_type_has_one_reader():
    with pytest.raises(ValueError, match="bert already has a reader"):
        family("bert")(lambda fields: None)
    assert len({*FAMILIES, *compiled_types()}) >= 240


@pytest.mark.parametrize(
    ("name", "params", "multiply_adds"),
    [  # pytorch.org/vision: weights' meta data
        ("alexnet", 61_100_840, 0.714e9),
        ("vgg16", 138_357_544, 15.47e9),
        ("vgg19_bn", 143_678_248, 19.63e9),
        ("densenet121", 7_978_856, 2.83e9),
        ("resnet18", 11_689_512, 1.81e9),
        ("resnet50", 25_557_032, 4.09e9),
        ("resnext50_32x4d", 25_028_904, 4.23e9),
        ("wide_resnet50_2", 68_883_240, 11.4e9),
        ("mobilenet_v2", 3_504_872, 0.301e9),
        ("mobilenet_v3_large", 5_483_032, 0.217e9),
        ("mobilenet_v3_small", 2_542_856, 0.057e9),
        ("efficientnet_b0", 5_288_548, 0.386e9),
        ("efficientnet_b7", 66_347_960, 37.75e9),
        ("convnext_base", 88_591_464, 15.36e9),
        ("swin_t", 28_288_354, 4.49e9),
        ("regnet_y_400mf", 4_344_144, 0.402e9),
        ("regnet_y_3_2gf", 19_436_338, 3.176e9),
        ("regnet_y_16gf", 83_590_140, 15.912e9),
        ("regnet_x_3_2gf", 15_296_552, 3.177e9),
        ("vit_b_16", 86_567_656, 17.56e9),
        ("vit_h_14", 632_045_800, 167.29e9),
    ],
)
def test_networks_by_name_are_as_torchvision_publishes_them(name, params, multiply_adds):
    built = named_architecture(name).ledger(Inputs())
    assert built.params_total == params
    tolerance = 0.07 if name == "efficientnet_b7" else 5e-3
    assert built.forward_flop == pytest.approx(2 * multiply_adds, rel=tolerance, abs=ROUNDING)


@over([*named_networks()])
def test_every_name_builds_and_its_first_layer_has_no_input_gradient(name):
    built = named_architecture(name, classes=10).ledger(Inputs(batch=2))
    assert 2.89 < built.training_flop / built.forward_flop < 3


def test_the_command_takes_names_files_and_presets(capsys):
    def answer(*words):
        assert main(["model", *words, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    by_name, preset = answer("resnet50", "--batch", "4"), answer("resnet-50", "--batch", "4")
    assert by_name["params_total"] == preset["params_total"] == 25_557_032
    assert by_name["forward_flop"] == preset["forward_flop"] == 4 * 8178368512
    path = GOLDEN / "networks" / "whisper-base.json"
    assert answer(str(path))["params_total"] == 72_593_920
    assert answer("vgg16", "--image-size", "64")["training_flop"] > 0


def test_names_are_read_without_case_separators_and_tags():
    assert is_named("ResNet-50") and is_named("vit_base_patch16_224.augreg_in21k")
    assert not is_named("gpt-3") and not is_named("")
    with pytest.raises(ValueError, match="unknown architecture 'resnet51'; known: resnet50"):
        named_architecture("resnet51")
    with pytest.raises(ValueError, match="known: alexnet") as refusal:
        named_architecture("zzz")
    assert len(str(refusal.value)) < 600
    with pytest.raises(ValueError, match="num_classes must be an integer of at least 0, got -1"):
        named_architecture("resnet50", classes=-1)


def test_a_config_of_timm_is_read_by_the_architecture_it_names():
    config = {"architecture": "resnet50", "num_classes": 10}
    assert model_ledger(config).params_total == 25_557_032 - 990 * 2049
    trunk = model_ledger({**config, "num_classes": 0})
    assert trunk.params_total == 25_557_032 - 1000 * 2049


@pytest.mark.parametrize(
    ("name", "params", "flop", "side"),
    [
        ("resnet50d", 25_576_264, 8657649664, 224),
        ("seresnext50_32x4d", 27_559_896, 8465989632, 224),
        ("seresnet152d", 66_841_080, 30714314752, 256),
        ("efficientnetv2_s", 21_458_488, 9415646080, 288),
        ("tf_efficientnetv2_m", 54_139_356, 31473551360, 384),
        ("tf_efficientnetv2_xl", 208_119_808, 105058508800, 384),
        ("convnext_nano", 15_593_560, 4891056640, 224),
        ("swinv2_tiny_window8_256", 28_347_154, 11879380992, 256),
        ("swinv2_base_window12_192", 109_280_841, 23755204608, 192),
        ("pvt_v2_b2", 25_362_856, 8053469184, 224),
        ("mobilevitv2_150", 10_594_753, 8084975616, 256),
        ("mobilenetv2_050", 1_968_680, 194263680, 224),
        ("focalnet_small_lrf", 50_342_440, 17430420480, 224),
        ("poolformer_m36", 56_172_520, 17517576192, 224),
        ("vit_base_patch16_clip_224", 86_568_424, 35127656448, 224),
        ("vit_base_patch32_clip_256", 87_861_248, 11500032000, 256),
        ("vit_so400m_patch14_siglip_384", 428_225_600, 670346449920, 384),
        ("vit_small_patch14_dinov2", 22_056_192, 93393478656, 518),
        ("vit_giant_patch14_dinov2", 1_136_479_232, 3566685917184, 518),
        ("vit_base_patch16_dinov3", 85_641_216, 47149092864, 256),
        ("vit_large_patch16_dinov3_qkvb", 303_128_576, 164737941504, 256),
        ("beit_large_patch16_384", 304_998_888, 382132600832, 384),
        ("regnety_160", 83_590_140, 31823020544, 224),
        ("regnetx_080", 39_572_648, 15990264832, 224),
        ("tf_efficientnet_b0", 5_288_548, 771629504, 224),
    ],
)
def test_networks_of_timm_count_as_timm_builds_them(name, params, flop, side):
    """Parameters of timm 1.0.31, FLOPs of PyTorch 2.13 on the meta device."""
    config = {"architecture": name, "pretrained_cfg": {"input_size": [3, side, side]}}
    built = model_ledger(config)
    assert built.params_total == params
    assert built.forward_flop == pytest.approx(flop, rel=1e-3)


def test_albert_holds_its_layer_once_and_runs_it_twelve_times():
    shared = ledger("albert-base-v2")
    assert shared.terms["mlp/up"].params == 768 * 3072 + 3072
    assert shared.terms["mlp/up"].flop == 12 * 2 * 768 * 3072 * 512


def test_causality_and_windows_touch_what_is_masked_only():
    assert ledger("bert-base-uncased", causal=True) == ledger("bert-base-uncased")
    full, causal = ledger("t5-3b"), ledger("t5-3b", causal=True)
    halved = [part for part in full.terms if full.terms[part] != causal.terms[part]]
    assert halved == ["decoder/attention/scores", "decoder/attention/reduce"]
    assert causal.terms[halved[0]].flop == full.terms[halved[0]].flop / 2
    wide, narrow = (ledger("modernbert-base", windowed=flag) for flag in (False, True))
    assert wide.terms["attention/scores"].flop > 2 * narrow.terms["attention/scores"].flop


def test_the_head_of_flan_t5_is_its_own_and_that_of_t5_is_not():
    assert ledger("flan-t5-base").params_total == 247_577_856  # its published checkpoint
    tied = {**CONFIGS_READ["flan-t5-base"], "tie_word_embeddings": True}
    assert 247_577_856 - model_ledger(tied).params_total == 32128 * 768


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("bert-base-uncased", 512),
        ("roberta-base", 512),
        ("t5-11b", 1024),
        ("bart-base", 2048),
        ("whisper-base", 1500 + 448),
        ("wav2vec2-base", 499),  # ten seconds
        ("vit-base-p16-224", 197),
        ("deit-base-distilled", 198),
        ("resnet-18", 1),
        ("swin-tiny", 56 * 56),
        ("clip-vit-base-p32", 77 + 50),
        ("llava-1.5-7b", 2048),
        ("mamba-130m", 2048),
        ("sd1-unet", 1),
        ("dit-xl-2", 256),
    ],
)
def test_default_inputs(name, tokens):
    assert ledger(name).items == tokens


def test_a_decoder_with_a_cross_attention_caches_its_own_keys_and_values():
    assert ledger("whisper-base").kv_cache_bytes_per_token() == 6 * 2 * 512 * 2
    assert ledger("llava-1.5-7b").kv_cache_bytes_per_token() == 32 * 2 * 4096 * 2
    assert ledger("mamba-130m").kv_cache_bytes_per_token() == 0


def test_a_sequence_beyond_the_model_is_warned_about():
    (warning,) = ledger("bert-base-uncased", seq_len=1024).warnings
    assert warning == "seq_len 1024 is beyond the model's 512 positions"


def test_an_unknown_head_is_warned_about():
    read = model_ledger({**BERT, "architectures": ["BertForPoetry"]})
    assert read.warnings == ("the head of BertForPoetry is not counted",)


def test_a_null_type_of_a_part_reads_as_absent():
    config, part = LLAVA, "vision_config"
    null, absent = (dict(config[part]) for _ in range(2))
    null["model_type"] = None
    del absent["model_type"]
    ledgers = [architecture({**config, part: one}).ledger(Inputs()) for one in (null, absent)]
    assert ledgers[0] == ledgers[1]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({**BERT, "num_attention_heads": 5}, "num_attention_heads must divide hidden_size = 64"),
        ({**BERT, "hidden_size": -1}, "hidden_size must be a positive integer"),
        ({"model_type": "t5", "num_layers": "6"}, "num_layers must be a positive integer"),
        ({"model_type": "resnet", "depths": [3, 4]}, "depths must have 4 items, one per stage"),
        ({"model_type": "resnet", "depths": 3}, "depths must be a list"),
        ({"model_type": "dinov2", "image_size": [9, 8]}, "image_size must be a positive integer"),
        ({"model_type": "swin", "mlp_ratio": "4"}, "mlp_ratio must be a positive number"),
        ({"model_type": "convnext", "layer_scale_init_value": "x"}, "value must be a number, got"),
        ({"model_type": "mamba2", "hidden_size": 64}, r"num_heads \* head_dim must be"),
        ({**INTERNVL, "downsample_ratio": "a"}, "downsample_ratio must be a positive number"),
        ({**INTERNVL, "downsample_ratio": 7}, "downsample_ratio must be at most 1, got 7"),
        (
            {
                "model_type": "llama4",
                "vision_config": {"pixel_shuffle_ratio": 7},
                "text_config": {"model_type": "llama4_text"},
            },
            "vision_config.pixel_shuffle_ratio must be at most 1, got 7",
        ),
        ({"model_type": "clip", "text_config": {"hidden_size": 0}}, "text_config.hidden_size"),
        (
            {"model_type": "llava", "vision_config": {"model_type": "x"}},
            "model_type 'x' is not supported; supported: clip_vision_model",
        ),
        ({"model_type": "deberta-v2", "position_buckets": "x"}, "position_buckets must be an int"),
        (
            {"_class_name": "UNet2DConditionModel", "down_block_types": ["A", "B", "C", "D"]},
            "down_block_types 'A' is not supported; supported: CrossAttnDownBlock2D",
        ),
    ],
)
def test_a_bad_config_is_refused_by_key(config, message):
    with pytest.raises(ValueError, match=message) as refusal:
        architecture(config)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("bad", [0, -1, float("nan"), float("inf")])
def test_a_bad_quantity_is_refused(bad):
    with pytest.raises(ValueError, match="image_size must be positive and finite"):
        ledger("resnet-18", image_size=bad)
    with pytest.raises(ValueError, match="batch must be positive and finite"):
        ledger("wav2vec2-base", batch=bad)
    with pytest.raises(ValueError, match="seq_len must be positive and finite"):
        ledger("t5-3b", seq_len=bad)


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("wav2vec2-base", {"seq_len": 100}),
        ("vit-base-p16-224", {"image_size": 8}),
        ("dit-xl-2", {"image_size": 1}),
    ],
)
def test_an_input_too_small_to_pass_is_refused(name, inputs):
    with pytest.raises(ValueError, match="the input is too small for the network"):
        ledger(name, **inputs)


def test_the_cache_of_jamba_at_256k_tokens_is_the_published_4_gb():
    """A. Lieber et al., "Jamba", 2024, arXiv:2403.19887, table 1."""
    found = ledger("jamba-v0.1")
    assert found.kv_cache_bytes_per_token() * 2**18 == 4 * 2**30


def test_a_recurrent_state_does_not_grow_with_the_sequence():
    mamba = ledger("mamba-130m")
    assert mamba.kv_cache_bytes_per_token() == 0
    assert mamba.kv_cache_bytes(10) == mamba.kv_cache_bytes(10_000) == mamba.state_bytes()
    assert mamba.state_bytes() == 24 * 1536 * (16 + 4) * 2
    assert mamba.kv_cache_bytes(10, batch=3) == 3 * mamba.state_bytes()


def test_a_hybrid_caches_tokens_in_its_attention_layers_and_states_in_the_others():
    found = ledger("bamba-9b")
    per_token, state = found.kv_cache_bytes_per_token(), found.state_bytes()
    assert per_token == 3 * 2 * 8 * 128 * 2
    assert state == 29 * (8192 * 128 + (8192 + 2 * 128) * 4) * 2
    assert found.kv_cache_bytes(1000) == 1000 * per_token + state


def test_the_shared_block_of_zamba2_is_held_once_and_cached_at_each_of_its_places():
    found = ledger("zamba2-2.7b")
    assert found.kv_cache_bytes_per_token() == 9 * 2 * 32 * 160 * 2


def test_an_image_size_is_refused_where_no_image_is_seen(capsys):
    text, sight = (str(GOLDEN / "networks" / f"{n}.json") for n in ("bert-base-mlm", "resnet-18"))
    assert main(["model", text, "--image-size", "384"]) == 1
    assert "--image-size applies to models that see" in capsys.readouterr().err
    assert main(["model", sight, "--image-size", "384"]) == 0


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("gemma-3n-e4b-text", 20 * 2 * 2 * 256),
        ("gemma-4-e2b-text", 12 * 2 * 256 + 3 * 2 * 512),
        ("gemma-4-31b-text", 50 * 2 * 16 * 256 + 10 * 2 * 4 * 512),
        ("minimax-text-01", 10 * 2 * 8 * 128),
        ("llama-3.2-11b-vision", 32 * 2 * 8 * 128),
    ],
)
def test_layers_without_keys_of_their_own_keep_none(name, values):
    path = Path(__file__).parents[1] / "golden" / "networks" / f"{name}.json"
    ledger = model_ledger(json.loads(path.read_text()))
    assert ledger.kv_cache_bytes_per_token(1) == values


@pytest.mark.parametrize(
    ("model_type", "class_name", "params"),
    [  # transformers 5.23 on its default configs
        ("unispeech", "UniSpeechForPreTraining", 95_106_640),
        ("unispeech-sat", "UniSpeechSatForPreTraining", 95_535_872),
        ("big_bird", "BigBirdForQuestionAnswering", 131_603_714),
    ],
)
def test_heads_beyond_the_golden_ones_are_those_of_the_reference(model_type, class_name, params):
    built = model_ledger({"model_type": model_type, "architectures": [class_name]})
    assert (built.params_total, built.warnings) == (params, ())


def test_what_a_ledger_leaves_out_is_said():
    backbone = {"model_type": "swin", "architectures": ["SwinBackbone"]}
    assert "another class of its family" in model_ledger(backbone).warnings[0]
    prompted = {"model_type": "mvp", "architectures": ["MvpModel"], "use_prompt": True}
    assert "prompts" in model_ledger(prompted).warnings[0]
    masks = {"model_type": "clipseg", "architectures": ["CLIPSegForImageSegmentation"]}
    assert "decoder" in model_ledger(masks).warnings[0]


def test_attention_that_is_not_known_is_refused():
    with pytest.raises(ValueError, match="encoder_attention_type 'sparse' is not supported"):
        model_ledger({"model_type": "longt5", "encoder_attention_type": "sparse"})


@over(ROWS, name_of)
def test_what_passes_as_images_or_frames_is_not_taken_for_language(row):
    once = ledger(row["config"])
    work, _ = configured_kind(once.model_type, sparse=False)
    if once.item_unit != "token":
        assert work in ("vision", "speech", "diffusion")
    if row["seq_len"] == "" or takes(architecture(CONFIGS_READ[row["config"]]), "image_size"):
        assert work != "language"


LLAVA = CONFIGS_READ["llava-1.5-7b"]
DECODERS = {
    path.stem: json.loads(path.read_text()) for path in sorted((GOLDEN / "configs").glob("*.json"))
}


@over([n for n, c in DECODERS.items() if "text_config" not in c])
def test_a_wrapper_takes_every_decoder(name):
    inner = {**DECODERS[name], "architectures": None}
    alone = model_ledger(inner, seq_len=64)
    whole = model_ledger({**LLAVA, "text_config": inner}, seq_len=64)
    assert whole.params_total > alone.params_total - alone.params_embedding
    assert whole.kv_cache_bytes(64) == alone.kv_cache_bytes(64)


def test_a_wrapper_refuses_what_is_no_decoder():
    with pytest.raises(ValueError, match=r"model_type 'bert' is not supported inside"):
        model_ledger({**LLAVA, "text_config": BERT})


def test_layers_of_led_may_have_windows_of_several_widths():
    config = CONFIGS_READ["led-large"]
    layers = config["encoder_layers"]
    mixed = [512] * (layers // 2) + [1024] * (layers - layers // 2)
    narrow, both, wide = (
        model_ledger({**config, "attention_window": widths}, seq_len=4096).forward_flop
        for widths in (512, mixed, 1024)
    )
    assert narrow < both < wide
    assert both == pytest.approx((narrow + wide) / 2, rel=1e-12)


def test_an_encoder_of_sound_under_a_classifier_keeps_no_cache():
    config = {**CONFIGS_READ["whisper-base"], "architectures": ["WhisperForAudioClassification"]}
    assert model_ledger(config).cache == ()


TEXT = {"hidden_size": 64, "intermediate_size": 96, "vocab_size": 503, "num_hidden_layers": 2}
SIGHT = {
    **{"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2},
    **{"num_attention_heads": 2, "image_size": 56, "patch_size": 14},
}
SOUND = {
    **{"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4},
    **{"intermediate_size": 128, "add_adapter": True},
}
UNTIED = {
    **{"vocab_size": 503, "d_model": 32, "encoder_layers": 1, "decoder_layers": 2},
    **{"encoder_ffn_dim": 96, "decoder_ffn_dim": 96, "encoder_attention_heads": 2},
    **{"decoder_attention_heads": 2, "tie_word_embeddings": False},
}


SMALL = [
    (
        {
            "model_type": "gemma3",
            "architectures": ["Gemma3ForConditionalGeneration"],
            "text_config": {**TEXT, "model_type": "gemma3_text"},
            "vision_config": SIGHT,
        },
        904192,
    ),
    (
        {
            "model_type": "llava",
            "architectures": ["LlavaForConditionalGeneration"],
            "text_config": {"model_type": "llama", "vocab_size": 503},
            "vision_config": {**SIGHT, "model_type": "clip_vision_model"},
        },
        6497345280,
    ),
    (
        {
            "model_type": "mistral3",
            "architectures": ["Mistral3ForConditionalGeneration"],
            "text_config": {**TEXT, "model_type": "mistral"},
            "vision_config": {**SIGHT, "model_type": "pixtral", "head_dim": 64},
            "tie_word_embeddings": False,
        },
        171776,
    ),
    (
        {
            "model_type": "paligemma",
            "architectures": ["PaliGemmaForConditionalGeneration"],
            "text_config": {**TEXT, "model_type": "gemma"},
            "vision_config": {**SIGHT, "model_type": "siglip_vision_model"},
            "projection_dim": 64,
        },
        2213664,
    ),
    (
        {
            "model_type": "qwen2_5_vl",
            "architectures": ["Qwen2_5_VLForConditionalGeneration"],
            "text_config": {"vocab_size": 503, "num_hidden_layers": 1},
            "vision_config": {"depth": 1},
        },
        1235255480,
    ),
    (
        {
            "model_type": "falcon_mamba",
            "architectures": ["FalconMambaForCausalLM"],
            "hidden_size": 64,
            "intermediate_size": 96,
            "num_hidden_layers": 2,
            "expand": 16,
        },
        3267072,
    ),
    ({"model_type": "wavlm", "architectures": ["WavLMForCTC"], **SOUND}, 4412152),
    (
        {
            "model_type": "wav2vec2-bert",
            "architectures": ["Wav2Vec2BertModel"],
            **SOUND,
            "use_intermediate_ffn_before_adapter": True,
        },
        242272,
    ),
    ({"model_type": "wav2vec2", "architectures": ["Wav2Vec2ForXVector"], **SOUND}, 10159260),
    ({"model_type": "led", "architectures": ["LEDForConditionalGeneration"], **UNTIED}, 665184),
    (
        {
            "model_type": "bigbird_pegasus",
            "architectures": ["BigBirdPegasusForConditionalGeneration"],
            **UNTIED,
        },
        366464,
    ),
    (
        {
            "model_type": "pegasus_x",
            "architectures": ["PegasusXForConditionalGeneration"],
            **UNTIED,
        },
        105408,
    ),
    (
        {
            "model_type": "jais2",
            "architectures": ["Jais2ForCausalLM"],
            **TEXT,
            "num_attention_heads": 4,
        },
        123200,
    ),
]


@pytest.mark.parametrize(("config", "params"), SMALL)
def test_odd_configs_count_as_transformers_builds_them(config, params):
    """Numbers of transformers 5.23, from what it builds on the meta device."""
    assert model_ledger(config).params_total == params


SMALL_ROWS = json.loads((GOLDEN / "small_networks.json").read_text())


def small_name(row):
    """Type and class of a row."""
    config = row["config"]
    return config.get("_class_name") or f"{config['model_type']} {config['architectures'][0]}"


@over(SMALL_ROWS, small_name)
def test_laws_of_a_small_ledger(row):
    once = model_ledger(row["config"])
    assert 0 < once.params_active <= once.params_total
    assert type(once.params_total) is int
    assert 0 <= once.params_embedding < once.params_total
    assert 2 < once.training_flop / once.forward_flop <= 3
    assert np.all(np.asarray(once.items) > 0)
    small, large = model_ledger(row["config"], batch=2), model_ledger(row["config"], batch=[2, 4])
    assert np.ravel(large.forward_flop)[0] == small.forward_flop > once.forward_flop


@over(SMALL_ROWS, small_name)
def test_small_networks_count_as_transformers_builds_them(row):
    """Parameters of transformers 5.23 or diffusers 0.42, FLOPs of PyTorch 2.13 where it counts.

    Of CSM and Moshi those of a pass of the trunk and of one of the small decoder at each step. An
    untied T5 behind BLIP-2 has the head that its weights bring, which transformers 5 ties.
    """
    built = model_ledger(row["config"], seq_len=row["seq_len"], image_size=row.get("image_size"))
    assert built.params_total == row["params_total"]
    if row["forward_flop"] is not None:
        assert built.forward_flop == pytest.approx(row["forward_flop"], rel=1e-3)


def test_swin_v2_over_an_image_without_a_window_in_the_last_stage_is_refused():
    small = {**CONFIGS_READ["swinv2-tiny"], "image_size": [1, 2]}
    with pytest.raises(ValueError, match="image_size must be an integer of at least 32, got 1"):
        model_ledger(small)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"model_type": "dinov3_convnext", "depths": [10**8, 3, 3, 3]},
            r"depths\[0\] must be at most 10000, got 100000000",
        ),
        (
            {"model_type": "resnet", "depths": [3, 9000, 900, 98]},
            "depths must be at most 10000 in total, got 10001",
        ),
        ({"model_type": "swin", "depths": [10**8]}, r"depths\[0\] must be at most 10000"),
        ({"model_type": "convnext", "depths": [2, 2, 10**8, 2]}, r"depths\[2\] must be at most"),
        (
            {"model_type": "efficientnet", "num_block_repeats": [10**8] + [1] * 6},
            r"num_block_repeats\[0\] must be at most 10000",
        ),
        (
            {"model_type": "efficientnet", "depth_coefficient": 1e5},
            r"num_block_repeats \* depth_coefficient must be at most 10000 in total, got 1600000",
        ),
        (
            {**CONFIGS_READ["ddpm-cifar10-32"], "layers_per_block": 10**8},
            "layers_per_block must be at most 2500, got 100000000",
        ),
        (
            {**CONFIGS_READ["sd1-unet"], "layers_per_block": [2, 2, 2, 10**8]},
            r"layers_per_block\[3\] must be at most 10000, got 100000000",
        ),
        ({"_class_name": "AutoencoderKL", "layers_per_block": 10**8}, "layers_per_block must be"),
        (
            {**CONFIGS_READ["sd1-unet"], "block_out_channels": []},
            "block_out_channels must have at least 1 item, one per stage, got 0",
        ),
        (
            {"_class_name": "UNet2DConditionModel", "block_out_channels": [320] * 5},
            "down_block_types must have 5 items, one per stage, but defaults to 4: specify it",
        ),
        (
            {"_class_name": "UNet2DModel", "up_block_types": ["UpBlock2D"]},
            "up_block_types must have 4 items, one per stage, got 1",
        ),
        (
            {"_class_name": "AutoencoderKL", "block_out_channels": [64] * 101},
            "block_out_channels must have at most 100 items, got 101",
        ),
        ({"model_type": "swin", "depths": []}, "depths must have at least 1 item"),
        ({"model_type": "resnet", "hidden_sizes": []}, "hidden_sizes must have at least 1 item"),
    ],
)
def test_a_list_too_short_or_too_long_or_of_too_many_layers_is_refused_by_key(config, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        architecture(config)


def test_thousands_of_layers_in_a_list_are_added_up():
    three, four, thousand = (
        model_ledger({"model_type": "resnet", "depths": [first, 4, 6, 3]}).params_total
        for first in (3, 4, 1000)
    )
    assert thousand - three == 997 * (four - three) > 0


@over([name for name, config in CONFIGS_READ.items() if "text_config" in config])
def test_a_wrapper_inside_a_wrapper_is_refused_as_one(name):
    inner = CONFIGS_READ[name]
    kind = inner["model_type"]
    if not ledger(name).cache:  # two towers side by side
        return
    with pytest.raises(ValueError, match="is itself a multimodal model") as refusal:
        architecture({**LLAVA, "text_config": inner})
    assert str(refusal.value) == (
        f"text_config.model_type {kind!r} is itself a multimodal model, not a language model"
    )


@pytest.mark.parametrize("kind", ["gemma3", "llava"])
def test_a_wrapper_inside_itself_is_refused_in_one_short_line(kind):
    config = {}
    for depth in range(400):
        config = {"model_type": kind, "text_config": config}
        if depth in (1, 2, 15, 399):
            with pytest.raises(ValueError, match=r"^text_config.model_type|^the config is") as said:
                architecture(config)
            assert len(str(said.value)) < 120


def test_a_config_nested_beyond_any_is_refused():
    part = Fields({})
    with pytest.raises(ValueError, match=r"^the config is nested more than 20 levels deep"):
        for _ in range(400):
            part = part.with_values({"encoder": {}}).part("encoder")


CHATGLM = json.loads((GOLDEN / "remote_code.json").read_text())["chatglm3-6b"]["config"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"model_type": "clip", "vision_config": {"num_attention_heads": 5}},
            "vision_config.num_attention_heads must divide .* = 768, got 5",
        ),
        (
            {"model_type": "bart", "hidden_size": 1000},
            "encoder_attention_heads must divide hidden_size = 1000, but defaults to 16",
        ),
        (
            {"model_type": "whisper", "d_model": 100, "decoder_attention_heads": 6},
            "encoder_attention_heads must divide d_model = 100",
        ),
        (
            {**CONFIGS_READ["nemotron-h-8b"], "layers_block_type": ["foo"]},
            "layers_block_type 'foo' is not supported; supported: mamba, moe, attention, mlp",
        ),
        (
            {**CONFIGS_READ["qwen3-next-80b-a3b"], "layer_types": ["full_attention"]},
            "layer_types must have 48 items, one per layer, got 1",
        ),
        (
            {**CONFIGS_READ["lfm2-1.2b"], "layer_types": ["conv"] * 10_001},
            "layer_types must have at most 10000 items",
        ),
        ({**CHATGLM, "num_layers": 20_000}, "num_layers must be at most 10000, got 20000"),
        ({**CHATGLM, "padded_vocab_size": "a"}, "padded_vocab_size must be a positive integer"),
        (
            {"model_type": "internvl_chat", "llm_config": {"hidden_size": -1}},
            "llm_config.hidden_size must be a positive integer, got -1",
        ),
        ({"model_type": "internvl_chat"}, "llm_config is missing from the config"),
        ({"model_type": "qwen2_vl", "hidden_size": -1}, "hidden_size must be a positive integer"),
        ({"model_type": "qwen2_vl"}, "text_config is missing from the config"),
    ],
)
def test_a_bad_size_is_named_as_the_config_states_it(config, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        architecture(config)


def test_networks_in_numpy_are_a_family_of_their_own():
    kinds = [network_kind("other", arch) for arch in ("MLP", "MLP in numpy", "numpy LSTM")]
    assert [kind.family for kind in kinds] == ["perceptron", "perceptron in numpy", "lstm in numpy"]
    assert kinds[0].group == kinds[1].group
    assert network_kind("language", "decoder in numpy").family == "in numpy"


def test_an_autoencoder_is_classified_by_its_layers():
    """Its name holds that of an encoder."""
    plain, deep = (
        network_kind("other", "MLP autoencoder"),
        network_kind("vision", "CNN autoencoder"),
    )
    assert (plain.group, plain.family) == ("other", "perceptron")
    assert deep.group == "convolution"
    assert network_kind("vision", "masked autoencoder").group == "transformer"


def test_a_config_with_high_and_wide_images_is_counted_by_both_and_square_ones_where_asked():
    small = next(
        row["config"] for row in SMALL_ROWS if row["config"].get("image_size") == [96, 160]
    )
    square = {**small, "image_size": [96, 96]}
    asked = model_ledger(small, image_size=96.0)
    assert asked.forward_flop == model_ledger(square).forward_flop
    assert (
        asked.params_total == model_ledger(small).params_total > model_ledger(square).params_total
    )
