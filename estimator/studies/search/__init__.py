"""Search over designs: sweeps over any inputs, Pareto fronts, plans under limits."""
