"""JSON files of a model repository that are not a network's config.

Repositories also contain adapters, pipelines, tokenizers and settings as JSON; the message
identifies the file and the right one.
"""

from typing import Any

from estimator.core.messages import refuse
from estimator.networks.fields import Fields

MARKS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("general.architecture",), "the metadata of a GGUF file"),
    (("model_cfg",), "the open_clip_config.json of OpenCLIP"),
    (("pooling_mode_mean_tokens", "word_embedding_dimension"), "the settings of a pooling layer"),
    (("__version__",), "the settings of a sentence-transformers pipeline"),
    (
        ("image_processor_type", "feature_extractor_type", "processor_class"),
        "a preprocessor's settings",
    ),
    (("tokenizer_class", "added_tokens_decoder", "do_lower_case"), "a tokenizer's settings"),
    (("_from_model_config", "do_sample", "top_p"), "a generation_config.json"),
    (("weight_map",), "the index of a sharded checkpoint"),
    (("train_batch_size", "train_micro_batch_size_per_gpu"), "the settings of a training run"),
    (("dim", "n_layers"), "a params.json with other field names"),
)
"""Identifying keys (one is enough) -> file description, checked in order."""


def refuse_other_file(fields: Fields) -> None:
    """Refuse a JSON file without `model_type` that is recognizably something else."""
    name, adapter = _quote(fields, "_class_name"), _quote(fields, "peft_type")
    if fields.states("peft_type"):
        base = _quote(fields, "base_model_name_or_path")
        code = "config_of_adapter_over" if base else "config_of_adapter"
        raise refuse(code, kind=adapter, base=base)
    if name.endswith("Pipeline"):
        raise refuse("config_of_pipeline", name=name)
    if name.endswith("Scheduler"):
        raise refuse("config_of_scheduler", name=name)
    for keys, kind in MARKS:
        needed = all(map(fields.states, keys)) if "dim" in keys else any(map(fields.states, keys))
        if needed and not name and not fields.states("architectures"):
            raise refuse("config_of_other_file", kind=kind)


def quantized(fields: Fields) -> tuple[str, ...]:
    """Return notes on a config of quantized weights."""
    part = fields.part("quantization_config")
    if not part.values:
        return ()
    kind = part.text("quant_method") or "an unnamed method"
    bits = _bits(part)
    width = f" to {bits} bits" if bits else ""
    return (f"weights quantized by {kind}{width}: parameters are counted as before quantization",)


def _bits(part: Fields) -> Any:
    """Return the bits of a quantized weight, or None if not stated."""
    if part.values.get("load_in_4bit") is True:
        return 4
    if part.values.get("load_in_8bit") is True:
        return 8
    return part.values.get("bits")


def _quote(fields: Fields, key: str) -> str:
    value = fields.values.get(key)
    return value[:80] if isinstance(value, str) else ""
