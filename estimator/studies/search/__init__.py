"""Which designs are worth it: sweeps over any inputs, Pareto fronts, plans under limits."""
