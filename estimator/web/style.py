"""How the page looks beyond the theme: one stylesheet, and the few HTML blocks it dresses."""

from collections.abc import Iterable
from html import escape

import streamlit as st

ROOT_PX = 16

CSS = """
html { font-size: %(root)spx; }
[data-testid="stMainBlockContainer"] { padding: %(top)srem 2.2rem 3rem; max-width: 84rem; }
[data-testid="stSidebarHeader"] { height: 2.2rem; padding-bottom: 0; margin-bottom: -2rem; }
[data-testid="stSidebarUserContent"] { padding-top: 0.9rem; padding-bottom: 2rem; }
[data-testid="stSidebarUserContent"] [data-testid="stVerticalBlock"] { gap: 0.5rem; }
[data-testid="stSidebarUserContent"] h3 { font-size: 1.05rem; padding: 0.5rem 0 0.6rem; }
[data-testid="stMainBlockContainer"] h3 { font-size: 1.35rem; padding: 1rem 0 0.4rem;
                                          letter-spacing: -0.01em; }
[data-testid="stTopNavLink"]:focus-visible { outline: 2px solid currentColor; outline-offset: 1px; }
.tw { --soft: color-mix(in srgb, currentColor 72%%, transparent);
      --line: color-mix(in srgb, currentColor 18%%, transparent); }
.tw-sentence { font-size: 1.5rem; line-height: 1.35; letter-spacing: -0.01em; margin: 0;
               max-width: 60rem; text-wrap: pretty; }
.tw-sentence b { font-weight: 650; }
.tw.tw-figures { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr));
              gap: 0.9rem 1.6rem; margin: 0.6rem 0 0; padding: 0; }
.tw-figure { border-top: 2px solid currentColor; padding-top: 0.45rem; }
.tw-figure dt, .tw-figure dd { margin: 0; padding: 0; }
.tw-figure dt { font-weight: 400; font-size: 1rem; color: var(--soft); }
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
.tw-inputs td:nth-child(1) { width: 22%%; }
.tw-inputs td:nth-child(2) { width: 17%%; }
.tw-inputs td:nth-child(3) { width: 11%%; }
.tw-inputs td:nth-child(4) { overflow-wrap: anywhere; padding-right: 0; }
.tw-inputs small { display: block; font-size: 0.85rem; color: var(--soft); }
.tw-inputs a { color: inherit; text-decoration: underline; text-underline-offset: 0.15em; }
@media (max-width: 640px) {
  [data-testid="stMainBlockContainer"] { padding: %(top_small)srem 1rem 2rem; }
  [data-testid="stExpandSidebarButton"]::after { content: "Change the inputs"; font-size: 1rem;
    font-weight: 600; margin-left: 0.3rem; white-space: nowrap; }
  [data-testid="stExpandSidebarButton"] { width: auto; padding: 0 0.6rem; }
  .tw-sentence { font-size: 1.25rem; }
  .tw.tw-figures { grid-template-columns: 1fr 1fr; gap: 0.9rem 1rem; }
  .tw-value { font-size: 1.75rem; }
  .tw-value small { font-size: 1rem; }
  .tw-step { grid-template-columns: 1fr; }
  .tw-inputs thead { display: none; }
  .tw-inputs td:first-child { font-weight: 600; }
  .tw-inputs tr { display: block; border-bottom: 1px solid var(--line); padding: 0.5rem 0; }
  .tw-inputs td:nth-child(n) { display: block; border: 0; padding: 0.05rem 0; width: auto; }
}
"""


def write_stylesheet(scale: float, *, slide: bool) -> None:
    """Dress the page; the text size of everything follows the root."""
    sizes = {"root": f"{ROOT_PX * scale:g}", "top": "1" if slide else "4.2"}
    sizes["top_small"] = "1" if slide else "3.9"
    st.html(f"<style>{CSS % sizes}</style>")


def sentence(html: str) -> None:
    """Write the answer in one sentence; the caller has escaped it."""
    st.html(f'<p class="tw tw-sentence">{html}</p>')


def figures(cards: Iterable[str]) -> None:
    """Write the headline figures side by side."""
    st.html(f'<dl class="tw tw-figures">{"".join(cards)}</dl>')


def figure(name: str, label: str, value: str, span: str, notes: Iterable[str]) -> str:
    """One headline figure: what it is, how much, from where to where, and what to know."""
    number, _, unit = value.partition(" ")
    lines = "".join(f'<div class="tw-note">{escape(note)}</div>' for note in notes)
    return (
        f'<div class="tw-figure" data-quantity="{escape(name)}"><dt>{escape(label)}</dt>'
        f'<dd><div class="tw-value">{escape(number)}<small>{escape(unit)}</small></div>'
        f'<div class="tw-range">{escape(span)}</div>{lines}</dd></div>'
    )


def caption(text: str) -> None:
    """Say under a chart what it rests on."""
    st.html(f'<p class="tw tw-caption">{escape(text)}</p>')


def badge(text: str) -> None:
    """Mark a result that cannot be meant."""
    st.html(f'<span class="tw tw-badge">{escape(text)}</span>')


def assumptions(lines: Iterable[str]) -> None:
    """Say calmly what was assumed or left out."""
    items = "".join(f"<p>{escape(line[:1].upper() + line[1:])}</p>" for line in lines)
    if items:
        st.html(f'<div class="tw tw-assumed">{items}</div>')


def brand(name: str, motto: str) -> None:
    """Say where one is."""
    st.html(f'<p class="tw tw-brand">{escape(name)}<small>{escape(motto)}</small></p>')


def problem(text: str) -> None:
    """Say under a widget what cannot be read."""
    st.html(f'<p class="tw tw-problem" role="alert">{escape(text)}</p>')


def marker(query: str) -> None:
    """Tell scripts which scenario the page shows, without a pixel."""
    st.html(f'<span hidden data-scenario="{escape(query)}"></span>')
