"""Inference questions: setup, item, and comparison."""

from collections.abc import Mapping
from dataclasses import dataclass

from estimator.question.inputs import Input, Question


@dataclass(frozen=True, kw_only=True)
class ServingQuestion(
    Question,
    wording={
        "preset": {
            "help": "preset or Hugging Face model name",
            "label": "Model",
            "group": "model",
            "example": "llama-3-8b, Qwen/Qwen3-14B",
            "columns": ("model",),
        },
        "config": {"label": "Model", "group": "model"},
        "params": {
            "help": "total parameters, if no preset matches",
            "group": "model",
            "unit": "",
            "example": "8B",
            "label": "",
        },
        "active_params": {"group": "model", "unit": ""},
        "hardware": {"label": "Hardware", "columns": ("hardware", "accelerator")},
        "devices": {
            "help": "number of devices (default: the fewest that fit the model)",
            "example": "",
            "columns": ("devices", "accelerator_count"),
        },
        "precision": {
            "help": "number format of the weights: bf16, fp8, int4, awq, mxfp4, Q4_K_M ...",
            "label": "Weights",
            "group": "model",
            "choices": (),
        },
        "software": {
            "help": "inference engine (vllm, llama.cpp ...), or how well tuned the server is: "
            "vendor, typical, research",
            "label": "",
            "choices": (),
        },
        "tensor_parallel": {"refines": False},
        "expert_parallel": {"refines": False},
        "site": {"label": "Site"},
        "pue": {"label": "PUE, empty for the PUE of the site"},
        "price": {
            "label": "Rental price of one device [USD/h], empty for the price on record",
            "columns": ("price", "price_usd_per_h"),
        },
    },
):
    """Inference setup; None or empty means unspecified.

    `question.inputs` declares each field; names are looked up in the profiles.
    """

    preset: str = ""
    config: str = ""
    params: float | None = None
    active_params: float | None = None
    hardware: str = ""
    devices: float | None = None
    precision: str = ""
    kv_precision: str = ""
    software: str = ""
    concurrency: float | None = None
    request_rate: float | None = None
    users: float | None = None
    think_s: float | None = None
    input_tokens: float | None = None
    output_tokens: float | None = None
    tensor_parallel: float | None = None
    expert_parallel: float | None = None
    data_parallel: float | None = None
    disaggregated: bool = False
    prefill_devices: float | None = None
    prefill_tensor_parallel: float | None = None
    prefill_data_parallel: float | None = None
    prefill_expert_parallel: float | None = None
    decode_devices: float | None = None
    decode_tensor_parallel: float | None = None
    decode_data_parallel: float | None = None
    decode_expert_parallel: float | None = None
    site: str = ""
    pue: float | None = None
    price: float | None = None
    cached_share: float | None = None
    draft_tokens: float | None = None
    draft_acceptance: float | None = None
    draft_params: float | None = None
    duty_cycle: float | None = None


@dataclass(frozen=True, kw_only=True)
class Item(
    Question, wording={"image_size": {"help": "image side", "group": "items", "example": ""}}
):
    """Item of a network that does not generate tokens."""

    steps: float | None = None
    guidance: float | None = None
    image_size: float | None = None
    positions: float | None = None

    @property
    def passes(self) -> float:
        """Network passes per item [1]."""
        return (self.steps or 1.0) * (self.guidance or 1.0)


@dataclass(frozen=True, kw_only=True)
class Comparison(Question):
    """Goals, prices and energies to compare an answer with."""

    latency_goal: float | None = None
    api: str = ""
    api_price_out: float | None = None
    api_price_in: float | None = None
    training_kwh: float | None = None
    tokens_per_day: float | None = None
    service_days: float | None = None


INPUTS: Mapping[str, Input] = {
    **ServingQuestion.inputs,
    **Item.inputs,
    **Comparison.inputs,
}
"""Field -> input declaration."""

COLUMNS = ("name", *(declared.column for declared in ServingQuestion.inputs.values()))
"""Documented columns of a setup table; row names pass through."""
