"""Id of this machine in records: stable, and without names."""

import re
from pathlib import Path

from estimator.system.data_folder import data_directory
from estimator.system.system_files import text_of

SALT = "twenty-watts host"
ID_FILE = "host-id"


def host_id(root: Path = Path("/")) -> str:
    """Digest of the machine's random number, or a random number of our own that is kept."""
    for place in ("etc/machine-id", "var/lib/dbus/machine-id"):
        if re.fullmatch("[0-9a-f]{32}", number := text_of(root / place)):
            import hashlib

            return hashlib.sha256(f"{SALT} {number}".encode()).hexdigest()[:16]
    kept = data_directory() / ID_FILE
    return text_of(kept) or _new_id(kept)


def _new_id(kept: Path) -> str:
    """Random number, kept in a file where that can be written."""
    import secrets

    number = secrets.token_hex(8)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with kept.open("x", encoding="ascii") as file:
            file.write(number)
    except FileExistsError:
        return text_of(kept) or number
    except OSError:
        return number
    return number
