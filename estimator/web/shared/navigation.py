"""The menu of the pages: one element above every page, of plain links.

Streamlit draws its own navigation again with every answer, a fifth of what a changed input costs a
browser. Here a click moves on by the history of the tab, as going back and forward do, so that the
session stays.
"""

from collections.abc import Iterable
from html import escape

import streamlit as st

from estimator.web.shared.language import NAMES, _, current


def draw(pages: Iterable[tuple[str, str, str]], here: str) -> None:
    """Draw the menu; where there is no room for it, as one that opens.

    Parameters
    ----------
    pages : iterable of (str, str, str)
        Path of each page, its title and its group, translated.
    here : str
        Path of the page that is shown.
    """
    groups: dict[str, str] = {}
    for path, title, group in pages:
        groups[group] = groups.get(group, "") + _link(path, title, here)
    wide = "".join(_opening(group, links) for group, links in groups.items())
    headed = "".join(f"<b>{escape(group)}</b>{links}" for group, links in groups.items())
    label, others = escape(_("Pages")), _other_languages(here)
    wide, narrow = wide + others, _opening(_("Pages"), headed + others)
    st.html(
        f'<div class="tw tw-menu"><nav class="tw-nav tw-wide" aria-label="{label}">{wide}</nav>'
        f'<nav class="tw-nav tw-narrow" aria-label="{label}">{narrow}</nav>'
        f"</div>{MOVE_ON}",
        unsafe_allow_javascript=True,
    )


def _link(path: str, title: str, here: str) -> str:
    """Link to a page beside this one, in the language of this one."""
    spoken = f"?lang={current()}" if "lang" in st.query_params else ""
    mark = ' aria-current="page"' if path == here else ""
    return f'<a href="./{escape(path)}{spoken}"{mark}>{escape(title)}</a>'


def _other_languages(here: str) -> str:
    """Links to this page in the other languages; a click keeps the rest of the address."""
    return "".join(
        f'<a href="./{escape(here)}?lang={code}" lang="{code}" hreflang="{code}">{name}</a>'
        for code, name in NAMES.items()
        if code != current()
    )


def _opening(title: str, links: str) -> str:
    """Links behind a title that opens them."""
    mark = ' class="tw-here"' if "aria-current" in links else ""
    return f"<details{mark}><summary>{escape(title)}</summary><div>{links}</div></details>"


MOVE_ON = """<script>
(() => {
  if (window.twentyWattsPages) { return; }
  window.twentyWattsPages = true;
  const opened = () => [...document.querySelectorAll(".tw-nav details[open]")];
  document.addEventListener("click", (event) => {
    const link = event.target.closest(".tw-nav a");
    const kept = link ? null : event.target.closest(".tw-nav details");
    for (const one of opened()) { one.open = one === kept; }
    const modified = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
    if (!link || modified) { return; }
    event.preventDefault();
    let address = link.href;
    if (link.hreflang) {
      const here = new URL(location.href);
      here.searchParams.set("lang", link.hreflang);
      address = here.href;
    }
    history.pushState(null, "", address);
    dispatchEvent(new PopStateEvent("popstate"));
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") { return; }
    for (const one of opened()) {
      one.open = false;
      one.querySelector("summary").focus();
    }
  });
})();
</script>"""
"""A click on a link moves on in the same session; what is open closes by Esc and by a click beside
it."""
