"""Page Claims: claims from lectures on the limits of deep learning, recomputed."""

import math
from dataclasses import replace
from html import escape
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from estimator.studies.claims.finding import Claim
from estimator.studies.claims.ledger import RECOMPUTED, claims
from estimator.web.offline.page_picture import picture_file
from estimator.web.shared import figures, plots, share, style
from estimator.web.shared.amounts import amount, localised, sentence, span
from estimator.web.shared.charts import Picture
from estimator.web.shared.frame import Frame
from estimator.web.shared.html_table import anchor, draw_table
from estimator.web.shared.kit import PageQuestion, Values
from estimator.web.shared.language import N_, _
from estimator.web.shared.navigation import LEARN
from estimator.web.shared.profiles import cached_per_server, open_catalog
from estimator.web.shared.url_state import Choice, LinkParameters

VERDICTS = {
    "holds": N_("holds"),
    "off": N_("is off"),
    "holds-if": N_("true under an assumption"),
    "cannot-be-checked": N_("cannot be checked"),
}
GROWING = (
    N_("training compute"),
    N_("parameters"),
    N_("FLOP/s of a device"),
    N_("memory of a device"),
    N_("bandwidth of the memory"),
)
"""Quantities with a growth figure each."""
GROWTH = N_("growth in two years")

RELATIONS = {"equal": "", "at least": "≥ ", "at most": "≤ "}
ALL = "all"
SLIDE_ROWS = 8

PARAMETERS = LinkParameters(
    "claims",
    Choice(
        "claim",
        tuple(RECOMPUTED),
        label=N_("Claim"),
        help=N_("Claim to show with its argument."),
        called=lambda: {name: one.record.title for name, one in recomputed().items()},
    ),
    Choice(
        "verdict",
        (ALL, *VERDICTS),
        label=N_("Verdict"),
        help=N_("Only list claims with this verdict."),
        called=lambda: VERDICTS,
        rest=N_("all"),
    ),
)


@cached_per_server
def recomputed() -> dict[str, Claim]:
    """All claims, recomputed once per server."""
    return {one.record.id: one for one in claims(open_catalog())}


def _draw(values: Values, found: dict[str, Claim], frame: Frame) -> None:
    """Draw the counts, one claim with its argument, and the list of all."""
    if frame.show != "claim":
        style.sentence(escape(_summary(list(found.values()))))
    if frame.shows("claim"):
        _one(found[values["claim"]], frame)
    if frame.shows("factors"):
        _factors(list(found.values()), frame)
    if not frame.slide:
        _list([one for one in found.values() if values["verdict"] in (ALL, one.verdict)])


def _summary(found: list[Claim]) -> str:
    """Sentence on how many claims hold."""
    counts = {name: sum(one.verdict == name for one in found) for name in VERDICTS}
    text = _(
        "Of {all} claims {holds} hold, {holds_if} hold under an assumption, {off} are off and "
        "{open} cannot be checked."
    )
    return text.format(
        all=len(found),
        holds=style.bold(str(counts["holds"])),
        holds_if=style.bold(str(counts["holds-if"])),
        off=style.bold(str(counts["off"])),
        open=counts["cannot-be-checked"],
    )


def factors_picture(found: list[Claim], most: int | None = None) -> Picture:
    """Ratio of each recomputed number to the claimed one, the largest first."""
    exact = [one for one in found if one.record.relation == "equal"]
    exact.sort(key=lambda one: abs(math.log(one.factor)), reverse=True)
    rows = []
    for one in exact[:most]:
        claimed, interval = one.record.claimed.value, one.interval
        bounds = (interval.low / claimed, one.factor, interval.high / claimed)
        text = f"{_(one.record.title)}: {verdict(one)}"
        rows.append(plots.interval(one.record.id, bounds, text, _(VERDICTS[one.verdict])))
    kinds = tuple(_(name) for name in VERDICTS.values())
    picture = plots.ranges_picture(rows, _("recomputed over claimed (1 is right)"), kinds, aim=1.0)
    return replace(picture, headline=_summary(found))


def _factors(found: list[Claim], frame: Frame) -> None:
    """Draw the ratios of recomputed to claimed numbers."""
    st.subheader(_("Recomputed over claimed"), anchor=False)
    picture = factors_picture(found, SLIDE_ROWS if frame.slide else None)
    figures.draw_picture(picture, frame.look, key="claims_factors")


def _one(chosen: Claim, frame: Frame) -> None:
    """Draw one claim with its argument."""
    record = chosen.record
    title = f"{_(record.title)}: {verdict(chosen)}"
    if frame.slide:
        style.slide_title(title)
    else:
        st.subheader(title, anchor=False)
    speakers = "; ".join(source.title for source in chosen.claimed_by)
    style.sentence(escape(_("“{label}”").format(label=_(record.as_told))))
    style.caption(speakers)
    claimed = RELATIONS[record.relation] + amount(record.claimed.value, record.unit)
    style.figures(
        [
            style.figure("told", _("as claimed"), claimed, "", [_(record.quantity)]),
            style.figure(
                "recomputed",
                _("recomputed"),
                amount(chosen.interval.mid, record.unit),
                span(chosen.interval.low, chosen.interval.high, record.unit),
                [sentence(chosen.formula)],
            ),
        ]
    )
    style.assumptions(sentence(phrase) for phrase in chosen.reasons())
    if frame.slide:
        return
    _further(chosen)
    _sources(chosen)


def verdict(chosen: Claim) -> str:
    """Verdict as text, with the factor if it is off."""
    if chosen.verdict != "off":
        return _(VERDICTS[chosen.verdict])
    apart = max(chosen.factor, 1 / chosen.factor)
    return _("off by ×{factor}").format(factor=localised(f"{apart:.3g}"))


def _further(chosen: Claim) -> None:
    """Draw the further figures of the case as a table."""
    rows: list[tuple[str, ...]] = [
        (
            _figure_name(figure.name),
            amount(figure.interval.mid, figure.unit),
            span(figure.interval.low, figure.interval.high, figure.unit),
        )
        for figure in chosen.finding.figures
    ]
    if rows:
        draw_table((_("Further figures"), _("median"), _("80% interval")), rows)


def _figure_name(name: str) -> str:
    """Name of a figure, or of one of its quantities."""
    of_all, _colon, one = name.partition(": ")
    return f"{_(of_all)}: {_(one)}" if of_all == GROWTH else _(name)


def _sources(chosen: Claim) -> None:
    """Draw the primary sources, and the link to the same case."""
    lines = [
        f'<a href="{escape(source.url)}">{escape(source.title)}</a>'
        if source.url
        else escape(source.title)
        for source in chosen.sources
    ]
    items = "".join(f"<p>{line}</p>" for line in lines)
    st.html(f'<div class="tw tw-assumed">{items}</div>')
    target = chosen.link if not chosen.link.startswith("?") else f"estimate{chosen.link}"
    st.html(f'<p class="tw tw-links">{anchor(target, _("Open this case in the app"))}</p>')


def _list(found: list[Claim]) -> None:
    """Draw all claims as a table."""
    st.subheader(_("All claims"), anchor=False)
    rows: list[tuple[str, ...]] = []
    for one in found:
        record = one.record
        here = "claims?" + urlencode({"claim": record.id})
        claimed = RELATIONS[record.relation] + amount(record.claimed.value, record.unit)
        rows.append(
            (
                anchor(here, _(record.title)),
                _(record.quantity),
                claimed,
                amount(one.interval.mid, record.unit),
                verdict(one),
            )
        )
    header = (_("Claim"), _("Quantity"), _("as claimed"), _("recomputed"), _("Verdict"))
    draw_table(header, rows)


SLIDES: dict[str, Any] = {
    "claim": N_("one claim with its argument"),
    "factors": N_("all claims: recomputed over claimed"),
}
QUESTION = PageQuestion(
    inputs=PARAMETERS,
    answer=lambda values: recomputed(),
    view=_draw,
    title=lambda values: _(recomputed()[values["claim"]].record.title),
    heading=lambda values, frame: "",
    slides=SLIDES,
    files=lambda values, found: (
        picture_file("claims", lambda: factors_picture([*found.values()]), _("Fact checks")),
        share.json("claims", lambda: [one.as_json() for one in found.values()]),
    ),
)
PAGE = QUESTION.page(N_("Fact checks"), LEARN)
