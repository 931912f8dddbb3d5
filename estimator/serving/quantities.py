"""What comes out: every quantity of serving with its interval, for one set-up or many.

The error of a prediction has parts that are independent: what the engine's model cannot know (the
spread of held-out measurements), layers guessed from a size, traffic that was left open, and the
factors of money, grid and site. Their variances of the logarithm add up.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from estimator.catalog import Catalog
from estimator.core.lazy_items import LazyItems
from estimator.core.notice import Notice, Refusal
from estimator.core.power import DEVICES_PER_NODE
from estimator.core.uncertainty import Uncertain, total, z_score
from estimator.core.units import CENTRAL, J_PER_KWH, J_PER_WH, MILLION, S_PER_H
from estimator.scenario.provenance import uncertain_record
from estimator.serving.capacity import devices_needed
from estimator.serving.engines import ENGINES, SERVER, VENDOR, Parameters, fitted
from estimator.serving.performance import Performance, performance
from estimator.serving.question import ServingQuestion
from estimator.serving.queueing import concurrency_of_rates, does_not_fit
from estimator.serving.setups import (
    OUTPUT_TOKENS,
    Resolved,
    Resolver,
    ServingTable,
    table_of,
)

Floats = npt.NDArray[np.float64]

DELIVERED = (
    "time_to_first_token_s",
    "inter_token_s",
    "output_tokens_per_s",
    "device_power_w",
    "device_energy_per_output_token_j",
)
"""Quantities of the devices alone."""

QUANTITIES = (
    *DELIVERED,
    "energy_per_output_token_j",
    "cost_per_million_output_tokens_usd",
    "co2e_per_million_output_tokens_kg",
    "water_per_million_output_tokens_l",
    "energy_per_request_wh",
    "cost_per_request_usd",
)
"""All quantities with an interval, in their order."""

SUSTAINED = "sustained_output_tokens_per_s"
"""Quantity of phones alone: tokens per second once they are warm."""

SHAPE_LOG_SD = 0.12
"""How far layers guessed from a size move a latency [1]."""

UNKNOWN = Uncertain(math.nan)
"""A factor that is not on record."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """Median of a quantity and the standard deviation of its logarithm, one a row."""

    mid: Floats
    log_sd: Floats

    def bounds(self, level: float) -> tuple[Floats, Floats]:
        """Central interval of a probability."""
        width = np.exp(z_score(level) * self.log_sd)
        return self.mid / width, self.mid * width

    def ends(self, level: float, place: int = 0) -> dict[str, float]:
        """Low, mid and high of one row."""
        low, high = self.bounds(level)
        return {"low": float(low[place]), "mid": float(self.mid[place]), "high": float(high[place])}


@dataclass(frozen=True, kw_only=True)
class ServingAnswer:
    """Answers to some questions.

    Parameters
    ----------
    rows : sequence of Resolved or Notice
        What each question named, or why it is refused.
    ranges : mapping of str to Range
        Quantity -> one value a question that is not refused, NaN where it cannot be had.
    notes : sequence of tuple of Notice
        What was assumed for each of them.
    performance, table
        Behind them, for the roofline and the memory; None if all are refused.
    corrected : mapping of str to array
        Quantity -> factor by which measured loads moved it; empty where none are known [1].
    """

    rows: Sequence[Resolved | Notice]
    ranges: dict[str, Range]
    notes: Sequence[tuple[Notice, ...]]
    performance: Performance | None
    table: ServingTable | None
    corrected: Mapping[str, Floats] = field(default_factory=dict)

    def factor(self, quantity: str) -> float:
        """Factor by which measured loads moved a quantity of the first set-up [1]."""
        moved = self.corrected.get(quantity)
        return 1.0 if moved is None else float(moved[0])


Calibration = Callable[
    [ServingTable, Parameters, dict[str, Range]],
    tuple[dict[str, Range], Sequence[tuple[Notice, ...]]],
]
"""Corrects what set-ups deliver by measured loads, and says for each what that changed."""


def answer_serving(
    questions: Sequence[ServingQuestion | Notice],
    catalog: Catalog,
    *,
    parameters: Parameters | None = None,
    resolver: Resolver | None = None,
    calibration: Calibration | None = None,
) -> ServingAnswer:
    """Answer questions about serving, refused ones with their reason.

    Parameters
    ----------
    questions : sequence of ServingQuestion or Notice
        A notice is a question that could not be read: the reason.
    catalog : Catalog
    parameters, resolver
        The fitted ones and a new one if not given.
    calibration : callable, optional
        As `KnownLoads.corrected`; without it measured loads are left out.

    Returns
    -------
    ServingAnswer
    """
    values = fitted(catalog) if parameters is None else parameters
    known = Resolver(catalog, values) if resolver is None else resolver
    rows = _resolved(known, questions)
    kept = [row for row in rows if isinstance(row, Resolved)]
    if not kept:
        return ServingAnswer(rows=rows, ranges={}, notes=(), performance=None, table=None)
    table = table_of(kept)
    reasons = _unfit(table, values)
    if any(reasons):
        refusals = iter(reasons)
        rows = [next(refusals) or row if isinstance(row, Resolved) else row for row in rows]
        kept = [row for row in rows if isinstance(row, Resolved)]
        if not kept:
            return ServingAnswer(rows=rows, ranges={}, notes=(), performance=None, table=None)
        table = table_of(kept)
    found = performance(table.setup(values), table.traffic(values))
    ranges = _delivered(table, _expected(table, values, found), catalog)
    said: Sequence[tuple[Notice, ...]] = [()] * len(kept)
    corrected: dict[str, Floats] = {}
    if calibration is not None:
        before = ranges
        ranges, said = calibration(table, values, ranges)
        corrected = {name: ranges[name].mid / before[name].mid for name in DELIVERED}
    ranges |= _priced(table, ranges, catalog) | _sustained(table, ranges, catalog)
    most = table.most_sequences(_in_flight(table))

    def notes_of(place: int) -> tuple[Notice, ...]:
        own = _notes(kept[place], table, place, most)
        return (*said[place], *own, *_throttled(ranges, place))

    notes = LazyItems(len(kept), notes_of)
    return ServingAnswer(
        rows=rows, ranges=ranges, notes=notes, performance=found, table=table, corrected=corrected
    )


def _resolved(
    resolver: Resolver, questions: Sequence[ServingQuestion | Notice]
) -> list[Resolved | Notice]:
    """Every question resolved, a rate of requests as the sequences that it keeps in flight."""
    rows = [_tried(resolver, asked) for asked in questions]
    rated = {
        place: row
        for place, row in enumerate(rows)
        if isinstance(row, Resolved) and row.question.request_rate is not None
    }
    for place, found in _in_flight_of_rates(resolver, rated).items():
        rows[place] = found
    return rows


def _tried(resolver: Resolver, asked: ServingQuestion | Notice) -> Resolved | Notice:
    """Resolve one question, or say why it cannot be."""
    if isinstance(asked, Notice):
        return asked
    try:
        return resolver.resolve(asked)
    except Refusal as refusal:
        return refusal.notice
    except (ValueError, OSError) as error:
        return Notice("text", "", {"text": " ".join(str(error).split())})


def _loaded(row: Resolved, asked: ServingQuestion, flying: float) -> Resolved:
    """Row under the sequences that its rate keeps in flight; less than one is idle in part."""
    busy = asked.duty_cycle if flying >= 1.0 or asked.duty_cycle else max(flying, 1e-4)
    values = asked.changed(request_rate=None, concurrency=max(flying, 1.0), duty_cycle=busy)
    return replace(row, question=values)


def _in_flight_of_rates(
    resolver: Resolver, saturated: Mapping[int, Resolved]
) -> dict[int, Resolved | Notice]:
    """Rows laid out for, and under, the sequences that their rates keep in flight; or why not."""
    found: dict[int, Resolved | Notice] = {}
    split: dict[int, Resolved] = {}
    for place, flying in _flying(resolver, saturated, saturated).items():
        row = saturated[place]
        if isinstance(flying, Notice):
            found[place] = flying
            continue
        asked = row.question
        found[place] = _loaded(row, asked, flying)
        if row.data_parallel == (asked.data_parallel or 1.0):
            continue
        load = {"request_rate": None, "concurrency": max(flying, 1.0)}
        fewer = asked.changed(**load, devices=row.devices)
        other = _tried(resolver, fewer)
        if isinstance(other, Notice):
            found[place] = other
        elif other.data_parallel != row.data_parallel:
            split[place] = other
    for place, flying in _flying(resolver, split, saturated).items():
        if not isinstance(flying, Notice):
            found[place] = _loaded(split[place], saturated[place].question, flying)
    return found


def _flying(
    resolver: Resolver, rows: Mapping[int, Resolved], asked: Mapping[int, Resolved]
) -> dict[int, float | Notice]:
    """Sequences in flight in some rows at the rates that are asked, or why they cannot be."""
    rates = [asked[place].question.request_rate or 0.0 for place in rows]
    found = concurrency_of_rates(list(rows.values()), rates, resolver.parameters)
    return dict(zip(rows, found, strict=True))


def _unfit(table: ServingTable, parameters: Parameters) -> list[Notice | None]:
    """Why a set-up cannot run, None where it can."""
    traffic = table.traffic(parameters)
    tokens = np.asarray(traffic.input_tokens + 0.5 * traffic.output_tokens)
    asked = np.where(np.isnan(table.given["concurrency"]), 1.0, table.given["concurrency"])
    least = np.where(np.isnan(table.given["input_tokens"]), 0.5 * traffic.output_tokens, tokens)
    most = table.most_sequences(least)
    memory = np.asarray(table.machine.memory_bytes)
    needed = np.asarray(devices_needed(table.model, table.layout, memory, asked, least))
    longest = np.asarray(traffic.input_tokens + traffic.output_tokens)
    reasons: list[Notice | None] = []
    for place, row in enumerate(table.rows):
        reason = None
        context = row.model.longest_context
        if most[place] < min(1.0, asked[place]) or most[place] < LEAST_FIT * asked[place]:
            reason = does_not_fit(row, float(needed[place]), float(asked[place]))
            if most[place] <= 0:
                reason = does_not_fit(row, float(needed[place]))
        elif context is not None and longest[place] > context * CONTEXT_SLACK:
            values = {"tokens": float(longest[place]), "context": context, "model": row.model.name}
            reason = Notice("serving_too_long", "input_tokens", values)
        reasons.append(reason)
    return reasons


LEAST_FIT = 0.55
"""Share of the sequences asked for that the memory must hold at half of their final length: what
is in flight may be shorter, as measured rows are that run at the limit of their memory [1]."""

CONTEXT_SLACK = 8.0
"""Contexts are stretched by rotary scaling; beyond so many times the config's it is a slip [1]."""


def _expected(
    table: ServingTable, parameters: Parameters, found: Performance
) -> dict[str, tuple[Floats, Floats]]:
    """Median of each quantity, and the variance of its logarithm that open inputs make.

    Where neither the program nor its load is stated, it may be a usual server or a vendor's build,
    two standard deviations apart: throughput without a load is mostly a vendor's figure.
    """
    variance = open_variance(table, parameters, found)
    values = values_of(found)
    open_ = np.array([row.program_open for row in table.rows])
    if not open_.any():
        return {name: (values[name], variance[name]) for name in DELIVERED}
    packed = open_ & (table.expert_bits <= 8.0)
    cache_bytes = np.where(packed, 1.0, table.layout.cache_bytes)
    tuned = replace(
        table,
        engines=np.where(open_, VENDOR, table.engines),
        layout=replace(table.layout, cache_bytes=cache_bytes),
    )
    other = values_of(performance(tuned.setup(parameters), tuned.traffic(parameters)))
    apart = {name: np.log(other[name] / values[name]) for name in DELIVERED}
    return {
        name: (
            values[name] * np.exp(TUNED_CHANCE * apart[name]),
            variance[name] + 0.25 * apart[name] ** 2,
        )
        for name in DELIVERED
    }


TUNED_CHANCE = 2.0 / 3.0
"""How likely throughput of an unstated program at an unstated load is a vendor's [1]."""


def open_variance(
    table: ServingTable, parameters: Parameters, found: Performance
) -> dict[str, Floats]:
    """Variance of the logarithm of each quantity that open traffic and layouts make."""
    setup, traffic = table.setup(parameters), table.traffic(parameters)
    base = values_of(found)
    variance = {name: np.zeros(len(table.rows)) for name in DELIVERED}
    other = table.other_layout()
    if np.any(other.data_parallel != table.layout.data_parallel):
        spread = replace(table, layout=other)
        moved = values_of(performance(spread.setup(parameters), spread.traffic(parameters)))
        for name in DELIVERED:
            variance[name] += np.square(LAYOUT_SHARE * np.log(moved[name] / base[name]))
    for part, log_sd in table.open_log_sd().items():
        if not log_sd.any():
            continue
        shifted = {}
        for sign in (-1.0, 1.0):
            value = np.asarray(getattr(traffic, part)) * np.exp(sign * log_sd)
            if part == "sequences":
                tokens = np.asarray(traffic.input_tokens + 0.5 * traffic.output_tokens)
                held = np.maximum(table.most_sequences(tokens), np.asarray(traffic.sequences))
                value = np.clip(value, 1.0, held)
            moved = values_of(performance(setup, replace(traffic, **{part: value})))
            shifted[sign] = moved
        for name in DELIVERED:
            up = np.log(shifted[1.0][name] / base[name])
            down = np.log(shifted[-1.0][name] / base[name])
            variance[name] += 0.5 * (up * up + down * down)
    return variance


def values_of(found: Performance) -> dict[str, Floats]:
    """Quantity -> its median, one a row."""
    return {
        "time_to_first_token_s": np.asarray(found.pace.time_to_first_token_s),
        "inter_token_s": np.asarray(found.pace.inter_token_s),
        "output_tokens_per_s": np.asarray(found.output_tokens_per_s),
        "device_power_w": np.asarray(found.device_power_w),
        "device_energy_per_output_token_j": np.asarray(found.device_energy_per_output_token_j),
    }


def stated_variance(table: ServingTable, parameters: Parameters) -> dict[str, Floats]:
    """Variance of every delivered quantity that what a question leaves out makes, by row [1]."""
    found = performance(table.setup(parameters), table.traffic(parameters))
    expected = _expected(table, parameters, found)
    return {name: _beside(table, name, expected[name][1]) for name in DELIVERED}


def own_log_sd(table: ServingTable, catalog: Catalog) -> dict[str, Floats]:
    """Standard deviation of the model's own error of every delivered quantity, by row [1]."""
    nothing = np.zeros(len(table.rows))
    return {
        name: _with_own(table, name, _beside(table, name, nothing), catalog) for name in DELIVERED
    }


def spread_scale(table: ServingTable, quantity: str, catalog: Catalog) -> Floats:
    """Spread of a row over that at the reference bandwidth [1].

    The faster a server's device, the more of a step is the host's, which no table describes.
    """
    slope = catalog.prior(f"serving.spread.exponent.{quantity}").value
    wide = np.asarray(table.machine.bytes_per_s) / REFERENCE_BYTES_PER_S
    by_width = np.maximum(wide, LEAST_WIDTH) ** slope
    return np.asarray(np.where(table.engines == SERVER, by_width, 1.0))


LAYOUT_SHARE = 0.5
"""Part of the way to the other choice, split layers or replicas, that one standard deviation of an
unspecified layout goes [1]."""

REFERENCE_BYTES_PER_S = 3.35e12
"""Bandwidth of an H100, at which the spreads are stated [B/s]."""

LEAST_WIDTH = 0.5
"""Slower devices are predicted no better than at this share of that bandwidth [1]."""


def _beside(table: ServingTable, quantity: str, variance: Floats) -> Floats:
    """Variance of what a question leaves out, that of an unknown shape of the model included."""
    known = np.array([row.model.shape_known for row in table.rows])
    shape = np.where(known | (quantity == "device_power_w"), 0.0, SHAPE_LOG_SD)
    return np.asarray(shape**2 + variance, dtype=np.float64)


def _with_own(table: ServingTable, quantity: str, beside: Floats, catalog: Catalog) -> Floats:
    """Standard deviation with the spread of the engine itself."""
    records = [catalog.prior(f"serving.spread.{engine}.{quantity}") for engine in ENGINES]
    own = np.array([record.value for record in records])[table.engines]
    own = own * spread_scale(table, quantity, catalog)
    return np.asarray(np.sqrt(own**2 + beside), dtype=np.float64)


def _delivered(
    table: ServingTable, expected: dict[str, tuple[Floats, Floats]], catalog: Catalog
) -> dict[str, Range]:
    return {
        name: Range(mid=mid, log_sd=_with_own(table, name, _beside(table, name, variance), catalog))
        for name, (mid, variance) in expected.items()
    }


def _priced(table: ServingTable, ranges: dict[str, Range], catalog: Catalog) -> dict[str, Range]:
    """Energy with host and site, money, CO2e and water of output tokens."""
    rows = table.rows
    idle = idle_factor(table)
    node = _node_factors(catalog, rows)
    joule = ranges["device_energy_per_output_token_j"]
    computers = _times(Range(mid=joule.mid * idle, log_sd=joule.log_sd), node)
    energy = _times(computers, [row.site.pue for row in rows])
    rate = ranges["output_tokens_per_s"]
    energy_kwh, it_kwh = (
        replace(one, mid=one.mid * MILLION / J_PER_KWH) for one in (energy, computers)
    )
    busy = np.array([row.question.duty_cycle or 1.0 for row in rows])
    hours = np.asarray(table.layout.devices) * MILLION / rate.mid / S_PER_H / busy
    cost = cost_of(rows, Range(mid=hours, log_sd=rate.log_sd), energy_kwh.mid)
    carbon = _times(energy_kwh, [row.site.co2e_kg_per_kwh or UNKNOWN for row in rows])
    rates = {site: total(site.water_l_per_it_kwh().values()) for site in {row.site for row in rows}}
    water = _times(it_kwh, [rates[row.site] for row in rows])
    written = _output_tokens(table)
    return {
        "energy_per_output_token_j": energy,
        "cost_per_million_output_tokens_usd": cost,
        "co2e_per_million_output_tokens_kg": carbon,
        "water_per_million_output_tokens_l": water,
        "energy_per_request_wh": replace(energy, mid=energy.mid * written / J_PER_WH),
        "cost_per_request_usd": replace(cost, mid=cost.mid * written / MILLION),
    }


def _output_tokens(table: ServingTable) -> Floats:
    given = table.given["output_tokens"]
    return np.where(np.isnan(given), OUTPUT_TOKENS, given)


def idle_factor(table: ServingTable) -> Floats:
    """Energy with the idle time of reserved machines over that of serving alone [1]."""
    busy = np.where(np.isnan(table.given["duty_cycle"]), 1.0, table.given["duty_cycle"])
    share = table.idle_w / table.tdp_w
    return 1.0 + np.where(busy < 1.0, (1.0 - busy) / busy * np.nan_to_num(share, nan=0.1), 0.0)


def node_factor(catalog: Catalog, row: Resolved) -> Uncertain:
    """Node over devices, and the network over nodes where one does not do."""
    host = uncertain_record(catalog.prior(f"power.host_factor.{row.device.device.kind}"), "host")
    if row.devices <= DEVICES_PER_NODE:
        return host
    return host * (1.0 + catalog.prior("power.network_share").value)


def _node_factors(catalog: Catalog, rows: Sequence[Resolved]) -> list[Uncertain]:
    """`node_factor` of each row, worked out once for rows that share it."""
    keys = [(row.device.device.kind, row.devices <= DEVICES_PER_NODE) for row in rows]
    some = dict(zip(keys, rows, strict=True))
    known = {key: node_factor(catalog, row) for key, row in some.items()}
    return [known[key] for key in keys]


def cost_of(rows: Sequence[Resolved], hours: Range, energy_kwh: Floats) -> Range:
    """Rent of device-hours; of owned devices, what their life uses up, and electricity [USD].

    NaN where no price of the device is on record.
    """
    prices = [UNKNOWN if row.price is None else row.price.usd_per_h for row in rows]
    owned = np.array([row.price is not None and row.price.owned for row in rows])
    per_kwh = np.array([(row.site.electricity_usd_per_kwh or UNKNOWN).mid for row in rows])
    rent = _times(hours, prices)
    return replace(rent, mid=rent.mid + np.where(owned, energy_kwh * per_kwh, 0.0))


def _in_flight(table: ServingTable) -> Floats:
    """Mean tokens of a sequence in flight, unspecified inputs taken as short [token]."""
    return np.nan_to_num(table.given["input_tokens"], nan=0.0) + 0.5 * _output_tokens(table)


def _times(quantity: Range, factors: Sequence[Uncertain]) -> Range:
    """Quantity times a factor of each row; many rows share theirs."""
    known = {id(one): (one.mid, one.log_sd) for one in {id(one): one for one in factors}.values()}
    mids, spreads = np.array([known[id(one)] for one in factors], dtype=np.float64).T
    return Range(mid=quantity.mid * mids, log_sd=np.hypot(quantity.log_sd, spreads))


def _sustained(table: ServingTable, ranges: dict[str, Range], catalog: Catalog) -> dict[str, Range]:
    """Throughput of phones that are warm, NaN for other devices; empty where there are none."""
    phones = np.array([row.device.device.kind == "npu-phone" for row in table.rows])
    if not phones.any():
        return {}
    rate = ranges["output_tokens_per_s"]
    share = uncertain_record(catalog.prior("serving.phone_sustained_share"), "throttling")
    warm = _times(rate, [share] * len(phones))
    return {SUSTAINED: replace(warm, mid=np.where(phones, warm.mid, np.nan))}


def _throttled(ranges: dict[str, Range], place: int) -> tuple[Notice, ...]:
    """Say how fast a phone is once it is warm."""
    warm = ranges.get(SUSTAINED)
    if warm is None or np.isnan(warm.mid[place]):
        return ()
    ends = warm.ends(CENTRAL, place)
    values = {"rate": ends["mid"], "low": ends["low"], "high": ends["high"]}
    return (Notice("serving_phone_throttles", "hardware", values),)


def _notes(row: Resolved, table: ServingTable, place: int, most: Floats) -> tuple[Notice, ...]:
    """What was assumed for one row, and what it lacks."""
    asked = row.question
    notes = list(row.notes)
    if asked.concurrency is None:
        code = "serving_alone" if table.local[place] else "serving_saturated"
        notes.append(Notice(code, "concurrency"))
    elif most[place] < asked.concurrency:
        notes.append(Notice("serving_some_wait", "concurrency"))
    for name in ("input_tokens", "output_tokens"):
        if getattr(asked, name) is None:
            notes.append(Notice("serving_chat_assumed", name))
    device = {"device": row.device.device.name}
    if row.device.tdp_w is None:
        notes.append(Notice("serving_power_unknown", "hardware", device))
    if row.price is None:
        notes.append(Notice("serving_price_unknown", "price_usd_per_h", device))
    elif row.price.owned:
        notes.append(Notice("serving_owned", "price_usd_per_h", device))
    if row.device.memory_bytes is None:
        notes.append(Notice("serving_memory_unknown", "hardware", device))
    return tuple(notes)
