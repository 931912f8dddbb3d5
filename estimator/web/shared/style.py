"""Style of the page beyond the theme: one stylesheet, and its HTML blocks."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from html import escape
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from estimator.show.notices import SHOWN
from estimator.web.shared.charts import Look, unit_in_script
from estimator.web.shared.frame import Frame
from estimator.web.shared.inline import explained, unbroken
from estimator.web.shared.language import _, ngettext

MOST_NOTICES = 3
"""Most notices shown at once; the others are counted."""

ROOT_PX = 16

ACCENT = {"light": "#005B96", "dark": "#56B4E9"}
"""Link colour, as in the theme."""

CSS = """
html { font-size: %(root)spx; }
[data-testid="stMainBlockContainer"] { padding: %(top)srem 2.2rem 3rem; max-width: 84rem; }
[data-testid="stSidebarHeader"] { height: 2.2rem; padding-bottom: 0; margin-bottom: -2rem; }
[data-testid="stSidebarUserContent"] { padding-top: 0.9rem; padding-bottom: 2rem; }
[data-testid="stSidebarUserContent"] [data-testid="stVerticalBlock"] { gap: 0.5rem; }
[data-testid="stSidebarUserContent"] h3 { font-size: 1.05rem; padding: 0.5rem 0 0.6rem; }
[data-testid="stMainBlockContainer"] h3 { font-size: 1.35rem; padding: 1rem 0 0.4rem;
                                          letter-spacing: -0.01em; }
[data-testid="stSidebar"][data-collapsed="true"] [data-testid="stSidebarContent"] {
  visibility: hidden; }
[data-testid="stElementContainer"]:has(.tw-menu) { position: sticky; top: 0; z-index: 999990;
  height: 3.75rem; margin: -%(top)srem 0 -0.55rem; pointer-events: none; }
.tw-menu { container-type: inline-size; height: 3.75rem; }
[data-testid="stSidebar"][data-collapsed="true"] ~ * .tw-wide { margin-left: 1.2rem; }
.tw-nav { display: flex; align-items: center; gap: 0.2rem; height: 100%%;
  margin: 0 1rem 0 -0.5rem; }
.tw-narrow { display: none; justify-content: end; }
.tw-nav :is(a, summary) { display: block; padding: 0.35rem 0.5rem; border-radius: 0.4rem;
  pointer-events: auto; cursor: pointer; font-size: 0.875rem; line-height: 1.25;
  white-space: nowrap; color: inherit; text-decoration: none; }
.tw-nav :is(a, summary):hover { background: var(--hover); }
.tw-nav :is(a, summary):focus-visible { outline: 2px solid currentColor; outline-offset: 1px; }
.tw-nav [aria-current], .tw-wide .tw-here > summary { font-weight: 600; background: var(--hover); }
.tw-nav details { position: relative; }
.tw-nav summary::-webkit-details-marker { display: none; }
.tw-nav summary { list-style: none; }
.tw-nav summary::after { content: ""; display: inline-block; width: 0.35em; height: 0.35em;
  margin: 0 0.15em 0.2em 0.6em; border: solid currentColor; border-width: 0 2px 2px 0;
  transform: rotate(45deg); }
.tw-nav details > div { position: absolute; top: calc(100%% + 0.3rem); left: 0; padding: 0.4rem;
  min-width: 11rem; max-height: calc(100dvh - 4.5rem); overflow-y: auto; pointer-events: auto;
  border: 1px solid var(--line); border-radius: 0.5rem; background: %(paper)s;
  box-shadow: 0 4px 16px rgb(0 0 0 / 16%%); }
.tw-narrow details > div { left: auto; right: 0; }
.tw-narrow b { display: block; padding: 0.5rem 0.5rem 0.1rem; font-size: 0.8rem; font-weight: 400;
  color: var(--soft); }
@container (max-width: 48rem) { .tw-wide { display: none; } .tw-narrow { display: flex; } }
.tw { --soft: color-mix(in srgb, currentColor 72%%, transparent);
      --line: color-mix(in srgb, currentColor 18%%, transparent);
      --hover: color-mix(in srgb, currentColor 9%%, transparent); }
.tw-sentence { font-size: 1.5rem; line-height: 1.35; letter-spacing: -0.01em; margin: 0;
               max-width: 60rem; text-wrap: pretty; }
.tw-sentence b { font-weight: 650; }
.tw sup { line-height: 0; }
.tw-amount { white-space: nowrap; }
.tw abbr { position: relative; cursor: help; text-decoration: underline dotted 1px var(--soft);
           text-underline-offset: 0.2em; }
.tw abbr:focus-visible { outline: 2px solid currentColor; outline-offset: 1px; }
.tw abbr:focus::after { content: attr(title); position: absolute; left: 0; top: 1.6em; z-index: 9;
  width: max-content; max-width: min(20rem, 70vw); padding: 0.3rem 0.6rem; border-radius: 0.3rem;
  font-size: 0.95rem; font-weight: 400; line-height: 1.35; letter-spacing: 0; white-space: normal;
  color: %(paper)s; background: %(ink)s; }
.tw-page { font-size: 0.95rem; font-weight: 400; line-height: 1.3; margin: 0 0 -0.7rem;
           color: var(--soft); padding: 0; letter-spacing: 0; }
.tw.tw-figures { display: grid; grid-template-columns: repeat(var(--columns), minmax(0, 1fr));
              gap: 0.9rem 1.6rem; margin: 0.6rem 0 0; padding: 0; }
.tw-figure { border-top: 2px solid currentColor; padding-top: 0.45rem; }
.tw-figure dt, .tw-figure dd { margin: 0; padding: 0; }
.tw-figure dt { font-weight: 400; font-size: 1rem; color: var(--soft); }
.tw-figure dt::first-letter, .tw-inputs th::first-letter { text-transform: uppercase; }
.tw-figure dd { font-variant-numeric: tabular-nums; }
.tw-value { font-size: 2.4rem; font-weight: 600; line-height: 1.15; letter-spacing: -0.02em;
            white-space: nowrap; }
.tw-value small { font-size: 1.2rem; font-weight: 500; letter-spacing: 0; margin-left: 0.3rem; }
.tw-range { font-size: 1.05rem; }
.tw-note { font-size: 0.95rem; color: var(--soft); line-height: 1.35; margin-top: 0.2rem; }
.tw-caption { font-size: 0.95rem; line-height: 1.35; color: var(--soft); margin: 0;
              max-width: 60rem; }
.tw-badge { display: inline-block; font-size: 0.95rem; border: 1.5px solid currentColor;
            border-radius: 0.3rem; padding: 0.05rem 0.45rem; margin-top: 0.35rem; }
.tw-assumed { margin: 0; padding: 0 0 0 0.8rem; font-size: 1rem;
              border-left: 3px solid var(--line); color: var(--soft); }
.tw-assumed p { margin: 0.1rem 0; }
.tw-assumed a { color: inherit; text-decoration: underline; text-underline-offset: 0.15em; }
h3.tw-section { font-size: 1.05rem; font-weight: 600; margin: 0; padding: 0.4rem 0 0; }
.tw-problem { font-size: 0.95rem; font-weight: 600; margin: -0.6rem 0 0; }
.tw-step { display: grid; grid-template-columns: 10rem 1fr 9rem; gap: 0 1.2rem;
           padding: 0.5rem 0; border-top: 1px solid var(--line); line-height: 1.45;
           font-variant-numeric: tabular-nums; }
.tw-step > b { font-weight: 600; }
.tw-step p { margin: 0; overflow-wrap: anywhere; }
.tw-step .tw-words { color: var(--soft); }
.tw-result { align-self: end; }
.tw-brand { font-size: 1.35rem; font-weight: 650; letter-spacing: -0.01em; margin: 0; }
.tw-brand small { display: block; font-size: 0.9rem; font-weight: 400; letter-spacing: 0;
                  color: var(--soft); }
.tw-inputs { width: 100%%; border-collapse: collapse; font-size: 0.95rem; line-height: 1.4;
             font-variant-numeric: tabular-nums; }
.tw-inputs th { text-align: left; font-weight: 600; padding: 0.3rem 1rem 0.3rem 0;
                border-bottom: 2px solid currentColor; }
.tw-inputs td { vertical-align: top; padding: 0.4rem 1rem 0.4rem 0; border: 0;
                border-bottom: 1px solid var(--line); }
.tw-inputs td:first-child { min-width: 9rem; }
.tw-inputs small { display: block; font-size: 0.85rem; color: var(--soft); }
.tw-scroll { overflow-x: auto; }
.tw-columns { width: 100%%; min-width: calc(8rem + 10rem * var(--columns)); line-height: 1.4;
  border-collapse: collapse; table-layout: fixed; font-variant-numeric: tabular-nums; }
.tw-columns :is(th, td) { padding: 0.5rem 1rem 0.5rem 0; text-align: left; vertical-align: top;
  border: 0; border-bottom: 1px solid var(--line); font-weight: 400; }
.tw-columns :is(th, td):first-child { width: 11rem; color: var(--soft); }
.tw-columns th::first-letter { text-transform: uppercase; }
.tw-columns thead :is(th, td) { border-bottom: 2px solid currentColor; }
.tw-columns thead b { display: block; font-size: 1.3rem; font-weight: 650; color: %(accent)s; }
.tw-columns td > b { display: block; font-size: 1.35rem; font-weight: 600; line-height: 1.2; }
.tw-columns small { display: block; font-size: 0.95rem; color: var(--soft); }
.tw-columns a { color: inherit; text-underline-offset: 0.15em; }
.tw-columns .tw-differs { font-weight: 600; }
.tw-differs::before { content: "≠ "; color: %(accent)s; }
.tw-bar { position: relative; display: block; height: 0.5rem; margin: 0.4rem 0; border-radius: 1px;
  background: var(--hover); }
.tw-bar :is(i, u) { position: absolute; inset-block: 0; background: %(accent)s; }
.tw-bar i { opacity: 0.45; }
.tw-bar u { width: 3px; margin: -2px -1px; }
.tw-inputs :is(td, th):last-child { padding-right: 0; }
.tw-inputs a, .tw-links a, .tw-caption a { color: inherit; text-decoration: underline;
                            text-underline-offset: 0.15em; }
.tw .qr { width: 16rem; max-width: 100%%; display: block; }
.tw-block { display: flex; flex-direction: column; gap: 1rem; }
.tw-notice { font-size: 1rem; line-height: 1.4; border-left: 4px solid #D55E00; margin: 0;
             padding: 0.35rem 0.8rem; background: color-mix(in srgb, #D55E00 9%%, transparent); }
.tw-notice p { margin: 0.1rem 0; overflow-wrap: anywhere; }
.tw-slide-title { font-size: 1.45rem; font-weight: 650; line-height: 1.2; margin: 0;
                  letter-spacing: -0.01em; }
.tw-slide-title::first-letter { text-transform: uppercase; }
[class*="st-key-stale"] { opacity: 0.55; }
h1.tw-front-title { font-size: 2.7rem; font-weight: 680; line-height: 1.12; margin: 1.4rem 0 0;
  padding: 0; letter-spacing: -0.025em; text-wrap: balance; }
.tw-front-motto { font-size: 1.2rem; line-height: 1.4; margin: 0 0 0.6rem; color: var(--soft); }
.tw-front { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 1.2rem; }
.tw-front a { display: flex; flex-direction: column; gap: 0.15rem; padding: 1.4rem 1.6rem;
  border: 1px solid var(--line); border-radius: 0.9rem; color: inherit; text-decoration: none; }
.tw-front a:hover { border-color: currentColor; background: var(--hover); }
.tw-front a:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; }
.tw-front a > span { font-size: 1.25rem; }
.tw-front b { font-size: 2.5rem; font-weight: 650; line-height: 1.15; letter-spacing: -0.025em;
  color: %(accent)s; }
.tw-front small { font-size: 1rem; line-height: 1.4; color: var(--soft); }
.tw-front small span { font-size: inherit; }
.tw-in-words, [data-testid="stElementContainer"]:has(.tw-in-words:only-child) {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%%);
  white-space: nowrap; }
body:has(%(unanswered)s) [data-testid="stDialog"] { display: none; }
%(unanswered)s::after { content: "%(silence)s"; position: fixed; inset: auto 0 0; z-index: 999999;
  padding: 0.5rem 1rem; text-align: center; font-size: 1rem; color: %(paper)s;
  background: %(ink)s; animation: tw-late 2s; }
@keyframes tw-late { 0%%, 99%% { visibility: hidden; } }
@media (max-width: 1000px) {
  [data-testid="stSidebar"][data-collapsed="false"] ~ * .tw.tw-figures {
    grid-template-columns: repeat(2, minmax(0, 1fr)); }
}
@media (max-width: 640px) {
  [data-testid="stMainBlockContainer"] { padding: %(top_small)srem 1rem 2rem; }
  [data-testid="stElementContainer"]:has(.tw-menu) { margin-top: -%(top_small)srem; }
  [data-testid="stExpandSidebarButton"]::after { content: "%(inputs)s"; font-size: 1rem;
    font-weight: 600; margin-left: 0.3rem; white-space: nowrap; }
  [data-testid="stExpandSidebarButton"] { width: auto; padding: 0 0.6rem; }
  .tw-sentence { font-size: 1.25rem; }
  h1.tw-front-title { font-size: 1.9rem; margin-top: 0.4rem; }
  .tw-front-motto { font-size: 1.05rem; }
  .tw-front { grid-template-columns: minmax(0, 1fr); gap: 0.8rem; }
  .tw-front a { padding: 0.9rem 1.1rem; }
  .tw-front b { font-size: 1.8rem; }
  .tw abbr:focus::after { position: fixed; inset: auto 1rem 1rem; width: auto; max-width: none; }
  .tw.tw-figures[class] { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 0.9rem 1rem; }
  .tw-value { font-size: 1.75rem; }
  .tw-value small { font-size: 1rem; }
  .tw-step { grid-template-columns: 1fr; }
  .tw-columns { display: block; min-width: calc(7rem * var(--columns)); }
  .tw-columns tr { display: grid; padding: 0.4rem 0;
    grid-template-columns: repeat(var(--columns), minmax(0, 1fr));
    border-bottom: 1px solid var(--line); }
  .tw-columns tr > :nth-child(n) { border: 0; padding: 0.1rem 0.8rem 0.1rem 0; }
  .tw-columns tr > :first-child { grid-column: 1 / -1; width: auto; }
  .tw-columns thead td { display: none; }
  .tw-inputs thead { display: none; }
  .tw-inputs td:first-child { font-weight: 600; }
  .tw-inputs td[data-head]:not(:first-child):not([data-head=""])::before {
    content: attr(data-head) ": "; color: var(--soft); }
  .tw-inputs tr { display: block; border-bottom: 1px solid var(--line); padding: 0.5rem 0; }
  .tw-inputs td:nth-child(n) { display: block; border: 0; padding: 0.05rem 0; }
  .tw-inputs td:empty { display: none; }
}
.tw-print { display: none; }
@media print {
  .tw-print { display: block; margin-top: 1rem; font-size: 0.8rem; overflow-wrap: anywhere; }
  [data-testid="stSidebar"], [data-testid="stHeader"], [data-testid="stElementToolbar"],
  [data-testid="stElementContainer"]:has(.tw-menu), [data-testid="stDownloadButton"],
  [data-testid="stButton"], [data-testid="stButtonGroup"] { display: none; }
  [data-testid="stApp"], [data-testid="stAppViewContainer"], [data-testid="stMain"] {
    position: static; display: block; height: auto; overflow: visible; }
  [data-testid="stMainBlockContainer"] { padding: 0; max-width: none; }
  [data-testid="stVegaLiteChart"] { break-inside: avoid; }
}
"""


UNANSWERED = '[data-testid="stApp"][data-test-connection-state="PINGING_SERVER"]'
"""Selector of a page whose server is gone, which Streamlit covers with its own dialog."""

SLIDE_CSS = """
[data-testid="stHeader"] { display: none; }
[data-testid="stMainBlockContainer"] { padding: 0.9rem 1.8rem 2rem; max-width: none; }
[data-testid="stMainBlockContainer"] > [data-testid="stVerticalBlock"],
.st-key-slide { gap: 0.55rem; }
@media (min-aspect-ratio: 6/5) {
  [data-testid="stMainBlockContainer"] { height: 100vh; box-sizing: border-box; }
  [data-testid="stMainBlockContainer"] > [data-testid="stVerticalBlock"] { height: 100%; }
}
[data-testid="stLayoutWrapper"]:has(> .st-key-slide) { flex: 1 1 0; min-height: 0; }
.st-key-slide, .st-key-slide :is([data-testid="stLayoutWrapper"], [data-testid="stVerticalBlock"],
  [data-testid="stElementContainer"]):has([data-testid="stVegaLiteChart"]) {
  flex: 1 1 0; min-height: 0; }
.st-key-slide :is([data-testid="stFullScreenFrame"], [data-testid="stFullScreenFrame"] > div):has(
  [data-testid="stVegaLiteChart"]), .st-key-slide [data-testid="stVegaLiteChart"] { height: 100%; }
.st-key-slide_inputs { position: fixed; right: 1.8rem; bottom: 0.4rem; width: auto; z-index: 9; }
.tw-slide-foot { position: fixed; left: 1.8rem; bottom: 0.5rem; font-size: 0.82rem; margin: 0;
  line-height: 1.2; color: var(--soft); }
.st-key-slide:has(.tw-sentence) .tw-slide-title { font-size: 0.9rem; font-weight: 400; }
.st-key-slide .tw-sentence { font-weight: 600; }
h1.tw.tw-front-title { font-size: 1.7rem; margin: 0; }
.tw.tw-front-motto { font-size: 0.95rem; margin: 0; }
.tw.tw-front { gap: 0.7rem; }
.tw.tw-front a { padding: 0.6rem 1rem; }
.tw.tw-front a > span { font-size: 1rem; line-height: 1.25; }
.tw.tw-front b { font-size: 1.9rem; }
.tw.tw-front small { font-size: 0.85rem; line-height: 1.3; }
[data-testid="stMainBlockContainer"] h3 { font-size: 1.1rem; padding: 0 0 0.4rem; }
[data-testid="stExpander"] summary { padding: 0.1rem 0.6rem; }
.tw-caption, .tw-note, .tw-assumed { font-size: 0.82rem; line-height: 1.25; }
.tw-block { gap: 0.55rem; }
.tw-slide-title { font-size: 1.25rem; }
.tw-step { grid-template-columns: 8rem 1fr 7rem; gap: 0 0.8rem; font-size: 0.74rem;
  padding: 0.1rem 0; line-height: 1.25; }
.tw-sentence { font-size: 1.2rem; line-height: 1.2; max-width: none; }
.tw-columns, .tw-columns small { font-size: 0.78rem; line-height: 1.3; }
.tw-columns :is(th, td) { padding: 0.25rem 0.8rem 0.25rem 0; }
.tw-columns :is(th, td):first-child { width: 7rem; }
.tw-columns td > b { font-size: 1.1rem; }
.tw-bar { margin: 0.2rem 0; }
"""
"""Style of a slide that fills its frame: message as title, chart above the footer."""

FILL_FRAME = """<script>
(() => {
  const root = document.documentElement;
  const fit = () => { root.style.fontSize = %(root)s * %(unit)s + "px"; };
  addEventListener("resize", fit);
  fit();
})();
</script>"""
"""Script that scales a slide's text with its frame, like its charts."""

CLICKER_KEYS = """<script>
(() => {
  if (window.twentyWattsKeys) { return; }
  window.twentyWattsKeys = true;
  const giveBack = () => {
    if (document.activeElement) { document.activeElement.blur(); }
    window.parent.focus();
  };
  document.addEventListener("click", (event) => {
    const typed = event.target.closest(
      'input:not([type="range"]):not([type="radio"]):not([type="checkbox"]), textarea, '
      + '[role="combobox"], [role="listbox"], [role="dialog"], [data-testid="stPopover"]');
    if (event.detail && !typed) { setTimeout(giveBack, 0); }
  });
  document.addEventListener("keydown", (event) => {
    const method = { PageDown: "next", PageUp: "prev" }[event.key];
    const open = document.querySelector('[role="listbox"], [role="dialog"]');
    if (!method && (event.key !== "Escape" || open)) { return; }
    giveBack();
    if (method) {
      event.preventDefault();
      window.parent.postMessage(JSON.stringify({ method }), "*");
    }
  }, true);
})();
</script>"""
"""Script for clicker keys: PageUp and PageDown go to the surrounding deck as reveal.js messages;
Esc or a click returns the focus to it, except in lists and text fields, so that arrow keys turn
slides again. Without a mouse, arrow keys stay with sliders.
"""

_BOLD = ("\x02", "\x03")
"""Markers of bold text, absent from inputs and unaffected by escaping."""

COMPONENTS = ("cpu", "gpu", "dram")
"""Machine components, as named by meters."""


def write_stylesheet(look: Look) -> None:
    """Write the style of the page; text sizes follow the root."""
    css = CSS % {
        "root": f"{ROOT_PX * look.scale:g}",
        "ink": look.colours["ink"],
        "paper": look.colours["paper"],
        "accent": ACCENT["dark" if look.dark else "light"],
        "top": "4.2",
        "top_small": "3.9",
        "inputs": _("Change the inputs"),
        "unanswered": UNANSWERED,
        "silence": _(
            "The server of this page does not answer: the last result stays, and it is asked "
            "again. To start it: twenty-watts app"
        ),
    }
    st.html(f"<style>{css}{SLIDE_CSS if look.slide else ''}</style>")


def fill_frame(look: Look) -> None:
    """Scale a slide to its frame."""
    values = {"root": ROOT_PX * look.scale, "unit": unit_in_script()}
    st.html(FILL_FRAME % values, unsafe_allow_javascript=True)


def print_line(text: str) -> None:
    """Write the origin and date of a page, on paper only."""
    st.html(f'<p class="tw tw-print">{escape(text)}</p>')


def slide_foot(text: str) -> None:
    """Write the basis and date below a slide."""
    write(f'<p class="tw tw-slide-foot">{escape(text)}</p>')


def write_clicker_keys() -> None:
    """Return clicker keys to the surrounding deck."""
    st.html(CLICKER_KEYS, unsafe_allow_javascript=True)


def notices(lines: Iterable[str]) -> None:
    """Write notices above the page, if any."""
    shown = visible_lines(lines)
    items = "".join(f"<p>{escape(_sentence(line))}</p>" for line in shown)
    if items:
        write(f'<div class="tw tw-notice" role="alert">{items}</div>')


def visible_lines(lines: Iterable[str]) -> list[str]:
    """Return the first lines, and the number of others.

    >>> visible_lines("abcdef")
    ['a', 'b', 'c', 'and 3 more']
    """
    every = list(dict.fromkeys(lines))
    rest = len(every) - MOST_NOTICES
    more = ngettext("and {n} more", "and {n} more", rest).format(n=rest)
    return every[:MOST_NOTICES] + ([more] if rest > 0 else [])


@contextmanager
def block() -> Iterator[None]:
    """Combine the following output in one element, which browsers draw faster."""
    pieces: list[str] = []
    outer = _pieces.set(pieces)
    try:
        yield
    finally:
        _pieces.reset(outer)
    if pieces:
        write(f'<div class="tw-block">{"".join(pieces)}</div>')


def write(html: str) -> None:
    """Write HTML on the page, or into the current block."""
    pieces = _pieces.get()
    if pieces is None:
        st.html(html)
    else:
        pieces.append(html)


_pieces: ContextVar[list[str] | None] = ContextVar("_pieces", default=None)


@contextmanager
def last_valid(refusal: str, *, usual: bool = False) -> Iterator[None]:
    """Draw the following dimmed if it answers other inputs, with the reason.

    These are the last valid inputs, or the page's defaults.
    """
    if not refusal:
        yield
        return
    notices([refusal])
    mark = _("default settings of this page") if usual else _("as of the last valid input")
    badges([mark])
    with dimmed("result"):
        yield


def dimmed(name: str) -> AbstractContextManager[Any]:
    """Draw the following dimmed; the name is unique on the page."""
    container: AbstractContextManager[Any] = st.container(key=f"stale_{name}")
    return container


def slide_title(text: str) -> None:
    """Write the scenario above a slide."""
    write(f'<h1 class="tw tw-slide-title">{escape(text)}</h1>')


def sections(
    pictures: Mapping[str, Callable[..., None]],
    titles: Mapping[str, str],
    frame: Frame,
    *args: object,
) -> None:
    """Draw each chart under its title, or the slide's only."""
    for show, picture in pictures.items():
        if frame.shows(show):
            if not frame.slide:
                st.subheader(_(titles[show]), anchor=False)
            picture(*args, frame)


def bold(text: str) -> str:
    """Mark the answer in a sentence, before escaping."""
    return f"{_BOLD[0]}{text}{_BOLD[1]}"


def plain(text: str) -> str:
    """Text without the marks of `bold`."""
    return text.replace(_BOLD[0], "").replace(_BOLD[1], "")


def sentence(html: str) -> None:
    """Write the answer in one sentence of escaped HTML."""
    marked = html.replace(_BOLD[0], "<b>").replace(_BOLD[1], "</b>")
    write(f'<p class="tw tw-sentence">{explained(unbroken(marked))}</p>')


def sentence_of(text: str, **values: object) -> None:
    """Write a plain sentence with its values."""
    sentence(escape(text.format(**values)))


def figures(cards: Iterable[str]) -> None:
    """Write the headline figures in rows of as many as fill them best, five at most."""
    every = list(cards)
    columns = next((one for one in (4, 3, 5) if len(every) % one == 0), 4)
    write(f'<dl class="tw tw-figures" style="--columns:{columns}">{"".join(every)}</dl>')


def figure(name: str, label: str, value: str, span: str, notes: Iterable[str]) -> str:
    """Headline figure: label, value, range, and notes."""
    number, _, unit = value.partition(" ")
    lines = "".join(f'<div class="tw-note">{_running(note)}</div>' for note in notes)
    return (
        f'<div class="tw-figure" data-quantity="{escape(name)}"><dt>{escape(label)}</dt>'
        f'<dd><div class="tw-value">{escape(number)}<small>{escape(unit)}</small></div>'
        f'<div class="tw-range">{_running(span)}</div>{lines}</dd></div>'
    )


def caption(text: str) -> None:
    """Write a caption under a chart."""
    write(f'<p class="tw tw-caption">{_running(text)}</p>')


def caption_html(html: str) -> None:
    """Write a caption of escaped HTML."""
    write(f'<p class="tw tw-caption">{explained(unbroken(html))}</p>')


def in_words(text: str) -> None:
    """Write a visually hidden description of a chart."""
    write(f'<p class="tw-in-words">{escape(text)}</p>')


def badges(texts: Iterable[str]) -> None:
    """Write badges on a result, if any."""
    items = "".join(f'<span class="tw-badge">{escape(text)}</span> ' for text in texts)
    if items:
        write(f'<div class="tw">{items}</div>')


def folded(label: str, key: str, on_change: Callable[[], None] | None = None) -> Any:
    """Foldable section; draw its content only if `.open`."""
    return st.expander(label, key=key, on_change=on_change or "rerun")


def opened(label: str, titles: Mapping[str, str], key: str) -> list[str]:
    """Draw section titles side by side, and return the open ones.

    One element, as browsers redraw each folded section with every answer.
    """
    chosen = st.pills(
        label,
        list(titles),
        format_func=lambda name: _(titles[name]),
        selection_mode="multi",
        key=key,
    )
    return [name for name in titles if name in chosen]


def section(title: str) -> None:
    """Write the title of an open section."""
    write(f'<h3 class="tw tw-section">{escape(title)}</h3>')


def assumptions(lines: Iterable[str]) -> None:
    """Write assumptions and omissions."""
    items = "".join(f"<p>{_running(_capitalised(line))}</p>" for line in lines)
    if items:
        write(f'<div class="tw tw-assumed">{items}</div>')


def first_assumptions(lines: Iterable[str]) -> None:
    """Write the first assumptions, and the others folded."""
    every = list(lines)
    assumptions(every[:SHOWN])
    if rest := every[SHOWN:]:
        items = "".join(f"<p>{_running(_capitalised(line))}</p>" for line in rest)
        title = ngettext("{n} more assumption", "{n} more assumptions", len(rest))
        summary = escape(title.format(n=len(rest)))
        write(f'<details class="tw tw-assumed"><summary>{summary}</summary>{items}</details>')


def brand(name: str, motto: str) -> None:
    """Write the product's name and motto."""
    write(f'<p class="tw tw-brand">{escape(name)}<small>{escape(motto)}</small></p>')


def page_name(group: str, title: str) -> None:
    """Write the page's name above its answer."""
    parts = " · ".join(escape(part) for part in dict.fromkeys((group, title)) if part)
    write(f'<h2 class="tw tw-page">{parts}</h2>')


def problem(text: str) -> None:
    """Write under a widget what cannot be read."""
    write(f'<p class="tw tw-problem" role="alert">{escape(text)}</p>')


def marker(query: Mapping[str, str], shares: Mapping[str, str] | None = None) -> None:
    """Write a hidden marker of the page's state for scripts.

    `shares` are the inputs that the menu passes to other pages.
    """
    implied = f' data-shares="{escape(urlencode(shares))}"' if shares else ""
    write(f'<span hidden data-scenario="{escape("?" + urlencode(query))}"{implied}></span>')


def _running(text: str) -> str:
    """Escape a text, explain its terms and keep its amounts together."""
    return explained(unbroken(escape(text)))


def _sentence(text: str) -> str:
    """Capitalise and end with a full stop, unless it ends otherwise.

    >>> _sentence("fs is adjusted to 2"), _sentence("did you mean h100?")
    ('Fs is adjusted to 2.', 'Did you mean h100?')
    """
    return f"{_capitalised(text)}{'' if text[-1:] in '.?!…' else '.'}"


def _capitalised(text: str) -> str:
    """Capitalise; machine components become acronyms, and keys stay.

    >>> _capitalised("gpu: no driver"), _capitalised("a PUE of 1.25 assumed")
    ('GPU: no driver', 'A PUE of 1.25 assumed')
    >>> _capitalised("hidden_size must be a positive integer")
    'hidden_size must be a positive integer'
    """
    if "_" in text.partition(" ")[0]:
        return text
    component, colon, rest = text.partition(":")
    if component in COMPONENTS:
        return f"{component.upper()}{colon}{rest}"
    return f"{text[:1].upper()}{text[1:]}"
