"""A device, and rows of a table that state little of their runs."""

import numpy as np

from estimator.training.features import features_of_rows, kinds_of_rows, shipped_spreads
from estimator.training.parallelism import TrainingMachine

A100 = TrainingMachine(
    peak_flop_per_s=312e12,
    peak_16_bit_flop_per_s=312e12,
    memory_bytes_per_s=2.039e12,
    memory_bytes=80 * 2**30,
    link_bytes_per_s=600e9,
    network_bytes_per_s=25e9,
)


def features_of(catalog, work, archs, name="", *, flop=1e22, spreads=None, **columns):
    """Features of a row for each architecture; columns that are not given are empty."""
    empty = np.full(len(archs), np.nan)
    silent = dict.fromkeys(("hidden", "seq_len", "year", "params_total"), empty)
    return features_of_rows(
        silent | {column: np.array(values) for column, values in columns.items()},
        kinds_of_rows([work] * len(archs), archs, [name] * len(archs)),
        flop=np.full(len(archs), flop),
        value_bytes=2.0,
        spreads=spreads or shipped_spreads(catalog),
    )
