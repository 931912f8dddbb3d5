"""Depth: what another layer costs in parameters, paths, gradients and activations."""

from collections.abc import Callable

import numpy as np

from estimator.answer.estimate_table import estimate_table
from estimator.core.units import S_PER_H
from estimator.question.scenario import Scenario
from estimator.question.table import Table
from estimator.studies.depth.activations import Storage, checkpoints, everything, reversed_in_time
from estimator.studies.depth.gradients import SLOPES, log10_bound
from estimator.studies.depth.paths import PlainNetwork
from estimator.web.shared import figures, plots, share, style, widgets
from estimator.web.shared.amounts import amount
from estimator.web.shared.frame import Frame
from estimator.web.shared.html_table import draw_table
from estimator.web.shared.language import N_, _
from estimator.web.shared.profiles import open_catalog
from estimator.web.shared.site import LEARN, Page, controls
from estimator.web.shared.url_state import Choice, LinkParameters, Number, UrlState
from estimator.web.shared.valid import Values

VIEWS = ("paths", "gradient", "activations")
EXAMPLES_PER_STEP = 1e6
BYTES_PER_VALUE = 2.0

PARAMETERS = LinkParameters(
    "depth",
    Choice("view", VIEWS),
    Number("layers", 10.0, low=2.0, high=1000.0, whole=True),
    Number("width", 100.0, low=2.0, high=100000.0, whole=True),
    Number("norm", 2.0, low=0.1, high=10.0),
    Choice("activation", tuple(SLOPES)),
)
STATE = UrlState("depth", PARAMETERS)


def draw(frame: Frame) -> None:
    """Draw the view asked for, over the depth."""
    values = share.begin(STATE)
    view = widgets.view(PARAMETERS, frame, values["view"], SLIDES if frame.slide else VIEW_NAMES)
    rows = DRAWN[view](values, frame)
    with controls(frame):
        widgets.slider(PARAMETERS, "layers", _("Layers L"))
        widgets.number(PARAMETERS, "width", _("Width n"))
        widgets.slider(PARAMETERS, "norm", _("Norm of a layer"), step=0.1)
        widgets.choose(PARAMETERS, "activation", _("Activation"), {})
    files = (share.json("depth", lambda: rows),)
    query = PARAMETERS.query(values)
    share.finish(STATE, query, frame, SLIDES, title=_(SLIDES[view]), files=files)


def _paths(values: Values, frame: Frame) -> list[Values]:
    """Parameters and paths over depth."""
    layers, width = float(values["layers"]), float(values["width"])
    here = PlainNetwork(layers=layers, width=width)
    text = _(
        "{layers} layers of {width} neurons have {params} parameters and 10^{paths} paths; one "
        "more layer adds {more} parameters and makes the paths {width} times as many."
    )
    style.sentence_of(
        text,
        layers=f"{layers:g}",
        width=amount(width, "1"),
        params=amount(float(here.params()), "1"),
        paths=amount(float(here.log10_paths()), "1"),
        more=amount(width * width, "1"),
    )
    depths = np.unique(np.linspace(2, max(3.0, 2 * layers), 60).round())
    along = PlainNetwork(layers=depths, width=np.full_like(depths, width))
    names = (_("parameters, (L - 1) n²"), _("paths, nᴸ"))
    rows = [
        *plots.line(depths, np.log10(along.params()), names[0]),
        *plots.line(depths, np.asarray(along.log10_paths()), names[1]),
        _mark(layers, float(here.log10_paths()), _("here: 10^{n} paths")),
    ]
    titles = (_("layers L"), _("count (logarithmic)"))
    _chart(rows, titles, names, frame, "paths", POWER)
    style.caption(
        _("The paths share their weights: a path costs no memory and no time of its own.")
    )
    if not frame.slide:
        draw_table(
            (_("Quantity"), _("value")),
            [
                (_("parameters"), amount(float(here.params()), "1")),
                (_("forward pass of one example"), amount(float(here.forward_flop()), "FLOP")),
                (_("16-bit weights"), amount(2 * float(here.params()), "B")),
            ],
        )
    return rows


def _gradient(values: Values, frame: Frame) -> list[Values]:
    """Bound of the gradient over depth, with and without residual connections."""
    layers, norm = float(values["layers"]), float(values["norm"])
    slope = SLOPES[values["activation"]]
    depths = np.unique(np.linspace(1, max(3.0, 2 * layers), 60).round())
    plain, added = (
        np.asarray(log10_bound(depths, norm, slope, residual=residual))
        for residual in (False, True)
    )
    names = (_("plain"), _("with residual connections"))
    ends = [
        float(np.asarray(log10_bound(layers, norm, slope, residual=residual)))
        for residual in (False, True)
    ]
    text = _(
        "Through {layers} layers the gradient is at most 10^{plain} of what came in; with residual "
        "connections the bound is 10^{residual}."
    )
    style.sentence_of(
        text,
        layers=f"{layers:g}",
        plain=amount(ends[0], "1") if ends[0] >= 0 else f"-{amount(-ends[0], '1')}",
        residual=amount(ends[1], "1"),
    )
    rows = [*plots.line(depths, plain, names[0]), *plots.line(depths, added, names[1])]
    rows.append(_mark(layers, ends[0], _("plain, here: 10^{n}")))
    titles = (_("layers L"), _("bound (logarithmic)"))
    _chart(rows, titles, names, frame, "gradient", POWER)
    style.caption(
        _(
            "Each plain layer multiplies the bound by the largest singular value of its weights "
            "(its norm) times the steepest slope of its activation: below 1 the gradient vanishes. "
            "Right, but loose: the claims page sets it against simulated networks."
        )
    )
    return rows


def _activations(values: Values, frame: Frame) -> list[Values]:
    """Activations stored over depth, and what computing them again costs."""
    layers, width = float(values["layers"]), float(values["width"])
    ways = [way(layers) for way in (everything, checkpoints, reversed_in_time)]
    depths = np.unique(np.linspace(2, max(3.0, 2 * layers), 60).round())
    names = (_("everything stored, O(L)"), _("checkpoints, O(√L)"), _("run backwards, O(1)"))
    rows: list[Values] = []
    for way, name in zip((everything, checkpoints, reversed_in_time), names, strict=True):
        rows += plots.line(depths, np.asarray(way(depths).layers_stored), name)
    text = _(
        "Checkpoints store {root} of {layers} layers and take {factor} times the compute; an ODE "
        "network stores one."
    )
    style.sentence_of(
        text,
        root=amount(float(ways[1].layers_stored), "1"),
        layers=f"{layers:g}",
        factor=amount(float(ways[1].compute_factor()), "1"),
    )
    _chart(rows, (_("layers L"), _("layers stored")), names, frame, "activations")
    if not frame.slide:
        _prices(ways, names, layers, width)
    return rows


def _prices(ways: list[Storage], names: tuple[str, ...], layers: float, width: float) -> None:
    """Draw memory, compute, time and energy of a million examples by each way."""
    layer_bytes = width * BYTES_PER_VALUE
    work = 3 * float(PlainNetwork(layers=layers, width=width).forward_flop()) * EXAMPLES_PER_STEP
    flops = [max(work * float(way.compute_factor()), 1.0) for way in ways]
    runs = Table.of_columns(Scenario, flop=flops, hardware="v100")
    found = estimate_table(runs, open_catalog())
    hours, kwh = (np.asarray(found[name].mid) for name in ("wall_hours", "energy_kwh"))
    rows = [
        (
            name,
            amount(float(way.memory_bytes(layer_bytes)), "B"),
            amount(flop, "FLOP"),
            amount(float(hour) * S_PER_H, "s"),
            amount(float(energy), "kWh"),
        )
        for name, way, flop, hour, energy in zip(names, ways, flops, hours, kwh, strict=True)
    ]
    header = (
        *(_("Activations"), _("memory of one example"), _("compute of a million examples")),
        *(_("time on a V100"), _("energy on a V100")),
    )
    draw_table(header, rows)


def _mark(x: float, power: float, text: str) -> Values:
    """Mark a power of ten."""
    shown = amount(power, "1") if power > 0 else f"-{amount(-power, '1')}"
    return plots.mark(x, power, text.format(n=shown))


POWER = "power of ten"
"""Unit of an axis whose values are exponents."""


def _chart(
    rows: list[Values],
    titles: tuple[str, str],
    names: tuple[str, ...],
    frame: Frame,
    view: str,
    unit: str = "1",
) -> None:
    picture = plots.curves_picture(rows, titles, (False, False), names, unit=unit)
    figures.draw_picture(picture, frame.look, key=f"depth_{view}")


DRAWN: dict[str, Callable[[Values, Frame], list[Values]]] = {
    "paths": _paths,
    "gradient": _gradient,
    "activations": _activations,
}
VIEW_NAMES = {
    "paths": N_("Parameters and paths"),
    "gradient": N_("Gradient"),
    "activations": N_("Activations"),
}
SLIDES = {
    "paths": N_("Parameters grow slowly with depth, paths quickly"),
    "gradient": N_("The gradient vanishes, or residual connections keep it"),
    "activations": N_("Activations can be computed again instead of stored"),
}
PAGE = Page(path="depth", title=N_("Depth"), group=LEARN, draw=draw, slides=SLIDES)
