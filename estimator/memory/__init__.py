"""What a run must hold in device memory, and whether it fits."""

from estimator.memory import messages as messages
