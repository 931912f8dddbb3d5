"""Menu of the pages: one element of plain links above every page.

Streamlit's own navigation is redrawn with every answer, at a fifth of the browser's cost of an
input change. Here clicks use the tab's history, so that the session stays. A link carries the
inputs that both pages share, and the other page's last state.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import streamlit as st

from estimator.web.shared.language import NAMES, _, current


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Page in the menu: path, translated title and group, and shared inputs."""

    path: str
    title: str
    group: str
    carried: Mapping[str, str]
    opens: str = ""


def draw(pages: Sequence[Entry], here: str) -> None:
    """Draw the menu with the current page marked, collapsible on narrow screens."""
    groups: dict[str, str] = {}
    for page in pages:
        groups[page.group] = groups.get(page.group, "") + _link(page, here)
    home = groups.pop("", "")
    wide = home + "".join(_opening(group, links) for group, links in groups.items())
    headed = home + "".join(f"<b>{escape(group)}</b>{links}" for group, links in groups.items())
    label, others = escape(_("Pages")), _other_languages(here)
    wide, narrow = wide + others, _opening(_("Pages"), headed + others)
    st.html(
        f'<div class="tw tw-menu"><nav class="tw-nav tw-wide" aria-label="{label}">{wide}</nav>'
        f'<nav class="tw-nav tw-narrow" aria-label="{label}">{narrow}</nav>'
        f"</div>{MOVE_ON}",
        unsafe_allow_javascript=True,
    )


def _link(page: Entry, here: str) -> str:
    """Link to a page, in the current language."""
    spoken = f"?lang={current()}" if "lang" in st.query_params else ""
    mark = ' aria-current="page"' if page.path == here else ""
    shared = " ".join(f"{own}={name}" for own, name in page.carried.items())
    return (
        f'<a href="./{escape(page.path)}{spoken}" data-carries="{escape(shared)}" '
        f'data-opens="{escape(page.opens)}"{mark}>'
        f"{escape(page.title)}</a>"
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


MOVE_ON = """<script>
(() => {
  if (window.twentyWattsPages) { return; }
  window.twentyWattsPages = true;
  const WORK = ["params", "tokens", "preset", "active_params", "config", "flop", "samples",
    "sample_flop", "device_hours", "finetune"];
  const opened = () => [...document.querySelectorAll(".tw-nav details[open]")];
  const pairs = (link) => (link?.dataset.carries || "").split(" ").filter(Boolean)
    .map((pair) => pair.split("="));
  const kept = {};
  const path = (link) => new URL(link.href).pathname;
  const complete = (link) => {
    const from = document.querySelector(".tw-nav [aria-current]");
    if (link.hreflang || !from || path(link) === path(from)) { return; }
    const marker = document.querySelector("[data-scenario]");
    const shared = new URLSearchParams(marker?.dataset.shares ?? "");
    kept[path(from)] = { query: marker?.dataset.scenario ?? "", shared };
    const url = new URL(link.href), spoken = url.searchParams.get("lang");
    const before = kept[url.pathname], was = before?.shared ?? new URLSearchParams();
    url.search = link.dataset.opens || (before?.query ?? "");
    const differs = ([, name]) => shared.get(name) && shared.get(name) !== was.get(name);
    const works = ([, name]) => WORK.includes(name);
    const carried = pairs(link).filter(([, name]) => shared.get(name));
    const work = carried.some((pair) => differs(pair) && works(pair));
    if (work) {
      for (const name of WORK) { url.searchParams.delete(name); }
    }
    for (const pair of carried.filter((one) => differs(one) || (work && works(one)))) {
      url.searchParams.set(pair[0], shared.get(pair[1]));
    }
    if (spoken) { url.searchParams.set("lang", spoken); }
    link.href = url.href;
  };
  for (const kind of ["pointerdown", "focusin"]) {
    document.addEventListener(kind, (event) => {
      const link = event.target.closest?.(".tw-nav a");
      if (link) { complete(link); }
    });
  }
  document.addEventListener("click", (event) => {
    const link = event.target.closest('.tw-nav a, .tw a[target="_self"]');
    const stays = link ? null : event.target.closest(".tw-nav details");
    for (const one of opened()) { one.open = one === stays; }
    const modified = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
    if (!link || modified) { return; }
    event.preventDefault();
    if (link.matches(".tw-nav a")) { complete(link); }
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
"""Script for navigation within the session, and for closing by Esc or a click outside."""
