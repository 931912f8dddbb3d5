"""Work of a model without a reader: built by transformers, counted by PyTorch.

The model is built on PyTorch's meta device, which has shapes but no weights, so its size does not
matter; PyTorch's own counter watches one pass. Needs torch and transformers, which are optional.
Attention runs in full and experts in batched form, as the counter requires.
"""

import importlib
import importlib.util
import inspect
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from estimator.networks.ledger import Inputs, Ledger, Term

NEEDED = 'counting needs torch and transformers: pip install "twenty-watts[count]"'
DEFAULT_TOKENS = 2048
DEFAULT_SAMPLES = 160_000
DEFAULT_SIDE = 224

FAILURES = (
    *(ArithmeticError, AssertionError, AttributeError, ImportError, LookupError),
    *(OSError, RuntimeError, TypeError, ValueError),
)
"""Exceptions that a model's code may raise when built or run."""

Feed = tuple[dict[str, Any], float, bool, tuple[str, ...]]
"""Arguments of a model, number of items, whether these are images, and warnings."""


def counted_ledger(config: Mapping[str, Any], inputs: Inputs) -> Ledger:
    """Count the ledger of one pass, with a term for each part of the model.

    Parameters
    ----------
    config : mapping
        Parsed `config.json` with a `model_type` known to the installed transformers.
    inputs : Inputs
        Whole numbers of sequences and tokens, or of images and pixels.

    Raises
    ------
    ValueError
        If torch or transformers is missing, transformers does not know the model, or the pass reads
        values, which the meta device does not have.
    """
    torch, transformers = _installed()
    model = _built(torch, transformers, config)
    params = _params_by_part(model)
    flop, (_, items, image, notes) = _count_pass(torch, model, inputs, sum(params.values()))
    terms = {
        part: Term(params=params[part], active_params=params[part], flop=float(flop[part]))
        for part in {**params, **flop}
    }
    version = f"transformers {transformers.__version__}, torch {torch.__version__}"
    counted = f"counted on PyTorch's meta device by {type(model).__name__} ({version})"
    share = "experts count as active, training as three forward passes"
    return Ledger(
        terms=terms,
        items=float(items),
        item_unit="image" if image else "token",
        model_type=str(config.get("model_type", "")),
        name=str(config.get("_name_or_path") or type(model).__name__),
        warnings=(counted, share, *notes),
    )


def can_count() -> bool:
    """Return whether torch and transformers are installed."""
    return all(importlib.util.find_spec(name) for name in ("torch", "transformers"))


def _installed() -> tuple[Any, Any]:
    try:
        return importlib.import_module("torch"), importlib.import_module("transformers")
    except ImportError:
        raise ValueError(NEEDED) from None


def _built(torch: Any, transformers: Any, config: Mapping[str, Any]) -> Any:
    """Build the model of a config with shapes only."""
    keys = dict(config)
    model_type = keys.pop("model_type", "")
    if model_type not in transformers.CONFIG_MAPPING:
        remote = "its code is not part of transformers" if "auto_map" in keys else "unknown to it"
        raise ValueError(
            f"transformers {transformers.__version__} cannot build {model_type!r}: {remote}"
        )
    try:
        parsed = transformers.CONFIG_MAPPING[model_type](**keys)
        parsed._attn_implementation = "eager"
        parsed._experts_implementation = "batched_mm"
        names = keys.get("architectures") or [""]
        build = getattr(transformers, str(names[0]), None)
        with torch.device("meta"):
            model = transformers.AutoModel.from_config(parsed) if build is None else build(parsed)
    except FAILURES as error:
        raise ValueError(f"transformers cannot build {model_type!r}: {_line(error)}") from None
    model.tie_weights()
    return model.eval().requires_grad_(False)


def _params_by_part(model: Any) -> Counter[str]:
    """Count the parameters of the model's parts, shared ones once."""
    counts: Counter[str] = Counter()
    for name, parameter in model.named_parameters():
        counts[_part(name.rpartition(".")[0])] += parameter.numel()
    return counts


def _part(path: str) -> str:
    """Return a module's path without layer numbers: `model/layers/mlp`."""
    words = [word for word in path.split(".") if not word.isdigit()]
    return "/".join(words[:4]) or "model"


def _count_pass(torch: Any, model: Any, inputs: Inputs, params: int) -> tuple[Counter[str], Feed]:
    """Count the FLOPs of the first pass that the model accepts."""
    failure = ""
    for feed in _passes(torch, model, inputs):
        try:
            return _watched(torch, model, feed[0]), feed
        except FAILURES as error:
            failure = _line(error)
    raise ValueError(
        f"{type(model).__name__} has {params:,} parameters; its FLOPs cannot be counted on the "
        f"meta device: {failure}"
    )


def _passes(torch: Any, model: Any, inputs: Inputs) -> list[Feed]:
    """Yield candidate arguments for the model: all that it accepts, then text only."""
    names = inspect.signature(model.forward).parameters
    text = _text(torch, model.config, inputs, {*names})
    other = {**_image(torch, model.config, inputs, {*names})}
    other |= _audio(torch, model.config, inputs, {*names})
    batch = round(float(inputs.batch))
    rest = {"use_cache": False} if "use_cache" in names else {}
    if not text and not other:
        raise ValueError(f"unknown inputs of {type(model).__name__}: {', '.join(names)}")
    if not text:
        shape = next(iter(other.values())).shape
        image = "pixel_values" in other
        return [({**other, **rest}, batch if image else shape[-1] * batch, image, ())]
    tokens = sum(ids.numel() for ids in text.values())
    note = ("only text was passed: FLOPs exclude images and audio",) * bool(other)
    alone = ({**text, **rest}, tokens, False, note)
    return [({**text, **other, **rest}, tokens, False, ()), alone] if other else [alone]


def _text(torch: Any, config: Any, inputs: Inputs, names: set[str]) -> dict[str, Any]:
    """Make token ids, on both sides of an encoder-decoder."""
    longest = getattr(config.get_text_config(), "max_position_embeddings", None)
    usual = min(longest or DEFAULT_TOKENS, DEFAULT_TOKENS)
    length = round(float(usual if inputs.seq_len is None else inputs.seq_len))
    shape = (round(float(inputs.batch)), length)
    ids = torch.ones(shape, dtype=torch.long, device="meta")
    return {name: ids for name in ("input_ids", "decoder_input_ids") if name in names}


def _image(torch: Any, config: Any, inputs: Inputs, names: set[str]) -> dict[str, Any]:
    """Make images of the given sides, square if one side is given."""
    if "pixel_values" not in names:
        return {}
    vision = getattr(config, "vision_config", config)
    stated = getattr(vision, "image_size", None) or DEFAULT_SIDE
    sides: Sequence[Any] = (
        stated if isinstance(stated, list | tuple) and len(stated) == 2 else (stated, stated)
    )
    if inputs.image_size is not None:
        sides = (inputs.image_size, inputs.image_size)
    high, wide = (round(float(side)) for side in sides)
    shape = (round(float(inputs.batch)), getattr(vision, "num_channels", 3), high, wide)
    return {"pixel_values": torch.empty(shape, device="meta")}


def _audio(torch: Any, config: Any, inputs: Inputs, names: set[str]) -> dict[str, Any]:
    """Make raw samples, or mel frames that fill the encoder's positions."""
    batch = round(float(inputs.batch))
    if "input_values" in names:
        samples = DEFAULT_SAMPLES if inputs.seq_len is None else inputs.seq_len
        return {"input_values": torch.empty((batch, round(float(samples))), device="meta")}
    positions = getattr(config, "max_source_positions", None)
    if "input_features" in names and positions:
        shape = (batch, getattr(config, "num_mel_bins", 80), 2 * positions)
        return {"input_features": torch.empty(shape, device="meta")}
    return {}


def _watched(torch: Any, model: Any, given: dict[str, Any]) -> Counter[str]:
    """Return the forward FLOPs of the model's parts, as PyTorch counts them."""
    masks: Any = importlib.import_module("transformers.masking_utils")
    counting = importlib.import_module("torch.utils.flop_counter").FlopCounterMode(display=False)
    packed = getattr(masks, "find_packed_sequence_indices", None)
    masks.find_packed_sequence_indices = lambda position_ids: None
    try:
        with counting, torch.no_grad():
            model(**given)
    finally:
        masks.find_packed_sequence_indices = packed
    return _own_flop(counting.get_flop_counts(), type(model).__name__)


def _own_flop(counts: Mapping[str, Mapping[Any, int]], root: str) -> Counter[str]:
    """Return each module's FLOPs without its inner modules, by part."""
    totals = {name: sum(counted.values()) for name, counted in counts.items() if name != "Global"}
    own = dict(totals)
    for name, total in totals.items():
        outer = name.rpartition(".")[0]
        while outer and outer not in totals:
            outer = outer.rpartition(".")[0]
        if outer:
            own[outer] -= total
    flop: Counter[str] = Counter()
    for name, total in own.items():
        if total > 0:
            flop[_part(name.removeprefix(root).lstrip("."))] += total
    return flop


def _line(error: Exception) -> str:
    """Return the first line of a message."""
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
