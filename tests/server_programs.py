"""Servers that tests start on loopback, Prometheus and nginx: found, or fetched once.

Nothing is installed: `apt-get download` checks the package against the signed index, `dpkg -x`
unpacks it into the checkout.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).parents[1] / ".tools"


@dataclass(frozen=True)
class Package:
    """A Debian package, its programs, their folder in it, and the variable that names another."""

    name: str
    programs: tuple[str, ...]
    inside: str
    variable: str

    @property
    def cache(self):
        return CACHE / self.name

    def find(self):
        """Folder of the programs: the one named, that of the path, or our own; None if nowhere."""
        named = os.environ.get(self.variable)
        if named:
            return Path(named) if self._complete(Path(named)) else None
        on_path = shutil.which(self.programs[0])
        folders = ([Path(on_path).parent] if on_path else []) + [self.cache]
        return next(filter(self._complete, folders), None)

    def fetch(self):
        """Folder of the programs, downloaded; None where apt is not, or has no such package."""
        if os.environ.get("TWENTY_WATTS_NO_SETUP") or os.environ.get(self.variable):
            return None
        if not (shutil.which("apt-get") and shutil.which("dpkg")):
            return None
        draft = CACHE / f"{self.name}.{os.getpid()}.draft"
        try:
            draft.mkdir(parents=True)
            if not self._downloaded(draft):
                return None
            self.cache.mkdir(exist_ok=True)
            for program in self.programs:
                (draft / self.inside / program).replace(self.cache / program)
        except OSError:
            return None
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return self.find()

    def missing(self):
        """Say that the programs are nowhere, and what to do."""
        return f"no {' and '.join(self.programs)} found: name their folder in {self.variable}"

    def _downloaded(self, folder):
        """Whether the package lies unpacked in a folder; package lists are renewed if need be."""
        root = getattr(os, "geteuid", lambda: 1)() == 0
        for refresh in [False, True] if root else [False]:
            if refresh:
                _run(["apt-get", "update", "-q"], folder)
            if _run(["apt-get", "download", "-q", self.name], folder):
                package = next(folder.glob(f"{self.name}_*.deb"))
                return _run(["dpkg", "-x", package.name, "."], folder)
        return False

    def _complete(self, folder):
        return all(os.access(folder / program, os.X_OK) for program in self.programs)


PROMETHEUS = Package("prometheus", ("prometheus", "promtool"), "usr/bin", "TWENTY_WATTS_PROMETHEUS")
NGINX = Package("nginx", ("nginx",), "usr/sbin", "TWENTY_WATTS_NGINX")


def _run(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=300, check=False)
    return done.returncode == 0
