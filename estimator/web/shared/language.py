"""In which language does the page speak: gettext catalogues, chosen by `lang=` in the link.

Write every text that a visitor reads as `_("Text")`, with values put in afterwards:
`_("{count} runs").format(count=3)`, and `ngettext("{n} run", "{n} runs", n)` where the number
matters. A constant that is made before the language is known is marked by `N_("Text")` and
translated where it is shown. The catalogues are `estimator/web/locale/LANGUAGE/LC_MESSAGES/
twenty_watts.po`, read as text: nothing has to be compiled, and the rest stays English.
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
"""Languages that write 1.234,5 for 1,234.5."""

_current: ContextVar[str] = ContextVar("language", default=ENGLISH)


def _(message: str) -> str:
    """Translate a text into the language of the page.

    >>> _("Energy")
    'Energy'
    """
    return translations(_current.get()).gettext(message)


def ngettext(one: str, many: str, count: float) -> str:
    """Translate a text that has a singular and a plural."""
    return translations(_current.get()).ngettext(one, many, 1 if count == 1 else 2)


def N_(message: str) -> str:
    """Mark a text for translation, without translating it yet."""
    return message


@cache
def languages() -> tuple[str, ...]:
    """Languages that have a catalogue, English first.

    >>> languages()[0]
    'en'
    """
    found = sorted(path.parents[1].name for path in FOLDER.glob(f"*/LC_MESSAGES/{DOMAIN}.po"))
    return (ENGLISH, *found)


def nearest(locale: str) -> str:
    """Return the language of a browser's locale if there is a catalogue for it, else English.

    >>> nearest("de-AT"), nearest("fr"), nearest("")
    ('de', 'en', 'en')
    """
    language = locale.partition("-")[0].lower()
    return language if language in languages() else ENGLISH


def use(language: str) -> None:
    """Speak a language from here on, in this session."""
    _current.set(language)


@contextmanager
def spoken(language: str) -> Iterator[None]:
    """Speak a language for a while."""
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
    """Return the catalogue of a language; one without texts for English."""
    if language == ENGLISH:
        return gettext.NullTranslations()
    path = FOLDER / language / "LC_MESSAGES" / f"{DOMAIN}.po"
    return _Catalogue(entries(path.read_text(encoding="utf-8")))


def entries(text: str) -> dict[str, tuple[str, ...]]:
    r"""Read a gettext catalogue: English text -> its translation, or singular and plural.

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
    """Texts of one language; the English text where there is none."""

    def __init__(self, texts: dict[str, tuple[str, ...]]) -> None:
        super().__init__()
        self._texts = texts

    def gettext(self, message: str) -> str:
        return self._texts.get(message, (message,))[0]

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self._texts.get(msgid1, (msgid1, msgid2))[0 if n == 1 else -1]
