"""Pages of the site: their declaration, groups, and common surroundings.

To add a page, declare it as in `kit` in `estimator/web/NAME/page.py`, with a one-line
`__init__.py`, and add its `PAGE` to `estimator/web/site_map.py`. Each page gets the stylesheet, the
menu, clicker keys, and a frame: `frame.show` selects one of the page's `slides`, drawn separately,
which must fit 1280x720 at `fs=1.4`. Every text goes through `_()`; charts are made from tables
(`charts`, `figures`), without arithmetic on the page.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from estimator.web.shared import navigation, style, visitors
from estimator.web.shared.frame import Frame, frame_of, language_of_link
from estimator.web.shared.language import _
from estimator.web.shared.navigation import Page
from estimator.web.shared.profiles import open_catalog
from estimator.web.shared.url_state import address_of

ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="15" '
    'fill="#005B96"/><path d="M18 5 8 18h7l-1 9 10-13h-7z" fill="#fff"/></svg>'
)
SIDEBAR_PX = 368


def run(pages: Sequence[Page]) -> None:
    """Open the page of the URL; the first one is the home page."""
    st.set_page_config(
        page_title="Twenty Watts",
        page_icon=ICON,
        layout="wide",
        initial_sidebar_state=SIDEBAR_PX,
    )
    bare = st.context.is_embedded or "show" in st.query_params
    language_of_link()
    chosen, path = _navigation(pages)
    visitors.remember_live_token()
    if not visitors.admit():
        return
    if not bare:
        navigation.draw(pages, path)
    with visitors.timed(path):
        chosen.run()


def draw(page: Page) -> None:
    """Draw one page, as the whole app or as the slide that its link selects."""
    frame = frame_of(page.slides, page.controls, page.carried)
    style.write_stylesheet(frame.look)
    if frame.embedded:
        style.write_clicker_keys()
    if not (frame.embedded or frame.slide) and page.group:
        with st.sidebar:
            style.brand("Twenty Watts", _("the cost of training compared with a brain"))
        style.page_name(_(page.group), _(page.title))
    style.notices(frame.notices)
    if not frame.slide:
        page.draw(frame)
        date = datetime.now(UTC).date().isoformat()
        style.print_line(f"{address_of(st.query_params.to_dict())}, {date}")
        return
    style.fill_frame(frame.look)
    with st.container(key="slide", height="stretch"):
        page.draw(frame)
    catalog = open_catalog()
    style.slide_foot(
        _("Twenty Watts, data {version}, {date}: intervals of 80%, sources on the page").format(
            version=catalog.data_version, date=datetime.now(UTC).date().isoformat()
        )
    )


def controls(frame: Frame) -> AbstractContextManager[Any]:
    """Container of the controls: sidebar, button on a slide, or folded in a frame."""
    if frame.slide:
        with st.container(key="slide_inputs"):
            button: AbstractContextManager[Any] = st.popover(_("Inputs"))
        return button
    if frame.embedded:
        folded: AbstractContextManager[Any] = st.expander(_("Change the inputs"))
        return folded
    sidebar: AbstractContextManager[Any] = st.sidebar.container(gap="xsmall")
    return sidebar


def _navigation(pages: Sequence[Page]) -> tuple[Any, str]:
    """Return the page of the URL, and its path.

    The root is the home page, or the second page if the link has inputs, as in older links.
    """
    home, first, *_others = pages
    inputs = set(st.query_params) - set(ANYWHERE)
    root = first if inputs else home
    entries = [st.Page(_drawing(root), title=_(root.title), url_path="root", default=True)]
    entries += [st.Page(_drawing(page), title=_(page.title), url_path=page.path) for page in pages]
    chosen = st.navigation(entries, position="hidden")
    return chosen, chosen.url_path or root.path


ANYWHERE = ("lang", "fs", "live")
"""Link parameters independent of any page."""


def _drawing(page: Page) -> Callable[[], None]:
    """Drawing function of a page with its own name, as Streamlit requires."""

    def draw_page() -> None:
        draw(page)

    draw_page.__name__ = page.path
    return draw_page
