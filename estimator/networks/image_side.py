"""Image size that a network sees; for diffusion networks, the size of the latents."""

from collections.abc import Mapping
from typing import Any

LATENT_SIDE = 8.0
"""Pixels of an image per side of a latent, in Stable Diffusion and most others [pixel]."""

LATENT_SIDES: Mapping[float, tuple[str, ...]] = {
    1.0: ("UNet2DModel", "Autoencoder", "AsymmetricAutoencoder", "VQModel"),
    16.0: ("Flux", "Qwen", "Chroma", "Bria", "LongCatImage", "OvisImage", "HunyuanVideo15"),
    32.0: ("LTX", "Sana"),
}
"""The same of the others -> beginnings of their classes in diffusers: what sees the pixels
themselves, or latents in squares of two by two, or those of a deeper codec [pixel]."""

CASCADE_SIDES = (4.0, 1024.0 / 24.0)
"""The same of the stages of Stable Cascade that see no image, and that see one [pixel]."""

SIZES = ('"image_size"', '"sample_size"', '"input_size"')
"""Keys of a config that tell the size of its images."""


def side_seen(config: Mapping[str, Any], pixels: float) -> float:
    """Side that the network of a config sees of an image of so many pixels on a side.

    >>> side_seen({"_class_name": "UNet2DConditionModel"}, 1024.0), side_seen({}, 224.0)
    (128.0, 224.0)
    """
    name = str(config.get("_class_name", ""))
    if name == "StableCascadeUNet":
        return pixels / CASCADE_SIDES[bool(config.get("clip_image_in_channels"))]
    known = (side for side, begins in LATENT_SIDES.items() if name.startswith(begins))
    return pixels / next(known, LATENT_SIDE if name else 1.0)


def states_size(config: str) -> bool:
    """Return whether the text of a config states its image size."""
    return any(key in config for key in SIZES)
