"""State of a page in its URL: one codec for all pages, read on arrival, written on change.

A page declares its inputs once, with the controls that ask for them:

>>> INPUTS = LinkParameters(
...     "claims",
...     Choice("field", ("all", "energy", "cost"), label="Field", help="Claims shown"),
...     Number("sites", 3.0, low=1.0, high=50.0, whole=True, label="Sites", help="Sites compared"),
... )

What the page was last asked is remembered in the session and is the one source of truth: a control
that is drawn for the first time begins with it, a control that moves changes it, a button replaces
it. The URL is written where it changed, which makes one step of the browser's history. A link
carries the version of its schema, `v`, and that of the data, `d`. What a link states and a page
cannot use is adjusted or left out, and shown as a notice: never in silence, never as a traceback.
"""

from collections.abc import Callable, Collection, Mapping, MutableMapping
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode, urlsplit

import streamlit as st

from estimator.question.inputs import read_number
from estimator.question.scenario import LINK_VERSION
from estimator.web.shared.frame import KEPT, shortened
from estimator.web.shared.language import _, ngettext
from estimator.web.shared.profiles import data_version

State = MutableMapping[Any, Any]
Query = Mapping[str, str]
Values = dict[str, Any]

VERSIONS = ("v", "d")
"""Link parameters of the schema and data versions."""

LONGEST_QUERY = 20_000
"""Longest accepted link [character]."""


@dataclass
class VisitMemory:
    """State of a page between script runs, the only source of truth.

    `pending` is a value requested by a button, shown before anything is drawn.
    """

    asked: Any
    seen: dict[str, str]
    written: dict[str, str] | None = None
    notices: list[str] = field(default_factory=list)
    pending: Any = None


def widget_key(page: str, name: str) -> str:
    """Key of a widget, unique across pages."""
    return f"{page}_{name}"


def versioned(query: Query) -> dict[str, str]:
    """Query of a link with its schema and data versions."""
    return {"v": LINK_VERSION, "d": data_version(), **query}


def with_look(query: Query) -> dict[str, str]:
    """Query of a link with the current look of the page."""
    kept = {name: st.query_params[name] for name in KEPT if name in st.query_params}
    return {**versioned(query), **kept}


def address_of(query: Query, page: str | None = None, **look: str) -> str:
    """Full URL of a page with a query, by default the current page."""
    url = urlsplit(st.context.url or "")
    path = url.path or "/"
    if page is not None:
        path = f"{path.rpartition('/')[0]}/{page}"
    return url._replace(path=path, query=urlencode({**look, **query})).geturl()


@dataclass(frozen=True, init=False)
class LinkParameters:
    """Inputs of a page: their codec for links and widgets, and their state.

    Parameters
    ----------
    page : str
        Path of the page.
    *known : Choice, Number, Typed or LineOfText
        Inputs of the page; the first value is in every link, none is left to a default.
    """

    page: str
    known: "tuple[Parameter, ...]"

    def __init__(self, page: str, *known: "Parameter") -> None:
        object.__setattr__(self, "page", page)
        object.__setattr__(self, "known", known)

    def names(self) -> Collection[str]:
        """Names of the values."""
        return [one.name for one in self.known]

    def widget_keys(self) -> Collection[str]:
        """Keys of the widgets."""
        return [widget_key(self.page, one.name) for one in self.known]

    def declared(self, name: str) -> "Parameter":
        """Return the declaration of a parameter."""
        return next(one for one in self.known if one.name == name)

    def from_link(self, query: Query) -> tuple[dict[str, Any], list[str]]:
        """Values of a link, with defaults where missing or invalid."""
        values: dict[str, Any] = {}
        notices: list[str] = []
        for one in self.known:
            values[one.name], notice = one.parse(query.get(one.name))
            notices += [notice] if notice else []
        return values, notices

    def widget_values(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """Widget values for a value."""
        return {
            widget_key(self.page, one.name): one.widget_value(value[one.name]) for one in self.known
        }

    def gather(self, state: State, last: dict[str, Any]) -> dict[str, Any]:
        """Values from the widgets; one that is not drawn keeps its last value."""
        found = {}
        for one in self.known:
            key = widget_key(self.page, one.name)
            held = state.get(key)
            open_ = key in state and isinstance(one, Number) and one.optional
            unset = held is None and not open_
            value, notice = (None, "unset") if unset else one.parse(one.link_text(held))
            found[one.name] = last[one.name] if notice else value
        return found

    def query(self, values: Mapping[str, Any]) -> dict[str, str]:
        """Return the values as link parameters."""
        return {one.name: one.link_text(values[one.name]) for one in self.known}

    def problems(self, state: State) -> dict[str, str]:
        """Parameter -> why its widget's content is invalid, for invalid ones."""
        held = [(one, state.get(widget_key(self.page, one.name))) for one in self.known]
        found = {
            one.name: self.problem(one.name, one.link_text(value))
            for one, value in held
            if value is not None
        }
        return {name: notice for name, notice in found.items() if notice}

    def problem(self, name: str, text: str) -> str:
        """Reason why a text is invalid for an input, by its label; empty if it is valid."""
        declared = self.declared(name)
        return replace(declared, name=declared.called_in_sentence).parse(text)[1]

    def arrive(self) -> Values:
        """Return the inputs from widgets, a button, or a URL.

        A URL is read when opened, reloaded or navigated back to. A request in flight during a URL
        change has the old URL; its changed widget distinguishes it from going back.
        """
        state, query = st.session_state, _bounded(dict(st.query_params))
        memory: VisitMemory | None = state.get(self._place)
        if memory is None or not any(key in state for key in self.widget_keys()):
            memory = self._open(query, state)
        if memory.pending is not None:
            self._show(memory, memory.pending, state)
        asked = self.gather(state, memory.asked)
        if query != memory.seen and asked == memory.asked:
            memory = self._open(query, state)
            asked = memory.asked
        if asked != memory.asked:
            memory.asked, memory.notices = asked, []
        return asked

    @property
    def asked(self) -> Values:
        """Inputs in this run, after arrival."""
        values: Values = st.session_state[self._place].asked
        return values

    def beginning(
        self, name: str, argument: str = "value", written: Callable[[Any], Any] | None = None
    ) -> dict[str, Any]:
        """Key of an input's widget, and its initial value's argument."""
        key = widget_key(self.page, name)
        if key in st.session_state:
            return {"key": key}
        held = self.widget_values(self.asked)[key]
        return {"key": key, argument: held if written is None else written(held)}

    @property
    def notices(self) -> list[str]:
        """Notices on the opened link, empty once a control has moved."""
        memory: VisitMemory | None = st.session_state.get(self._place)
        return [] if memory is None else memory.notices

    def leave(self, query: Query, *, embedded: bool) -> None:
        """Write the URL if its state has changed, never in a frame.

        After a server restart, a browser sends its control values with the first request, but they
        are known only once drawn; the page is then redrawn if they differ.
        """
        memory: VisitMemory = st.session_state[self._place]
        address = with_look(query)
        if not embedded and address != (memory.written or address):
            st.query_params.from_dict(address)
            memory.seen = address
        memory.written = address
        held = {key: st.session_state[key] for key in self.widget_keys() if key in st.session_state}
        if self.gather(held, memory.asked) != memory.asked:
            st.rerun()

    def choose(self, value: Values) -> None:
        """Request a value, as a button does, for the next drawing."""
        st.session_state[self._place].pending = value

    def forget(self) -> None:
        """Read the URL again, as when the page was opened."""
        memory: VisitMemory = st.session_state[self._place]
        self.choose(self.from_link(memory.seen)[0])

    def _open(self, query: dict[str, str], state: State) -> VisitMemory:
        """Set the widgets to the state of a URL."""
        value, notices = self.from_link(query)
        known = {*VERSIONS, *KEPT, *self.names()}
        unknown = [name for name in query if name not in known]
        left_out = [name for name in st.query_params if name not in query]
        notices = [*_versions(query), *notices, *_unknown(unknown), *_too_long(left_out)]
        state[self._place] = memory = VisitMemory(asked=value, seen=dict(query), notices=notices)
        self._show(memory, value, state)
        return memory

    def _show(self, memory: VisitMemory, value: Values, state: State) -> None:
        """Store a value, and set the drawn widgets to it."""
        memory.asked, memory.pending = value, None
        for key, held in self.widget_values(value).items():
            if key in state and state[key] != held:
                state[key] = held

    @property
    def _place(self) -> str:
        return f"_{self.page}_memory"


Names = Mapping[str, str]
"""Option -> name in its control, translated or marked by `N_`."""


@dataclass(frozen=True)
class Control:
    """Control of an input.

    Parameters
    ----------
    name : str
        Name in a link.
    label, help : str
        Text next to the control, and its tooltip, marked by `N_`; a page draws
        an input without a label itself.
    section : str
        Title of the fold that it is in, marked by `N_`; empty where it is in sight.
    when : callable, optional
        Whether it is drawn, by the values of the page.
    """

    name: str
    _: KW_ONLY
    label: str = ""
    help: str = ""
    section: str = ""
    when: Callable[[Mapping[str, Any]], bool] | None = None

    @property
    def called_in_sentence(self) -> str:
        """Label without unit and hints, or the name if there is no label."""
        return _(self.label).partition(" [")[0].partition(",")[0] or self.name


class Word(Control):
    """Text value, equal in its widget and link."""

    def widget_value(self, value: Any) -> str:
        """Return the widget's value."""
        return str(value)

    def link_text(self, value: Any) -> str:
        """Return a value as a link parameter."""
        return str(value)


@dataclass(frozen=True)
class Choice(Word):
    """One word of a few, the first by default.

    `called` names its options, `rest` those without a name, and `abreast` puts them side by side.
    `new` allows other words, parsed by `read`.
    """

    options: Collection[str]
    usual: str | None = None
    _: KW_ONLY
    called: Callable[[], Names] = dict
    rest: str = ""
    abreast: bool = False
    new: bool = False

    def parse(self, text: str | None) -> tuple[str, str]:
        """Word of a text, with an error message if invalid."""
        usual = next(iter(self.options)) if self.usual is None else self.usual
        if not text or text in self.options:
            return text or usual, ""
        known = ", ".join(list(self.options)[:8])
        more = " …" if len(self.options) > 8 else ""
        notice = _("“{name}” is {given}, and only {known} are known: {usual} is shown")
        return usual, notice.format(
            name=self.name, given=shortened(text), known=known + more, usual=usual
        )


@dataclass(frozen=True)
class Number(Control):
    """A number within limits, for a number input, or a slider if it `slides`.

    One that is `optional` may be left open.
    """

    usual: float
    low: float
    high: float
    whole: bool = False
    _: KW_ONLY
    step: float | None = None
    slides: bool = False
    optional: bool = False

    def parse(self, text: str | None) -> tuple[float | None, str]:
        """Closest valid number of a text, with an error message if adjusted.

        >>> Number("sites", 3.0, low=1.0, high=50.0, whole=True).parse("99")[0]
        50
        """
        if text is None:
            return self._kind(self.usual), ""
        if self.optional and not text:
            return None, ""
        try:
            number = read_number(self.name, shortened(text))
        except ValueError:
            notice = _("“{name}” is not a number: {given}").format(
                name=self.name, given=shortened(text)
            )
            return self._kind(self.usual), notice
        best = min(max(round(number) if self.whole else number, self.low), self.high)
        if best == number:
            return self._kind(best), ""
        notice = _("“{name}” is adjusted from {given} to {best:g}")
        return self._kind(best), notice.format(name=self.name, given=shortened(text), best=best)

    def widget_value(self, value: Any) -> float | None:
        """Return the widget's value."""
        return None if value is None else self._kind(value)

    def link_text(self, value: Any) -> str:
        """Return a value as a link parameter."""
        return "" if value is None else short_number(float(value))

    def _kind(self, value: float) -> float:
        return int(value) if self.whole else float(value)


@dataclass(frozen=True)
class Typed(Control):
    """Number typed as text, such as 7B, optional unless required."""

    usual: float | None = None
    low: float = 0.0
    high: float = 1e30
    required: bool = False

    def parse(self, text: str | None) -> tuple[float | None, str]:
        """Number of a text, or the default with an error message.

        >>> Typed("params").parse("7B"), Typed("params").parse("")
        ((7000000000.0, ''), (None, ''))
        >>> Typed("params", 1e9, required=True).parse("")
        (1000000000.0, '“params” is empty: type a number like 7e9 or 7B')
        """
        if text is None:
            return self.usual, ""
        if not text.strip():
            if not self.required:
                return None, ""
            notice = _("“{name}” is empty: type a number like 7e9 or 7B")
            return self.usual, notice.format(name=self.name)
        try:
            number = read_number(self.name, shortened(text))
        except ValueError:
            notice = _("“{name}” is not a number: {given}; write it like 7e9 or 7B")
            return self.usual, notice.format(name=self.name, given=shortened(text))
        if not self.low <= number <= self.high:
            notice = _("“{name}” must be between {low:g} and {high:g}, got {given}")
            return self.usual, notice.format(
                name=self.name, low=self.low, high=self.high, given=shortened(text)
            )
        return number, ""

    def widget_value(self, value: Any) -> str:
        """Return the widget's value."""
        return "" if value is None else short_number(value)

    def link_text(self, value: Any) -> str:
        """Return a value as a link parameter; typed text is kept."""
        if isinstance(value, str):
            return value
        return "" if value is None else short_number(value)


@dataclass(frozen=True)
class LineOfText(Word):
    """One-line text, such as a link, of limited length."""

    usual: str = ""
    longest: int = 4000

    def parse(self, text: str | None) -> tuple[str, str]:
        """Text of a link, with an error message if invalid.

        >>> LineOfText("a").parse("x" * 5000)[1]
        '“a” is longer than 4000 characters'
        """
        if text is None:
            return self.usual, ""
        if len(text) > self.longest:
            notice = _("“{name}” is longer than {longest} characters")
            return self.usual, notice.format(name=self.name, longest=self.longest)
        return text.strip(), ""


Parameter = Choice | Number | Typed | LineOfText


@lru_cache(maxsize=1024)
def short_number(value: float) -> str:
    """Format a number as people type it, exactly.

    >>> short_number(7e9), short_number(3.14e23), short_number(0.277), short_number(2048.0)
    ('7B', '3.14e23', '0.277', '2048')
    """
    plain = f"{value:.15g}".replace("e+", "e")
    scaled = [f"{value / 10.0**power:.15g}{suffix}" for power, suffix in _SUFFIXES]
    texts = [text for text in (plain, *scaled) if "e-" not in text or text == plain]
    exact = (text for text in sorted(texts, key=len) if read_number("", text) == value)
    return next(exact, repr(value))


_SUFFIXES = ((6, "M"), (9, "B"), (12, "T"))


def _bounded(query: dict[str, str]) -> dict[str, str]:
    """Reduce an oversized link to its first names."""
    kept: dict[str, str] = {}
    for name, text in query.items():
        if sum(map(len, (*kept, *kept.values()))) + len(name) + len(text) > LONGEST_QUERY:
            break
        kept[name] = text
    return kept


def _versions(query: Query) -> list[str]:
    """Return notices for links of another schema or data version."""
    notices = []
    if query.get("v", LINK_VERSION) != LINK_VERSION:
        notices.append(
            _("this link has version {given}, not {known}: check the inputs").format(
                given=shortened(query["v"]), known=LINK_VERSION
            )
        )
    data = query.get("d", data_version())
    if data != data_version() and "=" not in data:  # older links of Compare: a scenario
        notices.append(
            _(
                "this link was made with other data ({given}, now {known}): figures may differ"
            ).format(given=shortened(data), known=data_version())
        )
    return notices


def _unknown(names: list[str]) -> list[str]:
    """Notice on unknown names in a link."""
    text = ngettext(
        "{names} is unknown to this page", "{names} are unknown to this page", len(names)
    )
    return [text.format(names=_few(names))] if names else []


def _too_long(names: list[str]) -> list[str]:
    """Notice on the names that an oversized link loses."""
    text = _("this link is longer than {longest} characters, so a part is ignored: {names}")
    return [text.format(longest=LONGEST_QUERY, names=_few(names))] if names else []


def _few(names: list[str]) -> str:
    """First names in quotes, and how many more there are."""
    first = ", ".join(_("“{label}”").format(label=shortened(name)) for name in names[:3])
    rest = len(names) - 3
    return first + (ngettext(" and {n} more", " and {n} more", rest).format(n=rest) * (rest > 0))
