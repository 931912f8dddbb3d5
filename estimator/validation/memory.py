"""Accuracy of memory needs: measured peaks, with whole sources held out.

The components (weights, states, activations, logits, cache, context, gaps) are mechanistic, each
with a factor whose median is a prior. Some priors were chosen with measured peaks in view, so the
score that counts is held out: factors are fitted to all other sources, shrunk towards the priors,
with an interval from the other sources' errors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from estimator.catalog import Catalog, once
from estimator.core.rows import Floats, Texts, rows_of
from estimator.core.uncertainty import uncertain, z_score
from estimator.core.units import CENTRAL, GIB
from estimator.memory.fit import answer_memory
from estimator.memory.request import MemoryQuestion, read_memory
from estimator.memory.usage import Memory
from estimator.validation.cross_validation import spread_by_votes

CASES = "runs/memory_cases.csv"

FIELDS = {"recompute": "recomputation", "batch": "micro_batch"}
"""Column -> input of a question, where they differ."""

STATED = (
    *("precision", "optimizer", "sharding", "recompute", "attention", "loss", "counted"),
    *("lora_targets", "states", "accumulation"),
    *("batch", "devices", "lora_rank", "seq_len", "prefill_tokens"),
)
FLAGS = ("train_embeddings", "dropout")

FACTORS: Mapping[str, float] = {
    "activations, adapters": 0.25,
    "activations, all trained": 0.15,
    "loss": 0.4,
    "context, one device": 0.5,
    "context, several": 0.5,
    "gaps": 0.6,
    "quantized weights": 0.1,
    "working space of serving": 0.6,
    "states": 0.2,
}
"""Fitted factor -> log standard deviation of its prior [1]."""

TYPICAL_ERROR = 0.12
"""Log error below which a case's loss is quadratic [1]."""

COST_OF_LOW = 3.0
"""Loss of underestimating over overestimating a peak [1]: what does not fit fails."""

TOO_LOW = 0.85
"""Prediction over measured peak below which a run would have failed [1]."""

SET_ASIDE = (
    "memory-litgpt-config-hub-finetune-table",
    "memory-autoawq-readme",
    "memory-torchtune-readme-memory-table",
)
"""Sources unused in all choices since 2026-11-24, which score the command as it is."""

FEW_CASES = 20
"""Cases below which a task's spread relies more on all tasks [1]."""

STEPS = 30
"""Most fit iterations [1]; it converges in about ten."""


@dataclass(frozen=True, kw_only=True)
class MemoryCase:
    """Measured peak and its predictions.

    Parameters
    ----------
    row : mapping
        Row of ``runs/memory_cases.csv``.
    question : MemoryQuestion
        Question as asked on the command line.
    predicted_gib, low_gib, high_gib : float
        Prediction with the priors, and its 80% interval [GiB].
    held_out_gib, held_out_log_sd : float
        Prediction with factors fitted without its source [GiB], and its log standard deviation [1].
    """

    row: Mapping[str, str]
    question: MemoryQuestion
    predicted_gib: float
    low_gib: float
    high_gib: float
    held_out_gib: float
    held_out_log_sd: float

    @property
    def held_out_log_error(self) -> float:
        """Log of the held-out prediction over the peak [1]."""
        return float(np.log(self.held_out_gib / self.peak_gib))

    @property
    def peak_gib(self) -> float:
        """Measured peak [GiB]."""
        return float(self.row["peak_gib"])


@dataclass(frozen=True, kw_only=True)
class MemoryScore:
    """Error and coverage over some cases.

    Parameters
    ----------
    cases : int
        How many.
    error, too_low, covered : float
        As answered by the command: median relative error, share more than 15% too low, and coverage
        of the 80% interval [1].
    held_out_error, bias, coverage, held_out_too_low : float
        Held out: median error, median of predicted over measured minus one, coverage of the 80%
        interval, and share more than 15% too low [1].
    """

    cases: int
    error: float
    too_low: float
    covered: float
    held_out_error: float
    bias: float
    coverage: float
    held_out_too_low: float


def question_of(row: Mapping[str, str], device: str | None = None) -> MemoryQuestion:
    """Return a row as the question a user would ask on the command line.

    The device is included if training does not state its recomputation.

    >>> row = {"model": "llama-2-7b", "task": "qlora", "precision": "nf4 weights, bf16 compute"}
    >>> question_of(row | {"seq_len": "512", "batch": "1"}).weights
    'nf4'
    """
    serves = row["task"] == "inference"
    trains_all = row["task"] == "pretrain"
    return read_memory(
        {
            "model": row["model"],
            "inference": serves,
            "finetune": None if serves or trains_all else row["task"],
            "hardware": None if serves or row.get("recompute") else device,
            **{FIELDS.get(name, name): row.get(name) for name in STATED},
            **{name: bool(row.get(name)) for name in FLAGS},
        }
    )


@dataclass(frozen=True, kw_only=True)
class Peaks:
    """Measured peaks as arrays, with the fitted components.

    Parameters
    ----------
    terms : array of shape (n, factors)
        Memory that each factor scales [GiB].
    fixed : array
        Remaining memory [GiB].
    log_peak : array
        Logarithm of the measured peak [1].
    log_sd : array
        Uncertainty as the command states it [1].
    tasks, sources : array of str
        Task and source of each.
    """

    terms: Floats
    fixed: Floats
    log_peak: Floats
    log_sd: Floats
    tasks: Texts
    sources: Texts

    def predicted_gib(self, factors: Floats) -> Floats:
        """Return the memory need for given factors [GiB]."""
        return np.asarray(self.fixed + self.terms @ factors, dtype=np.float64)


def peaks_of(catalog: Catalog) -> Peaks:
    """Return the usable cases as arrays."""
    return _peaks(*_scored_rows(catalog))


@once
def _scored_rows(
    catalog: Catalog,
) -> tuple[list[dict[str, str]], list[MemoryQuestion], list[Memory]]:
    """Return the usable rows, their questions, and the answers."""
    rows = [row for row in catalog.table(CASES) if row["use"] == "yes"]
    asked = [question_of(row, catalog.find_device(row["hardware"])) for row in rows]
    return rows, asked, [answer_memory(question, catalog).memory for question in asked]


def _peaks(rows: list[dict[str, str]], asked: list[MemoryQuestion], needs: list[Memory]) -> Peaks:
    terms = np.array([_terms(*pair) for pair in zip(needs, asked, strict=True)])
    totals = np.array([float(need.total_bytes.mid) for need in needs]) / GIB
    return Peaks(
        terms=terms,
        fixed=totals - terms.sum(axis=1),
        log_peak=np.log([float(row["peak_gib"]) for row in rows]),
        log_sd=np.array([float(need.total_bytes.log_sd) for need in needs]),
        tasks=np.array([row["task"] for row in rows]),
        sources=np.array([row["source"] for row in rows]),
    )


def held_out_gib(peaks: Peaks) -> Floats:
    """Return predictions with factors fitted without each source and set-aside sources [GiB]."""
    held_out = np.empty(len(peaks.fixed))
    aside = np.isin(peaks.sources, SET_ASIDE)
    for source in np.unique(peaks.sources):
        own = peaks.sources == source
        factors = fitted_factors(rows_of(peaks, ~own & ~aside))
        held_out[own] = rows_of(peaks, own).predicted_gib(factors)
    return held_out


@once
def memory_cases(catalog: Catalog) -> list[MemoryCase]:
    """Predict every usable case, with the priors and with its source held out."""
    rows, asked, needs = _scored_rows(catalog)
    peaks = _peaks(rows, asked, needs)
    held_out = held_out_gib(peaks)
    width = peaks.log_sd * _widths(np.abs(np.log(held_out) - peaks.log_peak) / peaks.log_sd, peaks)
    cases = []
    for row, question, need, blind, log_sd in zip(rows, asked, needs, held_out, width, strict=True):
        low, high = need.total_bytes.interval()
        cases.append(
            MemoryCase(
                row=row,
                question=question,
                predicted_gib=float(need.total_bytes.mid) / GIB,
                low_gib=float(low) / GIB,
                high_gib=float(high) / GIB,
                held_out_gib=float(blind),
                held_out_log_sd=float(log_sd),
            )
        )
    return cases


def memory_score(cases: Sequence[MemoryCase]) -> MemoryScore:
    """Score some cases."""
    peak, low, mid, high, log_sd = (
        np.array([getattr(case, name) for case in cases])
        for name in ("peak_gib", "low_gib", "predicted_gib", "high_gib", "held_out_log_sd")
    )
    log_error = np.array([case.held_out_log_error for case in cases])
    return MemoryScore(
        cases=len(cases),
        error=float(np.median(np.abs(mid / peak - 1.0))),
        too_low=float(np.mean(mid < TOO_LOW * peak)),
        covered=float(np.mean((low <= peak) & (peak <= high))),
        held_out_error=float(np.median(np.abs(np.expm1(log_error)))),
        bias=float(np.median(np.expm1(log_error))),
        coverage=float(np.mean(np.abs(log_error) <= z_score(CENTRAL) * log_sd)),
        held_out_too_low=float(np.mean(log_error < np.log(TOO_LOW))),
    )


def memory_groups(cases: Sequence[MemoryCase]) -> dict[str, MemoryScore]:
    """Score set-aside sources, all cases, and cases by task, counting method and source."""
    aside = [case for case in cases if case.row["source"] in SET_ASIDE]
    groups = {"set aside": memory_score(aside)} if aside else {}
    groups["all"] = memory_score(cases)
    for key, unknown in (("task", ""), ("counted", "not stated"), ("source", "")):
        for word in sorted({case.row[key] for case in cases}):
            inside = [case for case in cases if case.row[key] == word]
            groups[f"{key}: {word or unknown}"] = memory_score(inside)
    return groups


def left_out(catalog: Catalog) -> dict[str, int]:
    """Count the unused rows by reason."""
    reasons = [row["use"].removeprefix("no: ") for row in catalog.table(CASES)]
    return {why: reasons.count(why) for why in sorted(set(reasons) - {"yes"})}


def _widths(sizes: Floats, peaks: Peaks) -> Floats:
    """Return the factor on each case's stated spread, from the errors of other sources [1]."""
    factors = np.empty(len(sizes))
    for source in np.unique(peaks.sources):
        own = peaks.sources == source
        factors[own] = widths_elsewhere(sizes[~own], rows_of(peaks, ~own), peaks.tasks[own])
    return factors


def widths_elsewhere(sizes: Floats, peaks: Peaks, tasks: Texts) -> Floats:
    """Return the factor on the spread of cases by task, from other cases' error sizes [1].

    Tasks of few cases are shrunk towards all; sources share their votes.
    """
    _, place, counts = np.unique(peaks.sources, return_inverse=True, return_counts=True)
    votes = np.asarray(counts[place] ** -0.5, dtype=np.float64)
    every = spread_by_votes(sizes, votes)
    factors = np.empty(len(tasks))
    for task in np.unique(tasks):
        like = peaks.tasks == task
        own = spread_by_votes(sizes[like], votes[like]) if like.any() else every
        trust = like.sum() / (like.sum() + FEW_CASES)
        factors[tasks == task] = np.sqrt(trust * own**2 + (1.0 - trust) * every**2)
    return factors


def _terms(need: Memory, question: MemoryQuestion) -> list[float]:
    """Return the part of the memory that each factor scales [GiB], in the order of `FACTORS`."""
    part = {name: float(uncertain(value).mid) / GIB for name, value in need.components.items()}
    adapts, serves = question.finetune in ("lora", "qlora"), question.inference
    quantized = question.weights is not None or question.finetune == "qlora"
    states = ("gradients_bytes", "master_weights_bytes", "optimizer_bytes")
    several = question.devices > 1
    return [
        part["activations_bytes"] * adapts,
        part["activations_bytes"] * (not adapts),
        part["working_bytes"] * (not serves),
        part["context_bytes"] * (not several),
        part["context_bytes"] * several,
        part["fragmentation_bytes"],
        part["weights_bytes"] * quantized,
        part["working_bytes"] * serves,
        sum(part[name] for name in states) * (not adapts),
    ]


def fitted_factors(peaks: Peaks) -> Floats:
    """Fit the factors with a robust loss of log errors; sources weigh by the root of their cases.

    Underestimates cost more.
    """
    _, group, counts = np.unique(peaks.sources, return_inverse=True, return_counts=True)
    weight = 1.0 / np.sqrt(counts[group])
    spread = np.array(list(FACTORS.values()))

    def loss(logs: Floats) -> float:
        error = (peaks.log_peak - np.log(peaks.predicted_gib(np.exp(logs)))) / TYPICAL_ERROR
        robust = 2.0 * (np.sqrt(1.0 + error**2) - 1.0) * np.where(error > 0.0, COST_OF_LOW, 1.0)
        return float((weight * robust).sum() + ((logs / spread) ** 2).sum())

    logs, step = np.zeros(len(spread)), np.full(len(spread), 0.15)
    best = loss(logs)
    for _ in range(STEPS):
        for place, direction in enumerate(np.eye(len(spread))):
            tried = [logs + sign * step[place] * direction for sign in (1, -1)]
            losses = [loss(one) for one in tried]
            least = losses.index(min(losses))
            if losses[least] < best:
                logs, best = tried[least], losses[least]
            else:
                step[place] *= 0.5
    return np.exp(logs)
