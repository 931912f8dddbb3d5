"""Work of a decoder language model.

Checked against PyTorch's own counter: forward FLOPs per token are two per multiplied parameter (all
but the input embeddings), plus four per layer, head width and context token.
"""

from collections import Counter
from dataclasses import dataclass

from estimator.networks.blocks import (
    Attention,
    Cost,
    Experts,
    LatentAttention,
    Mlp,
    layer_costs,
    linear,
    params_only,
    table,
    vocabulary_head,
)
from estimator.networks.layers import Layers, Stack
from estimator.networks.ledger import CacheLayers, Inputs, Ledger
from estimator.networks.network import Network


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Decoder layer; parallel and sequential residuals differ only in their norms."""

    attention: Attention | LatentAttention
    feed_forward: Mlp | Experts
    norm_params: int = 0

    def repeated(self, count: int) -> Layers:
        """Return the costs and cached state of `count` equal layers."""
        return Layers(
            costs=layer_costs(self.attention, self.feed_forward, self.norm_params),
            times=count,
            window=self.attention.window,
            cache_values=self.attention.cache_values_per_token,
        )


@dataclass(frozen=True, kw_only=True)
class Head:
    """Output layer over every position; `tied` shares its matrix with the token table."""

    outputs: int
    bias: bool = False
    tied: bool = False

    def cost(self, width: int) -> Cost:
        """Return the cost of the head on states of `width`."""
        return vocabulary_head(width, self.outputs, own=not self.tied, biases=self.bias)


@dataclass(frozen=True, kw_only=True)
class Decoder:
    """Decoder language model.

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
    def stack(self) -> Stack:
        """Layers between embeddings and output heads."""
        width = self.embedding_width or self.hidden
        before = {
            "embedding/token": table(self.vocab, width),
            "embedding/position": table(self.position_rows, self.hidden),
        }
        after = {"norm/outer": params_only(self.outer_norm_params)}
        if width != self.hidden:
            before["embedding/project_in"] = linear(width, self.hidden)
            after["head/project_out"] = linear(self.hidden, width)
        if self.head is not None:
            after["head/logits"] = self.head.cost(width)
        stack = tuple(layer.repeated(count) for layer, count in Counter(self.layers).items())
        return Stack(
            before=before, stack=stack, after=after, longest=self.max_positions, causal=True
        )

    @property
    def cache(self) -> tuple[CacheLayers, ...]:
        """Cached state of the layers during generation."""
        return self.stack.cache

    def ledger(self, inputs: Inputs) -> Ledger:
        """Count the ledger of one forward pass."""
        stack = self.stack
        return Network(
            run=stack.run,
            model_type=self.model_type,
            name=self.name,
            warnings=self.warnings,
            cache=stack.cache,
        ).ledger(inputs)
