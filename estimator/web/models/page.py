"""Page Model size: parameters, FLOPs and memory of a model, and the devices that fit it."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from html import escape
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import streamlit as st

from estimator.core.messages import reason
from estimator.core.units import GIB, human_capacity, significant
from estimator.memory.fit import DeviceFit, MemoryAnswer, fit_across_devices
from estimator.memory.request import MemoryQuestion
from estimator.networks.config_file import config_name, inline_config
from estimator.networks.huggingface import architecture
from estimator.networks.ledger import Architecture, Inputs, Ledger, takes
from estimator.networks.network import DEFAULT_TOKENS
from estimator.web.serve.inputs import LONGEST_CONFIG
from estimator.web.serve.inputs import model_names as served_models
from estimator.web.shared import charts, figures, plots, scenario, share, style, ticks, widgets
from estimator.web.shared.amounts import amount, localised
from estimator.web.shared.charts import Look, Row, Spec
from estimator.web.shared.frame import Frame
from estimator.web.shared.html_table import anchor, cell_html
from estimator.web.shared.kit import PageQuestion, Values
from estimator.web.shared.language import N_, _, ngettext
from estimator.web.shared.navigation import MODELS
from estimator.web.shared.notices import sentence_of, shown_all
from estimator.web.shared.profiles import (
    cached_per_server,
    devices_with,
    led_by,
    open_catalog,
    preset_names,
)
from estimator.web.shared.scenario import ConfigText, ModelName, with_hub_name
from estimator.web.shared.url_state import Choice, LinkParameters, Number, Typed

FIRST_MODEL, FIRST_DEVICE = "llama-3.1-8b", "h100-sxm"
KNOWN, CONFIG = "known", "config"
SOURCES = {KNOWN: N_("Known model"), CONFIG: "config.json"}
USES = {"serve": N_("Serve"), "train": N_("Train"), "lora": "LoRA", "qlora": "QLoRA"}
WEIGHTS = {
    "bf16": {"precision": "bf16"},
    "fp8": {"precision": "fp8"},
    "int8": {"weights": "int8"},
    "int4": {"weights": "int4"},
}
"""Format of served weights -> inputs of a memory question."""

SAMPLES = "1e8"
"""Samples in the link to Estimate, for models without text [1]."""

TOKENS_PER_PARAMETER = 20.0
"""Training tokens per parameter in the link to Estimate [token]; J. Hoffmann et al., "Training
compute-optimal large language models", 2022, arXiv:2203.15556, table 3.
"""

SHOWN_TERMS, TERMS_ON_SLIDE = 10, 5
"""Largest terms drawn individually; the rest is one bar."""

DEVICES_ON_SLIDE = ("rtx-4090", "h100-sxm", "b200", "mi300x")
DEVICES = (
    *("rtx-3060", "rtx-4090", "rtx-5090", "l40s", "a100-sxm-80", "h100-sxm", "h200-sxm", "b200"),
    *("mi300x", "mi355x", "tpu-v5p", "apple-m4-max"),
)
"""Devices of the chart, from a gaming GPU to the largest; the table has all."""

SERVED_TOKENS = 32_768.0
"""Longest context drawn if the config states no limit. [token]"""

UNITS = (
    *(N_("token"), N_("tokens"), N_("image"), N_("images"), N_("frame"), N_("frames")),
    *(N_("latent"), N_("latents")),
)
"""Units of a network's items, as in ledgers."""


@cached_per_server
def known_models() -> dict[str, str]:
    """Id -> name, with hub name, of each model with a config, the default first."""
    found = {one.id: with_hub_name(one) for one in open_catalog().presets() if one.config}
    return {FIRST_MODEL: found[FIRST_MODEL], **found}


@cached_per_server
def known_devices() -> tuple[str, ...]:
    """Devices with known memory."""
    return led_by(FIRST_DEVICE, devices_with("memory_bytes"))


def _is_known(values: Mapping[str, Any]) -> bool:
    return bool(values["source"] == KNOWN)


def _takes(field: str) -> Callable[[Mapping[str, Any]], bool]:
    """Return whether the model of some values takes an input of its pass."""

    def is_taken(values: Mapping[str, Any]) -> bool:
        with suppress(ValueError):
            return field in _read_network(_config_of(values))[1]
        return False

    return is_taken


PARAMETERS = LinkParameters(
    "models",
    Choice(
        "source",
        tuple(SOURCES),
        abreast=True,
        label=N_("Source"),
        help=N_("A built-in model, or one described by its config.json."),
        called=lambda: SOURCES,
    ),
    ModelName(
        "model",
        known_models(),
        new=True,
        called=known_models,
        label=N_("Model, or its name on the hub"),
        help=N_("Type to search: a name, with or without dashes, spaces or its publisher."),
        when=_is_known,
    ),
    ConfigText(
        "config",
        label=N_("config.json of a Hugging Face model"),
        help=N_("Text of the file that describes the architecture; it stays on this server."),
        when=lambda values: not _is_known(values),
    ),
    Number(
        "batch",
        1.0,
        low=1.0,
        high=65536.0,
        whole=True,
        label=N_("Sequences or images at a time"),
        help=N_("Processed together; each needs its own memory."),
    ),
    Typed(
        "length",
        low=1.0,
        high=1e8,
        label=N_("Tokens in a sequence"),
        help=N_("Longer sequences need more memory and more work for attention."),
        when=_takes("seq_len"),
    ),
    Typed(
        "image",
        low=1.0,
        high=1e5,
        label=N_("Pixels on a side"),
        help=N_("Image size. Leave empty for the model's native size."),
        when=_takes("image_size"),
    ),
    Choice(
        "use",
        tuple(USES),
        abreast=True,
        label=N_("Use"),
        help=N_("Training keeps gradients and optimizer states in memory, too; adapters fewer."),
        called=lambda: USES,
    ),
    Choice(
        "weights",
        tuple(WEIGHTS),
        label=N_("Weights"),
        help=N_("Number format of the weights while serving."),
        when=lambda values: bool(values["use"] == "serve"),
    ),
    scenario.hardware(known_devices()),
    Choice("view", ("fit", "ledger", "cache"), help=N_("Chart to show.")),
)
VIEWS = {
    "fit": N_("Device memory"),
    "ledger": N_("Parameters and FLOPs"),
    "cache": N_("KV cache"),
}
"""View of the page -> its name."""


@dataclass(frozen=True, kw_only=True)
class Counted:
    """A model, its pass, and its memory on every device.

    Parameters
    ----------
    name : str
    ledger : Ledger
        Of the pass that was asked for.
    length, longest : float
        Tokens in a sequence, and of the longest context [token].
    memory : MemoryAnswer or None
        What it needs on one device; None where that is not modelled, for the reason `refusal`.
    fits : tuple of DeviceFit
        How that compares with each device.
    """

    name: str
    ledger: Ledger
    length: float
    longest: float
    memory: MemoryAnswer | None = None
    fits: tuple[DeviceFit, ...] = ()
    refusal: str = ""


def _count_selected(values: Values) -> Counted:
    """Count the selected model.

    Raises
    ------
    ValueError
        If a config.json is asked for and none is given.
    """
    if values["source"] == CONFIG and not values["config"]:
        if "config" in PARAMETERS.problems(st.session_state):
            raise ValueError(_("the config.json above cannot be read"))
        raise ValueError(_("paste or upload the config.json of a model"))
    return count_model(tuple((name, one) for name, one in values.items() if name != "view"))


@lru_cache(maxsize=64)
def count_model(values: tuple[tuple[str, Any], ...]) -> Counted:
    """Count a model and compare its memory with every device, cached."""
    asked = dict(values)
    network, inputs = _read_network(_config_of(asked))
    length, image = (
        asked[name] if field in inputs else None
        for name, field in (("length", "seq_len"), ("image", "image_size"))
    )
    longest = float(getattr(network, "max_positions", SERVED_TOKENS))
    found = Counted(
        name=_model_name(asked),
        ledger=network.ledger(
            Inputs(batch=float(asked["batch"]), seq_len=length, image_size=image)
        ),
        length=length or min(longest, float(DEFAULT_TOKENS)),
        longest=longest,
    )
    model = asked["model"] if _is_known(asked) else asked["config"]
    finetune = None if asked["use"] == "train" else asked["use"]
    way: dict[str, Any] = {"seq_len": found.length, "finetune": finetune}
    if asked["use"] == "serve":
        way = {"inference": True, "context": found.length, **WEIGHTS[asked["weights"]]}
    question = MemoryQuestion(model=model, micro_batch=float(asked["batch"]), **way)
    try:
        memory, fits = fit_across_devices(question, open_catalog())
    except ValueError as error:
        return replace(found, refusal=sentence_of(reason(error)))
    return replace(found, memory=memory, fits=fits)


@lru_cache(maxsize=64)
def _read_network(config: str) -> tuple[Architecture, tuple[str, ...]]:
    """Architecture of a config's text, and the inputs that affect its pass."""
    network = architecture(inline_config(config))
    return network, tuple(field for field in ("seq_len", "image_size") if takes(network, field))


def _config_of(values: Mapping[str, Any]) -> str:
    """Text of the selected model's config, without our additions."""
    if not _is_known(values):
        return str(values["config"])
    config = dict(open_catalog().preset(values["model"]).config)
    config.pop("source", None)
    return json.dumps(config)


def _model_name(values: Mapping[str, Any]) -> str:
    if not _is_known(values) and values["config"]:
        return config_name(values["config"])
    return open_catalog().preset(values["model"]).name


def _query(values: Values) -> dict[str, str]:
    """State as link parameters, limited to the selected source of the model."""
    query = PARAMETERS.query(values)
    if _is_known(values) or len(values["config"]) > LONGEST_CONFIG:
        query.pop("config")
    return {name: text for name, text in query.items() if text}


def _draw(values: Values, model: Counted, frame: Frame) -> None:
    """Draw the figures and the chosen chart, or a slide."""
    if frame.shows("figures"):
        style.sentence(_sentence(values, model))
        style.figures(_cards(values, model))
    if frame.slide:
        if frame.show != "figures":
            DRAWN[frame.show](values, model, frame)
        return
    _links(values, model)
    widgets.switch(PARAMETERS, "view", _("View"), VIEWS)
    DRAWN[values["view"]](values, model, frame)
    notices = () if model.memory is None else shown_all(model.memory.notices)
    said = (*model.ledger.warnings, *notices, *filter(None, [model.refusal]))
    style.assumptions(dict.fromkeys(said))
    if not _is_known(values) and "config" not in _query(values):
        text = _(
            "This config is too long for the link ({count:,} characters), which leaves it out."
        )
        style.caption(text.format(count=len(values["config"])))


def _sentence(values: Values, model: Counted) -> str:
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
    if fit.least_devices == 1:
        text = _("It fits on one {device}, {share} full.")
    elif fit.least_devices is None:
        text = _("It does not fit on any number of {device} with these settings.")
    else:
        text = _("It takes {count} {device}.")
    said = text.format(
        device=fit.device.name,
        share=amount(float(fit.share.mid), "share"),
        count=localised(f"{fit.least_devices or 0.0:,.0f}"),
    )
    if model.memory is not None and model.memory.without_activations:
        said += " " + _("Activations are not modelled and not included.")
    return f"{shown} {escape(said)}"


def _cards(values: Values, model: Counted) -> list[str]:
    """Headline figures."""
    ledger, batch = model.ledger, values["batch"]
    items = float(ledger.items)
    unit = ledger.item_unit if items == 1 else f"{ledger.item_unit}s"
    embedded = amount(ledger.params_embedding, "1")
    cards = [
        (
            *("params_total", _("Parameters"), amount(ledger.params_total, "1")),
            _("{count} in embeddings").format(count=embedded),
        ),
        (
            *("training_flop", _("Training step"), amount(float(ledger.training_flop), "FLOP")),
            f"{localised(f'{items:,.0f}')} {_(unit)}",
        ),
        ("weights_bytes", _("Weights"), amount(ledger.weights_bytes(), "B"), _("at 16 bit")),
    ]
    cache, state = ledger.kv_cache_bytes_per_token(), ledger.state_bytes()
    if cache:
        kept = _("{all} for {tokens} tokens").format(
            all=amount(float(ledger.kv_cache_bytes(model.length, batch)), "B"),
            tokens=localised(f"{model.length * batch:,.0f}"),
        )
        cards.append(("kv_cache_bytes", _("KV cache per token"), amount(cache, "B"), kept))
    elif state:
        text = (amount(state, "B"), _("whatever its length"))
        cards.append(("state_bytes", _("State per sequence"), *text))
    return [style.figure(*card, ()) for card in cards]


def _links(values: Values, model: Counted) -> None:
    """Draw links to further pages for the model, and what they open with."""
    training = _training(values, model)
    found = [anchor(f"estimate?{urlencode(training)}", _("Estimate its training"))]
    serving = _serving(values, model)
    if serving:
        found.append(anchor(f"serve?{urlencode(serving)}", _("Serve it")))
    shown = " · ".join(cell_html(one) for one in found)
    st.html(f'<p class="tw tw-links">{shown}</p>')
    if "samples" in training:
        style.caption(_("The training page opens with 100 million samples: set yours there."))
    if "tokens" in training:
        style.caption(_("The training page opens with 20 tokens per parameter (Hoffmann 2022)."))


def _training(values: Values, model: Counted) -> dict[str, str]:
    """Query of the page Estimate that trains the model."""
    hardware = {"hardware": values["hardware"]}
    if _is_known(values) and values["model"] in preset_names():
        return {"preset": values["model"], **hardware}
    config, ledger = _config_of(values), model.ledger
    reads = ledger.item_unit == "token" and "image_size" not in _read_network(config)[1]
    tokens = f"{TOKENS_PER_PARAMETER * ledger.params_active:.3g}"
    work = {"tokens": tokens} if reads or ledger.cache else {"samples": SAMPLES}
    return {"config": config, **work, **hardware}


def _serving(values: Values, model: Counted) -> dict[str, str]:
    """Query of the page Inference for the model, empty if it does not generate text."""
    hardware, config = {"hardware": values["hardware"]}, values["config"]
    if _is_known(values):
        return {"model": values["model"], **hardware} if values["model"] in served_models() else {}
    fits = model.ledger.cache and len(config) <= LONGEST_CONFIG
    return {"config": config, **hardware} if fits else {}


def _draw_fit(values: Values, model: Counted, frame: Frame) -> None:
    """Draw the memory use of one device of each type."""
    if model.memory is None:
        style.caption(model.refusal)
        return
    kinds = (_("fits on one"), _("needs more than one"))
    wanted = DEVICES_ON_SLIDE if frame.slide else DEVICES
    fits = {fit.device.id: fit for fit in model.fits}
    chosen = dict.fromkeys((*wanted, values["hardware"]))
    title = _("share of the memory of one device")
    if model.memory.without_activations:
        title = _("share of the memory of one device, without activations")
    rows = [_fit_row(fits[name], kinds) for name in chosen if name in fits]
    picture = plots.ranges_picture(rows, title, kinds, "share", aim=1.0)
    figures.draw_picture(picture, frame.look, key="models_fit")
    if frame.slide:
        return
    style.caption(
        _(
            "{use}, {tokens} tokens in a sequence; bars are 80% intervals. On several devices: "
            "tensor parallelism to serve, full sharding to train."
        ).format(use=_(USES[values["use"]]), tokens=localised(f"{model.length:,.0f}"))
    )
    with style.folded(_("All devices"), "models_devices") as fold:
        if fold.open:
            table = pd.DataFrame(
                {
                    _("Device"): fit.device.name,
                    _("Memory [GB]"): significant(fit.capacity_bytes / GIB),
                    _("Share needed [%]"): significant(100.0 * float(fit.share.mid)),
                    _("Devices that hold it"): fit.least_devices,
                }
                for fit in sorted(model.fits, key=lambda one: -one.capacity_bytes)
            )
            numbers = {name: widgets.number_column(name) for name in table.columns[1:]}
            st.dataframe(table, column_config=numbers, hide_index=True, placeholder="–")


def _fit_row(fit: DeviceFit, kinds: tuple[str, str]) -> Row:
    low, high = (float(bound) for bound in fit.share.interval())
    mid = float(fit.share.mid)
    if mid <= 1.0:
        text = _("{share} of {held}").format(
            share=amount(mid, "share"), held=localised(human_capacity(fit.capacity_bytes))
        )
    elif fit.least_devices is None:
        text = _("does not fit on any number")
    else:
        text = _("{count} needed").format(count=localised(f"{fit.least_devices:,.0f}"))
    return plots.interval(
        fit.device.id, (low, mid, high), f"{fit.device.name}: {text}", kinds[mid > 1.0]
    )


def _terms(model: Counted) -> list[Row]:
    """Return the terms of the ledger as rows, in order of the pass."""
    return [
        {
            "term": name,
            "params": term.params,
            "active_params": term.active_params,
            "forward_flop": float(term.flop),
        }
        for name, term in model.ledger.terms.items()
    ]


def _draw_ledger(values: Values, model: Counted, frame: Frame) -> None:
    """Draw each term's share of parameters and forward FLOPs, and fold the numbers."""
    table = pd.DataFrame(_terms(model)).set_index("term")[["params", "forward_flop"]]
    shares = (table / table.sum()).fillna(0.0)
    large = shares.max(axis=1).nlargest(TERMS_ON_SLIDE if frame.slide else SHOWN_TERMS).index
    small = shares[~shares.index.isin(large)]
    shown = shares[shares.index.isin(large)].copy()
    if len(small):
        shown.loc[_("{count} smaller ones").format(count=len(small))] = small.sum()
    kinds = (_("parameters"), _("forward FLOPs"))
    rows: list[Row] = [
        {
            "term": name,
            "kind": kind,
            "share": part,
            "text": f"{name}: {amount(part, 'share')}, {kind}",
        }
        for name, *parts in shown.itertuples()
        for kind, part in zip(kinds, parts, strict=True)
    ]
    most = amount(max(row["share"] for row in rows), "share")
    largest = [row["text"] for row in rows if amount(row["share"], "share") == most]
    figures.draw(
        shares_by_term,
        pd.DataFrame(rows),
        frame.look,
        of=(_("share of the whole"), kinds),
        height=min(22.0 * frame.look.scale * len(rows), 600.0),
        key="models_ledger",
        alt=_("Largest: {text}.").format(text="; ".join(largest)),
    )
    if frame.slide:
        return
    style.caption(
        _(
            "Matrix products, convolutions and attention products, a multiply-add as two FLOPs,"
            " full attention; backward is twice forward."
        )
    )
    names = {"term": _("Term"), "params": _("parameters"), "forward_flop": _("forward FLOPs")}
    columns = {name: widgets.number_column(text) for name, text in names.items()}
    columns["term"] = widgets.heading(names["term"])
    with style.folded(_("Every term of the ledger"), "models_terms") as fold:
        if fold.open:
            st.dataframe(table.reset_index(), column_config=columns, hide_index=True)


def shares_by_term(look: Look, title: str, names: tuple[str, ...]) -> Spec:
    """Two bars per term on one linear axis: columns term, kind, share, text."""
    x = {"field": "share", "type": "quantitative", "title": title, "stack": None}
    y = {"field": "term", "type": "nominal", "sort": None, "title": None}
    axis = {"labelLimit": 330 * look.scale, "ticks": False, "domain": False}
    encoding = {
        "x": x | {"axis": ticks.linear("share", 5)},
        "y": y | {"axis": axis, "scale": {"paddingInner": 0.25}},
        "yOffset": {"field": "kind", "type": "nominal", "sort": list(names)},
        "color": charts.distinguished("kind", names, look.colours["series"], len(names)),
        "tooltip": charts.tooltip("text"),
    }
    return charts.layered(look, 8 * look.row_px, charts.layer("bar", encoding))


def _draw_cache(values: Values, model: Counted, frame: Frame) -> None:
    """Draw KV cache over context length, next to the weights."""
    ledger, batch = model.ledger, values["batch"]
    if not ledger.cache:
        style.caption(_("It has no KV cache, as it does not generate token by token."))
        return
    longest = model.longest
    contexts = np.geomspace(min(128.0, longest / 8.0), longest, 60)
    lines = {
        _("16-bit KV cache"): ledger.kv_cache_bytes(contexts, batch, 2.0),
        _("8-bit KV cache"): ledger.kv_cache_bytes(contexts, batch, 1.0),
        _("16-bit weights"): np.full_like(contexts, ledger.weights_bytes()),
    }
    rows = [row for name, sizes in lines.items() for row in plots.line(contexts, sizes / 1e9, name)]
    full = float(ledger.kv_cache_bytes(longest, batch))
    shown = _("{bytes} for {tokens} tokens").format(
        bytes=amount(full, "B"), tokens=localised(f"{longest:,.0f}")
    )
    rows.append(plots.mark(longest, full / 1e9, shown))
    titles = (_("tokens of context"), _("memory [GB]"))
    picture = plots.curves_picture(rows, titles, (True, True), tuple(lines), alt=shown)
    figures.draw_picture(picture, frame.look, key="models_cache")
    text = ngettext("{n} sequence: {shown}.", "{n} sequences: {shown}.", batch)
    style.caption(text.format(n=localised(f"{batch:,}"), shown=shown))


DRAWN = {"fit": _draw_fit, "ledger": _draw_ledger, "cache": _draw_cache}
"""View or slide -> what draws it."""

SLIDES = {
    "figures": N_("Size, work and memory"),
    "ledger": N_("Distribution of the parameters and FLOPs"),
    "cache": N_("The KV cache grows with the context"),
    "fit": N_("Memory on one of each device"),
}
QUESTION = PageQuestion(
    inputs=PARAMETERS,
    answer=_count_selected,
    view=_draw,
    title=_model_name,
    heading=lambda values, frame: _("{model}: {title}").format(
        model=_model_name(values), title=_(SLIDES[frame.show])
    ),
    slides=SLIDES,
    files=lambda values, model: (
        share.csv("model", lambda: _terms(model)),
        share.json("model", lambda: _terms(model)),
    ),
    query=_query,
)
PAGE = QUESTION.page(N_("Model size"), MODELS, carries={"model": "model"})
