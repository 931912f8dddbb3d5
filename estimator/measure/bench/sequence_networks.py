"""Sequence networks in several styles: transformers and recurrent layers.

PyTorch is passed in, as it is not a dependency.
"""

from typing import Any

from estimator.measure.bench.small_networks import CLASSES, VOCABULARY

DROPOUT = 0.1

PATCH = 4
"""Edge of an image patch that is one token [pixel]."""


def gated_decoder(torch: Any, layers: int, width: int, length: int) -> Any:
    """Build a decoder with RMS norms, rotary embeddings and gated MLPs, without biases."""
    nn = torch.nn

    class RootNorm(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(width))

        def forward(self, stream: Any) -> Any:
            square = stream.float().square().mean(-1, keepdim=True)
            return self.scale * (stream.float() * (square + 1e-5).rsqrt()).to(stream.dtype)

    class GatedBlock(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.heads, inner = max(1, width // 48), 8 * width // 3
            self.before, self.between = RootNorm(), RootNorm()
            self.query, self.key, self.value, self.out = (
                nn.Linear(width, width, bias=False) for _ in range(4)
            )
            self.gate, self.up = (nn.Linear(width, inner, bias=False) for _ in range(2))
            self.down = nn.Linear(inner, width, bias=False)

        def forward(self, stream: Any) -> Any:
            at = self.before(stream)
            query, key, value = (
                layer(at).unflatten(-1, (self.heads, -1)).transpose(1, 2)
                for layer in (self.query, self.key, self.value)
            )
            query, key = (_rotated(torch, one).to(value.dtype) for one in (query, key))
            seen = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
            stream = stream + self.out(seen.transpose(1, 2).flatten(2))
            at = self.between(stream)
            return stream + self.down(nn.functional.silu(self.gate(at)) * self.up(at))

    return _of_words(torch, nn.Sequential(*(GatedBlock() for _ in range(layers))), width)


def _rotated(torch: Any, values: Any) -> Any:
    """Rotary position embedding; Su et al. 2021, arXiv:2104.09864."""
    length, width = values.shape[-2:]
    half = width // 2
    rates = 1e4 ** (-torch.arange(half, device=values.device) / half)
    angles = torch.arange(length, device=values.device)[:, None] * rates
    one, other = values[..., :half], values[..., half:]
    return torch.cat(
        (
            one * angles.cos() - other * angles.sin(),
            other * angles.cos() + one * angles.sin(),
        ),
        dim=-1,
    )


def patch_transformer(
    torch: Any, layers: int, width: int, edge: int, *, dropout: float = DROPOUT
) -> Any:
    """Build a vision transformer with patch tokens, pre-norms, and mean pooling.

    Without dropout its attention is fused.
    """
    nn = torch.nn
    tokens = (edge // PATCH) ** 2
    layer = nn.TransformerEncoderLayer(
        width, max(1, width // 32), 4 * width, dropout, "gelu", batch_first=True, norm_first=True
    )

    class PatchTransformer(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.patches = nn.Conv2d(3, width, PATCH, PATCH)
            self.places = nn.Parameter(torch.zeros(1, tokens, width))
            self.body = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
            self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, CLASSES))

        def forward(self, pictures: Any) -> Any:
            stream = self.patches(pictures).flatten(2).transpose(1, 2) + self.places
            return self.head(self.body(stream).mean(1))

    return PatchTransformer()


def encoder(torch: Any, layers: int, width: int, length: int) -> Any:
    """Build an encoder from PyTorch's layers, with post-norms and dropout."""
    nn = torch.nn
    layer = nn.TransformerEncoderLayer(
        width, max(1, width // 48), 4 * width, DROPOUT, batch_first=True
    )
    return _of_words(torch, nn.TransformerEncoder(layer, layers, enable_nested_tensor=False), width)


def recurrent(torch: Any, layers: int, width: int, length: int, *, kind: str) -> Any:
    """Build recurrent layers of a type."""

    class Outputs(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.body = getattr(torch.nn, kind)(width, width, layers, batch_first=True)

        def forward(self, values: Any) -> Any:
            return self.body(values)[0]

    return _of_words(torch, Outputs(), width)


def stepwise_lstm(torch: Any, layers: int, width: int, length: int) -> Any:
    """Build LSTM layers as a loop of cells."""
    nn = torch.nn

    class Stepwise(nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.cells = nn.ModuleList(nn.LSTMCell(width, width) for _ in range(layers))

        def forward(self, values: Any) -> Any:
            for cell in self.cells:
                state, kept = None, []
                for given in values.unbind(1):
                    state = cell(given, state)
                    kept.append(state[0])
                values = torch.stack(kept, dim=1)
            return values

    return _of_words(torch, Stepwise(), width)


def _of_words(torch: Any, body: Any, width: int) -> Any:
    """Embedding, body and head."""
    nn = torch.nn
    return nn.Sequential(nn.Embedding(VOCABULARY, width), body, nn.Linear(width, VOCABULARY))
