"""Compile networks: write what PyTorch counts of a config as a line of compiled_networks.jsonl.

Needs torch and transformers, which neither users nor CI need. Run from the repository root:

    python tests/golden/make_compiled.py --image-step 32 tests/golden/networks/cvt-13.json ...

A config is counted on the meta device at three lengths and three image sizes that are multiples of
the steps; polynomials through these counts are its ledger, which a fourth count must confirm. The
first lines came from readers, which the history holds, with their names and split of the terms;
networks.csv and small_networks.json hold the totals that PyTorch counts of every line.
"""

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import transformers

from estimator.networks.compiled import FILE
from estimator.networks.ledger import Inputs, Ledger
from estimator.networks.meta_device import counted_ledger

MULTIPLES = (4, 6, 9, 13)
"""Sizes to count at, in steps; the last confirms what the others say."""


def polynomial(points: Sequence[tuple[int, Fraction]]) -> list[Fraction]:
    """Return the coefficients of the polynomial through points, that of the constant first.

    >>> [int(part) for part in polynomial([(1, Fraction(3)), (2, Fraction(6)), (3, Fraction(11))])]
    [2, 0, 1]
    """
    total = [Fraction(0)] * len(points)
    for x, y in points:
        basis = [Fraction(1)]
        for other in (other for other, _ in points if other != x):
            scaled = [part / (x - other) for part in basis]
            basis = [
                low - other * high
                for low, high in zip([Fraction(0), *scaled], [*scaled, Fraction(0)], strict=True)
            ]
        total = [one + y * part for one, part in zip(total, basis, strict=True)]
    return total


def fitted(counts: Mapping[tuple[int, int], int], sizes: Sequence[Sequence[int]]) -> dict[str, Any]:
    """Return coefficients of products of lengths and squares of sides over counts at all pairs."""
    lengths, squares = sizes
    by_square = [polynomial([(s, Fraction(counts[s, u])) for s in lengths]) for u in squares]
    products = {}
    for power, column in enumerate(zip(*by_square, strict=True)):
        for other, value in enumerate(polynomial(list(zip(squares, column, strict=True)))):
            if value:
                whole = int(value) if value.denominator == 1 else float(value)
                products["s" * power + "u" * other or "1"] = whole
    return products


def compiled(config: Mapping[str, Any], length_step: int, image_step: int) -> dict[str, Any]:
    """Return terms, items and sizes of a network as a line stores them; a step of 0 is no size."""
    lengths = [length_step * n for n in MULTIPLES] if length_step else [0]
    sides = [image_step * n for n in MULTIPLES] if image_step else [0]

    def counted(s: int, side: int) -> Ledger:
        size = {"seq_len": float(s) or None, "image_size": float(side) or None}
        return counted_ledger(config, Inputs(**size))

    ledgers = {(s, side): counted(s, side) for s, side in product(lengths, sides)}
    fit = [lengths[:3], [(side // image_step) ** 2 if side else 0 for side in sides[:3]]]

    def over(quantity: Any) -> dict[str, Any]:
        counts = {
            (s, (side // image_step) ** 2 if side else 0): int(quantity(ledger))
            for (s, side), ledger in ledgers.items()
        }
        found = fitted(counts, fit)
        last = list(counts)[-1]
        known = sum(
            value * last[0] ** key.count("s") * last[1] ** key.count("u")
            for key, value in found.items()
        )
        if abs(known - counts[last]) > 1e-9 * counts[last]:
            raise SystemExit(f"no polynomial in these steps: {known} is not {counts[last]}")
        return found

    first = next(iter(ledgers.values()))
    line: dict[str, Any] = {"unit": first.item_unit}
    if length_step:
        line["length"] = {"usual": min(2048, config.get("max_position_embeddings", 2048))}
    if image_step:
        usual = config.get("image_size", 224)
        line["image"] = {"step": image_step, "usual": (usual / image_step) ** 2}
    line["items"] = over(lambda ledger: ledger.items)
    line["terms"] = {
        name: {
            "params": term.params,
            "flop": over(lambda ledger, name=name: ledger.terms[name].flop),
        }
        for name, term in first.terms.items()
    }
    return line


def facts_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys that a config states, and those that it leaves to transformers."""
    stated = {key: value for key, value in config.items() if key != "model_type"}
    task = stated.pop("architectures", [""])[0].rpartition("For")[2]
    known = transformers.CONFIG_MAPPING[config["model_type"]]().to_dict()
    usual = {
        key: value
        for key, value in known.items()
        if isinstance(value, int | list) and key not in stated and not key.startswith("_")
    }
    return {"facts": {"task": task, **stated}, "usual": usual}


def write(lines: Iterable[Mapping[str, Any]]) -> None:
    """Write the lines, sorted by type and name."""
    ordered = sorted(lines, key=lambda line: (line["type"], line["name"]))
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in ordered)
    FILE.write_text(text, encoding="utf-8")


def main() -> None:
    """Compile the configs that the command line names, in place of lines of their names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("configs", nargs="+", type=Path)
    parser.add_argument("--length-step", type=int, default=0, help="0: it takes no text or sound")
    parser.add_argument("--image-step", type=int, default=0, help="0: it takes no images")
    options = parser.parse_args()
    lines = [json.loads(text) for text in FILE.read_text(encoding="utf-8").splitlines()]
    for path in options.configs:
        config = json.loads(path.read_text(encoding="utf-8"))
        line = compiled(config, options.length_step, options.image_step)
        source = f"meta device, transformers {transformers.__version__}"
        named = {"type": config["model_type"], "name": path.stem, "source": source}
        lines = [other for other in lines if other["name"] != path.stem]
        lines.append({**named, **facts_of(config), **line})
    write(lines)


if __name__ == "__main__":
    main()
