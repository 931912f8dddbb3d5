"""Named quantities with a mapping interface: by name, as a list of names, as a table."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from estimator.core.uncertainty import Uncertain
from estimator.core.units import CENTRAL

if TYPE_CHECKING:
    import pandas as pd


class NamedQuantities:
    """Quantities by name with unit suffix; supports `dict`, `list` and `len`.

    Parameters
    ----------
    quantities : mapping of str to Uncertain
    level : float
        Probability inside the intervals of a table [1].
    """

    quantities: Mapping[str, Uncertain]
    level: float = CENTRAL

    def keys(self) -> list[str]:
        """Return the names of the quantities."""
        return list(self.quantities)

    def __getitem__(self, name: str) -> Uncertain:
        return self.quantities[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.quantities)

    def __len__(self) -> int:
        return len(self.quantities)

    def __contains__(self, name: object) -> bool:
        return name in self.quantities

    def to_frame(self) -> "pd.DataFrame":
        """Return a pandas table with `low`, `mid` and `high`, one row per quantity.

        Array quantities become three columns each, one row per element.
        """
        import pandas as pd

        rows: dict[str, dict[str, Any]] = {}
        for name, value in self.quantities.items():
            low, high = value.interval(self.level)
            rows[name] = {"low": low, "mid": value.mid, "high": high}
        if all(np.ndim(value.mid) == 0 for value in self.quantities.values()):
            table = {name: {end: float(one[end]) for end in one} for name, one in rows.items()}
            return pd.DataFrame.from_dict(table, orient="index").rename_axis("quantity")
        columns = {f"{name}_{end}": at for name, row in rows.items() for end, at in row.items()}
        size = max(np.size(at) for at in columns.values())
        return pd.DataFrame({name: np.broadcast_to(at, size) for name, at in columns.items()})

    def __repr__(self) -> str:
        table = self.to_frame().rename_axis(None)
        shown = table.to_string(float_format="{:.4g}".format, max_rows=12, max_cols=6)
        return f"{type(self).__name__} with {100.0 * self.level:.4g}% intervals\n{shown}"

    def _repr_html_(self) -> str:
        """Return the table for a notebook."""
        return str(self.to_frame().to_html(float_format="{:.4g}".format))
