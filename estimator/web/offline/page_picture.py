"""Picture of a page as a file with its title, source and date."""

from collections.abc import Callable

import streamlit as st

from estimator.web.offline import export, html
from estimator.web.shared import share, style
from estimator.web.shared.charts import Look, Picture
from estimator.web.shared.language import _
from estimator.web.shared.profiles import data_version


def picture_file(name: str, shown: Callable[[], Picture], title: str) -> share.File:
    """Return a chart of a page as a PNG; its headline is the title where it has one."""
    look = Look(dark=st.context.theme.type == "dark")

    def content() -> bytes:
        found = shown()
        said = f"{found.basis} {export.credit_line(data_version())}".strip()
        text = html.FigureText(title=style.plain(found.headline) or title, caption=said)
        return export.image(".png", export.with_rows(found, look), look, text)

    label = _("Picture with title and source")
    return share.File(label=label, name=f"{name}.png", mime="image/png", content=content)
