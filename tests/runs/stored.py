"""What the tests of the store put into it; processes that they start import no more than this."""

from dataclasses import dataclass

from estimator.runs.meter import Sample
from estimator.runs.record import Host, MeasuredDevice, MeasuredRun

HOST = Host(id="h1", cpu="Some CPU", cores=8, system="Linux", software={"python": "3.11"})
GPU = MeasuredDevice(key="gpu:0", kind="gpu", name="NVIDIA H200", hardware="h200-sxm")


@dataclass(frozen=True)
class NamedMeter:
    """What the store asks of a meter."""

    component: str
    name: str
    trust: str


METERS = (NamedMeter("gpu:0", "nvml power", "sampled"),)


def measured(run_id="a", state="finished", **other):
    values = {"origin": "run", "started": "2026-11-01T10:00:00Z", "wall_s": 10.0, "host": HOST}
    return MeasuredRun(**{**values, "id": run_id, "state": state, "devices": (GPU,), **other})


def reading(time_s, power_w=100.0, **other):
    return ("gpu:0", Sample(time_s=time_s, power_w=power_w, **other))
