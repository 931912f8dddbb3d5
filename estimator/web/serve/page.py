"""Serve: what an answer of a language model takes, in time, energy, money and CO2e."""

from estimator.core.messages import reason, refusal
from estimator.core.notice import Notice
from estimator.inference.figures import results, single
from estimator.inference.measured_loads import known_loads
from estimator.inference.quantities import ServingAnswer, answer_serving
from estimator.web.serve.inputs import (
    CALIBRATION,
    PARAMETERS,
    STATE,
    draw_controls,
    label_of,
    model_name,
    question_of,
)
from estimator.web.serve.pictures import PICTURES
from estimator.web.serve.text import LEVEL, say_answer, say_measured
from estimator.web.shared import share, style, widgets
from estimator.web.shared.frame import Frame
from estimator.web.shared.language import N_, _
from estimator.web.shared.notices import shown
from estimator.web.shared.profiles import hardware_names, open_catalog
from estimator.web.shared.site import INFERENCE, Page, controls
from estimator.web.shared.valid import Values, valid


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
        draw_controls(values)
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
        model=model_name(values),
        device=hardware_names()[values["hardware"]],
        title=_(SLIDES[show]),
    )


def _draw_answer(values: Values, answer: ServingAnswer, runs: int, frame: Frame) -> None:
    """Draw the sentence, the figures and the pictures."""
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
    "figures": N_("What an answer takes"),
    "curve": N_("More concurrent answers: more tokens, each of them later"),
    "latency": N_("How long a request takes as more of them arrive"),
    "roofline": N_("Writing is bound by the memory, reading by the arithmetic"),
    "energy": N_("Where the energy of an answer goes"),
    "api": N_("Own machines against an API"),
    "lifetime": N_("When serving overtakes training"),
}
PAGE = Page(path="serve", title=N_("Inference"), group=INFERENCE, draw=draw, slides=SLIDES)
