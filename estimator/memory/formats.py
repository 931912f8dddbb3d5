"""Spellings of formats, optimizers, sharding and recomputation, mapped to canonical terms."""

import re
from dataclasses import dataclass

QUANTIZED = {
    "nf4-dq": r"nf4.*(dq|double)|bnb.*double",
    "nf4": r"nf4|bnb.{0,3}4",
    "int4": r"gptq|awq|int4|fp4|w4|q4|4[ -]?bit",
    "int8": r"int8|w8|q8|8[ -]?bit",
}
"""Format of frozen or served weights -> pattern; the first match counts."""

COMPUTE = ("fp64", "tf32", "bf16", "fp16", "fp32", "fp8")
PURE, MIXED = r"true|pure", r"amp|mixed|autocast|fp32 master"


@dataclass(frozen=True, kw_only=True)
class Formats:
    """Formats named in a text, None where absent.

    Parameters
    ----------
    compute : str or None
        Number format of matrix products.
    weights : str or None
        Quantized format of frozen weights.
    states : str or None
        ``pure``: gradients and optimizer in the weights' format; ``mixed``: with fp32 copies.
    """

    compute: str | None = None
    weights: str | None = None
    states: str | None = None


def read_formats(text: str) -> Formats:
    """Parse a table's precision text.

    >>> read_formats("nf4 weights, bf16 compute")
    Formats(compute='bf16', weights='nf4', states=None)
    >>> read_formats("bf16-true").states, read_formats("fp16 AMP").states
    ('pure', 'mixed')
    >>> read_formats("GPTQ 4 bit g128").weights, read_formats("mxfp8").compute
    ('int4', 'fp8')
    """
    words = re.sub(r"mxfp4 dequanti[sz]ed", "", text.casefold())
    if re.search("mxfp8|nvfp4", words):
        return Formats(compute="fp8", states=_states(words))
    found = re.findall("|".join(COMPUTE), words)
    weights = next((name for name, pattern in QUANTIZED.items() if re.search(pattern, words)), None)
    if weights == "int8" and re.search(r"adam|kv", words) and "int8 w" not in words:
        weights = None
    return Formats(compute=found[0] if found else None, weights=weights, states=_states(words))


def read_kv_format(text: str) -> str | None:
    """Return the format of the key-value cache in a text, if any.

    >>> read_kv_format("bf16 weights, int8 KV"), read_kv_format("bf16")
    ('int8', None)
    """
    return _first(r"(bf16|fp16|fp8|int8|fp32)[ -]?kv", text)


def read_adapter_format(text: str) -> str | None:
    """Return the compute format of adapters in a text, if any.

    >>> read_adapter_format("bf16 base, fp32 adapter"), read_adapter_format("bf16")
    ('fp32', None)
    """
    return _first(r"(bf16|fp16|fp32)[ -]?adapter", text)


def _first(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text.casefold())
    return found[1] if found else None


def _states(words: str) -> str | None:
    if re.search(MIXED, words):
        return "mixed"
    return "pure" if re.search(PURE, words) else None


OPTIMIZERS = {
    "adam-4bit": r"adam.*4[ -]?bit",
    "adam-8bit": r"adam.*8[ -]?bit",
    "adafactor": "adafactor",
    "muon": "muon",
    "sgd-momentum": "momentum",
    "sgd": "^sgd$",
    "adamw": "adam|lora-fa",
}
"""Optimizer -> pattern; the first match counts."""


def read_optimizer(text: str) -> str:
    """Return the optimizer named in a text.

    >>> [read_optimizer(name) for name in ("adamw_bnb_8bit", "AdamW fused", "sgd-momentum")]
    ['adam-8bit', 'adamw', 'sgd-momentum']
    """
    words = text.casefold().replace("_", " ").replace("bnb ", "")
    for name, pattern in OPTIMIZERS.items():
        if re.search(pattern, words):
            return name
    raise ValueError(f"optimizer must be one of {', '.join(OPTIMIZERS)}, got {text[:40]!r}")


@dataclass(frozen=True, kw_only=True)
class Sharding:
    """Sharding of a run, None where not given.

    Parameters
    ----------
    zero : float or None
        ZeRO stage; 3 for FSDP, 0 for plain data parallelism [1].
    tensor_parallel, pipeline_parallel, devices : float or None
        Number of ranks [1].
    fsdp, offload : bool
        Whether sharding is FSDP rather than ZeRO, and whether states are in host memory.
    """

    zero: float | None = None
    tensor_parallel: float | None = None
    pipeline_parallel: float | None = None
    devices: float | None = None
    fsdp: bool = False
    offload: bool = False


def read_sharding(text: str) -> Sharding:
    """Parse a sharding text.

    >>> read_sharding("zero3 8 + CPU offload")
    Sharding(zero=3.0, tensor_parallel=None, pipeline_parallel=None, devices=8.0, fsdp=False, \
offload=True)
    >>> read_sharding("tp 4").tensor_parallel, read_sharding("none").zero
    (4.0, None)
    """
    words = text.casefold()
    if words.strip() in ("", "none"):
        return Sharding()
    ranks = {
        name: float(found[1])
        for name in ("tp", "pp", "ddp", "fsdp", "zero[123]")
        if (found := re.search(rf"\b{name}\b[^\d]*?(\d+)", words))
    }
    stage = re.search(r"zero[ -]?([0-3])", words)
    zero = float(stage[1]) if stage else None
    if zero is None and "fsdp" in words:
        zero = 3.0
    if zero is None and "ddp" in words:
        zero = 0.0
    if zero is None and not ranks and "offload" not in words:
        raise ValueError(f"sharding is not understood: {text[:40]!r}; write zero3, fsdp 8, tp 4")
    data = next((ranks[name] for name in ("fsdp", "zero[123]", "ddp") if name in ranks), None)
    parts = (data, ranks.get("tp"), ranks.get("pp"))
    given = [part for part in parts if part is not None]
    devices = 1.0
    for part in given:
        devices *= part
    return Sharding(
        zero=zero,
        tensor_parallel=ranks.get("tp"),
        pipeline_parallel=ranks.get("pp"),
        devices=devices if given else None,
        fsdp="fsdp" in words,
        offload="offload" in words,
    )


def read_recomputation(text: str) -> tuple[str, bool]:
    """Return what is recomputed, and whether kept activations are offloaded to the host.

    >>> read_recomputation("full+offload"), read_recomputation("selective (per-op SAC)")
    (('full', True), ('selective', False))
    """
    words = text.casefold()
    for name in ("full", "selective", "none"):
        if name in words:
            return name, "offload" in words
    raise ValueError(f"recompute must be one of none, selective, full, got {text[:40]!r}")


def read_attention(text: str) -> str:
    """Return the attention kernel: fused or eager.

    >>> read_attention("2"), read_attention("sdpa"), read_attention("no")
    ('fused', 'fused', 'eager')
    """
    words = text.casefold().strip()
    if words in ("eager", "no", "false", "math"):
        return "eager"
    if words in ("fused", "yes", "true", "flash", "sdpa", "1", "2", "3"):
        return "fused"
    raise ValueError(f"attention must be fused or eager, got {text[:40]!r}")
