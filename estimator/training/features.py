"""Features of runs from table columns: work, network kind, layout, software."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from operator import attrgetter

import numpy as np

from estimator.catalog import Catalog, Record, once
from estimator.core.rows import Floats, Mask, Texts, unknown
from estimator.core.uncertainty import Number, Uncertain, z_score
from estimator.core.units import CENTRAL
from estimator.networks.formulas import LAYER_PARAMS, LAYERS_PER_WIDTH, usual_width
from estimator.networks.kind_columns import KindColumn, network_kinds, of_each_kind
from estimator.networks.kinds import (
    SPREAD_GROUPS,
    NetworkKind,
    alike,
    kind_of_domain,
    texts_with,
)
from estimator.question.provenance import uncertain_record
from estimator.training.launches import UsualSteps, launch_s_of, layers_of
from estimator.training.mechanism import (
    PARAMETERS,
    USUAL_SEQ_LEN,
    Growth,
    RunFeatures,
    UtilizationModel,
    relative_width,
    thin_places,
    thinness,
)
from estimator.training.parallelism import USUAL_EXPERT_PARALLEL, TrainingLayout

PRESENT_YEAR = 2025.0
"""Software year of runs without a date, and latest distinguished year [year]: one more year did not
improve the prediction of held-out 2026 runs.
"""

CAUSAL_YEAR = 2023.0
"""Year from which decoder kernels usually skip the masked half of the scores [year]:
FlashAttention-2 (Dao 2023, arXiv:2307.08691) and similar.
"""

CAUSAL_SCORES = 0.5
"""Attention scores below the mask over all, for long sequences [1]."""

USUAL_BATCH_TOKENS = 1e6
"""Typical tokens per step of a run of `USUAL_BATCH_FLOP` [token]; GPT-3, LLaMA, BLOOM: 2 to 4e6."""

USUAL_BATCH_FLOP = 1e21
BATCH_EXPONENT = 0.2
"""Work of a run with `USUAL_BATCH_TOKENS` [FLOP], and elasticity of batch size to work [1]."""

USUAL_RECOMPUTATION = 0.5
"""Default share of runs with activation recomputation [1]."""

SMALLEST_SD = 0.1
"""Least log standard deviation of a utilization [1]."""

MOST_EXPERTS = 50.0
"""Most total parameters over active ones [1]."""

ENCODER_SEQ_LEN = 256.0
"""Default sequence length of an encoder [token]: sentences, image patches, frames."""

SOFTWARE = {"vendor": 1.0, "typical": 0.0, "research": -1.0}
"""Software tuning by name [1]."""

VENDOR_WORDS = ("mlperf", "ngc", "nemo", "megatron", "nvidia release", "ffcv", "dali")
"""Words in a framework or run name that indicate vendor-tuned code."""

FLAGS = (
    *("transformer", "convolution", "depthwise", "unet", "perceptron", "other"),
    *("encoder", "contrastive", "sparse", "recurrent", "lora", "rare", "speech"),
)
"""Network kinds used as features."""

FLAGS_OF = attrgetter(*FLAGS)

SELDOM_REPORTED = {
    "recomputation": ("recomputation",),
    "batch": ("batch_tokens",),
    "layout": ("tensor_parallel", "pipeline_parallel", "expert_parallel"),
}
"""Features that published runs rarely report; reporting one narrows the interval."""

USUALLY_REPORTED = {
    "width": ("hidden",),
    "sequence": ("seq_len",),
    "devices": ("accelerator_count",),
}
"""Features that published runs usually report; omitting one widens the interval."""


VENDORS = "vendor "
"""Prefix of spread groups for vendor code."""


@dataclass(frozen=True, kw_only=True)
class UtilizationSpread:
    """Uncertainty of the utilization.

    Parameters
    ----------
    groups : mapping of str to float
        Log standard deviation of the utilization by group of networks, with vendor code separate
        [1].
    choices : mapping of str to float
        Log standard deviation by unspecified input (`SELDOM_REPORTED`, `USUALLY_REPORTED` or
        software) [1].
    growth : Growth
        Growth of the spread where published runs scatter more.
    steps : UsualSteps
        Typical steps, used where unspecified.
    """

    groups: Mapping[str, float]
    choices: Mapping[str, float]
    growth: Growth
    steps: UsualSteps


def kinds_of_rows(domains: Sequence[str], archs: Sequence[str], names: Sequence[str]) -> KindColumn:
    """Classify each row's network kind from its free text."""
    return network_kinds([kind_of_domain(domain) for domain in domains], archs, names)


def features_of_rows(
    numbers: Mapping[str, Floats],
    kinds: Sequence[NetworkKind],
    *,
    flop: Floats,
    value_bytes: Number,
    spreads: UtilizationSpread,
    rare_device: Number = 0.0,
) -> RunFeatures:
    """Return the features of runs, with typical values for omitted fields.

    Parameters
    ----------
    numbers : mapping of str to array
        Columns hidden, seq_len, params_total and year, NaN where empty, and optionally
        params_active, layers, accelerator_count, software, batch, batch_tokens, step_flop,
        samples_processed, tokens_processed, causal, recomputation, tensor_parallel,
        pipeline_parallel, expert_parallel, micro_batches and virtual_stages.
    kinds : sequence of NetworkKind
        Network kind of each row.
    flop : array
        FLOPs of each run [FLOP].
    value_bytes : float or array
        Bytes per value in memory [B].
    spreads : UtilizationSpread
        Uncertainty by group of networks and by omitted input.
    rare_device : float or array
        Flag of `TrainingMachine`: device types with few published runs.
    """
    of_kind = of_each_kind(kinds, FLAGS_OF).astype(np.float64).T
    flags = dict(zip(FLAGS, of_kind, strict=True))
    numbers = {**numbers, "batch_tokens": _batch_tokens(numbers)}
    year = numbers["year"]
    params = numbers["params_total"]
    active = numbers.get("params_active", unknown(len(flop)))
    hidden = usual_width(numbers["hidden"], np.where(np.isnan(active), params, active), flop)
    transformer = flags.pop("transformer") > 0
    usual_seq_len = np.where(flags["encoder"] > 0, ENCODER_SEQ_LEN, USUAL_SEQ_LEN)
    software = numbers.get("software", unknown(len(flop)))
    software = np.where(np.isnan(software), SOFTWARE["typical"], software)
    stepwise = of_each_kind(kinds, lambda kind: kind.stepwise)
    software = np.where(stepwise, SOFTWARE["research"], software)
    groups = _of_group(kinds, software, spreads.groups)
    layers = layers_of(numbers.get("layers", unknown(len(flop))), params, numbers["hidden"])
    launch_s = launch_s_of(flags, layers)
    del flags["perceptron"]
    known_year = np.minimum(np.where(np.isnan(year), PRESENT_YEAR, year), PRESENT_YEAR)
    pictures = of_each_kind(kinds, lambda kind: kind.pictures)
    samples = numbers.get("samples_processed", unknown(len(flop)))
    features = RunFeatures(
        pictures=np.where(pictures & ~np.isnan(samples), samples, 0.0),
        hidden=hidden,
        seq_len=np.where(
            transformer,
            np.where(np.isnan(numbers["seq_len"]), usual_seq_len, numbers["seq_len"]),
            USUAL_SEQ_LEN,
        ),
        software=software,
        relative_width=np.where(flags["depthwise"] > 0, relative_width(params), 1.0),
        steps=_steps(numbers, flop),
        launch_s=launch_s,
        usual_steps=spreads.steps,
        year=known_year,
        scores=_scores(numbers, transformer & (flags["encoder"] == 0), known_year),
        value_bytes=value_bytes,
        layout=layout_of_rows(numbers, hidden, flop),
        log_sd=0.0,
        **flags,
    )
    like = groups * thinness(thin_places(flop, features, rare_device), spreads.growth)
    which = {"transformer": transformer, "tunable": flags["encoder"] + flags["unet"] > 0}
    return replace(features, log_sd=_log_sds(numbers, like, which, spreads.choices))


def spread_groups(kinds: Sequence[NetworkKind], software: Floats) -> Texts:
    """Spread group of each run: its network kind, with vendor code separate."""
    tuned = software >= SOFTWARE["vendor"]
    names = of_each_kind(kinds, lambda kind: kind.spread_group).astype(np.str_)
    return np.where(tuned, np.char.add(VENDORS, names), names)


def _of_group(
    kinds: Sequence[NetworkKind], software: Floats, groups: Mapping[str, float]
) -> Floats:
    """Spread of each run's group [1], as `spread_groups` without names."""
    tuned = software >= SOFTWARE["vendor"]
    theirs = of_each_kind(kinds, lambda kind: groups[f"{VENDORS}{kind.spread_group}"])
    return np.where(tuned, theirs, of_each_kind(kinds, lambda kind: groups[kind.spread_group]))


def software_of_rows(
    said: Sequence[str], frameworks: Sequence[str], names: Sequence[str]
) -> Floats:
    """Return the software tuning of each row, stated or inferred from framework or name [1].

    Returns
    -------
    array
        Value of `SOFTWARE` by row, NaN if there is no indication.

    >>> software_of_rows(["research", "", ""], ["", "NGC PyTorch 23.04", "PyTorch"], ["", "", ""])
    array([-1.,  1., nan])
    """
    if alike(said) and alike(frameworks) and alike(names) and len(said) > 1:
        same = software_of_rows(said[:1], frameworks[:1], names[:1])
        return np.repeat(same, len(said))
    tuned = {text: 1.0 for texts in (frameworks, names) for text in texts_with(VENDOR_WORDS, texts)}
    return np.array(
        [
            SOFTWARE.get(word) if word else tuned.get(framework) or tuned.get(name)
            for word, framework, name in zip(said, frameworks, names, strict=True)
        ],
        dtype=np.float64,
    )


def _scores(numbers: Mapping[str, Floats], decoder: Mask, year: Floats) -> Floats:
    """Return the share of attention scores that are computed [1]: half for causal kernels.

    As given, otherwise causal for decoders from `CAUSAL_YEAR` on.
    """
    said = numbers.get("causal", unknown(len(year)))
    causal = np.where(np.isnan(said), decoder & (year >= CAUSAL_YEAR), said > 0)
    return np.where(causal, CAUSAL_SCORES, 1.0)


def _batch_tokens(numbers: Mapping[str, Floats]) -> Floats:
    """Return the tokens per step as given, or sequences times length; NaN if unknown."""
    nothing = unknown(len(numbers["year"]))
    tokens = numbers.get("batch_tokens", nothing)
    return np.where(np.isnan(tokens), numbers.get("batch", nothing) * numbers["seq_len"], tokens)


def _steps(numbers: Mapping[str, Floats], flop: Floats) -> Floats:
    """Return the number of optimizer steps from step and total size, NaN if unknown [1]."""
    nothing = unknown(len(flop))
    steps = flop / numbers.get("step_flop", nothing)
    for whole, part in (("samples_processed", "batch"), ("tokens_processed", "batch_tokens")):
        other = numbers.get(whole, nothing) / numbers.get(part, nothing)
        steps = np.where(np.isnan(steps), other, steps)
    return steps


def layout_of_rows(numbers: Mapping[str, Floats], hidden: Floats, flop: Floats) -> TrainingLayout:
    """Return the layout of runs; omitted parts are typical or left to the mechanism.

    Parameters
    ----------
    numbers : mapping of str to array
        As for `features_of_rows`.
    hidden, flop : array
        Width [1] and work [FLOP] of each run.
    """
    nothing = unknown(len(flop))
    total = numbers["params_total"]
    params = np.where(np.isnan(total), LAYER_PARAMS * LAYERS_PER_WIDTH * hidden**3, total)
    active = numbers.get("params_active", nothing)
    batch = numbers.get("batch_tokens", nothing)
    again = numbers.get("recomputation", nothing)
    experts = numbers.get("expert_parallel", nothing)
    uncounted = np.isnan(numbers.get("accelerator_count", np.ones(len(flop))))
    usual = USUAL_BATCH_TOKENS * (flop / USUAL_BATCH_FLOP) ** BATCH_EXPONENT
    return TrainingLayout(
        params=params,
        active_params=np.clip(
            np.where(np.isnan(active), params, active), params / MOST_EXPERTS, params
        ),
        batch_tokens=np.where(np.isnan(batch), usual, batch),
        recomputation=np.where(np.isnan(again), USUAL_RECOMPUTATION, again),
        expert_parallel=np.where(np.isnan(experts) & uncounted, USUAL_EXPERT_PARALLEL, experts),
        **{
            name: numbers.get(name, nothing)
            for name in ("tensor_parallel", "pipeline_parallel", "micro_batches", "virtual_stages")
        },
    )


def _log_sds(
    numbers: Mapping[str, Floats],
    spread: Floats,
    kind: Mapping[str, Mask],
    choices: Mapping[str, float],
) -> Floats:
    """Log standard deviation of similar runs, adjusted for reported and omitted features."""
    transformer = kind["transformer"]
    untuned = kind["tunable"] & ~_specified(numbers, ("software",))
    variance = spread**2 + choices["software"] ** 2 * untuned
    for key, names in SELDOM_REPORTED.items():
        variance = variance - choices[key] ** 2 * (transformer & _specified(numbers, names))
    for key, names in USUALLY_REPORTED.items():
        if names[0] in numbers:
            variance = variance + choices[key] ** 2 * (transformer & ~_specified(numbers, names))
    return np.asarray(np.sqrt(np.maximum(variance, SMALLEST_SD**2)), dtype=np.float64)


def _specified(numbers: Mapping[str, Floats], names: tuple[str, ...]) -> Mask:
    reported = np.zeros(len(numbers["year"]), dtype=np.bool_)
    for name in names:
        if name in numbers:
            reported |= ~np.isnan(numbers[name])
    return reported


@once
def fitted_model(catalog: Catalog) -> UtilizationModel:
    """Return the built-in utilization parameters, fitted to published runs."""
    return UtilizationModel(
        **{name: catalog.prior(f"utilization.fitted.{name}").value for name in PARAMETERS}
    )


def prior_model(catalog: Catalog) -> dict[str, Uncertain]:
    """Return the prior of the utilization parameters."""
    return {
        name: uncertain_record(catalog.prior(f"utilization.prior.{name}"), name)
        for name in PARAMETERS
    }


@once
def shipped_spreads(catalog: Catalog) -> UtilizationSpread:
    """Return the log uncertainty of utilization, by network kind and omitted inputs."""
    factors = (field.name for field in fields(Growth))
    return UtilizationSpread(
        groups={
            f"{of}{name}": _log_sd(catalog.prior(f"utilization.spread.{table}.{name}"))
            for of, table in (("", "other"), (VENDORS, "vendor"))
            for name in SPREAD_GROUPS
        },
        choices={
            name: _log_sd(catalog.prior(f"utilization.unspecified.{name}"))
            for name in (*SELDOM_REPORTED, *USUALLY_REPORTED, "software")
        },
        growth=Growth(
            **{name: catalog.prior(f"utilization.growth.{name}").value for name in factors}
        ),
        steps=UsualSteps(
            **{
                field.name: catalog.prior(f"calibration.accelerator.usual_{field.name}").value
                for field in fields(UsualSteps)
            }
        ),
    )


def _log_sd(record: Record) -> float:
    """Log standard deviation of a record that consists of spread only [1]."""
    if record.low is None or record.high is None:
        raise ValueError(f"a spread of the utilization needs low and high, got {record}")
    return float(np.log(record.high / record.low)) / (2 * z_score(CENTRAL))
