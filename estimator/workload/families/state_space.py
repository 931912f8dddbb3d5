"""Which state-space or recurrent language model a config describes: Mamba, Mamba-2, RWKV.

Defaults are those of transformers 5.23. What is multiplied element by element along the sequence
(the decay of the state) is no matrix product and is not counted, as norms are not. Mamba-2 scans
in chunks of `chunk_size` by matrix products, which are counted.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from estimator.workload.blocks import Cost, Costs, held, linear
from estimator.workload.convolution import ratio
from estimator.workload.families.mixers import depthwise
from estimator.workload.families.rotary import output_head
from estimator.workload.fields import Fields
from estimator.workload.ledger import CacheLayers, Inputs
from estimator.workload.network import Network, Pass, Reach, lines, sequence

UNBOUNDED = 10**9
"""A recurrent model has no longest sequence. [token]"""


@dataclass(frozen=True, kw_only=True)
class Recurrent:
    """A stack whose cost grows linearly with the sequence.

    Parameters
    ----------
    before, layer, after : mapping
        Costs per token: tables, one layer, norms and head.
    layers : int
        Layers. [1]
    state_values : int
        Values that one layer keeps per sequence while generating. [1]
    scan, carry, chunk : mapping, mapping, int
        Costs per token of a scan in chunks, padded to whole ones, and per pair of states carried
        between chunks; tokens of a chunk.
    """

    before: Costs
    layer: Costs
    after: Costs
    layers: int
    state_values: int
    scan: Costs | None = None
    carry: Costs | None = None
    chunk: int = 1

    def run(self, inputs: Inputs) -> Pass:
        """Pass over `batch` sequences of `seq_len` tokens."""
        batch, seq_len = sequence(inputs, UNBOUNDED)
        tokens = batch * seq_len
        done = [*lines(self.before, Reach(tokens=tokens))]
        done += lines(self.layer, Reach(tokens=tokens, times=self.layers))
        chunks = np.ceil(seq_len / self.chunk)
        padded = batch * chunks * self.chunk
        done += lines(self.scan or {}, Reach(tokens=padded, times=self.layers))
        states = batch * (chunks + 1.0) ** 2
        done += lines(self.carry or {}, Reach(tokens=states, times=self.layers))
        done += lines(self.after, Reach(tokens=tokens))
        return Pass(lines=done, tokens=tokens)


def _network(
    fields: Fields, hidden: int, vocab: int, model: Callable[[Costs], Recurrent], tied: bool = True
) -> Network:
    """The model under its name, with the head of its class."""
    head, warnings = output_head(fields, vocab, tied)
    stack = model({} if head is None else {"head/logits": head.cost(hidden)})
    state = CacheLayers(layers=stack.layers, values_per_token=0, state_values=stack.state_values)
    return Network(
        run=stack.run,
        cache=(state,),
        model_type=fields.text("model_type"),
        name=fields.text("_name_or_path"),
        warnings=warnings,
    )


def mamba(fields: Fields) -> Network:
    """Mamba: selective state spaces [1]_.

    References
    ----------
    .. [1] A. Gu, T. Dao, "Mamba", 2023, arXiv:2312.00752, sec. 3.4.
    """
    hidden = fields.size("hidden_size", default=768)
    vocab = fields.size("vocab_size", default=50280)
    inner = _inner(fields, hidden)
    state = fields.size("state_size", default=16)
    rank = _rank(fields, hidden)
    bias = fields.flag("use_bias")
    layer = {
        "norm/layers": held(hidden),
        "mixer/in": linear(hidden, 2 * inner, bias),
        "mixer/convolution": convolution(fields, inner),
        "mixer/select": linear(inner, rank + 2 * state),
        "mixer/time_step": linear(rank, inner, bias=True),
        "mixer/state": held(inner * (state + 1)),
        "mixer/read": Cost(flop_per_token=2 * inner * state),
        "mixer/out": linear(inner, hidden, bias),
    }

    def model(head: Costs) -> Recurrent:
        return Recurrent(
            before={"embedding/token": held(vocab * hidden)},
            layer=layer,
            after={"norm/outer": held(hidden), **head},
            layers=fields.layers("num_hidden_layers", default=32),
            state_values=inner * (state + fields.size("conv_kernel", default=4)),
        )

    return _network(fields, hidden, vocab, model)


def _inner(fields: Fields, hidden: int) -> int:
    """Width inside the mixer: `expand` times the model's, whatever `intermediate_size` says."""
    return int(ratio(fields, "expand", 2) * hidden)


def _rank(fields: Fields, hidden: int) -> int:
    """Rank of the time step, a sixteenth of the width where it is "auto"."""
    if fields.values.get("time_step_rank", "auto") == "auto":
        return math.ceil(hidden / 16)
    return fields.size("time_step_rank")


def convolution(fields: Fields, channels: int) -> Cost:
    """The short convolution under the keys of both Mambas."""
    kernel = fields.size("conv_kernel", default=4)
    return depthwise(channels, kernel, fields.flag("use_conv_bias", default=True))


def mamba2(fields: Fields) -> Network:
    """Mamba-2: heads with a scalar decay, scanned in chunks (arXiv:2405.21060, sec. 6)."""
    hidden = fields.size("hidden_size", default=4096)
    vocab = fields.size("vocab_size", default=32768)
    inner = _inner(fields, hidden)
    heads = fields.size("num_heads", default=128)
    head_dim = fields.size("head_dim", default=64)
    if heads * head_dim != inner:
        rule = f"must be expand * hidden_size = {inner}"
        raise ValueError(f"num_heads times head_dim {rule}, got {heads} times {head_dim}")
    state = fields.size("state_size", default=128)
    chunk = fields.size("chunk_size", default=256)
    channels = inner + 2 * fields.size("n_groups", default=8) * state
    bias = fields.flag("use_bias")
    layer = {
        "norm/layers": held(hidden + inner),
        "mixer/in": linear(hidden, inner + channels + heads, bias),
        "mixer/convolution": convolution(fields, channels),
        "mixer/state": held(3 * heads),
        "mixer/out": linear(inner, hidden, bias),
    }

    def model(head: Costs) -> Recurrent:
        return Recurrent(
            before={"embedding/token": held(vocab * hidden)},
            layer=layer,
            after={"norm/outer": held(hidden), **head},
            layers=fields.layers("num_hidden_layers", default=64),
            state_values=inner * state + channels * fields.size("conv_kernel", default=4),
            scan={
                "mixer/inside_chunks": Cost(
                    flop_per_token=2 * inner * chunk + 2 * heads * state * chunk
                ),
                "mixer/chunk_states": Cost(flop_per_token=4 * inner * state),
            },
            carry={"mixer/between_chunks": Cost(flop_per_token=2 * inner * state)},
            chunk=chunk,
        )

    return _network(fields, hidden, vocab, model, tied=False)


def rwkv(fields: Fields) -> Network:
    """RWKV 4: a linear recurrence in place of attention (arXiv:2305.13048, sec. 3)."""
    hidden = fields.size("hidden_size", default=4096)
    vocab = fields.size("vocab_size", default=50277)
    inner = fields.size_or_none("attention_hidden_size") or hidden
    width = fields.size_or_none("intermediate_size") or 4 * hidden
    layer = {
        "norm/layers": held(4 * hidden),
        "mixer/decay": held(2 * inner),
        "mixer/shift": held(5 * hidden),
        "mixer/key": linear(hidden, inner),
        "mixer/value": linear(hidden, inner),
        "mixer/receptance": linear(hidden, inner),
        "mixer/output": linear(inner, hidden),
        "mlp/up": linear(hidden, width),
        "mlp/receptance": linear(hidden, hidden),
        "mlp/down": linear(width, hidden),
    }

    def model(head: Costs) -> Recurrent:
        return Recurrent(
            before={"embedding/token": held(vocab * hidden)},
            layer=layer,
            after={"norm/outer": held(4 * hidden), **head},
            layers=fields.layers("num_hidden_layers", default=32),
            state_values=2 * hidden + 3 * inner,
        )

    return _network(fields, hidden, vocab, model, tied=False)


FAMILIES: Mapping[str, Callable[[Fields], Network]] = {
    "mamba": mamba,
    "falcon_mamba": mamba,
    "mamba2": mamba2,
    "rwkv": rwkv,
}
