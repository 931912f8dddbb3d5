"""A page as a visitor without a browser sees it: opened by a link, as HTML and as words."""

import html
import re

from streamlit.testing.v1 import AppTest


def drawn(path):
    """Draw a page; Streamlit runs this text as the script of its app."""
    from estimator.web.shared import site
    from estimator.web.site_map import PAGES

    site.draw(next(page for page in PAGES if page.path == path))


def visited(path, /, **query):
    """Open a page by a link."""
    page = AppTest.from_function(drawn, default_timeout=120, args=(path,))
    for name, value in query.items():
        page.query_params[name] = value
    return healthy(page.run())


def healthy(page):
    """Refuse a page that failed."""
    assert not page.exception, page.exception[0].message
    return page


def body(page):
    """HTML of a page on a screen, without its stylesheet and the marks inside a running text."""
    blocks = [element.proto.body for element in healthy(page).get("html")]
    unseen = ("<style>", '<p class="tw tw-print">')
    return unmarked("\n".join(block for block in blocks if not block.startswith(unseen)))


def text_of(page):
    """All words of a page."""
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body(page))))


def notices(page):
    """Lines at the head of a page, in lower case; empty without one."""
    found = re.findall(r'tw-notice" role="alert">(.*?)</div>', body(page), re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", "\n", "\n".join(found))).lower()


def alts(page):
    """What the charts of a page show, in words."""
    return [html.unescape(text) for text in re.findall(r'tw-in-words">(.*?)</p>', body(page))]


def unmarked(body):
    """Take off what keeps amounts together, explains words and makes them bold."""
    plain = re.sub(r"</?(?:abbr|b)\b[^>]*>", "", body)
    return re.sub(r'<span class="tw-amount">([^<]*)</span>', r"\1", plain)


def query_of(page):
    """What the address says, a value a name, without its versions."""
    return {
        name: value if isinstance(value, str) else value[0]
        for name, value in dict(page.query_params).items()
        if name not in ("v", "d")
    }
