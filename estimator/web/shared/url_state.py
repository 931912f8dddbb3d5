"""The URL is the state: one codec for all pages, read on arrival, written when a control moves.

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
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import urlencode, urlsplit

import streamlit as st

from estimator.question.inputs import read_number
from estimator.question.scenario import LINK_VERSION
from estimator.web.shared.frame import KEPT, shortened
from estimator.web.shared.language import _, ngettext
from estimator.web.shared.profiles import data_version

State = MutableMapping[Any, Any]
Query = Mapping[str, str]
Value = TypeVar("Value")

VERSIONS = ("v", "d")
"""Names in a link that say by which schema and which data it was made."""

LONGEST_QUERY = 20_000
"""A longer link is no link of ours [characters]."""


class Codec(Protocol[Value]):
    """Reading and writing of one page's state, in a link and in its widgets."""

    def names(self) -> Collection[str]:
        """Names that a link of this page may have."""

    def widget_keys(self) -> Collection[str]:
        """Keys of its widgets."""

    def read(self, query: Query) -> tuple[Value, list[str]]:
        """Value that a link states, completed, and what of it was adjusted or left out."""

    def shown(self, value: Value) -> Mapping[str, Any]:
        """Widget key -> what that widget holds for a value."""

    def gather(self, state: State, last: Value) -> Value:
        """Value that the widgets ask for; the last one where a widget has nothing readable.

        Where one control decides what others hold, it sets them in `state`.
        """


class PageCodec(Codec[Value], Protocol[Value]):
    """Codec of a page that the kit draws."""

    @property
    def page(self) -> str:
        """Path of the page."""

    def problems(self, state: State) -> Mapping[str, str]:
        """Control -> why what it holds cannot be used, of those for which that is so."""

    def query(self, values: Value) -> dict[str, str]:
        """Return a value as a link writes it."""


@dataclass
class VisitMemory:
    """State of a page between two runs of its script: the one source of truth.

    `pending` is a value that a button asks for, to be shown before anything is drawn.
    """

    asked: Any
    seen: dict[str, str]
    written: dict[str, str] | None = None
    notices: list[str] = field(default_factory=list)
    pending: Any = None


@dataclass(frozen=True)
class UrlState(Generic[Value]):
    """State of one page.

    Parameters
    ----------
    page : str
        Path of the page.
    codec : Codec
        Reading and writing of its state.
    """

    page: str
    codec: Codec[Value]

    def key(self, name: str) -> str:
        """Key of the widget of a parameter."""
        return widget_key(self.page, name)

    def arrive(self) -> Value:
        """Return what is asked: by the widgets, by a button, or by a URL.

        A URL is read when it is opened, reloaded or gone back to. A request that was on its way
        while the URL was written still carries the old URL; the widget that it changed tells it
        from going back.
        """
        state, query = st.session_state, _bounded(dict(st.query_params))
        memory: VisitMemory | None = state.get(self._place)
        if memory is None or not any(key in state for key in self.codec.widget_keys()):
            memory = self._open(query, state)
        if memory.pending is not None:
            self._show(memory, memory.pending, state)
        asked = self.codec.gather(state, memory.asked)
        if query != memory.seen and asked == memory.asked:
            memory = self._open(query, state)
            asked = memory.asked
        if asked != memory.asked:
            memory.asked, memory.notices = asked, []
        return asked

    def beginning(
        self, key: str, argument: str = "value", written: Callable[[Any], Any] | None = None
    ) -> dict[str, Any]:
        """Key of a widget, and by which argument one that is drawn for the first time begins."""
        if key in st.session_state:
            return {"key": key}
        held = self.codec.shown(st.session_state[self._place].asked)[key]
        return {"key": key, argument: held if written is None else written(held)}

    @property
    def notices(self) -> list[str]:
        """Parts of the opened link that could not be used; empty once a control has moved."""
        memory: VisitMemory | None = st.session_state.get(self._place)
        return [] if memory is None else memory.notices

    def leave(self, query: Query, *, embedded: bool) -> None:
        """Write the URL if what it states has changed; in a frame it is never written.

        A browser whose server was started again sends what its controls hold with its first
        request, which is known only once they are drawn: the page is drawn again if it differs.
        """
        memory: VisitMemory = st.session_state[self._place]
        address = with_look(query)
        if not embedded and address != (memory.written or address):
            st.query_params.from_dict(address)
            memory.seen = address
        memory.written = address
        held = {
            key: st.session_state[key]
            for key in self.codec.widget_keys()
            if key in st.session_state
        }
        if self.codec.gather(held, memory.asked) != memory.asked:
            st.rerun()

    def choose(self, value: Value) -> None:
        """Ask for a value, as a button does: its controls show it when the page is drawn next."""
        st.session_state[self._place].pending = value

    def forget(self) -> None:
        """Read the URL again, as if the page had just been opened."""
        memory: VisitMemory = st.session_state[self._place]
        self.choose(self.codec.read(memory.seen)[0])

    def _open(self, query: dict[str, str], state: State) -> VisitMemory:
        """Make the widgets show what a URL states."""
        value, notices = self.codec.read(query)
        known = {*VERSIONS, *KEPT, *self.codec.names()}
        unknown = [name for name in query if name not in known]
        notices = [*_versions(query), *notices, *_unknown(unknown)]
        state[self._place] = memory = VisitMemory(asked=value, seen=dict(query), notices=notices)
        self._show(memory, value, state)
        return memory

    def _show(self, memory: VisitMemory, value: Value, state: State) -> None:
        """Remember a value, and show it in the widgets that are drawn; others begin with it."""
        memory.asked, memory.pending = value, None
        for key, held in self.codec.shown(value).items():
            if key in state and state[key] != held:
                state[key] = held

    @property
    def _place(self) -> str:
        return f"_{self.page}_memory"


def asked_of(page: str) -> Any:
    """Return the inputs of a page in this run, once they have arrived."""
    return st.session_state[f"_{page}_memory"].asked


def widget_key(page: str, name: str) -> str:
    """Key of a widget: no two pages share one."""
    return f"{page}_{name}"


def versioned(query: Query) -> dict[str, str]:
    """Query of a link with the versions of its schema and data."""
    return {"v": LINK_VERSION, "d": data_version(), **query}


def with_look(query: Query) -> dict[str, str]:
    """Query of a link with what the present one says of the look of the page."""
    kept = {name: st.query_params[name] for name in KEPT if name in st.query_params}
    return {**versioned(query), **kept}


def address_of(query: Query, page: str | None = None, **look: str) -> str:
    """Full URL of a page with a query; of the present page where none is named."""
    url = urlsplit(st.context.url or "")
    path = url.path or "/"
    if page is not None:
        path = f"{path.rpartition('/')[0]}/{page}"
    return url._replace(path=path, query=urlencode({**look, **query})).geturl()


@dataclass(frozen=True, init=False)
class LinkParameters:
    """Codec of a page whose state is a few named values, each with one widget of its own.

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
        """Return the parameter of a name, as the page declares it."""
        return next(one for one in self.known if one.name == name)

    def read(self, query: Query) -> tuple[dict[str, Any], list[str]]:
        """Values that a link states; the usual ones where it is silent or cannot be used."""
        values: dict[str, Any] = {}
        notices: list[str] = []
        for one in self.known:
            values[one.name], notice = one.read(query.get(one.name))
            notices += [notice] if notice else []
        return values, notices

    def shown(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """Widget key -> what that widget holds for a value."""
        return {widget_key(self.page, one.name): one.shown(value[one.name]) for one in self.known}

    def gather(self, state: State, last: dict[str, Any]) -> dict[str, Any]:
        """Values that the widgets hold; a widget that is not drawn keeps its last one."""
        found = {}
        for one in self.known:
            held = state.get(widget_key(self.page, one.name))
            value, notice = (None, "unset") if held is None else one.read(one.written(held))
            found[one.name] = last[one.name] if notice else value
        return found

    def query(self, values: Mapping[str, Any]) -> dict[str, str]:
        """Return the values as a link writes them."""
        return {one.name: one.written(values[one.name]) for one in self.known}

    def problems(self, state: State) -> dict[str, str]:
        """Parameter -> why what its widget holds cannot be used, of those for which that is so."""
        held = {one.name: state.get(widget_key(self.page, one.name)) for one in self.known}
        found = {
            one.name: replace(one, name=one.called_in_sentence).read(one.written(held[one.name]))[1]
            for one in self.known
            if held[one.name] is not None
        }
        return {name: notice for name, notice in found.items() if notice}


Names = Mapping[str, str]
"""Option -> what its control calls it, translated or marked by `N_`."""


@dataclass(frozen=True)
class Control:
    """The control that asks for an input.

    Parameters
    ----------
    name : str
        Name in a link.
    label, help : str
        What stands beside the control and what its tooltip explains, marked by `N_`; a page draws
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
        """Label without its unit and its hints, or the name where there is no label."""
        return _(self.label).partition(" [")[0].partition(",")[0] or self.name


class Word(Control):
    """A value that is a text, in its widget and in a link alike."""

    def shown(self, value: Any) -> str:
        """Return the widget's value."""
        return str(value)

    def written(self, value: Any) -> str:
        """Return a value as a link writes it."""
        return str(value)


@dataclass(frozen=True)
class Choice(Word):
    """One word of a few; the first is the usual one.

    `called` returns what its options are called, `rest` is for those that this lacks, and with
    `abreast` they stand side by side. `new` takes other words, which `read` understands.
    """

    options: Collection[str]
    usual: str | None = None
    _: KW_ONLY
    called: Callable[[], Names] = dict
    rest: str = ""
    abreast: bool = False
    new: bool = False

    def read(self, text: str | None) -> tuple[str, str]:
        """Word that a text says, and what is wrong with it."""
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
    """A number within limits, for a number input, or a slider if it `slides`."""

    usual: float
    low: float
    high: float
    whole: bool = False
    _: KW_ONLY
    step: float | None = None
    slides: bool = False

    def read(self, text: str | None) -> tuple[float, str]:
        """Nearest number that a text says, and what is wrong with it.

        >>> Number("sites", 3.0, low=1.0, high=50.0, whole=True).read("99")[0]
        50
        """
        if text is None:
            return self._kind(self.usual), ""
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

    def shown(self, value: Any) -> float:
        """Return the widget's value."""
        return self._kind(value)

    def written(self, value: Any) -> str:
        """Return a value as a link writes it."""
        return short_number(float(value))

    def _kind(self, value: float) -> float:
        return int(value) if self.whole else float(value)


@dataclass(frozen=True)
class Typed(Control):
    """A number that is typed as people write it, such as 7B, or left open unless it is required."""

    usual: float | None = None
    low: float = 0.0
    high: float = 1e30
    required: bool = False

    def read(self, text: str | None) -> tuple[float | None, str]:
        """Number that a text says; the usual one, with what is wrong, where it says none.

        >>> Typed("params").read("7B"), Typed("params").read("")
        ((7000000000.0, ''), (None, ''))
        >>> Typed("params", 1e9, required=True).read("")
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

    def shown(self, value: Any) -> str:
        """Return the widget's value."""
        return "" if value is None else short_number(value)

    def written(self, value: Any) -> str:
        """Return a value as a link writes it; what was typed stays as it is."""
        if isinstance(value, str):
            return value
        return "" if value is None else short_number(value)


@dataclass(frozen=True)
class LineOfText(Word):
    """A text of one line, such as a link; what is longer than any is left out."""

    usual: str = ""
    longest: int = 4000

    def read(self, text: str | None) -> tuple[str, str]:
        """Text that a link says, and what is wrong with it.

        >>> LineOfText("a").read("x" * 5000)[1]
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
    """Write a number as people type it, exactly.

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
    """Leave a link of absurd length unread but for its first names."""
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
            _("this link is of version {given}, not {known}: check what it shows").format(
                given=shortened(query["v"]), known=LINK_VERSION
            )
        )
    if query.get("d", data_version()) != data_version():
        notices.append(
            _(
                "this link was made with other data ({given}, now {known}): figures may differ"
            ).format(given=shortened(query["d"]), known=data_version())
        )
    return notices


def _unknown(names: list[str]) -> list[str]:
    """Say which names of a link the page does not know."""
    if not names:
        return []
    first = ", ".join(_("“{label}”").format(label=shortened(name)) for name in names[:3])
    rest = len(names) - 3
    more = ngettext(" and {n} more", " and {n} more", rest).format(n=rest) if rest > 0 else ""
    text = ngettext(
        "{names} is unknown to this page", "{names} are unknown to this page", len(names)
    )
    return [text.format(names=first + more)]
