"""What does the whole run of a measured program take: here and elsewhere, on "Calibrate"."""

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import streamlit as st

from estimator.catalog import Device
from estimator.core.messages import reason as why
from estimator.core.units import S_PER_H
from estimator.estimation.notices import LAUNCH_BOUND
from estimator.estimation.run_forecast import OTHERS
from estimator.estimation.scenario_estimate import Answer, answer_scenarios
from estimator.runs.observations import is_of_steps, program_of
from estimator.runs.record import FORECAST, MeasuredRun, Timing
from estimator.scenario.scenario import Scenario, option_of
from estimator.web.shared import style, widgets
from estimator.web.shared.amounts import counted, localised, result
from estimator.web.shared.html_table import draw_table
from estimator.web.shared.language import _
from estimator.web.shared.notices import shown
from estimator.web.shared.profiles import open_catalog
from estimator.web.shared.tables import COMPARED, between

STEPS, USUAL_STEPS, MOST_STEPS = "calibrate_steps", 10_000, 1_000_000_000
"""Widget of the number of steps, what it shows at first, and the most."""

PROGRAM = "calibrate_program"
"""Widget of the program."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """Steps of a program as last measured.

    Parameters
    ----------
    run : MeasuredRun
    timing : Timing
        Of training, with its FLOPs.
    """

    run: MeasuredRun
    timing: Timing

    @property
    def title(self) -> str:
        """What people call it."""
        one, label = self.timing, self.run.label
        named = one.style or one.label or ("" if label == FORECAST else label)
        return named or ", ".join(filter(None, (one.kind, one.arch))) or self.run.id


def programs_on(device: Device, runs: Iterable[MeasuredRun]) -> list[Program]:
    """Programs of the user whose steps were measured on a device, each once, the newest first.

    Runs of a benchmark and of a stub are none, nor are steps of unknown work.
    """
    found: dict[tuple[str, str | None, float | None], Program] = {}
    for run in sorted(runs, key=lambda run: run.started, reverse=True):
        if run.origin == "bench" or run.simulated or run.state == "running":
            continue
        used = {one.key for one in run.devices if one.hardware == device.id}
        for timing in run.timings:
            known = timing.what == "training" and timing.flop and is_of_steps(timing)
            if known and timing.component in used:
                key = program_of(timing, run) or run.id, timing.precision, timing.flop
                found.setdefault(key, Program(run=run, timing=timing))
    return list(found.values())


def whole_run(program: Program, steps: int, device: Device) -> Scenario:
    """The run of so many steps, as a question with all that was measured of one."""
    one = program.timing
    on_processor = program.timing.component == "cpu"
    return Scenario(
        flop=(one.flop or 0.0) * steps,
        params=one.params,
        step_flop=one.flop,
        step_operations=one.operations if on_processor else None,
        step_traffic=one.traffic_bytes if on_processor else None,
        precision=one.precision,
        kind=one.kind,
        arch=one.arch,
        program=one.style,
        hardware=device.id,
        devices=float(one.devices),
    )


def command_line(scenario: Scenario) -> str:
    """Ask the same at the command line, where the name of a program is known.

    >>> command_line(Scenario(flop=1e18, program="my gpt", hardware="h100-sxm"))
    "twenty-watts estimate --flop 1e+18 --hardware h100-sxm --program 'my gpt'"
    """
    options = " ".join(
        f"{option_of(name)} {shlex.quote(value) if isinstance(value, str) else f'{value:.6g}'}"
        for name, value in scenario.given().items()
    )
    return f"twenty-watts estimate {options}"


def draw_whole(device: Device, runs: Iterable[MeasuredRun], *, slide: bool) -> None:
    """Draw what the whole run of a program takes, on this device and on other hardware."""
    found = programs_on(device, runs)
    if not found:
        text = _(
            "No program of yours whose steps are known was measured on {device}: this watches one, "
            "as it is, for a minute."
        )
        style.caption(text.format(device=device.name))
        st.code("twenty-watts calibrate forecast -- python train.py", language=None)
        return
    program, steps = _chosen(found, slide=slide)
    question = whole_run(program, steps, device)
    rows, notes = _rows(question, device)
    heads = (_("device"), _("time"), _("energy"), _("cost"), _("CO2e"))
    draw_table([widgets.heading(one) for one in heads], rows)
    text = _(
        "{title}: {steps} steps, each of which took {step} on {device}. Intervals hold 80 %; what "
        "was measured of the program counts."
    )
    said = text.format(
        title=program.title,
        steps=localised(f"{steps:,}"),
        step=result("wall_hours", program.timing.time_s / S_PER_H),
        device=device.name,
    )
    style.caption(" ".join([said, *notes]))
    if not slide:
        st.code(command_line(question), language=None, wrap_lines=True)


def _chosen(found: list[Program], *, slide: bool) -> tuple[Program, int]:
    """Which program, and how many steps: the newest at first."""
    by_run = {f"{one.run.id} {at}": one for at, one in enumerate(found)}
    state = st.session_state
    if state.get(PROGRAM) not in by_run:
        state[PROGRAM] = next(iter(by_run))
    state.setdefault(STEPS, USUAL_STEPS)
    if not slide:
        left, right = st.columns(2)
        with left:
            titles = {name: _described(one) for name, one in by_run.items()}
            st.selectbox(_("Program"), list(titles), format_func=titles.__getitem__, key=PROGRAM)
        with right:
            st.number_input(_("Steps of the whole run"), 1, MOST_STEPS, step=1000, key=STEPS)
    return by_run[state[PROGRAM]], int(state[STEPS])


def _described(program: Program) -> str:
    """Name of a program, its number format, and the day when it was measured."""
    day = program.run.started[:10]
    return ", ".join(filter(None, (program.title, program.timing.precision, day)))


def _rows(question: Scenario, device: Device) -> tuple[list[list[str]], list[str]]:
    """A row for each hardware that can run it, this device first; and what is to be said of it."""
    catalog = open_catalog()
    names = list(dict.fromkeys((device.id, *OTHERS)))
    asked = [replace(question, hardware=name) for name in names]
    rows, notes, waiting = list[list[str]](), list[str](), list[str]()
    for name, answer in zip(names, answer_scenarios(asked, catalog), strict=True):
        if isinstance(answer, Answer):
            rows.append([counted(float(answer.run.devices), answer.device.name), *_spans(answer)])
            if any(notice.code == LAUNCH_BOUND for notice in answer.notices):
                waiting.append(answer.device.name)
        else:
            text = _("Not on {device}: {reason}.")
            notes.append(text.format(device=catalog.device(name).name, reason=shown(why(answer))))
    if waiting:
        text = _("So small steps wait for the host on {devices}: a faster device is no faster.")
        notes.append(text.format(devices=", ".join(waiting)))
    return rows, notes


def _spans(answer: Answer) -> Iterator[str]:
    """Results with their intervals; a dash for what is unknown."""
    for name in COMPARED:
        quantity = answer.estimate.quantities.get(name)
        if quantity is None:
            yield f"– {_('unknown')}"
            continue
        low, high = (float(end) for end in quantity.interval(answer.level))
        yield f"{result(name, float(quantity.mid))} ({between(name, low, high)})"
