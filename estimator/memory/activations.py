"""Activations that a decoder layer keeps for the backward pass, and adapter sizes.

A mechanistic count: each operation keeps the tensors that its derivative needs, and shared tensors
count once. Checked against saved tensors in PyTorch (tests/golden/memory.csv): within 1% for GPT-2,
Llama, Qwen3 and Mixtral, 8% for Gemma and latent attention, 12% for GPT-NeoX.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from estimator.core.uncertainty import Number
from estimator.networks.blocks import Attention, Experts, LatentAttention, Mlp
from estimator.networks.transformer import Decoder, Head, Layer

FP32_BYTES = 4.0
"""Bytes of a 32-bit value [B]."""

FUSED_VALUES = 2
"""Values that a plain MLP keeps per unit of width: input and output of the activation."""

OP_BY_OP_VALUES = 5
"""Values kept by a GELU of elementary operations, as in Transformers' GPT-2."""

HEAD_DIM = 128
"""Width of an attention head in typical decoders, GPT-3 to Llama 3 [1]."""

ASPECT = 128
"""Width over depth of a typical decoder: GPT-3 12288 / 96, Llama 7B 4096 / 32 [1]."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Bytes that layers keep per token until the backward pass.

    Parameters
    ----------
    whole_bytes : float or array
        Bytes of norms and of the inputs of a block's first matrix, stored on every tensor-parallel
        rank unless the sequence is also sharded [byte/token].
    split_bytes : float or array
        Bytes inside attention and MLP, divided by tensor parallelism [byte/token].
    pair_bytes : float or array
        Bytes of score matrices per key that a token attends to; zero with fused attention, which
        recomputes them [byte/token/token].
    """

    whole_bytes: Number = 0.0
    split_bytes: Number = 0.0
    pair_bytes: Number = 0.0

    def __add__(self, other: "Kept") -> "Kept":
        return Kept(
            whole_bytes=self.whole_bytes + other.whole_bytes,
            split_bytes=self.split_bytes + other.split_bytes,
            pair_bytes=self.pair_bytes + other.pair_bytes,
        )

    def __mul__(self, factor: Number) -> "Kept":
        return Kept(
            whole_bytes=self.whole_bytes * factor,
            split_bytes=self.split_bytes * factor,
            pair_bytes=self.pair_bytes * factor,
        )


NOTHING_KEPT = Kept()
"""No layers, or none with known activations."""


@dataclass(frozen=True, kw_only=True)
class Style:
    """Implementation of layers: precision, attention and recomputation.

    Parameters
    ----------
    value_bytes : float
        Bytes per activation: 2 in 16 bits, 4 in fp32 [byte].
    eager : bool
        Whether attention stores its score matrices, unlike a fused kernel.
    plain_values : int
        Values stored by an ungated MLP per unit of width: 1 for ReLU, 2 for a fused GELU, 5 for an
        elementary one [1].
    dropout : bool
        Whether one-byte masks are stored after attention and MLP; with eager attention, also a mask
        of the scores and the masked scores.
    """

    value_bytes: float = 2.0
    eager: bool = False
    plain_values: int = FUSED_VALUES
    dropout: bool = False


@dataclass(frozen=True, kw_only=True)
class Adapters:
    """Low-rank adapters on frozen layers.

    Parameters
    ----------
    targets : str
        Matrices with an adapter: ``all`` in the layers except routed experts, or ``qv``.
    value_bytes : float
        Bytes per value of the input stored by each adapter: as in the run, or 4 with fp32 adapters
        outside autocast [byte].
    """

    targets: str = "all"
    value_bytes: float = 2.0


def decoder_kept(decoder: Decoder, style: Style, adapters: Adapters | None = None) -> Kept:
    """Return the activations stored by all layers, or with only adapters trained.

    >>> decoder_kept(typical_decoder(6.7e9), Style()).whole_bytes / 4096 / 32
    16.0
    """
    counts: dict[Layer, int] = {}
    for layer, alike in groupby(decoder.layers):
        counts[layer] = counts.get(layer, 0) + len(list(alike))
    kept = {layer: layer_kept(layer, style) for layer in counts}
    if adapters is not None:
        kept = {layer: adapted_kept(layer, whole, style, adapters) for layer, whole in kept.items()}
    return sum((kept[layer] * n for layer, n in counts.items()), start=NOTHING_KEPT)


def adapted_kept(layer: Layer, whole: Kept, style: Style, adapters: Adapters) -> Kept:
    """Return the activations stored by a frozen layer with adapters.

    A frozen matrix does not need its input, nor a frozen norm its normalised values; each adapter
    keeps its own copy of the input. For a 7B Mistral with fp32 adapters on all matrices (PEFT,
    H100) this gives 1.47 times the activations of full training, as measured.
    """
    mlp, size = _mlp(layer), style.value_bytes
    active = 1 if isinstance(layer.feed_forward, Mlp) else layer.feed_forward.active
    normed = _norms(layer, mlp.gated) * layer.attention.hidden * size * (2 if mlp.gated else 1)
    copies = sum(inputs for inputs, _ in _targets(layer, adapters.targets)) * adapters.value_bytes
    return Kept(
        whole_bytes=whole.whole_bytes - normed + copies,
        split_bytes=whole.split_bytes - active * mlp.width * size,
        pair_bytes=whole.pair_bytes,
    )


def layer_kept(layer: Layer, style: Style) -> Kept:
    """Return the activations stored by one layer, with RMS norms if gated, otherwise LayerNorms.

    A LayerNorm keeps its input and its output, which is the next matrix's input. An RMSNorm in
    fp32, as in Transformers, keeps the fp32 input, the normalised and the scaled values.

    Notes
    -----
    With fused GELU, eager attention and dropout masks of one byte this is the sbh (34 + 5 as/h)
    of Korthikanti et al., "Reducing activation recomputation", 2022, arXiv:2205.05198, eq. 1.
    """
    gated = _mlp(layer).gated
    size = style.value_bytes
    hidden = layer.attention.hidden
    per_norm = hidden * (FP32_BYTES + 2 * size if gated else 2 * size)
    masks = 2.0 * hidden if style.dropout else 0.0
    norms = Kept(whole_bytes=_norms(layer, gated) * per_norm + masks)
    return norms + _attention(layer.attention, style, gated) + _feed_forward(layer, style)


def typical_decoder(params: float, vocab: int = 64_000) -> Decoder:
    """Build a Llama-like decoder of about this size.

    >>> found = typical_decoder(6.7e9)
    >>> found.hidden, len(found.layers)
    (4096, 32)
    """
    layers = max(1, round((params / (12 * ASPECT**2)) ** (1 / 3)))
    hidden = ASPECT * layers
    heads = max(1, hidden // HEAD_DIM)
    attention = Attention(
        hidden=hidden, heads=heads, kv_heads=max(1, heads // 4), head_dim=HEAD_DIM
    )
    mlp = Mlp(hidden=hidden, width=hidden * 8 // 3, gated=True)
    layer = Layer(attention=attention, feed_forward=mlp, norm_params=2 * hidden)
    head = Head(outputs=vocab)
    return Decoder(
        hidden=hidden, vocab=vocab, layers=(layer,) * layers, head=head, max_positions=10**9
    )


def adapter_params(decoder: Decoder, rank: float, targets: str = "all") -> float:
    """Return the adapter parameters on all layer matrices except routed experts [1]_.

    References
    ----------
    .. [1] E. Hu et al., "LoRA", 2021, arXiv:2106.09685, sec. 4.1; on all linear layers: T.
       Dettmers et al., "QLoRA", 2023, arXiv:2305.14314, sec. 4.

    >>> adapter_params(typical_decoder(6.7e9), 16) / 1e6
    36.699136
    """
    return rank * sum(
        inputs + outputs for layer in decoder.layers for inputs, outputs in _targets(layer, targets)
    )


def widest_matrix(decoder: Decoder) -> float:
    """Return the size of a layer's largest matrix, excluding routed experts [1].

    >>> widest_matrix(typical_decoder(6.7e9)) / 1e6
    44.736512
    """
    return float(max(a * b for layer in set(decoder.layers) for a, b in _matrices(layer)))


def _mlp(layer: Layer) -> Mlp:
    part = layer.feed_forward
    return part.expert if isinstance(part, Experts) else part


def _norms(layer: Layer, gated: bool) -> float:
    """Return the number of norms around attention and MLP, two by default."""
    each = layer.attention.hidden * (1 if gated else 2)
    return max(1.0, layer.norm_params / each) if layer.norm_params else 2.0


def _attention(part: Attention | LatentAttention, style: Style, gated: bool) -> Kept:
    """Return the stored values of attention: Q, K, V, output, and softmax statistics or scores."""
    size = style.value_bytes
    if isinstance(part, LatentAttention):
        keys = part.heads * (part.nope_dim + part.rope_dim)
        values = part.heads * part.value_dim
        joint = part.heads * part.nope_dim + values  # values are a view of what built keys too
        inner = expanded = 2 * keys + joint + values
        latents = (part.kv_rank + (part.query_rank or 0)) * (FP32_BYTES + 2 * size)
        normed = 0.0
    else:
        width, kv_width = part.heads * part.head_dim, part.kv_heads * part.head_dim
        inner, expanded = 2 * width + 2 * kv_width, 4 * width
        latents = 0.0
        normed = (width + kv_width) * (FP32_BYTES + size) if part.norm_params else 0.0
    if not style.eager:
        return Kept(whole_bytes=latents, split_bytes=inner * size + normed + 4.0 * part.heads)
    in_fp32 = FP32_BYTES if gated and size < FP32_BYTES else 0.0
    return Kept(
        whole_bytes=latents,
        split_bytes=expanded * size + normed,
        pair_bytes=part.heads * (size + in_fp32 + (1.0 + size if style.dropout else 0.0)),
    )


def _feed_forward(layer: Layer, style: Style) -> Kept:
    part = layer.feed_forward
    if isinstance(part, Mlp):
        return Kept(split_bytes=_mlp_values(part, style) * style.value_bytes)
    sent = _mlp_values(part.expert, style) + 2 * part.expert.hidden  # gathered, and before weights
    values = part.active * sent
    if part.shared is not None:
        values += _mlp_values(part.shared, style)
    router = FP32_BYTES * part.experts
    return Kept(whole_bytes=router, split_bytes=values * style.value_bytes)


def _mlp_values(part: Mlp, style: Style) -> int:
    """Return the stored values of the MLP: gate, activation, up and product, or one activation."""
    return part.width * (4 if part.gated else style.plain_values)


def _targets(layer: Layer, targets: str) -> list[tuple[int, int]]:
    """Return the input and output sizes of the matrices with an adapter."""
    every = list(_matrices(layer))
    if targets == "all":
        return every
    if isinstance(layer.attention, LatentAttention):
        raise ValueError(
            "latent attention has no separate value matrix: set adapters to all, not qv"
        )
    return [every[0], every[2]]


def _matrices(layer: Layer) -> Iterator[tuple[int, int]]:
    """Return the input and output sizes of a layer's matrices, excluding routed experts."""
    part, feed = layer.attention, layer.feed_forward
    if isinstance(part, Attention):
        width, kv_width = part.heads * part.head_dim, part.kv_heads * part.head_dim
        yield from ((part.hidden, width), (part.hidden, kv_width), (part.hidden, kv_width))
        yield width, part.hidden
    else:
        keys = part.heads * (part.nope_dim + part.rope_dim)
        values = part.heads * part.value_dim
        yield part.query_rank or part.hidden, keys
        if part.query_rank is not None:
            yield part.hidden, part.query_rank
        yield part.hidden, part.kv_rank + part.rope_dim
        yield part.kv_rank, part.heads * part.nope_dim + values
        yield values, part.hidden
    dense = feed if isinstance(feed, Mlp) else feed.shared
    if dense is not None:
        yield from ((dense.hidden, dense.width),) * (2 if dense.gated else 1)
        yield dense.width, dense.hidden
