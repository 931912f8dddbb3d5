"""How much work does a scenario name: FLOPs, a size, a config, a preset or device time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from estimator.catalog import Catalog, Preset
from estimator.checks import within_limits
from estimator.network_kind import configured_kind, network_kind
from estimator.run_traits import LORA_SHARE, attention_share
from estimator.scenario import Scenario
from estimator.trail import Trail
from estimator.uncertainty import EXACTLY_ONE, Uncertain
from estimator.workload.formulas import training_flop
from estimator.workload.work import Workload

if TYPE_CHECKING:
    from estimator.workload.ledger import Ledger

PRESET_KINDS = {"games": "other"}
"""Preset kinds that share the utilization of another kind of work."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What was found of the work.

    Parameters
    ----------
    workload : Workload
        For the core.
    kind : str
        Kind of work, which sets the utilization expected.
    arch : str
        Architecture in free words; may be empty.
    preset : Preset, optional
        The preset that was named.
    params, hidden, seq_len : float, optional
        Parameters [1], width [1] and tokens in a sequence [token], where they are known.
    counted : mapping
        Parameters, all and active [1], by column, where a config with experts was counted.
    """

    workload: Workload
    kind: str
    arch: str = ""
    preset: Preset | None = None
    params: float | None = None
    hidden: float | None = None
    seq_len: float | None = None
    counted: Mapping[str, float] = field(default_factory=dict)


def find_work(scenario: Scenario, catalog: Catalog, trail: Trail) -> Work:
    """Find the work of a scenario.

    Raises
    ------
    ValueError
        If it names no work, or work in two ways that exclude each other.
    """
    _refuse_contradictions(scenario)
    preset = None if scenario.preset is None else catalog.preset(scenario.preset)
    network = None if scenario.config is None else _read_network(scenario.config, scenario)
    flop = _training_flop(scenario, (preset, network), catalog, trail)
    device_hours = _device_hours(scenario, preset, flop, trail)
    if flop is None and device_hours is None:
        raise ValueError(_no_work(scenario, preset))
    attempts = EXACTLY_ONE
    if scenario.attempts is not None:
        attempts = trail.given("attempts", scenario.attempts, "1")
    if scenario.attempts is not None and scenario.attempts > 1:
        trail.warn(
            f"energy, cost and CO2 are those of all runs, {scenario.attempts:g} times the final "
            "one; the time is that of the final run"
        )
    if flop is not None and scenario.finetune == "lora":
        flop = flop * LORA_SHARE
        trail.warn(
            "LoRA: the base is frozen, so a third of the work, its weight gradients, is saved"
        )
    return Work(
        workload=Workload(training_flop=flop, device_hours=device_hours, attempts=attempts),
        kind=_kind(scenario, (preset, network), trail),
        arch=_arch(scenario, preset, network),
        preset=preset,
        params=trail.inputs["params"].value if "params" in trail.inputs else None,
        hidden=scenario.width or _width(_config(preset, network)),
        seq_len=_seq_len(scenario, preset),
        counted={} if network is None else network.counted,
    )


@dataclass(frozen=True, kw_only=True)
class _Network:
    """A config.json, read and counted."""

    config: Mapping[str, Any]
    ledger: "Ledger"

    @property
    def kind(self) -> tuple[str, str]:
        """Kind of work, and the architecture in words."""
        sparse = self.ledger.params_active < self.ledger.params_total
        return configured_kind(self.ledger.model_type, sparse=sparse)

    @property
    def counted(self) -> Mapping[str, float]:
        """Parameters, all and active, by column, if they differ."""
        total, active = self.ledger.params_total, self.ledger.params_active
        return {"params_total": total, "params_active": active} if active < total else {}


def _read_network(path: str, scenario: Scenario) -> _Network:
    from estimator.workload.huggingface import model_ledger, read_config

    for name in ("seq_len", "tokens", "samples"):
        value = getattr(scenario, name)
        if value is not None:
            within_limits(name, value)
    config = read_config(path)
    return _Network(config=config, ledger=model_ledger(config, seq_len=scenario.seq_len))


def _config(preset: Preset | None, network: _Network | None) -> Mapping[str, Any]:
    if network is not None:
        return network.config
    return {} if preset is None else preset.config


def _arch(scenario: Scenario, preset: Preset | None, network: _Network | None) -> str:
    """Architecture of a preset or a config; a size with active parameters has experts."""
    if scenario.arch is not None:
        return scenario.arch
    if network is not None:
        return network.kind[1]
    if preset is not None:
        return preset.arch
    return "MoE decoder" if scenario.active_params is not None else ""


def _width(config: Mapping[str, Any]) -> float | None:
    """Width of the network in a config.json, whatever its family calls it."""
    known = [config[key] for key in ("hidden_size", "n_embd", "d_model") if key in config]
    return float(known[0]) if known else None


def _seq_len(scenario: Scenario, preset: Preset | None) -> float | None:
    if scenario.seq_len is not None or preset is None or "seq_len" not in preset.records:
        return scenario.seq_len
    return preset.records["seq_len"].value


def _refuse_contradictions(scenario: Scenario) -> None:
    ways = [name for name in ("flop", "params", "config") if getattr(scenario, name) is not None]
    if ways == ["flop", "params"] and scenario.tokens is None:
        ways = ["flop"]
    if len(ways) > 1:
        given = " and ".join(f"--{way}" for way in ways)
        raise ValueError(f"{given} both say how much work it is: give one of them")
    if scenario.preset is not None and ways:
        raise ValueError(f"--preset already says how much work it is: drop it or --{ways[0]}")
    if scenario.finetune is not None and scenario.tokens is None and scenario.samples is None:
        raise ValueError("fine-tuning needs its own --tokens (or --samples with --config)")
    if scenario.finetune is not None and scenario.flop is not None:
        raise ValueError("--flop is already the whole work: --finetune goes with a model's size")
    if scenario.active_params is not None and scenario.params is None:
        raise ValueError("--active-params needs --params, the size of the whole model")
    active = scenario.active_params
    if active is not None and scenario.params is not None and active > scenario.params:
        raise ValueError(f"active_params must be at most params, got {active:g}")


def _training_flop(
    scenario: Scenario,
    named: tuple[Preset | None, _Network | None],
    catalog: Catalog,
    trail: Trail,
) -> Uncertain | None:
    preset, network = named
    if scenario.flop is not None:
        if scenario.params is not None:
            trail.given("params", scenario.params, "parameters")
        return trail.given("training_flop", scenario.flop, "FLOP")
    if network is not None:
        return _flop_of_network(network.ledger, scenario, trail)
    if scenario.params is not None:
        return _flop_of_size(scenario, catalog, trail)
    return None if preset is None else _flop_of_preset(scenario, preset, catalog, trail)


def _flop_of_size(scenario: Scenario, catalog: Catalog, trail: Trail) -> Uncertain | None:
    """6 N D, with the active parameters of a mixture of experts."""
    params = trail.given("params", scenario.params or 0.0, "parameters")
    within_limits("params", params)
    if scenario.active_params is not None:
        within_limits("active_params", scenario.active_params)
        params = trail.given("active_params", scenario.active_params, "parameters")
    if scenario.tokens is None:
        return None
    within_limits("tokens", scenario.tokens)
    tokens = trail.given("tokens", scenario.tokens, "tokens")
    return _six_n_d(params, tokens, catalog, trail) * _attention_factor(scenario, trail)


def _six_n_d(params: Uncertain, tokens: Uncertain, catalog: Catalog, trail: Trail) -> Uncertain:
    """Work of a size and tokens, with the doubt of that formula."""
    exact: Uncertain = training_flop(params=params, tokens=tokens)
    return exact * trail.prior(catalog, "work.formula", "work")


def _attention_factor(scenario: Scenario, trail: Trail) -> float:
    """Work with attention over that without, for a sequence length and a usual or given width."""
    if scenario.seq_len is None or scenario.params is None:
        return 1.0
    if not network_kind(scenario.kind or "language", scenario.arch or "").transformer:
        return 1.0
    told = (scenario.seq_len, scenario.width, scenario.active_params or scenario.params)
    lengths, widths, sizes = (np.array([item], dtype=np.float64) for item in told)
    factor = 1.0 + float(attention_share(lengths, widths, sizes)[0])
    trail.warn(f"attention over {scenario.seq_len:,.0f} tokens adds {factor - 1:.0%} to 6 N D")
    return factor


def _flop_of_network(ledger: "Ledger", scenario: Scenario, trail: Trail) -> Uncertain | None:
    """Exact ledger of a config.json, times the tokens or the samples."""
    for warning in ledger.warnings:
        trail.warn(warning)
    trail.given("params", ledger.params_total, "parameters")
    if scenario.tokens is not None:
        tokens = trail.given("tokens", scenario.tokens, "tokens")
        return tokens * float(ledger.training_flop / ledger.tokens)
    if scenario.samples is not None:
        return trail.given("samples", scenario.samples, "samples") * float(ledger.training_flop)
    return None


def _flop_of_preset(
    scenario: Scenario, preset: Preset, catalog: Catalog, trail: Trail
) -> Uncertain | None:
    """FLOPs as published; another number of tokens than the published one scales them."""
    records = preset.records
    if "training_flop" in records:
        flop = trail.record("training_flop", records["training_flop"], "work")
        if scenario.tokens is None:
            return flop
        if "tokens" in records:
            return flop * (
                trail.given("tokens", scenario.tokens, "tokens") / records["tokens"].value
            )
    active = records.get("active_params", records.get("params"))
    if active is None or (scenario.tokens is None and "tokens" not in records):
        return None
    params = trail.record("params", active, "work")
    if scenario.tokens is not None:
        tokens = trail.given("tokens", scenario.tokens, "tokens")
    else:
        tokens = trail.record("tokens", records["tokens"], "work")
    return _six_n_d(params, tokens, catalog, trail)


def _device_hours(
    scenario: Scenario, preset: Preset | None, flop: Uncertain | None, trail: Trail
) -> Uncertain | None:
    """Device time as given; or that of a preset whose work nobody published in FLOPs."""
    if scenario.finetune is not None and flop is None:
        raise ValueError("fine-tuning needs the size of the model: its work is not on record")
    if scenario.device_hours is not None:
        return trail.given("device_hours", scenario.device_hours, "h")
    if preset is None or flop is not None or "device_hours" not in preset.records:
        return None
    trail.warn(
        f"{preset.name} is published as device time on {preset.hardware or 'its own hardware'}, "
        "not as FLOPs: its hours are taken as they are, on whatever device"
    )
    return trail.record("device_hours", preset.records["device_hours"], "work")


def _kind(scenario: Scenario, named: tuple[Preset | None, _Network | None], trail: Trail) -> str:
    preset, network = named
    if scenario.kind is not None:
        return scenario.kind
    if network is not None:
        return network.kind[0]
    if preset is not None:
        return PRESET_KINDS.get(preset.kind, preset.kind)
    if scenario.flop is not None and scenario.utilization is None:
        trail.warn("work of kind language assumed for the utilization: --kind sets another")
    return "language"


def _no_work(scenario: Scenario, preset: Preset | None) -> str:
    if scenario.params is not None:
        return "--params needs --tokens, the tokens seen in training"
    if scenario.config is not None:
        return "--config needs --tokens or --samples, what is seen in training"
    if preset is not None:
        return f"{preset.name} has neither FLOPs nor tokens on record: add --tokens"
    return "no work given: say --preset gpt-3, --params 7e9 --tokens 2e12, --flop, --config or " + (
        "--device-hours"
    )
