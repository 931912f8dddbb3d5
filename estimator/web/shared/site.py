"""Pages of the site: their declaration, groups, and common surroundings.

To add a page, declare it as in `kit` in `estimator/web/NAME/page.py`, with a one-line
`__init__.py`, and add its `PAGE` to `estimator/web/site_map.py`. Each page gets the stylesheet, the
menu, clicker keys, and a frame: `frame.show` selects one of the page's `slides`, drawn separately,
which must fit 1280x720 at `fs=1.4`. Every text goes through `_()`; charts are made from tables
(`charts`, `figures`), without arithmetic on the page.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from estimator.web.shared import navigation, scenario, style, visitors
from estimator.web.shared.frame import Frame, frame_of, language_of_link
from estimator.web.shared.language import N_, _
from estimator.web.shared.profiles import open_catalog
from estimator.web.shared.url_state import LinkParameters, address_of

ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="15" '
    'fill="#005B96"/><path d="M18 5 8 18h7l-1 9 10-13h-7z" fill="#fff"/></svg>'
)
SIDEBAR_PX = 368

TRAIN = N_("Train")
INFERENCE = N_("Inference")
MODELS = N_("Models & hardware")
LEARN = N_("Learn")
ACCURACY = N_("Accuracy")
"""Groups of the navigation."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """Page of the site.

    Parameters
    ----------
    path : str
        Its path in the URL, also the name of its folder.
    title : str
        What the navigation calls it, marked by `N_`.
    draw : callable
        Draws it in a frame.
    group : str
        Heading of the navigation, marked by `N_`.
    slides : mapping of str to str
        What `show=` can ask for, and what each slide shows, marked by `N_`.
    controls : collection of str
        What `controls=` can put on its slides.
    inputs : LinkParameters, optional
        Inputs of the page, with their labels and tooltips.
    carries : mapping of str to str
        Input -> name that pages share for it, where that is not its own; empty for an input that
        means something else here.
    opens : callable
        Inputs with which the menu opens it; as it was left if none.
    """

    path: str
    title: str
    draw: Callable[[Frame], None]
    group: str
    slides: Mapping[str, str] = field(default_factory=dict)
    controls: Collection[str] = ()
    inputs: LinkParameters | None = None
    carries: Mapping[str, str] = field(default_factory=dict)
    opens: Callable[[], Mapping[str, str]] = dict

    @property
    def carried(self) -> dict[str, str]:
        """Input -> shared name, for those that the menu carries along."""
        names = self.carries if self.inputs is None else self.inputs.names()
        return scenario.carries(names, self.carries)


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
        _menu(pages, path)
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
    sidebar: AbstractContextManager[Any] = st.sidebar
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


def _menu(pages: Sequence[Page], here: str) -> None:
    """Draw the menu of the pages; the first is linked at the root."""
    home = pages[0].path
    navigation.draw(
        [
            navigation.Entry(
                path="" if page.path == home else page.path,
                title=_(page.title),
                group=_(page.group) if page.group else "",
                carried=page.carried,
                opens=urlencode(page.opens()),
            )
            for page in pages
        ],
        "" if here == home else here,
    )


def _drawing(page: Page) -> Callable[[], None]:
    """Drawing function of a page with its own name, as Streamlit requires."""

    def draw_page() -> None:
        draw(page)

    draw_page.__name__ = page.path
    return draw_page
