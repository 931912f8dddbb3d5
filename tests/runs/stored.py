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


INDEXES_BEFORE = """
    DROP INDEX run_of_device; DROP INDEX run_of_work;
    CREATE INDEX figure_of_work ON figure
    (hardware, simulated, what, precision, kind, rate, run);
"""
"""What takes a store back to the indexes before runs were counted by them."""

KEPT_ANSWERS_BEFORE = """
    DROP TABLE answer; DROP TRIGGER run_counted_insert; DROP TRIGGER run_counted_update;
    DROP TRIGGER run_counted_delete; DROP TABLE change;
"""
"""What takes it further back, to the version before answers were kept."""

FIGURES_BEFORE = """
    DROP TABLE part; DROP TABLE figure; DROP TRIGGER run_changed; DROP INDEX run_by_time;
    DROP INDEX run_by_state; ALTER TABLE run DROP COLUMN summarised;
"""
"""What takes it further back, to the version before there were figures."""
