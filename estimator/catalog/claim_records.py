"""What was claimed, by whom, and which numbers go into its recomputation: claims.toml."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from estimator.catalog.records import Problem, ProfileError, Record, read_record, unknown_word
from estimator.catalog.toml_files import Guard, need, read_toml, unknown

FILE = "claims.toml"
RELATIONS = ("equal", "at least", "at most")
"""How the figure of a claim is meant."""

TEXTS = ("title", "as_told", "quantity", "unit", "relation")
LISTS = ("claimed_by", "sources")


@dataclass(frozen=True, kw_only=True)
class ClaimRecord:
    """A claim and the numbers put into its recomputation.

    Parameters
    ----------
    id, title, as_told : str
        Name in links, heading, and the claim in a sentence.
    claimed_by, sources : tuple of str
        Ids of the texts that make it, and of the primary sources.
    quantity, unit : str
        What is compared, and its unit.
    claimed : Record
        The claimed figure, or our reading where it was put in words.
    relation : str
        Whether the figure is meant as equal, at least or at most.
    facts : mapping of str to Record
        The numbers put into the recomputation.
    """

    id: str
    title: str
    as_told: str
    claimed_by: tuple[str, ...]
    sources: tuple[str, ...]
    quantity: str
    unit: str
    relation: str
    claimed: Record
    facts: Mapping[str, Record]


def read_claims(path: Path, guard: Guard) -> dict[str, ClaimRecord]:
    """Read claims.toml; a directory without one has none."""
    content = read_toml(path) if path.is_file() else {}
    return {claim_id: _claim(path, claim_id, table, guard) for claim_id, table in content.items()}


def _claim(path: Path, claim_id: str, table: object, guard: Guard) -> ClaimRecord:
    known = (*TEXTS, *LISTS, "claimed", "facts")
    if not isinstance(table, Mapping):
        raise unknown(path, claim_id, "not a claim", known)
    for key in table:
        if key not in known:
            raise unknown(path, f"{claim_id}.{key}", "unknown key", known)
    texts = {key: need(path, table, key) for key in TEXTS}
    if texts["relation"] not in RELATIONS:
        raise unknown(path, f"{claim_id}.relation", "unknown relation", RELATIONS)
    facts = {
        key: _record(path, f"{claim_id}.facts.{key}", fact, guard)
        for key, fact in table.get("facts", {}).items()
    }
    return ClaimRecord(
        id=claim_id,
        **texts,
        claimed_by=_names(path, claim_id, table, "claimed_by"),
        sources=_names(path, claim_id, table, "sources"),
        claimed=_record(path, f"{claim_id}.claimed", table.get("claimed"), guard),
        facts=facts,
    )


def _record(path: Path, key: str, table: object, guard: Guard) -> Record:
    record = read_record(str(path), key, table, None)
    guard(path, key, record)
    return record


def _names(path: Path, claim_id: str, table: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """Return a list of ids of sources, refusing what is none."""
    names = table.get(key)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ProfileError(
            path,
            f"{claim_id}.{key}",
            "not a list of sources",
            f'write {key} = ["an-id-of-sources.toml"]',
        )
    return tuple(names)


def claim_problems(claims: Mapping[str, ClaimRecord], known: set[str]) -> Iterator[Problem]:
    """Check that the texts and primary sources of every claim are described."""
    for claim in claims.values():
        for key, names in (("claimed_by", claim.claimed_by), ("sources", claim.sources)):
            for name in names:
                yield from unknown_word(FILE, f"{claim.id}.{key}", "source", name, known)
        if not claim.claimed_by:
            message = "nobody is named as its source"
            yield Problem(FILE, f"{claim.id}.claimed_by", message, "name the text")
        if claim.claimed.unit != claim.unit:
            message = f"claimed in {claim.claimed.unit!r}, compared in {claim.unit!r}"
            yield Problem(FILE, f"{claim.id}.claimed.unit", message, "convert")
