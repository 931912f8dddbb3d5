"""Work of a network, term by term.

A ledger lists terms in the order of the forward pass, each with its parameters and forward FLOPs;
totals are sums of terms. A multiply-add counts as two FLOPs; only matrix products, convolutions and
attention products count (no norms, softmax, activations or table look-ups).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from estimator.core.bounds import LIMITS
from estimator.core.notice import Refusal

Quantity = float | NDArray[np.float64]
"""Float, or an array that broadcasts with the others."""

BYTES_16_BIT = 2

ITEM_UNITS = ("token", "image", "frame", "latent")
"""Item of a pass: tokens, images, audio frames or latent maps."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Inputs of one pass, and the attention convention for its FLOPs.

    Parameters
    ----------
    batch : float or array, positive
        Sequences or images per pass. [1]
    seq_len : float, array or None, positive
        Tokens per sequence, by default 2048 or the model's maximum. For an encoder-decoder, tokens
        on each side (for Whisper, output tokens); for encoders of raw audio, samples at 16 kHz, by
        default 160,000 [token].
    image_size : float, array or None, positive
        Side of a square image for vision models, by default the config's. For diffusers models, the
        side of the input map, usually latents [pixel].
    causal : bool
        Whether to halve the score terms, like a kernel that skips the masked half. The primary
        figure is full attention.
    windowed : bool
        Whether to count sliding-window layers only inside their window. The primary figure is full
        attention.
    """

    batch: Quantity = 1.0
    seq_len: Quantity | None = None
    image_size: Quantity | None = None
    causal: bool = False
    windowed: bool = False


class Architecture(Protocol):
    """Anything that returns a ledger for inputs, as config readers do."""

    @property
    def cache(self) -> tuple["CacheLayers", ...]:
        """Key-value cache, empty without token-by-token generation."""
        ...

    def ledger(self, inputs: Inputs) -> "Ledger":
        """Count the ledger of one forward pass over `inputs`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Term:
    """One line of a ledger.

    Parameters
    ----------
    params, active_params : int
        Total parameters, and parameters used for one token, fewer only if a router selects experts.
        Weights shared with an earlier term count there, and 0 here [1].
    flop : float or array
        Forward FLOPs of the whole pass. [flop]
    backward_ratio : float
        Backward over forward FLOPs: 2, or 1 for a first layer that needs no input gradient.
    is_embedding : bool
        Whether it is a table that inputs look up: tokens, positions, types.
    """

    params: int = 0
    active_params: int = 0
    flop: Quantity = 0.0
    backward_ratio: float = 2.0
    is_embedding: bool = False

    def __add__(self, other: "Term") -> "Term":
        return Term(
            params=self.params + other.params,
            active_params=self.active_params + other.active_params,
            flop=self.flop + other.flop,
            backward_ratio=other.backward_ratio,
            is_embedding=self.is_embedding or other.is_embedding,
        )


@dataclass(frozen=True, kw_only=True)
class CacheLayers:
    """Cached state of equal layers during generation.

    Parameters
    ----------
    layers, values_per_token : int
        Number of layers, and values stored per layer and token [1].
    window : int or None
        Maximum number of tokens stored, None for all [token].
    state_values : int
        Values stored per layer and sequence of any length: recurrent state [1].
    """

    layers: int
    values_per_token: int
    window: int | None = None
    state_values: int = 0


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """Parameters and forward FLOPs of a network, term by term.

    Parameters
    ----------
    terms : mapping of str to Term
        Terms in the order of the forward pass; names have the form ``block/part``.
    items : float or array
        Amount of input: text tokens, images, audio frames [item_unit].
    item_unit : str
        One of `ITEM_UNITS`.
    model_type, name : str
        Family as in the config, and name of the model, by default the family's.
    cache : tuple of CacheLayers
        Key-value cache, empty if the model does not generate tokens.
    warnings : tuple of str
        Warnings to read before relying on the numbers.

    >>> ledger = Ledger(terms={"head": Term(params=6, active_params=6, flop=24.0)}, items=2.0)
    >>> ledger.params_total, ledger.forward_flop, ledger.training_flop, ledger.weights_bytes()
    (6, 24.0, 72.0, 12)
    """

    terms: Mapping[str, Term]
    items: Quantity
    item_unit: str = "token"
    model_type: str = ""
    name: str = ""
    cache: tuple[CacheLayers, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def params_total(self) -> int:
        """Total parameters, shared weights counted once [1]."""
        return sum(term.params for term in self.terms.values())

    @property
    def params_active(self) -> int:
        """Parameters used in the pass of one token [1]."""
        return sum(term.active_params for term in self.terms.values())

    @property
    def params_embedding(self) -> int:
        """Parameters of look-up tables, which have no products [1]."""
        return sum(term.params for term in self.terms.values() if term.is_embedding)

    @property
    def forward_flop(self) -> Any:
        """Forward FLOPs of the whole pass, float or array [flop]."""
        return sum((term.flop for term in self.terms.values()), start=0.0)

    @property
    def training_flop(self) -> Any:
        """Forward and backward FLOPs without recomputation, float or array [flop]."""
        return sum(
            ((1.0 + term.backward_ratio) * term.flop for term in self.terms.values()), start=0.0
        )

    @property
    def forward_flop_per_item(self) -> Any:
        """Forward FLOPs per item of the pass, float or array [flop/item]."""
        return self.forward_flop / self.items

    def weights_bytes(self, bytes_per_param: float = BYTES_16_BIT) -> float:
        """Return the memory of the weights, exact for whole bytes per parameter [byte]."""
        return self.params_total * bytes_per_param

    def kv_cache_bytes_per_token(self, bytes_per_value: float = BYTES_16_BIT) -> float:
        """Cache bytes per further token inside every window [byte]."""
        return sum(part.layers * part.values_per_token for part in self.cache) * bytes_per_value

    def state_bytes(self, bytes_per_value: float = BYTES_16_BIT) -> float:
        """Return the recurrent state per sequence of any length [byte]."""
        return sum(part.layers * part.state_values for part in self.cache) * bytes_per_value

    def kv_cache_bytes(
        self, context: ArrayLike, batch: ArrayLike = 1.0, bytes_per_value: float = BYTES_16_BIT
    ) -> Any:
        """Return the memory of cache and recurrent state; full windows stop growing [byte].

        Parameters
        ----------
        context : float or array
            Tokens stored per sequence [token].
        batch : float or array
            Sequences. [1]
        bytes_per_value : float
            2 for 16 bit. [byte]

        Returns
        -------
        float or array, `context` and `batch` broadcast together. [byte]
        """
        tokens = np.asarray(context, dtype=float)
        values = sum(
            (
                part.layers
                * (
                    part.values_per_token * np.minimum(tokens, part.window or np.inf)
                    + part.state_values
                )
                for part in self.cache
            ),
            start=np.zeros_like(tokens),
        )
        return (values * np.asarray(batch, dtype=float) * bytes_per_value)[()]


CHANGED = {"image_size": (448.0, 896.0), "seq_len": (16_000.0, 32_000.0)}
"""Two values of each input that every network accepts. [pixel], [token]"""


def takes(network: Architecture, field: str) -> bool:
    """Return whether an input of `CHANGED` affects the pass or is refused."""
    image = field == "image_size"
    try:
        small, large = (
            network.ledger(
                Inputs(image_size=value) if image else Inputs(seq_len=value)
            ).forward_flop
            for value in CHANGED[field]
        )
    except Refusal:
        return True
    return bool(small != large)


def quantity(name: str, value: ArrayLike) -> Quantity:
    """Convert `value` to float or float array; refuse one that no pass can have.

    >>> quantity("batch", 8)
    8.0
    >>> quantity("seq_len", 1e200)
    Traceback (most recent call last):
    ValueError: seq_len must be at most 1e+09, got 1e+200
    >>> quantity("batch", -1)
    Traceback (most recent call last):
    ValueError: batch must be positive and finite, got -1
    """
    numbers = np.asarray(value, dtype=float)
    if not (np.all(np.isfinite(numbers)) and np.all(numbers > 0)):
        raise ValueError(f"{name} must be positive and finite, got {value!r}")
    most = LIMITS[name].most
    if np.any(numbers > most):
        raise ValueError(f"{name} must be at most {most:g}, got {value!r}")
    return numbers if numbers.ndim else float(numbers)
