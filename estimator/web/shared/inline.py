"""Running text: amounts stay on one line, and technical terms are explained.

Both work on the text between the tags of escaped HTML.
"""

import re
from collections.abc import Callable
from functools import cache
from html import escape

from estimator.studies.claims.glossary import GLOSSARY
from estimator.web.shared.amounts import sentence
from estimator.web.shared.language import _, current

_TAG = re.compile(r"(<[^>]*>)")
_AMOUNT = re.compile(r"(?<![\w^.,])(?<!\^-)\d[\d.,]* (?:–(?= \d)|(?!–)\S+(?: –(?= \d))?)")
_EXPONENT = re.compile(r"\^(-?\d+(?:[.,]\d+)*|[a-zA-Z]\b)")
_MARKED = ("<abbr", "<a ")
"""Elements whose text stays unchanged."""


def unbroken(html: str) -> str:
    """Keep numbers with their units on one line, and raise exponents.

    >>> unbroken("10^20 paths"), unbroken("10^-3.01 of it")
    ('10<sup>20</sup> paths', '10<sup>-3.01</sup> of it')
    >>> unbroken("takes <b>39.3 days</b>")
    'takes <b><span class="tw-amount">39.3 days</span></b>'

    A range ends a line behind its dash, not before it.

    >>> unbroken("2.14 – 6.82 kW")
    '<span class="tw-amount">2.14 –</span> <span class="tw-amount">6.82 kW</span>'
    """
    whole = _between_tags(
        html, lambda text: _AMOUNT.sub(r'<span class="tw-amount">\g<0></span>', text)
    )
    return _EXPONENT.sub(r"<sup>\1</sup>", whole)


def explained(html: str) -> str:
    """Explain glossary terms at their first use, on hover, tab or touch.

    >>> explained("a token of <b>tokens</b>").count("<abbr")
    1
    """
    meanings, words = _glossary(current())
    seen: set[str] = set()

    def mark(found: re.Match[str]) -> str:
        term = _stem(found[1], meanings)
        if term in seen:
            return found[0]
        seen.add(term)
        return f'<abbr tabindex="0" title="{meanings[term]}">{found[0]}</abbr>'

    return _between_tags(html, lambda text: words.sub(mark, text))


def _between_tags(html: str, change: Callable[[str], str]) -> str:
    """Change the text outside tags, links and explained terms."""
    pieces, inside = _TAG.split(html), False
    for place, piece in enumerate(pieces):
        if place % 2:
            inside = piece.startswith(_MARKED) or (inside and not piece.startswith("</a"))
        elif not inside:
            pieces[place] = change(piece)
    return "".join(pieces)


@cache
def _glossary(language: str) -> tuple[dict[str, str], re.Pattern[str]]:
    """Definitions of the terms in a language, and their pattern."""
    meanings = {escape(_(term)): escape(sentence(text)) for term, text in GLOSSARY.items()}
    terms = sorted(meanings, key=len, reverse=True)
    any_case = "|".join(
        f"[{term[0].upper()}{term[0].lower()}]{re.escape(term[1:])}" for term in terms
    )
    return meanings, re.compile(rf"(?<![\w/])({any_case})[sn]?(?![\w/-])")


def _stem(word: str, meanings: dict[str, str]) -> str:
    """Glossary term of a capitalised word."""
    other = f"{word[0].lower()}{word[1:]}"
    return word if word in meanings else other if other in meanings else word.capitalize()
