"""Sweeps, plans, levers, scaling laws, trends, depth and claims."""

from estimator.core.notice import add_messages

add_messages(
    serving_plan_without_rate="the load is missing: set {set[users]} or {set[request_rate]}",
    serving_plan_without_days="days must be positive, got {value:g}",
    serving_plan_too_large=(
        "{designs:,.0f} designs exceed the maximum of {most:,.0f}: list fewer choices"
    ),
)
