"""Growth over the years: compute, memory, efficiency and budgets."""
