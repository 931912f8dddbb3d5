"""Runs set aside before the last change of the model, scored but never used in it.

Drawn at random (numpy's `default_rng(33)`) from model lines with at least two language runs of 1e20
FLOP, and vendor benchmarks with 15 runs; of steady rates, all tables of long sequences. The shipped
parameters were fitted to them after that score was taken.
"""

import numpy as np

from estimator.core.rows import Floats, Mask, Texts

MODEL_LINES = ("phi", "albert_spanish", "luminous", "bert_japanese", "pythia")
BENCHMARKS = ("mlperf rnnt",)
"""Stacks of published runs that were set aside."""

LONG_SEQUENCE = 32_768.0
"""Sequence length from which throughput rows were set aside [token]: those of llm-foundry on A100
and H100.
"""


def set_aside_runs(stack: Texts) -> Mask:
    """Return the runs in model lines and benchmarks that were set aside."""
    return np.isin(stack, (*MODEL_LINES, *BENCHMARKS))


def set_aside_rates(seq_len: Floats) -> Mask:
    """Return the throughput rows that were set aside."""
    return np.asarray(seq_len >= LONG_SEQUENCE)
