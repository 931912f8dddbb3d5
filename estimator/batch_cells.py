"""What do the cells of some rows of a table say: words, numbers, and which rows are refused."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from estimator.checks import LIMITS

Floats = npt.NDArray[np.float64]

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

WORD_COLUMNS = ("accelerator", "precision", "region", "domain", "arch", "name")
"""Columns whose words say something about the run."""

READ_COLUMNS = (*WORD_COLUMNS, *NUMBER_COLUMNS)
"""All others pass through."""


class Cells:
    """Cells of some rows that say something of their runs, read once.

    Parameters
    ----------
    names : sequence of str
        Columns, out of `READ_COLUMNS`.
    rows : sequence of tuple of str
        A cell for each of them.
    errors : sequence of str
        Why a row is refused before it is read, or nothing.
    """

    def __init__(
        self, names: Sequence[str], rows: Sequence[tuple[str, ...]], errors: Sequence[str]
    ) -> None:
        self.count = len(rows)
        self.errors = list(errors)
        self.notes: list[list[str]] = [[] for _ in rows]
        self._columns = dict(zip(names, zip(*rows, strict=True), strict=True))
        self.numbers = {name: self._number(name) for name in NUMBER_COLUMNS}
        count = self.numbers["accelerator_count"]
        for place in np.flatnonzero(np.floor(count) < count).tolist():
            self.refuse(place, f"accelerator_count must be whole, got {count[place]:g}")

    def words(self, name: str) -> Sequence[str]:
        """One column as it stands; empty where the table has none of that name."""
        return self._columns.get(name) or ("",) * self.count

    def refuse(self, place: int, reason: str) -> None:
        """Give a row up; the first reason stands."""
        self.errors[place] = self.errors[place] or reason

    def _number(self, name: str) -> Floats:
        """One column as numbers, NaN where the cell is empty; a bad cell refuses its row."""
        cells = self.words(name)
        empty = cells.count("")
        if empty == self.count:
            return np.full(self.count, np.nan)
        try:
            values = np.array([float(cell) if cell else np.nan for cell in cells])
        except ValueError:
            values = np.full(self.count, np.nan)
        if np.count_nonzero(np.isnan(values)) > empty:
            values = np.array([self._cell(name, place, cell) for place, cell in enumerate(cells)])
        least, most, _ = LIMITS[NUMBER_COLUMNS[name]]
        for place in np.flatnonzero((values < least) | (values > most)).tolist():
            reason = f"{name} must be between {least:g} and {most:g}, got {cells[place]}"
            self._say_unread(name, place, reason)
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
            self.notes[place].append(f"{reason}; left out")
        else:
            self.refuse(place, reason)
