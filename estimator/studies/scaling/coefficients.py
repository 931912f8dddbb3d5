"""Coefficients of the scaling laws from the profiles."""

from estimator.catalog import Catalog, Record, once
from estimator.studies.scaling.error_law import ErrorLaw, fitted_error_law
from estimator.studies.scaling.laws import KaplanLaw, RepeatedData, ScalingLaw, law_from

CORRECTED = "besiroglu"
"""Refit of Chinchilla's runs that reproduces what its authors trained."""

LAWS = ("besiroglu", "hoffmann", "muennighoff")
"""Fits of the form of Hoffmann et al."""


@once
def scaling_law(catalog: Catalog, name: str = CORRECTED) -> ScalingLaw:
    """Return one fit of Hoffmann's form; ValueError if unknown."""
    if name not in LAWS:
        raise ValueError(f"no scaling law {name!r}: use one of {', '.join(LAWS)}")
    return law_from(_values(catalog, name))


@once
def kaplan_law(catalog: Catalog) -> KaplanLaw:
    """Return the laws of 2020."""
    values = _values(catalog, "kaplan")
    values.pop("fitted_flop")
    return KaplanLaw(**values)


@once
def repeated_data(catalog: Catalog) -> RepeatedData:
    """Return the law for repeated data."""
    values = _values(catalog, "muennighoff")
    return RepeatedData(
        law=law_from(values),
        repeated_tokens=values["repeated_tokens"],
        excess_params=values["excess_params"],
    )


def fitted_range_flop(catalog: Catalog) -> tuple[float, float]:
    """Return the compute range of the runs behind a fit [FLOP]."""
    record = catalog.scaling()[f"{CORRECTED}.fitted_flop"]
    return _bound(record.low, record), _bound(record.high, record)


@once
def error_law(catalog: Catalog) -> ErrorLaw:
    """Return the law of ImageNet error, fitted to its authors' points."""
    values = _values(catalog, "thompson")
    places = ("today", "near", "far")
    return fitted_error_law(
        errors=[values[f"{place}_error"] for place in places],
        flop=[values[f"{place}_flop"] for place in places],
        other_exponent=values["revised_exponent"],
    )


def _values(catalog: Catalog, name: str) -> dict[str, float]:
    prefix = f"{name}."
    return {
        key.removeprefix(prefix): record.value
        for key, record in catalog.scaling().items()
        if key.startswith(prefix)
    }


def _bound(bound: float | None, record: Record) -> float:
    return record.value if bound is None else bound
