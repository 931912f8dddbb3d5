"""Snippets that embed a live page in a slide deck, notebook or document."""

from collections.abc import Callable, Mapping
from html import escape

from estimator.web.shared.language import N_, _

FRAME_PX = 720
"""Height of a frame that shows a slide without scrolling [px]."""

ALLOW = "clipboard-write; fullscreen"


def slide_look(*, dark: bool) -> dict[str, str]:
    """Return the look of a page on a slide, as query parameters."""
    theme = "dark_theme" if dark else "light_theme"
    return {"embed": "true", "embed_options": theme, "fs": "1.4"}


def iframe(address: str, title: str) -> str:
    """Frame for a web page, course page or learning platform.

    >>> iframe("http://localhost:8501/?fs=1.4&show=parts", "7B on H100")[:47]
    '<iframe src="http://localhost:8501/?fs=1.4&amp;'
    """
    return (
        f'<iframe src="{escape(address)}" title="{escape(title)}" width="100%" '
        f'height="{FRAME_PX}" style="border:0" allow="{ALLOW}"></iframe>'
    )


def reveal(address: str, title: str) -> str:
    """reveal.js slide filled by the page, with a working clicker."""
    return (
        f'<section data-background-iframe="{escape(address)}" data-background-interactive\n'
        f'         data-preload aria-label="{escape(title)}"></section>'
    )


def quarto(address: str, title: str) -> str:
    """Quarto slide with a raw frame, which `embed-resources` keeps."""
    frame = iframe(address, title).replace("<iframe ", '<iframe data-external="1" ', 1)
    return f"## {_one_line(title)}\n\n```{{=html}}\n{frame}\n```"


def jupyter(address: str, title: str) -> str:
    """Notebook cell."""
    return (
        f"# {_one_line(title)}\n"
        "from IPython.display import IFrame\n\n"
        f'IFrame({address!r}, width="100%", height={FRAME_PX})'
    )


def markdown(address: str, title: str) -> str:
    """Markdown link."""
    text = _one_line(title).replace("[", r"\[").replace("]", r"\]")
    return f"[{text}]({address.replace('(', '%28').replace(')', '%29')})"


def powerpoint(address: str, title: str) -> str:
    """Steps for PowerPoint and Keynote, which cannot embed live pages."""
    return "\n".join(
        (
            _one_line(title),
            _(
                "1. Save the picture with title and source from “Share and export”, or point at "
                "the chart and use the download sign at its top right."
            ),
            _("2. Insert it on the slide, and give it this link, which opens the live page:"),
            address,
        )
    )


WRITERS: Mapping[str, tuple[str, Callable[[str, str], str], str]] = {
    "reveal": ("reveal.js", reveal, "html"),
    "quarto": ("Quarto", quarto, "markdown"),
    "jupyter": ("Jupyter", jupyter, "python"),
    "powerpoint": ("PowerPoint", powerpoint, ""),
    "markdown": ("Markdown", markdown, "markdown"),
    "iframe": (N_("Web page"), iframe, "html"),
}
"""Target -> its label, the writer of its snippet, and the snippet's language."""


def _one_line(text: str) -> str:
    return " ".join(text.split())
