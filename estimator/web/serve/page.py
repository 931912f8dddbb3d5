"""Page Inference: time, energy, cost and CO2e of a language model's request."""

from estimator.inference.figures import results, single
from estimator.inference.measured_loads import known_loads
from estimator.inference.quantities import ServingAnswer, answer_serving
from estimator.web.serve import views
from estimator.web.serve.inputs import (
    CARRIES,
    INPUT,
    PARAMETERS,
    VIEWS,
    draw_controls,
    label_of,
    model_name,
    question_of,
)
from estimator.web.shared import share, style, widgets
from estimator.web.shared.frame import Frame
from estimator.web.shared.kit import PageQuestion, Values, title
from estimator.web.shared.language import N_, _
from estimator.web.shared.navigation import INFERENCE
from estimator.web.shared.notices import sentence_of
from estimator.web.shared.profiles import hardware_names, open_catalog


def _answered(values: Values) -> ServingAnswer:
    """Answer the controls; refused if the setup cannot be served."""
    catalog = open_catalog()
    measured = known_loads(catalog).corrected if values["calibration"] == "use" else None
    answer = answer_serving([question_of(values)], catalog, calibration=measured)
    single(answer)
    return answer


def _heading(values: Values, frame: Frame) -> str:
    """Return the title of a slide, with its setup."""
    return _("{model} on {device}: {title}").format(
        model=model_name(values),
        device=hardware_names()[values["hardware"]],
        title=_(SLIDES[frame.show]),
    )


DRAWN = {
    "figures": views.draw_answer,
    "curve": views.draw_curve,
    "api": views.draw_api,
    "energy": views.draw_energy,
}
"""View -> what draws it."""


def _draw(values: Values, answer: ServingAnswer, frame: Frame) -> None:
    """Draw the view that is asked for, and which measured runs it rests on."""
    view = frame.show or values["view"]
    DRAWN[view](values, answer, frame)
    if view != "figures":
        views.say_measured(values, answer, frame)
    if not frame.slide:
        style.caption(
            _(
                "80% intervals from errors on held-out models and systems; device: {device}, "
                "engine fitted to published measurements."
            ).format(device=single(answer)[0].device.device.name)
        )


def _draw_views(values: Values, frame: Frame) -> None:
    """Draw the views side by side above the answer."""
    if not frame.slide:
        widgets.switch(PARAMETERS, "view", _("View"), VIEWS)


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
    heading=_heading,
    slides=SLIDES,
    controls=draw_controls,
    files=lambda values, found: (share.json("serve", lambda: results(found, views.LEVEL)),),
    query=lambda values: {name: text for name, text in PARAMETERS.query(values).items() if text},
    worded=lambda notice: sentence_of(notice, label_of),
    named={of: name for name, of in INPUT.items()},
)
PAGE = QUESTION.page(N_("Inference"), INFERENCE, carries=CARRIES)
