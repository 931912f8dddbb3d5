import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from estimator.networks.kind_columns import network_kinds, of_each_kind
from estimator.networks.kinds import configured_kind, network_kind, texts_with

TEXTS = st.text(alphabet="aBn\nGcΣİς -", max_size=6)


@given(st.lists(TEXTS, max_size=8), st.sets(st.sampled_from(["n", "gc", "ς", "-"]), max_size=3))
def test_texts_with_words_are_those_that_hold_one_in_small_letters(texts, words):
    known = [text for text in dict.fromkeys(texts) if text]
    holding = [one for one in known if any(word in one.lower() for word in words)]
    assert texts_with(tuple(words), texts) == holding


def test_a_feature_of_each_row_is_that_of_its_kind():
    kinds = network_kinds(["vision", "language"] * 3, ["CNN", "MoE"] * 3, ["", "Mixtral"] * 3)
    assert of_each_kind(kinds, lambda kind: kind.sparse).tolist() == [False, True] * 3
    alike = [network_kind("vision", "CNN")] * 4
    assert of_each_kind(alike, lambda kind: 2.0).tolist() == [2.0] * 4
    none = of_each_kind([], lambda kind: kind.sparse)
    assert np.zeros(0)[none].size == 0, "of no rows it selects none"


def test_networks_that_a_benchmark_does_not_time_are_families_of_their_own():
    assert network_kind("language", "MoE decoder").family == "experts"
    assert network_kind("language", "mixture of experts").sparse
    in_time = network_kind("speech", "WaveNet, dilated 1-D CNN")
    assert (in_time.group, in_time.family) == ("convolution", "convolutions in time")
    assert network_kind("vision", "DenseNet").group == "convolution"
    assert network_kind("vision", "CNN").family == "plain convolutions"


@pytest.mark.parametrize(
    ("arch", "group"),
    [
        ("congruent decoder", "decoder"),
        ("decoder for graph text", "decoder"),
        ("ResNet-50, mammography", "convolution"),
        ("decoder for conversations", "decoder"),
        ("GRU", "recurrent"),
        ("biLSTM", "recurrent"),
        ("equivariant GNN", "other"),
        ("graph neural network", "other"),
        ("RoBERTa", "transformer"),
        ("3D U-Net", "unet"),
    ],
)
def test_words_are_found_as_words_not_inside_others(arch, group):
    assert network_kind("language", arch).group == group


def test_no_type_of_images_or_of_several_media_counts_as_a_language_model():
    kinds = {name: configured_kind(name, sparse=False)[0] for name in ("hgnet_v2", "flava", "eomt")}
    assert kinds == {"hgnet_v2": "vision", "flava": "multimodal", "eomt": "vision"}


def test_a_name_that_decides_a_kind_has_a_stem_by_which_long_tables_find_it():
    names = ["EfficientNet-B0", "MobileNetV2", "MnasNet", "MixNet-S", "QLoRA run", "ResNet-50"]
    kinds = network_kinds(["vision"] * 6, ["CNN"] * 6, names)
    assert list(kinds) == [network_kind("vision", "CNN", name) for name in names]
