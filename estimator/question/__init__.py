"""The question, and the numbers it names, each with its provenance."""

from estimator.question import messages as messages
