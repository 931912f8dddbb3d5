"""How much work: parameter, FLOP and byte ledgers, term by term."""
