"""Pinned scenarios: kept in the session, shown as chips, and opened by Compare."""

from collections.abc import Callable, Mapping
from urllib.parse import urlencode

import streamlit as st

from estimator.web.shared import style, widgets
from estimator.web.shared.html_table import anchor
from estimator.web.shared.language import _

PINS = "_pins"
"""Session key of the pinned links and titles."""

MOST = 4
"""Most scenarios compared [1]."""

LETTERS = ("a", "b", "c", "fourth")
"""Names of the scenarios in a Compare link."""


def pinned() -> dict[str, str]:
    """Link -> title of each pinned scenario, the oldest first."""
    pins: dict[str, str] = st.session_state.get(PINS, {})
    return pins


def pinned_query() -> dict[str, str]:
    """Query of the page Compare that opens the pinned scenarios."""
    return dict(zip(LETTERS, pinned(), strict=False))


def pin(query: Mapping[str, str], title: str) -> None:
    """Pin a scenario, dropping the oldest if full."""
    link = urlencode(query)
    others = {one: text for one, text in pinned().items() if one != link}
    st.session_state[PINS] = dict([*others.items(), (link, title)][-MOST:])


def unpin() -> None:
    """Remove all pins."""
    st.session_state[PINS] = {}


def draw(title: str, query: Mapping[str, str], opened: Callable[[str], None]) -> None:
    """Draw the pin button, and each pinned scenario as a chip that opens it."""
    pins = pinned()
    with st.container(horizontal=True):
        tooltip = _("Keeps this scenario to compare it with others.")
        widgets.button(_("Pin to compare"), "pin", pin, query, title, tooltip=tooltip)
        for number, (link, text) in enumerate(pins.items()):
            tooltip = _("Opens this pinned scenario again.")
            widgets.button(text, f"pin_{number}", opened, link, tooltip=tooltip)
        if pins:
            tooltip = _("Removes all pinned scenarios.")
            widgets.button(_("Unpin all"), "unpin", unpin, tooltip=tooltip)
    if pins:
        count = len(pins)
        text = _("Compare the {count} pinned scenarios") if count > 1 else _("Compare the pin")
        link = anchor(f"compare?{urlencode(pinned_query())}", text.format(count=count))
        style.write(f'<p class="tw tw-links">{link}</p>')
