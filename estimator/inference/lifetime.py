"""Break-even points: inference against training energy, owning against an API."""

from dataclasses import dataclass

from estimator.core.messages import refuse
from estimator.core.units import J_PER_KWH, MILLION


@dataclass(frozen=True, kw_only=True)
class ApiComparison:
    """Reserved machines against an API.

    Parameters
    ----------
    api_cost_per_million_output_tokens_usd : float
        API price, including the input tokens [USD].
    own_cost_over_api : float
        Cost of your own machines at this load, relative to the API [1].
    break_even_tokens_per_day, break_even_share : float or None
        Daily output tokens from which your own machines are cheaper [1/day], and their share of
        this load's output [1]; None if they never are.
    """

    api_cost_per_million_output_tokens_usd: float
    own_cost_over_api: float
    break_even_tokens_per_day: float | None
    break_even_share: float | None


def against_api(
    machine_usd_per_day: float,
    most_tokens_per_day: float,
    *,
    input_usd: float,
    output_usd: float,
    input_per_output: float,
) -> ApiComparison:
    """Compare reserved machines with an API.

    Parameters
    ----------
    machine_usd_per_day, most_tokens_per_day : float
        Rental cost of all machines, and their daily output tokens at this load.
    input_usd, output_usd : float
        API price per million tokens [USD].
    input_per_output : float
        Input tokens over output tokens of a request [1].

    >>> found = against_api(48.0, 1e9, input_usd=0.5, output_usd=1.0, input_per_output=2.0)
    >>> found.api_cost_per_million_output_tokens_usd, found.break_even_tokens_per_day
    (2.0, 24000000.0)
    """
    api_usd = output_usd + input_usd * input_per_output
    even = tokens_to_break_even(machine_usd_per_day, api_usd, most_tokens_per_day)
    return ApiComparison(
        api_cost_per_million_output_tokens_usd=api_usd,
        own_cost_over_api=machine_usd_per_day / (api_usd * most_tokens_per_day / MILLION),
        break_even_tokens_per_day=even,
        break_even_share=None if even is None else even / most_tokens_per_day,
    )


@dataclass(frozen=True, kw_only=True)
class Lifetime:
    """Lifetime energy of a model [kWh], and days until inference overtakes training [day].

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
    """Compare the energy of one training with the energy of serving every day.

    >>> life = lifetime(433e3, 1.0, 86.4e9, 365.0)
    >>> round(life.days_to_overtake, 1), round(life.serving_kwh / 1e6, 2)
    (18.0, 8.76)
    """
    daily_kwh = energy_per_output_token_j * tokens_per_day / J_PER_KWH
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
    """Return the daily output tokens above which a reserved machine is cheaper than an API [1/day].

    None if even a fully used machine is more expensive.

    >>> tokens_to_break_even(48.0, 2.0, 1e9)
    24000000.0
    >>> tokens_to_break_even(48.0, 0.01, 1e9) is None
    True
    """
    if not api_usd_per_million > 0:
        raise refuse("not_positive", "api_price_out", value=api_usd_per_million)
    tokens = machine_usd_per_day / api_usd_per_million * MILLION
    return tokens if tokens <= most_tokens_per_day else None
