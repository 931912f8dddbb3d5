"""How much work is each row of a table, and how sure is that: as a single estimate would say."""

from collections.abc import Mapping, Sequence

import numpy as np

from estimator.batch_cells import Floats
from estimator.network_kind import NetworkKind
from estimator.run_traits import attention_share, stated_flop, training_flop
from estimator.uncertainty import Uncertain


def work_of_rows(
    numbers: Mapping[str, Floats], kinds: Sequence[NetworkKind], formula: Uncertain
) -> Uncertain:
    """FLOPs of every run, NaN where there is nothing to work them out from [FLOP].

    Parameters
    ----------
    numbers : mapping of str to array
        Columns of the table, NaN where a cell is empty.
    kinds : sequence of NetworkKind
        One a row.
    formula : Uncertain
        Doubt of the formula of parameters and tokens; FLOPs that a row states are exact [1].
    """
    flop, told = training_flop(numbers, kinds), ~np.isnan(stated_flop(numbers))
    active, total = numbers["params_active"], numbers["params_total"]
    params = np.where(np.isnan(active), total, active)
    share = attention_share(numbers["seq_len"], numbers["hidden"], params)
    shallow = np.isnan(numbers["layers"] * numbers["hidden"])
    transformer = np.array([kind.transformer for kind in kinds], dtype=np.bool_)
    usual = ~told & shallow & transformer & ~np.isnan(share)
    return Uncertain(
        np.where(usual, flop * (1.0 + share), flop) * np.where(told, 1.0, formula.mid),
        {name: np.where(told, 0.0, load) for name, load in formula.loadings.items()},
    )
