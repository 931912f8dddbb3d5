"""Charts of the page Inference."""

from html import escape

import numpy as np
import pandas as pd

from estimator.core.units import H_PER_DAY, J_PER_KWH, S_PER_DAY
from estimator.inference.figures import (
    compared_with_api,
    curve,
    energy_parts,
    latency_curve,
    memory,
    request_times,
    results,
    roofline_of,
    single,
)
from estimator.inference.lifetime import lifetime
from estimator.inference.quantities import ServingAnswer
from estimator.web.serve.inputs import API_USD, TYPED, offer
from estimator.web.serve.text import LEVEL, flying
from estimator.web.shared import charts, figures, plots, style
from estimator.web.shared.amounts import amount, localised
from estimator.web.shared.charts import Row
from estimator.web.shared.frame import Frame
from estimator.web.shared.kit import Values
from estimator.web.shared.language import N_, _, ngettext
from estimator.web.shared.profiles import open_catalog

PARTS = {
    "boards, dynamic": N_("boards, dynamic"),
    "boards, idle": N_("boards, idle"),
    "reserved without work": N_("reserved without work"),
    "host": N_("host"),
    "network": N_("network"),
    "PUE: cooling and losses": N_("PUE: cooling and losses"),
}


def _draw_curve(values: Values, answer: ServingAnswer, frame: Frame) -> None:
    """Draw latency against throughput, with the selected point and the memory limit."""
    found = curve(answer)
    here = results(answer, LEVEL)
    name = _("one to all that fit")
    rows = plots.line(found.output_tokens_per_s, 1e3 * np.asarray(found.inter_token_s), name)
    chosen = here["inter_token_s"]["mid"] * 1e3
    text = _("{flying} at a time").format(flying=flying(single(answer)[0]))
    rows.append(plots.mark(here["output_tokens_per_s"]["mid"], chosen, text))
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


def _draw_roofline(values: Values, answer: ServingAnswer, frame: Frame) -> None:
    """Draw the device's roofline with decode and prefill."""
    found = roofline_of(answer)
    ridge = found.peak_flop_per_s / found.bytes_per_s
    intensities = np.sort(np.append(np.geomspace(0.3, 30.0 * ridge, 60), ridge))
    name = _("roof of one device")
    roof = np.minimum(found.peak_flop_per_s, intensities * found.bytes_per_s)
    rows = plots.line(intensities, roof / 1e12, name)
    for phase, text in (
        (found.decode, _("writing tokens")),
        (found.prefill, _("reading the input")),
    ):
        rows.append(plots.mark(phase.intensity, phase.flop_per_s / 1e12, text))
    titles = (_("arithmetic per byte [FLOP/B]"), _("rate [TFLOP/s]"))
    _chart(rows, titles, (name,), frame, "roofline")
    reached = found.decode.flop_per_s / found.peak_flop_per_s
    style.caption(
        _(
            "Writing tokens reaches {decode} of the peak, reading the input {prefill}: weights are "
            "read once per step, whoever shares it."
        ).format(
            decode=amount(reached, "share"),
            prefill=amount(found.prefill.flop_per_s / found.peak_flop_per_s, "share"),
        )
    )


def _draw_latency(values: Values, answer: ServingAnswer, frame: Frame) -> None:
    """Draw request latency over request rate."""
    found = latency_curve(answer)
    here = request_times(answer)
    names = (_("median"), _("90th percentile"))
    rows = plots.line(found.requests_per_s, found.p50_s, names[0])
    rows += plots.line(found.requests_per_s, found.p90_s, names[1])
    if "request_p50_s" in here:
        rate = answer.mid("output_tokens_per_s") / float(values["output"])
        text = _("{rate} requests per second").format(rate=amount(rate, "1"))
        rows.append(plots.mark(rate, here["request_p50_s"], text))
    titles = (_("requests per second, all devices"), _("time of a request [s]"))
    _chart(rows, titles, names, frame, "latency")


def _draw_energy(values: Values, answer: ServingAnswer, frame: Frame) -> None:
    """Draw the energy of a request by part."""
    parts = energy_parts(answer, open_catalog())
    whole = sum(parts.values())
    if not np.isfinite(whole):
        style.caption(_("The power of this device is not on record."))
        return
    tokens = float(values["output"])
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


def _draw_api(values: Values, answer: ServingAnswer, frame: Frame) -> None:
    """Draw daily cost against an API, over tokens per day."""
    row, _table = single(answer)
    rent = None if row.price is None else float(row.price.usd_per_h.mid)
    offered = offer(values)
    read_usd, written_usd = float(values["apiin"]), float(values["api"])
    if offered is not None:
        read_usd = offered.input_usd_per_million_tokens
        written_usd = offered.output_usd_per_million_tokens
    found = compared_with_api(answer, input_usd=read_usd, output_usd=written_usd)
    if rent is None or found is None:
        style.caption(_("No price of this device is on record."))
        return
    most = answer.mid("output_tokens_per_s") * S_PER_DAY
    daily = rent * H_PER_DAY * row.devices
    api_usd = found.api_cost_per_million_output_tokens_usd
    tokens = np.geomspace(most / 1e4, most, 50)
    assumed = offered is None and values["offer"] != TYPED and written_usd == API_USD
    names = (_("own machines, reserved"), _("API, assumed price") if assumed else _("API"))
    rows = plots.line(tokens, np.full_like(tokens, daily), names[0])
    rows += plots.line(tokens, tokens * api_usd / 1e6, names[1])
    even = found.break_even_tokens_per_day
    if assumed:
        text = _(
            "No list price of an API is on record for this model: the line assumes {price} per "
            "million output tokens. Choose an API, or type its price, for a verdict."
        )
        style.sentence(escape(text.format(price=amount(api_usd, "USD"))))
    elif even is None:
        text = _(
            "At {price} per million output tokens, their input included, the API is cheaper: own "
            "machines at this load cost {times} times as much."
        )
        price, times = amount(api_usd, "USD"), amount(found.own_cost_over_api, "1")
        style.sentence(escape(text.format(price=price, times=times)))
    else:
        rows.append(plots.mark(even, daily, _("as dear as the API")))
        text = _("From {tokens} tokens a day, {share} of what they can write, they are cheaper.")
        shown = text.format(tokens=amount(even, "1"), share=amount(even / most, "share"))
        style.sentence(escape(shown))
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


def _draw_lifetime(values: Values, answer: ServingAnswer, frame: Frame) -> None:
    """Draw days until inference overtakes training, over training energy."""
    joule = answer.mid("energy_per_output_token_j")
    if not np.isfinite(joule):
        style.caption(_("The power of this device is not on record."))
        return
    daily, given = float(values["daily"]), float(values["training"])
    name = _("serving has used as much")
    trained = np.geomspace(1e2, 1e9, 50)
    days = [lifetime(float(one), joule, daily, 1.0).days_to_overtake for one in trained]
    rows = plots.line(trained, days, name)
    life = lifetime(given, joule, daily, 365.0)
    text = _("Serving {tokens} tokens a day takes {energy} a day.")
    said = text.format(tokens=amount(daily, "1"), energy=amount(life.serving_kwh / 365.0, "kWh"))
    if given:
        took = _("training took {energy}").format(energy=amount(given, "kWh"))
        rows.append(plots.mark(given, life.days_to_overtake, took))
        text = _("It overtakes training after {days}; training and a year of it take {whole}.")
        after, whole = amount(life.days_to_overtake, "day"), given + life.serving_kwh
        said += " " + text.format(days=after, whole=amount(whole, "kWh"))
    style.sentence(escape(said))
    titles = (_("energy of training [kWh]"), _("days of serving"))
    _chart(rows, titles, (name,), frame, "lifetime")


def _chart(
    rows: list[Row], titles: tuple[str, str], names: tuple[str, ...], frame: Frame, view: str
) -> None:
    """Draw lines on logarithmic axes, with explained dots."""
    dots = sorted((row for row in rows if row["mark"]), key=lambda row: row["x"])
    picture = plots.curves_picture(rows, titles, (True, True), names)
    figures.draw_picture(picture, frame.look, key=f"serve_{view}")
    if dots:
        marks = "; ".join(row["text"] for row in dots)
        text = ngettext("Dot: {marks}.", "Dots, from left to right: {marks}.", len(dots))
        style.caption(text.format(marks=marks))


PICTURES = {
    "curve": _draw_curve,
    "latency": _draw_latency,
    "roofline": _draw_roofline,
    "energy": _draw_energy,
    "api": _draw_api,
    "lifetime": _draw_lifetime,
}
