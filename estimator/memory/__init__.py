"""Device memory need of a run, and whether it fits."""

from estimator.memory import messages as messages
