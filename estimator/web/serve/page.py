"""Page Inference: time, energy, cost and CO2e of a language model's request."""

from estimator.core.messages import refusal
from estimator.core.notice import Notice
from estimator.inference.figures import results, single
from estimator.inference.measured_loads import known_loads
from estimator.inference.quantities import ServingAnswer, answer_serving
from estimator.web.serve.inputs import (
    CARRIES,
    INPUT,
    PARAMETERS,
    draw_controls,
    label_of,
    model_name,
    question_of,
)
from estimator.web.serve.pictures import PICTURES
from estimator.web.serve.text import LEVEL, say_answer, say_measured
from estimator.web.shared import share, style
from estimator.web.shared.frame import Frame
from estimator.web.shared.kit import PageQuestion, Values, title
from estimator.web.shared.language import N_, _
from estimator.web.shared.notices import shown
from estimator.web.shared.profiles import hardware_names, open_catalog
from estimator.web.shared.site import INFERENCE, Page


def _answered(values: Values) -> ServingAnswer:
    """Answer the controls; refused if the setup cannot be served."""
    catalog = open_catalog()
    measured = known_loads(catalog).corrected if values["calibration"] == "use" else None
    answer = answer_serving([question_of(values)], catalog, calibration=measured)
    first = answer.rows[0]
    if isinstance(first, Notice):
        raise refusal(first)
    return answer


def _heading(values: Values, frame: Frame) -> str:
    """Return the title of a slide, with its setup."""
    return _("{model} on {device}: {title}").format(
        model=model_name(values),
        device=hardware_names()[values["hardware"]],
        title=_(SLIDES[frame.show]),
    )


def _draw(values: Values, answer: ServingAnswer, frame: Frame) -> None:
    """Draw the sentence, the figures and the charts."""
    runs = known_loads(open_catalog()).runs_on(values["hardware"])
    if frame.shows("figures"):
        with style.block():
            say_answer(values, answer, runs, frame)
    style.sections(PICTURES, SLIDES, frame, values, answer)
    if frame.slide:
        say_measured(values, answer, runs, frame)
    else:
        style.caption(
            _(
                "80% intervals from errors on models and systems that the fit has not seen; "
                "device: {device}, engine fitted to published measurements."
            ).format(device=single(answer)[0].device.device.name)
        )


SLIDES = {
    "figures": N_("Cost of a request"),
    "curve": N_("More concurrent answers: more tokens, each of them later"),
    "latency": N_("Latency of a request against the request rate"),
    "roofline": N_("Writing is bound by the memory, reading by the arithmetic"),
    "energy": N_("Energy of a request by part"),
    "api": N_("Own machines against an API"),
    "lifetime": N_("Inference against training energy"),
}
QUESTION = PageQuestion(
    inputs=PARAMETERS,
    answer=_answered,
    view=_draw,
    title=title(N_("Serving a model")),
    heading=_heading,
    slides=SLIDES,
    controls=draw_controls,
    files=lambda values, found: (share.json("serve", lambda: results(found, LEVEL)),),
    query=lambda values: {name: text for name, text in PARAMETERS.query(values).items() if text},
    worded=lambda notice: shown(notice, label_of),
    named={of: name for name, of in INPUT.items()},
)
PAGE = Page(
    path="serve",
    title=N_("Inference"),
    group=INFERENCE,
    draw=QUESTION.draw,
    slides=SLIDES,
    inputs=PARAMETERS,
    carries=CARRIES,
)
