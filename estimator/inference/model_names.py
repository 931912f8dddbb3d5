"""Model names: presets by hub name, and the size in a name."""

import re
from collections.abc import Iterator

from estimator.catalog import Catalog, Preset, ProfileError

TAIL = re.compile(
    r"[-_:. ](instruct|thinking|chat|it|hf|base|fp8|fp4|nvfp4|bf16|fp16|awq|gptq|gguf|int4|int8"
    r"|w4a16|w8a8|4bit|8bit|\d{4}|v\d(\.\d)?|preview|diffusers|dynamic|text|q\d\w*|cts)$",
    re.I,
)
SIZE = re.compile(r"(?<![\d.a-z])(\d+(?:\.\d+)?)\s?([bm])(?![a-z])", re.I)
ACTIVE = re.compile(r"(?<![a-z])a(\d+(?:\.\d+)?)b", re.I)
UNITS = {"b": 1e9, "m": 1e6}


def find_preset(catalog: Catalog, text: str) -> Preset | None:
    """Return the preset that a name refers to, or None."""
    for name in candidates(text):
        try:
            return catalog.preset(name)
        except ProfileError:
            raise
        except ValueError:
            continue
    return None


def candidates(text: str) -> Iterator[str]:
    """Yield the names that a hub name may refer to, the most literal first.

    >>> list(candidates("Qwen/Qwen3-30B-A3B-Instruct-2507"))[-1]
    'Qwen3-30B-A3B'
    """
    name = text.strip()
    yield name
    name = name.rpartition("/")[2].replace(":", "-")
    yield name
    while (shorter := TAIL.sub("", name)) != name:
        name = shorter
        yield name


def stated_size(text: str) -> tuple[float, float | None] | None:
    """Parse total and active parameters from a name, or None [1].

    >>> stated_size("Qwen/Qwen3-30B-A3B"), stated_size("gemma-3-27b-it"), stated_size("gpt-4o")
    ((30000000000.0, 3000000000.0), (27000000000.0, None), None)
    """
    name = text.rpartition("/")[2]
    active = ACTIVE.search(name)
    found = SIZE.search(ACTIVE.sub("", name).replace("-", " ").replace("_", " ").replace(":", " "))
    if found is None:
        return None
    size = float(found.group(1)) * UNITS[found.group(2).casefold()]
    return size, float(active.group(1)) * 1e9 if active else None


def stated_format(text: str) -> str | None:
    """Parse the number format at the end of a hub name, or None.

    >>> stated_format("meta-llama/Llama-3.1-405B-Instruct-FP8"), stated_format("Qwen/Qwen3-8B")
    ('fp8', None)
    """
    words = re.split(r"[-_/ .:]", text.casefold())
    for word in ("fp8", "nvfp4", "awq", "gptq", "int4", "int8", "w4a16", "w8a8", "mxfp4"):
        if word in words:
            return word
    packed = re.search(r"\b(i?q\d_(?:k_[sml]|k|\d|xxs|xs|nl|[sm]))\b", text.casefold())
    return packed.group(1) if packed else None
