"""Ablation: held-out score without each term of the mechanism."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from estimator.catalog import Catalog
from estimator.core.rows import rows_of
from estimator.training.features import prior_model
from estimator.training.mechanism import PARAMETERS
from estimator.validation.cross_validation import (
    ablated,
    as_answered,
    blind_predictions,
    score,
)
from estimator.validation.held_out import large_language
from estimator.validation.published_runs import usable_runs

WHOLE = "nothing left out"


def ablation_rows(catalog: Catalog) -> Iterator[dict[str, Any]]:
    """Return one row per removed term, with held-out scores of all runs and large language runs."""
    published = usable_runs(catalog)
    prior, runs = prior_model(catalog), published.runs
    large = large_language(published)
    for name in (WHOLE, *PARAMETERS):
        without = prior if name == WHOLE else ablated(prior, name)
        blind = blind_predictions(
            without, runs, published.tables, published.like, published.own_variance
        )
        blind = as_answered(blind, runs)
        yield {
            "without": name,
            **asdict(score(blind, runs.family)),
            "large_language_median_error": score(
                rows_of(blind, large), runs.family[large]
            ).median_error,
        }
