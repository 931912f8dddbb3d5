"""Page Models: parameters, FLOPs and memory of a config.json, and devices that fit it."""

import json
from collections.abc import Mapping
from html import escape
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from estimator.memory.fit import DeviceFit
from estimator.networks.config_file import config_name
from estimator.networks.ledger import Ledger
from estimator.web.models.described import Described, described
from estimator.web.models.inputs import (
    CARRIES,
    CONFIG,
    KNOWN,
    PARAMETERS,
    query_of,
)
from estimator.web.models.pictures import PICTURES
from estimator.web.serve.inputs import LONGEST_CONFIG
from estimator.web.serve.inputs import model_names as served_models
from estimator.web.shared import share, style, widgets
from estimator.web.shared.amounts import amount, localised
from estimator.web.shared.charts import Row
from estimator.web.shared.frame import Frame
from estimator.web.shared.html_table import anchor, cell_html
from estimator.web.shared.kit import PageQuestion, Values
from estimator.web.shared.language import N_, _
from estimator.web.shared.navigation import MODELS
from estimator.web.shared.profiles import open_catalog, preset_names

SAMPLES = "1e8"
"""Samples in the link to Estimate, for models without text [1]."""

TOKENS_PER_PARAMETER = 20.0
"""Training tokens per parameter in the link to Estimate [token]; J. Hoffmann et al., "Training
compute-optimal large language models", 2022, arXiv:2203.15556, table 3.
"""


def _described(values: Values) -> Described:
    """Describe the selected model.

    Raises
    ------
    ValueError
        If a config.json is asked for and none is given.
    """
    if values["source"] == CONFIG and not values["config"]:
        if "config" in PARAMETERS.problems(st.session_state):
            raise ValueError(_("the config.json above cannot be read"))
        raise ValueError(_("paste or upload the config.json of a model"))
    return described(tuple(values.items()))


def _draw(values: Values, model: Described, frame: Frame) -> None:
    """Draw the page or the slide."""
    if frame.shows("figures"):
        style.sentence(_sentence(values, model))
        style.figures(_cards(values, model))
        if not frame.slide:
            style.assumptions([*model.notes, *([model.refusal] if model.refusal else [])])
            _links(values, model)
    style.sections(PICTURES, SLIDES, frame, values, model)
    if not frame.slide and values["source"] == CONFIG and "config" not in query_of(values):
        text = _(
            "This config is too long for the link ({count:,} characters), which leaves it out."
        )
        style.caption(text.format(count=len(values["config"])))


def _model_name(values: Values) -> str:
    if values["source"] == CONFIG and values["config"]:
        return config_name(values["config"])
    return open_catalog().preset(values["model"]).name


def _sentence(values: Values, model: Described) -> str:
    """Sentence on the size of the model and the devices that it fits on."""
    ledger = model.ledger
    active = ledger.params_active != ledger.params_total
    size = _("{params} parameters, {active} of them active") if active else _("{params} parameters")
    text = _("{model} has <b>{size}</b>, {flop} forward per {item}.")
    shown = text.format(
        model=escape(model.name),
        size=size.format(
            params=amount(ledger.params_total, "1"), active=amount(ledger.params_active, "1")
        ),
        flop=amount(float(ledger.forward_flop_per_item), "FLOP"),
        item=_(ledger.item_unit),
    )
    fit = next((one for one in model.fits if one.device.id == values["hardware"]), None)
    if fit is None:
        return shown
    caveat = ""
    if model.without_activations:
        caveat = " " + _("Activations are not modelled and not included.")
    return f"{shown} {escape(_fit_sentence(fit) + caveat)}"


def _fit_sentence(fit: DeviceFit) -> str:
    """Sentence on whether the use fits on a device, and on how many."""
    name = fit.device.name
    if fit.least_devices == 1:
        text = _("It fits on one {device}, {share} full.")
        return text.format(device=name, share=amount(float(fit.share.mid), "share"))
    if fit.least_devices is None:
        return _("It does not fit on any number of {device} with these settings.").format(
            device=name
        )
    return _("It takes {count} {device}.").format(
        count=localised(f"{fit.least_devices:,.0f}"), device=name
    )


def _cards(values: Values, model: Described) -> list[str]:
    """Headline figures."""
    ledger = model.ledger
    cards = [
        style.figure(
            "params_total",
            _("Parameters"),
            amount(ledger.params_total, "1"),
            _("{count} in embeddings").format(count=amount(ledger.params_embedding, "1")),
            (),
        ),
        style.figure(
            "training_flop",
            _("Training step"),
            amount(float(ledger.training_flop), "FLOP"),
            _pass(values, ledger),
            (),
        ),
        style.figure(
            "weights_bytes",
            _("Weights"),
            amount(ledger.weights_bytes(), "B"),
            _("at 16 bit"),
            (),
        ),
    ]
    cache = ledger.kv_cache_bytes_per_token()
    if cache:
        whole = float(ledger.kv_cache_bytes(model.length, values["batch"]))
        kept = _("{all} for {tokens} tokens").format(
            all=amount(whole, "B"), tokens=localised(f"{model.length * values['batch']:,.0f}")
        )
        label = _("KV cache per token")
        cards.append(style.figure("kv_cache_bytes", label, amount(cache, "B"), kept, ()))
    elif ledger.state_bytes():
        label = _("State per sequence")
        text = amount(ledger.state_bytes(), "B")
        cards.append(style.figure("state_bytes", label, text, _("whatever its length"), ()))
    return cards


def _pass(values: Values, ledger: Ledger) -> str:
    """Items of a pass, as text."""
    items = float(ledger.items)
    unit = ledger.item_unit if items == 1 else f"{ledger.item_unit}s"
    return f"{localised(f'{items:,.0f}')} {_(unit)}"


UNITS = (
    *(N_("token"), N_("tokens"), N_("image"), N_("images"), N_("frame"), N_("frames")),
    *(N_("latent"), N_("latents")),
)
"""Units of a network's items, as in ledgers."""


def _links(values: Values, model: Described) -> None:
    """Draw links to further pages for the model."""
    found = [anchor(f"estimate?{urlencode(_training(values, model))}", _("Estimate its training"))]
    serving = _serving(values, model)
    if serving:
        found.append(anchor(f"serve?{urlencode(serving)}", _("Serve it")))
    shown = " · ".join(cell_html(one) for one in found)
    st.html(f'<p class="tw tw-links">{shown}</p>')
    training = _training(values, model)
    if "samples" in training:
        style.caption(_("The training page opens with 100 million samples: set yours there."))
    if "tokens" in training:
        style.caption(_("The training page opens with 20 tokens per parameter (Hoffmann 2022)."))


def _training(values: Values, model: Described) -> dict[str, str]:
    """Query of the page Estimate that trains the model."""
    said = {"hardware": values["hardware"]}
    if values["source"] == KNOWN and values["model"] in preset_names():
        return {"preset": values["model"], **said}
    tokens = TOKENS_PER_PARAMETER * model.ledger.params_active
    config = values["config"]
    if values["source"] == KNOWN or not config:
        config = json.dumps(_plain(open_catalog().preset(values["model"]).config))
    reads = model.ledger.item_unit == "token" and "image_size" not in model.takes
    texts = reads or bool(model.ledger.cache)
    work = {"tokens": f"{tokens:.3g}"} if texts else {"samples": SAMPLES}
    return {"config": config, **work, **said}


def _plain(config: Mapping[str, Any]) -> Row:
    """Config without our additions."""
    return {name: value for name, value in config.items() if name != "source"}


def _serving(values: Values, model: Described) -> dict[str, str]:
    """Query of the page Inference for the model, empty if it does not generate text."""
    if values["source"] == KNOWN and values["model"] in served_models():
        return {"model": values["model"], "hardware": values["hardware"]}
    config = values["config"]
    if values["source"] == CONFIG and model.ledger.cache and 0 < len(config) <= LONGEST_CONFIG:
        return {"config": config, "hardware": values["hardware"]}
    return {}


def _files(values: Values, model: Described) -> tuple[share.File, ...]:
    def rows() -> list[Row]:
        return [
            {
                "term": name,
                "params": term.params,
                "active_params": term.active_params,
                "forward_flop": float(term.flop),
            }
            for name, term in model.ledger.terms.items()
        ]

    return (
        share.csv("model", rows),
        share.json("model", rows),
    )


def _controls(values: Values, problems: Mapping[str, str], model: Described | None) -> None:
    """Draw the controls: the model, the pass, the use."""
    takes = () if model is None else model.takes
    hidden = {
        name
        for name, field in (("length", "seq_len"), ("image", "image_size"))
        if field not in takes
    }
    widgets.draw_all(PARAMETERS, problems, dict.fromkeys(hidden))


SLIDES = {
    "figures": N_("Size, work and memory"),
    "ledger": N_("Distribution of the parameters and FLOPs"),
    "cache": N_("The KV cache grows with the context"),
    "fit": N_("Memory on one of each device"),
    "terms": N_("Every term of the ledger"),
}
QUESTION = PageQuestion(
    inputs=PARAMETERS,
    answer=_described,
    view=_draw,
    title=lambda values: _model_name(values),
    heading=lambda values, frame: _("{model}: {title}").format(
        model=_model_name(values), title=_(SLIDES[frame.show])
    ),
    slides=SLIDES,
    controls=_controls,
    files=_files,
    query=query_of,
)
PAGE = QUESTION.page(N_("Model size"), MODELS, carries=CARRIES)
