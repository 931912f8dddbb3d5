"""Page Depth: cost of another layer in parameters, paths, gradients and activations."""

from collections.abc import Callable, Sequence
from typing import Any

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
from estimator.web.shared.kit import PageQuestion, Values
from estimator.web.shared.language import N_, _
from estimator.web.shared.navigation import LEARN
from estimator.web.shared.profiles import open_catalog
from estimator.web.shared.url_state import Choice, LinkParameters, Number

VIEWS = ("paths", "gradient", "activations")
EXAMPLES_PER_STEP = 1e6
BYTES_PER_VALUE = 2.0

PARAMETERS = LinkParameters(
    "depth",
    Choice("view", VIEWS, help=N_("Chart to show.")),
    Number(
        "layers",
        10.0,
        low=2.0,
        high=1000.0,
        whole=True,
        slides=True,
        label=N_("Layers L"),
        help=N_("Number of consecutive layers."),
    ),
    Number(
        "width",
        100.0,
        low=2.0,
        high=100000.0,
        whole=True,
        label=N_("Width n"),
        help=N_("Neurons of each layer."),
    ),
    Number(
        "norm",
        2.0,
        low=0.1,
        high=10.0,
        step=0.1,
        slides=True,
        label=N_("Norm of a layer"),
        help=N_("Largest singular value of the weights of a layer."),
    ),
    Choice(
        "activation",
        tuple(SLOPES),
        label=N_("Activation"),
        help=N_("Its steepest slope bounds the gradient."),
    ),
)


def _view(values: Values, frame: Frame) -> str:
    return frame.show if frame.slide else values["view"]


def _draw(values: Values, found: dict[str, list[Values]], frame: Frame) -> None:
    """Draw the selected view over depth."""
    view = _view(values, frame)
    if not frame.slide:
        widgets.switch(PARAMETERS, "view", _("View"), VIEW_NAMES)
    DRAWN[view](values, found[view], frame)


def _rows(values: Values) -> dict[str, list[Values]]:
    """Rows of each chart."""
    layers, width, norm = (float(values[name]) for name in ("layers", "width", "norm"))
    depths = np.unique(np.linspace(2, max(3.0, 2 * layers), 60).round())
    along = PlainNetwork(layers=depths, width=np.full_like(depths, width))
    here = float(PlainNetwork(layers=layers, width=width).log10_paths())
    counts = (np.log10(along.params()), np.asarray(along.log10_paths()))
    from_one = np.unique(np.linspace(1, max(3.0, 2 * layers), 60).round())
    bounds = [
        np.asarray(log10_bound(from_one, norm, SLOPES[values["activation"]], residual=residual))
        for residual in (False, True)
    ]
    plain = float(np.asarray(log10_bound(layers, norm, SLOPES[values["activation"]])))
    stored = [np.asarray(way(depths).layers_stored) for way in WAYS]
    return {
        "paths": [
            *_lines(depths, counts, PATHS),
            _mark(layers, here, _("here: 10^{n} paths")),
        ],
        "gradient": [
            *_lines(from_one, bounds, GRADIENTS),
            _mark(layers, plain, _("plain, here: 10^{n}")),
        ],
        "activations": _lines(depths, stored, ACTIVATIONS),
    }


def _lines(x: Any, curves: Sequence[Any], names: Sequence[str]) -> list[Values]:
    return [row for y, name in zip(curves, names, strict=True) for row in plots.line(x, y, _(name))]


PATHS = (N_("parameters, (L - 1) n²"), N_("paths, nᴸ"))
GRADIENTS = (N_("plain"), N_("with residual connections"))
WAYS = (everything, checkpoints, reversed_in_time)
ACTIVATIONS = (
    N_("everything stored, O(L)"),
    N_("checkpoints, O(√L)"),
    N_("run backwards, O(1)"),
)
"""Curves of each chart."""


def _paths(values: Values, rows: list[Values], frame: Frame) -> None:
    """Draw parameters and paths over depth."""
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
    titles = (_("layers L"), _("count (logarithmic)"))
    _chart(rows, titles, PATHS, frame, "paths", POWER)
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


def _gradient(values: Values, rows: list[Values], frame: Frame) -> None:
    """Draw the gradient bound over depth, with and without residual connections."""
    layers, norm = float(values["layers"]), float(values["norm"])
    slope = SLOPES[values["activation"]]
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
    titles = (_("layers L"), _("bound (logarithmic)"))
    _chart(rows, titles, GRADIENTS, frame, "gradient", POWER)
    style.caption(
        _(
            "Each plain layer multiplies the bound by the largest singular value of its weights "
            "(its norm) times the steepest slope of its activation: below 1 the gradient vanishes. "
            "The bound is correct but loose: Fact checks compares it with simulated networks."
        )
    )


def _activations(values: Values, rows: list[Values], frame: Frame) -> None:
    """Draw stored activations over depth, and the cost of recomputation."""
    layers, width = float(values["layers"]), float(values["width"])
    ways = [way(layers) for way in WAYS]
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
    _chart(rows, (_("layers L"), _("layers stored")), ACTIVATIONS, frame, "activations")
    if not frame.slide:
        _prices(ways, tuple(map(_, ACTIVATIONS)), layers, width)


def _prices(ways: list[Storage], names: tuple[str, ...], layers: float, width: float) -> None:
    """Draw memory, compute, time and energy of a million examples by each method."""
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
"""Unit of an axis of exponents."""


def _chart(
    rows: list[Values],
    titles: tuple[str, str],
    names: tuple[str, ...],
    frame: Frame,
    view: str,
    unit: str = "1",
) -> None:
    called = tuple(map(_, names))
    picture = plots.curves_picture(rows, titles, (False, False), called, unit=unit)
    figures.draw_picture(picture, frame.look, key=f"depth_{view}")


DRAWN: dict[str, Callable[[Values, list[Values], Frame], None]] = {
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
    "gradient": N_("The gradient vanishes unless residual connections preserve it"),
    "activations": N_("Activations can be recomputed instead of stored"),
}
QUESTION = PageQuestion(
    inputs=PARAMETERS,
    answer=_rows,
    view=_draw,
    title=lambda values: _(SLIDES[values["view"]]),
    heading=lambda values, frame: _(SLIDES[frame.show]),
    slides=SLIDES,
    files=lambda values, found: (share.json("depth", lambda: found[values["view"]]),),
)
PAGE = QUESTION.page(N_("Depth"), LEARN)
