"""How large are the images of a config: as given, as the config says, or assumed and said."""

import json

import pytest

from estimator.networks.huggingface import model_ledger
from estimator.networks.image_side import side_seen
from estimator.question.scenario import Scenario
from estimator.question.workload import find_work

RESNET_50 = json.dumps({"model_type": "resnet"})
VIT = json.dumps({"model_type": "vit", "image_size": 224})
GPT_2 = json.dumps({"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12})
UNET = json.dumps({"_class_name": "UNet2DConditionModel", "sample_size": 64})

TRAINING_FLOP = {112.0: 6_396_125_184, 224.0: 24_286_814_208, 448.0: 97_147_183_104}
"""Side -> forward and backward FLOPs of one image in ResNet-50: PyTorch 2.13's FlopCounterMode over
`ResNetForImageClassification` of transformers 5.23."""


def work(catalog, **asked):
    found, notices = find_work(Scenario(hardware="h100", samples=1000.0, **asked), catalog)
    return float(found.workload.training_flop.mid) / 1000.0, {one.code for one in notices}


@pytest.mark.parametrize("side", TRAINING_FLOP)
def test_work_is_that_of_images_of_the_size_given(catalog, side):
    flop, codes = work(catalog, config=RESNET_50, image_size=side)
    assert flop == pytest.approx(TRAINING_FLOP[side], rel=0.002)
    assert "image_size_assumed" not in codes


def test_what_nothing_tells_is_assumed_and_said(catalog):
    flop, codes = work(catalog, config=RESNET_50)
    assert flop == pytest.approx(TRAINING_FLOP[224.0], rel=0.002)
    assert "image_size_assumed" in codes


def test_the_size_in_a_config_stands_until_another_is_given(catalog):
    flop, codes = work(catalog, config=VIT)
    assert "image_size_assumed" not in codes
    assert flop == work(catalog, config=VIT, image_size=224.0)[0]
    assert work(catalog, config=VIT, image_size=384.0)[0] > 2.9 * flop


def test_a_latent_network_takes_the_pixels_of_the_image(catalog):
    """Stable Diffusion's U-Net sees 64 x 64 latents of an image of 512 x 512."""
    flop, _ = work(catalog, config=UNET)
    assert work(catalog, config=UNET, image_size=512.0)[0] == pytest.approx(flop)


def test_a_model_of_text_refuses_a_size_of_images(catalog):
    with pytest.raises(ValueError, match="image_size changes nothing for this model: drop it"):
        work(catalog, config=GPT_2, image_size=224.0)


@pytest.mark.parametrize(
    ("name", "pixels", "tokens"),
    [
        ("FluxTransformer2DModel", 1024.0, 4096),
        ("ChromaTransformer2DModel", 1024.0, 4096),
        ("BriaTransformer2DModel", 1024.0, 4096),
        ("SD3Transformer2DModel", 1024.0, 4096),
        ("SanaTransformer2DModel", 1024.0, 1024),
        ("DiTTransformer2DModel", 512.0, 1024),
    ],
)
def test_pixels_become_the_latent_patches_of_the_paper(name, pixels, tokens):
    """Tokens of a square picture: one per 16 x 16 pixels, per 32 x 32 behind SANA's codec."""
    config = {"_class_name": name}
    assert float(model_ledger(config, image_size=side_seen(config, pixels)).items) == tokens


def test_part_of_a_pixel_is_refused(catalog):
    with pytest.raises(ValueError, match="image_size must be a whole number"):
        work(catalog, config=RESNET_50, image_size=112.5)
