"""Configs given as the text of a `config.json`, or as its path."""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import Any

from estimator.core.messages import refuse
from estimator.core.units import human

MAX_CONFIG_BYTES = 10_000_000

WEIGHTS = (b"GGUF", b"PK\x03\x04")
"""First bytes of weight files: GGUF, and PyTorch archives."""

JSON_KINDS = {
    list: "a list",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}
"""JSON types other than object, for an error message."""


def is_inline(given: str) -> bool:
    """Return whether a config is given as JSON text rather than a path."""
    return given.lstrip()[:1] == "{"


def is_config(given: str) -> bool:
    """Return whether a config is given, where a model name is also accepted."""
    return is_inline(given) or given.endswith(".json") or Path(given).exists()


def config_of(given: str) -> dict[str, Any]:
    """Read a config from its text or path.

    Raises
    ------
    ValueError
        As in `inline_config` and `read_config`.
    """
    return inline_config(given) if is_inline(given) else read_config(given)


def config_name(given: str) -> str:
    """Return a name for a config: the network's, or the path."""
    if not is_inline(given):
        return given
    config = inline_config(given)
    stated = (config.get(key) for key in ("model_type", "_class_name", "architecture"))
    return str(next(filter(None, stated), "config.json"))


def compact_json(config: Mapping[str, Any]) -> str:
    """Serialize a config compactly."""
    return json.dumps(config, separators=(",", ":"), ensure_ascii=False)


@lru_cache(maxsize=64)
def inline_config(text: str) -> dict[str, Any]:
    """Parse a config given as text.

    Raises
    ------
    ValueError
        If it is not a JSON object.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise refuse("config_not_json", "config") from None
    if not isinstance(found, dict):
        raise refuse("config_not_json", "config")
    return found


def read_config(path: str | PathLike[str]) -> dict[str, Any]:
    """Read a config file as a dictionary.

    Parameters
    ----------
    path : str or path
        Path of a `config.json`.

    Raises
    ------
    ValueError
        If the file is missing, a directory, larger than 10 MB, not Unicode, not JSON, or not a JSON
        object.
    """
    file = Path(path)
    if re.match("https?:/", str(path)):
        raise refuse("config_file_address", path=str(path))
    if file.is_dir():
        raise refuse("config_file_directory", path=str(file))
    if not file.exists():
        raise refuse("config_file_absent", path=str(file))
    if not file.is_file():
        raise refuse("config_file_device", path=str(file))
    with file.open("rb") as stream:
        return parse_config(stream.read(MAX_CONFIG_BYTES + 1), str(file))


def parse_config(content: bytes, name: str) -> dict[str, Any]:
    """Parse the content of a config file.

    Parameters
    ----------
    content : bytes
        Content; at most one byte more than `MAX_CONFIG_BYTES` needs to be read.
    name : str
        Name of the source, for a refusal.

    Raises
    ------
    ValueError
        If it is larger than 10 MB, not Unicode, not JSON, or not a JSON object.
    """
    if content.startswith(WEIGHTS):
        raise refuse("config_file_weights", path=name)
    if len(content) > MAX_CONFIG_BYTES:
        raise refuse("config_file_large", path=name, most=human(MAX_CONFIG_BYTES, "B"))
    try:
        config = json.loads(content.decode(json.detect_encoding(content)))
    except UnicodeDecodeError:
        raise refuse("config_file_not_unicode", path=name) from None
    except json.JSONDecodeError as error:
        raise refuse(_no_json(content.strip()), path=name, error=str(error)) from None
    except (ValueError, RecursionError):
        raise refuse("config_file_beyond_reading", path=name) from None
    if not isinstance(config, dict):
        raise refuse("config_file_not_object", path=name, kind=JSON_KINDS[type(config)])
    return config


def _no_json(content: bytes) -> str:
    """Return the error code for a file that is not JSON."""
    if not content:
        return "config_file_empty"
    if content.startswith(b"<"):
        return "config_file_web_page"
    return "config_file_cut_off" if content.startswith((b"{", b"[")) else "config_file_not_json"
