"""The first page: one scenario, and what it takes."""

from collections.abc import Callable, Mapping

import streamlit as st

from estimator.answer import Answer, answer_scenario
from estimator.catalog import Catalog
from estimator.report import said
from estimator.tables import (
    COMPARED,
    between,
    credit,
    devices_table,
    doubted,
    doubts_table,
    other_devices,
    parts_table,
)
from estimator.web import address, controls, figures, measured, style, words
from estimator.web.address import View
from estimator.web.inputs import Asked, State
from estimator.web.measured import Heard
from estimator.web.profiles import open_catalog
from estimator.web.schedule import draw_schedule
from estimator.web.share import draw_share
from estimator.web.sources import draw_formula, draw_sources

LONGEST_H = 100 * 8766.0
"""Wall time from which on a run cannot be meant [h]."""

LABELS = {
    "wall_hours": "Wall time",
    "energy_kwh": "Energy",
    "cost_usd": "Cost",
    "co2e_kg": "CO₂ equivalent",
}
SHORT = {"wall_hours": "Time", "energy_kwh": "Energy", "cost_usd": "Cost", "co2e_kg": "CO₂"}


def page() -> None:
    """Draw the page: answer what the URL or the widgets ask, then the results and the controls."""
    state, catalog, view = st.session_state, open_catalog(), address.view()
    style.write_stylesheet(view.scale, slide=bool(view.show))
    asked = address.arrive(state, catalog)
    answer, refusal = _answered(asked, state, catalog)
    _notices(state, refusal)
    style.sentence(words.sentence(answer, catalog))
    heard = measured.heard(answer, catalog)
    if view.show in ("", "figures"):
        _figures(answer, asked, heard, view)
    _sections(answer, view, catalog)
    with st.expander("Change the inputs") if view.embedded else st.sidebar:
        controls.draw(answer, asked, measured=heard is not None)
    if not view.embedded and not view.show:
        draw_share(answer, address.as_query(answer, state))
    address.leave(answer, state, embedded=view.embedded)
    style.marker(answer.link)


def _sections(answer: Answer, view: View, catalog: Catalog) -> None:
    """Draw all charts and the formula, or the one that the link asks for."""
    if view.show in SECTIONS:
        SECTIONS[view.show](answer, view, catalog)
    if view.show:
        return
    left, right = st.columns(2, gap="medium")
    with left:
        _parts(answer, view, catalog)
    with right:
        _doubts(answer, view, catalog)
    _devices(answer, view, catalog)
    draw_schedule(answer)
    _formula(answer, view, catalog)


def _answered(asked: Asked, state: State, catalog: Catalog) -> tuple[Answer, str]:
    """Answer what is asked; if that cannot be, the last scenario that could, and why."""
    try:
        answer, refusal = answer_scenario(asked.scenario, catalog), ""
    except ValueError as error:
        return answer_scenario(state["_scenario"], catalog), str(error)
    if asked.scenario != state["_scenario"]:
        state["_scenario"], state["_notices"] = asked.scenario, ()
    return answer, refusal


def _notices(state: State, refusal: str) -> None:
    """Say what in a link or in the widgets could not be used."""
    if state["_notices"]:
        told = "; ".join(controls.spoken(notice) for notice in state["_notices"])
        st.warning(_ended(f"Not all of the link could be used: {told}"))
    if refusal:
        told = _ended(controls.spoken(refusal))
        st.error(f"{told} Below is the last result that could be had.")


def _ended(text: str) -> str:
    """End a sentence, unless it ends with a question."""
    return text if text.endswith("?") else f"{text}."


def _figures(answer: Answer, asked: Asked, heard: Heard | None, view: View) -> None:
    """Draw the four figures, what measured runs changed, and what was assumed."""
    if float(answer.estimate["wall_hours"].mid) > LONGEST_H:
        style.badge("longer than 100 years: no machine lasts; more devices, or less work")
    style.figures(_card(answer, name, heard) for name in LABELS)
    style.caption(f"Intervals hold {answer.level * 100:.3g} % of the probability.")
    if heard is not None:
        measured.draw(heard, linked=not view.embedded)
    on_cards = {answer.estimate.absent.get(name) for name in LABELS}
    told = [text for text in words.assumed(answer, open_catalog()) if text not in on_cards]
    style.assumptions(controls.spoken(text) for text in (*asked.notes, *told))


def _card(answer: Answer, name: str, heard: Heard | None) -> str:
    """One headline figure with its interval; a dash where it is not known."""
    notes = [controls.spoken(note) for note in words.notes(answer, name)]
    notes += measured.note(heard, name)
    if name not in answer.estimate:
        return style.figure(name, LABELS[name], "– unknown", "", notes)
    quantity = answer.estimate[name]
    low, high = (float(bound) for bound in quantity.interval(answer.level))
    value = said(name, float(quantity.mid))
    span = "exactly, as given" if low == high else between(name, low, high)
    return style.figure(name, LABELS[name], value, span, notes)


def _parts(answer: Answer, view: View, catalog: Catalog) -> None:
    """Draw where the energy goes."""
    st.subheader("Where the energy goes", anchor=False)
    table = parts_table(answer)
    if table.empty:
        style.caption(controls.spoken(answer.estimate.absent.get("energy_kwh", "")))
        return
    alt = words.alt_of_parts(table, answer)
    figures.draw_parts(table, figures.look(view.scale), alt)
    style.caption("Sources: " + credit(answer, catalog, ("tdp_w", "idle_w", "power.", "pue")))


def _doubts(answer: Answer, view: View, catalog: Catalog) -> None:
    """Draw what makes the interval wide."""
    st.subheader("What makes the interval wide", anchor=False)
    table = doubts_table(answer)
    if table.empty:
        style.caption("Nothing: every number was given, and is taken as exact.")
        return
    look, alt = figures.look(view.scale), words.alt_of_doubts(table)
    figures.draw_doubts(table, look, doubted(answer), alt, slide=bool(view.show))
    told = "energy" if doubted(answer) == "energy_kwh" else "device time"
    style.caption(
        f"How far each doubt alone moves the {told}, and its share of the whole doubt (of the "
        "variance of the logarithm)."
    )


def _devices(answer: Answer, view: View, catalog: Catalog) -> None:
    """Draw the same work on other devices."""
    st.subheader("The same work on other devices", anchor=False)
    st.segmented_control(
        "Compare by",
        list(COMPARED),
        format_func=SHORT.__getitem__,
        required=True,
        key="view",
        label_visibility="collapsed",
    )
    quantity = st.session_state["view"]
    table = devices_table([answer, *other_devices(answer, catalog)], quantity)
    if len(table) < 2:
        style.caption("A run known only by its device-hours cannot be moved: give its work, too.")
        return
    look, alt = figures.look(view.scale), words.alt_of_devices(table)
    figures.draw_devices(table, look, quantity, alt, slide=bool(view.show))
    style.caption(
        f"{answer.run.devices:,.0f} of each, at the utilization predicted for each; bars hold "
        f"{answer.level * 100:.3g} %. Sources: "
        + credit(answer, catalog, ("peak_flop_per_s", "utilization", "tdp_w"))
    )


def _formula(answer: Answer, view: View, catalog: Catalog) -> None:
    """Draw the formula with the numbers of this run, and where each comes from."""
    st.subheader("The formula, with your numbers", anchor=False)
    draw_formula(answer)
    st.subheader("Every number and its source", anchor=False)
    draw_sources(answer, catalog)


SECTIONS: Mapping[str, Callable[[Answer, View, Catalog], None]] = {
    "parts": _parts,
    "doubts": _doubts,
    "devices": _devices,
    "formula": _formula,
}
"""What `show` in a link can ask for, besides the figures."""
