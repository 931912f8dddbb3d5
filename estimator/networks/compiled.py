"""Networks of published sizes, each stored as a ledger of polynomials.

Types rarely built with custom sizes have no reader. Each published network is a line of
`compiled_networks.jsonl`: the identifying config fields, and the blocks of a decoder, or for each
term its parameters and its forward FLOPs as a polynomial in sequence tokens and image pixels.
`tests/golden/make_compiled.py` writes lines by counting on PyTorch's meta device. Other sizes of
the type are refused with the way to count them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from estimator.core.messages import message, refuse
from estimator.core.notice import Notice, Refusal
from estimator.networks.blocks import (
    Attention,
    DifferentialAttention,
    Experts,
    IndexedAttention,
    LatentAttention,
    Mlp,
)
from estimator.networks.convolution import windows
from estimator.networks.fields import Fields
from estimator.networks.ledger import Architecture, CacheLayers, Inputs, Quantity, Term, quantity
from estimator.networks.model_class import class_name, task
from estimator.networks.network import Line, Network, Pass, length, length_warning
from estimator.networks.registry import CLASSES, known_families
from estimator.networks.transformer import Decoder, Head, Layer

FILE = Path(__file__).with_name("compiled_networks.jsonl")

BLOCKS = {
    block.__name__: block
    for block in (
        *(Attention, DifferentialAttention, IndexedAttention, LatentAttention),
        *(Mlp, Experts),
    )
}

Row = Mapping[str, Any]
"""Line of the file, or the language model in one."""

Coefficients = Mapping[str, float]
"""Product of sizes -> coefficient.

Sizes: `s` sequence tokens, `p` started chunks, `w` full chunks, `a` to `g` positions after each of
the convolutions that shorten a recording or shrink an image, `u` squares of pixels, `l` labels.
"""


class UnknownArchitectureError(Refusal):
    """Config of an architecture without reader or compiled network."""


@cache
def compiled_types() -> Mapping[str, tuple[str, ...]]:
    """Read the unparsed lines of the file, by `model_type` or `_class_name`."""
    lines: dict[str, list[str]] = {}
    for line in FILE.read_text(encoding="utf-8").splitlines():
        lines.setdefault(line.split('"', 4)[3], []).append(line)
    return {name: tuple(found) for name, found in lines.items()}


@cache
def compiled_rows(model_type: str) -> tuple[Row, ...]:
    """Return the compiled networks of a type."""
    return tuple(map(json.loads, compiled_types()[model_type]))


def known_network(fields: Fields) -> Architecture | None:
    """Build the network of a config from a reader or a compiled line; None if unknown."""
    for key, readers in (("model_type", known_families()), ("_class_name", CLASSES)):
        name = fields.text(key)
        if name in readers:
            return readers[name](fields)
        if name in compiled_types():
            return compiled_network(fields, name)
    return None


def compiled_network(fields: Fields, model_type: str) -> Network | Decoder:
    """Build the network of a config of a compiled type; refusals as in `compiled_row`."""
    return _network(compiled_row(fields, model_type), fields)


def compiled_row(fields: Fields, model_type: str) -> Row:
    """Return the line of a compiled type that matches a config.

    Raises
    ------
    UnknownArchitectureError
        If the sizes of the config match no compiled network of its type.
    """
    differences = []
    for row in compiled_rows(model_type):
        found = _difference(fields, row)
        if not found:
            return row
        differences.append((len(found), row["name"], found[0]))
    _, name, (key, known, value) = min(differences)
    short = (text if len(text) <= 40 else f"{text[:37]}..." for text in (known, value))
    values = dict(zip(("known", "value"), short, strict=True))
    values |= {"type": model_type, "name": name, "key": key}
    notice = Notice("network_not_compiled", "", values)
    raise UnknownArchitectureError(notice, message(notice))


def _difference(fields: Fields, row: Row) -> list[tuple[str, str, str]]:
    """Return the fields in which a config contradicts a compiled network: key, expected, actual."""
    found = [
        (part, "an object", "null")
        for part in row.get("parts", ())
        if not isinstance(_stated(fields, [part])[1], Mapping)
    ]
    for facts, required in ((row["facts"], True), (row["usual"], False)):
        for names, fact in facts.items():
            key = names
            if names == "task":
                stated, value = bool(class_name(fields)), task(fields)
                if value == "ConditionalGeneration" and fact == "CausalLM":
                    value = fact  # the class of a wrapper names the decoder inside
            elif names == "class":
                stated, value = bool(class_name(fields)), class_name(fields)
            else:
                key, value = _stated(fields, names.split("|"))
                stated = bool(key)
            empty = value in _EMPTY and fact in _EMPTY and (stated or not required)
            same = value == fact or empty
            if not same and (required or stated):
                key = key or names.split("|")[0]
                found.append((key, json.dumps(fact), json.dumps(value)))
    return found


_EMPTY: tuple[Any, ...] = (None, False, 0, [], {}, "")
"""Values equivalent to an absent field."""


def _stated(fields: Fields, paths: Sequence[str]) -> tuple[str, Any]:
    """Return the last of some keys stated in a config with its value, or "" and None."""
    found: tuple[str, Any] = ("", None)
    for path in paths:
        part: Any = fields.values
        *outer, key = path.split(".")
        for name in outer:
            part = part.get(name) if isinstance(part, Mapping) else part
        if part is not None and not isinstance(part, Mapping):
            return path, part
        if part is not None and key in part:
            value = part[key]
            found = (path, list(value) if isinstance(value, tuple) else value)
    return found


def _network(row: Row, fields: Fields) -> Network | Decoder:
    if "decoder" in row:
        decoder = _decoder(row["decoder"], fields)
        name, warnings = fields.text("_name_or_path"), (*fields.notes, *row.get("warnings", ()))
        return replace(decoder, model_type=str(row["type"]), name=name, warnings=warnings)
    return Network(
        run=_Polynomials(row, _labels(row, fields), _side(row, fields)).run,
        model_type=str(row["type"]),
        name=fields.text("_name_or_path"),
        warnings=(*fields.notes, *row.get("warnings", ())),
        cache=tuple(
            CacheLayers(layers=layers, values_per_token=values, window=window, state_values=state)
            for layers, values, window, state in row.get("cache", ())
        ),
        item_unit=row["unit"],
        text=_text(row.get("text")),
    )


def _labels(row: Row, fields: Fields) -> int:
    """Return the number of classifier labels in a config, or the default number."""
    if "labels" not in row:
        return 0
    key, listed = row.get("labels_key", "num_labels"), len(fields.part("id2label").values)
    return fields.size(key, default=listed or row["labels"])


def _side(row: Row, fields: Fields) -> float | None:
    """Return the image side in a config of a network compiled for images [pixel]."""
    key = row.get("image", {}).get("key", "")
    return float(fields.size(key)) if key and fields.states(key) else None


def _decoder(row: Row, fields: Fields) -> Decoder:
    """Build a decoder from runs of equal layers; a config may tie its head."""
    layers = [
        layer
        for count, attention, feed_forward, norm_params in row["layers"]
        for layer in [
            Layer(
                attention=_block(attention),
                feed_forward=_block(feed_forward),
                norm_params=norm_params,
            )
        ]
        * count
    ]
    head = None if row["head"] is None else Head(**row["head"])
    if head is not None:
        tied = fields.flag("tie_word_embeddings", default=head.tied)
        head = replace(head, tied=tied)
    return Decoder(**{**row, "layers": tuple(layers), "head": head})


def _block(row: Row) -> Any:
    """Build a block from its class name and fields."""
    name, fields = row["block"], {key: value for key, value in row.items() if key != "block"}
    inner = {key: _block(value) for key, value in fields.items() if isinstance(value, dict)}
    return BLOCKS[name](**{**fields, **inner})


def _text(row: Row | None) -> Architecture | None:
    """Return the inner language model: compiled itself, or a config of a known type."""
    if row is None:
        return None
    return _network(row, Fields({})) if "type" in row else known_network(Fields(row))


@dataclass(frozen=True)
class _Polynomials:
    """Pass of a compiled network, for given labels and image side."""

    row: Row
    labels: int = 0
    side: float | None = None

    def run(self, inputs: Inputs) -> Pass:
        """Return the ledger lines of a pass over sequences and images of any size."""
        batch = quantity("batch", inputs.batch)
        for field, usual in self.row.get("fixed", {}).items():
            value = getattr(inputs, field)
            if value is not None and not np.all(np.asarray(value) == usual):
                raise refuse("size_not_compiled", field=field, type=self.row["type"])
        sizes, warnings = self._sizes(inputs)
        usual = "usual_items" in self.row and inputs.image_size is None
        items = _value(self.row["usual_items" if usual else "items"], sizes)
        return Pass(
            lines=list(self._lines(batch, sizes, items, inputs)),
            items=batch * items,
            warnings=warnings,
        )

    def _sizes(self, inputs: Inputs) -> tuple[dict[str, Quantity], tuple[str, ...]]:
        """Return the tokens and squared pixels of a pass, with warnings."""
        sizes: dict[str, Quantity] = {"l": float(self.labels)}
        warnings: tuple[str, ...] = ()
        if "length" in self.row:
            facts = self.row["length"]
            tokens = length(inputs, facts["usual"])
            sizes["s"], warnings = _in_steps(tokens, facts, "seq_len")
            chunks = tokens / facts.get("chunk", 1)
            sizes |= {"p": np.ceil(chunks), "w": np.floor(chunks)}
            for name, window in zip("abcdefg", facts.get("windows", ()), strict=False):
                tokens = sizes[name] = windows(tokens, *window)
            warnings += length_warning(tokens, facts["longest"]) if "longest" in facts else ()
        if "image" in self.row:
            facts = self.row["image"]
            sizes["u"] = facts.get("usual", 0.0)
            side = self.side if inputs.image_size is None else inputs.image_size
            if side is not None:
                side = quantity("image_size", side)
                steps, warned = _in_steps(side, facts, "image_size")
                sizes["u"], warnings = steps * steps, warnings + warned
            side = np.sqrt(sizes["u"])
            for name, window in zip("abcdefg", facts.get("windows", ()), strict=False):
                side = windows(side, *window)
                sizes[name] = side * side
        return sizes, warnings

    def _lines(
        self, batch: Quantity, sizes: Mapping[str, Quantity], items: Quantity, inputs: Inputs
    ) -> Iterator[Line]:
        usual = "usual_items" in self.row and inputs.image_size is None
        for name, term in self.row["terms"].items():
            if self.labels < term.get("least_labels", 0):
                continue
            flop = _value(term.get("usual" if usual else "flop", {}), sizes)
            if inputs.windowed and "window" in term:
                flop = flop + _outside_window(term["window"], items)
            if inputs.causal and "masked" in term:
                masked = _value(term["masked"], sizes)
                if inputs.windowed and "window" in term:
                    masked = masked + _outside_window(term["window"], items)
                flop = flop - 0.5 * masked
            params = term.get("params", 0) + term.get("label_params", 0) * self.labels
            yield (
                name,
                Term(
                    params=params,
                    active_params=term.get("active", params),
                    flop=batch * (flop + batch * term.get("compared", 0.0)) + term.get("once", 0.0),
                    backward_ratio=1.0 if term.get("first") else 2.0,
                    is_embedding=bool(term.get("table")),
                ),
            )


def _value(coefficients: Coefficients, sizes: Mapping[str, Quantity]) -> Quantity:
    """Evaluate a polynomial; a product's name lists its factors, `1` for none."""
    total: Quantity = 0.0
    for product, coefficient in coefficients.items():
        value: Quantity = float(coefficient)
        for factor in product.strip("1"):
            value = value * sizes[factor]
        total = total + value
    return total


def _in_steps(size: Quantity, facts: Row, field: str) -> tuple[Quantity, tuple[str, ...]]:
    """Round a size to the network's counting steps, with a warning for sizes in between."""
    step, rounding = facts.get("step", 1), facts.get("rounding")
    steps = size / step
    if rounding is not None:
        return (np.floor if rounding == "down" else np.ceil)(steps), ()
    if step == 1 or np.all(np.asarray(steps) == np.floor(steps)):
        return steps, ()
    return steps, (f"counted for {field} in steps of {step}, approximate in between",)


def _outside_window(window: Sequence[float], tokens: Quantity) -> Quantity:
    """Return the negative FLOPs of pairs outside a window, which windowed attention omits."""
    width, flop_per_pair = window
    outside = np.maximum(tokens - width, 0.0)
    return -flop_per_pair * outside * outside
