"""`report`: documents for a law, journal or registry, filled in."""

import argparse
from typing import TYPE_CHECKING, Any

from estimator.cli.options import (
    add_fields,
    add_output,
    add_scenario,
    catalog_of,
    level_of,
    refuse_missing_folder,
    scenario_of,
    shape_of,
)
from estimator.cli.serve_cost import calibration_of, question_from, refuse_serving
from estimator.inference.question import ServingQuestion
from estimator.question.disclosure import Disclosure
from estimator.question.inputs import option_of, read_question
from estimator.question.scenario import INPUTS

if TYPE_CHECKING:
    from estimator.answer.disclosure import Disclosed
    from estimator.catalog import Catalog
    from estimator.question.scenario import Scenario
    from estimator.runs.record import MeasuredRun
    from estimator.show.documents import Document

FORMATS = ("annex-xi", "sci", "scope2", "model-card", "paper", "boamps", "cyclonedx", "spdx")
"""Formats of `show.documents`."""

LARGEST_BYTES = 2**24
"""Largest forecast file [B]."""

SERVED = tuple(name for name in ServingQuestion.inputs if name not in INPUTS)
"""Inputs of an inference setup that training does not have."""

EXAMPLES = """examples:
  twenty-watts report --format annex-xi --name Foo-70B --params 70e9 --tokens 2e12 \\
      --hardware h100 --devices 512 --site ie
  twenty-watts report --format annex-xi,paper,scope2 -o reports --params 7e9 --tokens 2e12 \\
      --hardware h100 --devices 64 --device-hours 50e3 --energy-kwh 45e3 --metered nodes
  twenty-watts report --format scope2 --flop 1e23 --hardware h100 --site de --contract 0 \\
      --contract-share 0.8
  twenty-watts report --format boamps --run RUN -o run.json
  twenty-watts report --format sci --task serving --preset llama-3-8b --hardware h100
Unknown fields are N/A with the reason, and assumptions are listed. This is not legal advice.
"""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "report",
        help="write a report in the format that laws, journals and registries require",
        description="Write a report in the format that a law, journal or registry requires. Every "
        "field comes with its interval, basis, formula and source.",
        epilog=EXAMPLES,
    )
    group = parser.add_argument_group("document")
    group.add_argument(
        "--format",
        required=True,
        metavar="NAMES",
        help=f"one or more of {', '.join(FORMATS)}, separated by commas",
    )
    group.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="file to write (.md, .json, .tex, .html), or a folder for several formats",
    )
    group.add_argument("--run", metavar="ID", dest="run_id", help="id or label of a stored run")
    group.add_argument(
        "--forecast",
        metavar="FILE",
        help="output of `forecast --json`; also give --hardware and --devices",
    )
    group.add_argument("--link", metavar="LINK", help="link to the app's Estimate page")
    add_scenario(parser)
    add_fields(parser.add_argument_group("electricity"), Disclosure.inputs, Disclosure.inputs)
    served = parser.add_argument_group("with --task serving")
    served.add_argument("--task", choices=("training", "serving"), default="training")
    add_fields(served, SERVED, ServingQuestion.inputs)
    add_output(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Generate the documents and write each to its destination."""
    from estimator.show.documents import document

    names = _formats(options.format)
    catalog = catalog_of(options)
    facts = _facts(options, catalog)
    _write([document(name, facts, catalog) for name in names], options)
    return 0


def _formats(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in FORMATS:
            raise ValueError(f"unknown format {name!r}: use one or more of {', '.join(FORMATS)}")
    if not names:
        raise ValueError(f"--format is empty: use one or more of {', '.join(FORMATS)}")
    return names


def _facts(options: argparse.Namespace, catalog: "Catalog") -> "Disclosed":
    """Return the facts about the run or setup that the options describe."""
    from estimator.question.table import check_question

    held = read_question(Disclosure, vars(options))
    check_question(held)
    if options.task == "serving":
        from estimator.inference.disclosure import inference_facts
        from estimator.inference.quantities import answer_serving

        calibration = calibration_of(options, catalog)
        answer = answer_serving([question_from(options)], catalog, calibration=calibration)
        return inference_facts(answer, catalog, level_of(options))
    refuse_serving(options, SERVED)
    from estimator.answer.disclosure import training_facts
    from estimator.answer.scenario_estimate import answer_scenario

    scenario, origin = _question(options)
    asked = answer_scenario(scenario, catalog)
    return training_facts(asked, held, catalog, energy_from=origin)


def _question(options: argparse.Namespace) -> "tuple[Scenario, str]":
    """Return the options over a run, forecast or link as a scenario, and the energy's origin.

    Raises
    ------
    ValueError
        If the scenario cannot be read, or several are given.
    """
    from dataclasses import replace

    from estimator.answer.disclosure import METER, MODEL, STEPS

    given, origin = scenario_of(options), METER
    named = [name for name in ("run_id", "forecast", "link") if getattr(options, name)]
    if len(named) > 1:
        words = " and ".join(option_of(name).removesuffix("-id") for name in named)
        raise ValueError(f"{words} each describe a scenario; use only one of them")
    base = given
    if options.run_id:
        from estimator.answer.measured_scenario import scenario_of_run

        base, metered = scenario_of_run(_run(options.run_id))
        origin = METER if metered else MODEL
    elif options.forecast:
        from estimator.answer.measured_scenario import scenario_of_forecast

        base, origin = scenario_of_forecast(_forecast(options.forecast), given), STEPS
    elif options.link:
        base = _linked(options)
    return replace(base, **given.specified_inputs()), origin


def _forecast(name: str) -> "Any":
    """Parse the JSON of a forecast."""
    import json
    from pathlib import Path

    from estimator.system.whole_files import read_bounded

    content = read_bounded(Path(name), LARGEST_BYTES)
    try:
        return json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name}: not the JSON output of a forecast: {error}") from None


def _run(name: str) -> "MeasuredRun":
    """Return a stored run by id, id prefix, or its newest by label."""
    from estimator.runs.store import read_runs

    runs, _ = read_runs()
    found = [run for run in runs if run.id == name or run.label == name]
    found = found or [run for run in runs if run.id.startswith(name)]
    if not found:
        raise ValueError(f"no run {name!r} is stored: see twenty-watts calibrate show --runs")
    return found[-1]


def _linked(options: argparse.Namespace) -> "Scenario":
    """Return the scenario of a link, with notices on unreadable parts."""
    from urllib.parse import parse_qsl

    from estimator.core.messages import rendered
    from estimator.question.scenario import from_link
    from estimator.show.terminal import note

    query = dict(parse_qsl(options.link.partition("?")[2] or options.link))
    scenario, notices = from_link(query)
    for line in rendered(tuple(notices), option_of):
        note(line, quiet=options.quiet)
    return scenario


def _write(made: "list[Document]", options: argparse.Namespace) -> None:
    """Write documents to stdout, a file or a folder."""
    from pathlib import Path

    from estimator.show.documents import SUFFIXES, as_data, as_rows, text_of, usual_markup
    from estimator.show.terminal import note, print_csv, print_json, printable

    if options.output is None:
        import sys

        shape = shape_of(options)
        if shape == "json":
            found = [as_data(document, option_of) for document in made]
            print_json(found[0] if len(found) == 1 else found)
        elif shape == "csv":
            print_csv(
                {"format": one.format, **row} for one in made for row in as_rows(one, option_of)
            )
        else:
            for one in made:
                sys.stdout.write(printable(text_of(one, usual_markup(one), option_of)))
        return
    target = Path(options.output)
    markup = SUFFIXES.get(target.suffix.lower())
    if markup is None and target.suffix:
        raise ValueError(f"{target}: the name must end in {', '.join(SUFFIXES)}, or be a folder")
    if markup is not None and len(made) > 1:
        raise ValueError(f"{target} is one file for {len(made)} formats: pass a folder instead")
    refuse_missing_folder(target)
    if markup is None:
        target.mkdir(exist_ok=True)
    for one in made:
        kind = markup or usual_markup(one)
        path = target
        if markup is None:
            path = target / f"{one.format}{'.md' if kind == 'markdown' else '.json'}"
        path.write_text(text_of(one, kind, option_of), encoding="utf-8", newline="\n")
        note(f"wrote {path}", quiet=options.quiet)
