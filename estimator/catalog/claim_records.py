"""What was claimed, by whom, and which numbers go into its recomputation: claims.toml."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from estimator.catalog.records import Problem, ProfileError, Record, offer, read_record
from estimator.catalog.toml_files import Guard, need, read_toml, unknown

RELATIONS = ("equal", "at least", "at most")
"""How the figure of a claim is meant."""

TEXTS = ("title", "as_told", "quantity", "unit", "relation")
LISTS = ("told_by", "sources")


@dataclass(frozen=True, kw_only=True)
class ClaimRecord:
    """A claim as told.

    Parameters
    ----------
    id, title, as_told : str
        Name in links, heading, and the claim in a sentence.
    told_by, sources : tuple of str
        Ids of the texts that tell it, and of the primary sources.
    quantity, unit : str
        What is compared, and its unit.
    told : Record
        The figure as told, or, where it was told in words, our reading of them.
    relation : str
        Whether the figure is meant as equal, at least or at most.
    facts : mapping of str to Record
        The numbers put into the recomputation.
    """

    id: str
    title: str
    as_told: str
    told_by: tuple[str, ...]
    sources: tuple[str, ...]
    quantity: str
    unit: str
    relation: str
    told: Record
    facts: Mapping[str, Record]


def read_claims(path: Path, guard: Guard) -> dict[str, ClaimRecord]:
    """Read claims.toml; a directory without one has none."""
    content = read_toml(path) if path.is_file() else {}
    return {claim_id: _claim(path, claim_id, table, guard) for claim_id, table in content.items()}


def _claim(path: Path, claim_id: str, table: object, guard: Guard) -> ClaimRecord:
    known = (*TEXTS, *LISTS, "told", "facts")
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
        told_by=_names(path, claim_id, table, "told_by"),
        sources=_names(path, claim_id, table, "sources"),
        told=_record(path, f"{claim_id}.told", table.get("told"), guard),
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
            file=str(path),
            key=f"{claim_id}.{key}",
            message="not a list of sources",
            remedy=f'write {key} = ["an-id-of-sources.toml"]',
        )
    return tuple(names)


def claim_problems(claims: Mapping[str, ClaimRecord], known: set[str]) -> Iterator[Problem]:
    """Check that the texts and primary sources of every claim are described."""
    for claim in claims.values():
        for key, names in (("told_by", claim.told_by), ("sources", claim.sources)):
            for name in names:
                if name not in known:
                    yield Problem(
                        file="claims.toml",
                        key=f"{claim.id}.{key}",
                        message=f"unknown source {name!r}",
                        remedy=offer(name, sorted(known)),
                    )
        if not claim.told_by:
            yield Problem(
                file="claims.toml",
                key=f"{claim.id}.told_by",
                message="nobody tells it",
                remedy="name the text",
            )
        if claim.told.unit != claim.unit:
            message = f"told in {claim.told.unit!r}, compared in {claim.unit!r}"
            yield Problem(
                file="claims.toml", key=f"{claim.id}.told.unit", message=message, remedy="convert"
            )
