"""Parts of a page, each of which is drawn again without the others.

A part is a fragment of Streamlit. By itself, a widget has its own part drawn again. Where a change
is to show in other parts, and its own stays as it is, `follow` says so beforehand, and `redraw` in
the callback of the widget; the parts that are not named stay in the browser as they are.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

SENDING_S = 0.002
"""So long the messages of an answer take to be sent [s]."""


def draw(name: str, drawing: Callable[[], None]) -> None:
    """Draw one part of a page."""
    st.fragment(drawing, key=name)()


def alone() -> bool:
    """Whether some parts are drawn again, and not all of the page."""
    context = get_script_run_ctx()
    return context is not None and bool(context.fragment_ids_this_run)


def let_send() -> None:
    """Let what is drawn be sent, before the script works on: the server sends in another thread.

    While the script computes, that thread waits for its turn several times for each message, and a
    browser draws each of them by itself.
    """
    if alone():
        time.sleep(SENDING_S)


def redraw(*parts: str) -> None:
    """Draw these parts again and no others: the last call of the callback of a widget.

    Where the whole page is drawn anyway, so it is.
    """
    context = get_script_run_ctx()
    if context is None or not context.fragment_ids_this_run:
        return
    if set(context.fragment_storage.resolve_target(parts)) - {*context.fragment_ids_this_run}:
        st.rerun(parts)


def follow(ways: Mapping[str, Sequence[str]]) -> None:
    """Say which parts are drawn instead of a part when one of its widgets has changed.

    The last of them stands for all: where it is asked for, the parts are drawn as they are asked
    for. Without this Streamlit begins with the part of the widget, finds in its callback that
    others are wanted, and begins again, which a browser draws, too.
    """
    context = get_script_run_ctx()
    if context is None:
        return
    storage: Any = context.fragment_storage
    if not isinstance(storage.order_fragment_ids, _Order):
        storage.order_fragment_ids = _Order(storage.order_fragment_ids)
    found = storage.resolve_target
    storage.order_fragment_ids.ways = {
        one: found(parts) for name, parts in ways.items() for one in found(name)
    }


class _Order:
    """Order of the parts of a session that are drawn again."""

    def __init__(self, ordered: Callable[[list[str]], list[str]]) -> None:
        self.ways: dict[str, list[str]] = {}
        self._ordered = ordered

    def __call__(self, asked: list[str]) -> list[str]:
        """Return the parts to be drawn instead of those that are asked for."""
        if any(way[-1] in asked for way in self.ways.values()):
            return self._ordered(asked)
        every = [one for name in asked for one in self.ways.get(name, [name])]
        return self._ordered(list(dict.fromkeys(every)))
