"""Frame of a page: whole or slide, text size, language, embedding.

All of it is in the link and kept when a control moves: `show=` selects a slide, `fs=` its text size
(1.4 for a lecture hall), `controls=` its controls, `lang=` the language. Theme and embedding are
Streamlit's: `embed=true` and `embed_options=light_theme` or `dark_theme`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import streamlit as st

from estimator.web.shared import language
from estimator.web.shared.charts import Look
from estimator.web.shared.language import _

SCALES = (1.0, 2.0)
"""Smallest and largest text size `fs` in a link [1]."""

KEPT = ("show", "fs", "controls", "lang")
"""Link parameters for the look of any page."""

MOST_CONTROLS = 4
"""Most controls on a slide, side by side."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Frame of the page: slide, embedding, size, language, controls.

    Parameters
    ----------
    show : str
        Requested slide of the page; empty for the whole page.
    scale : float
        Size of the text over the usual one [1].
    embedded : bool
        In a frame of another document: the URL is read and never written.
    dark : bool
        On a dark background.
    controls : tuple of str
        Controls that the link puts on the slide.
    notices : tuple of str
        Notices on parts of the link that could not be used.
    carried : mapping of str to str
        Input of the page -> name that pages share for it, of those that the menu carries along.
    """

    show: str = ""
    scale: float = 1.0
    embedded: bool = False
    dark: bool = False
    controls: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    carried: Mapping[str, str] = field(default_factory=dict)

    @property
    def slide(self) -> bool:
        """Return whether it shows a single chart."""
        return bool(self.show)

    def shows(self, name: str) -> bool:
        """Return whether it shows a chart: on its slide, or on the whole page."""
        return self.show in ("", name)

    @property
    def look(self) -> Look:
        """Look of the charts."""
        return Look(dark=self.dark, scale=self.scale, slide=self.slide)


def language_of_link() -> str:
    """Set the language of the page, and return its name in the link.

    Without `lang=`, a page uses the browser's language; a slide stays English.
    """
    query = st.query_params
    usual = language.ENGLISH
    if not (st.context.is_embedded or "show" in query):
        usual = language.nearest(st.context.locale or "")
    spoken = query.get("lang", usual)
    language.use(spoken if spoken in language.languages() else language.ENGLISH)
    return spoken


def frame_of(
    slides: Mapping[str, str],
    controls: Collection[str] = (),
    carried: Mapping[str, str] = MappingProxyType({}),
) -> Frame:
    """Frame of the link; sets the language of the page.

    Parameters
    ----------
    slides : mapping of str to str
        Slides of the page.
    controls : collection of str
        Controls allowed on its slides.
    carried : mapping of str to str
        Inputs of the page that the menu carries along.
    """
    query, spoken = st.query_params, language_of_link()
    show, notices = query.get("show", ""), []
    if show and show not in slides:
        known = ", ".join(slides)
        notices.append(
            _("“show” is {given}, and this page has {known}").format(
                given=shortened(show), known=known
            )
        )
    if spoken not in language.languages():
        notices.append(
            _("“lang” is {given}, and there is {known}").format(
                given=shortened(spoken), known=", ".join(language.languages())
            )
        )
    scale, adjusted = scale_of(query.get("fs", "1.4" if show in slides else "1"))
    if adjusted:
        notices.append(_("“fs” is adjusted to {scale:g}").format(scale=scale))
    on_slide, without = controls_of(query.get("controls", ""), controls)
    if show in slides:
        notices.extend(without)
    return Frame(
        show=show if show in slides else "",
        scale=scale,
        embedded=bool(st.context.is_embedded),
        dark=st.context.theme.type == "dark",
        controls=on_slide,
        notices=tuple(notices),
        carried=carried,
    )


def controls_of(text: str, known: Collection[str]) -> tuple[tuple[str, ...], list[str]]:
    """Slide controls of a link without repetition, with notices on omissions.

    >>> controls_of("devices,devices,any", ("devices", "site"))[0]
    ('devices',)
    """
    asked = [*dict.fromkeys(filter(None, text.split(",")))]
    found = [name for name in asked if name in known]
    unknown = [name for name in asked if name not in known]
    left_out = (
        (_("“controls” names {given}, which no slide of this page has"), unknown),
        (_("“controls” names {given}, for which a slide has no room"), found[MOST_CONTROLS:]),
    )
    notices = [
        sentence.format(given=shortened(", ".join(names))) for sentence, names in left_out if names
    ]
    return tuple(found[:MOST_CONTROLS]), notices


def scale_of(text: str) -> tuple[float, bool]:
    """Text size of a link, and whether it was adjusted.

    >>> scale_of("1.4"), scale_of("9"), scale_of("large")
    ((1.4, False), (2.0, True), (1.0, True))
    """
    try:
        wanted = float(text)
    except ValueError:
        return SCALES[0], True
    if wanted != wanted:
        return SCALES[0], True
    scale = min(max(wanted, SCALES[0]), SCALES[1])
    return scale, scale != wanted


LONGEST = 40
"""Longest text of unknown origin that is repeated [character]."""


def shortened(text: str) -> str:
    """Truncate a text of unknown origin to one short line.

    >>> shortened("h100"), len(shortened("7" * 5000))
    ('h100', 40)
    """
    plain = " ".join(text.split())
    return plain if len(plain) <= LONGEST else plain[: LONGEST - 1] + "…"
