"""What does a run tell about itself: work and traits out of a table's columns, all rows at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np
import numpy.typing as npt

from estimator.catalog import Catalog, Record
from estimator.layout import Layout
from estimator.network_kind import GROUPS, NetworkKind, kind_of_domain, network_kind
from estimator.trail import uncertain_record
from estimator.uncertainty import Number, Uncertain, z_score
from estimator.units import CENTRAL
from estimator.utilization import (
    PARAMETERS,
    REFERENCE_SEQ_LEN,
    Traits,
    UtilizationModel,
    thinness,
)
from estimator.workload import formulas
from estimator.workload.formulas import (
    FLOP_PER_PARAM_AND_TOKEN,
    TRAINING_OVER_FORWARD,
    attention_training_flop,
)

Floats = npt.NDArray[np.float64]

PRESENT_YEAR = 2025.0
"""Software of runs that do not say when they were made, the newest that the fit knows [year]."""

LAYER_PARAMS = 12.0
"""Parameters of a transformer layer over its squared width [1]; Kaplan et al. 2020, sec. 2.1."""

LAYERS_PER_WIDTH = 1.0 / 128.0
"""Usual depth over width of a transformer [1], where only its parameters are known."""

TOKENS_PER_PARAM = 20.0
"""Tokens per parameter of a balanced run [1]; Hoffmann et al. 2022, arXiv:2203.15556."""

USUAL_BATCH_TOKENS = 1e6
"""Tokens of a step of a run of `USUAL_BATCH_FLOP` [token]; GPT-3, LLaMA, BLOOM: 2 to 4e6."""

USUAL_BATCH_FLOP = 1e21
BATCH_EXPONENT = 0.2
"""Work of such a run [FLOP], and how the batch grows with it [1]."""

USUAL_RECOMPUTATION = 0.5
"""Share of runs that compute activations again, where it is not told [1]."""

MOST_EXPERTS = 50.0
"""Parameters over active ones at most [1]."""

LORA_SHARE = 4.0 / 6.0
"""Adapters on frozen weights: forward and input gradients, no weight gradients [1]."""

FLAGS = (
    *("transformer", "convolution", "depthwise", "unet"),
    *("encoder", "contrastive", "sparse", "recurrent"),
)
"""What of the kind of a network is among its traits."""

FLAGS_OF = attrgetter(*FLAGS)

TOLD = {
    "recomputation": ("recomputation",),
    "batch": ("batch_tokens",),
    "layout": ("tensor_parallel", "pipeline_parallel", "expert_parallel"),
}
"""What published runs seldom tell: the doubt is smaller where a run does."""

UNTOLD = {
    "width": ("hidden",),
    "sequence": ("seq_len",),
    "devices": ("accelerator_count",),
}
"""What they tell: the doubt is larger where a run does not."""


@dataclass(frozen=True, kw_only=True)
class Doubts:
    """How unsure the utilization is.

    Parameters
    ----------
    groups : mapping of str to float
        Group of networks -> standard deviation of the logarithm of their utilization [1].
    choices : mapping of str to float
        Key of `TOLD` or `UNTOLD` -> what not knowing it moves the logarithm [1].
    """

    groups: Mapping[str, float]
    choices: Mapping[str, float]


def kinds_of_rows(
    domains: Sequence[str], archs: Sequence[str], names: Sequence[str]
) -> list[NetworkKind]:
    """Kind of network of each row, from its free words."""
    return [
        network_kind(kind_of_domain(domain), arch, name)
        for domain, arch, name in zip(domains, archs, names, strict=True)
    ]


def training_flop(numbers: Mapping[str, Floats], kinds: Sequence[NetworkKind]) -> Floats:
    """FLOPs of each run: as reported, by sample, or by parameters and tokens; NaN where unknown.

    Parameters
    ----------
    numbers : mapping of str to array
        Columns of the table, NaN where a cell is empty.
    kinds : sequence of NetworkKind
        One a row.

    Returns
    -------
    array [FLOP]
    """
    transformer = np.array([kind.transformer for kind in kinds], dtype=bool)
    share = np.array([LORA_SHARE if kind.lora else 1.0 for kind in kinds])
    total, active = numbers["params_total"], numbers["params_active"]
    params = np.where(np.isnan(active), total, active)
    layers, hidden = numbers["layers"], numbers["hidden"]
    in_layers = LAYER_PARAMS * layers * hidden**2
    shared_layers = transformer & (in_layers > 2 * total)
    computed = np.where(shared_layers, in_layers, params)
    tokens = numbers["tokens_processed"]
    attention = attention_training_flop(
        layers=layers, attention_width=hidden, seq_len=numbers["seq_len"], tokens=tokens
    )
    scores = np.where(transformer & ~np.isnan(attention), attention, 0.0)
    by_tokens = formulas.training_flop(params=computed, tokens=tokens) + scores
    stated = stated_flop(numbers)
    return np.where(np.isnan(stated), by_tokens * share, stated)


def attention_share(seq_len: Floats, hidden: Floats, params: Floats) -> Floats:
    """Work of attention over that of the parameters [1], where the number of layers is not told.

    The width is the stated one, or else the usual one of a transformer of that size.

    >>> attention_share(np.array([2048.0]), np.array([12288.0]), np.array([175e9])).round(4)
    array([0.0278])
    """
    width = usual_width(hidden, params, np.full(np.shape(params), np.nan))
    return seq_len / (FLOP_PER_PARAM_AND_TOKEN * width)


def stated_flop(numbers: Mapping[str, Floats]) -> Floats:
    """FLOPs of each run as reported or by sample, NaN where a row tells neither [FLOP]."""
    by_sample = (
        TRAINING_OVER_FORWARD * numbers["flops_per_sample_forward"] * numbers["samples_processed"]
    )
    reported = numbers["train_flops_reported"]
    return np.where(np.isnan(reported), by_sample, reported)


def traits_of_rows(
    numbers: Mapping[str, Floats],
    kinds: Sequence[NetworkKind],
    *,
    flop: Floats,
    value_bytes: Number,
    spreads: Doubts,
    steady: float = 0.0,
) -> Traits:
    """Traits of runs; what a row leaves out takes the usual value of such runs.

    Parameters
    ----------
    numbers : mapping of str to array
        hidden, seq_len, params_total and year, NaN where a cell is empty; params_active,
        accelerator_count, batch_tokens, recomputation, tensor_parallel, pipeline_parallel,
        expert_parallel and micro_batches where the table has them.
    kinds : sequence of NetworkKind
        One a row.
    flop : array
        FLOPs of each run [FLOP].
    value_bytes : float or array
        Bytes of a value in memory [B].
    spreads : Doubts
        Doubt by group of networks, and of what a row leaves out.
    steady : float
        Flag: rates in steady state, as in `Traits`.
    """
    of_kind = np.array([FLAGS_OF(kind) for kind in kinds], dtype=np.float64).T
    flags = dict(zip(FLAGS, of_kind, strict=True))
    year = numbers["year"]
    hidden = usual_width(numbers["hidden"], numbers["params_total"], flop)
    transformer = flags.pop("transformer") > 0
    elementwise = flags["convolution"] + flags["depthwise"] + flags["unet"]
    groups = np.array([spreads.groups[kind.group] for kind in kinds])
    known_year = np.minimum(np.where(np.isnan(year), PRESENT_YEAR, year), PRESENT_YEAR)
    return Traits(
        hidden=hidden,
        seq_len=np.where(
            np.isnan(numbers["seq_len"]) | ~transformer,
            REFERENCE_SEQ_LEN,
            numbers["seq_len"],
        ),
        year=known_year,
        value_bytes=value_bytes,
        steady=steady,
        layout=layout_of_rows(numbers, hidden, flop),
        log_sd=_doubt(
            numbers,
            groups * thinness(flop, known_year, elementwise == 0),
            transformer,
            spreads.choices,
        ),
        **flags,
    )


def layout_of_rows(numbers: Mapping[str, Floats], hidden: Floats, flop: Floats) -> Layout:
    """How runs share their work; what a row leaves out is usual, or left to the mechanism.

    Parameters
    ----------
    numbers : mapping of str to array
        As for `traits_of_rows`.
    hidden, flop : array
        Width [1] and work [FLOP] of each run.
    """
    unknown = np.full(len(flop), np.nan)
    total = numbers["params_total"]
    params = np.where(np.isnan(total), LAYER_PARAMS * LAYERS_PER_WIDTH * hidden**3, total)
    active = numbers.get("params_active", unknown)
    batch = numbers.get("batch_tokens", unknown)
    again = numbers.get("recomputation", unknown)
    usual = USUAL_BATCH_TOKENS * (flop / USUAL_BATCH_FLOP) ** BATCH_EXPONENT
    return Layout(
        params=params,
        active_params=np.clip(
            np.where(np.isnan(active), params, active), params / MOST_EXPERTS, params
        ),
        batch_tokens=np.where(np.isnan(batch), usual, batch),
        recomputation=np.where(np.isnan(again), USUAL_RECOMPUTATION, again),
        **{name: numbers.get(name, unknown) for name in (*TOLD["layout"], "micro_batches")},
    )


def _doubt(
    numbers: Mapping[str, Floats],
    spread: Floats,
    transformer: npt.NDArray[np.bool_],
    choices: Mapping[str, float],
) -> Floats:
    """Doubt of runs: that of their like, less what they tell beyond, and more what they do not."""
    variance = spread**2
    for key, names in TOLD.items():
        variance = variance - choices[key] ** 2 * (transformer & _told(numbers, names))
    for key, names in UNTOLD.items():
        if names[0] in numbers:
            variance = variance + choices[key] ** 2 * (transformer & ~_told(numbers, names))
    return np.asarray(np.sqrt(variance), dtype=np.float64)


def _told(numbers: Mapping[str, Floats], names: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """Whether a row tells any of these."""
    told = np.zeros(len(numbers["year"]), dtype=np.bool_)
    for name in names:
        if name in numbers:
            told |= ~np.isnan(numbers[name])
    return told


def usual_width(hidden: Floats, params: Floats, flop: Floats) -> Floats:
    """Width as stated, else of a transformer of that size, else of one trained with that work [1].

    >>> usual_width(np.array([np.nan]), np.array([6.7e9]), np.array([1e22])).round(-2)
    array([4100.])
    """
    balanced = np.sqrt(flop / (FLOP_PER_PARAM_AND_TOKEN * TOKENS_PER_PARAM))
    size = np.where(np.isnan(params), balanced, params)
    width = np.cbrt(size / (LAYER_PARAMS * LAYERS_PER_WIDTH))
    return np.where(np.isnan(hidden), width, hidden)


def fitted_model(catalog: Catalog) -> UtilizationModel:
    """Parameters of the utilization as shipped, fitted to the published runs."""
    return catalog.once(
        "fitted model",
        lambda: UtilizationModel(
            **{name: catalog.prior(f"utilization.fitted.{name}").value for name in PARAMETERS}
        ),
    )


def prior_model(catalog: Catalog) -> dict[str, Uncertain]:
    """Parameters of the utilization before any run was seen."""
    return {
        name: uncertain_record(catalog.prior(f"utilization.prior.{name}"), name)
        for name in PARAMETERS
    }


def shipped_doubts(catalog: Catalog) -> Doubts:
    """Doubt of the utilization: by group of networks, and of what a run does not tell."""
    return catalog.once(
        "doubts",
        lambda: Doubts(
            groups={name: _log_sd(catalog.prior(f"utilization.spread.{name}")) for name in GROUPS},
            choices={
                name: _log_sd(catalog.prior(f"utilization.untold.{name}"))
                for name in (*TOLD, *UNTOLD)
            },
        ),
    )


def _log_sd(record: Record) -> float:
    """Standard deviation of the logarithm, of a record that is all spread [1]."""
    if record.low is None or record.high is None:
        raise ValueError(f"a spread of the utilization needs low and high, got {record}")
    return float(np.log(record.high / record.low)) / (2 * z_score(CENTRAL))
