"""Device memory that a run needs, and whether it fits."""

from estimator.memory import messages as messages
