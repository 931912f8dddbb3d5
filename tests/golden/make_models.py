"""Regenerate models.csv: what transformers builds, and what PyTorch's FLOP counter counts.

Needs torch and transformers, which neither users nor CI need. Run from the repository root:

    python tests/golden/make_models.py

To add a model, put its config into configs/ and its name into the first column of models.csv.
Models are built on the meta device, so sizes do not matter and no weights are loaded. Routed
experts are run in the batched form, since the counter does not see the grouped one; where it
cannot count at all, `forward_flop` stays empty.
"""

import csv
import json
from pathlib import Path

import torch
import transformers
from torch.utils.flop_counter import FlopCounterMode
from transformers import masking_utils

HERE = Path(__file__).parent
SEQ_LEN = 512
COLUMNS = ["config", "class", "params_total", "seq_len", "forward_flop"]
UNCOUNTED = {
    "dbrx": "its experts are picked by value, which the meta device does not have",
    "llama4_text": "every expert runs on every token",
}


def build(config: dict) -> torch.nn.Module:
    """Return the model of a config, on the meta device."""
    keys = dict(config)
    parsed = transformers.CONFIG_MAPPING[keys.pop("model_type")](**keys)
    parsed._attn_implementation = "eager"
    parsed._experts_implementation = "batched_mm"
    with torch.device("meta"):
        model = getattr(transformers, config["architectures"][0])(parsed)
    model.tie_weights()
    return model


def count_flop(model: torch.nn.Module) -> int:
    """Return the FLOPs of one pass over one sequence."""
    tokens = torch.ones((1, SEQ_LEN), dtype=torch.long, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(input_ids=tokens, use_cache=False)
    return counter.get_total_flops()


def main() -> None:
    """Write one row per config of a decoder."""
    masking_utils.find_packed_sequence_indices = lambda position_ids: None
    text = (HERE / "models.csv").read_text()
    listed = [row["config"] for row in csv.DictReader(text.splitlines())]
    with (HERE / "models.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for name in sorted(listed):
            config = json.loads((HERE / "configs" / f"{name}.json").read_text())
            model = build(config)
            params = sum(parameter.numel() for parameter in model.parameters())
            flop = "" if config["model_type"] in UNCOUNTED else count_flop(model)
            writer.writerow([name, config["architectures"][0], params, SEQ_LEN, flop])


if __name__ == "__main__":
    main()
