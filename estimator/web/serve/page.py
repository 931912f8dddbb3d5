"""Serve: what an answer of a language model takes, in time, energy, money and CO2e."""

from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from estimator.catalog.api_prices import ApiPrice
from estimator.core.messages import reason, refusal
from estimator.core.notice import Notice
from estimator.core.units import H_PER_DAY, J_PER_KWH, S_PER_DAY
from estimator.scenario.declaration import Description
from estimator.serving.figures import (
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
from estimator.serving.lifetime import lifetime
from estimator.serving.measured_loads import known_loads
from estimator.serving.quantities import ServingAnswer, answer_serving
from estimator.serving.question import INPUTS, ServingQuestion
from estimator.serving.setups import Resolved
from estimator.web.shared import charts, figures, plots, share, style, widgets
from estimator.web.shared.amounts import amount, counted, localised, span
from estimator.web.shared.frame import Frame
from estimator.web.shared.language import N_, _, ngettext
from estimator.web.shared.notices import label_of_control, shown, shown_all
from estimator.web.shared.profiles import (
    devices_with,
    hardware_names,
    kept,
    led_by,
    open_catalog,
    place_names,
)
from estimator.web.shared.site import Page, controls
from estimator.web.shared.url_state import Choice, Number, Parameters, Text, Typed, UrlState
from estimator.web.shared.valid import valid
from estimator.workload.config_file import config_name, is_inline

Row = dict[str, Any]
Values = dict[str, Any]

LEVEL = 0.8
WRITING = ("dense decoder", "MoE decoder", "SSM")
"""Architectures that write token by token."""

USUAL = "usual"
ANYWHERE = "anywhere"
FIRST_MODEL, FIRST_DEVICE = "llama-3.1-8b", "h100-sxm"
FORMATS = (USUAL, "bf16", "fp8", "int4", "mxfp4", "Q4_K_M", "Q8_0")
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
    "boards, dynamic": N_("boards, dynamic"),
    "boards, idle": N_("boards, idle"),
    "reserved without work": N_("reserved without work"),
    "host": N_("host"),
    "network": N_("network"),
    "PUE: cooling and losses": N_("PUE: cooling and losses"),
}
MATCHING, TYPED = "matching", "typed"
"""Price of an API: that on record for the model, or the one typed."""

API_USD = 0.6
"""Price of an API that the page opens with, per million output tokens [USD]."""


@kept
def model_names() -> dict[str, str]:
    """Id -> name of each language model with a config, a well-known one first."""
    found = {
        preset.id: preset.name
        for preset in open_catalog().presets()
        if preset.kind == "language" and preset.config and preset.arch in WRITING
    }
    return {FIRST_MODEL: found[FIRST_MODEL], **found}


@kept
def known_devices() -> tuple[str, ...]:
    """Devices whose memory bandwidth is on record."""
    return led_by(FIRST_DEVICE, devices_with("memory_bytes_per_s"))


CALIBRATION = {"use": N_("correct the prediction"), "ignore": N_("are ignored")}
"""What measured loads of a device do."""

LONGEST_CONFIG = 6_000
"""A link carries no longer config.json [characters]."""


@dataclass(frozen=True)
class ConfigLink(Text):
    """A config.json as its text; a link names no file of the server."""

    def read(self, text: str | None) -> tuple[str, str]:
        """Config that a link says, and what is wrong with it."""
        config, notice = super().read(text)
        if not config or is_inline(config):
            return config, notice
        return self.usual, shown(Notice("config_not_json", self.name))


INPUT = {
    "input": "input_tokens",
    "output": "output_tokens",
    "rate": "request_rate",
    "site": "region",
    "price": "price_usd_per_h",
    "offer": "api",
    "api": "api_price_out",
    "apiin": "api_price_in",
    "training": "training_kwh",
    "daily": "tokens_per_day",
}
"""Parameter of a link -> the input of a question that it says, where its name is another."""


def described(name: str) -> Description:
    """Declaration of the input that a parameter says."""
    return INPUTS[INPUT.get(name, name)]


def bounds(name: str, least: float | None = None) -> tuple[float, float]:
    """Least and most of a parameter: those of its input, or the least that the page allows."""
    low, high = described(name).bounds
    return (low if least is None else least), high


PARAMETERS = Parameters(
    "serve",
    Choice("model", tuple(model_names())),
    Choice("hardware", known_devices()),
    Number("devices", 0.0, *bounds("devices", 0.0), whole=True),
    Choice("precision", FORMATS),
    Number("concurrency", 32.0, *bounds("concurrency", 1.0), whole=True),
    Number("input", 500.0, *bounds("input", 1.0), whole=True),
    Number("output", 300.0, *bounds("output"), whole=True),
    Choice("site", (ANYWHERE, *place_names())),
    Number("api", API_USD, *bounds("api")),
    Number("rate", 0.0, *bounds("rate", 0.0)),
    Choice("offer", (MATCHING, TYPED, *open_catalog().api_prices())),
    Number("apiin", 0.0, *bounds("apiin")),
    Typed("pue", None, *bounds("pue")),
    Typed("price", None, *bounds("price")),
    Number("training", 0.0, *bounds("training")),
    Number("daily", 1e9, *bounds("daily")),
    Choice("calibration", tuple(CALIBRATION)),
    ConfigLink("config", longest=LONGEST_CONFIG),
)
STATE = UrlState("serve", PARAMETERS)


def draw(frame: Frame) -> None:
    """Draw the answer in a sentence, the figures, and what they rest on."""
    values = share.begin(STATE)
    found = valid(PARAMETERS, values, _answered, lambda error: shown(reason(error), label_of))
    if frame.slide:
        style.slide_title(_title(found.values, frame.show))
    known = known_loads(open_catalog())
    with found.drawn() as answer:
        if answer is not None:
            _draw_answer(found.values, answer, known.runs_on(found.values["hardware"]), frame)
    with controls(frame):
        _controls(values)
        if known.runs_on(values["hardware"]):
            text = _("Measured runs of this device")
            widgets.choose(PARAMETERS, "calibration", text, CALIBRATION)
    query = {name: text for name, text in PARAMETERS.query(values).items() if text}
    if not frame.slide and answer is not None and not found.problems:
        files = (share.json("serve", lambda: results(answer, LEVEL)),)
        share.draw(SLIDES, query, title=_("Serving a model"), files=files)
    share.leave(STATE, query, frame)


def _answered(values: Values) -> ServingAnswer:
    """Answer what the controls ask; refused where the set-up cannot be served."""
    catalog = open_catalog()
    measured = known_loads(catalog).corrected if values["calibration"] == "use" else None
    answer = answer_serving([question_of(values)], catalog, calibration=measured)
    first = answer.rows[0]
    if isinstance(first, Notice):
        raise refusal(first)
    return answer


def _title(values: Values, show: str) -> str:
    """What a slide shows, with the set-up it shows it for."""
    return _("{model} on {device}: {title}").format(
        model=_model_name(values),
        device=hardware_names()[values["hardware"]],
        title=_(SLIDES[show]),
    )


def _model_name(values: Values) -> str:
    """Name of the model: of a known one, or the family that a config.json states."""
    if not values["config"]:
        return open_catalog().preset(values["model"]).name
    try:
        return config_name(values["config"])
    except ValueError:
        return "config.json"


def _drop_config() -> None:
    """Serve the known model again."""
    st.session_state[STATE.key("config")] = ""


def question_of(values: Values) -> ServingQuestion:
    """Question that the controls ask."""
    return ServingQuestion(
        model="" if values["config"] else values["model"],
        config=values["config"],
        hardware=values["hardware"],
        devices=float(values["devices"]) or None,
        precision="" if values["precision"] == USUAL else values["precision"],
        concurrency=None if values["rate"] else float(values["concurrency"]),
        request_rate=float(values["rate"]) or None,
        input_tokens=float(values["input"]),
        output_tokens=float(values["output"]),
        region="" if values["site"] == ANYWHERE else values["site"],
        pue=values["pue"],
        price_usd_per_h=values["price"],
    )


def _draw_answer(values: Values, answer: ServingAnswer, runs: int, frame: Frame) -> None:
    """Draw the sentence, the figures and the pictures."""
    row, _table = single(answer)
    if frame.show in ("", "figures"):
        with style.block():
            _say_answer(values, answer, runs, frame)
    for show, picture in PICTURES.items():
        if frame.show in ("", show):
            if not frame.slide:
                st.subheader(_(SLIDES[show]), anchor=False)
            picture(values, answer, frame)
    if frame.slide:
        _say_measured(values, answer, runs, frame)
    else:
        style.caption(
            _(
                "80 % intervals from errors on models and systems that the fit has not seen; "
                "device: {device}, engine fitted to published measurements."
            ).format(device=row.device.device.name)
        )


def _say_answer(values: Values, answer: ServingAnswer, runs: int, frame: Frame) -> None:
    """Say the answer in a sentence and figures, and what they rest on."""
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
        _say_measured(values, answer, runs, frame)
        style.assumptions(shown_all(answer.notes[0], label_of))


def _sentence(values: Values, answer: ServingAnswer, found: dict[str, dict[str, float]]) -> str:
    row, _table = single(answer)
    parts = [
        _headline(_(text), found[name], unit) for name, text, unit in HEADLINE if name in found
    ]
    text = _("{figures}: {model} in {weights} on {machines}, concurrency {flying}.")
    return text.format(
        figures=escape(", ".join(parts)),
        model=escape(_model_name(values)),
        weights=escape(row.weights.name),
        machines=escape(counted(row.devices, row.device.device.name)),
        flying=_flying(row),
    )


def _headline(text: str, found: dict[str, float], unit: str) -> str:
    """Write a figure of the headline, marked, and its interval."""
    said = style.bold(text.format(amount=amount(found["mid"], unit)))
    return f"{said} ({span(found['low'], found['high'], unit)})"


def _flying(row: Resolved) -> str:
    """Concurrent answers, as asked or as the rate of requests keeps in flight."""
    return f"{row.question.concurrency or 1.0:.3g}"


def _draw_curve(values: Values, answer: ServingAnswer, frame: Frame) -> None:
    """Latency against throughput, the chosen point and the memory limit."""
    found = curve(answer)
    here = results(answer, LEVEL)
    name = _("one to all that fit")
    rows = plots.line(found.output_tokens_per_s, 1e3 * np.asarray(found.inter_token_s), name)
    chosen = here["inter_token_s"]["mid"] * 1e3
    text = _("{flying} at a time").format(flying=_flying(single(answer)[0]))
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
                "The memory holds {most} such answers at their full length beside {weights} of "
                "weights; one alone may have {context} tokens."
            ).format(
                most=localised(f"{max(held['most_sequences'], 0.0):,.0f}"),
                weights=amount(held["weights_bytes"], "B"),
                context=localised(f"{held['longest_context_tokens']:,.0f}"),
            )
        )


def _draw_roofline(values: Values, answer: ServingAnswer, frame: Frame) -> None:
    """Roof of the device, with decoding and reading the input under it."""
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


def _say_measured(values: Values, answer: ServingAnswer, runs: int, frame: Frame) -> None:
    """Say in one line that measured loads are ignored; on a slide, also that they correct it."""
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
    """Say how long a request takes, with its queue."""
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


def _draw_latency(values: Values, answer: ServingAnswer, frame: Frame) -> None:
    """Latency of a request over the rate of requests."""
    found = latency_curve(answer)
    here = request_times(answer)
    names = (_("median"), _("90th percentile"))
    rows = plots.line(found.requests_per_s, found.p50_s, names[0])
    rows += plots.line(found.requests_per_s, found.p90_s, names[1])
    if "request_p50_s" in here:
        rate = float(answer.ranges["output_tokens_per_s"].mid[0]) / float(values["output"])
        text = _("{rate} requests per second").format(rate=amount(rate, "1"))
        rows.append(plots.mark(rate, here["request_p50_s"], text))
    titles = (_("requests per second, all devices"), _("time of a request [s]"))
    _chart(rows, titles, names, frame, "latency")


def _draw_energy(values: Values, answer: ServingAnswer, frame: Frame) -> None:
    """Where the energy of an answer goes."""
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
    """Money a day against an API, over the tokens of a day."""
    row, _table = single(answer)
    rent = None if row.price is None else float(row.price.usd_per_h.mid)
    offered = _offer(values)
    found = compared_with_api(
        answer,
        input_usd=float(values["apiin"])
        if offered is None
        else offered.input_usd_per_million_tokens,
        output_usd=float(values["api"])
        if offered is None
        else offered.output_usd_per_million_tokens,
    )
    if rent is None or found is None:
        style.caption(_("No price of this device is on record."))
        return
    most = float(answer.ranges["output_tokens_per_s"].mid[0]) * S_PER_DAY
    daily = rent * H_PER_DAY * row.devices
    api_usd = found.api_cost_per_million_output_tokens_usd
    tokens = np.geomspace(most / 1e4, most, 50)
    names = (_("own machines, reserved"), _("API"))
    rows = plots.line(tokens, np.full_like(tokens, daily), names[0])
    rows += plots.line(tokens, tokens * api_usd / 1e6, names[1])
    even = found.break_even_tokens_per_day
    if even is None:
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
            read=amount(offered.input_usd_per_million_tokens, "USD"),
            written=amount(offered.output_usd_per_million_tokens, "USD"),
        )
        style.caption(f"{listed} {source.publisher}: {source.title}.")


def _offer(values: Values) -> ApiPrice | None:
    """List price to compare with, None for the price typed."""
    known = open_catalog().api_prices()
    if values["offer"] in known:
        return known[values["offer"]]
    if values["offer"] == TYPED or float(values["api"]) != API_USD:
        return None
    if values["config"]:
        return None
    return next((one for one in known.values() if one.preset == values["model"]), None)


def _draw_lifetime(values: Values, answer: ServingAnswer, frame: Frame) -> None:
    """Days until serving has used as much energy as training, over what training took."""
    joule = float(answer.ranges["energy_per_output_token_j"].mid[0])
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
    """Draw lines on logarithmic axes, and what their dots mark."""
    dots = sorted((row for row in rows if row["mark"]), key=lambda row: row["x"])
    picture = plots.curves_picture(rows, titles, (True, True), names)
    figures.draw_picture(picture, frame.look, key=f"serve_{view}")
    if dots:
        marks = "; ".join(row["text"] for row in dots)
        text = ngettext("Dot: {marks}.", "Dots, from left to right: {marks}.", len(dots))
        style.caption(text.format(marks=marks))


def _controls(values: Values) -> None:
    """Draw the controls."""
    if values["config"]:
        style.caption(
            _("The model is that of a config.json: {name}.").format(name=_model_name(values))
        )
        st.button(_("Choose a known model"), key="serve_known", on_click=_drop_config)
    else:
        _choose("model", model_names())
    _choose("hardware", hardware_names())
    _number("devices", hint=_("0: the fewest that hold it"))
    _choose("precision", {USUAL: N_("as usual")})
    for name in ("concurrency", "input", "output"):
        _number(name)
    _choose("site", place_names(), _("unspecified"))
    with st.expander(_("Request rate, site, prices, lifetime")):
        _further_controls()


def _further_controls() -> None:
    """Draw the controls of what stands beside the answer."""
    known = open_catalog().api_prices()
    named = {MATCHING: N_("on record for this model"), TYPED: N_("the prices below")}
    named |= {name: f"{one.name} ({one.date})" for name, one in known.items()}
    _number("rate", hint=_("0: fixed concurrency"))
    _choose("offer", named)
    _number("api", 0.1)
    _number("apiin", 0.1)
    widgets.typed(PARAMETERS, {name: described(name).label for name in ("pue", "price")})
    _number("training", 1e5, hint=_("0: unknown"))
    _number("daily", 1e8)


def _choose(name: str, names: widgets.Names, rest: str = "") -> None:
    widgets.choose(PARAMETERS, name, _(described(name).label), names, rest)


def _number(name: str, step: float = 1, *, hint: str = "") -> None:
    text = _(described(name).label)
    widgets.number(PARAMETERS, name, f"{text} ({hint})" if hint else text, step)


def labels(parameters: Parameters) -> dict[str, str]:
    """Input of a question -> label of the control that sets it, of a page with such parameters."""
    names = {INPUT.get(name, name) for name in parameters.names()}
    return {name: one.label for name, one in INPUTS.items() if name in names}


label_of = partial(label_of_control, labels(PARAMETERS), "serve-cost")
"""Name of an input on this page; what has no control is set on the command line."""


PICTURES = {
    "curve": _draw_curve,
    "latency": _draw_latency,
    "roofline": _draw_roofline,
    "energy": _draw_energy,
    "api": _draw_api,
    "lifetime": _draw_lifetime,
}
SLIDES = {
    "figures": N_("What an answer takes"),
    "curve": N_("More concurrent answers: more tokens, each of them later"),
    "latency": N_("How long a request takes as more of them arrive"),
    "roofline": N_("Writing is bound by the memory, reading by the arithmetic"),
    "energy": N_("Where the energy of an answer goes"),
    "api": N_("Own machines against an API"),
    "lifetime": N_("When serving overtakes training"),
}
PAGE = Page(path="serve", title=N_("Serve"), draw=draw, slides=SLIDES)
