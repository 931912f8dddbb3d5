"""Profiles of measured devices: a layer over the built-in ones.

Stored in the user's data folder with the same structure, between the built-in and the user's own
profiles.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from estimator.catalog import toml_files as files
from estimator.catalog.profile_folders import measured_directory
from estimator.catalog.schema import FOLDERS
from estimator.system.file_lock import hold_lock
from estimator.system.whole_files import write_whole

Table = Mapping[str, Any]


def keep_profile(
    device_id: str,
    profile: Table,
    sources: Mapping[str, Table],
    merged: Callable[[dict[str, Any], dict[str, Any]], Table] | None = None,
) -> Path:
    """Write the profile of a measured device, replacing an older one.

    Concurrent writers wait for each other.

    Parameters
    ----------
    device_id : str
    profile : mapping
        Profile, as in a file of profiles/hardware.
    sources : mapping
        Id -> entry of sources.toml, for the cited sources; existing entries are replaced.
    merged : callable, optional
        Merges this profile with the previous one, which is empty if there is none.

    Returns
    -------
    Path
        Path of the file.

    Raises
    ------
    ProfileError
        If the profile would not be valid when read back; nothing is written then.
    OSError
        If the file cannot be written.
    """
    import tomli_w

    folder = measured_directory()
    path = folder / FOLDERS["hardware"] / f"{device_id}.toml"
    files.device_from(device_id, [(path, dict(profile))], lambda *_: None)
    files.sources_from(folder / "sources.toml", sources)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with hold_lock(folder.with_name(f"{folder.name}.lock")):
        if merged is not None:
            profile = merged(dict(profile), kept_profiles().get(device_id, {}))
        known = kept_sources()
        if {**known, **sources} != known:
            write_whole(folder / "sources.toml", tomli_w.dumps({**known, **sources}).encode())
        write_whole(path, tomli_w.dumps(profile).encode())
    return path


def kept_profiles() -> dict[str, dict[str, Any]]:
    """Return id -> content of the profiles measured here."""
    paths = sorted((measured_directory() / FOLDERS["hardware"]).glob("*.toml"))
    return {path.stem: files.read_toml(path) for path in paths}


def kept_sources() -> dict[str, dict[str, Any]]:
    """Return id -> source entry of the profiles measured here."""
    path = measured_directory() / "sources.toml"
    return files.read_toml(path) if path.is_file() else {}
