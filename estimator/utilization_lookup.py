"""Which utilization is expected of a scenario: its facts, the fitted model, its doubt."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from estimator.catalog import Catalog, Device, Preset
from estimator.lookup import value_bytes
from estimator.machine_lookup import find_machine
from estimator.network_kind import NetworkKind, network_kind
from estimator.run_traits import fitted_model, shipped_doubts, traits_of_rows
from estimator.scenario import SHARING, Scenario
from estimator.trail import Input, Trail
from estimator.uncertainty import Uncertain
from estimator.utilization import Traits, expected_utilization

UNKNOWN = float("nan")

KNOWN_KINDS = ("gpu-datacenter", "gpu-consumer", "gpu-workstation", "superchip", "tpu")
"""Kinds of device that published runs were made on, with single runs on others."""

RECOMPUTED_SHARE = {"none": 0.0, "selective": 0.1, "full": 1.0}
"""Share of the forward pass that is computed again [1]; selective: the attention scores alone,
Korthikanti et al. 2022, arXiv:2205.05198, sec. 5."""

FEW_FLOP = 1e17
"""Below, hardly any run is published [FLOP]."""

FEW_TOKENS = 4096.0
"""Tokens of a step and device below which the batch sets the utilization [token]."""

FEW_RUNS = ("depthwise", "unet", "recurrent", "other")
"""Kinds of network of which few runs are published."""

MOST_DEVICES = 25_000
"""Published runs end about here [1]."""


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What a scenario tells about its run; None where it says nothing.

    Parameters
    ----------
    kind : str
        Kind of work.
    arch, name : str
        Architecture and name in free words; may be empty.
    flop, devices : float
        Work [FLOP] and devices [1].
    params, hidden, seq_len, year : float, optional
        Parameters [1], width [1], sequence length [token] and year of the run.
    steady : bool
        A rate in steady state is asked, without start and upkeep.
    told : mapping of str to float
        How the work is shared, by column, as far as it is told: `told_sharing`.
    """

    kind: str
    flop: float
    devices: float
    arch: str = ""
    name: str = ""
    params: float | None = None
    hidden: float | None = None
    seq_len: float | None = None
    year: float | None = None
    steady: bool = False
    told: Mapping[str, float] = field(default_factory=dict)


def told_sharing(
    scenario: Scenario, preset: Preset | None, devices: float, trail: Trail
) -> dict[str, float]:
    """How the work is shared, as far as the scenario or a preset's size tells, by column.

    Raises
    ------
    ValueError
        If the devices do not suffice, or a count is not whole.
    """
    told = {"accelerator_count": devices if "devices" in trail.inputs else UNKNOWN}
    if preset is not None and "active_params" in preset.records and scenario.params is None:
        told["params_total"] = preset.records["params"].value
        told["params_active"] = preset.records["active_params"].value
    if scenario.active_params is not None:
        told["params_active"] = scenario.active_params
    if scenario.batch_tokens is not None:
        told["batch_tokens"] = float(
            trail.given("batch_tokens", scenario.batch_tokens, "tokens").mid
        )
    if scenario.recomputation is not None:
        share = RECOMPUTED_SHARE[scenario.recomputation]
        told["recomputation"] = float(trail.given("recomputation", share, "1").mid)
    for name in SHARING:
        count = getattr(scenario, name)
        if count is not None:
            if count != int(count):
                raise ValueError(f"{name} must be a whole number, got {count:g}")
            told[name] = float(trail.given(name, count, "1").mid)
    needed = max(
        told.get("tensor_parallel", 1.0) * told.get("pipeline_parallel", 1.0),
        told.get("expert_parallel", 1.0),
    )
    if needed > devices:
        raise ValueError(
            f"the work is shared by {needed:g} devices, and there are {devices:g}: "
            "say --devices, or fewer of --tensor-parallel, --pipeline-parallel, --expert-parallel"
        )
    return told


def predicted_utilization(
    facts: RunFacts, device: Device, precision: str, catalog: Catalog, trail: Trail
) -> Uncertain:
    """Share of the peak that the fitted model expects, with the doubt of such networks."""
    kind = network_kind(facts.kind, facts.arch, facts.name)
    traits = _traits(facts, kind, precision, catalog)
    expected = expected_utilization(
        fitted_model(catalog),
        traits,
        find_machine(device, precision),
        flop=facts.flop,
        devices=facts.devices,
    )
    single = Uncertain(
        float(np.squeeze(expected.mid)),
        {name: float(np.squeeze(load)) for name, load in expected.loadings.items()},
    )
    _warn_of_thin_evidence(facts, device, kind, trail)
    batch = float(np.squeeze(traits.layout.batch_tokens))
    told = "batch_tokens" in facts.told or facts.steady
    if kind.transformer and not told and batch < FEW_TOKENS * facts.devices:
        trail.warn(
            f"a batch of {batch:.2g} tokens is assumed, which leaves each device little to do: "
            "--batch-tokens sets it, and it matters here"
        )
    low, high = single.interval()
    source = catalog.prior("utilization.fitted.matrix_slowdown").source
    trail.inputs["utilization"] = Input(
        value=float(single.mid),
        unit="1",
        basis="derived",
        source=source,
        low=float(low),
        high=float(min(high, 1.0)),
        note=f"model fitted to published runs, for a {kind.group}; `validate` shows its errors",
    )
    return single


def _traits(facts: RunFacts, kind: NetworkKind, precision: str, catalog: Catalog) -> Traits:
    """Traits of one run."""
    numbers = {
        name: np.array([UNKNOWN if value is None else value])
        for name, value in (
            ("hidden", facts.hidden),
            ("seq_len", facts.seq_len),
            ("params_total", facts.params),
            ("year", facts.year),
        )
    } | {name: np.array([value]) for name, value in facts.told.items()}
    return traits_of_rows(
        numbers,
        [kind],
        flop=np.array([facts.flop]),
        value_bytes=value_bytes(precision),
        spreads=shipped_doubts(catalog),
        steady=float(facts.steady),
    )


def _warn_of_thin_evidence(
    facts: RunFacts, device: Device, kind: NetworkKind, trail: Trail
) -> None:
    """Say where published runs are few or none."""
    if device.kind not in KNOWN_KINDS:
        trail.warn(
            f"no published training run on a device of kind {device.kind}: the utilization is "
            "an extrapolation, and its interval too narrow"
        )
    if facts.devices > MOST_DEVICES:
        trail.warn(f"no published run on more than {MOST_DEVICES:,} devices: an extrapolation")
    if facts.flop < FEW_FLOP:
        trail.warn(
            f"few runs of less than {FEW_FLOP:g} FLOP are published, and they scatter: the "
            "interval of the utilization is wide"
        )
    if kind.group in FEW_RUNS:
        trail.warn(
            f"few runs of networks of this kind ({kind.group}) are published: the utilization "
            "rests on little"
        )
    if "memory_bytes_per_s" not in device.records:
        trail.warn(f"the memory bandwidth of {device.name} is not known: a usual one is assumed")
