"""The answer: from a scenario to time, energy, cost and CO2e."""

from estimator.answer import messages as messages
