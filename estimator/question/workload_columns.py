"""Work and its uncertainty for each row of a table."""

from collections.abc import Mapping, Sequence

import numpy as np

from estimator.core.rows import Floats, unknown
from estimator.core.uncertainty import Uncertain
from estimator.networks import formulas
from estimator.networks.formulas import (
    LAYER_PARAMS,
    LORA_SHARE,
    TRAINING_OVER_FORWARD,
    attention_share,
    attention_training_flop,
)
from estimator.networks.kind_columns import of_each_kind
from estimator.networks.kinds import NetworkKind

LEAST_BODY = 0.3
"""Least share of an encoder's parameters in its layers [1]."""


def work_of_rows(
    numbers: Mapping[str, Floats], kinds: Sequence[NetworkKind], formula: Uncertain
) -> Uncertain:
    """Return the FLOPs of each run, NaN if they cannot be computed [FLOP].

    Parameters
    ----------
    numbers : mapping of str to array
        Columns of the table, NaN where a cell is empty.
    kinds : sequence of NetworkKind
        Network kind of each row.
    formula : Uncertain
        Uncertainty of the FLOPs computed from parameters and tokens; given FLOPs are exact [1].
    """
    stated = ~np.isnan(stated_flop(numbers))
    return Uncertain(
        training_flop(numbers, kinds) * np.where(stated, 1.0, formula.mid),
        {name: np.where(stated, 0.0, load) for name, load in formula.loadings.items()},
    )


def training_flop(numbers: Mapping[str, Floats], kinds: Sequence[NetworkKind]) -> Floats:
    """Return each run's FLOPs: reported, per sample, or from parameters and tokens; else NaN.

    Parameters
    ----------
    numbers : mapping of str to array
        Columns of the table, NaN where a cell is empty.
    kinds : sequence of NetworkKind
        Network kind of each row.

    Returns
    -------
    array [FLOP]
    """
    transformer = of_each_kind(kinds, lambda kind: kind.transformer)
    share = np.where(of_each_kind(kinds, lambda kind: kind.lora), LORA_SHARE, 1.0)
    total, active = numbers["params_total"], numbers["params_active"]
    params = np.where(np.isnan(active), total, active)
    layers, hidden = numbers["layers"], numbers["hidden"]
    in_layers = LAYER_PARAMS * layers * hidden**2
    shared_layers = transformer & ((in_layers > 2 * total) | np.isnan(params))
    computed = np.where(shared_layers, in_layers, params)
    computed = np.where(
        of_each_kind(kinds, lambda kind: kind.encoder) & ~shared_layers,
        _without_tables(numbers, computed),
        computed,
    )
    tokens = numbers["tokens_processed"]
    of_samples = numbers["samples_processed"] * numbers["seq_len"]
    tokens = np.where(np.isnan(tokens) & transformer, of_samples, tokens)
    layered = attention_training_flop(
        layers=layers, attention_width=hidden, seq_len=numbers["seq_len"], tokens=tokens
    )
    by_params = formulas.training_flop(params=computed, tokens=tokens)
    usual = by_params * attention_share(numbers["seq_len"], hidden, params)
    attention = np.where(np.isnan(layers * hidden), usual, layered)
    flop = (by_params + np.where(transformer & ~np.isnan(attention), attention, 0.0)) * share
    stated = stated_flop(numbers)
    return np.where(np.isnan(stated), flop, stated)


def _without_tables(numbers: Mapping[str, Floats], params: Floats) -> Floats:
    """Subtract the token table from the parameters where its size is known.

    An encoder's head applies to few of its tokens; a decoder's, as large as the table, to all.
    """
    nothing = unknown(len(params))
    table = numbers.get("vocab", nothing) * numbers["hidden"]
    return np.where(np.isnan(table), params, np.maximum(params - table, LEAST_BODY * params))


def stated_flop(numbers: Mapping[str, Floats]) -> Floats:
    """Return each run's FLOPs as reported or per sample, NaN if neither is given [FLOP]."""
    by_sample = (
        TRAINING_OVER_FORWARD * numbers["flops_per_sample_forward"] * numbers["samples_processed"]
    )
    reported = numbers["train_flops_reported"]
    return np.where(np.isnan(reported), by_sample, reported)
