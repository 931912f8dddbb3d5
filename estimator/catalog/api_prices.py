"""Dated list prices of public APIs per million tokens, from `api_prices.csv`."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from estimator.catalog.csv_tables import filled, read_rows, record_from_row
from estimator.catalog.records import Problem, date_problems, unknown_word
from estimator.catalog.schema import API_PRICE_FIELD
from estimator.catalog.toml_files import Guard

FILE = "api_prices.csv"
AMOUNTS = ("input_usd_per_million_tokens", "output_usd_per_million_tokens")


@dataclass(frozen=True, kw_only=True)
class ApiPrice:
    """List price of one model at one provider on one day.

    Parameters
    ----------
    id, provider, model : str
        Name in commands and links, seller, and the provider's name of the model.
    preset : str
        Preset of the same model, empty if its weights are not public.
    input_usd_per_million_tokens, output_usd_per_million_tokens : float
        Price of the standard tier, without cache and batch discounts [USD].
    date, source : str
        Date of the price and its source.
    """

    id: str
    provider: str
    model: str
    preset: str
    input_usd_per_million_tokens: float
    output_usd_per_million_tokens: float
    date: str
    source: str
    note: str = ""

    @property
    def name(self) -> str:
        """Provider and model."""
        return f"{self.provider}: {self.model}"


def read_api_prices(path: Path, guard: Guard) -> Iterator[ApiPrice]:
    """Yield the prices of one file, none if it does not exist."""
    for line, row in read_rows(path) if path.is_file() else ():
        amounts = {}
        for column in AMOUNTS:
            record = record_from_row(path, line, row, column, API_PRICE_FIELD)
            guard(path, f"line {line}, {column}", record)
            amounts[column] = record.value
        yield ApiPrice(
            id=filled(path, line, row, "id"),
            provider=filled(path, line, row, "provider"),
            model=filled(path, line, row, "model"),
            preset=row.get("preset", ""),
            date=filled(path, line, row, "date"),
            source=filled(path, line, row, "source"),
            note=row.get("note", ""),
            **amounts,
        )


def api_price_problems(
    prices: dict[str, ApiPrice], presets: dict[str, str], sources: set[str]
) -> Iterator[Problem]:
    """Validate prices against presets, sources and the calendar."""
    for price in prices.values():
        remedy = "add it to sources.toml"
        yield from unknown_word(FILE, price.id, "preset", price.preset or None, presets)
        yield from unknown_word(FILE, price.id, "source", price.source, sources, remedy)
        yield from date_problems(FILE, price.id, price.date, "2026-01-31, 2026-01 or 2026")
