"""Readers of small system files in /proc, /sys and /etc."""

from pathlib import Path


def text_of(path: Path) -> str:
    """Read and strip a small file; empty if unreadable."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def process_stat(proc: Path, pid: int) -> list[str]:
    """Return the fields of a process from its state on (field 3 in proc(5)), empty if missing."""
    return text_of(proc / str(pid) / "stat").rpartition(")")[2].split()
