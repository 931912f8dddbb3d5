"""Parameter, FLOP and byte ledgers of networks, term by term."""

from estimator.networks import messages as messages
