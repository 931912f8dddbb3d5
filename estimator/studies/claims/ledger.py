"""All claims recomputed: the records of claims.toml and the function for each."""

from collections.abc import Callable, Mapping

from estimator.catalog import Catalog
from estimator.catalog.records import nearest
from estimator.studies.claims import chatbots, intensity, limits, networks, runs, shrinking
from estimator.studies.claims.facts import Facts
from estimator.studies.claims.finding import Claim, Finding

RECOMPUTED: Mapping[str, Callable[[Facts], Finding]] = {
    "gpt3-v100": runs.gpt3_v100,
    "alphago-lee": runs.alphago_lee,
    "world-electricity": runs.world_electricity,
    "dqn-atari": runs.dqn_atari,
    "alphastar": runs.alphastar,
    "memory-wall": limits.memory_wall,
    "exponential-compute": limits.exponential_compute,
    "inference-edge": shrinking.inference_edge,
    "quantization": shrinking.quantization,
    "pruning": shrinking.pruning,
    "distillation": shrinking.distillation,
    "low-rank": shrinking.low_rank,
    "transfer-learning": shrinking.transfer_learning,
    "datasets": shrinking.datasets,
    "imagenet-5pct": limits.imagenet_5pct,
    "diminishing-returns": limits.diminishing_returns,
    "gpt3-vs-gpt2": limits.gpt3_vs_gpt2,
    "quantum-volume": limits.quantum_volume_doubles,
    "depth-paths": networks.depth_paths,
    "gradient-bound": networks.gradient_bound,
    "ode-memory": networks.ode_memory,
    "brain-20w": runs.brain_20w,
    "gemini-prompt-energy": chatbots.gemini_energy,
    "gemini-prompt-co2e": chatbots.gemini_co2e,
    "gemini-prompt-water": chatbots.gemini_water,
    "chatgpt-query-energy": chatbots.chatgpt_energy,
    "mistral-answer-co2e": chatbots.mistral_co2e,
    "mistral-answer-water": chatbots.mistral_water,
    "chatgpt-ten-searches": chatbots.ten_searches,
    "bloom-query-energy": chatbots.bloom_query,
    "bottle-per-email": chatbots.bottle_per_email,
    "sci-example": intensity.sci_example,
    "sci-provider": intensity.sci_provider,
}
"""Claim id -> its recomputation, in display order."""


def claim(claim_id: str, catalog: Catalog) -> Claim:
    """Recompute one claim.

    Raises
    ------
    ValueError
        If there is no claim with this id.

    Examples
    --------
    >>> found = claim("dqn-atari", Catalog.open())
    >>> found.verdict, round(found.interval.mid, 1)
    ('holds', 38.6)
    """
    if claim_id not in RECOMPUTED:
        close = " or ".join(nearest(claim_id, list(RECOMPUTED)))
        remedy = f"did you mean {close}?" if close else "`claims` lists all"
        raise ValueError(f"no claim {claim_id[:40]!r}: {remedy}")
    record = catalog.claims()[claim_id]
    return Claim(
        record=record,
        finding=RECOMPUTED[claim_id](Facts(record, catalog)),
        claimed_by=tuple(catalog.source(name) for name in record.claimed_by),
        sources=tuple(catalog.source(name) for name in record.sources),
    )


def claims(catalog: Catalog) -> list[Claim]:
    """Recompute all claims."""
    return [claim(claim_id, catalog) for claim_id in RECOMPUTED]
