"""Check small_networks.json: every network built again by transformers or diffusers, and counted.

Needs torch, transformers, diffusers and scipy, which neither users nor CI need. Run from the
repository root:

    python -W ignore tests/golden/check_small.py

Parameters are compared for every row, and any difference fails. FLOPs are only reported: the
table has no inputs, and those that `make_networks` gives a model are not those of every row.
"""

import json
import sys
from typing import Any

import make_networks
import torch
from make_networks import HERE, OWN_HEAD, build, inputs_of, latents_of, params_total
from torch.utils.flop_counter import FlopCounterMode
from transformers import masking_utils

CLOSE = 1e-3
SOUND = 8000
"""Sequences from this length on are samples of sound."""


def params_of(model: torch.nn.Module, config: dict[str, Any]) -> int:
    """Parameters, with the head that the weights of an untied T5 inside another model bring."""
    count, text = params_total(model, config), config.get("text_config", {})
    inner = getattr(model, "language_model", None)
    if type(inner).__name__ == OWN_HEAD and text.get("tie_word_embeddings") is False:
        count += inner.config.vocab_size * inner.config.d_model
    return count


def forward_flop(model: torch.nn.Module, row: dict[str, Any]) -> int:
    """FLOPs of a pass over what `make_networks` gives such a model, at the length of the row."""
    config, length = row["config"], row["seq_len"] or 64
    for name in ("TEXT_LEN", "CLIP_LEN", "LATENT_TEXT", "FLUX_TEXT"):
        setattr(make_networks, name, length)
    make_networks.SHORT_TEXTS = dict.fromkeys(make_networks.SHORT_TEXTS, length)
    make_networks.SAMPLES = length if length >= SOUND else 2 * SOUND
    if "_class_name" in config:
        given, named, _ = latents_of(model, config)
    else:
        ask = make_networks.ASKING.get(config["model_type"], inputs_of)
        given, (named, _) = (), ask(model)
    model.requires_grad_(False)
    counting = FlopCounterMode(display=False, custom_mapping=make_networks.COUNTED)
    with counting, torch.no_grad():
        model(*given, **named)
    return counting.get_total_flops()


def same_flop(model: torch.nn.Module, row: dict[str, Any]) -> bool:
    """Whether the pass counts what the row says; false where no such pass can be run."""
    try:
        return abs(forward_flop(model, row) / row["forward_flop"] - 1) <= CLOSE
    except Exception:  # noqa: BLE001 - whatever the code of 150 models raises at other inputs
        return False


def main() -> int:
    """Print the rows that differ, and how many are the same."""
    masking_utils.find_packed_sequence_indices = lambda position_ids: None
    rows = json.loads((HERE / "small_networks.json").read_text(encoding="utf-8"))
    params = flop = 0
    for number, row in enumerate(rows):
        model = build(row["config"])
        built = params_of(model, row["config"])
        params += built == row["params_total"]
        if built != row["params_total"]:
            name = row["config"].get("model_type") or row["config"]["_class_name"]
            sys.stdout.write(f"row {number}, {name}: {built}, not {row['params_total']}\n")
        flop += row["forward_flop"] is not None and same_flop(model, row)
    stated = sum(row["forward_flop"] is not None for row in rows)
    sys.stdout.write(f"{params} of {len(rows)} parameter counts are the same\n")
    sys.stdout.write(f"{flop} of {stated} forward FLOPs are the same, the rest not counted here\n")
    return 0 if params == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
