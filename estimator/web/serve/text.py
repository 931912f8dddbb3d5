"""Answer of the page Inference in words and figures."""

from html import escape

from estimator.inference.figures import request_times, results, single
from estimator.inference.quantities import ServingAnswer
from estimator.inference.report import quantities_of
from estimator.inference.setups import Resolved
from estimator.show.notices import by_weight
from estimator.web.serve.inputs import label_of, model_name
from estimator.web.shared import style
from estimator.web.shared.amounts import amount, counted, span
from estimator.web.shared.frame import Frame
from estimator.web.shared.kit import Values
from estimator.web.shared.language import N_, _, ngettext
from estimator.web.shared.notices import shown_all
from estimator.web.shared.profiles import hardware_names

LEVEL = 0.8
FIGURES = (
    ("energy_per_request_wh", N_("energy of an answer"), "Wh"),
    ("cost_per_million_output_tokens_usd", N_("cost of a million tokens"), "USD"),
    ("inter_token_s", N_("time per token"), "s"),
    ("time_to_first_token_s", N_("time to the first token"), "s"),
    ("output_tokens_per_s", N_("tokens per second, all devices"), "1"),
    ("co2e_per_million_output_tokens_kg", N_("CO2e of a million tokens"), "kgCO2e"),
)
HEADLINE = (
    ("energy_per_request_wh", N_("{amount} per answer"), "Wh"),
    ("cost_per_million_output_tokens_usd", N_("{amount} per million tokens"), "USD"),
    ("inter_token_s", N_("{amount} per token"), "s"),
)
"""Headline quantity, its sentence, and its unit."""


def say_answer(values: Values, answer: ServingAnswer, runs: int, frame: Frame) -> None:
    """Draw the answer as sentence and figures, with its basis."""
    found = results(answer, LEVEL)
    row, _table = single(answer)
    style.sentence(_sentence(values, answer, found))
    cards = [
        style.figure(
            name,
            _(label),
            amount(found[name]["mid"], unit),
            span(found[name]["low"], found[name]["high"], unit),
            (),
        )
        for name, label, unit in FIGURES
        if name in found
    ]
    style.figures(cards)
    _say_latency(answer)
    _say_battery(row, found)
    if not frame.slide:
        say_measured(values, answer, runs, frame)
        known = quantities_of(answer.ranges, answer.ranges)
        style.first_assumptions(shown_all(by_weight(answer.notes[0], known), label_of))


def _sentence(values: Values, answer: ServingAnswer, found: dict[str, dict[str, float]]) -> str:
    row, _table = single(answer)
    parts = [
        _headline(_(text), found[name], unit) for name, text, unit in HEADLINE if name in found
    ]
    text = _("{figures}: {model} in {weights} on {machines}, concurrency {flying}.")
    return text.format(
        figures=escape(", ".join(parts)),
        model=escape(model_name(values)),
        weights=escape(row.weights.name),
        machines=escape(_machines(row)),
        flying=flying(row),
    )


def _headline(text: str, found: dict[str, float], unit: str) -> str:
    """Format a headline figure with its interval."""
    said = style.bold(text.format(amount=amount(found["mid"], unit)))
    return f"{said} ({span(found['low'], found['high'], unit)})"


def _machines(row: Resolved) -> str:
    """Devices, and the number of model replicas if several."""
    machines = counted(row.devices, row.device.device.name)
    if row.data_parallel <= 1:
        return machines
    replicas = _("{machines} as {count} replicas")
    return replicas.format(machines=machines, count=f"{row.data_parallel:g}")


def flying(row: Resolved) -> str:
    """Concurrency, as given or from the request rate."""
    return f"{row.question.concurrency or 1.0:.3g}"


def say_measured(values: Values, answer: ServingAnswer, runs: int, frame: Frame) -> None:
    """Draw a line on ignored measured runs; on a slide, also on applied ones."""
    ignored = values["calibration"] == "ignore"
    corrected = any(one.code == "serving_calibrated" for one in answer.notes[0])
    if ignored and runs:
        text = ngettext(
            "{n} measured run on {device} is ignored.",
            "{n} measured runs on {device} are ignored.",
            runs,
        )
    elif corrected and frame.slide:
        text = ngettext(
            "Calibrated by {n} measured run on {device}.",
            "Calibrated by {n} measured runs on {device}.",
            runs,
        )
    else:
        return
    style.caption(text.format(n=runs, device=hardware_names()[values["hardware"]]))


def _say_latency(answer: ServingAnswer) -> None:
    """Draw a line on request time with queueing."""
    times = request_times(answer)
    if "request_p50_s" not in times:
        style.caption(_("The memory is full all the time, so the queue grows without end."))
        return
    text = _("A request takes {p50} in the median and {p90} in nine of ten, its queue included.")
    style.caption(
        text.format(
            p50=amount(times["request_p50_s"], "s"), p90=amount(times["request_p90_s"], "s")
        )
    )


def _say_battery(row: Resolved, found: dict[str, dict[str, float]]) -> None:
    """Draw a line on battery use, if the device has one."""
    if "battery_share_per_request" not in found:
        return
    share, answers = found["battery_share_per_request"], found["requests_per_charge"]
    text = _("An answer takes {share} of a battery charge ({low} to {high}): {answers} a charge.")
    style.caption(
        text.format(
            share=amount(share["mid"], "share"),
            low=amount(share["low"], "share"),
            high=amount(share["high"], "share"),
            answers=amount(answers["mid"], "1"),
        )
    )
