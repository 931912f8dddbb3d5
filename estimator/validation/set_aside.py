"""Runs set aside before the model was last changed: scored, and seen by no step of its making.

Drawn at random (numpy's `default_rng(33)`) from the model lines with two or more language runs of
1e20 FLOP, and from the benchmarks of vendors with 15 runs; of steady rates all tables of long
sequences. The shipped parameters are fitted to them, too, after that score was taken.
"""

import numpy as np

from estimator.core.rows import Floats, Mask, Texts

MODEL_LINES = ("phi", "albert_spanish", "luminous", "bert_japanese", "pythia")
BENCHMARKS = ("mlperf rnnt",)
"""Stacks of published runs that were set aside."""

LONG_SEQUENCE = 32_768.0
"""Sequence from which on rows of throughput tables were set aside [token]: those of llm-foundry on
A100 and on H100."""


def set_aside_runs(stack: Texts) -> Mask:
    """Runs of the model lines and benchmarks that were set aside."""
    return np.isin(stack, (*MODEL_LINES, *BENCHMARKS))


def set_aside_rates(seq_len: Floats) -> Mask:
    """Rows of throughput tables that were set aside: those of long sequences."""
    return np.asarray(seq_len >= LONG_SEQUENCE)
