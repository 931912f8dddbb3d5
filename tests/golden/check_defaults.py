"""Check estimator/networks/defaults.json, defaults of transformers and diffusers, against both.

Needs them, which neither users nor CI need. Run from the repository root:

    python tests/golden/check_defaults.py

Prints every default that they declare otherwise, and fails if there is one that
`OURS` does not explain.
"""

import inspect
import json
import sys
from pathlib import Path
from typing import Any

import diffusers
from transformers import CONFIG_MAPPING

TABLE = Path(__file__).parents[2] / "estimator" / "networks" / "defaults.json"
OURS = {
    "first_k_dense_replace": "what the default of mlp_layer_types is made of",
    "max_position_embeddings": "no default: positions are relative, or the model has no longest",
    "intermediate_size": "not read where every layer has experts",
    "vocab_size": "left to the tokenizer",
}
"""Keys that a config of transformers does not declare for some types, and why we hold them."""


def declared(config: Any, key: str) -> Any:
    """Default that the class declares: the value itself may be worked out from others."""
    aliases = getattr(type(config), "attribute_map", {})
    for name in (key, aliases.get(key, key)):
        value = getattr(type(config), name, None)
        if isinstance(value, bool | int | str):
            return value
    found = config.to_dict().get(key, getattr(config, key, None))
    return list(found) if isinstance(found, tuple) else found


def of_class(name: str, row: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """Keys of the row of a class of diffusers, ours, and what its signature says where another."""
    known = inspect.signature(getattr(diffusers, name).__init__).parameters
    pairs = ((key, ours, known[key].default if key in known else None) for key, ours in row.items())
    alike = ((key, ours, list(one) if isinstance(one, tuple) else one) for key, ours, one in pairs)
    return [(key, ours, theirs) for key, ours, theirs in alike if theirs != ours]


def differences(config: Any, row: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """Keys of a row, ours, and theirs where it is another."""
    found = []
    for key, ours in {**row, **row.get("inside", {})}.items():
        if isinstance(ours, dict):
            continue
        theirs = declared(config, key)
        if theirs not in (ours, [ours, ours], (ours, ours)) and not (
            theirs is None and key in OURS
        ):
            found.append((key, ours, theirs))
    return found


def main() -> int:
    """Print what differs."""
    rows = json.loads(TABLE.read_text(encoding="utf-8"))
    checked = wrong = 0
    for name, row in rows.items():
        classed = hasattr(diffusers, name)
        if isinstance(row, str) or not (classed or name in CONFIG_MAPPING):
            continue
        checked += 1
        found = of_class(name, row) if classed else differences(CONFIG_MAPPING[name](), row)
        for key, ours, theirs in found:
            wrong += 1
            sys.stdout.write(f"{name:24}{key:32}{ours!s:>12}{theirs!s:>12}\n")
    sys.stdout.write(f"{checked} of {len(rows)} types checked, {wrong} defaults differ\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
