"""Questions, and their resolved numbers with provenance."""

from estimator.question import messages as messages
