"""Architectures by their torchvision or timm names: resnet50, vit_b_16, alexnet.

Sizes are those of the papers, as in torchvision 0.20 and timm 1.0, which agree on shared names.
"""

import difflib
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from estimator.core.messages import refuse
from estimator.networks.compiled import compiled_network
from estimator.networks.convolution import (
    square,
)
from estimator.networks.fields import Fields
from estimator.networks.ledger import Architecture
from estimator.networks.model_class import label_count
from estimator.networks.registry import known_families

Row = Mapping[str, Any]
"""Facts that distinguish one network of a kind."""


IMAGENET_CLASSES = 1000

HARMLESS = {"img_size", "num_classes", "drop_rate", "drop_path_rate", "global_pool"}
"""timm arguments without effect on the counts."""


@cache
def named_networks() -> Mapping[str, tuple[str, Row]]:
    """Name -> its kind or `model_type` and row; names may refer to another's row."""
    text = Path(__file__).parents[1].joinpath("named_networks.json").read_text(encoding="utf-8")
    found = {}
    for kind, group in json.loads(text).items():
        rows = group["networks"]
        for name, row in rows.items():
            found[name] = kind, rows[row] if isinstance(row, str) else row
    return found


@cache
def _index() -> Mapping[str, str]:
    """Return normalized names and the names they stand for."""
    return {_plain(name): name for name in named_networks()}


def is_named(name: str) -> bool:
    """Return whether a name is a known architecture.

    >>> is_named("resnet50"), is_named("ResNet-50"), is_named("gpt-3")
    (True, True, False)
    """
    return _plain(name) in _index()


BARE = {"vit": "vit_msn", "clip": "clip_vision_model", "siglip": "siglip_vision_model"}
"""Kind -> reader of its bare trunk, without pooler and text."""


def named_architecture(
    name: str, classes: int | None = None, side: int | None = None
) -> Architecture:
    """Find the architecture with a torchvision or timm name.

    Parameters
    ----------
    name : str
        Name; case, dashes, underscores and a weights tag after a dot are ignored.
    classes : int or None
        Outputs of the classifier, 0 for none; by default as in the published weights: 1000, or none
        for networks trained without labels [1].
    side : int or None, positive
        Image side of a network with a config, by default its usual one [pixel].

    Raises
    ------
    ValueError
        If there is no such name, or a negative number of classes.

    >>> from estimator.networks.ledger import Inputs
    >>> named_architecture("resnet50").ledger(Inputs()).params_total
    25557032
    """
    known = _index()
    key = known.get(_plain(name), "")
    if not key:
        near = difflib.get_close_matches(_plain(name), list(known), n=3, cutoff=0.6)
        one_of_each = {kind: one for one, (kind, _) in named_networks().items()}.values()
        hint = ", ".join(known[part] for part in near) or ", ".join([*one_of_each, "..."])
        raise refuse("architecture_unknown", name=repr(name), known=hint)
    kind, row = named_networks()[key]
    usual = row.get("num_classes", IMAGENET_CLASSES) if classes is None else classes
    count = Fields({"num_classes": usual}).size("num_classes", least=0)
    head = {"num_labels": count, "architectures": ["ForImageClassification"]}
    values = {**row, **head} if count else dict(row.get("vision_config", row))
    sight = {**row.get("vision_config", {}), **({} if side is None else {"image_size": side})}
    values |= {"vision_config": sight} if count and "vision_config" in row else sight
    kind = kind if count else BARE.get(kind, kind)
    values |= {"model_type": kind, "_name_or_path": key}
    reader = known_families().get(kind)
    return reader(Fields(values)) if reader else compiled_network(Fields(values), kind)


def hub_architecture(fields: Fields) -> Architecture:
    """Find the architecture of a timm config, named under `architecture`."""
    labeled = fields.states("num_labels") or fields.states("id2label")
    usual = label_count(fields) if labeled else None
    classes = fields.size_or_none("num_classes", default=usual, least=0)
    arguments = fields.part("model_args")
    for key in sorted({*arguments.values} - HARMLESS):
        raise arguments.uncounted(key, arguments.values[key], None)
    return named_architecture(fields.text("architecture"), classes, _input_side(fields))


def _input_side(fields: Fields) -> int | None:
    """Read the image side from a timm config, as an argument or as pretrained."""
    stated = fields.part("pretrained_cfg").items("input_size", 3)
    arguments = fields.part("model_args")
    if arguments.states("img_size"):
        return square(arguments, "img_size", 224)
    return square(Fields({"input_size": stated[1:]}), "input_size", 224) if stated else None


def _plain(name: str) -> str:
    """Name without weights tag, case and separators."""
    return re.sub(r"[-_ ]", "", name.partition(".")[0].lower())
