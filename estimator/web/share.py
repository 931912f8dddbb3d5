"""Take it along: the link, the numbers as files, a frame for a slide."""

import json
from collections.abc import Mapping
from html import escape

import streamlit as st

from estimator.answer import Answer
from estimator.report import as_json, headline
from estimator.tables import results_table
from estimator.web.address import address_of

FRAME = (
    '<iframe src="{address}" title="{title}" width="100%" height="{height}" '
    'style="border:0" allow="clipboard-write; fullscreen"></iframe>'
)
FRAME_PX = 620


def draw_share(answer: Answer, query: Mapping[str, str]) -> None:
    """Draw the link, the downloads and the frame."""
    st.subheader("Take it along", anchor=False)
    st.markdown("This link opens the same page, every input included:")
    st.code(address_of(query), language=None, wrap_lines=True)
    with st.container(horizontal=True):
        st.download_button(
            "Download JSON",
            data=lambda: json.dumps(as_json(answer), indent=2),
            file_name="twenty-watts.json",
            mime="application/json",
            on_click="ignore",
        )
        st.download_button(
            "Download CSV",
            data=lambda: results_table(answer).to_csv(index=False),
            file_name="twenty-watts.csv",
            mime="text/csv",
            on_click="ignore",
        )
    with st.expander("Put it on a slide or a web page"):
        st.markdown(
            "Add `show=figures`, `parts`, `doubts`, `devices` or `formula` for one part of the "
            "page, `fs=1.4` for larger text. Where there will be no server, the tools that appear "
            "at the top right of a chart save it as a picture (PNG)."
        )
        frame = FRAME.format(
            address=escape(address_of(query, embed="true", show="devices"), quote=True),
            title=escape(headline(answer), quote=True),
            height=FRAME_PX,
        )
        st.code(frame, language=None, wrap_lines=True)
