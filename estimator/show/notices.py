"""Notices of an answer by importance, and the few that are shown."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from estimator.core.notice import MESSAGES, Notice
from estimator.core.uncertainty import Uncertain
from estimator.show.text import HEADLINES

SHOWN = 3
"""Notices shown by default."""

SOURCES = {
    "pue": ("PUE",),
    "site": ("carbon intensity", "PUE"),
    "carbon_intensity": ("carbon intensity",),
    "price": ("price",),
    "electricity_price": ("electricity price",),
    **dict.fromkeys(
        ("precision", "software", "year", "kind", "batch_tokens", "attention_mask", "rate"),
        ("utilization", "model"),
    ),
    **dict.fromkeys(("input_tokens", "output_tokens", "step_flop"), ("utilization", "model")),
}
"""Input -> uncertainty sources that an assumption about it affects."""

DECISIVE = ("devices", "concurrency", "hardware", "steps", "data_parallel", "expert_parallel")
"""Inputs whose assumptions scale the answer beyond any interval."""

MINOR = (
    *("attention_added", "lora_saves", "qlora_unpacks", "serving_weights_unpacked"),
    *("as_reported", "owning_left_out", "embodied_unknown"),
    *("water_unknown", "onsite_water_unknown", "offsite_water_unknown"),
)
"""Codes of explanatory notices, shown last."""

_SLIP, _WARNING, _DECISIVE, _USUAL, _MINOR = 4.0, 3.0, 2.0, 0.05, 0.0


def by_weight(
    notices: Iterable[Notice], quantities: Mapping[str, Uncertain] | None = None
) -> list[Notice]:
    """Sort notices: warnings first, then assumptions by their effect on the results.

    Parameters
    ----------
    notices : iterable of Notice
    quantities : mapping of str to Uncertain, optional
        Results; an assumption's weight is its largest variance share in a headline quantity.

    >>> assumed = Notice("pue_assumed", "pue"), Notice("devices_assumed", "devices")
    >>> [notice.field for notice in by_weight((*assumed, Notice("no_effect", "heads")))]
    ['heads', 'devices', 'pue']
    """
    shares: dict[str, float] = {}
    headlines = {name for names in HEADLINES.values() for name in names}
    for quantity in (known for name, known in (quantities or {}).items() if name in headlines):
        for source, share in quantity.shares().items():
            shares[source] = max(shares.get(source, 0.0), float(share))
    return sorted(dict.fromkeys(notices), key=lambda notice: -_weight(notice, shares))


def _weight(notice: Notice, shares: Mapping[str, float]) -> float:
    """Return the weight of a notice: for an assumption, its variance share."""
    if notice.code == "too_few":
        return _SLIP
    if notice.code in MINOR:
        return _MINOR
    if not _assumes(notice):
        return _WARNING
    if notice.field in DECISIVE:
        return _DECISIVE
    sources = SOURCES.get(notice.field, ())
    return max((shares.get(source, 0.0) for source in sources), default=_USUAL)


def _assumes(notice: Notice) -> bool:
    """Return whether a notice states an assumption, judging by its text."""
    return "assum" in str(MESSAGES.get(notice.code, ""))


def first_lines(lines: Sequence[str], *, verbose: bool = False) -> Iterator[str]:
    """Yield the first lines, then the number of others and the option to show them.

    >>> list(first_lines("abcde"))
    ['a', 'b', 'c', '2 more assumptions: --verbose']
    >>> list(first_lines("abcd"))
    ['a', 'b', 'c', '1 more assumption: --verbose']
    """
    yield from lines if verbose else lines[:SHOWN]
    rest = len(lines) - SHOWN
    if rest > 0 and not verbose:
        yield f"{rest} more assumption{'s' * (rest != 1)}: --verbose"
