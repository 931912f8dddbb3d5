"""What does the user ask: every input of a scenario, declared once.

The command line, the page, a link, a row of a table and Python fill the same dataclass; what they
need to know of an input stands in its declaration: to add an input, add a field here and use it
where it has its effect.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from estimator.core.units import CENTRAL
from estimator.networks.kinds import ADAPTERS, KINDS
from estimator.question.declaration import Description, declared, inputs_of, option_in, refuse

if TYPE_CHECKING:
    from estimator.core.notice import Notice

LINK_VERSION = "1"

_work, _network, _hardware, _parallelism, _place, _money = (
    partial(declared, group=group)
    for group in ("work", "network", "hardware", "parallelism", "place", "money")
)
_parallelism = partial(_parallelism, refines=True)
_sharing = partial(_parallelism, limits="devices", whole=True)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One question; a field left None is unspecified, and what is then assumed is listed.

    Numbers are in the unit of the field's metadata; names are looked up in the profiles.
    """

    preset: str | None = _work("a published run or model by name", "Model or run", example="gpt-3")
    params: float | None = _work(
        "parameters of the model",
        "Parameters",
        unit="parameters",
        example="7e9",
        column="params_total",
    )
    tokens: float | None = _work(
        "tokens seen in training, epochs included",
        "Training tokens",
        example="2e12",
        column="tokens_processed",
    )
    active_params: float | None = _work(
        "parameters active per token, for a mixture of experts",
        "Active parameters (mixture of experts)",
        unit="parameters",
        example="37e9",
        column="params_active",
    )
    flop: float | None = _work(
        "FLOPs of the whole training run",
        "Training FLOPs",
        unit="FLOP",
        example="3.14e23",
        limits="training_flop",
        column="train_flops_reported",
        resolved="training_flop",
    )
    config: str | None = _work("a Hugging Face config.json", "config.json", example="config.json")
    samples: float | None = _work(
        "sequences, images or clips seen, with --config or --sample-flop",
        "Samples",
        example="1e8",
        column="samples_processed",
    )
    sample_flop: float | None = _work(
        "forward FLOPs of one sample, with --samples",
        "Forward FLOPs per sample",
        unit="FLOP",
        example="4.1e9",
        limits="training_flop",
        column="flops_per_sample_forward",
    )
    device_hours: float | None = _network(
        "device-hours of a run already timed; energy, cost and CO2e follow",
        "Device-hours already spent",
        unit="h",
        example="1.08e6",
        column="accelerator_hours",
    )
    kind: str | None = _network(
        "kind of workload; sets the expected utilization",
        "Kind of work",
        choices=KINDS,
        column="domain",
    )
    arch: str | None = _network(
        "architecture, as free text", "Architecture in words", example="'MoE decoder', CNN, encoder"
    )
    name: str | None = _network(
        "name of the network, if it identifies the architecture",
        "Name of the network",
        example="EfficientNet-B4",
    )
    width: float | None = _network(
        "width of the network, its hidden size",
        "Width (hidden size)",
        example="4096",
        column="hidden",
        refines=True,
    )
    layers: float | None = _network(
        "transformer layers; with width and sequence length, attention is counted exactly",
        "Layers",
        example="32",
        whole=True,
        refines=True,
    )
    heads: float | None = _network(
        "attention heads",
        "Attention heads",
        example="32",
        limits="layers",
        whole=True,
        refines=True,
    )
    kv_heads: float | None = _network(
        "key-value heads, fewer than --heads in grouped-query attention",
        "Key-value heads",
        example="8",
        limits="layers",
        whole=True,
        refines=True,
    )
    vocab: float | None = _network(
        "vocabulary size; the embedding table of an encoder costs no FLOPs",
        "Vocabulary",
        example="30522",
        limits="width",
        whole=True,
        refines=True,
    )
    seq_len: float | None = _network(
        "tokens in a sequence", "Tokens in a sequence", example="4096", refines=True
    )
    image_size: float | None = _network(
        "pixels on a side of its images, with --config",
        "Image side",
        unit="pixels",
        example="224",
        whole=True,
        refines=True,
    )
    finetune: str | None = _network(
        "adapt an existing model instead of training it; qlora: LoRA over weights of 4 bits",
        "Fine-tuning",
        choices=("full", *ADAPTERS),
    )
    attempts: float | None = _network(
        "development overhead: compute of all runs over that of the final one, failed runs and "
        "experiments included",
        "Development overhead (all runs / final run)",
        example="1.5",
        option="development-overhead",
        aliases=("attempts",),
    )
    hardware: str | None = _hardware(
        "device by id, alias or NVML name", "Device", example="h100", column="accelerator"
    )
    devices: float | None = _hardware(
        "number of devices", "Devices", example="64", column="accelerator_count", whole=True
    )
    precision: str | None = _hardware(
        "number format of the matrix work",
        "Number format",
        choices=(
            *("fp64", "fp32", "tf32", "fp16", "bf16", "fp8", "fp4", "int8", "equivalent"),
            "mixed",
        ),
    )
    utilization: float | None = _hardware(
        "model FLOPs utilization (MFU): share of the dense peak, in (0, 1]; predicted if omitted",
        "Utilization (share of the peak)",
        example="0.4",
    )
    calibration: str | None = _hardware(
        "use or ignore measured runs on this device",
        "Measured runs of this device",
        choices=("use", "ignore"),
    )
    program: str | None = _hardware(
        "name of your program; its own measured runs weigh most",
        "Program",
        example="my-gpt",
        local=True,
    )
    power_cap: float | None = _hardware(
        "power limit of each device: less power, longer run; --utilization is without the limit",
        "Power limit of a device [W]",
        unit="W",
        example="250",
        option="power-limit",
        aliases=("power-cap",),
    )
    software: str | None = _hardware(
        "how well tuned the code is: a vendor reference or benchmark submission, a typical stack, "
        "or research code",
        "Software",
        choices=("vendor", "typical", "research"),
    )
    framework: str | None = _hardware(
        "framework and version, if they indicate how well tuned the code is",
        "Framework",
        example="'NGC PyTorch 24.10'",
    )
    rate: str | None = _hardware(
        "steady-state step speed, or the whole run with its overheads",
        "Rate",
        choices=("steady", "run"),
    )
    batch_tokens: float | None = _parallelism(
        "tokens per optimizer step",
        "Tokens per step",
        unit="tokens",
        example="4e6",
        limits="tokens",
    )
    batch: float | None = _parallelism(
        "sequences, samples or images per optimizer step",
        "Batch (sequences or samples of a step)",
        example="1024",
        column="batch_per_step",
    )
    step_flop: float | None = _parallelism(
        "FLOPs per optimizer step, all devices together",
        "FLOPs per step",
        unit="FLOP",
        example="1.7e17",
        limits="training_flop",
    )
    step_operations: float | None = _parallelism(
        "operations that an eager framework dispatches per optimizer step, as run.count_flop "
        "counts them; tell of a measured CPU, with the memory traffic and the FLOPs of a step",
        "Operations per step",
        example="1500",
    )
    step_traffic: float | None = _parallelism(
        "memory that an optimizer step reads and writes beside its products, as run.count_flop "
        "counts it; tells of a measured CPU, with the operations and the FLOPs of a step",
        "Memory traffic per step [B]",
        unit="B",
        example="2e9",
        limits="traffic_bytes",
    )
    recomputation: str | None = _parallelism(
        "activations recomputed in the backward pass, to save memory",
        "Activations recomputed",
        choices=("none", "selective", "full"),
    )
    tensor_parallel: float | None = _sharing(
        "devices that each layer is split across", "Tensor-parallel devices", example="8"
    )
    pipeline_parallel: float | None = _sharing(
        "pipeline stages that the layers are split into", "Pipeline stages", example="4"
    )
    expert_parallel: float | None = _sharing(
        "devices that the experts are split across", "Expert-parallel devices", example="8"
    )
    micro_batches: float | None = _sharing(
        "micro-batches per step in the pipeline", "Micro-batches", example="32"
    )
    virtual_stages: float | None = _sharing(
        "stages per pipeline device (interleaved schedule)",
        "Virtual stages of a pipeline device",
        example="2",
    )
    site: str | None = _place(
        "country, cloud region, operator or place; a cloud brings its own rental prices",
        "Country, cloud region or operator",
        example="fr",
        column="region",
    )
    year: float | None = _place(
        "year of the run, for its grid, PUE and rental prices; the latest on record if omitted",
        "Year of the run",
        example="2020",
        refines=True,
    )
    carbon_intensity: float | None = _place(
        "carbon intensity of the electricity",
        "Carbon intensity [kgCO2e/kWh]",
        unit="kgCO2e/kWh",
        example="0.429",
        limits="co2e_kg_per_kwh",
        column="grid_kg_per_kwh",
        resolved="co2e_kg_per_kwh",
    )
    carbon_profile: str | None = _place(
        "CSV file of hourly carbon intensities that repeat: time or hour, and co2e_kg_per_kwh or "
        "co2e_g_per_kwh; 24 to 8784 rows",
        "Hourly carbon intensity of your grid",
        example="grid.csv",
        local=True,
    )
    start: float | None = _place(
        "hour of the --carbon-profile at which the run starts (default: 0)",
        "Starts at hour",
        unit="h",
        example="18",
        local=True,
    )
    pue: float | None = _place(
        "power usage effectiveness of the site, from 1", "PUE", example="1.1"
    )
    wue: float | None = _place(
        "water usage effectiveness of the site",
        "Water (WUE) [L/kWh]",
        unit="L/kWh",
        example="0.2",
        limits="wue_l_per_kwh",
        resolved="wue_l_per_kwh",
    )
    price: float | None = _money(
        "rental price of one device",
        "Rent [USD per device-hour]",
        unit="USD/h",
        example="2.5",
        limits="price_usd_per_h",
        column="price_usd_per_h",
        resolved="price_usd_per_h",
    )
    price_kind: str | None = _money(
        "which rental offers to take", "Rental offers", choices=("on-demand", "spot", "reserved")
    )
    pay: str | None = _money(
        "rent the devices, or own them (amortized price and electricity)",
        "Pay",
        choices=("rent", "own"),
    )
    device_price: float | None = _money(
        "purchase price of one device, for --pay own",
        "Purchase price of a device [USD]",
        unit="USD",
        example="27000",
        resolved="launch_price_usd",
    )
    electricity_price: float | None = _money(
        "price of electricity, for --pay own",
        "Electricity [USD/kWh]",
        unit="USD/kWh",
        example="0.12",
        limits="electricity_usd_per_kwh",
        resolved="electricity_usd_per_kwh",
    )
    interval: float | None = declared(
        f"probability inside low..high in (0, 1), {CENTRAL:g} if not given",
        "Probability inside the intervals",
        group="answer",
        example="0.9",
    )

    def given(self) -> dict[str, float | str]:
        """Return what is specified, in the order of the fields."""
        return {name: answer for name, answer in vars(self).items() if answer is not None}


INPUTS: Mapping[str, Description] = inputs_of(Scenario)
"""Field -> its declaration, in the order of the fields."""

NOT_READ = ("config", "carbon_profile", "start", "interval", "heads", "kv_heads")
"""Inputs without a column: files, what goes with them, and what changes no number."""

NUMBERS = frozenset(name for name, one in INPUTS.items() if one.number)
"""Fields that hold a number."""

LOCAL = tuple(name for name, one in INPUTS.items() if one.local)
"""Fields that no link carries."""

SHARING = ("tensor_parallel", "pipeline_parallel", "expert_parallel", "micro_batches")
"""Fields of how the devices share the work."""

BESIDE_PRODUCTS = ("step_operations", "step_traffic")
"""Fields of what a step does beside its products."""

CHOICES = {name: one.choices for name, one in INPUTS.items() if one.choices}
"""Field -> the words that it may be."""

CHECKED = {name: choices for name, choices in CHOICES.items() if name != "precision"}
"""The same without the precision, which is left to the device."""


def option_of(name: str) -> str:
    """Documented option of an input.

    >>> option_of("seq_len"), option_of("attempts")
    ('--seq-len', '--development-overhead')
    """
    return option_in(INPUTS, name)


INPUT_OF = {option_of(name)[2:].replace("-", "_"): name for name in INPUTS} | {
    name: name for name in INPUTS
}
"""Name of an input, and that of its option with underscores -> the input."""


def limits_of(name: str) -> str:
    """Key of `core.limits.LIMITS` whose bounds the number of an input keeps."""
    return INPUTS[name].limits or name


def column_of(name: str) -> str:
    """Column of an input in a table.

    >>> column_of("params"), column_of("pue")
    ('params_total', 'pue')
    """
    described = INPUTS.get(name)
    return (described.column if described is not None else "") or name


def label_of(name: str) -> str:
    """What a page calls an input, its unit left out.

    >>> label_of("price"), label_of("pue")
    ('“Rent”', '“PUE”')
    """
    described = INPUTS.get(name)
    return f"“{(described.label if described is not None else name).partition(' [')[0]}”"


def check_choices(scenario: Scenario) -> None:
    """Refuse a word that is none of a field's choices.

    Raises
    ------
    ValueError
        Field, word and the choices.
    """
    for name in CHECKED:
        check_choice(name, getattr(scenario, name))


def check_choice(name: str, word: str | None) -> None:
    """Refuse a word that is none of the choices of one field.

    Raises
    ------
    ValueError
        Field, word and the choices.
    """
    if word is not None and word not in CHECKED[name]:
        raise refuse("no_choice", name, choices=CHECKED[name], word=word)


FACTORS = {
    **dict.fromkeys(("k", "thousand"), 1e3),
    **dict.fromkeys(("m", "mn", "million"), 1e6),
    **dict.fromkeys(("b", "bn", "g", "billion"), 1e9),
    **dict.fromkeys(("t", "tn", "trillion"), 1e12),
}
"""What may follow a number, in any case -> factor."""

_NUMBER = r"([+-]?[0-9._]*(?:[eE][+-]?\d+)?)\s*([A-Za-z]*)"
_GROUPED = r"[+-]?[1-9]\d{0,2}([,_]\d{3})+(\.\d*)?\s*[A-Za-z]*"
_COMMA = r"[+-]?\d+,\d+([eE][+-]?\d+)?\s*[A-Za-z]*"


def read_number(name: str, text: str) -> float:
    """Read one number as people write it; unlike `float`, refuse what is not finite.

    Raises
    ------
    ValueError
        Name, text and what would be read.

    Examples
    --------
    >>> read_number("params", "175e9"), read_number("tokens", "300B"), read_number("devices", "10k")
    (175000000000.0, 300000000000.0, 10000.0)
    >>> [read_number("params", text) for text in ("8b", "7bn", "7 billion")]
    [8000000000.0, 7000000000.0, 7000000000.0]
    >>> [read_number("pue", text) for text in ("1,25", "0,429", "1,500")]
    [1.25, 0.429, 1500.0]
    """
    cleaned = text.strip()
    if re.fullmatch(_GROUPED, cleaned):
        cleaned = cleaned.replace(",", "").replace("_", "")
    elif re.fullmatch(_COMMA, cleaned):
        cleaned = cleaned.replace(",", ".")
    try:
        number = _read(cleaned)
    except ValueError:
        shown = cleaned if len(cleaned) <= 40 else cleaned[:40] + "..."
        like = _like(name, cleaned)
        raise refuse("unread_number", name, text=shown, like=like) from None
    if not math.isfinite(number):
        raise refuse("not_finite", name, value=number)
    return number


def _like(name: str, text: str) -> str:
    """How a number is to be written instead of a text."""
    described = INPUTS.get(name)
    if text.endswith("%"):
        return "a share of one, such as 0.4"
    if described is None or not described.unit:
        return "it like 7e9 or 7B"
    return f"it like {described.example} [{described.unit}]"


def _read(text: str) -> float:
    """Plain number, or one with a suffix out of `FACTORS`."""
    parts = re.fullmatch(_NUMBER, text)
    if parts is not None and parts[2].lower() in FACTORS:
        return float(parts[1]) * FACTORS[parts[2].lower()]
    return float(text)


def link(scenario: Scenario) -> str:
    """Query string that opens the same scenario in the app: all that is specified, and a version.

    A config goes as the keys of it that count (`compact_config`); other files stay behind.

    >>> link(Scenario(preset="gpt-3", hardware="h100", devices=1024.0))
    '?v=1&preset=gpt-3&hardware=h100&devices=1024'
    """
    given = {name: _written(value) for name, value in scenario.given().items()}
    for name in LOCAL:
        given.pop(name, None)
    from urllib.parse import urlencode

    return "?" + urlencode({"v": LINK_VERSION, **given})


def from_link(query: Mapping[str, str]) -> tuple[Scenario, list["Notice"]]:
    """Read a link; what cannot be read is left out with a notice, never guessed.

    >>> scenario, notices = from_link({"v": "1", "hardware": "h100", "devices": "many"})
    >>> scenario.given(), [notice.code for notice in notices]
    ({'hardware': 'h100'}, ['unread'])
    """
    from estimator.core.notice import Notice
    from estimator.networks.config_file import is_inline

    given: dict[str, Any] = {}
    notices: list[Notice] = []
    if query.get("v", LINK_VERSION) != LINK_VERSION:
        values = {"version": query["v"], "known": LINK_VERSION}
        notices.append(Notice("link_version", "", values))
    for name, described in INPUTS.items():
        if name not in query or described.local:
            continue
        text = query[name]
        if described.choices and text not in described.choices:
            notices.append(Notice("no_choice", name, {"word": text, "choices": described.choices}))
        elif name == "config" and not is_inline(text):
            notices.append(Notice("config_in_link", name))
        else:
            try:
                given[name] = read_number(name, text) if name in NUMBERS else text
            except ValueError as error:
                notices.append(Notice("unread", name, {"reason": str(error)}))
    return Scenario(**given), notices


def _written(value: float | str) -> str:
    """Write a number shortly and exactly, without a plus sign."""
    if isinstance(value, str):
        return value
    from decimal import Decimal

    exact = Decimal(repr(value)).normalize()
    return min(f"{exact:f}", str(exact).lower().replace("e+", "e"), key=len)
