"""Notices on a page: inputs by their labels, in the page's language."""

from collections.abc import Iterable, Iterator, Mapping

from estimator.core.messages import Names, render
from estimator.core.notice import Notice
from estimator.question.inputs import REGISTRY, option_of
from estimator.web.shared.amounts import localised
from estimator.web.shared.language import _


def label_of_input(field: str) -> str:
    """Label of an input, without its unit."""
    label = REGISTRY[field].label if field in REGISTRY else ""
    return quoted(_(label or field).partition(" [")[0])


def label_of_control(labels: Mapping[str, str], field: str) -> str:
    """Label of an input on a page, or its option on the command line if it has no control."""
    if field in labels:
        return quoted(_(labels[field]).partition(" [")[0])
    return _("{input} on the command line").format(input=option_of(field))


def quoted(label: str) -> str:
    """Label of a control in a sentence, without text after a comma.

    >>> quoted("PUE, empty for the PUE of the site")
    '“PUE”'
    """
    return _("“{label}”").format(label=label.partition(",")[0])


def sentence_of(notice: Notice, names: Names = label_of_input) -> str:
    """Sentence of a notice; `names` gives the page's input names.

    >>> sentence_of(Notice("devices_assumed", "devices"))
    'assuming one device; set “Devices”'
    """
    return render(notice, names, translated=_, written=localised)


def shown_all(notices: Iterable[Notice], names: Names = label_of_input) -> Iterator[str]:
    """Distinct sentences of some notices."""
    yield from dict.fromkeys(sentence_of(one, names) for one in notices)
