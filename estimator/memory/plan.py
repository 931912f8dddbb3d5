"""Tensors and their layout: parameter groups, layers, ranks and stages."""

from dataclasses import dataclass

import numpy as np

from estimator.core.messages import refuse
from estimator.core.uncertainty import Number
from estimator.memory.activations import NOTHING_KEPT, Kept


@dataclass(frozen=True, kw_only=True)
class ParameterGroup:
    """Parameters with the same storage, and the bytes that each needs.

    Parameters
    ----------
    layers, embedding, head : float or array
        Parameters in layers, input tables and output head [1].
    weights_bytes, gradients_bytes, master_bytes, optimizer_bytes : float or array
        Bytes per parameter; frozen parameters have weights only [1]_ [byte].

    References
    ----------
    .. [1] S. Rajbhandari et al., "ZeRO", 2020, arXiv:1910.02054, sec. 3.1: 2 + 2 + 12 bytes for
       Adam in mixed precision, 4 of the 12 for the master copy.
    """

    layers: Number
    weights_bytes: Number
    embedding: Number = 0.0
    head: Number = 0.0
    gradients_bytes: Number = 0.0
    master_bytes: Number = 0.0
    optimizer_bytes: Number = 0.0


@dataclass(frozen=True, kw_only=True)
class Model:
    """Tensors of a model before they are distributed.

    Parameters
    ----------
    parameters : tuple of ParameterGroup
        Groups in different formats, such as a quantized base and its adapters.
    layers : float or array
        Number of layers [1].
    kept : Kept
        Activations stored by all layers together [byte/token].
    checkpoint_bytes : float or array
        Activations stored by one fully recomputed layer: its input [byte/token].
    vocab : float or array
        Outputs of the head, 0 without one [1].
    tied : bool
        Whether the head shares the token table, so that the last stage stores a copy.
    loss_bytes : float or array
        Bytes per token and vocabulary entry that differentiating the loss needs in addition to the
        logits [byte].
    dequantized_bytes : float or array
        A quantized matrix unpacked to 16 bits for its product [byte].
    """

    parameters: tuple[ParameterGroup, ...]
    layers: Number
    kept: Kept = NOTHING_KEPT
    checkpoint_bytes: Number = 0.0
    vocab: Number = 0.0
    tied: bool = False
    loss_bytes: Number = 0.0
    dequantized_bytes: Number = 0.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Layout of a run; floats or arrays that broadcast.

    Parameters
    ----------
    devices : float or array
        Total devices: data-parallel times tensor-parallel times pipeline-parallel ranks [1].
    tensor_parallel, pipeline_parallel : float or array
        Ranks per layer, and pipeline stages [1].
    zero : float or array
        ZeRO stage: 1 shards optimizer and master weights, 2 also gradients, 3 (FSDP) also weights.
    batch, seq_len : float or array
        Sequences per micro-batch on a data-parallel rank, and tokens per sequence [1].
    recompute_layers : bool
        Whether only each layer's input is stored and the rest recomputed.
    sequence_parallel : bool
        Whether tensor-parallel ranks also split the norms, by sequence.
    gathered_layers : float
        Layers whose full weights ZeRO-3 gathers at a time [1].
    offload : bool
        Whether sharded weights are in host memory.
    fused_backward : bool
        Whether the optimizer steps within the backward pass, with gradients of one layer at a time.
    accumulates : bool
        Whether gradients are summed over several micro-batches, and so coexist with activations.
    step_copies : bool
        Whether the optimizer step casts gradients to fp32 and copies a moment, as in DeepSpeed.
    """

    devices: Number = 1.0
    tensor_parallel: Number = 1.0
    pipeline_parallel: Number = 1.0
    zero: Number = 0.0
    batch: Number = 1.0
    seq_len: Number = 1.0
    recompute_layers: bool = False
    sequence_parallel: bool = False
    gathered_layers: float = 2.0
    offload: bool = False
    fused_backward: bool = False
    accumulates: bool = True
    step_copies: bool = False

    @property
    def ranks(self) -> Number:
        """Data-parallel ranks [1]."""
        return self.devices / (self.tensor_parallel * self.pipeline_parallel)


@dataclass(frozen=True, kw_only=True)
class Serving:
    """Memory of inference besides weights.

    Parameters
    ----------
    cache_bytes : float or array
        Key-value cache of all sequences of one replica [byte].
    cache_splits : float
        Ranks that can split the cache: key-value heads, or 1 for a latent [1].
    prefill_tokens : float or array
        Tokens that pass through a layer at once [token].
    prompt_logit_bytes : float or array
        Bytes per vocabulary entry of the logits of all prefill tokens; servers compute only the
        last token's, which are counted separately [byte].
    cache_growth : float or array
        Extra copies of the cache while it grows, relative to it; 0 if preallocated [1].
    """

    cache_bytes: Number = 0.0
    cache_splits: float = 1.0
    prefill_tokens: Number = 1.0
    prompt_logit_bytes: Number = 0.0
    cache_growth: Number = 0.0


def check_plan(plan: Plan) -> None:
    """Refuse an inconsistent layout, naming the number.

    >>> check_plan(Plan(zero=4))
    Traceback (most recent call last):
    estimator.core.notice.Refusal: zero must be a whole number from 0 to 3, got 4
    """
    for name in ("devices", "tensor_parallel", "pipeline_parallel"):
        _whole(name, getattr(plan, name), 1.0, np.inf)
    _whole("zero", plan.zero, 0.0, 3.0)
    for name in ("batch", "seq_len"):
        value = np.asarray(getattr(plan, name), dtype=float)
        if not np.all((value > 0) & np.isfinite(value)):
            raise refuse("not_positive", name, value=float(value.flat[0]))
    parts = np.asarray(plan.tensor_parallel * plan.pipeline_parallel, dtype=float)
    if np.any(np.asarray(plan.devices) % parts):
        devices = float(np.asarray(plan.devices).flat[0])
        raise refuse("not_a_multiple", "devices", parts=float(parts.flat[0]), value=devices)


def _whole(name: str, value: Number, least: float, most: float) -> None:
    numbers = np.asarray(value, dtype=float)
    good = (numbers >= least) & (numbers <= most) & (numbers == np.floor(numbers))
    if not np.all(good & np.isfinite(numbers)):
        code = "not_whole_from" if most == np.inf else "not_whole_within"
        raise refuse(code, name, least=least, most=most, value=float(numbers.flat[0]))
