"""Energy of whole nodes, their CPUs and memory, from exporters.

Each component uses its most direct source, never a sum of two: a node's own power meter (IPMI,
ACPI) before Kepler's platform, RAPL counters before Kepler's. Kepler models power on virtual
machines, so its values count as modelled unless the user says otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from estimator.measure.cluster.dcgm import node_of
from estimator.measure.cluster.nodes import short_name
from estimator.measure.cluster.prometheus import Labels, MetricSeries, Window
from estimator.measure.cluster.series import (
    RANGES_J,
    inside,
    merged,
    samples_of,
    summed,
    with_resets,
    without_mirrors,
    without_resets,
)
from estimator.runs.energy import EnergySummary, summarise
from estimator.runs.meter import MeterError
from estimator.runs.record import Trust

Part = Literal["host", "cpu", "dram"]

LIMIT_W: Mapping[Part, float] = {"host": 20_000.0, "cpu": 4_000.0, "dram": 1_000.0}
"""Upper limits on node power [W]: a node with eight boards needs 14 kW; eight CPUs 500 W each."""

MOST_COUNTERS = 512
"""Most counters of a node component [1]; two sockets with a counter per core have fewer."""

KEPLER = "kepler"


@dataclass(frozen=True, kw_only=True)
class PowerSource:
    """Metric of the energy of a node component.

    Parameters
    ----------
    where : mapping of str to str
        Label -> text that its value must hold.
    counts : bool
        Whether it is a counter [J], and no power [W].
    """

    part: Part
    metric: str
    meter: str
    trust: Trust
    where: Mapping[str, str]
    counts: bool


def _power(metric: str, meter: str, **where: str) -> PowerSource:
    return PowerSource(
        part="host", metric=metric, meter=meter, trust="sampled", where=where, counts=False
    )


def _counter(part: Part, metric: str, meter: str, trust: Trust, **where: str) -> PowerSource:
    return PowerSource(part=part, metric=metric, meter=meter, trust=trust, where=where, counts=True)


SOURCES = (
    _power("ipmi_dcmi_power_consumption_watts", "ipmi"),
    _power("node_hwmon_power_average_watt", "acpi power meter", chip="acpi000d"),
    _counter("host", "kepler_node_platform_joules_total", KEPLER, "modelled"),
    _counter("cpu", "node_rapl_package_joules_total", "rapl", "counter"),
    _counter("cpu", "kepler_node_cpu_joules_total", KEPLER, "modelled", zone="package"),
    _counter("cpu", "kepler_node_package_joules_total", KEPLER, "modelled"),
    _counter("dram", "node_rapl_dram_joules_total", "rapl", "counter"),
    _counter("dram", "kepler_node_cpu_joules_total", KEPLER, "modelled", zone="dram"),
    _counter("dram", "kepler_node_dram_joules_total", KEPLER, "modelled"),
)
"""Sources by component, the most direct first. Names of ipmi_exporter, node_exporter (hwmon and
rapl), and Kepler before and since 0.10 (kepler_node_cpu_joules_total).
"""

METRICS = tuple(dict.fromkeys(source.metric for source in SOURCES))


def chosen(
    found: Sequence[Labels], nodes: Sequence[str]
) -> dict[tuple[str, Part], tuple[PowerSource, list[Labels]]]:
    """Best source of each component of each node, with its series."""
    groups: dict[tuple[int, str], list[Labels]] = {}
    for labels in found:
        for at in [at for at, source in enumerate(SOURCES) if _is_of(dict(labels), source)]:
            groups.setdefault((at, short_name(node_of(labels)[1])), []).append(labels)
    best: dict[tuple[str, Part], tuple[PowerSource, list[Labels]]] = {}
    for at, source in enumerate(SOURCES):
        for node in nodes:
            if (at, node) in groups:
                best.setdefault((node, source.part), (source, groups[at, node]))
    return best


def _is_of(known: Mapping[str, str], source: PowerSource) -> bool:
    return (
        known.get("__name__") == source.metric
        and all(text in known.get(label, "").lower() for label, text in source.where.items())
        and not (source.meter == "rapl" and "mmio" in known.get("path", ""))
    )


def node_summary(
    component: str,
    source: PowerSource,
    series: Mapping[Labels, MetricSeries],
    window: Window,
) -> EnergySummary:
    """Energy of a node component over a window.

    Parameters
    ----------
    series : mapping
        Of this part of this node: one for each package, or each mode.
    """
    limit_w = LIMIT_W[source.part]
    if not source.counts:
        samples = samples_of(inside(merged(list(series.values())), window), None)
        resets = 0
    else:
        alone = without_mirrors(_one_of_each(series))
        ranges_j = RANGES_J if source.meter == "rapl" else ()
        running = [without_resets(one, limit_w, ranges_j) for one in alone]
        samples = samples_of(None, inside(summed([one for one, _ in running]), window))
        resets = sum(count for _, count in running)
    summary = summarise(
        component, source.meter, source.trust, samples, duration_s=window.length_s, limit_w=limit_w
    )
    return with_resets(summary, component, resets)


SAME_COUNTER = ("index", "path", "zone", "mode", "source", "chip", "sensor")
"""Labels that distinguish counters of one node; others, such as job and instance, may differ for
one counter scraped twice.
"""


def _one_of_each(series: Mapping[Labels, MetricSeries]) -> list[MetricSeries]:
    groups: dict[tuple[str | None, ...], list[MetricSeries]] = {}
    for labels, one in series.items():
        known = dict(labels)
        groups.setdefault(tuple(known.get(name) for name in SAME_COUNTER), []).append(one)
    if len(groups) > MOST_COUNTERS:
        raise MeterError(f"{len(groups)} counters of one part of one node: which are real?")
    return [merged(group) for group in groups.values()]
