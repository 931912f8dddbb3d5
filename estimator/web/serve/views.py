"""The views of the page Inference: one answer, the load, an API, the energy."""

from html import escape

import numpy as np
import pandas as pd

from estimator.core.units import H_PER_DAY, J_PER_KWH, S_PER_DAY
from estimator.inference.figures import (
    compared_with_api,
    curve,
    energy_parts,
    memory,
    request_times,
    results,
    roofline_of,
    single,
)
from estimator.inference.lifetime import lifetime
from estimator.inference.measured_loads import known_loads
from estimator.inference.quantities import ServingAnswer
from estimator.inference.report import quantities_of
from estimator.inference.setups import Resolved
from estimator.show.notices import by_weight
from estimator.web.serve.inputs import API_USD, TYPED, label_of, model_name, offer
from estimator.web.shared import charts, figures, plots, style
from estimator.web.shared.amounts import amount, device_count, localised, span
from estimator.web.shared.charts import Row
from estimator.web.shared.frame import Frame
from estimator.web.shared.kit import Values
from estimator.web.shared.language import N_, _, ngettext
from estimator.web.shared.notices import shown_all
from estimator.web.shared.profiles import hardware_names, open_catalog

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
"""Figure of the headline, how it reads, and its unit."""


PARTS = {
    "boards, dynamic": N_("the work of the devices"),
    "boards, idle": N_("idle power of the devices"),
    "reserved without work": N_("reserved without work"),
    "host": N_("the host"),
    "network": N_("the network"),
    "PUE: cooling and losses": N_("PUE: cooling and losses"),
}


def draw_answer(values: Values, answer: ServingAnswer, frame: Frame) -> None:
    """Say the answer in a sentence and figures, and what they rest on."""
    found = results(answer, LEVEL)
    row, _table = single(answer)
    with style.block():
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
        say_measured(values, answer, frame)
        if not frame.slide:
            known = quantities_of(answer.ranges, answer.ranges)
            style.first_assumptions(shown_all(by_weight(answer.notices.of(0), known), label_of))


def _sentence(values: Values, answer: ServingAnswer, found: dict[str, dict[str, float]]) -> str:
    row, _table = single(answer)
    parts = [
        style.bold(_(text).format(amount=amount(found[name]["mid"], unit)))
        for name, text, unit in HEADLINE
        if name in found
    ]
    text = _("{figures}: {model} in {weights} on {machines}, concurrency {flying}.")
    return text.format(
        figures=escape(", ".join(parts)),
        model=escape(model_name(values)),
        weights=escape(row.weights.name),
        machines=escape(_machines(row)),
        flying=flying(row),
    )


def _machines(row: Resolved) -> str:
    """Devices, and the copies of the model that they hold if there are several."""
    machines = device_count(row.devices, row.device.device.name)
    if row.data_parallel <= 1:
        return machines
    replicas = _("{machines} as {count} replicas")
    return replicas.format(machines=machines, count=f"{row.data_parallel:g}")


def flying(row: Resolved) -> str:
    """Concurrent answers, as asked or as the rate of requests keeps in flight."""
    return f"{row.question.concurrency or 1.0:.3g}"


def say_measured(values: Values, answer: ServingAnswer, frame: Frame) -> None:
    """Say in one line that measured loads are ignored; on a slide, also that they correct it."""
    runs = known_loads(open_catalog()).runs_on(values["hardware"])
    ignored = values["calibration"] == "ignore"
    corrected = any(one.code == "serving_calibrated" for one in answer.notices.of(0))
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
    """Say how long a request takes, with its queue."""
    times = request_times(answer)
    if "request_p50_s" not in times:
        style.caption(_("The memory is always full, so the queue grows without bound."))
        return
    text = _("A request takes {p50} in the median and {p90} in nine of ten, its queue included.")
    style.caption(
        text.format(
            p50=amount(times["request_p50_s"], "s"), p90=amount(times["request_p90_s"], "s")
        )
    )


def _say_battery(row: Resolved, found: dict[str, dict[str, float]]) -> None:
    """Say what an answer takes of a battery, where the device has one."""
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


def draw_curve(values: Values, answer: ServingAnswer, frame: Frame) -> None:
    """Latency against throughput, the chosen point and the memory limit."""
    found, here = curve(answer), results(answer, LEVEL)
    pace_s, rate = (here[name]["mid"] for name in ("inter_token_s", "output_tokens_per_s"))
    style.sentence_of(
        _("{flying} at a time: all together get {rate} tokens a second, each one every {time}."),
        flying=flying(single(answer)[0]),
        rate=style.bold(amount(rate, "1")),
        time=style.bold(amount(pace_s, "s")),
    )
    name = _("1 to {most} at a time").format(most=f"{found.concurrency[-1]:g}")
    rows = plots.line(found.output_tokens_per_s, 1e3 * np.asarray(found.inter_token_s), name)
    chosen = _("{flying} at a time").format(flying=flying(single(answer)[0]))
    rows.append(plots.mark(rate, 1e3 * pace_s, chosen))
    full = _("memory full: {flying} concurrent, half written on average").format(
        flying=f"{found.concurrency[-1]:g}"
    )
    rows.append(plots.mark(found.output_tokens_per_s[-1], found.inter_token_s[-1] * 1e3, full))
    titles = (_("output tokens per second, all devices"), _("time per token [ms]"))
    _chart(rows, titles, (name,), frame, "curve")
    held = memory(answer)
    if "longest_context_tokens" in held:
        style.caption(
            _(
                "Next to {weights} of weights, the memory fits {most} such requests at full "
                "length; a single one may have {context} tokens."
            ).format(
                most=localised(f"{max(held['most_sequences'], 0.0):,.0f}"),
                weights=amount(held["weights_bytes"], "B"),
                context=localised(f"{held['longest_context_tokens']:,.0f}"),
            )
        )
    roof = roofline_of(answer)
    decode, prefill = (one.flop_per_s / roof.peak_flop_per_s for one in (roof.decode, roof.prefill))
    style.caption(
        _(
            "Writing tokens reaches {decode} of the peak, reading the input {prefill}: weights are "
            "read once per step for the whole batch."
        ).format(decode=amount(decode, "share"), prefill=amount(prefill, "share"))
    )


def draw_energy(values: Values, answer: ServingAnswer, frame: Frame) -> None:
    """Energy of a request by part."""
    parts = energy_parts(answer, open_catalog())
    whole = sum(parts.values())
    if not np.isfinite(whole):
        style.caption(_("The power of this device is not on record."))
        return
    tokens, largest = float(values["output"]), max(parts, key=lambda name: parts[name])
    style.sentence_of(
        _("{energy} per answer, {share} of it for {part}."),
        energy=style.bold(amount(whole * tokens / J_PER_KWH, "kWh")),
        share=amount(parts[largest] / whole, "share"),
        part=_(PARTS[largest]),
    )
    rows = [
        {
            "label": f"{amount(part / whole, 'share')}  {_(PARTS[name])}, "
            f"{amount(part * tokens / J_PER_KWH, 'kWh')}",
            "energy_kwh": part * tokens / J_PER_KWH,
        }
        for name, part in parts.items()
        if part > 0
    ]
    figures.draw(
        charts.energy_by_part,
        pd.DataFrame(rows),
        frame.look,
        key="serve_energy",
        alt=_("Energy of an answer: {parts}").format(
            parts="; ".join(str(row["label"]) for row in rows)
        ),
    )
    _say_lifetime(values, answer)


def _say_lifetime(values: Values, answer: ServingAnswer) -> None:
    """Say what serving takes a day, and when it overtakes the training of the model."""
    joule = answer.mid("energy_per_output_token_j")
    daily, given = float(values["daily"]), float(values["training"])
    life = lifetime(given, joule, daily, 365.0)
    text = _("Serving {tokens} tokens a day takes {energy} a day.")
    said = text.format(tokens=amount(daily, "1"), energy=amount(life.serving_kwh / 365.0, "kWh"))
    if given:
        text = _("It overtakes training after {days}; training and a year of it take {whole}.")
        after, whole = amount(life.days_to_overtake, "day"), given + life.serving_kwh
        said += " " + text.format(days=after, whole=amount(whole, "kWh"))
    style.caption(said)


def draw_api(values: Values, answer: ServingAnswer, frame: Frame) -> None:
    """Money a day against an API, over the tokens of a day."""
    row, _table = single(answer)
    offered = offer(values)
    read_usd, written_usd = float(values["apiin"]), float(values["api"])
    if offered is not None:
        read_usd = offered.input_usd_per_million_tokens
        written_usd = offered.output_usd_per_million_tokens
    found = compared_with_api(answer, input_usd=read_usd, output_usd=written_usd)
    if row.price is None or found is None:
        style.caption(_("No price of this device is on record."))
        return
    rent = float(row.price.value.mid)
    most = answer.mid("output_tokens_per_s") * S_PER_DAY
    daily = rent * H_PER_DAY * row.devices
    api_usd = found.api_cost_per_million_output_tokens_usd
    tokens = np.geomspace(most / 1e4, most, 50)
    assumed = offered is None and values["offer"] != TYPED and written_usd == API_USD
    api = _("API, assumed price") if assumed else _("API")
    names = (_("own machines, reserved"), api if offered is None else offered.name)
    rows = plots.line(tokens, np.full_like(tokens, daily), names[0])
    rows += plots.line(tokens, tokens * api_usd / 1e6, names[1])
    even = found.break_even_tokens_per_day
    if assumed:
        text = _(
            "No API list price is on record for this model: the line assumes {price} per "
            "million output tokens. Choose an API or enter its price for a verdict."
        )
        style.sentence_of(text, price=amount(api_usd, "USD"))
    elif even is None:
        text = _(
            "At {price} per million output tokens, their input included, the API is cheaper: own "
            "machines at this load cost {times} times as much."
        )
        own = results(answer, LEVEL)["cost_per_million_output_tokens_usd"]
        times = style.bold(amount(found.own_cost_over_api, "1"))
        times += f" ({span(own['low'] / api_usd, own['high'] / api_usd, '1')})"
        style.sentence_of(text, price=amount(api_usd, "USD"), times=times)
    else:
        rows.append(plots.mark(even, daily, _("break-even")))
        text = _("They are cheaper from {tokens} tokens a day, {share} of their capacity.")
        share = amount(even / most, "share")
        style.sentence_of(text, tokens=style.bold(amount(even, "1")), share=share)
    _chart(rows, (_("output tokens a day"), _("USD a day")), names, frame, "api")
    if offered is not None:
        source = open_catalog().source(offered.source)
        text = _("{name}, list price of {date}: {read} per million input tokens, {written} output.")
        listed = text.format(
            name=offered.name,
            date=offered.date,
            read=amount(read_usd, "USD"),
            written=amount(written_usd, "USD"),
        )
        style.caption(f"{listed} {source.publisher}: {source.title}.")
    elif not assumed:
        text = _("Price of the API as typed: {read} per million input tokens, {written} output.")
        style.caption(text.format(read=amount(read_usd, "USD"), written=amount(written_usd, "USD")))
    text = _("Own machines: {price} per device-hour, reserved all day; {source}.")
    known = open_catalog().source(row.price.source) if row.price.source else None
    said = _("price as given") if known is None else f"{known.title} ({known.date})"
    style.caption(text.format(price=amount(rent, "USD"), source=said))


def _chart(
    rows: list[Row], titles: tuple[str, str], names: tuple[str, ...], frame: Frame, view: str
) -> None:
    """Draw lines on logarithmic axes, and what their dots mark."""
    dots = sorted((row for row in rows if row["mark"]), key=lambda row: row["x"])
    picture = plots.curves_picture(rows, titles, (True, True), names)
    figures.draw_picture(picture, frame.look, key=f"serve_{view}")
    if dots:
        marks = "; ".join(row["text"] for row in dots)
        text = ngettext("Dot: {marks}.", "Dots, from left to right: {marks}.", len(dots))
        style.caption(text.format(marks=marks))
