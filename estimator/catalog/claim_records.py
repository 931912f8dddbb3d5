"""Claims, their authors and the numbers for their recomputation, from `claims.toml`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from estimator.catalog.records import Problem, Record, read_record, unknown_word
from estimator.catalog.toml_files import Guard, need, read_toml, unknown
from estimator.catalog.toml_files import texts as read_texts

FILE = "claims.toml"
RELATIONS = ("equal", "at least", "at most")
"""Relation of a claimed number to the true one."""

TEXTS = ("title", "as_told", "quantity", "unit", "relation", "formula")
NAMES = ("claimed_by", "sources")
SENTENCES = ("why", "assumptions")


@dataclass(frozen=True, kw_only=True)
class ClaimRecord:
    """Claim with the numbers for its recomputation.

    Parameters
    ----------
    id, title, as_told : str
        Name in links, heading, and the claim in one sentence.
    claimed_by, sources : tuple of str
        Ids of texts that make the claim, and of primary sources.
    quantity, unit : str
        Quantity compared, and its unit.
    claimed : Record
        Claimed number, or our interpretation of a claim in words.
    relation : str
        Whether the number is claimed as equal, at least or at most.
    formula : str
        Formula of the recomputation, with {places} for its numbers, as in all texts below.
    why, assumptions : tuple of str
        Explanations of the verdict, most important first, and assumptions of the claim.
    refusal : str
        Reason why the claim cannot be checked, empty if it can.
    facts : mapping of str to Record
        Numbers used in the recomputation.
    """

    id: str
    title: str
    as_told: str
    claimed_by: tuple[str, ...]
    sources: tuple[str, ...]
    quantity: str
    unit: str
    relation: str
    formula: str
    why: tuple[str, ...]
    assumptions: tuple[str, ...]
    refusal: str
    claimed: Record
    facts: Mapping[str, Record]


def read_claims(path: Path, guard: Guard) -> dict[str, ClaimRecord]:
    """Read claims.toml, empty if it does not exist."""
    content = read_toml(path) if path.is_file() else {}
    return {claim_id: _claim(path, claim_id, table, guard) for claim_id, table in content.items()}


def _claim(path: Path, claim_id: str, table: object, guard: Guard) -> ClaimRecord:
    known = (*TEXTS, *NAMES, *SENTENCES, "refusal", "claimed", "facts")
    if not isinstance(table, Mapping):
        raise unknown(path, claim_id, "not a claim", known)
    for key in table:
        if key not in known:
            raise unknown(path, f"{claim_id}.{key}", "unknown key", known)
    texts: dict[str, Any] = {key: need(path, table, key) for key in TEXTS}
    if texts["relation"] not in RELATIONS:
        raise unknown(path, f"{claim_id}.relation", "unknown relation", RELATIONS)
    facts = {
        key: _record(path, f"{claim_id}.facts.{key}", fact, guard)
        for key, fact in table.get("facts", {}).items()
    }
    lists: dict[str, Any] = {
        key: read_texts(path, table, key, f"{claim_id}.", required=key in NAMES)
        for key in (*NAMES, *SENTENCES)
    }
    return ClaimRecord(
        id=claim_id,
        **texts,
        **lists,
        refusal=table.get("refusal", ""),
        claimed=_record(path, f"{claim_id}.claimed", table.get("claimed"), guard),
        facts=facts,
    )


def _record(path: Path, key: str, table: object, guard: Guard) -> Record:
    record = read_record(str(path), key, table, None)
    guard(path, key, record)
    return record


def claim_problems(claims: Mapping[str, ClaimRecord], known: set[str]) -> Iterator[Problem]:
    """Check that the texts and primary sources of every claim are described."""
    for claim in claims.values():
        for key, names in (("claimed_by", claim.claimed_by), ("sources", claim.sources)):
            for name in names:
                yield from unknown_word(FILE, f"{claim.id}.{key}", "source", name, known)
        if not claim.claimed_by:
            message = "it has no source"
            yield Problem(FILE, f"{claim.id}.claimed_by", message, "name the text")
        if claim.claimed.unit != claim.unit:
            message = f"claimed in {claim.claimed.unit!r}, compared in {claim.unit!r}"
            yield Problem(FILE, f"{claim.id}.claimed.unit", message, "convert")
