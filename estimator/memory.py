"""What must a device hold, and how many devices hold it: weights to key-value cache.

Parameters are held as weights, gradients, a master copy and optimizer state, which ZeRO shards
over the data-parallel ranks; activations come on top, and logits, which the loss keeps in fp32.
Everything is per device, of the fullest pipeline stage, and the sum is the convention: gradients
and activations are counted as if both were there at once, as under gradient accumulation.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

import numpy as np

from estimator.memory_plan import Model, Plan, Serving, check_plan
from estimator.uncertainty import (
    EXACTLY_ONE,
    EXACTLY_ZERO,
    Number,
    Quantity,
    Uncertain,
    total,
    uncertain,
)

LOGIT_BYTES = 4.0
"""The loss keeps one fp32 value per token and word, in 16 bit as well [byte]; Korthikanti et al.
2022, arXiv:2205.05198, sec. 4.3."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes on the fullest device, by what they hold; the components add up to the total."""

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

    @property
    def components(self) -> dict[str, Quantity]:
        """Components by name."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @property
    def total_bytes(self) -> Uncertain:
        """Sum of the components [byte]."""
        return total(self.components.values())


@dataclass(frozen=True, kw_only=True)
class Overhead:
    """What is not known exactly, or is held beside the tensors.

    Parameters
    ----------
    activations, working : Uncertain
        Factors on the activations, and on what is held for a moment. [1]
    context_bytes : Uncertain
        Driver context, kernels, communication and library buffers. [byte]
    fragmentation : Uncertain
        What the allocator reserves beyond the tensors, over the tensors. [1]
    """

    activations: Uncertain = EXACTLY_ONE
    working: Uncertain = EXACTLY_ONE
    context_bytes: Uncertain = EXACTLY_ZERO
    fragmentation: Uncertain = EXACTLY_ZERO


def training_memory(model: Model, plan: Plan) -> Memory:
    """Memory of training on the fullest device, without overhead [1]_ [2]_.

    Raises
    ------
    ValueError
        If the plan does not work out.

    References
    ----------
    .. [1] S. Rajbhandari et al., "ZeRO", 2020, arXiv:1910.02054, sec. 5 and table 1.
    .. [2] V. Korthikanti et al., "Reducing activation recomputation in large transformer
       models", 2022, arXiv:2205.05198, sec. 4.

    >>> from estimator.memory_plan import Parameters
    >>> adam = Parameters(
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
    """Memory of serving on the fullest device, without overhead; ZeRO and batch play no part.

    >>> from estimator.memory_plan import Parameters
    >>> held = Model(parameters=(Parameters(layers=70e9, weights_bytes=2),), layers=80)
    >>> float(inference_memory(held, Plan(), Serving(cache_bytes=1e9)).total_bytes.mid) / 1e9
    141.0
    """
    check_plan(plan)
    one_pass = replace(
        plan, zero=0.0, batch=1.0, seq_len=serving.prefill_tokens, recompute_layers=True
    )
    held = training_memory(replace(model, checkpoint_bytes=0.0, vocab=0.0), one_pass)
    shares = np.minimum(plan.tensor_parallel, serving.cache_splits) * plan.pipeline_parallel
    logits = plan.batch * LOGIT_BYTES * model.vocab / plan.tensor_parallel
    return replace(held, kv_cache_bytes=serving.cache_bytes / shares, logits_bytes=logits)


def with_overhead(memory: Memory, overhead: Overhead) -> Memory:
    """Memory with its doubts, and with what is held beside the tensors."""
    doubted = replace(
        memory,
        activations_bytes=overhead.activations * memory.activations_bytes,
        working_bytes=overhead.working * memory.working_bytes,
    )
    return replace(
        doubted,
        context_bytes=overhead.context_bytes,
        fragmentation_bytes=overhead.fragmentation * doubted.total_bytes.mid,
    )


def _stage(model: Model, plan: Plan, ends: tuple[Number, Number], in_flight: Number) -> Memory:
    """Memory of one pipeline stage.

    `ends` say whether it holds the input tables and the head; `in_flight` how many micro-batches
    it keeps, on the first stage of a 1F1B schedule as many as there are stages.
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
    return replace(
        held,
        activations_bytes=tokens * kept * in_flight / plan.pipeline_parallel,
        logits_bytes=LOGIT_BYTES * words,
        working_bytes=np.maximum(model.loss_bytes * words, one_layer),
    )


def _parameters(model: Model, plan: Plan, ends: tuple[Number, Number]) -> Memory:
    """Weights to optimizer of one stage, sharded as ZeRO says."""
    shards = [1.0 + (plan.ranks - 1.0) * _where(plan.zero >= stage) for stage in (1, 2, 3)]
    held = []
    for group in model.parameters:
        outer = ends[0] * group.embedding + ends[1] * group.head
        count = (group.layers / plan.pipeline_parallel + outer) / plan.tensor_parallel
        units = plan.gathered_layers * group.layers / model.layers + outer
        held.append((group, count, np.minimum(count, units / plan.tensor_parallel)))
    return Memory(
        weights_bytes=_sum(n * group.weights_bytes for group, n, _ in held) / shards[2],
        gradients_bytes=_sum(n * group.gradients_bytes for group, n, _ in held) / shards[1],
        master_weights_bytes=_sum(n * group.master_bytes for group, n, _ in held) / shards[0],
        optimizer_bytes=_sum(n * group.optimizer_bytes for group, n, _ in held) / shards[0],
        gathered_bytes=_sum(at_once * group.weights_bytes for group, _, at_once in held)
        * (1.0 - 1.0 / shards[2]),
    )


def _sum(terms: Iterable[Number]) -> Number:
    return sum(terms, start=np.float64(0.0))


def _fuller(first: Memory, last: Memory) -> Memory:
    """Components of the stage with the larger total, element by element."""
    heavier = np.asarray(first.total_bytes.mid) >= np.asarray(last.total_bytes.mid)
    other = last.components
    return Memory(
        **{
            name: np.where(heavier, uncertain(part).mid, uncertain(other[name]).mid)[()]
            for name, part in first.components.items()
        }
    )


def _where(condition: object) -> Number:
    """1.0 where it holds, else 0.0."""
    return np.asarray(condition, dtype=float)[()]
