"""What the claims about speed rest on; `python -m tests.benchmarks` prints them all.

They run in the environment of the app, which is set up as for any command.
"""

import sys

from estimator.system import environment
from estimator.system.pip_install import SetupError

try:
    environment.enter(environment.APP)
except SetupError as error:
    sys.exit(f"error: {error}")
