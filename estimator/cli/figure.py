"""`figure`: a chart for a slide or paper, as one offline file."""

import argparse
from typing import TYPE_CHECKING, Any

from estimator.cli.options import (
    add_notes,
    add_profiles,
    add_scenario,
    catalog_of,
    refuse_given,
    refuse_missing_folder,
    scenario_of,
)
from estimator.show.terminal import note, print_notices
from estimator.system.whole_files import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from estimator.catalog import Catalog
    from estimator.web.offline.export import Wish

NAMES = {
    "scenario": "time, energy, cost and CO2e with sliders that recompute them",
    "devices": "the same work on other devices",
    "parts": "energy by part",
    "uncertainty": "sources of uncertainty in the energy",
}

LIMITS = {
    "claims": "claims from lectures, recomputed and divided by the claimed value",
    "brain": "brain versus machine: energy from a thought to a city, power, samples, operations",
    "scaling": "loss versus flop, kwh, usd or kg, or error on imagenet",
    "trends": "compute, memory-wall, efficiency, budget, cost or quantum over the years",
}
"""Charts of the pages Claims, Brain, Scaling and Trends, which need no scenario."""

TAKEN = {"brain": ("hardware",), "scaling": ("hardware", "devices", "site")}
"""Chart without a scenario -> scenario options that affect it."""

TAKEN_BY_VIEW = {
    ("brain", "energy"): ("preset", "hardware"),
    ("brain", "samples"): (),
    ("scaling", "imagenet"): (),
    ("trends", "cost"): ("preset",),
}
"""Chart and view -> options that affect it, where different."""

VIEWED = ("devices", *LIMITS)
"""Charts that accept `--view`."""

DECK = "reveal.js deck with live figures, as a starting point for a lecture"

SUFFIXES = (".html", ".svg", ".png", ".pdf", ".csv", ".json", ".bib", ".tex", ".md")
WITHOUT_LOOK = (".csv", ".json", ".bib", ".tex", ".md")
"""Suffixes of files with numbers and text."""

EXAMPLES = """examples:
  twenty-watts figure scenario --preset gpt-3 --hardware v100 --devices 1024 -o gpt-3.html
  twenty-watts figure devices --params 7e9 --tokens 2e12 --hardware h100 --devices 64 -o devices.svg
  twenty-watts figure parts --params 7e9 --tokens 2e12 --hardware h100 --devices 64 -o parts.pdf
  twenty-watts figure scenario --params 7e9 --tokens 2e12 --hardware h100 --devices 64 -o card.md
  twenty-watts figure trends --view efficiency -o efficiency.html
  twenty-watts figure deck -o deck.html
The file extension sets the format: .html with sliders, .svg, .png or .pdf for print, .csv or .json
for the numbers, .tex and .bib for a paper, .md for the header of a model card.
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "figure",
        help="write a chart for slides (with sliders) or for print",
        description="Write a chart as one self-contained file that needs no server and no network.",
        epilog=EXAMPLES,
    )
    every = {**NAMES, **LIMITS, "deck": DECK}
    names = "; ".join(f"{name}: {text}" for name, text in every.items())
    parser.add_argument("figure", choices=list(every), metavar="NAME", help=names)
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="file to write")
    parser.add_argument(
        "--dark",
        action="store_true",
        help="dark background (an HTML page follows the system setting by default)",
    )
    parser.add_argument(
        "--lang", metavar="CODE", help="language of the text, en or de (default: en)"
    )
    parser.add_argument(
        "--scale", type=float, metavar="X", help="text size, as a factor (default: 1)"
    )
    parser.add_argument(
        "--view",
        metavar="WHAT",
        help="quantity to show in devices; topic of brain, scaling and trends",
    )
    add_notes(parser)
    parser.add_argument(
        "--interval",
        metavar="P",
        help="probability that an interval covers the true value, in (0, 1) (default: 0.8)",
    )
    add_profiles(parser)
    add_scenario(parser, without=("interval",))
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the chart."""
    from pathlib import Path

    path = Path(options.output)
    refuse_missing_folder(path)
    _refuse_unused(path, options)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path}: the name must end in one of {', '.join(SUFFIXES)}")
    if options.scale is not None and not 0.5 <= options.scale <= 4:
        raise ValueError(f"--scale must be between 0.5 and 4, got {options.scale:g}")
    from estimator.web.shared import language

    if options.lang is not None and options.lang not in language.languages():
        known = " or ".join(language.languages())
        raise ValueError(f"--lang must be {known}, got {options.lang!r}")
    if options.figure == "deck":
        _write_deck(path, options.lang or language.ENGLISH)
        note(
            "the deck needs reveal.js next to it, and the app for live slides; see the top "
            "of the file",
            quiet=options.quiet,
        )
    else:
        catalog = catalog_of(options)
        with language.spoken(options.lang or language.ENGLISH):
            _write(path, options, catalog)
    note(f"{path} written", quiet=options.quiet)
    return 0


def _refuse_unused(path: "Path", options: argparse.Namespace) -> None:
    """Refuse options that would not affect the chart."""
    from estimator.question.scenario import INPUTS

    figure, unused = options.figure, list[str]()
    if figure in LIMITS or figure == "deck":
        taken = TAKEN_BY_VIEW.get((figure, options.view), TAKEN.get(figure, ()))
        unused += [name for name in INPUTS if name not in taken]
    if figure not in VIEWED:
        unused.append("view")
    if figure == "deck":
        unused += ["scale", "dark", "profiles"]
    suffix = path.suffix.lower()
    if suffix in WITHOUT_LOOK:
        refuse_given(options, ("scale", "dark"), f"has no effect on a {suffix} file: omit it")
    view = f" --view {options.view}" if options.view and figure in LIMITS else ""
    refuse_given(options, unused, f"does not apply to {figure}{view}: omit it")


def _wish(options: argparse.Namespace, view: str) -> "Wish":
    from estimator.web.offline.export import Wish

    scale = 1.0 if options.scale is None else options.scale
    return Wish(name=options.figure, view=view, dark=options.dark, scale=scale)


def _write(path: "Path", options: argparse.Namespace, catalog: "Catalog") -> None:
    """Write the chart in the selected language."""
    from estimator.answer.scenario_estimate import answer_scenario
    from estimator.question.inputs import option_of
    from estimator.web.offline.export import content_of

    if options.figure in LIMITS:
        _write_limits(path, options, catalog)
        return
    answer = answer_scenario(scenario_of(options), catalog)
    wish = _wish(options, options.view or "energy_kwh")
    write_whole(path, content_of(path.suffix.lower(), wish, answer, catalog))
    print_notices(
        answer.notices,
        option_of,
        quantities=answer.estimate.quantities,
        quiet=options.quiet,
        verbose=options.verbose,
    )


def _write_deck(path: "Path", lang: str) -> None:
    """Write the packaged deck of a language."""
    from importlib.resources import files

    if path.suffix.lower() != ".html":
        raise ValueError(f"{path}: a deck is an HTML page, so its name must end in .html")
    deck = files("estimator.web.shared") / f"lecture_deck.{lang}.html"
    write_whole(path, deck.read_bytes())


def _write_limits(path: "Path", options: argparse.Namespace, catalog: "Catalog") -> None:
    """Write a chart that needs no scenario."""
    from estimator.web.offline.limits_figure import content_of

    wish = _wish(options, options.view or "")
    write_whole(path, content_of(path.suffix.lower(), wish, scenario_of(options), catalog))
