"""Image size seen by a network; for diffusion networks, the size of the latents."""

from collections.abc import Mapping
from typing import Any

LATENT_SIDE = 8.0
"""Image pixels per latent side, in Stable Diffusion and most others [pixel]."""

LATENT_SIDES: Mapping[float, tuple[str, ...]] = {
    1.0: ("UNet2DModel", "Autoencoder", "AsymmetricAutoencoder", "VQModel"),
    16.0: ("Flux", "Qwen", "Chroma", "Bria", "LongCatImage", "OvisImage", "HunyuanVideo15"),
    32.0: ("LTX", "Sana"),
}
"""Pixels per side -> prefixes of other diffusers classes: pixel-space networks, folded latents, or
deeper codecs [pixel].
"""

CASCADE_SIDES = (4.0, 1024.0 / 24.0)
"""Pixels per side of Stable Cascade's stages without and with an image [pixel]."""

SIZES = ('"image_size"', '"sample_size"', '"input_size"')
"""Config keys of the image size."""


def side_seen(config: Mapping[str, Any], pixels: float) -> float:
    """Return the image side that a config's network sees.

    >>> side_seen({"_class_name": "UNet2DConditionModel"}, 1024.0), side_seen({}, 224.0)
    (128.0, 224.0)
    """
    name = str(config.get("_class_name", ""))
    if name == "StableCascadeUNet":
        return pixels / CASCADE_SIDES[bool(config.get("clip_image_in_channels"))]
    known = (side for side, begins in LATENT_SIDES.items() if name.startswith(begins))
    return pixels / next(known, LATENT_SIDE if name else 1.0)


def states_size(config: str) -> bool:
    """Return whether a config's text states its image size."""
    return any(key in config for key in SIZES)
