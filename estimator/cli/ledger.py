"""How a ledger is shown: as JSON, as rows, as tables for people."""

from collections.abc import Iterator
from typing import Any

from estimator.core.units import human, in_percent
from estimator.networks.ledger import Ledger


def ledger_json(ledger: Ledger) -> dict[str, Any]:
    """Totals and the ledger by term; keys end in their units."""
    shown: dict[str, Any] = {
        "model_type": ledger.model_type,
        "params_total": ledger.params_total,
        "params_active": ledger.params_active,
        "params_embedding": ledger.params_embedding,
        "items": float(ledger.items),
        "item_unit": ledger.item_unit,
        "forward_flop": float(ledger.forward_flop),
        "training_flop": float(ledger.training_flop),
        "forward_flop_per_item": float(ledger.forward_flop_per_item),
        "weights_bytes": ledger.weights_bytes(),
    }
    if ledger.item_unit == "token":
        shown["tokens"] = shown["items"]
        shown["forward_flop_per_token"] = shown["forward_flop_per_item"]
    if ledger.kv_cache_bytes_per_token():
        shown["kv_cache_bytes_per_token"] = ledger.kv_cache_bytes_per_token()
    if ledger.state_bytes():
        shown["state_bytes"] = ledger.state_bytes()
    shown["ledger"] = {
        name: {"params": term.params, "active_params": term.active_params, "flop": float(term.flop)}
        for name, term in ledger.terms.items()
    }
    return shown | {"warnings": list(ledger.warnings)}


def ledger_rows(ledger: Ledger) -> list[dict[str, Any]]:
    """One row per term."""
    return [
        {
            "term": name,
            "params": term.params,
            "active_params": term.active_params,
            "forward_flop": float(term.flop),
        }
        for name, term in ledger.terms.items()
    ]


def ledger_summary(ledger: Ledger) -> Iterator[tuple[str, str]]:
    """Totals for people."""
    yield "parameters", f"{ledger.params_total:,}"
    if ledger.params_active != ledger.params_total:
        yield f"active per {ledger.item_unit}", f"{ledger.params_active:,}"
    yield "in embeddings", f"{ledger.params_embedding:,}"
    yield f"{ledger.item_unit}s in the pass", f"{float(ledger.items):,.0f}"
    yield "forward", human(float(ledger.forward_flop), "FLOP")
    yield f"forward per {ledger.item_unit}", human(float(ledger.forward_flop_per_item), "FLOP")
    yield "training step", human(float(ledger.training_flop), "FLOP")
    yield "weights at 16 bit", human(ledger.weights_bytes(), "B")
    if ledger.kv_cache_bytes_per_token():
        yield "KV cache per token", human(ledger.kv_cache_bytes_per_token(), "B")
    if ledger.state_bytes():
        yield "state per sequence", human(ledger.state_bytes(), "B")


def ledger_terms(ledger: Ledger) -> Iterator[tuple[str, str, str, str, str]]:
    """Terms with their shares, for people."""
    params, flop = ledger.params_total, float(ledger.forward_flop)
    for name, term in ledger.terms.items():
        yield (
            name,
            f"{term.params:,}",
            in_percent(term.params / params, 1),
            human(float(term.flop), "FLOP"),
            in_percent(float(term.flop) / flop, 1),
        )
