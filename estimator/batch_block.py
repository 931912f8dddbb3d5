"""One block of table rows as arrays: read the cells, find what they name, estimate by group."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from estimator.batch_finder import Finder
from estimator.catalog import Device
from estimator.chain import Estimate, Run, estimate
from estimator.checks import LIMITS
from estimator.lookup import SELF_CONTAINED, value_bytes
from estimator.run_traits import kinds_of_rows, training_flop, traits_of_rows
from estimator.site import Site
from estimator.uncertainty import EXACTLY_ZERO, Uncertain
from estimator.utilization import expected_utilization
from estimator.workload.work import Workload

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

WORK_COLUMNS = (
    "train_flops_reported",
    "tokens_processed",
    "samples_processed",
    "accelerator_hours",
)
"""At least one of them says how much work a row is."""

NUMBER_COLUMNS: Mapping[str, str] = {
    "train_flops_reported": "training_flop",
    "flops_per_sample_forward": "training_flop",
    "samples_processed": "samples",
    "params_total": "params",
    "params_active": "active_params",
    "tokens_processed": "tokens",
    "layers": "devices",
    "hidden": "devices",
    "seq_len": "seq_len",
    "year": "year",
    "batch_tokens": "tokens",
    "recomputation": "recomputation",
    "tensor_parallel": "devices",
    "pipeline_parallel": "devices",
    "expert_parallel": "devices",
    "micro_batches": "devices",
    "accelerator_count": "devices",
    "accelerator_hours": "device_hours",
    "pue": "pue",
    "grid_kg_per_kwh": "co2e_kg_per_kwh",
    "price_usd_per_h": "price_usd_per_h",
}
"""Column -> the limits that its numbers must keep."""

SHARED = (
    *("batch_tokens", "recomputation", "tensor_parallel", "pipeline_parallel"),
    *("expert_parallel", "micro_batches"),
)
"""Columns that tell how the devices share the work; recomputation is a share from 0 to 1."""

REFINEMENTS = ("layers", "hidden", "seq_len", "year", *SHARED)
"""Columns that sharpen an estimate; a row can be estimated without them."""

TRAIT_COLUMNS = (
    *("hidden", "seq_len", "params_total", "params_active", "year", "accelerator_count"),
    *SHARED,
)
"""Columns that the utilization depends on."""

IMPOSSIBLE = "these FLOPs do not fit into these hours: more than the peak would be needed"

ONE_DEVICE = "one device assumed where accelerator_count is empty"

NO_WORK = (
    "no work: give train_flops_reported, or flops_per_sample_forward with samples_processed, or "
    "params_total with tokens_processed, or accelerator_hours"
)


class Block:
    """Rows of a table, parsed once.

    Parameters
    ----------
    header : sequence of str
        Names of the columns.
    rows : sequence of sequence of str
        Cells; a row with too many or too few is refused by itself.
    finder : Finder
        Looks up what the rows name.
    """

    def __init__(
        self, header: Sequence[str], rows: Sequence[Sequence[str]], finder: Finder
    ) -> None:
        self.width = len(header)
        self.rows = rows
        self.finder = finder
        self.errors = [""] * len(rows)
        self.warnings: list[list[str]] = [[] for _ in rows]
        self._refuse_broken_rows()
        whole = [row if len(row) == self.width else [""] * self.width for row in rows]
        self.columns = dict(zip(header, zip(*whole, strict=True), strict=True))
        self.numbers = {name: self._number(name) for name in NUMBER_COLUMNS}
        count = self.numbers["accelerator_count"]
        for place in np.flatnonzero(count != np.where(np.isnan(count), count, np.floor(count))):
            if count[place] == count[place]:
                self._refuse(int(place), f"accelerator_count must be whole, got {count[place]:g}")
        words = (self._text(name) for name in ("domain", "arch", "name"))
        self.kinds = kinds_of_rows(*words)

    def results(self, names: Sequence[str], z: float) -> list[tuple[str, str, str]]:
        """Numbers, warnings and error of every row, as text.

        Parameters
        ----------
        names : sequence of str
            Quantities to write with `_low`, `_mid` and `_high`, after the FLOPs.
        z : float
            Half-width of the interval in standard deviations [1].
        """
        flop = self._training_flop()
        written = np.full((len(self.rows), 1 + 3 * len(names)), np.nan)
        written[:, 0] = flop
        for key, members in self._groups(flop).items():
            self._estimate_group(key, np.array(members), (flop, written), (names, z))
        return self._as_text(written)

    def _refuse_broken_rows(self) -> None:
        for place, row in enumerate(self.rows):
            if len(row) != self.width:
                self.errors[place] = f"the row has {len(row)} cells, the header {self.width}"
            elif not _is_text("".join(row)):
                self.errors[place] = "the row holds bytes that are not UTF-8: save it as UTF-8"

    def _text(self, name: str) -> Sequence[str]:
        return self.columns.get(name, [""] * len(self.rows))

    def _number(self, name: str) -> Floats:
        """One column as numbers, NaN where the cell is empty; a bad cell refuses its row."""
        cells = self._text(name)
        said = np.array([bool(cell) for cell in cells])
        try:
            values = np.array([float(cell) if cell else np.nan for cell in cells])
        except ValueError:
            values = np.full(len(cells), np.nan)
        if np.isnan(values[said]).any():
            values = np.array([self._cell(name, place, cell) for place, cell in enumerate(cells)])
        least, most, _ = LIMITS[NUMBER_COLUMNS[name]]
        known = ~np.isnan(values)
        for place in np.flatnonzero(known & ~((values >= least) & (values <= most))):
            reason = f"{name} must be between {least:g} and {most:g}, got {cells[int(place)]}"
            self._say_unread(name, int(place), reason)
            values[place] = np.nan
        return values

    def _cell(self, name: str, place: int, cell: str) -> float:
        """One cell as a number; what is none is said, and NaN."""
        try:
            value = float(cell) if cell.strip() else np.nan
        except ValueError:
            self._say_unread(name, place, f"{name} is not a number: {cell[:40]!r}")
            return np.nan
        if cell.strip() and value != value:
            self._say_unread(name, place, f"{name} is not a number: {cell[:40]!r}")
        return value

    def _say_unread(self, name: str, place: int, reason: str) -> None:
        """Refuse the row of a cell that is needed; a refinement is left out, and said."""
        if name in REFINEMENTS:
            self.warnings[place].append(f"{reason}; left out")
        else:
            self._refuse(place, reason)

    def _refuse(self, place: int, reason: str) -> None:
        self.errors[place] = self.errors[place] or reason

    def _training_flop(self) -> Floats:
        """FLOPs of every run, NaN where there is nothing to work them out from."""
        flop = training_flop(self.numbers, self.kinds)
        most = LIMITS["training_flop"][1]
        for place in np.flatnonzero(flop > most):
            self._refuse(int(place), f"the work is {flop[place]:.3g} FLOP, more than {most:g}")
        return flop

    def _groups(self, flop: Floats) -> dict[tuple[Any, ...], list[int]]:
        """Rows that one call of the core can answer, by what they name."""
        timed = ~np.isnan(self.numbers["accelerator_hours"])
        priced = ~np.isnan(self.numbers["price_usd_per_h"])
        groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
        texts = [self._text(name) for name in ("accelerator", "precision", "region")]
        for place, words in enumerate(zip(*texts, strict=True)):
            if self.errors[place]:
                continue
            if not timed[place] and np.isnan(flop[place]):
                self._refuse(place, NO_WORK)
                continue
            has_flop = not np.isnan(flop[place])
            groups[*words, bool(timed[place]), has_flop, bool(priced[place])].append(place)
        return groups

    def _estimate_group(
        self,
        key: tuple[Any, ...],
        members: npt.NDArray[np.intp],
        arrays: tuple[Floats, Floats],
        asked: tuple[Sequence[str], float],
    ) -> None:
        """Estimate the rows of one group and put their numbers into the written array."""
        accelerator, precision, region, timed, has_flop, priced = key
        flop, written = arrays
        try:
            device, hardware, notes = self.finder.hardware(accelerator, precision)
        except ValueError as error:
            for place in members:
                self._refuse(int(place), str(error))
            return
        site, told = self._site(region, members, device)
        devices, counted = self._devices(members)
        work = Workload(
            training_flop=Uncertain(flop[members]) if has_flop else None,
            device_hours=Uncertain(self.numbers["accelerator_hours"][members]) if timed else None,
        )
        utilization = None if timed else self._utilization(key, members, flop, devices)
        run = Run(
            devices=devices,
            utilization=utilization,
            network_share=EXACTLY_ZERO
            if device.kind in SELF_CONTAINED
            else self.finder.prior("power.network_share", "network"),
            price_usd_per_h=(
                Uncertain(self.numbers["price_usd_per_h"][members])
                if priced
                else self._price(device, members)
            ),
        )
        self._keep(estimate(work, hardware, site, run), members, written, asked)
        for row, place in enumerate(members):
            self.warnings[place] += notes
            self.warnings[place] += [note for note, rows in told if rows[row]]
            if counted[row]:
                self.warnings[place].append(ONE_DEVICE)

    def _keep(
        self,
        result: Estimate,
        members: npt.NDArray[np.intp],
        written: Floats,
        asked: tuple[Sequence[str], float],
    ) -> None:
        names, z = asked
        for column, name in enumerate(names):
            if name not in result:
                reason = result.absent[name]
                for place in members:
                    self.warnings[place].append(reason)
                continue
            quantity = result[name]
            spread = np.exp(z * quantity.log_sd)
            first = 1 + 3 * column
            written[members, first] = quantity.mid / spread
            written[members, first + 1] = quantity.mid
            written[members, first + 2] = quantity.mid * spread
            if name == "utilization":
                for place in members[np.broadcast_to(quantity.mid > 1, members.shape)]:
                    self.warnings[place].append(IMPOSSIBLE)

    def _site(
        self, region: str, members: npt.NDArray[np.intp], device: Device
    ) -> tuple[Site, list[tuple[str, Bools]]]:
        """Site of a region at the time of each row, with the PUE and the grid that rows give.

        Notes come with the rows that they are about.
        """
        bare = device.kind in SELF_CONTAINED
        years, at = np.unique(np.floor(self.numbers["year"][members]), return_inverse=True)
        found = [
            self.finder.site(region, bare=bare, year=None if year != year else int(year))
            for year in years
        ]
        pue, carbon = self.numbers["pue"][members], self.numbers["grid_kg_per_kwh"][members]
        told = [
            (note, (at == place) & np.isnan(pue if note.startswith("PUE") else carbon))
            for place, (_, notes) in enumerate(found)
            for note in notes
        ]
        sites = [site for site, _ in found]
        grids = [site.co2e_kg_per_kwh for site in sites if site.co2e_kg_per_kwh is not None]
        return replace(
            sites[0],
            pue=_filled(pue, _by_row([site.pue for site in sites], at)),
            co2e_kg_per_kwh=_filled(carbon, _by_row(grids, at)) if grids else None,
        ), told

    def _devices(self, members: npt.NDArray[np.intp]) -> tuple[Floats, Bools]:
        """Devices of each row, and where one had to be assumed."""
        count = self.numbers["accelerator_count"][members]
        missing = np.isnan(count)
        return np.where(missing, 1.0, count), missing

    def _price(self, device: Device, members: npt.NDArray[np.intp]) -> Uncertain | None:
        """Rent at the time of each row; rows without a year take the newest offers."""
        years = self.numbers["year"][members]
        known = [None if year != year else float(year) for year in years]
        prices = {year: self.finder.price(device, year) for year in set(known)}
        if any(quantity is None for quantity in prices.values()):
            return None
        mids = {year: quantity.mid for year, quantity in prices.items() if quantity is not None}
        doubts = {
            year: quantity.log_sd for year, quantity in prices.items() if quantity is not None
        }
        return Uncertain(
            np.array([mids[year] for year in known]),
            {"price": np.array([doubts[year] for year in known])},
        )

    def _utilization(
        self, key: tuple[Any, ...], members: npt.NDArray[np.intp], flop: Floats, devices: Floats
    ) -> Uncertain:
        """Utilization that the model expects of each row."""
        device, precision, machine = self.finder.machine(key[0], key[1])
        given = self.finder.given_utilization(device)
        if given is not None:
            return given
        numbers = {name: self.numbers[name][members] for name in TRAIT_COLUMNS}
        traits = traits_of_rows(
            numbers,
            [self.kinds[place] for place in members],
            flop=flop[members],
            value_bytes=value_bytes(precision),
            spreads=self.finder.spreads,
        )
        return expected_utilization(
            self.finder.model, traits, machine, flop=flop[members], devices=devices
        )

    def _as_text(self, written: Floats) -> list[tuple[str, str, str]]:
        """Numbers joined by commas, warnings and error of every row; no number where refused."""
        pattern = ",".join(["%.7g"] * written.shape[1])
        nothing = "," * (written.shape[1] - 1)
        texts = []
        for row, noted, error in zip(written.tolist(), self.warnings, self.errors, strict=True):
            if error:
                texts.append((nothing, "", error))
            else:
                numbers = (pattern % tuple(row)).replace("nan", "")
                texts.append((numbers, _joined(tuple(noted)), ""))
        return texts


@lru_cache(maxsize=4096)
def _joined(notes: tuple[str, ...]) -> str:
    """Notes of a row, each once; most rows share theirs with many."""
    return "; ".join(dict.fromkeys(notes))


def _is_text(cell: str) -> bool:
    """Tell whether the cell was valid UTF-8; bytes that were not are kept as lone surrogates."""
    return cell.isascii() or not any("\udc80" <= char <= "\udcff" for char in cell)


def _by_row(quantities: Sequence[Uncertain], at: npt.NDArray[np.intp]) -> Uncertain:
    """Quantity of each row out of a few; `at` says which."""
    if len(quantities) == 1:
        return quantities[0]
    names = {name for quantity in quantities for name in quantity.loadings}
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
