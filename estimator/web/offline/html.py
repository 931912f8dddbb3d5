"""Single HTML file with a figure: no server or network, with state in the hash."""

import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import cache
from html import escape
from typing import Any

from estimator.web.offline.scenario_figure import Slider
from estimator.web.shared.charts import Look, unit_in_script
from estimator.web.shared.language import _, current

PAGE = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
      content="default-src 'none'; img-src data: blob:; style-src 'unsafe-inline';
               script-src 'unsafe-inline' 'unsafe-eval'">
<title>{title}</title>
<script>
if (window.parent !== window) {{ document.documentElement.className = "framed"; }}
</script>
<style>
{themes}
html {{ font: {size}px/1.3 "Source Sans 3", "Source Sans Pro", system-ui, sans-serif; }}
body {{ margin: 0; padding: 0.8rem 1.6rem; box-sizing: border-box; min-height: 100vh;
       display: flex; flex-direction: column; gap: 0.5rem;
       color: var(--ink); background: var(--paper); }}
h1 {{ font-size: 1.4rem; font-weight: 650; margin: 0; letter-spacing: -0.01em; }}
form {{ display: grid; gap: 0.3rem 1.4rem;
       grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); }}
form:empty {{ display: none; }}
label {{ display: block; font-size: 0.95rem; }}
output {{ float: right; font-weight: 600; font-variant-numeric: tabular-nums; }}
input {{ width: 100%; accent-color: var(--series-0); margin: 0; }}
#figure {{ width: 100%; flex: 1 1 26rem; min-height: 26rem; }}
footer, footer p {{ font-size: 0.95rem; color: var(--muted); margin: 0; }}
footer {{ display: flex; gap: 1rem; align-items: baseline; justify-content: space-between;
       flex-wrap: wrap; }}
footer p {{ flex: 1 1 16rem; }}
summary {{ cursor: pointer; white-space: nowrap; }}
details[open] ul {{ position: fixed; inset: 6% 6% 4rem; margin: 0; padding: 1rem 2rem;
       overflow: auto; background: var(--paper); border: 1px solid var(--muted); }}
a {{ color: inherit; }}
li {{ overflow-wrap: anywhere; }}
button {{ font: inherit; color: inherit; background: none; border: 1px solid; }}
@media (min-aspect-ratio: 1/1) {{
  body {{ height: 100vh; overflow: hidden; }}
  #figure {{ min-height: 0; }}
}}
@media print {{
  html {{ print-color-adjust: exact; }}
  button, input, summary {{ display: none; }}
  body {{ height: auto; overflow: visible; }}
  #figure svg {{ max-width: 100%; height: auto; }}
}}
</style>
</head>
<body>
<h1>{title}</h1>
<form aria-label="{inputs}"></form>
<div id="figure" role="img" aria-label="{alt}"></div>
<footer>
<p>{caption}</p>
<button type="button" id="reset"{no_reset}>{reset}</button>
<details><summary>{sources_title}</summary><ul>{sources}</ul></details>
</footer>
<script>{library}</script>
<script>
const sliders = {sliders};
const spec = {spec};
const spoken = document.documentElement.lang;
const scientific = (value) => {{
  const [digits, power] = Number(value).toExponential(2).split("e");
  const raised = [...power.replace("+", "")].map((one) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[one] || "⁻").join("");
  return Number(digits).toLocaleString(spoken) + "·10" + raised;
}};
const money = (value) => Number(value).toLocaleString(spoken, {{
  style: "currency", currency: "USD", currencyDisplay: "narrowSymbol",
  ...(value >= 100 && {{ maximumSignificantDigits: 3 }}),
  ...(value >= 1e4 && {{ notation: "compact" }}),
}});
const written = (slider, value) => {{
  if (slider.name === "shown" && slider.whole) return String(Math.round(value));
  if (slider.unit.startsWith("$")) return money(value) + slider.unit.slice(1);
  const text = slider.whole ? String(Math.round(value)) : Number(value).toPrecision(3);
  return ((Math.abs(value) >= 1e6 || (value && Math.abs(value) < 1e-3))
    ? scientific(value)
    : Number(text).toLocaleString(spoken, {{ maximumSignificantDigits: 6 }})) + " " + slider.unit;
}};
const toPlace = (slider, value) => slider.logarithmic ? Math.log10(value) : value;
const toValue = (slider, place) => {{
  const value = slider.logarithmic ? Math.pow(10, place) : Number(place);
  return slider.whole ? Math.round(value) : value;
}};
vegaEmbed("#figure", spec, {{ actions: false, renderer: "svg" }}).then(({{ view }}) => {{
  const form = document.querySelector("form");
  const values = Object.fromEntries(sliders.map((slider) => [slider.name, slider.value]));
  const set = (slider, value, write) => {{
    values[slider.name] = value;
    view.signal(slider.name, value);
    document.getElementById(slider.name + "-value").textContent = written(slider, value);
    if (write) {{
      const hash = sliders.map(({{ name }}) => name + "=" + values[name]).join("&");
      history.replaceState(null, "", "#" + hash);
    }}
  }};
  for (const slider of sliders) {{
    const label = document.createElement("label");
    label.append(slider.label + " ");
    const output = document.createElement("output");
    output.id = slider.name + "-value";
    const input = document.createElement("input");
    input.type = "range"; input.id = slider.name; input.step = "any";
    input.min = toPlace(slider, slider.low); input.max = toPlace(slider, slider.high);
    input.value = toPlace(slider, slider.value);
    input.addEventListener("input", () => {{
      set(slider, toValue(slider, input.value), true);
      view.runAsync();
    }});
    label.append(output, input);
    form.append(label);
    set(slider, slider.value, false);
  }}
  const open = (all) => {{
    for (const slider of sliders) {{
      const value = all.has(slider.name) ? Number(all.get(slider.name)) : slider.value;
      if (value >= slider.low && value <= slider.high) {{
        set(slider, value, false);
        document.getElementById(slider.name).value = toPlace(slider, value);
      }}
    }}
    view.runAsync();
  }};
  open(new URLSearchParams(location.hash.slice(1)));
  addEventListener("hashchange", () => open(new URLSearchParams(location.hash.slice(1))));
  document.getElementById("reset").addEventListener("click", () => {{
    history.replaceState(null, "", "#");
    open(new URLSearchParams());
  }});
  const giveBack = () => {{
    document.activeElement.blur();
    window.parent.focus();
  }};
  const framed = window.parent !== window;
  if (framed) {{ document.addEventListener("pointerup", () => setTimeout(giveBack, 0)); }}
  document.addEventListener("keydown", (event) => {{
    const method = {{ PageDown: "next", PageUp: "prev" }}[event.key];
    if (!framed || (!method && event.key !== "Escape")) {{ return; }}
    giveBack();
    if (method) {{ window.parent.postMessage(JSON.stringify({{ method }}), "*"); }}
  }}, true);
  const [root, shape] = [document.documentElement, document.getElementById("figure")];
  const fit = () => {{
    const unit = {unit};
    root.style.fontSize = {size} * unit + "px";
    view.signal("unit", unit).width(shape.clientWidth).height(shape.clientHeight).runAsync();
  }};
  fit();
  addEventListener("resize", fit);
  window.view = view;
}});
</script>
</body>
</html>
"""

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
    return PAGE.format(
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
