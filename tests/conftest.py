"""Settings of the whole suite: neither the speed of the machine nor its user's data count."""

import atexit
import os
import tempfile

from hypothesis import settings

settings.register_profile("any-machine", deadline=None)
settings.load_profile("any-machine")

collect_ignore = ["benchmarks"]
"""Programs that measure the speed, some of which need PyTorch or a browser."""

DATA = tempfile.TemporaryDirectory(prefix="twenty-watts-data-")
atexit.register(DATA.cleanup)
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # beside other workers threads only wait
os.environ["TWENTY_WATTS_DATA"] = DATA.name
