"""Notices about rows: unknown, measured, ineffective or implausible inputs."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from estimator.answer.questions import Questions
from estimator.calibration.correction import MOST_MEASURED, Corrected, Rows
from estimator.calibration.measured_utilization import time_beside_products
from estimator.calibration.notices import (
    above_peak,
    calibration_notices,
    program_notice,
    size_notices,
    step_size_unspecified,
)
from estimator.core.bounds import FEW
from estimator.core.estimate import Estimate
from estimator.core.notice import Notice
from estimator.core.rows import (
    Mask,
    Places,
    few,
    in_order,
    nowhere,
    of_each,
    rows_where,
)
from estimator.core.uncertainty import Uncertain
from estimator.core.units import WH_PER_KWH, human
from estimator.memory.training_state import does_not_fit, memory_of, too_large
from estimator.question.scenario import BESIDE_PRODUCTS, SHARING
from estimator.runs.observations import program_key
from estimator.training.predict import KNOWN_KINDS, Predicted, device_notices

WITHOUT_EFFECT = ("heads", "kv_heads")
"""Inputs that are stored with a run but do not affect the estimate yet."""

LAUNCH_BOUND = "launch_bound"
"""Notice code of steps limited by kernel launches."""

LONGER_THAN_WORK = 2.0**0.5
"""Slowdown when launches take as long as the work, see `launches.log_slowdown` [1]."""

SURE = 0.95
"""Probability above which a metered power outside the bounds is reported as implausible [1]."""

PLAUSIBLE_BESIDE = 1000.0
"""Overhead time over matrix-product time per step above which counts are probably wrong [1]; the
smallest reinforcement-learning networks reach 100.
"""

OF_UTILIZATION = (
    *("batch_tokens", "batch", "step_flop", "recomputation", *SHARING, *BESIDE_PRODUCTS),
    *(
        "virtual_stages",
        "software",
        "framework",
        "rate",
        "attention_mask",
        "calibration",
        "program",
    ),
)
"""Inputs that only affect the expected utilization."""


def note_absent(asked: Questions, rows: Places, result: Estimate) -> None:
    """Add notices on missing results and contradictory inputs."""
    for notice in dict.fromkeys(result.absent.values()):
        if "device" in notice.values:
            named = [one.device.name for one in asked.named]
            _say_about(asked, rows, asked.named_at, notice, "device", named)
        elif "place" in notice.values:
            places = [found.value.name for found in asked.sites]
            _say_about(asked, rows, asked.site_at, notice, "place", places)
        else:
            say_by(asked, rows, np.zeros(asked.table.count, dtype=np.intp), [(notice,)])


def say_by(
    asked: Questions, rows: Places, at: Places, bundles: Sequence[tuple[Notice, ...]]
) -> None:
    """Add notices to rows by the thing that each row names."""
    codes = nowhere(asked.table.count)
    codes[rows] = at[rows]
    asked.notices.coded(bundles, codes)


def say_of_devices(asked: Questions, rows: Places) -> None:
    """Add notices on unknown properties of the devices of a group."""
    if rows.size:
        which, _ = few(asked.named_at[rows])
        every: list[tuple[Notice, ...]] = [()] * len(asked.named)
        for one in which.tolist():
            every[one] = device_notices(asked.named[one].device)
        say_by(asked, rows, asked.named_at, every)


def say_of_measured(asked: Questions, rows: Places, corrected: Corrected, asks: Mask) -> None:
    """Add notices on the measured runs of the devices."""
    for line in asked.known.notes:
        notice = Notice("text", "", {"text": line})
        say_by(asked, rows[asks], np.zeros(asked.table.count, dtype=np.intp), [(notice,)])
    if "program" in asked.table.words:
        say_of_programs(asked, rows[asks])
    if not corrected.measured.any():
        return
    every: list[tuple[Notice, ...]] = [()] * len(asked.named)
    for one in in_order(asked.named_at[rows]).tolist():
        every[one] = calibration_notices(asked.known, asked.named[one].device)
    say_by(asked, rows[asks], asked.named_at, every)
    say_of_sizes(asked, rows[corrected.measured & asks])
    say_what_steps_tell(asked, rows[corrected.measured & asks & ~corrected.by_counts])
    high = corrected.measured & asks & (corrected.reached > MOST_MEASURED)
    reached = corrected.reached[high].tolist()
    bundles = [
        (above_peak(asked.device(row).device, share),)
        for row, share in zip(rows[high].tolist(), reached, strict=True)
    ]
    asked.notices.each(rows[high], bundles)


def say_of_sizes(asked: Questions, rows: Places) -> None:
    """Add notices on how much an unspecified step size would narrow the interval."""
    unknown = rows[np.isnan(asked.step_flop[rows]) & ~_measured_programs(asked, rows)]
    found: dict[tuple[int, str], tuple[Notice, ...]] = {}
    bundles = []
    for row in unknown.tolist():
        at, group = int(asked.named_at[row]), asked.work.kinds[row].group
        if (at, group) not in found:
            named, known = asked.named[at], asked.known
            found[at, group] = size_notices(known, named.device, named.precision, group)
        bundles.append(found[at, group])
    asked.notices.each(unknown, bundles)


def say_what_steps_tell(asked: Questions, rows: Places) -> None:
    """Add notices where operation and traffic counts of a step would narrow the interval."""
    sized = ~np.isnan(asked.step_flop[rows]) & ~_sets_counts(asked, rows).any(axis=0)
    unsaid = rows[sized & ~_measured_programs(asked, rows)]
    every: list[tuple[Notice, ...]] = [()] * len(asked.named)
    for one in in_order(asked.named_at[unsaid]).tolist():
        if asked.named[one].device.kind not in KNOWN_KINDS:
            every[one] = (Notice("step_uncounted", "step_operations"),)
    say_by(asked, unsaid, asked.named_at, every)


def say_of_unused_counts(asked: Questions, rows: Places, corrected: Corrected, asks: Mask) -> None:
    """Add notices where given step counts have no effect."""
    given = _sets_counts(asked, rows)
    idle = given.any(axis=0) & asks & ~corrected.by_counts
    if not idle.any():
        return
    ignored = asked.ignore[rows]
    accelerated = np.array([one.device.kind in KNOWN_KINDS for one in asked.named], dtype=np.bool_)
    on_accelerator = accelerated[asked.named_at[rows]]
    unsized = np.isnan(asked.step_flop[rows])
    for name, some in zip(BESIDE_PRODUCTS, given, strict=True):
        for code, which in (
            ("no_effect", some & ignored),
            ("count_without_size", some & ~ignored & unsized),
            ("count_alone", some & ~ignored & ~unsized & ~given.all(axis=0)),
        ):
            notices = (Notice(code, name),)
            unused = rows[idle & ~on_accelerator & which]
            say_by(asked, unused, asked.named_at, [notices] * len(asked.named))
    for code, which in (
        ("counts_of_accelerator", on_accelerator),
        ("counts_unused", ~on_accelerator & ~ignored & ~unsized & given.all(axis=0)),
    ):
        every = [
            (Notice(code, BESIDE_PRODUCTS[0], {"device": one.device.name}),) for one in asked.named
        ]
        say_by(asked, rows[idle & which], asked.named_at, every)


def say_of_heavy_counts(asked: Questions, rows: Places, named: Rows, corrected: Corrected) -> None:
    """Add notices where step counts are implausibly high."""
    for number, (device, precision) in enumerate(zip(named.devices, named.precisions, strict=True)):
        here = np.flatnonzero(corrected.by_counts & (named.at == number))
        if not here.size:
            continue
        counts = named.operations[here], named.traffic[here]
        times = np.asarray(time_beside_products(device, precision, *counts), dtype=np.float64)
        heavy = times > PLAUSIBLE_BESIDE
        asked.notices.of_rows(rows[here[heavy]], heavy_counts, np.rint(times[heavy]))


def heavy_counts(times: float) -> Notice:
    """Return the notice on how much longer the counts take than the matrix products."""
    return Notice("heavy_counts", BESIDE_PRODUCTS[0], {"times": times})


def _sets_counts(asked: Questions, rows: Places) -> npt.NDArray[np.bool_]:
    """Return the rows that set each of `BESIDE_PRODUCTS`, shape (2, n)."""
    return np.array([asked.table.states(name)[rows] for name in BESIDE_PRODUCTS])


def say_of_launches(asked: Questions, rows: Places, found: Predicted, asks: Mask) -> None:
    """Add notices where small steps may slow the run and the step size is unspecified."""
    sds = of_each(found.own.log_sd, rows.shape)
    narrower = np.round(1.0 - found.ahead.log_sd / np.where(sds > 0, sds, 1.0), 1)
    chosen = asks & (sds > 0) & (narrower > 0)
    asked.notices.of_rows(rows[chosen], step_size_unspecified, narrower[chosen])


def say_of_waiting(asked: Questions, rows: Places, found: Predicted, asks: Mask) -> None:
    """Add notices on steps limited by kernel launches."""
    slower = np.asarray(of_each(found.ahead.mid / found.own.mid, rows.shape), dtype=np.float64)
    chosen = asks & ~np.isnan(asked.step_flop[rows]) & (slower > LONGER_THAN_WORK)
    asked.notices.of_rows(rows[chosen], waiting_for_launches, np.round(slower[chosen], 1))


def waiting_for_launches(times: float) -> Notice:
    """Return the notice on the slowdown of launch-bound steps."""
    return Notice(LAUNCH_BOUND, "batch", {"times": times})


def say_of_programs(asked: Questions, rows: Places) -> None:
    """Add notices on programs that were never measured on the device."""
    named = rows[asked.table.states("program")[rows]]
    missing = named[~_measured_programs(asked, named)]
    names = asked.table.word("program").take(missing).rows()
    bundles = [
        (program_notice(asked.known, asked.device(row).device, name),)
        for row, name in zip(missing.tolist(), names, strict=True)
    ]
    asked.notices.each(missing, bundles)


def _measured_programs(asked: Questions, rows: Places) -> Mask:
    names = asked.table.word("program").take(rows).rows()
    known = asked.known
    return np.array(
        [
            bool(name) and program_key(None, name) in known.programs_of(asked.device(row).device)
            for name, row in zip(names, rows.tolist(), strict=True)
        ],
        dtype=np.bool_,
    )


def say_what_has_no_effect(asked: Questions) -> None:
    """Add notices on inputs without effect."""
    table = asked.table
    settled = asked.timed | ~np.isnan(asked.given_utilization)
    by_batch = table.states("flop") & ~table.states("batch")
    idle = {
        "samples": by_batch,
        "sample_flop": by_batch,
        "tokens": table.states("flop") & ~table.states("batch_tokens"),
        "image_size": table.states("flop") | (asked.work.network_at < 0),
        "utilization": asked.timed,
        **dict.fromkeys(("metered", "energy_uncertainty"), asked.metered < 0),
        **dict.fromkeys(OF_UTILIZATION, settled),
        "price": asked.owned,
        "price_kind": asked.owned | ~np.isnan(asked.given_rent),
        "electricity_price": ~asked.owned,
    }
    for name, rows in idle.items():
        if name in table.numbers or name in table.words:
            asked.notices.where(rows & table.states(name), Notice("no_effect", name))
    for name in WITHOUT_EFFECT:
        if name in table.numbers or name in table.words:
            asked.notices.where(table.states(name), Notice("no_effect_yet", name))


def say_what_no_meter_reads(
    asked: Questions, rows: Places, drawn_w: Uncertain, limit_w: Uncertain, idle_w: Uncertain
) -> None:
    """Add notices where the metered power is above the limit or below idle.

    Parameters
    ----------
    asked : Questions
    rows : array of int
    drawn_w, limit_w, idle_w : Uncertain
        Power of one device by the meter, at its power limit, and idle, within the same boundary
        [W].
    """
    most_w = np.asarray((limit_w / drawn_w).interval(SURE)[1] * drawn_w.mid)
    least_w = np.asarray((idle_w / drawn_w).interval(SURE)[0] * drawn_w.mid)
    columns = (of_each(one, rows.shape) for one in (drawn_w.mid, most_w, least_w))
    for row, power_w, highest_w, lowest_w in zip(rows.tolist(), *columns, strict=True):
        if lowest_w <= power_w <= highest_w:
            continue
        high = power_w > highest_w
        bound_w = float(highest_w if high else lowest_w)
        values = {
            "energy": human(float(asked.table.number("energy_kwh")[row]) * WH_PER_KWH, "Wh"),
            "power": human(float(power_w), "W"),
            "device": asked.device(row).device.name,
            "times": float(power_w) / bound_w,
            "bound": human(bound_w, "W"),
        }
        notice = Notice("meter_above_limit" if high else "meter_below_idle", "energy_kwh", values)
        asked.notices.each(np.array([row]), [(notice,)], first=True)


def say_what_is_too_few(asked: Questions) -> None:
    """Add notices on tiny parameter or token counts, probably missing a suffix such as B."""
    for name in ("params", "tokens"):
        if name in asked.table.numbers:
            given = asked.table.number(name)
            asked.notices.of_values(given < FEW, "too_few", name, value=given)


def say_what_does_not_fit(asked: Questions) -> None:
    """Add notices where weights and optimizer exceed memory even when fully sharded."""
    rows = rows_where(~np.isnan(asked.work.numbers["params"]) & (asked.named_at >= 0))
    if not rows.size:
        return
    params = asked.work.numbers["params"][rows]
    frozen_bytes = asked.frozen_bytes()[rows]
    held = np.array([memory_of(one.device) for one in asked.named])
    exceeding, needed = too_large(
        params,
        held[asked.named_at[rows]] * asked.devices[rows],
        frozen_bytes=frozen_bytes,
        catalog=asked.catalog,
    )

    def notice(named: int, devices: float, params: float, needed: float, frozen: bool) -> Notice:
        return does_not_fit(
            asked.named[named].device,
            devices=devices,
            params=params,
            needed_bytes=needed,
            frozen=frozen,
        )

    columns = (asked.named_at[rows], asked.devices[rows], params, needed, ~np.isnan(frozen_bytes))
    asked.notices.of_rows(rows[exceeding], notice, *(one[exceeding] for one in columns))


def _say_about(
    asked: Questions, rows: Places, at: Places, notice: Notice, key: str, names: Sequence[str]
) -> None:
    bundles: list[tuple[Notice, ...]] = [()] * len(names)
    for one in few(at[rows])[0].tolist():
        values = {**notice.values, key: names[one]}
        bundles[one] = (Notice(notice.code, notice.field, values),)
    say_by(asked, rows, at, bundles)
