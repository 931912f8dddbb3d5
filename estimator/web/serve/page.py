"""Page Inference: time, energy, cost and CO2e of a language model's request."""

from collections.abc import Iterator
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
from estimator.inference.measured_loads import known_loads
from estimator.inference.quantities import ServingAnswer, answer_serving
from estimator.inference.report import quantities_of
from estimator.show.notices import by_weight
from estimator.web.serve.inputs import (
    API_USD,
    CARRIES,
    INPUT,
    PARAMETERS,
    TYPED,
    VIEWS,
    draw_controls,
    label_of,
    model_name,
    offer,
    question_of,
)
from estimator.web.shared import charts, figures, plots, share, style, widgets
from estimator.web.shared.amounts import amount, device_count, localised, span
from estimator.web.shared.charts import Row
from estimator.web.shared.frame import Frame
from estimator.web.shared.kit import PageQuestion, Values, title
from estimator.web.shared.language import N_, _, ngettext
from estimator.web.shared.navigation import INFERENCE
from estimator.web.shared.notices import sentence_of, shown_all
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
    N_("{amount} per answer"),
    N_("{amount} per million tokens"),
    N_("{amount} per token"),
)
"""How the first figures read in a sentence."""

PARTS = {
    "boards, dynamic": N_("the work of the devices"),
    "boards, idle": N_("idle power of the devices"),
    "reserved without work": N_("reserved without work"),
    "host": N_("the host"),
    "network": N_("the network"),
    "PUE: cooling and losses": N_("PUE: cooling and losses"),
}


def _answered(values: Values) -> ServingAnswer:
    """Answer the controls; refused if the setup cannot be served."""
    catalog = open_catalog()
    measured = known_loads(catalog).corrected if values["calibration"] == "use" else None
    answer = answer_serving([question_of(values)], catalog, calibration=measured)
    single(answer)
    return answer


def _draw_views(values: Values, frame: Frame) -> None:
    """Draw the views side by side above the answer."""
    if not frame.slide:
        widgets.switch(PARAMETERS, "view", _("View"), VIEWS)


def _draw(values: Values, answer: ServingAnswer, frame: Frame) -> None:
    """Draw the view that is asked for, and which measured runs it rests on."""
    DRAWN[frame.show or values["view"]](values, answer, frame)
    _say_measured(values, answer, frame)
    if not frame.slide:
        style.caption(
            _(
                "80% intervals from errors on held-out models and systems; device: {device}, "
                "engine fitted to published measurements."
            ).format(device=single(answer)[0].device.device.name)
        )


def _say_measured(values: Values, answer: ServingAnswer, frame: Frame) -> None:
    """Say in one line that measured loads are ignored; on a slide, also that they correct it."""
    runs = known_loads(open_catalog()).runs_on(values["hardware"])
    corrected = any(one.code == "serving_calibrated" for one in answer.notices.of(0))
    if runs and values["calibration"] == "ignore":
        text = ngettext(
            "{n} measured run on {device} is ignored.",
            "{n} measured runs on {device} are ignored.",
            runs,
        )
    elif corrected and frame.slide:
        text = ngettext(
            "Calibrated with {n} measured run on {device}.",
            "Calibrated with {n} measured runs on {device}.",
            runs,
        )
    else:
        return
    style.caption(text.format(n=runs, device=hardware_names()[values["hardware"]]))


def _draw_answer(values: Values, answer: ServingAnswer, frame: Frame) -> None:
    """Say the answer in a sentence and figures, and what they rest on."""
    found = results(answer, LEVEL)
    known = [one for one in FIGURES if one[0] in found]
    with style.block():
        style.sentence(_sentence(values, answer))
        cards = [
            (amount(found[name]["mid"], unit), span(found[name]["low"], found[name]["high"], unit))
            for name, _label, unit in known
        ]
        labels = [(name, _(label)) for name, label, _unit in known]
        style.figures(
            style.figure(*label, *card, ()) for label, card in zip(labels, cards, strict=True)
        )
        for line in _of_a_request(answer):
            style.caption(line)
        if not frame.slide:
            weighed = quantities_of(answer.ranges, answer.ranges)
            style.first_assumptions(shown_all(by_weight(answer.notices.of(0), weighed), label_of))


def _sentence(values: Values, answer: ServingAnswer) -> str:
    """Sentence on the energy, cost and time of the setup."""
    row, found = single(answer)[0], results(answer, LEVEL)
    parts = [
        style.bold(_(text).format(amount=amount(found[name]["mid"], unit)))
        for (name, _label, unit), text in zip(FIGURES, HEADLINE, strict=False)
        if name in found
    ]
    machines = device_count(row.devices, row.device.device.name)
    if row.data_parallel > 1:
        replicas = _("{machines} as {count} replicas")
        machines = replicas.format(machines=machines, count=f"{row.data_parallel:g}")
    text = _("{figures}: {model} in {weights} on {machines}, concurrency {flying}.")
    said = text.format(
        figures=", ".join(parts),
        model=model_name(values),
        weights=row.weights.name,
        machines=machines,
        flying=_flying(answer),
    )
    return escape(said)


def _flying(answer: ServingAnswer) -> str:
    """Concurrent answers, as asked or as the rate of requests keeps in flight."""
    return f"{single(answer)[0].question.concurrency or 1.0:.3g}"


def _of_a_request(answer: ServingAnswer) -> Iterator[str]:
    """Yield how long a request takes, and what it takes of a battery, if the device has one."""
    times, found = request_times(answer), results(answer, LEVEL)
    if "request_p50_s" in times:
        text = _("With queueing, half of the requests finish in {p50} and 90% in {p90}.")
        p50, p90 = (amount(times[f"request_{name}_s"], "s") for name in ("p50", "p90"))
        yield text.format(p50=p50, p90=p90)
    else:
        yield _("The memory is always full, so the queue grows without bound.")
    if "battery_share_per_request" in found:
        text = _(
            "An answer takes {share} of a battery charge ({low} to {high}): {answers} a charge."
        )
        shares = found["battery_share_per_request"]
        share, low, high = (amount(shares[end], "share") for end in ("mid", "low", "high"))
        answers = amount(found["requests_per_charge"]["mid"], "1")
        yield text.format(share=share, low=low, high=high, answers=answers)


def _draw_curve(values: Values, answer: ServingAnswer, frame: Frame) -> None:
    """Latency against throughput, the chosen point and the memory limit."""
    found, here, flying = curve(answer), results(answer, LEVEL), _flying(answer)
    pace_s, rate = (here[name]["mid"] for name in ("inter_token_s", "output_tokens_per_s"))
    style.sentence_of(
        _("{flying} at a time: all together get {rate} tokens a second, each one every {time}."),
        flying=flying,
        rate=style.bold(amount(rate, "1")),
        time=style.bold(amount(pace_s, "s")),
    )
    most = f"{found.concurrency[-1]:g}"
    name = _("1 to {most} at a time").format(most=most)
    full = _("memory full: {flying} concurrent, half written on average").format(flying=most)
    paces_ms = 1e3 * np.asarray(found.inter_token_s)
    rows = plots.line(found.output_tokens_per_s, paces_ms, name)
    rows.append(plots.mark(rate, 1e3 * pace_s, _("{flying} at a time").format(flying=flying)))
    rows.append(plots.mark(found.output_tokens_per_s[-1], paces_ms[-1], full))
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
    decode, prefill = (
        amount(one.flop_per_s / roof.peak_flop_per_s, "share")
        for one in (roof.decode, roof.prefill)
    )
    text = _(
        "Writing tokens reaches {decode} of the peak, reading the input {prefill}: weights are "
        "read once per step for the whole batch."
    )
    style.caption(text.format(decode=decode, prefill=prefill))


def _draw_energy(values: Values, answer: ServingAnswer, frame: Frame) -> None:
    """Energy of a request by part, of a day, and next to that of the training."""
    per_token = energy_parts(answer, open_catalog())
    parts = {name: part * values["output"] / J_PER_KWH for name, part in per_token.items()}
    whole = sum(parts.values())
    if not np.isfinite(whole):
        style.caption(_("The power of this device is not on record."))
        return
    largest = max(parts, key=lambda name: parts[name])
    style.sentence_of(
        _("{energy} per answer, {share} of it for {part}."),
        energy=style.bold(amount(whole, "kWh")),
        share=amount(parts[largest] / whole, "share"),
        part=_(PARTS[largest]),
    )
    labels = {
        name: f"{amount(part / whole, 'share')}  {_(PARTS[name])}, {amount(part, 'kWh')}"
        for name, part in parts.items()
        if part > 0
    }
    figures.draw(
        charts.energy_by_part,
        pd.DataFrame({"label": label, "energy_kwh": parts[name]} for name, label in labels.items()),
        frame.look,
        key="serve_energy",
        alt=_("Energy of an answer: {parts}").format(parts="; ".join(labels.values())),
    )
    daily, given = float(values["daily"]), float(values["training"])
    daily_kwh = answer.mid("energy_per_output_token_j") * daily / J_PER_KWH
    text = _("Serving {tokens} tokens a day takes {energy} a day.")
    said = text.format(tokens=amount(daily, "1"), energy=amount(daily_kwh, "kWh"))
    if given:
        text = _("It overtakes training after {days}; training and a year of it take {whole}.")
        after, total = amount(given / daily_kwh, "day"), given + 365.0 * daily_kwh
        said += " " + text.format(days=after, whole=amount(total, "kWh"))
    style.caption(said)


def _draw_api(values: Values, answer: ServingAnswer, frame: Frame) -> None:
    """Money a day against an API, over the tokens of a day."""
    row, offered = single(answer)[0], offer(values)
    read_usd, written_usd = float(values["apiin"]), float(values["api"])
    if offered is not None:
        read_usd = offered.input_usd_per_million_tokens
        written_usd = offered.output_usd_per_million_tokens
    found = compared_with_api(answer, input_usd=read_usd, output_usd=written_usd)
    if row.price is None or not found:
        style.caption(_("No price of this device is on record."))
        return
    rent = float(row.price.value.mid)
    most, daily = answer.mid("output_tokens_per_s") * S_PER_DAY, rent * H_PER_DAY * row.devices
    api_usd = found["api_cost_per_million_output_tokens_usd"]
    even = found.get("break_even_tokens_per_day")
    tokens = np.geomspace(most / 1e4, most, 50)
    assumed = offered is None and values["offer"] != TYPED and written_usd == API_USD
    api = _("API, assumed price") if assumed else _("API")
    names = (_("own machines, reserved"), api if offered is None else offered.name)
    rows = plots.line(tokens, np.full_like(tokens, daily), names[0])
    rows += plots.line(tokens, tokens * api_usd / 1e6, names[1])
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
        times = style.bold(amount(found["own_cost_over_api"], "1"))
        times += f" ({span(own['low'] / api_usd, own['high'] / api_usd, '1')})"
        style.sentence_of(text, price=amount(api_usd, "USD"), times=times)
    else:
        rows.append(plots.mark(even, daily, _("break-even")))
        text = _("They are cheaper from {tokens} tokens a day, {share} of their capacity.")
        share_used = amount(even / most, "share")
        style.sentence_of(text, tokens=style.bold(amount(even, "1")), share=share_used)
    _chart(rows, (_("output tokens a day"), _("USD a day")), names, frame, "api")
    prices = {"read": amount(read_usd, "USD"), "written": amount(written_usd, "USD")}
    if offered is not None:
        source = open_catalog().source(offered.source)
        text = _("{name}, list price of {date}: {read} per million input tokens, {written} output.")
        listed = text.format(name=offered.name, date=offered.date, **prices)
        style.caption(f"{listed} {source.publisher}: {source.title}.")
    elif not assumed:
        text = _("Price of the API as typed: {read} per million input tokens, {written} output.")
        style.caption(text.format(**prices))
    known = open_catalog().source(row.price.source) if row.price.source else None
    said = _("price as given") if known is None else f"{known.title} ({known.date})"
    text = _("Own machines: {price} per device-hour, reserved all day; {source}.")
    style.caption(text.format(price=amount(rent, "USD"), source=said))


def _chart(
    rows: list[Row], titles: tuple[str, str], names: tuple[str, ...], frame: Frame, view: str
) -> None:
    """Draw lines on logarithmic axes, and what their dots mark."""
    picture = plots.curves_picture(rows, titles, (True, True), names)
    figures.draw_picture(picture, frame.look, key=f"serve_{view}")
    dots = sorted((row for row in rows if row["mark"]), key=lambda row: row["x"])
    if dots:
        marks = "; ".join(row["text"] for row in dots)
        text = ngettext("Dot: {marks}.", "Dots, from left to right: {marks}.", len(dots))
        style.caption(text.format(marks=marks))


DRAWN = {
    "figures": _draw_answer,
    "curve": _draw_curve,
    "api": _draw_api,
    "energy": _draw_energy,
}
"""View -> what draws it."""

SLIDES = {
    "figures": N_("Cost of a request"),
    "curve": N_("More concurrent answers give more tokens but longer latency"),
    "api": N_("Own machines against an API"),
    "energy": N_("Energy of a request by part"),
}
QUESTION = PageQuestion(
    inputs=PARAMETERS,
    answer=_answered,
    above=_draw_views,
    view=_draw,
    title=title(N_("Serving a model")),
    heading=lambda values, frame: _("{model} on {device}: {title}").format(
        model=model_name(values),
        device=hardware_names()[values["hardware"]],
        title=_(SLIDES[frame.show]),
    ),
    slides=SLIDES,
    controls=draw_controls,
    files=lambda values, found: (share.json("serve", lambda: results(found, LEVEL)),),
    query=lambda values: {name: text for name, text in PARAMETERS.query(values).items() if text},
    worded=lambda notice: sentence_of(notice, label_of),
    named={of: name for name, of in INPUT.items()},
)
PAGE = QUESTION.page(N_("Inference"), INFERENCE, carries=CARRIES)
