"""Page Compression: every lever on the user's case, its cost, and its limits."""

import math
from collections.abc import Mapping
from functools import partial
from html import escape

import numpy as np
import streamlit as st

from estimator.question.scenario import Scenario
from estimator.studies.levers.case import Case, case_of
from estimator.studies.levers.comparison import LeverComparison, State, compared
from estimator.studies.levers.inference import Load
from estimator.studies.levers.levers import LEVERS, Lever
from estimator.studies.levers.results import Result
from estimator.web.shared import scenario, share, style, widgets
from estimator.web.shared.amounts import amount, sentence, with_span
from estimator.web.shared.charts import Row
from estimator.web.shared.frame import Frame
from estimator.web.shared.html_table import anchor, draw_table
from estimator.web.shared.kit import PageQuestion, Values, title
from estimator.web.shared.language import N_, _, ngettext
from estimator.web.shared.navigation import LEARN
from estimator.web.shared.profiles import (
    cached_per_server,
    devices_with,
    led_by,
    open_catalog,
    place_names,
    preset_names,
)
from estimator.web.shared.url_state import Choice, LinkParameters, Number, Typed

MOST_RESULTS = 12
LOSSY = [lever for lever in LEVERS.values() if lever.id != "pattern"]


@cached_per_server
def known_presets() -> tuple[str, ...]:
    """Decoders with known architecture, Llama 2 first."""
    catalog = open_catalog()
    found = [
        one.id
        for one in catalog.presets()
        if one.id in preset_names() and one.kind == "language" and one.config
    ]
    return led_by("llama-2-7b", found)


@cached_per_server
def known_devices() -> tuple[str, ...]:
    """Devices with known memory, bandwidth, power and peak, the H100 first."""
    return led_by("h100-sxm", devices_with("memory_bytes", "memory_bytes_per_s", "tdp_w"))


PARAMETERS = LinkParameters(
    "levers",
    Choice(
        "preset",
        known_presets(),
        label=N_("Model"),
        help=N_("Model that is compressed."),
        called=preset_names,
    ),
    scenario.hardware(known_devices()),
    Number(
        "batch",
        1.0,
        low=1.0,
        high=4096.0,
        whole=True,
        label=N_("Concurrent sequences"),
        help=N_("Sequences generated at the same time."),
    ),
    Number(
        "context",
        1024.0,
        low=1.0,
        high=1e6,
        whole=True,
        label=N_("Context tokens"),
        help=N_("Tokens in the KV cache per sequence."),
    ),
    scenario.site(("world", *place_names())),
    *(
        Number(
            lever.id,
            lever.default if lever.id == "weights" else lever.most,
            lever.least,
            lever.most,
            label=lever.title,
            help=N_("At the right end, this lever has no effect."),
        )
        for lever in LOSSY
    ),
    Choice(
        "pattern",
        ("off", "on"),
        label=LEVERS["pattern"].title,
        called=lambda: {"on": N_("on"), "off": N_("off")},
        help=N_("Two of four weights are zero, which some devices skip."),
    ),
    Typed(
        "retraining",
        usual=1e9,
        low=0.0,
        high=1e16,
        required=True,
        label=N_("Tokens for retraining"),
        help=N_("Tokens for retraining the compressed model."),
    ),
)


def pulled_levers(values: Values) -> dict[str, float]:
    """Return the active levers."""
    settings = {
        lever.id: float(values[lever.id]) for lever in LOSSY if values[lever.id] < lever.most
    }
    return settings | ({"pattern": 0.5} if values["pattern"] == "on" else {})


def _answered(values: Values) -> tuple[Case, LeverComparison]:
    """Answer the case with and without the levers."""
    catalog, settings = open_catalog(), pulled_levers(values)
    load = Load(batch=float(values["batch"]), context=float(values["context"]))
    site = None if values["site"] == "world" else values["site"]
    asked = Scenario(hardware=values["hardware"], site=site)
    case = case_of(values["preset"], values["hardware"], load, catalog)
    return case, compared(case, settings, asked, catalog, values["retraining"])


def _draw(values: Values, answer: tuple[Case, LeverComparison], frame: Frame) -> None:
    """Draw before and after, where nothing is gained, and what was published."""
    (case, found), settings = answer, pulled_levers(values)
    style.sentence(escape(_headline(case, found, settings)))
    if not frame.slide:
        roofline = _(
            "Computed by a roofline: memory reads or arithmetic, whichever takes longer, each at "
            "an assumed 60% of the device’s peak."
        )
        engine = _(
            "Computed as on the page Inference for weights of 16, 8 and 4 bits; other widths run "
            "at the speed of the next wider one, and a roofline scales the other levers."
        )
        style.caption(engine if found.after.served else roofline)
    if frame.shows("ratios"):
        _ratios(found, frame)
    if not frame.slide:
        _table(found)
    if frame.shows("nothing"):
        lines = [sentence(phrase) for phrase in found.nothing_gained]
        if lines:
            st.subheader(_("Cases without a gain"), anchor=False)
            style.assumptions(lines)
        elif frame.show:
            style.assumptions([_("Every lever that is set pays off on this hardware.")])
    if not frame.slide:
        _application(found)
        _evidence(found)


def _headline(case: Case, found: LeverComparison, settings: dict[str, float]) -> str:
    before, after = found.before, found.after
    if not settings:
        text = _("{params} parameters on {device}: {speed} tokens a second, {memory}. Set a lever.")
        return text.format(
            params=amount(float(case.network.params), "1"),
            device=case.device,
            speed=amount(before.tokens_per_s, "1"),
            memory=amount(before.memory_bytes, "B"),
        )
    text = _(
        "{levers}: {memory} instead of {was}, and {speed} tokens a second instead of {slow}, on "
        "{device}."
    )
    return text.format(
        levers=", ".join(_(LEVERS[name].title) for name in settings),
        device=case.device,
        memory=style.bold(amount(after.memory_bytes, "B")),
        was=amount(before.memory_bytes, "B"),
        speed=style.bold(amount(after.tokens_per_s, "1")),
        slow=amount(before.tokens_per_s, "1"),
    )


def _ratios(found: LeverComparison, frame: Frame) -> None:
    """Draw each ratio of after to before as a card, with measurements near the setting."""
    pairs = {
        "memory": (_("memory"), found.after.memory_bytes / found.before.memory_bytes),
        "time": (_("time of a token"), found.before.tokens_per_s / found.after.tokens_per_s),
    }
    for name, label in QUANTITIES.items():
        if name in found.before.per_million and name in found.after.per_million:
            was = float(np.asarray(found.before.per_million[name].mid))
            now = float(np.asarray(found.after.per_million[name].mid))
            pairs[name] = (_(label), now / was)
    near = [one for evidence in found.evidence for one in evidence.gains]
    times = [1 / one.speedup for one in near if one.speedup]
    energies = [one.energy_ratio for one in near if one.energy_ratio]
    seen = {"time": times, "energy_kwh": energies}
    style.figures(
        style.figure(name, label, f"×{amount(ratio, '1')}", "", [_measured(seen.get(name))])
        for name, (label, ratio) in pairs.items()
    )


def _measured(ratios: list[float] | None) -> str:
    """Sentence on the range of a measured ratio, for times and energies."""
    if ratios is None:
        return _("computed")
    if not ratios:
        return _("computed; no measurement near this setting")
    low, high = (f"×{amount(one, '1')}" for one in (min(ratios), max(ratios)))
    text = ngettext(
        "computed; measured {low} to {high} in {n} run",
        "computed; measured {low} to {high} in {n} runs",
        len(ratios),
    )
    return text.format(low=low, high=high, n=len(ratios))


def _table(found: LeverComparison) -> None:
    """Draw before and after with intervals."""
    before, after = found.before, found.after
    rows = [
        (_("memory"), amount(before.memory_bytes, "B"), amount(after.memory_bytes, "B")),
        (_("fits on the device"), _yes(before.fits), _yes(after.fits)),
        (
            _("tokens per second"),
            amount(before.tokens_per_s, "1"),
            amount(after.tokens_per_s, "1"),
        ),
        (_("bound by"), _bound(before), _bound(after)),
    ]
    for name, label in PER_MILLION.items():
        if name in before.per_million:
            unit = UNITS[name]
            rows.append(
                (
                    _(label),
                    with_span(before.per_million[name], unit),
                    with_span(after.per_million[name], unit),
                )
            )
    draw_table((_("A million tokens"), _("before"), _("after")), rows)


def _application(found: LeverComparison) -> None:
    """Draw the cost of applying the levers, and the break-even point."""
    if not found.application:
        return
    st.subheader(_("One-time cost and break-even"), anchor=False)
    rows = []
    for name, spent in found.application.items():
        tokens = found.break_even_tokens.get(name, math.inf)
        rows.append(
            (
                _(QUANTITIES[name]),
                with_span(spent, UNITS[name]),
                _("never") if math.isinf(tokens) else _("{n} tokens").format(n=amount(tokens, "1")),
            )
        )
    draw_table((_("Quantity"), _("to apply"), _("repaid after")), rows)
    style.caption(
        _(
            "Quantization calibrates on 128 sequences. Pruning, low-rank factors, early exits and "
            "experts are retrained; distillation trains the student and runs the teacher."
        )
    )


def _evidence(found: LeverComparison) -> None:
    """Draw the published accuracy cost of each lever, and the results behind it."""
    if not found.evidence:
        return
    st.subheader(_("Published quality loss"), anchor=False)
    rows = []
    for one in found.evidence:
        lever = LEVERS[one.lever]
        if one.lost is None:
            rows.append((_(lever.title), _("no published result near this setting"), ""))
            continue
        shown = _("{mid} of the {quality} ({low} to {high})").format(
            mid=amount(one.lost.mid, "share"),
            quality=_(one.of),
            low=amount(one.lost.low, "share"),
            high=amount(one.lost.high, "share"),
        )
        thin = _(", thin evidence") if one.lost.thin else ""
        count = _("{results} results, {sources} sources{thin}").format(
            results=one.lost.results, sources=one.lost.sources, thin=thin
        )
        rows.append((_(lever.title), shown, count))
    draw_table((_("Lever"), _("lost"), _("Evidence")), rows)
    if len(found.evidence) > 1:
        style.caption(
            _("Each loss is for one lever by itself; the combined loss was not measured.")
        )
    chosen = [result for one in found.evidence for result in one.results]
    if chosen:
        with st.expander(_("Published results near these settings")):
            _results(chosen)


def _results(chosen: list[Result]) -> None:
    """Draw published results, failures first."""
    ordered = sorted(chosen, key=lambda one: (not one.failed, -one.lost_share()))
    rows: list[tuple[str, ...]] = []
    for one in ordered[:MOST_RESULTS]:
        source = open_catalog().source(one.source)
        cell = anchor(source.url, source.title) if source.url else source.title
        mark = _("failed") if one.failed else ""
        shown = f"{one.task}, {one.metric}: {one.before:g} → {one.after:g}"
        rows.append((f"{one.variant}, {one.model}", shown, mark, cell))
    draw_table((_("Result"), _("Measured"), " ", _("Source")), rows)
    rest = len(ordered) - MOST_RESULTS
    if rest > 0:
        style.caption(_("and {n} more in compression.csv").format(n=rest))


def _yes(fits: bool) -> str:
    return _("yes") if fits else _("no")


def _bound(state: State) -> str:
    return _("memory bandwidth") if state.bound_by_memory else _("compute")


def _as_json(values: Values, found: LeverComparison) -> Row:
    return {
        "levers": pulled_levers(values),
        "memory_bytes": [found.before.memory_bytes, found.after.memory_bytes],
        "tokens_per_s": [found.before.tokens_per_s, found.after.tokens_per_s],
        "nothing_gained": [str(phrase) for phrase in found.nothing_gained],
        "application_flop": found.application_flop,
    }


def _controls(values: Values, problems: Mapping[str, str], _found: object) -> None:
    """Draw the controls: the case, then every lever."""
    widgets.draw_all(PARAMETERS, problems, {lever.id: partial(_lever, lever) for lever in LOSSY})


def _lever(lever: Lever) -> None:
    label = f"{_(lever.title)}: {_(lever.setting)}"
    widgets.slider(PARAMETERS, lever.id, label, 1.0 if lever.unit == "bit" else 0.01)


PER_MILLION = {
    "energy_kwh": N_("energy of a million tokens"),
    "cost_usd": N_("cost of a million tokens"),
    "co2e_kg": N_("emissions of a million tokens"),
}
QUANTITIES = {
    "energy_kwh": N_("energy"),
    "cost_usd": N_("cost"),
    "co2e_kg": N_("emissions"),
}
QUALITIES = (N_("accuracy"), N_("perplexity"))
"""Quality measures that a lever may reduce, as in `Evidence.of`."""
UNITS = {"energy_kwh": "kWh", "cost_usd": "USD", "co2e_kg": "kgCO2e"}
SLIDES = {
    "ratios": N_("effects of the levers on memory, time, energy and cost"),
    "nothing": N_("levers without gain on this hardware"),
}
QUESTION = PageQuestion(
    inputs=PARAMETERS,
    answer=_answered,
    view=_draw,
    title=title(N_("Compression")),
    slides=SLIDES,
    controls=_controls,
    files=lambda values, found: (share.json("levers", lambda: _as_json(values, found[1])),),
)
PAGE = QUESTION.page(N_("Compression"), LEARN)
