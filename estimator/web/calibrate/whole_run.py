"""Whole run of a measured program, here and elsewhere, on the page Calibrate."""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import streamlit as st

from estimator.answer.design_facts import EXCEEDS_MEMORY, with_memory
from estimator.answer.notices import LAUNCH_BOUND
from estimator.answer.run_forecast import OTHERS
from estimator.answer.scenario_estimate import Answer, answer_scenario, answer_scenarios
from estimator.catalog import Device
from estimator.core.messages import reason as why
from estimator.core.notice import Notice
from estimator.core.uncertainty import Uncertain
from estimator.core.units import S_PER_H, human
from estimator.measure.session import pace_sd
from estimator.memory.training_state import DOES_NOT_FIT
from estimator.question.inputs import option_of
from estimator.question.scenario import Scenario
from estimator.runs.observations import disturbance_of, is_of_steps, program_of
from estimator.runs.record import FORECAST, MeasuredRun, Timing
from estimator.web.shared import style, widgets
from estimator.web.shared.amounts import device_count, localised, result
from estimator.web.shared.frame import shortened
from estimator.web.shared.html_table import draw_table
from estimator.web.shared.language import _
from estimator.web.shared.notices import sentence_of, shown_all
from estimator.web.shared.profiles import open_catalog
from estimator.web.shared.tables import COMPARED, between

STEPS, USUAL_STEPS, FEWEST_STEPS, MOST_STEPS = "calibrate_steps", 10_000, 2, 1_000_000_000
"""Widget of the step count, its default, and its limits."""

PROGRAM = "calibrate_program"
"""Key of the program widget."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """Last measured steps of a program, undisturbed if possible.

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
        """Display name of the program."""
        one, label = self.timing, self.run.label
        named = (one.style, one.label, "" if label == FORECAST else label)
        network = ", ".join(filter(None, (one.kind, one.arch)))
        text = next((name for name in map(_plain, (*named, network)) if name), self.run.id)
        return shortened(text)

    @property
    def disturbed_by(self) -> tuple[str, ...]:
        """Reasons why its steps were slower than on an idle machine."""
        return disturbance_of(self.run, self.timing)[1]


def _plain(name: str | None) -> str:
    """Return a name in one line."""
    return " ".join((name or "").split())


def programs_on(device: Device, runs: Iterable[MeasuredRun]) -> dict[str, Program]:
    """Programs of the user measured on a device, the newest first.

    Excludes benchmarks, simulated runs and steps of unknown work. Keys are stable as runs are
    added: steps of other work, or on more devices, are another program.
    """
    found: dict[str, Program] = {}
    for run in sorted(runs, key=lambda run: run.started, reverse=True):
        if run.origin == "bench" or run.simulated or run.state == "running":
            continue
        used = {one.key for one in run.devices if one.hardware == device.id}
        for timing in run.timings:
            known = timing.what == "training" and timing.flop and is_of_steps(timing)
            if not known or timing.component not in used:
                continue
            name = program_of(timing, run) or run.id
            key = f"{name} {timing.precision} {timing.devices} {timing.flop:.2g}"
            program = Program(run=run, timing=timing)
            before = found.setdefault(key, program)
            if before.disturbed_by and not program.disturbed_by:
                found[key] = program
    return found


def whole_run(program: Program, steps: int, device: Device) -> Scenario:
    """Run of some steps as a scenario with its measurements."""
    one = program.timing
    on_processor = one.component == "cpu"
    return Scenario(
        flop=(one.flop or 0.0) * steps,
        params=one.params,
        step_flop=one.flop,
        step_operations=one.operations if on_processor else None,
        step_traffic=one.traffic_bytes if on_processor else None,
        precision=one.precision,
        kind=one.kind,
        arch=one.arch,
        program=one.style if _plain(one.style) else None,
        hardware=device.id,
        devices=float(one.devices),
    )


def at_its_pace(program: Program, question: Scenario) -> Answer:
    """Answer for the measured device, at its measured utilization.

    Raises
    ------
    ValueError
        If the question cannot be answered, or its steps are faster than the device can be.
    """
    catalog, one = open_catalog(), program.timing
    expected = answer_scenario(question, catalog)
    peak = expected.device.peaks[expected.precision].value * one.devices
    reached = (one.flop or 0.0) / one.time_s / peak
    return answer_scenario(replace(question, utilization=reached, program=None), catalog)


def command_line(scenario: Scenario) -> str:
    """Format the equivalent command, if the program has a name.

    >>> command_line(Scenario(flop=1e18, program="my gpt", hardware="h100-sxm"))
    "twenty-watts estimate --flop=1e+18 --hardware=h100-sxm --program='my gpt'"
    """
    options = " ".join(
        f"{option_of(name)}={shlex.quote(value) if isinstance(value, str) else f'{value:.6g}'}"
        for name, value in scenario.specified_inputs().items()
    )
    return f"twenty-watts estimate {options}"


def draw_whole(device: Device, runs: Iterable[MeasuredRun], *, slide: bool) -> None:
    """Draw the whole run of a program, on this device and on other hardware."""
    found = programs_on(device, runs)
    if not found:
        text = _(
            "No program of yours whose steps are known was measured on {device}. This command "
            "watches one for a minute, as it is:"
        )
        style.caption(text.format(device=device.name))
        command = "twenty-watts forecast -- python train.py"
        st.code(command, language=None, wrap_lines=True)
        return
    program, steps = _chosen(found, slide=slide)
    question = whole_run(program, steps, device)
    rows, notes, assumed = _rows(program, question, steps)
    if rows:
        heads = (_("device"), _("time"), _("energy"), _("cost"), _("CO2e"))
        draw_table([widgets.heading(one) for one in heads], rows)
    style.caption(" ".join([*_step_sentences(program, steps, device), *notes]))
    if rows and not slide:
        with style.folded(_("Every assumption"), "calibrate_whole_assumed") as fold:
            if fold.open:
                style.assumptions(assumed)
        st.code(command_line(question), language=None, wrap_lines=True)


def _step_sentences(program: Program, steps: int, device: Device) -> Iterator[str]:
    """Sentences on the steps used."""
    text = _(
        "{title}: {steps} steps, each of which took {step} on {device}; its row goes on at that "
        "pace, the others are expected. Intervals cover 80%."
    )
    yield text.format(
        title=program.title,
        steps=localised(f"{steps:,}"),
        step=result("wall_hours", program.timing.time_s / S_PER_H),
        device=device.name,
    )
    if program.disturbed_by:
        yield _("Disturbed: {reasons}.").format(reasons="; ".join(program.disturbed_by))


def _chosen(found: Mapping[str, Program], *, slide: bool) -> tuple[Program, int]:
    """Return the selected program, by default the newest, and the number of steps."""
    state = st.session_state
    if state.get(PROGRAM) not in found:
        state[PROGRAM] = next(iter(found))
    state.setdefault(STEPS, USUAL_STEPS)
    if not slide:
        left, right = st.columns(2)
        with left:
            titles = {key: _described(one) for key, one in found.items()}
            st.selectbox(_("Program"), list(titles), format_func=titles.__getitem__, key=PROGRAM)
        with right:
            st.number_input(
                _("Steps of the whole run"), FEWEST_STEPS, MOST_STEPS, step=1000, key=STEPS
            )
    return found[state[PROGRAM]], int(state[STEPS])


def _described(program: Program) -> str:
    """Distinguish programs of one name by format, work, devices and day."""
    one = program.timing
    work = _("{work} a step").format(work=localised(human(one.flop or 0.0, "FLOP")))
    many = "" if one.devices == 1 else _("{n} devices").format(n=one.devices)
    parts = (program.title, one.precision, work, many, program.run.started[:10])
    return ", ".join(filter(None, parts))


def _rows(
    program: Program, question: Scenario, steps: int
) -> tuple[list[list[str]], list[str], list[str]]:
    """One row per hardware that can run it, with notes and assumptions.

    The measured device comes first, at its measured pace.
    """
    catalog, here = open_catalog(), str(question.hardware)
    others = [name for name in OTHERS if name != here]
    asked = [replace(question, hardware=name) for name in others]
    answers = [_own(program, question), *answer_scenarios(asked, catalog)]
    pace = Uncertain(1.0, {"pace": pace_sd(program.timing, steps)})
    rows, notes, waiting, assumed = list[list[str]](), list[str](), list[str](), list[str]()
    for name, answer in zip((here, *others), answers, strict=True):
        if not isinstance(answer, Answer):
            notes.append(f"{sentence_of(why(answer))}.")
            continue
        too_small = _too_small(answer)
        if too_small and name != here:  # where it ran it did fit
            notes += [f"{text}." for text in shown_all(too_small)]
            continue
        title = device_count(float(answer.run.devices), answer.device.name)
        rows.append([title, *_spans(answer, pace if name == here else Uncertain(1.0, {}))])
        if name != here and any(notice.code == LAUNCH_BOUND for notice in answer.notices):
            waiting.append(answer.device.name)
        said = {LAUNCH_BOUND, *(one.code for one in too_small)}
        assumed += shown_all(one for one in answer.notices if one.code not in said)
    if waiting:
        text = _("Steps so small wait for the host on {devices}; larger batches waste less.")
        notes.append(text.format(devices=", ".join(waiting)))
    notes = [f"{one[:1].upper()}{one[1:]}" for one in dict.fromkeys(notes)]
    return rows, notes, list(dict.fromkeys(assumed))


def _too_small(answer: Answer) -> list[Notice]:
    """Return the notice that the program does not fit in memory, empty if it does or is unknown."""
    notices = with_memory(answer, open_catalog())
    return [one for one in notices if one.code in (DOES_NOT_FIT, *EXCEEDS_MEMORY)]


def _own(program: Program, question: Scenario) -> Answer | ValueError:
    """Answer for the measured device, or the reason for its absence."""
    try:
        return at_its_pace(program, question)
    except ValueError as error:
        return error


def _spans(answer: Answer, pace: Uncertain) -> Iterator[str]:
    """Results with their intervals, a dash for unknown ones."""
    for name in COMPARED:
        if name not in answer.estimate.quantities:
            yield f"– {_('unknown')}"
            continue
        quantity = answer.estimate.quantities[name] * pace
        low, high = (float(end) for end in quantity.interval(answer.level))
        yield f"{result(name, float(quantity.mid))} ({between(name, low, high)})"
