"""Bytes per weight of served models, by common format names.

llama.cpp's bits per weight include scales: file size over parameters of an 8B model, as in the
documentation of `llama-quantize` (2025-03). Other 4-bit formats include block scales: 16 bits per
128 weights for AWQ and GPTQ, 8 bits per 32 for MXFP4, 8 bits per 16 for NVFP4.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from estimator.core.messages import refuse
from estimator.core.units import BITS_PER_BYTE


@dataclass(frozen=True, kw_only=True)
class WeightFormat:
    """Storage and arithmetic of weights.

    Parameters
    ----------
    name : str
        Name for people.
    bits : float
        Bits per weight in memory, including scales [bit].
    arithmetic : tuple of str
        Device formats that multiply it, preferred one first.
    outer_bits : float
        Bits of weights outside the format, such as all but experts [bit].
    packed_by : str
        "llama.cpp" for its own formats, "" for formats of serving engines.
    """

    name: str
    bits: float
    arithmetic: tuple[str, ...]
    outer_bits: float | None = None
    packed_by: str = ""

    @property
    def nested(self) -> bool:
        """Return whether block scales are nested or values come from a look-up table."""
        return "_K" in self.name or self.name.startswith("IQ")

    @property
    def expert_bytes(self) -> float:
        """Bytes per weight of routed experts [B]."""
        return self.bits / BITS_PER_BYTE

    @property
    def dense_bytes(self) -> float:
        """Bytes per weight of everything else [B]."""
        return (self.bits if self.outer_bits is None else self.outer_bits) / BITS_PER_BYTE


HALF = ("bf16", "fp16", "fp32", "tf32")
EIGHT = ("fp8", "int8", *HALF)

LLAMA_CPP_BITS = {
    "Q2_K": 3.16,
    "Q3_K_S": 3.64,
    "Q3_K_M": 4.00,
    "Q3_K_L": 4.30,
    "Q4_0": 4.64,
    "Q4_1": 5.12,
    "Q4_K_S": 4.67,
    "Q4_K_M": 4.89,
    "Q5_0": 5.60,
    "Q5_1": 6.09,
    "Q5_K_S": 5.57,
    "Q5_K_M": 5.70,
    "Q6_K": 6.56,
    "Q8_0": 8.50,
    "IQ2_XXS": 2.39,
    "IQ2_XS": 2.59,
    "IQ2_S": 2.73,
    "IQ2_M": 2.94,
    "IQ3_XXS": 3.26,
    "IQ3_XS": 3.50,
    "IQ3_S": 3.68,
    "IQ3_M": 3.76,
    "IQ4_XS": 4.46,
    "IQ4_NL": 4.67,
}
"""Bits per weight of llama.cpp's formats [bit]."""

SIXTEEN = WeightFormat(name="bf16", bits=16.0, arithmetic=HALF)

FORMATS = {
    "fp32": WeightFormat(name="fp32", bits=32.0, arithmetic=("tf32", "fp32", "bf16", "fp16")),
    "tf32": WeightFormat(name="tf32", bits=32.0, arithmetic=("tf32", "fp32")),
    "bf16": SIXTEEN,
    "fp16": WeightFormat(name="fp16", bits=16.0, arithmetic=("fp16", "bf16", "fp32", "tf32")),
    "fp8": WeightFormat(name="fp8", bits=8.0, arithmetic=EIGHT),
    "int8": WeightFormat(name="int8", bits=8.0, arithmetic=("int8", "fp8", *HALF)),
    "int4": WeightFormat(name="int4", bits=4.25, arithmetic=HALF),
    "nf4": WeightFormat(name="nf4", bits=4.5, arithmetic=HALF),
    "fp4": WeightFormat(name="fp4", bits=4.5, arithmetic=("fp4", "fp8", *HALF)),
    "mxfp4": WeightFormat(name="mxfp4", bits=4.25, arithmetic=HALF, outer_bits=16.0),
    "f16": WeightFormat(name="F16", bits=16.0, arithmetic=HALF, packed_by="llama.cpp"),
    "f32": WeightFormat(name="F32", bits=32.0, arithmetic=HALF, packed_by="llama.cpp"),
} | {
    name.casefold(): WeightFormat(name=name, bits=bits, arithmetic=HALF, packed_by="llama.cpp")
    for name, bits in LLAMA_CPP_BITS.items()
}
"""Formats by lower-case name; F16 and F32 are llama.cpp's spellings."""

ALIASES = {
    "bfloat16": "bf16",
    "float16": "fp16",
    "half": "fp16",
    "16-bit": "bf16",
    "float32": "fp32",
    "float8": "fp8",
    "f8": "fp8",
    "fp8-e4m3": "fp8",
    "e4m3": "fp8",
    "w8a8": "int8",
    "w8a16": "int8",
    "8-bit": "int8",
    "w4a16": "int4",
    "awq": "int4",
    "gptq": "int4",
    "gptq-int4": "int4",
    "awq-int4": "int4",
    "4-bit": "int4",
    "nvfp4": "fp4",
    "float4": "fp4",
    "q4": "q4_k_m",
    "q8": "q8_0",
    "q4_k": "q4_k_m",
    "q5_k": "q5_k_m",
    "q3_k": "q3_k_m",
    "gguf": "q4_k_m",
}
"""Alternative name -> name of the format."""


def format_of_config(config: Mapping[str, Any]) -> str:
    """Return the key of `FORMATS` for a config's `quantization_config`, empty if none.

    >>> format_of_config({"quantization_config": {"quant_method": "fp8", "fmt": "e4m3"}})
    'fp8'
    >>> format_of_config({"quantization_config": {"quant_method": "awq", "bits": 4}})
    'int4'
    >>> weights = {"config_groups": {"group_0": {"weights": {"num_bits": 8, "type": "float"}}}}
    >>> format_of_config({"quantization_config": {"quant_method": "compressed-tensors", **weights}})
    'fp8'
    """
    stated = config.get("quantization_config")
    if not isinstance(stated, Mapping):
        return ""
    words = {str(stated.get(key, "")).casefold() for key in ("quant_method", "quant_algo", "fmt")}
    for word in ("mxfp4", "nvfp4", "fp8", "fbgemm_fp8"):
        if word in words:
            return ALIASES.get(word, word.rpartition("_")[2])
    if stated.get("load_in_4bit"):
        return "nf4"
    for part in _parts(stated):
        bits = 8 if part.get("load_in_8bit") else part.get("bits", part.get("num_bits"))
        if bits in (4, 8):
            return f"{'fp' if part.get('type') == 'float' else 'int'}{bits}"
    return ""


def _parts(stated: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield a `quantization_config` and the weights of each compressed-tensors group."""
    yield stated
    groups = stated.get("config_groups")
    for group in groups.values() if isinstance(groups, Mapping) else ():
        if isinstance(group, Mapping) and isinstance(group.get("weights"), Mapping):
            yield group["weights"]


def weight_format(text: str, field: str = "precision") -> WeightFormat:
    """Parse the name of a format; further words are a remark.

    Raises
    ------
    ValueError
        If no word is a format.

    >>> weight_format("Q4_K_M").bits, weight_format("GPTQ int4").name
    (4.89, 'int4')
    """
    words = re.split(r"[\s,;:/()]+", text.casefold().strip())
    for candidate in ("-".join(words[:2]), *words):
        name = ALIASES.get(candidate, candidate)
        if name in FORMATS:
            return FORMATS[name]
    known = tuple(one.name for one in FORMATS.values())
    raise refuse("serving_format_unknown", field, text=text, known=known)
