"""Which utilization is expected of a scenario: its facts, the fitted model, its doubt."""

from dataclasses import dataclass

import numpy as np

from estimator.catalog import Catalog, Device
from estimator.lookup import value_bytes
from estimator.machine_lookup import find_machine
from estimator.network_kind import network_kind
from estimator.run_traits import fitted_model, shipped_doubts, traits_of_rows
from estimator.trail import Input, Trail
from estimator.uncertainty import Uncertain
from estimator.utilization import expected_utilization

UNKNOWN = float("nan")

KNOWN_KINDS = ("gpu-datacenter", "gpu-consumer", "gpu-workstation", "superchip", "tpu")
"""Kinds of device that published runs were made on, with single runs on others."""

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


def predicted_utilization(
    facts: RunFacts, device: Device, precision: str, catalog: Catalog, trail: Trail
) -> Uncertain:
    """Share of the peak that the fitted model expects, with the doubt of such networks."""
    kind = network_kind(facts.kind, facts.arch, facts.name)
    numbers = {
        name: np.array([UNKNOWN if value is None else value])
        for name, value in (
            ("hidden", facts.hidden),
            ("seq_len", facts.seq_len),
            ("params_total", facts.params),
            ("year", facts.year),
        )
    }
    traits = traits_of_rows(
        numbers,
        [kind],
        flop=np.array([facts.flop]),
        value_bytes=value_bytes(precision),
        spreads=shipped_doubts(catalog),
    )
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
    if device.kind not in KNOWN_KINDS:
        trail.warn(
            f"no published training run on a device of kind {device.kind}: the utilization is "
            "an extrapolation, and its interval too narrow"
        )
    if facts.devices > MOST_DEVICES:
        trail.warn(f"no published run on more than {MOST_DEVICES:,} devices: an extrapolation")
    if "memory_bytes_per_s" not in device.records:
        trail.warn(f"the memory bandwidth of {device.name} is not known: a usual one is assumed")
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
