"""Language of the page: gettext catalogues, selected by `lang=` in the link.

Wrap every visible text as `_("Text")` and insert values afterwards:
`_("{count} runs").format(count=3)`, or `ngettext("{n} run", "{n} runs", n)` for plurals. Constants
made before the language is known are marked `N_("Text")` and translated when shown. Catalogues are
`estimator/web/locale/LANGUAGE/LC_MESSAGES/twenty_watts.po`, read as text without compilation;
missing texts stay English.
"""

import ast
import gettext
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "locale"
DOMAIN = "twenty_watts"
ENGLISH = "en"
NAMES = {"en": "English", "de": "Deutsch"}
"""Language -> its own name."""

COMMA_LANGUAGES = ("de",)
"""Languages with decimal commas."""

_current: ContextVar[str] = ContextVar("language", default=ENGLISH)


def _(message: str) -> str:
    """Translate a text into the language of the page.

    >>> _("Energy")
    'Energy'
    """
    return translations(_current.get()).gettext(message)


def ngettext(one: str, many: str, count: float) -> str:
    """Translate a text with singular and plural."""
    return translations(_current.get()).ngettext(one, many, 1 if count == 1 else 2)


def N_(message: str) -> str:
    """Mark a text for later translation."""
    return message


@cache
def languages() -> tuple[str, ...]:
    """Languages with a catalogue, English first.

    >>> languages()[0]
    'en'
    """
    found = sorted(path.parents[1].name for path in FOLDER.glob(f"*/LC_MESSAGES/{DOMAIN}.po"))
    return (ENGLISH, *found)


def nearest(locale: str) -> str:
    """Return the language of a browser's locale if it has a catalogue, otherwise English.

    >>> nearest("de-AT"), nearest("fr"), nearest("")
    ('de', 'en', 'en')
    """
    language = locale.partition("-")[0].lower()
    return language if language in languages() else ENGLISH


def use(language: str) -> None:
    """Set the language of this session."""
    _current.set(language)


@contextmanager
def spoken(language: str) -> Iterator[None]:
    """Set a language temporarily."""
    before = _current.set(language)
    try:
        yield
    finally:
        _current.reset(before)


def current() -> str:
    """Return the language of the page."""
    return _current.get()


@cache
def translations(language: str) -> gettext.NullTranslations:
    """Return the catalogue of a language, empty for English."""
    if language == ENGLISH:
        return gettext.NullTranslations()
    path = FOLDER / language / "LC_MESSAGES" / f"{DOMAIN}.po"
    return _Catalogue(entries(path.read_text(encoding="utf-8")))


def entries(text: str) -> dict[str, tuple[str, ...]]:
    r"""Parse a gettext catalogue: English text -> its translation, or singular and plural.

    >>> entries('msgid "Energy"\nmsgstr "Energie"\n\nmsgid "not yet"\nmsgstr ""\n')
    {'Energy': ('Energie',)}
    """
    found: dict[str, tuple[str, ...]] = {}
    for block in text.split("\n\n"):
        parts: dict[str, str] = {}
        key = ""
        for line in block.splitlines():
            if line.startswith("msg"):
                key, _space, line = line.partition(" ")
            if line.startswith('"'):
                parts[key] = parts.get(key, "") + ast.literal_eval(line)
        texts = tuple(text for name, text in parts.items() if name.startswith("msgstr"))
        if parts.get("msgid") and all(texts):
            found[parts["msgid"]] = texts
    return found


class _Catalogue(gettext.NullTranslations):
    """Texts of one language, English where missing."""

    def __init__(self, texts: dict[str, tuple[str, ...]]) -> None:
        super().__init__()
        self._texts = texts

    def gettext(self, message: str) -> str:
        return self._texts.get(message, (message,))[0]

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self._texts.get(msgid1, (msgid1, msgid2))[0 if n == 1 else -1]
