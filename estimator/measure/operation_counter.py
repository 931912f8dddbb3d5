"""What does one training step do beside its products: how many operations, how much memory traffic?

Products and convolutions keep what they work on in the caches; what lies between them does not:
activations, norms, dropout, residual sums, losses and the optimizer take as long as their numbers
take to come from memory and go back. An eager framework dispatches each operation by itself, which
takes microseconds, however small it is. Programs of one kind and size of step differ most in these.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from types import FrameType
from typing import Any

FUSED = (
    *("mkldnn_", "_cudnn_", "miopen_", "_thnn_", "_scaled_dot_product", "_efficient_attention"),
    *("_flash_attention", "_transformer_encoder_layer", "_grouped_mm"),
)
"""How the names of kernels begin that hold products, recurrent layers and attention among them."""

UNTOUCHED = (
    *("empty", "new_empty", "detach", "lift", "alias", "_unsafe_view", "_local_scalar_dense"),
    "set_",
)
"""How the names of operations begin that neither read nor write what a tensor holds."""

FILLS = (
    *("zero_", "fill_", "zeros", "ones", "full", "normal_", "uniform_", "random_", "bernoulli_"),
    *("rand", "arange", "_foreach_zero_", "new_zeros", "new_ones", "new_full"),
)
"""How the names of operations begin that write what they have not read."""

LOOKUPS = ("embedding", "index_select", "gather", "index")
"""Operations that read as much as they return, however large the table is."""

COMPILED = tuple(
    f"_TorchDynamoContext.__call__.<locals>.{name}" for name in ("compile_wrapper", "_fn")
)
"""What `torch.compile` puts in the place of a function, by the name of its code: now, and up to
PyTorch 2.6."""

ELSEWHERE = ("c10d", "_c10d_functional", "prim", "profiler")
"""Namespaces of operations that move values between devices, or none at all."""


@dataclass(frozen=True, kw_only=True)
class Operations:
    """What a step does.

    Parameters
    ----------
    count : float
        Operations that are dispatched one by one, products among them [1].
    traffic_bytes : float
        What those beside its products read and write [B].
    """

    count: float
    traffic_bytes: float


def counted_operations(step: Callable[[], Any]) -> Operations | None:
    """Run a step once as it is, and count what it does.

    Every operation that PyTorch dispatches reads its arguments and writes its results, a repeated
    (stride 0) dimension once; products, convolutions and fused kernels count by their FLOPs, and
    views do nothing. What the caches save and what the allocator does is left out.

    Returns
    -------
    Operations or None
        None where part of the step is compiled, which fuses operations, so that what it does is
        unknown; where a profiler of C code runs, beside which that cannot be seen; and where
        nothing was counted: other threads are not looked at.

    Raises
    ------
    ImportError
        Without PyTorch.
    """
    dispatch: Any = import_module("torch.utils._python_dispatch")
    products: Any = import_module("torch.utils.flop_counter").flop_registry
    count, moved = 0.0, 0.0

    class Counter(dispatch.TorchDispatchMode):  # type: ignore[misc]
        """Adds up what every operation moves."""

        def __torch_dispatch__(
            self, operation: Any, _types: Any, args: Any = (), named: Any = None
        ) -> Any:
            """Run one operation, and count it."""
            nonlocal count, moved
            product = operation._overloadpacket in products
            if operation.namespace == "aten" and not product:
                with self:  # of operations that others make up, in inference mode, these count
                    found = operation.decompose(*args, **(named or {}))
                if found is not NotImplemented:
                    return found
            found = operation(*args, **(named or {}))
            if does_something(operation):
                count += 1.0
                given = [*args, *(named or {}).values()]
                moved += 0.0 if product else moved_bytes(operation, given, found)
            return found

    with _compiled_calls() as compiled, Counter():
        step()
    if compiled or not moved:
        return None
    return Operations(count=count, traffic_bytes=moved)


def does_something(operation: Any) -> bool:
    """Whether an operation reads or writes what a tensor holds."""
    if operation.namespace in ELSEWHERE or operation.is_view:
        return False
    return not _name(operation).startswith(UNTOUCHED)


def moved_bytes(operation: Any, given: list[Any], found: Any) -> float:
    """What one operation that does something, and is no product, reads and writes [B]."""
    name = _name(operation)
    if name.startswith(FUSED):
        return 0.0
    written = _held_bytes(found) or _held_bytes(
        [
            value
            for value, argument in zip(given, operation._schema.arguments, strict=False)
            if argument.alias_info is not None and argument.alias_info.is_write
        ]
    )
    if name.startswith(FILLS):
        return written
    return written + (written if name in LOOKUPS else _held_bytes(given))


def _name(operation: Any) -> str:
    name: str = operation._schema.name.rpartition("::")[2]
    return name


def _held_bytes(values: Any) -> float:
    """Memory of the dense tensors among some values, however nested [B]."""
    torch: Any = import_module("torch")
    leaves: Any = import_module("torch.utils._pytree").tree_leaves
    total = 0.0
    for one in leaves(values):
        tensor = getattr(one, "_local_tensor", one)
        if isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided:
            numbers = 1.0
            for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
                numbers *= size if stride else min(size, 1)
            total += numbers * tensor.element_size()
    return total


@contextmanager
def _compiled_calls() -> Iterator[list[str]]:
    """Names of functions of `torch.compile` that are called meanwhile.

    While operations are counted, PyTorch runs these uncompiled and does not say so.
    """
    found: list[str] = []

    def look(frame: FrameType, event: str, _value: Any) -> None:
        if event == "call" and frame.f_code.co_qualname in COMPILED:
            found.append(frame.f_code.co_qualname)

    before: Any = sys.getprofile()
    if before is not None and not callable(before):
        yield ["unknown: a profiler of C code runs, and could not be set again"]
        return
    sys.setprofile(look)
    try:
        yield found
    finally:
        sys.setprofile(before)
