"""How much work: parameter, FLOP and byte ledgers, term by term."""

from estimator.networks import messages as messages
