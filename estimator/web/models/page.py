"""Models: parameters, FLOPs and memory of a config.json, term by term, and what holds it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from html import escape
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import streamlit as st

from estimator.core.messages import reason
from estimator.core.units import significant
from estimator.memory.fit import DeviceFit, MemoryAnswer, fit_across_devices
from estimator.web.models import charts
from estimator.web.models.inputs import (
    CONFIG,
    KNOWN,
    PARAMETERS,
    SOURCES,
    STATE,
    USES,
    known_models,
    query_of,
    question_of,
)
from estimator.web.serve.inputs import LONGEST_CONFIG
from estimator.web.serve.inputs import model_names as served_models
from estimator.web.shared import figures, plots, share, style, widgets
from estimator.web.shared.amounts import amount, localised
from estimator.web.shared.charts import Row
from estimator.web.shared.frame import Frame
from estimator.web.shared.html_table import anchor, cell_html, draw_table
from estimator.web.shared.language import N_, _, ngettext
from estimator.web.shared.notices import shown, shown_all
from estimator.web.shared.profiles import hardware_names, open_catalog, preset_names
from estimator.web.shared.site import Page, controls
from estimator.web.shared.valid import Values
from estimator.workload.config_file import config_name, inline_config
from estimator.workload.huggingface import architecture
from estimator.workload.ledger import Architecture, Inputs, Ledger, takes
from estimator.workload.network import DEFAULT_TOKENS

SHOWN_TERMS, TERMS_ON_SLIDE = 10, 5
"""Largest terms drawn one by one; the rest is one bar."""

ROWS_ON_SLIDE = 8
DEVICES_ON_SLIDE = ("rtx-4090", "h100-sxm", "b200", "mi300x")
DEVICES = (
    "rtx-3060",
    "rtx-4090",
    "rtx-5090",
    "l40s",
    "a100-sxm-80",
    "h100-sxm",
    "h200-sxm",
    "b200",
    "mi300x",
    "mi355x",
    "tpu-v5p",
    "apple-m4-max",
)
"""Devices of the picture, from a player's card to the largest; the table has all."""

SERVED_TOKENS = 32_768.0
"""Longest context drawn where the config does not bound it. [token]"""

SAMPLES = "1e8"
"""Samples of the link to Estimate, for models that read no text [1]."""

TOKENS_PER_PARAMETER = 20.0
"""Training tokens of the link to Estimate [token]; J. Hoffmann et al., "Training compute-optimal
large language models", 2022, arXiv:2203.15556, table 3."""

FULL = 1.0


@dataclass(frozen=True, kw_only=True)
class Described:
    """All that the page shows of one model.

    Parameters
    ----------
    name : str
        What people call it.
    network : Architecture
        The model.
    ledger : Ledger
        Its terms over the pass that was asked for.
    length : float
        Tokens in a sequence. [token]
    takes : tuple of str
        Which of the inputs `seq_len` and `image_size` change the pass.
    memory : MemoryAnswer or None
        What it needs on one device; None where that is not modelled.
    fits : tuple of DeviceFit
        How that stands to each device.
    refusal : str
        Why there is no `memory`; may be empty.
    """

    name: str
    network: Architecture
    ledger: Ledger
    length: float
    takes: tuple[str, ...]
    memory: MemoryAnswer | None
    fits: tuple[DeviceFit, ...]
    refusal: str

    @property
    def without_activations(self) -> bool:
        """Whether the memory that it needs leaves out activations."""
        return self.memory is not None and self.memory.without_activations

    @property
    def notes(self) -> list[str]:
        """What to know before trusting the numbers."""
        more = () if self.memory is None else shown_all(self.memory.notices)
        return list(dict.fromkeys((*self.ledger.warnings, *more)))


def draw(frame: Frame) -> None:
    """Draw the model in a sentence, its figures and pictures, and where it can be used."""
    values = share.begin(STATE)
    missing = values["source"] == CONFIG and not values["config"]
    problems = list(PARAMETERS.problems(st.session_state).values())
    if missing and not problems:
        problems = [_("paste or upload the config.json of a model")]
    model = described(tuple(values.items()))
    if frame.slide:
        title = _("{model}: {title}").format(model=model.name, title=_(SLIDES[frame.show]))
        style.slide_title(title)
    with style.last_valid("; ".join(problems)):
        _draw_model(values, model, frame)
    with controls(frame):
        _controls(values, model)
    query = query_of(values)
    if not frame.slide:
        if values["source"] == CONFIG and "config" not in query and not missing:
            text = _(
                "This config is too long for the link ({count:,} characters), which leaves it out."
            )
            style.caption(text.format(count=len(values["config"])))
        share.draw(SLIDES, query, title=model.name, files=_files(model))
    share.leave(STATE, query, frame)


@lru_cache(maxsize=64)
def described(values: tuple[tuple[str, Any], ...]) -> Described:
    """Count a model and set its memory against every device; the same is done once."""
    asked = dict(values)
    name, config, model = _chosen(asked)
    network, inputs = _read(json.dumps(dict(config)))
    ledger = network.ledger(
        Inputs(
            batch=float(asked["batch"]),
            seq_len=asked["length"] if "seq_len" in inputs else None,
            image_size=asked["image"] if "image_size" in inputs else None,
        )
    )
    usual = float(min(getattr(network, "max_positions", DEFAULT_TOKENS), DEFAULT_TOKENS))
    length = (asked["length"] if "seq_len" in inputs else None) or usual
    memory, fits, refusal = None, tuple[DeviceFit, ...](), ""
    try:
        memory, fits = fit_across_devices(question_of(asked, model, length), open_catalog())
    except ValueError as error:
        refusal = shown(reason(error))
    return Described(
        name=name,
        network=network,
        ledger=ledger,
        length=length,
        takes=inputs,
        memory=memory,
        fits=fits,
        refusal=refusal,
    )


@lru_cache(maxsize=64)
def _read(config: str) -> tuple[Architecture, tuple[str, ...]]:
    """Architecture of the text of a config, and which inputs change its pass."""
    network = architecture(inline_config(config))
    return network, tuple(field for field in ("seq_len", "image_size") if takes(network, field))


def _chosen(values: Values) -> tuple[str, Mapping[str, Any], str]:
    """Name of the model, its config, and what a question about memory calls it."""
    if values["source"] == CONFIG and values["config"]:
        config = values["config"]
        return config_name(config), inline_config(config), config
    preset = open_catalog().preset(values["model"])
    return preset.name, preset.config, preset.id


def _draw_model(values: Values, model: Described, frame: Frame) -> None:
    """Draw what the page or the slide shows."""
    if frame.shows("figures"):
        style.sentence(_sentence(values, model))
        style.figures(_cards(values, model))
        if not frame.slide:
            style.assumptions([*model.notes, *([model.refusal] if model.refusal else [])])
            _links(values, model)
    style.sections(PICTURES, SLIDES, frame, values, model)


def _sentence(values: Values, model: Described) -> str:
    """Say how large it is and on how many devices it fits."""
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
    """Say whether the use asked for fits on a device, and how many hold it."""
    name = fit.device.name
    if fit.least_devices == 1:
        text = _("It fits on one {device}, {share} full.")
        return text.format(device=name, share=amount(float(fit.share.mid), "share"))
    if fit.least_devices is None:
        return _("It does not fit on any number of {device} in this way.").format(device=name)
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
    """Say what passes through."""
    items = float(ledger.items)
    unit = ledger.item_unit if items == 1 else f"{ledger.item_unit}s"
    return f"{localised(f'{items:,.0f}')} {_(unit)}"


UNITS = (
    *(N_("token"), N_("tokens"), N_("image"), N_("images"), N_("frame"), N_("frames")),
    *(N_("latent"), N_("latents")),
)
"""What passes through a network, as a ledger calls it."""


def _draw_ledger(values: Values, model: Described, frame: Frame) -> None:
    """Share of each term in the parameters and in the forward FLOPs."""
    kinds = (_("parameters"), _("forward FLOPs"))
    rows: list[Row] = [
        {
            "term": name,
            "kind": kind,
            "share": part,
            "text": f"{name}: {amount(part, 'share')}, {kind}",
        }
        for name, parts in _shares(model.ledger, TERMS_ON_SLIDE if frame.slide else SHOWN_TERMS)
        for kind, part in zip(kinds, parts, strict=True)
    ]
    terms = len(rows) // 2
    per_term_px = 44.0 * frame.look.scale
    most = amount(max(row["share"] for row in rows), "share")
    largest = [row["text"] for row in rows if amount(row["share"], "share") == most]
    figures.draw(
        charts.shares_by_term,
        pd.DataFrame(rows),
        frame.look,
        of=(_("share of the whole"), kinds),
        height=min(per_term_px * terms, 400.0 if frame.slide else 600.0),
        key="models_ledger",
        alt=_("Largest: {text}.").format(text="; ".join(largest)),
    )
    if not frame.slide:
        style.caption(
            _(
                "Matrix products, convolutions and attention products, a multiply-add as two FLOPs,"
                " full attention; backward is twice forward."
            )
        )


def _shares(ledger: Ledger, most: int) -> list[tuple[str, tuple[float, float]]]:
    """Terms in the order of the pass, the small ones as one."""
    params, flop = float(ledger.params_total), float(ledger.forward_flop)
    shares = {
        name: (term.params / params, float(term.flop) / flop if flop else 0.0)
        for name, term in ledger.terms.items()
    }
    large = sorted(shares, key=lambda name: -max(shares[name]))[:most]
    found = [(name, part) for name, part in shares.items() if name in large]
    small = [part for name, part in shares.items() if name not in large]
    if small:
        rest = (sum(part[0] for part in small), sum(part[1] for part in small))
        found.append((_("{count} smaller ones").format(count=len(small)), rest))
    return found


def _draw_terms(values: Values, model: Described, frame: Frame) -> None:
    """Every term in figures."""
    ledger = model.ledger
    params, flop = float(ledger.params_total), float(ledger.forward_flop)
    terms = list(ledger.terms.items())
    if frame.slide:
        largest = sorted(terms, key=lambda one: -float(one[1].flop))[:ROWS_ON_SLIDE]
        terms = [one for one in terms if one in largest]
    rows = [
        (
            name,
            localised(f"{term.params:,}"),
            amount(term.params / params, "share"),
            amount(float(term.flop), "FLOP"),
            amount(float(term.flop) / flop, "share") if flop else "–",
        )
        for name, term in terms
    ]
    head = (_("Term"), _("parameters"), _("share"), _("forward"), _("share"))
    draw_table(head, rows)


def _draw_cache(values: Values, model: Described, frame: Frame) -> None:
    """KV cache against the length of the context, beside the weights."""
    if not model.ledger.cache:
        style.caption(_("It keeps no cache: it does not write token by token."))
        return
    longest = float(getattr(model.network, "max_positions", SERVED_TOKENS))
    contexts = np.geomspace(min(128.0, longest / 8.0), longest, 60)
    lines = {
        _("KV cache at 16 bit"): model.ledger.kv_cache_bytes(contexts, values["batch"], 2.0),
        _("KV cache at 8 bit"): model.ledger.kv_cache_bytes(contexts, values["batch"], 1.0),
        _("weights at 16 bit"): np.full_like(contexts, model.ledger.weights_bytes()),
    }
    rows: list[Row] = []
    for name, sizes in lines.items():
        rows += plots.line(contexts, np.asarray(sizes) / 1e9, name)
    full = float(next(iter(lines.values()))[-1])
    shown = _("{bytes} for {tokens} tokens").format(
        bytes=amount(full, "B"), tokens=localised(f"{longest:,.0f}")
    )
    rows.append(plots.mark(longest, full / 1e9, shown))
    titles = (_("tokens of context"), _("memory [GB]"))
    picture = plots.curves_picture(rows, titles, (True, True), tuple(lines), alt=shown)
    figures.draw_picture(picture, frame.look, key="models_cache")
    style.caption(
        ngettext("{n} sequence: {shown}.", "{n} sequences: {shown}.", values["batch"]).format(
            n=localised(f"{values['batch']:,}"), shown=shown
        )
    )


def _draw_fit(values: Values, model: Described, frame: Frame) -> None:
    """How full one of each device would be."""
    if model.refusal:
        style.caption(model.refusal)
        return
    kinds = (_("fits on one"), _("takes more"))
    wanted = DEVICES_ON_SLIDE if frame.slide else DEVICES
    chosen = dict.fromkeys((*wanted, values["hardware"]))
    fits = {fit.device.id: fit for fit in model.fits}
    rows = [_fit_row(fits[name], kinds) for name in chosen if name in fits]
    title = _("share of the memory of one device")
    if model.without_activations:
        title = _("share of the memory of one device, without activations")
    ranges = plots.ranges_picture(rows, title, kinds, "share")
    picture = replace(ranges, build=charts.shares_of_memory)
    figures.draw_picture(picture, frame.look, key="models_fit", most=figures.ALONE_PX)
    if frame.slide:
        return
    style.caption(
        _(
            "{use}, {tokens} tokens in a sequence, bars of 80 %. Over more devices it is shared "
            "out by tensor parallelism to serve, fully sharded to train."
        ).format(use=_(USES[values["use"]]), tokens=localised(f"{model.length:,.0f}"))
    )
    with style.folded(_("All devices"), "models_devices") as fold:
        if fold.open:
            table = _fit_table(model.fits)
            numbers = {name: widgets.number_column(name) for name in table.columns[1:]}
            st.dataframe(table, column_config=numbers, hide_index=True, placeholder="–")


def _fit_row(fit: DeviceFit, kinds: tuple[str, str]) -> Row:
    low, high = (float(bound) for bound in fit.share.interval())
    mid = float(fit.share.mid)
    if mid <= FULL:
        text = _("{share} of {held}").format(
            share=amount(mid, "share"), held=amount(fit.capacity_bytes, "B")
        )
    elif fit.least_devices is None:
        text = _("too small in any number")
    else:
        text = _("{count} needed").format(count=localised(f"{fit.least_devices:,.0f}"))
    kind = kinds[0] if mid <= FULL else kinds[1]
    return plots.interval(fit.device.id, (low, mid, high), f"{fit.device.name}: {text}", kind)


def _fit_table(fits: tuple[DeviceFit, ...]) -> pd.DataFrame:
    """Every device with what it holds and how many hold the model."""
    return pd.DataFrame(
        [
            {
                _("Device"): fit.device.name,
                _("Memory [GB]"): significant(fit.capacity_bytes / 1e9),
                _("Share needed [%]"): significant(100.0 * float(fit.share.mid)),
                _("Devices that hold it"): fit.least_devices,
            }
            for fit in sorted(fits, key=lambda one: -one.capacity_bytes)
        ]
    )


def _links(values: Values, model: Described) -> None:
    """Link to the pages that take the model further."""
    found = [anchor(f"estimate?{urlencode(_training(values, model))}", _("Estimate its training"))]
    serving = _serving(values, model)
    if serving:
        found.append(anchor(f"serve?{urlencode(serving)}", _("Serve it")))
    shown = " · ".join(cell_html(one) for one in found)
    st.html(f'<p class="tw tw-links">{shown}</p>')
    training = _training(values, model)
    if "samples" in training:
        style.caption(_("The training is opened with 100 million samples: set yours there."))
    if "tokens" in training:
        style.caption(_("The training is opened with 20 tokens per parameter (Hoffmann 2022)."))


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
    """Config without what our records add."""
    return {name: value for name, value in config.items() if name != "source"}


def _serving(values: Values, model: Described) -> dict[str, str]:
    """Query of the page Serve with the model; empty where it does not write text."""
    if values["source"] == KNOWN and values["model"] in served_models():
        return {"model": values["model"], "hardware": values["hardware"]}
    config = values["config"]
    if values["source"] == CONFIG and model.ledger.cache and 0 < len(config) <= LONGEST_CONFIG:
        return {"config": config, "hardware": values["hardware"]}
    return {}


def _files(model: Described) -> tuple[share.File, ...]:
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


def _controls(values: Values, model: Described) -> None:
    """Draw the controls: the model, the pass, the use."""
    names = known_models()
    widgets.switch(PARAMETERS, "source", _("Source"), SOURCES, visible=True)
    if values["source"] == KNOWN:
        st.selectbox(
            _("Model, or its name on the hub"),
            list(names),
            format_func=lambda name: names.get(name, name),
            accept_new_options=True,
            key=STATE.key("model"),
        )
    else:
        st.text_area(
            _("config.json of a Hugging Face model"),
            key=STATE.key("config"),
            height=160,
            placeholder='{"model_type": "llama", "hidden_size": 4096, ...}',
        )
        st.file_uploader(
            _("or as a file"),
            type="json",
            max_upload_size=1,
            key="models_file",
            on_change=_take_file,
        )
    widgets.number(PARAMETERS, "batch", _("Sequences or images at a time"))
    if "seq_len" in model.takes:
        st.text_input(
            _("Tokens in a sequence"),
            key=STATE.key("length"),
            placeholder=localised(f"{model.length:,.0f}"),
        )
    if "image_size" in model.takes:
        st.text_input(_("Pixels on a side"), key=STATE.key("image"), placeholder=_("as usual"))
    widgets.switch(PARAMETERS, "use", _("Use"), USES, visible=True)
    if values["use"] == "serve":
        widgets.choose(PARAMETERS, "weights", _("Weights"), {})
    widgets.choose(PARAMETERS, "hardware", _("Hardware"), hardware_names())


def _take_file() -> None:
    """Put an uploaded file into the text box."""
    upload = st.session_state["models_file"]
    if upload is not None:
        text = upload.getvalue().decode("utf-8", errors="replace")
        st.session_state[STATE.key("config")] = text


PICTURES: dict[str, Callable[[Values, Described, Frame], None]] = {
    "ledger": _draw_ledger,
    "cache": _draw_cache,
    "fit": _draw_fit,
    "terms": _draw_terms,
}
SLIDES = {
    "figures": N_("Size, work and memory"),
    "ledger": N_("Where the parameters and the FLOPs are"),
    "cache": N_("The KV cache grows with the context"),
    "fit": N_("Memory on one of each device"),
    "terms": N_("Every term of the ledger"),
}
PAGE = Page(path="models", title=N_("Models"), draw=draw, slides=SLIDES)
