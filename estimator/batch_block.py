"""One block of table rows, estimated together: what they name is looked up once, as arrays.

Rows share a call of the core unless different results cannot be had of their devices.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import fields, replace
from functools import cache, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from estimator.batch_calibration import Rows, taught_hardware, taught_utilization
from estimator.batch_cells import SHARED, Cells, Floats
from estimator.batch_finder import Finder, Named
from estimator.batch_work import work_of_rows
from estimator.blockwise import part_of
from estimator.busy_lookup import alone
from estimator.chain import Estimate, Run, estimate
from estimator.checks import LIMITS
from estimator.hardware import REFERENCE_UTILIZATION, Hardware, stack
from estimator.layout import Machine
from estimator.lookup import SELF_CONTAINED, value_bytes
from estimator.run_traits import kinds_of_rows, traits_of_rows
from estimator.site import Site
from estimator.uncertainty import EXACTLY_ZERO, Uncertain
from estimator.utilization import expected_utilization
from estimator.workload.formulas import FLOP_PER_PARAM_AND_TOKEN
from estimator.workload.work import Workload

Places = npt.NDArray[np.intp]
"""Places of rows in the block, or of something else by row."""

TRAIT_COLUMNS = (
    *("hidden", "seq_len", "params_total", "params_active", "year", "accelerator_count"),
    *SHARED,
)
"""Columns that the utilization depends on."""

IMPOSSIBLE = "these FLOPs do not fit into these hours: more than the peak would be needed"

ONE_DEVICE = "one device assumed where accelerator_count is empty"

EACH = "{device}"
"""Name of several devices as one, in whose place a note names the device of its row."""

NO_WORK = (
    "no work: give train_flops_reported, or flops_per_sample_forward with samples_processed, or "
    "params_total with tokens_processed, or accelerator_hours"
)

STEP_COLUMNS = ("params_total", "params_active", "batch_tokens")
"""Columns that tell the work of one step."""


class Block:
    """Rows of a table, to be estimated together.

    Parameters
    ----------
    cells : Cells
        The rows as read; errors and notes are added to them.
    finder : Finder
        Looks up what the rows name.
    """

    def __init__(self, cells: Cells, finder: Finder) -> None:
        self.cells = cells
        self.numbers = cells.numbers
        self.finder = finder
        self.kinds = kinds_of_rows(*(cells.words(name) for name in ("domain", "arch", "name")))
        self.work = self._work()
        self.flop: Floats = np.asarray(self.work.mid)
        self.timed = ~np.isnan(self.numbers["accelerator_hours"])
        for place in np.flatnonzero(~self.timed & np.isnan(self.flop)).tolist():
            cells.refuse(place, NO_WORK)
        self.regions, region_at = _numbered(cells.words("region"))
        self.places, self.place_at = _in_years(region_at, np.floor(self.numbers["year"]))
        self.named, self.named_at = self._named()

    def results(self, names: Sequence[str], z: float) -> list[tuple[str, str, str]]:
        """Numbers, notes and error of every row, as text.

        Parameters
        ----------
        names : sequence of str
            Quantities to write with `_low`, `_mid` and `_high`, after the FLOPs.
        z : float
            Half-width of the interval in standard deviations [1].
        """
        written = np.full((self.cells.count, 1 + 3 * len(names)), np.nan)
        written[:, 0] = self.flop
        for members in self._groups():
            result = self._estimate(members)
            for column, name in enumerate(names):
                self._write(result, name, members, written[:, 1 + 3 * column : 4 + 3 * column], z)
            self._note(members)
        return self._as_text(written)

    def _work(self) -> Uncertain:
        """Work of every row; one of more than any machine could do is refused."""
        formula = self.finder.prior("work.formula", "work")
        work = work_of_rows(self.numbers, self.kinds, formula)
        flop, most = np.asarray(work.mid), LIMITS["training_flop"][1]
        for place in np.flatnonzero(flop > most).tolist():
            self.cells.refuse(place, f"the work is {flop[place]:.3g} FLOP, more than {most:g}")
        return work

    def _named(self) -> tuple[list[Named], Places]:
        """What the rows name as device and precision, and which each does; -1 where refused."""
        words = (self.cells.words(name) for name in ("accelerator", "precision"))
        said, said_at = _numbered(zip(*words, strict=True))
        asked = np.array([not error for error in self.cells.errors])
        named: list[Named] = []
        numbers = np.full(len(said), -1)
        for number in np.unique(said_at[asked]).tolist():
            try:
                named.append(self.finder.named(*said[number]))
                numbers[number] = len(named) - 1
            except ValueError as reason:
                for place in np.flatnonzero(asked & (said_at == number)).tolist():
                    self.cells.refuse(place, str(reason))
        return named, np.where(asked, numbers[said_at], -1)

    def _groups(self) -> Iterator[Places]:
        """Rows that one call of the core can answer."""
        known = np.flatnonzero(self.named_at >= 0)
        if not known.size:
            return
        _, like = _numbered([one.like for one in self.named])
        key = like[self.named_at[known]]
        for told in (self.timed, ~np.isnan(self.flop), ~np.isnan(self.numbers["price_usd_per_h"])):
            key = 2 * key + told[known]
        for one in np.unique(key):
            yield known[key == one]

    def _estimate(self, members: Places) -> Estimate:
        """Estimate the rows of one group."""
        first = members[0]
        flop, timed = self.flop[members], self.timed[first]
        utilization, full = None, REFERENCE_UTILIZATION
        if not np.isnan(flop[0]):
            expected, full = self._utilization(members)
            utilization = None if timed else expected
        hardware = taught_hardware(
            replace(self._hardware(members), full_utilization=full),
            utilization,
            self._rows(members),
            self.finder.measured,
        )
        return estimate(
            Workload(
                training_flop=None if np.isnan(flop[0]) else part_of(self.work, members),
                device_hours=Uncertain(self.numbers["accelerator_hours"][members])
                if timed
                else None,
            ),
            hardware,
            self._site(members),
            Run(
                devices=self._devices(members),
                utilization=utilization,
                network_share=EXACTLY_ZERO
                if self._is_bare(members)
                else self.finder.prior("power.network_share", "network"),
                price_usd_per_h=self._price(members),
            ),
        )

    def _is_bare(self, members: Places) -> bool:
        """Whether the devices of a group need neither cooling nor a network."""
        return self.named[self.named_at[members[0]]].device.kind in SELF_CONTAINED

    def _hardware(self, members: Places) -> Hardware:
        """Device of each row; several go by the name `EACH`."""
        which, at = np.unique(self.named_at[members], return_inverse=True)
        several: list[Hardware] = [self.named[one].hardware for one in which.tolist()]
        if len(several) == 1:
            return several[0]
        by_row: Hardware = part_of(stack(several), (at, 0))
        return replace(by_row, name=EACH)

    def _site(self, members: Places) -> Site:
        """Place of each row at its time, with the PUE and the grid that the row gives."""
        which, at = np.unique(self.place_at[members], return_inverse=True)
        bare = self._is_bare(members)
        sites = [self._found_site(place, bare=bare)[0] for place in which.tolist()]
        grids = [site.co2e_kg_per_kwh for site in sites if site.co2e_kg_per_kwh is not None]
        pue, carbon = (self.numbers[name][members] for name in ("pue", "grid_kg_per_kwh"))
        return Site(
            name=sites[0].name,
            pue=_filled(pue, _by_row([site.pue for site in sites], at)),
            co2e_kg_per_kwh=_filled(carbon, _by_row(grids, at)) if grids else None,
        )

    def _found_site(self, place: int, *, bare: bool) -> tuple[Site, list[str]]:
        region, year = self.places[place]
        time = None if year is None else int(year)
        return self.finder.site(self.regions[region], bare=bare, year=time)

    def _devices(self, members: Places) -> Floats:
        """Devices of each row; one where the row does not say."""
        count = self.numbers["accelerator_count"][members]
        return np.where(np.isnan(count), 1.0, count)

    def _price(self, members: Places) -> Uncertain | None:
        """Rent as given, or at the time of each row; without a year the newest offers count."""
        given = self.numbers["price_usd_per_h"][members]
        if not np.isnan(given[0]):
            return Uncertain(given)
        pairs, at = _in_years(self.named_at[members], self.numbers["year"][members])
        prices = [self.finder.price(self.named[one].device, year) for one, year in pairs]
        known = [price for price in prices if price is not None]
        return _by_row(known, at) if known else None

    def _utilization(self, members: Places) -> tuple[Uncertain, Uncertain]:
        """Utilization that the model expects of each row, and that where nothing waits."""
        which, at = np.unique(self.named_at[members], return_inverse=True)
        several: list[Named] = [self.named[one] for one in which.tolist()]
        fixed = several[0].fixed_utilization
        if fixed is not None:
            return self._taught(fixed, members), REFERENCE_UTILIZATION
        machines = [one.machine for one in several]
        machine = Machine(
            **{
                name: np.array([getattr(one, name) for one in machines])[at]
                for name in (field.name for field in fields(Machine))
            }
        )
        flop = self.flop[members]
        traits = traits_of_rows(
            {name: self.numbers[name][members] for name in TRAIT_COLUMNS},
            [self.kinds[place] for place in members.tolist()],
            flop=flop,
            value_bytes=np.array([value_bytes(one.precision) for one in several])[at],
            spreads=self.finder.spreads,
        )
        model, devices = self.finder.model, self._devices(members)
        expected, full = (
            self._taught(
                expected_utilization(model, one, machine, flop=flop, devices=count), members
            )
            for one, count in ((traits, devices), (alone(traits), 1.0))
        )
        doubts = {} if self.timed[members[0]] else expected.loadings
        return expected, Uncertain(full.mid, doubts)

    def _taught(self, prior: Uncertain, members: Places) -> Uncertain:
        """Utilization of each row after the measured runs."""
        return taught_utilization(prior, self._rows(members), self.finder.measured)

    def _rows(self, members: Places) -> Rows:
        """The rows of a group as their calibration needs them."""
        which, at = np.unique(self.named_at[members], return_inverse=True)
        several = [self.named[one] for one in which.tolist()]
        columns = {name: self.numbers[name][members] for name in STEP_COLUMNS}
        active = columns["params_active"]
        params = np.where(np.isnan(active), columns["params_total"], active)
        work = FLOP_PER_PARAM_AND_TOKEN * params * columns["batch_tokens"]
        return Rows(
            devices=[one.device for one in several],
            precisions=[one.precision for one in several],
            at=at,
            groups=[self.kinds[place].group for place in members.tolist()],
            step_flop=work / self._devices(members),
        )

    def _write(self, result: Estimate, name: str, members: Places, ends: Floats, z: float) -> None:
        """Put low, mid and high of one quantity into its columns, or note why it is absent."""
        notes = self.cells.notes
        if name not in result:
            for place in members.tolist():
                device = self.named[self.named_at[place]].device.name
                notes[place].append(result.absent[name].replace(EACH, device))
            return
        quantity = result[name]
        spread = np.exp(z * quantity.log_sd)
        for column, end in enumerate((quantity.mid / spread, quantity.mid, quantity.mid * spread)):
            ends[members, column] = end
        if name == "utilization":
            for place in members[np.broadcast_to(quantity.mid > 1, members.shape)].tolist():
                notes[place].append(IMPOSSIBLE)

    def _note(self, members: Places) -> None:
        """Note what was assumed for each row of a group."""
        bare = self._is_bare(members)

        @cache
        def assumed(named: int, place: int, *missing: bool) -> list[str]:
            no_pue, no_grid, no_count = missing
            _, told = self._found_site(place, bare=bare)
            return [
                *self.named[named].notes,
                *(note for note in told if (no_pue if note.startswith("PUE") else no_grid)),
                *([ONE_DEVICE] if no_count else []),
            ]

        columns = ("pue", "grid_kg_per_kwh", "accelerator_count")
        missing = [np.isnan(self.numbers[name][members]).tolist() for name in columns]
        which = self.named_at[members].tolist(), self.place_at[members].tolist()
        for row, *key in zip(members.tolist(), *which, *missing, strict=True):
            self.cells.notes[row] += assumed(*key)

    def _as_text(self, written: Floats) -> list[tuple[str, str, str]]:
        """Numbers joined by commas, notes and error of every row; no number where refused."""
        pattern = ",".join(["%.7g"] * written.shape[1])
        nothing = "," * (written.shape[1] - 1)
        rows = zip(written.tolist(), self.cells.notes, self.cells.errors, strict=True)
        return [
            (nothing, "", error)
            if error
            else ((pattern % tuple(row)).replace("nan", ""), _joined(tuple(noted)), "")
            for row, noted, error in rows
        ]


@lru_cache(maxsize=4096)
def _joined(notes: tuple[str, ...]) -> str:
    """Notes of a row, each once; most rows share theirs with many."""
    return "; ".join(dict.fromkeys(notes))


def _numbered(words: Iterable[Hashable]) -> tuple[list[Any], Places]:
    """Distinct words, and which of them each one is."""
    numbers: dict[Hashable, int] = {}
    at = [numbers.setdefault(word, len(numbers)) for word in words]
    return list(numbers), np.array(at, dtype=np.intp)


def _in_years(items: Places, years: Floats) -> tuple[list[tuple[int, float | None]], Places]:
    """Distinct pairs of an item and a year, None where it is not told; which of them each is."""
    known, year_at = np.unique(years, return_inverse=True)
    pairs, at = np.unique(items * known.size + year_at, return_inverse=True)
    told = [None if year != year else year for year in known.tolist()]
    return [(pair // known.size, told[pair % known.size]) for pair in pairs.tolist()], at


def _by_row(quantities: Sequence[Uncertain], at: Places) -> Uncertain:
    """Quantity of each row out of a few; `at` says which."""
    if len(quantities) == 1:
        return quantities[0]
    names = dict.fromkeys(name for quantity in quantities for name in quantity.loadings)
    return Uncertain(
        np.array([quantity.mid for quantity in quantities])[at],
        {
            name: np.array([quantity.loadings.get(name, 0.0) for quantity in quantities])[at]
            for name in names
        },
    )


def _filled(given: Floats, assumed: Uncertain) -> Uncertain:
    """Numbers that rows give are exact; where they give none, the assumed one with its doubt."""
    missing = np.isnan(given)
    if not missing.any():
        return Uncertain(given)
    if missing.all():
        return assumed
    loadings = {name: np.where(missing, load, 0.0) for name, load in assumed.loadings.items()}
    return Uncertain(np.where(missing, assumed.mid, given), loadings)
