"""How fast does it grow: compute, memory, efficiency and budgets through the years."""
