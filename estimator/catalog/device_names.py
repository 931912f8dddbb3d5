"""Device names in any spelling: vendor, memory, form factor and model."""

import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from estimator.core.notice import Notice
from estimator.core.units import GIB

VENDORS = {
    "nvidia": "NVIDIA",
    "tesla": "NVIDIA",
    "geforce": "NVIDIA",
    "amd": "AMD",
    "radeon": "AMD",
    "instinct": "AMD",
    "intel": "Intel",
    "habana": "Intel",
    "google": "Google",
    "cloud": "Google",
    "aws": "AWS",
    "amazon": "AWS",
    "apple": "Apple",
    "huawei": "Huawei",
    "cerebras": "Cerebras",
    "graphcore": "Graphcore",
    "groq": "Groq",
    "qualcomm": "Qualcomm",
    "microsoft": "Microsoft",
    "azure": "Microsoft",
    "meta": "Meta",
}
"""Prefix of a model name -> vendor."""

FILLERS = frozenset(
    (
        *("gpu", "gpus", "card", "accelerator", "graphics", "chip", "tensor", "core", "processor"),
        *("cpu", "generation", "ac", "r", "tm", "hbm2", "hbm2e", "hbm3", "hbm3e", "gddr5"),
        *("gddr6", "gddr6x", "gddr7", "lpddr5", "lpddr5x", "desktop"),
    )
)
"""Words that do not distinguish devices."""

MOBILE = frozenset(("laptop", "mobile", "maxq", "notebook"))
COMPUTERS = r"\bmac ?(studio|mini|book( ?(pro|air))?|pro)\b|\bimac\b|\bipad( ?pro)?\b"
"""Pattern of computers with Apple chips."""

CONDITIONS = r",? *\b\d+ threads\b|\bd?ddr[45]-\d+\b|, *(hot )?(peak|steady state)$"
"""Pattern of benchmark conditions in a device name."""

REMARK = r"\((node of|per |idle|including|chip\b|reported|on-demand|cloud)[^()]*\)"
"""Pattern of remarks in parentheses that describe the measurement."""

INSTANCE = (
    r"\b[a-z]\w*-(standard|highcpu|highmem|\w+gpu)-\d+|\b[a-z]+\d\w*\.(\d+x)?large|\bstandard_n"
)
"""Pattern of instance types of Google, AWS and Azure, which contain parts of several devices."""

TOLERANCE = 0.03
"""Relative tolerance of memory sizes [1]; a vendor's GB may be 1e9 or 2^30 bytes, rounded."""


SLICE = r"\b(?:tpu[ -]?)?v(\d[a-z]?)-(\d{1,6})$"
"""Pattern of a TPU slice: version and size."""

TWO_CORES = ("2", "3", "4", "5p")
"""TPU versions with slices counted in TensorCores."""


@dataclass(frozen=True, kw_only=True)
class DeviceName:
    """Parsed device name.

    Parameters
    ----------
    model : str
        Letters and digits of the model that remain of the name.
    vendor : str or None
        As in ``Device.vendor``, None if not in the name.
    memory_gb : float or None
        Memory size as written, in units of 1e9 or of 2^30 bytes.
    form : str or None
        ``sxm``, ``sxm4``, ``pcie``, ``nvl``, ``oam``.
    gpu_cores : int or None
        GPU cores of an Apple chip.
    mobile : bool
        Whether it is the laptop version.
    """

    model: str
    vendor: str | None = None
    memory_gb: float | None = None
    form: str | None = None
    gpu_cores: int | None = None
    mobile: bool = False


def plain(name: str) -> str:
    """Normalize case, width and dashes of a name.

    >>> plain("M1 Max 32\u2011Core GPU")
    'm1 max 32-core gpu'
    """
    text = unicodedata.normalize("NFKC", name).casefold()
    return re.sub(r"\s+", " ", re.sub("[\u2010-\u2015\u2212]", "-", text)).strip()


def take_apart(name: str) -> DeviceName:
    """Parse a device name.

    >>> take_apart("NVIDIA A100-SXM4-40GB")
    DeviceName(model='a100', vendor='NVIDIA', memory_gb=40.0, form='sxm4', gpu_cores=None, \
mobile=False)
    >>> take_apart("Cloud TPU v3-8").model, take_apart("M2 Ultra 76-Core GPU 192GB").gpu_cores
    ('tpuv3', 76)
    """
    text = re.sub(r"^1 ?[x\u00d7] ", "", plain(name))
    text = re.sub(REMARK, " ", text)
    text = re.sub(CONDITIONS, " ", text)
    text = re.sub(r"max-q", "maxq", text)
    cores = re.search(r"\b(\d+)(?:[- ]core|c)? gpu\b|-(\d+)-core$", text)
    if cores:
        text = text.replace(cores[0], " ")
    if re.search(r"\bm\d", text):
        text = re.sub(COMPUTERS + r"|\b\d+[- ]core\b", " ", text)
    text = _without_pod(text)
    memory = re.search(r"(?<![\w.])(\d+(?:\.\d+)?)[ -]?(?:gb|gib|g)(?!\w)", text)
    if memory:
        text = text.replace(memory[0], " ", 1)
    words = re.findall(r"[^\s\-_/(),\[\]]+", text)
    vendors = [VENDORS[word] for word in words if word in VENDORS]
    forms = [word for word in words if re.fullmatch(r"sxm\d?|pcie|nvl|oam", word)]
    dropped = FILLERS | MOBILE | set(forms) | set(VENDORS)
    return DeviceName(
        model="".join(word for word in words if word not in dropped),
        vendor=vendors[0] if vendors else None,
        memory_gb=float(memory[1]) if memory else None,
        form=forms[0] if forms else None,
        gpu_cores=int(cores[1] or cores[2]) if cores else None,
        mobile=any(word in MOBILE for word in words),
    )


POWER_LIMIT = r",? *\b(\d{2,4}) ?w\b"
"""Pattern of a power limit, which may vary among devices of a model."""

OFFLOAD = r",? *[(+]? *\b(with )?(cpu|host)[ -]offload(ing)?\)?"
"""Pattern of offloading remarks, for runs that exceed their device's memory."""


def without(pattern: str, name: str) -> str:
    """Remove a pattern from a name, shortened for a message.

    >>> without(POWER_LIMIT, "NVIDIA H100 96GB HBM2e 500W")
    'NVIDIA H100 96GB HBM2e'
    """
    return re.sub(pattern, "", name, flags=re.IGNORECASE).strip()[:40]


def split_power_limit(name: str) -> tuple[str, float]:
    """Split a trailing power limit off a device name [W], NaN if there is none.

    >>> split_power_limit("NVIDIA H100 96GB HBM2e 500W")
    ('NVIDIA H100 96GB HBM2e', 500.0)
    >>> split_power_limit("RTX 4090")
    ('RTX 4090', nan)
    """
    limit = re.fullmatch(rf"(?P<device>.*?){POWER_LIMIT}", name.strip(), flags=re.IGNORECASE)
    return (limit["device"], float(limit[2])) if limit else (name, math.nan)


MIG_SLICE = r"(^|\W)\d+g\.\d+gb\b"
"""Pattern of a MIG partition as in NVIDIA's user guide: ``1g.10gb``, ``1c.3g.40gb``."""

COUNTED = re.compile(
    r"(?P<before>\d{1,9}) ?[x\u00d7] ?(?P<last>.*[a-z].*)"
    r"|(?P<first>.*\w)(?:\s[x\u00d7] ?|(?<=\d)[x\u00d7])(?P<after>\d{1,9})",
    re.IGNORECASE,
)
"""Pattern of a device name with a count: ``8x A100``, ``A100 x 8``."""


def readings(name: str) -> list[str]:
    """Return the parts of a name that may be the device, the likelier first.

    Lists of machines put the host before its card: ``Intel 265K (Nvidia RTX 4090) [GPU]``.

    >>> readings("Pi 5 - 8GB (AMD RX 7600) [GPU]")
    ['AMD RX 7600']
    """
    tagged = re.fullmatch(r"(.*?)\s*\[([CGPNU/]+)\]", name.strip(), re.IGNORECASE)
    if not tagged:
        return [name]
    inside = re.search(r"\(([^()]*)\)", tagged[1])
    outside = re.sub(r"\([^()]*\)", " ", tagged[1]).strip()
    held = take_apart(inside[1]) if inside else DeviceName(model="")
    card = [inside[1]] if inside and (held.vendor or re.search("[a-z]", held.model)) else []
    if card and "c" not in tagged[2].casefold():
        return card
    return card + ([outside] if outside else [])


def refusal(name: str) -> str | None:
    """Return why a name cannot be one device, or None.

    >>> refusal("8x A100 40GB")
    "contains a number of devices; use 'A100 40GB' and set the number of devices to 8"
    >>> refusal("TPUv1 (self-play) + TPUv2 (training)")
    'names several devices; use one at a time'
    """
    text = re.sub(r"\[[^\]]*\]", "", plain(name))
    if re.search(OFFLOAD, text):
        return f"describes offloading, not the device; use {without(OFFLOAD, name)!r}"
    if re.search(r"(^|\W)\+ |\d\w*/[a-z]*\d|^mixed\b|\bcluster\b", text):
        return "names several devices; use one at a time"
    if re.fullmatch(r"(\d+ ?x )?(\d+ ?(gb|gib)? ?|unspecified )?(gpus?( ?\(.*\))?)?", text):
        return "does not name a device model" if text else None
    if re.search(MIG_SLICE, text):
        return "names a MIG slice, for which no power or price is published; use the whole device"
    found = _slice(text)
    if found is not None and not _is_whole(*found):
        return "is not a TPU slice: v2, v3, v4 and v5p count two cores per chip, others count chips"
    if re.search(INSTANCE, text):
        return "is a cloud instance; use the name of its device"
    limit = re.search(POWER_LIMIT, text)
    if limit is not None:
        device = without(POWER_LIMIT, name)
        return f"contains a power limit; use {device!r} and set the power limit to {limit[1]} W"
    device, count = split_count(name)
    if count < 2:
        return None
    return (
        f"contains a number of devices; use {device[:40]!r} and set the number of devices to "
        f"{count}"
    )


def split_count(name: str) -> tuple[str, int]:
    """Split a name into device and count, 1 by default.

    >>> split_count("8x A100 40GB")
    ('A100 40GB', 8)
    """
    found = COUNTED.fullmatch(unicodedata.normalize("NFKC", name).strip())
    if found is None:
        return name, 1
    device, count = found["first"] or found["last"], found["before"] or found["after"]
    return device.strip(), int(count)


@dataclass(frozen=True, kw_only=True)
class BoardWords:
    """Words of a name that distinguish boards of one model.

    Parameters
    ----------
    id, vendor : str
        As in ``Device``.
    names : tuple of DeviceName
        Parsed id, name and aliases.
    memory_bytes : float or None
        Memory size on record [B].
    any_memory : bool
        Whether it is sold with several memory sizes, up to the one on record.
    """

    id: str
    vendor: str
    names: tuple[DeviceName, ...]
    memory_bytes: float | None
    any_memory: bool


def matching(asked: DeviceName, boards: Iterable[BoardWords]) -> list[BoardWords]:
    """Return the boards compatible with a name, only the plain one if several remain."""
    left = [board for board in boards if _agrees(asked, board)]
    bare = [
        board
        for board in left
        if any(
            name.model == asked.model and not (name.memory_gb or name.form or name.gpu_cores)
            for name in board.names
        )
    ]
    return bare if len(left) > 1 and len(bare) == 1 else left


def holds(memory_gb: float, board: BoardWords) -> bool:
    """Return whether a board has this much memory, in either meaning of GB."""
    named = {name.memory_gb for name in board.names} - {None}
    if memory_gb in named:
        return True
    if board.memory_bytes is None:
        return False
    sizes = (board.memory_bytes / 1e9, board.memory_bytes / GIB)
    if board.any_memory:
        return memory_gb <= max(sizes) * (1 + TOLERANCE)
    return any(abs(memory_gb / size - 1) <= TOLERANCE for size in sizes)


def _agrees(asked: DeviceName, board: BoardWords) -> bool:
    """Return whether vendor, laptop, cores, form and memory of a name match a board."""
    forms = {name.form for name in board.names if name.form}
    cores = {name.gpu_cores for name in board.names if name.gpu_cores}
    return (
        asked.vendor in (None, board.vendor)
        and asked.mobile == any(name.mobile for name in board.names)
        and (asked.gpu_cores is None or asked.gpu_cores in cores)
        and (asked.form is None or _fits(asked.form, forms or {"pcie"}))
        and (asked.memory_gb is None or holds(asked.memory_gb, board))
    )


def _fits(form: str, forms: set[str]) -> bool:
    """Return whether a form factor is one of a board's; sxm without a number is any of them."""
    return any(
        form in (one, one.rstrip("0123456789")) or form.rstrip("0123456789") == one for one in forms
    )


def chips_of_slice(name: str) -> int:
    """Return the number of chips in a TPU slice from its name [1]_, 1 for a single chip.

    Slices of v2, v3, v4 and v5p count TensorCores, two per chip, other slices chips.

    References
    ----------
    .. [1] Google Cloud, "Cloud TPU documentation", 2025: "v5p-32" has 16 chips, "v5litepod-16" 16.

    >>> [chips_of_slice(name) for name in ("Cloud TPU v3-8", "v5litepod-16", "TPU v4", "NPU v2-16")]
    [4, 16, 1, 1]
    """
    found = _slice(plain(name))
    if found is None:
        return 1
    version, size = found
    return max(size // (2 if version in TWO_CORES else 1), 1)


def _slice(text: str) -> tuple[str, int] | None:
    """Parse the version and size of a TPU slice; None for another name."""
    found = re.search(SLICE, _with_version(text)) if _is_tpu(text) else None
    return None if found is None else (found[1], int(found[2]))


def _is_whole(version: str, size: int) -> bool:
    """Return whether a slice of that size has a positive, whole number of chips."""
    return size > 0 and not (version in TWO_CORES and size % 2)


def part_of_slice(name: str, devices: float) -> tuple[Notice, ...]:
    """Return a notice if a device count is not whole TPU slices.

    >>> part_of_slice("v5p-64", 32.0), [one.values for one in part_of_slice("v5p-64", 2.0)]
    ((), [{'count': 32.0}])
    """
    chips = chips_of_slice(name)
    return (Notice("slice_in_part", "devices", {"count": float(chips)}),) if devices % chips else ()


def _without_pod(text: str) -> str:
    """Remove the pod slice from a TPU name: v3-8, v5litepod-16."""
    return re.sub(SLICE, r"tpu v\1", _with_version(text)) if _is_tpu(text) else text


def _with_version(text: str) -> str:
    """Normalize the spelling of a lite TPU version."""
    return re.sub(r"\bv5 ?lite(pod)?\b", "v5e", text)


def _is_tpu(text: str) -> bool:
    return re.search(r"\btpu|^(cloud |google )*v\d", text) is not None
