"""Which side of an image does a network see: of a diffusion network, that of its latents."""

from collections.abc import Mapping
from typing import Any

LATENT_SIDE = 8.0
"""Pixels of an image per side of a latent, in Stable Diffusion, FLUX and their like [pixel]."""

PACKED = ("Flux", "Qwen")
"""Diffusion networks that get their latents in squares of two by two."""


IN_PIXELS = ("UNet2DModel", "Autoencoder", "AsymmetricAutoencoder", "VQModel")
"""Beginnings of classes of diffusers that see the pixels themselves."""


SIZES = ('"image_size"', '"sample_size"', '"input_size"')
"""Keys of a config that tell the size of its images."""


def side_seen(config: Mapping[str, Any], pixels: float) -> float:
    """Side that the network of a config sees of an image of so many pixels on a side.

    >>> side_seen({"_class_name": "UNet2DConditionModel"}, 1024.0), side_seen({}, 224.0)
    (128.0, 224.0)
    """
    name = str(config.get("_class_name", ""))
    if not name or name.startswith(IN_PIXELS):
        return pixels
    return pixels / LATENT_SIDE / (2.0 if name.startswith(PACKED) else 1.0)


def states_size(config: str) -> bool:
    """Whether the text of a config tells the size of its images."""
    return any(key in config for key in SIZES)
