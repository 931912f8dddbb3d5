"""Memory per device, from weights to key-value cache, and the devices needed.

Parameters are held as weights, gradients, a master copy and optimizer state, which ZeRO shards
over the data-parallel ranks; activations come on top, and logits, which the loss keeps in fp32.
Everything is per device, of the fullest pipeline stage, and the sum is the convention: gradients
and activations are counted as if both were there at once, as under gradient accumulation. Without
it gradients grow as activations are freed, and only what they take beyond these counts. A step of
the optimizer needs copies of its own, which count where they exceed the activations freed by then.

    total = weights / w + gradients / g + (master + optimizer) / o + gathered
        + activations + logits + working + KV cache + fragmentation + context
    w, g, o = data-parallel ranks under ZeRO stage 3, 2, 1, else 1; each over the tensor shards too
    fragmentation = share x (gathered + activations + logits + working + KV cache + gradients)
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from estimator.core.uncertainty import (
    EXACTLY_ONE,
    EXACTLY_ZERO,
    Number,
    Quantity,
    Uncertain,
    total,
    uncertain,
)
from estimator.memory.plan import Model, ParameterGroup, Plan, Serving, check_plan

LOGIT_BYTES = 4.0
"""Bytes per token and word that the loss keeps, fp32 even in 16-bit training [byte]; Korthikanti et
al. 2022, arXiv:2205.05198, sec. 4.3.
"""


TIED_GRADIENTS = 2.0
"""Extra copies of a tied token table's gradient while its two parts are added [1]."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes on the fullest device, by component.

    ``framework`` is the uncertainty of the total beyond its components, with median 1.
    """

    weights_bytes: Quantity = 0.0
    gradients_bytes: Quantity = 0.0
    master_weights_bytes: Quantity = 0.0
    optimizer_bytes: Quantity = 0.0
    gathered_bytes: Quantity = 0.0
    activations_bytes: Quantity = 0.0
    logits_bytes: Quantity = 0.0
    working_bytes: Quantity = 0.0
    kv_cache_bytes: Quantity = 0.0
    context_bytes: Quantity = 0.0
    fragmentation_bytes: Quantity = 0.0
    framework: Uncertain = EXACTLY_ONE

    @property
    def components(self) -> dict[str, Quantity]:
        """Components by name."""
        names = [item.name for item in fields(self) if item.name.endswith("_bytes")]
        return {name: getattr(self, name) for name in names}

    @cached_property
    def total_bytes(self) -> Uncertain:
        """Sum of the components, with framework uncertainty [byte]."""
        return self.framework * total(self.components.values())


@dataclass(frozen=True, kw_only=True)
class Overhead:
    """Memory besides tensors, and uncertain factors.

    Parameters
    ----------
    activations, working, weights, states, framework : Uncertain
        Factors on activations, temporary memory, weights with scales, gradients and optimizer
        states, and on everything for the framework's own memory [1].
    context_bytes : Uncertain
        Driver context, kernels, communication and library buffers. [byte]
    fragmentation : Uncertain
        Memory that the allocator reserves in addition to tensors, relative to them [1].
    """

    activations: Uncertain = EXACTLY_ONE
    working: Uncertain = EXACTLY_ONE
    weights: Uncertain = EXACTLY_ONE
    states: Uncertain = EXACTLY_ONE
    framework: Uncertain = EXACTLY_ONE
    context_bytes: Uncertain = EXACTLY_ZERO
    fragmentation: Uncertain = EXACTLY_ZERO


def training_memory(model: Model, plan: Plan) -> Memory:
    """Compute training memory on the fullest device, without overhead [1]_ [2]_.

    Raises
    ------
    ValueError
        If the plan is inconsistent.

    References
    ----------
    .. [1] S. Rajbhandari et al., "ZeRO", 2020, arXiv:1910.02054, sec. 5 and table 1.
    .. [2] V. Korthikanti et al., "Reducing activation recomputation in large transformer
       models", 2022, arXiv:2205.05198, sec. 4.

    >>> from estimator.memory.plan import ParameterGroup
    >>> adam = ParameterGroup(
    ...     layers=7.5e9, weights_bytes=2, gradients_bytes=2, master_bytes=4, optimizer_bytes=8
    ... )
    >>> held = Model(parameters=(adam,), layers=72)
    >>> for stage in (0, 1, 2):
    ...     needed = training_memory(held, Plan(devices=64, zero=stage))
    ...     print(f"{needed.total_bytes.mid / 1e9:.1f}")
    120.0
    31.4
    16.6
    """
    check_plan(plan)
    alone = _where(plan.pipeline_parallel == 1)
    first = _stage(model, plan, (1.0, alone), plan.pipeline_parallel)
    last = _stage(model, plan, (np.maximum(alone, float(model.tied)), 1.0), 1.0)
    return _fuller(first, last)


def inference_memory(model: Model, plan: Plan, serving: Serving) -> Memory:
    """Compute inference memory on the fullest device, without overhead; ignores ZeRO and batch.

    >>> from estimator.memory.plan import ParameterGroup
    >>> held = Model(parameters=(ParameterGroup(layers=70e9, weights_bytes=2),), layers=80)
    >>> float(inference_memory(held, Plan(), Serving(cache_bytes=1e9)).total_bytes.mid) / 1e9
    141.0
    """
    check_plan(plan)
    one_pass = replace(
        plan, zero=0.0, batch=1.0, seq_len=serving.prefill_tokens, recompute_layers=True
    )
    held = training_memory(replace(model, checkpoint_bytes=0.0, vocab=0.0), one_pass)
    shares = np.minimum(plan.tensor_parallel, serving.cache_splits) * plan.pipeline_parallel
    cache = serving.cache_bytes / shares
    words = model.vocab / plan.tensor_parallel
    prompt = serving.prefill_tokens * serving.prompt_logit_bytes * words
    return replace(
        held,
        kv_cache_bytes=cache,
        logits_bytes=plan.batch * LOGIT_BYTES * words,
        working_bytes=held.working_bytes + prompt + serving.cache_growth * cache,
    )


def with_overhead(memory: Memory, overhead: Overhead, counted: str | None = None) -> Memory:
    """Add overhead and uncertainty to a memory.

    Parameters
    ----------
    memory : Memory
        Memory of tensors only.
    overhead : Overhead
        Factors and extra memory.
    counted : str, optional
        ``allocated``: tensors, as counted by the framework; ``reserved``: including the allocator's
        reserve; otherwise everything that the device reports as used.
    """
    factors = {
        "weights_bytes": overhead.weights,
        "gradients_bytes": overhead.states,
        "master_weights_bytes": overhead.states,
        "optimizer_bytes": overhead.states,
        "activations_bytes": overhead.activations,
        "working_bytes": overhead.working,
    }
    parts = memory.components
    scaled = {name: _scaled(factor, parts[name]) for name, factor in factors.items()}
    uncertain_parts = replace(memory, **scaled, framework=overhead.framework)
    if counted == "allocated":
        return uncertain_parts
    reserved = replace(
        uncertain_parts,
        fragmentation_bytes=overhead.fragmentation * _moving(uncertain_parts),
    )
    return (
        reserved
        if counted == "reserved"
        else replace(reserved, context_bytes=overhead.context_bytes)
    )


def _scaled(factor: Uncertain, part: Quantity) -> Quantity:
    """Multiply a component by its factor; the result is a plain number if exact."""
    return factor * part if factor.loadings else factor.mid * part


def _moving(memory: Memory) -> Number:
    """Return the memory that is allocated and freed during a run, and so fragments [byte]."""
    parts = ("gathered", "activations", "logits", "working", "kv_cache", "gradients")
    return total(getattr(memory, f"{part}_bytes") for part in parts).mid


def _stage(model: Model, plan: Plan, ends: tuple[Number, Number], in_flight: Number) -> Memory:
    """Compute the memory of one pipeline stage.

    `ends` flags input tables and head; `in_flight` is the number of micro-batches kept, which on
    the first stage of a 1F1B schedule is the number of stages.
    """
    held = _parameters(model, plan, ends)
    tokens = plan.batch * plan.seq_len
    by_sequence = plan.tensor_parallel if plan.sequence_parallel else 1.0
    inner = model.kept.split_bytes + model.kept.pair_bytes * plan.seq_len
    kept = model.kept.whole_bytes / by_sequence + inner / plan.tensor_parallel
    one_layer = tokens * kept / model.layers * float(plan.recompute_layers)
    if plan.recompute_layers:
        kept = model.layers * model.checkpoint_bytes / by_sequence
    words = tokens * model.vocab / plan.tensor_parallel * ends[1]
    activations = tokens * kept * in_flight / plan.pipeline_parallel
    working = np.maximum(model.loss_bytes * words, one_layer) + model.dequantized_bytes
    freed = activations + LOGIT_BYTES * words + working + uncertain(held.gathered_bytes).mid
    step = _step_bytes(model, plan, ends)
    gradients = uncertain(held.gradients_bytes).mid
    if not (plan.accumulates or plan.fused_backward):
        twice = TIED_GRADIENTS * model.tied * _table_gradients(model, plan, ends)
        gradients = np.maximum(gradients + np.maximum(step, twice) - freed, 0.0)
        step = 0.0
    return replace(
        held,
        gradients_bytes=gradients,
        activations_bytes=activations,
        logits_bytes=LOGIT_BYTES * words,
        working_bytes=working + np.maximum(step - freed, 0.0),
    )


def _table_gradients(model: Model, plan: Plan, ends: tuple[Number, Number]) -> Number:
    """Return the gradient memory of the token table [byte]."""
    tables = (group.embedding * group.gradients_bytes for group in model.parameters)
    return _sum(tables) * ends[0] / plan.tensor_parallel


def _step_bytes(model: Model, plan: Plan, ends: tuple[Number, Number]) -> Number:
    """Return the temporary memory of a sharded optimizer step in mixed precision [byte].

    DeepSpeed casts its gradient shard to fp32, and PyTorch's `foreach` optimizers copy one moment.
    Activations are freed by then, so only the excess counts.
    """
    if not plan.step_copies or plan.fused_backward:
        return 0.0
    shards = 1.0 + (plan.ranks - 1.0) * _where(plan.zero >= 1)
    cast = [
        (group.master_bytes + group.optimizer_bytes / 2.0) * _where(group.master_bytes > 0.0)
        for group in model.parameters
    ]
    counts = _counts(model, plan, ends)
    return _sum(each * count for each, count in zip(cast, counts, strict=True)) / shards


def _counts(model: Model, plan: Plan, ends: tuple[Number, Number]) -> list[Number]:
    """Return the number of parameters per group that a device of the stage computes with [1]."""
    return [
        (group.layers / plan.pipeline_parallel + ends[0] * group.embedding + ends[1] * group.head)
        / plan.tensor_parallel
        for group in model.parameters
    ]


def _parameters(model: Model, plan: Plan, ends: tuple[Number, Number]) -> Memory:
    """Return the weight, gradient and optimizer memory of one stage, sharded by ZeRO stage."""
    shards = [1.0 + (plan.ranks - 1.0) * _where(plan.zero >= stage) for stage in (1, 2, 3)]
    held = []
    for group, count in zip(model.parameters, _counts(model, plan, ends), strict=True):
        outer = np.maximum(ends[0] * group.embedding, ends[1] * group.head)
        units = plan.gathered_layers * group.layers / model.layers + outer
        held.append((group, count, np.minimum(count, units / plan.tensor_parallel)))
    here = 0.0 if plan.offload else 1.0
    with_gradients = _gradient_counts(model, plan, ends) if plan.fused_backward else held
    return Memory(
        weights_bytes=_sum(n * group.weights_bytes for group, n, _ in held) / shards[2] * here,
        gradients_bytes=_sum(n * group.gradients_bytes for group, n, *_ in with_gradients)
        / shards[1],
        master_weights_bytes=_sum(n * group.master_bytes for group, n, _ in held) / shards[0],
        optimizer_bytes=_sum(n * group.optimizer_bytes for group, n, _ in held) / shards[0],
        gathered_bytes=_sum(at_once * group.weights_bytes for group, _, at_once in held)
        * (1.0 - here / shards[2]),
    )


def _gradient_counts(
    model: Model, plan: Plan, ends: tuple[Number, Number]
) -> list[tuple[ParameterGroup, Number]]:
    """Return the parameters whose gradients coexist if the optimizer steps in the backward pass.

    This is the largest of the layers, the token table and the head. The gradient of a tied table
    waits for its second part, from the head at the start of the backward pass to the table at its
    end.
    """
    held = []
    for group in model.parameters:
        inner = plan.gathered_layers * group.layers / model.layers
        table, head = ends[0] * group.embedding, ends[1] * group.head
        live = table + inner if model.tied else np.maximum(inner, np.maximum(table, head))
        held.append((group, live / plan.tensor_parallel))
    return held


def _sum(terms: Iterable[Number]) -> Number:
    return sum(terms, start=np.float64(0.0))


def _fuller(first: Memory, last: Memory) -> Memory:
    """Return the components of the stage with the larger total, element by element."""
    heavier = np.asarray(first.total_bytes.mid) >= np.asarray(last.total_bytes.mid)
    other = last.components
    larger: dict[str, Any] = {
        name: np.where(heavier, uncertain(part).mid, uncertain(other[name]).mid)[()]
        for name, part in first.components.items()
    }
    return replace(first, **larger)


def _where(condition: object) -> Number:
    """Convert a condition to 1.0 or 0.0."""
    return np.asarray(condition, dtype=float)[()]
