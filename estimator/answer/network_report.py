"""Report of a network: parameters, FLOPs and bytes, in total and by term."""

from typing import Any

from estimator.answer.report import Report
from estimator.core.notice import Notice
from estimator.networks.ledger import Ledger


def network_report(name: str, ledger: Ledger) -> Report:
    """Report of a network's ledger.

    Parameters
    ----------
    name : str
        Name of the network, for people.
    ledger : Ledger

    Returns
    -------
    Report
        Facts are the totals and `ledger`: term -> params, active_params, flop.
    """
    facts: dict[str, Any] = {
        "model": name,
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
        facts["tokens"] = facts["items"]
        facts["forward_flop_per_token"] = facts["forward_flop_per_item"]
    if ledger.kv_cache_bytes_per_token():
        facts["kv_cache_bytes_per_token"] = ledger.kv_cache_bytes_per_token()
    if ledger.state_bytes():
        facts["state_bytes"] = ledger.state_bytes()
    facts["ledger"] = {
        name: {"params": term.params, "active_params": term.active_params, "flop": float(term.flop)}
        for name, term in ledger.terms.items()
    }
    notices = tuple(Notice("text", "", {"text": text}) for text in ledger.warnings)
    return Report(question="network", quantities={}, facts=facts, notices=notices)
