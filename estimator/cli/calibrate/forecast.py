"""`calibrate forecast`: run a training command for a minute, and predict the whole run."""

import argparse
import shlex
import sys
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from estimator.cli.calibrate.run import command_of
from estimator.cli.options import add_fields, add_profiles, catalog_of
from estimator.core.units import format_range, human, human_duration, human_quantity
from estimator.question.inputs import option_of
from estimator.show.terminal import note, print_json, print_line, print_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from estimator.answer.run_forecast import RunForecast
    from estimator.catalog import Catalog
    from estimator.measure.command import Ended
    from estimator.measure.forecast import StepWatch
    from estimator.measure.stamps import Stamped
    from estimator.question.scenario import Scenario
    from estimator.runs.record import MeasuredRun

EXAMPLES = """examples:
  twenty-watts forecast -- python train.py
  twenty-watts forecast --for 60s --total-steps 20000 -- python train.py
  twenty-watts forecast --keep-going --price 2.5 --electricity-price 0.30 -- python train.py
  twenty-watts forecast --params 124e6 --batch 32 --seq-len 1024 -- python train.py
  twenty-watts forecast --try batch=64 --total-steps 20000 -- python train.py --batch-size 32
Steps are detected automatically from PyTorch optimizers, including under Hugging Face's Trainer,
Lightning and Accelerate, or reported by measure() in the script. FLOPs, operations, memory traffic
and number format are counted during the second step, so they need not be given.

The command is stopped after the watch. With --keep-going it continues: the forecast appears while
it runs, and at the end it is compared with the actual time. --try watches the command twice, as
given and with another value of one of its options.

The run is stored under a program name made from the script's folder and file, or under --program;
`estimate --program` with that name uses its measurements.
"""

FEWEST = 4
"""Least steps for a prediction [1]."""

MOST_STEPS = 1e12
"""Upper limit on the number of steps [1]."""

BESIDES = (
    *("kind", "arch", "precision", "step_flop", "step_operations", "step_traffic"),
    *("program", "site", "pue", "carbon_intensity", "electricity_price", "price"),
)
"""Fields on steps, site and prices."""

OF_STEP = ("config", "params", "active_params", "seq_len", "batch", "batch_tokens")
"""Fields that give the FLOPs of a step from its network."""

TRIED_S = 20.0
"""Duration of each of two compared watches [s]."""

OPTIONS_OF = {
    "batch": ("batch-size", "batch", "bs", "train-batch-size", "per-device-train-batch-size"),
    "precision": ("precision", "dtype", "mixed-precision", "amp-dtype"),
}
"""Input that may be varied -> options by which programs accept it."""

OF_TOTAL = (
    *("steps", "max-steps", "total-steps", "num-steps", "train-steps"),
    *("iterations", "num-iterations", "max-iters"),
)
"""Options by which programs accept their number of steps."""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "forecast",
        help="watch a training command for a minute and forecast the whole run",
        description="Run a training command for a minute, then forecast the time, energy, cost and "
        "CO2e of the whole run, here and on other hardware.",
        epilog=EXAMPLES,
    )
    how = parser.add_argument_group("how long to watch")
    how.add_argument("--for", dest="for_s", metavar="TIME", help="how long to watch (default: 60s)")
    how.add_argument("--steps", metavar="N", help="number of steps to watch, instead of --for")
    how.add_argument(
        "--total-steps",
        metavar="N",
        help="number of steps in the whole run (default: as planned by its Trainer, or the value "
        "of --steps, --max-steps or the like in the command; else 1,000 steps are forecast)",
    )
    how.add_argument("--no-count", action="store_true", help="do not count the FLOPs of a step")
    how.add_argument(
        "--keep-going", action="store_true", help="let the command finish instead of stopping it"
    )
    how.add_argument(
        "--try",
        dest="tried",
        metavar="NAME=VALUE",
        help="watch the command a second time with another value of a batch, precision or other "
        "option on its command line, and compare",
    )
    parser.add_argument(
        "--modelled",
        action="store_true",
        help="model power from the load where there is no meter",
    )
    add_fields(
        parser.add_argument_group("what the command does (optional; calibrates more if given)"),
        BESIDES,
    )
    add_fields(parser.add_argument_group("the size of a step, where no FLOPs are counted"), OF_STEP)
    parser.add_argument(
        "--on",
        metavar="LIST",
        help=(
            "other hardware to forecast for, separated by commas (default: a few common devices)"
        ),
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object, with units in its keys"
    )
    parser.add_argument(
        "--verbose", action="store_true", help="print all notes, including notes on the meters"
    )
    parser.add_argument("--quiet", action="store_true", help="print no notes on stderr")
    add_profiles(parser)
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    parser.set_defaults(run=run, typed=parser.prog)


def run(options: argparse.Namespace) -> int:
    """Watch the command and print its forecast, or return its exit code if it fails early."""
    from estimator.answer.run_forecast import check_asked
    from estimator.cli.options import scenario_of
    from estimator.measure.command import name_of_command

    words = command_of(options)
    catalog = catalog_of(options)
    scenario = _with_step_flop(scenario_of(options), catalog)
    if scenario.program is None:
        scenario = replace(scenario, program=name_of_command(words))
    total = _count("total-steps", options.total_steps, 1)
    names = None if options.on is None else [part.strip() for part in options.on.split(",")]
    check_asked(scenario, total, names, catalog)
    asked = _Asked(
        options=options,
        scenario=scenario,
        total=total,
        in_command=total_in(words),
        on=names,
        catalog=catalog,
    )
    return _watched(asked, words) if options.tried is None else _compared(asked, words)


def _with_step_flop(scenario: "Scenario", catalog: "Catalog") -> "Scenario":
    """Return a scenario with the FLOPs of a step of its network, if these describe it.

    Raises
    ------
    ValueError
        If the step is described twice or incompletely.
    """
    from estimator.answer.scenario_estimate import answer_scenario
    from estimator.question.scenario import Scenario

    given = {name: value for name in OF_STEP if (value := getattr(scenario, name)) is not None}
    if not given:
        return scenario
    first = option_of(next(iter(given)))
    if scenario.step_flop is not None:
        raise ValueError(f"--step-flop and {first} both give the size of a step: drop one")
    if "batch" in given and "batch_tokens" in given:
        raise ValueError("--batch and --batch-tokens both give the size of a step: drop one")
    if not {"batch", "batch_tokens"} & given.keys():
        raise ValueError(f"{first} needs the size of a step: give --batch or --batch-tokens")
    if not {"config", "params"} & given.keys():
        raise ValueError(f"{first} needs the network of a step: give --config or --params")
    batch = given.pop("batch", None)
    tokens = given.pop("batch_tokens", None)
    if batch is not None and "params" in given:
        if "seq_len" not in given:
            raise ValueError("--batch with --params needs --seq-len: add it, or use --batch-tokens")
        tokens = batch * given["seq_len"]
    work = {"samples": batch} if tokens is None else {"tokens": tokens}
    one = Scenario(**given, **work, hardware="h100", devices=1.0)
    flop = answer_scenario(one, catalog).estimate.quantities["training_flop"].mid
    return replace(scenario, **dict.fromkeys(OF_STEP), step_flop=float(flop))


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """Options of a command to watch."""

    options: argparse.Namespace
    scenario: "Scenario"
    total: int | None
    in_command: tuple[str, int] | None
    on: list[str] | None
    catalog: "Catalog"

    def answer(
        self, seen: "Stamped", measured: "MeasuredRun", total: int | None = None
    ) -> "RunForecast":
        """Forecast the run from the steps so far; `total` is the default number of steps."""
        from estimator.answer.run_forecast import RunQuestion, forecast_run
        from estimator.measure.host_id import drift_here

        total, option = self.total or seen.planned or total, None
        if not total and self.in_command is not None and self.in_command[1] >= seen.steps:
            option, total = self.in_command
        question = RunQuestion(
            seen=seen,
            measured=measured,
            scenario=self.scenario,
            total=total or None,
            total_option=option,
            on=self.on,
            use_modelled=self.options.modelled,
            drift=drift_here(),
        )
        return forecast_run(question, self.catalog)


def _watched(asked: _Asked, words: list[str]) -> int:
    """Watch one command, print the forecast, and follow it if it continues."""
    from estimator.cli.calibrate.measured_run import news_of
    from estimator.measure.command import CommandError, undisturbed
    from estimator.measure.forecast import recorded_watch

    options = asked.options
    watch = _watch_of(options)
    shown: list[RunForecast] = []

    def answer_early(measured: "MeasuredRun", seen: "Stamped") -> None:
        if seen.steps < FEWEST or options.json:
            return
        shown.append(asked.answer(seen, measured))
        _print(shown[0], over=False, quiet=options.quiet)
        if sys.stderr.isatty() and shown[0].total_steps is not None:
            watch.on_progress = partial(_say_what_is_left, total=shown[0].total_steps)

    try:
        measured, ended = recorded_watch(
            watch,
            words,
            _reported_by(asked.scenario),
            answer_early if options.keep_going else None,
        )
    except CommandError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    with undisturbed():  # all is stored: another Ctrl-C does not cut the answer off
        if options.keep_going and sys.stderr.isatty() and shown:
            sys.stderr.write("\n")
        seen_enough = watch.seen is not None and watch.seen.steps >= FEWEST
        fresh = set(news_of(measured)) - set(watch.meter_notes) if seen_enough else set()
        for line in measured.notes:
            note(line, quiet=options.quiet or not (options.verbose or line in fresh))
        if watch.seen is None or not seen_enough:
            if ended.state != "interrupted":
                return _too_few(watch, ended)
            note(f"stopped before {FEWEST} steps were seen: no forecast", quiet=options.quiet)
            return ended.exit_code
        _print_end(asked, watch, measured, ended, shown)
    return ended.exit_code


def _print_end(
    asked: _Asked,
    watch: "StepWatch",
    measured: "MeasuredRun",
    ended: "Ended",
    shown: "Sequence[RunForecast]",
) -> None:
    """Print the forecast of a finished command, or its actual time next to an earlier forecast."""
    options, seen, whole = asked.options, watch.seen, watch.whole
    if seen is None or whole is None:
        return
    finished = ended.state == "finished"
    compared = watch.goes_on and watch.enough and finished
    if shown:
        answer = shown[0]
    else:
        answer = asked.answer(seen, measured, None if watch.enough else seen.steps * finished)
    if options.json:
        actual = {"actual": _actual(whole, answer)} if compared else {}
        print_json(answer.as_plain(option_of) | actual)
    elif not shown:
        _print(answer, over=watch.goes_on and finished, quiet=options.quiet)
    if compared and not options.json:
        print_line(_beside_forecast(whole, answer))
    if ended.exit_code:
        how = f"ended with exit code {ended.exit_code}"
        how = "was interrupted" if ended.state == "interrupted" else how
        note(f"the command {how} after {whole.steps:,} steps", quiet=options.quiet)


REMEDY = """\
  with estimator.measure() as run:  # after: import estimator
      for batch in batches: train(batch); run.step()
"""
"""Example of a loop that reports its steps."""


def _too_few(watch: "StepWatch", ended: "Ended") -> int:
    """Explain why there is no forecast, and return the exit code."""
    steps = 0 if watch.seen is None else watch.seen.steps
    if ended.exit_code:
        when = f"after {steps} steps" if steps else "before its first training step"
        why = f"the command ended with exit code {ended.exit_code} {when}"
    elif steps or watch.enough:
        why = f"saw {steps} steps but needs {FEWEST}; watch longer with --for"
    else:
        why = (
            "no training step was detected. Only PyTorch optimizers are detected "
            "automatically; other loops can report steps like this:"
        )
    sys.stderr.write(f"error: {why}\n{REMEDY if why.endswith(':') else ''}")
    return ended.exit_code or 1


def _actual(whole: "Stamped", shown: "RunForecast") -> dict[str, float]:
    """Return the actual time of the whole run, and its forecast, if any [s]."""
    found = {"steps": whole.steps, "wall_s": float(sum(whole.times_s))}
    spans = asdict(shown.wall_s) if shown.wall_s is not None else {}
    return found | {f"forecast_{name}_s": value for name, value in spans.items()}


def _beside_forecast(whole: "Stamped", shown: "RunForecast") -> str:
    """Format the actual time next to the forecast; for another number of steps, time per step."""
    from estimator.answer.run_forecast import AHEAD

    actual_s = float(sum(whole.times_s))
    text = f"actual: {whole.steps:,} steps in {human_duration(actual_s)}"
    forecast = shown.time_s
    low, mid, high = forecast.low, forecast.mid, forecast.high
    if whole.steps != shown.total_steps:
        timed = AHEAD if shown.total_steps is None else shown.total_steps - 1
        actual_s /= len(whole.times_s)
        low, mid, high = (value / timed for value in (low, mid, high))
        text += f", {human_duration(actual_s)} a step"
    times = actual_s / mid
    apart = f"{abs(times - 1.0):.1%} {'longer' if times >= 1.0 else 'shorter'}"
    between = format_range(human_duration(low), human_duration(high))
    return f"{text}, {apart} than the forecast of {human_duration(mid)} ({between})"


def _say_what_is_left(so_far: "Stamped", *, total: int) -> None:
    """Update the time left on the terminal's last line."""
    left = so_far.forecast(max(total, so_far.steps))
    text = f"{so_far.steps:,} of {total:,} steps, {human_duration(left.mid_s - left.seen_s)} left"
    sys.stderr.write(f"\r\033[K{text}")
    sys.stderr.flush()


def _compared(asked: _Asked, words: list[str]) -> int:
    """Watch a command as given and with one option changed, and compare."""
    from estimator.measure.command import CommandError
    from estimator.measure.forecast import recorded_watch

    options = asked.options
    if options.keep_going:
        raise ValueError("--try watches the command twice and cannot be combined with --keep-going")
    name, _, value = options.tried.partition("=")
    changed, before = with_option(words, name, value)
    found = []
    for one in (words, changed):
        watch = _watch_of(options, usual_s=TRIED_S)
        try:
            measured, ended = recorded_watch(watch, one, _reported_by(asked.scenario))
        except CommandError as error:
            sys.stderr.write(f"error: {error}\n")
            return error.exit_code
        if watch.seen is None or watch.seen.steps < FEWEST:
            return _too_few(watch, ended)
        found.append(asked.answer(watch.seen, measured))
    given, tried = found
    ratio = tried.step_s / given.step_s
    factor = 1.0
    if name == "batch":
        factor = _number(before) / _number(value)
    if options.json:
        plain = [span.as_plain(option_of) for span in (given, tried)]
        result = {"as_given": plain[0], "tried": plain[1], "option": options.tried}
        print_json(result | {"step_ratio": ratio, "time_ratio": ratio * factor})
        return 0
    for text, answer in ((f"{name}={before}", given), (f"{name}={value}", tried)):
        peak = answer.peak_memory_bytes
        memory = "" if peak is None else f", peak memory {human_quantity(peak, 'B')}"
        print_line(f"{text}: {human(answer.step_s, 's')} a step{memory}")
    change = ratio * factor
    what = "the same samples" if name == "batch" else "the same steps"
    verdict = f"{1.0 - change:.0%} less" if change < 1.0 else f"{change - 1.0:.0%} more"
    print_line(f"{name}={value} takes {verdict} time for {what}")
    if given.wall_s is not None:
        now, then = given.wall_s.mid, given.wall_s.mid * change
        print_line(f"whole run: {human_duration(then)} instead of {human_duration(now)}")
    return 0


def _number(text: str) -> float:
    """Parse a batch size."""
    from estimator.question.inputs import read_number

    found = read_number("try", text)
    if not found > 0:
        raise ValueError(f"--try batch must be positive, got {text}")
    return found


def with_option(words: list[str], name: str, value: str) -> tuple[list[str], str]:
    """Return a command with one option's value changed, and the original value.

    >>> with_option(["python", "train.py", "--batch_size=32"], "batch", "64")
    (['python', 'train.py', '--batch_size=64'], '32')
    """
    if not name or not value:
        raise ValueError("--try needs NAME=VALUE, such as batch=64 or precision=bf16")
    known = OPTIONS_OF.get(name, (name,))
    for at, _, had in _values_of(words, known):
        return [*words[:at], words[at].removesuffix(had) + value, *words[at + 1 :]], had
    options = " or ".join(f"--{option}" for option in known[:2])
    raise ValueError(
        f"--try {name} replaces a value on the command line, which has no {options}: add the "
        "option to the command with its current value, even if that is the default of the script"
    )


def _values_of(words: "Sequence[str]", known: "Sequence[str]") -> "Iterator[tuple[int, str, str]]":
    """Yield the place and value of some options of a command, and the option."""
    for at, word in enumerate(words):
        option, equals, value = word.partition("=")
        if not option.startswith("-") or option.lstrip("-").replace("_", "-") not in known:
            continue
        if equals:
            yield at, option, value
        elif at + 1 < len(words):
            yield at + 1, option, words[at + 1]


def total_in(words: "Sequence[str]") -> tuple[str, int] | None:
    """Return the option of a command that gives its number of steps, and that number.

    >>> total_in(["python", "train.py", "--max_steps=3000"])
    ('--max_steps', 3000)
    >>> total_in(["python", "train.py", "--steps", "30", "--iterations", "90"])
    """
    found = {
        int(value): option
        for _, option, value in _values_of(words, OF_TOTAL)
        if value.isdecimal() and FEWEST <= int(value) <= MOST_STEPS
    }
    return (found.popitem()[::-1]) if len(found) == 1 else None


def _watch_of(options: argparse.Namespace, usual_s: float = 60.0) -> "StepWatch":
    """Return how long to watch the steps, `usual_s` by default [s]."""
    from estimator.measure.forecast import StepWatch

    steps = _count("steps", options.steps, FEWEST)
    for_s = None if options.for_s is None else seconds(options.for_s)
    return StepWatch(
        for_s=usual_s if for_s is None and steps is None else for_s,
        steps=steps,
        goes_on=options.keep_going,
        counts=not options.no_count,
        on_silence=partial(_say_what_is_awaited, quiet=options.quiet),
    )


def _reported_by(scenario: "Scenario") -> dict[str, Any]:
    """Return the fields stored with the measured run."""
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
    """Print why nothing happens, and what to do."""
    note(
        f"no steps seen in {human_duration(silent_s)}: waiting for a PyTorch optimizer to step, or "
        "for run.step() within measure() in the script; if it has neither, stop it with Ctrl-C",
        quiet=quiet,
    )


def _count(name: str, text: str | None, least: int) -> int | None:
    """Parse a number of steps."""
    from estimator.question.inputs import read_number

    if text is None:
        return None
    number = read_number(name, text)
    if not least <= number <= MOST_STEPS:
        raise ValueError(f"--{name} must be between {least} and {MOST_STEPS:g}, got {number:g}")
    return int(number)


def seconds(text: str) -> float:
    """Parse a time such as 60, 60s, 2m or 1h [s].

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
    """Print the forecast; time left only for an unfinished run."""
    from estimator.answer.run_forecast import AHEAD, TOTAL_UNKNOWN
    from estimator.core.messages import render, rendered

    step, of = human(answer.step_s, "s"), f" of {answer.optimizer}" if answer.optimizer else ""
    print_line(f"{answer.seen_steps} steps{of} seen, {step} a step")
    if answer.step_inputs:
        print_line(f"options of estimate for such a step: {_options(answer.step_inputs)}")
    steps, of = answer.total_steps or AHEAD, ""
    if answer.total_steps is None:
        print_line(render(TOTAL_UNKNOWN, option_of))
        of = f" of {AHEAD:,} steps"
    time, left_s = answer.time_s, answer.left_s.mid
    if left_s <= 0:
        print_line(f"that was the whole run: {human_duration(time.mid)}")
    else:
        whole = "" if answer.total_steps is None else "whole run of "
        print_line(
            f"{whole}{steps:,} steps: {human_duration(time.mid)} "
            f"({format_range(human_duration(time.low), human_duration(time.high))}, 80% interval)"
            + (f", {human_duration(left_s)} left" if whole and not over else "")
        )
    for name, span, unit in (
        ("energy", answer.energy_kwh, "kWh"),
        ("cost of electricity", answer.cost_usd, "USD"),
        ("rent", answer.rental_usd, "USD"),
        ("CO2e", answer.co2e_kg, "kgCO2e"),
    ):
        if span is not None:
            mid, low, high = (
                human_quantity(value, unit) for value in (span.mid, span.low, span.high)
            )
            print_line(f"{name}{of}: {mid} ({format_range(low, high)})")
    if answer.peak_memory_bytes is not None:
        room = ""
        if answer.larger_batch is not None:
            times = f"about {answer.larger_batch:.2g}" if answer.larger_batch < 10 else "over 10"
            room = f"; a batch {times} times as large would fit"
        print_line(f"peak memory: {human_quantity(answer.peak_memory_bytes, 'B')}{room}")
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
        what = "the same run" if answer.total_steps is not None else f"{AHEAD:,} steps"
        print_table([f"{what} on one", "time", "energy", "cost"], rows)


def _options(inputs: "Mapping[str, float | str]") -> str:
    """Format inputs as options.

    >>> _options({"step_flop": 5.1e9, "arch": "MoE decoder"})
    "--step-flop 5.1e+09 --arch 'MoE decoder'"
    """
    words = (
        shlex.quote(value) if isinstance(value, str) else f"{value:.6g}"
        for value in inputs.values()
    )
    return " ".join(f"{option_of(name)} {word}" for name, word in zip(inputs, words, strict=True))
