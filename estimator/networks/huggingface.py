"""Architecture of a Hugging Face `config.json`.

A config names its family in `model_type`; a family is one function from checked fields to an
architecture. To add a family, write that function in a module of `families`, register it there
(`registry.family`, or a row of facts with `registry.families`), and add its defaults to
`defaults.json`.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from estimator.core.messages import message, refuse
from estimator.core.notice import Notice, Refusal, Value
from estimator.networks.compiled import (
    UnknownArchitectureError,
    compiled_types,
    known_network,
)
from estimator.networks.families.decoder import GENERATIVE
from estimator.networks.families.torchvision import hub_architecture
from estimator.networks.families.unknown_decoder import FAMILIAR, FOREIGN, llama_like
from estimator.networks.fields import Fields
from estimator.networks.ledger import Architecture, Inputs, Ledger, Quantity
from estimator.networks.model_class import class_name
from estimator.networks.older_spellings import known_by_keys, spelled_as_today
from estimator.networks.other_files import quantized, refuse_other_file
from estimator.networks.registry import CLASSES, FAMILIES, known_families

PARTLY = ("Backbone", "DoubleHeadsModel")
"""Suffixes of class names with norms and heads that no family counts."""


CLASS_STEMS: Mapping[str, tuple[str, ...]] = {
    "audio-spectrogram-transformer": ("ast",),
    **dict.fromkeys(("hunyuan_v1_dense", "hunyuan_v1_moe"), ("hunyuan",)),
    **dict.fromkeys(("internlm3", "Yi", "iquestcoder"), ("internlm3", "llama", "yi", "iquest")),
    **dict.fromkeys(("RefinedWeb", "RefinedWebModel"), ("refinedweb", "rw")),
    "phi-msft": ("phi",),
    "paddleocr_vl_text": ("paddleocrtext",),
    "gpt-sw3": ("gpt2",),
    "speech_to_text": ("speech2text",),
    **{f"parakeet_{part}": ("parakeet",) for part in ("ctc", "rnnt", "tdt", "encoder")},
    "kimi_k2": ("kimi", "deepseek"),
    "nemotron-nas": ("decilm",),
    **dict.fromkeys(("minimax_m3_vl", "minimax_m3_vl_text"), ("minimaxm3",)),
    "step3p5": ("step3p",),
    "jina_bert": ("jinabert", "bert"),
    "safety_checker": ("stablediffusionsafetychecker",),
    "xlm-roberta": ("xlmroberta", "roberta"),
    **dict.fromkeys(("roberta", "camembert"), ("roberta", "camembert", "xlmroberta")),
}
"""Type -> lower-case prefixes of its class names, where they differ from the type."""


SLIP = 0.75
"""Least similarity of two spellings of a type; less similar names are others'."""


def architecture(config: Mapping[str, Any]) -> Architecture:
    """Return the architecture that a config describes.

    An unknown family is read as a Llama-like decoder if the config states all sizes, and a wrapper
    of a known language model as that model, both with a warning.

    Parameters
    ----------
    config : mapping
        Parsed `config.json` of transformers, diffusers (with `_class_name`) or timm (with
        `architecture`).

    Raises
    ------
    UnknownArchitectureError
        If the family is unknown.
    ValueError
        If a size is missing or out of bounds; the message names the key.
    """
    if not isinstance(config, Mapping):
        raise ValueError(f"config must be a mapping, got {type(config).__name__}")
    fields = _with_model_type(spelled_as_today(Fields(config)))
    fields = fields.noted(*_partly(fields), *quantized(fields))
    if (found := known_network(fields)) is not None:
        return found
    model_type = fields.text("model_type")
    if model_type in ("", "timm_wrapper") and fields.states("architecture"):
        return hub_architecture(fields)
    if not model_type:
        refuse_other_file(fields)
    if not model_type and fields.states("_class_name"):
        raise _unknown_class(fields.text("_class_name"))
    if fields.states("text_config"):
        return _language_part(fields, model_type)
    if _looks_like_a_decoder(fields):
        return _best_effort(fields, model_type)
    raise _unknown(model_type)


def model_ledger(
    config: Mapping[str, Any],
    *,
    batch: Quantity = 1,
    seq_len: Quantity | None = None,
    image_size: Quantity | None = None,
    causal: bool = False,
    windowed: bool = False,
) -> Ledger:
    """Count the ledger of one forward pass of the model in a config.

    Parameters
    ----------
    config : mapping
        A parsed `config.json`.
    batch, seq_len, image_size, causal, windowed
        See `Inputs`.

    Returns
    -------
    Ledger
        Ledger whose FLOPs broadcast over `batch` and `seq_len`.

    Raises
    ------
    ValueError
        As in `architecture`, or if a quantity is not positive and finite.

    >>> gpt2 = {"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12}
    >>> ledger = model_ledger(gpt2, seq_len=1024)
    >>> ledger.params_total, ledger.forward_flop
    (124439808, 291648307200.0)
    """
    inputs = Inputs(
        batch=batch, seq_len=seq_len, image_size=image_size, causal=causal, windowed=windowed
    )
    return architecture(config).ledger(inputs)


def _with_model_type(fields: Fields) -> Fields:
    """Return the config with the family of its class, if it has no model type."""
    name = class_name(fields)
    if fields.states("model_type"):
        return fields
    if not name:
        return known_by_keys(fields)
    stem = re.sub(r"(For[A-Z]\w*|LMHeadModel|DoubleHeadsModel|Model)$", "", name)
    for known in (*known_families(), *compiled_types()):
        if _letters(known) == _letters(stem):
            note = f"model_type is missing: read as {known} by its class {name}"
            return fields.with_values({"model_type": known}).noted(note)
    return fields


def _partly(fields: Fields) -> tuple[str, ...]:
    """Return warnings for classes that are not fully counted, or of other families."""
    name, model_type = class_name(fields), fields.text("model_type")
    notes = (f"{name} is counted like another class of its family",) * name.endswith(PARTLY)
    if not name or not (model_type in known_families() or model_type in compiled_types()):
        return notes
    part = re.sub(r"(_text|_vision)?(_model)?$", "", model_type)
    beginning = CLASS_STEMS.get(model_type) or _letters(part)
    strange = f"{name} is not a class of {model_type} but counted as one: check the parameter count"
    return notes + (strange,) * (not _letters(name).startswith(beginning))


def _letters(name: str) -> str:
    """Name of a type or class in lower-case letters and digits."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _unknown_class(name: str) -> Refusal:
    """Refuse an unknown diffusers class."""
    near = difflib.get_close_matches(name, (*CLASSES, *compiled_types()), n=3, cutoff=0.6)
    if near:
        return refuse("model_class_near", name=name, near=", ".join(near))
    return refuse("model_class_unknown", name=name, known=len(CLASSES))


def _language_part(fields: Fields, model_type: str) -> Architecture:
    """Return the inner language model of a wrapper, which decides whether its head is tied."""
    note = f"only the language model inside {model_type or 'the config'} is counted"
    part = fields.part("text_config")
    inner = part.text("model_type") or f"{model_type}_text"
    values = {**part.values, "model_type": inner}
    if fields.states("tie_word_embeddings"):
        values["tie_word_embeddings"] = fields.flag("tie_word_embeddings")
    alone = Fields(values, path=part.path, notes=(note,))
    if (found := known_network(alone)) is not None:
        return found
    if not _looks_like_a_decoder(alone):
        raise _unknown(inner)
    return _best_effort(alone, inner)


def _best_effort(fields: Fields, model_type: str) -> Architecture:
    """Build the decoder of an unknown family, with a warning that names the closest known ones."""
    near = difflib.get_close_matches(model_type, (*FAMILIES, *compiled_types()), n=3, cutoff=SLIP)
    nearest = f" (nearest: {', '.join(near)})" if near else ""
    shown = f"{model_type!r} is not known{nearest}" if model_type else "is missing"
    note = f"model_type {shown}: read as a Llama-like decoder, check the parameter count"
    return llama_like(replace(fields, notes=(*fields.notes, note)))


def _looks_like_a_decoder(fields: Fields) -> bool:
    """Return whether the config states all sizes of a decoder, without contradictions."""
    name = class_name(fields)
    return (
        all(fields.states(key) for key in FAMILIAR)
        and not fields.flag("is_encoder_decoder")
        and (name == "" or name.endswith(GENERATIVE))
        and not any(fields.states(key) for key in FOREIGN)
    )


def _unknown(model_type: str) -> UnknownArchitectureError:
    """Refuse an unknown family."""
    near = difflib.get_close_matches(model_type, (*FAMILIES, *compiled_types()), n=3, cutoff=SLIP)
    values: dict[str, Value] = {"name": repr(model_type)}
    if not model_type:
        notice = Notice("model_type_missing")
    elif near:
        notice = Notice("model_type_near", "", values | {"near": ", ".join(near)})
    else:
        notice = Notice(
            "model_type_unknown", "", values | {"known": len({*FAMILIES, *compiled_types()})}
        )
    return UnknownArchitectureError(notice, message(notice))
