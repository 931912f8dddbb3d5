"""Single HTML file with a figure: no server or network, with state in the hash."""

import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from estimator.web.offline.scenario_figure import Slider
from estimator.web.shared.charts import Look, unit_in_script
from estimator.web.shared.language import _, current

PAGE = Template((Path(__file__).parent / "figure.html").read_text(encoding="utf-8"))
"""Page of a figure, with `${name}` for its parts."""

BUNDLE = """import sys, vl_convert
text = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
sys.stdout.buffer.write(text.encode())
"""
"""Program that bundles Vega, Vega-Lite and Vega-Embed to one script."""


@cache
def library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script.

    Bundled in a separate process, as it takes over a second and would block all threads.
    """
    done = subprocess.run([sys.executable, "-P", "-c", BUNDLE], capture_output=True, check=False)
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise OSError(f"Vega cannot be put into the figure: {reason}")
    return done.stdout.decode().replace("</script", "<\\/script")


@dataclass(frozen=True, kw_only=True)
class FigureText:
    """Texts around a figure.

    Parameters
    ----------
    title, caption : str
        Above and below it.
    alt : str
        The figure in words, if the caption does not say it all.
    sources : tuple of tuple of str
        Text and address of what the numbers rest on.
    """

    title: str
    caption: str
    alt: str = ""
    sources: tuple[tuple[str, str], ...] = ()


def page(spec: dict[str, Any], sliders: Iterable[Slider], look: Look, words: FigureText) -> str:
    """Format a figure as one file.

    Parameters
    ----------
    spec : dict
        Vega-Lite specification, with its data.
    sliders : iterable of Slider
        What the reader moves; signals of the specification.
    look : Look
    words : FigureText
    """
    items = "".join(
        f'<li><a href="{escape(url)}">{escape(text)}</a></li>'
        if url
        else f"<li>{escape(text)}</li>"
        for text, url in words.sources
    )
    moved = [{**asdict(slider), "label": _(slider.label)} for slider in sliders]
    return PAGE.substitute(
        language=current(),
        title=escape(words.title),
        alt=escape(words.alt or words.caption),
        caption=escape(words.caption),
        inputs=escape(_("Inputs")),
        reset=escape(_("Reset")),
        no_reset="" if moved else " hidden",
        sources_title=escape(_("Every number and its source")),
        sources=items,
        library=library(),
        sliders=_script(moved),
        spec=_script(by_role(spec, look)),
        size=f"{16 * look.scale:g}",
        themes=_themes(look),
        unit=unit_in_script(),
    )


def _roles(look: Look) -> dict[str, str]:
    """CSS property of a colour role -> the colour."""
    series = {f"series-{place}": one for place, one in enumerate(look.colours["series"])}
    return {name: one for name, one in look.colours.items() if name != "series"} | series


def _themes(look: Look) -> str:
    """Colours of a page as selected, or dark if the system is dark.

    On a slide and on paper, figures are light unless dark was selected.
    """

    def colours(where: str, one: Look) -> str:
        said = "".join(f" --{role}: {colour};" for role, colour in _roles(one).items())
        return f"{where} {{ color-scheme: {'dark' if one.dark else 'light'};{said} }}"

    if look.dark:
        return colours(":root", look)
    dark = colours(":root:not(.framed)", replace(look, dark=True))
    return f"{colours(':root', look)}\n@media screen and (prefers-color-scheme: dark) {{ {dark} }}"


def by_role(value: Any, look: Look) -> Any:
    """Return a specification with colours named by role."""
    if isinstance(value, dict):
        return {key: by_role(one, look) for key, one in value.items()}
    if isinstance(value, list):
        return [by_role(one, look) for one in value]
    roles = {colour: f"var(--{role})" for role, colour in _roles(look).items()}
    return roles.get(value, value) if isinstance(value, str) else value


def _script(value: Any) -> str:
    """Serialise JSON so that no text can break out of the script."""
    return json.dumps(value).replace("<", "\\u003c").replace("\u2028", "\\u2028")
