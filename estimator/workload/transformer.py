"""How much work a decoder language model is.

Checked against PyTorch's own counter: per token, forward FLOPs are two for each parameter that
multiplies (all but the input tables) plus four for each layer, head width and token of context.
"""

from collections import Counter
from dataclasses import dataclass

from estimator.workload.blocks import (
    Attention,
    Cost,
    Costs,
    Experts,
    LatentAttention,
    Mlp,
    held,
    linear,
    table,
)
from estimator.workload.layers import Layers, Stack
from estimator.workload.ledger import CacheLayers, Inputs, Ledger
from estimator.workload.network import Network, Pass


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One decoder layer; parallel and sequential residuals differ only in their norms."""

    attention: Attention | LatentAttention
    feed_forward: Mlp | Experts
    norm_params: int = 0

    def costs(self) -> Costs:
        """Costs by part."""
        norm = {"norm/layers": held(self.norm_params)}
        return {**self.attention.costs(), **self.feed_forward.costs(), **norm}


@dataclass(frozen=True, kw_only=True)
class Head:
    """Output layer over every position; `tied` shares its matrix with the token table."""

    outputs: int
    bias: bool = False
    tied: bool = False

    def cost(self, width: int) -> Cost:
        """Cost of the head on states of `width`."""
        full = linear(width, self.outputs, self.bias)
        own_params = full.params - self.outputs * width * self.tied
        return Cost(params=own_params, active_params=own_params, flop_per_token=full.flop_per_token)


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """A decoder language model.

    Parameters
    ----------
    hidden, vocab : int
        Model width; rows of the token table. [1]
    layers : tuple of Layer
        From input to output; equal neighbours may be the same object.
    head : Head or None
        Output layer, None for a bare trunk.
    max_positions : int
        Longest sequence the model was made for. [token]
    position_rows : int
        Rows of a learned position table, 0 for rotary or linear biases. [1]
    embedding_width : int or None
        Width of the token table where it differs from `hidden`; two projections bridge it.
    outer_norm_params : int
        Parameters of the norms outside the layers, final norm included. [1]
    model_type, name, warnings : str, str, tuple of str
        Passed on to the ledger.
    """

    hidden: int
    vocab: int
    layers: tuple[Layer, ...]
    head: Head | None
    max_positions: int
    position_rows: int = 0
    embedding_width: int | None = None
    outer_norm_params: int = 0
    model_type: str = ""
    name: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def cache(self) -> tuple[CacheLayers, ...]:
        """What the layers keep while generating."""
        kept = Counter(
            (layer.attention.cache_values_per_token, layer.attention.window)
            for layer in self.layers
        )
        return tuple(
            CacheLayers(layers=count, values_per_token=values, window=window)
            for (values, window), count in kept.items()
        )

    def run(self, inputs: Inputs) -> Pass:
        """Pass over `batch` sequences; `seq_len` defaults to 2048, or to the model's length."""
        width = self.embedding_width or self.hidden
        before = {
            "embedding/token": table(self.vocab, width),
            "embedding/position": table(self.position_rows, self.hidden),
        }
        after = {"norm/outer": held(self.outer_norm_params)}
        if width != self.hidden:
            before["embedding/project_in"] = linear(width, self.hidden)
            after["head/project_out"] = linear(self.hidden, width)
        if self.head is not None:
            after["head/logits"] = self.head.cost(width)
        stack = tuple(
            Layers(costs=layer.costs(), times=count, window=layer.attention.window)
            for layer, count in Counter(self.layers).items()
        )
        model = Stack(
            before=before, stack=stack, after=after, longest=self.max_positions, causal=True
        )
        return model.run(inputs)

    def ledger(self, inputs: Inputs) -> Ledger:
        """Ledger of one forward pass."""
        return Network(
            run=self.run,
            model_type=self.model_type,
            name=self.name,
            warnings=self.warnings,
            cache=self.cache,
        ).ledger(inputs)
