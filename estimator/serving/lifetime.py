"""When does serving overtake training, and when does one's own machine undercut an API."""

from dataclasses import dataclass

TOKENS_PER_MILLION = 1e6


@dataclass(frozen=True, kw_only=True)
class Lifetime:
    """Energy of a model over its life [kWh], and when serving has used as much as training [day].

    Parameters
    ----------
    training_kwh, serving_kwh : float
    days_to_overtake : float
    """

    training_kwh: float
    serving_kwh: float
    days_to_overtake: float


def lifetime(
    training_kwh: float, energy_per_output_token_j: float, tokens_per_day: float, days: float
) -> Lifetime:
    """Training once and serving every day.

    >>> life = lifetime(433e3, 1.0, 86.4e9, 365.0)
    >>> round(life.days_to_overtake, 1), round(life.serving_kwh / 1e6, 2)
    (18.0, 8.76)
    """
    daily_kwh = energy_per_output_token_j * tokens_per_day / 3.6e6
    if not daily_kwh > 0 or not days > 0:
        raise ValueError(f"tokens and days must be positive, got {tokens_per_day:g} and {days:g}")
    return Lifetime(
        training_kwh=training_kwh,
        serving_kwh=daily_kwh * days,
        days_to_overtake=training_kwh / daily_kwh,
    )


def tokens_to_break_even(
    machine_usd_per_day: float, api_usd_per_million: float, most_tokens_per_day: float
) -> float | None:
    """Output tokens a day from which a reserved machine is cheaper than an API [token/day].

    None where even a machine that is never idle is dearer.

    >>> tokens_to_break_even(48.0, 2.0, 1e9)
    24000000.0
    >>> tokens_to_break_even(48.0, 0.01, 1e9) is None
    True
    """
    if not api_usd_per_million > 0:
        raise ValueError(f"the price of the API must be positive, got {api_usd_per_million:g}")
    tokens = machine_usd_per_day / api_usd_per_million * TOKENS_PER_MILLION
    return tokens if tokens <= most_tokens_per_day else None
