"""`calibrate forecast`: run a training command for a minute, and predict the whole run."""

import argparse
import shlex
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from estimator.cli.calibrate.run import command_of
from estimator.cli.options import add_fields, add_profiles, catalog_of
from estimator.core.units import human, human_duration, human_quantity, joined
from estimator.question.inputs import option_of
from estimator.show.terminal import note, print_json, print_line, print_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from estimator.answer.run_forecast import RunForecast
    from estimator.measure.forecast import StepWatch
    from estimator.question.scenario import Scenario

EXAMPLES = """examples:
  twenty-watts forecast -- python train.py
  twenty-watts forecast --for 60s --total-steps 20000 -- python train.py
  twenty-watts forecast --steps 200 --keep-going --kind vision -- python train.py
Steps are found automatically: those that measure() in the script reports, else the steps of
PyTorch's optimizers, and with them those of Hugging Face's Trainer, Lightning and Accelerate. The
second step of an optimizer is counted, too: its FLOPs, operations, memory traffic and number format
need not be given. After the minute the command is stopped, unless --keep-going lets it run on. The
run is stored as one of a program that is called after its command, unless --program names it:
estimate --program with that name uses what was measured of it.
"""

FEWEST = 4
"""Steps from which a run is predicted [1]."""

MOST_STEPS = 1e12
"""More than any run takes [1]."""

BESIDES = (
    *("kind", "arch", "precision", "step_flop", "step_operations", "step_traffic"),
    *("program", "site"),
)
"""Fields that tell of the steps and of the place."""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "forecast",
        help="run a minute of a training command and forecast the whole run",
        description="Run a training command for a while; forecast time, energy, cost and CO2e of "
        "the whole run, here and on other hardware.",
        epilog=EXAMPLES,
    )
    how = parser.add_argument_group("how long to watch")
    how.add_argument(
        "--for", dest="for_s", metavar="TIME", help="how long to watch the steps (default: 60s)"
    )
    how.add_argument("--steps", metavar="N", help="number of steps to watch")
    how.add_argument(
        "--total-steps", metavar="N", help="steps of the whole run, if no Trainer reports them"
    )
    how.add_argument(
        "--no-count", action="store_true", help="do not count what the second step does"
    )
    how.add_argument("--keep-going", action="store_true", help="let the command run to its end")
    add_fields(parser.add_argument_group("what the command does, if you know it"), BESIDES)
    parser.add_argument(
        "--on", metavar="LIST", help="other hardware, separated by commas (default: a few)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object, keys with units")
    parser.add_argument("--quiet", action="store_true", help="no notes on stderr")
    add_profiles(parser)
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Watch the command, then answer; its own exit code where it failed before."""
    from estimator.answer.run_forecast import RunQuestion, check_asked, forecast_run
    from estimator.cli.options import scenario_of
    from estimator.measure.command import CommandError, name_of_command, undisturbed
    from estimator.measure.forecast import recorded_watch

    words = command_of(options, "forecast")
    scenario = scenario_of(options)
    if scenario.program is None:
        scenario = replace(scenario, program=name_of_command(words))
    watch = _watch_of(options)
    total = _count("total-steps", options.total_steps, 1)
    names = None if options.on is None else [one.strip() for one in options.on.split(",")]
    catalog = catalog_of(options)
    check_asked(scenario, total, names, catalog)
    try:
        measured, ended = recorded_watch(watch, words, _reported_by(scenario))
    except CommandError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    with undisturbed():  # all is stored: another Ctrl-C does not cut the answer off
        for line in measured.notes:
            note(line, quiet=options.quiet)
        if watch.seen is not None and watch.seen.steps >= FEWEST:
            whole = ended.state == "finished" and not ended.exit_code and not watch.enough
            question = RunQuestion(
                seen=watch.seen,
                measured=measured,
                scenario=scenario,
                total=total or watch.seen.planned or (watch.seen.steps if whole else None),
                on=names,
            )
            answer = forecast_run(question, catalog)
            if ended.exit_code and not watch.enough:
                note(
                    f"the command ended with exit code {ended.exit_code} after "
                    f"{watch.seen.steps} steps",
                    quiet=options.quiet,
                )
            if options.json:
                print_json(answer.as_plain(option_of))
            else:
                over = watch.goes_on and ended.state == "finished"
                _print(answer, over=over, quiet=options.quiet)
            return ended.exit_code if not watch.enough else 0
        if ended.state == "interrupted":
            note(f"stopped before {FEWEST} steps were seen: no forecast", quiet=options.quiet)
            return ended.exit_code
    steps = 0 if watch.seen is None else watch.seen.steps
    if steps or watch.enough:
        raise ValueError(
            f"too few steps were seen: {steps} of the {FEWEST} that a forecast needs; watch for "
            "longer with --for"
        )
    raise ValueError(
        "too few steps were seen: none. They are seen where a PyTorch optimizer steps, or "
        "run.step() is called within measure() in the script; did the command come so far?"
    )


def _watch_of(options: argparse.Namespace) -> "StepWatch":
    """How long the steps are watched: a minute where nothing else is given."""
    from estimator.measure.forecast import StepWatch

    steps = _count("steps", options.steps, FEWEST)
    for_s = None if options.for_s is None else seconds(options.for_s)
    return StepWatch(
        for_s=60.0 if for_s is None and steps is None else for_s,
        steps=steps,
        goes_on=options.keep_going,
        counts=not options.no_count,
        on_silence=partial(_say_what_is_awaited, quiet=options.quiet),
    )


def _reported_by(scenario: "Scenario") -> dict[str, Any]:
    """What the measured run is recorded with."""
    return {
        "kind": scenario.kind,
        "arch": scenario.arch,
        "precision": scenario.precision,
        "flop": scenario.step_flop,
        "operations": scenario.step_operations,
        "traffic_bytes": scenario.step_traffic,
        "style": scenario.program,
    }


def _say_what_is_awaited(silent_s: float, *, quiet: bool) -> None:
    """Say why nothing happens, and what to do."""
    note(
        f"no steps seen in {human_duration(silent_s)}: waiting for a PyTorch optimizer to step, or "
        "for run.step() within measure() in the script; if it has neither, stop it with Ctrl-C",
        quiet=quiet,
    )


def _count(name: str, text: str | None, least: int) -> int | None:
    """Read a number of steps."""
    from estimator.question.inputs import read_number

    if text is None:
        return None
    number = read_number(name, text)
    if not least <= number <= MOST_STEPS:
        raise ValueError(f"--{name} must be between {least} and {MOST_STEPS:g}, got {number:g}")
    return int(number)


def seconds(text: str) -> float:
    """Read a time like 60, 60s, 2m or 1h [s].

    >>> seconds("90"), seconds("1.5m")
    (90.0, 90.0)
    """
    from estimator.question.inputs import read_number

    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    factor = units.get(text[-1:], 0.0)
    try:
        found = read_number("for", text[:-1] if factor else text) * (factor or 1.0)
    except ValueError:
        found = 0.0
    if not 0 < found <= 86400.0 * 366:
        raise ValueError(f"--for must be a time like 60s, 5m or 1h, got {text!r}")
    return found


def _print(answer: "RunForecast", *, over: bool, quiet: bool) -> None:
    """Say it to people; of a run that is over not what is left."""
    from estimator.answer.run_forecast import TOTAL_UNKNOWN
    from estimator.core.messages import render, rendered

    step = human(answer.step_s, "s")
    print_line(f"{answer.seen_steps} steps seen, {step} each once steady")
    if answer.step_inputs:
        print_line(f"a step as estimate takes it: {_options(answer.step_inputs)}")
    wall, left = answer.wall_s, answer.left_s
    if wall is None or left is None:
        print_line(render(TOTAL_UNKNOWN, option_of))
    elif left.mid <= 0:
        print_line(f"that was the whole run: {human_duration(wall.mid)}")
    else:
        print_line(
            f"whole run of {answer.total_steps:,} steps: {human_duration(wall.mid)} "
            f"({joined(human_duration(wall.low), human_duration(wall.high))}, 80% interval)"
            + ("" if over else f", {human_duration(left.mid)} of it left after those")
        )
    for name, span, unit in (
        ("energy", answer.energy_kwh, "kWh"),
        ("cost of electricity", answer.cost_usd, "USD"),
        ("CO2e", answer.co2e_kg, "kgCO2e"),
    ):
        if span is not None:
            mid, low, high = (
                human_quantity(value, unit) for value in (span.mid, span.low, span.high)
            )
            print_line(f"{name}: {mid} ({joined(low, high)})")
    others = tuple(notice for notice in answer.notices if notice != TOTAL_UNKNOWN)
    for line in rendered(others, option_of):
        note(line, quiet=quiet)
    if answer.elsewhere:
        rows = [
            [
                one.name,
                f"{human_duration(one.time_s.mid)} ({human_duration(one.time_s.low)} to "
                f"{human_duration(one.time_s.high)})",
                "" if one.energy_kwh is None else human_quantity(one.energy_kwh.mid, "kWh"),
                "" if one.cost_usd is None else human_quantity(one.cost_usd.mid, "USD"),
            ]
            for one in answer.elsewhere
        ]
        print_table(["the same run on one", "time", "energy", "cost"], rows)


def _options(inputs: "Mapping[str, float | str]") -> str:
    """Write inputs as options.

    >>> _options({"step_flop": 5.1e9, "arch": "MoE decoder"})
    "--step-flop 5.1e+09 --arch 'MoE decoder'"
    """
    words = (
        shlex.quote(value) if isinstance(value, str) else f"{value:.6g}"
        for value in inputs.values()
    )
    return " ".join(f"{option_of(name)} {word}" for name, word in zip(inputs, words, strict=True))
