"""What a notice of an answer says on a page: its inputs by their labels, in the page's language."""

from collections.abc import Iterable, Iterator

from estimator.core.messages import render
from estimator.core.notice import Notice
from estimator.scenario.scenario import INPUTS, label_of
from estimator.web.shared.amounts import localised
from estimator.web.shared.language import _


def shown(notice: Notice) -> str:
    """Sentence of a notice.

    >>> shown(Notice("devices_assumed", "devices"))
    'assuming one device; set “Devices”'
    """
    return render(notice, _label, translated=_, written=localised)


def shown_all(notices: Iterable[Notice]) -> Iterator[str]:
    """Sentences of some notices, each once."""
    yield from dict.fromkeys(map(shown, notices))


def _label(field: str) -> str:
    """Label of an input without its unit."""
    if field not in INPUTS:
        return label_of(field)
    return _("“{label}”").format(label=_(INPUTS[field].label).partition(" [")[0])
