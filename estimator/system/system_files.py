"""Readers of small system files below /proc, /sys and /etc."""

from pathlib import Path


def text_of(path: Path) -> str:
    """Content of a small file without white space around it; empty if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def process_stat(proc: Path, pid: int) -> list[str]:
    """Fields of a process from its state on, as proc(5) counts them from 3; empty without it."""
    return text_of(proc / str(pid) / "stat").rpartition(")")[2].split()
