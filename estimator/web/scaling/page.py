"""Page Scaling: what a budget buys, the cost of the next percent, and the laws' range."""

from dataclasses import replace
from functools import cache
from html import escape

import numpy as np
import streamlit as st

from estimator.question.scenario import Scenario
from estimator.studies.scaling.budget import CURRENCIES, Bought, NextStep, bought, next_step
from estimator.studies.scaling.coefficients import (
    LAWS,
    error_law,
    fitted_range_flop,
    kaplan_law,
    repeated_data,
    scaling_law,
)
from estimator.studies.scaling.laws import optimum_with_serving
from estimator.web.brain.page import known_hardware
from estimator.web.offline.page_picture import picture_file
from estimator.web.shared import figures, plots, scenario, share, style, widgets
from estimator.web.shared.amounts import amount
from estimator.web.shared.charts import Picture, Row
from estimator.web.shared.frame import Frame
from estimator.web.shared.html_table import draw_table
from estimator.web.shared.kit import PageQuestion, title
from estimator.web.shared.language import N_, _, current
from estimator.web.shared.navigation import LEARN
from estimator.web.shared.profiles import open_catalog, place_names
from estimator.web.shared.url_state import Choice, LinkParameters, Typed

AXES = {"flop": "training_flop", "kwh": "energy_kwh", "usd": "cost_usd", "kg": "co2e_kg"}
UNIT_OF = {"flop": "FLOP", "kwh": "kWh", "usd": "USD", "kg": "kgCO2e", "days": "day"}

LAW_NAMES = {
    "besiroglu": N_("Chinchilla, corrected (Besiroglu 2024)"),
    "hoffmann": N_("Chinchilla, as printed (Hoffmann 2022)"),
    "muennighoff": N_("Muennighoff et al. 2023"),
}

PARAMETERS = LinkParameters(
    "scaling",
    Typed(
        "amount",
        usual=1e6,
        low=1e-3,
        high=1e33,
        required=True,
        label=N_("Budget"),
        help=N_("Amount to spend on one training run, in the unit below."),
    ),
    Choice(
        "unit",
        tuple(CURRENCIES),
        label=N_("Unit of the budget"),
        help=N_("Compute, energy, money, emissions or time."),
        called=lambda: UNIT_OF,
    ),
    scenario.hardware(known_hardware(), usual="h100-sxm"),
    scenario.devices(64.0, 1e6),
    scenario.site(("world", *place_names()), rest=N_("world average")),
    Choice(
        "law",
        LAWS,
        label=N_("Law"),
        help=N_("Scaling law used to split the budget between parameters and tokens."),
        called=lambda: LAW_NAMES,
    ),
    Choice("axis", tuple(AXES), help=N_("Unit of the horizontal axis.")),
    Typed(
        "served",
        usual=1e12,
        low=0.0,
        high=1e20,
        label=N_("Tokens served"),
        help=N_(
            "Tokens generated over the model's lifetime; the more, the smaller the best model."
        ),
    ),
    Typed(
        "unique",
        usual=1e13,
        low=1e6,
        high=1e20,
        required=True,
        label=N_("Unique tokens"),
        help=N_("Distinct training tokens available; beyond this number, data are repeated."),
    ),
)
Found = tuple[Bought, NextStep]
"""Best use of a budget, and the next percent."""


def _draw(values: Row, found: Found, frame: Frame) -> None:
    """Draw the budget, the curves, and further cases."""
    now, then = found
    _budget(now, then, values, frame)
    if frame.shows("curves"):
        _curves(now, values, frame)
    if not frame.slide:
        _cases(now, values)
    if frame.shows("imagenet"):
        _imagenet(frame)


def _scenario(values: Row) -> Scenario:
    site = None if values["site"] == "world" else values["site"]
    return Scenario(hardware=values["hardware"], devices=float(values["devices"]), site=site)


def _best_use(values: Row) -> Found:
    """Return the best use of the budget, and the next percent."""
    catalog, base = open_catalog(), _scenario(values)
    now = bought(values["amount"], values["unit"], base, catalog, values["law"])
    return now, next_step(now, base, catalog)


def _budget(now: Bought, then: NextStep, values: Row, frame: Frame) -> None:
    """Draw the headline: optimal size and data, and the next percent."""
    if frame.show == "imagenet":
        return
    text = _(
        "{budget} on {device} are best spent on {params} parameters and {tokens} tokens: a loss of "
        "{loss} nat."
    )
    style.sentence_of(
        text,
        budget=amount(values["amount"], UNIT_OF[values["unit"]]),
        device=now.answer.device.name,
        params=style.bold(amount(now.params, "1")),
        tokens=style.bold(amount(now.tokens, "1")),
        loss=style.bold(amount(now.loss, "1")),
    )
    cards = [
        style.figure("params", _("parameters"), amount(now.params, "1"), "", []),
        style.figure("tokens", _("tokens"), amount(now.tokens, "1"), "", []),
        style.figure("flop", _("compute"), amount(now.flop, "FLOP"), "", []),
    ]
    cost = then.quantities.get("cost_usd")
    spent = "" if cost is None else amount(float(np.asarray(cost.mid)), "USD")
    cards.append(
        style.figure(
            "next",
            _("a loss lower by 1%"),
            f"×{amount(then.factor, '1')}",
            _("the compute"),
            [_("{cost} in all").format(cost=spent)] if spent else [],
        )
    )
    if not frame.slide:
        style.figures(cards)
    if now.extrapolated and not frame.slide:
        least, most = fitted_range_flop(open_catalog())
        style.assumptions(
            [
                _(
                    "This is outside the range of the runs behind the law, {low} to {high}: "
                    "an extrapolation."
                ).format(low=amount(least, "FLOP"), high=amount(most, "FLOP"))
            ]
        )


def _curves(now: Bought, values: Row, frame: Frame) -> None:
    """Draw the least loss of each law against compute, kWh, $ or kg."""
    if not frame.slide:
        st.subheader(_("Loss against compute, energy or money"), anchor=False)
        widgets.switch(PARAMETERS, "axis", _("Axis"), UNIT_OF)
    picture = curves_picture(now, values["axis"])
    figures.draw_picture(picture, frame.look, key="scaling_curves")
    if not frame.slide:
        style.caption(picture.basis)


def curves_picture(now: Bought, axis: str) -> Picture:
    """Least loss of each law, with the budget marked."""
    catalog = open_catalog()
    per_flop = _per_flop(now, axis)
    flop = np.logspace(18, 28, 81)
    kaplan = kaplan_law(catalog)
    lines = {_(LAW_NAMES[name]): scaling_law(catalog, name).loss_at(flop) for name in LAWS}
    lines[_("Kaplan et al. 2020")] = kaplan.loss_at(flop)
    rows: list[Row] = []
    for name, loss in lines.items():
        rows += plots.line(flop * per_flop, np.asarray(loss), name)
    least, most = (bound * per_flop for bound in fitted_range_flop(catalog))
    shown = _("here: a loss of {loss} nat").format(loss=amount(now.loss, "1"))
    rows += [plots.shaded(least, most), plots.mark(now.flop * per_flop, now.loss, shown)]
    title = _("{unit} (logarithmic; shaded: fitted)").format(unit=UNIT_OF[axis])
    titles = (title, _("loss [nat per token]"))
    picture = plots.curves_picture(rows, titles, (True, False), tuple(lines), alt=shown)
    basis = _(
        "Each law has its own corpus and tokenizer: compare slopes, not heights. Besiroglu et al. "
        "corrected the coefficients of Chinchilla; those in print do not give the model that was "
        "trained."
    )
    return replace(picture, basis=basis)


def _per_flop(now: Bought, axis: str) -> float:
    """Axis quantity per FLOP at this budget."""
    quantity = now.answer.estimate.quantities.get(AXES[axis])
    if quantity is None:
        return 1.0
    return 1.0 if axis == "flop" else float(np.asarray(quantity.mid)) / now.flop


def _cases(now: Bought, values: Row) -> None:
    """Draw the optimum with inference, with scarce data, and by Kaplan's law."""
    catalog = open_catalog()
    law = scaling_law(catalog, values["law"])
    served, unique = values["served"] or 0.0, values["unique"]
    serving = optimum_with_serving(law, now.loss, served)
    scarce_law = repeated_data(catalog)
    scarce = scarce_law.optimum(now.flop, unique)
    kaplan = kaplan_law(catalog).optimum(now.flop)
    rows = [
        (_("compute-optimal"), now.params, now.tokens, ""),
        (
            _("serving {n} tokens, at the same loss").format(n=amount(served, "1")),
            *serving,
            _("training {train}, serving {serve}").format(
                train=amount(6 * serving[0] * serving[1], "FLOP"),
                serve=amount(2 * serving[0] * served, "FLOP"),
            ),
        ),
        (
            _("with at most {n} unique tokens").format(n=amount(unique, "1")),
            *scarce,
            _repeated(scarce[1] / unique, float(scarce_law.worth_in_tokens(scarce[1], unique))),
        ),
        (_("as advised in 2020 (Kaplan)"), float(kaplan[0]), float(kaplan[1]), ""),
    ]
    st.subheader(_("Best size by purpose"), anchor=False)
    draw_table(
        (_("Case"), _("parameters"), _("tokens"), _("Note")),
        [
            (name, amount(float(params), "1"), amount(float(tokens), "1"), note)
            for name, params, tokens, note in rows
        ],
    )


def _repeated(epochs: float, worth: float) -> str:
    """Return how often tokens are repeated, and their worth in unique tokens."""
    if epochs <= 1:
        return _("each seen once at most")
    text = _("seen {times} times, worth {worth} tokens")
    return text.format(times=amount(epochs, "1"), worth=amount(worth, "1"))


def _imagenet(frame: Frame) -> None:
    """Draw the error law of ImageNet."""
    if not frame.slide:
        st.subheader(_("Error on ImageNet"), anchor=False)
    picture = imagenet_picture()
    style.sentence(escape(picture.alt))
    figures.draw_picture(picture, frame.look, key="scaling_imagenet")
    style.caption(
        _(
            "The exponent is fitted to three published points, each rounded to a power of ten, so "
            "this is an order of magnitude."
        )
    )


def imagenet_picture() -> Picture:
    """Error on ImageNet against compute."""
    return _imagenet_picture(current())


@cache
def _imagenet_picture(_language: str) -> Picture:
    """The same chart, cached by language."""
    law = error_law(open_catalog())
    text = _("5% error takes {factor} times the compute of 2020 if the law remains valid.")
    factor = float(np.asarray(law.factor(0.05).mid))
    errors = np.linspace(0.02, 0.3, 57)
    name = _("Thompson et al. 2020")
    flop = [float(np.asarray(law.flop(float(error)).mid)) for error in errors]
    rows = plots.line(flop, 100 * errors, name)
    rows.append(plots.shaded(float(np.asarray(law.flop(0.3).mid)), law.today_flop))
    titles = (_("compute [FLOP] (logarithmic; shaded: fitted)"), _("error [%]"))
    alt = text.format(factor=amount(factor, "1"))
    return plots.curves_picture(rows, titles, (True, False), (name,), alt=alt)


def _as_json(found: Found) -> Row:
    """Return the page's results as JSON."""
    now, then = found
    return {
        "training_flop": now.flop,
        "params": now.params,
        "tokens": now.tokens,
        "loss_nat": now.loss,
        "extrapolated": now.extrapolated,
        "next_percent_factor": then.factor,
    }


SLIDES = {
    "curves": N_("loss against compute, energy, money or emissions"),
    "imagenet": N_("error on ImageNet against compute"),
}
QUESTION = PageQuestion(
    inputs=PARAMETERS,
    answer=_best_use,
    view=_draw,
    title=title(N_("Scaling laws")),
    heading=lambda values, frame: _(SLIDES[frame.show]),
    slides=SLIDES,
    files=lambda values, found: (
        picture_file(
            "scaling",
            lambda: curves_picture(found[0], values["axis"]),
            _("Loss against compute, energy or money"),
        ),
        share.json("scaling", lambda: _as_json(found)),
    ),
)
PAGE = QUESTION.page(N_("Scaling laws"), LEARN)
