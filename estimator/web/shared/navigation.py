"""Pages of the site, and their menu: one element of plain links above every page.

Streamlit's own navigation is redrawn with every answer, at a fifth of the browser's cost of an
input change. Here clicks use the tab's history, so that the session stays. A link carries the
inputs that both pages share, and the other page's last state.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from urllib.parse import urlencode

import streamlit as st

from estimator.web.shared import scenario, style
from estimator.web.shared.frame import Frame
from estimator.web.shared.language import N_, NAMES, _, current
from estimator.web.shared.url_state import LinkParameters

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


def draw(pages: Sequence[Page], here: str) -> None:
    """Draw the menu with the current page marked, collapsible on narrow screens.

    The first page is linked at the root.
    """
    groups: dict[str, str] = {}
    for page in pages:
        groups[page.group] = groups.get(page.group, "") + _link(page, pages[0], here)
    home = groups.pop("", "")
    wide = home + "".join(_opening(_(group), links) for group, links in groups.items())
    headed = home + "".join(f"<b>{escape(_(group))}</b>{links}" for group, links in groups.items())
    label = escape(_("Pages"))
    others = _other_languages("" if here == pages[0].path else here)
    wide, narrow = wide + others, _opening(_("Pages"), headed + others)
    st.html(
        f'<div class="tw tw-menu"><nav class="tw-nav tw-wide" aria-label="{label}">{wide}</nav>'
        f'<nav class="tw-nav tw-narrow" aria-label="{label}">{narrow}</nav>'
        f"</div>{style.script('menu.js')}",
        unsafe_allow_javascript=True,
    )


def _link(page: Page, home: Page, here: str) -> str:
    """Link to a page, in the current language."""
    path = "" if page is home else page.path
    spoken = f"?lang={current()}" if "lang" in st.query_params else ""
    mark = ' aria-current="page"' if page.path == here else ""
    shared = " ".join(f"{own}={name}" for own, name in page.carried.items())
    return (
        f'<a href="./{escape(path)}{spoken}" data-carries="{escape(shared)}" '
        f'data-opens="{escape(urlencode(page.opens()))}"{mark}>'
        f"{escape(_(page.title))}</a>"
    )


def _other_languages(here: str) -> str:
    """Links to this page in the other languages, keeping the rest of the address."""
    return "".join(
        f'<a href="./{escape(here)}?lang={code}" lang="{code}" hreflang="{code}">{name}</a>'
        for code, name in NAMES.items()
        if code != current()
    )


def _opening(title: str, links: str) -> str:
    """Links behind a title that opens them."""
    mark = ' class="tw-here"' if "aria-current" in links else ""
    return f"<details{mark}><summary>{escape(title)}</summary><div>{links}</div></details>"
