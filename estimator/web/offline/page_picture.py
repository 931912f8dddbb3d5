"""Picture of a page as a file with its title, source and date."""

from collections.abc import Callable

import streamlit as st

from estimator.web.offline import export
from estimator.web.shared import charts, figures, language, share, style
from estimator.web.shared.charts import Look, Spec
from estimator.web.shared.figures import Picture
from estimator.web.shared.language import _
from estimator.web.shared.profiles import data_version


def picture_file(name: str, drawn: Callable[[], Picture], title: str) -> share.File:
    """Return a picture as a PNG to download; its headline is the title where it has one."""
    spoken, dark = language.current(), st.context.theme.type == "dark"

    def content() -> bytes:
        language.use(spoken)
        found, wish = drawn(), export.Wish(name=name, dark=dark)
        headline = style.plain(found.headline) or title
        said = f"{found.basis} {export.credit_line(data_version())}".strip()
        return export.picture(".png", specification(found, wish.look), wish, headline, said)

    label = _("Picture with title and source")
    return share.File(label=label, name=f"{name}.png", mime="image/png", content=content)


def specification(drawn: Picture, look: Look) -> Spec:
    """Return the specification of a picture with its data."""
    spec = figures.specification(drawn.build, look, drawn.of, language.current())
    if drawn.by_row:
        spec = charts.of_height(spec, len(drawn.rows), look)
    return {**spec, "data": {"values": drawn.rows}}
