"""A library in the place of NVIDIA's, built where a C compiler is: see stub_nvml.c."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("stub_nvml.c")


def build_stub(folder, *flags):
    """Compile the stub under the name that the real library has on Linux."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        pytest.skip("no C compiler (cc, gcc, clang) to build the stub of NVIDIA's library with")
    if sys.platform == "win32":
        pytest.skip("the stub is built as a library of Linux and macOS")
    library = folder / "libnvidia-ml.so.1"
    options = ["-O1", "-Wall", "-shared", "-fPIC", *flags]
    subprocess.run([compiler, *options, "-o", library, SOURCE, "-lm"], check=True)
    return library
