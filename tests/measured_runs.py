"""Runs as the meters would record them, for the tests that need a store with something in it."""

import dataclasses
import time
from datetime import UTC, datetime

from estimator.measure.host_id import host_id
from estimator.runs import open_store
from estimator.runs.meter import Sample
from estimator.runs.record import (
    Condition,
    Energy,
    Host,
    MeasuredDevice,
    MeasuredRun,
    Timing,
)

H100_PEAK = 989.4e12
"""Dense peak of an H100 SXM at 16 bit [FLOP/s]; NVIDIA H100 data sheet, 2023."""

H100 = MeasuredDevice(
    key="gpu:0",
    kind="gpu",
    name="NVIDIA H100 80GB HBM3",
    hardware="h100-sxm",
    power_limit_w=700.0,
    default_limit_w=700.0,
)
CNN = {"kind": "vision", "arch": "CNN"}


def steps(share, step_s=0.1, **changed):
    """Steps of a decoder that reach a share of the peak of an H100."""
    values = {
        "what": "training",
        "component": "gpu:0",
        "precision": "bf16",
        "kind": "language",
        "arch": "dense decoder",
        "label": f"steps of {step_s:g} s at the peak",
        "flop": H100_PEAK * step_s,
        "time_s": step_s / share,
        "log_sd": 0.02,
        "repetitions": 40,
        "power_w": 640.0,
        "trust": "counter",
    }
    return Timing(**{**values, **changed})


def measured(run_id, *timings, **changed):
    """One finished run of an hour on one H100 of this host."""
    values = {
        "id": run_id,
        "origin": "bench",
        "started": "2026-11-18T10:00:00Z",
        "wall_s": 3600.0,
        "state": "finished",
        "label": "benchmark",
        "host": Host(
            id=host_id(), cpu="Xeon Platinum 8481C", cores=16, system="Linux 6", software={}
        ),
        "devices": (H100,),
        "energy": (
            Energy(
                component="gpu:0",
                meter="nvml counter",
                trust="counter",
                energy_j=640.0 * 3600.0,
                duration_s=3600.0,
            ),
            Energy(
                component="cpu",
                meter="codecarbon",
                trust="modelled",
                energy_j=150.0 * 3600.0,
                duration_s=3600.0,
            ),
        ),
        "conditions": (Condition(component="gpu:0", busy=0.99, temperature_c=61.0, throttled=0.0),),
        "timings": timings,
    }
    return MeasuredRun(**{**values, **changed})


def several():
    """A benchmark, a disturbed training run, one on a stub, and one cut off."""
    sizes = (0.004, 0.02, 0.1, 0.5)
    idle = Timing(
        what="idle", component="gpu:0", time_s=10.0, repetitions=1, power_w=72.0, trust="sampled"
    )
    decoders = [
        steps(share, size) for share, size in zip((0.31, 0.4, 0.46, 0.5), sizes, strict=True)
    ]
    networks = [
        steps(share, size, **CNN) for share, size in zip((0.1, 0.15, 0.2, 0.22), sizes, strict=True)
    ]
    slow = [steps(share, 0.1, precision="tf32", flop=0.05 * H100_PEAK) for share in (0.9, 0.95)]
    throttled = Condition(component="gpu:0", busy=0.97, throttled=0.4, reasons=("power cap",))
    return [
        measured("r-bench", *decoders, *networks, *slow, idle),
        measured(
            "r-train",
            steps(0.41, 0.3, repetitions=800, label="GPT of 124 million parameters"),
            origin="script",
            label="gpt2 small",
            started="2026-11-19T08:30:00Z",
            conditions=(throttled,),
        ),
        measured("r-stub", steps(0.9), simulated=True, started="2026-11-19T12:00:00Z"),
        measured(
            "r-cut",
            origin="run",
            label="night run",
            state="interrupted",
            started="2026-11-20T01:00:00Z",
            wall_s=754.0,
        ),
    ]


def store(*runs):
    """Put runs into the store that the environment names."""
    with open_store() as kept:
        kept.add_all(runs)


class Board:
    """What a meter says of itself."""

    component = "gpu:0"
    name = "nvml power"
    trust = "sampled"
    device = H100
    simulated = False


def begin(seconds=60.0, power_w=500.0):
    """Begin a run of this process, with samples of constant power, and return the store."""
    kept = open_store()
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    run = measured("r-now", origin="run", state="running", label="tiny model", started=now)
    run = dataclasses.replace(run, energy=(), conditions=(), wall_s=0.0)
    kept.begin(run, [Board()])
    end_s = time.monotonic()
    count = int(seconds * 2) + 1
    samples = [
        Sample(
            time_s=end_s - seconds + at / 2,
            power_w=power_w,
            temperature_c=64.0,
            busy=0.98,
        )
        for at in range(count)
    ]
    kept.append(run.id, [("gpu:0", sample) for sample in samples])
    assert len(kept.samples(run.id)["gpu:0"]) == count, "asking for them writes them"
    return kept
