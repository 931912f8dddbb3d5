"""Design search: sweeps over any inputs, Pareto fronts, plans under limits."""
