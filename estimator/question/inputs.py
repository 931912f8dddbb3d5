"""All inputs of all questions, declared once.

A question is a dataclass with input names as fields. Options, widgets, links, columns, limits and
documentation are derived from these declarations. To add an input, declare it here, list it in its
questions, and use it in the model.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from estimator.core.bounds import LIMITS, Limit
from estimator.core.units import CENTRAL
from estimator.networks.kinds import ADAPTERS, KINDS

if TYPE_CHECKING:
    from estimator.core.notice import Refusal

GROUPS = {
    "work": "workload (one of --preset, --params with --tokens, --flop, --config, --device-hours)",
    "network": "workload details",
    "model": "model and number formats",
    "hardware": "hardware",
    "parallelism": "parallelism, if known",
    "use": "use",
    "traffic": "traffic",
    "place": "site",
    "money": "cost",
    "items": "models that do not generate tokens (images, videos, labels, embeddings)",
    "comparison": "comparisons",
    "answer": "answer",
}
"""Input group -> heading in help texts, in the order of the questions."""


@dataclass(frozen=True, kw_only=True)
class Input:
    """Declaration of one input.

    Parameters
    ----------
    name : str
        Field of the questions that have this input.
    help : str
        Meaning, for help texts and tooltips.
    group : str
        Key of `GROUPS`.
    label : str
        Label of its control on a page; empty if no page has one.
    unit : str
        Unit of its number; empty for counts, shares and words.
    example : str
        Example in the form people write.
    choices : tuple of str
        Allowed words.
    open_choices : bool
        Whether the profiles may allow more words than `choices`.
    limits : str
        Key of `core.bounds.LIMITS`, by default the name.
    columns : tuple of str
        Column names in a table, documented one first; by default the name.
    option : str
        Documented option, by default the name.
    aliases : tuple of str
        Other spellings of the option.
    resolved : str
        Name of the number in an answer that it overrides, by default its own.
    number, flag : bool
        Whether it is a number, or a flag.
    whole : bool
        Whether its number is a count.
    refines : bool
        Whether a table row with an unreadable cell is still answered, without this input.
    local : bool
        Whether it is a local file or needs one, so that links leave it out.
    """

    name: str
    help: str
    group: str
    label: str = ""
    unit: str = ""
    example: str = ""
    choices: tuple[str, ...] = ()
    open_choices: bool = False
    limits: str = ""
    columns: tuple[str, ...] = ()
    option: str = ""
    aliases: tuple[str, ...] = ()
    resolved: str = ""
    number: bool = False
    flag: bool = False
    whole: bool = False
    refines: bool = False
    local: bool = False

    def __post_init__(self) -> None:
        if self.group not in GROUPS:
            raise ValueError(f"unknown group {self.group!r}: use one of {', '.join(GROUPS)}")

    @property
    def limit(self) -> Limit:
        """Lower and upper limit of its number."""
        return LIMITS[self.limits or self.name]

    @property
    def column(self) -> str:
        """Documented column in a table."""
        return self.columns[0] if self.columns else self.name

    @property
    def spellings(self) -> tuple[str, ...]:
        """Names accepted in a table or file."""
        option = option_of(self.name)[2:].replace("-", "_")
        return tuple(dict.fromkeys((*self.columns, self.name, option)))


def _word(name: str, help_text: str, label: str = "", **more: Any) -> dict[str, Any]:
    """Declare a text input."""
    return {"name": name, "help": help_text, "label": label, **more}


def _number(name: str, help_text: str, label: str = "", **more: Any) -> dict[str, Any]:
    """Declare a number."""
    return _word(name, help_text, label, number=True, **more)


def _count(name: str, help_text: str, label: str = "", **more: Any) -> dict[str, Any]:
    """Declare a whole number."""
    return _number(name, help_text, label, whole=True, **more)


def _flag(name: str, help_text: str) -> dict[str, Any]:
    """Declare a flag."""
    return _word(name, help_text, flag=True)


_DECLARED: Mapping[str, tuple[dict[str, Any], ...]] = {
    "work": (
        _word("preset", "name of a published run or model", "Model or run", example="gpt-3"),
        _number(
            "params",
            "total parameters of the model",
            "Parameters",
            unit="parameters",
            example="7e9",
            columns=("params_total",),
        ),
        _number(
            "tokens",
            "training tokens, counted once per epoch",
            "Training tokens",
            example="2e12",
            columns=("tokens_processed",),
        ),
        _number(
            "active_params",
            "parameters active per token in a mixture-of-experts model",
            "Active parameters (mixture of experts)",
            unit="parameters",
            example="37e9",
            columns=("params_active",),
        ),
        _number(
            "flop",
            "FLOPs of the whole training run",
            "Training FLOPs",
            unit="FLOP",
            example="3.14e23",
            limits="training_flop",
            columns=("train_flops_reported",),
            resolved="training_flop",
        ),
        _word(
            "config", "Hugging Face config.json of the model", "config.json", example="config.json"
        ),
        _number(
            "samples",
            "training samples (sequences, images or clips); needs a config.json or FLOPs "
            "per sample",
            "Samples",
            example="1e8",
            columns=("samples_processed",),
        ),
        _number(
            "sample_flop",
            "FLOPs of one forward pass per sample",
            "Forward FLOPs per sample",
            unit="FLOP",
            example="4.1e9",
            limits="training_flop",
            columns=("flops_per_sample_forward",),
        ),
    ),
    "network": (
        _number(
            "device_hours",
            "device-hours of a run that was timed, from which energy, cost and CO2e are computed",
            "Device-hours already spent",
            unit="h",
            example="1.08e6",
            columns=("accelerator_hours",),
        ),
        _number(
            "energy_kwh",
            "metered energy of the run",
            "Metered energy [kWh]",
            unit="kWh",
            example="1.1e6",
        ),
        _word(
            "metered",
            "what the meter covers: the devices, whole nodes, or the facility including "
            "cooling (default: facility)",
            "Coverage of the meter",
            choices=("devices", "nodes", "facility"),
        ),
        _number(
            "energy_uncertainty",
            "relative error of the metered energy: half the width of its interval (default: 0.05)",
            "Uncertainty of the meter (share)",
            example="0.05",
        ),
        _word(
            "kind",
            "workload type, which affects the expected utilization",
            "Workload type",
            choices=KINDS,
            columns=("domain",),
        ),
        _word(
            "arch",
            "architecture in your own words",
            "Architecture in words",
            example="'MoE decoder', CNN, encoder",
        ),
        _word(
            "name",
            "model name, if it identifies the architecture",
            "Name of the network",
            example="EfficientNet-B4",
        ),
        _number(
            "width",
            "hidden size of the network",
            "Width (hidden size)",
            example="4096",
            columns=("hidden",),
            refines=True,
        ),
        _count(
            "layers",
            "number of transformer layers; with hidden size and sequence length, attention "
            "is counted exactly",
            "Layers",
            example="32",
            refines=True,
        ),
        _count(
            "heads",
            "number of attention heads",
            "Attention heads",
            example="32",
            limits="layers",
            refines=True,
        ),
        _count(
            "kv_heads",
            "number of key-value heads, if fewer than attention heads (grouped-query attention)",
            "Key-value heads",
            example="8",
            limits="layers",
            refines=True,
        ),
        _count(
            "vocab",
            "vocabulary size, to exclude an encoder's embedding table from its FLOPs",
            "Vocabulary",
            example="30522",
            limits="width",
            refines=True,
        ),
        _number(
            "seq_len", "tokens per sequence", "Tokens in a sequence", example="4096", refines=True
        ),
        _count(
            "image_size",
            "side length of input images, with a config.json",
            "Image side",
            unit="pixels",
            example="224",
            refines=True,
        ),
        _word(
            "finetune",
            "fine-tune an existing model instead of training from scratch; qlora is LoRA "
            "on 4-bit weights",
            "Fine-tuning",
            choices=("full", *ADAPTERS),
        ),
        _number(
            "attempts",
            "compute of all runs, including failed runs and experiments, divided by the "
            "final run's",
            "Development overhead (all runs / final run)",
            example="1.5",
            option="development-overhead",
            aliases=("attempts",),
        ),
        _flag(
            "inference",
            "compute the memory for inference (weights and key-value cache) instead of training",
        ),
        _number(
            "micro_batch",
            "sequences processed at once per data-parallel rank or replica (default: 1)",
            limits="batch",
            aliases=("batch",),
        ),
        _number(
            "context",
            "tokens per sequence in the key-value cache, with --inference (default: up to 2048)",
            limits="seq_len",
        ),
        _number(
            "prefill_tokens",
            "prompt tokens processed at once, with --inference (default: 8192)",
        ),
        _word(
            "optimizer",
            "optimizer (default: adamw)",
            choices=(
                *("adamw", "sgd", "sgd-momentum", "adafactor", "muon"),
                *("adam-8bit", "adam-4bit"),
            ),
        ),
        _word(
            "attention",
            "attention kernel; eager stores the attention scores (default: fused)",
            choices=("fused", "eager"),
            aliases=("flash-attention",),
        ),
        _word(
            "loss",
            "how the loss is computed; chunked never stores all logits at once",
            choices=("plain", "chunked"),
        ),
        _word(
            "accumulation",
            "micro-batches per step; with several, gradients and activations are in memory "
            "at the same time (default: several)",
            choices=("none", "several"),
        ),
        _flag("dropout", "store dropout masks, as in GPT-2 and GPT-3"),
        _number("lora_rank", "rank of the LoRA adapters (default: 16)"),
        _word(
            "lora_targets",
            "matrices that get an adapter; qv is queries and values only (default: all)",
            choices=("all", "qv"),
        ),
        _flag("train_embeddings", "also train the token embedding and the output head"),
        _flag(
            "fused_backward",
            "update weights during the backward pass, so that gradients are not stored",
        ),
    ),
    "model": (
        _word(
            "weights",
            "number format of served or frozen weights",
            choices=("nf4", "nf4-dq", "int4", "int8"),
        ),
        _word(
            "kv_precision",
            "number format of the key-value cache: bf16 or fp8 (default: the usual one for the "
            "model)",
        ),
        _word(
            "adapter_precision",
            "number format of adapter computations (default: the autocast format)",
            choices=("fp32", "bf16", "fp16"),
        ),
        _word(
            "states",
            "gradients and optimizer states in the weights' format (pure), or in fp32 with "
            "a master copy of the weights (mixed)",
            choices=("pure", "mixed"),
        ),
        _flag("fp32_gradients", "accumulate gradients in fp32, as Megatron does"),
    ),
    "hardware": (
        _word(
            "hardware",
            "device, by id, alias or the name that NVML reports",
            "Hardware",
            example="h100",
            columns=("accelerator",),
        ),
        _count(
            "devices", "number of devices", "Devices", example="64", columns=("accelerator_count",)
        ),
        _word(
            "precision",
            "number format of matrix products",
            "Number format",
            choices=(
                *("fp64", "fp32", "tf32", "fp16", "bf16", "fp8", "fp4", "int8", "equivalent"),
                "mixed",
            ),
            open_choices=True,
        ),
        _number(
            "utilization",
            "model FLOPs utilization (MFU), as a share of the dense peak in (0, 1]; "
            "predicted if omitted",
            "Utilization (share of the peak)",
            example="0.4",
        ),
        _word(
            "calibration",
            "whether measured runs on this device correct the estimate",
            "Measured runs of this device",
            choices=("use", "ignore"),
        ),
        _word(
            "program",
            "name of your program; runs measured with the same name count most",
            "Program",
            example="my-gpt",
            local=True,
        ),
        _number(
            "power_cap",
            "power limit per device, which slows the run; a given utilization applies "
            "without the limit",
            "Power limit of a device [W]",
            unit="W",
            example="250",
            option="power-limit",
            aliases=("power-cap",),
        ),
        _word(
            "software",
            "how well tuned the code is: vendor reference or benchmark submission, typical "
            "stack, or research code",
            "Software",
            choices=("vendor", "typical", "research"),
        ),
        _word(
            "framework",
            "framework and version, as a clue to how well tuned the code is",
            "Framework",
            example="'NGC PyTorch 24.10'",
        ),
        _word(
            "rate",
            "predict steady-state steps only, or the whole run with its overheads",
            "Rate",
            choices=("steady", "run"),
        ),
        _word(
            "attention_mask",
            "attention kernels of a decoder: causal kernels skip the masked half of the "
            "scores (usual since 2023), full kernels compute all of them; FLOPs and "
            "utilization always count all",
            "Attention kernels",
            choices=("causal", "full"),
        ),
        _word(
            "counted",
            "memory to report: allocated or reserved by the framework, or everything that "
            "nvidia-smi shows and that has to fit (default: nvidia-smi)",
            choices=("allocated", "reserved", "nvidia-smi"),
        ),
    ),
    "parallelism": (
        _number(
            "batch_tokens",
            "tokens per optimizer step",
            "Tokens per step",
            unit="tokens",
            example="4e6",
            limits="tokens",
            refines=True,
        ),
        _number(
            "batch",
            "sequences, samples or images per optimizer step",
            "Batch (sequences or samples of a step)",
            example="1024",
            columns=("batch_per_step",),
            refines=True,
        ),
        _number(
            "step_flop",
            "FLOPs per optimizer step on all devices together",
            "FLOPs per step",
            unit="FLOP",
            example="1.7e17",
            limits="training_flop",
            refines=True,
        ),
        _number(
            "step_operations",
            "operations that an eager framework dispatches per optimizer step, as counted "
            "by run.count_flop; used on a measured CPU, together with memory traffic and "
            "FLOPs per step",
            "Operations per step",
            example="1500",
            refines=True,
        ),
        _number(
            "step_traffic",
            "bytes that the operations of an optimizer step read and write, as "
            "counted by run.count_flop; used on a measured CPU, together with operations "
            "and FLOPs per step",
            "Memory traffic per step [B]",
            unit="B",
            example="2e9",
            limits="traffic_bytes",
            refines=True,
        ),
        _word(
            "recomputation",
            "activation recomputation (checkpointing): activations recomputed in the "
            "backward pass to save memory",
            "Activations recomputed",
            aliases=("recompute",),
            choices=("none", "selective", "full"),
            refines=True,
        ),
        _count("zero", "ZeRO stage, 0 to 3 (default: 3)"),
        _count(
            "tensor_parallel",
            "number of devices that each layer is split across",
            "Tensor-parallel devices",
            example="8",
            limits="devices",
            refines=True,
        ),
        _count(
            "pipeline_parallel",
            "number of pipeline stages that the layers are split into",
            "Pipeline stages",
            example="4",
            limits="devices",
            refines=True,
        ),
        _count(
            "expert_parallel",
            "number of devices that the experts are split across",
            "Expert-parallel devices",
            example="8",
            limits="devices",
            refines=True,
        ),
        _count(
            "data_parallel",
            "number of replicas of the attention layers",
            limits="devices",
            aliases=("attention-data-parallel",),
            columns=("data_parallel", "attention_data_parallel"),
        ),
        _flag("disaggregated", "run prefill and decode on separate pools of devices"),
        *(
            _count(f"{pool}_{name}", text.format(pool=pool), limits="devices")
            for pool in ("prefill", "decode")
            for name, text in (
                ("devices", "devices of the {pool} pool (default: the fastest division)"),
                ("tensor_parallel", "devices of the {pool} pool that each layer is split across"),
                ("data_parallel", "replicas of the attention layers in the {pool} pool"),
                ("expert_parallel", "devices of the {pool} pool that the experts are split across"),
            )
        ),
        _count(
            "micro_batches",
            "micro-batches per step, for the pipeline",
            "Micro-batches",
            example="32",
            limits="devices",
            refines=True,
        ),
        _count(
            "virtual_stages",
            "stages per device of an interleaved pipeline schedule",
            "Virtual stages of a pipeline device",
            example="2",
            limits="devices",
            refines=True,
        ),
        _flag(
            "sequence_parallel",
            "also split norms and dropout across the tensor-parallel devices (sequence "
            "parallelism)",
        ),
        _flag("offload", "offload weights and optimizer states to host memory"),
        _flag("offload_activations", "offload stored activations to host memory"),
    ),
    "traffic": (
        _number("concurrency", "requests in flight on all devices together", "Concurrent answers"),
        _number(
            "request_rate",
            "requests per second, which set the number in flight",
            "Requests per second",
        ),
        _number("users", "simultaneous users; each waits for an answer, then pauses", "Users"),
        _number(
            "think_s",
            "a user's pause between an answer and the next request (default: 30)",
            "Pause of a user [s]",
            unit="s",
            option="think-time",
        ),
        _number("input_tokens", "input tokens per request", "Tokens per prompt"),
        _number("output_tokens", "output tokens per request", "Tokens per answer"),
        _number("cached_share", "share of input tokens found in the prefix cache", limits="share"),
        _number("draft_tokens", "tokens drafted per step in speculative decoding"),
        _number("draft_acceptance", "probability that a drafted token is accepted", limits="share"),
        _number("draft_params", "parameters of the draft model", limits="params"),
        _number("duty_cycle", "share of the time in which reserved machines serve requests"),
    ),
    "use": (
        _word(
            "model",
            "model: gpt, claude, gemini, mistral, deepseek, or the name of an open model",
            "With what",
            example="gpt, claude, llama-3.1-8b",
        ),
        _word(
            "task",
            "task of the model (default: question)",
            "Task",
            choices=(*("question", "chat", "summary", "agent", "image", "video", "transcription"),),
        ),
        _word(
            "per",
            "show amounts per use, per day or per year (default: use)",
            choices=("use", "day", "year"),
        ),
        _number("times", "uses per day (default: 20)", "Times per day", example="20"),
    ),
    "place": (
        _word(
            "site",
            "country, cloud region, operator or named place; a cloud region also sets rental "
            "prices",
            "Site",
            example="fr",
            columns=("site", "region"),
            aliases=("region",),
        ),
        _number(
            "year",
            "year of the run, for grid, PUE and rental prices (default: the latest on record)",
            "Year of the run",
            example="2020",
            refines=True,
        ),
        _number(
            "carbon_intensity",
            "carbon intensity of the electricity",
            "Carbon intensity [kgCO2e/kWh]",
            unit="kgCO2e/kWh",
            example="0.429",
            limits="co2e_kg_per_kwh",
            columns=("grid_kg_per_kwh",),
            resolved="co2e_kg_per_kwh",
        ),
        _word(
            "carbon_profile",
            "CSV file of hourly carbon intensities, 24 to 8784 rows that repeat; columns: "
            "time or hour, and co2e_kg_per_kwh or co2e_g_per_kwh",
            "Hourly carbon intensity of your grid",
            example="grid.csv",
            local=True,
        ),
        _number(
            "start",
            "hour of the carbon profile at which the run starts (default: 0)",
            "Starts at hour",
            unit="h",
            example="18",
            local=True,
        ),
        _number(
            "contract",
            "carbon intensity of electricity bought by contract or with certificates",
            "Contract or certificates [kgCO2e/kWh]",
            unit="kgCO2e/kWh",
            example="0",
            limits="co2e_kg_per_kwh",
        ),
        _number(
            "contract_share",
            "share of the electricity that --contract covers (default: 1)",
            "Share covered by the contract",
            example="0.8",
            limits="share",
        ),
        _number(
            "residual_mix",
            "carbon intensity of the residual mix, for electricity without a contract "
            "(default: the country's, if on record)",
            "Residual mix [kgCO2e/kWh]",
            unit="kgCO2e/kWh",
            example="0.369",
            limits="co2e_kg_per_kwh",
        ),
        _number("pue", "power usage effectiveness of the site, at least 1", "PUE", example="1.1"),
        _flag(
            "boards_only",
            "count only the energy of the devices, as NVML and CodeCarbon's GPU figure do: "
            "without host, network and PUE",
        ),
        _number(
            "wue",
            "water usage effectiveness of the site",
            "Water (WUE) [L/kWh]",
            unit="L/kWh",
            example="0.2",
            limits="wue_l_per_kwh",
            resolved="wue_l_per_kwh",
        ),
    ),
    "money": (
        _number(
            "price",
            "rental price per device",
            "Rent [USD per device-hour]",
            unit="USD/h",
            example="2.5",
            limits="price_usd_per_h",
            columns=("price_usd_per_h",),
            resolved="price_usd_per_h",
        ),
        _word(
            "price_kind",
            "type of rental offer",
            "Rental offers",
            choices=("on-demand", "spot", "reserved"),
        ),
        _word(
            "pay",
            "rent the devices, or own them (amortized purchase price plus electricity)",
            "Pay",
            choices=("rent", "own"),
        ),
        _number(
            "device_price",
            "purchase price per device, with owned devices",
            "Purchase price of a device [USD]",
            unit="USD",
            example="27000",
            resolved="launch_price_usd",
        ),
        _number(
            "electricity_price",
            "price of electricity, with owned devices",
            "Electricity [USD/kWh]",
            unit="USD/kWh",
            example="0.12",
            limits="electricity_usd_per_kwh",
            resolved="electricity_usd_per_kwh",
        ),
    ),
    "items": (
        _number(
            "steps",
            "denoising steps of a diffusion model (default: 1)",
            option="denoising-steps",
            aliases=("steps",),
        ),
        _number(
            "guidance",
            "passes per denoising step: 2 with classifier-free guidance (default: 1)",
        ),
        _number(
            "positions",
            "tokens, patches or frames per item, if the image size does not set them",
            limits="seq_len",
        ),
    ),
    "comparison": (
        _number("latency_goal", "maximum time per output token", unit="s"),
        _word("api", "API on record to compare the cost with", "API", example="groq-gpt-oss-120b"),
        _number(
            "api_price_out",
            "price of an API per million output tokens, instead of --api",
            "API price per million output tokens [USD]",
            unit="USD",
            aliases=("api-price",),
        ),
        _number(
            "api_price_in",
            "price of an API per million input tokens (default: not counted)",
            "API price per million input tokens [USD]",
            unit="USD",
        ),
        _number(
            "training_kwh",
            "energy that training used, to compare with inference",
            "Energy of training [kWh]",
            unit="kWh",
        ),
        _number(
            "tokens_per_day",
            "output tokens served per day, with --training-kwh",
            "Output tokens served a day",
            limits="tokens",
        ),
        _number(
            "service_days",
            "days in service, for the sum of training and inference energy (default: 365)",
        ),
    ),
    "answer": (
        _number(
            "interval",
            f"probability inside low..high in (0, 1), {CENTRAL:g} if not given",
            "Probability inside the intervals",
            example="0.9",
        ),
    ),
}
"""Group -> its inputs."""

REGISTRY: Mapping[str, Input] = {
    declared["name"]: Input(group=group, **declared)
    for group, members in _DECLARED.items()
    for declared in members
}
"""Name -> declaration."""


Asked = TypeVar("Asked", bound="Question")


class Question:
    """Question: a dataclass whose fields are input names.

    A subclass may reword inputs (`wording`: input -> its changes); limits and units are the same in
    every question. Fields missing from `REGISTRY` are set by the program.
    """

    inputs: ClassVar[Mapping[str, Input]]
    """Field -> its declaration, in field order."""

    def __init_subclass__(cls, wording: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        own = wording or {}
        cls.inputs = {
            name: replace(REGISTRY[name], **own.get(name, {}))
            for name in cls.__annotations__
            if name in REGISTRY
        }

    def specified_inputs(self) -> dict[str, Any]:
        """Return the specified inputs, in field order."""
        known = vars(self).items()
        return {name: value for name, value in known if value is not None and value != ""}

    def check(self) -> None:
        """Refuse inputs that exclude each other."""


def option_of(name: str) -> str:
    """Return the documented option of an input or other name.

    >>> option_of("seq_len"), option_of("attempts"), option_of("max_days")
    ('--seq-len', '--development-overhead', '--max-days')
    """
    declared = REGISTRY.get(name)
    return "--" + ((declared.option if declared else "") or name.replace("_", "-"))


def refuse(code: str, name: str, **values: Any) -> "Refusal":
    """Refuse an input; imports the message texts only when needed, as help does not use them."""
    from estimator.core import messages

    return messages.refuse(code, name, **values)


def read_question(question: type[Asked], cells: Mapping[str, Any]) -> Asked:
    """Build a question from texts by input name; an empty text is unspecified.

    Raises
    ------
    ValueError
        If a number cannot be read.
    """
    said: dict[str, Any] = {}
    for name, declared in question.inputs.items():
        text = cells.get(name)
        if text not in (None, "", False):
            said[name] = read_number(name, text) if declared.number else text
    return question(**said)


def question_from(question: type[Asked], given: Mapping[str, Any]) -> Asked:
    """Build a question from values by input or option name.

    Raises
    ------
    ValueError
        If a name is not an input, an input is given twice, or a number cannot be read.
    """
    named = {
        spelling: name
        for name, declared in question.inputs.items()
        for spelling in (*declared.spellings, *declared.aliases)
    }
    said: dict[str, Any] = {}
    for spelling, value in given.items():
        name = named.get(spelling)
        if name is None or (name != spelling and name in given):
            raise refuse("no_such_input", spelling, close=_closest(spelling, named))
        declared = question.inputs[name]
        if value is None:
            continue
        if isinstance(value, Mapping):
            import json

            said[name] = json.dumps(value)
        elif declared.number:
            said[name] = read_number(name, value) if isinstance(value, str) else float(value)
        else:
            said[name] = value if declared.flag else str(value)
    return question(**said)


def _closest(word: str, known: Iterable[str]) -> str:
    """Return the closest known names, for an error message."""
    from difflib import get_close_matches

    return " or ".join(get_close_matches(word, list(known), 2)) or ", ".join(list(known)[:8])


FACTORS = {
    **dict.fromkeys(("k", "thousand"), 1e3),
    **dict.fromkeys(("m", "mn", "million"), 1e6),
    **dict.fromkeys(("b", "bn", "g", "billion"), 1e9),
    **dict.fromkeys(("t", "tn", "trillion"), 1e12),
}
"""Case-insensitive suffix of a number -> factor."""

_NUMBER = r"([+-]?[0-9._]*(?:[eE][+-]?\d+)?)\s*([A-Za-z]*)"
_GROUPED = r"[+-]?[1-9]\d{0,2}([,_]\d{3})+(\.\d*)?\s*[A-Za-z]*"
_COMMA = r"[+-]?\d+,\d+([eE][+-]?\d+)?\s*[A-Za-z]*"


def read_number(name: str, text: str) -> float:
    """Parse a number as people write it; refuse infinities and NaN.

    Raises
    ------
    ValueError
        With the name, the text and an example.

    Examples
    --------
    >>> read_number("params", "175e9"), read_number("tokens", "300B"), read_number("devices", "10k")
    (175000000000.0, 300000000000.0, 10000.0)
    >>> [read_number("params", text) for text in ("8b", "7bn", "7 billion")]
    [8000000000.0, 7000000000.0, 7000000000.0]
    >>> [read_number("pue", text) for text in ("1,25", "0,429", "1,500")]
    [1.25, 0.429, 1500.0]
    >>> read_number("power_cap", "500 W"), read_number("price", "2.5 USD/h")
    (500.0, 2.5)
    """
    cleaned = _without_unit(name, text.strip())
    if re.fullmatch(_GROUPED, cleaned):
        cleaned = cleaned.replace(",", "").replace("_", "")
    elif re.fullmatch(_COMMA, cleaned):
        cleaned = cleaned.replace(",", ".")
    try:
        number = _parse_number(cleaned)
    except ValueError:
        shown = cleaned if len(cleaned) <= 40 else cleaned[:40] + "..."
        like = _like(name, cleaned)
        raise refuse("unread_number", name, text=shown, like=like) from None
    if not math.isfinite(number):
        raise refuse("not_finite", name, value=number)
    return number


def _without_unit(name: str, text: str) -> str:
    """Strip the unit from a number text; "B" stays, as it means billions."""
    declared = REGISTRY.get(name)
    unit = "" if declared is None else declared.unit
    return text.removesuffix(unit).rstrip() if unit.casefold() not in FACTORS else text


def _like(name: str, text: str) -> str:
    """Suggest how to write a number, for an error message."""
    declared = REGISTRY.get(name)
    if text.endswith("%"):
        return "a share of one, such as 0.4"
    if declared is None or not declared.unit or not declared.example:
        return "it like 7e9 or 7B"
    return f"it like {declared.example} [{declared.unit}]"


def _parse_number(text: str) -> float:
    """Parse a plain number or one with a suffix of `FACTORS`."""
    parts = re.fullmatch(_NUMBER, text)
    if parts is not None and parts[2].lower() in FACTORS:
        return float(parts[1]) * FACTORS[parts[2].lower()]
    return float(text)
