"""Device names with additions such as memory size."""

import re
import unicodedata

from estimator.catalog import Catalog, Device
from estimator.core.units import GIB

ADDITIONS = (
    r"-cts\b|-nps\d|-spx|-\d+w\b",  # board variants of MLPerf submissions, partition modes, limits
    r"\(metal only\)",
    r"[\s-]*\b\d+ ?gi?b?\b",  # the memory of a chip that is sold with several
    r"[\s-]*\b\d+(-core)? (gpu|cpu)\b",
)
"""Patterns of additions to device names, in the order in which they are removed."""


def find_named_device(catalog: Catalog, name: str) -> Device:
    """Find a device by name, removing additions one by one.

    Raises
    ------
    ValueError
        If no device has this name.
    """
    try:
        return catalog.device(name)
    except ValueError as error:
        for shorter in without_additions(name):
            try:
                return catalog.device(shorter)
            except ValueError:
                continue
        raise error


def without_additions(name: str) -> list[str]:
    """List the name with ever more additions removed.

    >>> without_additions("NVIDIA H200-SXM-141GB-CTS")[0]
    'NVIDIA H200-SXM-141GB'
    """
    found, text = [], " ".join(unicodedata.normalize("NFKC", name).replace("\u2011", "-").split())
    text = text.replace("\u2010", "-")
    for pattern in ADDITIONS:
        shorter = " ".join(re.sub(pattern, "", text, flags=re.IGNORECASE).split())
        if shorter != text:
            text = shorter
            found.append(text)
    return found


def states_board_computer(text: str) -> bool:
    """Return whether a name describes a GPU attached to a single-board computer.

    >>> states_board_computer("Pi 5 - 8GB (AMD RX 7600) [GPU]"), states_board_computer("Pi 5 [CPU]")
    (True, False)
    """
    host, _, card = text.partition("(")
    board = re.search(r"\b(?:raspberry )?pi (?:cm)?\d", host, re.IGNORECASE)
    return board is not None and bool(re.search(r"amd|radeon|\brx\b", card, re.IGNORECASE))


def stated_memory_bytes(text: str) -> float | None:
    """Parse the memory size in a device name [B].

    >>> stated_memory_bytes("M2 Ultra 76-Core GPU 192GB") == 192 * 2**30
    True
    >>> stated_memory_bytes("Pi 5 - 8GB (AMD RX 7600) [GPU]") is None
    True
    """
    inner = re.search(r"\(([^()]*)\)\s*\[gpu\]", text, re.IGNORECASE)
    card = inner is not None and re.search(r"nvidia|amd|intel|rtx|arc", inner.group(1), re.I)
    part = inner.group(1) if inner is not None and card else text
    found = re.search(r"\b(\d+) ?gi?b?\b(?! ?/s)", part, re.IGNORECASE)
    return float(found.group(1)) * GIB if found else None
