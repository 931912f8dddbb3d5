"""Inference results with intervals, for one setup or many.

The variance in the logarithm is the sum of independent parts: the engine model's error (from
held-out measurements), layers inferred from a size, unspecified traffic, and the factors of cost,
grid and site.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from estimator.answer.report import bounds
from estimator.catalog import Catalog, once
from estimator.core.bounds import LIMITS
from estimator.core.notice import Notice
from estimator.core.notice_table import NoticeTable
from estimator.core.rows import Places, by_row, distinct_rows, either, one_of, rows_where
from estimator.core.uncertainty import Uncertain, total
from estimator.core.units import CENTRAL, J_PER_KWH, J_PER_WH, MILLION, S_PER_H
from estimator.inference.calibration import DELIVERED
from estimator.inference.capacity import devices_needed
from estimator.inference.engines import (
    EAGER,
    ENGINES,
    IS_SERVER,
    SERVER,
    VENDOR,
)
from estimator.inference.layouts import laid_out
from estimator.inference.performance import Performance, performance
from estimator.inference.question import ServingQuestion
from estimator.inference.queueing import concurrency_of_rates, does_not_fit
from estimator.inference.resolver import resolve
from estimator.inference.setups import THINK_S, NamedSetup, ServingTable, filled
from estimator.question.ownership import PURCHASE_PRICE
from estimator.question.provenance import uncertain_record
from estimator.question.table import Table

Floats = npt.NDArray[np.float64]

QUANTITIES = (
    *DELIVERED,
    "energy_per_output_token_j",
    "cost_per_million_output_tokens_usd",
    "co2e_per_million_output_tokens_kg",
    "water_per_million_output_tokens_l",
    "energy_per_request_wh",
    "cost_per_request_usd",
    "prefill_s",
    "time_to_first_token_p90_s",
    "time_to_first_token_p99_s",
    "inter_token_p90_s",
    "request_s",
    "request_p90_s",
    "request_p99_s",
)
"""All quantities with an interval, in order."""

SUSTAINED = "sustained_output_tokens_per_s"
"""Output tokens per second of a phone after it has warmed up."""

SHAPE_LOG_SD = 0.12
"""Log standard deviation of a latency if layers are inferred from a size [1]."""

MODEL = "model"
"""Uncertainty source: engine model and unspecified inputs."""

UNKNOWN = Uncertain(math.nan)
"""Factor that is not on record."""


@dataclass(frozen=True, kw_only=True)
class ServingAnswer:
    """Answers to some questions.

    Parameters
    ----------
    table : ServingTable
        Resolved questions that are not refused, one per row.
    places : array of int
        Question index of each row.
    errors : mapping of int to Notice
        Question -> reason why it is refused.
    ranges : mapping of str to Uncertain
        Quantity -> value per row, NaN if unavailable; empty if all are refused.
    notices : NoticeTable
        What was assumed for each row of the table.
    corrected : mapping of str to array
        Quantity -> calibration factor from measured runs; empty without any [1].
    """

    table: ServingTable
    places: Places
    errors: Mapping[int, Notice]
    ranges: dict[str, Uncertain] = field(default_factory=dict)
    notices: NoticeTable = field(default_factory=lambda: NoticeTable(0))
    corrected: Mapping[str, Floats] = field(default_factory=dict)

    def mid(self, quantity: str) -> float:
        """Return the first setup's median of a quantity, NaN if unavailable."""
        return float(np.ravel(self.ranges[quantity].mid)[0])

    def factor(self, quantity: str) -> float:
        """Return the first setup's calibration factor of a quantity [1]."""
        moved = self.corrected.get(quantity)
        return 1.0 if moved is None else float(moved[0])


Calibration = Callable[
    [ServingTable, dict[str, Uncertain]],
    tuple[dict[str, Uncertain], Sequence[tuple[Notice, ...]]],
]
"""Callable that corrects results by measured runs, with notices and factors."""


def answer_serving(
    questions: Sequence[ServingQuestion],
    catalog: Catalog,
    *,
    calibration: Calibration | None = None,
) -> ServingAnswer:
    """Answer inference questions; a refused one has its reason.

    Parameters
    ----------
    questions : sequence of ServingQuestion
    catalog : Catalog
    calibration : callable, optional
        See `KnownLoads.corrected`; without it, measured runs are not used.
    """
    return answer_questions(Table.of(ServingQuestion, questions), catalog, calibration=calibration)


def answer_questions(
    asked: Table[ServingQuestion],
    catalog: Catalog,
    *,
    calibration: Calibration | None = None,
) -> ServingAnswer:
    """Answer a table of questions, as `answer_serving`."""
    found = resolve(asked, catalog)
    table, refused = _loaded(found.table)
    found = replace(found, table=table).without(refused)
    found = found.without(_not_fitting(found.table))
    table = found.table
    if not table.count:
        return ServingAnswer(table=table, places=found.rows, errors=found.errors)
    ranges, said, corrected = _corrected(table, calibration)
    ranges |= _latencies(table.performance, ranges)
    ranges |= _priced(table, ranges) | _sustained(table, ranges)
    return ServingAnswer(
        table=table,
        places=found.rows,
        errors=found.errors,
        ranges=ranges,
        notices=_notices(table, ranges, said),
        corrected=corrected,
    )


def delivered(
    table: ServingTable, *, calibration: Calibration | None = None
) -> dict[str, Uncertain]:
    """Return the results of the devices, without host and site."""
    return _corrected(table, calibration)[0]


def _corrected(
    table: ServingTable, calibration: Calibration | None
) -> tuple[dict[str, Uncertain], Sequence[tuple[Notice, ...]], dict[str, Floats]]:
    """Return the results after calibration, its notices, and the factors."""
    before = {
        name: Uncertain(mid, {MODEL: _with_own(table, name, _beside(table, name, variance))})
        for name, (mid, variance) in expected_quantities(table).items()
    }
    if calibration is None:
        return before, (), {}
    ranges, said = calibration(table, before)
    return (
        ranges,
        said,
        {name: np.asarray(ranges[name].mid / before[name].mid) for name in DELIVERED},
    )


def _loaded(table: ServingTable) -> tuple[ServingTable, dict[int, Notice]]:
    """Return the setups at the concurrency of their request rate, and the reasons for failures."""
    given = table.asked_numbers
    by_users = ~np.isnan(given["users"])
    rated = rows_where(by_users | ~np.isnan(given["request_rate"]))
    if not rated.size:
        return table, {}
    flying = np.full(table.count, np.nan)
    part = table if rated.size == table.count else table.part(rated)
    flying[rated], why = concurrency_of_rates(part)
    table, flying = _laid_out_for(table, flying)
    known = ~np.isnan(flying)
    busy = np.where(np.isnan(given["duty_cycle"]) & (flying < 1.0), flying, given["duty_cycle"])
    nothing = np.full(table.count, np.nan)
    loaded = table.under(
        request_rate=nothing,
        users=nothing,
        think_s=nothing,
        concurrency=np.where(known, np.maximum(flying, 1.0), given["concurrency"]),
        duty_cycle=np.where(known, np.maximum(busy, LEAST_BUSY), given["duty_cycle"]),
    )
    assumed = Notice("serving_think_assumed", "think_s", {"seconds": THINK_S})
    said = dict(loaded.asked.notices)
    for row in rows_where(by_users & np.isnan(given["think_s"])).tolist():
        said[row] = (*said.get(row, ()), assumed)
    loaded = replace(loaded, asked=replace(loaded.asked, notices=said))
    return loaded, {int(rated[row]): one for row, one in why.items()}


LEAST_BUSY = LIMITS["duty_cycle"].least
"""Least duty cycle [1]."""


def _laid_out_for(table: ServingTable, flying: Floats) -> tuple[ServingTable, Floats]:
    """Find new layouts for setups with too few sequences per replica; return the concurrency."""
    given, layout = table.asked_numbers, table.layout
    replicas = np.asarray(layout.data_parallel)
    open_ = table.layout_chosen & (replicas > 1.0) & ~np.isnan(flying)
    if not open_.any():
        return table, flying
    fewer = table.under(concurrency=np.where(open_, np.maximum(flying, 1.0), given["concurrency"]))
    other = laid_out(fewer, np.asarray(layout.devices))
    rows = rows_where(open_ & (np.asarray(other.layout.data_parallel) != replicas))
    if not rows.size:
        return table, flying
    again, _ = concurrency_of_rates(
        other.part(rows).under(request_rate=given["request_rate"][rows])
    )
    moved = np.zeros(table.count, dtype=np.bool_)
    moved[rows] = ~np.isnan(again)
    flying = np.array(flying)
    flying[moved] = again[~np.isnan(again)]
    return replace(table, layout=either(moved, other.layout, layout)), flying


def _not_fitting(table: ServingTable) -> dict[int, Notice]:
    """Return the setups, and reasons why some cannot run."""
    read, written = table.input_tokens, table.output_tokens
    asked = filled(table.asked_numbers["concurrency"], 1.0)
    short = np.where(np.isnan(table.asked_numbers["input_tokens"]), 0.0, read)
    least, longest = short + 0.5 * written, read + written
    most = table.most_sequences(least)
    too_many = (most < np.minimum(1.0, asked)) | (most < LEAST_FIT * asked)
    too_long = ~too_many & (longest > table.longest_context * CONTEXT_SLACK)
    refused: dict[int, Notice] = {}
    if too_many.any():
        memory = np.asarray(table.machine.memory_bytes)
        needed = np.asarray(devices_needed(table.model, table.layout, memory, asked, least))
        for row in rows_where(too_many).tolist():
            beside = float(asked[row]) if most[row] > 0 else None
            refused[row] = does_not_fit(table, row, float(needed[row]), beside)
    for row in rows_where(too_long).tolist():
        name = table.named_of(row).model.name
        context = float(table.longest_context[row])
        values = {"tokens": float(longest[row]), "context": context, "model": name}
        refused[row] = Notice("serving_too_long", "input_tokens", values)
    return refused


LEAST_FIT = 0.25
"""Least share of the requested sequences that must fit in memory at half length [1]. The others
queue; benchmarks run with up to three queued per running sequence.
"""

CONTEXT_SLACK = 8.0
"""Longest accepted context over the config's [1]; rotary scaling stretches contexts, but not beyond
this.
"""


Expectation = tuple[Floats, Floats]
"""Median of a quantity, and variance of its logarithm due to unspecified inputs, by row."""


def expected_quantities(table: ServingTable) -> dict[str, Expectation]:
    """Return the median and log variance of each quantity, including unspecified inputs.

    If neither program nor load is given, it may be a typical server or a vendor build, two standard
    deviations apart; throughput without a load is mostly a vendor figure.
    """
    variance, values = open_variance(table), values_of(table.performance)
    open_ = table.program_open
    if not open_.any():
        plain = {name: (values[name], variance[name]) for name in DELIVERED}
        return _with_images(table, plain)
    packed = open_ & (table.expert_bits <= 8.0)
    cache_bytes = np.where(packed, 1.0, table.layout.cache_bytes)
    tuned = replace(
        table,
        engines=np.where(open_, VENDOR, table.engines),
        layout=replace(table.layout, cache_bytes=cache_bytes),
    )
    other = values_of(tuned.performance)
    apart = {name: np.log(other[name] / values[name]) for name in DELIVERED}
    mixed = {
        name: (
            values[name] * np.exp(TUNED_CHANCE * apart[name]),
            variance[name] + 0.25 * apart[name] ** 2,
        )
        for name in DELIVERED
    }
    return _with_images(table, mixed)


TUNED_CHANCE = 2.0 / 3.0
"""Probability that unattributed throughput is from a vendor build [1]."""


def open_variance(table: ServingTable) -> dict[str, Floats]:
    """Log variance of each quantity due to unspecified traffic and layouts."""
    setup, traffic, base = table.setup, table.traffic, values_of(table.performance)
    variance = {name: np.zeros(table.count) for name in DELIVERED}
    other = table.other_layout()
    if np.any(other.data_parallel != table.layout.data_parallel):
        moved = values_of(replace(table, layout=other).performance)
        for name in DELIVERED:
            variance[name] += np.square(LAYOUT_SHARE * np.log(moved[name] / base[name]))
    for moved in _left_on(table):
        for name in DELIVERED:
            variance[name] += np.square(np.log(moved[name] / base[name]))
    for part, log_sd in table.open_log_sd().items():
        if not log_sd.any():
            continue
        shifted = {}
        for sign in (-1.0, 1.0):
            value = np.asarray(getattr(traffic, part)) * np.exp(sign * log_sd)
            if part == "sequences":
                tokens = np.asarray(traffic.tokens_in_flight)
                held = np.maximum(table.most_sequences(tokens), np.asarray(traffic.sequences))
                value = np.where(log_sd > 0.0, np.clip(value, 1.0, held), value)
            moved = values_of(performance(setup, replace(traffic, **{part: value})))
            shifted[sign] = moved
        for name in DELIVERED:
            up = np.log(shifted[1.0][name] / base[name])
            down = np.log(shifted[-1.0][name] / base[name])
            variance[name] += 0.5 * (up * up + down * down)
    return variance


def _left_on(table: ServingTable) -> Iterator[dict[str, Floats]]:
    """Return the quantities with one server default one standard deviation from its assumption.

    vLLM [1]_, SGLang [2]_ and TensorRT-LLM enable prefix caching by default, so shared prompt
    prefixes are cached. With weights of 8 bits or fewer, the cache is assumed to have 8 bits but
    may have 16.

    References
    ----------
    .. [1] vLLM, "Automatic prefix caching", docs.vllm.ai, v0.8.
    .. [2] SGLang, "Server arguments", docs.sglang.ai: `--disable-radix-cache`.
    """
    server = IS_SERVER[table.engines]
    shared = server & np.isnan(table.asked_numbers["cached_share"])
    if shared.any():
        share = np.where(shared, SHARED_PROMPT, table.traffic.cached_share)
        cached = replace(table.traffic, cached_share=share)
        yield values_of(performance(table.setup, cached))
    layout, stated = table.layout, table.asked.word("kv_precision").codes >= 0
    narrow = server & ~stated & (np.asarray(layout.cache_bytes) < WIDE_CACHE)
    if narrow.any():
        wide = np.where(narrow, HALF_WAY * WIDE_CACHE, layout.cache_bytes)
        yield values_of(replace(table, layout=replace(layout, cache_bytes=wide)).performance)


SHARED_PROMPT = 0.1
"""Share of a prompt in the prefix cache, one standard deviation above none [1]; assumed, a common
system prompt of 30 to 100 tokens.
"""

WIDE_CACHE, HALF_WAY = 2.0, 0.75
"""Bytes of an unpacked cached value [B], and share of the way from 8 to 16 bits that one standard
deviation covers [1].
"""


def values_of(found: Performance) -> dict[str, Floats]:
    """Return each quantity's median by row."""
    return {
        "time_to_first_token_s": np.asarray(found.pace.time_to_first_token_s),
        "inter_token_s": np.asarray(found.pace.inter_token_s),
        "output_tokens_per_s": np.asarray(found.output_tokens_per_s),
        "device_power_w": np.asarray(found.device_power_w),
        "device_energy_per_output_token_j": np.asarray(found.device_energy_per_output_token_j),
    }


def stated_variance(table: ServingTable) -> dict[str, Floats]:
    """Return the variance of each reported quantity due to unspecified inputs, by row [1]."""
    expected = expected_quantities(table)
    return {name: _beside(table, name, expected[name][1]) for name in DELIVERED}


def _with_images(
    table: ServingTable, expected: Mapping[str, Expectation]
) -> dict[str, Expectation]:
    """Return medians and variances where unspecified prompts may hold images or videos.

    A server decodes, encodes and scales them beside its answers. Prompts whose length is given
    are text.
    """
    seen, moved = may_hold_images(table), dict(expected)
    for name, (mid, variance) in expected.items() if seen.any() else ():
        effect, apart = (
            table.catalog.prior(f"serving.images.{part}.{name}").value
            for part in ("effect", "spread")
        )
        shift = math.log(effect)
        scatter = IMAGES_CHANCE * (1.0 - IMAGES_CHANCE) * shift**2 + IMAGES_CHANCE * apart**2
        moved[name] = (
            np.where(seen, mid * effect**IMAGES_CHANCE, mid),
            variance + np.where(seen, scatter, 0.0),
        )
    return moved


IMAGES_CHANCE = 0.5
"""Probability that unspecified prompts of a model that takes images hold some [1]: assumed."""


def may_hold_images(table: ServingTable) -> npt.NDArray[np.bool_]:
    """Return the rows with an unspecified prompt and a multimodal model."""
    multimodal = table.of_named(lambda one: one.model.multimodal)
    open_ = np.isnan(table.asked_numbers["input_tokens"])
    return np.asarray(multimodal & open_ & IS_SERVER[table.engines])


def own_log_sd(table: ServingTable) -> dict[str, Floats]:
    """Return the standard deviation of the model's own error, by row [1]."""
    nothing = np.zeros(table.count)
    return {name: _with_own(table, name, _beside(table, name, nothing)) for name in DELIVERED}


def spread_scale(table: ServingTable, quantity: str) -> Floats:
    """Spread of a row relative to the reference bandwidth and load [1].

    On faster server devices, a larger part of a step is host time, which no table describes. With
    fewer sequences in flight, power depends more on idle behaviour; at full load it approaches the
    limit.
    """
    slope = table.catalog.prior(f"serving.spread.exponent.{quantity}").value
    wide = np.asarray(table.machine.bytes_per_s) / REFERENCE_BYTES_PER_S
    scale = np.maximum(wide, 1.0) ** slope
    if quantity == POWER:
        sequences = np.clip(filled(table.asked_numbers["concurrency"], REFERENCE_LOAD), *LOADS)
        scale = scale * (REFERENCE_LOAD / sequences) ** table.catalog.prior(POWER_BY_LOAD).value
    return np.asarray(np.where(table.engines == SERVER, scale, 1.0))


POWER = "device_power_w"
POWER_BY_LOAD = "serving.spread.load.device_power_w"
"""Quantity whose spread falls with load, and prior of the slope."""

REFERENCE_LOAD = 64.0
LOADS = (4.0, 512.0)
"""Reference concurrency of its spread, and the range over which it falls [1]."""


LAYOUT_SHARE = 0.5
"""Share of the way to the alternative layout that one standard deviation covers [1]."""

REFERENCE_BYTES_PER_S = 3.35e12
"""Bandwidth of an H100, the reference of the spreads; slower devices have the same spread [B/s]."""


def _beside(table: ServingTable, quantity: str, variance: Floats) -> Floats:
    """Return the variance due to unspecified inputs and an unknown model shape."""
    known = table.of_named(lambda one: one.model.shape_known)
    shape = np.where(known | (quantity == POWER), 0.0, SHAPE_LOG_SD)
    return np.asarray(shape**2 + variance, dtype=np.float64)


def _with_own(table: ServingTable, quantity: str, beside: Floats) -> Floats:
    """Return the standard deviation, including the spread of the engine on the device."""
    place = DELIVERED.index(quantity)
    own = table.of_named(lambda one: own_spreads(one, table.catalog)[place])
    own = own * spread_scale(table, quantity)
    if table.split.any():
        pools = _spreads(table.catalog)[POOLS, ""][place]
        own = np.where(table.split, np.maximum(own, pools), own)
    return np.asarray(np.sqrt(own**2 + beside), dtype=np.float64)


def own_spreads(named: NamedSetup, catalog: Catalog) -> Sequence[float]:
    """Return the spread of an engine's error on a device, by `DELIVERED` [1].

    Wider for servers on unmeasured devices, wider still for rarely measured vendors and unknown
    programs.
    """
    spreads = _spreads(catalog)
    usual = spreads[ENGINES[named.engine], ""]
    if IS_SERVER[named.engine] and named.device.device.vendor != USUAL_MAKE:
        usual = spreads[OTHER_MAKE, ""]
    found = spreads.get((ENGINES[named.engine], named.device.device.id), usual)
    if named.program_known:
        return found
    return tuple(map(max, found, spreads[ENGINES[EAGER], ""]))


USUAL_MAKE, OTHER_MAKE, POOLS = "NVIDIA", "other-make", "pools"
"""Vendor of nearly all measured server devices; names of the spreads of other vendors and of
disaggregated pools.
"""


def of_usual_make(table: ServingTable) -> npt.NDArray[np.bool_]:
    """Return the rows on devices of the most-measured vendor."""
    return table.of_named(lambda one: one.device.device.vendor == USUAL_MAKE)


@once
def _spreads(catalog: Catalog) -> dict[tuple[str, str], Sequence[float]]:
    """Return the spreads by engine and device; the empty name is for devices without rows."""
    spreads: dict[tuple[str, str], Sequence[float]] = {
        (engine, ""): tuple(
            catalog.prior(f"serving.spread.{engine}.{name}").value for name in DELIVERED
        )
        for engine in (*ENGINES, OTHER_MAKE, POOLS)
    }
    for row in catalog.table("runs/serving_spreads.csv"):
        usual = zip(DELIVERED, spreads[row["engine"], ""], strict=True)
        spreads[row["engine"], row["device"]] = tuple(
            float(row[name]) if row[name] else otherwise for name, otherwise in usual
        )
    return spreads


def _latencies(found: Performance, ranges: dict[str, Uncertain]) -> dict[str, Uncertain]:
    """Return the prefill time, high percentiles of first token and gap, and request latency.

    Their errors and calibration follow the medians that they consist of.
    """
    pace, written = found.pace, np.asarray(found.passes.traffic.output_tokens)
    first, token = ranges["time_to_first_token_s"], ranges["inter_token_s"]
    median_s = np.asarray(pace.time_to_first_token_s)
    latencies = {
        "prefill_s": first * np.asarray(found.prefill_s / median_s),
        "inter_token_p90_s": token * np.asarray(pace.late_gap_s / pace.inter_token_s),
        "request_s": first + token * (written - 1.0),
    }
    for name, quantile in LATE_QUANTILES.items():
        late = first * np.asarray(pace.first_token_s(quantile) / median_s)
        latencies[f"time_to_first_token_{name}_s"] = late
        latencies[f"request_{name}_s"] = late + token * (written - 1.0)
    return latencies


LATE_QUANTILES = {"p90": 0.9, "p99": 0.99}
"""Suffix -> share of requests within that latency [1]."""


def _priced(table: ServingTable, ranges: dict[str, Uncertain]) -> dict[str, Uncertain]:
    """Return energy with host and site, cost, CO2e and water per output token."""
    idle, (sites, at) = idle_factor(table), table.sites
    joule = ranges["device_energy_per_output_token_j"]
    computers = joule * idle * by_row(*_node_factors(table))
    energy = computers * by_row([site.pue for site in sites], at)
    rate = ranges["output_tokens_per_s"]
    energy_kwh, it_kwh = energy * (MILLION / J_PER_KWH), computers * (MILLION / J_PER_KWH)
    busy = filled(table.asked_numbers["duty_cycle"], 1.0)
    hours = table.devices * MILLION / rate / S_PER_H / busy
    cost = cost_of(table, hours, np.asarray(energy_kwh.mid))
    carbon = energy_kwh * by_row([site.co2e_kg_per_kwh or UNKNOWN for site in sites], at)
    water = it_kwh * by_row([total(site.water_l_per_it_kwh().values()) for site in sites], at)
    written = table.output_tokens
    return {
        "energy_per_output_token_j": energy,
        "cost_per_million_output_tokens_usd": cost,
        "co2e_per_million_output_tokens_kg": carbon,
        "water_per_million_output_tokens_l": water,
        "energy_per_request_wh": energy * (written / J_PER_WH),
        "cost_per_request_usd": cost * (written / MILLION),
    }


def idle_factor(table: ServingTable) -> Floats:
    """Return energy including idle reserved time over energy of serving only [1]."""
    busy = filled(table.asked_numbers["duty_cycle"], 1.0)
    share = table.machine.idle_w / table.machine.tdp_w
    return 1.0 + np.where(busy < 1.0, (1.0 - busy) / busy * np.nan_to_num(share, nan=0.1), 0.0)


def node_factor(catalog: Catalog, kind: str, *, several: bool) -> Uncertain:
    """Return node power over device power, including the network of several nodes."""
    host = uncertain_record(catalog.prior(f"power.host_factor.{kind}"), "host")
    return host * (1.0 + catalog.prior("power.network_share").value) if several else host


def _node_factors(table: ServingTable) -> tuple[list[Uncertain], Places]:
    """Return the `node_factor` of each distinct setup, and each row's index."""
    kinds, at = table.each_of([one.device.device.kind for one in table.named])
    factors = [
        node_factor(table.catalog, kind, several=several)
        for kind in kinds
        for several in (False, True)
    ]
    return factors, 2 * at + (table.devices > table.node_devices)


def cost_of(table: ServingTable, hours: Uncertain, energy_kwh: Floats) -> Uncertain:
    """Return the rental cost of device-hours, or depreciation plus electricity if owned [USD].

    NaN without a price on record.
    """
    prices = [UNKNOWN if one is None else one.value for one in table.prices]
    rent = hours * by_row(prices, table.price_at)
    owned = np.array([one is not None and PURCHASE_PRICE in one.inputs for one in table.prices])
    if not owned.any():
        return rent
    sites, at = table.sites
    per_kwh = np.array([(site.electricity_usd_per_kwh or UNKNOWN).mid for site in sites])
    electricity = energy_kwh * per_kwh[at]
    return replace(rent, mid=rent.mid + np.where(owned[table.price_at], electricity, 0.0))


def _sustained(table: ServingTable, ranges: dict[str, Uncertain]) -> dict[str, Uncertain]:
    """Return the sustained throughput of phones, NaN for other devices; empty without phones."""
    phones = table.of_named(lambda one: one.device.device.kind == "npu-phone")
    if not phones.any():
        return {}
    rate = ranges["output_tokens_per_s"]
    share = uncertain_record(table.catalog.prior("serving.phone_sustained_share"), "throttling")
    return {SUSTAINED: rate * share * np.where(phones, 1.0, np.nan)}


def _notices(
    table: ServingTable,
    ranges: Mapping[str, Uncertain],
    measured: Sequence[tuple[Notice, ...]],
) -> NoticeTable:
    """Return calibration notices, assumptions and missing data of each row."""
    given, said = table.asked_numbers, table.notices()
    said.each(np.arange(len(measured)), measured, first=True)
    flying = given["concurrency"]
    unloaded = np.isnan(flying)
    said.where(unloaded & table.local, Notice("serving_alone", "concurrency"))
    full = np.round(table.traffic.sequences)
    said.of_values(unloaded & ~table.local, "serving_saturated", "concurrency", count=full)
    held = table.most_sequences(table.tokens_in_flight)
    said.where(held < flying, Notice("serving_some_wait", "concurrency"))
    for name in ("input_tokens", "output_tokens"):
        said.where(np.isnan(given[name]), Notice("serving_chat_assumed", name))
    tokens = given["input_tokens"] + table.output_tokens
    said.where(may_hold_images(table), Notice("serving_images_possible", "input_tokens"))
    beyond = rows_where(tokens > table.longest_context)
    said.each(beyond, [_beyond_context(table, row, tokens[row]) for row in beyond.tolist()])
    _, first, at = distinct_rows(table.named_at, table.price_at)
    said.coded([lacking(table, row) for row in first.tolist()], at)
    if SUSTAINED in ranges:
        warm = rows_where(~np.isnan(ranges[SUSTAINED].mid))
        said.each(warm, [_throttled(ranges[SUSTAINED], row) for row in warm.tolist()])
    return said


def _throttled(warm: Uncertain, row: int) -> tuple[Notice, ...]:
    """Return the notice on a phone's sustained speed."""
    ends = bounds(one_of(warm, row), CENTRAL)
    values = {"rate": ends["mid"], "low": ends["low"], "high": ends["high"]}
    return (Notice("serving_phone_throttles", "hardware", values),)


def _beyond_context(table: ServingTable, row: int, tokens: float) -> tuple[Notice, ...]:
    """Return the notice on a context longer than the model supports."""
    context, model = float(table.longest_context[row]), table.named_of(row).model.name
    values = {"tokens": float(tokens), "context": context, "model": model}
    return (Notice("serving_beyond_context", "input_tokens", values),)


def lacking(table: ServingTable, row: int) -> tuple[Notice, ...]:
    """Return notices on the device's missing data: power, price, memory."""
    notes = []
    board = table.named_of(row).device
    price, device = table.prices[int(table.price_at[row])], {"device": board.device.name}
    if board.tdp_w is None:
        notes.append(Notice("serving_power_unknown", "hardware", device))
    if price is None:
        notes.append(Notice("serving_price_unknown", "price", device))
    elif PURCHASE_PRICE in price.inputs:
        notes.append(Notice("serving_owned", "price", device))
    else:
        notes += price.notices
    if board.memory_bytes is None:
        notes.append(Notice("serving_memory_unknown", "hardware", device))
    return tuple(notes)
