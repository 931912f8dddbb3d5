"""Linear layers in 8-bit floating point for training.

As usual [1]_: forward in E4M3, gradients in E5M2, each tensor scaled by its maximum, sums and
results in wider formats, and weights in fp32. The last layer and unsupported sizes stay wide.
PyTorch is passed in.

References
----------
.. [1] P. Micikevicius et al., "FP8 formats for deep learning", 2022, arXiv:2209.05433, sec. 3.
"""

from typing import Any

MULTIPLE = 16
"""Required multiple for sizes of 8-bit products (PyTorch, `torch._scaled_mm`) [1]."""


def in_eight_bits(torch: Any, model: Any) -> Any:
    """Convert every linear layer of a network except the last to 8-bit products."""
    multiply = _product(torch)
    linear = [one for one in model.modules() if isinstance(one, torch.nn.Linear)]
    for layer in linear[:-1]:
        if layer.in_features % MULTIPLE == 0 and layer.out_features % MULTIPLE == 0:
            layer.forward = _forward(multiply, layer)
    return model


def _forward(multiply: Any, layer: Any) -> Any:
    """Forward pass of one layer."""

    def forward(given: Any) -> Any:
        rows = given.reshape(-1, given.shape[-1])
        found = multiply.apply(rows, layer.weight).unflatten(0, given.shape[:-1])
        return found if layer.bias is None else found + layer.bias.to(found.dtype)

    return forward


def _product(torch: Any) -> Any:
    """Autograd function for a product of rows and a weight."""
    narrow, broad = torch.float8_e4m3fn, torch.float8_e5m2

    def scaled(values: Any, dtype: Any) -> tuple[Any, Any]:
        largest = torch.linalg.vector_norm(values, float("inf"), dtype=torch.float32)
        scale = largest.clamp(min=1e-12) / torch.finfo(dtype).max
        return (values / scale).to(dtype), scale

    def multiplied(left: Any, right: Any, scales: tuple[Any, Any]) -> Any:
        # The right factor lies by columns, as the boards want it.
        columns = right if right.stride(0) == 1 else right.t().contiguous().t()
        return torch._scaled_mm(
            left.contiguous(),
            columns,
            scale_a=scales[0],
            scale_b=scales[1],
            out_dtype=torch.bfloat16,
        )

    class Product(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, rows: Any, weight: Any) -> Any:
            given, given_scale = scaled(rows, narrow)
            held, held_scale = scaled(weight, narrow)
            ctx.save_for_backward(given, given_scale, held, held_scale)
            ctx.dtypes = rows.dtype, weight.dtype
            return multiplied(given, held.t(), (given_scale, held_scale))

        @staticmethod
        def backward(ctx: Any, slope: Any) -> Any:
            given, given_scale, held, held_scale = ctx.saved_tensors
            found, scale = scaled(slope, broad)
            of_weight = multiplied(found.t(), given, (scale, given_scale)).to(ctx.dtypes[1])
            if not ctx.needs_input_grad[0]:
                return None, of_weight
            return multiplied(found, held, (scale, held_scale)).to(ctx.dtypes[0]), of_weight

    return Product
